/* receive.c - which message a receive takes, in which order things arrive, and when it gives up. */
#include <time.h>
#include "story.h"

ES_ATOMS(one, two, three, done, tick, reply, unrelated, why, first_exit, second_exit);

static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* ---- order ---- */

static void gets_signals_of_all_kinds(es_term argument)
{
    es_pid parent;
    EXPECT(es_match(argument, &parent));
    es_trap_exit(true);
    es_send(parent, es_am_true);
    int place = 0;
    const char *expected[] = {"one", "first_exit", "two", "second_exit", "three", "noconnection"};
    for (; place < 6; place++) {
        es_term message = es_none(), reason;
        char text[100];
        es_receive {
            es_case(ES_TUPLE(es_am_EXIT, parent, &reason))
                es_print(text, sizeof text, reason);
            es_case(&message)
                es_print(text, sizeof text, message);
        }
        EXPECT(strcmp(text, expected[place]) == 0);
    }
    es_send(parent, done);
    waits();
}

STORY(signals_of_all_kinds_are_handled_in_the_order_sent, "SIG-01")
{
    es_pid b = es_spawn(gets_signals_of_all_kinds, es_lend(es_self()));
    EXPECT(got(es_am_true));
    es_send(b, one);
    EXPECT(es_link(b) == ES_OK);
    es_send_exit(b, first_exit);
    EXPECT(es_is_alive(b)); /* an information request among them */
    es_send(b, two);
    EXPECT(es_unlink(b) == ES_OK);
    es_send_exit(b, second_exit);
    es_ref ref = es_monitor(b);
    es_send(b, three);
    es_demonitor(ref, 0);
    es_send_exit(b, es_am_noconnection);
    EXPECT(got(done));
    ref = es_monitor(b);
    es_send_exit(b, es_am_kill);
    es_send(b, one);
    EXPECT(!es_is_alive(b)); /* asked behind the kill */
    EXPECT(got_down(ref, b, es_am_killed));
    EXPECT(is_quiet());
}

STORY(a_receive_takes_what_matches_and_leaves_the_rest, "SIG-03")
{
    int64_t n = 0, rest[2] = {0};
    for (int64_t i = 1; i <= 3; i++)
        es_send(es_self(), i);
    es_receive {
        es_case_when(&n, n == 2) {
        }
        es_after(STORY_PATIENCE_MS)
            n = -1;
    }
    EXPECT(n == 2);
    for (int i = 0; i < 2; i++)
        es_receive {
            es_case(&n)
                rest[i] = n;
        }
    EXPECT(rest[0] == 1 && rest[1] == 3);
    EXPECT(is_quiet());
}

STORY(a_receive_that_does_not_wait_looks_once_and_removes_nothing, "SIG-04")
{
    int shown = 0, times_up = 0;
    es_send(es_self(), one);
    es_send(es_self(), two);
    int64_t start_ns = es_now_ns();
    es_receive {
        es_case_when(ES_ANY, (shown++, false)) {
        }
        es_after(0)
            times_up++;
    }
    EXPECT(shown == 2);
    EXPECT(times_up == 1);
    EXPECT(es_now_ns() - start_ns < 10 * INT64_C(1000000000));
    EXPECT(there_is(two));
    EXPECT(there_is(one));
    EXPECT(!there_is(ES_ANY));
}

/* ---- time ---- */

static void sends_for_ever(es_term argument)
{
    es_pid to;
    EXPECT(es_match(argument, &to));
    for (;;) {
        es_send(to, tick);
        es_sleep(1);
    }
}

STORY(messages_that_match_nothing_do_not_restart_the_clock, "SIG-05")
{
    bool is_over = false;
    es_pid sender = es_spawn(sends_for_ever, es_lend(es_self()));
    int64_t start_ns = es_now_ns();
    es_receive {
        es_case(never_sent) {
        }
        es_after(50)
            is_over = true;
    }
    int64_t took_ms = (es_now_ns() - start_ns) / 1000000;
    EXPECT(is_over);
    EXPECT(took_ms >= 50);
    EXPECT(got(tick)); /* they came */
    es_send_exit(sender, es_am_kill);
}

static void waits_without_end(void)
{
    es_receive {
        es_case(never_sent) {
        }
        es_after(ES_INFINITY)
            EXPECT(!"it came");
    }
    EXPECT(!"it came back");
}

STORY(a_receive_without_end_can_still_be_ended_by_a_signal, "SIG-06")
{
    es_pid p = es_spawn(waits_without_end);
    es_ref ref = es_monitor(p);
    for (int i = 0; i < 100; i++)
        es_send(p, tick);
    EXPECT(es_is_alive(p));
    es_send_exit(p, why);
    EXPECT(got_down(ref, p, why));
}

/* ---- a full mailbox ---- */

static void answers(void)
{
    es_pid from;
    es_ref ref;
    for (;;)
        es_receive {
            es_case(ES_TUPLE(&from, &ref))
                es_send(from, ES_TUPLE(reply, ref));
        }
}

static int64_t ask_many_times(es_pid server, long times)
{
    int64_t start_ns = cpu_ns();
    for (long i = 0; i < times; i++) {
        es_ref ref = es_make_ref();
        es_send(server, ES_TUPLE(es_self(), ref));
        es_receive {
            es_case(ES_TUPLE(reply, ref)) {
            }
            es_after(STORY_PATIENCE_MS) {
                EXPECT(!"no reply");
                return 0;
            }
        }
    }
    return cpu_ns() - start_ns;
}

/* Half of what lies in the way has the tag of a reply: a scan by tags alone would meet it. */
REAL_STORY(a_reference_made_just_before_is_found_without_a_look_at_what_is_older, 1, "SIG-10")
{
    es_pid server = es_spawn(answers);
    es_ref old = es_make_ref();
    ask_many_times(server, 100);
    int64_t empty_ns = ask_many_times(server, 1000);
    for (int64_t i = 0; i < 100000; i++) {
        es_send(es_self(), ES_TUPLE(unrelated, i));
        es_send(es_self(), ES_TUPLE(reply, old));
    }
    ask_many_times(server, 1); /* takes them into the mailbox */
    int64_t full_ns = ask_many_times(server, 1000);
    printf("1,000 calls: empty mailbox %.2f ms, 200,000 messages in it %.2f ms of CPU\n",
           (double)empty_ns / 1e6, (double)full_ns / 1e6);
    if (getenv("ES_TIMING"))
        EXPECT(full_ns < 10 * empty_ns);
    EXPECT(there_is(ES_TUPLE(unrelated, 0)));
    EXPECT(there_is(ES_TUPLE(reply, old)));
    EXPECT(there_is(ES_TUPLE(unrelated, 99999)));
    es_send_exit(server, es_am_kill);
}

static void waits_for_the_second(es_term argument)
{
    es_pid parent;
    EXPECT(es_match(argument, &parent));
    es_receive {
        es_case(two) {
        }
    }
    EXPECT(there_is(one));
    es_send(parent, done);
}

STORY(what_no_clause_matches_stays_and_nobody_spins, "SIG-11")
{
    es_info before, after;
    es_pid p = es_spawn(waits_for_the_second, es_lend(es_self()));
    es_send(p, one);
    EXPECT(es_is_alive(p));
    do {
        es_sleep(1);
        EXPECT(es_process_info(p, &before));
    } while (before.state != ES_STATE_WAITING || before.messages != 1);
    es_sleep(20);
    EXPECT(es_process_info(p, &after));
    EXPECT(after.reductions == before.reductions);
    EXPECT(after.messages == 1 && after.state == ES_STATE_WAITING);
    es_send(p, two);
    EXPECT(got(done));
}

/* ---- leaving a clause ---- */

static int64_t returns_from_a_clause(void)
{
    es_term bound;
    int64_t n;
    es_receive {
        es_case(ES_TUPLE(one, &n, &bound))
            return es_is_none(bound) ? -1 : n;
    }
    return -1;
}

static void exits_in_a_clause(void)
{
    es_term bound;
    es_receive {
        es_case(ES_TUPLE(one, ES_ANY, &bound))
            es_exit(bound);
    }
}

STORY(however_a_clause_is_left_its_message_is_consumed_and_freed_once, "SIG-12")
{
    enum { TIMES = 200 };
    es_info before, after;
    int64_t n;
    es_term bound;
    es_yield();
    EXPECT(es_process_info(es_self(), &before));
    for (int64_t i = 0; i < TIMES; i++)
        es_send(es_self(), ES_TUPLE(one, i, "a text that is bound by the clause and dies with it"));
    for (int64_t i = 0; i < TIMES; i += 4) {
        es_receive {
            es_case(ES_TUPLE(one, &n, &bound)) {
                EXPECT(n == i);
                break;
            }
        }
        es_receive {
            es_case(ES_TUPLE(one, &n, &bound)) {
                EXPECT(n == i + 1);
                continue;
            }
        }
        es_receive {
            es_case(ES_TUPLE(one, &n, &bound)) {
                EXPECT(n == i + 2);
                goto out;
            }
        }
    out:
        EXPECT(returns_from_a_clause() == i + 3);
    }
    EXPECT(!there_is(ES_ANY));
    es_yield();
    EXPECT(es_process_info(es_self(), &after));
    EXPECT(after.messages == 0);
    EXPECT(after.memory_bytes <=
           before.memory_bytes + 1024); /* at most the last one, which the next receive frees */
    es_ref ref;
    es_pid p = es_spawn_monitor(&ref, exits_in_a_clause);
    es_send(p, ES_TUPLE(one, 1, ES_TUPLE(why, "bound")));
    EXPECT(got_down(ref, p, ES_TUPLE(why, "bound")));
}

STORY(a_timer_of_nothing_between_two_sends_arrives_somewhere, "SIG-13")
{
    es_send(es_self(), one);
    es_send_after(0, es_self(), tick);
    es_send(es_self(), two);
    EXPECT(stays_there(tick));
    int place = 0, seen_one = -1, seen_two = -1, seen_tick = -1;
    for (; place < 3; place++)
        es_receive {
            es_case(one)
                seen_one = place;
            es_case(two)
                seen_two = place;
            es_case(tick)
                seen_tick = place;
            es_after(STORY_PATIENCE_MS)
                place = 3;
        }
    EXPECT(seen_one >= 0 && seen_tick >= 0 && seen_two > seen_one);
    EXPECT(is_quiet());
}

/* ---- a receive within a receive ---- */

static int64_t takes_all_there_is(int64_t time_ms)
{
    while (there_is(ES_ANY)) {
    }
    return time_ms;
}

STORY(the_time_of_a_receive_may_come_from_one_that_takes_what_was_shown, "")
{
    int times_up = 0;
    for (int i = 0; i < 100; i++) {
        es_send(es_self(), one);
        es_send(es_self(), two);
        es_receive {
            es_case(never_sent) {
            }
            es_after(takes_all_there_is(i % 2))
                times_up++;
        }
        EXPECT(!there_is(ES_ANY));
    }
    EXPECT(times_up == 100);
}

static int64_t takes_all_but_gets_another(void)
{
    takes_all_there_is(0);
    es_send(es_self(), done);
    EXPECT(!there_is(never_sent)); /* takes `done` into the mailbox */
    return STORY_PATIENCE_MS;
}

STORY(what_comes_while_the_time_of_a_receive_is_worked_out_is_received, "")
{
    for (int i = 0; i < 3; i++) {
        bool is_done = false;
        for (int n = 0; n < i; n++)
            es_send(es_self(), one);
        es_receive {
            es_case(done)
                is_done = true;
            es_after(takes_all_but_gets_another())
                is_done = false;
        }
        EXPECT(is_done);
        EXPECT(!there_is(ES_ANY));
    }
}

STORY(a_guard_that_receives_does_not_find_what_is_shown, "")
{
    int64_t n = 0, inner = 0, sum = 0;
    for (int64_t i = 1; i <= 3; i++)
        es_send(es_self(), ES_TUPLE(one, i, "a text"));
    es_term text;
    es_receive {
        /* Shown 1, it takes 2; shown 3 behind 1, it finds 1 only. */
        es_case_when(ES_TUPLE(one, &n, &text), ((void)there_is(ES_TUPLE(one, &inner, ES_ANY)), n == 3)) {
            EXPECT(inner == 1);
            EXPECT(es_match(text, "a text"));
            sum += n;
        }
    }
    EXPECT(sum == 3);
    EXPECT(!there_is(ES_ANY));
}

/* So many that the index of a long mailbox is made anew. */
static bool takes_each(es_atom what)
{
    while (there_is(what)) {
    }
    es_send(es_self(), done);
    return there_is(never_sent); /* takes `done` into the mailbox */
}

STORY(a_guard_that_takes_much_out_of_a_long_mailbox_hides_nothing_from_its_receive, "")
{
    bool is_done = false;
    for (int i = 0; i < 600; i++)
        es_send(es_self(), two);
    for (int i = 0; i < 100; i++)
        es_send(es_self(), three);
    es_send_after(1, es_self(), one); /* comes when all others were looked at */
    es_receive {
        es_case_when(one, takes_each(two)) {
        }
        es_case(done)
            is_done = true;
        es_after(STORY_PATIENCE_MS)
            is_done = false;
    }
    EXPECT(is_done);
    EXPECT(there_is(one));
    EXPECT(takes_all_there_is(1) == 1);
}

static int64_t sum_of_what_is_there(void)
{
    int64_t n, sum = 0;
    for (bool is_more = true; is_more;)
        es_receive {
            es_case(ES_TUPLE(one, &n))
                sum = sum * 10 + n;
            es_after(0)
                is_more = false;
        }
    return sum;
}

STORY(a_guard_that_is_left_by_goto_leaves_the_message_where_it_was, "")
{
    int64_t n = 0;
    for (int64_t i = 1; i <= 3; i++)
        es_send(es_self(), ES_TUPLE(one, i));
    for (int64_t until = 1; until <= 3; until++) {
        es_receive {
            es_case_when(ES_TUPLE(one, &n), __extension__({
                             if (n == until)
                                 goto out;
                             false;
                         })) {
            }
        }
    out:
        EXPECT(n == until);
    }
    EXPECT(sum_of_what_is_there() == 123);
}

/* ---- long mailboxes ---- */

ES_ATOMS(k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10, k11, k12, k13, k14, k15, k16, k17, k18, k19, k20, k21,
         k22, k23);

enum { KINDS = 24, SAID_MAX = 20000 };

/* What the mailbox should hold: of each message that was ever sent its kind, or -1 when it was received. */
static struct {
    int kind[SAID_MAX];
    int64_t count, left;
} said;

static es_atom kind_atom(int kind)
{
    const es_atom all[KINDS] = {k0,  k1,  k2,  k3,  k4,  k5,  k6,  k7,  k8,  k9,  k10, k11,
                                k12, k13, k14, k15, k16, k17, k18, k19, k20, k21, k22, k23};
    return all[kind];
}

static int any_below(uint32_t *seed, int limit)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (int)((*seed >> 8) % (uint32_t)limit);
}

static void says(int kind)
{
    said.kind[said.count] = kind;
    es_send(es_self(), ES_TUPLE(kind_atom(kind), said.count));
    said.count++;
    said.left++;
}

/* The oldest of these kinds from number `from` on; -1: there is none. */
static int64_t oldest_of(int a, int b, int64_t from)
{
    for (int64_t i = from; i < said.count; i++)
        if (said.kind[i] >= 0 && (said.kind[i] == a || said.kind[i] == b))
            return i;
    return -1;
}

static void is_received(int64_t got, int64_t expected)
{
    EXPECT(got == expected);
    if (got < 0)
        return;
    said.kind[got] = -1;
    said.left--;
}

static void receives_one_kind(int kind)
{
    int64_t got = -1;
    es_receive {
        es_case(ES_TUPLE(kind_atom(kind), &got)) {
        }
        es_after(0)
            got = -1;
    }
    is_received(got, oldest_of(kind, kind, 0));
}

static void receives_one_of_two(int a, int b)
{
    int64_t got = -1;
    es_receive {
        es_case(ES_TUPLE(kind_atom(a), &got)) {
        }
        es_case(ES_TUPLE(kind_atom(b), &got)) {
        }
        es_after(0)
            got = -1;
    }
    is_received(got, oldest_of(a, b, 0));
}

static void receives_a_late_one(int a, int b, int64_t from)
{
    int64_t got = -1;
    es_receive {
        es_case_when(ES_TUPLE(kind_atom(a), &got), got >= from) {
        }
        es_case_when(ES_TUPLE(kind_atom(b), &got), got >= from) {
        }
        es_after(0)
            got = -1;
    }
    is_received(got, oldest_of(a, b, from));
}

static void receives_the_first(void)
{
    es_atom kind;
    int64_t got = -1, first = 0;
    while (first < said.count && said.kind[first] < 0)
        first++;
    es_receive {
        es_case(ES_TUPLE(&kind, &got)) {
        }
        es_after(0)
            got = -1;
    }
    is_received(got, first < said.count ? first : -1);
}

static void receives_somehow(uint32_t *seed)
{
    int a = any_below(seed, KINDS), b = any_below(seed, KINDS), how = any_below(seed, 16);
    if (how < 6)
        receives_one_kind(a);
    else if (how < 11)
        receives_one_of_two(a, b);
    else if (how < 15)
        receives_a_late_one(a, b, any_below(seed, (int)said.count + 1));
    else
        receives_the_first();
}

STORY(in_a_long_mailbox_each_receive_finds_the_oldest_that_it_asks_for, "")
{
    for (uint32_t seed = 1; seed <= 6; seed++) {
        uint32_t dice = seed;
        said.count = said.left = 0;
        while (said.count < 3000) { /* grows and shrinks: the index comes, is made anew, and goes */
            bool is_growing = said.count / 500 % 2 == 0;
            if (any_below(&dice, 10) < (is_growing ? 8 : 3))
                says(any_below(&dice, any_below(&dice, 2) ? KINDS : 3));
            else
                receives_somehow(&dice);
        }
        while (said.left > 0)
            receives_the_first();
        EXPECT(is_quiet());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_of_all_kinds_are_handled_in_the_order_sent),
        cmocka_unit_test(a_receive_takes_what_matches_and_leaves_the_rest),
        cmocka_unit_test(a_receive_that_does_not_wait_looks_once_and_removes_nothing),
        cmocka_unit_test(messages_that_match_nothing_do_not_restart_the_clock),
        cmocka_unit_test(a_receive_without_end_can_still_be_ended_by_a_signal),
        cmocka_unit_test(a_reference_made_just_before_is_found_without_a_look_at_what_is_older),
        cmocka_unit_test(what_no_clause_matches_stays_and_nobody_spins),
        cmocka_unit_test(however_a_clause_is_left_its_message_is_consumed_and_freed_once),
        cmocka_unit_test(a_timer_of_nothing_between_two_sends_arrives_somewhere),
        cmocka_unit_test(the_time_of_a_receive_may_come_from_one_that_takes_what_was_shown),
        cmocka_unit_test(what_comes_while_the_time_of_a_receive_is_worked_out_is_received),
        cmocka_unit_test(a_guard_that_receives_does_not_find_what_is_shown),
        cmocka_unit_test(a_guard_that_takes_much_out_of_a_long_mailbox_hides_nothing_from_its_receive),
        cmocka_unit_test(in_a_long_mailbox_each_receive_finds_the_oldest_that_it_asks_for),
        cmocka_unit_test(a_guard_that_is_left_by_goto_leaves_the_message_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
