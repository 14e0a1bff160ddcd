/* base/uninterrupted.h - stretches of code that nobody may cut short, for what holds a lock of its own.
 *
 * Code that a process calls may be left in the middle when the process is killed, or faults. Who takes a lock says so with these two, unless
 * the runtime was entered (proc/enter.h), which says the same. The rooms below proc have nothing else to say it with. */
#ifndef BASE_UNINTERRUPTED_H
#define BASE_UNINTERRUPTED_H

#include <stdatomic.h>
#include <stdint.h>

/* Between the two the calling process counts as in the runtime: a kill does not leave it and a fault ends the node. Unlike esi_enter()
 * it always stays on its thread, so it may be used inside a constructor or with the loader's lock held. They nest: end() gets what
 * begin() gave. Any thread. */
uint32_t esi_uninterrupted_begin(void);
void esi_uninterrupted_end(uint32_t before);

/* Notes for the calling thread whether the runtime runs and gives what was noted before; 1 in a thread that runs no processes. Plugged in by
 * proc with the first node; NULL: nobody can cut anything short yet. */
typedef uint32_t esi_in_runtime_hook(uint32_t now);
extern _Atomic(esi_in_runtime_hook *) esi_in_runtime;

#endif
