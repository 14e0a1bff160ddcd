/* proc/hibernate.h - a process that waits long gives its stack's pages back and gets them again at the same address.
 *
 * For the worker, which calls both while nobody runs on the stack. */
#ifndef PROC_HIBERNATE_H
#define PROC_HIBERNATE_H

#include "proc/process.h"

/* `p` has left its stack. Copies what is in use of it into a block and gives the pages back, all of them: the stack's descriptor lies in the
 * uppermost, so nobody may look at it until it is restored. Does nothing when others hold pointers into the stack, when the process is
 * pinned, or when there is no memory. */
void esi_hibernate_stack(struct esi_process *p);

/* Frees what was copied out, of a process that never runs again. On its behalf. */
void esi_hibernate_forget(struct esi_process *p);

/* Puts it back, if it was taken away. Before anything is done with p->fiber or its stack, also before a process is ended. */
void esi_hibernate_restore(struct esi_process *p);

#endif
