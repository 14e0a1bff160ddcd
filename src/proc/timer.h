/* proc/timer.h - timers on the schedulers' wheels. What a timer says to whom is the business of the rooms above. */
#ifndef PROC_TIMER_H
#define PROC_TIMER_H

#include <stdatomic.h>
#include "base/wheel.h"

struct esi_timer {
    struct esi_timer_node node; /* guarded by the lock of the wheel it is on */
    void (*fire)(
        struct esi_timer *timer); /* with that lock held: must be short, must not start or cancel timers */
    _Atomic(uint32_t) wheel;      /* 1 + the number of the scheduler whose wheel it was put on; 0: none yet */
};

/* Makes a timer that is not armed. */
void esi_timer_init(struct esi_timer *timer, void (*fire)(struct esi_timer *));

/* Arms it on the caller's scheduler's wheel (a thread without one: on the first's). It must not be armed. Never fires early. Any thread. */
void esi_timer_start(struct esi_timer *timer, uint64_t deadline_ns);

/* Disarms. True: it was armed and will not fire. False: it has fired, or is not armed; `fire` has returned. Any thread. */
bool esi_timer_cancel(struct esi_timer *timer);

#endif
