/* base/probe.h - the tap: what the runtime tells whoever watches it.
 *
 * esi_probe(SEND, from, to, bytes) costs one load and one branch that is foretold, as long as nobody has
 * plugged a tap in; its arguments are then not evaluated. What a and b and c are is said where the probe
 * stands. */
#ifndef BASE_PROBE_H
#define BASE_PROBE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum esi_probe_kind {
    ESI_PROBE_SPAWN,
    ESI_PROBE_EXIT,
    ESI_PROBE_SEND,
    ESI_PROBE_DELIVER,
    ESI_PROBE_SCHEDULE,
    ESI_PROBE_PARK,
    ESI_PROBE_WAKE,
    ESI_PROBE_STEAL,
    ESI_PROBE_HANDOVER,
    ESI_PROBE_TIMER,
    ESI_PROBE_CLOCK,
    ESI_PROBE_LINK,
    ESI_PROBE_MONITOR,
    ESI_PROBE_FAULT,
    ESI_PROBE_RANDOM,
    ESI_PROBE_KINDS /* how many there are */
};

/* Is called in the thread where the event happens, at any point of the runtime: it must not call back into
 * it, nor block. */
typedef void esi_tap_function(enum esi_probe_kind kind, uint64_t a, uint64_t b, uint64_t c);

/* NULL: nobody watches. Plugged by atomic_store() with release order; a thread may call the old tap for a
 * moment after it was replaced, so a tap's memory is never unmapped. */
extern _Atomic(esi_tap_function *) esi_tap;

#define esi_probe(KIND, a, b, c)                                                                 \
    do {                                                                                         \
        /* acquire: pairs with the release of who plugs the tap; what the tap needs is there. */ \
        esi_tap_function *tap_ = atomic_load_explicit(&esi_tap, memory_order_acquire);           \
        if (__builtin_expect(tap_ != NULL, 0))                                                   \
            tap_(ESI_PROBE_##KIND, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c));                 \
    } while (0)

/* The kind in lower case, "spawn"; "unknown" for what is none. Static text. Any thread. */
const char *esi_probe_name(enum esi_probe_kind kind);

#endif
