/* link/name.h - names of processes, as far as proc/ and the room's other files need them. The public half is in engset/link.h. */
#ifndef LINK_NAME_H
#define LINK_NAME_H

#include "proc/process.h"

/* The id of who has the name; 0: nobody. Lock-free. Any thread. */
uint64_t esi_name_find(es_atom name);

/* Gives `p`, which was not started yet, a name. As es_register(). */
ES_CHECKED es_err esi_name_give(es_atom name, struct esi_process *p);

/* `self` ends: its name is free. */
void esi_name_forget(struct esi_process *self);

#endif
