/* shared.c - bytes that many terms share, counted.
 *
 *   at the same time   ref   unref   read
 *   ref, unref, read   yes   yes     yes     (each by one who holds a count)
 *
 * I1  The count is the number of holders; who holds one may read and may count up.
 * I2  The bytes do not change from esi_shared_seal() on. */
#include "term/copy.h"

#include <stdatomic.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/assert.h"

struct esi_shared {
    _Atomic uint64_t count;
    size_t size;
    uint64_t checksum;
    uint8_t bytes[];
};

static _Atomic int64_t live;

static uint64_t checksum(const struct esi_shared *shared)
{
    uint64_t sum = 14695981039346656037u, word;
    size_t i = 0;
    for (; i + sizeof word <= shared->size; i += sizeof word) {
        memcpy(&word, shared->bytes + i, sizeof word);
        sum = (sum ^ word) * 1099511628211u;
        sum ^= sum >> 29;
    }
    for (; i < shared->size; i++)
        sum = (sum ^ shared->bytes[i]) * 1099511628211u;
    return sum;
}

struct esi_shared *esi_shared_new(size_t size)
{
    struct esi_shared *shared;
    if (size > SIZE_MAX - sizeof *shared)
        return NULL;
    shared = esi_alloc(sizeof *shared + size);
    if (shared == NULL)
        return NULL;
    atomic_init(&shared->count, 1);
    shared->size = size;
    shared->checksum = 0;
    /* relaxed: a count for statistics. */
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return shared;
}

uint8_t *esi_shared_bytes(struct esi_shared *shared)
{
    return shared->bytes;
}

size_t esi_shared_size(const struct esi_shared *shared)
{
    return shared->size;
}

void esi_shared_seal(struct esi_shared *shared)
{
#ifndef NDEBUG
    shared->checksum = checksum(shared);
#else
    (void)checksum;
    (void)shared;
#endif
}

void esi_shared_ref(struct esi_shared *shared)
{
    /* relaxed: the caller holds a count, so the object is there and stays. */
    atomic_fetch_add_explicit(&shared->count, 1, memory_order_relaxed);
}

void esi_shared_unref(struct esi_shared *shared)
{
    /* release: our reads of the bytes come before; acquire, for the last one: after the reads of all others, whose
     * decrements are in this one's release sequence. */
    if (atomic_fetch_sub_explicit(&shared->count, 1, memory_order_acq_rel) != 1)
        return;
#ifndef NDEBUG
    esi_assert(shared->checksum == checksum(shared));
#endif
    esi_free(shared);
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
}

int64_t esi_shared_live(void)
{
    return atomic_load_explicit(&live, memory_order_relaxed);
}

es_term esi_shared_box(uint64_t *to, struct esi_shared *shared, const uint8_t *bytes, uint64_t bit_count,
                       struct esi_offheap **chain)
{
    struct esi_offheap *box = (struct esi_offheap *)(void *)to;
    es_term term = {esi_word_of_box(to)};
    box->header = ESI_HEADER(ESI_BIN_SHARED, 0);
    box->bit_count = bit_count;
    box->bytes = bytes;
    box->shared = shared;
    box->next = *chain;
    *chain = box;
    return term;
}

void esi_offheap_release(struct esi_offheap *chain)
{
    while (chain != NULL) {
        struct esi_offheap *next = chain->next;
        esi_shared_unref(chain->shared);
        chain = next;
    }
}

es_err es_shared_bin_make(const void *bytes, size_t size, es_shared_bin *out)
{
    struct esi_shared *shared = esi_shared_new(size);
    if (shared == NULL)
        return ES_ENOMEM;
    if (size > 0)
        memcpy(shared->bytes, bytes, size);
    esi_shared_seal(shared);
    out->shared = shared;
    return ES_OK;
}

void es_shared_bin_release(es_shared_bin bin)
{
    if (bin.shared != NULL)
        esi_shared_unref(bin.shared);
}

es_bin es_shared_bin_bytes(es_shared_bin bin)
{
    return es_bytes(bin.shared->bytes, bin.shared->size);
}
