/* behaviour.c - the sweep over engset/behaviour.h, engset/server.h and engset/sys.h.
 *
 * Who finds no memory may be either of the two who talk: a call that is not answered since the server ended for that is ES_ECLOSED. */
#include "sweep.h"
#include <engset/server.h>
#include <engset/sys.h>

ES_ATOMS(a_server, add, total, answers_twice, stops, replies_and_stops, knows_not, goes_on, waits_a_while,
         sleeps, leaves_now, last, ready, more, refuses, r);

#define LETTER ES_TUPLE(r, ES_LIST(1, 2, 3), "a text of more than a few bytes, which lies in the message")

typedef struct {
    int64_t total;
    char text[40];
} counter;
ES_STRUCT(counter, total, text);

static es_answer counter_init(counter *self, es_term args)
{
    (void)self;
    return es_is(args, refuses) ? es_stop(LETTER) : es_ok();
}

static es_answer counter_call(counter *self, es_term request, es_from from)
{
    int64_t n;
    (void)from;
    if (es_match(request, ES_TUPLE(add, &n)))
        return es_reply(ES_TUPLE(total, self->total += n));
    if (es_is(request, answers_twice))
        return TRY(es_reply(LETTER));
    if (es_is(request, replies_and_stops))
        return TRY(es_stop_reply(LETTER, LETTER));
    if (es_is(request, knows_not))
        return TRY(es_unknown(request));
    if (es_is(request, leaves_now)) {
        es_answer answer = es_reply(LETTER);
        TRY_VOID(es_answer_now(answer));
    }
    return es_unknown(request);
}

static es_answer counter_cast(counter *self, es_term message)
{
    (void)self;
    if (es_is(message, stops))
        return TRY(es_stop(LETTER));
    if (es_is(message, goes_on))
        return TRY(es_with_continue(es_noreply(), LETTER));
    return es_noreply();
}

static es_answer counter_continued(counter *self, es_term what)
{
    self->total += es_match(what, LETTER) ? 7 : 1000;
    return es_noreply();
}
ES_SERVER(counter_server, counter, .init = counter_init, .call = counter_call, .cast = counter_cast,
          .continued = counter_continued, .state = ES_STATE(counter));

/* ---------------------------------------------------------------- what every row asks */

/* As many processes as before the call: those that are about to end are waited for. */
static bool are_left(int64_t count)
{
    for (int i = 0; i < 1000 && es_processes(NULL, 0) != count; i++)
        es_sleep(1);
    return es_processes(NULL, 0) == count;
}

/* It answers, and has counted so far. */
static bool has_total(es_pid server, int64_t n)
{
    es_term answer = es_none();
    bool has = es_try_call(server, ES_TUPLE(add, 0), 20000, &answer) == ES_OK &&
               es_match(answer, ES_TUPLE(total, n));
    es_drop(answer);
    return has;
}

/* It lives and works as if nothing had been. */
static bool works(es_pid server)
{
    return has_total(server, 0) && es_stop_process(server, es_am_normal, 20000) == ES_OK && !there_is(ES_ANY);
}

static es_pid started(void)
{
    es_pid server = es_start(&counter_server, es_am_none);
    EXPECT(!es_pid_is_none(server));
    return server;
}

/* The call went well, or there was no memory: for the caller, or for the server, which ended for that. */
static bool was_answered(es_err error, es_term answer)
{
    if (error == ES_OK)
        return true;
    EXPECT(!had_memory());
    EXPECT(error == ES_ENOMEM || (error == ES_ECLOSED && es_is(answer, es_am_system_limit)));
    return false;
}

/* It ended, for it found no memory: a stack to run on is needed for each message. */
static bool ended_for_that(es_err error, es_pid server)
{
    if (error != ES_ECLOSED)
        return false;
    EXPECT(!had_memory() && !es_is_alive(server));
    return true;
}

/* ---------------------------------------------------------------- start, stop */

SWEEP(esi_start, 0)
{
    es_pid pid = ES_NO_PID;
    es_ref ref = {0};
    es_term why = es_none();
    int64_t before = es_processes(NULL, 0);
    es_trap_exit(true);
    es_err error = TRY(es_try_start(ES_WITH(.link = true, .monitor = &ref, .name = "a_server"),
                                    &counter_server, LETTER, &pid, &why));
    if (!was_answered(error, why)) {
        EXPECT(are_left(before) && links_of(es_self()) == 0);
        there_is(ES_TUPLE(es_am_EXIT, ES_ANY, es_am_system_limit));
        EXPECT(is_quiet());
        EXPECT(es_try_start(ES_WITH(.link = true, .name = "a_server"), &counter_server, LETTER, &pid, NULL) ==
               ES_OK);
    } else
        es_demonitor(ref, ES_DEMONITOR_FLUSH);
    EXPECT(es_pid_equal(es_whereis(a_server), pid) && es_unlink(pid) == ES_OK && works(pid));
}

/* Its init refuses: a reason is all that is left. */
SWEEP(esi_server_main, 0)
{
    es_pid pid = ES_NO_PID;
    es_term why = es_none();
    int64_t before = es_processes(NULL, 0);
    es_err error = TRY(es_try_start(NULL, &counter_server, refuses, &pid, &why));
    if (!es_match(why, LETTER))
        EXPECT(!had_memory() && (error == ES_ENOMEM || es_is(why, es_am_system_limit)));
    EXPECT(error != ES_OK && are_left(before) && is_quiet());
    es_drop(why);
    EXPECT(works(started()));
}

static void acknowledges(es_term args)
{
    EXPECT(es_match(args, LETTER));
    es_init_ack(LETTER);
    waits();
}

static void never_acknowledges(es_term args)
{
    (void)args;
    es_trap_exit(true);
    waits();
}

/* One that is not ready in time, and is gone; then one that is. */
static es_err starts_two(es_term *answer)
{
    es_err error =
        es_start_function(ES_WITH(.link = true, .start_timeout_ms = 5), never_acknowledges, LETTER, answer);
    if (error != ES_ETIMEOUT)
        return error;
    return es_start_function(ES_WITH(.link = true), acknowledges, LETTER, answer);
}

SWEEP(esi_start_function, 0)
{
    es_term answer = es_none();
    int64_t before = es_processes(NULL, 0);
    es_trap_exit(true);
    es_err error = TRY(starts_two(&answer));
    if (was_answered(error, answer))
        EXPECT(es_match(answer, LETTER));
    else
        EXPECT(are_left(before) && is_quiet());
    es_drop(answer);
    EXPECT(es_start_function(ES_WITH(.link = true), acknowledges, LETTER, &answer) == ES_OK);
    es_drop(answer);
}

static void acknowledges_in_try(es_term args)
{
    (void)args;
    TRY_VOID(es_init_ack(LETTER));
}

SWEEP(esi_init_ack, 0)
{
    es_term answer = es_none();
    es_err error = es_start_function(NULL, acknowledges_in_try, es_am_none, &answer);
    sweep_disarm();
    if (was_answered(error, answer))
        EXPECT(es_match(answer, LETTER));
    es_drop(answer);
}

SWEEP(esi_stop_process, MAY_END)
{
    es_pid server = started();
    es_err error = TRY(es_stop_process(server, LETTER, 20000));
    if (error == ES_ECLOSED)
        EXPECT(!had_memory() && !es_is_alive(server) && strstr(es_last_detail(), "system_limit"));
    else if (!went_well(error))
        EXPECT(works(server));
    EXPECT(is_quiet());
}

/* ---------------------------------------------------------------- what callbacks answer */

SWEEP(es_ok, TAKES_NOTHING)
{
    es_answer answer = TRY(es_ok());
    EXPECT(answer.what != 0);
}

SWEEP(es_ignore, TAKES_NOTHING)
{
    es_answer answer = TRY(es_ignore());
    EXPECT(answer.what != 0);
}

SWEEP(es_with_timeout, TAKES_NOTHING)
{
    es_answer answer = TRY(es_with_timeout(es_ok(), 5));
    EXPECT(answer.timeout_ms == 5);
}

SWEEP(es_with_hibernate, TAKES_NOTHING)
{
    es_answer answer = TRY(es_with_hibernate(es_ok()));
    EXPECT(answer.what == es_ok().what);
}

/* In a server: what its caller is told. */
#define CALLS(function, request, flags)                              \
    SWEEP(function, flags)                                           \
    {                                                                \
        es_term answer = es_none();                                  \
        es_pid server = started();                                   \
        es_err error = es_try_call(server, request, 20000, &answer); \
        sweep_disarm();                                              \
        if (was_answered(error, answer))                             \
            EXPECT(es_match(answer, LETTER));                        \
        es_drop(answer);                                             \
        EXPECT(es_is_alive(server) ? works(server) : is_quiet());    \
    }
CALLS(esi_reply, answers_twice, 0)
CALLS(esi_stop_reply, replies_and_stops, 0)
CALLS(es_answer_now, leaves_now, TAKES_NOTHING)

SWEEP(esi_unknown, TAKES_NOTHING)
{
    es_term answer = es_none();
    es_pid server = started();
    EXPECT(es_try_call(server, knows_not, 20000, &answer) == ES_ECLOSED &&
           es_match(answer, ES_TUPLE(es_am_undef, knows_not)));
    es_drop(answer);
    EXPECT(works(server));
}

SWEEP(esi_stop, 0)
{
    es_term reason = es_none();
    es_pid server = started();
    es_ref ref = es_monitor(server);
    EXPECT(es_cast(server, stops) == ES_OK);
    es_receive {
        es_case(ES_TUPLE(es_am_DOWN, ref, ES_ANY, ES_ANY, &reason)) {
            sweep_disarm();
            EXPECT(had_memory() ? es_match(reason, LETTER) : es_is(reason, es_am_system_limit));
        }
    }
}

SWEEP(esi_with_continue, 0)
{
    es_pid server = started();
    es_ref ref = es_monitor(server);
    EXPECT(es_cast(server, goes_on) == ES_OK);
    bool goes = has_total(server, 7);
    sweep_disarm();
    if (!goes)
        EXPECT(!had_memory() && got_down(ref, server, es_am_system_limit));
}

/* ---------------------------------------------------------------- state, cast */

SWEEP(esi_state_term, MAY_END)
{
    counter state = {.total = 7, .text = "a text"};
    es_term term = TRY(esi_state_term(ES_STATE(counter), &state));
    EXPECT(es_match(term, ES_TUPLE(ES_ANY, 7, ES_ANY)));
    es_drop(term);
}

SWEEP(esi_state_from_term, 0)
{
    counter state = {.total = 7, .text = "a text"}, other_state = {.total = 3};
    es_term term = esi_state_term(ES_STATE(counter), &state);
    es_err error = TRY(esi_state_from_term(ES_STATE(counter), term, &other_state));
    EXPECT(other_state.total == (went_well(error) ? 7 : 3));
    EXPECT(esi_state_from_term(ES_STATE(counter), term, &other_state) == ES_OK && other_state.total == 7);
    es_drop(term);
}

SWEEP(esi_cast, 0)
{
    es_err error = TRY(es_cast(es_self(), LETTER));
    EXPECT(there_is(ES_TUPLE(es_am_gen_cast, LETTER)) == went_well(error));
    EXPECT(es_cast(es_self(), LETTER) == ES_OK && there_is(ES_TUPLE(es_am_gen_cast, LETTER)));
}

/* ---------------------------------------------------------------- sys */

SWEEP(esi_sys_ask, 0)
{
    es_term state = es_none();
    es_pid server = started();
    es_err error = TRY(es_sys_get_state(server, &state));
    if (ended_for_that(error, server))
        return;
    if (went_well(error))
        EXPECT(es_match(state, ES_TUPLE(ES_ANY, 0, ES_ANY)));
    es_drop(state);
    EXPECT(es_sys_suspend(server) == ES_OK && es_sys_resume(server) == ES_OK && works(server));
}

SWEEP(esi_sys_replace_state, 0)
{
    counter state = {.total = 0, .text = "another"};
    es_pid server = started();
    es_term term = esi_state_term(ES_STATE(counter), &state);
    es_err error = TRY(es_sys_replace_state(server, term));
    if (ended_for_that(error, server))
        return;
    if (!went_well(error))
        EXPECT(es_sys_replace_state(server, term) == ES_OK);
    es_drop(term);
    EXPECT(works(server));
}

SWEEP(esi_sys_change_code, 0)
{
    es_pid server = started();
    EXPECT(es_sys_suspend(server) == ES_OK);
    es_err error = TRY(es_sys_change_code(server, LETTER, LETTER));
    if (ended_for_that(error, server))
        return;
    if (!went_well(error))
        EXPECT(es_sys_change_code(server, LETTER, LETTER) == ES_OK);
    EXPECT(es_sys_resume(server) == ES_OK && works(server));
}

int main(int argc, char **argv)
{
    return sweep_all(argc, argv);
}
