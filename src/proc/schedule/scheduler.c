/* scheduler.c - who runs next: the next slot, the queue, stealing, sleeping.
 *
 * A woken process goes to the next slot of who woke it, so that a request and its answer stay in one core's cache; it inherits what is
 * left of the slice, so a pair cannot starve the queue. A second core is woken only for a backlog: a queue that stayed
 * non-empty over several picks, or grew long, or that the watchdog finds waiting. Waking one for nothing costs a hundred messages. */
#include "proc/schedule/scheduler.h"

#include <sched.h>
#include "base/assert.h"
#include "base/probe.h"
#include "platform/clock.h"
#include "platform/platform.h"
#include "platform/poller.h"
#include "platform/sim.h"
#include "proc/node.h"
#include "proc/schedule/rules.h"
#include "proc/sweep.h"

enum { LOOK_ONE_IN = 4, HURRY_ONE_IN = 64 }; /* simulated, a pick */
enum { ROUSE_LENGTH = 16, ROUSE_PICKS = 6, BIRTH_COST = 4, SPIN_LOOKS = 200 };

void esi_scheduler_init(struct esi_scheduler *s, int index, uint64_t seed)
{
    *s = (struct esi_scheduler){.index = index};
    esi_runq_init(&s->runq);
    esi_pool_cache_init(&s->pool, &esi_node.pool);
    esi_stack_cache_init(&s->stacks);
    esi_random_seed(&s->random, seed + (uint64_t)index);
    pthread_spin_init(&s->wheel_lock, PTHREAD_PROCESS_PRIVATE);
    esi_wheel_init(&s->wheel, esi_clock_now_ns());
    atomic_store(&s->wheel_next_ns, UINT64_MAX);
}

void esi_scheduler_fini(struct esi_scheduler *s)
{
    pthread_spin_destroy(&s->wheel_lock);
    esi_runq_fini(&s->runq);
    if (s->hot_stack)
        esi_stack_close(&s->stacks, &s->hot_stack);
    esi_stack_cache_fini(&s->stacks);
    esi_pool_cache_fini(&s->pool);
}

/* ---------------------------------------------------------------- queues */

static void rouse_for(int32_t length)
{
    if (length >= ROUSE_LENGTH && length % ROUSE_LENGTH == 0)
        esi_rouse_one();
}

void esi_runq_push(struct esi_scheduler *s, struct esi_process *p)
{
    rouse_for(esi_runq_put(&s->runq, p));
}

const struct esi_rules *esi_rules;

/* Simulated: anyone in the queue may be next. Under the lock all the same: who stops the node is another thread. */
static struct esi_process *draw(struct esi_scheduler *s)
{
    if (s->next) {
        esi_runq_push(s, s->next);
        s->next = NULL;
    }
    return esi_rules ? esi_rules->pick(s) : esi_runq_draw(&s->runq, &s->random);
}

/* Gives the first of the loot and queues the rest here. */
static struct esi_process *steal_from(struct esi_scheduler *s, struct esi_scheduler *victim)
{
    struct esi_list loot;
    esi_list_init(&loot);
    int got = esi_scheduler_has_backlog(victim) ? esi_runq_steal(&victim->runq, &loot) : 0;
    if (!got)
        return NULL;
    esi_probe(STEAL, s->index, victim->index, got);
    s->lives_on_others = true;
    struct esi_process *first = ESI_CONTAINER_OF(esi_list_pop_front(&loot), struct esi_process, in_queue);
    for (struct esi_list *node; (node = esi_list_pop_front(&loot));)
        esi_runq_push(s, ESI_CONTAINER_OF(node, struct esi_process, in_queue));
    return first;
}

static struct esi_process *steal(struct esi_scheduler *s)
{
    int count = esi_node.scheduler_count;
    int start = count > 1 ? (int)esi_random_below(&s->random, (uint64_t)count) : 0;
    for (int i = 0; i < count; i++) {
        struct esi_scheduler *victim = &esi_node.schedulers[(start + i) % count];
        struct esi_process *p = victim == s ? NULL : steal_from(s, victim);
        if (p)
            return p;
    }
    return NULL;
}

static struct esi_process *pop_pinned(struct esi_worker *w)
{
    if (!atomic_load_explicit(&w->pinned_count, memory_order_relaxed))
        return NULL;
    pthread_spin_lock(&w->pinned_lock);
    struct esi_list *node = esi_list_pop_front(&w->pinned);
    if (node)
        atomic_fetch_sub_explicit(&w->pinned_count, 1, memory_order_relaxed);
    pthread_spin_unlock(&w->pinned_lock);
    return node ? ESI_CONTAINER_OF(node, struct esi_process, in_queue) : NULL;
}

static void fire_timers_now(struct esi_scheduler *s)
{
    uint64_t now = esi_clock_now_ns();
    atomic_store_explicit(&esi_node.coarse_ns, now, memory_order_relaxed);
    esi_scheduler_fire_timers(s, now);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Simulated: time goes on to what happens next, a timer or something in the network. False: nothing will happen. */
static bool go_on_in_time(struct esi_scheduler *s)
{
    uint64_t next = sooner(atomic_load_explicit(&s->wheel_next_ns, memory_order_relaxed), esi_sim_next_ns());
    if (esi_rules)
        next = sooner(next, esi_rules->next_ns());
    if (next == UINT64_MAX)
        return false;
    if (next > esi_clock_now_ns())
        esi_sim_clock_advance_to(next);
    esi_trace_mix(next);
    esi_probe(CLOCK, next, 0, 0);
    esi_scheduler_fire_timers(s, next);
    esi_sim_happen();
    return true;
}

/* Simulated: whether anybody looks at what is ready is drawn; and while something is on its way it may come although others can run, as if
 * they had taken their time. So who asks again and again gets its answer, too. */
static void look_at_network(struct esi_scheduler *s)
{
    if (esi_sim_next_ns() != UINT64_MAX && esi_random_below(&s->random, HURRY_ONE_IN) == 0)
        go_on_in_time(s);
    if (atomic_load_explicit(&esi_node.polled, memory_order_relaxed) &&
        esi_random_below(&s->random, LOOK_ONE_IN) == 0)
        esi_poll_now(s);
}

/* Looks at clock and poller now and then. */
static void look_around(struct esi_scheduler *s)
{
    if (esi_node.is_sim)
        look_at_network(s);
    /* relaxed: a request to look, nothing else is published by it. */
    if (++s->slices < ESI_SLICES_A_LOOK && !atomic_load_explicit(&s->ticked, memory_order_relaxed))
        return;
    s->slices = 0;
    atomic_store_explicit(&s->ticked, 0, memory_order_relaxed);
    fire_timers_now(s);
    if (atomic_load_explicit(&esi_node.polled, memory_order_relaxed))
        esi_poll_now(s);
}

static struct esi_process *pick_next(struct esi_scheduler *s)
{
    struct esi_process *p = s->next;
    if (!p)
        return NULL;
    bool may_run = esi_next_may_run(s);
    s->next = NULL;
    if (!may_run) {
        esi_runq_push(s, p);
        return NULL;
    }
    p->budget = s->slice_budget;
    return p;
}

struct esi_process *esi_scheduler_pick(struct esi_worker *w)
{
    struct esi_scheduler *s = w->scheduler;
    atomic_store_explicit(&s->picks, s->picks + 1, memory_order_relaxed);
    look_around(s);
    /* By turns with all others: one that never waits would keep them from running for ever. */
    struct esi_process *p = w->was_pinned ? NULL : pop_pinned(w);
    w->was_pinned = p != NULL;
    if (p)
        goto fresh;
    if (esi_node.is_sim) {
        p = draw(s);
        if (!p)
            p = pop_pinned(w);
        if (p)
            p->budget = 1 + (int32_t)esi_random_below(&s->random, 64);
        return p;
    }
    p = pick_next(s);
    if (p)
        return p;
    bool goes_on = s->slice_budget > 0;
    p = esi_runq_take(&s->runq, &goes_on);
    if (goes_on) {
        p->budget = s->slice_budget - BIRTH_COST;
        return p;
    }
    if (!p)
        p = steal(s);
    if (!p && (p = pop_pinned(w)))
        goto fresh;
    if (!p)
        return NULL;
    if (!esi_scheduler_has_backlog(s)) {
        s->backlog = 0;
    } else if (++s->backlog >= ROUSE_PICKS) {
        s->backlog = 0;
        esi_rouse_one();
    }
fresh:
    p->budget = ESI_BUDGET;
    return p;
}

bool esi_scheduler_has_backlog(struct esi_scheduler *s)
{
    int32_t length = atomic_load_explicit(&s->runq.length, memory_order_seq_cst);
    return length > 1 || (length == 1 && atomic_load_explicit(&s->is_starving, memory_order_seq_cst));
}

/* Beside its parent, which runs here; from a thread that holds no scheduler like anybody else. */
void esi_make_runnable_new(struct esi_process *p)
{
    struct esi_worker *w = esi_worker_here();
    struct esi_scheduler *s = w ? w->scheduler : NULL;
    if (!s || !s->next || p->priority != ES_PRIORITY_NORMAL || esi_node.is_sim) {
        esi_make_runnable(p, s && !s->next);
        return;
    }
    atomic_store_explicit(&p->state, ES_STATE_RUNNABLE, memory_order_relaxed);
    rouse_for(esi_runq_put_young(&s->runq, p));
}

/* Runnable where? On its thread if it is pinned; else here, or in a thread that holds no scheduler: on the first scheduler. */
void esi_make_runnable(struct esi_process *p, bool is_next)
{
    atomic_store_explicit(&p->state, ES_STATE_RUNNABLE, memory_order_relaxed);
    struct esi_worker *w = esi_worker_here();
    struct esi_scheduler *s = w ? w->scheduler : NULL;
    if (p->is_pinned) {
        esi_make_runnable_pinned(p);
        return;
    }
    if (!s) {
        esi_runq_push(&esi_node.schedulers[0], p);
        esi_rouse_one();
        return;
    }
    struct esi_process *before = s->next;
    if (!is_next || esi_node.is_sim) {
        esi_runq_push(s, p);
        return;
    }
    s->next = p;
    if (before)
        esi_runq_push(s, before);
}

/* ---------------------------------------------------------------- sleeping */

/* Wakes the holder of a sleeping scheduler: from the poller, or from its park. */
void esi_scheduler_rouse(struct esi_scheduler *s)
{
    if (!atomic_exchange_explicit(&s->is_idle, 0, memory_order_seq_cst))
        return;
    atomic_fetch_sub_explicit(&esi_node.idle_count, 1, memory_order_seq_cst);
    struct esi_worker *holder = atomic_load_explicit(&s->holder, memory_order_acquire);
    if (atomic_load_explicit(&esi_node.polling, memory_order_seq_cst) == (uint32_t)s->index + 1)
        esi_poller_interrupt(esi_node.poller);
    if (holder)
        esi_park_wake(&holder->park);
}

void esi_rouse_one(void)
{
    if (!atomic_load_explicit(&esi_node.idle_count, memory_order_seq_cst))
        return;
    for (int i = 0; i < esi_node.scheduler_count; i++)
        /* seq_cst: behind the look at idle_count in the one order, as whoever announced himself is in it. */
        if (atomic_load_explicit(&esi_node.schedulers[i].is_idle, memory_order_seq_cst)) {
            esi_scheduler_rouse(&esi_node.schedulers[i]);
            return;
        }
}

static int poll_until(uint64_t deadline_ns)
{
    struct esi_poll_event events[64];
    int count = esi_poller_wait(esi_node.poller, deadline_ns, events, 64);
    atomic_store_explicit(&esi_node.polls, esi_node.polls + 1, memory_order_relaxed);
    for (int i = 0; i < count; i++)
        esi_plug.descriptor_ready(events[i].tag, events[i].ready);
    return count;
}

/* One at a time: a look beside somebody who sleeps in the poller would take away what is to wake him, the interrupt too; and he is told
 * of all that happens anyway. */
void esi_poll_now(struct esi_scheduler *s)
{
    uint32_t nobody = 0;
    if (!atomic_compare_exchange_strong_explicit(&esi_node.polling, &nobody, (uint32_t)s->index + 1,
                                                 memory_order_seq_cst, memory_order_relaxed))
        return;
    poll_until(0);
    atomic_store_explicit(&esi_node.polling, 0, memory_order_seq_cst);
}

/* Nothing to run and the world is simulated: something is ready, or time goes on to what happens next. */
static void sleep_simulated(struct esi_scheduler *s)
{
    if (atomic_load_explicit(&esi_node.polled, memory_order_relaxed) && poll_until(0) > 0)
        return;
    if (!go_on_in_time(s))
        esi_node_stuck();
}

/* Work that came while we announced that we would sleep. */
static bool something_came(struct esi_worker *w)
{
    for (int i = 0; i < esi_node.scheduler_count; i++)
        if (esi_scheduler_has_backlog(&esi_node.schedulers[i]))
            return true;
    if (atomic_load_explicit(&w->scheduler->runq.length, memory_order_seq_cst))
        return true;
    return atomic_load_explicit(&w->pinned_count, memory_order_seq_cst) > 0 || w->scheduler->next ||
           atomic_load_explicit(&esi_node.wanted, memory_order_seq_cst) ||
           atomic_load_explicit(&esi_node.state, memory_order_seq_cst) == ESI_NODE_STOPPED;
}

static void announce_idle(struct esi_scheduler *s)
{
    atomic_fetch_add_explicit(&esi_node.idle_count, 1, memory_order_seq_cst);
    /* seq_cst: announced before the look at the queues; pairs with esi_runq_push(), which lengthens a queue and then looks for idle ones. */
    atomic_store_explicit(&s->is_idle, 1, memory_order_seq_cst);
}

/* Whoever was faster, we or who roused us: once. */
static void announce_awake(struct esi_scheduler *s)
{
    if (atomic_exchange_explicit(&s->is_idle, 0, memory_order_seq_cst))
        atomic_fetch_sub_explicit(&esi_node.idle_count, 1, memory_order_seq_cst);
}

/* Who lives on what others have too much of looks for more a little, some ten microseconds, before it lies down: to be woken costs them
 * as much. One at a time. */
static bool spins_in_vain(struct esi_worker *w)
{
    if (!w->scheduler->lives_on_others || !esi_node.may_spin ||
        atomic_exchange_explicit(&esi_node.spinning, 1, memory_order_relaxed))
        return true;
    bool in_vain = true;
    for (int looks = 0; looks < SPIN_LOOKS && in_vain; looks++) {
        esi_platform_relax();
        in_vain = !something_came(w);
    }
    atomic_store_explicit(&esi_node.spinning, 0, memory_order_relaxed);
    w->scheduler->lives_on_others = !in_vain;
    return in_vain;
}

void esi_scheduler_sleep(struct esi_worker *w)
{
    struct esi_scheduler *s = w->scheduler;
    if (esi_node.is_sim) {
        sleep_simulated(s);
        return;
    }
    fire_timers_now(s);
    if (atomic_load_explicit(&s->runq.length, memory_order_relaxed) || s->next || !spins_in_vain(w))
        return;
    uint64_t sweep_ns = esi_sweep(w);
    announce_idle(s);
    if (!something_came(w)) {
        uint64_t deadline = sooner(atomic_load_explicit(&s->wheel_next_ns, memory_order_seq_cst), sweep_ns);
        uint32_t nobody = 0;
        /* One sleeper waits in the poller, the others on their own. */
        if (atomic_compare_exchange_strong_explicit(&esi_node.polling, &nobody, (uint32_t)s->index + 1,
                                                    memory_order_seq_cst, memory_order_relaxed)) {
            if (atomic_load_explicit(&s->is_idle, memory_order_seq_cst))
                poll_until(deadline);
            atomic_store_explicit(&esi_node.polling, 0, memory_order_seq_cst);
        } else {
            esi_park_wait(&w->park, deadline);
        }
    }
    announce_awake(s);
    fire_timers_now(s);
}

/* To all others the driver is a sleeper in the poller, whether it is on its descriptor yet or not: who rings there is heard. */
uint64_t esi_scheduler_pause(struct esi_worker *w)
{
    struct esi_scheduler *s = w->scheduler;
    fire_timers_now(s);
    if (atomic_load_explicit(&s->runq.length, memory_order_relaxed) || s->next)
        return 0;
    uint64_t sweep_ns = esi_sweep(w);
    announce_idle(s);
    /* seq_cst: before the look at is_idle below. Who rouses takes is_idle away and then looks at `polling`: either it rings, or we see it. */
    atomic_store_explicit(&esi_node.polling, (uint32_t)s->index + 1, memory_order_seq_cst);
    if (something_came(w) || !atomic_load_explicit(&s->is_idle, memory_order_seq_cst)) {
        esi_scheduler_resume(w);
        return 0;
    }
    uint64_t deadline = sooner(atomic_load_explicit(&s->wheel_next_ns, memory_order_seq_cst), sweep_ns);
    /* Where it cannot be set the caller still has what we give. */
    (void)!esi_poller_set_alarm(esi_node.poller, deadline);
    return deadline;
}

void esi_scheduler_resume(struct esi_worker *w)
{
    struct esi_scheduler *s = w->scheduler;
    atomic_store_explicit(&esi_node.polling, 0, memory_order_seq_cst);
    announce_awake(s);
    fire_timers_now(s);
    poll_until(0);
}
