/* timer.c - timers on the schedulers' wheels, each wheel under its lock. */
#include "proc/schedule/timer.h"

#include "proc/process.h"
#include "proc/schedule/wheel.h"

void esi_timer_start(struct esi_timer *timer, uint64_t deadline_ns)
{
    unsigned wheel = esi_wheel_here();
    esi_wheel_lock(wheel);
    bool must_rouse = esi_timer_arm(timer, wheel, deadline_ns);
    esi_wheel_unlock(wheel);
    if (must_rouse)
        esi_wheel_rouse(wheel);
}

bool esi_timer_cancel(struct esi_timer *timer)
{
    unsigned wheel = atomic_load_explicit(&timer->wheel, memory_order_relaxed);
    if (!wheel)
        return false;
    esi_wheel_lock(wheel - 1);
    bool was_armed = esi_wheel_is_armed(&timer->node);
    if (was_armed)
        esi_timer_disarm(timer);
    esi_wheel_unlock(wheel - 1);
    return was_armed;
}

void esi_scheduler_fire_timers(struct esi_scheduler *scheduler, uint64_t now_ns)
{
    /* relaxed: a hint; a timer started by somebody else rouses us. */
    if (now_ns < atomic_load_explicit(&scheduler->wheel_next_ns, memory_order_relaxed))
        return;
    struct esi_list fired;
    esi_list_init(&fired);
    esi_wheel_lock((unsigned)scheduler->index);
    esi_wheel_expire(&scheduler->wheel, now_ns, &fired);
    for (struct esi_list *it; (it = esi_list_pop_front(&fired));) {
        struct esi_timer *timer = ESI_CONTAINER_OF(it, struct esi_timer, node.in_wheel);
        if (timer->rings == ESI_RINGS_MESSAGE)
            esi_plug.timer_rings(timer);
        else
            esi_alarm_rings(timer);
    }
    atomic_store_explicit(&scheduler->wheel_next_ns, esi_wheel_next(&scheduler->wheel), memory_order_seq_cst);
    esi_wheel_unlock((unsigned)scheduler->index);
}
