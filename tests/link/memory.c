/* memory.c - proves that links, monitors, aliases, names, groups and timers survive that any one allocation fails: each call
 * fails as its header says, or ends its caller with system_limit, and nothing is half done. The sanitizers see what leaks. */
#include "story.h"
#include "base/fail.h"
#include "link/reason.h"

ES_ATOMS(r, tick, worked, failed, a_name, a_group);

/* What is tried, and whether an allocation failed since. Written by the one process that runs. */
static void (*attempt)(es_pid other);
static uint64_t fails_at;
static bool has_failed;

static es_err error_of(es_err error)
{
    if (error != ES_OK) {
        has_failed |= esi_fail_stop();
        EXPECT(error == ES_ENOMEM && has_failed);
    }
    return error;
}

static void tries_once(es_term argument)
{
    es_pid other;
    EXPECT(es_match(argument, &other));
    es_trap_exit(true);
    esi_fail_after(fails_at);
    attempt(other);
    has_failed |= esi_fail_stop();
}

/* Tries with the first allocation failing, then the second... until none does. */
static void sweep(void)
{
    has_failed = true;
    for (fails_at = 1; has_failed; fails_at++) {
        es_ref ref;
        es_term reason;
        has_failed = false;
        es_pid other = es_spawn(traps_and_waits);
        es_pid p = es_spawn_monitor(&ref, tries_once, es_lend(other));
        es_receive {
            es_case(ES_TUPLE(es_am_DOWN, ref, es_am_process, p, &reason)) {
                has_failed |= esi_fail_stop();
                EXPECT(es_is(reason, es_am_normal) || (es_is(reason, es_am_system_limit) && has_failed));
            }
        }
        EXPECT(es_is_alive(other));
        es_info info;
        EXPECT(es_process_info(other, &info) && info.monitored_by == 0 && info.links == 0);
        EXPECT(es_pid_is_none(es_whereis(a_name)));
        EXPECT(es_members(a_group, NULL, 0) == 0);
        es_send_exit(other, es_am_kill);
        if (!EXPECT(fails_at < 100))
            return;
    }
    EXPECT(fails_at > 2); /* at least one allocation was seen to fail */
}

static void links(es_pid other)
{
    if (error_of(es_link(other)) == ES_OK && error_of(es_unlink(other)) == ES_OK)
        error_of(es_link(other));
}

static void monitors(es_pid other)
{
    es_monitor_opt(other, (&(es_monitor_options){.alias = ES_ALIAS_REPLY_DEMONITOR}));
    es_monitor(a_name);
}

static void makes_aliases(es_pid other)
{
    (void)other;
    es_alias(ES_ALIAS_REPLY);
}

static void names_and_joins(es_pid other)
{
    if (error_of(es_register(a_name, es_self())) == ES_OK && error_of(es_join(a_group, es_self())) == ES_OK)
        error_of(es_join(a_group, es_self()));
    (void)other;
}

static void starts_timers(es_pid other)
{
    es_start_timer(3600000, es_self(), ES_TUPLE(tick, 1));
    es_ref timer = es_send_after(3600000, other, tick);
    error_of(es_cancel_timer_async(timer, true));
    es_cancel_timer(timer);
}

static void sends_exits(es_pid other)
{
    error_of(es_send_exit(other, ES_TUPLE(r, 1)));
}

static void spawns_tied(es_pid other)
{
    es_ref ref;
    es_pid p = es_spawn_opt(ES_WITH(.link = true, .monitor = &ref), waits);
    if (es_pid_is_none(p)) {
        EXPECT(es_last_error() == ES_ENOMEM || es_last_error() == ES_ELIMIT);
        EXPECT(!there_is(ES_ANY)); /* not a word of a child that never was */
    } else {
        es_unlink(p);
        es_send_exit(p, es_am_kill);
    }
    (void)other;
}

#define SWEEP(name, what)          \
    static void name(void **state) \
    {                              \
        (void)state;               \
        attempt = what;            \
        play_simulated(sweep, 1);  \
    }
SWEEP(links_survive_any_failed_allocation, links)
SWEEP(monitors_survive_any_failed_allocation, monitors)
SWEEP(aliases_survive_any_failed_allocation, makes_aliases)
SWEEP(names_and_groups_survive_any_failed_allocation, names_and_joins)
SWEEP(timers_survive_any_failed_allocation, starts_timers)
SWEEP(exit_signals_survive_any_failed_allocation, sends_exits)
SWEEP(a_tied_spawn_survives_any_failed_allocation, spawns_tied)

/* ---------------------------------------------------------------- the deciding half */

static void what_an_exit_signal_does_is_decided_by_reason_sender_and_trapping(void **state)
{
    (void)state;
    es_term normal = es_from_atom(es_am_normal), kill = es_from_atom(es_am_kill),
            other = es_from_atom(es_am_killed);
    for (int is_from_self = 0; is_from_self < 2; is_from_self++) {
        assert_int_equal(esi_exit_effect_sent(kill, is_from_self, true), ESI_EXIT_ENDS);
        assert_int_equal(esi_exit_effect_sent(kill, is_from_self, false), ESI_EXIT_ENDS);
        assert_int_equal(esi_exit_effect_sent(other, is_from_self, true), ESI_EXIT_IS_MESSAGE);
        assert_int_equal(esi_exit_effect_sent(other, is_from_self, false), ESI_EXIT_ENDS);
        assert_int_equal(esi_exit_effect_sent(normal, is_from_self, true), ESI_EXIT_IS_MESSAGE);
    }
    assert_int_equal(esi_exit_effect_sent(normal, false, false), ESI_EXIT_IGNORED);
    assert_int_equal(esi_exit_effect_sent(normal, true, false), ESI_EXIT_ENDS);
    assert_int_equal(esi_exit_effect_linked(kill, true), ESI_EXIT_IS_MESSAGE);
    assert_int_equal(esi_exit_effect_linked(kill, false), ESI_EXIT_ENDS);
    assert_int_equal(esi_exit_effect_linked(normal, true), ESI_EXIT_IS_MESSAGE);
    assert_int_equal(esi_exit_effect_linked(normal, false), ESI_EXIT_IGNORED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_survive_any_failed_allocation),
        cmocka_unit_test(monitors_survive_any_failed_allocation),
        cmocka_unit_test(aliases_survive_any_failed_allocation),
        cmocka_unit_test(names_and_groups_survive_any_failed_allocation),
        cmocka_unit_test(timers_survive_any_failed_allocation),
        cmocka_unit_test(exit_signals_survive_any_failed_allocation),
        cmocka_unit_test(a_tied_spawn_survives_any_failed_allocation),
        cmocka_unit_test(what_an_exit_signal_does_is_decided_by_reason_sender_and_trapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
