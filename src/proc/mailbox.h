/* proc/mailbox.h - the messages that a process has taken and not yet received, oldest first.
 *
 * Private to the process: no atomics. Beyond 64 messages an array of tags stands beside the list, so that a receive looks at
 * four bytes a message. */
#ifndef PROC_MAILBOX_H
#define PROC_MAILBOX_H

#include "proc/message.h"

struct esi_mailbox_index;

struct esi_mailbox {
    struct esi_list messages;         /* through in_list */
    int64_t count;
    struct esi_mailbox_index *index;  /* NULL while short, or when there was no memory for one */
    struct esi_list *marker;          /* the last message when the newest reference was made, or the list itself; see esi_mailbox_mark() */
};

void esi_mailbox_init(struct esi_mailbox *mailbox);
void esi_mailbox_append(struct esi_mailbox *mailbox, struct esi_message *message);
/* Takes `message` out; it is the caller's. */
void esi_mailbox_remove(struct esi_mailbox *mailbox, struct esi_message *message);
/* Remembers that all messages up to here are older than the reference made now. */
void esi_mailbox_mark(struct esi_mailbox *mailbox);

/* Where a receive stands: `at` is the last message looked at (or the list's head), `slot` the same in the index. */
struct esi_mailbox_cursor {
    struct esi_list *at;
    uint64_t slot;
};

/* The next message behind the cursor whose tag one of `tags` may match (tag_count < 0: any), or NULL: end of the mailbox. Moves the cursor. */
struct esi_message *esi_mailbox_next(struct esi_mailbox *mailbox, struct esi_mailbox_cursor *cursor, const uint32_t *tags,
                                     int tag_count);
/* Frees the index. */
void esi_mailbox_fini(struct esi_mailbox *mailbox);

#endif
