/* link/exit_signal.h - blocks that carry an exit reason, sent by hand or over a link.
 *
 * A reason travels as the finished message {'EXIT', From, Reason}, so that a process that traps gets the very block that was sent. With a
 * reason of one word that is built in a bond's own block, and for the last who is told of an end in the block that the process kept
 * its reason in: neither needs memory. */
#ifndef LINK_EXIT_SIGNAL_H
#define LINK_EXIT_SIGNAL_H

#include "proc/process.h"

/* The payload: who ended or sent (0: a thread that is no process), and the words of the message. A reason of more than a word stands behind. */
enum { ESI_EXIT_WORDS = 1 + 4 };
_Static_assert(ESI_REASON_ROOM >= (int)ESI_EXIT_WORDS, "a reason's block can become an exit signal");

/* Is the reason one word, without memory? */
static inline bool esi_is_one_word(es_term reason)
{
    return esi_tag(reason.w) != ESI_TAG_BOX && esi_tag(reason.w) != ESI_TAG_CONS;
}

static inline uint64_t esi_exit_from(const struct esi_message *signal)
{
    return signal->words[0];
}

/* The reason that `signal` carries, lent from it. */
static inline es_term esi_exit_reason(const struct esi_message *signal)
{
    return es_tuple_get(signal->term, 2);
}

/* Writes the payload into `block`, which has room for it; `reason` is one word, or stands behind it. */
void esi_exit_put(struct esi_message *block, uint64_t from, es_term reason);

/* A block for `reason` of the process `from`; the kind is the caller's to set. ES_ENOMEM; ES_EINVAL: a pattern stands in it. Any thread. */
ES_CHECKED es_err esi_exit_new(uint64_t from, es_term reason, struct esi_message **out);

/* `signal` becomes {'EXIT', From, Reason} in the mailbox of `self`. On behalf of `self`; owns `signal`. */
void esi_exit_to_mailbox(struct esi_process *self, struct esi_message *signal);

/* Does `self` trap? Any thread. */
static inline bool esi_traps(struct esi_process *self)
{
    /* relaxed: it is the process's own flag; a watchdog that sees an old one looks again. */
    return atomic_load_explicit(&self->flags, memory_order_relaxed) & ESI_FLAG_TRAPS;
}

/* Handles all that is in the inbox; if that dooms the caller it does not return. The process itself, in the runtime. */
void esi_settle(struct esi_process *self);

#endif
