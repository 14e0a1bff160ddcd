/* tests/base/pool.c - blocks do not overlap, travel between threads, come home, and memory goes back. */
#include <pthread.h>
#include <stdatomic.h>
#include "case.h"
#include "base/fail.h"
#include "base/pool.h"
#include "base/random.h"

static struct esi_pool pool;
static struct esi_pool_cache cache;

static int open_pool(void **state)
{
    (void)state;
    if (esi_pool_init(&pool) != ES_OK)
        return -1;
    esi_pool_cache_init(&cache, &pool);
    return 0;
}

static int close_pool(void **state)
{
    (void)state;
    esi_pool_cache_fini(&cache);
    esi_pool_fini(&pool);
    return 0;
}

static void test_each_size_has_the_smallest_class_that_holds_it(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes <= ESI_POOL_LARGEST; bytes++) {
        unsigned class_ = esi_pool_class(bytes);
        size_t holds = esi_pool_class_bytes(class_);
        assert_in_range(class_, 0, ESI_POOL_CLASSES - 1);
        assert_true(holds >= bytes);
        assert_true(holds % 16 == 0);
        if (class_ > 0) {
            assert_true(esi_pool_class_bytes(class_ - 1) < bytes);
            assert_true((holds - bytes) * 4 <= holds); /* waste of at most a quarter */
        }
    }
    assert_int_equal(esi_pool_class(ESI_POOL_LARGEST), ESI_POOL_CLASSES - 1);
}

struct held {
    unsigned char *bytes;
    size_t size;
    unsigned char mark;
};

static void assert_marked(const struct held *held)
{
    for (size_t i = 0; i < held->size; i++)
        assert_int_equal(held->bytes[i], held->mark);
}

static void *alloc_somehow(struct esi_random *random, size_t size)
{
    return esi_random_below(random, 4) ? esi_pool_alloc(&cache, size) : esi_pool_alloc_foreign(&pool, size);
}

static void free_somehow(struct esi_random *random, struct held *held)
{
    if (esi_random_below(random, 4))
        esi_pool_free(&cache, held->bytes, held->size);
    else
        esi_pool_free_foreign(&pool, held->bytes, held->size);
    held->bytes = NULL;
}

static void test_blocks_are_whole_and_apart_whatever_is_done_in_between(void **state)
{
    (void)state;
    enum { HELD = 2000 };
    static struct held all[HELD];
    struct esi_random random;
    esi_random_seed(&random, 11);
    for (int step = 0; step < 60000; step++) {
        struct held *held = &all[esi_random_below(&random, HELD)];
        if (held->bytes) {
            assert_marked(held);
            free_somehow(&random, held);
        } else {
            held->size = 1 + esi_random_below(&random, esi_random_below(&random, 2) ? 300 : 6000);
            held->mark = (unsigned char)step;
            held->bytes = alloc_somehow(&random, held->size);
            assert_non_null(held->bytes);
            assert_int_equal((uintptr_t)held->bytes % 16, 0);
            memset(held->bytes, held->mark, held->size);
        }
        if (step % 5000 == 0)
            esi_pool_trim(&pool);
        if (step % 7000 == 0)
            esi_pool_cache_flush(&cache);
    }
    size_t count = 0;
    for (int i = 0; i < HELD; i++)
        count += all[i].bytes != NULL;
    esi_pool_cache_flush(&cache);
    assert_int_equal(esi_pool_stats(&pool).used_count, count);
    for (int i = 0; i < HELD; i++) {
        if (!all[i].bytes)
            continue;
        assert_marked(&all[i]);
        free_somehow(&random, &all[i]);
    }
    esi_pool_cache_flush(&cache);
    assert_int_equal(esi_pool_stats(&pool).used_count, 0);
    assert_int_equal(esi_pool_stats(&pool).used_bytes, 0);
    esi_pool_trim(&pool);
    assert_int_equal(esi_pool_stats(&pool).mapped_bytes, 0);
}

static void test_trim_leaves_a_chunk_that_has_one_block_in_use(void **state)
{
    (void)state;
    if (pool.is_malloc)
        skip_since("there are no chunks: the blocks are malloc's");
    void *blocks[64];
    for (int i = 0; i < 64; i++)
        assert_non_null(blocks[i] = esi_pool_alloc(&cache, 4096));
    memset(blocks[0], 7, 4096);
    assert_true(esi_pool_stats(&pool).mapped_bytes >= sizeof blocks / sizeof *blocks * 4096);
    for (int i = 1; i < 64; i++)
        esi_pool_free(&cache, blocks[i], 4096);
    esi_pool_cache_flush(&cache);
    esi_pool_trim(&pool);
    assert_int_equal(esi_pool_stats(&pool).mapped_bytes, 256 * 1024);
    assert_int_equal(((char *)blocks[0])[4095], 7);
    esi_pool_free(&cache, blocks[0], 4096);
    esi_pool_cache_flush(&cache);
    assert_int_equal(esi_pool_trim(&pool), 256 * 1024);
    assert_int_equal(esi_pool_stats(&pool).mapped_bytes, 0);
}

static void test_any_allocation_can_be_made_to_fail(void **state)
{
    (void)state;
    void *warm = esi_pool_alloc(&cache, 100); /* so that the fast way has blocks */
    esi_fail_after(3);
    void *x = esi_pool_alloc(&cache, 100), *y = esi_pool_alloc_foreign(&pool, 9000);
    assert_non_null(x);
    assert_non_null(y);
    assert_null(esi_pool_alloc(&cache, 100));
    void *z = esi_pool_alloc(&cache, 100);
    assert_non_null(z);
    assert_true(esi_fail_stop());
    esi_fail_after(100);
    assert_false(esi_fail_stop());
    esi_pool_free(&cache, warm, 100);
    esi_pool_free(&cache, x, 100);
    esi_pool_free(&cache, y, 9000);
    esi_pool_free(&cache, z, 100);
    esi_pool_cache_flush(&cache);
    assert_int_equal(esi_pool_stats(&pool).used_count, 0);
}

/* One thread makes blocks, another ends them; a ring of one word a slot lies between. */
enum { RING = 256, TRAVELLERS = 100000 };
static _Atomic(uint64_t *) ring[RING];

static void *end_travellers(void *sum)
{
    struct esi_pool_cache mine;
    esi_pool_cache_init(&mine, &pool);
    for (int i = 0; i < TRAVELLERS; i++) {
        uint64_t *block;
        while (!(block = atomic_exchange_explicit(&ring[i % RING], NULL, memory_order_acquire)))
            sched_yield();
        *(uint64_t *)sum += block[0] == (uint64_t)i && block[7] == ~(uint64_t)i;
        esi_pool_free(&mine, block, 64 + (size_t)i % 3 * 100);
    }
    esi_pool_cache_fini(&mine);
    return NULL;
}

static void test_blocks_made_on_one_thread_may_end_on_another(void **state)
{
    (void)state;
    uint64_t good = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, end_travellers, &good), 0);
    for (int i = 0; i < TRAVELLERS; i++) {
        uint64_t *block = esi_pool_alloc(&cache, 64 + (size_t)i % 3 * 100);
        if (!block)
            abort();
        block[0] = (uint64_t)i;
        block[7] = ~(uint64_t)i;
        uint64_t *none = NULL;
        while (!atomic_compare_exchange_weak_explicit(&ring[i % RING], &none, block, memory_order_release,
                                                      memory_order_relaxed)) {
            none = NULL;
            sched_yield();
        }
    }
    pthread_join(thread, NULL);
    assert_int_equal(good, TRAVELLERS);
    esi_pool_cache_flush(&cache);
    assert_int_equal(esi_pool_stats(&pool).used_count, 0);
    /* What ended there was used again here: the chunks hold the ring and some batches, not all travellers. */
    assert_true(esi_pool_stats(&pool).mapped_bytes <= 3 * 256 * 1024);
}

int main(void)
{
#define POOL_TEST(test) cmocka_unit_test_setup_teardown(test, open_pool, close_pool)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_size_has_the_smallest_class_that_holds_it),
        POOL_TEST(test_blocks_are_whole_and_apart_whatever_is_done_in_between),
        POOL_TEST(test_trim_leaves_a_chunk_that_has_one_block_in_use),
        POOL_TEST(test_any_allocation_can_be_made_to_fail),
        POOL_TEST(test_blocks_made_on_one_thread_may_end_on_another),
    };
    int failed = cmocka_run_group_tests_name("pools", tests, NULL, NULL);
    setenv("ES_POOL", "malloc", 1);
    return failed + cmocka_run_group_tests_name("malloc", tests, NULL, NULL);
}
