/* match.c - the whole of matching, for what engset/match.h does not do inline; and maps. */
#include <engset/match.h>

#include "base/assert.h"
#include "term/build.h"
#include "term/compare.h"

/* Deeper patterns can only be terms that stand in a pattern: they are compared without recursion. */
enum { PATTERN_DEPTH_MAX = 64 };

typedef int32_t __attribute__((may_alias)) any_i32;
typedef int64_t __attribute__((may_alias)) any_i64;
typedef uint32_t __attribute__((may_alias)) any_u32;
typedef uint64_t __attribute__((may_alias)) any_u64;

bool esi_bind(uint64_t word, uint64_t kind, void *variable)
{
    es_term term = {word};
    int64_t i;
    uint64_t u;
    switch (kind) {
    case ESI_BIND_TERM:
        *(es_term *)variable = term;
        return true;
    case ESI_BIND_ATOM:
        return es_get_atom(term, variable);
    case ESI_BIND_PID:
        return es_get_pid(term, variable);
    case ESI_BIND_REF:
        return es_get_ref(term, variable);
    case ESI_BIND_PORT:
        return es_get_port(term, variable);
    case ESI_BIND_BIN:
        return es_get_bin(term, variable);
    case ESI_BIND_BOOL:
        return es_get_bool(term, variable);
    case ESI_BIND_DOUBLE:
        return es_get_double(term, variable);
    case ESI_BIND_I32:
        if (!es_get_int64(term, &i) || i != (int32_t)i)
            return false;
        *(any_i32 *)variable = (int32_t)i;
        return true;
    case ESI_BIND_I64:
        if (!es_get_int64(term, &i))
            return false;
        *(any_i64 *)variable = i;
        return true;
    case ESI_BIND_U32:
        if (!es_get_uint64(term, &u) || u != (uint32_t)u)
            return false;
        *(any_u32 *)variable = (uint32_t)u;
        return true;
    case ESI_BIND_U64:
        if (!es_get_uint64(term, &u))
            return false;
        *(any_u64 *)variable = u;
        return true;
    default:
        esi_panic(__FILE__, __LINE__, "a binder is of a known kind");
    }
}

static bool match(uint64_t term, uint64_t pattern, unsigned depth);

static bool match_words(const uint64_t *have, const uint64_t *want, uint64_t count, unsigned depth)
{
    for (uint64_t i = 0; i < count; i++) {
        switch (esi_tag(want[i])) {
        case ESI_TAG_INT:
        case ESI_TAG_ATOM:
        case ESI_TAG_PID:
            if (have[i] != want[i])
                return false;
            break;
        case ESI_TAG_BINDER:
            if (!esi_match_element(have[i], esi_wanted(want[i])))
                return false;
            break;
        default:
            if (!match(have[i], want[i], depth))
                return false;
        }
    }
    return true;
}

static bool match_map(uint64_t word, const uint64_t *want, unsigned depth)
{
    es_term map = {word};
    uint64_t count = esi_header_count(want[0]);
    if (!es_is_map(map) || es_map_size(map) < count)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        es_term key = {want[1 + i]}, value = es_map_get(map, key);
        if (es_is_none(value) || !match(value.w, want[1 + count + i], depth))
            return false;
    }
    return true;
}

static bool match(uint64_t word, uint64_t pattern, unsigned depth)
{
    es_term term = {word}, same = {pattern};
    for (; esi_tag(pattern) == ESI_TAG_CONS && depth < PATTERN_DEPTH_MAX;) {
        if (esi_tag(word) != ESI_TAG_CONS)
            return false;
        if (word == pattern)
            return true;
        if (!match(esi_cons(word)[0], esi_cons(pattern)[0], depth + 1))
            return false;
        word = esi_cons(word)[1];
        pattern = esi_cons(pattern)[1];
        term.w = word;
        same.w = pattern;
    }
    if (esi_tag(pattern) == ESI_TAG_BINDER) {
        const uint64_t *binder = (const uint64_t *)(uintptr_t)(pattern - ESI_TAG_BINDER);
        return esi_bind(word, binder[0], (void *)(uintptr_t)binder[1]);
    }
    if (pattern == ESI_ANY_WORD)
        return true;
    if (pattern == 0 || word == 0)
        return false;
    if (word == pattern)
        return true;
    if (esi_tag(pattern) != ESI_TAG_BOX && esi_tag(pattern) != ESI_TAG_CONS)
        return false;
    if (depth < PATTERN_DEPTH_MAX && esi_tag(pattern) == ESI_TAG_BOX) {
        const uint64_t *want = esi_box(pattern);
        if (esi_header_kind(want[0]) == ESI_TUPLE)
            return esi_tag(word) == ESI_TAG_BOX && esi_box(word)[0] == want[0] &&
                   match_words(esi_box(word) + 1, want + 1, esi_header_count(want[0]), depth + 1);
        if (esi_header_kind(want[0]) == ESI_MAP_LITERAL)
            return match_map(word, want, depth + 1);
    }
    return es_equal(term, same);
}

bool esi_match_any(uint64_t term, uint64_t pattern)
{
    /* Nearly always a tuple. */
    if (esi_is_box(pattern, ESI_TUPLE))
        return esi_tag(term) == ESI_TAG_BOX && term != 0 && esi_box(term)[0] == esi_box(pattern)[0] &&
               match_words(esi_box(term) + 1, esi_box(pattern) + 1, esi_header_count(esi_box(pattern)[0]), 1);
    return match(term, pattern, 0);
}

/* Pairs in place, by insertion: literals have at most 16. */
void esi_map_sort(uint64_t *words)
{
    enum { PAIRS_MAX = 16 };
    uint64_t count = esi_header_count(words[0]), keys[PAIRS_MAX], values[PAIRS_MAX], kept = 0;
    esi_assert(count <= PAIRS_MAX);
    for (uint64_t i = 0; i < count; i++) {
        es_term key = {words[1 + 2 * i]};
        uint64_t at = kept;
        int order = 1;
        while (at > 0) {
            es_term other = {keys[at - 1]};
            order = esi_compare_keys(key, other);
            if (order >= 0)
                break;
            at--;
        }
        if (at > 0 && order == 0) {
            values[at - 1] = words[2 + 2 * i];
            continue;
        }
        memmove(keys + at + 1, keys + at, (size_t)(kept - at) * sizeof *keys);
        memmove(values + at + 1, values + at, (size_t)(kept - at) * sizeof *values);
        keys[at] = key.w;
        values[at] = words[2 + 2 * i];
        kept++;
    }
    words[0] = ESI_HEADER(esi_header_kind(words[0]), kept);
    memcpy(words + 1, keys, (size_t)kept * sizeof *keys);
    memcpy(words + 1 + kept, values, (size_t)kept * sizeof *values);
}
