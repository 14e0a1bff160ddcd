/* base/fail.h - lets a test make the n-th allocation fail.
 *
 * Everything that is allocated through base (alloc.h, pool.h) asks here first. A sweep fails allocation
 * 1, then 2, then 3... until all goes well:
 *
 *     for (uint64_t n = 1;; n++) {
 *         esi_fail_after(n);
 *         es_err err = do_it();
 *         if (!esi_fail_stop())
 *             break;           // it needed fewer than n allocations
 *         assert(err == ES_ENOMEM && nothing_is_half_done());
 *     }
 *
 * Not for production: while armed, allocations take the slow way. */
#ifndef BASE_FAIL_H
#define BASE_FAIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Nonzero while armed. Written by the functions below only. */
extern _Atomic uint64_t esi_fail_armed;

/* From now on the n-th allocation of the whole OS process fails, once; n counts from 1. Any thread. */
void esi_fail_after(uint64_t n);

/* Disarms; true if an allocation failed since esi_fail_after(). Any thread. */
bool esi_fail_stop(void);

/* From now on `plan` is asked at each allocation whether it fails; NULL: no more. Any thread, while no other allocates. */
void esi_fail_by(bool (*plan)(void));

/* Counts an allocation while armed; true if this is the one that must fail. For allocators. Any thread. */
bool esi_fail_strike(void);

/* Whether a count is running. relaxed: a test arms it before the calls it means, in the same thread or
 * with a synchronisation of its own. */
static inline bool esi_fail_is_armed(void)
{
    return atomic_load_explicit(&esi_fail_armed, memory_order_relaxed) != 0;
}

#endif
