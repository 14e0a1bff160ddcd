/* name.c - who is called what: an array by the atom's number, in two levels.
 *
 *   at the same time        find   register, unregister, forget
 *   find (anyone)           yes    yes
 *   the others              yes    no: under `lock`
 *
 * I1  A chunk, once there, stays. An entry is the id of the process that has the name, or 0.
 * I2  Under the lock: `name` of a process is its atom exactly if the atom's entry is its id.
 * I3  An entry's process is alive or has not yet come to forget(), see link/known.h; ids are never used twice, so an old one
 *     that somebody read just before never means another process. */
#include <engset/link.h>

#include <pthread.h>
#include "base/alloc.h"
#include "link/known.h"
#include "link/name.h"
#include "proc/outside.h"

enum { CHUNK_BITS = 10, CHUNK_NAMES = 1 << CHUNK_BITS, CHUNKS = 1 << 10 }; /* 2^20 atoms */

typedef _Atomic(uint64_t) entry;

static entry *_Atomic chunks[CHUNKS];
static pthread_mutex_t lock =
    PTHREAD_MUTEX_INITIALIZER; /* guards changes; no other lock of link/ is taken under it */

static uint64_t number_of(es_atom name)
{
    return name.w >> 3;
}

/* The entry of an atom; NULL: nobody of its chunk ever had a name. acquire: pairs with the release in entry_make(). */
static entry *entry_of(es_atom name)
{
    if (esi_tag(name.w) != ESI_TAG_ATOM || number_of(name) >> CHUNK_BITS >= CHUNKS)
        return NULL;
    entry *chunk = atomic_load_explicit(&chunks[number_of(name) >> CHUNK_BITS], memory_order_acquire);
    return chunk ? &chunk[number_of(name) & (CHUNK_NAMES - 1)] : NULL;
}

/* The same, made if missing. NULL: no memory. Under the lock. */
static entry *entry_make(es_atom name)
{
    entry *there = entry_of(name);
    if (there)
        return there;
    entry *chunk = esi_alloc_zeroed(CHUNK_NAMES, sizeof *chunk);
    if (!chunk)
        return NULL;
    /* release: who finds the chunk finds it zeroed. */
    atomic_store_explicit(&chunks[number_of(name) >> CHUNK_BITS], chunk, memory_order_release);
    return &chunk[number_of(name) & (CHUNK_NAMES - 1)];
}

uint64_t esi_name_find(es_atom name)
{
    entry *e = entry_of(name);
    /* acquire: pairs with give(): who finds a process by its name finds what it did before it was registered. */
    return e ? atomic_load_explicit(e, memory_order_acquire) : 0;
}

/* Under the lock; `p` is alive or not yet started. */
static es_err give(es_atom name, struct esi_process *p)
{
    entry *e = entry_make(name);
    if (!e)
        return ES_ENOMEM;
    if (atomic_load_explicit(e, memory_order_relaxed) || atomic_load_explicit(&p->name, memory_order_relaxed))
        return ES_ETAKEN; /* relaxed: both are written under the lock */
    atomic_store_explicit(&p->name, name.w, memory_order_relaxed);
    /* Takes effect here. release: pairs with esi_name_find(). */
    atomic_store_explicit(e, atomic_load_explicit(&p->id, memory_order_relaxed), memory_order_release);
    return ES_OK;
}

/* Under the lock: the name of who has it is free. */
static void take(es_atom name, struct esi_process *p)
{
    atomic_store_explicit(&p->name, 0, memory_order_relaxed);
    /* release: who finds the name free (and then perhaps takes it) is behind what its holder did. */
    atomic_store_explicit(entry_of(name), 0, memory_order_release);
}

static bool is_name(es_atom name)
{
    return esi_tag(name.w) == ESI_TAG_ATOM && name.w != 0 && !es_atom_equal(name, es_am_undefined);
}

es_err esi_name_give(es_atom name, struct esi_process *p)
{
    if (!is_name(name))
        return ES_EINVAL;
    pthread_mutex_lock(&lock);
    atomic_fetch_or_explicit(&p->flags, ESI_FLAG_KNOWN, memory_order_seq_cst);
    es_err error = give(name, p);
    pthread_mutex_unlock(&lock);
    return error;
}

void esi_name_forget(struct esi_process *self)
{
    pthread_mutex_lock(&lock);
    uint64_t name = atomic_load_explicit(&self->name, memory_order_relaxed);
    if (name)
        take((es_atom){name}, self);
    pthread_mutex_unlock(&lock);
}

static es_err register_alive(es_atom name, uint64_t id)
{
    pthread_mutex_lock(&lock);
    struct esi_process *p = esi_known_alive(id);
    es_err error = p ? give(name, p) : ES_ENOPROC;
    pthread_mutex_unlock(&lock);
    return error;
}

es_err es_register(es_atom name, es_pid pid)
{
    struct esi_process *self = esi_enter();
    es_err error;
    if (!self && !esi_outside_enter())
        return esi_fail(NULL, ES_ECLOSED, "register: " ESI_NO_NODE);
    if (!is_name(name))
        error = esi_fail(self, ES_EINVAL, "register: this cannot be a name");
    else if (pid.node)
        error = esi_fail(self, ES_ENOPROC, "register: a process of another node cannot have a name here");
    else
        error = register_alive(name, pid.id);
    if (self)
        esi_leave();
    else
        esi_outside_leave();
    return error;
}

es_err es_unregister(es_atom name)
{
    struct esi_process *self = esi_enter();
    es_err error = ES_ENAME;
    pthread_mutex_lock(&lock);
    uint64_t id = esi_name_find(name);
    if (id) {
        take(name, esi_process_slot(id)); /* I3: it has not come to forget(), so the slot is its own */
        error = ES_OK;
    }
    pthread_mutex_unlock(&lock);
    if (self)
        esi_leave();
    return error;
}

es_pid es_whereis(es_atom name)
{
    return (es_pid){.id = esi_name_find(name)};
}

static int64_t list_chunk(int64_t number, entry *chunk, es_atom *names, int64_t max, int64_t count)
{
    for (int64_t i = 0; i < CHUNK_NAMES; i++) {
        if (!atomic_load_explicit(&chunk[i], memory_order_relaxed))
            continue; /* relaxed: whether the name was in use, nothing behind it */
        if (count < max)
            names[count] = (es_atom){(uint64_t)(number << CHUNK_BITS | i) << 3 | ESI_TAG_ATOM};
        count++;
    }
    return count;
}

int64_t es_registered(es_atom *names, int64_t max)
{
    int64_t count = 0;
    struct esi_process *self = esi_enter();
    for (int64_t i = 0; i < CHUNKS; i++) {
        entry *chunk = atomic_load_explicit(&chunks[i], memory_order_acquire);
        if (chunk)
            count = list_chunk(i, chunk, names, max, count);
    }
    if (self)
        esi_leave();
    return count;
}
