/* base/probe.c - the tap's place, and the names of what comes out of it. */
#include "base/probe.h"

_Atomic(esi_tap_function *) esi_tap;

const char *esi_probe_name(enum esi_probe_kind kind)
{
    static const char *const names[ESI_PROBE_KINDS] = {
        [ESI_PROBE_SPAWN] = "spawn",     [ESI_PROBE_EXIT] = "exit",         [ESI_PROBE_SEND] = "send",
        [ESI_PROBE_DELIVER] = "deliver", [ESI_PROBE_SCHEDULE] = "schedule", [ESI_PROBE_PARK] = "park",
        [ESI_PROBE_WAKE] = "wake",       [ESI_PROBE_STEAL] = "steal",       [ESI_PROBE_HANDOVER] = "handover",
        [ESI_PROBE_TIMER] = "timer",     [ESI_PROBE_CLOCK] = "clock",       [ESI_PROBE_LINK] = "link",
        [ESI_PROBE_MONITOR] = "monitor", [ESI_PROBE_FAULT] = "fault",       [ESI_PROBE_RANDOM] = "random",
    };
    return (unsigned)kind < ESI_PROBE_KINDS && names[kind] ? names[kind] : "unknown";
}
