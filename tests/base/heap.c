/* tests/base/heap.c - the heap against a plain array. */
#include "case.h"
#include "base/heap.h"
#include "base/random.h"

enum { NODES = 300 };

struct item {
    struct esi_heap_node in_heap;
    bool is_in;
    uint64_t key, order;
};

static struct item *expected_min(struct item *items)
{
    struct item *best = NULL;
    for (struct item *i = items; i < items + NODES; i++) {
        if (!i->is_in)
            continue;
        if (!best || i->key < best->key || (i->key == best->key && i->order < best->order))
            best = i;
    }
    return best;
}

static void test_random_changes_agree_with_a_plain_array(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct esi_heap heap;
        struct item items[NODES] = {0};
        struct esi_random random;
        size_t count = 0;
        uint64_t order = 0;
        esi_random_seed(&random, seed);
        esi_heap_init(&heap);
        for (int step = 0; step < 3000; step++) {
            struct item *item = &items[esi_random_below(&random, NODES)];
            if (esi_random_below(&random, 4) == 0) {
                struct item *min = expected_min(items);
                assert_ptr_equal(esi_heap_min(&heap), min ? &min->in_heap : NULL);
                assert_ptr_equal(esi_heap_pop_min(&heap), min ? &min->in_heap : NULL);
                if (min) {
                    min->is_in = false;
                    count--;
                }
            } else if (!item->is_in) {
                item->key = esi_random_below(&random, 40);
                item->order = order++;
                item->is_in = true;
                count++;
                esi_heap_insert(&heap, &item->in_heap, item->key);
            } else if (esi_random_below(&random, 2)) {
                esi_heap_remove(&heap, &item->in_heap);
                item->is_in = false;
                count--;
            }
            assert_int_equal(heap.count, count);
        }
        for (struct item *min; (min = expected_min(items)); min->is_in = false)
            assert_ptr_equal(esi_heap_pop_min(&heap), &min->in_heap);
        assert_null(esi_heap_pop_min(&heap));
    }
}

static void test_equal_keys_come_out_in_the_order_they_went_in(void **state)
{
    (void)state;
    struct esi_heap heap;
    struct esi_heap_node nodes[50];
    esi_heap_init(&heap);
    for (int i = 0; i < 50; i++)
        esi_heap_insert(&heap, &nodes[i], 9);
    for (int i = 0; i < 50; i++)
        assert_ptr_equal(esi_heap_pop_min(&heap), &nodes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_changes_agree_with_a_plain_array),
        cmocka_unit_test(test_equal_keys_come_out_in_the_order_they_went_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
