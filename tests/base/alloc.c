/* tests/base/alloc.c - memory comes, and fails when a test wants it to. */
#include "case.h"
#include "base/alloc.h"
#include "base/fail.h"

static void test_memory_comes_zeroed_and_grows(void **state)
{
    (void)state;
    char *memory = esi_alloc_zeroed(10, 10);
    assert_non_null(memory);
    for (int i = 0; i < 100; i++)
        assert_int_equal(memory[i], 0);
    memory[99] = 7;
    memory = esi_realloc(memory, 100000);
    assert_non_null(memory);
    assert_int_equal(memory[99], 7);
    esi_free(memory);
    memory = esi_alloc(0);
    assert_non_null(memory);
    esi_free(memory);
    esi_free(NULL);
    volatile size_t huge = SIZE_MAX / 2;
    assert_null(esi_alloc_zeroed(huge, 3));
}

/* Something of three allocations that undoes what it did. */
static bool do_three(void)
{
    char *a = esi_alloc(1), *b = a ? esi_alloc_zeroed(1, 1) : NULL, *c = b ? esi_realloc(NULL, 1) : NULL;
    bool went_well = c != NULL;
    esi_free(c);
    esi_free(b);
    esi_free(a);
    return went_well;
}

static void test_a_sweep_ends_after_the_last_allocation(void **state)
{
    (void)state;
    uint64_t n = 1;
    for (;; n++) {
        esi_fail_after(n);
        bool went_well = do_three();
        bool failed = esi_fail_stop();
        assert_int_equal(went_well, !failed);
        if (!failed)
            break;
    }
    assert_int_equal(n, 4);
    assert_true(do_three());
}

static void test_only_the_nth_fails(void **state)
{
    (void)state;
    esi_fail_after(2);
    assert_false(esi_fail_strike());
    assert_true(esi_fail_strike());
    assert_false(esi_fail_strike());
    assert_true(esi_fail_stop());
    assert_false(esi_fail_stop());
    assert_false(esi_fail_strike());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_comes_zeroed_and_grows),
        cmocka_unit_test(test_a_sweep_ends_after_the_last_allocation),
        cmocka_unit_test(test_only_the_nth_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
