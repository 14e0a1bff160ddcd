/* waiter.c - a waiter lies on the heap and has two owners: the thread, and the signal that becomes a bond of the process.
 *
 *   WAIT     the bond goes in; where nobody is, that is the answer
 *   FORGET   the thread's time is over: the bond goes out
 *
 * All waiters hang on one list, so that none waits for a process that did not end when the node did. */
#include "proc/waiter.h"

#include <pthread.h>
#include <stdatomic.h>
#include "base/alloc.h"
#include "platform/clock.h"
#include "platform/park.h"
#include "proc/memory.h"
#include "proc/outside.h"
#include "proc/process.h"
#include "proc/schedule/loop.h"
#include "proc/schedule/worker.h"

struct waiter {
    struct esi_bond bond; /* the process's */
    uint64_t reference;   /* its key */
    struct esi_list in_all;
    _Atomic(uint32_t) owners;
    _Atomic(bool) is_told; /* release: what follows is written */
    es_err result;
    es_term reason; /* the waiter's, by esi_keep_outside() */
    struct esi_park park;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the list; no other is taken under it */
static struct esi_list all = {&all, &all};

static struct waiter *waiter_new(void)
{
    struct waiter *w = esi_alloc_zeroed(1, sizeof *w);
    if (!w)
        return NULL;
    w->reference = esi_reference_next();
    w->reason = es_none();
    esi_park_init(&w->park);
    atomic_init(&w->owners, 2);
    pthread_mutex_lock(&lock);
    esi_list_push_back(&all, &w->in_all);
    pthread_mutex_unlock(&lock);
    return w;
}

static void waiter_unref(struct waiter *w)
{
    /* acq_rel: what the other owner did with it is done before it is freed. */
    if (atomic_fetch_sub_explicit(&w->owners, 1, memory_order_acq_rel) > 1)
        return;
    pthread_mutex_lock(&lock);
    esi_list_remove(&w->in_all);
    pthread_mutex_unlock(&lock);
    esi_drop_outside(w->reason);
    esi_free(w);
}

/* ------------------------------------------------------------ the process's half */

/* Takes the process's share of `w` away. */
static void tell(struct waiter *w, es_err result, es_term reason)
{
    w->result = result;
    if (esi_keep_outside(reason, &w->reason) != ES_OK)
        w->reason = es_from_atom(es_am_system_limit);
    atomic_store_explicit(&w->is_told, true, memory_order_release); /* pairs with is_told() */
    esi_park_wake(&w->park);
    waiter_unref(w);
}

static struct waiter *waiter_in(struct esi_message *signal)
{
    return (struct waiter *)(uintptr_t)signal->words[0];
}

static void watched_ended(struct esi_process *self, struct esi_bond *bond, es_term reason)
{
    (void)self;
    tell(ESI_CONTAINER_OF(bond, struct waiter, bond), ES_OK, reason);
}

static const struct esi_bond_kind watched = {"waiter", ESI_BOND_WAITER, watched_ended};

static void wait_arrives(struct esi_process *self, struct esi_message *signal)
{
    struct waiter *w = waiter_in(signal);
    esi_bond_insert(self, &w->bond, &watched, w->reference);
    esi_message_free(signal);
}

static void wait_meets_nobody(struct esi_message *signal)
{
    struct waiter *w = waiter_in(signal);
    esi_message_free(signal);
    tell(w, ES_ENOPROC, es_none());
}

static const struct esi_signal_kind wait_kind = {"wait", wait_arrives, wait_meets_nobody, NULL};

/* words: the reference. Where the bond is gone the thread was told, a little late. */
static void forget_arrives(struct esi_process *self, struct esi_message *signal)
{
    struct esi_bond *bond = esi_bond_find(self, ESI_BOND_WAITER, signal->words[0]);
    if (bond) {
        esi_bond_remove(self, bond);
        waiter_unref(ESI_CONTAINER_OF(bond, struct waiter, bond));
    }
    esi_message_free(signal);
}

static const struct esi_signal_kind forget_kind = {"forget_wait", forget_arrives, NULL, NULL};

/* ------------------------------------------------------------ the thread's half */

/* A waiter and the signal that is to carry it. */
static struct waiter *prepare(struct esi_message **signal)
{
    struct waiter *w = waiter_new();
    *signal = w ? esi_message_new(sizeof(uint64_t)) : NULL;
    if (*signal) {
        (*signal)->kind = &wait_kind;
        (*signal)->words[0] = (uint64_t)(uintptr_t)w;
    } else if (w) {
        waiter_unref(w);
        waiter_unref(w);
        w = NULL;
    }
    return w;
}

static bool is_told(struct waiter *w)
{
    return atomic_load_explicit(&w->is_told, memory_order_acquire);
}

/* False: not told in time. */
static bool wait_until_told(struct waiter *w, uint64_t deadline_ns)
{
    /* The program's loop drives the node, and stands here: so it is driven from here. */
    bool is_driver = esi_loop_is_driven_here();
    while (!is_told(w)) {
        if (deadline_ns != ESI_NO_DEADLINE && esi_clock_now_ns() >= deadline_ns)
            return false;
        if (is_driver)
            esi_loop_turn(deadline_ns);
        else
            esi_park_wait(&w->park, deadline_ns);
    }
    return true;
}

/* Without memory for the signal, or without a node, the bond is left to the process's end. */
static void tell_to_forget(struct waiter *w, uint64_t id)
{
    if (!esi_outside_enter())
        return;
    struct esi_message *signal = esi_message_new(sizeof(uint64_t));
    if (signal) {
        signal->kind = &forget_kind;
        signal->words[0] = w->reference;
        esi_signal_send(id, signal);
    }
    esi_outside_leave();
}

static es_err spawn_watched(void (*function)(void *), void *argument, struct waiter *w)
{
    if (!esi_outside_enter())
        return esi_fail(NULL, ES_ECLOSED, "call: " ESI_NO_NODE);
    es_pid pid = esi_spawn_bonded(function, argument, &w->bond, &watched, w->reference);
    es_err error = es_pid_is_none(pid) ? es_last_error() : ES_OK;
    esi_outside_leave();
    if (error == ES_OK)
        return ES_OK;
    return esi_fail(NULL, error, "call: %s",
                    error == ES_ECLOSED  ? ESI_NO_NODE
                    : error == ES_ELIMIT ? "no process to ask with: as many exist as may (process_limit)"
                                         : es_strerror(error));
}

es_err esi_waiter_run(void (*function)(void *), void *argument)
{
    struct waiter *w = waiter_new();
    if (!w)
        return esi_fail(NULL, ES_ENOMEM, "call: no memory");
    es_err error = spawn_watched(function, argument, w);
    if (error == ES_OK)
        wait_until_told(w, ESI_NO_DEADLINE);
    else
        waiter_unref(w); /* nobody got the process's share */
    waiter_unref(w);
    return error;
}

static es_err begin(es_pid pid, struct waiter **out)
{
    if (!esi_outside_enter())
        return esi_fail(NULL, ES_ECLOSED, "wait_process: " ESI_NO_NODE);
    struct esi_message *signal;
    *out = prepare(&signal);
    if (*out)
        esi_signal_send(pid.id, signal);
    esi_outside_leave();
    return *out ? ES_OK : esi_fail(NULL, ES_ENOMEM, "wait_process: no memory");
}

/* What the waiter was told; its reason goes to the caller. */
static es_err take_result(struct waiter *w, es_term *reason)
{
    if (w->result == ES_ENOPROC)
        return esi_fail(NULL, ES_ENOPROC,
                        "wait_process: no such process; if there was one, how it ended is forgotten");
    if (w->result != ES_OK)
        return esi_fail(NULL, w->result, "wait_process: the node went down and the process had not ended");
    if (reason) {
        *reason = w->reason;
        w->reason = es_none();
    }
    return ES_OK;
}

static es_err refuse_process(struct esi_process *self)
{
    es_err error =
        esi_fail(self, ES_EINVAL, "wait_process: called in a process; it would block it: use es_monitor()");
    esi_leave();
    return error;
}

es_err es_wait_process(es_pid pid, int64_t deadline_ns, es_term *reason)
{
    struct esi_process *self = esi_enter();
    if (self)
        return refuse_process(self);
    if (pid.node)
        return esi_fail(NULL, ES_EINVAL, "wait_process: a process of another node");
    struct waiter *w;
    es_err error = begin(pid, &w);
    if (error != ES_OK)
        return error;
    uint64_t until = deadline_ns == ES_INFINITY ? ESI_NO_DEADLINE
                     : deadline_ns < 0          ? 0
                                                : (uint64_t)deadline_ns;
    if (wait_until_told(w, until)) {
        error = take_result(w, reason);
    } else {
        error = esi_fail(NULL, ES_ETIMEOUT, "wait_process: it has not ended in time");
        tell_to_forget(w, pid.id);
    }
    waiter_unref(w);
    return error;
}

/* Nobody can tell any more but us. */
void esi_waiters_node_down(void)
{
    pthread_mutex_lock(&lock);
    ESI_LIST_EACH(it, &all)
    {
        struct waiter *w = ESI_CONTAINER_OF(it, struct waiter, in_all);
        if (is_told(w))
            continue;
        w->result = ES_ECLOSED;
        atomic_store_explicit(&w->is_told, true, memory_order_release);
        esi_park_wake(&w->park);
    }
    pthread_mutex_unlock(&lock);
}
