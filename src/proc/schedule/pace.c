/* pace.c - how a process takes its turns: yielding, sleeping, its priority, the clock. */
#include <sched.h>
#include <time.h>
#include "platform/clock.h"
#include "platform/random.h"
#include "proc/enter.h"
#include "proc/process.h"

void es_yield(void)
{
    struct esi_process *self = esi_enter();
    if (!self) {
        sched_yield();
        return;
    }
    esi_yield(self);
    esi_leave();
}

/* About what a thousand edges of the flow cost, in messages received: a turn is a quarter of a millisecond. */
enum { REDUCTIONS_A_LOOK = 25 };

void esi_preempt_point(void)
{
    struct esi_worker *w = esi_worker_now();
    /* relaxed: written by this thread alone. */
    if (!w || atomic_load_explicit(&w->in_runtime, memory_order_relaxed))
        return;
    struct esi_process *self = esi_enter_here();
    if (!self)
        return;
    if (self->is_ending || self->is_deferring) { /* its destructors and es_defer()s run: they must not wait */
        esi_leave_here();
        return;
    }
    /* Edges may be long: the turn is over as well when the watchdog has ticked, every 2 ms, and not been heard. */
    struct esi_scheduler *s = esi_worker_now()->scheduler;
    if (s && atomic_load_explicit(&s->ticked, memory_order_relaxed))
        self->budget = 0;
    esi_charge(self, REDUCTIONS_A_LOOK);
    if (self->is_doomed)
        esi_end_now(self);
    esi_leave_here();
}

static void sleep_in_thread(int64_t time_ms)
{
    struct timespec left = {.tv_sec = time_ms / 1000, .tv_nsec = time_ms % 1000 * 1000000};
    if (time_ms == ES_INFINITY)
        left = (struct timespec){.tv_sec = INT32_MAX};
    while (time_ms != 0 && (nanosleep(&left, &left) != 0 || time_ms == ES_INFINITY)) {
    }
}

void es_sleep(int64_t time_ms)
{
    struct esi_process *self = esi_enter();
    if (!self) {
        sleep_in_thread(time_ms > 0 || time_ms == ES_INFINITY ? time_ms : 0);
        return;
    }
    if (time_ms < 0 && time_ms != ES_INFINITY)
        esi_badarg(self, "sleep");
    if (time_ms == 0)
        esi_yield(self);
    uint64_t deadline_ns = esi_deadline_in_ms(time_ms);
    while (deadline_ns == ESI_NO_DEADLINE || esi_clock_now_ns() < deadline_ns)
        esi_wait(self, deadline_ns);
    esi_leave();
}

uint64_t es_random(void)
{
    struct esi_process *self = esi_enter();
    uint64_t number = esi_random_u64();
    if (self)
        esi_leave();
    return number;
}

int64_t es_now_ns(void)
{
    return (int64_t)esi_clock_now_ns();
}

es_priority es_set_priority(es_priority priority)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return ES_PRIORITY_NORMAL;
    if ((unsigned)priority > ES_PRIORITY_MAX)
        esi_badarg(self, "set_priority");
    es_priority before = (es_priority)self->priority;
    self->priority = (uint8_t)priority;
    esi_leave();
    return before;
}
