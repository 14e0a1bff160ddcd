/* uninterrupted.c - see uninterrupted.h. */
#include "base/uninterrupted.h"

_Atomic(esi_in_runtime_hook *) esi_in_runtime;

static uint32_t note(uint32_t now)
{
    /* relaxed: a function's address, and what it reads belongs to the thread. */
    esi_in_runtime_hook *hook = atomic_load_explicit(&esi_in_runtime, memory_order_relaxed);
    return hook ? hook(now) : 1;
}

uint32_t esi_uninterrupted_begin(void)
{
    uint32_t before = note(1);
    atomic_signal_fence(memory_order_seq_cst); /* the handler that cuts short runs in this thread */
    return before;
}

void esi_uninterrupted_end(uint32_t before)
{
    atomic_signal_fence(memory_order_seq_cst);
    note(before);
}
