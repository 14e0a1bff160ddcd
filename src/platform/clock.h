/* platform/clock.h - what time it is.
 *
 * Real: CLOCK_MONOTONIC and CLOCK_REALTIME. Simulated: a number that moves only when a test says so. Timers
 * are base/wheel.h; waiting is park.h and poller.h. */
#ifndef PLATFORM_CLOCK_H
#define PLATFORM_CLOCK_H

#include <stdint.h>

#define ESI_NS_PER_MS   UINT64_C(1000000)
#define ESI_NS_PER_S    UINT64_C(1000000000)
#define ESI_NO_DEADLINE UINT64_MAX /* for every deadline_ns of this room: wait for ever */

/* Nanoseconds since some point in the past; never goes back. Any thread, signal handlers too. */
uint64_t esi_clock_now_ns(void);

/* Nanoseconds since 1970 by the wall clock, which may jump: to be shown, not to be reckoned with. Simulated:
 * 2026-01-01 00:00 UTC plus the virtual clock. Any thread. */
uint64_t esi_clock_wall_ns(void);

/* Simulated world only: the clock is now at `now_ns`, which must not be earlier than it was. */
void esi_sim_clock_advance_to(uint64_t now_ns);

#endif
