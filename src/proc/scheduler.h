/* proc/scheduler.h - queues of runnable processes, and who runs next. Used by workers; what they do with a process is in worker.c. */
#ifndef PROC_SCHEDULER_H
#define PROC_SCHEDULER_H

#include "proc/worker.h"

void esi_scheduler_init(struct esi_scheduler *scheduler, int index, uint64_t seed);
/* Its holder is gone and nobody runs. */
void esi_scheduler_fini(struct esi_scheduler *scheduler);

/* Puts a runnable process at the end of `scheduler`'s queue. Any thread. */
void esi_runq_push(struct esi_scheduler *scheduler, struct esi_process *p);

/* The process that runs next on `worker`'s scheduler: its pinned ones, the next slot, the queue, stolen ones; NULL: none. */
struct esi_process *esi_scheduler_pick(struct esi_worker *worker);

/* The process in the next slot, taken out, if nothing else asks for the worker's loop just now; else NULL. */
struct esi_process *esi_scheduler_take_next(struct esi_worker *worker);

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

/* Looks at the poller without waiting, wakes whom it tells of; nothing if somebody is there already. The holder. */
void esi_poll_now(struct esi_scheduler *scheduler);

#endif
