/* proc/mailbox/inbox.h - the one word through which all others reach a process.
 *
 *   0         closed: nobody lives here. It is also what fresh or returned memory reads as.
 *   EMPTY     open, nothing inside, the owner is awake (it runs, or will without help)
 *   WAITING   open, nothing inside, the owner sleeps: who changes the word must make it runnable
 *   other     the newest of a chain of blocks through `next`; the oldest's `next` is NULL
 *
 *   at the same time     push  take  park  wake  close
 *   push (anyone)        yes   yes   yes   yes   yes
 *   wake (anyone)        yes   yes   yes   yes   yes
 *   take, park, close    one of them at a time: the owner, or the scheduler that holds it
 *
 * I1  A chain is reached through the word only; push() never reads through the top, so there is no ABA.
 * I2  Exactly one party sees WAITING go: that party alone makes the owner runnable, once.
 * I3  After close() the word stays 0 until open(); every push after it fails.
 * Memory: a block's fields are written before the push (release) and read after the take (acquire). What the owner wrote before close()
 * (release) is there for whose push() finds it closed (acquire). */
#ifndef PROC_MAILBOX_INBOX_H
#define PROC_MAILBOX_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include "proc/mailbox/message.h"

enum { ESI_INBOX_CLOSED = 0, ESI_INBOX_EMPTY = 1, ESI_INBOX_WAITING = 2 };

typedef _Atomic(uintptr_t) esi_inbox;

enum esi_push { ESI_PUSH_CLOSED, ESI_PUSH_DONE, ESI_PUSH_WAKE };

/* Puts `block` in. CLOSED: the block is still the caller's. WAKE: done, and the caller makes the owner runnable. */
static inline enum esi_push esi_inbox_push(esi_inbox *inbox, struct esi_message *block)
{
    /* acquire, as below where it fails: who finds it closed sees what its owner wrote before; pairs with close(). */
    uintptr_t top = atomic_load_explicit(inbox, memory_order_acquire);
    do {
        if (top == ESI_INBOX_CLOSED)
            return ESI_PUSH_CLOSED;
        block->next = top <= ESI_INBOX_WAITING ? NULL : (struct esi_message *)top;
        /* Takes effect when it succeeds. seq_cst, not only release (for the take() that gets the block): a signal's flag
         * is set after the push and read by a parker after park(); both orders must agree. */
    } while (!atomic_compare_exchange_weak_explicit(inbox, &top, (uintptr_t)block, memory_order_seq_cst,
                                                    memory_order_acquire));
    return top == ESI_INBOX_WAITING ? ESI_PUSH_WAKE : ESI_PUSH_DONE;
}

/* Is there anything to take? A hint; the owner's next park() decides. */
static inline bool esi_inbox_has_any(esi_inbox *inbox)
{
    return atomic_load_explicit(inbox, memory_order_relaxed) > ESI_INBOX_WAITING;
}

/* Does the owner sleep? A hint; esi_inbox_wake() decides. */
static inline bool esi_inbox_is_waiting(esi_inbox *inbox)
{
    return atomic_load_explicit(inbox, memory_order_relaxed) == ESI_INBOX_WAITING;
}

/* Takes all, newest first; NULL if there is nothing. The owner, awake. */
static inline struct esi_message *esi_inbox_take(esi_inbox *inbox)
{
    if (!esi_inbox_has_any(inbox))
        return NULL;
    /* acquire: pairs with the push() of every block in the chain; older pushes are covered since each later one
     * continues their release sequence. Only the owner takes or closes, so what is there is a chain. */
    return (struct esi_message *)atomic_exchange_explicit(inbox, ESI_INBOX_EMPTY, memory_order_acquire);
}

/* The owner goes to sleep. False: something came, it stays awake. Call it when the owner's stack is not in use any more.
 * seq_cst: pairs with wake() and with the flags that wakers set before they call it (see proc/schedule/wake.c). */
static inline bool esi_inbox_park(esi_inbox *inbox)
{
    uintptr_t expected = ESI_INBOX_EMPTY;
    return atomic_compare_exchange_strong_explicit(inbox, &expected, ESI_INBOX_WAITING, memory_order_seq_cst,
                                                   memory_order_relaxed);
}

/* Wakes the owner if it sleeps. True: the caller makes it runnable. seq_cst when it fails too: who set a flag and then finds the owner awake
 * relies on it that the owner, when it parks, sees the flag. */
static inline bool esi_inbox_wake(esi_inbox *inbox)
{
    uintptr_t expected = ESI_INBOX_WAITING;
    return atomic_compare_exchange_strong_explicit(inbox, &expected, ESI_INBOX_EMPTY, memory_order_seq_cst,
                                                   memory_order_seq_cst);
}

/* Opens for a new owner, who is awake. release: who reads the open word sees the owner's fields. */
static inline void esi_inbox_open(esi_inbox *inbox)
{
    atomic_store_explicit(inbox, ESI_INBOX_EMPTY, memory_order_release);
}

/* Closes and takes what is inside, newest first. The owner, awake. acquire: as take(). release: for push(). seq_cst: who sets ESI_FLAG_KNOWN looks at the
 * inbox after it; the owner looks at the flags after this. */
static inline struct esi_message *esi_inbox_close(esi_inbox *inbox)
{
    uintptr_t top = atomic_exchange_explicit(inbox, ESI_INBOX_CLOSED, memory_order_seq_cst);
    return top <= ESI_INBOX_WAITING ? NULL : (struct esi_message *)top;
}

#endif
