/* crew.c - the node's threads: making them, the spares, and handing a scheduler from one to another.
 *
 * A worker may run on without its scheduler: the watchdog took it for a spare because its process did not come back. How the two agree:
 *
 *   worker, entering the runtime:   in_runtime = 1; light barrier; lost?
 *   watchdog, under s->handover:    lost = 1; heavy barrier; in_runtime?
 *
 * One of them sees the other. If the watchdog sees in_runtime it puts `lost` back as it was, else the scheduler is its to give. A worker that
 * sees `lost` takes the lock, that is waits for the decision, and looks and clears under it: an attempt that is under way just then
 * says nothing. What the watchdog looked at before it caught the worker outside may have changed: it looks again after. */
#include "proc/node.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/assert.h"
#include "base/probe.h"
#include "platform/clock.h"
#include "proc/end.h"
#include "proc/contain/fault.h"
#include "proc/schedule/scheduler.h"

/* `w` holds `scheduler` from here on, or none: NULL. */
static void hold(struct esi_worker *w, struct esi_scheduler *scheduler)
{
    w->scheduler = scheduler;
    /* seq_cst: pairs with esi_make_runnable_pinned(), which counts first and then looks whether there is a scheduler. */
    atomic_store_explicit(&w->holds, scheduler, memory_order_seq_cst);
}

static int free_slot(void)
{
    for (int i = 0; i < ESI_WORKERS_MAX; i++)
        if (!esi_node.workers[i])
            return i;
    return -1;
}

/* One without a thread, whose end, if there was one, has been waited for; NULL: none. Only who opens workers looks for one. */
static struct esi_worker *retired_worker(void)
{
    for (int i = 0; i < ESI_WORKERS_MAX; i++) {
        struct esi_worker *worker = esi_node.workers[i];
        if (!worker || !worker->is_retired)
            continue;
        if (worker->has_thread)
            esi_thread_join(&worker->thread);
        worker->has_thread = false;
        return worker;
    }
    return NULL;
}

/* Under the node's lock. */
static void set_retired(struct esi_worker *w, bool is_retired)
{
    pthread_spin_lock(&w->pinned_lock);
    w->is_retired = is_retired;
    pthread_spin_unlock(&w->pinned_lock);
}

/* A worker without a thread, for a slot of its own. */
static struct esi_worker *new_worker(void)
{
    int index = free_slot();
    struct esi_worker *worker = index < 0 ? NULL : esi_alloc_zeroed(1, sizeof *worker);
    struct esi_fault *fault = worker ? esi_alloc_zeroed(1, sizeof *fault) : NULL;
    if (!fault) {
        esi_free(worker);
        return NULL;
    }
    worker->index = index;
    worker->fault = fault;
    esi_park_init(&worker->park);
    pthread_spin_init(&worker->pinned_lock, PTHREAD_PROCESS_PRIVATE);
    esi_list_init(&worker->pinned);
    return worker;
}

/* A worker whose thread can begin, in its slot, where it stays until the node is down. A retired one's memory is used again, for a process may
 * still point at it; so what others may reach by such a pointer is left as it is, above all the lock, which one of them may hold. */
static struct esi_worker *ready_worker(struct esi_scheduler *scheduler)
{
    struct esi_worker *worker = retired_worker();
    if (!worker)
        worker = new_worker();
    if (!worker)
        return NULL;
    memset(worker, 0, offsetof(struct esi_worker, index));
    memset(worker->fault, 0, sizeof *worker->fault);
    hold(worker, scheduler);
    atomic_store_explicit(&worker->in_runtime, 1, memory_order_relaxed);
    pthread_mutex_init(&worker->handover, NULL);
    esi_list_init(&worker->in_spares);
    set_retired(worker, false); /* before its thread runs somebody who is then pinned to it */
    atomic_store_explicit(&esi_node.workers[worker->index], worker, memory_order_release);
    return worker;
}

static es_err why_no_worker(void)
{
    return free_slot() < 0 ? ES_ELIMIT : ES_ENOMEM;
}

static void orphan_pinned(struct esi_worker *w, bool *why);

es_err esi_worker_open(struct esi_scheduler *scheduler, struct esi_worker **out)
{
    struct esi_worker *worker = ready_worker(scheduler);
    if (!worker)
        return why_no_worker();
    if (scheduler)
        atomic_store_explicit(&scheduler->holder, worker, memory_order_release);
    sigset_t unblocked;
    sigemptyset(&unblocked);
    sigaddset(&unblocked, esi_fault_kill_signal());
    es_err error = esi_thread_open(esi_worker_main, worker, "engset", &unblocked, &worker->thread);
    worker->has_thread = error == ES_OK;
    if (error != ES_OK) {
        hold(worker, NULL);
        orphan_pinned(worker, &worker->is_retired);
        return error;
    }
    atomic_fetch_add_explicit(&esi_node.worker_count, 1, memory_order_relaxed);
    *out = worker;
    return ES_OK;
}

es_err esi_worker_open_driven(struct esi_scheduler *scheduler, struct esi_worker **out)
{
    struct esi_worker *worker = ready_worker(scheduler);
    if (!worker)
        return why_no_worker();
    atomic_store_explicit(&scheduler->holder, worker, memory_order_release);
    atomic_fetch_add_explicit(&esi_node.worker_count, 1, memory_order_relaxed);
    *out = worker;
    return ES_OK;
}

/* ---------------------------------------------------------------- spares */

static bool wants_a_scheduler(struct esi_worker *w)
{
    return atomic_load_explicit(&w->pinned_count, memory_order_seq_cst) > 0;
}

/* Somebody who holds a scheduler is to give it to a spare that has pinned processes to run. */
static void want_a_scheduler(void)
{
    atomic_store_explicit(&esi_node.wanted, 1, memory_order_seq_cst);
    esi_rouse_one();
}

void esi_worker_lend_to_wanting(struct esi_worker *w)
{
    /* Two that want one at once would else hand it to and fro for ever: who got it runs one of its own first. */
    if (w->slice == w->lent_at_slice && wants_a_scheduler(w))
        return;
    pthread_mutex_lock(&esi_node.lock);
    atomic_store_explicit(&esi_node.wanted, 0, memory_order_seq_cst);
    ESI_LIST_EACH(it, &esi_node.spares)
    {
        struct esi_worker *spare = ESI_CONTAINER_OF(it, struct esi_worker, in_spares);
        if (!wants_a_scheduler(spare))
            continue;
        if (!w->scheduler) { /* lent already, and one more wants one */
            atomic_store_explicit(&esi_node.wanted, 1, memory_order_seq_cst);
            break;
        }
        struct esi_scheduler *scheduler = w->scheduler;
        it = it->prev;
        esi_list_remove(&spare->in_spares);
        atomic_fetch_sub_explicit(&esi_node.spare_count, 1, memory_order_relaxed);
        spare->lent = scheduler;
        hold(w, NULL);
        atomic_store_explicit(&scheduler->holder, spare, memory_order_release);
        esi_park_wake(&spare->park);
    }
    pthread_mutex_unlock(&esi_node.lock);
}

static void restore_priority(struct esi_worker *w)
{
    pthread_mutex_lock(&w->handover);
    if (w->priority_before.is_lowered) {
        esi_thread_restore_priority(w->tid, &w->priority_before);
        w->priority_before.is_lowered = false;
    }
    pthread_mutex_unlock(&w->handover);
}

enum { SPARES_KEPT = 2 };
#define SPARE_LINGERS_NS UINT64_C(1000000000)

/* Nobody needed it for a while, and there are others: its thread goes home. */
static bool retire(struct esi_worker *w)
{
    bool done = false;
    pthread_mutex_lock(&esi_node.lock);
    pthread_spin_lock(&w->pinned_lock);
    if (esi_list_is_linked(&w->in_spares) && !wants_a_scheduler(w) &&
        !atomic_load_explicit(&w->pin_holders, memory_order_seq_cst) &&
        atomic_load_explicit(&esi_node.spare_count, memory_order_relaxed) > SPARES_KEPT) {
        esi_list_remove(&w->in_spares);
        atomic_fetch_sub_explicit(&esi_node.spare_count, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&esi_node.worker_count, 1, memory_order_relaxed);
        w->is_retired = done = true;
    }
    pthread_spin_unlock(&w->pinned_lock);
    pthread_mutex_unlock(&esi_node.lock);
    return done;
}

void esi_worker_wait_among_spares(struct esi_worker *w)
{
    pthread_mutex_lock(&esi_node.lock);
    /* Woken for nothing it comes here again, and may have been lent one since: who is on the list then would be lent a second. */
    if (!w->lent && !esi_list_is_linked(&w->in_spares)) {
        esi_list_push_back(&esi_node.spares, &w->in_spares);
        atomic_fetch_add_explicit(&esi_node.spare_count, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&esi_node.lock);
    restore_priority(w);
    if (wants_a_scheduler(w))
        want_a_scheduler();
    if (!esi_park_wait(&w->park, esi_clock_now_ns() + SPARE_LINGERS_NS) && retire(w))
        return;
    pthread_mutex_lock(&esi_node.lock);
    hold(w, w->lent);
    w->lent = NULL;
    w->lent_at_slice = w->slice;
    w->was_pinned = false; /* it came for one that is */
    pthread_mutex_unlock(&esi_node.lock);
}

/* A spare, taken off the list, or a new worker; NULL: none to be had. Under the node's lock. */
static struct esi_worker *take_spare(struct esi_scheduler *scheduler)
{
    struct esi_list *node = esi_list_pop_front(&esi_node.spares);
    if (node) {
        atomic_fetch_sub_explicit(&esi_node.spare_count, 1, memory_order_relaxed);
        struct esi_worker *spare = ESI_CONTAINER_OF(node, struct esi_worker, in_spares);
        spare->lent = scheduler;
        atomic_store_explicit(&scheduler->holder, spare, memory_order_release);
        esi_park_wake(&spare->park);
        return spare;
    }
    if (atomic_load_explicit(&esi_node.worker_count, memory_order_relaxed) >=
        esi_node.scheduler_count + ESI_SPARES_MAX)
        return NULL;
    struct esi_worker *spare;
    return esi_worker_open(scheduler, &spare) == ES_OK ? spare : NULL;
}

/* ---------------------------------------------------------------- handing over */

enum esi_lost esi_lost_settle(struct esi_worker *w)
{
    pthread_mutex_lock(&w->handover);
    enum esi_lost lost = atomic_load_explicit(&w->lost, memory_order_relaxed);
    if (lost == ESI_LOST_SCHEDULER)
        atomic_store_explicit(&w->lost, ESI_LOST_NOT, memory_order_relaxed);
    pthread_mutex_unlock(&w->handover);
    return lost;
}

/* The user code of `w` does not enter the runtime while the caller looks: true, and `lost` stays set to `what`. Under w->handover. */
static bool catch_outside(struct esi_worker *w, uint32_t what)
{
    uint32_t before = atomic_load_explicit(&w->lost, memory_order_relaxed);
    atomic_store_explicit(&w->lost, what, memory_order_relaxed);
    esi_asymmetric_heavy();
    /* acquire: pairs with the release of esi_leave(). */
    if (!atomic_load_explicit(&w->in_runtime, memory_order_acquire))
        return true;
    /* As it was: a worker without a scheduler that is interrupted just now must still hear of it when it enters. */
    atomic_store_explicit(&w->lost, before, memory_order_release);
    return false;
}

/* No spare is to be had: `w`, which is caught outside, keeps its scheduler and computes on. What its thread alone would run goes to where
 * others can steal it. */
static void open_to_others(struct esi_scheduler *scheduler)
{
    struct esi_process *next = scheduler->next;
    scheduler->next = NULL;
    if (next)
        esi_runq_push(scheduler, next);
    esi_scheduler_fire_timers(scheduler, esi_clock_now_ns());
}

bool esi_worker_hand_over(struct esi_worker *w)
{
    bool done = false;
    struct esi_scheduler *scheduler = NULL;
    pthread_mutex_lock(&w->handover);
    if (atomic_load_explicit(&w->holds, memory_order_relaxed) &&
        atomic_load_explicit(&w->lost, memory_order_relaxed) == ESI_LOST_NOT &&
        catch_outside(w, ESI_LOST_SCHEDULER)) {
        pthread_mutex_lock(&esi_node.lock);
        /* Only now: before it was caught it may have lent one away and got another. */
        scheduler = atomic_load_explicit(&w->holds, memory_order_relaxed);
        if (scheduler && take_spare(scheduler)) {
            hold(w, NULL); /* it waits for `handover` before it looks */
            done = true;
        } else {
            if (scheduler) {
                atomic_store_explicit(&scheduler->holder, w, memory_order_release);
                open_to_others(scheduler);
            }
            atomic_store_explicit(&w->lost, ESI_LOST_NOT, memory_order_release);
        }
        pthread_mutex_unlock(&esi_node.lock);
    }
    if (done) {
        esi_probe(HANDOVER, w->index, scheduler->index, 0);
        atomic_fetch_add_explicit(&esi_node.handovers, 1, memory_order_relaxed);
        esi_thread_lower_priority(w->tid, &w->priority_before);
    }
    pthread_mutex_unlock(&w->handover);
    return done;
}

bool esi_worker_look_at(struct esi_worker *w, void (*look)(struct esi_worker *, void *), void *argument)
{
    pthread_mutex_lock(&w->handover);
    uint32_t before = atomic_load_explicit(&w->lost, memory_order_relaxed);
    bool is_caught = before != ESI_LOST_STRANDED && catch_outside(w, ESI_LOST_SCHEDULER);
    if (is_caught) {
        look(w, argument);
        atomic_store_explicit(&w->lost, before,
                              memory_order_release); /* it waits for `handover` before it looks */
    }
    pthread_mutex_unlock(&w->handover);
    return is_caught;
}

/* ---------------------------------------------------------------- stranding */

/* What others would see of its end happens now, on the watchdog's thread; the process's code, wherever it is, cannot be in the runtime. */
static void end_for_others(struct esi_process *p)
{
    while (!p->is_ending && !p->is_doomed && !esi_signals_take(p, ESI_BUDGET)) {
    }
    esi_process_doom(p, es_from_atom(es_am_killed));
    atomic_store_explicit(&p->state, ES_STATE_STRANDED, memory_order_relaxed);
    esi_end_for_others(p);
}

/* Is there still something that ends `p`, whose worker is caught outside the runtime? If not, whoever looks next starts afresh. */
static bool must_end(struct esi_process *p)
{
    if (p->is_doomed || p->is_ending)
        return true;
    /* seq_cst: as in the handler of the kill signal: the flag goes before the look, and a signal pushed after that sets it again. */
    atomic_fetch_and_explicit(&p->flags, ~(uint32_t)ESI_FLAG_EXIT_SENT, memory_order_seq_cst);
    return esi_signals_must_end(p);
}

/* No es_pin() tied it, and its thread is gone: any other will do. */
static void set_free(struct esi_process *p)
{
    p->is_pinned = false;
    p->last_worker = NULL;
    esi_make_runnable(p, false);
}

/* `p` was pinned to a thread that never comes back: by es_pin(), then nobody may run its code any more. */
static void orphan(struct esi_process *p)
{
    if (p->pin_count) {
        p->pin_count = 0;
        esi_process_doom(p, es_from_atom(es_am_killed));
    }
    set_free(p);
}

/* `*why` is the worker's is_retired or never_comes_back. */
static void orphan_pinned(struct esi_worker *w, bool *why)
{
    for (;;) {
        pthread_spin_lock(&w->pinned_lock);
        *why = true; /* from here on esi_make_runnable_pinned() does as we do */
        struct esi_list *node = esi_list_pop_front(&w->pinned);
        if (node)
            atomic_fetch_sub_explicit(&w->pinned_count, 1, memory_order_relaxed);
        pthread_spin_unlock(&w->pinned_lock);
        if (!node)
            return;
        orphan(ESI_CONTAINER_OF(node, struct esi_process, in_queue));
    }
}

/* Of those who wait for the thread of `w` one that is to end, taken off the list; NULL: none. Not who is tied by es_pin(): what ends with it may
 * belong to that thread. */
static struct esi_process *take_killed(struct esi_worker *w)
{
    struct esi_process *found = NULL;
    pthread_spin_lock(&w->pinned_lock);
    ESI_LIST_EACH(it, &w->pinned)
    {
        struct esi_process *p = ESI_CONTAINER_OF(it, struct esi_process, in_queue);
        bool is_asked = atomic_load_explicit(&p->flags, memory_order_relaxed) & ESI_FLAG_EXIT_SENT;
        if (!found && is_asked && !p->pin_count && must_end(p))
            found = p;
    }
    if (found) {
        esi_list_remove(&found->in_queue);
        atomic_fetch_sub_explicit(&w->pinned_count, 1, memory_order_relaxed);
    }
    pthread_spin_unlock(&w->pinned_lock);
    return found;
}

void esi_worker_free_killed(struct esi_worker *w)
{
    for (struct esi_process *p; (p = take_killed(w));) {
        while (!p->is_doomed && !esi_signals_take(p, ESI_BUDGET)) {
        }
        set_free(p);
    }
}

bool esi_worker_strand(struct esi_worker *w, uint32_t slice)
{
    bool done = false;
    pthread_mutex_lock(&w->handover);
    if (!atomic_load_explicit(&w->holds, memory_order_relaxed) && catch_outside(w, ESI_LOST_STRANDED)) {
        /* Only now: before it was caught it may have come back, and run somebody else since. */
        struct esi_process *p = atomic_load_explicit(&w->current, memory_order_relaxed);
        if (p && !atomic_load_explicit(&w->holds, memory_order_relaxed) &&
            atomic_load_explicit(&w->slice, memory_order_relaxed) == slice && must_end(p)) {
            atomic_fetch_add_explicit(&esi_node.stranded_count, 1, memory_order_relaxed);
            atomic_fetch_sub_explicit(&esi_node.worker_count, 1, memory_order_relaxed);
            orphan_pinned(w, &w->never_comes_back);
            bool was_first = p->parent == 0 && esi_node_is_first(p);
            end_for_others(p);
            esi_node_process_gone(was_first, 1);
            done = true;
        } else {
            /* Without a scheduler it must hear of it when it enters. */
            bool has_one = atomic_load_explicit(&w->holds, memory_order_relaxed) != NULL;
            atomic_store_explicit(&w->lost, has_one ? ESI_LOST_NOT : ESI_LOST_SCHEDULER,
                                  memory_order_release);
        }
    }
    pthread_mutex_unlock(&w->handover);
    return done;
}

ES_NORETURN void esi_worker_stay_stranded(struct esi_worker *w)
{
    (void)w;
    /* The code came back after all. Its memory, stack and control block are kept: somebody may still look at what it gave away. */
    for (;;)
        pause();
}

void esi_table_flush_own(struct esi_worker *w)
{
    esi_table_flush(w->scheduler);
}

/* ---------------------------------------------------------------- pinned processes */

void esi_make_runnable_pinned(struct esi_process *p)
{
    struct esi_worker *w = p->last_worker;
    pthread_spin_lock(&w->pinned_lock);
    if (w->is_retired) { /* with es_pin() the thread would have stayed */
        pthread_spin_unlock(&w->pinned_lock);
        set_free(p);
        return;
    }
    if (w->never_comes_back) {
        pthread_spin_unlock(&w->pinned_lock);
        orphan(p);
        return;
    }
    esi_list_push_back(&w->pinned, &p->in_queue);
    atomic_fetch_add_explicit(&w->pinned_count, 1, memory_order_seq_cst);
    pthread_spin_unlock(&w->pinned_lock);
    /* A hint: if it changes just now, who changes it looks at pinned_count. */
    struct esi_scheduler *s = atomic_load_explicit(&w->holds, memory_order_seq_cst);
    if (s && w != esi_worker_self())
        esi_scheduler_rouse(s);
    else if (!s)
        want_a_scheduler();
}

void esi_pin_end(struct esi_process *self)
{
    atomic_fetch_sub_explicit(&self->last_worker->pin_holders, 1, memory_order_seq_cst);
    self->is_pinned = false;
}

void es_pin(void)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return;
    if (self->pin_count++ == 0) {
        self->is_pinned = true;
        atomic_fetch_add_explicit(&self->last_worker->pin_holders, 1, memory_order_seq_cst);
    }
    esi_leave();
}

void es_unpin(void)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return;
    if (self->pin_count && --self->pin_count == 0)
        esi_pin_end(self);
    esi_leave();
}
