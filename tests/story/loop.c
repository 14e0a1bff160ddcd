/* loop.c - a node that has no threads: the program's loop drives it, by one descriptor and one call. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <engset.h>
#include "platform/sanitize.h"
#include "proc/contain/report.h"
#include "story.h"

ES_ATOMS(ping, poke, stop);

enum { PATIENCE_MS = 20000, STEP_NS = 1000000, THREADS = 3 };

static long driver;
static atomic_int elsewhere; /* how often a process found itself in another thread than the driver's */

static void note_thread(void)
{
    if (syscall(SYS_gettid) != driver)
        atomic_fetch_add(&elsewhere, 1);
}

static void begin(void)
{
    driver = syscall(SYS_gettid);
    atomic_store(&elsewhere, 0);
    if (es_node_start(&(es_options){.is_driven = true}) != ES_OK)
        fail_msg("es_start: %s", es_last_detail());
    assert_true(es_loop_fd() >= 0);
}

static void end(void)
{
    if (es_node_stop(PATIENCE_MS) != ES_OK)
        fail_msg("es_stop: %s", es_last_detail());
    assert_int_equal(atomic_load(&elsewhere), 0);
}

/* Looks at the descriptor alone, as the simplest program would. False: nothing happened for long. */
static bool turn(void)
{
    struct pollfd fd = {.fd = es_loop_fd(), .events = POLLIN};
    if (poll(&fd, 1, PATIENCE_MS) != 1)
        return false;
    return es_loop_step(STEP_NS) >= ES_INFINITY;
}

#define turn_until(condition) \
    while (!(condition))      \
    assert_true(turn())

/* ------------------------------------------------------------ what it wakes for */

static atomic_int ran;

static void runs(void)
{
    note_thread();
    for (int i = 0; i < 10; i++)
        es_yield();
    atomic_fetch_add(&ran, 1);
}

CASE(processes_run_in_the_thread_whose_loop_drives_the_node, 1, "")
{
    begin();
    atomic_store(&ran, 0);
    for (int i = 0; i < 100; i++)
        assert_false(es_pid_is_none(es_spawn(runs)));
    turn_until(atomic_load(&ran) == 100);
    es_node_info info;
    es_node_info_get(&info);
    assert_int_equal(info.schedulers, 1);
    assert_int_equal(info.threads, 1);
    end();
}

static void sleeps(void)
{
    es_sleep(20);
    note_thread();
    atomic_fetch_add(&ran, 1);
}

CASE(the_descriptor_is_readable_when_a_timer_is_due_and_the_step_says_when, 1, "")
{
    begin();
    int64_t before, left;
    do { /* again, if its time was over before the step could say so */
        atomic_store(&ran, 0);
        before = es_now_ns();
        es_spawn(sleeps);
        for (left = 0; left == 0 && !atomic_load(&ran);)
            left = es_loop_step(STEP_NS);
    } while (atomic_load(&ran) && es_now_ns() - before >= 20000000);
    assert_true(left > 0 && left <= 20000000);
    turn_until(atomic_load(&ran) == 1);
    assert_true(es_now_ns() - before >= 20000000);
    while ((left = es_loop_step(ES_INFINITY)) == 0) {
    }
    assert_true(left == ES_INFINITY || left > 0);
    end();
}

static int ends[2];

static void reads_pipe(void)
{
    char byte;
    for (int i = 0; i < 3; i++) {
        es_wait_fd(ends[0], POLLIN, ES_INFINITY);
        note_thread();
        if (read(ends[0], &byte, 1) == 1)
            atomic_fetch_add(&ran, 1);
    }
}

CASE(the_descriptor_is_readable_when_one_is_ready_that_a_process_waits_for, 1, "")
{
    begin();
    atomic_store(&ran, 0);
    assert_int_equal(pipe(ends), 0);
    es_spawn(reads_pipe);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(write(ends[1], "x", 1), 1);
        turn_until(atomic_load(&ran) == i + 1);
    }
    end();
    close(ends[0]);
    close(ends[1]);
}

CASE(an_idle_loop_sleeps, 1, "")
{
    begin();
    es_pid pid = es_spawn(waits);
    es_info info = {.state = ES_STATE_RUNNABLE};
    while (es_process_info(pid, &info) && info.state != ES_STATE_WAITING)
        assert_true(turn());
    for (int i = 0; i < 3; i++) /* what rang before */
        es_loop_step(STEP_NS);
    struct pollfd fd = {.fd = es_loop_fd(), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 50), 0);
    end();
}

/* ------------------------------------------------------------ wake-ups that must not be lost */

static sem_t answers[THREADS];
static atomic_bool is_over;
static atomic_long missing;

static void answers_pokes(es_term number)
{
    int64_t i = 0;
    es_match(number, &i);
    for (;;)
        es_receive {
            es_case(poke) {
                note_thread();
                sem_post(&answers[i]);
            }
            es_case(stop)
                return;
        }
}

struct poker {
    int number;
    long times;
    es_pid pid;
};

static bool comes_in_time(sem_t *semaphore)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000 / 2;
    return sem_timedwait(semaphore, &until) == 0;
}

/* One poke at a time, so that each finds the loop about to sleep, asleep, or just awake. */
static void *pokes(void *argument)
{
    struct poker *poker = argument;
    for (long i = 0; i < poker->times; i++) {
        es_send(poker->pid, poke);
        if (!comes_in_time(&answers[poker->number])) {
            atomic_fetch_add(&missing, 1);
            break;
        }
    }
    es_send(poker->pid, stop);
    return NULL;
}

static void poke_from(int threads, long times)
{
    pthread_t thread[THREADS];
    struct poker pokers[THREADS];
    begin();
    atomic_store(&missing, 0);
    for (int i = 0; i < threads; i++) {
        sem_init(&answers[i], 0, 0);
        pokers[i] = (struct poker){i, times, es_spawn(answers_pokes, i)};
        assert_int_equal(pthread_create(&thread[i], NULL, pokes, &pokers[i]), 0);
    }
    es_node_info info;
    do {
        assert_true(turn());
        es_node_info_get(&info);
    } while (info.processes);
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    end();
    assert_int_equal(atomic_load(&missing), 0);
}

CASE(no_message_of_a_foreign_thread_is_missed_while_the_loop_goes_to_sleep, 1000000, "")
{
    poke_from(1, rounds(1000000));
}

CASE(no_message_of_several_foreign_threads_is_missed, 300000, "")
{
    poke_from(THREADS, rounds(300000));
}

static void counts_spawned(void)
{
    note_thread();
    sem_post(&answers[0]);
}

static void *spawns_on(void *times)
{
    for (long i = 0; i < *(long *)times; i++) {
        es_spawn(counts_spawned);
        if (!comes_in_time(&answers[0]))
            atomic_fetch_add(&missing, 1);
    }
    atomic_store(&is_over, true);
    es_spawn(returns);
    return NULL;
}

CASE(no_process_that_a_foreign_thread_spawns_is_missed, 100000, "")
{
    pthread_t thread;
    long times = rounds(100000);
    begin();
    atomic_store(&missing, 0);
    atomic_store(&is_over, false);
    sem_init(&answers[0], 0, 0);
    assert_int_equal(pthread_create(&thread, NULL, spawns_on, &times), 0);
    turn_until(atomic_load(&is_over));
    pthread_join(thread, NULL);
    end();
    assert_int_equal(atomic_load(&missing), 0);
}

/* ------------------------------------------------------------ what goes wrong in a process */

static void no_report(const char *text, size_t length)
{
    (void)text, (void)length;
}

static volatile uintptr_t nowhere = 8; /* so that no compiler can know */

static void faults(void)
{
    *(volatile int *)nowhere = 1;
}

static void computes_for_ever(void)
{
    atomic_store(&ran, 1);
    for (volatile int i = 0;; i++) {
    }
}

static void *kills(void *pid)
{
    while (!atomic_load(&ran))
        sched_yield();
    es_send_exit(*(es_pid *)pid, es_am_kill);
    return NULL;
}

CASE(a_fault_in_a_process_leaves_the_drivers_thread_alone, 1, "")
{
    begin();
    esi_report_set_sink(no_report);
    es_pid pid = es_spawn(faults), healthy = es_spawn(waits);
    turn_until(!es_is_alive(pid));
    assert_true(es_is_alive(healthy));
    end();
    esi_report_set_sink(NULL);
}

CASE(a_process_that_computes_for_ever_is_not_handed_over_and_can_be_killed, 1, "")
{
    if (ESI_TSAN)
        skip_since("ThreadSanitizer delivers signals at the next call that it intercepts");
    pthread_t thread;
    es_node_info before, after;
    begin();
    esi_report_set_sink(no_report);
    es_node_info_get(&before);
    atomic_store(&ran, 0);
    es_pid pid = es_spawn(computes_for_ever);
    assert_int_equal(pthread_create(&thread, NULL, kills, &pid), 0);
    turn_until(!es_is_alive(pid));
    pthread_join(thread, NULL);
    es_node_info_get(&after);
    assert_int_equal(after.handovers, before.handovers);
    assert_int_equal(after.forced_kills, before.forced_kills + 1);
    end();
    esi_report_set_sink(NULL);
}

/* ------------------------------------------------------------ calls from the driver's thread, and refusals */

static void echo(void)
{
    es_term from, what;
    for (;;)
        es_receive
            es_case_call(from, &what)
                es_reply_to(from, what);
}

CASE(the_drivers_thread_may_call_a_process_and_wait_for_one, 1, "")
{
    es_term answer, reason;
    begin();
    es_pid pid = es_spawn(echo);
    assert_int_equal(es_try_call(pid, ES_TUPLE(ping, 3), PATIENCE_MS, &answer), ES_OK);
    assert_true(es_match(answer, ES_TUPLE(ping, 3)));
    es_drop(answer);
    pid = es_spawn(sleeps);
    assert_int_equal(es_wait_process(pid, es_now_ns() + INT64_C(1000000) * PATIENCE_MS, &reason), ES_OK);
    assert_true(es_is(reason, es_am_normal));
    end();
}

static void *steps(void *errors)
{
    ((int64_t *)errors)[0] = es_loop_step(0);
    ((int64_t *)errors)[1] = es_node_stop(0);
    return NULL;
}

static int64_t in_process;

static void steps_in_a_process(void)
{
    in_process = es_loop_step(0);
}

CASE(only_one_thread_drives_and_stops_a_node, 1, "")
{
    int64_t errors[2];
    pthread_t thread;
    begin();
    es_pid pid = es_spawn(steps_in_a_process);
    turn_until(!es_is_alive(pid));
    assert_int_equal(in_process, ES_EINVAL);
    assert_int_equal(pthread_create(&thread, NULL, steps, errors), 0);
    pthread_join(thread, NULL);
    assert_int_equal(errors[0], ES_EINVAL);
    assert_int_equal(errors[1], ES_EINVAL);
    assert_int_equal(es_loop_step(-7), ES_EINVAL);
    end();
    assert_int_equal(es_node_start(NULL), ES_OK);
    assert_int_equal(es_loop_fd(), ES_EINVAL);
    assert_int_equal(es_loop_step(0), ES_EINVAL);
    assert_int_equal(es_node_stop(PATIENCE_MS), ES_OK);
}

CASE(a_driven_node_stops_and_starts_again, 20000, "")
{
    for (long i = 0; i < rounds(20000); i++) {
        begin();
        es_spawn(waits);
        if (i % 2)
            es_loop_step(0);
        end();
    }
}

static atomic_int written;

static void writes_to_nobody(void)
{
    int ends[2];
    if (es_pipe(ends) == ES_OK && es_close(ends[0]) == ES_OK)
        atomic_store(&written, (int)es_write(ends[1], "x", 1, 0));
}

static void a_pipe_that_nobody_reads_is_an_error_and_no_signal(void **state)
{
    (void)state;
    sigset_t pending;
    begin();
    es_spawn(writes_to_nobody);
    turn_until(atomic_load(&written));
    assert_int_equal(atomic_load(&written), ES_ECLOSED);
    assert_int_equal(sigpending(&pending), 0);
    assert_false(sigismember(&pending, SIGPIPE));
    end();
}

static void one_scheduler_is_what_a_driven_node_has(void **state)
{
    (void)state;
    assert_int_equal(es_node_start(&(es_options){.is_driven = true, .schedulers = 2}), ES_EINVAL);
    assert_int_equal(es_node_start(&(es_options){.is_driven = true, .schedulers = 1}), ES_OK);
    assert_int_equal(es_node_stop(PATIENCE_MS), ES_OK);
}

/* ------------------------------------------------------------ the next node */

static int pipe_ends[2];
static atomic_int answer;

static void waits_for_its_end(void)
{
    int64_t events = es_wait_fd(pipe_ends[0], POLLIN, es_now_ns() + 3 * PATIENCE_MS * INT64_C(1000000));
    atomic_store(&answer, events > 0 ? 1 : -1);
}

static void writes_when_the_other_waits(void)
{
    es_ref end;
    es_pid other = es_spawn_monitor(&end, waits_for_its_end);
    es_info info;
    while (es_process_info(other, &info) && info.state != ES_STATE_WAITING)
        es_sleep(1);
    EXPECT(write(pipe_ends[1], "x", 1) == 1);
    es_receive {
        es_case(ES_TUPLE(es_am_DOWN, end, ES_ANY, ES_ANY, ES_ANY)) {
        }
        es_after(PATIENCE_MS)
            EXPECT(!"the poller was looked at");
    }
}

/* What the driver left behind it, at its descriptor, was taken for somebody who polls. */
CASE(after_a_driven_node_the_next_one_with_threads_waits_for_descriptors, 1, "")
{
    begin();
    for (int i = 0; i < 3; i++)
        es_loop_step(STEP_NS);
    end();
    assert_int_equal(pipe(pipe_ends), 0);
    atomic_store(&answer, 0);
    play_real(writes_when_the_other_waits);
    assert_int_equal(atomic_load(&answer), 1);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_driven_node_the_next_one_with_threads_waits_for_descriptors),
        cmocka_unit_test(processes_run_in_the_thread_whose_loop_drives_the_node),
        cmocka_unit_test(the_descriptor_is_readable_when_a_timer_is_due_and_the_step_says_when),
        cmocka_unit_test(the_descriptor_is_readable_when_one_is_ready_that_a_process_waits_for),
        cmocka_unit_test(an_idle_loop_sleeps),
        cmocka_unit_test(no_message_of_a_foreign_thread_is_missed_while_the_loop_goes_to_sleep),
        cmocka_unit_test(no_message_of_several_foreign_threads_is_missed),
        cmocka_unit_test(no_process_that_a_foreign_thread_spawns_is_missed),
        cmocka_unit_test(a_fault_in_a_process_leaves_the_drivers_thread_alone),
        cmocka_unit_test(a_process_that_computes_for_ever_is_not_handed_over_and_can_be_killed),
        cmocka_unit_test(the_drivers_thread_may_call_a_process_and_wait_for_one),
        cmocka_unit_test(only_one_thread_drives_and_stops_a_node),
        cmocka_unit_test(a_driven_node_stops_and_starts_again),
        cmocka_unit_test(a_pipe_that_nobody_reads_is_an_error_and_no_signal),
        cmocka_unit_test(one_scheduler_is_what_a_driven_node_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
