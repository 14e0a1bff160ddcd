/* link/link.h - links, as far as the room's other files need them. The public half is in engset/link.h. */
#ifndef LINK_LINK_H
#define LINK_LINK_H

#include "proc/process.h"

/* A link between the calling spawner and `child`, which was not started yet: no signal is needed. ES_ENOMEM: nothing was done. */
ES_CHECKED es_err esi_link_spawn(struct esi_process *self, struct esi_process *child);

/* Takes that link away on both sides, if it is there, without telling: the child will not be started. */
void esi_link_spawn_undo(struct esi_process *self, struct esi_process *child);

#endif
