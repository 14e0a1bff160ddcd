/* monitor.c - proves monitors and aliases: the cases MON-01 to MON-23 and ALI-01 to ALI-08. */
#include "story.h"

ES_ATOMS(r, ready, done, gone, the_name, first, second);

/* ---------------------------------------------------------------- monitors */

STORY(a_monitor_of_the_dead_is_answered_at_once, "MON-01")
{
    es_pid p = dead_pid();
    es_ref ref = es_monitor(p);
    EXPECT(got_down(ref, p, es_am_noproc));
    EXPECT(is_quiet());
}

static void monitors_itself(void)
{
    es_ref ref = es_monitor(es_self());
    EXPECT(ref.id != 0);
    EXPECT(es_demonitor(ref, 0));
    es_monitor(es_self());
}

STORY(a_monitor_of_oneself_is_nothing, "MON-02")
{
    es_ref ref;
    es_pid p = es_spawn_monitor(&ref, monitors_itself);
    EXPECT(got_down(ref, p, es_am_normal));
    EXPECT(is_quiet());
}

STORY(three_monitors_give_three_downs, "MON-03")
{
    es_pid p = es_spawn(exits_when_told);
    es_ref a = es_monitor(p), b = es_monitor(p), c = es_monitor(p);
    tell_to_exit(p, r);
    EXPECT(got_down(b, p, r));
    EXPECT(got_down(a, p, r));
    EXPECT(got_down(c, p, r));
    EXPECT(is_quiet());
}

STORY(a_monitor_of_a_free_name_is_answered_with_the_name, "MON-04")
{
    es_ref ref = es_monitor(the_name);
    EXPECT(got_down(ref, ES_TUPLE(the_name, es_am_nonode_nohost), es_am_noproc));
    ref = es_monitor(ES_AT(the_name, es_am_nonode_nohost));
    EXPECT(got_down(ref, ES_TUPLE(the_name, es_am_nonode_nohost), es_am_noproc));
    ref = es_monitor(ES_AT(the_name, first));
    EXPECT(got_down(ref, ES_TUPLE(the_name, first), es_am_noconnection));
}

STORY(a_monitor_by_name_follows_the_process_and_says_the_name, "MON-05 MON-06")
{
    es_pid p = es_spawn(exits_when_told), other = es_spawn(waits);
    EXPECT(es_register(the_name, p) == ES_OK);
    es_ref ref = es_monitor(the_name);
    EXPECT(es_unregister(the_name) == ES_OK);
    EXPECT(es_register(the_name, other) == ES_OK);
    tell_to_exit(p, r);
    EXPECT(got_down(ref, ES_TUPLE(the_name, es_am_nonode_nohost), r));
    EXPECT(es_pid_equal(es_whereis(the_name), other));
    EXPECT(is_quiet());
}

STORY(after_demonitor_no_down_comes, "MON-07 MON-08")
{
    es_pid p = es_spawn(exits_when_told);
    es_ref ref = es_monitor(p);
    EXPECT(es_demonitor(ref, 0));
    EXPECT(es_demonitor(ref, 0));
    ref = es_monitor(p);
    EXPECT(es_demonitor(ref, ES_DEMONITOR_INFO));
    EXPECT(!es_demonitor(ref, ES_DEMONITOR_INFO));
    tell_to_exit(p, r);
    wait_for_end(p);
    EXPECT(is_quiet());
}

/* A monitor whose DOWN is in the mailbox. */
static es_ref monitor_gone_down(es_pid *pid)
{
    *pid = es_spawn(exits_when_told);
    es_ref ref = es_monitor(*pid);
    tell_to_exit(*pid, r);
    wait_for_end(*pid); /* its DOWN is behind the first monitor's */
    return ref;
}

STORY(a_down_that_is_in_the_mailbox_stays_unless_flushed, "MON-09 MON-10 MON-11")
{
    es_pid p;
    es_ref ref = monitor_gone_down(&p);
    EXPECT(es_demonitor(ref, 0));
    EXPECT(there_is(ES_TUPLE(es_am_DOWN, ref, es_am_process, p, r)));
    ref = monitor_gone_down(&p);
    EXPECT(!es_demonitor(ref, ES_DEMONITOR_INFO));
    EXPECT(there_is(ES_TUPLE(es_am_DOWN, ref, es_am_process, p, r)));
    ref = monitor_gone_down(&p);
    es_send(es_self(), first);
    EXPECT(!es_demonitor(ref, ES_DEMONITOR_INFO | ES_DEMONITOR_FLUSH));
    EXPECT(there_is(first));
    EXPECT(is_quiet());
}

STORY(a_flush_finds_its_down_in_a_long_mailbox, "MON-11")
{
    es_pid p;
    for (int i = 0; i < 300; i++)
        es_send(es_self(), ES_TUPLE(first, i));
    es_ref ref = monitor_gone_down(&p);
    for (int i = 300; i < 600; i++)
        es_send(es_self(), ES_TUPLE(first, i));
    EXPECT(!es_demonitor(ref, ES_DEMONITOR_INFO | ES_DEMONITOR_FLUSH));
    for (int i = 0; i < 600; i++)
        EXPECT(there_is(ES_TUPLE(first, i)));
    EXPECT(is_quiet());
}

STORY(four_monitors_of_which_two_are_flushed, "MON-12")
{
    es_pid p = es_spawn(exits_when_told);
    es_ref m1 = es_monitor(p), m2 = es_monitor(p), m3 = es_monitor(p), m4 = es_monitor(p);
    EXPECT(es_demonitor(m1, ES_DEMONITOR_FLUSH));
    tell_to_exit(p, r);
    wait_for_end(p);
    EXPECT(es_demonitor(m3, ES_DEMONITOR_FLUSH));
    EXPECT(es_demonitor(m4, 0));
    EXPECT(there_is(ES_TUPLE(es_am_DOWN, m2, es_am_process, p, r)));
    EXPECT(there_is(ES_TUPLE(es_am_DOWN, m4, es_am_process, p, r)));
    EXPECT(is_quiet());
}

static void demonitors_anothers(es_term argument)
{
    es_ref ref;
    es_pid parent;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &ref)));
    EXPECT(es_demonitor(ref, 0));
    EXPECT(es_demonitor(ref, ES_DEMONITOR_FLUSH));
    EXPECT(!es_demonitor(ref, ES_DEMONITOR_INFO));
    EXPECT(es_demonitor(es_make_ref(), 0));
    es_send(parent, done);
}

STORY(another_ones_monitor_is_not_touched, "MON-13")
{
    es_pid p = es_spawn(exits_when_told);
    es_ref ref = es_monitor(p);
    es_spawn(demonitors_anothers, ES_TUPLE(es_self(), ref));
    EXPECT(got(done));
    tell_to_exit(p, r);
    EXPECT(got_down(ref, p, r));
}

STORY(a_spawn_monitor_gives_one_down, "MON-15")
{
    for (int i = 0; i < 50; i++) {
        es_ref ref;
        es_pid p = es_spawn_monitor(&ref, exits, es_lend(r));
        EXPECT(got_down(ref, p, r));
    }
    EXPECT(is_quiet());
}

STORY(a_watcher_lives_on, "MON-16")
{
    es_ref ref;
    es_pid p = es_spawn_monitor(&ref, exits, ES_TUPLE(r, 1));
    EXPECT(got_down(ref, p, ES_TUPLE(r, 1)));
}

STORY(link_and_monitor_tell_the_same_reason_once_each, "MON-17")
{
    es_trap_exit(true);
    es_ref ref;
    es_pid p = es_spawn_opt(ES_WITH(.link = true, .monitor = &ref), exits, ES_TUPLE(r, 1));
    EXPECT(got_down(ref, p, ES_TUPLE(r, 1)));
    EXPECT(got_exit(p, ES_TUPLE(r, 1)));
    EXPECT(is_quiet());
}

/* Monitors by pid and by name, and links; tells what it got only when it is asked, so that all have theirs by then. */
static void hears_of(es_term argument)
{
    es_pid parent, other;
    es_term by_pid, by_name, by_link;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &other)));
    es_trap_exit(true);
    es_link(other);
    es_ref pid = es_monitor(other), name = es_monitor(the_name);
    es_send(parent, ready);
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, name, es_am_process, ES_TUPLE(the_name, es_am_nonode_nohost), &by_name))
            by_name = es_keep(by_name);
    es_receive
        es_case(ES_TUPLE(es_am_EXIT, other, &by_link))
            by_link = es_keep(by_link);
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, pid, es_am_process, other, &by_pid)) {
            EXPECT(es_equal(by_pid, by_name) && es_equal(by_pid, by_link));
            es_send(parent, ES_TUPLE(done, by_pid));
        }
}

/* The last who is told gets the process's own block. */
STORY(a_reason_that_needs_memory_reaches_all_and_is_freed_once, "MON-17")
{
    char long_text[300];
    memset(long_text, 'x', sizeof long_text);
    for (int watchers = 0; watchers < 4; watchers++) {
        es_pid p = es_spawn(exits_when_told);
        EXPECT(es_register(the_name, p) == ES_OK);
        for (int i = 0; i < watchers; i++)
            es_spawn(hears_of, ES_TUPLE(es_self(), p));
        for (int i = 0; i < watchers; i++)
            EXPECT(got(ready));
        tell_to_exit(p,
                     ES_TUPLE(r, ES_LIST(1, 2.5, ES_TUPLE(first, p)), es_bytes(long_text, sizeof long_text)));
        for (int i = 0; i < watchers; i++)
            EXPECT(got(ES_TUPLE(done, ES_TUPLE(r, ES_LIST(1, 2.5, ES_TUPLE(first, p)),
                                               es_bytes(long_text, sizeof long_text)))));
        wait_for_end(p);
    }
    EXPECT(is_quiet());
}

STORY(a_monitor_with_its_own_tag_says_it, "MON-18")
{
    es_pid p = es_spawn(exits_when_told);
    es_ref ref = es_monitor_opt(p, (&(es_monitor_options){.tag = gone}));
    tell_to_exit(p, r);
    EXPECT(got(ES_TUPLE(gone, ref, es_am_process, p, r)));
    ref = es_monitor_opt(p, (&(es_monitor_options){.tag = gone}));
    EXPECT(got(ES_TUPLE(gone, ref, es_am_process, p, es_am_noproc)));
}

static void watches(es_term argument)
{
    es_pid parent, other;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &other)));
    es_monitor(other);
    es_send(parent, ready);
    waits();
}

static void ten_thousand_watchers(void)
{
    enum { WATCHERS = 10000 };
    static es_pid watchers[WATCHERS];
    es_pid p = es_spawn(waits);
    es_info info;
    for (int i = 0; i < WATCHERS; i++)
        watchers[i] = es_spawn(watches, ES_TUPLE(es_self(), p));
    for (int i = 0; i < WATCHERS; i++)
        EXPECT(got(ready));
    EXPECT(es_is_alive(p));
    EXPECT(es_process_info(p, &info) && info.monitored_by == WATCHERS);
    for (int i = 0; i < WATCHERS; i++) {
        es_ref ref = es_monitor(watchers[i]);
        es_send_exit(watchers[i], es_am_kill);
        EXPECT(got_down(ref, watchers[i], es_am_killed));
    }
    EXPECT(es_is_alive(p)); /* behind all their signals */
    EXPECT(es_process_info(p, &info) && info.monitored_by == 0);
}

CASE(the_watched_forgets_10000_watchers_that_end, 1, "MON-19")
{
    play_real(ten_thousand_watchers);
}

enum { RACERS = 8 };
static _Atomic(long) seen_alive, seen_dead;

/* Monitors who is about to end, at all distances from its end; yields let the other core steal. */
static void monitors_who_ends(es_term argument)
{
    es_pid parent;
    EXPECT(es_match(argument, &parent));
    for (long i = rounds(1000000) / RACERS; i > 0; i--) {
        es_pid p = es_spawn(exits, es_lend(r));
        for (long yields = i % 4; yields > 0; yields--)
            es_yield();
        for (volatile long spin = 0; spin < i % 400; spin++) {
        }
        es_ref ref = es_monitor(p);
        es_atom reason = {0};
        es_receive {
            es_case(ES_TUPLE(es_am_DOWN, ref, es_am_process, p, &reason)) {
            }
        }
        seen_alive += es_atom_equal(reason, r);
        seen_dead += es_atom_equal(reason, es_am_noproc);
    }
    EXPECT(is_quiet()); /* not one DOWN too many */
    es_send(parent, done);
}

REAL_STORY(a_monitor_that_races_with_the_end_gives_one_down, rounds(1000000), "MON-20")
{
    seen_alive = seen_dead = 0;
    for (int i = 0; i < RACERS; i++)
        es_spawn(monitors_who_ends, es_lend(es_self()));
    for (int i = 0; i < RACERS; i++)
        EXPECT(got(done));
    EXPECT(seen_alive + seen_dead == rounds(1000000) / RACERS * RACERS);
    EXPECT(seen_alive > 0 && seen_dead > 0); /* or it was no race */
}

enum { GROUP = 100 };
static _Atomic(long) taken_down, was_down;

/* Monitors a hundred, tells them to end, and takes the monitors down meanwhile. */
static void races(es_term argument)
{
    es_pid parent, pids[GROUP];
    es_ref refs[GROUP];
    bool was_there[GROUP];
    EXPECT(es_match(argument, &parent));
    for (int i = 0; i < GROUP; i++) {
        pids[i] = es_spawn(exits_when_told);
        refs[i] = es_monitor(pids[i]);
    }
    for (int i = 0; i < GROUP; i++) {
        tell_to_exit(pids[i], r);
        if (i >= 4) {
            was_there[i - 4] = es_demonitor(refs[i - 4], ES_DEMONITOR_INFO);
            taken_down += was_there[i - 4];
            was_down += !was_there[i - 4];
            if (!was_there[i - 4])
                EXPECT(there_is(ES_TUPLE(es_am_DOWN, refs[i - 4], es_am_process, pids[i - 4], r)));
        }
    }
    for (int i = 0; i < GROUP; i++)
        wait_for_end(pids[i]);
    for (int i = 0; i < GROUP - 4; i++)
        EXPECT(!there_is(ES_TUPLE(es_am_DOWN, refs[i], ES_ANY, ES_ANY, ES_ANY)));
    es_send(parent, done);
}

static void demonitor_races(void)
{
    long groups = rounds(100) * 20 > 100 ? 100 : rounds(100) * 20;
    for (long i = 0; i < groups; i++)
        es_spawn_opt(ES_WITH(.stack_size_bytes = 256 << 10), races, es_lend(es_self()));
    for (long i = 0; i < groups; i++)
        EXPECT(got(done));
}

CASE(demonitor_tells_whether_a_down_is_there_and_there_is_no_third_outcome, 1, "MON-21")
{
    taken_down = was_down = 0;
    play_real(demonitor_races);
    play_simulated(demonitor_races, 10);
    assert_true(taken_down > 0 && was_down > 0); /* or it was no race */
}

static void has_the_name(void)
{
    EXPECT(es_register(the_name, es_self()) == ES_OK);
}

STORY(behind_a_down_the_name_is_free_and_the_process_not_alive, "MON-22 REG-09")
{
    for (int i = 0; i < 50; i++) {
        es_ref ref;
        es_pid p = es_spawn_monitor(&ref, has_the_name);
        EXPECT(got_down(ref, p, es_am_normal));
        EXPECT(es_pid_is_none(es_whereis(the_name)));
        EXPECT(es_register(the_name, es_self()) == ES_OK);
        EXPECT(!es_is_alive(p));
        EXPECT(es_unregister(the_name) == ES_OK);
    }
}

/* ---------------------------------------------------------------- aliases */

STORY(an_alias_is_good_until_unalias, "ALI-01")
{
    es_ref alias = es_alias(ES_ALIAS_EXPLICIT_UNALIAS);
    es_send(alias, first);
    es_send(alias, second);
    EXPECT(got(first));
    EXPECT(got(second));
    EXPECT(es_unalias(alias));
    EXPECT(es_send(alias, first) == ES_OK);
    EXPECT(!es_unalias(alias));
    EXPECT(is_quiet());
}

STORY(a_reply_alias_lets_one_message_in, "ALI-02")
{
    es_ref alias = es_alias(ES_ALIAS_REPLY);
    es_send(alias, first);
    es_send(alias, second);
    EXPECT(got(first));
    EXPECT(is_quiet());
    EXPECT(!es_unalias(alias));
}

static es_ref monitor_with(es_pid pid, es_alias_mode mode)
{
    return es_monitor_opt(pid, (&(es_monitor_options){.alias = mode}));
}

STORY(a_demonitor_alias_goes_with_the_monitor, "ALI-03")
{
    es_pid p = es_spawn(waits);
    es_ref alias = monitor_with(p, ES_ALIAS_DEMONITOR);
    es_send(alias, first);
    EXPECT(got(first));
    EXPECT(es_demonitor(alias, 0));
    es_send(alias, second);
    EXPECT(is_quiet());
}

STORY(an_explicit_alias_outlives_the_monitor, "ALI-04")
{
    es_pid p = es_spawn(waits);
    es_ref alias = monitor_with(p, ES_ALIAS_EXPLICIT_UNALIAS);
    EXPECT(es_demonitor(alias, 0));
    es_send(alias, first);
    EXPECT(got(first));
    EXPECT(es_unalias(alias));
    es_send(alias, second);
    EXPECT(is_quiet());
}

STORY(a_reply_takes_monitor_and_alias_down, "ALI-05")
{
    es_pid p = es_spawn(exits_when_told);
    es_ref alias = monitor_with(p, ES_ALIAS_REPLY_DEMONITOR);
    es_send(alias, first);
    es_send(alias, second);
    EXPECT(got(first));
    tell_to_exit(p, r);
    wait_for_end(p);
    EXPECT(is_quiet());
    EXPECT(!es_demonitor(alias, ES_DEMONITOR_INFO));
}

STORY(a_down_takes_a_demonitor_alias_along, "ALI-06")
{
    es_pid p = es_spawn(exits_when_told);
    es_ref alias = monitor_with(p, ES_ALIAS_DEMONITOR);
    tell_to_exit(p, r);
    EXPECT(got_down(alias, p, r));
    es_send(alias, first);
    EXPECT(is_quiet());
    EXPECT(!es_unalias(alias));
}

static void unaliases_anothers(es_term argument)
{
    es_ref ref;
    es_pid parent;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &ref)));
    EXPECT(!es_unalias(ref));
    es_send(parent, done);
}

STORY(another_ones_alias_is_not_touched, "ALI-07")
{
    es_ref alias = es_alias(ES_ALIAS_EXPLICIT_UNALIAS);
    es_spawn(unaliases_anothers, ES_TUPLE(es_self(), alias));
    EXPECT(got(done));
    es_send(alias, first);
    EXPECT(got(first));
}

static void tells_its_alias(es_term argument)
{
    es_pid parent;
    EXPECT(es_match(argument, &parent));
    es_send(parent, ES_TUPLE(ready, es_alias(ES_ALIAS_EXPLICIT_UNALIAS)));
}

STORY(a_message_through_the_alias_of_the_dead_is_dropped, "ALI-08")
{
    es_ref alias = {0};
    es_pid p = es_spawn(tells_its_alias, es_lend(es_self()));
    EXPECT(got(ES_TUPLE(ready, &alias)));
    wait_for_end(p);
    EXPECT(es_send(alias, first) == ES_OK);
    EXPECT(is_quiet());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_monitor_of_the_dead_is_answered_at_once),
        cmocka_unit_test(a_monitor_of_oneself_is_nothing),
        cmocka_unit_test(three_monitors_give_three_downs),
        cmocka_unit_test(a_monitor_of_a_free_name_is_answered_with_the_name),
        cmocka_unit_test(a_monitor_by_name_follows_the_process_and_says_the_name),
        cmocka_unit_test(after_demonitor_no_down_comes),
        cmocka_unit_test(a_down_that_is_in_the_mailbox_stays_unless_flushed),
        cmocka_unit_test(a_flush_finds_its_down_in_a_long_mailbox),
        cmocka_unit_test(four_monitors_of_which_two_are_flushed),
        cmocka_unit_test(another_ones_monitor_is_not_touched),
        cmocka_unit_test(a_spawn_monitor_gives_one_down),
        cmocka_unit_test(a_watcher_lives_on),
        cmocka_unit_test(link_and_monitor_tell_the_same_reason_once_each),
        cmocka_unit_test(a_reason_that_needs_memory_reaches_all_and_is_freed_once),
        cmocka_unit_test(a_monitor_with_its_own_tag_says_it),
        cmocka_unit_test(the_watched_forgets_10000_watchers_that_end),
        cmocka_unit_test(a_monitor_that_races_with_the_end_gives_one_down),
        cmocka_unit_test(demonitor_tells_whether_a_down_is_there_and_there_is_no_third_outcome),
        cmocka_unit_test(behind_a_down_the_name_is_free_and_the_process_not_alive),
        cmocka_unit_test(an_alias_is_good_until_unalias),
        cmocka_unit_test(a_reply_alias_lets_one_message_in),
        cmocka_unit_test(a_demonitor_alias_goes_with_the_monitor),
        cmocka_unit_test(an_explicit_alias_outlives_the_monitor),
        cmocka_unit_test(a_reply_takes_monitor_and_alias_down),
        cmocka_unit_test(a_down_takes_a_demonitor_alias_along),
        cmocka_unit_test(another_ones_alias_is_not_touched),
        cmocka_unit_test(a_message_through_the_alias_of_the_dead_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
