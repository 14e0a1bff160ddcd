/* link/known.h - for tables that say something about processes and must forget it when they end.
 *
 * Whoever enters the process `id` into such a table takes the table's lock, asks esi_known_alive(), enters it, and gives the lock
 * back. The process's end closes the inbox, then looks at KNOWN, then (esi_plug.ending) takes the lock and removes. Setting the
 * flag and closing are both before a look at the other's word, all seq_cst: either we see it closed, or the end sees the flag
 * and comes for the lock after us. So no entry outlives its process. */
#ifndef LINK_KNOWN_H
#define LINK_KNOWN_H

#include "proc/process.h"

/* Is the process alive? It then has KNOWN and will call esi_plug.ending. NULL: not alive. With the table's lock held. */
static inline struct esi_process *esi_known_alive(uint64_t id)
{
    struct esi_process *p = id ? esi_process_slot(id) : NULL;
    if (!p || !esi_process_is(p, id))
        return NULL;
    atomic_fetch_or_explicit(&p->flags, ESI_FLAG_KNOWN, memory_order_seq_cst);
    if (atomic_load_explicit(&p->inbox, memory_order_seq_cst) == ESI_INBOX_CLOSED)
        return NULL;
    /* Ids are never used twice: if it is `id` still, the inbox that we saw was its own. A flag on a stranger does no harm. */
    return esi_process_is(p, id) ? p : NULL;
}

#endif
