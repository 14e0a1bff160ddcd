/* order.c - proves the ranks and their changes. */
#include "case.h"
#include "simulate/order.h"

/* The first seed from `seed` on that goes by rank, with that many changes. */
static uint64_t seed_with(struct esi_order *order, uint64_t seed, int changes)
{
    do
        esi_order_init(order, seed++);
    while (!order->is_by_rank || order->change_count != changes);
    return seed;
}

static void test_every_other_seed_goes_by_rank(void **state)
{
    (void)state;
    int by_rank = 0;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        struct esi_order order;
        esi_order_init(&order, seed);
        by_rank += order.is_by_rank;
        for (int i = 1; i < order.change_count; i++)
            assert_true(order.changes[i - 1] <= order.changes[i]);
    }
    assert_in_range(by_rank, 400, 600);
}

static void test_each_of_two_is_the_higher_for_half_of_the_seeds(void **state)
{
    (void)state;
    int higher = 0;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        struct esi_order order;
        esi_order_init(&order, seed);
        assert_int_not_equal(esi_order_rank(&order, 5), esi_order_rank(&order, 6));
        higher += esi_order_rank(&order, 5) > esi_order_rank(&order, 6);
    }
    assert_in_range(higher, 400, 600);
}

static void test_a_change_puts_who_runs_below_all_others(void **state)
{
    (void)state;
    struct esi_order order;
    seed_with(&order, 1, 2);
    uint64_t steps = 0;
    while (!esi_order_step(&order, 7))
        steps++;
    assert_true(steps < 32768);
    for (uint64_t id = 1; id < 100; id++)
        if (id != 7)
            assert_true(esi_order_rank(&order, 7) < esi_order_rank(&order, id));
    while (!esi_order_step(&order, 8))
        steps++;
    assert_true(esi_order_rank(&order, 8) < esi_order_rank(&order, 7));
    for (int i = 0; i < 100000; i++)
        assert_false(esi_order_step(&order, 9));
}

static void test_who_is_lowered_twice_is_the_lowest(void **state)
{
    (void)state;
    struct esi_order order;
    seed_with(&order, 1, 3);
    for (uint64_t next = 7; order.changes_done < 3; next = order.changes_done == 1 ? 8 : 7)
        esi_order_step(&order, next);
    assert_true(esi_order_rank(&order, 7) < esi_order_rank(&order, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_other_seed_goes_by_rank),
        cmocka_unit_test(test_each_of_two_is_the_higher_for_half_of_the_seeds),
        cmocka_unit_test(test_a_change_puts_who_runs_below_all_others),
        cmocka_unit_test(test_who_is_lowered_twice_is_the_lowest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
