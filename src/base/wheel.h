/* base/wheel.h - very many timers, cheap to start and to stop.
 *
 * A hierarchical timer wheel. It has no clock: the caller brings the time, in nanoseconds of whatever clock
 * it keeps to. A timer never fires early: slots are coarse (about a millisecond at the lowest level), but
 * each timer's own deadline decides. Deadlines may be anywhere in 64 bits. Start and stop are O(1); a jump
 * over a long time costs what is in it, not how long it is. No memory, no locks, no callbacks. */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>
#include "base/list.h"

enum {
    ESI_WHEEL_TICK_BITS = 20, /* a slot of level 0 is 2^20 ns */
    ESI_WHEEL_SLOT_BITS = 6,  /* each level has 64 slots, each as long as the whole level below */
    ESI_WHEEL_SLOTS = 1 << ESI_WHEEL_SLOT_BITS,
    ESI_WHEEL_LEVELS = 8, /* 8 levels of 6 bits hold the 44 bits of ticks that 64 bits of ns have */
};

struct esi_timer_node {
    struct esi_list in_wheel; /* in a slot while armed; in the caller's list when fired */
    uint64_t deadline_ns;     /* read only, while armed */
};

struct esi_wheel {
    uint64_t tick; /* all before this tick has been fired */
    uint64_t
        occupied[ESI_WHEEL_LEVELS]; /* a bit for each slot that may have timers; a removal leaves it set */
    uint64_t earliest_ns[ESI_WHEEL_LEVELS][ESI_WHEEL_SLOTS]; /* no timer of that slot is earlier */
    struct esi_list slots[ESI_WHEEL_LEVELS][ESI_WHEEL_SLOTS];
};

/* Makes an empty wheel at the time `now_ns`. It must not be moved afterwards. Nothing to undo. */
void esi_wheel_init(struct esi_wheel *wheel, uint64_t now_ns);

/* Makes a timer that is not armed. */
static inline void esi_timer_node_init(struct esi_timer_node *node)
{
    esi_list_init(&node->in_wheel);
    node->deadline_ns = 0;
}

/* Arms `node`, which must not be armed. A deadline that is past fires at the next esi_wheel_expire(). The
 * node belongs to the wheel until it fires or is removed. */
void esi_wheel_insert(struct esi_wheel *wheel, struct esi_timer_node *node, uint64_t deadline_ns);

/* Disarms; nothing happens if it is not armed. Also takes a node off the list it was fired to. */
static inline void esi_wheel_remove(struct esi_timer_node *node)
{
    esi_list_remove(&node->in_wheel);
}

/* Whether the timer is in a wheel, or has fired and nobody has taken it off the list of the fired yet. */
static inline bool esi_wheel_is_armed(const struct esi_timer_node *node)
{
    return esi_list_is_linked(&node->in_wheel);
}

/* Moves all timers with deadline <= now_ns to the end of `fired`, by deadline, equal ones in order of
 * insertion. A time before the last one brought does no harm. */
void esi_wheel_expire(struct esi_wheel *wheel, uint64_t now_ns, struct esi_list *fired);

/* When to call esi_wheel_expire() next: no timer is due before. UINT64_MAX if there is none. It is the
 * earliest deadline itself, unless many timers share its slot and the earliest of them was removed; then it
 * may be earlier (one extra wake-up for each level at most). Only tidies the wheel. */
uint64_t esi_wheel_next(struct esi_wheel *wheel);

#endif
