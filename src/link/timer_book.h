/* link/timer_book.h - the timers of one wheel that send messages: found by their reference, and by the receiver.
 *
 * A timer stands in the very block that is its message: the wheel's part is the payload before the term, the rest in those words of the
 * header that a message needs only when it is sent. So it costs one block, and firing it is pushing that block. It has a slot, which its
 * reference names: finding it is two loads and a look whether it is the one that is meant. The timers for one receiver are a ring of slots; a
 * hash table finds its first. No step takes longer the more timers there are, but where a page of slots or buckets is added (one in 512).
 *
 * No locks: who has a book guards it. Books own their pages, not the timers. */
#ifndef LINK_TIMER_BOOK_H
#define LINK_TIMER_BOOK_H

#include "proc/mailbox/message.h"
#include "proc/schedule/timer.h"

/* A timer is its message's block. That has `to`, the receiver's id, or 0: then `in_book.name` is looked up when it fires; `timer`, its
 * reference's id; and as its payload, before the term's words, this. */
static inline struct esi_timer *esi_timer_of(struct esi_message *message)
{
    return (struct esi_timer *)(void *)message->words;
}

/* So many words at a time, growing for ever; they stay where they are. */
struct esi_pages {
    uint64_t **pages; /* array */
    uint32_t count, room;
};

/* All zero: empty. Private to timer_book.c. */
struct esi_timer_book {
    struct esi_pages slots; /* a message's address, or of a free one: the next free one's number << 1 | 1 */
    uint32_t slots_used,
        free_slot;            /* slots before slots_used were given out once; 1 + the first free of them */
    struct esi_pages buckets; /* a hash table of receivers that grows by one bucket at a time */
    uint32_t bucket_count, receiver_count;
};

/* Enters it, whose `timer` and `to` (or name) are set, and gives it its slot. False: no memory. */
bool esi_book_add(struct esi_timer_book *book, struct esi_message *message);

/* Takes it out, which is in. */
void esi_book_remove(struct esi_timer_book *book, struct esi_message *message);

/* The timer in that slot, if it has that reference; else NULL. Any numbers may be asked for. */
struct esi_message *esi_book_find(const struct esi_timer_book *book, uint32_t slot, uint64_t reference);

/* One of the timers for that receiver, which is not 0; NULL: there is none. */
struct esi_message *esi_book_find_for(const struct esi_timer_book *book, uint64_t receiver);

/* One of all that have a slot >= *slot, which moves on behind it; NULL: no more. */
struct esi_message *esi_book_next(const struct esi_timer_book *book, uint32_t *slot);

/* Gives the pages back; no timer is in it. It is empty as before its first use. */
void esi_book_clear(struct esi_timer_book *book);

#endif
