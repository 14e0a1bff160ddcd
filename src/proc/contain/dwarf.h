/* proc/contain/dwarf.h - reading DWARF's numbers from bytes that may be wrong: for unwinding and for line tables.
 *
 * What runs out, or has no end, sets `failed`; from then on all numbers are 0. No memory, no calls but memcpy: async-signal-safe. */
#ifndef PROC_CONTAIN_DWARF_H
#define PROC_CONTAIN_DWARF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct esi_dwarf {
    const uint8_t *at, *end;
    bool failed;
};

/* The next `bytes` as a number, 8 at most; both machines are little-endian. */
static inline uint64_t esi_dwarf_fixed(struct esi_dwarf *r, size_t bytes)
{
    uint64_t value = 0;
    if (r->failed || bytes > 8 || (size_t)(r->end - r->at) < bytes) {
        r->failed = true;
        return 0;
    }
    memcpy(&value, r->at, bytes);
    r->at += bytes;
    return value;
}

static inline void esi_dwarf_skip(struct esi_dwarf *r, uint64_t bytes)
{
    if (r->failed || bytes > (uint64_t)(r->end - r->at))
        r->failed = true;
    else
        r->at += bytes;
}

/* Seven bits a byte, unsigned; signed. */
static inline uint64_t esi_dwarf_uleb(struct esi_dwarf *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = (uint8_t)esi_dwarf_fixed(r, 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    r->failed = true;
    return 0;
}

static inline int64_t esi_dwarf_sleb(struct esi_dwarf *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = (uint8_t)esi_dwarf_fixed(r, 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            if (byte & 0x40 && shift + 7 < 64)
                value |= ~(uint64_t)0 << (shift + 7);
            return (int64_t)value;
        }
    }
    r->failed = true;
    return 0;
}

#endif
