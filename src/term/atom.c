/* atom.c - the table of atoms: text to number, number to text, never forgets.
 *
 *   at the same time        find   text   make
 *   find (anyone)           yes    yes    yes
 *   text (anyone)           yes    yes    yes
 *   make (anyone)           yes    yes    one at a time, under the lock
 *
 * I1  A slot of a hash table is 0 or a hash and a number; it is written once.
 * I2  Before a number can be read from a slot, its entry is in `segments` and its text is there.
 * I3  A table that was replaced stays in memory and as it was: a reader that still looks at it finds all that was
 *     there at that time, and what it does not find it looks for again under the lock.
 *
 * The predefined atoms have no entries: their texts are constants, readable before any constructor ran. */
#include "term/atom.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/uninterrupted.h"
#include "base/utf8.h"
#include "term/atom_names.h"

enum { SEGMENT = 1024, SEGMENTS = ESI_ATOM_LIMIT_MAX / SEGMENT, FIRST_SLOTS = 1024, CHUNK_BYTES = 16384 };

struct entry {
    uint16_t length;
    char text[];
};

struct table {
    uint64_t mask;
    struct table *older; /* keeps what was replaced reachable */
    _Atomic uint64_t *slots;
};

static _Atomic uint64_t first_slots[FIRST_SLOTS];
static struct table first_table = {FIRST_SLOTS - 1, NULL, first_slots};
static _Atomic(struct table *) current_table = &first_table;
static _Atomic(_Atomic(struct entry *) *) segments[SEGMENTS];
static _Atomic bool predefined_are_in;
static _Atomic uint32_t atom_count = ESI_AM_COUNT;
static _Atomic uint32_t atom_limit = ESI_ATOM_LIMIT_DEFAULT;

/* Guards all writing, and the chunk below. Nothing else is locked under it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *chunk;
static size_t chunk_left;

static const struct entry *entry_of(uint32_t index)
{
    /* acquire, twice: pair with the releases in add_entry(), so that the text is there. */
    _Atomic(struct entry *) *segment = atomic_load_explicit(&segments[index / SEGMENT], memory_order_acquire);
    return segment == NULL ? NULL : atomic_load_explicit(&segment[index % SEGMENT], memory_order_acquire);
}

const char *es_atom_text(es_atom atom)
{
    uint64_t index = atom.w >> 3;
    const struct entry *entry;
    if (index < ESI_AM_COUNT)
        return predefined_names[index];
    entry = index < ESI_ATOM_LIMIT_MAX ? entry_of((uint32_t)index) : NULL;
    return entry == NULL ? "" : entry->text;
}

size_t es_atom_length(es_atom atom)
{
    uint64_t index = atom.w >> 3;
    const struct entry *entry;
    if (index < ESI_AM_COUNT)
        return strlen(predefined_names[index]);
    entry = index < ESI_ATOM_LIMIT_MAX ? entry_of((uint32_t)index) : NULL;
    return entry == NULL ? 0 : entry->length;
}

int esi_atom_compare(es_atom a, es_atom b)
{
    size_t a_length, b_length;
    int order;
    if (a.w == b.w)
        return 0;
    a_length = es_atom_length(a);
    b_length = es_atom_length(b);
    order = memcmp(es_atom_text(a), es_atom_text(b), a_length < b_length ? a_length : b_length);
    if (order == 0)
        order = a_length < b_length ? -1 : 1;
    return order < 0 ? -1 : 1;
}

/* FNV-1a, then mixed: the low bits choose the slot. Never 0, so that a slot in use is never 0. */
static uint32_t hash_text(const char *text, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)text[i]) * 16777619u;
    hash ^= hash >> 15;
    hash *= 0x85ebca6bu;
    hash ^= hash >> 13;
    return hash | 0x80000000u;
}

static bool has_text(uint32_t index, const char *text, size_t length)
{
    es_atom atom = esi_atom_of_index(index);
    return es_atom_length(atom) == length && memcmp(es_atom_text(atom), text, length) == 0;
}

static bool find(const char *text, size_t length, uint32_t hash, es_atom *out)
{
    /* acquire: pairs with the release in grow(), so that the slots are there. */
    const struct table *table = atomic_load_explicit(&current_table, memory_order_acquire);
    for (uint64_t at = hash & table->mask;; at = (at + 1) & table->mask) {
        /* acquire: pairs with the release in put_slot() (I2). */
        uint64_t slot = atomic_load_explicit(&table->slots[at], memory_order_acquire);
        if (slot == 0)
            return false;
        if ((uint32_t)(slot >> 32) == hash && has_text((uint32_t)slot, text, length)) {
            *out = esi_atom_of_index((uint32_t)slot);
            return true;
        }
    }
}

static void put_slot(struct table *table, uint32_t hash, uint32_t index)
{
    uint64_t at = hash & table->mask;
    /* relaxed: only writers change slots, and we hold the lock. */
    while (atomic_load_explicit(&table->slots[at], memory_order_relaxed) != 0)
        at = (at + 1) & table->mask;
    /* Takes effect here. release: the entry is there for who finds the number (I2). */
    atomic_store_explicit(&table->slots[at], (uint64_t)hash << 32 | index, memory_order_release);
}

/* Makes the current table twice as large. Under the lock. */
static es_err grow(struct table *old)
{
    uint64_t slots = 2 * (old->mask + 1);
    struct table *table = esi_alloc(sizeof *table);
    if (table == NULL)
        return ES_ENOMEM;
    table->slots = esi_alloc_zeroed(slots, sizeof *table->slots);
    if (table->slots == NULL) {
        esi_free(table);
        return ES_ENOMEM;
    }
    table->mask = slots - 1;
    table->older = old;
    for (uint64_t i = 0; i <= old->mask; i++) {
        /* relaxed: written under the lock, which we hold. */
        uint64_t slot = atomic_load_explicit(&old->slots[i], memory_order_relaxed);
        if (slot != 0)
            put_slot(table, (uint32_t)(slot >> 32), (uint32_t)slot);
    }
    /* release: the slots are there for who loads the pointer. */
    atomic_store_explicit(&current_table, table, memory_order_release);
    return ES_OK;
}

/* Puts the text where entry_of(index) finds it. Under the lock. */
static es_err add_entry(uint32_t index, const char *text, size_t length)
{
    size_t bytes = (sizeof(struct entry) + length + 1 + 7) & ~(size_t)7;
    /* relaxed: written under the lock only. */
    _Atomic(struct entry *) *segment = atomic_load_explicit(&segments[index / SEGMENT], memory_order_relaxed);
    struct entry *entry;
    if (segment == NULL) {
        segment = esi_alloc_zeroed(SEGMENT, sizeof *segment);
        if (segment == NULL)
            return ES_ENOMEM;
        /* release: the zeros are there for who loads the pointer. */
        atomic_store_explicit(&segments[index / SEGMENT], segment, memory_order_release);
    }
    if (bytes > chunk_left) {
        char *fresh = esi_alloc(CHUNK_BYTES);
        if (fresh == NULL)
            return ES_ENOMEM;
        chunk = fresh;
        chunk_left = CHUNK_BYTES;
    }
    entry = (struct entry *)(void *)chunk;
    chunk += bytes;
    chunk_left -= bytes;
    entry->length = (uint16_t)length;
    memcpy(entry->text, text, length);
    entry->text[length] = '\0';
    /* release: the text is there for who loads the pointer. */
    atomic_store_explicit(&segment[index % SEGMENT], entry, memory_order_release);
    return ES_OK;
}

/* Under the lock. */
static es_err add(const char *text, size_t length, uint32_t hash, es_atom *out)
{
    /* relaxed, all three: written under the lock only. */
    struct table *table = atomic_load_explicit(&current_table, memory_order_relaxed);
    uint32_t index = atomic_load_explicit(&atom_count, memory_order_relaxed);
    es_err err;
    if (index >= atomic_load_explicit(&atom_limit, memory_order_relaxed))
        return ES_ELIMIT;
    if (index + index / 2 >= table->mask) {
        err = grow(table);
        if (err != ES_OK)
            return err;
        table = atomic_load_explicit(&current_table, memory_order_relaxed);
    }
    err = add_entry(index, text, length);
    if (err != ES_OK)
        return err;
    /* relaxed: a count for statistics; who needs the atom has it from a slot. */
    atomic_store_explicit(&atom_count, index + 1, memory_order_relaxed);
    put_slot(table, hash, index);
    *out = esi_atom_of_index(index);
    return ES_OK;
}

static void put_predefined(void)
{
    /* acquire: pairs with the release below. */
    if (atomic_load_explicit(&predefined_are_in, memory_order_acquire))
        return;
    uint32_t before = esi_uninterrupted_lock(&lock);
    if (!atomic_load_explicit(&predefined_are_in, memory_order_relaxed)) {
        for (uint32_t i = 0; i < ESI_AM_COUNT; i++)
            put_slot(&first_table, hash_text(predefined_names[i], strlen(predefined_names[i])), i);
        atomic_store_explicit(&predefined_are_in, true, memory_order_release);
    }
    esi_uninterrupted_unlock(&lock, before);
}

es_err es_atom_find(const char *text, size_t length, es_atom *out)
{
    put_predefined();
    return find(text, length, hash_text(text, length), out) ? ES_OK : ES_ENOTFOUND;
}

es_err es_atom_make(const char *text, size_t length, es_atom *out)
{
    uint32_t hash = hash_text(text, length);
    size_t characters;
    es_err err = ES_OK;
    put_predefined();
    if (find(text, length, hash, out))
        return ES_OK;
    if (!esi_utf8_count(text, length, &characters))
        return ES_EINVAL;
    if (characters > ESI_ATOM_CHARACTERS_MAX)
        return ES_ELIMIT;
    uint32_t before = esi_uninterrupted_lock(&lock);
    if (!find(text, length, hash, out))
        err = add(text, length, hash, out);
    esi_uninterrupted_unlock(&lock, before);
    return err;
}

void esi_atom_set_limit(uint32_t limit)
{
    if (limit > ESI_ATOM_LIMIT_MAX)
        limit = ESI_ATOM_LIMIT_MAX;
    uint32_t before = esi_uninterrupted_lock(&lock);
    atomic_store_explicit(&atom_limit, limit, memory_order_relaxed);
    esi_uninterrupted_unlock(&lock, before);
}

uint32_t esi_atom_count(void)
{
    return atomic_load_explicit(&atom_count, memory_order_relaxed);
}

void esi_atoms_declare(es_atom *const *atoms, const char *const *names, size_t count, bool trim)
{
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(names[i]);
        es_err err;
        if (trim && length > 1 && names[i][length - 1] == '_')
            length--;
        err = es_atom_make(names[i], length, atoms[i]);
        if (err != ES_OK) {
            fprintf(stderr, "engset: cannot make the atom '%s': %s\n", names[i],
                    err == ES_ELIMIT ? "the table is full" : "no memory, or no UTF-8");
            abort();
        }
    }
}
