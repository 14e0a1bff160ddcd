/* tests/support/rounds.h - how often a test repeats itself.
 *
 * A case that names a repetition count is run in full in the long test run and 1/100 of it in the short
 * one. Meson passes the divisor (option `rounds`) in the environment. */
#ifndef TESTS_SUPPORT_ROUNDS_H
#define TESTS_SUPPORT_ROUNDS_H

#include <stdbool.h>
#include <stdlib.h>

/* Do times decide? Only with ES_TIMING in the environment, on a machine that has nothing else to do; else they are printed. */
static inline bool times_count(void)
{
    return getenv("ES_TIMING") != NULL;
}

/* How many of `full` rounds this run makes: full / ES_ROUNDS_DIVISOR (100 when that is not set), at least 1. */
static inline long rounds(long full)
{
    const char *text = getenv("ES_ROUNDS_DIVISOR");
    long divisor = text ? strtol(text, NULL, 10) : 100;
    if (divisor < 1)
        divisor = 1;
    return full / divisor > 1 ? full / divisor : 1;
}

#endif
