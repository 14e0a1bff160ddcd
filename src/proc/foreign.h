/* proc/foreign.h - code that does not know that threads change.
 *
 * What includes engset.h asks for errno and pthread_self() anew after each wait. Other modules may keep in a register what belongs to the
 * thread. One of them stands on a process's stack when it called back into the process's code, and that waits. */
#ifndef PROC_FOREIGN_H
#define PROC_FOREIGN_H

#include "proc/process.h"

/* Does code of a module without the mark (libc and its loader do not count) stand on the stack of `p`, which stands still and is not
 * hibernated? Reads the used part of it: a word that looks like a return address is taken for one, so it may say yes for nothing.
 * Always false where all is one module. On behalf of `p`. */
bool esi_stands_in_foreign_code(const struct esi_process *p);

#endif
