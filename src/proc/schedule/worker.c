/* worker.c - a thread's loop: pick a process, run it until it leaves its stack, do what it asks for. */
#include "proc/schedule/worker.h"

#include <string.h>
#include "base/assert.h"
#include "base/probe.h"
#include "platform/clock.h"
#include "proc/end.h"
#include "proc/enter.h"
#include "proc/contain/fault.h"
#include "proc/foreign.h"
#include "proc/schedule/habits.h"
#include "proc/hibernate.h"
#include "proc/node.h"
#include "proc/schedule/rules.h"
#include "proc/schedule/scheduler.h"
#include "proc/schedule/slice.h"

/* ------------------------------------------------------------------ a process's own loop */

void **esi_process_main(void *argument)
{
    struct esi_process *self = argument;
    esi_arrived(esi_worker_now());
    esi_leave_here();
    ((void (*)(uint64_t))(void *)self->function)(self->argument);
    esi_enter_here();
    esi_process_doom(self, es_from_atom(es_am_normal));
    return esi_end_at_top(self); /* its frames are gone, and no es_defer() can be left */
}

/* One message to the handler of a process that waits without a stack. */
static void react_once(struct esi_process *self)
{
    struct esi_message *message =
        ESI_CONTAINER_OF(esi_list_first(&self->mailbox.messages), struct esi_message, in_list);
    es_term term = esi_hand_over(self, message);
    if (es_is_none(term))
        esi_end_with(self, es_from_atom(es_am_system_limit));
    es_next (*handler)(void *, es_term) = self->react;
    void *state = self->react_state;
    esi_leave();
    es_next next = handler(state, term);
    self = esi_enter();
    esi_hand_done(self);
    if (next == ES_STOP) {
        esi_process_doom(self, es_from_atom(es_am_normal));
        esi_end_now(self);
    }
}

/* They come before any more messages. */
static bool signals_wait(struct esi_process *self)
{
    return atomic_load_explicit(&self->flags, memory_order_relaxed) & ESI_FLAG_SIGNALS;
}

static void **react_main(void *argument)
{
    struct esi_process *self = argument;
    esi_arrived(esi_worker_self());
    for (;;) {
        if (!self->mailbox.count || signals_wait(self))
            esi_signals_take(self, self->budget > 0 ? self->budget : 1);
        if (self->is_doomed)
            esi_end_now(self);
        if (!self->mailbox.count || self->budget <= 0 || self->suspend_count || signals_wait(self))
            return esi_leave_at_top(self, ESI_REQUEST_REACT);
        self->budget--;
        react_once(self);
    }
}

ES_NORETURN void esi_react_from_here(struct esi_process *self)
{
    esi_leave_for_good(self, ESI_REQUEST_REACT);
}

/* ------------------------------------------------------------------ the worker's loop */

/* The stack that was given back last is kept at hand for the next process that asks for nothing else: its top is in the cache, and the
 * pools need not be asked. Sanitizers see every stack come and go. */
#define KEEPS_HOT_STACK (!ESI_ASAN && !ESI_TSAN)

static inline bool is_of_default_size(struct esi_process *p)
{
    return !p->extra || !p->extra->stack_size_bytes;
}

/* A process may end on another stack than it asked for: es_on_big_stack(). Classes are powers of two; little is taken off at the top. */
static inline bool is_default_stack(const struct esi_stack *stack)
{
    size_t bytes = (size_t)(stack->high - stack->low);
    return bytes > ESI_STACK_DEFAULT / 2 && bytes <= ESI_STACK_DEFAULT;
}

static struct esi_stack *open_stack(struct esi_worker *w, struct esi_process *p)
{
    struct esi_stack *stack = w->scheduler->hot_stack;
    if (stack && is_of_default_size(p)) {
        w->scheduler->hot_stack = NULL;
        return stack;
    }
    size_t size = is_of_default_size(p) ? ESI_STACK_DEFAULT : p->extra->stack_size_bytes;
    return esi_stack_open(&w->scheduler->stacks, size, &stack) == ES_OK ? stack : NULL;
}

static void give_stack_back(struct esi_worker *w, struct esi_process *p)
{
    struct esi_stack *stack = p->fiber.stack;
    p->fiber.stack = NULL;
    if (KEEPS_HOT_STACK && w->scheduler && !w->scheduler->hot_stack && is_default_stack(stack))
        w->scheduler->hot_stack = stack;
    else
        esi_stack_close(w->scheduler ? &w->scheduler->stacks : NULL, &stack);
}

bool esi_has_stack(struct esi_worker *w, struct esi_process *p, esi_fiber_entry *entry)
{
    if (p->fiber.stack) {
        esi_hibernate_restore(p);
        return true;
    }
    struct esi_stack *stack = open_stack(w, p);
    if (!stack)
        return false;
    stack->owner = p;
    esi_fiber_make(&p->fiber, stack, entry, p);
    return true;
}

/* A process that ends handles no signals, but a destructor of it may wait: with the flag it would never sleep. What is in the inbox keeps it
 * awake without. */
static void forget_signals(struct esi_process *p)
{
    /* relaxed: a flag that comes just now, or goes with one that comes, only makes it look once more, or not. */
    if ((atomic_load_explicit(&p->flags, memory_order_relaxed) & ESI_FLAG_SIGNALS) &&
        !esi_inbox_has_any(&p->inbox))
        atomic_fetch_and_explicit(&p->flags, ~(uint32_t)ESI_FLAG_SIGNALS, memory_order_relaxed);
}

/* Its function, or its handler, or its end: what it stands before. False: it cannot run now. */
static bool make_ready(struct esi_worker *w, struct esi_process *p)
{
    if (p->is_ending) {
        forget_signals(p);
        return true;
    }
    /* Suspended: what comes meanwhile goes to the mailbox, since it can sleep with an empty inbox only. */
    if (p->taken || p->suspend_count ||
        (atomic_load_explicit(&p->flags, memory_order_relaxed) & ESI_FLAG_SIGNALS))
        esi_signals_take(p, ESI_BUDGET);
    if (p->is_doomed && !p->is_deferring) {
        if (!esi_has_stack(w, p, esi_end_main))
            return false;
        esi_fiber_restart(&p->fiber, esi_end_main, p);
        return true;
    }
    if (p->suspend_count)
        return false;
    if (p->react && !p->fiber.stack) {
        if (!p->mailbox.count && !p->taken)
            esi_signals_take(p, p->budget);
        if (p->is_doomed)
            return make_ready(w, p);
        return p->mailbox.count && esi_has_stack(w, p, react_main);
    }
    return esi_has_stack(w, p, esi_process_main);
}

/* Puts the process to sleep. False: something came meanwhile, it goes on. After true it may run elsewhere already. */
static bool park(struct esi_process *p)
{
    if (!esi_inbox_park(&p->inbox))
        return false;
    /* seq_cst: pairs with esi_wake() and esi_signal_send(), which set a flag first resp. after and then look at the inbox. */
    if (!(atomic_load_explicit(&p->flags, memory_order_seq_cst) & (ESI_FLAG_WOKEN | ESI_FLAG_SIGNALS)))
        return true;
    return !esi_inbox_wake(&p->inbox); /* somebody else woke it and queued it: theirs */
}

void esi_park_again(struct esi_process *p)
{
    if (!park(p))
        esi_make_runnable(p, false);
}

static void go_to_sleep(struct esi_worker *w, struct esi_process *p)
{
    (void)w;
    esi_show(p, p->suspend_count ? ES_STATE_SUSPENDED : ES_STATE_WAITING);
    esi_probe(PARK, p->id, 0, 0);
    /* What it took and has not looked at is in the inbox no more: nobody would wake it for that. */
    if (p->taken || p->turning)
        esi_make_runnable(p, false);
    else if (!park(p))
        esi_make_runnable(p, true);
}

/* Does what the process asked for when it left its stack. */
static void serve(struct esi_worker *w, struct esi_process *p)
{
    if (__builtin_expect(p->has_habits, 0))
        esi_habits_off(p);
    switch (p->request) {
    case ESI_REQUEST_YIELD:
        esi_show(p, ES_STATE_RUNNABLE);
        esi_make_runnable(p, false);
        break;
    case ESI_REQUEST_PARK:
        go_to_sleep(w, p);
        break;
    case ESI_REQUEST_HIBERNATE:
        esi_hibernate_stack(p);
        go_to_sleep(w, p);
        break;
    case ESI_REQUEST_REACT:
        give_stack_back(w, p);
        if (p->mailbox.count && !p->suspend_count)
            esi_make_runnable(p, false);
        else
            go_to_sleep(w, p);
        break;
    case ESI_REQUEST_ENDED:
        give_stack_back(w, p);
        esi_process_gone(p);
        break;
    default:
        esi_assert(p->request == ESI_REQUEST_NONE);
    }
}

/* Its destructors run on a stack: it ends when there is one. */
static bool owns_something(const struct esi_process *p)
{
    return p->extra && !esi_list_is_empty(&p->extra->owned);
}

/* It stands before its function and cannot run: suspended, nothing to react to, or no memory for a stack. */
static void cannot_run(struct esi_worker *w, struct esi_process *p)
{
    if (!p->is_doomed && (p->suspend_count || (p->react && !p->mailbox.count))) {
        go_to_sleep(w, p);
        return;
    }
    esi_process_doom(p, es_from_atom(es_am_system_limit));
    if (owns_something(p)) {
        esi_make_runnable(p, false);
        return;
    }
    esi_end_without_stack(p);
    esi_process_gone(p);
}

void esi_arrived(struct esi_worker *w)
{
    struct esi_process *left = w->leaving;
    if (!left)
        return;
    w->leaving = NULL;
    serve(w, left);
}

/* Ran elsewhere last, and foreign code on its stack may believe that it still does: it goes back there. */
static bool goes_back(struct esi_worker *w, struct esi_process *p)
{
    if (p->last_worker == w || !p->last_worker || !p->fiber.stack || (p->is_doomed && !p->is_deferring))
        return false;
    esi_hibernate_restore(p);
    if (!esi_stands_in_foreign_code(p))
        return false;
    p->is_pinned = true;
    esi_make_runnable_pinned(p);
    return true;
}

static void run(struct esi_worker *w, struct esi_process *p)
{
    if (goes_back(w, p))
        return;
    esi_slice_begin(w, p);
    if (make_ready(w, p)) {
        if (__builtin_expect(p->has_habits, 0))
            esi_habits_on(p);
        esi_fiber_switch(&w->fiber, &p->fiber);
    } else {
        cannot_run(w, p);
    }
    atomic_store_explicit(&w->current, NULL, memory_order_relaxed);
    esi_arrived(w);
}

/* Here after siglongjmp: the process that ran was interrupted by a fault or a kill. Its stack is to be used from the top. */
static void landed(struct esi_worker *w)
{
    struct esi_process *p = atomic_load_explicit(&w->current, memory_order_relaxed);
    esi_fiber_after_longjmp(&w->fiber);
    /* It counts as ended already: nothing of it is ours. */
    if (esi_lost_settle(w) == ESI_LOST_STRANDED)
        esi_worker_stay_stranded(w);
    if (p->has_habits)
        esi_habits_off(p);
    esi_fault_landed(w, p);
    p->is_deferring = false;
    if (p->is_ending) { /* in a destructor: the end goes on behind it */
        esi_fiber_restart(&p->fiber, esi_end_main, p);
        p->request = ESI_REQUEST_YIELD;
    }
    if (!p->is_doomed && !p->is_ending)
        esi_fiber_restart(&p->fiber, esi_last_words_main, p);
    atomic_store_explicit(&w->current, NULL, memory_order_relaxed);
    esi_make_runnable(p, w->scheduler != NULL);
}

static void loop(struct esi_worker *w)
{
    int looks = 0;
    while (atomic_load_explicit(&esi_node.state, memory_order_acquire) != ESI_NODE_STOPPED &&
           !w->is_retired) {
        if (w->scheduler &&
            __builtin_expect(atomic_load_explicit(&esi_node.wanted, memory_order_relaxed) != 0, 0))
            esi_worker_lend_to_wanting(w);
        if (!w->scheduler) {
            esi_worker_wait_among_spares(w);
            continue;
        }
        struct esi_process *p = esi_scheduler_pick(w);
        if (p) {
            looks = 0;
            run(w, p);
        } else if (++looks > 2) {
            esi_scheduler_sleep(w);
            esi_watchdog_rouse();
            looks = 0;
        }
    }
}

bool esi_worker_run_until(struct esi_worker *given, uint64_t until_ns)
{
    if (sigsetjmp(given->jump, 1))
        landed(esi_worker_self());
    struct esi_worker *w = esi_worker_self();
    w->jump_is_set = true;
    bool has_more;
    do {
        struct esi_process *p = esi_scheduler_pick(w);
        has_more = p != NULL;
        if (p)
            run(w, p);
    } while (has_more && esi_clock_now_ns() < until_ns);
    w->jump_is_set = false;
    return has_more;
}

void esi_worker_give_back(struct esi_worker *w)
{
    if (!w->scheduler)
        return;
    esi_table_flush_own(w);
    esi_stack_cache_fini(&w->scheduler->stacks);
    esi_stack_cache_init(&w->scheduler->stacks);
}

void esi_worker_main(void *argument)
{
    struct esi_worker *w = argument;
    /* Who opened us may be opening others: a node runs nothing before all its schedulers have their threads. */
    pthread_mutex_lock(&esi_node.lock);
    pthread_mutex_unlock(&esi_node.lock);
    esi_worker_become(w);
    w->tid = esi_thread_id();
    w->errno_address = es_errno();
    atomic_store_explicit(&w->in_runtime, 1, memory_order_relaxed);
    if (esi_node.is_sim && esi_rules)
        atomic_store_explicit(&w->lost, ESI_LOST_SIMULATED, memory_order_relaxed);
    esi_fiber_init_thread(&w->fiber);
    if (sigsetjmp(w->jump, 1))
        landed(esi_worker_self());
    w = esi_worker_self();
    w->jump_is_set = true;
    loop(w);
    esi_worker_give_back(w);
    esi_worker_become(NULL);
}
