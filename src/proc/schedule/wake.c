/* wake.c - making a process go on that waits for something else than a message.
 *
 * Who wakes first makes true what the sleeper waits for, then calls esi_wake(). The sleeper parks, then looks at WOKEN.
 * Both sides are seq_cst read-modify-writes, so one of them sees the other: no wake-up is lost. A wake-up too many
 * (also one meant for who lived in the slot before) only makes somebody look again. */
#include "proc/process.h"
#include "proc/schedule/worker.h"

void esi_wake(struct esi_process *p)
{
    atomic_fetch_or_explicit(&p->flags, ESI_FLAG_WOKEN, memory_order_seq_cst);
    if (esi_inbox_wake(&p->inbox))
        esi_make_runnable(p, true);
}
