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

static struct esi_pending *pending_of(uint64_t word)
{
    return (struct esi_pending *)(uintptr_t)word;
}

static uint64_t word_of(struct esi_pending *pending)
{
    return (uint64_t)(uintptr_t)pending;
}

static void take_slot(struct esi_timer_book *book, struct esi_pending *pending)
{
    pending->slot = book->free_slot ? book->free_slot - 1 : book->slots_used++;
    uint64_t *word = word_at(&book->slots, pending->slot);
    if (book->free_slot)
        book->free_slot = (uint32_t)(*word >> 1);
    *word = word_of(pending);
}

static void give_slot(struct esi_timer_book *book, struct esi_pending *pending)
{
    *word_at(&book->slots, pending->slot) = (uint64_t)book->free_slot << 1 | 1;
    book->free_slot = pending->slot + 1;
}

struct esi_pending *esi_book_find(const struct esi_timer_book *book, uint32_t slot, uint64_t reference)
{
    if (slot >= book->slots_used)
        return NULL;
    uint64_t word = *word_at(&book->slots, slot);
    return is_used(word) && pending_of(word)->reference == reference ? pending_of(word) : NULL;
}

struct esi_pending *esi_book_next(const struct esi_timer_book *book, uint32_t *slot)
{
    while (*slot < book->slots_used) {
        uint64_t word = *word_at(&book->slots, (*slot)++);
        if (is_used(word))
            return pending_of(word);
    }
    return NULL;
}

/* ------------------------------------------------------------ receivers */

static uint64_t receiver_of(struct esi_pending *pending)
{
    return esi_pending_message(pending)->to;
}

static struct esi_list *in_ring(struct esi_pending *pending)
{
    return &esi_pending_message(pending)->in_list;
}

static struct esi_pending *next_in_ring(struct esi_pending *pending)
{
    return (struct esi_pending *)(void *)ESI_CONTAINER_OF(in_ring(pending)->next, struct esi_message, in_list)
        ->words;
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
    uint32_t index = receiver & 0xfffffff, hash = index ^ index >> 6 ^ index >> 13;
    uint32_t low = low_of(book->bucket_count), number = hash & (2 * low - 1);
    return number < book->bucket_count ? number : hash & (low - 1);
}

static uint64_t *bucket_of(const struct esi_timer_book *book, uint64_t receiver)
{
    return word_at(&book->buckets, bucket_number(book, receiver));
}

static void put_first(struct esi_timer_book *book, struct esi_pending *pending)
{
    uint64_t *bucket = bucket_of(book, receiver_of(pending));
    pending->next = pending_of(*bucket);
    pending->is_first = true;
    *bucket = word_of(pending);
}

/* Puts `by` (may be NULL) where `first` was in its bucket. */
static void replace_first(struct esi_timer_book *book, struct esi_pending *first, struct esi_pending *by)
{
    uint64_t *bucket = bucket_of(book, receiver_of(first));
    struct esi_pending *before = NULL, *rest = by ? by : first->next;
    for (struct esi_pending *it = pending_of(*bucket); it != first; it = it->next)
        before = it;
    if (by) {
        by->next = first->next;
        by->is_first = true;
    }
    if (before)
        before->next = rest;
    else
        *bucket = word_of(rest);
}

/* One more bucket, and its twin's entries are parted between the two (B3). Without memory it stays as it is, and chains are longer. */
static void grow(struct esi_timer_book *book)
{
    if (!has_word(&book->buckets, book->bucket_count) && !add_page(&book->buckets))
        return;
    uint64_t *twin = word_at(&book->buckets, book->bucket_count - low_of(book->bucket_count));
    struct esi_pending *chain = pending_of(*twin), *pending;
    *twin = 0;
    book->bucket_count++;
    while ((pending = chain)) {
        chain = pending->next;
        put_first(book, pending);
    }
}

struct esi_pending *esi_book_find_for(const struct esi_timer_book *book, uint64_t receiver)
{
    if (!book->bucket_count)
        return NULL;
    struct esi_pending *first = pending_of(*bucket_of(book, receiver));
    while (first && receiver_of(first) != receiver)
        first = first->next;
    return first;
}

static void add_to_ring(struct esi_timer_book *book, struct esi_pending *pending)
{
    struct esi_pending *first = esi_book_find_for(book, receiver_of(pending));
    pending->is_first = false;
    if (first) {
        esi_list_push_back(in_ring(first), in_ring(pending));
        return;
    }
    esi_list_init(in_ring(pending));
    put_first(book, pending);
    if (++book->receiver_count > book->bucket_count)
        grow(book);
}

static void remove_from_ring(struct esi_timer_book *book, struct esi_pending *pending)
{
    if (pending->is_first) {
        bool is_alone = esi_list_is_empty(in_ring(pending));
        replace_first(book, pending, is_alone ? NULL : next_in_ring(pending));
        book->receiver_count -= is_alone;
    }
    esi_list_remove(in_ring(pending));
}

/* ------------------------------------------------------------ both */

bool esi_book_reserve(struct esi_timer_book *book)
{
    if (!book->bucket_count) {
        if (!add_page(&book->buckets))
            return false;
        book->bucket_count = 1;
    }
    return book->free_slot || has_word(&book->slots, book->slots_used) || add_page(&book->slots);
}

void esi_book_add(struct esi_timer_book *book, struct esi_pending *pending)
{
    take_slot(book, pending);
    if (receiver_of(pending))
        add_to_ring(book, pending);
}

void esi_book_remove(struct esi_timer_book *book, struct esi_pending *pending)
{
    esi_assert(pending_of(*word_at(&book->slots, pending->slot)) == pending);
    give_slot(book, pending);
    if (receiver_of(pending))
        remove_from_ring(book, pending);
}

void esi_book_clear(struct esi_timer_book *book)
{
    esi_assert(book->receiver_count == 0);
    free_pages(&book->slots);
    free_pages(&book->buckets);
    *book = (struct esi_timer_book){.slots_used = 0};
}
