/* proc/schedule/slice.h - what a worker writes down when a process begins and ends its turn. Inline: it is done for each message. */
#ifndef PROC_SCHEDULE_SLICE_H
#define PROC_SCHEDULE_SLICE_H

#include "base/probe.h"
#include "proc/node.h"
#include "proc/schedule/worker.h"

/* What others may read of a process that they do not run. The worker that holds it. */
static inline void esi_show(struct esi_process *p, es_state state)
{
    atomic_store_explicit(&p->state, state, memory_order_relaxed);
    atomic_store_explicit(&p->since, esi_since_now(), memory_order_relaxed);
}

/* `p` is the one that `worker` runs from here on. The worker. */
static inline void esi_slice_begin(struct esi_worker *w, struct esi_process *p)
{
    /* relaxed: the watchdog reads both as hints and decides under barriers. */
    atomic_store_explicit(&w->current, p, memory_order_relaxed);
    atomic_store_explicit(&w->slice, w->slice + 1, memory_order_relaxed);
    p->last_worker = w;
    if (__builtin_expect(p->is_pinned && !p->pin_count, 0))
        p->is_pinned = false;
    esi_show(p, ES_STATE_RUNNING);
    /* From here on it looks at what it waits for; a wake-up from before is used up, a later one keeps it from the next sleep. seq_cst:
     * what the waker made true before it set the flag is seen. */
    if (atomic_load_explicit(&p->flags, memory_order_relaxed) & ESI_FLAG_WOKEN)
        atomic_fetch_and_explicit(&p->flags, ~(uint32_t)ESI_FLAG_WOKEN, memory_order_seq_cst);
    w->budget_given = p->budget;
    if (esi_node.is_sim)
        esi_trace_mix(esi_process_place(p->id) << 8 | p->request);
    esi_probe(SCHEDULE, p->id, w->index, 0);
}

/* ... no more. The worker. */
static inline void esi_slice_end(struct esi_worker *w, struct esi_process *p)
{
    if (w->scheduler)
        w->scheduler->slice_budget = p->budget;
    int32_t used = w->budget_given - p->budget;
    atomic_store_explicit(&p->reductions, p->reductions + (used > 0 ? used : 1), memory_order_relaxed);
}

#endif
