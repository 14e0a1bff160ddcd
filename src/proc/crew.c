/* crew.c - the node's threads: making them, the spares, and handing a scheduler from one to another.
 *
 * A worker may run on without its scheduler: the watchdog took it for a spare because its process did not come back. How the two agree:
 *
 *   worker, entering the runtime:   in_runtime = 1; light barrier; lost?
 *   watchdog, under s->handover:    lost = 1; heavy barrier; in_runtime?
 *
 * One of them sees the other. If the watchdog sees in_runtime it takes `lost` back, else the scheduler is its to give. A worker that sees
 * `lost` waits for the lock, that is for the decision, and looks again. */
#include "proc/node.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/assert.h"
#include "base/probe.h"
#include "platform/clock.h"
#include "proc/end.h"
#include "proc/fault.h"
#include "proc/scheduler.h"

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

es_err esi_worker_open(struct esi_scheduler *scheduler, struct esi_worker **out)
{
    int index = free_slot();
    if (index < 0)
        return ES_ELIMIT;
    struct esi_worker *worker = esi_alloc_zeroed(1, sizeof *worker);
    struct esi_fault *fault = esi_alloc_zeroed(1, sizeof *fault);
    if (!worker || !fault) {
        esi_free(worker);
        esi_free(fault);
        return ES_ENOMEM;
    }
    worker->index = index;
    worker->fault = fault;
    hold(worker, scheduler);
    atomic_store_explicit(&worker->in_runtime, 1, memory_order_relaxed);
    esi_park_init(&worker->park);
    pthread_mutex_init(&worker->handover, NULL);
    esi_list_init(&worker->in_spares);
    pthread_spin_init(&worker->pinned_lock, PTHREAD_PROCESS_PRIVATE);
    esi_list_init(&worker->pinned);
    if (scheduler)
        atomic_store_explicit(&scheduler->holder, worker, memory_order_release);
    atomic_store_explicit(&esi_node.workers[index], worker, memory_order_release);
    sigset_t unblocked;
    sigemptyset(&unblocked);
    sigaddset(&unblocked, esi_fault_kill_signal());
    es_err error = esi_thread_open(esi_worker_main, worker, "engset", &unblocked, &worker->thread);
    if (error != ES_OK) {
        atomic_store_explicit(&esi_node.workers[index], NULL, memory_order_release);
        esi_free(worker);
        esi_free(fault);
        return error;
    }
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

void esi_worker_wait_among_spares(struct esi_worker *w)
{
    pthread_mutex_lock(&esi_node.lock);
    if (!w->scheduler && !esi_list_is_linked(&w->in_spares)) {
        esi_list_push_back(&esi_node.spares, &w->in_spares);
        atomic_fetch_add_explicit(&esi_node.spare_count, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&esi_node.lock);
    restore_priority(w);
    if (wants_a_scheduler(w))
        want_a_scheduler();
    esi_park_wait(&w->park, ESI_NO_DEADLINE);
    pthread_mutex_lock(&esi_node.lock);
    hold(w, w->lent);
    w->lent = NULL;
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
    if (atomic_load_explicit(&esi_node.worker_count, memory_order_relaxed) >= esi_node.scheduler_count + ESI_SPARES_MAX)
        return NULL;
    struct esi_worker *spare;
    return esi_worker_open(scheduler, &spare) == ES_OK ? spare : NULL;
}

/* ---------------------------------------------------------------- handing over */

void esi_lost_wait(struct esi_worker *w)
{
    pthread_mutex_lock(&w->handover);
    pthread_mutex_unlock(&w->handover);
}

/* The user code of `w` does not enter the runtime while the caller looks: true, and `lost` stays set to `what`. Under w->handover. */
static bool catch_outside(struct esi_worker *w, uint32_t what)
{
    atomic_store_explicit(&w->lost, what, memory_order_relaxed);
    esi_asymmetric_heavy();
    /* acquire: pairs with the release of esi_leave(). */
    if (!atomic_load_explicit(&w->in_runtime, memory_order_acquire))
        return true;
    atomic_store_explicit(&w->lost, ESI_LOST_NOT, memory_order_release);
    return false;
}

bool esi_worker_hand_over(struct esi_worker *w)
{
    bool done = false;
    pthread_mutex_lock(&w->handover);
    struct esi_scheduler *scheduler = atomic_load_explicit(&w->holds, memory_order_relaxed);
    if (scheduler && atomic_load_explicit(&w->lost, memory_order_relaxed) == ESI_LOST_NOT && catch_outside(w, ESI_LOST_SCHEDULER)) {
        pthread_mutex_lock(&esi_node.lock);
        if (take_spare(scheduler)) {
            hold(w, NULL); /* it waits for `handover` before it looks */
            done = true;
        } else {
            atomic_store_explicit(&scheduler->holder, w, memory_order_release);
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

/* ---------------------------------------------------------------- stranding */

/* What others would see of its end happens now, on the watchdog's thread; the process's code, wherever it is, cannot be in the runtime. */
static void end_for_others(struct esi_process *p)
{
    esi_signals_take(p, INT32_MAX);
    esi_process_doom(p, es_from_atom(es_am_killed));
    atomic_store_explicit(&p->state, ES_STATE_STRANDED, memory_order_relaxed);
    esi_end_for_others(p);
}

bool esi_worker_strand(struct esi_worker *w)
{
    bool done = false;
    pthread_mutex_lock(&w->handover);
    struct esi_process *p = atomic_load_explicit(&w->current, memory_order_relaxed);
    if (p && !atomic_load_explicit(&w->holds, memory_order_relaxed) && catch_outside(w, ESI_LOST_STRANDED)) {
        w->never_comes_back = true;
        atomic_fetch_add_explicit(&esi_node.stranded_count, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&esi_node.worker_count, 1, memory_order_relaxed);
        end_for_others(p);
        done = true;
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
    struct esi_worker *w = p->pinned_to;
    pthread_spin_lock(&w->pinned_lock);
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

void es_pin(void)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return;
    if (self->pin_count++ == 0)
        self->pinned_to = esi_worker_self();
    esi_leave();
}

void es_unpin(void)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return;
    if (self->pin_count && --self->pin_count == 0)
        self->pinned_to = NULL;
    esi_leave();
}
