/* room.c - message limits: what happens to one too many, and how a sender waits for room instead. */
#include "story.h"
#include "proc/process.h"

ES_ATOMS(n, done, ready, room, filler, counter, nobody_at_all);

enum { LIMIT = 3 };

/* What every process with a limit does first: traps, and says that it does. Gives who spawned it. */
static es_pid parent_of(es_term argument)
{
    es_pid parent = ES_NO_PID;
    EXPECT(es_match(argument, &parent));
    es_trap_exit(true);
    es_send(parent, ES_TUPLE(ready, es_self()));
    return parent;
}

static es_pid limited(void (*function)(es_term), es_limit_policy policy)
{
    es_pid pid = es_spawn_opt(ES_WITH(.message_limit = LIMIT, .message_limit_policy = policy), function,
                              es_lend(es_self()));
    EXPECT(got(ES_TUPLE(ready, pid)));
    return pid;
}

/* Says what it has, oldest first, when asked; the question comes as an exit signal, which no limit stops. */
static void tells_what_is_there(es_term argument)
{
    es_pid parent = parent_of(argument);
    int64_t number;
    es_receive {
        es_case(ES_TUPLE(es_am_EXIT, ES_ANY, go)) {
        }
    }
    for (bool is_more = true; is_more;)
        es_receive {
            es_case(ES_TUPLE(n, &number))
                es_send(parent, ES_TUPLE(done, number));
            es_after(0)
                is_more = false;
        }
    es_send(parent, done);
}

/* Numbers that arrive until `done`, as decimal digits of one number. */
static int64_t told(void)
{
    int64_t all = 0, number;
    for (;;)
        es_receive {
            es_case(ES_TUPLE(done, &number))
                all = all * 10 + number;
            es_case(done)
                return all;
            es_after(STORY_PATIENCE_MS)
                return -1;
        }
}

static void send_numbers(es_pid to, int count)
{
    for (int64_t i = 1; i <= count; i++)
        es_send(to, ES_TUPLE(n, i));
}

STORY(the_newest_is_dropped_and_counted, "")
{
    es_pid p = limited(tells_what_is_there, ES_LIMIT_DROP_NEWEST);
    send_numbers(p, 5);
    es_info info;
    EXPECT(es_process_info(p, &info) && info.messages_dropped == 2);
    es_send_exit(p, go);
    EXPECT(told() == 123);
}

STORY(the_oldest_is_dropped_and_counted_but_never_a_signal, "")
{
    es_pid p = limited(tells_what_is_there, ES_LIMIT_DROP_OLDEST);
    es_send_exit(p, filler); /* waits as a message before all others */
    send_numbers(p, 5);
    es_send_exit(p, go);
    EXPECT(told() == 345);
}

static void keeps_an_exit_message(es_term argument)
{
    es_pid parent = parent_of(argument);
    es_receive {
        es_case(ES_TUPLE(es_am_EXIT, ES_ANY, go)) {
        }
    }
    EXPECT(there_is(ES_TUPLE(es_am_EXIT, ES_ANY, filler)));
    es_send(parent, done);
}

STORY(what_came_as_a_signal_stays_when_the_oldest_go, "")
{
    es_pid p = limited(keeps_an_exit_message, ES_LIMIT_DROP_OLDEST);
    es_send_exit(p, filler);
    send_numbers(p, 10);
    es_send_exit(p, go);
    EXPECT(got(done));
}

/* Says what a guard saw when much came meanwhile. */
static void looks_long(es_term argument)
{
    es_pid parent = parent_of(argument);
    es_term text, shown = es_none();
    int64_t number = 0;
    es_receive {
        es_case_when(ES_TUPLE(n, &number, &text),
                     (es_send(parent, ready), got(ES_TUPLE(es_am_EXIT, ES_ANY, go))))
            shown = es_keep(text);
    }
    EXPECT(number == 1 && es_match(shown, "the oldest"));
    es_send(parent, ES_TUPLE(done, number));
    for (bool is_more = true; is_more;)
        es_receive {
            es_case(ES_TUPLE(n, &number, ES_ANY))
                es_send(parent, ES_TUPLE(done, number));
            es_after(0)
                is_more = false;
        }
    es_send(parent, done);
}

STORY(what_a_guard_looks_at_is_not_dropped_under_its_eyes, "")
{
    es_pid p = limited(looks_long, ES_LIMIT_DROP_OLDEST);
    es_send(p, ES_TUPLE(n, 1, "the oldest"));
    EXPECT(got(ready));
    for (int64_t i = 2; i <= 6; i++)
        es_send(p, ES_TUPLE(n, i, "one that is younger than the oldest"));
    es_send_exit(p, go);
    EXPECT(told() == 156);
}

static void never_looks(es_term argument)
{
    parent_of(argument);
    es_trap_exit(false);
    waits();
}

STORY(the_receiver_is_ended_by_one_too_many, "")
{
    es_pid p = limited(never_looks, ES_LIMIT_KILL);
    es_ref ref = es_monitor(p);
    send_numbers(p, LIMIT);
    EXPECT(es_is_alive(p));
    send_numbers(p, 1);
    EXPECT(got_down(ref, p, es_am_message_limit));
}

static void fills_itself(es_term argument)
{
    es_pid parent = parent_of(argument);
    for (int i = 0; i < 10 * LIMIT; i++)
        es_send(es_self(), filler);
    for (int i = 0; i < 10 * LIMIT; i++)
        EXPECT(there_is(filler));
    es_send(parent, done);
}

STORY(messages_to_oneself_pass_every_limit, "")
{
    limited(fills_itself, ES_LIMIT_KILL);
    EXPECT(got(done));
}

/* A limited process that lives where `before` lived, who has ended. */
static es_pid successor_of(es_pid before)
{
    for (int tries = 0; tries < 10000; tries++) {
        es_pid pid = limited(never_looks, ES_LIMIT_DROP_NEWEST);
        if (esi_process_slot(pid.id) == esi_process_slot(before.id))
            return pid;
        es_send_exit(pid, es_am_kill);
        wait_for_end(pid);
    }
    return ES_NO_PID;
}

/* A sender that looked at the id, was interrupted, and goes on after the slot has got somebody else. */
STORY(who_counts_late_does_not_count_on_the_next_in_the_slot, "")
{
    es_pid before = limited(never_looks, ES_LIMIT_DROP_NEWEST);
    struct esi_process *p = esi_process_slot(before.id);
    EXPECT(esi_room_take(p, before.id) == ESI_ROOM_TAKEN);
    es_send_exit(before, es_am_kill);
    wait_for_end(before);
    es_pid after = successor_of(before);
    EXPECT(!es_pid_is_none(after));
    EXPECT(esi_room_take(p, before.id) == ESI_ROOM_GONE);
    EXPECT(esi_room_overdraw(p, before.id) == ESI_ROOM_GONE);
    EXPECT(!esi_room_give_back(p, before.id));
    EXPECT(esi_room_count(p->queued) == 0);
    send_numbers(after, LIMIT);
    es_info info;
    EXPECT(es_process_info(after, &info) && info.messages_dropped == 0);
    EXPECT(esi_room_count(p->queued) == LIMIT);
}

/* ---- waiting for room ---- */

static void takes_all(es_term argument)
{
    es_pid parent = parent_of(argument);
    int64_t number, expected = 1;
    for (;;)
        es_receive {
            es_case(ES_TUPLE(n, &number)) {
                EXPECT(number == expected);
                expected++;
            }
            es_case(go) {
                es_send(parent, ES_TUPLE(done, expected));
                return;
            }
        }
}

STORY(a_waiting_sender_loses_nothing_and_keeps_its_order, "")
{
    int64_t expected;
    es_pid p = limited(takes_all, ES_LIMIT_KILL);
    for (int64_t i = 1; i <= 200; i++)
        EXPECT(es_send_wait(p, ES_TUPLE(n, i), ES_INFINITY) == ES_OK);
    EXPECT(es_send_wait(p, go, ES_INFINITY) == ES_OK);
    EXPECT(got(ES_TUPLE(done, &expected)));
    EXPECT(expected == 201);
}

enum { SENDERS = 16 };

static void counts_senders(es_term argument)
{
    es_pid parent = parent_of(argument);
    int64_t who, number, expected[SENDERS] = {0};
    long all = SENDERS * rounds(10000);
    for (long i = 0; i < all; i++)
        es_receive {
            es_case(ES_TUPLE(n, &who, &number)) {
                EXPECT(number == expected[who]);
                expected[who]++;
                EXPECT(es_send_wait(es_self(), n, 0) == ES_OK); /* to oneself: always room */
                es_receive {
                    es_case(n) {
                    }
                }
            }
        }
    es_send(parent, done);
}

/* {To, Who}: to a pid or a name. */
static void sends_with_patience(es_term argument)
{
    es_term to;
    int64_t who;
    EXPECT(es_match(argument, ES_TUPLE(&to, &who)));
    long all = rounds(10000);
    for (int64_t i = 0; i < all; i++) {
        EXPECT(es_send_wait(to, ES_TUPLE(n, who, i), ES_INFINITY) == ES_OK);
        if (who % 4 == 0 && i % 7 == 0)
            es_yield();
    }
}

STORY(many_senders_wait_at_once_and_none_is_forgotten, "")
{
    es_pid p = limited(counts_senders, ES_LIMIT_DROP_NEWEST);
    for (int64_t i = 0; i < SENDERS; i++)
        es_spawn(sends_with_patience, ES_TUPLE(p, i));
    EXPECT(got(done));
}

static bool says(const char *words)
{
    return strstr(es_last_detail(), words) != NULL;
}

STORY(a_receiver_that_is_waited_for_may_be_named, "")
{
    es_pid p = limited(counts_senders, ES_LIMIT_DROP_NEWEST);
    EXPECT(es_register(counter, p) == ES_OK);
    for (int64_t i = 0; i < SENDERS; i++)
        es_spawn(sends_with_patience, ES_TUPLE(counter, i));
    EXPECT(got(done));
}

STORY(waiting_for_room_has_an_end, "")
{
    es_pid p = limited(never_looks, ES_LIMIT_DROP_NEWEST);
    send_numbers(p, LIMIT);
    EXPECT(es_send_wait(p, filler, 0) == ES_ETIMEOUT);
    int64_t start_ns = es_now_ns();
    EXPECT(es_send_wait(p, filler, 30) == ES_ETIMEOUT);
    EXPECT(es_now_ns() - start_ns >= 30 * INT64_C(1000000));
    EXPECT(says("it had no room in time"));
    EXPECT(es_send_wait(dead_pid(), filler, 30) == ES_ECLOSED);
    EXPECT(says("no such process, or it has ended"));
    EXPECT(es_send_wait(nobody_at_all, filler, 30) == ES_ENAME);
    EXPECT(says("send_wait: nobody_at_all: no process has that name"));
    EXPECT(es_send_wait(es_spawn(waits), filler, 0) == ES_OK); /* no limit */
    EXPECT(is_quiet());
}

static void waits_for_room(es_term argument)
{
    es_pid parent, to;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &to)));
    es_err error = es_send_wait(to, ES_TUPLE(n, 9), ES_INFINITY);
    es_send(parent, ES_TUPLE(room, es_self(), (int64_t)error));
}

/* Comes back when `pid` asks `to` for room. */
static void wait_until_it_asks(es_pid pid, es_pid to)
{
    struct esi_process *p = esi_process_slot(pid.id);
    es_info info;
    while (atomic_load(&p->waits_for) != to.id || !es_process_info(pid, &info) ||
           info.state != ES_STATE_WAITING)
        es_sleep(1);
}

STORY(who_waits_for_room_is_told_of_the_receivers_end, "")
{
    int64_t error;
    es_pid p = limited(never_looks, ES_LIMIT_DROP_NEWEST);
    send_numbers(p, LIMIT);
    es_pid sender = es_spawn(waits_for_room, ES_TUPLE(es_self(), p));
    wait_until_it_asks(sender, p);
    es_send_exit(p, es_am_kill);
    EXPECT(got(ES_TUPLE(room, sender, &error)));
    EXPECT(error == ES_ECLOSED);
}

STORY(who_waits_for_room_can_be_ended, "")
{
    es_pid p = limited(never_looks, ES_LIMIT_DROP_NEWEST);
    send_numbers(p, LIMIT);
    es_pid sender = es_spawn(waits_for_room, ES_TUPLE(es_self(), p));
    es_ref ref = es_monitor(sender);
    wait_until_it_asks(sender, p);
    es_send_exit(sender, room);
    EXPECT(got_down(ref, sender, room));
}

/* Takes one message each time that `go` comes as a signal. */
static void takes_when_told(es_term argument)
{
    parent_of(argument);
    for (;;) {
        es_receive {
            es_case(ES_TUPLE(es_am_EXIT, ES_ANY, go)) {
            }
            es_case(ES_TUPLE(es_am_EXIT, ES_ANY, ES_ANY))
                return;
        }
        es_receive {
            es_case(ES_TUPLE(n, ES_ANY)) {
            }
        }
    }
}

STORY(the_turn_of_a_sender_that_ended_goes_to_the_next, "")
{
    int64_t error;
    es_pid p = limited(takes_when_told, ES_LIMIT_DROP_NEWEST);
    send_numbers(p, LIMIT);
    es_pid one = es_spawn(waits_for_room, ES_TUPLE(es_self(), p));
    wait_until_it_asks(one, p);
    es_pid two = es_spawn(waits_for_room, ES_TUPLE(es_self(), p));
    wait_until_it_asks(two, p);
    es_send_exit(p, go); /* one is let go, and ended at the same moment */
    es_send_exit(one, es_am_kill);
    wait_for_end(one);
    es_info info;
    /* Either one's message came in before its end, or its turn went on. */
    if (!got_within(ES_TUPLE(room, two, &error), 50)) {
        EXPECT(es_process_info(p, &info));
        EXPECT(esi_room_count(esi_process_slot(p.id)->queued) == LIMIT);
        es_send_exit(p, go);
        EXPECT(got(ES_TUPLE(room, two, &error)));
    }
    EXPECT(error == ES_OK);
}

/* Suspended between being let go and using it, then ended: the case above in its worst order. */
STORY(a_turn_that_is_never_used_goes_to_the_next, "")
{
    int64_t error = 1;
    es_pid p = limited(takes_when_told, ES_LIMIT_DROP_NEWEST);
    send_numbers(p, LIMIT);
    es_pid one = es_spawn(waits_for_room, ES_TUPLE(es_self(), p));
    wait_until_it_asks(one, p);
    es_pid two = es_spawn(waits_for_room, ES_TUPLE(es_self(), p));
    wait_until_it_asks(two, p);
    EXPECT(es_is_alive(p)); /* both questions have arrived */
    EXPECT(es_suspend(one) == ES_OK);
    es_send_exit(p, go);
    EXPECT(es_is_alive(p));
    es_send_exit(one, es_am_kill);
    EXPECT(got(ES_TUPLE(room, two, &error)));
    EXPECT(error == ES_OK);
}

/* ---- circles ---- */

static void sends_on_in_a_circle(es_term argument)
{
    es_pid parent = parent_of(argument), next;
    es_receive {
        es_case(ES_TUPLE(es_am_EXIT, ES_ANY, ES_TUPLE(go, &next))) {
        }
    }
    send_numbers(next, LIMIT);
    es_send(parent, ES_TUPLE(done, es_self()));
    es_receive {
        es_case(ES_TUPLE(es_am_EXIT, ES_ANY, go)) {
        }
    }
    es_err error = es_send_wait(next, filler, ES_INFINITY);
    es_send(parent, ES_TUPLE(room, es_self(), (int64_t)error));
    if (error == ES_EDEADLK)
        return; /* ends: who waits for room here is told */
    es_trap_exit(false);
    waits();
}

STORY(a_wait_that_would_close_a_circle_is_refused, "")
{
    enum { MEMBERS = 4 };
    es_pid member[MEMBERS];
    for (int i = 0; i < MEMBERS; i++)
        member[i] = limited(sends_on_in_a_circle, ES_LIMIT_DROP_NEWEST);
    for (int i = 0; i < MEMBERS; i++)
        es_send_exit(member[i], ES_TUPLE(go, member[(i + 1) % MEMBERS]));
    for (int i = 0; i < MEMBERS; i++)
        EXPECT(got(ES_TUPLE(done, member[i])));
    for (int i = 0; i < MEMBERS; i++)
        es_send_exit(member[i], go);
    int refused = 0;
    int64_t error;
    for (int i = 0; i < MEMBERS; i++) {
        es_pid who;
        EXPECT(got(ES_TUPLE(room, &who, &error)));
        refused += error == ES_EDEADLK;
        EXPECT(error == ES_EDEADLK || error == ES_ECLOSED);
        if (error == ES_ECLOSED)
            es_send_exit(who, es_am_kill); /* its neighbour is told in turn */
    }
    EXPECT(refused >= 1);
}

static void *asks_from_a_thread(void *argument)
{
    *(es_err *)argument = es_send_wait(ES_NO_PID, filler, 0);
    return NULL;
}

CASE(waiting_for_room_is_for_processes, 1, "")
{
    es_err error = ES_OK;
    asks_from_a_thread(&error);
    assert_int_equal(error, ES_ENOPROC);
    assert_true(says("send_wait: called in a thread that is no process: es_try_call()"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_is_dropped_and_counted),
        cmocka_unit_test(the_oldest_is_dropped_and_counted_but_never_a_signal),
        cmocka_unit_test(what_came_as_a_signal_stays_when_the_oldest_go),
        cmocka_unit_test(what_a_guard_looks_at_is_not_dropped_under_its_eyes),
        cmocka_unit_test(the_receiver_is_ended_by_one_too_many),
        cmocka_unit_test(messages_to_oneself_pass_every_limit),
        cmocka_unit_test(who_counts_late_does_not_count_on_the_next_in_the_slot),
        cmocka_unit_test(a_waiting_sender_loses_nothing_and_keeps_its_order),
        cmocka_unit_test(many_senders_wait_at_once_and_none_is_forgotten),
        cmocka_unit_test(a_receiver_that_is_waited_for_may_be_named),
        cmocka_unit_test(waiting_for_room_has_an_end),
        cmocka_unit_test(who_waits_for_room_is_told_of_the_receivers_end),
        cmocka_unit_test(who_waits_for_room_can_be_ended),
        cmocka_unit_test(the_turn_of_a_sender_that_ended_goes_to_the_next),
        cmocka_unit_test(a_turn_that_is_never_used_goes_to_the_next),
        cmocka_unit_test(a_wait_that_would_close_a_circle_is_refused),
        cmocka_unit_test(waiting_for_room_is_for_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
