/* link/monitor.h - monitors, as far as the room's other files need them. The public half is in engset/link.h. */
#ifndef LINK_MONITOR_H
#define LINK_MONITOR_H

#include "proc/process.h"

/* Takes the monitor `ref_id` of `self` down: no DOWN comes from it. False: it was not there. Needs no memory. On behalf of `self`. */
bool esi_monitor_remove(struct esi_process *self, uint64_t ref_id);

/* The calling spawner monitors `child`, which was not started yet: no signal is needed. The last step of a spawn: on ES_ENOMEM
 * a link between the two is undone as well, so that the child can be discarded without a word. */
ES_CHECKED es_err esi_monitor_spawn(struct esi_process *self, struct esi_process *child, es_ref *out);

/* As es_monitor(), but ES_ENOMEM comes back. The process itself, outside the runtime. */
ES_CHECKED es_err esi_monitor_try(es_pid pid, es_ref *out);

/* Whose monitor a bond of the order MONITORED_BY is. On behalf of who has the bond. */
uint64_t esi_monitor_watcher(const struct esi_bond *bond);

#endif
