/* tests/torture/misdeeds.h - what processes do in a storm that they should not, compiled as it is written. */
#ifndef TESTS_TORTURE_MISDEEDS_H
#define TESTS_TORTURE_MISDEEDS_H

#include <limits.h>
#include <stddef.h>
#include "as_written.h"

static UNCHECKED void reads_null(void)
{
    volatile int *volatile nothing = NULL;
    (void)*nothing;
}

static UNCHECKED int runs_out_of_stack(int depth)
{
    volatile char room[1024];
    room[0] = (char)depth;
    return depth < INT_MAX ? runs_out_of_stack(depth + 1) + room[0] : 0;
}

static void recurses(void)
{
    runs_out_of_stack(0);
}

#endif
