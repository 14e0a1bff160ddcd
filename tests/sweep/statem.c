/* statem.c - the sweep over engset/statem.h: a machine is asked, and what it does for the answer fails at any allocation, the asker's or its own. */
#include "sweep.h"

ES_ATOMS(postpone, insert, time_, unknown, hibernate, quit, quit_reply, next, first);

typedef struct {
    int64_t nothing;
} swept;

static void times(const es_event *event)
{
    es_named_timeout(ES_TUPLE(first, 1), 5, event->from);
    es_named_timeout(ES_TUPLE(first, 2), 0, ES_LIST(1, 2, 3));
    es_named_timeout(ES_TUPLE(first, 1), ES_UPDATE, event->from);
    es_state_timeout(1, first);
    es_event_timeout(1, first);
    es_cancel_event_timeout();
}

static es_step swept_call(const es_event *event, es_term state)
{
    if (es_match(event->content, ES_TUPLE(postpone, ES_ANY)) && es_is(state, es_am_undefined)) {
        es_postpone();
        return es_next_state(ES_TUPLE(next, ES_LIST(1, 2)));
    }
    if (es_match(event->content, ES_TUPLE(insert, ES_ANY))) {
        es_next_event(ES_EVENT_INTERNAL, ES_LIST(1, 2));
        es_next_call(event->from, ES_TUPLE(answered, 1));
        return es_keep_state();
    }
    if (es_match(event->content, ES_TUPLE(time_, ES_ANY))) {
        times(event);
        return es_repeat_state();
    }
    if (es_match(event->content, ES_TUPLE(unknown, ES_ANY)))
        return es_unknown_event(event);
    if (es_match(event->content, ES_TUPLE(quit, ES_ANY)))
        return es_stop_machine(ES_TUPLE(es_am_shutdown, ES_LIST(1, 2)));
    if (es_match(event->content, ES_TUPLE(quit_reply, ES_ANY)))
        return es_stop_and_reply(ES_TUPLE(es_am_shutdown, ES_LIST(1, 2)), event->from, answered);
    if (es_match(event->content, ES_TUPLE(hibernate, ES_ANY)))
        es_hibernate_machine();
    if (es_reply_to(event->from, answered) != ES_OK)
        es_exit(es_am_system_limit);
    return es_keep_state();
}

static es_step swept_event(swept *self, const es_event *event, es_term state)
{
    (void)self;
    if (event->type == ES_EVENT_CALL)
        return swept_call(event, state);
    if (event->type == ES_EVENT_NAMED_TIMEOUT && es_is_tuple(event->content))
        if (es_reply_to(event->content, answered) != ES_OK)
            es_exit(es_am_system_limit);
    return es_keep_state();
}
ES_STATEM(swept_machine, swept, .handle_event = swept_event, .enter = true);

/* It answers, or it ended for lack of memory, or the question found none. Gives whether the answer came. */
static bool asked(es_pid machine, es_literal question, es_literal wanted)
{
    es_term out = es_none();
    es_err error = TRY(es_try_call(machine, question, 20000, &out));
    bool is_answered = error != ES_ENOMEM && es_match(out, wanted);
    if (!is_answered)
        EXPECT(error == ES_ENOMEM || (error == ES_ECLOSED && es_is(out, es_am_system_limit)));
    es_drop(out);
    return is_answered;
}

static void ask_one(es_literal question, es_literal wanted)
{
    es_pid machine = es_start(&swept_machine, 0);
    if (!EXPECT(!es_pid_is_none(machine)))
        return;
    bool is_answered = asked(machine, question, wanted);
    EXPECT(is_answered || atomic_load(&sweep_now.has_failed) || esi_fail_stop());
    es_send_exit(machine, es_am_kill);
    wait_for_end(machine);
}

SWEEP(es_postpone, 0)
{
    ask_one(ES_TUPLE(postpone, ES_LIST(1, 2)), ES_T(answered));
}

SWEEP(esi_next_state, 0)
{
    ask_one(ES_TUPLE(postpone, 1), ES_T(answered));
}

SWEEP(esi_next_event, 0)
{
    ask_one(ES_TUPLE(insert, ES_LIST(1, 2)), ES_T(answered));
}

SWEEP(esi_timeout, 0)
{
    ask_one(ES_TUPLE(time_, ES_LIST(1, 2)), ES_T(answered));
}

SWEEP(es_hibernate_machine, 0)
{
    ask_one(ES_TUPLE(hibernate, 1), ES_T(answered));
}

SWEEP(es_unknown_event, 0)
{
    ask_one(ES_TUPLE(unknown, 1), ES_TUPLE(es_am_undef, ES_ANY));
}

SWEEP(esi_stop_machine, 0)
{
    ask_one(ES_TUPLE(quit, 1), ES_TUPLE(es_am_shutdown, ES_LIST(1, 2)));
}

SWEEP(esi_stop_and_reply, 0)
{
    ask_one(ES_TUPLE(quit_reply, 1), ES_T(answered));
}

SWEEP(esi_statem_main, 0)
{
    es_pid machine;
    es_term why = es_none();
    es_err error = TRY(es_try_start(NULL, &swept_machine, ES_LIST(1, 2, 3), &machine, &why));
    if (error == ES_ECLOSED)
        EXPECT(!had_memory() && es_is(why, es_am_system_limit));
    else if (went_well(error))
        es_send_exit(machine, es_am_kill);
}

int main(int argc, char **argv)
{
    return sweep_all(argc, argv);
}
