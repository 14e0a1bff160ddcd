/* preempt.c - this file is compiled with -fsanitize-coverage=trace-pc: its processes share a scheduler also where they call nothing. */
#include <engset.h>
#include "story.h"

ES_ATOMS(ping, pong);

enum { ASKS = 100, TRIES = 10 };

static _Atomic(long) turns;

static void computes_for_ever(void)
{
    for (;;)
        atomic_fetch_add_explicit(&turns, 1, memory_order_relaxed);
}

static void answers(void)
{
    es_pid from;
    for (;;)
        es_receive
            es_case(ES_TUPLE(ping, &from))
                es_send(from, pong);
}

/* Gives how often the watchdog had to take a scheduler away meanwhile. */
static int64_t share(void)
{
    es_node_info before, after;
    es_pid computing[2] = {es_spawn(computes_for_ever), es_spawn(computes_for_ever)};
    es_pid answering = es_spawn(answers);
    es_node_info_get(&before);
    for (int i = 0; i < ASKS; i++) {
        es_send(answering, ES_TUPLE(ping, es_self()));
        es_yield(); /* to the end of the queue, behind both who compute */
        EXPECT(got(pong));
    }
    for (int i = 0; i < 2; i++) {
        es_ref ref = es_monitor(computing[i]);
        es_send_exit(computing[i], es_am_kill);
        EXPECT(got_down(ref, computing[i], es_am_killed));
    }
    es_node_info_get(&after);
    EXPECT(turns > 0);
    return after.handovers - before.handovers;
}

static void play_on_one_scheduler(void (*body)(void))
{
    story_begin(body);
    story_check(es_run(story_first, NULL, &(es_options){.schedulers = 1}), "one scheduler", 0);
}

/* On a busy machine a thread that has not run for 10 ms looks to the watchdog like a process that has not come back: not each time. */
STORY_WITH(endless_loops_share_one_scheduler_with_others_and_are_not_handed_over, 1, "",
           play_on_one_scheduler)
{
    bool was_never_handed_over = false;
    for (int i = 0; i < TRIES && !was_never_handed_over; i++)
        was_never_handed_over = share() == 0;
    EXPECT(was_never_handed_over);
}

static void play_in_simulated_worlds(void (*body)(void))
{
    play_simulated(body, 5);
}

/* A turn's end is where the code is, not when: so it is the same each time. */
STORY_WITH(endless_loops_share_a_simulated_world, 1, "", play_in_simulated_worlds)
{
    share();
}

static int64_t in_thread;

CASE(in_a_thread_that_is_no_process_nothing_happens, 1, "")
{
    for (volatile int i = 0; i < 100000; i++)
        in_thread += i;
    assert_true(in_thread > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endless_loops_share_one_scheduler_with_others_and_are_not_handed_over),
        cmocka_unit_test(endless_loops_share_a_simulated_world),
        cmocka_unit_test(in_a_thread_that_is_no_process_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
