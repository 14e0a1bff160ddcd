/* simulate.c - the simulated world: the same seed gives the same run, time costs nothing, a standstill is found. */
#include <time.h>
#include "story.h"
#include "base/log.h"

ES_ATOMS(token, tick, done);

enum { RING = 8, TURNS = 20 };

static int order[RING * 4], order_length;

/* Passes the token on; who is drawn first among many depends on the seed. */
static void passes_on(es_term argument)
{
    es_pid next;
    int64_t number, n;
    EXPECT(es_match(argument, ES_TUPLE(&next, &number)));
    if (order_length < (int)(sizeof order / sizeof *order))
        order[order_length++] = (int)number;
    for (;;)
        es_receive {
            es_case(ES_TUPLE(token, &n)) {
                if (n == 0)
                    return;
                es_send(next, ES_TUPLE(token, n - 1));
                if (n % 3 == 0)
                    es_yield();
            }
            es_after(100)
                return;
        }
}

static void a_little_of_everything(void)
{
    order_length = 0;
    es_pid next = es_self();
    for (int64_t i = 0; i < RING; i++) {
        next = es_spawn(passes_on, ES_TUPLE(next, i));
        es_send(next, ES_TUPLE(token, (int64_t)TURNS));
    }
    es_ref ref = es_start_timer(10, es_self(), tick);
    EXPECT(got(ES_TUPLE(es_am_timeout, ref, tick)));
    wait_for_end(next);
}

static uint64_t trace_of(unsigned long seed)
{
    uint64_t hash = 0;
    story_begin(a_little_of_everything);
    story_check(es_run_simulated(seed, story_first, NULL, NULL, &hash), "simulated", seed);
    return hash;
}

CASE(the_same_seed_gives_the_same_trace, 100, "")
{
    for (unsigned long seed = 1; seed <= 100; seed++) {
        uint64_t first = trace_of(seed);
        int first_order[sizeof order / sizeof *order];
        memcpy(first_order, order, sizeof order);
        int length = order_length;
        assert_true(trace_of(seed) == first);
        assert_int_equal(order_length, length);
        assert_memory_equal(order, first_order, (size_t)length * sizeof *order);
    }
}

CASE(different_seeds_give_different_orders, 100, "")
{
    uint64_t seen[100];
    int different = 0;
    for (unsigned long seed = 1; seed <= 100; seed++) {
        seen[seed - 1] = trace_of(seed);
        bool is_new = true;
        for (unsigned long i = 0; i + 1 < seed; i++)
            is_new &= seen[i] != seen[seed - 1];
        different += is_new;
    }
    assert_true(different >= 99);
}

static void the_other_waits_too(es_term argument)
{
    es_pid parent;
    EXPECT(es_match(argument, &parent));
    es_receive {
        es_case(never_sent) {
        }
    }
    es_send(parent, done);
}

static void waits_for_each_other(void *unused)
{
    (void)unused;
    es_spawn(the_other_waits_too, es_lend(es_self()));
    es_receive {
        es_case(done) {
        }
    }
}

CASE(a_world_in_which_everybody_waits_ends_with_a_failure, 10, "")
{
    for (unsigned long seed = 1; seed <= 10; seed++)
        assert_int_equal(es_run_simulated(seed, waits_for_each_other, NULL, NULL, NULL), 1);
}

static int64_t slept_ns;

static void sleeps_an_hour(void)
{
    int64_t start_ns = es_now_ns();
    es_sleep(3600 * 1000);
    slept_ns = es_now_ns() - start_ns;
    bool is_over = false;
    start_ns = es_now_ns();
    es_receive {
        es_case(never_sent) {
        }
        es_after(1000)
            is_over = true;
    }
    EXPECT(is_over);
    EXPECT(es_now_ns() - start_ns >= INT64_C(1000000000) && es_now_ns() - start_ns < INT64_C(1002000000));
}

CASE(an_hours_sleep_takes_no_time, 1, "")
{
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    play_simulated(sleeps_an_hour, 1);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(slept_ns >= INT64_C(3600) * 1000000000 && slept_ns < INT64_C(3601) * 1000000000);
    assert_true(after.tv_sec - before.tv_sec < 60);
}

static void sleeps_as_long_as_can_be_said(void)
{
    es_sleep(INT64_MAX);
    slept_ns = 1;
}

CASE(the_longest_sleep_is_none_for_ever, 1, "")
{
    slept_ns = 0;
    play_simulated(sleeps_as_long_as_can_be_said, 1);
    assert_true(slept_ns == 1);
}

static void notes_the_clock(void)
{
    slept_ns = es_now_ns();
}

CASE(every_world_begins_at_the_same_moment, 2, "")
{
    play_simulated(notes_the_clock, 1);
    int64_t first = slept_ns;
    play_simulated(sleeps_an_hour, 1);
    play_simulated(notes_the_clock, 1);
    assert_true(slept_ns == first);
}

static uint64_t drawn;

static void draws(void)
{
    drawn = es_random();
    EXPECT(es_random() != drawn);
}

CASE(random_numbers_come_from_the_seed_there_and_nowhere_else, 1, "")
{
    play_simulated(draws, 1);
    uint64_t first = drawn;
    play_simulated(draws, 1);
    assert_true(drawn == first);
    play_simulated(draws, 2); /* ends with seed 2 */
    assert_true(drawn != first);
    play_real(draws);
    first = drawn;
    play_real(draws);
    assert_true(drawn != first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_trace),
        cmocka_unit_test(different_seeds_give_different_orders),
        cmocka_unit_test(a_world_in_which_everybody_waits_ends_with_a_failure),
        cmocka_unit_test(an_hours_sleep_takes_no_time),
        cmocka_unit_test(the_longest_sleep_is_none_for_ever),
        cmocka_unit_test(every_world_begins_at_the_same_moment),
        cmocka_unit_test(random_numbers_come_from_the_seed_there_and_nowhere_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
