/* proc/contain/trail.h - where a process stood when it made an error that the runtime found: for the report.
 *
 * Taken down while its stack still stands, read when its end is reported. What faulted has struct esi_fault instead. */
#ifndef PROC_CONTAIN_TRAIL_H
#define PROC_CONTAIN_TRAIL_H

#include "proc/contain/fault.h"

struct esi_trail {
    int count;
    uintptr_t frames
        [ESI_FAULT_FRAMES]; /* return addresses, the innermost first: the runtime's own, then the user's */
};

/* Takes down where `self` stands, if this runs on its own stack; the first time counts. Without memory nothing is kept. */
void esi_trail_note(struct esi_process *self);

/* The user's part of what `p` noted: its innermost place, as an address within the call, and then return addresses. Gives how many;
 * 0: nothing was noted, or nobody of the user's is found. Reads files for names; in the runtime. */
int esi_trail_of_user(const struct esi_process *p, uintptr_t frames[ESI_FAULT_FRAMES]);

/* Gives it back. On behalf of `p`. */
void esi_trail_free(struct esi_process *p);

/* Is `pc` in the runtime's function below every process's? A process whose last act is a call that became a jump has left its own
 * function by then. */
bool esi_place_is_below_all(uintptr_t pc);

/* What people know the place as: `pc`, or where it is below all the function that the process was spawned with. */
uintptr_t esi_place_for_people(uintptr_t pc, void (*function)(void));

#endif
