/* proc/schedule/worker.h - the OS threads that run processes, and the schedulers that they hold one at a time.
 *
 * A scheduler is data: queues, caches, a wheel. A worker is a thread; it holds a scheduler or waits among the spares, or runs one
 * process that did not come back in time and lost its scheduler to a spare. */
#ifndef PROC_SCHEDULE_WORKER_H
#define PROC_SCHEDULE_WORKER_H

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include "base/pool.h"
#include "base/random.h"
#include "base/wheel.h"
#include "platform/barrier.h"
#include "platform/fiber.h"
#include "platform/park.h"
#include "platform/thread.h"
#include "proc/process.h"
#include "proc/schedule/runq.h"

enum { ESI_WORKERS_MAX = 320, ESI_SPARES_MAX = 256, ESI_SCHEDULERS_MAX = 64, ESI_BUDGET = 4000 };

struct esi_scheduler {
    int index;
    struct esi_runq runq;
    struct esi_process *next;   /* goes first; the holder's only */
    struct esi_pool_cache pool; /* the holder's only, as the following */
    struct esi_stack_cache stacks;
    struct esi_stack
        *hot_stack; /* the default-sized one that was given back last, or NULL: for the next that needs one */
    _Atomic(int64_t) live,
        spawned; /* processes made less ended here; made here. Written by the holder, relaxed */
    uint64_t reference,
        references_end; /* of the numbers for references that it has taken: the next, and where they end */
    struct esi_process *free_blocks; /* control blocks, through in_queue.next */
    int free_block_count;
    bool lives_on_others; /* it has stolen since it last lay down */
    int slices, backlog;  /* since clock and poller were looked at; picks with others waiting */
    int32_t slice_budget; /* what the next slot inherits */
    struct esi_random random;
    pthread_spinlock_t
        wheel_lock; /* guards the wheel and what is kept of its timers: proc/schedule/timer.h */
    struct esi_wheel wheel;
    _Atomic(uint64_t) wheel_next_ns;     /* a lower bound, for sleeping; written under the lock */
    _Atomic(struct esi_worker *) holder; /* NULL: between two */
    _Atomic(uint32_t) ticked;            /* the watchdog asks it to look at clock and poller */
    _Atomic(uint32_t) picks;             /* grows with each process it picks; relaxed, for the watchdog */
    _Atomic(uint32_t) is_starving; /* the watchdog saw its queue waiting over two ticks without a pick */
    uint32_t seen_picks;           /* the watchdog's own note */
    _Atomic(uint32_t) is_idle;     /* its holder sleeps */
};

enum esi_lost {
    ESI_LOST_NOT,
    ESI_LOST_SCHEDULER,
    ESI_LOST_STRANDED,
    ESI_LOST_SIMULATED, /* nothing is lost; each call of the runtime asks the simulated world's rules (rules.h) */
};

struct esi_worker {
    _Atomic(pid_t) tid;     /* written by itself */
    int *errno_address;     /* of this thread */
    struct esi_fiber fiber; /* its own stack */
    struct esi_scheduler
        *scheduler; /* the one it holds, or NULL; the worker's, and the watchdog's while it is lost */
    _Atomic(struct esi_process *) current; /* whom it runs; written by itself */
    struct esi_process *leaving;           /* who left its stack and is not served yet: by who arrives */
    int32_t budget_given;                  /* the current one's at the beginning of its slice */
    _Atomic(uint32_t) in_runtime; /* 0 only while user code runs. Pairs with `lost`: platform/barrier.h */
    _Atomic(uint32_t) lost;       /* enum esi_lost */
    _Atomic(uint32_t) slice;      /* grows with each process it runs */
    _Atomic(uint32_t) kill_tried; /* the signal handler ran and could not leave: for the watchdog */
    _Atomic(uintptr_t) interrupted_at; /* where the handler found user code, for warnings */
    _Atomic(uint32_t) want_place;      /* the watchdog asks the handler for the place only */
    pthread_mutex_t
        handover; /* held while the watchdog decides about `lost`; the node's lock is taken under it */
    struct esi_scheduler *lent; /* what a spare is to hold from now on; guarded by the node's lock */
    uint32_t lent_at_slice;     /* its own note: `slice` when it was lent its scheduler */
    sigjmp_buf jump;            /* to its loop, from a fault or a kill */
    bool jump_is_set;
    struct esi_list in_spares; /* while spare; guarded by the node's lock */
    struct esi_thread_priority priority_before;
    bool is_sleeping;
    uint32_t swept_slice; /* its own note: `slice` when it last told of what it ran (sweep.c) */
    /* the watchdog's own notes */
    uint32_t seen_slice;
    uint64_t seen_since_ns;
    uint64_t kill_since_ns, place_since_ns; /* as it counts them: watchdog.c */
    bool is_reported;
    /* From here on it stays as it is when the memory is used for another thread: who has a pointer to the worker of before, a process that
     * ran there last or somebody who wakes it, may be at one of these just then. */
    int index;
    struct esi_fault *fault; /* what the handler leaves for the report; see containment */
    struct esi_thread thread;
    bool has_thread; /* `thread` is to be joined; guarded by the node's lock */
    struct esi_park park;
    _Atomic(struct esi_scheduler *)
        holds; /* `scheduler` as a hint for other threads, relaxed: decided is under `handover` */
    pthread_spinlock_t pinned_lock; /* guards pinned */
    struct esi_list pinned;         /* runnable processes that only this worker may run */
    _Atomic(int32_t) pinned_count;
    _Atomic(int32_t) pin_holders; /* living processes that es_pin() ties to it */
    bool was_pinned;              /* its own note: the last one that it picked was pinned to it */
    bool is_retired;       /* its thread ends, or is not there; guarded as in_spares and as pinned, both */
    bool never_comes_back; /* it is stranded; written by the watchdog, under pinned_lock */
};

/* The calling worker, or NULL in a thread that is none. A function that calls it may not keep the result over a wait. */
struct esi_worker *esi_worker_self(void);

/* The same, for functions that neither wait nor are inlined into one that does: the compiler may keep the thread's address from one use to
 * the next. Two instructions instead of a call; a new process needs it a dozen times. */
extern __thread struct esi_worker *esi_this_worker
    __attribute__((tls_model("initial-exec"), visibility("hidden")));
static inline struct esi_worker *esi_worker_here(void)
{
    return esi_this_worker;
}

/* The calling thread is this worker from here on; NULL: none. */
void esi_worker_become(struct esi_worker *worker);

/* `p` has a stack, or gets one on which it stands before `entry`; false: no memory. The worker, which holds a scheduler. */
bool esi_has_stack(struct esi_worker *worker, struct esi_process *p, esi_fiber_entry *entry);

/* `p`, which slept until the caller took it by esi_inbox_wake() to do something on its behalf, sleeps on, or is runnable if something came
 * meanwhile. A worker that holds a scheduler. */
void esi_park_again(struct esi_process *p);

/* What a process runs from its beginning: its function, and its end behind it. */
esi_fiber_entry esi_process_main;

/* Serves the process that left its stack for the caller's: puts it to sleep, into a queue, to its end. First thing on every stack
 * that was switched to. */
void esi_arrived(struct esi_worker *worker);

/* Leaves the stack, which is given back, and asks for `request`: the first from an entry function, which returns what it gives, the
 * second from anywhere. */
void **esi_leave_at_top(struct esi_process *self, enum esi_request request);
ES_NORETURN void esi_leave_for_good(struct esi_process *self, enum esi_request request);

struct esi_node {
    int scheduler_count;
    struct esi_scheduler *schedulers; /* array */
    struct esi_worker *_Atomic workers[ESI_WORKERS_MAX];
    _Atomic(int32_t) worker_count, spare_count, idle_count, stranded_count;
    pthread_mutex_t lock; /* guards spares and the making of workers */
    struct esi_list spares;
    struct esi_pool pool;
    struct esi_poller *poller;
    _Atomic(uint64_t)
        coarse_ns; /* the clock, when somebody last looked: at most some ms old while anything runs */
    _Atomic(uint32_t) wanted;  /* workers without a scheduler may have pinned processes to run */
    _Atomic(int32_t) polled;   /* descriptors that somebody waits for */
    _Atomic(uint32_t) polling; /* a worker is in the poller, asleep or for a look: 1 + its scheduler */
    _Atomic(uint32_t)
        polls; /* grows when one leaves the poller, who alone writes it; relaxed, for the watchdog */
    _Atomic(uint32_t) state; /* enum esi_node_state */
    _Atomic(int64_t) crashes, contained, handovers, forced_kills, spawned;
    _Atomic(int64_t)
        forced_stops; /* nodes that `shutdown` alone did not bring to their end in time; for tests */
    int exit_status;
    const char *name;
    bool is_sim;
    bool may_spin;              /* schedulers have cores of their own to wait on */
    _Atomic(uint32_t) spinning; /* one of them does */
    bool is_driven;             /* its one worker has no thread: proc/schedule/loop.h */
    uint64_t trace_hash;
};
enum esi_node_state { ESI_NODE_DOWN, ESI_NODE_UP, ESI_NODE_STOPPING, ESI_NODE_STOPPED, ESI_NODE_FORKED };
extern struct esi_node esi_node;

/* Now, in the unit of a process's `since`: about a millisecond. Async-signal-safe. */
static inline uint32_t esi_since_now(void)
{
    return (uint32_t)(atomic_load_explicit(&esi_node.coarse_ns, memory_order_relaxed) >> 20);
}

/* How many processes were ever spawned. Async-signal-safe. */
static inline int64_t esi_node_spawned(void)
{
    int64_t count = atomic_load_explicit(&esi_node.spawned, memory_order_relaxed);
    for (int i = 0; esi_node.schedulers && i < esi_node.scheduler_count; i++)
        count += atomic_load_explicit(&esi_node.schedulers[i].spawned, memory_order_relaxed);
    return count;
}

#endif
