/* proc/own.h - a process's resources with their destructors, as other files of the runtime use them; the public side is es_own(). */
#ifndef PROC_OWN_H
#define PROC_OWN_H

#include "proc/process.h"

/* `destructor(resource)` runs in user mode when `self` ends. ES_ENOMEM. On behalf of `self`. */
ES_CHECKED es_err esi_own(struct esi_process *self, void *resource, void (*destructor)(void *));

/* Forgets the newest such record; false: there is none. On behalf of `self`. */
bool esi_disown(struct esi_process *self, void *resource, void (*destructor)(void *));

/* `fd` is closed when `self` ends, or by es_close(). ES_ENOMEM: not owned. On behalf of `self`. */
ES_CHECKED es_err esi_own_fd(struct esi_process *self, int fd);

/* ... no more, and it stays open. False: it is not owned by `self`. On behalf of `self`. */
bool esi_disown_fd(struct esi_process *self, int fd);

/* Closes `fd`, which nobody owns (any more), after telling who waits for it. As close(2). In the runtime. */
int esi_close_fd(int fd);

#endif
