/* build.c - making terms, and looking into lists and maps. */
#include "term/build.h"

#include "term/compare.h"

es_term esi_put_big(uint64_t **at, bool minus, size_t count)
{
    uint64_t *box = *at;
    while (count > 0 && box[count] == 0)
        count--;
    if (count == 0)
        return esi_small_term(0);
    if (count == 1 && box[1] <= (uint64_t)ESI_SMALL_MAX + minus)
        return esi_small_term(minus ? -(int64_t)box[1] : (int64_t)box[1]);
    box[0] = ESI_HEADER(minus ? ESI_BIG_MINUS : ESI_BIG_PLUS, count);
    *at = box + 1 + count;
    return esi_term_of(esi_word_of_box(box));
}

es_term esi_put_int64(uint64_t **at, int64_t value)
{
    if (esi_fits_small(value))
        return esi_small_term(value);
    (*at)[1] = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    return esi_put_big(at, value < 0, 1);
}

es_term esi_put_uint64(uint64_t **at, uint64_t value)
{
    if (value <= (uint64_t)ESI_SMALL_MAX)
        return esi_small_term((int64_t)value);
    (*at)[1] = value;
    return esi_put_big(at, false, 1);
}

es_term esi_put_double(uint64_t **at, double value)
{
    uint64_t *box = *at;
    box[0] = ESI_HEADER(ESI_FLOAT, 1);
    memcpy(box + 1, &value, sizeof value);
    *at = box + ESI_FLOAT_WORDS;
    return esi_term_of(esi_word_of_box(box));
}

static es_term put_numbered(uint64_t **at, unsigned kind, uint64_t id, uint32_t node, uint32_t creation)
{
    uint64_t *box = *at;
    box[0] = ESI_HEADER(kind, 2);
    box[1] = id;
    box[2] = (uint64_t)node | (uint64_t)creation << 32;
    *at = box + 3;
    return esi_term_of(esi_word_of_box(box));
}

es_term esi_put_pid(uint64_t **at, es_pid pid)
{
    return pid.node == 0 ? esi_from_local_pid(pid.id)
                         : put_numbered(at, ESI_PID, pid.id, pid.node, pid.creation);
}

es_term esi_put_port(uint64_t **at, es_port port)
{
    return put_numbered(at, ESI_PORT, port.id, port.node, port.creation);
}

es_term esi_put_ref(uint64_t **at, es_ref ref)
{
    uint64_t *box = *at;
    box[0] = ESI_HEADER(ESI_REF, (uint64_t)ref.first | (uint64_t)(ref.word_count & 7) << 32);
    box[1] = ref.id;
    box[2] = ref.pid;
    box[3] = (uint64_t)ref.node | (uint64_t)ref.creation << 32;
    *at = box + ESI_REF_WORDS;
    return esi_term_of(esi_word_of_box(box));
}

es_term esi_put_bits(uint64_t **at, const uint8_t *bytes, uint64_t bit_count, struct esi_offheap **chain)
{
    uint64_t *box = *at;
    size_t words = esi_bits_words(bit_count), size = (size_t)((bit_count + 7) / 8);
    unsigned rest = (unsigned)(bit_count % 8);
    struct esi_shared *shared = NULL;
    uint8_t *to = (uint8_t *)(box + 2);
    if (bit_count > 8 * ESI_BIN_INLINE_MAX) {
        shared = esi_shared_new(size);
        if (shared == NULL)
            return es_none();
        to = esi_shared_bytes(shared);
    } else {
        box[0] = ESI_HEADER(ESI_BIN, words - 2);
        box[1] = bit_count;
        memset(to, 0, (words - 2) * sizeof *box);
    }
    if (size > 0)
        memcpy(to, bytes, size);
    if (rest != 0)
        to[size - 1] &= (uint8_t)(0xff00u >> rest);
    *at = box + words;
    if (shared == NULL)
        return esi_term_of(esi_word_of_box(box));
    esi_shared_seal(shared);
    return esi_shared_box(box, shared, to, bit_count, chain);
}

/* ---- maps ---- */

static bool is_before(const uint64_t *keys, uint64_t a, uint64_t b)
{
    return esi_compare_keys(esi_term_of(keys[a]), esi_term_of(keys[b])) < 0;
}

static void swap_pairs(uint64_t *keys, uint64_t *values, uint64_t a, uint64_t b)
{
    uint64_t key = keys[a], value = values[a];
    keys[a] = keys[b];
    values[a] = values[b];
    keys[b] = key;
    values[b] = value;
}

static void sift_down(uint64_t *keys, uint64_t *values, uint64_t root, uint64_t count)
{
    for (;;) {
        uint64_t child = 2 * root + 1;
        if (child >= count)
            return;
        if (child + 1 < count && is_before(keys, child, child + 1))
            child++;
        if (!is_before(keys, root, child))
            return;
        swap_pairs(keys, values, root, child);
        root = child;
    }
}

/* Heapsort: no memory, no recursion, no bad case that a peer could choose. Maps that come in order stay as they are. */
bool esi_map_finish(es_term map)
{
    uint64_t *box = (uint64_t *)(uintptr_t)map.w;
    uint64_t count = esi_header_count(box[0]), *keys = box + 1, *values = box + 1 + count, i;
    for (i = 1; i < count && is_before(keys, i - 1, i);)
        i++;
    if (i >= count)
        return true;
    for (i = count / 2; i-- > 0;)
        sift_down(keys, values, i, count);
    for (i = count; i-- > 1;) {
        swap_pairs(keys, values, 0, i);
        sift_down(keys, values, 0, i);
    }
    for (i = 1; i < count; i++)
        if (!is_before(keys, i - 1, i))
            return false;
    return true;
}

es_term es_map_get(es_term map, es_term key)
{
    uint64_t low = 0, high = es_map_size(map), count = high;
    const uint64_t *keys;
    if (count == 0)
        return es_none();
    keys = esi_box(map.w) + 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int order = esi_compare_keys(key, esi_term_of(keys[middle]));
        if (order == 0)
            return esi_term_of(keys[count + middle]);
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return es_none();
}

int64_t es_list_length(es_term term)
{
    int64_t length = 0;
    while (esi_tag(term.w) == ESI_TAG_CONS) {
        term.w = esi_cons(term.w)[1];
        length++;
    }
    return es_is_nil(term) ? length : -1;
}

bool es_get_bool(es_term term, bool *out)
{
    if (!es_is(term, es_am_true) && !es_is(term, es_am_false))
        return false;
    *out = es_is(term, es_am_true);
    return true;
}
