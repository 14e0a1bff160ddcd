/* platform/park.c - a permit and a sleeper in one futex word.
 *
 *   at the same time       wake   wait
 *   wake (anyone)          yes    yes
 *   wait (one thread)      yes    no
 *
 * I1  `state` is NONE (no permit, nobody sleeps), PERMIT, or SLEEPING (no permit, the waiter sleeps or is about to).
 * I2  Only the waiter writes NONE and SLEEPING; only wakers write PERMIT.
 * I3  The kernel puts the waiter to sleep only while `state` is SLEEPING, and a waker that replaces
 *     SLEEPING wakes it: so no wake is lost between the look and the sleep. */
#include "platform/park.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "platform/clock.h"
#include "platform/platform.h"

enum { NONE, PERMIT, SLEEPING };

void esi_park_init(struct esi_park *park)
{
    atomic_init(&park->state, NONE);
}

/* Sleeps while `state` is SLEEPING; returns early when it likes to. False: the deadline is over. */
static bool sleep_until(struct esi_park *park, uint64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / ESI_NS_PER_S),
                             .tv_nsec = (long)(deadline_ns % ESI_NS_PER_S)};
    /* FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC. */
    long failed = syscall(SYS_futex, &park->state, FUTEX_WAIT_BITSET_PRIVATE, SLEEPING,
                          deadline_ns == ESI_NO_DEADLINE ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
    return !(failed && errno == ETIMEDOUT);
}

/* Takes the permit if there is one. */
static bool take(struct esi_park *park)
{
    uint32_t permit = PERMIT;
    /* Takes effect when it succeeds. acquire: pairs with the release in esi_park_wake(), so what the waker
     * wrote is here. relaxed on failure: nothing was taken. */
    return atomic_compare_exchange_strong_explicit(&park->state, &permit, NONE, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* Says that the waiter is about to sleep, unless there is a permit. */
static bool announce_sleep(struct esi_park *park)
{
    uint32_t none = NONE;
    /* relaxed: the waiter shows nothing to wakers here. What it must have seen before it sleeps it looks for after
     * the wake-up, or before with an order of its own; a waker that comes later finds SLEEPING because both
     * exchange one word. */
    return atomic_compare_exchange_strong_explicit(&park->state, &none, SLEEPING, memory_order_relaxed,
                                                   memory_order_relaxed);
}

bool esi_park_wait(struct esi_park *park, uint64_t deadline_ns)
{
    if (take(park))
        return true;
    if (esi_platform_is_sim() || deadline_ns == 0)
        return false;
    if (!announce_sleep(park))
        return take(park); /* only a permit was in the way */
    int before = errno;
    bool in_time = true;
    bool taken = false;
    while (in_time && !(taken = take(park)))
        in_time = sleep_until(park, deadline_ns);
    errno = before;
    if (taken)
        return true;
    /* Late. Takes effect: a permit that came meanwhile is taken, else the sleep is called off. acquire: as in take(). */
    return atomic_exchange_explicit(&park->state, NONE, memory_order_acquire) == PERMIT;
}

void esi_park_wake(struct esi_park *park)
{
    /* Takes effect here. release: pairs with the acquire of the wait that takes the permit. A wake that
     * finds a permit continues its release sequence, for an exchange reads what it replaces. */
    if (atomic_exchange_explicit(&park->state, PERMIT, memory_order_release) != SLEEPING)
        return;
    int before = errno;
    syscall(SYS_futex, &park->state, FUTEX_WAKE_PRIVATE, 1);
    errno = before;
}
