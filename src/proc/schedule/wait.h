/* proc/schedule/wait.h - waiting on the caller's own frame.
 *
 * After a switch of stacks the processor expects the returns of the process that ran before: each return on the way up to user code is
 * predicted wrongly, 6 ns each. So the two places that wait most, a receive and a call, switch in their own frame. All others use esi_wait(). */
#ifndef PROC_SCHEDULE_WAIT_H
#define PROC_SCHEDULE_WAIT_H

#include "proc/process.h"

/* What comes before the switch: gives the stack to leave for; NULL: there is something to look at first. */
struct esi_fiber *esi_wait_begin(struct esi_process *self, uint64_t deadline_ns);

/* What comes after it, perhaps in another thread. */
void esi_wait_end(struct esi_process *self);

/* As esi_wait(). */
static inline __attribute__((always_inline)) void esi_wait_here(struct esi_process *self,
                                                                uint64_t deadline_ns)
{
    struct esi_fiber *to = esi_wait_begin(self, deadline_ns);
    if (!to)
        return;
    esi_fiber_switch(&self->fiber, to);
    esi_wait_end(self);
}

#endif
