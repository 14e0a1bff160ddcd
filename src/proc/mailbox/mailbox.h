/* proc/mailbox/mailbox.h - the messages that a process has taken and not yet received, oldest first.
 *
 * Private to the process: no atomics. When a receive has looked at 64 messages in vain, an array of tags is put beside the list, so that
 * it and those after it look at four bytes a message; it goes again when the mailbox is short. */
#ifndef PROC_MAILBOX_MAILBOX_H
#define PROC_MAILBOX_MAILBOX_H

#include "proc/mailbox/message.h"

struct esi_mailbox_index;

struct esi_mailbox {
    struct esi_list messages; /* through in_list */
    int64_t count;
    struct esi_mailbox_index *index; /* NULL while short, or when there was no memory for one */
    uint64_t marker_reference;       /* id of the newest reference made ... */
    struct esi_message *
        marker_message; /* ... when this was the last message; NULL: when there was none, or none of those is left */
    uint32_t epoch;    /* grows when cursors must start again */
    uint32_t receives; /* begun so far: by it a receive finds that another ran within its es_after() */
};

/* Where a receive stands: behind the last message that it looked at. */
struct esi_mailbox_cursor {
    struct esi_list *at;
    uint64_t slot;
    uint32_t epoch;
};

void esi_mailbox_init(struct esi_mailbox *mailbox);

/* Frees the index; the messages are the caller's business. */
void esi_mailbox_fini(struct esi_mailbox *mailbox);

/* The newest message gets its place in the index, which is there. */
void esi_mailbox_index_newest(struct esi_mailbox *mailbox, struct esi_message *message);

/* `message`, whose tag is set, belongs to the mailbox from here on. */
static inline void esi_mailbox_append(struct esi_mailbox *mailbox, struct esi_message *message)
{
    esi_list_push_back(&mailbox->messages, &message->in_list);
    mailbox->count++;
    if (__builtin_expect(mailbox->index != NULL, 0))
        esi_mailbox_index_newest(mailbox, message);
}

/* Takes `message` out; it is the caller's. `slot`: where it may stand in the index (a cursor's slot - 1), or any number. */
void esi_mailbox_remove(struct esi_mailbox *mailbox, struct esi_message *message, uint64_t slot);

/* `message`, which was the first and was taken out, is the first again. */
void esi_mailbox_put_back(struct esi_mailbox *mailbox, struct esi_message *message);

/* Puts `by` into the place of `message`, which is the caller's then. `slot` as above. */
void esi_mailbox_replace(struct esi_mailbox *mailbox, struct esi_message *message, struct esi_message *by,
                         uint64_t slot);

/* Remembers that all messages in here are older than the reference with the id `reference`, made now. */
void esi_mailbox_mark(struct esi_mailbox *mailbox, uint64_t reference);

/* Puts the cursor before the first message, or, if `reference` is the one that was marked, before the first that can hold it. */
void esi_mailbox_start(struct esi_mailbox *mailbox, struct esi_mailbox_cursor *cursor, uint64_t reference);

/* Builds the index, if there is none and memory for one. Cursors must start again. */
void esi_mailbox_build_index(struct esi_mailbox *mailbox);

/* The next message behind the cursor, which moves on to it; with an index only those whose tag is among `tags` (tag_count < 0: all).
 * NULL: the end of the mailbox. */
struct esi_message *esi_mailbox_next(struct esi_mailbox *mailbox, struct esi_mailbox_cursor *cursor,
                                     const uint32_t *tags, int tag_count);

#endif
