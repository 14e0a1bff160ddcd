/* tests/proc/info.c - looking at processes, group leaders, labels, errors, priorities, time. */
#include <string.h>
#include "platform/clock.h"
#include "rounds.h"
#include "watch.h"

static es_info infos[4];
static bool found[4];
static es_pid pids[4];
static atomic_bool go, ready, stop;
static atomic_int done;
static struct end end;
static int64_t number;
static es_err errors[2];

static void run(void (*first)(void))
{
    memset(infos, 0, sizeof infos);
    memset(found, 0, sizeof found);
    memset(&end, 0, sizeof end);
    atomic_store(&go, false);
    atomic_store(&ready, false);
    atomic_store(&stop, false);
    atomic_store(&done, 0);
    number = 0;
    assert_int_equal(es_run((void (*)(void *))first, NULL, NULL), 0);
}

static void ends_at_once(void)
{
    tell_end(&end);
}

static void asks_the_dead(void)
{
    pids[0] = es_spawn(ends_at_once);
    wait_end(&end);
    found[0] = es_process_info(pids[0], &infos[0]);
    found[1] = es_process_info(ES_NO_PID, &infos[0]);
    found[2] = es_process_info((es_pid){.id = UINT64_MAX >> 4}, &infos[0]);
}

CASE(process_info_of_a_dead_process_says_that_there_is_none, 1, "PRC-05")
{
    run(asks_the_dead);
    assert_false(found[0]);
    assert_false(found[1]);
    assert_false(found[2]);
}

static void sleeps(void)
{
    es_label("sleeper %d, with a text that is cut", 7);
    es_sleep(ES_INFINITY);
}

static void asks_a_sleeper(void)
{
    pids[0] = es_self();
    pids[1] = es_spawn_opt(ES_WITH(.priority = ES_PRIORITY_HIGH), sleeps);
    wait_until_it_waits(pids[1]);
    found[0] = es_process_info(pids[1], &infos[0]);
}

CASE(process_info_of_who_has_no_name_gives_the_empty_value, 1, "PRC-06")
{
    run(asks_a_sleeper);
    assert_true(found[0]);
    assert_int_equal(infos[0].name.w, 0);
    assert_int_equal(infos[0].state, ES_STATE_WAITING);
    assert_int_equal(infos[0].parent.id, pids[0].id);
    assert_int_equal(infos[0].group_leader.id, pids[0].id);
    assert_int_equal(infos[0].priority, ES_PRIORITY_HIGH);
    assert_string_equal(infos[0].label, "sleeper 7, with a text that is ");
    assert_false(infos[0].traps_exit);
    assert_true(infos[0].has_stack);
    assert_false(infos[0].pinned);
    assert_ptr_equal(infos[0].function, (void *)sleeps);
    assert_true(infos[0].memory_bytes > 0);
}

static void spins(void)
{
    atomic_store(&ready, true);
    while (!atomic_load(&stop)) {
    }
}

static void blocks(void)
{
    atomic_store(&ready, true);
    while (!atomic_load(&stop))
        usleep(20000);
}

static void asks_busy_ones(void)
{
    void (*bodies[])(void) = {spins, blocks};
    for (int i = 0; i < 2; i++) {
        atomic_store(&ready, false);
        pids[i] = es_spawn(bodies[i]);
        wait_for(&ready);
        uint64_t before = esi_clock_now_ns();
        found[i] = es_process_info(pids[i], &infos[i]);
        int64_t took = (int64_t)(esi_clock_now_ns() - before);
        number = took > number ? took : number;
    }
    atomic_store(&stop, true);
}

CASE(process_info_of_who_does_not_come_back_is_answered_from_the_snapshot, 1, "PRC-28")
{
    run(asks_busy_ones);
    assert_true(found[0] && found[1]);
    assert_int_equal(infos[0].state, ES_STATE_RUNNING);
    assert_int_equal(infos[1].state, ES_STATE_RUNNING);
    assert_true(number < 10 * 1000 * 1000);
}

static void comes_and_goes(void)
{
    es_yield();
}

static void ask_about(es_pid pid)
{
    es_info info;
    for (long i = 0; i < rounds(10000); i++)
        es_process_info(pid, &info);
}

static void asks_the_other(void)
{
    while (!atomic_load(&go))
        es_yield();
    ask_about(es_pid_equal(es_self(), pids[0]) ? pids[1] : pids[0]);
    atomic_fetch_add(&done, 1);
}

static void mutual_first(void)
{
    pids[0] = es_spawn(asks_the_other);
    pids[1] = es_spawn(asks_the_other);
    pids[2] = es_spawn(sleeps);
    wait_until_it_waits(pids[2]);
    atomic_store(&go, true);
    ask_about(pids[2]);
    es_suspend(pids[2]);
    ask_about(pids[2]);
    for (long i = 0; i < rounds(10000); i++) {
        es_info info;
        es_process_info(es_spawn(comes_and_goes), &info);
    }
    while (atomic_load(&done) < 2)
        es_yield();
}

CASE(process_info_always_answers_also_when_two_ask_each_other, rounds(10000), "PRC-07")
{
    run(mutual_first);
    assert_int_equal(atomic_load(&done), 2);
}

static bool is_among(es_pid pid, const es_pid *all, int64_t count)
{
    int times = 0;
    for (int64_t i = 0; i < count; i++)
        times += es_pid_equal(pid, all[i]);
    return times == 1;
}

enum { STAYING = 50, MOST = 4096 };

static void lists_first(void)
{
    static es_pid staying[STAYING], all[MOST];
    for (int i = 0; i < STAYING; i++)
        staying[i] = es_spawn(sleeps);
    for (long round = 0; round < rounds(10000); round++) {
        for (int i = 0; i < 20; i++)
            es_spawn(comes_and_goes);
        int64_t count = es_processes(all, MOST);
        for (int i = 0; i < STAYING; i++)
            number += !is_among(staying[i], all, count);
        for (int64_t i = 0; i < count; i++)
            number += !is_among(all[i], all, count);
        es_yield();
    }
}

CASE(processes_lists_everyone_alive_once_while_others_come_and_go, rounds(10000), "PRC-20")
{
    run(lists_first);
    assert_int_equal(number, 0);
}

static es_pid leaders[3];

static void tells_its_leader(void)
{
    while (!atomic_load(&go))
        es_yield();
    leaders[0] = es_group_leader();
    atomic_store(&ready, true);
}

static void leader_first(void)
{
    pids[0] = es_self();
    es_pid child = es_spawn(tells_its_leader);
    pids[1] = es_spawn(sleeps);
    errors[0] = es_set_group_leader(es_self(), pids[1]);
    leaders[1] = es_group_leader();
    atomic_store(&go, true);
    wait_for(&ready);
    es_info info;
    while (es_process_info(child, &info))
        es_yield();
    errors[1] = es_set_group_leader(child, pids[1]);
}

CASE(a_child_inherits_the_group_leader_and_keeps_it_when_the_parents_changes, 1, "PRC-04")
{
    run(leader_first);
    assert_int_equal(errors[0], ES_OK);
    assert_int_equal(errors[1], ES_ENOPROC);
    assert_int_equal(leaders[0].id, pids[0].id);
    assert_int_equal(leaders[1].id, pids[1].id);
}

static void sets_an_unknown_priority(void)
{
    tell_end(&end);
    number = es_set_priority(ES_PRIORITY_LOW) == ES_PRIORITY_NORMAL &&
             es_set_priority(ES_PRIORITY_MAX) == ES_PRIORITY_LOW;
    es_set_priority((es_priority)17);
}

static void priority_first(void)
{
    es_spawn(sets_an_unknown_priority);
    wait_end(&end);
}

CASE(an_unknown_priority_is_an_argument_error_and_a_known_one_gives_the_old, 1, "PRC-08")
{
    run(priority_first);
    assert_int_equal(number, 1);
    assert_string_equal(end.reason, "{badarg,set_priority}");
}

static void sleeps_an_hour(void)
{
    int64_t before = es_now_ns();
    es_sleep(3600 * 1000);
    number = es_now_ns() - before;
}

static void test_a_sleep_is_never_short_and_moves_the_virtual_clock(void **state)
{
    (void)state;
    assert_int_equal(es_run_simulated(1, (void (*)(void *))sleeps_an_hour, NULL, NULL, NULL), 0);
    assert_true(number >= INT64_C(3600) * 1000 * 1000 * 1000 && number < INT64_C(3601) * 1000 * 1000 * 1000);
}

static void test_errors_are_remembered_outside_of_processes_too(void **state)
{
    (void)state;
    assert_int_equal(es_group_leader().id, 0);
    assert_true(es_pid_is_none(es_spawn(ends_at_once)));
    assert_int_equal(es_last_error(), ES_ECLOSED);
    assert_non_null(strstr(es_last_detail(), "spawn"));
}

int main(void)
{
    setenv("ES_REPORTS", "0", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(process_info_of_a_dead_process_says_that_there_is_none),
        cmocka_unit_test(process_info_of_who_has_no_name_gives_the_empty_value),
        cmocka_unit_test(process_info_of_who_does_not_come_back_is_answered_from_the_snapshot),
        cmocka_unit_test(process_info_always_answers_also_when_two_ask_each_other),
        cmocka_unit_test(processes_lists_everyone_alive_once_while_others_come_and_go),
        cmocka_unit_test(a_child_inherits_the_group_leader_and_keeps_it_when_the_parents_changes),
        cmocka_unit_test(an_unknown_priority_is_an_argument_error_and_a_known_one_gives_the_old),
        cmocka_unit_test(test_a_sleep_is_never_short_and_moves_the_virtual_clock),
        cmocka_unit_test(test_errors_are_remembered_outside_of_processes_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
