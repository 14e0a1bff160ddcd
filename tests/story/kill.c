/* kill.c - a process that does not come back is ended all the same, where it can be left; where it cannot, it counts as ended. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include "case.h"
#include "rounds.h"
#include <engset.h>
#include "platform/sanitize.h"
#include "proc/contain/report.h"
#include "term/atom.h"

#ifdef __clang__
#define UNCHECKED __attribute__((noinline, optnone))
#else
#define UNCHECKED __attribute__((noinline, noipa))
#endif

#define DELAYED "ThreadSanitizer delays signals to the next call that it intercepts"

ES_ATOMS(stuck, hello, pong, ping);

static struct {
    char reason[200], report[8192];
    int64_t waited_ms, info_us;
    int ended, answered, status;
    es_state state;
    bool is_name_free, printed;
    es_node_info node;
} seen;
static _Atomic int at_work, came_back, is_reported;

static void keep_report(const char *text, size_t length)
{
    snprintf(seen.report, sizeof seen.report, "%.*s", (int)length, text);
    is_reported = 1;
}

static void run(void (*first)(void *))
{
    es_options options = {.schedulers = 2};
    es_node_info before;
    es_node_info_get(&before);
    memset(&seen, 0, sizeof seen);
    at_work = came_back = is_reported = 0;
    esi_report_configure();
    esi_report_set_sink(keep_report);
    seen.status = es_run(first, NULL, &options);
    esi_report_set_sink(NULL);
    seen.node.forced_kills -= before.forced_kills;
    seen.node.stranded -= before.stranded;
}

static void await_down_since(es_ref monitor, int64_t start_ns)
{
    es_term reason;
    es_receive {
        es_case(ES_TUPLE(es_am_DOWN, monitor, es_am_process, ES_ANY, &reason)) {
            es_print(seen.reason, sizeof seen.reason, reason);
            seen.ended++;
        }
        es_after(20000)
            snprintf(seen.reason, sizeof seen.reason, "nothing came");
    }
    seen.waited_ms = (es_now_ns() - start_ns) / 1000000;
}

static void await_down(es_ref monitor)
{
    await_down_since(monitor, es_now_ns());
}

/* The time counts from before the kill: between it and the next line seconds may go by. */
static void kill_and_await_down(es_pid pid, es_ref monitor)
{
    int64_t start_ns = es_now_ns();
    es_send_exit(pid, es_am_kill);
    await_down_since(monitor, start_ns);
}

static void await_work(int count)
{
    while (at_work < count)
        es_yield();
}

static void answer_pings(void)
{
    es_pid from;
    for (;;) {
        es_receive {
            es_case(ES_TUPLE(ping, &from))
                es_send(from, pong);
        }
    }
}

/* ---- nothing comes between ---- */

static _Atomic(int64_t) spun_ms;

/* Uses nothing of Engset, as it must. The watchdog tries to take the process out of it from the 10th millisecond on. */
static UNCHECKED void spin_for_100_ms(void *unused)
{
    (void)unused;
    struct timespec start, now;
    at_work++;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
        spun_ms = (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000;
    } while (spun_ms < 100);
    came_back++;
}

static void spins_uninterrupted(void)
{
    es_uninterrupted(1, spin_for_100_ms, NULL);
    for (;;)
        es_yield();
}

static void kill_one_that_nothing_interrupts(void *unused)
{
    (void)unused;
    es_ref monitor;
    es_pid pid = es_spawn_monitor(&monitor, spins_uninterrupted);
    await_work(1);
    kill_and_await_down(pid, monitor);
    seen.answered = came_back;
    es_node_info_get(&seen.node);
}

static void test_who_is_killed_in_an_uninterrupted_function_comes_to_its_end_first(void **state)
{
    (void)state;
    run(kill_one_that_nothing_interrupts);
    assert_string_equal(seen.reason, "killed");
    assert_int_equal(seen.answered, 1);
    assert_int_equal(seen.node.stranded, 0);
}

/* ---- a loop without a call ---- */

static UNCHECKED void spin(void)
{
    at_work++;
    for (volatile int turning = 1; turning;)
        ;
}

static void others_go_on(void)
{
    es_pid server = es_spawn(answer_pings);
    for (int i = 0; i < 100; i++) {
        es_send(server, ES_TUPLE(ping, es_self()));
        es_receive {
            es_case(pong)
                seen.answered++;
            es_after(5000)
                return;
        }
    }
}

static void kill_a_spinner(void *unused)
{
    (void)unused;
    es_ref monitor;
    es_info info;
    es_pid pid = es_spawn_monitor(&monitor, spin);
    await_work(1);
    others_go_on();
    int64_t start_ns = es_now_ns();
    if (es_process_info(pid, &info))
        seen.state = info.state;
    seen.info_us = (es_now_ns() - start_ns) / 1000;
    kill_and_await_down(pid, monitor);
    es_node_info_get(&seen.node);
}

static void expect_within(const char *what, int64_t took, int64_t most)
{
    print_message("%s: %lld\n", what, (long long)took);
    if (times_count())
        assert_in_range(took, 0, most);
}

CASE(a_process_that_spins_is_killed, 1, "PRC-26 PRC-28")
{
    if (ESI_TSAN)
        skip_since(DELAYED);
    run(kill_a_spinner);
    assert_string_equal(seen.reason, "killed");
    assert_int_equal(seen.node.stranded, 0); /* it was left within a second */
    expect_within("the kill took ms", seen.waited_ms, ESI_ASAN ? 500 : 50);
    assert_int_equal(seen.answered, 100);
    assert_int_equal(seen.state, ES_STATE_RUNNING);
    expect_within("the look at it took us", seen.info_us, 10000);
    assert_true(seen.node.forced_kills >= 1);
}

static void kill_many_spinners(void *unused)
{
    (void)unused;
    for (long i = 0; i < rounds(2000); i++) {
        es_ref monitor;
        int before = at_work;
        es_pid pid = es_spawn_monitor(&monitor, spin);
        await_work(before + 1);
        kill_and_await_down(pid, monitor);
    }
}

static void test_killing_again_and_again_leaves_nothing_behind(void **state)
{
    (void)state;
    if (ESI_TSAN)
        skip_since(DELAYED);
    run(kill_many_spinners);
    assert_int_equal(seen.ended, rounds(2000));
}

/* ---- in a call that takes a lock, but needs no process ---- */

static void make_atoms(void)
{
    char name[] = "an atom that nobody has: 0000000000";
    es_atom atom;
    at_work++;
    for (char *digit = name + sizeof name - 2;; digit = name + sizeof name - 2) {
        if (es_atom_make(name, sizeof name - 1, &atom) == ES_EINVAL)
            return;
        while (++*digit > '9')
            *digit-- = '0';
    }
}

static void kill_who_makes_atoms(void *unused)
{
    (void)unused;
    for (int i = 0; i < 40; i++) {
        es_ref monitor;
        int before = at_work;
        es_pid pid = es_spawn_monitor(&monitor, make_atoms);
        await_work(before + 1);
        kill_and_await_down(pid, monitor);
    }
    es_node_info_get(&seen.node);
}

static void test_who_is_killed_while_it_makes_an_atom_leaves_the_table_to_others(void **state)
{
    (void)state;
    if (ESI_TSAN)
        skip_since(DELAYED);
    esi_atom_set_limit(esi_atom_count() +
                       100); /* each further one is looked for under the lock, and refused */
    run(kill_who_makes_atoms);
    esi_atom_set_limit(ESI_ATOM_LIMIT_DEFAULT);
    assert_int_equal(seen.ended, 40);
    assert_int_equal(seen.node.stranded, 0);
}

static void exit_signals_that_do_not_end(void *unused)
{
    (void)unused;
    es_ref monitor;
    es_pid pid = es_spawn_monitor(&monitor, spin);
    await_work(1);
    es_send_exit(pid, es_am_normal); /* means nothing to others than oneself */
    es_sleep(60);
    es_info info;
    seen.answered = es_process_info(pid, &info);
    es_send_exit(pid, hello);
    await_down(monitor);
}

static void test_only_a_signal_that_ends_it_interrupts_it(void **state)
{
    (void)state;
    if (ESI_TSAN)
        skip_since(DELAYED);
    run(exit_signals_that_do_not_end);
    assert_int_equal(seen.answered, 1); /* it was there */
    assert_string_equal(seen.reason, "hello");
}

/* ---- a blocking call ---- */

static UNCHECKED void sleep_long(void)
{
    struct timespec time = {1000, 0};
    at_work++;
    nanosleep(&time, NULL);
    came_back++;
    for (volatile int turning = 1; turning;)
        ;
}

static void kill_a_sleeper(void *unused)
{
    (void)unused;
    es_ref monitor;
    es_info info;
    es_pid pid = es_spawn_monitor(&monitor, sleep_long);
    await_work(1);
    es_sleep(30);
    int64_t start_ns = es_now_ns();
    if (es_process_info(pid, &info))
        seen.state = info.state;
    seen.info_us = (es_now_ns() - start_ns) / 1000;
    kill_and_await_down(pid, monitor);
    es_node_info_get(&seen.node);
}

CASE(a_process_in_a_blocking_call_is_killed, 1, "PRC-27 PRC-28")
{
    if (ESI_TSAN)
        skip_since(DELAYED);
    run(kill_a_sleeper);
    assert_string_equal(seen.reason, "killed");
    assert_int_equal(seen.node.stranded, 0); /* it was left within a second */
    expect_within("the kill took ms", seen.waited_ms, ESI_ASAN ? 500 : 50);
    assert_int_equal(seen.state, ES_STATE_RUNNING);
    expect_within("the look at it took us", seen.info_us, 10000);
    assert_int_equal(came_back, 1);
}

/* ---- a lock of libc ---- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static FILE *locked_file;
static _Atomic int after_the_end;

static void hold_a_lock_of_libc(void)
{
    if (es_register(stuck, es_self()) != ES_OK)
        return;
    flockfile(locked_file);
    at_work++;
    pthread_mutex_lock(&gate); /* goes on waiting after a signal */
    pthread_mutex_unlock(&gate);
    funlockfile(locked_file);
    came_back++;
    es_self(); /* looks at nothing */
    es_yield();
    after_the_end++;
}

static sem_t is_closed, may_open;

/* Until somebody says so, or for 20 s: who waits behind it is not stuck for ever, whatever fails. */
static void *close_the_gate(void *unused)
{
    (void)unused;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&gate);
    sem_post(&is_closed);
    while (sem_timedwait(&may_open, &until) != 0 && errno == EINTR) {
    }
    pthread_mutex_unlock(&gate);
    return NULL;
}

/* Gives the thread that keeps it closed. */
static pthread_t closed_gate(void)
{
    pthread_t opener;
    sem_init(&is_closed, 0, 0);
    sem_init(&may_open, 0, 0);
    pthread_create(&opener, NULL, close_the_gate, NULL);
    while (sem_wait(&is_closed) != 0) {
    }
    return opener;
}

static void open_gate(pthread_t opener)
{
    sem_post(&may_open);
    pthread_join(opener, NULL);
    sem_destroy(&is_closed);
    sem_destroy(&may_open);
}

static void strand_one(void *unused)
{
    (void)unused;
    es_ref monitor;
    es_pid pid = es_spawn_monitor(&monitor, hold_a_lock_of_libc);
    await_work(1);
    kill_and_await_down(pid, monitor);
    seen.is_name_free = es_pid_is_none(es_whereis(stuck));
    char line[100];
    seen.printed = snprintf(line, sizeof line, "%f", 1.5) > 0;
    others_go_on();
    es_node_info_get(&seen.node);
    sem_post(&may_open);
    for (int i = 0; i < 400 && !came_back; i++)
        es_sleep(10);
    es_sleep(50);
}

CASE(a_process_that_cannot_be_left_counts_as_ended_after_a_second, 1, "CRH-16")
{
    locked_file = fopen("/dev/null", "w");
    after_the_end = 0;
    pthread_t opener = closed_gate();
    run(strand_one);
    open_gate(opener);
    assert_string_equal(seen.reason, "killed");
    assert_true(seen.waited_ms >= 900);
    expect_within("to count as ended took ms", seen.waited_ms, 1900);
    assert_true(seen.is_name_free);
    assert_true(seen.printed);
    assert_int_equal(seen.answered, 100);
    assert_int_equal(seen.node.stranded, 1);
    assert_int_equal(came_back, 1);
    assert_int_equal(after_the_end, 0); /* its first call of the runtime was its last */
    assert_non_null(strstr(seen.report, "[E0121]"));
    fclose(locked_file); /* its lock is free */
}

/* ---- the warning ---- */

/* Not for so many seconds: on a machine that stands still now and then the watchdog may get its turn later than that. */
static UNCHECKED void compute_until_reported(void)
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        for (volatile int i = 0; i < 100000; i++)
            ;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (!is_reported && now.tv_sec - start.tv_sec < 20);
}

static void run_long(void *unused)
{
    (void)unused;
    es_ref monitor;
    es_spawn_opt(ES_WITH(.monitor = &monitor, .label = "image_scale"), compute_until_reported);
    await_down(monitor);
}

static void test_a_long_run_is_named_with_its_place(void **state)
{
    (void)state;
    if (ESI_TSAN)
        skip_since(DELAYED);
    run(run_long);
    assert_string_equal(seen.reason, "normal");
    assert_memory_equal(seen.report, "warning[E0120]: process <0.", 27);
    assert_non_null(strstr(seen.report, "(image_scale) ran "));
    assert_non_null(strstr(seen.report, "ms without a runtime call"));
    if (!strstr(seen.report, "compute_until_reported+0x"))
        fail_msg("%s", seen.report);
}

/* ---- a machine that stands still ---- */

static int standstill_pipe[2];
static pid_t stopper;

/* Another OS process, which stops this one for so long when it is told to. */
static void open_standstill(long ms)
{
    assert_int_equal(pipe(standstill_pipe), 0);
    stopper = fork();
    if (stopper == 0) {
        char byte;
        struct timespec time = {ms / 1000, ms % 1000 * 1000000};
        close(standstill_pipe[1]);
        if (read(standstill_pipe[0], &byte, 1) == 1 && kill(getppid(), SIGSTOP) == 0) {
            nanosleep(&time, NULL);
            kill(getppid(), SIGCONT);
        }
        _exit(0);
    }
    close(standstill_pipe[0]);
}

static void close_standstill(void)
{
    close(standstill_pipe[1]);
    assert_int_equal(waitpid(stopper, NULL, 0), stopper);
}

static void stand_still(void)
{
    assert_int_equal(write(standstill_pipe[1], "x", 1), 1);
}

static void waits_at_the_gate(void)
{
    at_work++;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    came_back++;
    es_yield();
}

static void kill_one_and_stand_still(void *unused)
{
    (void)unused;
    es_ref monitor;
    es_pid pid = es_spawn_monitor(&monitor, waits_at_the_gate);
    await_work(1);
    es_send_exit(pid, es_am_kill);
    es_sleep(40);
    stand_still();
    es_sleep(100);
    sem_post(&may_open);
    await_down(monitor);
    seen.answered = came_back;
    es_node_info_get(&seen.node);
}

static void test_who_had_no_turn_since_its_kill_is_not_given_up(void **state)
{
    (void)state;
    if (ESI_TSAN)
        skip_since(DELAYED);
    open_standstill(1500);
    pthread_t opener = closed_gate();
    run(kill_one_and_stand_still);
    open_gate(opener);
    close_standstill();
    assert_string_equal(seen.reason, "killed");
    assert_int_equal(seen.answered, 1);
    assert_int_equal(seen.node.stranded, 0);
}

static void run_long_and_stand_still(void *unused)
{
    (void)unused;
    es_ref monitor;
    es_spawn_opt(ES_WITH(.monitor = &monitor, .label = "image_scale"), compute_until_reported);
    es_sleep(100);
    stand_still();
    await_down(monitor);
}

static void test_a_long_run_is_named_with_its_place_though_the_machine_stood_still(void **state)
{
    (void)state;
    if (ESI_TSAN)
        skip_since(DELAYED);
    open_standstill(1800);
    run(run_long_and_stand_still);
    close_standstill();
    if (!strstr(seen.report, "compute_until_reported+0x"))
        fail_msg("%s", seen.report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_killed_in_an_uninterrupted_function_comes_to_its_end_first),
        cmocka_unit_test(a_process_that_spins_is_killed),
        cmocka_unit_test(test_killing_again_and_again_leaves_nothing_behind),
        cmocka_unit_test(test_who_is_killed_while_it_makes_an_atom_leaves_the_table_to_others),
        cmocka_unit_test(test_only_a_signal_that_ends_it_interrupts_it),
        cmocka_unit_test(a_process_in_a_blocking_call_is_killed),
        cmocka_unit_test(test_a_long_run_is_named_with_its_place),
        cmocka_unit_test(a_process_that_cannot_be_left_counts_as_ended_after_a_second),
        cmocka_unit_test(test_who_had_no_turn_since_its_kill_is_not_given_up),
        cmocka_unit_test(test_a_long_run_is_named_with_its_place_though_the_machine_stood_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
