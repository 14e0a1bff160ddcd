/* sweep.c - bouts over the table of processes.
 *
 * A process that sleeps is nobody's; who takes WAITING out of its inbox holds it, as one that wakes it does. So a bout does: it looks, holds,
 * copies the stack out, and lets it sleep on. What came meanwhile saw an owner awake and queued; then it is made runnable.
 *
 * A pass goes over the table in bouts; the next comes half an age later, as long as somebody waits who will be old, or ran since the
 * last began. A node in which nobody runs is left alone. Not hibernated:
 *
 *   frame_refs, a call under way   others write to the stack while the process sleeps
 *   foreign code on the stack      a library may have told its address to others
 *   pinned                         as by hand
 *   at its end, or about to be     goes on without being put back */
#include "proc/sweep.h"

#include <stdatomic.h>
#include "platform/clock.h"
#include "proc/foreign.h"
#include "proc/hibernate.h"
#include "proc/process.h"
#include "proc/schedule/worker.h"

/* What one bout may do: about 100 microseconds, by which a wake-up on an idle node may come late. */
enum { LOOKS = 1024, COPIES = 32 };

static struct {
    uint64_t after_ns;          /* 0: never. Fixed while the node runs */
    _Atomic(uint64_t) due_ns;   /* of the next bout */
    _Atomic(uint32_t) is_dirty; /* somebody ran since the pass began */
    _Atomic(uint32_t) is_taken; /* a worker is in a bout; it has the rest */
    uint64_t cursor;
    bool is_within; /* a pass */
    bool has_young; /* in this pass: who will be old later */
} sweep;

void esi_sweep_start(int64_t after_ms)
{
    sweep.after_ns = (uint64_t)after_ms * ESI_NS_PER_MS;
    atomic_store_explicit(&sweep.due_ns, ESI_NO_DEADLINE, memory_order_relaxed);
    atomic_store_explicit(&sweep.is_dirty, 0, memory_order_relaxed);
    atomic_store_explicit(&sweep.is_taken, 0, memory_order_relaxed);
    sweep.is_within = false;
}

static uint64_t next_pass(uint64_t now)
{
    return now + sweep.after_ns / 2 + 1;
}

#if defined(__clang__)
#define AS_IT_IS __attribute__((noinline, no_sanitize("thread")))
#else
#define AS_IT_IS __attribute__((noinline, no_sanitize_thread))
#endif

/* A hint: one that waits without a stack need not be held to be left alone. */
static AS_IT_IS bool seems_to_have_a_stack(const struct esi_process *p)
{
    return ((const volatile struct esi_process *)p)->fiber.stack != NULL;
}

/* Held by us. */
static bool may_hibernate(const struct esi_process *p)
{
    return p->fiber.stack && !p->frame_refs && !p->pin_count && !p->call && !p->is_ending && !p->is_doomed &&
           !p->taken && !p->turning && !esi_stands_in_foreign_code(p);
}

/* Gives whether it is hibernated now. relaxed: hints, until we hold it. */
static bool consider(struct esi_process *p, uint64_t now)
{
    if (!esi_inbox_is_waiting(&p->inbox) || atomic_load_explicit(&p->is_hibernated, memory_order_relaxed) ||
        !seems_to_have_a_stack(p))
        return false;
    /* `since` goes in steps of 2^20 ns and wraps: signed, so that a clock read a little later elsewhere makes nobody old. */
    int32_t age = (int32_t)((uint32_t)(now >> 20) - atomic_load_explicit(&p->since, memory_order_relaxed));
    if (age < 0 || (uint64_t)age << 20 < sweep.after_ns) {
        sweep.has_young = true;
        return false;
    }
    if (!esi_inbox_wake(&p->inbox))
        return false;
    bool does = may_hibernate(p);
    if (does)
        esi_hibernate_stack(p);
    esi_park_again(p);
    return does;
}

/* True: the pass is over. */
static bool bout(struct esi_worker *w, uint64_t now)
{
    uint64_t end = sweep.cursor + LOOKS;
    for (int copies = 0; copies < COPIES && sweep.cursor < end;) {
        if (atomic_load_explicit(&w->scheduler->runq.length, memory_order_relaxed))
            return false;
        struct esi_process *p = esi_table_next(&sweep.cursor);
        if (!p)
            return true;
        copies += consider(p, now);
    }
    return false;
}

static uint64_t sweep_on(struct esi_worker *w, uint64_t now)
{
    if (!sweep.is_within) {
        sweep.is_within = true;
        sweep.has_young = false;
        sweep.cursor = 0;
        atomic_store_explicit(&sweep.is_dirty, 0, memory_order_seq_cst);
    }
    uint64_t due = now;
    if (bout(w, now)) {
        sweep.is_within = false;
        due = sweep.has_young ? next_pass(now) : ESI_NO_DEADLINE;
    }
    atomic_store_explicit(&sweep.due_ns, due, memory_order_seq_cst);
    /* seq_cst: after the store above. Who ran notes it and then looks at due_ns: one of us sees the other. */
    if (due == ESI_NO_DEADLINE && atomic_load_explicit(&sweep.is_dirty, memory_order_seq_cst)) {
        due = next_pass(now);
        atomic_store_explicit(&sweep.due_ns, due, memory_order_seq_cst);
    }
    return due;
}

/* Whom it ran waits now, and will be old. */
static void note_that_it_ran(struct esi_worker *w, uint64_t now)
{
    if (w->slice == w->swept_slice)
        return;
    w->swept_slice = w->slice;
    atomic_store_explicit(&sweep.is_dirty, 1, memory_order_seq_cst);
    uint64_t none = ESI_NO_DEADLINE;
    if (atomic_load_explicit(&sweep.due_ns, memory_order_seq_cst) == none)
        atomic_compare_exchange_strong_explicit(&sweep.due_ns, &none, next_pass(now), memory_order_seq_cst,
                                                memory_order_relaxed);
}

uint64_t esi_sweep(struct esi_worker *w)
{
    if (!sweep.after_ns)
        return ESI_NO_DEADLINE;
    uint64_t now = atomic_load_explicit(&esi_node.coarse_ns, memory_order_relaxed); /* just looked at */
    note_that_it_ran(w, now);
    uint64_t due = atomic_load_explicit(&sweep.due_ns, memory_order_seq_cst);
    if (now < due)
        return due;
    if (atomic_exchange_explicit(&sweep.is_taken, 1, memory_order_acquire))
        return ESI_NO_DEADLINE; /* who has it looks at due_ns when it is done */
    due = sweep_on(w, now);
    atomic_store_explicit(&sweep.is_taken, 0, memory_order_release);
    return due;
}
