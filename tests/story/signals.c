/* signals.c - a node and the signals from outside. */
#include <signal.h>
#include <unistd.h>
#include "story.h"

static _Atomic(int) released;

static void release(void *unused)
{
    (void)unused;
    atomic_fetch_add(&released, 1);
}

static void owner(void)
{
    EXPECT(es_own(&released, release) == ES_OK);
    es_send(es_self(), go);
    es_receive
        es_case(go) {
        }
    waits();
}

static void gets_signals(void *number)
{
    static const int harmless[] = {SIGPIPE, SIGHUP, SIGUSR1, SIGCHLD};
    EXPECT(es_own(&released, release) == ES_OK);
    es_pid pid = es_spawn(owner);
    es_info info;
    while (es_process_info(pid, &info) && info.state != ES_STATE_WAITING)
        es_yield();
    for (int i = 0; i < 4; i++) {
        EXPECT(kill(getpid(), harmless[i]) == 0);
        es_sleep(1);
    }
    EXPECT(es_is_alive(pid));
    EXPECT(kill(getpid(), *(int *)number) == 0);
    atomic_store(&story_notes.is_told, true);
    waits();
}

static void stops_at(int number)
{
    struct sigaction now;
    released = 0;
    story_begin(NULL);
    story_check(es_run(gets_signals, &number, NULL), "real node", 0);
    assert_int_equal(released, 2); /* in order: what processes own is released */
    assert_int_equal(sigaction(number, NULL, &now), 0);
    assert_true(now.sa_handler == SIG_DFL);
}

CASE(sigterm_and_sigint_stop_the_node_in_order_and_others_do_nothing, 1, "RES-08")
{
    stops_at(SIGTERM);
    stops_at(SIGINT);
    stops_at(SIGTERM);
}

static _Atomic(int) seen;

static void sees(int number)
{
    seen = number;
}

static void gets_its_own_signal(void *unused)
{
    (void)unused;
    EXPECT(kill(getpid(), SIGTERM) == 0);
    while (!seen)
        es_sleep(1);
    atomic_store(&story_notes.is_told, true);
}

static void test_what_the_program_has_set_stays(void **state)
{
    (void)state;
    struct sigaction now;
    signal(SIGTERM, sees);
    story_begin(NULL);
    story_check(es_run(gets_its_own_signal, NULL, NULL), "real node", 0);
    assert_int_equal(sigaction(SIGTERM, NULL, &now), 0);
    assert_true(now.sa_handler == sees);
    signal(SIGTERM, SIG_DFL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sigterm_and_sigint_stop_the_node_in_order_and_others_do_nothing),
        cmocka_unit_test(test_what_the_program_has_set_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
