/* link.c - proves links and exit signals: the cases LNK-01 to LNK-36. */
#include "story.h"
#include "term/copy.h"

ES_ATOMS(r, deep, ready, done, first, second, third);

/* Traps, links to `pid`, says ready, and reports every EXIT as {done, Self, Reason}. */
static void reports_exits_of(es_term argument)
{
    es_pid parent, other;
    es_term reason;
    es_trap_exit(true);
    EXPECT(es_match(argument, ES_TUPLE(&parent, &other)));
    es_link(other);
    es_send(parent, ES_TUPLE(ready, es_self()));
    for (;;)
        es_receive {
            es_case(ES_TUPLE(es_am_EXIT, other, &reason))
                es_send(parent, ES_TUPLE(done, es_self(), reason));
        }
}

/* Links to `pid`, does not trap. */
static void hangs_on(es_term argument)
{
    es_pid parent, other;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &other)));
    es_link(other);
    es_send(parent, ES_TUPLE(ready, es_self()));
    waits();
}

/* A process linked to `other`; comes back when the link is there. */
static es_pid hanger_on(es_pid other)
{
    es_pid pid = es_spawn(hangs_on, ES_TUPLE(es_self(), other));
    EXPECT(got(ES_TUPLE(ready, pid)));
    EXPECT(es_is_alive(
        other)); /* the LINK has arrived: it was sent before `ready`, and this is asked behind it */
    return pid;
}

STORY(an_exit_reason_reaches_a_linked_process, "LNK-01")
{
    es_pid p = es_spawn(exits_when_told), q = hanger_on(p);
    es_ref ref = es_monitor(q);
    tell_to_exit(p, r);
    EXPECT(got_down(ref, q, r));
}

STORY(a_normal_exit_is_nothing_to_a_linked_process_that_does_not_trap, "LNK-02 LNK-04")
{
    es_pid p = es_spawn(exits_when_told), q = hanger_on(p);
    tell_to_exit(p, es_am_normal);
    wait_for_end(p);
    EXPECT(es_is_alive(q));
    es_ref ref;
    EXPECT(!es_pid_is_none(es_spawn_monitor(&ref, returns)));
    EXPECT(got(ES_TUPLE(es_am_DOWN, ref, es_am_process, ES_ANY, es_am_normal)));
    EXPECT(is_quiet());
}

STORY(who_traps_gets_exactly_one_exit_message_normal_included, "LNK-03")
{
    es_trap_exit(true);
    es_pid p = es_spawn_link(exits, es_lend(r));
    EXPECT(got_exit(p, r));
    p = es_spawn_link(returns);
    EXPECT(got_exit(p, es_am_normal));
    p = es_spawn_link(exits, ES_TUPLE(r, 1, "text"));
    EXPECT(got_exit(p, ES_TUPLE(r, 1, "text")));
    EXPECT(is_quiet());
}

static void uses_an_argument_that_makes_no_sense(void)
{
    es_demonitor((es_ref){0}, 0);
}

STORY(an_error_is_told_with_its_place_a_plain_exit_as_it_is, "LNK-05 MON-14 LNK-16")
{
    es_trap_exit(true);
    es_pid p = es_spawn_link(uses_an_argument_that_makes_no_sense);
    EXPECT(got_exit(p, ES_TUPLE(es_am_badarg, es_am_demonitor)));
    p = es_spawn_link(exits, es_lend(r));
    EXPECT(got_exit(p, r));
}

static void demonitors_with_an_unknown_flag(void)
{
    es_demonitor(es_make_ref(), 4);
}

static void sends_exit_to_none(void)
{
    es_send_exit(ES_NO_PID, r);
}

STORY(what_c_cannot_refuse_ends_the_caller_with_badarg, "MON-14 LNK-16")
{
    es_trap_exit(true);
    es_term function;
    es_pid p = es_spawn_link(demonitors_with_an_unknown_flag);
    EXPECT(got_exit(p, ES_TUPLE(es_am_badarg, es_am_demonitor)));
    p = es_spawn_link(sends_exit_to_none);
    EXPECT(got_exit(p, ES_TUPLE(es_am_badarg, &function)));
}

STORY(a_sent_normal_is_ignored_by_others, "LNK-06")
{
    es_pid p = es_spawn(waits);
    es_send_exit(p, es_am_normal);
    EXPECT(es_is_alive(p));
}

static void forwards_one(es_term argument)
{
    es_pid parent;
    es_term message;
    es_trap_exit(true);
    EXPECT(es_match(argument, &parent));
    es_send(parent, ES_TUPLE(ready, es_self()));
    es_receive {
        es_case(&message)
            es_send(parent, message);
    }
}

static es_pid trapping_forwarder(void)
{
    es_pid p = es_spawn(forwards_one, es_lend(es_self()));
    EXPECT(got(ES_TUPLE(ready, p)));
    return p;
}

STORY(who_traps_gets_sent_exits_as_messages_from_the_caller, "LNK-07 LNK-13 LNK-14")
{
    es_send_exit(trapping_forwarder(), es_am_normal);
    EXPECT(got_exit(es_self(), es_am_normal));
    es_send_exit(trapping_forwarder(), es_am_killed);
    EXPECT(got_exit(es_self(), es_am_killed));
    es_send_exit(trapping_forwarder(), ES_TUPLE(r, 1));
    EXPECT(got_exit(es_self(), ES_TUPLE(r, 1)));
}

static void sends_itself_normal(void)
{
    es_send_exit(es_self(), es_am_normal);
    EXPECT(!"it came back");
}

STORY(a_normal_sent_to_oneself_ends_oneself, "LNK-08")
{
    es_ref ref;
    es_pid p = es_spawn_monitor(&ref, sends_itself_normal);
    EXPECT(got_down(ref, p, es_am_normal));
}

STORY(a_normal_sent_to_oneself_is_a_message_when_trapping, "LNK-09")
{
    es_trap_exit(true);
    es_send(es_self(), first);
    es_send_exit(es_self(), es_am_normal);
    es_term message;
    es_receive {
        es_case(&message)
            EXPECT(es_is(message, first));
    }
    EXPECT(there_is(ES_TUPLE(es_am_EXIT, es_self(), es_am_normal)));
}

STORY(kill_cannot_be_trapped_and_shows_as_killed, "LNK-10")
{
    es_trap_exit(true);
    es_pid p = es_spawn_link(traps_and_waits);
    es_ref ref = es_monitor(p);
    es_send_exit(p, es_am_kill);
    EXPECT(got_exit(p, es_am_killed));
    EXPECT(got_down(ref, p, es_am_killed));
}

STORY(a_raised_kill_is_an_ordinary_reason, "LNK-11 LNK-12")
{
    es_pid p = es_spawn(exits_when_told), q = hanger_on(p);
    es_ref ref = es_monitor(q);
    es_trap_exit(true);
    es_link(p);
    tell_to_exit(p, es_am_kill);
    EXPECT(got_exit(p, es_am_kill));
    EXPECT(got_down(ref, q, es_am_kill));
}

STORY(an_exit_to_the_dead_is_nothing, "LNK-15")
{
    EXPECT(es_send_exit(dead_pid(), r) == ES_OK);
    EXPECT(es_send_exit(dead_pid(), es_am_kill) == ES_OK);
    EXPECT(is_quiet());
}

STORY(a_pair_has_at_most_one_link_and_one_unlink_removes_it, "LNK-17")
{
    es_trap_exit(true);
    es_pid p = es_spawn(exits_when_told);
    es_link(p);
    es_link(p);
    es_unlink(p);
    tell_to_exit(p, r);
    wait_for_end(p);
    EXPECT(is_quiet());
}

static int64_t links_shown(void)
{
    es_info info;
    return es_process_info(es_self(), &info) ? info.links : -1;
}

/* Also while the other has not answered yet, and when the link is made anew before that. */
STORY(a_link_is_shown_no_more_once_it_is_removed, "LNK-17")
{
    es_pid p = es_spawn(waits);
    for (int i = 0; i < 3; i++) {
        es_link(p);
        EXPECT(links_shown() == 1);
        es_unlink(p);
        EXPECT(links_shown() == 0);
        if (i == 1) {
            EXPECT(es_is_alive(p)); /* behind its answer */
            EXPECT(links_shown() == 0);
        }
    }
}

STORY(links_from_both_sides_are_one_link, "LNK-18")
{
    es_trap_exit(true);
    es_pid self = es_self();
    es_pid p = es_spawn(reports_exits_of, ES_TUPLE(self, self));
    es_link(p);
    EXPECT(got(ES_TUPLE(ready, p)));
    es_send_exit(p, es_am_kill);
    EXPECT(got_exit(p, es_am_killed));
    EXPECT(is_quiet());
}

static void links_to_itself(void)
{
    es_link(es_self());
    es_unlink(es_self());
    es_link(es_self());
    es_exit(r);
}

STORY(a_link_to_oneself_is_nothing, "LNK-19")
{
    es_ref ref;
    es_pid p = es_spawn_monitor(&ref, links_to_itself);
    EXPECT(got_down(ref, p, r));
}

STORY(unlinking_who_was_never_linked_is_fine, "LNK-20")
{
    es_pid p = es_spawn(waits);
    EXPECT(es_unlink(es_self()) == ES_OK);
    EXPECT(es_unlink(dead_pid()) == ES_OK);
    EXPECT(es_unlink(p) == ES_OK);
    EXPECT(es_is_alive(p));
}

STORY(a_link_to_the_dead_tells_who_traps, "LNK-21")
{
    es_trap_exit(true);
    es_pid p = dead_pid();
    EXPECT(es_link(p) == ES_OK);
    EXPECT(got_exit(p, es_am_noproc));
    EXPECT(is_quiet());
}

static void links_to_the_dead(void)
{
    es_link(dead_pid());
    EXPECT(!"it came back");
}

STORY(a_link_to_the_dead_ends_who_does_not_trap, "LNK-22")
{
    es_ref ref;
    es_pid p = es_spawn_monitor(&ref, links_to_the_dead);
    EXPECT(got_down(ref, p, es_am_noproc));
}

static void spawn_link_of_the_short_lived(void)
{
    es_trap_exit(true);
    for (long i = rounds(100000); i > 0; i--) {
        es_pid p = es_spawn_link(exits, es_lend(r));
        if (!EXPECT(got_exit(p, r)))
            return;
    }
}

CASE(an_exit_of_a_spawn_link_is_never_missed, rounds(100000), "LNK-23")
{
    play_real(spawn_link_of_the_short_lived);
}

STORY(an_exit_that_is_in_the_mailbox_stays_there, "LNK-24")
{
    es_trap_exit(true);
    es_pid p = es_spawn_link(exits, es_lend(r));
    EXPECT(stays_there(ES_TUPLE(es_am_EXIT, p, r)));
    es_unlink(p);
    EXPECT(there_is(ES_TUPLE(es_am_EXIT, p, ES_ANY)));
    EXPECT(is_quiet());
}

static _Atomic(bool) is_running, may_exit;

/* Under ThreadSanitizer everybody is interrupted all the time. */
#if defined(__has_feature)
#define IS_SLOW __has_feature(thread_sanitizer)
#else
#define IS_SLOW 0
#endif

/* Runs without a runtime call until it may exit, so that its end happens while its spawner, too, is in user code. */
static void exits_when_it_may(void)
{
    is_running = true;
    while (!may_exit) {
    }
    es_exit(r);
}

/* The process has ended and told its links; nothing is taken from the caller's inbox meanwhile. */
static void wait_in_user_code(es_pid pid)
{
    es_info info;
    while (es_process_info(pid, &info)) {
    }
}

REAL_STORY(an_exit_that_is_in_the_inbox_but_not_yet_taken_is_undone_by_unlink, 20, "LNK-25")
{
    es_trap_exit(true);
    int undone = 0;
    for (int i = 0; i < 20; i++) {
        is_running = may_exit = false;
        es_pid p = es_spawn_link(exits_when_it_may);
        while (!is_running)
            es_yield();
        may_exit = true;
        wait_in_user_code(p);
        EXPECT(es_unlink(p) == ES_OK);
        /* Was the caller interrupted while it waited, it took the EXIT then: it came before. */
        undone += !there_is(ES_TUPLE(es_am_EXIT, p, ES_ANY));
    }
    EXPECT(undone > 0 || IS_SLOW);
    EXPECT(is_quiet());
}

enum { RACERS = 8 };

/* Unlinks who is about to exit, at all distances from its end; yields let the other core steal. */
static void races_with_exits(es_term argument)
{
    es_pid parent;
    EXPECT(es_match(argument, &parent));
    es_trap_exit(true);
    for (long i = rounds(1000000) / RACERS; i > 0; i--) {
        es_pid p = es_spawn_link(exits, es_lend(r));
        for (long yields = i % 4; yields > 0; yields--)
            es_yield();
        for (volatile long spin = 0; spin < i % 400; spin++) {
        }
        es_unlink(p);
        there_is(ES_TUPLE(es_am_EXIT, p, ES_ANY)); /* came before */
        wait_for_end(p);
        if (!EXPECT(!there_is(ES_TUPLE(es_am_EXIT, p, ES_ANY))))
            break;
    }
    EXPECT(is_quiet());
    es_send(parent, done);
}

REAL_STORY(after_unlink_no_exit_comes_whatever_the_other_does, rounds(1000000), "LNK-25")
{
    for (int i = 0; i < RACERS; i++)
        es_spawn(races_with_exits, es_lend(es_self()));
    for (int i = 0; i < RACERS; i++)
        EXPECT(got(done));
}

STORY(a_link_made_anew_while_unlinking_holds, "LNK-17")
{
    es_trap_exit(true);
    es_pid p = es_spawn(exits_when_told);
    for (int i = 0; i < 10; i++) {
        es_link(p);
        es_unlink(p);
    }
    es_link(p);
    tell_to_exit(p, r);
    EXPECT(got_exit(p, r));
    EXPECT(is_quiet());
}

STORY(a_chain_that_does_not_trap_ends_as_a_whole, "LNK-26")
{
    es_pid c3 = es_spawn(exits_when_told), c2 = hanger_on(c3), c1 = hanger_on(c2);
    es_ref d1 = es_monitor(c1), d2 = es_monitor(c2), d3 = es_monitor(c3);
    tell_to_exit(c3, deep);
    EXPECT(got_down(d1, c1, deep));
    EXPECT(got_down(d2, c2, deep));
    EXPECT(got_down(d3, c3, deep));
}

STORY(who_hangs_on_a_killed_one_ends_with_killed, "LNK-27")
{
    es_pid c3 = es_spawn(waits), c2 = hanger_on(c3), c1 = hanger_on(c2);
    es_ref d1 = es_monitor(c1), d2 = es_monitor(c2);
    es_send_exit(c3, es_am_kill);
    EXPECT(got_down(d1, c1, es_am_killed));
    EXPECT(got_down(d2, c2, es_am_killed));
}

STORY(who_traps_in_the_middle_stops_it, "LNK-28")
{
    es_pid c3 = es_spawn(waits);
    es_pid c2 = es_spawn(reports_exits_of, ES_TUPLE(es_self(), c3));
    EXPECT(got(ES_TUPLE(ready, c2)));
    es_pid c1 = hanger_on(c2);
    EXPECT(es_is_alive(c3));
    es_send_exit(c3, es_am_kill);
    EXPECT(got(ES_TUPLE(done, c2, es_am_killed)));
    EXPECT(es_is_alive(c2));
    EXPECT(es_is_alive(c1));
    es_send_exit(c2, es_am_kill); /* or the node waits for it to heed its shutdown */
}

static void stops_trapping(es_term argument)
{
    es_pid parent;
    EXPECT(es_match(argument, &parent));
    EXPECT(!es_trap_exit(true));
    es_send(parent, ES_TUPLE(ready, es_self()));
    EXPECT(got(go));
    EXPECT(es_trap_exit(false));
    EXPECT(there_is(ES_TUPLE(es_am_EXIT, parent, first)));
    es_send(parent, ES_TUPLE(done, es_self()));
    waits();
}

STORY(a_queued_exit_message_stays_one_when_trapping_ends, "LNK-29 LNK-30")
{
    es_pid p = es_spawn(stops_trapping, es_lend(es_self()));
    EXPECT(got(ES_TUPLE(ready, p)));
    es_send_exit(p, first);
    es_send(p, go);
    EXPECT(got(ES_TUPLE(done, p)));
    es_ref ref = es_monitor(p);
    es_send_exit(p, second);
    EXPECT(got_down(ref, p, second));
}

STORY(the_trap_flag_gives_its_previous_value, "LNK-30")
{
    EXPECT(!es_trap_exit(true));
    EXPECT(es_trap_exit(true));
    EXPECT(es_trap_exit(false));
    EXPECT(!es_trap_exit(false));
}

static void sends_two_and_exits(es_term argument)
{
    es_pid parent;
    EXPECT(es_match(argument, &parent));
    es_send(parent, first);
    es_send(parent, second);
    es_exit(r);
}

STORY(messages_come_before_the_exit_behind_them, "LNK-31")
{
    es_trap_exit(true);
    es_pid p = es_spawn_link(sends_two_and_exits, es_lend(es_self()));
    es_term message;
    es_receive {
        es_case(&message)
            EXPECT(es_is(message, first));
    }
    es_receive {
        es_case(&message)
            EXPECT(es_is(message, second));
    }
    es_receive {
        es_case(&message)
            EXPECT(es_match(message, ES_TUPLE(es_am_EXIT, p, r)));
    }
}

static void handles_all(es_term argument)
{
    es_pid parent;
    es_term message;
    EXPECT(es_match(argument, &parent));
    for (;;)
        es_receive {
            es_case(&message)
                es_send(parent, ES_TUPLE(done, message));
        }
}

static void message_exit_message(void)
{
    for (long i = rounds(1000) * 10; i > 0; i--) {
        es_ref ref;
        es_pid p = es_spawn_monitor(&ref, handles_all, es_lend(es_self()));
        es_send(p, first);
        es_send_exit(p, r);
        es_send(p, third);
        if (!EXPECT(got_down(ref, p, r)))
            return;
        there_is(ES_TUPLE(done, first));
        EXPECT(!there_is(ES_TUPLE(done, third)));
    }
}

CASE(no_message_behind_an_exit_signal_is_handled, rounds(1000) * 10, "LNK-32")
{
    play(message_exit_message);
}

STORY(who_was_sent_an_exit_is_not_alive_for_the_sender, "LNK-33")
{
    for (int i = 0; i < 50; i++) {
        es_pid p = es_spawn(waits);
        es_send_exit(p, r);
        EXPECT(!es_is_alive(p));
    }
}

static void hub_ends(void)
{
    enum { LINKED = 10000 };
    es_pid hub = es_spawn(exits_when_told);
    for (int i = 0; i < LINKED; i++)
        es_spawn(reports_exits_of, ES_TUPLE(es_self(), hub));
    for (int i = 0; i < LINKED; i++)
        EXPECT(got(ES_TUPLE(ready, ES_ANY)));
    tell_to_exit(hub, r);
    for (int i = 0; i < LINKED; i++)
        EXPECT(got(ES_TUPLE(done, ES_ANY, r)));
    EXPECT(is_quiet());
}

CASE(the_end_of_a_hub_reaches_each_of_10000_links_once, 1, "LNK-34")
{
    play_real(hub_ends);
}

static uint8_t megabyte[1 << 20];

static void big_reason(void)
{
    enum { LINKED = 1000 };
    for (long i = rounds(100); i > 0; i--) {
        es_pid hub = es_spawn(exits_when_told);
        es_pid first_linked = hanger_on(hub);
        for (int j = 1; j < LINKED; j++)
            es_spawn(hangs_on, ES_TUPLE(es_self(), hub));
        for (int j = 1; j < LINKED; j++)
            EXPECT(got(ES_TUPLE(ready, ES_ANY)));
        es_ref ref = es_monitor(first_linked);
        tell_to_exit(hub, ES_TUPLE(r, es_bytes(megabyte, sizeof megabyte)));
        es_bin bytes;
        es_receive {
            es_case(ES_TUPLE(es_am_DOWN, ref, es_am_process, first_linked, ES_TUPLE(r, &bytes)))
                EXPECT(bytes.size == sizeof megabyte && memcmp(bytes.data, megabyte, sizeof megabyte) == 0);
        }
    }
}

CASE(a_reason_of_a_megabyte_reaches_1000_links_and_is_freed_once, rounds(100), "LNK-35 MON-23")
{
    for (size_t i = 0; i < sizeof megabyte; i++)
        megabyte[i] = (uint8_t)(i * 7);
    int64_t before = esi_shared_live();
    play_real(big_reason);
    assert_int_equal(esi_shared_live(), before);
}

static void waits_with_a_timeout(void)
{
    es_sleep(3600 * 1000);
}

static void hibernates(void)
{
    es_hibernate();
    waits();
}

STORY(an_exit_signal_ends_who_waits_hibernates_or_is_suspended, "LNK-36")
{
    es_pid p = es_spawn(waits_with_a_timeout), h = es_spawn(hibernates), s = es_spawn(waits);
    EXPECT(es_is_alive(p) && es_is_alive(h) && es_is_alive(s));
    EXPECT(es_suspend(s) == ES_OK);
    es_ref d1 = es_monitor(p), d2 = es_monitor(h), d3 = es_monitor(s);
    es_send_exit(p, r);
    es_send_exit(h, r);
    es_send_exit(s, r);
    EXPECT(got_down(d1, p, r));
    EXPECT(got_down(d2, h, r));
    EXPECT(got_down(d3, s, r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exit_reason_reaches_a_linked_process),
        cmocka_unit_test(a_normal_exit_is_nothing_to_a_linked_process_that_does_not_trap),
        cmocka_unit_test(who_traps_gets_exactly_one_exit_message_normal_included),
        cmocka_unit_test(an_error_is_told_with_its_place_a_plain_exit_as_it_is),
        cmocka_unit_test(what_c_cannot_refuse_ends_the_caller_with_badarg),
        cmocka_unit_test(a_sent_normal_is_ignored_by_others),
        cmocka_unit_test(who_traps_gets_sent_exits_as_messages_from_the_caller),
        cmocka_unit_test(a_normal_sent_to_oneself_ends_oneself),
        cmocka_unit_test(a_normal_sent_to_oneself_is_a_message_when_trapping),
        cmocka_unit_test(kill_cannot_be_trapped_and_shows_as_killed),
        cmocka_unit_test(a_raised_kill_is_an_ordinary_reason),
        cmocka_unit_test(an_exit_to_the_dead_is_nothing),
        cmocka_unit_test(a_pair_has_at_most_one_link_and_one_unlink_removes_it),
        cmocka_unit_test(a_link_is_shown_no_more_once_it_is_removed),
        cmocka_unit_test(links_from_both_sides_are_one_link),
        cmocka_unit_test(a_link_to_oneself_is_nothing),
        cmocka_unit_test(unlinking_who_was_never_linked_is_fine),
        cmocka_unit_test(a_link_to_the_dead_tells_who_traps),
        cmocka_unit_test(a_link_to_the_dead_ends_who_does_not_trap),
        cmocka_unit_test(an_exit_of_a_spawn_link_is_never_missed),
        cmocka_unit_test(an_exit_that_is_in_the_mailbox_stays_there),
        cmocka_unit_test(an_exit_that_is_in_the_inbox_but_not_yet_taken_is_undone_by_unlink),
        cmocka_unit_test(after_unlink_no_exit_comes_whatever_the_other_does),
        cmocka_unit_test(a_link_made_anew_while_unlinking_holds),
        cmocka_unit_test(a_chain_that_does_not_trap_ends_as_a_whole),
        cmocka_unit_test(who_hangs_on_a_killed_one_ends_with_killed),
        cmocka_unit_test(who_traps_in_the_middle_stops_it),
        cmocka_unit_test(a_queued_exit_message_stays_one_when_trapping_ends),
        cmocka_unit_test(the_trap_flag_gives_its_previous_value),
        cmocka_unit_test(messages_come_before_the_exit_behind_them),
        cmocka_unit_test(no_message_behind_an_exit_signal_is_handled),
        cmocka_unit_test(who_was_sent_an_exit_is_not_alive_for_the_sender),
        cmocka_unit_test(the_end_of_a_hub_reaches_each_of_10000_links_once),
        cmocka_unit_test(a_reason_of_a_megabyte_reaches_1000_links_and_is_freed_once),
        cmocka_unit_test(an_exit_signal_ends_who_waits_hibernates_or_is_suspended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
