/* proc/sweep.h - finds who has waited long with a stack, and hibernates it: es_options.hibernate_after_ms.
 *
 * In bouts, by a worker that is about to sleep. Nothing is noted when a process waits or is woken. How a stack is copied is in
 * proc/hibernate.h. */
#ifndef PROC_SWEEP_H
#define PROC_SWEEP_H

#include <stdint.h>

struct esi_worker;

/* The node starts: nobody is too old yet. 0: never. */
void esi_sweep_start(int64_t after_ms);

/* One bout if one is due. Gives when the next is (ESI_NO_DEADLINE: somebody must run first, or another worker sees to it). The worker, which
 * has nothing to run and holds a scheduler. */
uint64_t esi_sweep(struct esi_worker *worker);

#endif
