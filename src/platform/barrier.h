/* platform/barrier.h - a store-load barrier of which one side costs nothing.
 *
 *     often: store A; esi_asymmetric_light(); load B          seldom: store B; esi_asymmetric_heavy(); load A
 *
 * At least one of the two sees the other's store. heavy() makes the kernel put a barrier into every running
 * thread of ours (membarrier), so light() need only hold the compiler; heavy() costs microseconds. Where the
 * kernel has no membarrier both are full barriers. Both sides use relaxed atomics for A and B, or stronger.
 *
 * esi_platform_start() decides which, before there is a second thread: the two sides must agree.
 * ThreadSanitizer knows neither membarrier nor fences: there both are a read-modify-write of one word, whose
 * total order does the same. */
#ifndef PLATFORM_BARRIER_H
#define PLATFORM_BARRIER_H

#include <stdatomic.h>
#include <stdbool.h>
#include "platform/sanitize.h"

/* Whether the kernel does the work. Set by esi_platform_start(), never changed after. */
extern bool esi_asymmetric_registered;

#if ESI_TSAN
extern _Atomic unsigned esi_asymmetric_word;
#endif

/* The side that happens often. Any thread. */
static inline void esi_asymmetric_light(void)
{
#if ESI_TSAN
    /* seq_cst: whichever read-modify-write comes second reads the first and so sees what was stored before.
     */
    atomic_fetch_add_explicit(&esi_asymmetric_word, 1, memory_order_seq_cst);
#else
    if (__builtin_expect(esi_asymmetric_registered, 1))
        atomic_signal_fence(memory_order_seq_cst); /* pairs with membarrier() in heavy() */
    else
        atomic_thread_fence(memory_order_seq_cst); /* pairs with the fence in heavy() */
#endif
}

/* The side that happens seldom. A system call. Any thread. */
void esi_asymmetric_heavy(void);

#endif
