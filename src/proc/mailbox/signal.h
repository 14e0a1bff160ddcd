/* proc/mailbox/signal.h - the first socket in the wall: what happens when a signal arrives.
 *
 * Everything that one process does to another is a block in the other's inbox with a `kind`. The receiver handles
 * it itself, in the order of arrival, when it takes its inbox: by kind->arrive. Was it meant for somebody who is not there (any more),
 * whoever notices calls kind->nobody: the sender whose push met a closed inbox, a process that ends, or one that
 * got a block meant for its predecessor in the same slot. Rooms above define kinds; nobody here knows them. */
#ifndef PROC_MAILBOX_SIGNAL_H
#define PROC_MAILBOX_SIGNAL_H

#include "proc/mailbox/message.h"

struct esi_process;

struct esi_signal_kind {
    const char *name; /* for traces */

    /* `self` received `signal` and owns it now (frees it, or turns it into a message by esi_mailbox_append()). Runs on behalf
     * of `self`, on its stack, a scheduler's or a sender's: must not wait, must not run user code. To end the process: esi_process_doom(). */
    void (*arrive)(struct esi_process *self, struct esi_message *signal);

    /* Nobody is there. Owns `signal`. NULL: just free it. May send signals; must not wait. Any thread. */
    void (*nobody)(struct esi_message *signal);

    /* Could this signal end `self`, which does not trap? Pure: looks only; called in a signal handler when `self` does not come
     * back. NULL: never. */
    bool (*must_end)(struct esi_process *self, const struct esi_message *signal);
};

/* Sends `signal` (header field `kind` set) to the local process with the id `to`; owns it from here on. Any thread.
 * Gives false if nobody was there and kind->nobody has run. */
bool esi_signal_send(uint64_t to, struct esi_message *signal);

/* The same for a signal whose arrive() takes no locks, and sends at most what arrives without sending more (a call that its caller's end
 * abandons, proc/call.h): if the receiver sleeps it runs here and now. */
bool esi_signal_send_direct(uint64_t to, struct esi_message *signal);

/* Puts a message or signal into the inbox of `to`'s slot and wakes it; CLOSED: still the caller's. */
bool esi_signal_push(uint64_t to, struct esi_message *block);

/* The same for who has looked the slot up: `p` is esi_process_slot(to), or NULL. */
bool esi_signal_push_at(struct esi_process *p, uint64_t to, struct esi_message *block);

/* Moves what is in the inbox of `self` into its mailbox, handling signals on the way, `budget` blocks at most (charged as
 * reductions). True: all was taken. On behalf of `self`. */
bool esi_signals_take(struct esi_process *self, int budget);

/* Is there, among what was taken and what is in the inbox, a signal that must end `self`? Takes the inbox to see, handles nothing.
 * Async-signal-safe; for the kill of a process that does not come back, called in its own thread while user code runs. */
bool esi_signals_must_end(struct esi_process *self);

/* Answers a block that came for somebody who is not here. */
void esi_signal_answer_for_nobody(struct esi_message *block);

#endif
