/* tests/proc/runq.c - the queue of runnable processes by itself: who is taken when. */
#include "case.h"
#include "proc/schedule/runq.h"
#include "proc/schedule/worker.h"

enum { MANY = 8 };

static struct esi_process processes[MANY];
static struct esi_runq queue;

static int set_up(void **state)
{
    (void)state;
    esi_runq_init(&queue);
    for (int i = 0; i < MANY; i++) {
        processes[i] = (struct esi_process){.priority = ES_PRIORITY_NORMAL};
        atomic_store(&processes[i].since, esi_since_now());
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    esi_runq_fini(&queue);
    memset(&queue, 0, sizeof queue);
    return 0;
}

static void put(int number)
{
    esi_runq_put(&queue, &processes[number]);
}

static void put_child(int number, uint64_t parent)
{
    processes[number].parent = parent;
    esi_runq_put_young(&queue, &processes[number]);
}

/* -1: nobody */
static int take(bool goes_on, bool *went_on)
{
    *went_on = goes_on;
    struct esi_process *p = esi_runq_take(&queue, went_on);
    return p ? (int)(p - processes) : -1;
}

static int take_relative(void)
{
    bool went_on;
    int number = take(true, &went_on);
    assert_true(went_on || number < 0);
    return number;
}

static int take_turn(void)
{
    bool went_on;
    int number = take(false, &went_on);
    assert_false(went_on);
    return number;
}

static void siblings_come_in_the_order_of_their_birth_and_before_who_was_born_earlier(void **state)
{
    (void)state;
    put_child(0, 100);
    put_child(1, 100);
    put_child(2, 100);
    assert_int_equal(take_relative(), 0);
    put_child(3, 200);
    put_child(4, 200);
    put_child(5, 100); /* one more of the first parent, which ran again */
    put_child(6, 100);
    const int expected[] = {5, 6, 3, 4, 1, 2};
    for (int i = 0; i < 6; i++)
        assert_int_equal(take_relative(), expected[i]);
    assert_int_equal(take_relative(), -1);
}

static void a_sibling_comes_in_front_when_the_last_born_has_been_taken(void **state)
{
    (void)state;
    put_child(0, 100);
    assert_int_equal(take_relative(), 0);
    put_child(1, 100);
    put_child(2, 100);
    assert_int_equal(take_relative(), 1);
    assert_int_equal(take_relative(), 2);
}

static void turns_begin_with_the_young_and_the_line_alternately(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        put(i);
    for (int i = 3; i < 6; i++)
        put_child(i, 100);
    const int expected[] = {3, 0, 4, 1, 5, 2};
    for (int i = 0; i < 6; i++)
        assert_int_equal(take_turn(), expected[i]);
    assert_int_equal(take_turn(), -1);
}

static void of_the_lines_the_young_go_on_only_while_nobody_higher_waits(void **state)
{
    (void)state;
    processes[0].priority = ES_PRIORITY_HIGH;
    put_child(1, 100);
    put(0);
    bool went_on;
    assert_int_equal(take(true, &went_on), 0);
    assert_false(went_on);
    assert_int_equal(take_relative(), 1);
    processes[0].priority = ES_PRIORITY_MAX;
    put_child(1, 100);
    put(0);
    assert_int_equal(take_turn(), 0);
    assert_int_equal(take_turn(), 1);
}

static void who_was_young_for_long_gets_into_the_line(void **state)
{
    (void)state;
    put(0);
    put_child(1, 100);
    atomic_store(&processes[1].since, esi_since_now() - 4);
    put_child(2, 200);
    put_child(3, 200);
    assert_int_equal(take_turn(), 2);
    assert_int_equal(take_turn(), 0);
    assert_int_equal(take_turn(), 3);
    put_child(4, 300);
    assert_int_equal(take_turn(), 1); /* it was the line's turn */
    assert_int_equal(take_turn(), 4);
}

static void a_thief_takes_half_from_the_line_first_and_then_the_oldest_of_the_young(void **state)
{
    (void)state;
    put(0);
    put_child(1, 100);
    put_child(2, 100);
    put_child(3, 200);
    put_child(4, 200);
    struct esi_list loot;
    esi_list_init(&loot);
    assert_int_equal(esi_runq_steal(&queue, &loot), 3);
    const int expected[] = {0, 2, 1};
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(esi_list_pop_front(&loot), &processes[expected[i]].in_queue);
    put_child(5, 200); /* others were taken meanwhile: perhaps its last sibling, so it comes in front */
    assert_int_equal(take_relative(), 5);
    assert_int_equal(take_relative(), 3);
    assert_int_equal(take_relative(), 4);
    assert_int_equal(esi_runq_steal(&queue, &loot), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            siblings_come_in_the_order_of_their_birth_and_before_who_was_born_earlier, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sibling_comes_in_front_when_the_last_born_has_been_taken, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(turns_begin_with_the_young_and_the_line_alternately, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(of_the_lines_the_young_go_on_only_while_nobody_higher_waits, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_was_young_for_long_gets_into_the_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_thief_takes_half_from_the_line_first_and_then_the_oldest_of_the_young, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
