/* proc/schedule/timer.h - timers on the schedulers' wheels. What a timer says to whom is the business of the rooms above.
 *
 * Each wheel has a lock. A room that keeps a table of the timers on a wheel may keep it under that lock: then a timer is on the wheel
 * and in the table, or neither, for whoever holds it. */
#ifndef PROC_SCHEDULE_TIMER_H
#define PROC_SCHEDULE_TIMER_H

#include <stdatomic.h>
#include <stdbool.h>
#include "base/wheel.h"

struct esi_timer {
    struct esi_timer_node node; /* guarded by the lock of the wheel it is on */
    void (*fire)(
        struct esi_timer *timer); /* with that lock held: must be short, must not start or cancel timers */
    _Atomic(uint32_t) wheel;      /* 1 + the number of the scheduler whose wheel it was put on; 0: none yet */
};

/* Makes a timer that is not armed. */
void esi_timer_init(struct esi_timer *timer, void (*fire)(struct esi_timer *));

/* Arms it on the caller's scheduler's wheel (a thread without one: on the first's). It must not be armed. Never fires early. Any thread. */
void esi_timer_start(struct esi_timer *timer, uint64_t deadline_ns);

/* Disarms. True: it was armed and will not fire. False: it has fired, or is not armed; `fire` has returned. Any thread. */
bool esi_timer_cancel(struct esi_timer *timer);

/* ------------------------------------------------------------ the same in steps, for who has something of his own to do under the lock */

/* The number of the wheel on which esi_timer_start() would put a timer. The caller keeps it no longer than it is in the runtime. */
unsigned esi_wheel_here(void);

/* The lock of wheel number `wheel`, less than the node's scheduler_count. Under it a run queue's lock and the pools' may be taken, and
 * whatever a push into an inbox takes; no other wheel's. In the runtime, or inside (proc/outside.h). */
void esi_wheel_lock(unsigned wheel);
void esi_wheel_unlock(unsigned wheel);

/* With the lock held. arm: true means that esi_wheel_rouse() is to be called after the lock was given back. */
bool esi_timer_arm(struct esi_timer *timer, unsigned wheel, uint64_t deadline_ns);
static inline void esi_timer_disarm(struct esi_timer *timer)
{
    esi_wheel_remove(&timer->node);
}

/* Lets the scheduler of that wheel look at it again. */
void esi_wheel_rouse(unsigned wheel);

#endif
