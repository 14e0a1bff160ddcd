/* platform/stack.c - opening and closing stacks: a cache a thread, a pool for all, slabs below.
 *
 * A pool's lock is taken with no other lock held, and under it none is taken. */
#include "platform/stack.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/assert.h"
#include "base/fail.h"
#include "platform/stack_announce.h"
#include "platform/stack_slab.h"

#define STACK_MAGIC 0x5ac4e75cu

/* Stacks begin at the same place in their page, so that without this their busiest lines would fight for the same
 * few sets of the cache. */
#define COLOURS      16
#define COLOUR_BYTES 128u

_Static_assert(ESI_STACK_MIN << (ESI_STACK_CLASSES - 1) == ESI_STACK_MAX,
               "the classes end at the largest stack");

/* Warm stacks that no cache has, a class each. */
static struct pool {
    pthread_mutex_t lock;
    struct esi_stack *top;
    uint32_t count;
} pools[ESI_STACK_CLASSES] = {[0 ... ESI_STACK_CLASSES - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

static pthread_mutex_t all_caches_lock = PTHREAD_MUTEX_INITIALIZER;
static struct esi_stack_cache *all_caches; /* guarded by all_caches_lock */

static uint32_t between(size_t value, uint32_t least, uint32_t most)
{
    return value < least ? least : value > most ? most : (uint32_t)value;
}

/* How many warm stacks a cache and a pool may hold: bounded in number for small stacks, in bytes for large. */
static uint32_t cache_limit(unsigned size_class)
{
    return between(((size_t)4 << 20) / esi_slab_stack_bytes(size_class), 2, 64);
}

static uint32_t pool_limit(unsigned size_class)
{
    return between(((size_t)64 << 20) / esi_slab_stack_bytes(size_class), 2, 1024);
}

static unsigned class_for(size_t size_bytes)
{
    size_t page = (size_t)getpagesize();
    unsigned size_class = 0;
    while (esi_slab_stack_bytes(size_class) < size_bytes || esi_slab_stack_bytes(size_class) < page)
        size_class++;
    return size_class;
}

/* ---- warm and cold ---- */

/* Cuts a stack from a slab and writes its descriptor, which touches its first page. */
static es_err warm(unsigned size_class, struct esi_stack **out)
{
    struct esi_stack_slab *slab;
    unsigned slot;
    es_err err = esi_slab_take(size_class, &slab, &slot);
    if (err != ES_OK)
        return err;
    char *guard = esi_slab_slot(slab, slot);
    char *end = guard + ESI_STACK_GUARD + esi_slab_stack_bytes(size_class);
    size_t room = (sizeof(struct esi_stack) + 63) / 64 * 64;
    struct esi_stack *stack = (struct esi_stack *)(void *)(end - slot % COLOURS * COLOUR_BYTES - room);
    *stack = (struct esi_stack){
        .magic = STACK_MAGIC,
        .size_class = (uint8_t)size_class,
        .slot = (uint8_t)slot,
        .low = guard + ESI_STACK_GUARD,
        .high = (char *)stack,
        .guard_low = guard,
        .slab = slab,
    };
    esi_stack_announce_cut(stack);
    *out = stack;
    return ES_OK;
}

/* Gives the stack's pages back to the kernel, descriptor and all, and its slot to the slab. */
static void cool(struct esi_stack *stack)
{
    struct esi_stack_slab *slab = stack->slab;
    unsigned slot = stack->slot;
    char *low = stack->low;
    size_t bytes = esi_slab_stack_bytes(stack->size_class);
    esi_stack_announce_cooled(stack);
    /* May fail where the program locked its memory: then it stays, which is what was asked for. */
    madvise(low, bytes, MADV_DONTNEED);
    esi_slab_give(slab, slot);
}

static void cool_all(struct esi_stack *chain)
{
    while (chain) {
        struct esi_stack *next = chain->next;
        cool(chain);
        chain = next;
    }
}

/* ---- the pool ---- */

/* Takes up to `wanted` warm stacks as a chain; how many there are goes to `*got`. */
static struct esi_stack *pool_take(unsigned size_class, uint32_t wanted, uint32_t *got)
{
    struct pool *pool = &pools[size_class];
    struct esi_stack *chain = NULL;
    *got = 0;
    pthread_mutex_lock(&pool->lock);
    while (*got < wanted && pool->top) {
        struct esi_stack *stack = pool->top;
        pool->top = stack->next;
        stack->next = chain;
        chain = stack;
        ++*got;
    }
    pool->count -= *got;
    pthread_mutex_unlock(&pool->lock);
    return chain;
}

/* Gives a chain of one class to the pool; what it has no room for becomes cold. */
static void pool_give(struct esi_stack *chain)
{
    if (!chain)
        return;
    unsigned size_class = chain->size_class;
    struct pool *pool = &pools[size_class];
    uint32_t limit = pool_limit(size_class);
    pthread_mutex_lock(&pool->lock);
    while (chain && pool->count < limit) {
        struct esi_stack *stack = chain;
        chain = stack->next;
        stack->next = pool->top;
        pool->top = stack;
        pool->count++;
    }
    pthread_mutex_unlock(&pool->lock);
    cool_all(chain);
}

void esi_stack_pool_trim(void)
{
    for (unsigned i = 0; i < ESI_STACK_CLASSES; i++) {
        uint32_t got;
        cool_all(pool_take(i, UINT32_MAX, &got));
    }
}

/* ---- caches ---- */

static uint32_t count_of(struct esi_stack_cache *cache, unsigned size_class)
{
    return atomic_load_explicit(&cache->of[size_class].count, memory_order_relaxed); /* the owner's own */
}

static void set_count(struct esi_stack_cache *cache, unsigned size_class, uint32_t count)
{
    atomic_store_explicit(&cache->of[size_class].count, count, memory_order_relaxed); /* see stack.h */
}

void esi_stack_cache_init(struct esi_stack_cache *cache)
{
    for (unsigned i = 0; i < ESI_STACK_CLASSES; i++) {
        cache->of[i].top = NULL;
        set_count(cache, i, 0);
    }
    pthread_mutex_lock(&all_caches_lock);
    cache->next = all_caches;
    cache->link = &all_caches;
    if (cache->next)
        cache->next->link = &cache->next;
    all_caches = cache;
    pthread_mutex_unlock(&all_caches_lock);
}

void esi_stack_cache_fini(struct esi_stack_cache *cache)
{
    pthread_mutex_lock(&all_caches_lock);
    *cache->link = cache->next;
    if (cache->next)
        cache->next->link = cache->link;
    pthread_mutex_unlock(&all_caches_lock);
    for (unsigned i = 0; i < ESI_STACK_CLASSES; i++) {
        pool_give(cache->of[i].top);
        cache->of[i].top = NULL;
        set_count(cache, i, 0);
    }
}

static struct esi_stack *cache_take(struct esi_stack_cache *cache, unsigned size_class)
{
    struct esi_stack *stack = cache->of[size_class].top;
    if (stack) {
        cache->of[size_class].top = stack->next;
        set_count(cache, size_class, count_of(cache, size_class) - 1);
        return stack;
    }
    uint32_t got;
    stack = pool_take(size_class, cache_limit(size_class) / 2, &got);
    if (stack) {
        cache->of[size_class].top = stack->next;
        set_count(cache, size_class, got - 1);
    }
    return stack;
}

/* Keeps the half that was closed last and gives the rest to the pool. */
static void cache_spill(struct esi_stack_cache *cache, unsigned size_class)
{
    uint32_t kept = cache_limit(size_class) / 2;
    struct esi_stack *last = cache->of[size_class].top;
    for (uint32_t i = 1; i < kept; i++)
        last = last->next;
    struct esi_stack *rest = last->next;
    last->next = NULL;
    set_count(cache, size_class, kept);
    pool_give(rest);
}

static void cache_give(struct esi_stack_cache *cache, struct esi_stack *stack)
{
    unsigned size_class = stack->size_class;
    uint32_t count = count_of(cache, size_class) + 1;
    stack->next = cache->of[size_class].top;
    cache->of[size_class].top = stack;
    set_count(cache, size_class, count);
    if (count > cache_limit(size_class))
        cache_spill(cache, size_class);
}

/* ---- open and close ---- */

es_err esi_stack_open(struct esi_stack_cache *cache, size_t size_bytes, struct esi_stack **out)
{
    if (size_bytes > ESI_STACK_MAX)
        return ES_EINVAL;
    if (esi_fail_is_armed() && esi_fail_strike())
        return ES_ENOMEM;
    unsigned size_class = class_for(size_bytes);
    uint32_t got;
    struct esi_stack *stack = cache ? cache_take(cache, size_class) : pool_take(size_class, 1, &got);
    if (!stack) {
        es_err err = warm(size_class, &stack);
        if (err != ES_OK)
            return err;
    }
    stack->next = NULL;
    stack->owner = NULL;
    esi_stack_announce_opened(stack);
    *out = stack;
    return ES_OK;
}

void esi_stack_close(struct esi_stack_cache *cache, struct esi_stack **given)
{
    struct esi_stack *stack = *given;
    *given = NULL;
    /* Fails when something wrote over the descriptor, just above the stack's oldest frame. */
    esi_assert(stack->magic == STACK_MAGIC);
    esi_stack_announce_closed(stack);
    stack->next = NULL;
    if (cache)
        cache_give(cache, stack);
    else
        pool_give(stack);
}

void esi_stack_release_below(struct esi_stack *stack, const void *sp)
{
    uintptr_t page = (uintptr_t)getpagesize();
    uintptr_t low = (uintptr_t)stack->low;
    /* The 128 bytes below the stack pointer may still be in use on x86-64. */
    uintptr_t end = ((uintptr_t)sp - 128) & ~(page - 1);
    esi_assert((uintptr_t)sp > low && (uintptr_t)sp <= (uintptr_t)stack->high);
    if (end > low)
        madvise(stack->low, end - low, MADV_DONTNEED);
}

void esi_stack_stats(struct esi_stack_stats *out)
{
    uint64_t taken, mapped, cached = 0;
    pthread_mutex_lock(&all_caches_lock);
    for (struct esi_stack_cache *cache = all_caches; cache; cache = cache->next)
        for (unsigned i = 0; i < ESI_STACK_CLASSES; i++)
            cached += count_of(cache, i);
    pthread_mutex_unlock(&all_caches_lock);
    for (unsigned i = 0; i < ESI_STACK_CLASSES; i++) {
        pthread_mutex_lock(&pools[i].lock);
        cached += pools[i].count;
        pthread_mutex_unlock(&pools[i].lock);
    }
    esi_slab_stats(&taken, &mapped);
    out->open_count = taken > cached ? taken - cached : 0;
    out->cached_count = cached;
    out->mapped_bytes = mapped;
}
