/* proc/schedule/runq.h - a scheduler's queue of runnable processes. Its holder puts and takes, idle schedulers steal, any thread may put.
 *
 * Who was woken, or has had its turn, stands in a line by priority: first come, first served. Who was just spawned stands apart, with the
 * young: children go before those who were spawned earlier, in the order in which their parent made them while none was taken meanwhile. So
 * a tree of processes grows branch by branch and not level by level, and what it needs at a time is its height, not its breadth: stacks and
 * control blocks are used again while they are in the cache (the order of Cilk: Blumofe, Leiserson, "Scheduling multithreaded computations
 * by work stealing", 1999). A thief takes the oldest of the young, which have most before them. */
#ifndef PROC_SCHEDULE_RUNQ_H
#define PROC_SCHEDULE_RUNQ_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "base/list.h"
#include "base/random.h"
#include "proc/process.h"

enum { ESI_PRIORITIES = 4 };

struct esi_runq {
    pthread_spinlock_t lock;            /* guards the rest; taken last */
    struct esi_list of[ESI_PRIORITIES]; /* by es_priority */
    struct esi_list young;              /* of normal priority, whoever is to run first in front */
    struct esi_list *last_born;         /* behind it comes the next child of `parent` */
    uint64_t parent;                    /* 0: the next child comes in front */
    _Atomic(int32_t) length;            /* of all; written under the lock; read as a hint */
    _Atomic(int32_t) higher;            /* of those in the lines of max and high; likewise */
    int low_turn;                       /* normal ones since a low one ran */
    bool was_young;                     /* the last turn that began here was of the young */
};

/* An empty one, of memory that is all zero. fini: nobody uses it any more; who is queued stays where it is. */
void esi_runq_init(struct esi_runq *runq);
void esi_runq_fini(struct esi_runq *runq);

/* Puts `p` at the end of its priority's line; gives how many wait now. Any thread. */
int32_t esi_runq_put(struct esi_runq *runq, struct esi_process *p);

/* Puts `p`, which has never run, among the young; gives how many wait now. The holder. */
int32_t esi_runq_put_young(struct esi_runq *runq, struct esi_process *p);

/* Who runs next; NULL: nobody waits. With max and high before all. `goes_on`: the turn of a relative of the young is not over yet, and one of
 * them goes on with it (gives true there); else a turn begins (false there), the lines' and the young's by turns. The holder. */
struct esi_process *esi_runq_take(struct esi_runq *runq, bool *goes_on);

/* Anyone of the line that would be next, whom `random` draws; NULL: nobody waits. For a simulated scheduler, where nobody is young. */
struct esi_process *esi_runq_draw(struct esi_runq *runq, struct esi_random *random);

/* The one of that line whose rank is the highest, the first of those; NULL: nobody waits. Likewise. */
struct esi_process *esi_runq_best(struct esi_runq *runq, uint64_t (*rank)(const struct esi_process *p));

/* Moves half of what waits (at most 64) to `loot`; gives how many: 0 also if somebody else is at the queue just now. Any thread. */
int esi_runq_steal(struct esi_runq *runq, struct esi_list *loot);

/* Does nobody of higher priority than normal wait? A hint but under the lock. */
static inline bool esi_runq_has_no_higher(const struct esi_runq *runq)
{
    return !atomic_load_explicit(&runq->higher, memory_order_relaxed);
}

#endif
