/* park.c - a permit and a sleeper (platform/park.c): no wake is lost, none is had twice, and what the waker wrote is there. */
#include "explorer.h"

#include <stdlib.h>
#include "platform/clock.h"
#include "platform/park.h"

static struct esi_park park;
static int work[2], taken;
static _Atomic(int) to_do;

static void set_up(void)
{
    esi_park_init(&park);
}

static void wake(void)
{
    esi_park_wake(&park);
}

/* ------------------------------------------------------------ a permit */

static void wait_till_late(void)
{
    taken = esi_park_wait(&park, 5 * ESI_NS_PER_S);
}

static void has_or_had_permit(void)
{
    bool is_left = esi_park_wait(&park, 0);
    explore_expect(taken || is_left);
}

static void had_one_permit(void)
{
    bool is_left = esi_park_wait(&park, 0);
    explore_expect(taken + is_left == 1);
}

static void wait_for_ever(void)
{
    taken = esi_park_wait(&park, ESI_NO_DEADLINE);
    explore_expect(taken);
}

/* ------------------------------------------------------------ what a wake is for */

static void bring(int number)
{
    work[number] = 1;
    atomic_fetch_add_explicit(&to_do, 1, memory_order_relaxed);
    esi_park_wake(&park);
}

static void bring_first(void)
{
    bring(0);
}

static void bring_second(void)
{
    bring(1);
}

/* One wake may stand for two: then both have brought theirs. */
static void work_till_both_are_done(void)
{
    while (atomic_load_explicit(&to_do, memory_order_relaxed) < 2)
        explore_expect(esi_park_wait(&park, ESI_NO_DEADLINE));
}

static void bring_plainly(void)
{
    work[0] = 1;
    esi_park_wake(&park);
}

static void find_it(void)
{
    explore_expect(esi_park_wait(&park, ESI_NO_DEADLINE));
    explore_expect(work[0] == 1);
}

/* Gone when it has been woken: the waker may still be on its way to the kernel, which is told of an address only. */
static struct esi_park *own;

static void set_up_own(void)
{
    own = malloc(sizeof *own);
    esi_park_init(own);
}

static void wake_twice(void)
{
    esi_park_wake(own);
    esi_park_wake(own);
}

static void wait_twice(void)
{
    taken = esi_park_wait(own, ESI_NO_DEADLINE);
    taken += esi_park_wait(own, 5 * ESI_NS_PER_S);
}

static void is_none_too_many(void)
{
    taken += esi_park_wait(own, 0);
    explore_expect(taken == 1 || taken == 2);
}

static const struct explore_script scripts[] = {
    {"one wake is one permit, had in time or left", set_up, {wait_till_late, wake}, had_one_permit, 0},
    {"two wakes are not lost to who is late", set_up, {wait_till_late, wake, wake}, has_or_had_permit, 0},
    {"who waits for ever is woken", set_up, {wait_for_ever, wake, wake}, NULL, 0},
    {"who looks for work and waits finds all of it",
     set_up,
     {bring_first, bring_second, work_till_both_are_done},
     NULL,
     0},
    {"what was written before the wake is read after the wait", set_up, {bring_plainly, find_it}, NULL, 0},
    {"two wakes are one permit or two", set_up_own, {wake_twice, wait_twice}, is_none_too_many, 0},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scripts, sizeof scripts / sizeof *scripts);
}
