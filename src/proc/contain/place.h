/* proc/contain/place.h - where a thread that does not come back is, seen from another thread. */
#ifndef PROC_CONTAIN_PLACE_H
#define PROC_CONTAIN_PLACE_H

#include <sys/types.h>
#include "base/text.h"
#include "proc/contain/unwind.h"

/* Appends "in fsync(2), called at flush+0x1c in kv" when the thread `tid` of ours is blocked in a system call, its caller found on `stack`
 * among marked code; `function` is named where its own frame has gone. False, and nothing appended, when it runs or nothing can be said. Reads /proc: not for signal handlers. */
bool esi_place_of(pid_t tid, struct esi_stack_span stack, void (*function)(void), struct esi_text *out);

/* The name of a system call, or NULL. */
const char *esi_system_call_name(long number);

#endif
