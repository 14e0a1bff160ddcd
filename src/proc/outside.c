/* outside.c - one word: whether the door is open, and how many are inside.
 *
 *   at the same time     enter, leave   close
 *   enter, leave (any)   yes            yes
 *   close (one)          yes            no
 *
 * I1  `door` is 2 x (those inside, and those about to find out that they may not) + (1 if it is open).
 * I2  After close() has taken the 1 away nobody who adds himself goes in; when the word is 0 nobody is in.
 * I3  Who makes the word 0 leaves a permit for close(). One too many makes it look once more. */
#include "proc/outside.h"

#include <stdatomic.h>
#include <stdint.h>
#include "platform/clock.h"
#include "platform/park.h"

enum { OPEN = 1, ONE = 2 };

static _Atomic(uint64_t) door;
static struct esi_park keeper; /* all zero: no permit */

void esi_outside_leave(void)
{
    /* release: what we did inside is done before close() sees us gone. */
    if (atomic_fetch_sub_explicit(&door, ONE, memory_order_release) == ONE)
        esi_park_wake(&keeper);
}

bool esi_outside_enter(void)
{
    /* acquire: pairs with the release of open(): the node is made before we find it. */
    if (__builtin_expect(atomic_fetch_add_explicit(&door, ONE, memory_order_acquire) & OPEN, 1))
        return true;
    esi_outside_leave();
    return false;
}

void esi_outside_open(void)
{
    atomic_fetch_or_explicit(&door, OPEN, memory_order_release);
}

void esi_outside_close(void)
{
    atomic_fetch_and_explicit(&door, ~(uint64_t)OPEN, memory_order_relaxed);
    /* acquire: pairs with the release of leave(); later leaves continue the release sequence of earlier ones. */
    while (atomic_load_explicit(&door, memory_order_acquire))
        esi_park_wait(&keeper, ESI_NO_DEADLINE);
}

void esi_outside_forget(void)
{
    atomic_store_explicit(&door, 0, memory_order_relaxed); /* the child has one thread */
}
