/* enter.c - which worker a thread is, and the way into the runtime and out of it. */
#include <errno.h>
#include "platform/barrier.h"
#include "proc/node.h"
#include "proc/worker.h"

#undef errno /* the real one: these functions never keep its address over a switch */
#define errno (*__errno_location())

__thread struct esi_worker *esi_this_worker __attribute__((tls_model("initial-exec")));

__attribute__((noinline)) struct esi_worker *esi_worker_self(void)
{
    struct esi_worker *worker = esi_this_worker;
    __asm__ volatile("" : "+r"(worker)); /* nobody may believe that two calls give the same */
    return worker;
}

/* errno's address through a call that no compiler can see through. */
__attribute__((noinline)) int *es_errno(void)
{
    int *address = &errno;
    __asm__ volatile("" : "+r"(address));
    return address;
}

/* ------------------------------------------------------- into the runtime and out of it */

/* The watchdog took this thread's scheduler away, or is about to, or the process counts as ended. */
static __attribute__((noinline)) struct esi_process *enter_lost(struct esi_worker *w,
                                                                struct esi_process *self)
{
    enum esi_lost lost = esi_lost_settle(w);
    if (lost == ESI_LOST_STRANDED)
        esi_worker_stay_stranded(w);
    if (lost == ESI_LOST_SCHEDULER)
        esi_switch_out(self, ESI_REQUEST_YIELD); /* goes on in a thread that holds a scheduler */
    return self;
}

struct esi_process *esi_enter(void)
{
    struct esi_worker *w = esi_this_worker;
    if (!w)
        return NULL;
    struct esi_process *self = atomic_load_explicit(&w->current, memory_order_relaxed);
    if (!self)
        return NULL;
    /* relaxed, with the light half of the barrier: either the watchdog sees us in the runtime, or we see that we are lost. */
    atomic_store_explicit(&w->in_runtime, 1, memory_order_relaxed);
    esi_asymmetric_light();
    if (__builtin_expect(atomic_load_explicit(&w->lost, memory_order_relaxed) != ESI_LOST_NOT, 0))
        return enter_lost(w, self);
    return self;
}

void esi_leave(void)
{
    struct esi_worker *w = esi_this_worker;
    /* release: what we did is done before somebody may act on us as on user code. */
    if (w)
        atomic_store_explicit(&w->in_runtime, 0, memory_order_release);
}

void esi_worker_become(struct esi_worker *worker)
{
    esi_this_worker = worker;
}
