/* proc/schedule/wheel.h - a timer's start and cancel in steps: each scheduler's wheel, and its lock.
 *
 * A room that keeps a table of the timers on a wheel may keep it under that lock: then a timer is on the wheel and in the table, or
 * neither, for whoever holds it. Inline: link/timer.c does it for each timer. */
#ifndef PROC_SCHEDULE_WHEEL_H
#define PROC_SCHEDULE_WHEEL_H

#include "proc/schedule/scheduler.h"
#include "proc/schedule/timer.h"
#include "proc/schedule/worker.h"

/* The number of the wheel on which esi_timer_start() would put a timer. The caller keeps it no longer than it is in the runtime. */
static inline unsigned esi_wheel_here(void)
{
    struct esi_worker *worker = esi_worker_here();
    return worker && worker->scheduler ? (unsigned)worker->scheduler->index : 0;
}

/* The lock of wheel number `wheel`, less than the node's scheduler_count. Under it a run queue's lock and the pools' may be taken, and
 * whatever a push into an inbox takes; no other wheel's. In the runtime, or inside (proc/outside.h). */
static inline void esi_wheel_lock(unsigned wheel)
{
    pthread_spin_lock(&esi_node.schedulers[wheel].wheel_lock);
}

static inline void esi_wheel_unlock(unsigned wheel)
{
    pthread_spin_unlock(&esi_node.schedulers[wheel].wheel_lock);
}

/* With the lock held. arm: true means that esi_wheel_rouse() is to be called after the lock was given back. */
static inline bool esi_timer_arm(struct esi_timer *timer, unsigned wheel, uint64_t deadline_ns)
{
    struct esi_scheduler *scheduler = &esi_node.schedulers[wheel];
    esi_wheel_insert(&scheduler->wheel, &timer->node, deadline_ns);
    /* relaxed: who cancels has learned of the timer by something that synchronises. */
    atomic_store_explicit(&timer->wheel, (uint16_t)(wheel + 1), memory_order_relaxed);
    if (deadline_ns >= atomic_load_explicit(&scheduler->wheel_next_ns, memory_order_relaxed))
        return false;
    atomic_store_explicit(&scheduler->wheel_next_ns, deadline_ns, memory_order_seq_cst);
    struct esi_worker *worker = esi_worker_here();
    return !worker || worker->scheduler != scheduler; /* the holder itself looks before it sleeps */
}

static inline void esi_timer_disarm(struct esi_timer *timer)
{
    esi_wheel_remove(&timer->node);
}

/* Lets the scheduler of that wheel look at it again. */
static inline void esi_wheel_rouse(unsigned wheel)
{
    esi_scheduler_rouse(&esi_node.schedulers[wheel]);
}

#endif
