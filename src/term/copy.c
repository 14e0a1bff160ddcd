/* copy.c - measuring and copying terms. */
#include "term/copy.h"

#include "base/assert.h"
#include "term/work.h"

static inline size_t words_of_bytes(uint64_t bit_count)
{
    return (size_t)((bit_count + 63) / 64);
}

static bool is_inline(uint64_t bit_count)
{
    return bit_count <= 8 * ESI_BIN_INLINE_MAX;
}

/* The words that the copy of one box takes, header included, without what its terms refer to. */
static size_t box_words(const uint64_t *box)
{
    switch (esi_header_kind(box[0])) {
    case ESI_BIN:
    case ESI_BIN_LENT:
    case ESI_BIN_SHARED:
        return is_inline(box[1]) ? 2 + words_of_bytes(box[1]) : ESI_SHARED_WORDS;
    default:
        return 1 + (size_t)esi_box_body(box[0]);
    }
}

static inline bool is_pointer(uint64_t word)
{
    return (esi_tag(word) == ESI_TAG_BOX || esi_tag(word) == ESI_TAG_CONS) && word != 0;
}

/* A float that Erlang does not have: infinite, or NaN. All ones in the exponent. */
static inline bool is_infinite(const uint64_t *box)
{
    return esi_header_kind(box[0]) == ESI_FLOAT && (box[1] >> 52 & 0x7ff) == 0x7ff;
}

__attribute__((noinline)) static es_err measure_any(es_term term, size_t *words)
{
    struct esi_work work;
    uint64_t word = term.w;
    size_t sum = 0;
    es_err err = ES_OK;
    if (esi_term_is_word((es_term){word})) {
        *words = 0;
        return ES_OK;
    }
    esi_work_init(&work, true);
    for (;;) {
        const uint64_t *next = NULL;
        uint64_t left = 0;
        if (!is_pointer(word)) {
            err = ES_EINVAL;
            break;
        }
        if (esi_tag(word) == ESI_TAG_CONS) {
            next = esi_cons(word);
            left = 2;
            sum += 2;
        } else {
            const uint64_t *box = esi_box(word);
            if (is_infinite(box)) {
                err = ES_EINVAL;
                break;
            }
            next = box + 1;
            left = esi_box_terms(box[0]);
            sum += box_words(box);
        }
        /* Pass over what needs nothing; only pointers, and what is not allowed, leave this loop. */
        for (;;) {
            while (left > 0 && esi_term_is_word((es_term){*next})) {
                next++;
                left--;
            }
            if (left > 0 || work.count == 0)
                break;
            next = esi_work_top(&work)->a;
            left = esi_work_top(&work)->left;
            work.count--;
        }
        if (left == 0)
            break;
        word = *next;
        if (left > 1 && !esi_work_push(&work, next + 1, NULL, left - 1, 0)) {
            err = ES_ENOMEM;
            break;
        }
    }
    esi_work_fini(&work);
    if (err == ES_OK)
        *words = sum;
    return err;
}

es_err esi_term_measure(es_term term, size_t *words)
{
    size_t flat = esi_term_flat_words(term);
    if (flat == 0)
        return measure_any(term, words);
    *words = flat;
    return ES_OK;
}

size_t esi_term_find_invalid(es_term term)
{
    size_t words;
    for (size_t i = 0; i < es_tuple_size(term); i++)
        if (esi_term_measure(es_tuple_get(term, i), &words) == ES_EINVAL)
            return i + 1;
    return 0;
}

/* Copies a bitstring to `to`: into the words if it is short, by reference otherwise. 0 if there is no memory. */
static size_t copy_bits(const uint64_t *box, uint64_t *to, struct esi_offheap **chain)
{
    es_term term = {esi_word_of_box(box)};
    const uint8_t *bytes = NULL;
    uint64_t bit_count = 0;
    struct esi_shared *shared;
    es_get_bits(term, &bytes, &bit_count);
    if (is_inline(bit_count)) {
        size_t count = words_of_bytes(bit_count), size = (size_t)((bit_count + 7) / 8);
        to[0] = ESI_HEADER(ESI_BIN, count);
        to[1] = bit_count;
        if (count > 0) {
            to[1 + count] = 0;
            memcpy(to + 2, bytes, size);
        }
        return 2 + count;
    }
    if (esi_header_kind(box[0]) == ESI_BIN_SHARED) {
        shared = (struct esi_shared *)(uintptr_t)box[3];
        esi_shared_ref(shared);
    } else {
        size_t size = (size_t)((bit_count + 7) / 8);
        shared = esi_shared_new(size);
        if (shared == NULL)
            return 0;
        memcpy(esi_shared_bytes(shared), bytes, size);
        esi_shared_seal(shared);
        bytes = esi_shared_bytes(shared);
    }
    esi_shared_box(to, shared, bytes, bit_count, chain);
    return ESI_SHARED_WORDS;
}

/* Copies what `word` points to, one level, to `*to`, moves `*to` behind it and gives the new word; 0 if there is
 * no memory. What is in it still points to the source. */
static inline uint64_t copy_shallow(uint64_t word, uint64_t **to, struct esi_offheap **chain)
{
    uint64_t *at = *to;
    if (esi_tag(word) == ESI_TAG_CONS) {
        at[0] = esi_cons(word)[0];
        at[1] = esi_cons(word)[1];
        *to = at + 2;
        return esi_word_of_cons(at);
    } else {
        const uint64_t *box = esi_box(word);
        unsigned kind = esi_header_kind(box[0]);
        size_t count;
        if (kind == ESI_BIN || kind == ESI_BIN_LENT || kind == ESI_BIN_SHARED) {
            count = copy_bits(box, at, chain);
            if (count == 0)
                return 0;
        } else {
            count = 1 + (size_t)esi_box_body(box[0]);
            for (size_t i = 0; i < count; i++)
                at[i] = box[i];
            if (kind == ESI_MAP_LITERAL)
                at[0] = ESI_HEADER(ESI_MAP, esi_header_count(box[0]));
        }
        *to = at + count;
        return esi_word_of_box(at);
    }
}

/* Breadth first, as a copying collector does: what was copied is the list of what is still to be looked at, so no
 * other memory is needed. A header in it tells how many words are no terms; list cells are plain terms. */
es_term esi_term_copy(es_term term, uint64_t *to, struct esi_offheap **chain)
{
    struct esi_offheap *const before = *chain;
    uint64_t *end = to, *scan = to;
    es_term copy = {term.w};
    if (!is_pointer(term.w))
        return copy;
    copy.w = copy_shallow(term.w, &end, chain);
    if (copy.w == 0)
        return es_none();
    while (scan < end) {
        uint64_t word = *scan;
        if (esi_tag(word) == ESI_TAG_HEADER) {
            scan += 1 + esi_box_body(word) - esi_box_terms(word);
        } else {
            if (is_pointer(word)) {
                *scan = copy_shallow(word, &end, chain);
                if (*scan == 0)
                    goto release;
            }
            scan++;
        }
    }
    return copy;
release:
    while (*chain != before) {
        struct esi_offheap *box = *chain;
        *chain = box->next;
        esi_shared_unref(box->shared);
    }
    return es_none();
}
