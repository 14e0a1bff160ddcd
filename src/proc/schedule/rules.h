/* proc/schedule/rules.h - what a simulated world's turns go by, where the room above has rules (simulate/). Without, who is next is drawn.
 *
 * All of them are called by the one worker of that world, in the runtime. */
#ifndef PROC_SCHEDULE_RULES_H
#define PROC_SCHEDULE_RULES_H

#include <stdint.h>
#include "proc/process.h"

struct esi_scheduler;

struct esi_rules {
    /* Who of the scheduler's queue is next, taken out of it; NULL: nobody just now. No process runs. */
    struct esi_process *(*pick)(struct esi_scheduler *scheduler);
    /* When pick() may find somebody although the queue is empty; ESI_NO_DEADLINE: never. */
    uint64_t (*next_ns)(void);
    /* `self` has just called the runtime, and may wait or end here. */
    void (*at_call)(struct esi_process *self);
};

/* NULL: none. Set before the simulated world begins, taken back when it has ended. */
extern const struct esi_rules *esi_rules;

#endif
