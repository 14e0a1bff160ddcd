/* label.c - the table of labels.
 *
 *   at the same time       set   get
 *   set (one a pid)        no    yes
 *   get (anyone)           yes   yes
 *
 * An entry is written between two stores of `id`: 0, the words, then the pid. A reader that finds the pid before and behind has read
 * words of that pid's label; two labels set in a row may mix in one reading, which harms nobody. */
#include "proc/label.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

enum { INDEX_BITS = 28, WORDS = ESI_LABEL_BYTES / 8 };

struct entry {
    _Atomic(uint64_t) id;
    _Atomic(uint64_t) words[WORDS];
};

#define TABLE_BYTES (sizeof(struct entry) << INDEX_BITS)

static _Atomic(struct entry *) entries; /* NULL: nobody had a label yet */

static struct entry *table(void)
{
    struct entry *found = atomic_load_explicit(&entries, memory_order_acquire);
    if (found)
        return found;
    void *memory =
        mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    /* acq_rel: whoever comes first; the others give theirs back and use that. */
    if (!atomic_compare_exchange_strong_explicit(&entries, &found, memory, memory_order_acq_rel,
                                                 memory_order_acquire)) {
        munmap(memory, TABLE_BYTES);
        return found;
    }
    return memory;
}

static struct entry *entry_of(struct entry *all, uint64_t id)
{
    return &all[id & ((UINT64_C(1) << INDEX_BITS) - 1)];
}

void esi_label_set(uint64_t id, const char *text)
{
    struct entry *all = table();
    if (!all)
        return;
    struct entry *entry = entry_of(all, id);
    uint64_t words[WORDS] = {0};
    memcpy(words, text, strnlen(text, ESI_LABEL_BYTES - 1));
    /* seq_cst and release, acquire in get(): a reader that sees a new word does not find the old pid behind it. */
    atomic_store_explicit(&entry->id, 0, memory_order_seq_cst);
    for (int i = 0; i < WORDS; i++)
        atomic_store_explicit(&entry->words[i], words[i], memory_order_release);
    atomic_store_explicit(&entry->id, id, memory_order_release);
}

void esi_label_get(uint64_t id, char out[ESI_LABEL_BYTES])
{
    uint64_t words[WORDS];
    struct entry *all = atomic_load_explicit(&entries, memory_order_acquire);
    out[0] = 0;
    if (!all)
        return;
    struct entry *entry = entry_of(all, id);
    if (atomic_load_explicit(&entry->id, memory_order_acquire) != id)
        return;
    for (int i = 0; i < WORDS; i++)
        words[i] = atomic_load_explicit(&entry->words[i], memory_order_acquire);
    if (atomic_load_explicit(&entry->id, memory_order_acquire) != id)
        return;
    memcpy(out, words, ESI_LABEL_BYTES);
    out[ESI_LABEL_BYTES - 1] = 0;
}
