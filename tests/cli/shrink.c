/* shrink.c - proves that the few that are enough are found, and none is left that is not needed. */
#include <string.h>
#include "case.h"
#include "cli/shrink.h"

enum { MOST = 300 };

static struct {
    size_t needed[5];
    size_t count;
    int asked;
} culprit;

/* It fails if all that are needed are there. */
static bool fails(void *context, const bool *keep, size_t count)
{
    (void)context;
    culprit.asked++;
    for (size_t i = 0; i < culprit.count; i++)
        if (culprit.needed[i] >= count || !keep[culprit.needed[i]])
            return false;
    return true;
}

static void expect_found(size_t count)
{
    bool keep[MOST];
    assert_int_equal(esi_shrink(keep, count, 100000, fails, NULL), culprit.count);
    for (size_t i = 0; i < culprit.count; i++)
        assert_true(keep[culprit.needed[i]]);
}

static void test_one_of_many_is_found(void **state)
{
    (void)state;
    for (size_t at = 0; at < MOST; at += 7) {
        culprit.needed[0] = at;
        culprit.count = 1;
        culprit.asked = 0;
        expect_found(MOST);
        assert_true(culprit.asked < 60);
    }
}

static void test_several_far_apart_are_found(void **state)
{
    (void)state;
    const size_t far[] = {0, 1, 150, 298, 299};
    memcpy(culprit.needed, far, sizeof far);
    culprit.count = 5;
    expect_found(MOST);
}

static void test_what_fails_without_any_needs_none(void **state)
{
    (void)state;
    culprit.count = 0;
    expect_found(MOST);
    expect_found(1);
    expect_found(0);
}

static void test_it_stops_asking_where_it_is_told_to(void **state)
{
    (void)state;
    bool keep[MOST];
    culprit.needed[0] = 299;
    culprit.count = 1;
    culprit.asked = 0;
    assert_in_range(esi_shrink(keep, MOST, 3, fails, NULL), 2, MOST - 1);
    assert_int_equal(culprit.asked, 3);
    assert_true(keep[299]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_of_many_is_found),
        cmocka_unit_test(test_several_far_apart_are_found),
        cmocka_unit_test(test_what_fails_without_any_needs_none),
        cmocka_unit_test(test_it_stops_asking_where_it_is_told_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
