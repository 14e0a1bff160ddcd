/* tests/base/map.c - the map against a plain array of flags, and its balance. */
#include "case.h"
#include "base/map.h"
#include "base/random.h"

enum { NUMBERS = 600 };

/* Keys that differ in `a`, in `b` or in both; ordered as the numbers are. */
static struct esi_key key_of(uint64_t number)
{
    return (struct esi_key){.a = number / 5, .b = number % 5 * UINT64_C(0x3fffffffffffffff)};
}

/* Checks order, heights and balance of a tree; gives its node count. Tests are small enough to recurse. */
static size_t check(const struct esi_map_node *node, const struct esi_key *low, const struct esi_key *high)
{
    if (!node)
        return 0;
    assert_true(!low || esi_key_compare(*low, node->key) < 0);
    assert_true(!high || esi_key_compare(node->key, *high) < 0);
    int left = node->left ? node->left->height : 0, right = node->right ? node->right->height : 0;
    assert_int_equal(node->height, (left > right ? left : right) + 1);
    assert_in_range(left - right + 1, 0, 2);
    return check(node->left, low, &node->key) + check(node->right, &node->key, high) + 1;
}

static void assert_same(struct esi_map *map, struct esi_map_node *nodes, const bool *is_in)
{
    int count = 0;
    for (uint64_t i = 0; i < NUMBERS; i++)
        count += is_in[i];
    assert_int_equal(check(map->root, NULL, NULL), count);
    struct esi_map_node *node = esi_map_first(map);
    for (uint64_t i = 0; i < NUMBERS; i++) {
        assert_ptr_equal(esi_map_find(map, key_of(i)), is_in[i] ? &nodes[i] : NULL);
        if (!is_in[i])
            continue;
        assert_ptr_equal(node, &nodes[i]);
        node = esi_map_next_after(map, node->key);
    }
    assert_null(node);
}

static void test_random_changes_agree_with_a_plain_array(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct esi_map map;
        struct esi_map_node nodes[NUMBERS];
        bool is_in[NUMBERS] = {false};
        struct esi_random random;
        esi_random_seed(&random, seed);
        esi_map_init(&map);
        for (int step = 0; step < 4000; step++) {
            uint64_t i = esi_random_below(&random, NUMBERS);
            bool grows = esi_random_below(&random, 100) < (step < 2000 ? 60 : 40);
            if (grows) {
                struct esi_map_node spare;
                assert_int_equal(esi_map_insert(&map, is_in[i] ? &spare : &nodes[i], key_of(i)), !is_in[i]);
                is_in[i] = true;
            } else if (is_in[i]) {
                esi_map_remove(&map, &nodes[i]);
                is_in[i] = false;
            }
            if (step % 200 == 0)
                assert_same(&map, nodes, is_in);
        }
        assert_same(&map, nodes, is_in);
    }
}

static void test_rising_keys_do_not_make_it_deep(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    struct esi_map map;
    struct esi_map_node *nodes = calloc(MANY, sizeof *nodes);
    assert_non_null(nodes);
    esi_map_init(&map);
    for (uint64_t i = 0; i < MANY; i++)
        assert_true(esi_map_insert(&map, &nodes[i], (struct esi_key){i, 0}));
    assert_in_range(map.root->height, 17, 24); /* 1.45 log2(100000) */
    for (uint64_t i = 0; i < MANY; i++)
        esi_map_remove(&map, &nodes[i]);
    assert_null(map.root);
    assert_null(map.root);
    free(nodes);
}

static void test_an_iteration_survives_the_removal_of_where_it_stands(void **state)
{
    (void)state;
    struct esi_map map;
    struct esi_map_node nodes[100];
    esi_map_init(&map);
    for (uint64_t i = 0; i < 100; i++)
        assert_true(esi_map_insert(&map, &nodes[i], (struct esi_key){7, i}));
    uint64_t expected = 0;
    for (struct esi_map_node *node = esi_map_first(&map); node;) {
        struct esi_key key = node->key;
        assert_int_equal(key.b, expected);
        expected += key.b % 3 == 0 ? 2 : 1;
        struct esi_map_node *next = esi_map_next_after(&map, key);
        if (next && key.b % 3 == 0)
            esi_map_remove(&map, next);
        esi_map_remove(&map, node);
        node = esi_map_next_after(&map, key);
    }
    assert_null(map.root);
}

static void test_taking_by_key(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    struct esi_map map;
    struct esi_map_node nodes[MANY];
    esi_map_init(&map);
    assert_null(esi_map_take(&map, (struct esi_key){0, 0}));
    for (uint64_t i = 0; i < MANY; i++) /* 7 and 1000 have no divisor in common: each key once */
        assert_true(esi_map_insert(&map, &nodes[i * 7 % MANY], (struct esi_key){3, i * 7 % MANY}));
    assert_null(esi_map_take(&map, (struct esi_key){2, 5}));
    assert_null(esi_map_take(&map, (struct esi_key){3, MANY}));
    for (uint64_t i = 0; i < MANY; i++) {
        struct esi_key key = {3, i * 13 % MANY};
        assert_ptr_equal(esi_map_take(&map, key), &nodes[key.b]);
        assert_null(esi_map_find(&map, key));
        assert_null(esi_map_take(&map, key));
    }
    assert_null(map.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_changes_agree_with_a_plain_array),
        cmocka_unit_test(test_rising_keys_do_not_make_it_deep),
        cmocka_unit_test(test_taking_by_key),
        cmocka_unit_test(test_an_iteration_survives_the_removal_of_where_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
