/* run.c - proves what a simulated world does to a program: its order, its faults, its two phases. */
#include <engset/simulate.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "story.h"
#include "proc/contain/report.h"

ES_ATOMS(go, done, tick, work, simulated);

enum { SEEDS = 200 };

static int simulate(void (*first)(void *), void *argument, es_simulation how)
{
    return es_simulate(first, argument, &how);
}

/* ------------------------------------------------------------ order */

static int balance;

/* Reads, calls the runtime, writes: two of them lose an update where they change places in between. */
static void adds_one(void)
{
    int seen = balance;
    es_send(es_self(), tick);
    balance = seen + 1;
}

static void two_add(void *unused)
{
    (void)unused;
    balance = 0;
    es_ref first, second;
    es_spawn_monitor(&first, adds_one);
    es_spawn_monitor(&second, adds_one);
    for (int i = 0; i < 2; i++)
        es_receive
            es_case(ES_TUPLE(es_am_DOWN, ES_ANY, ES_ANY, ES_ANY, ES_ANY)) {
            }
}

static void test_some_seeds_find_a_lost_update_and_find_it_again(void **state)
{
    (void)state;
    int lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t trace[2];
        int found[2];
        for (int i = 0; i < 2; i++) {
            assert_int_equal(
                simulate(two_add, NULL,
                         (es_simulation){.seed = seed, .faults = ES_FAULTS_ORDER, .trace = &trace[i]}),
                0);
            found[i] = balance;
        }
        assert_int_equal(trace[0], trace[1]);
        assert_int_equal(found[0], found[1]);
        lost += balance == 1;
    }
    assert_in_range(lost, 5, SEEDS - 5);
}

/* ------------------------------------------------------------ faults */

static int ended_by[4]; /* normal, killed, crashed, other */

static void works(void)
{
    for (int i = 0; i < 200; i++)
        es_sleep(1);
}

static void notes_the_end(es_term reason)
{
    if (es_is(reason, es_am_normal))
        ended_by[0]++;
    else if (es_is(reason, es_am_killed))
        ended_by[1]++;
    else if (es_match(reason, ES_TUPLE(es_am_signal, es_am_sigsegv, ES_ANY)))
        ended_by[2]++;
    else
        ended_by[3]++;
}

static void watches(void *unused)
{
    (void)unused;
    es_ref ref;
    for (int i = 0; i < 5; i++)
        es_spawn_monitor(&ref, works);
    for (int i = 0; i < 5; i++) {
        es_term reason;
        es_receive
            es_case(ES_TUPLE(es_am_DOWN, ES_ANY, ES_ANY, ES_ANY, &reason))
                notes_the_end(reason);
    }
}

static void end_counts(uint32_t faults, int64_t faults_ms)
{
    memset(ended_by, 0, sizeof ended_by);
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        assert_int_equal(
            simulate(watches, NULL, (es_simulation){.seed = seed, .faults = faults, .faults_ms = faults_ms}),
            0);
}

static void test_processes_are_killed_and_crash_where_that_is_asked_for(void **state)
{
    (void)state;
    end_counts(ES_FAULT_KILL, 0);
    assert_true(ended_by[0] > 100 && ended_by[1] > 100 && !ended_by[2] && !ended_by[3]);
    end_counts(ES_FAULT_CRASH, 0);
    assert_true(ended_by[0] > 100 && !ended_by[1] && ended_by[2] > 100 && !ended_by[3]);
    end_counts(ES_FAULTS_ORDER, 0);
    assert_true(ended_by[0] == 5 * SEEDS);
}

static void test_nothing_strikes_after_its_time(void **state)
{
    (void)state;
    end_counts(ES_FAULT_KILL, 0);
    int killed = ended_by[1];
    end_counts(ES_FAULT_KILL, 20);
    assert_true(ended_by[1] < killed / 2);
}

static void allocates(void)
{
    for (int i = 0; i < 300; i++)
        es_drop(es_keep(ES_TUPLE(work, i)));
}

static void watches_memory(void *unused)
{
    (void)unused;
    es_ref ref;
    es_term reason;
    es_spawn_monitor(&ref, allocates);
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, ES_ANY, ES_ANY, ES_ANY, &reason)) {
            ended_by[0] += es_is(reason, es_am_normal);
            ended_by[1] += es_is(reason, es_am_system_limit);
        }
}

static void test_allocations_fail_in_a_process_and_end_it(void **state)
{
    (void)state;
    memset(ended_by, 0, sizeof ended_by);
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        assert_int_equal(
            simulate(watches_memory, NULL, (es_simulation){.seed = seed, .faults = ES_FAULT_NO_MEMORY}), 0);
    assert_true(ended_by[0] > 20 && ended_by[1] > 20);
    assert_int_equal(ended_by[0] + ended_by[1], SEEDS);
}

/* Virtual milliseconds that a thousand of `es_yield` take: none, but for who is frozen. */
static void yields(void *longest_ms)
{
    int64_t begun = es_now_ns();
    for (int i = 0; i < 100; i++)
        es_yield();
    int64_t took = (es_now_ns() - begun) / 1000000;
    if (took > *(int64_t *)longest_ms)
        *(int64_t *)longest_ms = took;
}

static void watches_the_frozen(void *longest_ms)
{
    es_ref ref;
    es_spawn_monitor(&ref, yields, longest_ms);
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, ES_ANY, ES_ANY, ES_ANY, ES_ANY)) {
        }
}

static void test_a_process_is_frozen_for_a_while_and_goes_on(void **state)
{
    (void)state;
    int64_t longest_ms = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        assert_int_equal(simulate(watches_the_frozen, &longest_ms,
                                  (es_simulation){.seed = seed, .faults = ES_FAULT_FREEZE}),
                         0);
    assert_true(longest_ms > 100);
}

/* ------------------------------------------------------------ who is spared */

static void is_spared(void)
{
    es_simulate_spare(es_self());
    works();
}

static void watches_a_spared_one(void *unused)
{
    (void)unused;
    es_ref ref;
    es_spawn_monitor(&ref, is_spared);
    es_term reason;
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, ES_ANY, ES_ANY, ES_ANY, &reason))
            notes_the_end(reason);
}

static void test_who_is_spared_is_not_struck(void **state)
{
    (void)state;
    memset(ended_by, 0, sizeof ended_by);
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        assert_int_equal(
            simulate(watches_a_spared_one, NULL, (es_simulation){.seed = seed, .faults = ES_FAULT_KILL}), 0);
    /* Before it has called it may be struck. */
    assert_true(ended_by[0] > SEEDS - 10);
}

/* ------------------------------------------------------------ two phases */

static int
    balance_when_asked; /* the node's end takes a while: what it does then is not what was asked about */

static bool below_three(void *unused)
{
    (void)unused;
    balance_when_asked = balance;
    return balance < 3;
}

static void counts(void *unused)
{
    (void)unused;
    for (balance = 0; balance < 5; balance++)
        es_sleep(1);
}

static void test_what_must_hold_is_looked_at_after_each_turn(void **state)
{
    (void)state;
    assert_int_equal(simulate(counts, NULL, (es_simulation){.holds = below_three}), 1);
    assert_int_equal(balance_when_asked, 3);
    assert_int_equal(simulate(counts, NULL, (es_simulation){.seed = 1}), 0);
}

static bool is_at_least_ten(void *unused)
{
    (void)unused;
    balance_when_asked = balance;
    return balance >= 10;
}

static void serves_for_ever(void *unused)
{
    (void)unused;
    for (balance = 0;; balance++)
        es_sleep(1000);
}

static void test_a_server_is_done_when_it_has_settled(void **state)
{
    (void)state;
    assert_int_equal(simulate(serves_for_ever, NULL, (es_simulation){.settled = is_at_least_ten}), 0);
    assert_in_range(balance_when_asked, 10, 11);
    assert_int_equal(
        simulate(serves_for_ever, NULL, (es_simulation){.settled = is_at_least_ten, .faults_ms = 20000}), 0);
    assert_in_range(balance_when_asked, 19, 21);
}

static void test_who_does_not_settle_in_time_has_failed(void **state)
{
    (void)state;
    assert_int_equal(simulate(serves_for_ever, NULL, (es_simulation){.settle_ms = 5000}), 1);
}

static void never_waits(void *unused)
{
    (void)unused;
    for (;;)
        es_yield();
}

static void test_who_takes_too_many_turns_has_failed(void **state)
{
    (void)state;
    assert_int_equal(simulate(never_waits, NULL, (es_simulation){.turns_most = 1000}), 1);
}

static void waits_for_ever(void *unused)
{
    (void)unused;
    es_receive
        es_case(go) {
        }
}

static void test_everybody_waiting_is_a_failure(void **state)
{
    (void)state;
    assert_int_equal(simulate(waits_for_ever, NULL, (es_simulation){.faults = ES_FAULTS_ORDER}), 1);
}

static void test_what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    assert_int_equal(simulate(counts, NULL, (es_simulation){.faults_ms = -2}), 70);
    assert_int_equal(simulate(counts, NULL, (es_simulation){.faults = 1u << 31}), 70);
    setenv("ES_SIM", "seven", 1);
    assert_int_equal(simulate(counts, NULL, (es_simulation){.seed = 1}), 70);
    setenv("ES_SIM", "7", 1);
    setenv("ES_SIM_FAULTS", "kil", 1);
    assert_int_equal(simulate(counts, NULL, (es_simulation){.seed = 1}), 70);
    unsetenv("ES_SIM_FAULTS");
    setenv("ES_SIM_STRIKES", "kill", 1);
    assert_int_equal(simulate(counts, NULL, (es_simulation){.seed = 1}), 70);
    unsetenv("ES_SIM_STRIKES");
    assert_int_equal(simulate(counts, NULL, (es_simulation){.seed = 1}), 0);
    unsetenv("ES_SIM");
}

static int status_inside;

static void simulates_inside(void *unused)
{
    (void)unused;
    status_inside = es_simulate(counts, NULL, &(es_simulation){.seed = 99, .holds = below_three});
    counts(NULL);
}

/* And the one that runs is not disturbed. */
static void test_there_is_one_simulation_at_a_time_and_none_beside_a_node(void **state)
{
    (void)state;
    uint64_t trace[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            simulate(i ? simulates_inside : counts, NULL, (es_simulation){.seed = 5, .trace = &trace[i]}), 0);
    assert_int_equal(status_inside, 70);
    assert_int_equal(balance, 5);
    assert_int_equal(trace[0], trace[1]);
    assert_int_equal(es_node_start(&(es_options){.schedulers = 1}), ES_OK);
    assert_int_equal(simulate(counts, NULL, (es_simulation){.seed = 1}), 70);
    assert_int_equal(es_node_stop(ES_INFINITY), ES_OK);
}

/* ------------------------------------------------------------ a list of faults */

static void test_only_the_listed_faults_strike(void **state)
{
    (void)state;
    memset(ended_by, 0, sizeof ended_by);
    setenv("ES_SIM_STRIKES", "kill@5,crash@100", 1);
    for (uint64_t seed = 1; seed <= 20; seed++)
        assert_int_equal(simulate(watches, NULL, (es_simulation){.seed = seed, .faults = ES_FAULTS_ALL}), 0);
    unsetenv("ES_SIM_STRIKES");
    assert_int_equal(ended_by[1], 20);
    assert_int_equal(ended_by[2], 20);
    assert_int_equal(ended_by[0], 60);
}

/* ------------------------------------------------------------ the real world */

/* The report ends the wait that it tells of. */
static char reported[2000];
static int report_made[2];

static void take_report(const char *text, size_t length)
{
    snprintf(reported, sizeof reported, "%.*s", (int)length, text);
    if (write(report_made[1], "", 1) != 1)
        abort();
}

/* As a library would that knows nothing of us. */
static void waits_for_real(void)
{
    es_label("the one who waits");
    while (poll(&(struct pollfd){.fd = report_made[0], .events = POLLIN}, 1, STORY_PATIENCE_MS) < 0) {
    }
}

static void one_waits_for_real(void *unused)
{
    (void)unused;
    wait_for_end(es_spawn(waits_for_real));
}

static void test_a_call_that_stops_the_world_for_a_second_is_told(void **state)
{
    (void)state;
    assert_int_equal(pipe(report_made), 0);
    uint64_t trace[2];
    esi_report_configure();
    esi_report_set_sink(take_report);
    assert_int_equal(simulate(one_waits_for_real, NULL, (es_simulation){.trace = &trace[0]}), 0);
    esi_report_set_sink(NULL);
    assert_non_null(strstr(reported, "E0120"));
    assert_non_null(strstr(reported, "the one who waits"));
    assert_non_null(strstr(reported, "waits_for_real"));
    assert_non_null(strstr(reported, "simulated world"));
    assert_int_equal(simulate(one_waits_for_real, NULL, (es_simulation){.trace = &trace[1]}), 0);
    assert_int_equal(trace[0], trace[1]); /* nothing of it is in the world */
    close(report_made[0]);
    close(report_made[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_some_seeds_find_a_lost_update_and_find_it_again),
        cmocka_unit_test(test_processes_are_killed_and_crash_where_that_is_asked_for),
        cmocka_unit_test(test_nothing_strikes_after_its_time),
        cmocka_unit_test(test_allocations_fail_in_a_process_and_end_it),
        cmocka_unit_test(test_a_process_is_frozen_for_a_while_and_goes_on),
        cmocka_unit_test(test_who_is_spared_is_not_struck),
        cmocka_unit_test(test_what_must_hold_is_looked_at_after_each_turn),
        cmocka_unit_test(test_a_server_is_done_when_it_has_settled),
        cmocka_unit_test(test_who_does_not_settle_in_time_has_failed),
        cmocka_unit_test(test_who_takes_too_many_turns_has_failed),
        cmocka_unit_test(test_everybody_waiting_is_a_failure),
        cmocka_unit_test(test_what_makes_no_sense_is_refused),
        cmocka_unit_test(test_there_is_one_simulation_at_a_time_and_none_beside_a_node),
        cmocka_unit_test(test_only_the_listed_faults_strike),
        cmocka_unit_test(test_a_call_that_stops_the_world_for_a_second_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
