/* wait.c - how a process leaves its stack, and who runs then.
 *
 * The usual way leads to the worker's loop, which serves what the process asked for and picks the next. When somebody stands in the next
 * slot and is ready, the stack is left for that one's straight away; whoever arrives serves the one who left (esi_arrived). */
#include "platform/clock.h"
#include "proc/end.h"
#include "proc/enter.h"
#include "proc/foreign.h"
#include "proc/schedule/scheduler.h"
#include "proc/schedule/slice.h"
#include "proc/schedule/wait.h"
#include "proc/schedule/worker.h"

/* May `q` run without the worker's loop having looked at it? */
static inline bool is_plainly_ready(struct esi_worker *w, struct esi_process *q)
{
    /* One branch for what is hardly ever there. */
    uintptr_t hindrances = (uintptr_t)q->taken | (uintptr_t)q->turning | q->is_pinned | q->has_habits |
                           q->is_doomed | q->is_ending | q->suspend_count;
    return !hindrances && (q->fiber.stack || !q->react) &&
           !(atomic_load_explicit(&q->flags, memory_order_relaxed) & (ESI_FLAG_SIGNALS | ESI_FLAG_WOKEN)) &&
           !atomic_load_explicit(&q->is_hibernated, memory_order_relaxed) &&
           (q->last_worker == w || !q->fiber.stack || !esi_stands_in_foreign_code(q));
}

/* Whom to leave for: the process in the next slot, which is then the one that runs, or the worker's loop. */
static inline struct esi_fiber *leave_for(struct esi_worker *w, struct esi_process *self)
{
    w->leaving = self;
    esi_slice_end(w, self);
    struct esi_process *q = w->scheduler ? esi_scheduler_take_next(w) : NULL;
    if (!q)
        return &w->fiber;
    if (__builtin_expect(
            !is_plainly_ready(w, q) || (!q->fiber.stack && !esi_has_stack(w, q, esi_process_main)), 0)) {
        w->scheduler->next = q;
        return &w->fiber;
    }
    q->budget = w->scheduler->slice_budget;
    esi_slice_begin(w, q);
    return &q->fiber;
}

void esi_wait_end(struct esi_process *self)
{
    struct esi_worker *w = esi_worker_now();
    esi_arrived(w);
    *w->errno_address = self->errno_value;
}

__attribute__((noinline)) void esi_switch_out(struct esi_process *self, enum esi_request request)
{
    struct esi_worker *w = esi_worker_now();
    self->request = (uint8_t)request;
    self->errno_value = *w->errno_address;
    w->leaving = self;
    esi_slice_end(w, self);
    esi_fiber_switch(&self->fiber, &w->fiber);
    esi_wait_end(self);
}

void **esi_leave_at_top(struct esi_process *self, enum esi_request request)
{
    struct esi_worker *w = esi_worker_now();
    self->request = (uint8_t)request;
    return esi_fiber_end(&self->fiber, leave_for(w, self));
}

ES_NORETURN void esi_leave_for_good(struct esi_process *self, enum esi_request request)
{
    struct esi_worker *w = esi_worker_now();
    self->request = (uint8_t)request;
    struct esi_fiber *to = leave_for(w, self);
    esi_fiber_finish(&self->fiber, to);
}

/* The alarm stays set when a wait is over sooner: the next wait of this process will hardly be shorter, and then has nothing to do here. When it
 * rings too early the process looks at the clock and sets it again. */
static void set_alarm(struct esi_process *self, uint64_t deadline_ns)
{
    /* If it rings just now the process is woken, and comes here again. acquire: pairs with esi_alarm_rings(), behind which the timer is ours. */
    bool is_set = atomic_load_explicit(&self->alarm_is_set, memory_order_acquire);
    if (is_set && self->timeout.node.deadline_ns <= deadline_ns)
        return;
    if (is_set)
        esi_timer_cancel(&self->timeout);
    else
        esi_timer_init(&self->timeout, ESI_RINGS_PROCESS); /* not when it is made: most never get here */
    atomic_store_explicit(&self->alarm_is_set, 1, memory_order_relaxed);
    esi_timer_start(&self->timeout, deadline_ns);
}

void esi_alarm_rings(struct esi_timer *timer)
{
    struct esi_process *p = ESI_CONTAINER_OF(timer, struct esi_process, timeout);
    atomic_store_explicit(&p->alarm_is_set, 0, memory_order_release);
    esi_wake(p);
}

/* What came since the caller looked may be what it waits for: it looks again before it sleeps. */
static void take_and_go_on(struct esi_process *self)
{
    if (!esi_signals_take(self, self->budget > 0 ? self->budget : 1) || self->is_doomed ||
        self->suspend_count || self->budget <= 0)
        esi_switch_out(self, ESI_REQUEST_YIELD);
}

struct esi_fiber *esi_wait_begin(struct esi_process *self, uint64_t deadline_ns)
{
    if (self->taken || self->turning || esi_inbox_has_any(&self->inbox)) {
        take_and_go_on(self);
        return NULL;
    }
    if (self->is_doomed || self->suspend_count) {
        esi_switch_out(self, ESI_REQUEST_YIELD);
        return NULL;
    }
    if (deadline_ns != ESI_NO_DEADLINE)
        set_alarm(self, deadline_ns);
    struct esi_worker *w = esi_worker_now();
    self->request = ESI_REQUEST_PARK;
    self->errno_value = *w->errno_address;
    return leave_for(w, self);
}

void esi_wait(struct esi_process *self, uint64_t deadline_ns)
{
    esi_wait_here(self, deadline_ns);
}

void esi_yield(struct esi_process *self)
{
    esi_switch_out(self, ESI_REQUEST_YIELD);
}
