/* timer.c - timers on the schedulers' wheels, each wheel under its lock. */
#include "proc/timer.h"

#include "platform/clock.h"
#include "proc/scheduler.h"
#include "proc/worker.h"

void esi_timer_init(struct esi_timer *timer, void (*fire)(struct esi_timer *))
{
    esi_timer_node_init(&timer->node);
    timer->fire = fire;
    atomic_store_explicit(&timer->wheel, 0, memory_order_relaxed);
}

void esi_timer_start(struct esi_timer *timer, uint64_t deadline_ns)
{
    struct esi_worker *worker = esi_worker_here();
    struct esi_scheduler *scheduler =
        worker && worker->scheduler ? worker->scheduler : &esi_node.schedulers[0];
    pthread_spin_lock(&scheduler->wheel_lock);
    esi_wheel_insert(&scheduler->wheel, &timer->node, deadline_ns);
    /* relaxed: who cancels has learned of the timer by something that synchronises. */
    atomic_store_explicit(&timer->wheel, (uint32_t)scheduler->index + 1, memory_order_relaxed);
    bool is_earlier = deadline_ns < atomic_load_explicit(&scheduler->wheel_next_ns, memory_order_relaxed);
    if (is_earlier)
        atomic_store_explicit(&scheduler->wheel_next_ns, deadline_ns, memory_order_seq_cst);
    pthread_spin_unlock(&scheduler->wheel_lock);
    if (is_earlier && (!worker || worker->scheduler != scheduler))
        esi_scheduler_rouse(scheduler);
}

bool esi_timer_cancel(struct esi_timer *timer)
{
    uint32_t wheel = atomic_load_explicit(&timer->wheel, memory_order_relaxed);
    if (!wheel)
        return false;
    struct esi_scheduler *scheduler = &esi_node.schedulers[wheel - 1];
    pthread_spin_lock(&scheduler->wheel_lock);
    bool was_armed = esi_wheel_is_armed(&timer->node);
    if (was_armed)
        esi_wheel_remove(&timer->node);
    pthread_spin_unlock(&scheduler->wheel_lock);
    return was_armed;
}

void esi_scheduler_fire_timers(struct esi_scheduler *scheduler, uint64_t now_ns)
{
    /* relaxed: a hint; a timer started by somebody else rouses us. */
    if (now_ns < atomic_load_explicit(&scheduler->wheel_next_ns, memory_order_relaxed))
        return;
    struct esi_list fired;
    esi_list_init(&fired);
    pthread_spin_lock(&scheduler->wheel_lock);
    esi_wheel_expire(&scheduler->wheel, now_ns, &fired);
    for (struct esi_list *it; (it = esi_list_pop_front(&fired));) {
        struct esi_timer *timer = ESI_CONTAINER_OF(it, struct esi_timer, node.in_wheel);
        timer->fire(timer);
    }
    atomic_store_explicit(&scheduler->wheel_next_ns, esi_wheel_next(&scheduler->wheel), memory_order_seq_cst);
    pthread_spin_unlock(&scheduler->wheel_lock);
}
