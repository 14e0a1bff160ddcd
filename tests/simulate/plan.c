/* plan.c - proves which opportunities a plan takes: by the seed, and by a list. */
#include <stdlib.h>
#include <string.h>
#include "case.h"
#include "simulate/plan.h"

enum { ALL = (1 << ESI_STRIKE_COUNT) - 1, OPPORTUNITIES = 20000 };

/* The struck ones of one kind as bits. */
static void play(struct esi_plan *plan, enum esi_strike kind, bool struck[OPPORTUNITIES])
{
    for (uint32_t i = 0, number; i < OPPORTUNITIES; i++) {
        struck[i] = esi_plan_strikes(plan, kind, &number);
        if (struck[i])
            assert_int_equal(number, i + 1);
    }
}

static int count(const bool struck[OPPORTUNITIES])
{
    int total = 0;
    for (int i = 0; i < OPPORTUNITIES; i++)
        total += struck[i];
    return total;
}

static bool first_time[OPPORTUNITIES], second_time[OPPORTUNITIES];

static void test_a_seed_strikes_the_same_again_whatever_other_kinds_see(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct esi_plan plan;
        uint32_t number;
        esi_plan_init(&plan, seed, ALL);
        play(&plan, ESI_STRIKE_HAND_OVER, first_time);
        esi_plan_init(&plan, seed, ALL);
        for (int i = 0; i < 100; i++)
            esi_plan_strikes(&plan, ESI_STRIKE_KILL, &number);
        play(&plan, ESI_STRIKE_HAND_OVER, second_time);
        assert_memory_equal(first_time, second_time, sizeof first_time);
    }
}

static void test_seeds_differ_and_some_leave_a_kind_out(void **state)
{
    (void)state;
    int without = 0, often = 0, seldom = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct esi_plan plan;
        esi_plan_init(&plan, seed, ALL);
        play(&plan, ESI_STRIKE_HAND_OVER, first_time);
        int struck = count(first_time);
        without += struck == 0;
        often += struck > OPPORTUNITIES / 4;
        seldom += struck > 0 && struck < OPPORTUNITIES / 50;
    }
    assert_in_range(without, 60, 140);
    assert_in_range(often, 10, 100);
    assert_in_range(seldom, 10, 150);
}

static void test_what_is_not_asked_for_never_strikes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct esi_plan plan;
        esi_plan_init(&plan, seed, ALL & ~(1u << ESI_STRIKE_CUT));
        play(&plan, ESI_STRIKE_CUT, first_time);
        assert_int_equal(count(first_time), 0);
    }
}

static void test_a_list_strikes_what_it_names_and_nothing_else(void **state)
{
    (void)state;
    struct esi_plan plan;
    esi_plan_init(&plan, 1, ALL);
    assert_int_equal(esi_plan_list(&plan, "cut@17,kill@3,cut@2"), ES_OK);
    play(&plan, ESI_STRIKE_CUT, first_time);
    assert_int_equal(count(first_time), 2);
    assert_true(first_time[1] && first_time[16]);
    play(&plan, ESI_STRIKE_KILL, first_time);
    assert_int_equal(count(first_time), 1);
    assert_true(first_time[2]);
    play(&plan, ESI_STRIKE_DISK, first_time);
    assert_int_equal(count(first_time), 0);
    assert_int_equal(esi_plan_list(&plan, ""), ES_OK);
    play(&plan, ESI_STRIKE_KILL, first_time);
    assert_int_equal(count(first_time), 0);
    esi_plan_fini(&plan);
}

static void test_a_list_of_what_struck_strikes_it_again(void **state)
{
    (void)state;
    static char text[OPPORTUNITIES * 20];
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct esi_plan plan;
        esi_plan_init(&plan, seed, ALL);
        play(&plan, ESI_STRIKE_WAKE, first_time);
        size_t length = 0;
        for (int i = 0; i < OPPORTUNITIES; i++)
            if (first_time[i])
                length += (size_t)sprintf(text + length, "%swake@%d", length ? "," : "", i + 1);
        text[length] = 0;
        esi_plan_init(&plan, seed + 1000, 0);
        assert_int_equal(esi_plan_list(&plan, text), ES_OK);
        play(&plan, ESI_STRIKE_WAKE, second_time);
        assert_memory_equal(first_time, second_time, sizeof first_time);
        esi_plan_fini(&plan);
    }
}

static void test_kinds_are_named(void **state)
{
    (void)state;
    uint32_t kinds = 7;
    assert_int_equal(esi_plan_kinds("all", &kinds), ES_OK);
    assert_int_equal(kinds, ALL);
    assert_int_equal(esi_plan_kinds("none", &kinds), ES_OK);
    assert_int_equal(kinds, 0);
    assert_int_equal(esi_plan_kinds("kill,no_memory", &kinds), ES_OK);
    assert_int_equal(kinds, 1 << ESI_STRIKE_KILL | 1 << ESI_STRIKE_NO_MEMORY);
    for (int kind = 0; kind < ESI_STRIKE_COUNT; kind++) {
        assert_int_equal(esi_plan_kinds(esi_strike_name((enum esi_strike)kind), &kinds), ES_OK);
        assert_int_equal(kinds, 1u << kind);
    }
}

static void test_other_words_are_refused(void **state)
{
    (void)state;
    static const char *const no_kinds[] = {"kil", "killl", "kill;cut", "kill@3", " kill", "alll"};
    static const char *const no_lists[] = {"kill",         "kill@", "kill@0",          "kill@x",
                                           "kill@3;cut@4", "@3",    "cut@99999999999", "all@1"};
    struct esi_plan plan;
    uint32_t kinds = 7;
    esi_plan_init(&plan, 1, 0);
    for (size_t i = 0; i < sizeof no_kinds / sizeof no_kinds[0]; i++)
        assert_int_equal(esi_plan_kinds(no_kinds[i], &kinds), ES_EINVAL);
    assert_int_equal(kinds, 7);
    assert_int_equal(esi_plan_list(&plan, "kill@5"), ES_OK);
    for (size_t i = 0; i < sizeof no_lists / sizeof no_lists[0]; i++)
        assert_int_equal(esi_plan_list(&plan, no_lists[i]), ES_EINVAL);
    assert_int_equal(plan.listed_count, 1);
    esi_plan_fini(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_seed_strikes_the_same_again_whatever_other_kinds_see),
        cmocka_unit_test(test_seeds_differ_and_some_leave_a_kind_out),
        cmocka_unit_test(test_what_is_not_asked_for_never_strikes),
        cmocka_unit_test(test_a_list_strikes_what_it_names_and_nothing_else),
        cmocka_unit_test(test_a_list_of_what_struck_strikes_it_again),
        cmocka_unit_test(test_kinds_are_named),
        cmocka_unit_test(test_other_words_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
