/* behaviour/deadline.h - one time-out for several waits. */
#ifndef BEHAVIOUR_DEADLINE_H
#define BEHAVIOUR_DEADLINE_H

#include "platform/clock.h"
#include "proc/process.h"

static inline uint64_t esi_deadline_of(int64_t timeout_ms)
{
    return timeout_ms == ES_INFINITY ? ESI_NO_DEADLINE : esi_deadline_in_ms(timeout_ms);
}

/* What is left of it, in ms: never too little. */
static inline int64_t esi_left_until(uint64_t deadline_ns)
{
    uint64_t now_ns = esi_clock_now_ns(), left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    if (deadline_ns == ESI_NO_DEADLINE)
        return ES_INFINITY;
    return (int64_t)(left_ns / ESI_NS_PER_MS + (left_ns % ESI_NS_PER_MS != 0));
}

#endif
