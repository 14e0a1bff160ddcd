/* timer.c - timers on the schedulers' wheels, each wheel under its lock. */
#include "proc/schedule/timer.h"

#include "platform/clock.h"
#include "proc/schedule/scheduler.h"
#include "proc/schedule/worker.h"

void esi_wheel_lock(unsigned wheel)
{
    pthread_spin_lock(&esi_node.schedulers[wheel].wheel_lock);
}

void esi_wheel_unlock(unsigned wheel)
{
    pthread_spin_unlock(&esi_node.schedulers[wheel].wheel_lock);
}

unsigned esi_wheel_here(void)
{
    struct esi_worker *worker = esi_worker_here();
    return worker && worker->scheduler ? (unsigned)worker->scheduler->index : 0;
}

void esi_timer_init(struct esi_timer *timer, void (*fire)(struct esi_timer *))
{
    esi_timer_node_init(&timer->node);
    timer->fire = fire;
    atomic_store_explicit(&timer->wheel, 0, memory_order_relaxed);
}

bool esi_timer_arm(struct esi_timer *timer, unsigned wheel, uint64_t deadline_ns)
{
    struct esi_scheduler *scheduler = &esi_node.schedulers[wheel];
    esi_wheel_insert(&scheduler->wheel, &timer->node, deadline_ns);
    /* relaxed: who cancels has learned of the timer by something that synchronises. */
    atomic_store_explicit(&timer->wheel, wheel + 1, memory_order_relaxed);
    if (deadline_ns >= atomic_load_explicit(&scheduler->wheel_next_ns, memory_order_relaxed))
        return false;
    atomic_store_explicit(&scheduler->wheel_next_ns, deadline_ns, memory_order_seq_cst);
    struct esi_worker *worker = esi_worker_here();
    return !worker || worker->scheduler != scheduler; /* the holder itself looks before it sleeps */
}

void esi_wheel_rouse(unsigned wheel)
{
    esi_scheduler_rouse(&esi_node.schedulers[wheel]);
}

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
    uint32_t wheel = atomic_load_explicit(&timer->wheel, memory_order_relaxed);
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
        timer->fire(timer);
    }
    atomic_store_explicit(&scheduler->wheel_next_ns, esi_wheel_next(&scheduler->wheel), memory_order_seq_cst);
    esi_wheel_unlock((unsigned)scheduler->index);
}
