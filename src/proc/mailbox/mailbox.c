/* mailbox.c - a list, and for long searches an array of tags beside it.
 *
 * The index has a slot a message, in order; a message that was taken out leaves a slot with tag 0. Slots are only ever renumbered
 * in remove(): who took it needs its cursor no more, and a receive around it, which runs in its guard, starts again.
 *
 * Messages come at the end only. So where a search found none of a tag there never is one, and the next search for this tag begins behind
 * that: a message is looked at once for a tag, not once in each receive. The index remembers this of a few tags. */
#include "proc/mailbox/mailbox.h"

#include <string.h>
#include "base/alloc.h"

enum { INDEX_UNTIL = 32, KNOWN_TAGS = 16 };

/* No living slot below `until` has `tag`. */
struct absence {
    uint64_t until;
    uint32_t tag; /* 0: no tag */
};

struct esi_mailbox_index {
    uint32_t *tags;
    struct esi_message **messages;
    uint64_t used, room, dead;
    uint64_t first;                   /* no living slot is below */
    uint64_t marker_slot;             /* where the mailbox's marker stands: messages below it are older */
    struct absence known[KNOWN_TAGS]; /* a tag has one place here, see absence_of() */
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

/* ---- what is known to be absent ---- */

static struct absence *absence_of(struct esi_mailbox_index *index, uint32_t tag)
{
    return &index->known[(tag >> 8) % KNOWN_TAGS]; /* the lowest bits of a tag say little */
}

/* Where `tag` may be found first. */
static uint64_t absent_until(struct esi_mailbox_index *index, uint32_t tag)
{
    const struct absence *known = absence_of(index, tag);
    return known->tag == tag && known->until > index->first ? known->until : index->first;
}

static uint64_t all_absent_until(struct esi_mailbox_index *index, const uint32_t *tags, int tag_count)
{
    uint64_t least = index->used;
    for (int t = 0; t < tag_count; t++) {
        uint64_t until = absent_until(index, tags[t]);
        least = until < least ? until : least;
    }
    return least;
}

/* A search found none of `tags` in the slots from `from` up to `to`. */
static void learn_absence(struct esi_mailbox_index *index, const uint32_t *tags, int tag_count, uint64_t from,
                          uint64_t to)
{
    for (int t = 0; t < tag_count; t++) {
        uint64_t until = absent_until(index, tags[t]);
        if (from <= until && until < to)
            *absence_of(index, tags[t]) = (struct absence){to, tags[t]};
    }
}

/* A message with `tag` came into the midst. */
static void unlearn_absence(struct esi_mailbox_index *index, uint32_t tag, uint64_t slot)
{
    struct absence *known = absence_of(index, tag);
    if (known->tag == tag && known->until > slot)
        known->until = slot;
}

/* ---- out of the midst ---- */

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
    memset(index->known, 0, sizeof index->known);
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
    unlearn_absence(mailbox->index, by->tag, slot);
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

/* Sixteen tags at a time, as four vectors: the two compilers make one comparison of four tags. */
typedef uint32_t four_tags __attribute__((vector_size(16), aligned(4), may_alias));
enum { BLOCK = 16 };

static inline bool has_any(four_tags hits)
{
    uint64_t halves[2];
    memcpy(halves, &hits, sizeof halves);
    return halves[0] | halves[1];
}

/* The first slot from `slot` on whose block of sixteen may have `tag`. */
static uint64_t skip_blocks_1(const struct esi_mailbox_index *index, uint64_t slot, uint32_t tag)
{
    const four_tags wanted = {tag, tag, tag, tag};
    for (; slot + BLOCK <= index->used; slot += BLOCK) {
        const four_tags *at = (const four_tags *)(index->tags + slot);
        four_tags hits = (four_tags)(at[0] == wanted) | (four_tags)(at[1] == wanted) |
                         (four_tags)(at[2] == wanted) | (four_tags)(at[3] == wanted);
        if (has_any(hits))
            break;
    }
    return slot;
}

static uint64_t skip_blocks(const struct esi_mailbox_index *index, uint64_t slot, const uint32_t *tags,
                            int tag_count)
{
    for (; slot + BLOCK <= index->used; slot += BLOCK) {
        const four_tags *at = (const four_tags *)(index->tags + slot);
        four_tags hits = {0};
        for (int t = 0; t < tag_count; t++)
            for (int i = 0; i < BLOCK / 4; i++)
                hits |= (four_tags)(at[i] == (four_tags){tags[t], tags[t], tags[t], tags[t]});
        if (has_any(hits))
            break;
    }
    return slot;
}

static bool tag_is_among(uint32_t tag, const uint32_t *tags, int tag_count)
{
    for (int t = 0; t < tag_count; t++)
        if (tags[t] == tag)
            return true;
    return false;
}

/* The first slot from `slot` on that has one of `tags`; `used`: none. */
static uint64_t search(const struct esi_mailbox_index *index, uint64_t slot, const uint32_t *tags,
                       int tag_count)
{
    while (slot < index->used) {
        slot =
            tag_count == 1 ? skip_blocks_1(index, slot, tags[0]) : skip_blocks(index, slot, tags, tag_count);
        uint64_t end = slot + BLOCK < index->used ? slot + BLOCK : index->used;
        for (; slot < end; slot++)
            if (tag_is_among(index->tags[slot], tags, tag_count))
                return slot;
    }
    return slot;
}

/* The first living slot from `slot` on. */
static uint64_t next_living(const struct esi_mailbox_index *index, uint64_t slot)
{
    while (slot < index->used && !index->tags[slot])
        slot++;
    return slot;
}

static struct esi_message *index_next(struct esi_mailbox_index *index, struct esi_mailbox_cursor *cursor,
                                      const uint32_t *tags, int tag_count)
{
    uint64_t slot;
    if (tag_count < 0) {
        slot = next_living(index, cursor->slot);
    } else {
        uint64_t from = all_absent_until(index, tags, tag_count);
        from = from > cursor->slot ? from : cursor->slot;
        slot = search(index, from, tags, tag_count);
        learn_absence(index, tags, tag_count, from, slot);
    }
    if (slot >= index->used) {
        cursor->slot = index->used;
        return NULL;
    }
    cursor->slot = slot + 1;
    return index->messages[slot];
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
