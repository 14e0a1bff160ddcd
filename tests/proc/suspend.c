/* tests/proc/suspend.c - standing still until somebody says go on. */
#include "watch.h"

ES_ATOMS(one, two);

static struct end end, other_end;
static atomic_int got;
static atomic_bool go, tick_on;
static atomic_long ticks;
static int snapshots[6];
static es_info info;
static es_err error;

static void run(void (*first)(void))
{
    memset(&end, 0, sizeof end);
    memset(&other_end, 0, sizeof other_end);
    memset(snapshots, 0, sizeof snapshots);
    atomic_store(&got, 0);
    atomic_store(&go, false);
    atomic_store(&ticks, 0);
    atomic_store(&tick_on, true);
    assert_int_equal(es_run((void (*)(void *))first, NULL, NULL), 0);
}

static void counts_messages(void)
{
    for (;;)
        es_receive {
            es_case(ES_ANY)
                atomic_fetch_add(&got, 1);
        }
}

/* Long enough for anybody who is runnable to have run. */
static void let_others_run(void)
{
    for (int i = 0; i < 200; i++)
        es_yield();
    es_sleep(2);
}

static void wait_got(int count)
{
    while (atomic_load(&got) != count)
        es_yield();
}

static void suspends_and_resumes(void)
{
    es_pid p = es_spawn(counts_messages);
    error = es_suspend(p);
    es_send(p, one);
    es_send(p, two);
    let_others_run();
    snapshots[0] = atomic_load(&got);
    es_process_info(p, &info);
    es_resume(p);
    wait_got(2);
}

CASE(a_message_to_a_suspended_process_is_handled_after_the_resume, 1, "PRC-12")
{
    run(suspends_and_resumes);
    assert_int_equal(error, ES_OK);
    assert_int_equal(snapshots[0], 0);
    assert_int_equal(info.state, ES_STATE_SUSPENDED);
    assert_int_equal(info.messages, 2);
}

static void suspends_itself(void)
{
    tell_end(&end);
    es_suspend(es_self());
}

static void suspends_the_dead(void)
{
    tell_end(&end);
    es_pid dead = es_spawn(suspends_itself);
    es_info unused;
    while (es_process_info(dead, &unused))
        es_yield();
    atomic_store(&end.is_ended, false);
    tell_end(&other_end);
    es_suspend(dead);
}

static void self_first(void)
{
    es_spawn(suspends_itself);
    wait_end(&end);
    es_spawn(suspends_the_dead);
    wait_end(&other_end);
}

CASE(suspending_oneself_or_the_dead_is_an_argument_error, 1, "PRC-13")
{
    run(self_first);
    assert_string_equal(end.reason, "{badarg,suspend}");
    assert_string_equal(other_end.reason, "{badarg,suspend}");
}

static es_pid target;

static void suspends_and_waits(void)
{
    es_suspend(target);
    es_suspend(target);
    atomic_store(&go, true);
    es_sleep(ES_INFINITY);
}

static void suspender_ends_first(void)
{
    target = es_spawn(counts_messages);
    es_pid suspender = es_spawn(suspends_and_waits);
    wait_for(&go);
    es_send(target, one);
    let_others_run();
    snapshots[0] = atomic_load(&got);
    kill_it(suspender);
    wait_got(1);
}

CASE(a_suspended_process_runs_again_when_its_suspender_ends, 1, "PRC-14")
{
    run(suspender_ends_first);
    assert_int_equal(snapshots[0], 0);
}

static void resumes_too_often(void)
{
    tell_end(&end);
    es_suspend(target);
    es_suspend(target);
    es_send(target, one);
    es_resume(target);
    let_others_run();
    snapshots[0] = atomic_load(&got);
    es_resume(target);
    wait_got(1);
    es_resume(target);
}

static void twice_first(void)
{
    target = es_spawn(counts_messages);
    es_spawn(resumes_too_often);
    wait_end(&end);
}

CASE(suspended_twice_resumed_once_stays_suspended_and_one_resume_too_many_is_an_error, 1, "PRC-15")
{
    run(twice_first);
    assert_int_equal(snapshots[0], 0);
    assert_string_equal(end.reason, "{badarg,resume}");
}

static void ticks_on(void)
{
    while (atomic_load(&tick_on)) {
        atomic_fetch_add(&ticks, 1);
        es_yield();
    }
}

static void suspends_a_busy_one(void)
{
    es_pid p = es_spawn(ticks_on);
    while (!atomic_load(&ticks))
        es_yield();
    es_suspend(p);
    long before = atomic_load(&ticks);
    let_others_run();
    snapshots[0] = atomic_load(&ticks) == before;
    es_resume(p);
    while (atomic_load(&ticks) == before)
        es_yield();
    atomic_store(&tick_on, false);
}

static void test_when_suspend_returns_the_process_runs_no_user_code(void **state)
{
    (void)state;
    run(suspends_a_busy_one);
    assert_true(snapshots[0]);
}

static void waits_to_be_killed(void)
{
    tell_end(&end);
    es_sleep(ES_INFINITY);
}

static void kills_a_suspended_one(void)
{
    es_pid p = es_spawn(waits_to_be_killed);
    wait_until_it_waits(p);
    es_suspend(p);
    kill_it(p);
    wait_end(&end);
    es_info unused;
    while (es_process_info(p, &unused))
        es_yield();
    snapshots[0] = 1;
}

static void test_a_suspended_process_can_be_ended(void **state)
{
    (void)state;
    run(kills_a_suspended_one);
    assert_string_equal(end.reason, "killed");
}

int main(void)
{
    setenv("ES_REPORTS", "0", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_to_a_suspended_process_is_handled_after_the_resume),
        cmocka_unit_test(suspending_oneself_or_the_dead_is_an_argument_error),
        cmocka_unit_test(a_suspended_process_runs_again_when_its_suspender_ends),
        cmocka_unit_test(suspended_twice_resumed_once_stays_suspended_and_one_resume_too_many_is_an_error),
        cmocka_unit_test(test_when_suspend_returns_the_process_runs_no_user_code),
        cmocka_unit_test(test_a_suspended_process_can_be_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
