/* tests/platform/smoke_other_machine.c - the context switch where cmocka is not at hand.
 *
 * Built alone with the files of base and platform, for another machine, and run by an emulator (aarch64.sh). Prints
 * what fails and ends with 1. */
#include <execinfo.h>
#include <fenv.h>
#include <stdio.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/fiber.h"
#include "platform/park.h"
#include "platform/platform.h"
#include "platform/poller.h"

static int failures;

static void check(int holds, const char *sentence)
{
    if (holds)
        return;
    printf("not so: %s\n", sentence);
    failures++;
}

static struct esi_fiber self, other;

/* ---- turns ---- */

static void **count_turns(void *argument)
{
    for (long *count = argument;; esi_fiber_switch(&other, &self))
        ++*count;
    return NULL; /* it never does */
}

static void takes_turns(struct esi_stack *stack)
{
    long count = 0;
    esi_fiber_make(&other, stack, count_turns, &count);
    for (int i = 0; i < 100000; i++)
        esi_fiber_switch(&self, &other);
    check(count == 100000, "two fibers take turns");
    esi_fiber_abandon(&other);
}

/* ---- registers: sums so wide that the compiler keeps them in all the registers that must be preserved ---- */

#define TEN(each) each(0) each(1) each(2) each(3) each(4) each(5) each(6) each(7) each(8) each(9)

static __attribute__((noinline)) int keeps_values(struct esi_fiber *from, struct esi_fiber *to,
                                                  volatile long *source)
{
#define DECLARE(n)                \
    long whole_##n = *source + n; \
    double part_##n = (double)*source * (n + 0.5);
#define COMPARE(n) changed |= whole_##n != *source + n || part_##n != (double)*source * (n + 0.5);
    int changed = 0;
    TEN(DECLARE)
    esi_fiber_switch(from, to);
    TEN(COMPARE)
    return changed;
}

static volatile long here_value = 1000, there_value = 77;
static int changed_there;

static void **keep_values_there(void *unused)
{
    (void)unused;
    for (;;)
        changed_there |= keeps_values(&other, &self, &there_value);
    return NULL; /* it never does */
}

static void keeps_registers(struct esi_stack *stack)
{
    int changed_here = 0;
    esi_fiber_make(&other, stack, keep_values_there, NULL);
    for (int i = 0; i < 1000; i++)
        changed_here |= keeps_values(&self, &other, &here_value);
    check(!changed_here && !changed_there, "registers travel with their fiber");
    esi_fiber_abandon(&other);
}

/* ---- rounding ---- */

static volatile double one = 1, three = 3;

static void **round_upward(void *argument)
{
    fesetround(FE_UPWARD);
    for (double *third = argument;; esi_fiber_switch(&other, &self))
        *third = one / three;
    return NULL; /* it never does */
}

static void keeps_rounding(struct esi_stack *stack)
{
    double there = 0;
    fesetround(FE_DOWNWARD);
    esi_fiber_make(&other, stack, round_upward, &there);
    for (int i = 0; i < 3; i++) {
        esi_fiber_switch(&self, &other);
        check(fegetround() == FE_DOWNWARD && there > one / three, "the rounding mode travels with its fiber");
    }
    fesetround(FE_TONEAREST);
    esi_fiber_abandon(&other);
}

/* ---- unwinding ---- */

static void **trace_and_finish(void *argument)
{
    void *addresses[64];
    *(int *)argument = backtrace(addresses, 64);
    return esi_fiber_end(&other, &self);
}

static void unwinds(struct esi_stack *stack)
{
    int count = -1;
    esi_fiber_make(&other, stack, trace_and_finish, &count);
    esi_fiber_switch(&self, &other);
    check(count >= 1 && count < 6, "a backtrace ends at the entry");
}

/* ---- the rest of the room, at a glance ---- */

static void glance_at_the_rest(void)
{
    struct esi_park park;
    struct esi_poller *poller;
    struct esi_poll_event event;
    esi_park_init(&park);
    esi_park_wake(&park);
    check(esi_park_wait(&park, ESI_NO_DEADLINE), "a permit is taken");
    check(!esi_park_wait(&park, esi_clock_now_ns() + ESI_NS_PER_MS), "a wait ends at its deadline");
    if (esi_poller_open(&poller) != ES_OK) {
        check(0, "a poller opens");
        return;
    }
    esi_poller_interrupt(poller);
    check(esi_poller_wait(poller, ESI_NO_DEADLINE, &event, 1) == 0, "an interrupt ends the wait");
    esi_poller_close(&poller);
}

int main(void)
{
    struct esi_stack *stack;
    const char *why = "";
    esi_platform_start();
    check(esi_platform_check(&why) == ES_OK, "this machine is fit");
    esi_fiber_init_thread(&self);
    if (esi_stack_open(NULL, ESI_STACK_DEFAULT, &stack) != ES_OK) {
        printf("not so: a stack opens\n");
        return 1;
    }
    memset(stack->low, 1, (size_t)(stack->high - stack->low));
    takes_turns(stack);
    keeps_registers(stack);
    keeps_rounding(stack);
    unwinds(stack);
    esi_stack_close(NULL, &stack);
    glance_at_the_rest();
    if (!failures)
        printf("all well\n");
    return failures != 0;
}
