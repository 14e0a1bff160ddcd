/* name.c - proves names and groups: the cases REG-01 to REG-11, GRP-01 and GRP-02. */
#include "story.h"

ES_ATOMS(n1, n2, n3, n4, nobody, r, done, won, lost);

STORY(a_dead_process_gets_no_name, "REG-01")
{
    EXPECT(es_register(n1, dead_pid()) == ES_ENOPROC);
    EXPECT(es_register(n1, ES_NO_PID) == ES_ENOPROC);
    EXPECT(es_pid_is_none(es_whereis(n1)));
}

STORY(a_name_in_use_stays_with_its_holder, "REG-02")
{
    es_pid p = es_spawn(waits), q = es_spawn(waits);
    EXPECT(es_register(n1, p) == ES_OK);
    EXPECT(es_register(n1, q) == ES_ETAKEN);
    EXPECT(es_register(n1, p) == ES_ETAKEN);
    EXPECT(es_pid_equal(es_whereis(n1), p));
    EXPECT(es_pid_is_none(es_spawn_opt(ES_WITH(.name = "n1"), waits)));
    EXPECT(es_last_error() == ES_ETAKEN);
}

STORY(a_process_has_one_name, "REG-03")
{
    EXPECT(es_register(n1, es_self()) == ES_OK);
    EXPECT(es_register(n2, es_self()) == ES_ETAKEN);
    EXPECT(es_pid_is_none(es_whereis(n2)));
    es_info info;
    EXPECT(es_process_info(es_self(), &info) && es_atom_equal(info.name, n1));
}

STORY(undefined_is_no_name, "REG-04")
{
    EXPECT(es_register(es_am_undefined, es_self()) == ES_EINVAL);
    EXPECT(es_register((es_atom){0}, es_self()) == ES_EINVAL);
    EXPECT(es_pid_is_none(es_whereis(es_am_undefined)));
}

static void unregisters(es_term argument)
{
    es_pid parent;
    EXPECT(es_match(argument, &parent));
    EXPECT(es_unregister(n1) == ES_OK);
    es_send(parent, done);
}

STORY(anybody_may_free_a_name_that_is_in_use, "REG-05 REG-06")
{
    EXPECT(es_unregister(n1) == ES_ENAME);
    EXPECT(es_register(n1, es_self()) == ES_OK);
    es_spawn(unregisters, es_lend(es_self()));
    EXPECT(got(done));
    EXPECT(es_pid_is_none(es_whereis(n1)));
    EXPECT(es_unregister(n1) == ES_ENAME);
    EXPECT(es_register(n2, es_self()) == ES_OK);
}

STORY(a_message_to_a_name_needs_somebody_who_has_it, "REG-07 REG-08")
{
    EXPECT(es_send(nobody, done) == ES_ENAME);
    EXPECT(es_send(ES_AT(nobody, es_am_nonode_nohost), done) == ES_OK);
    EXPECT(es_register(n1, es_self()) == ES_OK);
    EXPECT(es_send(n1, done) == ES_OK);
    EXPECT(got(done));
    EXPECT(es_send(ES_AT(n1, es_am_nonode_nohost), done) == ES_OK);
    EXPECT(got(done));
}

STORY(a_process_is_spawned_with_its_name, "REG-01")
{
    es_pid p = es_spawn_opt(ES_WITH(.name = "n3"), waits);
    EXPECT(es_pid_equal(es_whereis(n3), p));
    es_send_exit(p, es_am_kill);
    wait_for_end(p);
    EXPECT(es_pid_is_none(es_whereis(n3)));
}

STORY(a_name_given_by_another_goes_with_its_holder, "REG-09")
{
    for (int i = 0; i < 50; i++) {
        es_pid p = es_spawn(exits_when_told);
        EXPECT(es_register(n1, p) == ES_OK);
        tell_to_exit(p, r);
        wait_for_end(p);
        EXPECT(es_register(n1, es_self()) == ES_OK);
        EXPECT(es_unregister(n1) == ES_OK);
    }
}

/* Takes the name if it is free and says how it went; {exit, _} ends it. */
static void competes(es_term argument)
{
    es_pid parent;
    EXPECT(es_match(argument, &parent));
    bool is_mine = es_register(n4, es_self()) == ES_OK;
    es_send(parent, ES_TUPLE(is_mine ? won : lost, es_self()));
    exits_when_told();
}

REAL_STORY(of_two_that_want_a_name_one_gets_it, rounds(100000), "REG-10")
{
    for (long i = rounds(100000); i > 0; i--) {
        es_pid a = es_spawn(competes, es_lend(es_self())), b = es_spawn(competes, es_lend(es_self()));
        es_pid winner = ES_NO_PID;
        EXPECT(got(ES_TUPLE(won, &winner)));
        if (!EXPECT(got(ES_TUPLE(lost, ES_ANY))))
            return;
        EXPECT(es_pid_equal(es_whereis(n4), winner));
        tell_to_exit(a, r);
        tell_to_exit(b, r);
        wait_for_end(a);
        wait_for_end(b);
        EXPECT(es_pid_is_none(es_whereis(n4)));
    }
}

static void comes_and_goes(es_term argument)
{
    es_pid parent;
    es_atom name;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &name)));
    for (long i = rounds(100000); i > 0; i--) {
        EXPECT(es_register(name, es_self()) == ES_OK);
        EXPECT(es_unregister(name) == ES_OK);
        if (i % 64 == 0)
            es_yield();
    }
    es_send(parent, done);
}

REAL_STORY(a_list_of_names_has_only_names_that_were_in_use, rounds(100000), "REG-11")
{
    es_atom names[64];
    EXPECT(es_register(n3, es_self()) == ES_OK);
    es_spawn(comes_and_goes, ES_TUPLE(es_self(), n1));
    es_spawn(comes_and_goes, ES_TUPLE(es_self(), n2));
    for (int finished = 0; finished < 2;) {
        int64_t count = es_registered(names, 64);
        bool has_mine = false;
        for (int64_t i = 0; i < count && i < 64; i++) {
            has_mine |= es_atom_equal(names[i], n3);
            EXPECT(es_atom_equal(names[i], n1) || es_atom_equal(names[i], n2) || es_atom_equal(names[i], n3));
        }
        EXPECT(has_mine);
        EXPECT(count <= 3);
        EXPECT(es_registered(NULL, 0) >= 1);
        if (there_is(done))
            finished++;
    }
}

/* ---------------------------------------------------------------- groups */

STORY(who_joined_twice_and_left_once_is_a_member_still, "GRP-01")
{
    es_pid pids[4];
    EXPECT(es_members(n1, pids, 4) == 0);
    EXPECT(es_join(n1, es_self()) == ES_OK);
    EXPECT(es_join(n1, es_self()) == ES_OK);
    EXPECT(es_members(n1, pids, 4) == 2 && es_pid_equal(pids[0], es_self()) &&
           es_pid_equal(pids[1], es_self()));
    EXPECT(es_members(n1, pids, 1) == 2);
    EXPECT(es_leave(n1, es_self()) == ES_OK);
    EXPECT(es_members(n1, pids, 4) == 1 && es_pid_equal(pids[0], es_self()));
    EXPECT(es_leave(n1, es_self()) == ES_OK);
    EXPECT(es_leave(n1, es_self()) == ES_ENOTFOUND);
    EXPECT(es_members(n1, pids, 4) == 0);
}

STORY(a_member_that_ends_leaves_by_itself, "GRP-02")
{
    es_pid pids[4];
    es_pid p = es_spawn(waits), q = es_spawn(waits);
    EXPECT(es_join(n1, p) == ES_OK && es_join(n2, p) == ES_OK && es_join(n1, q) == ES_OK &&
           es_join(n1, p) == ES_OK);
    EXPECT(es_members(n1, pids, 4) == 3);
    es_send_exit(p, es_am_kill);
    wait_for_end(p);
    EXPECT(es_members(n1, pids, 4) == 1 && es_pid_equal(pids[0], q));
    EXPECT(es_members(n2, pids, 4) == 0);
    EXPECT(es_join(n1, p) == ES_ENOPROC);
    EXPECT(es_leave(n1, p) == ES_ENOTFOUND);
}

STORY(who_is_busy_ending_can_neither_be_named_nor_join, "REG-01 GRP-02")
{
    for (int i = 0; i < 5; i++) {
        es_pid p = es_spawn(waits);
        EXPECT(es_join(n2, p) == ES_OK);
        for (int message = 0; message < 6000; message++)
            es_send(
                p,
                done); /* freeing them takes it more than one slice, after its links and monitors were told */
        es_ref ref = es_monitor(p);
        es_send_exit(p, es_am_kill);
        EXPECT(got_down(ref, p, es_am_killed));
        EXPECT(es_join(n2, p) == ES_ENOPROC);
        EXPECT(es_register(n1, p) == ES_ENOPROC);
        es_ref timer = es_start_timer(3600000, p, done);
        EXPECT(es_read_timer(timer) == ES_ENOTFOUND);
        EXPECT(es_members(n2, NULL, 0) == 0);
        EXPECT(es_pid_is_none(es_whereis(n1)));
    }
}

enum { RACERS = 8 };
static _Atomic(long) joined_alive, joined_dead;

/* Lets who is about to end join, at all distances from its end; yields let the other core steal. */
static void joins_who_ends(es_term argument)
{
    es_pid parent;
    EXPECT(es_match(argument, &parent));
    for (long i = rounds(1000000) / RACERS; i > 0; i--) {
        es_pid p = es_spawn(returns);
        for (long yields = i % 4; yields > 0; yields--)
            es_yield();
        for (volatile long spin = 0; spin < i % 400; spin++) {
        }
        es_err error = es_join(n1, p);
        EXPECT(error == ES_OK || error == ES_ENOPROC);
        joined_alive += error == ES_OK;
        joined_dead += error == ES_ENOPROC;
        wait_for_end(p);
        EXPECT(es_leave(n1, p) == ES_ENOTFOUND);
    }
    es_send(parent, done);
}

static void joins_what_ends(void)
{
    joined_alive = joined_dead = 0;
    for (int i = 0; i < RACERS; i++)
        es_spawn(joins_who_ends, es_lend(es_self()));
    for (int i = 0; i < RACERS; i++)
        EXPECT(got(done));
    EXPECT(es_members(n1, NULL, 0) == 0);
    EXPECT(joined_alive > 0 && joined_dead > 0); /* or it was no race */
}

CASE(who_joins_another_that_ends_leaves_nothing_behind, rounds(1000000), "GRP-02")
{
    play_real(joins_what_ends);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_process_gets_no_name),
        cmocka_unit_test(a_name_in_use_stays_with_its_holder),
        cmocka_unit_test(a_process_has_one_name),
        cmocka_unit_test(undefined_is_no_name),
        cmocka_unit_test(anybody_may_free_a_name_that_is_in_use),
        cmocka_unit_test(a_message_to_a_name_needs_somebody_who_has_it),
        cmocka_unit_test(a_process_is_spawned_with_its_name),
        cmocka_unit_test(a_name_given_by_another_goes_with_its_holder),
        cmocka_unit_test(of_two_that_want_a_name_one_gets_it),
        cmocka_unit_test(a_list_of_names_has_only_names_that_were_in_use),
        cmocka_unit_test(who_joined_twice_and_left_once_is_a_member_still),
        cmocka_unit_test(a_member_that_ends_leaves_by_itself),
        cmocka_unit_test(who_is_busy_ending_can_neither_be_named_nor_join),
        cmocka_unit_test(who_joins_another_that_ends_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
