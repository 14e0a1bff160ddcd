/* task.c - work of which the result is wanted, as a user of engset/task.h sees it. */
#include <engset/event.h>
#include <engset/task.h>
#include <limits.h>
#include "story.h"
#include "proc/contain/report.h"

ES_ATOMS(double_it, crash, forever, late, nothing, boom, r, deaf, told, stubborn);

static es_term works(es_term what)
{
    int64_t n;
    if (es_match(what, ES_TUPLE(double_it, &n)))
        return es_keep(2 * n);
    if (es_match(what, ES_TUPLE(late, &n))) {
        es_sleep(n);
        return es_from_atom(late);
    }
    if (es_is(what, crash))
        es_exit(boom);
    if (es_is(what, forever))
        waits();
    if (es_is(what, stubborn)) {
        es_trap_exit(true);
        es_send(told, stubborn);
        waits();
    }
    if (es_is(what, deaf)) { /* is told to end, and gives its result instead */
        es_trap_exit(true);
        es_send(told, deaf);
        es_receive
            es_case(ES_TUPLE(es_am_EXIT, ES_ANY, es_am_shutdown)) {
            }
        return es_from_atom(deaf);
    }
    if (es_is(what, nothing))
        return es_none();
    return what;
}

STORY(a_task_gives_its_result, "")
{
    int64_t n = 0;
    es_task a = es_task_async(works, ES_TUPLE(double_it, 3)), b = es_task_async(works, ES_TUPLE(r, 1));
    es_task c = es_task_async(works, nothing);
    EXPECT(es_match(es_task_await(b, 5000), ES_TUPLE(r, 1)));
    EXPECT(es_match(es_task_await(a, 5000), &n) && n == 6);
    EXPECT(es_is(es_task_await(c, ES_INFINITY), es_am_ok));
    wait_for_end(a.pid);
    EXPECT(is_quiet());
}

static void awaits(es_term what)
{
    es_term work;
    int64_t time_ms;
    if (es_match(what, ES_TUPLE(&work, &time_ms)))
        es_task_await(es_task_async(works, work), time_ms);
}

static void awaits_unlinked(es_term what)
{
    es_task_await(es_task_async_nolink(works, what), 5000);
}

STORY(who_awaits_a_task_that_crashes_ends_with_its_reason, "")
{
    es_ref ref;
    es_spawn_monitor(&ref, awaits, ES_TUPLE(crash, 5000));
    EXPECT(got_down(ref, ES_ANY, boom));
    es_spawn_monitor(&ref, awaits_unlinked, crash);
    EXPECT(got_down(ref, ES_ANY, boom));
    es_spawn_monitor(&ref, awaits, ES_TUPLE(forever, 5));
    EXPECT(got_down(ref, ES_ANY, es_am_timeout));
}

STORY(a_task_that_crashes_ends_who_started_it_unless_it_traps_or_is_not_linked, "")
{
    es_term out = es_none();
    es_task t = es_task_async_nolink(works, crash);
    EXPECT(es_task_yield(t, 5000, &out) == ES_ECLOSED && es_is(out, boom));
    es_trap_exit(true);
    t = es_task_async(works, crash);
    EXPECT(es_task_yield(t, 5000, &out) == ES_ECLOSED && es_is(out, boom));
    EXPECT(got_exit(t.pid, boom));
    EXPECT(is_quiet());
}

static void starts_one(void)
{
    es_task t = es_task_async(works, forever);
    es_send(told, t.pid);
    exits_when_told();
}

STORY(a_task_ends_with_who_started_it, "")
{
    es_pid pid = ES_NO_PID;
    EXPECT(es_register(told, es_self()) == ES_OK);
    es_pid owner = es_spawn(starts_one);
    es_receive
        es_case(&pid) {
        }
    es_ref ref = es_monitor(pid);
    tell_to_exit(owner, r);
    EXPECT(got_down(ref, pid, r));
}

STORY(a_task_that_is_late_may_be_asked_again, "")
{
    es_term out = es_none();
    es_task t = es_task_async(works, ES_TUPLE(late, 20));
    while (es_task_yield(t, 1, &out) == ES_ETIMEOUT)
        ;
    EXPECT(es_is(out, late));
    EXPECT(is_quiet());
}

static void gives_up_what_takes(int64_t time_ms)
{
    es_ref ref;
    es_trap_exit(true);
    es_task t = es_task_async(works, ES_TUPLE(late, time_ms));
    ref = es_monitor(t.pid);
    es_term out = es_none();
    EXPECT(es_task_shutdown(t, 0, &out) == ES_ECLOSED && es_is(out, es_am_killed));
    EXPECT(got_down(ref, t.pid, es_am_killed));
    EXPECT(is_quiet());
}

SIMULATED_STORY(the_result_of_a_task_that_was_given_up_never_comes, "")
{
    gives_up_what_takes(3);
}

REAL_STORY(a_task_that_was_given_up_is_killed, 1, "")
{
    gives_up_what_takes(60000);
}

STORY(a_task_can_be_ended, "")
{
    es_term out = es_none();
    EXPECT(es_register(told, es_self()) == ES_OK);
    es_task t = es_task_async(works, forever); /* linked: its end is not ours */
    EXPECT(es_task_shutdown(t, ES_INFINITY, &out) == ES_ECLOSED && es_is(out, es_am_shutdown));
    t = es_task_async(works, stubborn);
    EXPECT(got(stubborn));
    EXPECT(es_task_shutdown(t, 5, &out) == ES_ECLOSED && es_is(out, es_am_killed));
    t = es_task_async(works, deaf);
    EXPECT(got(deaf));
    EXPECT(es_task_shutdown(t, ES_INFINITY, &out) == ES_OK && es_is(out, deaf));
    t = es_task_async(works, r);
    wait_for_end(t.pid);
    EXPECT(es_task_shutdown(t, ES_INFINITY, &out) == ES_OK && es_is(out, r));
    EXPECT(is_quiet());
}

static _Atomic(bool) is_gone;

static void goes(void *nothing)
{
    (void)nothing;
    for (volatile int i = 0; i < 1000000; i++) {
    }
    atomic_store(&is_gone, true);
}

static es_term owns(es_term how)
{
    EXPECT(es_own(&is_gone, goes) == ES_OK);
    return how;
}

static bool has_result(es_task t)
{
    bool has = false;
    es_receive {
        es_case_when(ES_TUPLE(t.ref, ES_ANY), (has = true, false)) {
        }
        es_after(0) {
        }
    }
    return has;
}

STORY(a_task_with_a_result_is_gone_when_it_was_ended, "")
{
    for (int i = 0; i < 10; i++) {
        es_term out = es_none();
        atomic_store(&is_gone, false);
        es_task t = es_task_async(owns, r);
        while (!has_result(t))
            es_yield();
        EXPECT(es_task_shutdown(t, i % 2 ? ES_INFINITY : 0, &out) == ES_OK && es_is(out, r));
        EXPECT(atomic_load(&is_gone));
    }
    EXPECT(is_quiet());
}

static void asks_for_anothers(es_task *task)
{
    es_task_await(*task, 5000);
}

STORY(only_who_started_a_task_may_ask_for_its_result, "")
{
    static es_task t;
    es_ref ref;
    t = es_task_async(works, r);
    es_spawn_monitor(&ref, asks_for_anothers, &t);
    EXPECT(got_down(ref, ES_ANY, ES_TUPLE(es_am_badarg, ES_ANY)));
    EXPECT(es_is(es_task_await(t, 5000), r));
}

STORY(a_message_can_be_checked_for_a_result, "")
{
    es_term out = es_none(), message = es_none();
    es_task t = es_task_async(works, r);
    EXPECT(es_task_check(es_from_atom(r), t, &out) == ES_ENOTFOUND);
    es_receive
        es_case(&message)
            EXPECT(es_task_check(message, t, &out) == ES_OK && es_is(out, r));
    t = es_task_async_nolink(works, crash);
    es_receive
        es_case(&message)
            EXPECT(es_task_check(message, t, &out) == ES_ECLOSED && es_is(out, boom));
    wait_for_end(t.pid);
    EXPECT(is_quiet());
}

typedef struct {
    int64_t nothing;
} hasty;

static es_answer hasty_event(hasty *self, es_term event)
{
    (void)self, (void)event;
    es_task_await(es_task_async_nolink(works, ES_TUPLE(late, 20)), 5);
    return es_ok();
}
ES_EVENT_HANDLER(hasty_handler, hasty, .event = hasty_event);

static es_answer listener_info(hasty *self, es_term message)
{
    (void)self;
    es_send(told, message);
    return es_ok();
}
ES_EVENT_HANDLER(listener_handler, hasty, .info = listener_info);

/* Who awaits in vain may live on, as an event manager does: neither the result nor the task's end comes there. */
SIMULATED_STORY(the_result_that_was_awaited_in_vain_never_comes, "")
{
    EXPECT(es_register(told, es_self()) == ES_OK);
    es_pid p = es_start(&es_event_manager, 0);
    EXPECT(es_event_add(p, ES_HANDLER(hasty_handler), r, NULL) == ES_OK);
    EXPECT(es_event_add(p, ES_HANDLER(listener_handler), r, NULL) == ES_OK);
    EXPECT(es_event_sync_notify(p, r) == ES_OK);
    es_sleep(50);
    es_send(p, r);
    EXPECT(got(r) && is_quiet());
}

static void there_is_no_room(void)
{
    while (!es_pid_is_none(es_spawn(waits))) {
    }
    es_task t = es_task_async(works, r);
    EXPECT(es_pid_is_none(t.pid) && !es_unalias(t.ref)); /* nor is there a way back */
    EXPECT(is_quiet());
}

CASE(a_task_that_finds_no_room_leaves_nothing_behind, 1, "")
{
    story_begin(there_is_no_room);
    story_check(es_run(story_first, NULL, &(es_options){.schedulers = 2, .process_limit = 20}), "real node",
                0);
}

/* ------------------------------------------------------------ many */

static _Atomic(int) running, most;

static es_term counts(es_term what)
{
    int now = atomic_fetch_add(&running, 1) + 1, seen = atomic_load(&most);
    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
        ;
    int64_t n = 0;
    es_get_int64(what, &n);
    es_sleep(20 - n % 20); /* the first are the last to be done */
    atomic_fetch_sub(&running, 1);
    return es_keep(ES_TUPLE(r, n));
}

STORY(many_tasks_give_their_results_in_order, "")
{
    es_term list = es_nil(), head;
    atomic_store(&most, 0);
    for (int64_t n = 49; n >= 0; n--)
        list = es_keep(ES_CONS(n, list));
    es_term results = es_task_each(list, counts, ES_TASKS(.max_concurrency = 4));
    EXPECT(es_list_length(results) == 50 && atomic_load(&most) <= 4);
    for (int64_t n = 0; es_get_cons(results, &head, &results); n++)
        EXPECT(es_match(head, ES_TUPLE(es_am_ok, ES_TUPLE(r, n))));
    EXPECT(es_is_nil(es_task_each(ES_NIL, counts, NULL)));
    results = es_task_each(ES_LIST(1, 2, 3), works, NULL);
    EXPECT(es_match(results, ES_LIST(ES_TUPLE(es_am_ok, 1), ES_TUPLE(es_am_ok, 2), ES_TUPLE(es_am_ok, 3))));
    EXPECT(is_quiet());
}

STORY(more_may_run_at_once_than_there_are, "")
{
    es_term results = es_task_each(ES_LIST(1, 2), works, ES_TASKS(.max_concurrency = INT_MAX));
    EXPECT(es_match(results, ES_LIST(ES_TUPLE(es_am_ok, 1), ES_TUPLE(es_am_ok, 2))));
    EXPECT(es_is_nil(es_task_each(ES_NIL, works, ES_TASKS(.max_concurrency = INT_MAX))));
}

static void does_each(es_term list)
{
    es_task_each(list, works, NULL);
}

STORY(one_of_many_that_crashes_ends_who_wants_them_unless_it_traps, "")
{
    es_ref ref;
    es_spawn_monitor(&ref, does_each, ES_LIST(1, crash, 3));
    EXPECT(got_down(ref, ES_ANY, boom));
    es_term results = es_task_each(ES_LIST(1, crash, 3), works, ES_TASKS(.is_unlinked = true));
    EXPECT(
        es_match(results, ES_LIST(ES_TUPLE(es_am_ok, 1), ES_TUPLE(es_am_exit, boom), ES_TUPLE(es_am_ok, 3))));
    es_trap_exit(true);
    results = es_task_each(ES_LIST(1, crash, 3), works, NULL);
    EXPECT(
        es_match(results, ES_LIST(ES_TUPLE(es_am_ok, 1), ES_TUPLE(es_am_exit, boom), ES_TUPLE(es_am_ok, 3))));
    EXPECT(is_quiet());
}

static void does_each_in_time(es_term list)
{
    es_task_each(list, works, ES_TASKS(.timeout_ms = 5, .max_concurrency = 3));
}

STORY(one_of_many_that_is_late_is_killed_or_ends_who_wants_them, "")
{
    es_ref ref;
    es_spawn_monitor(&ref, does_each_in_time, ES_LIST(forever, forever));
    EXPECT(got_down(ref, ES_ANY, es_am_timeout));
    es_term results = es_task_each(ES_LIST(forever, r, forever), works,
                                   ES_TASKS(.timeout_ms = 5, .max_concurrency = 1, .kills_late = true));
    EXPECT(es_match(results, ES_LIST(ES_TUPLE(es_am_exit, es_am_timeout), ES_TUPLE(ES_ANY, ES_ANY),
                                     ES_TUPLE(es_am_exit, es_am_timeout))));
    EXPECT(is_quiet());
}

static void no_report(const char *text, size_t length)
{
    (void)text, (void)length;
}

int main(void)
{
    esi_report_configure();
    esi_report_set_sink(no_report);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_gives_its_result),
        cmocka_unit_test(who_awaits_a_task_that_crashes_ends_with_its_reason),
        cmocka_unit_test(a_task_that_crashes_ends_who_started_it_unless_it_traps_or_is_not_linked),
        cmocka_unit_test(a_task_ends_with_who_started_it),
        cmocka_unit_test(a_task_that_is_late_may_be_asked_again),
        cmocka_unit_test(the_result_of_a_task_that_was_given_up_never_comes),
        cmocka_unit_test(a_task_that_was_given_up_is_killed),
        cmocka_unit_test(a_task_can_be_ended),
        cmocka_unit_test(a_task_with_a_result_is_gone_when_it_was_ended),
        cmocka_unit_test(only_who_started_a_task_may_ask_for_its_result),
        cmocka_unit_test(a_message_can_be_checked_for_a_result),
        cmocka_unit_test(the_result_that_was_awaited_in_vain_never_comes),
        cmocka_unit_test(a_task_that_finds_no_room_leaves_nothing_behind),
        cmocka_unit_test(many_tasks_give_their_results_in_order),
        cmocka_unit_test(more_may_run_at_once_than_there_are),
        cmocka_unit_test(one_of_many_that_crashes_ends_who_wants_them_unless_it_traps),
        cmocka_unit_test(one_of_many_that_is_late_is_killed_or_ends_who_wants_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
