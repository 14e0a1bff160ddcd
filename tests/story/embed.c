/* embed.c - a node beside the program's own threads: started, stopped, started again; what it refuses; who waits for a process. */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <engset.h>
#include "platform/sanitize.h"
#include "proc/process.h"
#include "story.h"

ES_ATOMS(ping, pong, crash_now, sum, drained, nobody_at_all);

enum { PATIENCE_MS = 20000 };

static int64_t soon(void)
{
    return es_now_ns() + (int64_t)PATIENCE_MS * 1000000;
}

static void assert_started(const es_options *options)
{
    if (es_node_start(options) != ES_OK)
        fail_msg("es_start: %s", es_last_detail());
}

static void assert_stopped(void)
{
    es_err error = es_node_stop(PATIENCE_MS);
    if (error != ES_OK)
        fail_msg("es_stop: %s: %s", es_err_name(error), es_last_detail());
}

/* ------------------------------------------------------------ starting, stopping */

static void echo(void)
{
    es_term from, what;
    for (;;)
        es_receive {
            es_case_call(from, &what)
                es_reply_to(from, what);
            es_case(crash_now)
                es_exit(ES_TUPLE(crash_now, 42));
        }
}

static void assert_answers(es_pid pid)
{
    es_term answer;
    assert_int_equal(es_try_call(pid, ES_TUPLE(ping, 7), PATIENCE_MS, &answer), ES_OK);
    assert_true(es_match(answer, ES_TUPLE(ping, 7)));
    es_drop(answer);
}

CASE(a_node_starts_beside_the_program_and_stops_and_starts_again, 1, "")
{
    for (int i = 0; i < 20; i++) {
        assert_started(i % 2 ? NULL : &(es_options){.schedulers = 2});
        es_node_info info;
        es_pid pid = es_spawn(echo);
        assert_answers(pid);
        es_node_info_get(&info);
        assert_true(info.processes >= 1);
        assert_stopped();
        assert_false(es_is_alive(pid));
        es_node_info_get(&info);
        assert_int_equal(info.schedulers, 0);
    }
}

/* What es_node_start() says when `left` more descriptors may be opened. */
static void assert_lacks_descriptors(const es_options *options, int left)
{
    struct rlimit before, now;
    int next = dup(STDERR_FILENO);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    now.rlim_cur = (rlim_t)(next + left);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    es_err error = es_node_start(options);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(error, ES_ELIMIT);
    assert_non_null(strstr(es_last_detail(), "RLIMIT_NOFILE"));
}

CASE(a_start_without_descriptors_says_so_and_the_next_one_goes_well, 1, "")
{
    assert_lacks_descriptors(NULL, 0);
    assert_lacks_descriptors(NULL, 1);
    assert_lacks_descriptors(&(es_options){.is_driven = true}, 1);
    assert_lacks_descriptors(&(es_options){.is_driven = true}, 2);
    assert_started(NULL);
    assert_answers(es_spawn(echo));
    assert_stopped();
}

static void returns_at_once(void *unused)
{
    (void)unused;
}

CASE(es_run_and_es_start_take_turns, 1, "")
{
    for (int i = 0; i < 5; i++) {
        assert_int_equal(es_run(returns_at_once, NULL, NULL), 0);
        assert_started(NULL);
        assert_stopped();
        assert_int_equal(es_run_simulated(1, returns_at_once, NULL, NULL, NULL), 0);
    }
}

static void stays(void)
{
    es_trap_exit(true);
    for (;;)
        es_receive
            es_case(ES_ANY) {
            }
}

CASE(who_does_not_end_by_shutdown_is_killed_when_the_time_is_over, 1, "")
{
    assert_started(NULL);
    es_spawn(stays);
    assert_int_equal(es_node_stop(0), ES_ETIMEOUT);
    assert_int_equal(es_node_stop(0), ES_ECLOSED);
}

/* ------------------------------------------------------------ refusals */

static es_err told[2];

static void starts_and_stops_in_a_process(void)
{
    told[0] = es_node_start(NULL);
    told[1] = es_node_stop(0);
}

CASE(a_second_start_and_a_stop_from_a_process_are_refused, 1, "")
{
    es_term reason;
    assert_int_equal(es_node_stop(0), ES_ECLOSED);
    assert_started(NULL);
    assert_int_equal(es_node_start(NULL), ES_EEXIST);
    assert_non_null(strstr(es_last_detail(), "a node runs already"));
    es_pid pid = es_spawn(starts_and_stops_in_a_process);
    es_err waited = es_wait_process(pid, soon(), &reason);
    assert_true(waited == ES_OK || waited == ES_ENOPROC);
    assert_int_equal(told[0], ES_EINVAL);
    assert_int_equal(told[1], ES_EINVAL);
    assert_stopped();
    assert_int_equal(es_node_start(&(es_options){.is_driven = true, .schedulers = 2}), ES_EINVAL);
}

static void *stops_it(void *error)
{
    *(es_err *)error = es_node_stop(0);
    return NULL;
}

static void first_lets_a_thread_stop(void *error)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, stops_it, error) == 0)
        pthread_join(thread, NULL);
}

CASE(the_node_of_es_run_is_not_stopped_by_others, 1, "")
{
    es_err error = ES_OK;
    assert_int_equal(es_run(first_lets_a_thread_stop, &error, NULL), 0);
    assert_int_equal(error, ES_EINVAL);
}

/* What a forked child finds; its exit status is which of these did not hold. */
static int look_in_the_child(bool had_node)
{
    if (!had_node) {
        if (es_node_start(NULL) != ES_OK)
            return 1;
        return es_node_stop(1000) == ES_OK ? 0 : 2;
    }
    if (es_node_start(NULL) != ES_EEXIST || !strstr(es_last_detail(), "forked"))
        return 3;
    if (es_node_stop(0) != ES_ECLOSED)
        return 4;
    if (es_send((es_pid){.id = 1}, ping) != ES_ECLOSED)
        return 5;
    if (!es_pid_is_none(es_spawn(echo)) || es_last_error() != ES_ECLOSED)
        return 6;
    return 0;
}

static int forked_child_says(bool had_node)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        _exit(look_in_the_child(had_node));
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

CASE(a_forked_child_is_told_that_it_has_no_node, 1, "")
{
    assert_started(NULL);
    assert_int_equal(forked_child_says(true), 0);
    assert_answers(es_spawn(echo));
    assert_stopped();
}

CASE(a_child_forked_without_a_node_may_have_its_own, 1, "")
{
    if (ESI_TSAN)
        skip_since("ThreadSanitizer lets no thread start behind a fork");
    assert_int_equal(forked_child_says(false), 0);
}

CASE(without_a_node_every_call_says_so, 1, "")
{
    es_term answer;
    es_ref none = {0};
    assert_int_equal(es_send((es_pid){.id = 1}, ping), ES_ECLOSED);
    assert_int_equal(es_send(none, ping), ES_ECLOSED);
    assert_true(es_pid_is_none(es_spawn(echo)));
    assert_int_equal(es_last_error(), ES_ECLOSED);
    assert_int_equal(es_try_call((es_pid){.id = 1}, ping, 10, &answer), ES_ECLOSED);
    assert_int_equal(es_wait_process((es_pid){.id = 1}, 0, NULL), ES_ECLOSED);
    assert_int_equal(es_send_exit((es_pid){.id = 1}, ping), ES_ECLOSED);
    assert_int_equal(es_loop_fd(), ES_ECLOSED);
    assert_int_equal(es_loop_step(0), ES_ECLOSED);
}

/* ------------------------------------------------------------ waiting for a process */

/* Does a thread wait for its end? */
static bool is_waited_for(void)
{
    struct esi_map_node *node =
        esi_map_next_after(&esi_process_slot(es_self().id)->bonds, (struct esi_key){ESI_BOND_WAITER, 0});
    return node && node->key.a == ESI_BOND_WAITER;
}

static void tells_who_waits(void)
{
    es_term from;
    for (;;)
        es_receive {
            es_case_call(from, ping)
                es_reply_to(from, is_waited_for());
        }
}

static void who_waited_in_vain_leaves_nothing_at_the_process(void **state)
{
    (void)state;
    es_term reason, answer = es_none();
    bool is_free = false;
    assert_started(NULL);
    es_pid pid = es_spawn(tells_who_waits);
    assert_int_equal(es_wait_process(pid, es_now_ns() + 1000000, &reason), ES_ETIMEOUT);
    for (int64_t until = soon(); !is_free && es_now_ns() < until; es_drop(answer)) {
        assert_int_equal(es_try_call(pid, ping, PATIENCE_MS, &answer), ES_OK);
        is_free = es_is(answer, es_am_false);
    }
    assert_true(is_free);
    assert_stopped();
}

static void ends_when_asked(void)
{
    es_term from;
    es_receive
        es_case_call(from, crash_now)
            es_exit(crash_now);
}

static void a_thread_is_told_why_a_call_failed(void **state)
{
    (void)state;
    es_term answer = es_none();
    assert_started(NULL);
    es_pid pid = es_spawn(ends_when_asked);
    assert_int_equal(es_send_wait(pid, ping, 0), ES_ENOPROC);
    assert_non_null(strstr(es_last_detail(), "send_wait: called in a thread that is no process"));
    assert_int_equal(es_try_call(pid, crash_now, PATIENCE_MS, &answer), ES_ECLOSED);
    assert_non_null(strstr(es_last_detail(), "ended and had not answered"));
    es_drop(answer);
    assert_stopped();
}

CASE(a_thread_is_told_why_a_process_ended, 1, "")
{
    es_term reason;
    assert_started(NULL);
    es_pid pid = es_spawn(echo);
    assert_int_equal(es_wait_process(pid, es_now_ns(), &reason), ES_ETIMEOUT);
    assert_int_equal(es_wait_process(pid, es_now_ns() + 1000000, &reason), ES_ETIMEOUT);
    es_send(pid, crash_now);
    es_err error = es_wait_process(pid, soon(), &reason);
    if (error == ES_OK) {
        assert_true(es_match(reason, ES_TUPLE(crash_now, 42)));
        es_drop(reason);
    } else {
        assert_int_equal(error, ES_ENOPROC); /* it was faster */
    }
    assert_int_equal(es_wait_process(pid, soon(), &reason), ES_ENOPROC);
    assert_stopped();
}

struct wait {
    es_pid pid;
    es_err error;
    es_term reason;
    char detail[256];
};

static void *waits_in_thread(void *argument)
{
    struct wait *wait = argument;
    wait->error = es_wait_process(wait->pid, ES_INFINITY, &wait->reason);
    return NULL;
}

static void until_bonds_are(es_pid pid)
{
    es_term answer;
    /* Signals of one thread come in order, of others whenever: a call behind each look lets them in. */
    if (es_try_call(pid, ping, PATIENCE_MS, &answer) == ES_OK)
        es_drop(answer);
}

CASE(who_waits_for_a_process_is_told_when_the_node_stops, 1, "")
{
    struct wait waits[4];
    pthread_t threads[4];
    assert_started(NULL);
    es_pid pid = es_spawn(echo);
    for (int i = 0; i < 4; i++) {
        waits[i] = (struct wait){.pid = pid};
        assert_int_equal(pthread_create(&threads[i], NULL, waits_in_thread, &waits[i]), 0);
    }
    until_bonds_are(pid);
    assert_stopped();
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        if (waits[i].error == ES_OK)
            assert_true(es_is(waits[i].reason, es_am_shutdown));
        else /* it came late */
            assert_true(waits[i].error == ES_ENOPROC || waits[i].error == ES_ECLOSED);
    }
}

static void never_answers(void)
{
    es_receive
        es_case(never_sent)
            return;
}

/* ------------------------------------------------------------ calls when the node stops */

static _Atomic(bool) is_asked;

static void until_asked(void)
{
    es_term from;
    es_receive
        es_case_call(from, ES_ANY)
            atomic_store(&is_asked, true);
}

static void is_asked_and_waits(void)
{
    until_asked();
    never_answers();
}

static void is_asked_and_drains(void)
{
    es_trap_exit(true);
    until_asked();
    es_receive
        es_case(ES_TUPLE(es_am_EXIT, ES_ANY, es_am_shutdown))
            es_exit(ES_TUPLE(drained, 3));
}

static void is_asked_and_stays(void)
{
    es_trap_exit(true);
    until_asked();
    stays();
}

static void *calls_in_thread(void *argument)
{
    struct wait *wait = argument;
    wait->error = es_try_call(wait->pid, ping, ES_INFINITY, &wait->reason);
    snprintf(wait->detail, sizeof wait->detail, "%s", es_last_detail());
    return NULL;
}

/* What a call under way was told when the node stopped; the reason is the caller's. */
static struct wait called_at_the_stop(void (*server)(void), int64_t time_ms)
{
    struct wait wait;
    pthread_t thread;
    atomic_store(&is_asked, false);
    assert_started(NULL);
    wait = (struct wait){.pid = es_spawn(server), .reason = es_none()};
    assert_int_equal(pthread_create(&thread, NULL, calls_in_thread, &wait), 0);
    while (!atomic_load(&is_asked))
        sched_yield();
    assert_int_equal(es_node_stop(time_ms), time_ms ? ES_OK : ES_ETIMEOUT);
    pthread_join(thread, NULL);
    assert_int_equal(wait.error, ES_ECLOSED);
    return wait;
}

CASE(a_call_under_way_gives_the_servers_reason_when_the_node_stops, 20, "")
{
    for (int i = 0; i < 20; i++) {
        struct wait wait = called_at_the_stop(is_asked_and_waits, PATIENCE_MS);
        assert_true(es_is(wait.reason, es_am_shutdown));
        assert_non_null(strstr(wait.detail, "ended and had not answered: shutdown"));
        wait = called_at_the_stop(is_asked_and_drains, PATIENCE_MS);
        assert_true(es_match(wait.reason, ES_TUPLE(drained, 3)));
        es_drop(wait.reason);
        wait = called_at_the_stop(is_asked_and_stays, 0);
        assert_true(es_is(wait.reason, es_am_killed));
    }
}

CASE(a_call_that_fails_says_whom_and_why, 1, "")
{
    es_term answer;
    assert_int_equal(es_try_call((es_pid){.id = 1}, ping, 10, &answer), ES_ECLOSED);
    assert_true(strncmp(es_last_detail(), "call: no node", 13) == 0);
    assert_started(NULL);
    es_pid pid = es_spawn(never_answers);
    assert_int_equal(es_try_call(nobody_at_all, ping, 10, &answer), ES_ECLOSED);
    assert_true(es_is(answer, es_am_noproc));
    assert_string_equal(es_last_detail(), "call: nobody_at_all: no such process, or it has ended");
    assert_int_equal(es_try_call(pid, ping, 10, &answer), ES_ETIMEOUT);
    assert_string_equal(es_last_detail(), "call: no answer in time");
    assert_stopped();
    assert_int_equal(es_try_call(pid, ping, 10, &answer), ES_ECLOSED);
    assert_true(strncmp(es_last_detail(), "call: no node", 13) == 0);
}

/* Once with the call under way for sure, once whenever it comes. */
static void call_and_stop(bool waits_for_it)
{
    struct wait wait;
    pthread_t thread;
    es_node_info info;
    assert_started(NULL);
    wait = (struct wait){.pid = es_spawn(never_answers)};
    assert_int_equal(pthread_create(&thread, NULL, calls_in_thread, &wait), 0);
    do
        es_node_info_get(&info);
    while (waits_for_it && info.processes < 2);
    assert_stopped();
    pthread_join(thread, NULL);
    assert_int_equal(wait.error, ES_ECLOSED);
    es_drop(wait.reason);
}

CASE(a_call_that_is_under_way_comes_back_when_the_node_stops, 20, "")
{
    for (int i = 0; i < 20; i++)
        call_and_stop(i % 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_starts_beside_the_program_and_stops_and_starts_again),
        cmocka_unit_test(a_start_without_descriptors_says_so_and_the_next_one_goes_well),
        cmocka_unit_test(es_run_and_es_start_take_turns),
        cmocka_unit_test(who_does_not_end_by_shutdown_is_killed_when_the_time_is_over),
        cmocka_unit_test(a_second_start_and_a_stop_from_a_process_are_refused),
        cmocka_unit_test(the_node_of_es_run_is_not_stopped_by_others),
        cmocka_unit_test(a_forked_child_is_told_that_it_has_no_node),
        cmocka_unit_test(a_child_forked_without_a_node_may_have_its_own),
        cmocka_unit_test(without_a_node_every_call_says_so),
        cmocka_unit_test(a_thread_is_told_why_a_call_failed),
        cmocka_unit_test(a_thread_is_told_why_a_process_ended),
        cmocka_unit_test(who_waited_in_vain_leaves_nothing_at_the_process),
        cmocka_unit_test(who_waits_for_a_process_is_told_when_the_node_stops),
        cmocka_unit_test(a_call_that_is_under_way_comes_back_when_the_node_stops),
        cmocka_unit_test(a_call_under_way_gives_the_servers_reason_when_the_node_stops),
        cmocka_unit_test(a_call_that_fails_says_whom_and_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
