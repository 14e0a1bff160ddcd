/* link/group.h - groups, as far as the room's other files need them. The public half is in engset/link.h. */
#ifndef LINK_GROUP_H
#define LINK_GROUP_H

#include "proc/process.h"

/* `self` ends: it leaves all its groups. */
void esi_groups_forget(struct esi_process *self);

#endif
