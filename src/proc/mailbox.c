/* mailbox.c - a list, and for long searches an array of tags beside it.
 *
 * The index has a slot a message, in order; a message that was taken out leaves a slot with tag 0. Slots are only ever renumbered
 * in remove(): who took it needs its cursor no more, and a receive around it, which runs in its guard, starts again. */
#include "proc/mailbox.h"

#include <string.h>
#include "base/alloc.h"

enum { INDEX_UNTIL = 32 };

struct esi_mailbox_index {
    uint32_t *tags;
    struct esi_message **messages;
    uint64_t used, room, dead;
    uint64_t first;       /* no living slot is below */
    uint64_t marker_slot; /* where the mailbox's marker stands: messages below it are older */
};

void esi_mailbox_init(struct esi_mailbox *mailbox)
{
    *mailbox = (struct esi_mailbox){0};
    esi_list_init(&mailbox->messages);
}

void esi_mailbox_fini(struct esi_mailbox *mailbox)
{
    struct esi_mailbox_index *index = mailbox->index;
    if (!index)
        return;
    esi_free(index->tags);
    esi_free(index->messages);
    esi_free(index);
    mailbox->index = NULL;
}

static struct esi_message *message_at(struct esi_list *node)
{
    return ESI_CONTAINER_OF(node, struct esi_message, in_list);
}

/* Makes room for one more slot. */
static bool index_reserve(struct esi_mailbox_index *index)
{
    if (index->used < index->room)
        return true;
    uint64_t room = index->room ? index->room * 2 : 256;
    uint32_t *tags = esi_realloc(index->tags, room * sizeof *tags);
    if (!tags)
        return false;
    index->tags = tags;
    struct esi_message **messages = esi_realloc(index->messages, room * sizeof *messages);
    if (!messages)
        return false;
    index->messages = messages;
    index->room = room;
    return true;
}

static void index_put(struct esi_mailbox_index *index, struct esi_message *message)
{
    index->tags[index->used] = message->tag;
    index->messages[index->used++] = message;
}

void esi_mailbox_build_index(struct esi_mailbox *mailbox)
{
    if (mailbox->index)
        return;
    struct esi_mailbox_index *index = esi_alloc_zeroed(1, sizeof *index);
    if (!index)
        return;
    mailbox->index = index;
    ESI_LIST_EACH(it, &mailbox->messages)
    {
        if (!index_reserve(index)) {
            esi_mailbox_fini(mailbox);
            return;
        }
        index_put(index, message_at(it));
        if (message_at(it) == mailbox->marker_message)
            index->marker_slot = index->used;
    }
    mailbox->epoch++;
}

void esi_mailbox_index_newest(struct esi_mailbox *mailbox, struct esi_message *message)
{
    if (index_reserve(mailbox->index)) {
        index_put(mailbox->index, message);
    } else {
        esi_mailbox_fini(mailbox);
        mailbox->epoch++; /* a cursor's slot means nothing now */
    }
}

void esi_mailbox_put_back(struct esi_mailbox *mailbox, struct esi_message *message)
{
    esi_list_push_front(&mailbox->messages, &message->in_list);
    mailbox->count++;
    if (mailbox->index) { /* made meanwhile, by a receive in a guard: it has no place in front */
        esi_mailbox_fini(mailbox);
        mailbox->epoch++;
    }
}

/* Closes the gaps. The marker stays between the same two messages. */
static void index_compact(struct esi_mailbox *mailbox)
{
    struct esi_mailbox_index *index = mailbox->index;
    uint64_t to = 0, marker = 0;
    for (uint64_t from = 0; from < index->used; from++) {
        if (from == index->marker_slot)
            marker = to;
        if (!index->tags[from])
            continue;
        index->tags[to] = index->tags[from];
        index->messages[to++] = index->messages[from];
    }
    index->marker_slot = index->marker_slot >= index->used ? to : marker;
    index->used = to;
    index->dead = index->first = 0;
    mailbox->epoch++;
}

/* The slot of `message`, which may be `hint`. */
static uint64_t index_find(const struct esi_mailbox_index *index, const struct esi_message *message,
                           uint64_t hint)
{
    if (hint < index->used && index->messages[hint] == message && index->tags[hint])
        return hint;
    uint64_t slot = index->first;
    while (index->messages[slot] != message || !index->tags[slot])
        slot++;
    return slot;
}

static void index_forget(struct esi_mailbox *mailbox, struct esi_message *message, uint64_t hint)
{
    struct esi_mailbox_index *index = mailbox->index;
    uint64_t slot = index_find(index, message, hint);
    index->tags[slot] = 0;
    index->dead++;
    while (index->first < index->used && !index->tags[index->first])
        index->first++;
    if (mailbox->count < INDEX_UNTIL)
        esi_mailbox_fini(mailbox);
    else if (index->dead > 256 && index->dead > index->used / 2)
        index_compact(mailbox);
}

/* The message before `message`; NULL: it is the first. */
static struct esi_message *before_of(struct esi_mailbox *mailbox, struct esi_message *message)
{
    struct esi_list *before = message->in_list.prev;
    return before == &mailbox->messages ? NULL : message_at(before);
}

void esi_mailbox_remove(struct esi_mailbox *mailbox, struct esi_message *message, uint64_t slot)
{
    if (message == mailbox->marker_message)
        mailbox->marker_message = before_of(mailbox, message);
    esi_list_remove(&message->in_list);
    mailbox->count--;
    if (mailbox->index)
        index_forget(mailbox, message, slot);
}

void esi_mailbox_replace(struct esi_mailbox *mailbox, struct esi_message *message, struct esi_message *by,
                         uint64_t slot)
{
    struct esi_list *before = message->in_list.prev;
    if (message == mailbox->marker_message)
        mailbox->marker_message = by;
    esi_list_remove(&message->in_list);
    esi_list_push_front(before, &by->in_list);
    if (!mailbox->index)
        return;
    slot = index_find(mailbox->index, message, slot);
    mailbox->index->messages[slot] = by;
    mailbox->index->tags[slot] = by->tag;
}

void esi_mailbox_mark(struct esi_mailbox *mailbox, uint64_t reference)
{
    mailbox->marker_reference = reference;
    mailbox->marker_message = mailbox->count ? message_at(mailbox->messages.prev) : NULL;
    if (mailbox->index)
        mailbox->index->marker_slot = mailbox->index->used;
}

void esi_mailbox_start(struct esi_mailbox *mailbox, struct esi_mailbox_cursor *cursor, uint64_t reference)
{
    cursor->at = &mailbox->messages;
    cursor->epoch = mailbox->epoch;
    cursor->slot = 0;
    if (mailbox->index)
        cursor->slot = reference && reference == mailbox->marker_reference ? mailbox->index->marker_slot
                                                                           : mailbox->index->first;
}

/* Does any of `tags` stand among the 16 at `at`? Written so that compilers make vectors of it. */
static bool block_has(const uint32_t *at, const uint32_t *tags, int tag_count)
{
    uint32_t hit = 0;
    for (int t = 0; t < tag_count; t++)
        for (int i = 0; i < 16; i++)
            hit |= (uint32_t)(at[i] == tags[t]);
    return hit;
}

static bool tag_is_among(uint32_t tag, const uint32_t *tags, int tag_count)
{
    if (tag_count < 0)
        return tag != 0;
    for (int t = 0; t < tag_count; t++)
        if (tags[t] == tag)
            return true;
    return false;
}

static struct esi_message *index_next(struct esi_mailbox_index *index, struct esi_mailbox_cursor *cursor,
                                      const uint32_t *tags, int tag_count)
{
    uint64_t slot = cursor->slot;
    while (slot < index->used) {
        if (tag_count >= 0 && slot + 16 <= index->used && !block_has(index->tags + slot, tags, tag_count)) {
            slot += 16;
            continue;
        }
        if (tag_is_among(index->tags[slot], tags, tag_count)) {
            cursor->slot = slot + 1;
            return index->messages[slot];
        }
        slot++;
    }
    cursor->slot = slot;
    return NULL;
}

struct esi_message *esi_mailbox_next(struct esi_mailbox *mailbox, struct esi_mailbox_cursor *cursor,
                                     const uint32_t *tags, int tag_count)
{
    if (cursor->epoch != mailbox->epoch)
        esi_mailbox_start(mailbox, cursor, 0);
    if (mailbox->index)
        return index_next(mailbox->index, cursor, tags, tag_count);
    if (cursor->at->next == &mailbox->messages)
        return NULL;
    cursor->at = cursor->at->next;
    return message_at(cursor->at);
}
