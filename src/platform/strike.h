/* platform/strike.h - where a simulated world lets something go wrong.
 *
 * Whoever does what can go wrong asks here first, each time: it is an opportunity, and the n-th of its kind in a run. Whether it strikes is
 * decided by the plan, which src/simulate/ makes from the seed and plugs in. Never in a real world. */
#ifndef PLATFORM_STRIKE_H
#define PLATFORM_STRIKE_H

#include <stdbool.h>
#include <stddef.h>

enum esi_strike {
    ESI_STRIKE_HAND_OVER,     /* a process gives way to others at a call of the runtime */
    ESI_STRIKE_WAKE,          /* a waiting process is woken for nothing */
    ESI_STRIKE_KILL,          /* a process is killed */
    ESI_STRIKE_CRASH,         /* a process crashes at a call of the runtime */
    ESI_STRIKE_FREEZE,        /* a process does not run for a while */
    ESI_STRIKE_NO_MEMORY,     /* an allocation fails */
    ESI_STRIKE_NO_DESCRIPTOR, /* EMFILE */
    ESI_STRIKE_REFUSE,        /* a connection is refused */
    ESI_STRIKE_CUT,           /* a connection is reset */
    ESI_STRIKE_HALF_CLOSE,    /* the other side of a connection has ended its half */
    ESI_STRIKE_DELAY,         /* bytes are long on their way */
    ESI_STRIKE_SHORT_IO,      /* a read or write does a part only */
    ESI_STRIKE_DISK,          /* EIO, or ENOSPC where something is written */
    ESI_STRIKE_COUNT
};

/* NULL: nothing ever strikes. Set before the simulated world begins, taken back when it has ended. */
extern bool (*esi_strike_plan)(enum esi_strike kind);

/* Does it go wrong this time? The simulated world's thread; elsewhere always false. */
static inline bool esi_strikes(enum esi_strike kind)
{
    return __builtin_expect(esi_strike_plan != NULL, 0) && esi_strike_plan(kind);
}

#endif
