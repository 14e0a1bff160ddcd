/* platform/clock.c - see clock.h. */
#include "platform/clock.h"

#include <stdatomic.h>
#include <time.h>
#include "base/assert.h"
#include "platform/internal.h"
#include "platform/platform.h"

#define SIM_START_NS ESI_NS_PER_S /* not 0, so that a little earlier is still a time */
#define SIM_EPOCH_NS (UINT64_C(1767225600) * ESI_NS_PER_S) /* 2026-01-01 00:00 UTC */

/* relaxed: one thread moves and reads it; atomic for the few helpers that stamp a log line. */
static _Atomic uint64_t sim_now_ns;

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * ESI_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t esi_clock_now_ns(void)
{
    if (__builtin_expect(esi_platform_is_sim(), 0))
        return atomic_load_explicit(&sim_now_ns, memory_order_relaxed);
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t esi_clock_wall_ns(void)
{
    if (__builtin_expect(esi_platform_is_sim(), 0))
        return SIM_EPOCH_NS + atomic_load_explicit(&sim_now_ns, memory_order_relaxed);
    return read_clock(CLOCK_REALTIME);
}

void esi_sim_clock_advance_to(uint64_t now_ns)
{
    esi_assert(esi_platform_is_sim());
    esi_assert(now_ns >= atomic_load_explicit(&sim_now_ns, memory_order_relaxed));
    atomic_store_explicit(&sim_now_ns, now_ns, memory_order_relaxed);
}

void esi_sim_clock_reset(void)
{
    atomic_store_explicit(&sim_now_ns, SIM_START_NS, memory_order_relaxed);
}
