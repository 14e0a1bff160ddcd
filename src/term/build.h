/* term/build.h - making terms whose size is known only at run time: for decoders and parsers.
 *
 * Each esi_put_ writes at `*at`, in words that the caller owns and that are enough, and moves `*at` behind what it
 * wrote. How many words that is stands with each. Nothing here allocates. */
#ifndef TERM_BUILD_H
#define TERM_BUILD_H

#include <engset/term.h>
#include "term/copy.h"

enum { ESI_INTEGER_WORDS = 2, ESI_FLOAT_WORDS = 2, ESI_PID_WORDS = 3, ESI_PORT_WORDS = 3, ESI_REF_WORDS = 4 };

static inline es_term esi_term_of(uint64_t word)
{
    es_term term = {word};
    return term;
}

static inline es_term esi_small_term(int64_t value)
{
    return esi_term_of(esi_word_of_small(value));
}

static inline es_term esi_bool_term(bool value)
{
    return esi_term_of((uint64_t)(value ? ESI_AM_true : ESI_AM_false) << 3 | ESI_TAG_ATOM);
}

/* 0 or ESI_INTEGER_WORDS. */
es_term esi_put_int64(uint64_t **at, int64_t value);
es_term esi_put_uint64(uint64_t **at, uint64_t value);

/* The integer whose magnitude stands in `count` words that the caller wrote at *at + 1, least first; zeros at the end
 * are dropped. 0 words if it is a small integer, otherwise 1 + what is left of `count`. */
es_term esi_put_big(uint64_t **at, bool minus, size_t count);

/* ESI_FLOAT_WORDS. `value` is finite. */
es_term esi_put_double(uint64_t **at, double value);

/* 0 or ESI_PID_WORDS; ESI_REF_WORDS; ESI_PORT_WORDS. */
es_term esi_put_pid(uint64_t **at, es_pid pid);
es_term esi_put_ref(uint64_t **at, es_ref ref);
es_term esi_put_port(uint64_t **at, es_port port);

/* The words of esi_put_bits() for so many bits. */
static inline size_t esi_bits_words(uint64_t bit_count)
{
    return bit_count <= 8 * ESI_BIN_INLINE_MAX ? 2 + (size_t)((bit_count + 63) / 64) : ESI_SHARED_WORDS;
}

/* A bitstring with a copy of the bytes; unused bits of the last byte are made 0. More than ESI_BIN_INLINE_MAX bytes go
 * to shared memory, put before `*chain`: no term if there is none. */
es_term esi_put_bits(uint64_t **at, const uint8_t *bytes, uint64_t bit_count, struct esi_offheap **chain);

/* 1 + `arity` words; the elements are for the caller to write at `*elements`. */
static inline es_term esi_put_tuple(uint64_t **at, uint64_t arity, uint64_t **elements)
{
    uint64_t *box = *at;
    box[0] = ESI_HEADER(ESI_TUPLE, arity);
    *elements = box + 1;
    *at = box + 1 + arity;
    return esi_term_of(esi_word_of_box(box));
}

/* 2 words. */
static inline es_term esi_put_cons(uint64_t **at, es_term head, es_term tail)
{
    uint64_t *cell = *at;
    cell[0] = head.w;
    cell[1] = tail.w;
    *at = cell + 2;
    return esi_term_of(esi_word_of_cons(cell));
}

/* 1 + 2 * count words: begins a map. The caller writes `count` keys to `*keys` and the values to `*keys + count`, in the
 * same order, then calls esi_map_finish(). */
static inline es_term esi_put_map(uint64_t **at, uint64_t count, uint64_t **keys)
{
    uint64_t *box = *at;
    box[0] = ESI_HEADER(ESI_MAP, count);
    *keys = box + 1;
    *at = box + 1 + 2 * count;
    return esi_term_of(esi_word_of_box(box));
}

/* Sorts the keys of a map that was just written, in place and in O(n log n). False if a key is there twice: the map
 * is then not to be used. */
bool esi_map_finish(es_term map);

#endif
