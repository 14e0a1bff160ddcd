/* proc/schedule/timer.h - timers on the schedulers' wheels. What a timer says to whom is the business of the rooms above.
 *
 * The same in steps, for a room that has something of its own to do under a wheel's lock: proc/schedule/wheel.h. */
#ifndef PROC_SCHEDULE_TIMER_H
#define PROC_SCHEDULE_TIMER_H

#include <stdatomic.h>
#include <stdbool.h>
#include "base/wheel.h"

struct esi_timer {
    struct esi_timer_node node; /* guarded by the lock of the wheel it is on */
    _Atomic(uint16_t) wheel;    /* 1 + the number of the scheduler whose wheel it was put on; 0: none yet */
    uint8_t rings;              /* enum esi_timer_rings: what is done when it fires */
    bool is_first;              /* these two are the book's of which it is a leaf (link/timer_book.h) */
    uint32_t slot;
};
_Static_assert(sizeof(struct esi_timer) == 32, "each process has one, and each message that a timer sends");

/* Done with the wheel's lock held: it is short, and starts and cancels no timers. */
enum esi_timer_rings {
    ESI_RINGS_PROCESS, /* the process is roused whose `timeout` it is: esi_alarm_rings() */
    ESI_RINGS_MESSAGE, /* the message is sent in whose block it stands: esi_plug.timer_rings() */
};

/* Makes a timer that is not armed. */
static inline void esi_timer_init(struct esi_timer *timer, enum esi_timer_rings rings)
{
    esi_timer_node_init(&timer->node);
    timer->rings = (uint8_t)rings;
    atomic_store_explicit(&timer->wheel, 0, memory_order_relaxed);
}

/* Arms it on the caller's scheduler's wheel (a thread without one: on the first's). It must not be armed. Never fires early. Any thread. */
void esi_timer_start(struct esi_timer *timer, uint64_t deadline_ns);

/* Disarms. True: it was armed and will not fire. False: it has fired, or is not armed; `fire` has returned. Any thread. */
bool esi_timer_cancel(struct esi_timer *timer);

#endif
