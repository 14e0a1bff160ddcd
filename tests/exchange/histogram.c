/* tests/exchange/histogram.c - times in little memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "histogram.h"

static void an_empty_histogram_says_zero(void **state)
{
    static struct histogram h;
    (void)state;
    assert_int_equal(histogram_at(&h, 500), 0);
    assert_int_equal(histogram_at(&h, 1000), 0);
}

static void percentiles_are_right_to_three_percent(void **state)
{
    static struct histogram h;
    (void)state;
    for (int64_t i = 1; i <= 100000; i++)
        histogram_add(&h, i);
    for (int permille = 1; permille <= 1000; permille += 37) {
        int64_t exact = 100 * permille, said = histogram_at(&h, permille);
        assert_in_range(said, exact, exact + exact * 4 / 100);
    }
}

static void small_values_are_exact_and_odd_ones_do_no_harm(void **state)
{
    static struct histogram h;
    (void)state;
    for (int64_t i = 0; i < 64; i++) {
        histogram_add(&h, i);
        assert_int_equal(histogram_at(&h, 1000), i);
    }
    histogram_add(&h, -5);
    histogram_add(&h, INT64_MAX);
    assert_int_equal(histogram_at(&h, 1), 0);
    assert_true(histogram_at(&h, 1000) > 1000000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_histogram_says_zero),
        cmocka_unit_test(percentiles_are_right_to_three_percent),
        cmocka_unit_test(small_values_are_exact_and_odd_ones_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
