/* table.c - where control blocks live, and the generations that make pids unique.
 *
 * One reserved piece of address space holds all blocks that may ever exist; nothing of it is touched before it is needed, and a
 * chunk without living blocks goes back to the OS (it then reads as zeros: closed). A pid's id is index | generation << 28. Chunks hand out
 * blocks in batches to the schedulers' caches. A block in a cache knows its next id; of those in chunks, whose memory may be gone, the
 * generations stand in an array of their own. */
#include <sys/mman.h>
#include <stdlib.h>
#include <string.h>
#include "base/alloc.h"
#include "base/assert.h"
#include "platform/sanitize.h"
#include "proc/schedule/worker.h"
#include "proc/table.h"

enum {
    CHUNK_BYTES = ESI_TABLE_CHUNK_BYTES,
    CHUNK_BLOCKS = ESI_TABLE_CHUNK_BLOCKS,
    CACHE_MAX = 128,
    BATCH = 64,
    INDEX_BITS = 28
};
/* Address space is for the first node's limit, but at least this many (not under valgrind, which writes a shadow of all of it: 7 s); and
 * blocks in schedulers' caches are in no process's way. */
enum { ROOM_LEAST = 1 << 24, ROOM_SPARE = ESI_SCHEDULERS_MAX * CACHE_MAX + CHUNK_BLOCKS };
#define INDEX_MASK ((UINT64_C(1) << INDEX_BITS) - 1)
_Static_assert(CHUNK_BLOCKS <= 256, "a chunk's free blocks fit its bitmap");
_Static_assert(CHUNK_BYTES % 16384 == 0, "a chunk is whole pages, also of 16 KB");

struct chunk {
    uint64_t is_free[4]; /* a bit a block */
    _Atomic(int32_t)
        free_count; /* written under the lock; esi_table_next() reads it without: a hint what to pass over */
    int32_t next_partial; /* 1 + the next chunk with free blocks; 0: none */
    bool is_listed;
};

static struct {
    pthread_mutex_t lock;  /* guards all but limit */
    uint64_t *generations; /* the last one, by index: of blocks that lie in a chunk */
    struct chunk *chunks;
    int64_t limit, chunk_count;
    _Atomic(int64_t) chunks_used; /* written under the lock, read like free_count */
    int32_t partial;              /* 1 + the first chunk with free blocks */
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct esi_table esi_table;

/* Processes made less processes ended by threads that hold no scheduler; the others count in theirs. */
static _Atomic(int64_t) live_elsewhere;

/* relaxed: a figure. Only the holder writes a scheduler's. */
static void count(struct esi_scheduler *scheduler, int64_t change)
{
    if (scheduler)
        atomic_store_explicit(&scheduler->live, scheduler->live + change, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&live_elsewhere, change, memory_order_relaxed);
}

static uint64_t index_of(const struct esi_process *p)
{
    return (uint64_t)(p - esi_table.base);
}

/* Of a block in a cache, or in the hands of who takes it: the id that it gets. It is in no queue. */
static uint64_t next_id(const struct esi_process *p)
{
    return (uint64_t)(uintptr_t)p->in_queue.prev;
}

static void set_next_id(struct esi_process *p, uint64_t id)
{
    p->in_queue.prev = (struct esi_list *)(uintptr_t)id;
}

static void *reserve(size_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

es_err esi_table_start(int64_t limit)
{
    if (esi_table.base) { /* kept from an earlier node: a pid of that one may still be in somebody's hands */
        int64_t room = (int64_t)esi_table.room - ROOM_SPARE;
        table.limit = limit < room ? limit : room;
        return ES_OK;
    }
    if (limit > (int64_t)INDEX_MASK - ROOM_SPARE)
        limit = (int64_t)INDEX_MASK - ROOM_SPARE;
    table.limit = limit;
    int64_t least = RUNNING_ON_VALGRIND ? 0 : ROOM_LEAST;
    int64_t room = (limit < least ? least : limit) + ROOM_SPARE;
    table.chunk_count = room / CHUNK_BLOCKS + 1;
    esi_table.room = (uint64_t)table.chunk_count * CHUNK_BLOCKS;
    esi_table.base = reserve((size_t)table.chunk_count * CHUNK_BYTES);
    table.generations = reserve(esi_table.room * sizeof *table.generations);
    table.chunks = reserve((size_t)table.chunk_count * sizeof *table.chunks);
    return esi_table.base && table.generations && table.chunks ? ES_OK : ES_ENOMEM;
}

int64_t esi_table_count(void)
{
    int64_t live = atomic_load_explicit(&live_elsewhere, memory_order_relaxed);
    for (int i = 0; i < esi_node.scheduler_count; i++)
        live += atomic_load_explicit(&esi_node.schedulers[i].live, memory_order_relaxed);
    return live;
}

int64_t esi_table_limit(void)
{
    return table.limit;
}

/* A chunk that was never used, or was given back, is now one with free blocks. Index 0 stays unused: pid 0 is none. */
static bool open_chunk(void)
{
    if (table.chunks_used == table.chunk_count)
        return false;
    struct chunk *chunk = &table.chunks[table.chunks_used];
    for (int i = 0; i < CHUNK_BLOCKS; i++)
        chunk->is_free[i / 64] |= UINT64_C(1) << i % 64;
    chunk->free_count = CHUNK_BLOCKS;
    if (table.chunks_used == 0) {
        chunk->is_free[0] &= ~UINT64_C(1);
        chunk->free_count--;
    }
    chunk->is_listed = true;
    chunk->next_partial = table.partial;
    table.partial = (int32_t)++table.chunks_used;
    return true;
}

static struct esi_process *take_from(struct chunk *chunk)
{
    for (int word = 0; word < 4; word++) {
        if (!chunk->is_free[word])
            continue;
        int bit = __builtin_ctzl(chunk->is_free[word]);
        chunk->is_free[word] &= chunk->is_free[word] - 1;
        chunk->free_count--;
        return &esi_table.base[(uint64_t)(chunk - table.chunks) * CHUNK_BLOCKS + (uint64_t)word * 64 +
                               (uint64_t)bit];
    }
    return NULL;
}

/* Moves up to `count` free blocks to a chain through in_queue.next. */
static struct esi_process *take_batch(int count, int *taken)
{
    struct esi_process *chain = NULL, **end = &chain;
    *taken = 0;
    pthread_mutex_lock(&table.lock);
    while (*taken < count && (table.partial || open_chunk())) {
        struct chunk *chunk = &table.chunks[table.partial - 1];
        struct esi_process *p = take_from(chunk);
        if (!p) {
            table.partial = chunk->next_partial;
            chunk->is_listed = false;
            continue;
        }
        uint64_t index = index_of(p);
        set_next_id(p, index | (table.generations[index] + 1) << INDEX_BITS);
        *end = p;
        end = (struct esi_process **)(void *)&p->in_queue.next;
        *end = NULL;
        ++*taken;
    }
    pthread_mutex_unlock(&table.lock);
    return chain;
}

static void give_one(struct esi_process *p)
{
    uint64_t index = index_of(p);
    int32_t number = (int32_t)(index / CHUNK_BLOCKS);
    struct chunk *chunk = &table.chunks[number];
    table.generations[index] = (next_id(p) >> INDEX_BITS) - 1;
    uint64_t bit = index % CHUNK_BLOCKS;
    chunk->is_free[bit / 64] |= UINT64_C(1) << bit % 64;
    chunk->free_count++;
    if (!chunk->is_listed) {
        chunk->is_listed = true;
        chunk->next_partial = table.partial;
        table.partial = number + 1;
    }
    if (chunk->free_count == CHUNK_BLOCKS)
        madvise(&esi_table.base[(size_t)number * CHUNK_BLOCKS], CHUNK_BYTES, MADV_DONTNEED);
}

static void give_batch(struct esi_process *chain)
{
    pthread_mutex_lock(&table.lock);
    while (chain) {
        struct esi_process *next = (struct esi_process *)(void *)chain->in_queue.next;
        give_one(chain);
        chain = next;
    }
    pthread_mutex_unlock(&table.lock);
}

void esi_table_flush(struct esi_scheduler *scheduler)
{
    give_batch(scheduler->free_blocks);
    scheduler->free_blocks = NULL;
    scheduler->free_block_count = 0;
    atomic_fetch_add_explicit(&live_elsewhere, scheduler->live, memory_order_relaxed);
    atomic_store_explicit(&scheduler->live, 0, memory_order_relaxed);
}

static struct esi_process *take_cached(struct esi_scheduler *scheduler)
{
    if (!scheduler->free_blocks)
        scheduler->free_blocks = take_batch(BATCH, &scheduler->free_block_count);
    struct esi_process *p = scheduler->free_blocks;
    if (p) {
        scheduler->free_blocks = (struct esi_process *)(void *)p->in_queue.next;
        scheduler->free_block_count--;
    }
    return p;
}

/* Two schedulers that take the last one at the same time may both get it: the limit is exact but for that. */
struct esi_process *esi_table_take(void)
{
    struct esi_worker *worker = esi_worker_here();
    struct esi_scheduler *scheduler = worker ? worker->scheduler : NULL;
    /* As long as fewer blocks were ever opened than may live, nobody needs to count. */
    if (__builtin_expect(table.chunks_used * CHUNK_BLOCKS >= table.limit, 0) &&
        esi_table_count() >= table.limit)
        return NULL;
    int taken;
    struct esi_process *p = scheduler ? take_cached(scheduler) : take_batch(1, &taken);
    if (!p)
        return NULL;
    count(scheduler, 1);
    /* Published to others by esi_inbox_open(). release all the same: who finds that it is not the one before any more sees what that one
     * wrote, of which we know by the lock, or by the cache. */
    atomic_store_explicit(&p->id, next_id(p), memory_order_release);
    return p;
}

void esi_table_give(struct esi_process *p)
{
    set_next_id(p, p->id + (UINT64_C(1) << INDEX_BITS));
    atomic_store_explicit(&p->id, 0, memory_order_release); /* pairs with esi_process_is() */
    struct esi_worker *worker = esi_worker_here();
    struct esi_scheduler *scheduler = worker ? worker->scheduler : NULL;
    count(scheduler, -1);
    if (!scheduler) {
        p->in_queue.next = NULL;
        give_batch(p);
        return;
    }
    p->in_queue.next = (struct esi_list *)(void *)scheduler->free_blocks;
    scheduler->free_blocks = p;
    if (++scheduler->free_block_count < CACHE_MAX)
        return;
    struct esi_process *last = scheduler->free_blocks;
    for (int i = 1; i < BATCH; i++)
        last = (struct esi_process *)(void *)last->in_queue.next;
    struct esi_process *kept = (struct esi_process *)(void *)last->in_queue.next;
    last->in_queue.next = NULL;
    give_batch(scheduler->free_blocks);
    scheduler->free_blocks = kept;
    scheduler->free_block_count -= BATCH;
}

struct esi_process *esi_table_next(uint64_t *index)
{
    for (uint64_t end = (uint64_t)table.chunks_used * CHUNK_BLOCKS; *index < end;) {
        struct chunk *chunk = &table.chunks[*index / CHUNK_BLOCKS];
        if (*index % CHUNK_BLOCKS == 0 && chunk->free_count == CHUNK_BLOCKS) {
            *index += CHUNK_BLOCKS;
            continue;
        }
        struct esi_process *p = &esi_table.base[(*index)++];
        if (atomic_load_explicit(&p->id, memory_order_relaxed))
            return p;
    }
    return NULL;
}
