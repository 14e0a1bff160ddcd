/* tests/base/random.c - rows repeat, and are fair enough. */
#include "case.h"
#include "base/random.h"

static void test_splitmix_gives_the_published_row(void **state)
{
    (void)state;
    uint64_t seed = 1234567; /* the example of Rosetta Code and of the authors' page */
    assert_int_equal(esi_random_splitmix(&seed), UINT64_C(6457827717110365317));
    assert_int_equal(esi_random_splitmix(&seed), UINT64_C(3203168211198807973));
}

static void test_xoshiro_gives_the_published_row(void **state)
{
    (void)state;
    struct esi_random random = {{1, 2, 3, 4}};
    assert_int_equal(esi_random_next(&random), 11520);
    assert_int_equal(esi_random_next(&random), 0);
    assert_int_equal(esi_random_next(&random), 1509978240);
    assert_int_equal(esi_random_next(&random), UINT64_C(1215971899390074240));
}

static void test_the_same_seed_gives_the_same_row_and_another_does_not(void **state)
{
    (void)state;
    struct esi_random x, y, z;
    esi_random_seed(&x, 5);
    esi_random_seed(&y, 5);
    esi_random_seed(&z, 6);
    struct esi_random child = esi_random_fork(&x), same = esi_random_fork(&y);
    int equal = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t value = esi_random_next(&x);
        assert_int_equal(value, esi_random_next(&y));
        assert_int_equal(esi_random_next(&child), esi_random_next(&same));
        equal += value == esi_random_next(&z);
    }
    assert_int_equal(equal, 0);
}

static void test_a_bound_is_kept_and_all_below_it_comes_up(void **state)
{
    (void)state;
    struct esi_random random;
    int seen[7] = {0};
    esi_random_seed(&random, 0);
    for (int i = 0; i < 70000; i++) {
        uint64_t value = esi_random_below(&random, 7);
        assert_true(value < 7);
        seen[value]++;
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 9500, 10500);
    assert_int_equal(esi_random_below(&random, 1), 0);
    assert_true(esi_random_below(&random, UINT64_MAX) < UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splitmix_gives_the_published_row),
        cmocka_unit_test(test_xoshiro_gives_the_published_row),
        cmocka_unit_test(test_the_same_seed_gives_the_same_row_and_another_does_not),
        cmocka_unit_test(test_a_bound_is_kept_and_all_below_it_comes_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
