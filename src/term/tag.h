/* term/tag.h - a number of 32 bits for each message, by which a selective receive skips most of a mailbox.
 *
 * Promise: if a pattern matches a term, then esi_tag_may_match(esi_pattern_tag(pattern), esi_term_tag(term)).
 * The opposite does not hold. Tags never leave the OS process. Pure; any thread. */
#ifndef TERM_TAG_H
#define TERM_TAG_H

#include <engset/match.h>

/* The tag of a pattern that may match terms of several tags; no term has it. */
#define ESI_TAG_ANY 0u
/* The tag of all terms but atoms, and tuples whose first element is an atom or a reference. */
#define ESI_TAG_OTHER 1u

/* Never 0 or 1. */
static inline uint32_t esi_tag_mix(uint64_t class_of, uint64_t value)
{
    uint64_t h = (value ^ class_of << 56) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32) | 2u;
}

/* The tag of a tuple with that many elements that begins with that atom. */
static inline uint32_t esi_tuple_tag(uint64_t arity, es_atom first)
{
    return esi_tag_mix(arity & 63, first.w);
}

/* The tag of a tuple that begins with that reference. */
static inline uint32_t esi_ref_tag(uint64_t ref_id)
{
    return esi_tag_mix(64, ref_id);
}

static inline uint32_t esi_term_tag(es_term term)
{
    const uint64_t *box;
    es_atom first;
    if (esi_tag(term.w) == ESI_TAG_ATOM)
        return esi_tag_mix(65, term.w);
    if (!esi_is_box(term.w, ESI_TUPLE) || esi_header_count(*esi_box(term.w)) == 0)
        return ESI_TAG_OTHER;
    box = esi_box(term.w);
    first.w = box[1];
    if (esi_tag(first.w) == ESI_TAG_ATOM)
        return esi_tuple_tag(esi_header_count(box[0]), first);
    if (esi_is_box(first.w, ESI_REF))
        return esi_ref_tag(esi_box(first.w)[1]);
    return ESI_TAG_OTHER;
}

/* May this word of a pattern be an atom or a reference, which one being open? */
static inline bool esi_tag_is_open(uint64_t word)
{
    if (word == ESI_ANY_WORD)
        return true;
    if (esi_tag(word) != ESI_TAG_BINDER)
        return false;
    switch (*(const uint64_t *)(uintptr_t)(word - ESI_TAG_BINDER)) {
    case ESI_BIND_TERM:
    case ESI_BIND_ATOM:
    case ESI_BIND_BOOL:
    case ESI_BIND_REF:
        return true;
    default:
        return false;
    }
}

static inline uint32_t esi_pattern_tag(es_literal pattern)
{
    es_term same = {pattern.w};
    if (esi_tag_is_open(pattern.w))
        return ESI_TAG_ANY;
    if (esi_is_box(pattern.w, ESI_TUPLE) && esi_header_count(*esi_box(pattern.w)) > 0 &&
        esi_tag_is_open(esi_box(pattern.w)[1]))
        return ESI_TAG_ANY;
    return esi_term_tag(same);
}

static inline bool esi_tag_may_match(uint32_t pattern_tag, uint32_t term_tag)
{
    return pattern_tag == ESI_TAG_ANY || pattern_tag == term_tag;
}

#endif
