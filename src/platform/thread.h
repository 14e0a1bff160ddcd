/* platform/thread.h - OS threads as the runtime wants them.
 *
 * Without asynchronous signals, with a name and with an alternate signal stack, so that a handler also runs
 * when a process has used up its own. What threads do is not here. */
#ifndef PLATFORM_THREAD_H
#define PLATFORM_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <engset/base.h>

struct esi_thread {
    pthread_t handle;
};

/* Takes the signals that a fault raises in the thread that made it out of `mask`: blocked, they would end the OS process without a word.
 * Any thread. */
void esi_thread_spare_faults(sigset_t *mask);

/* Runs `run(argument)` in a new thread called `name` (cut to 15 bytes), with an alternate signal stack and
 * every asynchronous signal blocked but those in `*unblocked` (NULL: none). SIGSEGV, SIGBUS, SIGFPE, SIGILL,
 * SIGTRAP, SIGSYS and SIGABRT are never blocked. On ES_OK it must be joined. ES_ENOMEM, ES_ELIMIT (no more
 * threads), ES_EOS. Any thread. */
ES_CHECKED es_err esi_thread_open(void (*run)(void *argument), void *argument, const char *name,
                                  const sigset_t *unblocked, struct esi_thread *out);

/* Waits for its end. */
void esi_thread_join(struct esi_thread *thread);

/* The kernel's number of the calling thread. */
pid_t esi_thread_id(void);

struct esi_altstack {
    char *mapping;
    size_t mapped_bytes;
    stack_t before;
};

/* Gives the calling thread an alternate signal stack of sysconf(_SC_SIGSTKSZ) + 16 KiB (64 KiB when checked),
 * with a guard page. What was there before is kept in `*altstack` for remove. ES_ENOMEM. */
ES_CHECKED es_err esi_thread_altstack_install(struct esi_altstack *altstack);

/* Undoes install, in the same thread and not on that stack. */
void esi_thread_altstack_remove(struct esi_altstack *altstack);

/* Does the thread `tid` of this OS process sleep in the kernel just now? By /proc, some microseconds. False also when nobody can tell. */
bool esi_thread_is_blocked(pid_t tid);

/* How a thread was scheduled before it was lowered. */
struct esi_thread_priority {
    int policy, nice;
    bool is_lowered;
};

/* Makes the thread `tid` of this OS process yield to others: SCHED_BATCH, nice 10 more, and long stretches at a time. True if it worked;
 * `*before` is for restore, also if it did not. Any thread. */
bool esi_thread_lower_priority(pid_t tid, struct esi_thread_priority *before);

/* Undoes it as far as the OS allows: without CAP_SYS_NICE or RLIMIT_NICE the nice value stays, and it is
 * false. Any thread. */
bool esi_thread_restore_priority(pid_t tid, const struct esi_thread_priority *before);

#endif
