/* edge.c - see edge.h.
 *
 * The usual descriptor has at most one process that waits for input and one that waits for room: each direction has a place for one.
 * Who finds it taken waits as for a descriptor of others (fd.h), which has the poller look anew. A process that is killed in its wait
 * leaves its name in the place; the next event wakes whoever is that by then, who looks and sleeps on. So waiting needs no memory
 * and no list.
 *
 * I1  A waiter writes itself into the place, then looks at `edges`; an event raises `edges`, then takes who is in the place. Both seq_cst:
 *     one of them sees the other.
 * I2  The poller is told of `d` at the first wait, after a try that failed; telling it brings an event if there is something
 *     by then. */
#include "port/edge.h"

#include "platform/clock.h"
#include "platform/poller.h"
#include "port/stream.h"
#include "proc/schedule/worker.h"

es_err esi_edge_watch_locked(struct esi_descriptor *d)
{
    if (atomic_load_explicit(&d->is_watched, memory_order_relaxed))
        return ES_OK;
    /* Before the poller knows it: its event looks here. */
    atomic_store_explicit(&d->is_watched, true, memory_order_relaxed);
    es_err error = esi_poller_add(esi_node.poller, d->fd, ESI_POLL_EDGE, esi_descriptor_tag(d));
    if (error == ES_EEXIST) /* it is the same file, of which the poller knows another number's past */
        error = esi_poller_modify(esi_node.poller, d->fd, ESI_POLL_EDGE, esi_descriptor_tag(d));
    if (error != ES_OK) {
        atomic_store_explicit(&d->is_watched, false, memory_order_relaxed);
        return error;
    }
    /* relaxed: a hint for workers whether looking at the poller is worth while. */
    atomic_fetch_add_explicit(&esi_node.polled, 1, memory_order_relaxed);
    return ES_OK;
}

es_err esi_edge_watch(struct esi_descriptor *d)
{
    /* relaxed: told once is told; only es_close() undoes it. */
    if (atomic_load_explicit(&d->is_watched, memory_order_relaxed))
        return ES_OK;
    pthread_mutex_lock(&d->lock);
    es_err error = esi_edge_watch_locked(d);
    pthread_mutex_unlock(&d->lock);
    return error;
}

static void wake_waiter(struct esi_descriptor *d, enum esi_direction direction)
{
    /* seq_cst: I1. */
    atomic_fetch_add_explicit(&d->edges[direction], 1, memory_order_seq_cst);
    if (!atomic_load_explicit(&d->waiter[direction], memory_order_seq_cst))
        return;
    struct esi_process *waiter = atomic_exchange_explicit(&d->waiter[direction], NULL, memory_order_seq_cst);
    if (waiter)
        esi_wake(waiter);
}

void esi_edge_ready(struct esi_descriptor *d, uint32_t ready)
{
    if (ready & ESI_POLL_STAYS)
        atomic_store_explicit(&d->is_ended, true, memory_order_relaxed);
    if (ready & (ESI_POLL_IN | ESI_POLL_STAYS))
        wake_waiter(d, ESI_IN);
    if (ready & ESI_POLL_OUT)
        wake_waiter(d, ESI_OUT);
    if (atomic_load_explicit(&d->waiter_count, memory_order_relaxed))
        esi_fd_ready(d, ready & ESI_POLL_STAYS ? ready | ESI_POLL_IN : ready);
    if ((ready & (ESI_POLL_IN | ESI_POLL_STAYS)) && atomic_load_explicit(&d->stream, memory_order_relaxed))
        esi_stream_ready(d);
}

void esi_edge_forget(struct esi_descriptor *d)
{
    if (atomic_load_explicit(&d->is_watched, memory_order_relaxed)) {
        esi_poller_remove(esi_node.poller, d->fd);
        atomic_fetch_sub_explicit(&esi_node.polled, 1, memory_order_relaxed);
        atomic_store_explicit(&d->is_watched, false, memory_order_relaxed);
    }
    /* seq_cst: before the edges, by which a waiter comes to look at it. */
    atomic_fetch_add_explicit(&d->generation, 1, memory_order_seq_cst);
    wake_waiter(d, ESI_IN);
    wake_waiter(d, ESI_OUT);
}

/* ---------------------------------------------------------------- waiting */

/* ES_EEXIST: not yet. */
static es_err look(struct esi_descriptor *d, enum esi_direction direction, struct esi_edge edge)
{
    if (atomic_load_explicit(&d->generation, memory_order_seq_cst) != edge.generation)
        return ES_ECLOSED;
    return atomic_load_explicit(&d->edges[direction], memory_order_seq_cst) != edge.seen ? ES_OK : ES_EEXIST;
}

/* Out of the place, if we are still in it. */
static void leave_place(struct esi_process *self, struct esi_descriptor *d, enum esi_direction direction)
{
    struct esi_process *expected = self;
    if (atomic_load_explicit(&d->waiter[direction], memory_order_relaxed) == self)
        atomic_compare_exchange_strong_explicit(&d->waiter[direction], &expected, NULL, memory_order_relaxed,
                                                memory_order_relaxed);
}

/* Into the place, if nobody else is. */
static bool enter_place(struct esi_process *self, struct esi_descriptor *d, enum esi_direction direction)
{
    struct esi_process *there = NULL;
    /* seq_cst: I1. */
    return atomic_compare_exchange_strong_explicit(&d->waiter[direction], &there, self, memory_order_seq_cst,
                                                   memory_order_seq_cst) ||
           there == self;
}

es_err esi_edge_wait(struct esi_process *self, struct esi_descriptor *d, enum esi_direction direction,
                     struct esi_edge edge, int64_t deadline_ns)
{
    uint64_t until = esi_fd_until(deadline_ns);
    if (self->is_ending || (until != ESI_NO_DEADLINE && until <= esi_clock_now_ns()))
        return ES_ETIMEOUT;
    es_err state = esi_edge_watch(d);
    if (state != ES_OK)
        return state;
    for (;;) {
        if (!enter_place(self, d, direction))
            return esi_fd_wait(self, d->fd, direction == ESI_IN ? ESI_POLL_IN : ESI_POLL_OUT, deadline_ns);
        state = look(d, direction, edge);
        if (state == ES_EEXIST && until != ESI_NO_DEADLINE && esi_clock_now_ns() >= until)
            state = ES_ETIMEOUT;
        if (state != ES_EEXIST) {
            leave_place(self, d, direction);
            return state;
        }
        esi_wait(self, until);
    }
}
