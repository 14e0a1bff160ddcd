/* proc/contain/unwind.h - from a place in a function to the place that called it, by the compiler's own tables.
 *
 * Reads the .eh_frame entry of the function, which compilers leave by default, and the stack within the bounds it is given. Everything
 * here is async-signal-safe. No registers but those that lead to the next frame, no personality, no cleanup. */
#ifndef PROC_CONTAIN_UNWIND_H
#define PROC_CONTAIN_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

/* A place: of the innermost frame what the signal found, of the others what the call left. */
struct esi_frame {
    uintptr_t pc, sp, fp;
    uintptr_t link; /* aarch64: the link register while it counts; elsewhere 0 */
    bool is_call;   /* pc is a return address: the call stands before it */
};

/* What may be read of a stack. */
struct esi_stack_span {
    uintptr_t low, high;
};

/* The frame of an interrupted function, from the third argument of a signal handler. */
struct esi_frame esi_frame_of_context(const void *context);

/* Moves `*frame` to its caller. False: there is no way (no table, no code of marked modules, the runtime or libc, or the stack
 * does not hold it); `*frame` is as before. */
bool esi_unwind_step(struct esi_frame *frame, struct esi_stack_span stack);

/* Reads a word of the stack; false: it is not there. */
bool esi_stack_read(struct esi_stack_span stack, uintptr_t address, uintptr_t *out);

/* Writes up to `max` places to `pcs`, the innermost first, and gives how many. */
int esi_unwind(struct esi_frame frame, struct esi_stack_span stack, uintptr_t *pcs, int max);

/* The first and the byte behind the last of the function that holds `pc`, by its module's table. False: unknown. */
bool esi_function_bounds(uintptr_t pc, uintptr_t *start, uintptr_t *end);

#endif
