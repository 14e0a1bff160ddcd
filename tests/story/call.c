/* call.c - asking a process and waiting for its answer, from processes and from other threads. */
#include <pthread.h>
#include "story.h"
#include "proc/enter.h"

ES_ATOMS(add, crash, slow, silent, delegate, boom, done, a_server, hello, late, answer_now);

static void answers_by_proxy(es_term argument)
{
    es_term from;
    EXPECT(es_match(argument, &from));
    EXPECT(es_reply_to(from, hello) == ES_OK);
}

static void server(void)
{
    es_term from;
    int64_t n, total = 0;
    for (;;)
        es_receive {
            es_case_call(from, ES_TUPLE(add, &n))
                es_reply_to(from, ES_TUPLE(es_am_ok, total += n));
            es_case_call(from, crash)
                es_exit(boom);
            es_case_call(from, slow) {
                es_receive
                    es_case(answer_now)
                        es_reply_to(from, late);
            }
            es_case_call(from, silent) {
            }
            es_case_call(from, delegate)
                es_spawn(answers_by_proxy, from);
        }
}

STORY(a_call_gives_the_answer_and_leaves_no_trace, "")
{
    int64_t total;
    es_pid p = es_spawn(server);
    es_send(es_self(), done);
    for (int64_t i = 1; i <= 100; i++) {
        es_term answer = es_call(p, ES_TUPLE(add, i), 5000);
        EXPECT(es_match(answer, ES_TUPLE(es_am_ok, &total)) && total == i * (i + 1) / 2);
        es_drop(answer);
    }
    EXPECT(es_register(a_server, p) == ES_OK);
    EXPECT(es_is(es_call(a_server, delegate, 5000), hello));
    EXPECT(there_is(done));
    EXPECT(is_quiet());
    es_info info;
    EXPECT(es_is_alive(p) && es_process_info(p, &info));
}

STORY(a_late_answer_is_never_seen, "")
{
    es_term out = es_none();
    es_pid p = es_spawn(server);
    EXPECT(es_try_call(p, slow, 5, &out) == ES_ETIMEOUT);
    es_send(p, answer_now);
    EXPECT(es_is(es_call(p, delegate, 5000), hello)); /* the late answer was given before */
    EXPECT(is_quiet());
    EXPECT(es_try_call(p, ES_TUPLE(add, 1), 5000, &out) == ES_OK); /* and is not taken for the next one's */
    EXPECT(es_match(out, ES_TUPLE(es_am_ok, 1)));
    EXPECT(es_try_call(p, silent, 5, &out) == ES_ETIMEOUT);
    EXPECT(es_try_call(p, silent, 0, &out) == ES_ETIMEOUT);
    EXPECT(is_quiet());
}

STORY(failures_come_back_from_a_call_that_tries, "GSV-09")
{
    es_term out = es_none();
    EXPECT(es_try_call(dead_pid(), hello, 5000, &out) == ES_ECLOSED && es_is(out, es_am_noproc));
    EXPECT(es_try_call(a_server, hello, 5000, &out) == ES_ECLOSED && es_is(out, es_am_noproc));
    EXPECT(es_try_call(es_self(), hello, 5000, &out) == ES_ECLOSED && es_is(out, es_am_calling_self));
    EXPECT(es_try_call(es_spawn(server), crash, 5000, &out) == ES_ECLOSED && es_is(out, boom));
    EXPECT(strstr(es_last_detail(), "ended and had not answered") != NULL);
    es_pid p = es_spawn(server);
    es_send_after(5, p, never_sent);
    es_ref timer = es_start_timer(0, es_self(), done);
    EXPECT(es_try_call(p, silent, 10, &out) == ES_ETIMEOUT);
    EXPECT(got(ES_TUPLE(es_am_timeout, timer, done))); /* messages that come meanwhile stay */
    EXPECT(is_quiet());
}

static void calls(es_term argument)
{
    es_term to, request;
    int64_t time_ms;
    EXPECT(es_match(argument, ES_TUPLE(&to, &request, &time_ms)));
    es_call(to, request, time_ms);
    EXPECT(!"it came back");
}

static void calls_itself(void)
{
    es_call(es_self(), hello, 5000);
    EXPECT(!"it came back");
}

STORY(failures_of_a_plain_call_end_the_caller, "GSV-09")
{
    es_ref ref;
    es_pid p = es_spawn(server), caller;
    caller = es_spawn_monitor(&ref, calls, ES_TUPLE(dead_pid(), hello, STORY_PATIENCE_MS));
    EXPECT(got_down(ref, caller, es_am_noproc));
    caller = es_spawn_monitor(&ref, calls, ES_TUPLE(p, silent, 5));
    EXPECT(got_down(ref, caller, es_am_timeout));
    caller = es_spawn_monitor(&ref, calls_itself);
    EXPECT(got_down(ref, caller, es_am_calling_self));
    caller = es_spawn_monitor(&ref, calls, ES_TUPLE(es_spawn(server), crash, STORY_PATIENCE_MS));
    EXPECT(got_down(ref, caller, boom));
}

static void calls_without_end(es_term argument)
{
    es_call(argument, silent, ES_INFINITY);
    EXPECT(!"it came back");
}

STORY(a_caller_can_be_ended_while_it_waits_and_the_server_does_not_mind, "")
{
    es_ref ref;
    es_term out;
    es_pid p = es_spawn(server), caller = es_spawn_monitor(&ref, calls_without_end, es_lend(p));
    es_sleep(1);
    es_send_exit(caller, boom);
    EXPECT(got_down(ref, caller, boom));
    EXPECT(es_try_call(p, ES_TUPLE(add, 5), 5000, &out) == ES_OK && es_match(out, ES_TUPLE(es_am_ok, 5)));
}

STORY(a_server_that_is_killed_in_a_call_wakes_all_who_wait, "")
{
    enum { CALLERS = 20 };
    es_ref ref[CALLERS];
    es_pid p = es_spawn(server), caller[CALLERS];
    for (int i = 0; i < CALLERS; i++)
        caller[i] = es_spawn_monitor(&ref[i], calls_without_end, es_lend(p));
    es_sleep(1);
    es_send_exit(p, es_am_kill);
    for (int i = 0; i < CALLERS; i++) {
        es_term reason = es_none();
        EXPECT(got(ES_TUPLE(es_am_DOWN, ref[i], es_am_process, caller[i], &reason)));
    }
}

/* ---- a caller that ends in its call ---- */

static int64_t bond_count(void)
{
    int64_t count = 0;
    struct esi_process *self = esi_enter();
    for (struct esi_map_node *node = esi_map_first(&self->bonds); node;
         node = esi_map_next_after(&self->bonds, node->key))
        count++;
    esi_leave();
    return count;
}

static void never_answers_but_counts(void)
{
    es_term from;
    int64_t asked = 0;
    for (;;)
        es_receive {
            es_case_call(from, silent)
                asked++;
            es_case_call(from, hello)
                es_reply_to(from, ES_TUPLE(asked, bond_count()));
        }
}

static void asks_in_vain(es_term server)
{
    es_call(server, silent, ES_INFINITY);
}

STORY(a_caller_that_is_killed_in_its_call_leaves_nothing_at_the_server, "")
{
    enum { CALLERS = 20 };
    es_ref ref[CALLERS];
    es_pid p = es_spawn(never_answers_but_counts), caller[CALLERS];
    int64_t asked = 0, bonds = -1;
    for (int i = 0; i < CALLERS; i++)
        caller[i] = es_spawn_monitor(&ref[i], asks_in_vain, es_lend(p));
    while (asked < CALLERS)
        EXPECT(es_match(es_call(p, hello, 5000), ES_TUPLE(&asked, &bonds)));
    EXPECT(bonds == CALLERS); /* all but one, and this call's own */
    for (int i = 0; i < CALLERS; i++) {
        es_send_exit(caller[i], es_am_kill);
        EXPECT(got_down(ref[i], caller[i], es_am_killed));
    }
    EXPECT(es_match(es_call(p, hello, 5000), ES_TUPLE(&asked, &bonds)));
    EXPECT(bonds == 0);
}

/* ---- from a thread that is no process ---- */

static struct {
    es_pid to;
    es_err ok, closed, timeout;
    int64_t total;
    _Atomic(bool) is_done;
} foreign;

static void *asks_from_outside(void *unused)
{
    es_term out;
    int64_t n;
    for (int i = 0; i < 50; i++) {
        foreign.ok = es_try_call(foreign.to, ES_TUPLE(add, 2), 5000, &out);
        if (foreign.ok == ES_OK && es_match(out, ES_TUPLE(es_am_ok, &n)))
            foreign.total = n;
        es_drop(out);
    }
    foreign.timeout = es_try_call(foreign.to, silent, 5, &out);
    foreign.closed = es_try_call(foreign.to, crash, 5000, &out);
    if (foreign.closed == ES_ECLOSED && !es_is(out, boom))
        foreign.closed = ES_EINVAL;
    es_drop(out);
    atomic_store(&foreign.is_done, true);
    return unused;
}

REAL_STORY(a_thread_that_is_no_process_may_ask, 50, "")
{
    pthread_t thread;
    foreign.to = es_spawn(server);
    atomic_store(&foreign.is_done, false);
    if (!EXPECT(pthread_create(&thread, NULL, asks_from_outside, NULL) == 0))
        return;
    while (!atomic_load(&foreign.is_done))
        es_sleep(1);
    pthread_join(thread, NULL);
    EXPECT(foreign.ok == ES_OK && foreign.total == 100);
    EXPECT(foreign.timeout == ES_ETIMEOUT);
    EXPECT(foreign.closed == ES_ECLOSED);
}

/* ---- react ---- */

typedef struct {
    int64_t count;
    es_pid parent;
} tally;
ES_STRUCT(tally, count, parent);

static _Atomic int defers_run;

static void note_defer(_Atomic int *count)
{
    atomic_fetch_add(count, 1);
}

static es_next counts(void *state, es_term message)
{
    tally *self = state;
    tally *given = es_struct_of(tally, message);
    int64_t n;
    if (given) {
        self->count += given->count;
        es_free(given);
    } else if (es_match(message, ES_TUPLE(add, &n))) {
        self->count += n;
    } else if (es_is(message, boom)) {
        es_exit(boom);
    } else if (es_is(message, slow)) {
        es_sleep(5); /* it may wait, with the stack it has just now */
        self->count += 1000;
    } else if (es_is(message, done)) {
        es_send(self->parent, ES_TUPLE(done, self->count));
        return ES_STOP;
    }
    return ES_CONTINUE;
}

static void reacts(es_term argument)
{
    tally *state = es_new(tally);
    EXPECT(es_match(argument, &state->parent));
    es_defer(note_defer, &defers_run);
    es_react(counts, state);
}

STORY(a_process_that_reacts_keeps_its_state_and_no_stack, "")
{
    es_info info;
    es_ref ref;
    atomic_store(&defers_run, 0);
    es_pid p = es_spawn_monitor(&ref, reacts, es_lend(es_self()));
    es_send(p, ES_TUPLE(add, 1));
    do
        es_sleep(1);
    while (es_process_info(p, &info) && (info.state != ES_STATE_WAITING || info.messages));
    EXPECT(!info.has_stack);
    EXPECT(atomic_load(&defers_run) == 1);
    for (int i = 0; i < 200; i++)
        es_send(p, ES_TUPLE(add, 1));
    es_send(p, slow);
    tally *given = es_new(tally);
    given->count = 10000;
    EXPECT(es_give(p, given) == ES_OK);
    es_send(p, done);
    EXPECT(got(ES_TUPLE(done, 11201)));
    EXPECT(got_down(ref, p, es_am_normal));
}

STORY(a_process_that_reacts_ends_like_any_other, "")
{
    es_ref ref;
    es_pid p = es_spawn_monitor(&ref, reacts, es_lend(es_self()));
    es_send(p, boom);
    EXPECT(got_down(ref, p, boom));
    p = es_spawn_monitor(&ref, reacts, es_lend(es_self()));
    es_sleep(1);
    es_send_exit(p, hello);
    EXPECT(got_down(ref, p, hello));
    p = es_spawn_monitor(&ref, reacts, es_lend(es_self()));
    es_send(p, slow);
    es_sleep(2);
    es_send_exit(p, es_am_kill);
    EXPECT(got_down(ref, p, es_am_killed));
}

static void reacts_for_ever(void *unused)
{
    (void)unused;
    es_react(counts, NULL);
}

static void note_end(void *count)
{
    note_defer(count);
}

static void reacts_when_it_ends(void)
{
    EXPECT(es_own(&defers_run, note_end) == ES_OK);
    EXPECT(es_own(&defers_run, reacts_for_ever) == ES_OK);
    es_exit(boom);
}

static void reacts_when_it_leaves(void)
{
    es_defer(note_defer, &defers_run);
    es_defer(reacts_for_ever, NULL);
    es_exit(boom);
}

/* The destructors and defers behind it run. */
STORY(who_ends_does_not_turn_to_reacting, "")
{
    void (*const ends[])(void) = {reacts_when_it_ends, reacts_when_it_leaves};
    for (int i = 0; i < 2; i++) {
        es_ref ref;
        atomic_store(&defers_run, 0);
        es_pid p = es_spawn_monitor(&ref, ends[i]);
        EXPECT(got_down(ref, p, boom));
        EXPECT(atomic_load(&defers_run) == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_gives_the_answer_and_leaves_no_trace),
        cmocka_unit_test(a_late_answer_is_never_seen),
        cmocka_unit_test(failures_come_back_from_a_call_that_tries),
        cmocka_unit_test(failures_of_a_plain_call_end_the_caller),
        cmocka_unit_test(a_caller_can_be_ended_while_it_waits_and_the_server_does_not_mind),
        cmocka_unit_test(a_server_that_is_killed_in_a_call_wakes_all_who_wait),
        cmocka_unit_test(a_caller_that_is_killed_in_its_call_leaves_nothing_at_the_server),
        cmocka_unit_test(a_thread_that_is_no_process_may_ask),
        cmocka_unit_test(a_process_that_reacts_keeps_its_state_and_no_stack),
        cmocka_unit_test(a_process_that_reacts_ends_like_any_other),
        cmocka_unit_test(who_ends_does_not_turn_to_reacting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
