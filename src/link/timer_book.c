/* timer_book.c - slots, and a hash table of receivers.
 *
 *   B1  A slot is in use, or on the list of free ones, or was never given out. A timer in the book has one slot, and slots[slot] is it.
 *   B2  The timers for a receiver other than 0 are one ring. Exactly one of them `is_first`, and is in the receiver's bucket. A timer to
 *       a name is a ring of its own that no bucket knows.
 *   B3  The hash table has bucket_count buckets, `low` the highest power of two in it: buckets below bucket_count - low have been split
 *       already, and the entries of the others' twins are still with them. (Linear hashing: Litwin 1980, Larson 1988.) */
#include "link/timer_book.h"

#include <string.h>
#include "base/alloc.h"
#include "base/assert.h"
#include "proc/process.h"

enum { PAGE_WORDS = 512, PAGE_BYTES = PAGE_WORDS * sizeof(uint64_t) };

/* ------------------------------------------------------------ pages */

static inline uint64_t *word_at(const struct esi_pages *pages, uint32_t index)
{
    return &pages->pages[index / PAGE_WORDS][index % PAGE_WORDS];
}

static bool has_word(const struct esi_pages *pages, uint32_t index)
{
    return index / PAGE_WORDS < pages->count;
}

/* Adds a page; false: no memory. What is in it is zero. */
static bool add_page(struct esi_pages *pages)
{
    if (pages->count == pages->room) {
        uint32_t room = pages->room ? 2 * pages->room : 8;
        uint64_t **moved = esi_realloc(pages->pages, room * sizeof *moved);
        if (!moved)
            return false;
        pages->pages = moved;
        pages->room = room;
    }
    uint64_t *page = esi_block_alloc(PAGE_BYTES);
    if (!page)
        return false;
    memset(page, 0, PAGE_BYTES);
    pages->pages[pages->count++] = page;
    return true;
}

static void free_pages(struct esi_pages *pages)
{
    for (uint32_t i = 0; i < pages->count; i++)
        esi_block_free(pages->pages[i], PAGE_BYTES);
    esi_free(pages->pages);
}

/* ------------------------------------------------------------ slots */

static bool is_used(uint64_t word)
{
    return !(word & 1);
}

static struct esi_message *message_of(uint64_t word)
{
    return (struct esi_message *)(uintptr_t)word;
}

static uint64_t word_of(struct esi_message *message)
{
    return (uint64_t)(uintptr_t)message;
}

static void take_slot(struct esi_timer_book *book, struct esi_message *message)
{
    esi_timer_of(message)->slot = book->free_slot ? book->free_slot - 1 : book->slots_used++;
    uint64_t *word = word_at(&book->slots, esi_timer_of(message)->slot);
    if (book->free_slot)
        book->free_slot = (uint32_t)(*word >> 1);
    *word = word_of(message);
}

static void give_slot(struct esi_timer_book *book, struct esi_message *message)
{
    *word_at(&book->slots, esi_timer_of(message)->slot) = (uint64_t)book->free_slot << 1 | 1;
    book->free_slot = esi_timer_of(message)->slot + 1;
}

struct esi_message *esi_book_find(const struct esi_timer_book *book, uint32_t slot, uint64_t reference)
{
    if (slot >= book->slots_used)
        return NULL;
    uint64_t word = *word_at(&book->slots, slot);
    return is_used(word) && message_of(word)->timer == reference ? message_of(word) : NULL;
}

struct esi_message *esi_book_next(const struct esi_timer_book *book, uint32_t *slot)
{
    while (*slot < book->slots_used) {
        uint64_t word = *word_at(&book->slots, (*slot)++);
        if (is_used(word))
            return message_of(word);
    }
    return NULL;
}

/* ------------------------------------------------------------ receivers */

static struct esi_message *at_slot(const struct esi_timer_book *book, uint32_t slot)
{
    return message_of(*word_at(&book->slots, slot));
}

/* The highest power of two in `count`, which is not 0. */
static uint32_t low_of(uint32_t count)
{
    return 1u << (31 - (unsigned)__builtin_clz(count));
}

/* Of the process's index alone, which no two living ones share. Folding from above maps each 2^n indexes to each 2^n numbers one to one: processes
 * in a row have a bucket each, side by side, and those at even distances do not crowd into a few. */
static uint32_t bucket_number(const struct esi_timer_book *book, uint64_t receiver)
{
    uint32_t index = (uint32_t)esi_process_place(receiver), hash = index ^ index >> 6 ^ index >> 13;
    uint32_t low = low_of(book->bucket_count), number = hash & (2 * low - 1);
    return number < book->bucket_count ? number : hash & (low - 1);
}

static uint64_t *bucket_of(const struct esi_timer_book *book, uint64_t receiver)
{
    return word_at(&book->buckets, bucket_number(book, receiver));
}

static void put_first(struct esi_timer_book *book, struct esi_message *message)
{
    uint64_t *bucket = bucket_of(book, message->to);
    message->in_book.chain = message_of(*bucket);
    esi_timer_of(message)->is_first = true;
    *bucket = word_of(message);
}

/* Puts `by` (may be NULL) where `first` was in its bucket. */
static void replace_first(struct esi_timer_book *book, struct esi_message *first, struct esi_message *by)
{
    uint64_t *bucket = bucket_of(book, first->to);
    struct esi_message *before = NULL, *rest = by ? by : first->in_book.chain;
    for (struct esi_message *it = message_of(*bucket); it != first; it = it->in_book.chain)
        before = it;
    if (by) {
        by->in_book.chain = first->in_book.chain;
        esi_timer_of(by)->is_first = true;
    }
    if (before)
        before->in_book.chain = rest;
    else
        *bucket = word_of(rest);
}

/* One more bucket, and its twin's entries are parted between the two (B3). Without memory it stays as it is, and chains are longer. */
static void grow(struct esi_timer_book *book)
{
    if (!has_word(&book->buckets, book->bucket_count) && !add_page(&book->buckets))
        return;
    uint64_t *twin = word_at(&book->buckets, book->bucket_count - low_of(book->bucket_count));
    struct esi_message *chain = message_of(*twin), *message;
    *twin = 0;
    book->bucket_count++;
    while ((message = chain)) {
        chain = message->in_book.chain;
        put_first(book, message);
    }
}

struct esi_message *esi_book_find_for(const struct esi_timer_book *book, uint64_t receiver)
{
    if (!book->bucket_count)
        return NULL;
    struct esi_message *first = message_of(*bucket_of(book, receiver));
    while (first && first->to != receiver)
        first = first->in_book.chain;
    return first;
}

/* Both have their slots. Behind the first, so that the next one in it is a new one: then the oldest, which is mostly the next to go, is seldom the
 * first, whose place in its bucket would have to be found. */
static void join_ring(struct esi_timer_book *book, struct esi_message *first, struct esi_message *message)
{
    uint32_t slot = esi_timer_of(message)->slot;
    message->in_book.previous = esi_timer_of(first)->slot;
    message->in_book.next = first->in_book.next;
    at_slot(book, first->in_book.next)->in_book.previous = slot;
    first->in_book.next = slot;
}

static void add_to_ring(struct esi_timer_book *book, struct esi_message *message)
{
    struct esi_timer *timer = esi_timer_of(message);
    struct esi_message *first = esi_book_find_for(book, message->to);
    timer->is_first = false;
    if (first) {
        join_ring(book, first, message);
        return;
    }
    message->in_book.next = message->in_book.previous = timer->slot;
    put_first(book, message);
    if (++book->receiver_count > book->bucket_count)
        grow(book);
}

static void remove_from_ring(struct esi_timer_book *book, struct esi_message *message)
{
    struct esi_message *next = at_slot(book, message->in_book.next);
    if (esi_timer_of(message)->is_first) {
        replace_first(book, message, next == message ? NULL : next);
        book->receiver_count -= next == message;
    }
    next->in_book.previous = message->in_book.previous;
    at_slot(book, message->in_book.previous)->in_book.next = message->in_book.next;
}

/* ------------------------------------------------------------ both */

/* A page of slots more; with the first the first bucket. False: no memory. */
static bool make_room(struct esi_timer_book *book)
{
    if (!book->bucket_count) {
        if (!add_page(&book->buckets))
            return false;
        book->bucket_count = 1;
    }
    return add_page(&book->slots);
}

bool esi_book_add(struct esi_timer_book *book, struct esi_message *message)
{
    if (!book->free_slot && !has_word(&book->slots, book->slots_used) && !make_room(book))
        return false;
    take_slot(book, message);
    if (message->to)
        add_to_ring(book, message);
    return true;
}

void esi_book_remove(struct esi_timer_book *book, struct esi_message *message)
{
    esi_assert(at_slot(book, esi_timer_of(message)->slot) == message);
    if (message->to)
        remove_from_ring(book, message);
    give_slot(book, message);
}

void esi_book_clear(struct esi_timer_book *book)
{
    esi_assert(book->receiver_count == 0);
    free_pages(&book->slots);
    free_pages(&book->buckets);
    *book = (struct esi_timer_book){.slots_used = 0};
}
