/* proc/schedule/scheduler.h - queues of runnable processes, and who runs next. Used by workers; what they do with a process is in worker.c. */
#ifndef PROC_SCHEDULE_SCHEDULER_H
#define PROC_SCHEDULE_SCHEDULER_H

#include "proc/schedule/worker.h"

void esi_scheduler_init(struct esi_scheduler *scheduler, int index, uint64_t seed);
/* Its holder is gone and nobody runs. */
void esi_scheduler_fini(struct esi_scheduler *scheduler);

/* Puts a runnable process at the end of `scheduler`'s queue. Any thread. */
void esi_runq_push(struct esi_scheduler *scheduler, struct esi_process *p);

/* The process that runs next on `worker`'s scheduler: its pinned ones, the next slot, the queue, stolen ones; NULL: none. */
struct esi_process *esi_scheduler_pick(struct esi_worker *worker);

/* After so many slices the clock and the poller are looked at, though the watchdog's tick did not ask for it: 10 us of the shortest ones. */
enum { ESI_SLICES_A_LOOK = 128 };

/* The next slot goes first as long as the slice lasts and nobody of higher priority waits. The holder. */
static inline bool esi_next_may_run(struct esi_scheduler *s)
{
    return s->next && s->slice_budget > 0 && s->next->priority != ES_PRIORITY_LOW &&
           (s->next->priority >= ES_PRIORITY_HIGH || esi_runq_has_no_higher(&s->runq));
}

/* The process in the next slot, taken out, if nothing else asks for the worker's loop just now; else NULL. */
static inline struct esi_process *esi_scheduler_take_next(struct esi_worker *w)
{
    struct esi_scheduler *s = w->scheduler;
    if (!esi_next_may_run(s) || s->slices + 1 >= ESI_SLICES_A_LOOK ||
        atomic_load_explicit(&s->ticked, memory_order_relaxed) ||
        atomic_load_explicit(&w->pinned_count, memory_order_relaxed) ||
        atomic_load_explicit(&esi_node.wanted, memory_order_relaxed))
        return NULL;
    s->slices++;
    atomic_store_explicit(&s->picks, s->picks + 1, memory_order_relaxed);
    struct esi_process *p = s->next;
    s->next = NULL;
    return p;
}

/* Does its queue hold more than its holder is about to run? One process alone is left to the holder, unless that does not come
 * back: a pair that works hand in hand would otherwise be torn apart each time that one of them is seen waiting. A hint. */
bool esi_scheduler_has_backlog(struct esi_scheduler *scheduler);

/* Fires what is due. The holder. */
void esi_scheduler_fire_timers(struct esi_scheduler *scheduler, uint64_t now_ns);

/* Wakes the holder if it sleeps, so that it looks at its queue and wheel again. Any thread. */
void esi_scheduler_rouse(struct esi_scheduler *scheduler);

/* Wakes one sleeping scheduler, if there is one and nobody is looking for work already. Any thread. */
void esi_rouse_one(void);

/* Sleeps until roused, until there are events, or until the wheel's next timer. The holder. */
void esi_scheduler_sleep(struct esi_worker *worker);

/* The same in two halves, for a worker whose driver sleeps elsewhere: on the poller's descriptor. pause: gives until when at the latest
 * (ESI_NO_DEADLINE: until the descriptor is readable), or 0: it does not lie down, something came. resume: it is awake, and fires and
 * tells of what is due and ready. The driver. */
uint64_t esi_scheduler_pause(struct esi_worker *worker);
void esi_scheduler_resume(struct esi_worker *worker);

/* Looks at the poller without waiting, wakes whom it tells of; nothing if somebody is there already. The holder. */
void esi_poll_now(struct esi_scheduler *scheduler);

#endif
