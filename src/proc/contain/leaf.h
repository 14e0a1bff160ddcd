/* proc/contain/leaf.h - libc's memory and string functions: they hold no lock and keep no state.
 *
 * So a fault in one of them that process code called is the process's own (H2, rule 5). Which they are stands in leaf.c; where they
 * are is found when a node starts, as the loader has chosen them for this machine. */
#ifndef PROC_CONTAIN_LEAF_H
#define PROC_CONTAIN_LEAF_H

#include <stdbool.h>
#include <stdint.h>
#include "proc/contain/unwind.h"

/* Finds them. After esi_modules_start(), while there is no process. */
void esi_leaves_start(void);

/* Does `pc` lie in one of them? Async-signal-safe. */
bool esi_leaf_holds(uintptr_t pc);

/* The nearest frame at or above `frame` that is in no leaf function; false: not found in a few steps. Async-signal-safe. */
bool esi_leaf_caller(struct esi_frame frame, struct esi_stack_span stack, struct esi_frame *out);

#endif
