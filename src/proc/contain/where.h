/* proc/contain/where.h - the place of a fault as exit reasons tell it, "handle+0x1c in kv".
 *
 * Processes crash at the same places again and again, so the last texts are kept. */
#ifndef PROC_CONTAIN_WHERE_H
#define PROC_CONTAIN_WHERE_H

#include <stdint.h>

enum { ESI_WHERE_KNOWN = 4, ESI_WHERE_BYTES = 200 };

/* One place. All zero: none. */
struct esi_where {
    uintptr_t pc;
    void (*function)(void);
    unsigned generation; /* of the modules */
    uint32_t length;
    char text[ESI_WHERE_BYTES];
};

/* What people know `pc` as, in a process that was spawned with `function` (trail.h). `known` is an array of ESI_WHERE_KNOWN for the caller
 * alone; what comes back lies in it until the next call. Reads files for names, the first time; in the runtime. */
const struct esi_where *esi_where_of(struct esi_where *known, uintptr_t pc, void (*function)(void));

#endif
