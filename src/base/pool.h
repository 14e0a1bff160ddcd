/* base/pool.h - memory for message and control blocks, which are born on one core and die on another.
 *
 * Blocks come in 25 size classes from 64 to 4096 bytes, four to a doubling (at most a fifth of a block above
 * 64 bytes is waste); larger ones come from malloc. A scheduler has a cache: two short stacks a class. When
 * both run empty or full, it exchanges one whole batch with the centre, under a lock of that class. So a core
 * that only sends and one that only receives meet once in a batch.
 *
 * Who gives a block back says its size, as it was asked for. Blocks are aligned to 16 bytes. Contents are
 * undefined. Under AddressSanitizer, and with ES_POOL=malloc in the environment when the pool is opened,
 * every block is malloc's own, so that the tools see each one.
 *
 * Not for a process's own memory (that hangs on the process), nor for stacks. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <engset/base.h>
#include "base/fail.h"

enum {
    ESI_POOL_CLASSES = 25,
    ESI_POOL_LARGEST = 4096, /* bytes; what is larger comes from malloc */
};

/* A block that nobody uses. */
struct esi_pool_block {
    struct esi_pool_block *next;       /* in its batch */
    struct esi_pool_block *next_batch; /* of the first in a batch that lies in the centre: the next batch */
};

/* One size class in the centre. */
struct esi_pool_centre {
    _Alignas(64) pthread_mutex_t lock; /* guards the rest; no other lock is taken under it */
    struct esi_pool_block *batches;    /* stack of batches, through next_batch */
    struct esi_pool_block *loose;      /* blocks of no batch, from foreign threads and flushed caches */
    size_t loose_count;
    char *fresh, *fresh_end;       /* of the newest chunk: what was never handed out */
    char *backed_end;              /* up to here the kernel was asked for its pages */
    struct esi_pool_chunk *chunks; /* all chunks of this class */
    size_t chunk_count;
    size_t out_count; /* blocks that are in use or in a cache */
};

/* One a node. Everything in it is private to pool.c. */
struct esi_pool {
    struct esi_pool_centre centres[ESI_POOL_CLASSES];
    bool is_malloc;                /* every block is malloc's; fixed from init on */
    _Atomic uint64_t malloc_bytes; /* in use, from malloc; relaxed: a statistic */
    _Atomic uint64_t malloc_count;
};

struct esi_pool_bin {
    struct esi_pool_block *hot; /* where blocks come from and go to */
    uint32_t hot_count;         /* at most hot_limit */
    uint32_t hot_limit; /* the batch size of this class; 0 in malloc mode, so that all goes the slow way */
    struct esi_pool_block *cold; /* NULL or exactly one full batch */
};

/* One a scheduler. Used by one thread at a time; who hands a scheduler to another thread synchronises. */
struct esi_pool_cache {
    struct esi_pool_bin bins[ESI_POOL_CLASSES];
    struct esi_pool *pool;
};

struct esi_pool_stats {
    uint64_t mapped_bytes; /* taken from the OS for chunks */
    uint64_t used_bytes;   /* in use: whole blocks, and those that lie in caches; large ones as asked for */
    uint64_t used_count;   /* as blocks. Exact once all caches are flushed */
};

/* Makes an empty pool. Fails never but with ES_EOS when the OS has no lock for us. Undone by esi_pool_fini().
 */
ES_CHECKED es_err esi_pool_init(struct esi_pool *pool);

/* Gives all chunks back to the OS. All caches are finished, nobody uses the pool nor any of its blocks.
 * (Blocks that came from malloc and were never freed are left to the leak checkers.) */
void esi_pool_fini(struct esi_pool *pool);

/* Makes an empty cache of `pool`, which must outlive it. Undone by esi_pool_cache_fini(). */
void esi_pool_cache_init(struct esi_pool_cache *cache, struct esi_pool *pool);

/* Gives what lies in the cache back to the centre; it can be used on. Its owner only. */
void esi_pool_cache_flush(struct esi_pool_cache *cache);

/* Flushes; the cache is not used afterwards. Its owner only. */
void esi_pool_cache_fini(struct esi_pool_cache *cache);

/* Gives chunks in which no block is in use or in a cache back to the OS. Gives back how many bytes.
 * Walks all free blocks of the centre under its locks: for quiet times. Any thread. */
size_t esi_pool_trim(struct esi_pool *pool);

/* What the pool holds. Each class is read under its lock, the sum is of no one moment. Any thread. */
struct esi_pool_stats esi_pool_stats(struct esi_pool *pool);

/* As esi_pool_alloc() and esi_pool_free(), for threads that have no cache: a lock each. Any thread. */
ES_CHECKED void *esi_pool_alloc_foreign(struct esi_pool *pool, size_t bytes);
void esi_pool_free_foreign(struct esi_pool *pool, void *block, size_t bytes);

/* The slow ways of the two below; not for others. */
void *esi_pool_alloc_slow(struct esi_pool_cache *cache, size_t bytes);
void esi_pool_free_slow(struct esi_pool_cache *cache, void *block, size_t bytes);

/* The class that serves 1..ESI_POOL_LARGEST bytes. 64 is class 0; then four classes a doubling: the position
 * of the highest bit of bytes-1, and the two bits below it. */
static inline unsigned esi_pool_class_of_any(size_t bytes)
{
    size_t m = bytes > 64 ? bytes - 1 : 63;
    unsigned top = 63u - (unsigned)__builtin_clzl(m);
    return (unsigned)(4 * top + ((m >> (top - 2)) & 3)) - 23;
}

/* The same for small sizes, by the sixteens that they fill: every message asks, twice. */
enum { ESI_POOL_SIXTEENS = 32 };
extern const uint8_t esi_pool_class_of_sixteens[ESI_POOL_SIXTEENS];

static inline unsigned esi_pool_class(size_t bytes)
{
    size_t sixteens = (bytes - 1) / 16;
    return __builtin_expect(sixteens < ESI_POOL_SIXTEENS, 1) ? esi_pool_class_of_sixteens[sixteens]
                                                             : esi_pool_class_of_any(bytes);
}

/* How many bytes a block of that class has. */
static inline size_t esi_pool_class_bytes(unsigned class_)
{
    size_t base = (size_t)64 << ((class_ + 3) / 4) >> 1;
    return class_ == 0 ? 64 : base + (base / 4) * ((class_ + 3) % 4 + 1);
}

/* A block of at least `bytes`, the caller's until it is freed with the same `bytes`, through this or any
 * other cache of the same pool. NULL if there is no memory. The cache's owner only. */
ES_CHECKED static inline void *esi_pool_alloc(struct esi_pool_cache *cache, size_t bytes)
{
    if (__builtin_expect(bytes - 1 < ESI_POOL_LARGEST && !esi_fail_is_armed(), 1)) {
        struct esi_pool_bin *bin = &cache->bins[esi_pool_class(bytes)];
        struct esi_pool_block *block = bin->hot;
        if (__builtin_expect(block != NULL, 1)) {
            bin->hot = block->next;
            bin->hot_count--;
            return block;
        }
    }
    return esi_pool_alloc_slow(cache, bytes);
}

/* Gives a block back; `bytes` as it was asked for. The cache's owner only. */
static inline void esi_pool_free(struct esi_pool_cache *cache, void *memory, size_t bytes)
{
    if (__builtin_expect(bytes - 1 < ESI_POOL_LARGEST, 1)) {
        struct esi_pool_bin *bin = &cache->bins[esi_pool_class(bytes)];
        if (__builtin_expect(bin->hot_count < bin->hot_limit, 1)) {
            struct esi_pool_block *block = memory;
            block->next = bin->hot;
            bin->hot = block;
            bin->hot_count++;
            return;
        }
    }
    esi_pool_free_slow(cache, memory, bytes);
}

#endif
