/* floor.c - what does this machine itself allow?
 *
 * The plain yardstick beside the benchmarks: what a system call, a wake-up, a fresh page or a cache
 * line that changes cores costs here, without any Engset. No runtime can be faster than the
 * floor under it, and a figure of Engset means little without the floor of the same run.
 *
 *   floor [--cores 1|2] [--only NAME] [--quick] [--json]
 *   floor --list [--cores 1|2]
 *
 * --cores 1 measures what one core does alone, --cores 2 what passes between two. Every case prints
 * one line. The exit status is 0 when everything asked for was measured. */

#include "echo_floor.h"
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define CACHE_LINE 64
#define BATCH      64

/* The two cores that are used, taken from those this OS process may run on. */
static int core_id[2];
static int core_count;

/* Ends the program: the floor of a machine that cannot do this is not worth printing. */
static _Noreturn void give_up(const char *what, int error)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(error));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void find_cores(void)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        give_up("sched_getaffinity", errno);
    for (int cpu = 0; cpu < CPU_SETSIZE && core_count < 2; cpu++)
        if (CPU_ISSET(cpu, &allowed))
            core_id[core_count++] = cpu;
}

/* Keeps the calling thread on core 0 or 1 of those found. */
static void stay_on(int core)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core_id[core], &one);
    int error = pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    if (error != 0)
        give_up("pthread_setaffinity_np", error);
}

static pthread_t start_thread(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run, argument);
    if (error != 0)
        give_up("pthread_create", error);
    return thread;
}

static void join_thread(pthread_t thread)
{
    int error = pthread_join(thread, NULL);
    if (error != 0)
        give_up("pthread_join", error);
}

/* Tells the core that we spin. */
static inline void spin_a_little(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Makes the compiler believe that `p` and all memory are looked at here. */
static inline void keep(void *p)
{
    __asm__ volatile("" : : "g"(p) : "memory");
}

/* --- one core --- */

static int64_t syscall_null(int64_t count)
{
    int64_t start = now_ns();
    for (int64_t i = 0; i < count; i++)
        syscall(SYS_getppid);
    return now_ns() - start;
}

static int64_t clock_read(int64_t count)
{
    struct timespec t;
    int64_t start = now_ns();
    for (int64_t i = 0; i < count; i++) {
        clock_gettime(CLOCK_MONOTONIC, &t);
        keep(&t);
    }
    return now_ns() - start;
}

static int64_t atomic_add(int64_t count)
{
    _Alignas(CACHE_LINE) atomic_long word = 0;
    int64_t start = now_ns();
    for (int64_t i = 0; i < count; i++)
        atomic_fetch_add_explicit(&word, 1, memory_order_seq_cst);
    return now_ns() - start;
}

static int64_t malloc_free(int64_t count)
{
    int64_t start = now_ns();
    for (int64_t i = 0; i < count; i++) {
        void *block = malloc(64);
        if (block == NULL)
            give_up("malloc", ENOMEM);
        keep(block);
        free(block);
    }
    return now_ns() - start;
}

static int64_t malloc_free_batch(int64_t count)
{
    void *block[1024];
    int64_t start = now_ns();
    for (int64_t done = 0; done < count; done += 1024) {
        for (int i = 0; i < 1024; i++) {
            block[i] = malloc(64);
            if (block[i] == NULL)
                give_up("malloc", ENOMEM);
            keep(block[i]);
        }
        for (int i = 0; i < 1024; i++)
            free(block[i]);
    }
    return now_ns() - start;
}

/* First touch of a 4 KiB page. A first mapping of the same size is touched before the clock starts:
 * under a hypervisor that makes the host back the memory, which costs several times as much and
 * happens once. */
static int64_t touch_pages(int64_t count, int advice)
{
    const size_t page = 4096, huge = (size_t)2 << 20, size = (size_t)count * page;
    int64_t took = 0;
    for (int pass = 0; pass < 2; pass++) {
        char *map = mmap(NULL, size + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (map == MAP_FAILED)
            give_up("mmap", errno);
        char *aligned = map + (huge - (uintptr_t)map % huge) % huge;
        madvise(aligned, size, advice); /* a kernel without huge pages refuses: then both figures agree */
        int64_t start = now_ns();
        for (size_t at = 0; at < size; at += page)
            *(volatile char *)(aligned + at) = 1;
        took = now_ns() - start;
        munmap(map, size + huge);
    }
    return took;
}

static int64_t page_first_touch(int64_t count)
{
    return touch_pages(count, MADV_NOHUGEPAGE);
}

static int64_t page_first_touch_huge(int64_t count)
{
    return touch_pages(count, MADV_HUGEPAGE);
}

static void *do_nothing(void *argument)
{
    return argument;
}

static int64_t thread_create_join(int64_t count)
{
    int64_t start = now_ns();
    for (int64_t i = 0; i < count; i++)
        join_thread(start_thread(do_nothing, NULL));
    return now_ns() - start;
}

/* One operation is one switch; two contexts hand over to each other. glibc's swapcontext makes a
 * system call each time (the signal mask), which is why runtimes write their own. */
static ucontext_t here, there;

static void switch_back(void)
{
    for (;;)
        swapcontext(&there, &here);
}

static int64_t swap_contexts(int64_t count)
{
    static char stack[64 * 1024];
    if (getcontext(&there) != 0)
        give_up("getcontext", errno);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = sizeof stack;
    there.uc_link = NULL;
    makecontext(&there, switch_back, 0);
    int64_t start = now_ns();
    for (int64_t i = 0; i < count; i += 2)
        swapcontext(&here, &there);
    return now_ns() - start;
}

/* --- a queue of many producers and one consumer, after Dmitry Vyukov ---
 *
 *   at the same time       push   pop
 *   push (anyone)          yes    yes
 *   pop  (the owner)       yes    no
 *
 * I1  `newest` is the node that was pushed last; `oldest` the one popped last (at first the stub).
 * I2  From `oldest` one comes to `newest` through `next`, except while a push stands between its
 *     exchange and its store: then pop finds nothing, though more may already be behind the gap.
 * I3  `oldest` belongs to the consumer; the node it points at is still in the queue's hands, so
 *     pop copies the value out and gives the *former* `oldest` back. */
struct node {
    _Atomic(struct node *) next;
    int64_t value;
};

struct queue {
    _Alignas(CACHE_LINE) _Atomic(struct node *) newest;
    _Alignas(CACHE_LINE) struct node *oldest;
};

static void queue_init(struct queue *q, struct node *stub)
{
    atomic_init(&stub->next, NULL);
    atomic_init(&q->newest, stub);
    q->oldest = stub;
}

static void queue_push(struct queue *q, struct node *n)
{
    /* relaxed: nobody sees `n` before the store below. */
    atomic_store_explicit(&n->next, NULL, memory_order_relaxed);
    /* release: the line above comes before any push that gets `n` and stores to its `next`.
     * acquire: pairs with the same exchange of that earlier push. */
    struct node *before = atomic_exchange_explicit(&q->newest, n, memory_order_acq_rel);
    /* Takes effect here. release: pairs with the acquire in queue_pop(). */
    atomic_store_explicit(&before->next, n, memory_order_release);
}

/* The value of the oldest message in `*value` and a free node, or NULL if there is none yet. */
static struct node *queue_pop(struct queue *q, int64_t *value)
{
    struct node *free_node = q->oldest;
    /* acquire: pairs with the store in queue_push(); the value was written before it. */
    struct node *n = atomic_load_explicit(&free_node->next, memory_order_acquire);
    if (n == NULL)
        return NULL;
    *value = n->value;
    q->oldest = n;
    return free_node;
}

/* One operation is a push and a pop on the same thread, `depth` messages at a time. */
static int64_t push_and_pop(int64_t count, int depth)
{
    struct node node[BATCH + 1];
    struct node *free_node[BATCH];
    struct queue q;
    int64_t value = 0;
    queue_init(&q, &node[BATCH]);
    for (int i = 0; i < depth; i++)
        free_node[i] = &node[i];
    int64_t start = now_ns();
    for (int64_t done = 0; done < count; done += depth) {
        for (int i = 0; i < depth; i++) {
            free_node[i]->value = i;
            queue_push(&q, free_node[i]);
        }
        for (int i = 0; i < depth; i++) {
            free_node[i] = queue_pop(&q, &value);
            if (free_node[i] == NULL || value != i)
                give_up("the queue lost a message", EINVAL);
        }
    }
    return now_ns() - start;
}

static int64_t mpsc_same(int64_t count)
{
    return push_and_pop(count, 1);
}

static int64_t mpsc_same_batch(int64_t count)
{
    return push_and_pop(count, BATCH);
}

/* --- two cores --- */

struct flood {
    struct queue queue;
    struct node *nodes;
    int64_t count;
    atomic_bool go;
};

static void *flood_producer(void *argument)
{
    struct flood *f = argument;
    stay_on(1);
    /* acquire: pairs with the release in mpsc_cross(). */
    while (!atomic_load_explicit(&f->go, memory_order_acquire))
        spin_a_little();
    for (int64_t i = 0; i < f->count; i++) {
        f->nodes[i].value = i;
        queue_push(&f->queue, &f->nodes[i]);
    }
    return NULL;
}

/* One operation is one message from a core to the other; both spin. The nodes are allocated and
 * touched before. */
static int64_t mpsc_cross(int64_t count)
{
    static struct flood f;
    f.count = count;
    f.nodes = malloc((size_t)(count + 1) * sizeof *f.nodes);
    if (f.nodes == NULL)
        give_up("malloc", ENOMEM);
    memset((void *)f.nodes, 0, (size_t)(count + 1) * sizeof *f.nodes);
    queue_init(&f.queue, &f.nodes[count]);
    stay_on(0);
    pthread_t producer = start_thread(flood_producer, &f);
    int64_t value = 0, expected = 0, start = now_ns();
    /* release: the producer may use all that was written above once it sees this. */
    atomic_store_explicit(&f.go, true, memory_order_release);
    while (expected < count) {
        if (queue_pop(&f.queue, &value) == NULL) {
            spin_a_little();
            continue;
        }
        if (value != expected++)
            give_up("the queue lost a message", EINVAL);
    }
    int64_t took = now_ns() - start;
    join_thread(producer);
    free(f.nodes);
    return took;
}

/* Two threads that take turns on one word: even values are the first one's turn, odd ones the
 * second's. `other_core` says where the second runs. */
struct turns {
    _Alignas(CACHE_LINE) _Atomic uint32_t word;
    int64_t count;
    int other_core;
};

static void *spin_second(void *argument)
{
    struct turns *t = argument;
    stay_on(t->other_core);
    for (uint32_t i = 0; i < (uint32_t)t->count; i++) {
        while (atomic_load_explicit(&t->word, memory_order_relaxed) != 2 * i + 1)
            spin_a_little();
        atomic_store_explicit(&t->word, 2 * i + 2, memory_order_relaxed); /* the word is all we pass */
    }
    return NULL;
}

/* One operation is the line going there and back while both spin. */
static int64_t cacheline_roundtrip(int64_t count)
{
    static struct turns t;
    t.count = count;
    t.other_core = 1;
    stay_on(0);
    pthread_t second = start_thread(spin_second, &t);
    int64_t start = now_ns();
    for (uint32_t i = 0; i < (uint32_t)count; i++) {
        atomic_store_explicit(&t.word, 2 * i + 1, memory_order_relaxed);
        while (atomic_load_explicit(&t.word, memory_order_relaxed) != 2 * i + 2)
            spin_a_little();
    }
    int64_t took = now_ns() - start;
    join_thread(second);
    return took;
}

static void futex_wait(_Atomic uint32_t *word, uint32_t while_it_is)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_it_is, NULL, NULL, 0);
}

static int futex_wake(_Atomic uint32_t *word)
{
    return (int)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void sleep_until(_Atomic uint32_t *word, uint32_t wanted)
{
    uint32_t now;
    while ((now = atomic_load(word)) != wanted)
        futex_wait(word, now);
}

static void *sleep_second(void *argument)
{
    struct turns *t = argument;
    stay_on(t->other_core);
    for (uint32_t i = 0; i < (uint32_t)t->count; i++) {
        sleep_until(&t->word, 2 * i + 1);
        atomic_store(&t->word, 2 * i + 2);
        futex_wake(&t->word);
    }
    return NULL;
}

/* One operation is a round trip of two threads that sleep in the kernel between their turns. */
static int64_t futex_roundtrip(int64_t count, int other_core)
{
    static struct turns t;
    t.count = count;
    t.other_core = other_core;
    stay_on(0);
    pthread_t second = start_thread(sleep_second, &t);
    int64_t start = now_ns();
    for (uint32_t i = 0; i < (uint32_t)count; i++) {
        atomic_store(&t.word, 2 * i + 1);
        futex_wake(&t.word);
        sleep_until(&t.word, 2 * i + 2);
    }
    int64_t took = now_ns() - start;
    join_thread(second);
    return took;
}

static int64_t futex_rtt_same(int64_t count)
{
    return futex_roundtrip(count, 0);
}

static int64_t futex_rtt_cross(int64_t count)
{
    return futex_roundtrip(count, 1);
}

static int64_t futex_wake_nowaiter(int64_t count)
{
    _Atomic uint32_t word = 0;
    int64_t start = now_ns();
    for (int64_t i = 0; i < count; i++)
        futex_wake(&word);
    return now_ns() - start;
}

/* The waker's side alone: the system call that wakes a thread asleep on the other core. A wake-up
 * counts only if it found the sleeper, and the pause before it lets the other core go idle. */
static int64_t futex_wake_sleeper(int64_t count)
{
    static struct turns t;
    const int64_t pause_ns = 50000;
    t.count = count;
    t.other_core = 1;
    stay_on(0);
    pthread_t second = start_thread(sleep_second, &t);
    int64_t took = 0, woken = 0;
    for (uint32_t i = 0; i < (uint32_t)count; i++) {
        for (int64_t until = now_ns() + pause_ns; now_ns() < until;)
            spin_a_little();
        atomic_store(&t.word, 2 * i + 1);
        int64_t start = now_ns();
        int found = futex_wake(&t.word);
        int64_t end = now_ns();
        if (found == 1) {
            took += end - start;
            woken++;
        }
        while (atomic_load(&t.word) != 2 * i + 2)
            spin_a_little();
    }
    join_thread(second);
    if (woken == 0)
        give_up("futex_wake_sleeper: the other core never slept", EAGAIN);
    return took * count / woken;
}

/* --- the list, and the door --- */

struct floor_case {
    const char *name;
    int cores;     /* that it needs; with --cores it runs only there */
    int64_t count; /* operations; --quick does a twentieth */
    int64_t (*run)(int64_t count);
    const char *what;
};

static const struct floor_case cases[] = {
    {"syscall_null", 1, 2000000, syscall_null, "the cheapest system call"},
    {"clock_gettime", 1, 10000000, clock_read, "reading the monotonic clock"},
    {"atomic_fetch_add", 1, 50000000, atomic_add, "an atomic addition without contention"},
    {"malloc_free_64", 1, 20000000, malloc_free, "malloc and free of 64 bytes, hot"},
    {"malloc_free_64_batch1024", 1, 20480000, malloc_free_batch, "the same, 1024 alive at once"},
    {"mpsc_same", 1, 20000000, mpsc_same, "queue push and pop, one thread"},
    {"mpsc_same_batch64", 1, 19200000, mpsc_same_batch, "the same, 64 pushes then 64 pops"},
    {"swapcontext", 1, 2000000, swap_contexts, "one switch of glibc's swapcontext"},
    {"page_first_touch", 1, 100000, page_first_touch, "first touch of a 4 KiB page"},
    {"page_first_touch_huge", 1, 102400, page_first_touch_huge, "the same per 4 KiB of 2 MiB pages"},
    {"pthread_create_join", 1, 20000, thread_create_join, "start a thread and wait for its end"},
    {"futex_wake_nowaiter", 1, 2000000, futex_wake_nowaiter, "FUTEX_WAKE when nobody sleeps"},
    {"futex_rtt_same", 1, 100000, futex_rtt_same, "two threads that sleep by turns, one core"},
    {"echo", 1, 200000, echo_floor, "64 bytes to a bare epoll server and back, 1,000 connections"},
    {"futex_rtt_cross", 2, 40000, futex_rtt_cross, "two threads that sleep by turns, two cores"},
    {"futex_wake_sleeper", 2, 10000, futex_wake_sleeper, "waking the other core, the waker's share"},
    {"cacheline_roundtrip", 2, 5000000, cacheline_roundtrip, "a cache line there and back"},
    {"mpsc_cross", 2, 10000000, mpsc_cross, "queue message from core to core, both spin"},
};
enum { CASES = sizeof cases / sizeof cases[0] };

struct options {
    const char *only; /* NULL: all */
    int cores;        /* 0: whatever the machine has */
    bool quick, json, list;
};

static bool is_wanted(const struct floor_case *c, const struct options *o)
{
    return (o->cores == 0 || o->cores == c->cores) && (o->only == NULL || strcmp(o->only, c->name) == 0);
}

static void run_case(const struct floor_case *c, const struct options *o)
{
    struct utsname machine;
    int64_t count = o->quick ? c->count / 20 : c->count;
    if (uname(&machine) != 0)
        give_up("uname", errno);
    double ns = (double)c->run(count) / (double)count;
    if (o->json)
        printf("{\"bench\":\"%s\",\"impl\":\"floor\",\"version\":\"%s %s\",\"cores\":%d,\"ops\":%lld,"
               "\"ns_per_op\":%.2f}\n",
               c->name, machine.sysname, machine.release, c->cores, (long long)count, ns);
    else
        printf("%-26s %12.1f ns  %s\n", c->name, ns, c->what);
    fflush(stdout);
}

static void read_options(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--quick") == 0) {
            o->quick = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            o->json = true;
        } else if (strcmp(argv[i], "--list") == 0) {
            o->list = true;
        } else if (strcmp(argv[i], "--only") == 0 && next != NULL) {
            o->only = argv[++i];
        } else if (strcmp(argv[i], "--cores") == 0 && next != NULL &&
                   (strcmp(next, "1") == 0 || strcmp(next, "2") == 0)) {
            o->cores = atoi(argv[++i]);
        } else {
            fprintf(stderr, "usage: floor [--list] [--cores 1|2] [--only NAME] [--quick] [--json]\n");
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    struct options options = {0};
    int wanted = 0;
    read_options(argc, argv, &options);
    find_cores();
    if (!options.json && !options.list)
        printf("floor of this machine, ns per operation\n");
    for (int i = 0; i < CASES; i++) {
        if (!is_wanted(&cases[i], &options))
            continue;
        if (options.list) {
            printf("%s\n", cases[i].name);
        } else if (cases[i].cores > core_count && options.cores == 0 && options.only == NULL) {
            continue; /* everything that one core can do */
        } else if (cases[i].cores > core_count) {
            give_up("two cores are needed", ENOTSUP);
        } else {
            stay_on(0);
            run_case(&cases[i], &options);
        }
        wanted++;
    }
    if (wanted == 0) {
        fprintf(stderr, "floor: no such case\n");
        return 1;
    }
    return 0;
}
