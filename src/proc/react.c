/* react.c - turning into a process that waits without a stack. Its loop is in worker.c. */
#include <stdio.h>
#include <stdlib.h>
#include "proc/end.h"
#include "proc/process.h"

void es_react(es_next (*handler)(void *state, es_term message), void *state)
{
    struct esi_process *self = esi_enter();
    if (!self) {
        fprintf(stderr, "engset: es_react() was called in a thread that is no process\n");
        abort();
    }
    if (!handler)
        esi_badarg(self, "react");
    if (self->is_doomed) /* in a destructor, or an es_defer(): its end goes on */
        esi_end_now(self);
    esi_defers_run(self);
    self->react = handler;
    self->react_state = state;
    esi_react_from_here(self);
}
