/* term/copy.h - copying a term into one block of words, and the bytes that many blocks share.
 *
 * Measure, get that many words, copy. The copy has absolute pointers and stays where it was made; whoever owns
 * the words releases the chain of shared binaries before they are freed. What the words are for is not our affair.
 * All of it: any thread, any depth of term; the source must not change meanwhile. */
#ifndef TERM_COPY_H
#define TERM_COPY_H

#include <engset/term.h>

/* A shared binary as it lies in a block of words: the box of kind ESI_BIN_SHARED. */
struct esi_offheap {
    uint64_t header;
    uint64_t bit_count;
    const uint8_t *bytes;
    struct esi_shared *shared;
    struct esi_offheap *next;
};

enum { ESI_SHARED_WORDS = sizeof(struct esi_offheap) / sizeof(uint64_t) };

/* How many words follow the header of a box. */
static inline uint64_t esi_box_body(uint64_t header)
{
    uint64_t count = esi_header_count(header);
    switch (esi_header_kind(header)) {
    case ESI_MAP:
    case ESI_MAP_LITERAL:
        return 2 * count;
    case ESI_BIN:
        return 1 + count;
    case ESI_BIN_LENT:
        return 2;
    case ESI_BIN_SHARED:
        return ESI_SHARED_WORDS - 1;
    case ESI_REF:
        return 3;
    default:
        return count;
    }
}

/* Of the words that follow the header, how many are terms: all or none. */
static inline uint64_t esi_box_terms(uint64_t header)
{
    switch (esi_header_kind(header)) {
    case ESI_TUPLE:
    case ESI_MAP:
    case ESI_MAP_LITERAL:
    case ESI_FUN:
    case ESI_EXPORT:
        return esi_box_body(header);
    default:
        return 0;
    }
}

/* Is all of `term` in its word, and may it be copied: a small integer, an atom, a pid of this node, []? */
static inline bool esi_term_is_word(es_term term)
{
    return esi_tag(term.w) - 1u < 3 || term.w == ESI_NIL_WORD;
}

/* The words that a copy takes of a tuple whose elements are all such words: the usual message. 0: `term` is no such tuple. */
static inline size_t esi_term_flat_words(es_term term)
{
    if (!esi_is_box(term.w, ESI_TUPLE))
        return 0;
    const uint64_t *box = esi_box(term.w);
    size_t words = 1 + (size_t)esi_header_count(box[0]);
    for (size_t i = 1; i < words; i++)
        if (!esi_term_is_word((es_term){box[i]}))
            return 0;
    return words;
}

/* Counts the words that a copy of `term` takes, each part as often as it is referred to; 0 for what is in the
 * word itself. Long binaries that are lent to a literal count as shared ones.
 *   ES_EINVAL  a binder, ES_ANY, no term, an infinite number or a NaN is in it: see esi_term_find_invalid()
 *   ES_ENOMEM  no memory for the work list of a deep term */
ES_CHECKED es_err esi_term_measure(es_term term, size_t *words);

/* Where what cannot be copied is: the element of the outermost tuple, counted from 1; 0: elsewhere, or nowhere.
 * For the message to the user after ES_EINVAL. */
size_t esi_term_find_invalid(es_term term);

/* Copies `term`, which esi_term_measure() counted, to `to`, writes exactly that many words and gives the copy.
 * Its shared binaries are counted up and put before `*chain` (NULL for a new block). Cannot fail, with one
 * exception: a long lent binary becomes a shared one, and where there is no memory for its bytes no term comes back
 * and `*chain` is as it was. */
es_term esi_term_copy(es_term term, uint64_t *to, struct esi_offheap **chain);

/* Counts down all shared binaries of a chain; NULL is fine. The words they lie in are not freed. */
void esi_offheap_release(struct esi_offheap *chain);

/* ---- shared bytes ---- */

/* New bytes with count 1, not yet written, zero bytes included; NULL if there is no memory. Write them through
 * esi_shared_bytes(), then esi_shared_seal() before anybody else sees them. */
struct esi_shared *esi_shared_new(size_t size);
uint8_t *esi_shared_bytes(struct esi_shared *shared);
void esi_shared_seal(struct esi_shared *shared);

/* The size that esi_shared_new() was asked for. */
size_t esi_shared_size(const struct esi_shared *shared);

/* One count more; one less. At the last the memory is freed; without NDEBUG somebody who wrote into the bytes
 * meanwhile is found then, which ends the node. */
void esi_shared_ref(struct esi_shared *shared);
void esi_shared_unref(struct esi_shared *shared);

/* Makes the box of a shared binary in the ESI_SHARED_WORDS words at `to`, takes over one count of `shared`, and puts
 * it before `*chain`. `bytes` lie in `shared`. */
es_term esi_shared_box(uint64_t *to, struct esi_shared *shared, const uint8_t *bytes, uint64_t bit_count,
                       struct esi_offheap **chain);

/* How many shared blocks of bytes live in the program. For tests and counters. */
int64_t esi_shared_live(void);

#endif
