/* port/edge.h - waiting for descriptors that this room made: the poller is told of each once, not for each wait.
 *
 * Whoever wants something of such a descriptor reads `edges` first, then tries the system call, and waits for an edge after the ones
 * that it saw. So an event is never for one waiter alone, and none comes between trying and waiting unseen. */
#ifndef PORT_EDGE_H
#define PORT_EDGE_H

#include "port/descriptor.h"

/* What there was when a try began. */
struct esi_edge {
    uint32_t seen, generation;
};

/* To be called before the system call that is tried. */
static inline struct esi_edge esi_edge_look(struct esi_descriptor *d, enum esi_direction direction)
{
    /* acquire: pairs with the release in esi_edge_ready(): what the event told of is there for the system call. */
    return (struct esi_edge){atomic_load_explicit(&d->edges[direction], memory_order_acquire),
                             atomic_load_explicit(&d->generation, memory_order_acquire)};
}

/* Waits for an event that is newer than `edge`. The process itself, in the runtime; does not return when it is ended meanwhile.
 *   ES_ETIMEOUT  none came until the deadline; or this process is ending and does not wait any more
 *   ES_ECLOSED   es_close() closed it meanwhile
 *   ES_ELIMIT    too many watches in this OS process
 *   ES_ENOMEM, ES_EOS */
ES_CHECKED es_err esi_edge_wait(struct esi_process *self, struct esi_descriptor *d,
                                enum esi_direction direction, struct esi_edge edge, int64_t deadline_ns);

/* The poller watches `d` from here on, if it does not already. */
ES_CHECKED es_err esi_edge_watch(struct esi_descriptor *d);
ES_CHECKED es_err esi_edge_watch_locked(struct esi_descriptor *d);

/* The poller says that `d` is ready (ESI_POLL_*). Any worker. */
void esi_edge_ready(struct esi_descriptor *d, uint32_t ready);

/* `d` is about to be closed, or its number has got another meaning. Under its lock. */
void esi_edge_forget(struct esi_descriptor *d);

#endif
