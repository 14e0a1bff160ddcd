/* descriptor.c - see descriptor.h. */
#include "port/descriptor.h"

#include <unistd.h>
#include "base/alloc.h"
#include "platform/os.h"
#include "platform/poller.h"
#include "port/edge.h"
#include "port/pause.h"
#include "port/stream.h"
#include "proc/own.h"
#include "proc/schedule/worker.h"

/* ---------------------------------------------------------------- the records */

enum { BLOCK_SIZE = 256, BLOCK_COUNT = 4096 };

static struct esi_descriptor *_Atomic blocks[BLOCK_COUNT];

static struct esi_descriptor *make_block(int number)
{
    struct esi_descriptor *fresh = esi_alloc_zeroed(BLOCK_SIZE, sizeof *fresh), *there = NULL;
    if (!fresh)
        return NULL;
    for (int i = 0; i < BLOCK_SIZE; i++) {
        pthread_mutex_init(&fresh[i].lock, NULL);
        esi_list_init(&fresh[i].waiters);
        fresh[i].fd = number * BLOCK_SIZE + i;
    }
    /* release: the records are made before they are found. acquire: another was faster, and its records are made. */
    if (atomic_compare_exchange_strong_explicit(&blocks[number], &there, fresh, memory_order_release,
                                                memory_order_acquire))
        return fresh;
    esi_free(fresh);
    return there;
}

struct esi_descriptor *esi_descriptor_find(int fd)
{
    if (fd < 0 || fd >= BLOCK_SIZE * BLOCK_COUNT)
        return NULL;
    /* acquire: pairs with the release in make_block(). */
    struct esi_descriptor *block = atomic_load_explicit(&blocks[fd / BLOCK_SIZE], memory_order_acquire);
    return block ? &block[fd % BLOCK_SIZE] : NULL;
}

es_err esi_descriptor_make(int fd, struct esi_descriptor **out)
{
    if (fd < 0)
        return ES_EINVAL;
    if (fd >= BLOCK_SIZE * BLOCK_COUNT)
        return ES_ELIMIT;
    *out = esi_descriptor_find(fd);
    if (*out)
        return ES_OK;
    struct esi_descriptor *block = make_block(fd / BLOCK_SIZE);
    if (!block)
        return ES_ENOMEM;
    *out = &block[fd % BLOCK_SIZE];
    return ES_OK;
}

/* ---------------------------------------------------------------- their making and their end */

/* The number means something else from here on. Under the lock. */
static void become(struct esi_descriptor *d, enum esi_descriptor_kind kind, uint64_t owner)
{
    /* relaxed, all of them: who uses the number before it was told of it gets what it deserves; a late event only makes somebody look. */
    atomic_store_explicit(&d->is_ended, false, memory_order_relaxed);
    atomic_store_explicit(&d->drained, 0, memory_order_relaxed);
    atomic_store_explicit(&d->owner, owner, memory_order_relaxed);
    atomic_store_explicit(&d->kind, (uint8_t)kind, memory_order_relaxed);
}

/* Who waits for what the number meant is told. Under the lock. */
static void forget(struct esi_descriptor *d)
{
    if (atomic_load_explicit(&d->kind, memory_order_relaxed) == ESI_FD_LISTENER)
        esi_spare_release();
    esi_fd_forget(d);
    esi_edge_forget(d);
    esi_stream_free(d);
}

static es_err give_up(struct esi_process *self, int fd, es_err error, const char *call)
{
    esi_os_close(fd);
    return esi_fail(self, error, "%s: %s", call, es_strerror(error));
}

es_err esi_descriptor_open(struct esi_process *self, int fd, enum esi_descriptor_kind kind, const char *call)
{
    struct esi_descriptor *d;
    es_err error = esi_descriptor_make(fd, &d);
    if (error == ES_OK)
        error = esi_own_fd(self, fd);
    if (error != ES_OK)
        return give_up(self, fd, error, call);
    pthread_mutex_lock(&d->lock);
    forget(d); /* what had the number before was closed behind our back, perhaps */
    become(d, kind, self->id);
    pthread_mutex_unlock(&d->lock);
    return ES_OK;
}

bool esi_descriptor_is_of(struct esi_descriptor *d, struct esi_process *self)
{
    return d && atomic_load_explicit(&d->kind, memory_order_relaxed) != ESI_FD_FOREIGN &&
           atomic_load_explicit(&d->owner, memory_order_relaxed) == self->id;
}

void esi_fd_closing(int fd)
{
    struct esi_descriptor *d = esi_descriptor_find(fd);
    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    if (!atomic_load_explicit(&d->is_watched, memory_order_relaxed))
        esi_poller_remove(esi_node.poller, fd);
    forget(d);
    become(d, ESI_FD_FOREIGN, 0);
    pthread_mutex_unlock(&d->lock);
}

/* esi_plug.descriptor_ready. After an error or a hang-up everybody looks. */
static void descriptor_ready(void *tag, uint32_t ready)
{
    struct esi_descriptor *d = esi_descriptor_find((int)(intptr_t)tag);
    if (!d)
        return;
    if (ready & (ESI_POLL_ERROR | ESI_POLL_HANGUP))
        ready |= ESI_POLL_IN | ESI_POLL_OUT | ESI_POLL_STAYS;
    /* relaxed: the poller knows it since; an event of what had the number before only makes somebody look. */
    if (atomic_load_explicit(&d->is_watched, memory_order_relaxed))
        esi_edge_ready(d, ready);
    else
        esi_fd_ready(d, ready);
}

__attribute__((constructor(150))) static void plug_in(void)
{
    esi_plug.descriptor_ready = descriptor_ready;
    esi_plug.descriptor_closing = esi_fd_closing;
}
