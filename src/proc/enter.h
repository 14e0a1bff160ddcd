/* proc/enter.h - the way into the runtime and out of it, for the few functions that are called for each message.
 *
 * All others call esi_enter() and esi_leave(), which are the same out of line. */
#ifndef PROC_ENTER_H
#define PROC_ENTER_H

#include "platform/barrier.h"
#include "proc/schedule/worker.h"

/* The calling worker, read anew each time: a compiler may keep a thread-local's address over a call that comes back in another thread,
 * so it is not shown that this is one. */
static inline __attribute__((always_inline)) struct esi_worker *esi_worker_now(void)
{
#if defined(__x86_64__) && !defined(__ILP32__)
    struct esi_worker *worker;
    __asm__ volatile("movq esi_this_worker@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0"
                     : "=r"(worker)
                     :
                     : "memory");
    return worker;
#else
    return esi_worker_self();
#endif
}

/* The watchdog took this thread's scheduler away, or is about to, or the process counts as ended. */
struct esi_process *esi_enter_lost(struct esi_worker *worker, struct esi_process *self);

static inline __attribute__((always_inline)) struct esi_process *esi_enter_here(void)
{
    struct esi_worker *w = esi_worker_now();
    if (!w)
        return NULL;
    struct esi_process *self = atomic_load_explicit(&w->current, memory_order_relaxed);
    if (!self)
        return NULL;
    /* relaxed, with the light half of the barrier: either the watchdog sees us in the runtime, or we see that we are lost. acquire: if it has found
     * that we keep our scheduler after all, we see what it did with that meanwhile (open_to_others() in crew.c). */
    atomic_store_explicit(&w->in_runtime, 1, memory_order_relaxed);
    esi_asymmetric_light();
    if (__builtin_expect(atomic_load_explicit(&w->lost, memory_order_acquire) != ESI_LOST_NOT, 0))
        return esi_enter_lost(w, self);
    return self;
}

/* Of a process: in a thread that is none there is nothing to leave. */
static inline __attribute__((always_inline)) void esi_leave_here(void)
{
    /* release: what we did is done before somebody may act on us as on user code. */
    atomic_store_explicit(&esi_worker_now()->in_runtime, 0, memory_order_release);
}

#endif
