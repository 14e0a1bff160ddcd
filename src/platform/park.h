/* platform/park.h - where a thread sleeps until there is something to do.
 *
 * One permit: a wake leaves it, a wait takes it, and sleeps first if there is none. Wakes do not add up. What
 * there is to do is kept elsewhere; what the waker wrote before the wake is seen after the wait. */
#ifndef PLATFORM_PARK_H
#define PLATFORM_PARK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct esi_park {
    _Atomic uint32_t state; /* a futex word: park.c tells its values */
};

/* Makes it without a permit. Nothing to undo. */
void esi_park_init(struct esi_park *park);

/* Takes the permit; sleeps until there is one or the clock is at `deadline_ns` (ESI_NO_DEADLINE: for ever; a
 * moment in the past: only looks). True if it took the permit, false if it was late: a permit is never lost.
 * In the simulated world it does not sleep. One thread at a time. */
bool esi_park_wait(struct esi_park *park, uint64_t deadline_ns);

/* Leaves a permit and wakes the sleeper. No system call when nobody sleeps. `park` must stay mapped (it
 * may already be in other use) until it returns. Any thread, signal handlers too. */
void esi_park_wake(struct esi_park *park);

#endif
