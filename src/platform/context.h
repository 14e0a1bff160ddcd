/* platform/context.h - leaving one stack and going on on another.
 *
 * Written in assembly for x86-64 and aarch64, with ucontext elsewhere (Meson option `context`). What travels
 * are the registers that a function must preserve, the rounding mode and the rest of the floating-point
 * control (mxcsr with its flags and the x87 control word; fpcr). The signal mask, errno and thread-locals do
 * not. Sanitizers know nothing of this: use fiber.h. */
#ifndef PLATFORM_CONTEXT_H
#define PLATFORM_CONTEXT_H

#include <stdbool.h>

/* Saves the caller on its stack, puts the stack pointer that finds it again into `*from`, and goes on where
 * `to` was saved or made. Comes back when somebody switches to `*from`, maybe in another thread. `*from` is
 * written before the stack is left, but only who is switched to may know that it is left. */
void esi_context_switch(void **from, void *to);

/* Prepares a stack, on which nobody runs, so that the first switch to the result calls `entry(argument)`. The
 * stack is [low, high), `high` 16-aligned. What `entry` gives back is where the address stands that the thread goes on with, as the second
 * argument of a switch would be; this stack is left for good then. It starts with the floating-point control that this caller has
 * now. A backtrace ends at the entry. */
void *esi_context_make(void *low, void *high, void **(*entry)(void *argument), void *argument);

/* From somewhere on the stack that ends at `high`: forgets all frames on it and calls `entry(argument)` at its top, as a new stack would.
 * Comes back, with false, only where there is no assembly. */
bool esi_context_again(void *high, void **(*entry)(void *argument), void *argument);

#endif
