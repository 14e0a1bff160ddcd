/* platform/thread.c - see thread.h. */
#include <string.h>
#include <fcntl.h>
#include "platform/thread.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/assert.h"
#include "platform/sanitize.h"

/* ---- the alternate signal stack ---- */

es_err esi_thread_altstack_install(struct esi_altstack *altstack)
{
    size_t page = (size_t)getpagesize();
    long frame = sysconf(_SC_SIGSTKSZ); /* grows with the registers that the machine has */
    size_t spare = ESI_ASAN || ESI_TSAN ? 64u << 10 : 16u << 10;
    size_t size = ((frame > 0 ? (size_t)frame : (size_t)SIGSTKSZ) + spare + page - 1) / page * page;
    char *mapping =
        mmap(NULL, page + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (mapping == MAP_FAILED)
        return ES_ENOMEM;
    stack_t wanted = {.ss_sp = mapping + page, .ss_size = size};
    if (mprotect(mapping, page, PROT_NONE) != 0 || sigaltstack(&wanted, &altstack->before) != 0) {
        munmap(mapping, page + size);
        return ES_ENOMEM;
    }
    altstack->mapping = mapping;
    altstack->mapped_bytes = page + size;
    return ES_OK;
}

void esi_thread_altstack_remove(struct esi_altstack *altstack)
{
    int failed = sigaltstack(&altstack->before, NULL);
    esi_assert(!failed);
    munmap(altstack->mapping, altstack->mapped_bytes);
    altstack->mapping = NULL;
}

/* ---- threads ---- */

/* Lives on the opener's stack until the thread has posted `ready`. */
struct opening {
    void (*run)(void *argument);
    void *argument;
    const char *name;
    es_err err;
    sem_t ready;
};

static void *thread_main(void *given)
{
    struct opening *opening = given;
    void (*run)(void *) = opening->run;
    void *argument = opening->argument;
    struct esi_altstack altstack;
    char name[16];
    snprintf(name, sizeof name, "%s", opening->name);
    pthread_setname_np(pthread_self(), name);
    es_err err = esi_thread_altstack_install(&altstack);
    opening->err = err;
    sem_post(&opening->ready);
    if (err != ES_OK)
        return NULL;
    run(argument);
    esi_thread_altstack_remove(&altstack);
    return NULL;
}

/* What a fault raises in the thread that made it: blocked, it would end the OS process without a word. */
static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

void esi_thread_spare_faults(sigset_t *mask)
{
    for (size_t i = 0; i < sizeof synchronous / sizeof synchronous[0]; i++)
        sigdelset(mask, synchronous[i]);
}

static void mask_for(const sigset_t *unblocked, sigset_t *mask)
{
    sigfillset(mask);
    esi_thread_spare_faults(mask);
    for (int signal = 1; unblocked && signal < NSIG; signal++)
        if (sigismember(unblocked, signal) == 1)
            sigdelset(mask, signal);
}

es_err esi_thread_open(void (*run)(void *argument), void *argument, const char *name,
                       const sigset_t *unblocked, struct esi_thread *out)
{
    struct opening opening = {.run = run, .argument = argument, .name = name};
    sigset_t mask, before;
    pthread_t handle;
    sem_init(&opening.ready, 0, 0);
    /* A thread starts with its maker's mask: so no signal can come before it has its own. */
    mask_for(unblocked, &mask);
    pthread_sigmask(SIG_SETMASK, &mask, &before);
    int failed = pthread_create(&handle, NULL, thread_main, &opening);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        sem_destroy(&opening.ready);
        return failed == ENOMEM ? ES_ENOMEM : failed == EAGAIN ? ES_ELIMIT : ES_EOS;
    }
    while (sem_wait(&opening.ready) != 0)
        esi_assert(errno == EINTR);
    sem_destroy(&opening.ready);
    if (opening.err != ES_OK) {
        pthread_join(handle, NULL);
        return opening.err;
    }
    out->handle = handle;
    return ES_OK;
}

void esi_thread_join(struct esi_thread *thread)
{
    int failed = pthread_join(thread->handle, NULL);
    esi_assert(!failed);
}

pid_t esi_thread_id(void)
{
    return (pid_t)syscall(SYS_gettid);
}

/* ---- priority ---- */

#define NICE_LOWERED    10
#define NICE_WORST      19
#define LONG_STRETCH_NS 4000000 /* the kernel's own is at most 3 ms */

static bool set_policy(pid_t tid, int policy)
{
    struct sched_param none = {.sched_priority = 0};
    return sched_setscheduler(tid, policy, &none) == 0;
}

/* What sched_setattr(2) takes: libc has had a name for it for a short time only. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

/* How long the thread runs at a stretch, if nothing speaks against it; 0: as any other. From Linux 6.12 on a thread that wakes up goes before one
 * with longer stretches at once, and not at the end of the stretch under way; older ones take no notice. Nobody depends on it. A little longer
 * is enough, and much longer is worse: it is a stretch, which those wait for who were ready before (100 ms: up to 90 ms for them). */
static void set_stretch(pid_t tid, int policy, int nice, uint64_t stretch_ns)
{
    struct attributes a = {
        .size = sizeof a, .policy = (uint32_t)policy, .nice = nice, .runtime_ns = stretch_ns};
    syscall(SYS_sched_setattr, tid, &a, 0);
}

bool esi_thread_lower_priority(pid_t tid, struct esi_thread_priority *before)
{
    int error_before = errno;
    errno = 0;
    int nice = getpriority(PRIO_PROCESS, (id_t)tid);
    bool known = errno == 0;
    int policy = sched_getscheduler(tid);
    *before = (struct esi_thread_priority){.policy = policy, .nice = nice};
    if (known && policy == SCHED_OTHER) {
        int lower = nice + NICE_LOWERED > NICE_WORST ? NICE_WORST : nice + NICE_LOWERED;
        before->is_lowered = set_policy(tid, SCHED_BATCH) && setpriority(PRIO_PROCESS, (id_t)tid, lower) == 0;
        if (before->is_lowered)
            set_stretch(tid, SCHED_BATCH, lower, LONG_STRETCH_NS);
        else
            set_policy(tid, policy);
    }
    errno = error_before;
    return before->is_lowered;
}

bool esi_thread_restore_priority(pid_t tid, const struct esi_thread_priority *before)
{
    if (!before->is_lowered)
        return true;
    int error_before = errno;
    bool nice_is_back = setpriority(PRIO_PROCESS, (id_t)tid, before->nice) == 0;
    bool policy_is_back = set_policy(tid, before->policy);
    set_stretch(tid, before->policy, getpriority(PRIO_PROCESS, (id_t)tid), 0);
    errno = error_before;
    return nice_is_back && policy_is_back;
}

/* "TID (name) S ...": the letter behind the last ')'. */
bool esi_thread_is_blocked(pid_t tid)
{
    char path[64], line[128];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, line, sizeof line - 1);
    close(fd);
    if (length <= 0)
        return false;
    line[length] = 0;
    const char *end = strrchr(line, ')');
    return end && (end[2] == 'S' || end[2] == 'D');
}
