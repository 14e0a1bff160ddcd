/* link/exit_signal.h - blocks that carry an exit reason, sent by hand or over a link.
 *
 * A reason that needs memory travels as the finished message {'EXIT', From, Reason}, so that a process that traps gets the very
 * block that was sent. A reason that is one word travels beside the header, so that a bond's own block can carry it: telling of an
 * end then needs no memory. */
#ifndef LINK_EXIT_SIGNAL_H
#define LINK_EXIT_SIGNAL_H

#include "proc/process.h"

/* The payload. */
struct esi_exit_note {
    uint64_t from;  /* id of who ended or sent; 0: a thread that is no process */
    es_term reason; /* counts if the block has no term */
};

/* Is the reason one word, without memory? */
static inline bool esi_is_one_word(es_term reason)
{
    return esi_tag(reason.w) != ESI_TAG_BOX && esi_tag(reason.w) != ESI_TAG_CONS;
}

static inline struct esi_exit_note *esi_exit_note(const struct esi_message *signal)
{
    return (struct esi_exit_note *)(void *)(uintptr_t)signal->words;
}

/* The reason that `signal` carries, lent from it. */
es_term esi_exit_reason(const struct esi_message *signal);

/* A block for `reason` of the process `from`; the kind is the caller's to set. ES_ENOMEM; ES_EINVAL: a pattern stands in it. Any thread. */
ES_CHECKED es_err esi_exit_new(uint64_t from, es_term reason, struct esi_message **out);

/* `signal` becomes {'EXIT', From, Reason} in the mailbox of `self`. Without memory `self` is ended with system_limit: an exit that
 * is not told would be worse. On behalf of `self`; owns `signal`. */
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
