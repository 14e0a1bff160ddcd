/* platform/sim.h - the simulated machine as scheduler and poller see it: what will happen, and what is ready.
 *
 * Its network, pipes and files live in the memory of this OS process and are reached by platform/os.h. All of it is a function of the calls
 * made, the virtual clock and the seed. All: the simulated world's thread. */
#ifndef PLATFORM_SIM_H
#define PLATFORM_SIM_H

#include "platform/poller.h"

/* When the next thing happens that is under way (bytes arrive, a connection is there); ESI_NO_DEADLINE: nothing is. */
uint64_t esi_sim_next_ns(void);

/* All happens that is due by the virtual clock. */
void esi_sim_happen(void);

/* A hash of all that was sent, received and written until now. */
uint64_t esi_sim_trace_hash(void);

/* ---- the poller's half ---- */

/* Is `fd` the simulated machine's? */
bool esi_sim_owns(int fd);

/* As esi_poller_add(), _modify() and _remove(), for a descriptor of its own. */
ES_CHECKED es_err esi_sim_watch(struct esi_poller *poller, int fd, uint32_t interest, void *tag, bool is_new);
void esi_sim_unwatch(struct esi_poller *poller, int fd);

/* As esi_poller_wait() that only looks; the order of events is drawn. */
int esi_sim_events(struct esi_poller *poller, struct esi_poll_event *events, int max);

#endif
