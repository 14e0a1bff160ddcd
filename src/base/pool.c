/* base/pool.c - the centre of the pools: batches, chunks, and the slow ways.
 *
 * P1  Each block of a chunk is in exactly one place: fresh (never handed out), in the centre (in a batch or
 * loose), in a cache, or in use. out_count counts the last two. P2  A batch in the centre or in `cold` has
 * batch_blocks() blocks. Its first block says where the next batch is. P3  What a centre has is touched under
 * its lock only; what a cache has, by its owner only. A block passes from core to core under the lock, which
 * is all the ordering that it needs. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/assert.h"
#include "base/pool.h"

#if defined(__SANITIZE_ADDRESS__)
#define IS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_ASAN 1
#endif
#endif
#ifndef IS_ASAN
#define IS_ASAN 0
#endif

enum {
    CHUNK_BYTES = 256 * 1024, /* and its alignment, so that a block finds its chunk */
    BATCH_BYTES = 16 * 1024,  /* about what one batch may hold */
    BACK_BYTES = 32 * 1024,   /* pages are asked for so many at a time; a divisor of CHUNK_BYTES */
};

/* Stands at the start of each chunk. The blocks follow. */
struct esi_pool_chunk {
    struct esi_pool_chunk *next; /* in the list of its class */
    size_t block_count;          /* how many blocks it has in all */
    size_t free_count;           /* for trim: how many of them lie in the centre */
};

enum { CHUNK_HEAD = 64 };
_Static_assert(sizeof(struct esi_pool_chunk) <= CHUNK_HEAD, "the head of a chunk has room");
_Static_assert(sizeof(struct esi_pool_block) <= 64, "a free block fits the smallest class");

const uint8_t esi_pool_class_of_sixteens[ESI_POOL_SIXTEENS] = {0,  0,  0,  0,  1,  2,  3,  4,  5,  5,  6,
                                                               6,  7,  7,  8,  8,  9,  9,  9,  9,  10, 10,
                                                               10, 10, 11, 11, 11, 11, 12, 12, 12, 12};

/* How many blocks a batch of that class has: 64 of the small ones, 4 of the largest. */
static uint32_t batch_blocks(unsigned class_)
{
    size_t count = BATCH_BYTES / esi_pool_class_bytes(class_);
    return count > 64 ? 64 : (uint32_t)count;
}

static bool is_small(size_t bytes)
{
    return bytes - 1 < ESI_POOL_LARGEST;
}

static void lock(struct esi_pool_centre *centre)
{
    int error = pthread_mutex_lock(&centre->lock);
    esi_assert(error == 0);
}

static void unlock(struct esi_pool_centre *centre)
{
    int error = pthread_mutex_unlock(&centre->lock);
    esi_assert(error == 0);
}

/* Blocks that are malloc's: the large ones, and all in malloc mode. relaxed: counts for a statistic, nothing
 * follows from them. */
static void *malloc_block(struct esi_pool *pool, size_t bytes)
{
    void *block = malloc(bytes ? bytes : 1);
    if (block) {
        atomic_fetch_add_explicit(&pool->malloc_bytes, bytes, memory_order_relaxed);
        atomic_fetch_add_explicit(&pool->malloc_count, 1, memory_order_relaxed);
    }
    return block;
}

static void free_malloc_block(struct esi_pool *pool, void *block, size_t bytes)
{
    atomic_fetch_sub_explicit(&pool->malloc_bytes, bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&pool->malloc_count, 1, memory_order_relaxed);
    free(block);
}

/* Maps a chunk at a multiple of its size; NULL if there is no memory. */
static void *map_chunk(void)
{
    const int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
    char *memory = mmap(NULL, CHUNK_BYTES, protection, flags, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if ((uintptr_t)memory % CHUNK_BYTES == 0)
        return memory;
    /* Not aligned: take twice as much and give back both ends. The next ones then mostly come out aligned. */
    munmap(memory, CHUNK_BYTES);
    memory = mmap(NULL, 2 * (size_t)CHUNK_BYTES, protection, flags, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    size_t before = (0 - (uintptr_t)memory) % CHUNK_BYTES;
    if (before)
        munmap(memory, before);
    munmap(memory + before + CHUNK_BYTES, CHUNK_BYTES - before);
    return memory + before;
}

static struct esi_pool_chunk *chunk_of(struct esi_pool_block *block)
{
    return (struct esi_pool_chunk *)((uintptr_t)block & ~(uintptr_t)(CHUNK_BYTES - 1));
}

/* Gets fresh blocks for a class. Its lock is held. False: no memory. */
static bool add_chunk(struct esi_pool_centre *centre, size_t block_bytes)
{
    struct esi_pool_chunk *chunk = map_chunk();
    if (!chunk)
        return false;
    chunk->block_count = (CHUNK_BYTES - CHUNK_HEAD) / block_bytes;
    chunk->free_count = 0;
    chunk->next = centre->chunks;
    centre->chunks = chunk;
    centre->chunk_count++;
    centre->fresh = (char *)chunk + CHUNK_HEAD;
    centre->fresh_end = centre->fresh + chunk->block_count * block_bytes;
    centre->backed_end = (char *)chunk;
    return true;
}

/* Asks for the pages of fresh memory up to `end` and a few more at once, which costs the kernel two thirds of what it does when it meets them one
 * by one. A kernel older than 5.14 refuses; then, and without memory, they come when they are touched, as ever. */
static void back(struct esi_pool_centre *centre, const char *end)
{
    while (centre->backed_end < end) {
        madvise(centre->backed_end, BACK_BYTES, MADV_POPULATE_WRITE);
        centre->backed_end += BACK_BYTES;
    }
}

/* Chains up to `want` (not 0) fresh blocks of one chunk. The lock is held. Gives the count, 0: no memory; the last one's `next` is not written. */
static uint32_t carve(struct esi_pool_centre *centre, size_t block_bytes, uint32_t want,
                      struct esi_pool_block **first, struct esi_pool_block **last)
{
    if (centre->fresh == centre->fresh_end && !add_chunk(centre, block_bytes))
        return 0;
    char *block = centre->fresh, *end = centre->fresh_end;
    if (want * block_bytes < (size_t)(end - block))
        end = block + want * block_bytes;
    back(centre, end);
    *first = (struct esi_pool_block *)block;
    uint32_t count = 1;
    for (; block + block_bytes < end; block += block_bytes, count++)
        ((struct esi_pool_block *)block)->next = (struct esi_pool_block *)(block + block_bytes);
    *last = (struct esi_pool_block *)block;
    centre->fresh = end;
    return count;
}

/* Takes one block that is loose or fresh. The lock is held. NULL: no memory. */
static struct esi_pool_block *take_single(struct esi_pool_centre *centre, size_t block_bytes)
{
    struct esi_pool_block *block = centre->loose, *last;
    if (!block)
        return carve(centre, block_bytes, 1, &block, &last) ? block : NULL;
    centre->loose = block->next;
    centre->loose_count--;
    return block;
}

/* Chains up to `want` blocks, loose ones and then fresh ones. The lock is held. Gives the count. */
static uint32_t chain(struct esi_pool_centre *centre, size_t block_bytes, uint32_t want,
                      struct esi_pool_block **first)
{
    uint32_t count = 0;
    struct esi_pool_block **end = first, *last;
    for (; count < want && centre->loose; count++) {
        *end = take_single(centre, block_bytes);
        end = &(*end)->next;
    }
    for (uint32_t more; count < want && (more = carve(centre, block_bytes, want - count, end, &last));
         count += more)
        end = &last->next;
    *end = NULL;
    return count;
}

/* Puts one block among the loose ones. The lock is held. */
static void put_loose(struct esi_pool_centre *centre, struct esi_pool_block *block)
{
    block->next = centre->loose;
    centre->loose = block;
    centre->loose_count++;
}

/* Makes a batch of loose blocks when there are enough of them. The lock is held. */
static void bundle(struct esi_pool_centre *centre, size_t batch)
{
    while (centre->loose_count >= batch) {
        struct esi_pool_block *first = centre->loose, *last = first;
        for (size_t i = 1; i < batch; i++)
            last = last->next;
        centre->loose = last->next;
        centre->loose_count -= batch;
        last->next = NULL;
        first->next_batch = centre->batches;
        centre->batches = first;
    }
}

/* Takes a batch; or, of loose and fresh blocks, up to that many. The lock is held. Gives the count, 0: no
 * memory. */
static uint32_t take_batch(struct esi_pool_centre *centre, unsigned class_, struct esi_pool_block **out)
{
    uint32_t want = batch_blocks(class_), count = 0;
    struct esi_pool_block *batch = centre->batches;
    if (batch) {
        centre->batches = batch->next_batch;
        count = want;
    } else {
        count = chain(centre, esi_pool_class_bytes(class_), want, &batch);
    }
    centre->out_count += count;
    *out = batch;
    return count;
}

es_err esi_pool_init(struct esi_pool *pool)
{
    memset(pool, 0, sizeof *pool);
    const char *wish = getenv("ES_POOL");
    pool->is_malloc = IS_ASAN || (wish && strcmp(wish, "malloc") == 0);
    pthread_mutexattr_t adaptive;
    if (pthread_mutexattr_init(&adaptive) != 0)
        return ES_EOS;
    /* Spin a little before sleeping: what is done under the lock takes a microsecond, waking a thread forty.
     */
    int error = pthread_mutexattr_settype(&adaptive, PTHREAD_MUTEX_ADAPTIVE_NP);
    unsigned class_ = 0;
    while (!error && class_ < ESI_POOL_CLASSES)
        error = pthread_mutex_init(&pool->centres[class_++].lock, &adaptive);
    pthread_mutexattr_destroy(&adaptive);
    return error ? ES_EOS : ES_OK;
}

void esi_pool_fini(struct esi_pool *pool)
{
    for (unsigned class_ = 0; class_ < ESI_POOL_CLASSES; class_++) {
        struct esi_pool_centre *centre = &pool->centres[class_];
        for (struct esi_pool_chunk *chunk; (chunk = centre->chunks);) {
            centre->chunks = chunk->next;
            munmap(chunk, CHUNK_BYTES);
        }
        pthread_mutex_destroy(&centre->lock);
    }
}

void esi_pool_cache_init(struct esi_pool_cache *cache, struct esi_pool *pool)
{
    memset(cache, 0, sizeof *cache);
    cache->pool = pool;
    for (unsigned class_ = 0; class_ < ESI_POOL_CLASSES; class_++)
        cache->bins[class_].hot_limit = pool->is_malloc ? 0 : batch_blocks(class_);
}

/* Puts a chain of blocks, one by one, among the loose ones. The lock is held. */
static void loosen(struct esi_pool_centre *centre, struct esi_pool_block *chain)
{
    while (chain) {
        struct esi_pool_block *block = chain;
        chain = block->next;
        put_loose(centre, block);
        centre->out_count--;
    }
}

void esi_pool_cache_flush(struct esi_pool_cache *cache)
{
    for (unsigned class_ = 0; class_ < ESI_POOL_CLASSES; class_++) {
        struct esi_pool_bin *bin = &cache->bins[class_];
        struct esi_pool_centre *centre = &cache->pool->centres[class_];
        if (!bin->hot && !bin->cold)
            continue;
        lock(centre);
        loosen(centre, bin->hot);
        loosen(centre, bin->cold);
        bundle(centre, batch_blocks(class_));
        unlock(centre);
        bin->hot = bin->cold = NULL;
        bin->hot_count = 0;
    }
}

void esi_pool_cache_fini(struct esi_pool_cache *cache)
{
    esi_pool_cache_flush(cache);
}

/* Takes the blocks of chunks that are wholly free out of the chain, which they leave for good. */
static struct esi_pool_block *keep_needed(struct esi_pool_block *chain, size_t *kept)
{
    struct esi_pool_block *needed = NULL;
    while (chain) {
        struct esi_pool_block *block = chain;
        chain = block->next;
        if (chunk_of(block)->free_count == chunk_of(block)->block_count)
            continue;
        block->next = needed;
        needed = block;
        ++*kept;
    }
    return needed;
}

/* Unmaps the chunks that are wholly free. The lock is held. Gives how many. */
static size_t drop_chunks(struct esi_pool_centre *centre)
{
    size_t dropped = 0;
    for (struct esi_pool_chunk **place = &centre->chunks, *chunk; (chunk = *place);) {
        bool is_free = chunk->free_count == chunk->block_count;
        chunk->free_count = 0;
        if (!is_free) {
            place = &chunk->next;
            continue;
        }
        *place = chunk->next;
        munmap(chunk, CHUNK_BYTES);
        dropped++;
    }
    centre->chunk_count -= dropped;
    return dropped;
}

static size_t trim_class(struct esi_pool_centre *centre, unsigned class_)
{
    size_t block_bytes = esi_pool_class_bytes(class_);
    /* All becomes loose, also what is fresh, so that each block in the centre is looked at in one way. */
    for (struct esi_pool_block *batch; (batch = centre->batches);) {
        centre->batches = batch->next_batch;
        for (struct esi_pool_block *block; (block = batch);) {
            batch = block->next;
            put_loose(centre, block);
        }
    }
    struct esi_pool_chunk *newest = centre->fresh ? centre->chunks : NULL;
    if (newest)
        newest->free_count += (size_t)(centre->fresh_end - centre->fresh) / block_bytes;
    for (struct esi_pool_block *block = centre->loose; block; block = block->next)
        chunk_of(block)->free_count++;
    if (newest && newest->free_count == newest->block_count)
        centre->fresh = centre->fresh_end = NULL;
    size_t kept = 0;
    centre->loose = keep_needed(centre->loose, &kept);
    centre->loose_count = kept;
    size_t dropped = drop_chunks(centre);
    bundle(centre, batch_blocks(class_));
    return dropped * CHUNK_BYTES;
}

size_t esi_pool_trim(struct esi_pool *pool)
{
    size_t given_back = 0;
    for (unsigned class_ = 0; class_ < ESI_POOL_CLASSES; class_++) {
        struct esi_pool_centre *centre = &pool->centres[class_];
        lock(centre);
        given_back += trim_class(centre, class_);
        unlock(centre);
    }
    return given_back;
}

struct esi_pool_stats esi_pool_stats(struct esi_pool *pool)
{
    struct esi_pool_stats stats = {
        .used_bytes = atomic_load_explicit(&pool->malloc_bytes, memory_order_relaxed),
        .used_count = atomic_load_explicit(&pool->malloc_count, memory_order_relaxed),
    };
    for (unsigned class_ = 0; class_ < ESI_POOL_CLASSES; class_++) {
        struct esi_pool_centre *centre = &pool->centres[class_];
        lock(centre);
        stats.mapped_bytes += centre->chunk_count * CHUNK_BYTES;
        stats.used_bytes += centre->out_count * esi_pool_class_bytes(class_);
        stats.used_count += centre->out_count;
        unlock(centre);
    }
    return stats;
}

void *esi_pool_alloc_foreign(struct esi_pool *pool, size_t bytes)
{
    if (esi_fail_is_armed() && esi_fail_strike())
        return NULL;
    if (pool->is_malloc || !is_small(bytes))
        return malloc_block(pool, bytes);
    unsigned class_ = esi_pool_class(bytes);
    struct esi_pool_centre *centre = &pool->centres[class_];
    lock(centre);
    if (!centre->loose && centre->batches) {
        centre->loose = centre->batches;
        centre->batches = centre->batches->next_batch;
        centre->loose_count = batch_blocks(class_);
    }
    struct esi_pool_block *block = take_single(centre, esi_pool_class_bytes(class_));
    if (block)
        centre->out_count++;
    unlock(centre);
    return block;
}

void esi_pool_free_foreign(struct esi_pool *pool, void *block, size_t bytes)
{
    if (pool->is_malloc || !is_small(bytes)) {
        free_malloc_block(pool, block, bytes);
        return;
    }
    unsigned class_ = esi_pool_class(bytes);
    struct esi_pool_centre *centre = &pool->centres[class_];
    lock(centre);
    put_loose(centre, block);
    centre->out_count--;
    bundle(centre, batch_blocks(class_));
    unlock(centre);
}

void *esi_pool_alloc_slow(struct esi_pool_cache *cache, size_t bytes)
{
    if (esi_fail_is_armed() && esi_fail_strike())
        return NULL;
    if (cache->pool->is_malloc || !is_small(bytes))
        return malloc_block(cache->pool, bytes);
    unsigned class_ = esi_pool_class(bytes);
    struct esi_pool_bin *bin = &cache->bins[class_];
    if (!bin->hot && bin->cold) {
        bin->hot = bin->cold;
        bin->hot_count = bin->hot_limit;
        bin->cold = NULL;
    }
    if (!bin->hot) {
        struct esi_pool_centre *centre = &cache->pool->centres[class_];
        lock(centre);
        bin->hot_count = take_batch(centre, class_, &bin->hot);
        unlock(centre);
    }
    struct esi_pool_block *block = bin->hot;
    if (block) {
        bin->hot = block->next;
        bin->hot_count--;
    }
    return block;
}

void esi_pool_free_slow(struct esi_pool_cache *cache, void *memory, size_t bytes)
{
    if (cache->pool->is_malloc || !is_small(bytes)) {
        free_malloc_block(cache->pool, memory, bytes);
        return;
    }
    unsigned class_ = esi_pool_class(bytes);
    struct esi_pool_bin *bin = &cache->bins[class_];
    /* `hot` is full: it becomes `cold`, and what was cold goes to the centre as it is. */
    struct esi_pool_block *full = bin->cold, *block = memory;
    bin->cold = bin->hot;
    block->next = NULL;
    bin->hot = block;
    bin->hot_count = 1;
    if (!full)
        return;
    struct esi_pool_centre *centre = &cache->pool->centres[class_];
    lock(centre);
    full->next_batch = centre->batches;
    centre->batches = full;
    centre->out_count -= bin->hot_limit;
    unlock(centre);
}
