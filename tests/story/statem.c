/* statem.c - OTP's gen_statem as a user of engset/statem.h sees it.
 *
 * A puppet does what the events say: {Label, Do} does Do in any state, {Label, State, Do, Else} does Do in that state and Else in others; Do is a
 * list of the instructions below. It tells the story's process of each event: "State Type Label". Each case is played with a puppet whose states
 * are functions, and with one that has one function for all. */
#include <engset/statem.h>
#include <engset/sys.h>
#include <string.h>
#include "story.h"
#include "quiet.h"

ES_ATOMS(answer_now);
ES_ATOMS(s1, s2, s3, heard, next, repeat, postpone, hibernate, insert, call_of, update, cancel, named, reply,
         stop, stop_reply, crash, nonsense, ignore, bogus, unlisted, unknown, internal, a, b, c, d, p);
ES_ATOMS(q, t, u, x, y, r, boom, next_event, bad_action_from_state_function, bad_return_from_state_function,
         bad_return_from_init, bad_state_enter_action_from_state_function,
         bad_state_enter_return_from_state_function, next_state);

typedef struct {
    es_pid watcher;
    es_term enters; /* [{State, Do}] */
    bool has_functions;
} puppet;

/* ------------------------------------------------------------ the puppet */

static es_step s1_(puppet *self, const es_event *event);
static es_step s2_(puppet *self, const es_event *event);
static es_step is_nowhere(puppet *self, const es_event *event);

static es_step goes_to(puppet *self, es_atom state)
{
    if (!self->has_functions)
        return es_next_state(state);
    if (es_atom_equal(state, unlisted))
        return es_next_state(is_nowhere);
    return es_atom_equal(state, s1) ? es_next_state(s1_) : es_next_state(s2_);
}

static es_event_type type_of(es_atom name)
{
    const struct {
        es_atom name;
        es_event_type type;
    } types[] = {{es_am_cast, ES_EVENT_CAST},
                 {es_am_info, ES_EVENT_INFO},
                 {internal, ES_EVENT_INTERNAL},
                 {es_am_timeout, ES_EVENT_TIMEOUT},
                 {es_am_state_timeout, ES_EVENT_STATE_TIMEOUT},
                 {es_am_call, ES_EVENT_CALL}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (es_atom_equal(types[i].name, name))
            return types[i].type;
    return (es_event_type)99;
}

static const char *text_of(es_event_type type)
{
    static const char *const texts[] = {"",        "call",          "cast",  "info", "internal",
                                        "timeout", "state_timeout", "named", "enter"};
    return texts[type];
}

static int64_t time_of(es_term time)
{
    int64_t ms = ES_INFINITY;
    if (es_is(time, update))
        return ES_UPDATE;
    es_match(time, &ms);
    return ms;
}

static void does_timeout(es_term what)
{
    es_term time, content, name;
    if (es_match(what, ES_TUPLE(es_am_state_timeout, &time, &content)))
        es_state_timeout(time_of(time), content);
    else if (es_match(what, ES_TUPLE(es_am_timeout, &time, &content)))
        es_event_timeout(time_of(time), content);
    else if (es_match(what, ES_TUPLE(named, &name, &time, &content)))
        es_named_timeout(name, time_of(time), content);
    else if (es_match(what, ES_TUPLE(cancel, &name)) && es_is(name, es_am_state_timeout))
        es_cancel_state_timeout();
    else if (es_match(what, ES_TUPLE(cancel, &name)) && es_is(name, es_am_timeout))
        es_cancel_event_timeout();
    else if (es_match(what, ES_TUPLE(cancel, &name)))
        es_cancel_named_timeout(name);
}

static void acts(const es_event *event, es_term what)
{
    es_atom type;
    es_term content;
    if (es_is(what, postpone))
        es_postpone();
    else if (es_is(what, hibernate))
        es_hibernate_machine();
    else if (es_is(what, crash))
        es_exit(boom);
    else if (es_is(what, answer_now))
        es_answer_now(es_ok());
    else if (es_match(what, ES_TUPLE(insert, &type, &content)))
        es_next_event(type_of(type), content);
    else if (es_match(what, ES_TUPLE(call_of, &content)))
        es_next_call(event->from, content);
    else if (es_match(what, ES_TUPLE(reply, &content)))
        es_reply_to(event->from, content);
    else
        does_timeout(what);
}

static es_step does(puppet *self, const es_event *event, es_term list)
{
    es_term what, reason, answer;
    es_atom state;
    es_step step = es_keep_state();
    while (es_get_cons(list, &what, &list)) {
        if (es_match(what, ES_TUPLE(next, &state)))
            step = goes_to(self, state);
        else if (es_is(what, repeat))
            step = es_repeat_state();
        else if (es_match(what, ES_TUPLE(stop, &reason)))
            step = es_stop_machine(reason);
        else if (es_match(what, ES_TUPLE(stop_reply, &reason, &answer)))
            step = es_stop_and_reply(reason, event->from, answer);
        else if (es_is(what, unknown))
            step = es_unknown_event(event);
        else if (es_is(what, nonsense))
            step = (es_step){0};
        else if (es_is(what, ignore))
            step = es_ignore_machine();
        else
            acts(event, what);
    }
    return step;
}

static es_term list_for(es_term lists, es_atom state)
{
    es_term one, list;
    while (es_get_cons(lists, &one, &lists))
        if (es_match(one, ES_TUPLE(state, &list)))
            return list;
    return es_nil();
}

static void tells(const puppet *self, const es_event *event, es_atom state)
{
    char text[128], label[64], name[32] = "";
    es_term what = es_is_tuple(event->content) ? es_tuple_get(event->content, 0) : event->content;
    es_print(label, sizeof label, what);
    if (event->type == ES_EVENT_NAMED_TIMEOUT)
        es_print(name, sizeof name, event->name);
    snprintf(text, sizeof text, "%s %s%s%s %s", es_atom_text(state), text_of(event->type), name[0] ? " " : "",
             name, label);
    es_send(self->watcher, ES_TUPLE(heard, (const char *)text));
}

static es_step plays(puppet *self, const es_event *event, es_atom state)
{
    es_term list, other;
    tells(self, event, state);
    if (event->type == ES_EVENT_ENTER)
        return does(self, event, list_for(self->enters, state));
    if (es_match(event->content, ES_TUPLE(ES_ANY, &list)))
        return does(self, event, list);
    if (es_match(event->content, ES_TUPLE(ES_ANY, state, &list, ES_ANY)))
        return does(self, event, list);
    if (es_match(event->content, ES_TUPLE(ES_ANY, ES_ANY, ES_ANY, &other)))
        return does(self, event, other);
    return es_keep_state();
}

static es_step s1_(puppet *self, const es_event *event)
{
    return plays(self, event, s1);
}

static es_step s2_(puppet *self, const es_event *event)
{
    return plays(self, event, s2);
}

static es_step is_nowhere(puppet *self, const es_event *event)
{
    return plays(self, event, unlisted);
}

static es_step is_anywhere(puppet *self, const es_event *event, es_term state)
{
    es_atom name = unlisted;
    es_match(state, &name);
    return plays(self, event, name);
}

/* {Watcher, Do, [{State, Do}]} */
static es_step begins(puppet *self, es_term args)
{
    es_term list, enters;
    es_match(args, ES_TUPLE(&self->watcher, &list, &enters));
    self->enters = es_keep(enters);
    es_event none = {.type = ES_EVENT_INTERNAL};
    es_step step = does(self, &none, list);
    return step.what == ESI_STEP_KEEP ? goes_to(self, s1) : step;
}

static es_step begins_with_functions(puppet *self, es_term args)
{
    self->has_functions = true;
    return begins(self, args);
}

static void ends(puppet *self, es_term reason, es_term state)
{
    es_event event = {.type = ES_EVENT_INTERNAL, .content = reason};
    es_atom name = unlisted;
    char text[128], label[100];
    es_match(state, &name);
    es_print(label, sizeof label, event.content);
    snprintf(text, sizeof text, "%s terminate %s", es_atom_text(name), label);
    es_send(self->watcher, ES_TUPLE(heard, (const char *)text));
}

ES_STATEM(with_functions, puppet, .init = begins_with_functions, .states = ES_STATES(s1_, s2_), .enter = true,
          .terminate = ends);
ES_STATEM(with_handler, puppet, .init = begins, .handle_event = is_anywhere, .enter = true,
          .terminate = ends);

/* ------------------------------------------------------------ what the story does with it */

/* What the puppet tells next: "one; two; three". */
static bool is_told(const char *expected)
{
    char told[128];
    for (const char *at = expected; *at;) {
        size_t length = strcspn(at, ";");
        es_bin text = {0};
        told[0] = 0;
        es_receive {
            es_case(ES_TUPLE(heard, &text))
                snprintf(told, sizeof told, "%.*s", (int)text.size, (const char *)text.data);
            es_after(STORY_PATIENCE_MS) {
            }
        }
        if (strlen(told) != length || strncmp(told, at, length) != 0) {
            print_message("told \"%s\" instead of \"%.*s\"\n", told, (int)length, at);
            return false;
        }
        at += length;
        at += strspn(at, "; ");
    }
    return true;
}

static es_pid begun(const es_behaviour *machine, es_literal enters)
{
    es_pid pid = es_start(machine, ES_TUPLE(es_self(), ES_NIL, enters));
    EXPECT(!es_pid_is_none(pid));
    EXPECT(is_told("s1 enter s1"));
    return pid;
}

/* It gets all of the messages that `send` sends before it handles any. */
#define together(pid, ...)                    \
    do {                                      \
        EXPECT(es_sys_suspend(pid) == ES_OK); \
        __VA_ARGS__;                          \
        EXPECT(es_sys_resume(pid) == ES_OK);  \
    } while (0)

#define DO(label, ...)           ES_TUPLE(label, ES_LIST(__VA_ARGS__))
#define IN(label, state, what)   ES_TUPLE(label, state, ES_LIST(what), ES_NIL)
#define WAIT(label)              IN(label, s1, postpone)
#define GO(label, state)         DO(label, ES_TUPLE(next, state))
#define AFTER(kind, time, label) ES_TUPLE(kind, time, label)

static const es_behaviour *const styles[] = {&with_functions, &with_handler};

/* A story of one machine, played with both. The trace is the same: GST-31. */
#define MACHINE_WITH(kind, title, ids)                     \
    static void title##_with(const es_behaviour *machine); \
    kind(title, ids " GST-31")                             \
    {                                                      \
        for (int style = 0; style < 2; style++) {          \
            title##_with(styles[style]);                   \
            EXPECT(is_quiet());                            \
        }                                                  \
    }                                                      \
    static void title##_with(const es_behaviour *machine)
#define MACHINE(title, ids)           MACHINE_WITH(STORY, title, ids)
#define SIMULATED_MACHINE(title, ids) MACHINE_WITH(SIMULATED_STORY, title, ids)

/* ------------------------------------------------------------ states */

MACHINE(the_first_state_is_entered_from_itself, "GST-01")
{
    begun(machine, ES_NIL);
}

MACHINE(going_where_it_is_changes_nothing, "GST-02")
{
    es_pid pid = begun(machine, ES_NIL);
    together(pid, es_cast(pid, WAIT(p)), es_cast(pid, DO(a, AFTER(es_am_state_timeout, 5, t))),
             es_cast(pid, GO(b, s1)));
    EXPECT(is_told("s1 cast p; s1 cast a; s1 cast b; s1 state_timeout t"));
}

MACHINE(repeating_a_state_enters_it_and_no_more, "GST-03")
{
    es_pid pid = begun(machine, ES_NIL);
    together(pid, es_cast(pid, WAIT(p)), es_cast(pid, DO(a, AFTER(es_am_state_timeout, 5, t))),
             es_cast(pid, DO(b, repeat)));
    EXPECT(is_told("s1 cast p; s1 cast a; s1 cast b; s1 enter s1; s1 state_timeout t"));
}

MACHINE(keeping_a_state_does_neither, "GST-04")
{
    es_pid pid = begun(machine, ES_NIL);
    together(pid, es_cast(pid, WAIT(p)), es_cast(pid, DO(a, AFTER(es_am_state_timeout, 5, t))),
             es_cast(pid, b));
    EXPECT(is_told("s1 cast p; s1 cast a; s1 cast b; s1 state_timeout t"));
}

MACHINE(a_change_enters_the_other_state, "")
{
    es_pid pid = begun(machine, ES_LIST(ES_TUPLE(s2, ES_LIST(AFTER(es_am_state_timeout, 0, t)))));
    together(pid, es_cast(pid, GO(a, s2)), es_cast(pid, b));
    EXPECT(is_told("s1 cast a; s2 enter s1; s2 state_timeout t; s2 cast b"));
}

/* ------------------------------------------------------------ events */

MACHINE(inserted_events_come_in_their_order_before_all_others, "GST-05")
{
    es_pid pid = begun(machine, ES_NIL);
    together(pid,
             es_cast(pid, DO(x, ES_TUPLE(insert, internal, a), ES_TUPLE(insert, es_am_cast, b),
                             ES_TUPLE(insert, es_am_info, c))),
             es_cast(pid, y));
    EXPECT(is_told("s1 cast x; s1 internal a; s1 cast b; s1 info c; s1 cast y"));
}

MACHINE(inserted_by_an_inserted_one_comes_before_the_rest, "")
{
    es_pid pid = begun(machine, ES_NIL);
    es_cast(pid, DO(x, ES_TUPLE(insert, internal, DO(a, ES_TUPLE(insert, internal, b))),
                    ES_TUPLE(insert, internal, c)));
    EXPECT(is_told("s1 cast x; s1 internal a; s1 internal b; s1 internal c"));
}

MACHINE(postponed_events_come_after_the_change_in_their_order, "GST-06 GST-08")
{
    es_pid pid = begun(machine, ES_NIL);
    together(pid, es_cast(pid, WAIT(p)), es_cast(pid, WAIT(q)), es_cast(pid, a), es_cast(pid, GO(b, s2)),
             es_cast(pid, c), es_cast(pid, GO(d, s1)));
    EXPECT(
        is_told("s1 cast p; s1 cast q; s1 cast a; s1 cast b; s2 enter s1; s2 cast p; s2 cast q; s2 cast c"));
    EXPECT(is_told("s2 cast d; s1 enter s2"));
}

MACHINE(inserted_events_come_before_postponed_ones, "GST-07")
{
    es_pid pid = begun(machine, ES_NIL);
    together(
        pid, es_cast(pid, WAIT(p)),
        es_cast(pid, DO(b, ES_TUPLE(next, s2), ES_TUPLE(insert, internal, a), ES_TUPLE(insert, internal, c))),
        es_cast(pid, d));
    EXPECT(is_told("s1 cast p; s1 cast b; s2 enter s1; s2 internal a; s2 internal c; s2 cast p; s2 cast d"));
}

MACHINE(an_event_that_changes_the_state_may_be_postponed, "")
{
    es_pid pid = begun(machine, ES_NIL);
    es_cast(pid, ES_TUPLE(p, s1, ES_LIST(postpone, ES_TUPLE(next, s2)), ES_NIL));
    EXPECT(is_told("s1 cast p; s2 enter s1; s2 cast p"));
}

MACHINE(the_answer_to_a_postponed_call_whose_caller_is_gone_goes_nowhere, "GST-09")
{
    es_term out = es_none();
    es_pid pid = begun(machine, ES_NIL);
    EXPECT(es_try_call(pid, ES_TUPLE(c, s1, ES_LIST(postpone), ES_LIST(ES_TUPLE(reply, x))), 3, &out) ==
           ES_ETIMEOUT);
    es_cast(pid, GO(a, s2));
    EXPECT(is_told("s1 call c; s1 cast a; s2 enter s1; s2 call c"));
    EXPECT(is_quiet());
    EXPECT(es_is(es_call(pid, DO(d, ES_TUPLE(reply, y)), 5000), y));
    EXPECT(is_told("s2 call d"));
}

static void calls(es_term to)
{
    es_pid pid;
    es_term request;
    if (es_match(to, ES_TUPLE(&pid, &request)))
        es_call(pid, request, STORY_PATIENCE_MS);
}

MACHINE(a_postponed_call_is_answered_later, "")
{
    es_ref ref;
    es_pid pid = begun(machine, ES_NIL);
    es_spawn_monitor(&ref, calls,
                     ES_TUPLE(pid, ES_TUPLE(c, s1, ES_LIST(postpone), ES_LIST(ES_TUPLE(reply, x)))));
    EXPECT(is_told("s1 call c"));
    es_cast(pid, GO(a, s2));
    EXPECT(got_down(ref, ES_ANY, es_am_normal));
    EXPECT(is_told("s1 cast a; s2 enter s1; s2 call c"));
}

MACHINE(an_inserted_call_is_answered, "")
{
    es_pid pid = begun(machine, ES_NIL);
    EXPECT(es_is(es_call(pid, DO(a, ES_TUPLE(call_of, DO(b, ES_TUPLE(reply, x)))), 5000), x));
    EXPECT(is_told("s1 call a; s1 call b"));
}

MACHINE(each_event_has_its_type_and_its_content, "GST-21 GST-22")
{
    es_pid pid = begun(machine, ES_NIL);
    EXPECT(es_is(es_call(pid, DO(a, ES_TUPLE(reply, x)), 5000), x));
    es_cast(pid, b);
    es_send(pid, c);
    es_send(pid, ES_TUPLE(es_am_timeout, es_make_ref(), d));
    es_cast(pid, DO(p, ES_TUPLE(insert, internal, a), ES_TUPLE(named, ES_TUPLE(x, 1), 0, q),
                    AFTER(es_am_state_timeout, 0, t)));
    EXPECT(is_told("s1 call a; s1 cast b; s1 info c; s1 info timeout; s1 cast p; s1 internal a"));
    EXPECT(is_told("s1 named {x,1} q; s1 state_timeout t"));
    es_cast(pid, DO(p, AFTER(es_am_timeout, 0, "bytes")));
    EXPECT(is_told("s1 cast p; s1 timeout <<\"bytes\">>"));
}

MACHINE(a_call_is_answered_once, "GST-32")
{
    es_pid pid = begun(machine, ES_NIL);
    EXPECT(es_is(es_call(pid, DO(a, ES_TUPLE(reply, x), ES_TUPLE(reply, y)), 5000), x));
    EXPECT(es_is(es_call(pid, DO(b, ES_TUPLE(reply, c)), 5000), c));
    EXPECT(is_told("s1 call a; s1 call b"));
}

/* Its sleep is over: what it set going has happened, or never will. */
static void later(void)
{
    es_sleep(50);
}

/* ------------------------------------------------------------ time-outs */

MACHINE(a_state_timeout_comes_once, "GST-10")
{
    es_pid pid = begun(machine, ES_NIL);
    es_cast(pid, DO(a, AFTER(es_am_state_timeout, 3, t)));
    EXPECT(is_told("s1 cast a; s1 state_timeout t"));
}

MACHINE(a_change_ends_the_state_timeout, "GST-11")
{
    es_pid pid = begun(machine, ES_NIL);
    together(pid, es_cast(pid, DO(a, AFTER(es_am_state_timeout, 3, t))), es_cast(pid, GO(b, s2)));
    EXPECT(is_told("s1 cast a; s1 cast b; s2 enter s1"));
    later();
}

MACHINE(a_new_state_timeout_takes_the_place_of_the_old_one, "GST-12")
{
    es_pid pid = begun(machine, ES_NIL);
    together(pid, es_cast(pid, DO(a, AFTER(es_am_state_timeout, 3, t))),
             es_cast(pid, DO(b, AFTER(es_am_state_timeout, 4, p), AFTER(es_am_state_timeout, 5, u))));
    EXPECT(is_told("s1 cast a; s1 cast b; s1 state_timeout u"));
    later();
}

SIMULATED_MACHINE(an_update_changes_the_content_and_not_the_time, "GST-13")
{
    es_pid pid = begun(machine, ES_NIL);
    int64_t begun_ns = es_now_ns();
    es_cast(pid, DO(a, AFTER(es_am_state_timeout, 20, t), ES_TUPLE(named, x, 30, p)));
    es_sleep(10);
    es_cast(pid, DO(b, AFTER(es_am_state_timeout, update, u)));
    EXPECT(is_told("s1 cast a; s1 cast b; s1 state_timeout u"));
    EXPECT(es_now_ns() - begun_ns == 20000000);
    es_cast(pid, DO(c, ES_TUPLE(named, x, update, q)));
    EXPECT(is_told("s1 cast c; s1 named x q"));
    EXPECT(es_now_ns() - begun_ns == 30000000);
    es_cast(pid, DO(d, AFTER(es_am_state_timeout, update, t))); /* nothing to update: at once */
    EXPECT(is_told("s1 cast d; s1 state_timeout t"));
    EXPECT(es_now_ns() - begun_ns == 30000000);
}

MACHINE(a_timeout_may_be_cancelled, "GST-14")
{
    es_pid pid = begun(machine, ES_NIL);
    together(pid, es_cast(pid, DO(a, AFTER(es_am_state_timeout, 3, t))),
             es_cast(pid, DO(b, ES_TUPLE(cancel, es_am_state_timeout))),
             es_cast(pid, DO(c, AFTER(es_am_state_timeout, 3, t))),
             es_cast(pid, DO(d, AFTER(es_am_state_timeout, ES_INFINITY, t), AFTER(es_am_timeout, 3, t))),
             es_cast(pid, DO(p, AFTER(es_am_timeout, 3, t), ES_TUPLE(cancel, es_am_timeout))));
    EXPECT(is_told("s1 cast a; s1 cast b; s1 cast c; s1 cast d; s1 cast p"));
    later();
}

MACHINE(any_event_ends_the_event_timeout, "GST-15")
{
    es_pid pid = begun(machine, ES_NIL);
    together(pid, es_cast(pid, DO(a, AFTER(es_am_timeout, 3, t))), es_cast(pid, b));
    EXPECT(is_told("s1 cast a; s1 cast b"));
    later();
    together(pid, es_cast(pid, DO(a, AFTER(es_am_timeout, 3, t))), es_cast(pid, GO(b, s2)));
    EXPECT(is_told("s1 cast a; s1 cast b; s2 enter s1"));
    later();
    es_cast(pid, DO(a, AFTER(es_am_timeout, 3, t)));
    EXPECT(is_told("s2 cast a; s2 timeout t"));
}

MACHINE(a_named_timeout_is_an_event_for_the_event_timeout, "GST-16")
{
    es_pid pid = begun(machine, ES_NIL);
    es_cast(pid, DO(a, AFTER(es_am_timeout, 0, t), ES_TUPLE(insert, internal, b)));
    EXPECT(is_told("s1 cast a; s1 internal b"));
    es_cast(pid, DO(a, ES_TUPLE(named, x, 0, p), AFTER(es_am_timeout, 3, t)));
    EXPECT(is_told("s1 cast a; s1 named x p"));
    later();
}

SIMULATED_MACHINE(a_named_timeout_that_comes_first_ends_the_event_timeout, "GST-16")
{
    es_pid pid = begun(machine, ES_NIL);
    es_cast(pid, DO(a, AFTER(es_am_timeout, 10, t), ES_TUPLE(named, x, 5, p)));
    EXPECT(is_told("s1 cast a; s1 named x p"));
    later();
}

MACHINE(named_timeouts_outlive_a_change, "GST-17")
{
    es_pid pid = begun(machine, ES_NIL);
    together(pid, es_cast(pid, DO(x, ES_TUPLE(named, a, 8, p), ES_TUPLE(named, b, 3, q))),
             es_cast(pid, GO(y, s2)));
    EXPECT(is_told("s1 cast x; s1 cast y; s2 enter s1; s2 named b q; s2 named a p"));
    later();
}

MACHINE(named_timeouts_are_cancelled_by_name, "GST-18")
{
    es_pid pid = begun(machine, ES_NIL);
    es_cast(pid, DO(x, ES_TUPLE(named, a, 3, p), ES_TUPLE(named, b, 5, q), ES_TUPLE(cancel, a)));
    EXPECT(is_told("s1 cast x; s1 named b q"));
    together(pid, es_cast(pid, DO(x, ES_TUPLE(named, a, 3, p), ES_TUPLE(named, b, 5, q))),
             es_cast(pid, DO(y, ES_TUPLE(cancel, a))));
    EXPECT(is_told("s1 cast x; s1 cast y; s1 named b q"));
    later();
}

MACHINE(a_timeout_of_0_comes_before_messages_and_after_inserted_events, "GST-19 GST-20")
{
    es_pid pid = begun(machine, ES_NIL);
    together(pid, es_cast(pid, DO(a, AFTER(es_am_state_timeout, 0, t), ES_TUPLE(insert, internal, c))),
             es_cast(pid, b));
    EXPECT(is_told("s1 cast a; s1 internal c; s1 state_timeout t; s1 cast b"));
}

MACHINE(timeouts_of_0_come_in_their_order_and_can_be_replaced, "")
{
    es_pid pid = begun(machine, ES_NIL);
    es_cast(pid,
            DO(a, ES_TUPLE(named, x, 0, p), AFTER(es_am_state_timeout, 0, t), ES_TUPLE(named, y, 0, q),
               ES_TUPLE(insert, internal, DO(b, ES_TUPLE(named, x, 3, u), ES_TUPLE(named, y, update, c)))));
    EXPECT(is_told("s1 cast a; s1 internal b; s1 state_timeout t; s1 named y c; s1 named x u"));
}

SIMULATED_MACHINE(a_timeout_that_fired_unseen_is_cancelled_all_the_same, "")
{
    es_pid pid = begun(machine, ES_NIL);
    es_cast(pid, DO(a, AFTER(es_am_state_timeout, 5, t), ES_TUPLE(named, x, 5, p)));
    EXPECT(is_told("s1 cast a"));
    together(pid, es_cast(pid, DO(b, ES_TUPLE(next, s2), ES_TUPLE(cancel, x))), es_sleep(10));
    EXPECT(is_told("s1 cast b; s2 enter s1"));
    later();
}

SIMULATED_MACHINE(a_cancelled_timeout_wakes_nobody, "")
{
    es_info before, after;
    es_pid pid = begun(machine, ES_NIL);
    es_cast(pid, DO(a, AFTER(es_am_state_timeout, 20, t)));
    es_cast(pid, GO(b, s2));
    EXPECT(is_told("s1 cast a; s1 cast b; s2 enter s1"));
    es_sleep(10); /* it waits again */
    EXPECT(es_process_info(pid, &before));
    later();
    EXPECT(es_process_info(pid, &after) && after.reductions == before.reductions);
}

MACHINE(init_and_the_first_state_may_set_timeouts, "")
{
    es_pid pid = es_start(
        machine, ES_TUPLE(es_self(), ES_LIST(AFTER(es_am_state_timeout, 0, t), ES_TUPLE(insert, internal, a)),
                          ES_LIST(ES_TUPLE(s1, ES_LIST(ES_TUPLE(named, x, 0, p))))));
    EXPECT(!es_pid_is_none(pid));
    EXPECT(is_told("s1 enter s1; s1 internal a; s1 state_timeout t; s1 named x p"));
}

/* ------------------------------------------------------------ ends */

/* It gets `request`, tells that, and ends with `reason`. */
#define ends_by(machine, enters, request, told, reason)          \
    do {                                                         \
        es_pid ends_by_pid = begun((machine), (enters));         \
        es_ref ends_by_ref = es_monitor(ends_by_pid);            \
        es_cast(ends_by_pid, (request));                         \
        EXPECT(is_told(told));                                   \
        bool is_so = got_down(ends_by_ref, ends_by_pid, reason); \
        EXPECT(is_so);                                           \
    } while (0)

MACHINE(an_action_that_makes_no_sense_ends_the_machine, "GST-23")
{
    ends_by(machine, ES_NIL, DO(a, AFTER(es_am_state_timeout, -5, t)),
            "s1 cast a; s1 terminate {bad_action_from_state_function,{state_timeout,-5,t}}",
            ES_TUPLE(bad_action_from_state_function, ES_TUPLE(es_am_state_timeout, -5, t)));
    ends_by(machine, ES_NIL, DO(a, ES_TUPLE(named, x, -5, t)),
            "s1 cast a; s1 terminate {bad_action_from_state_function,{{timeout,x},-5,t}}", ES_ANY);
    ends_by(machine, ES_NIL, DO(a, ES_TUPLE(insert, bogus, b)),
            "s1 cast a; s1 terminate {bad_action_from_state_function,{next_event,99,b}}",
            ES_TUPLE(bad_action_from_state_function, ES_TUPLE(next_event, 99, b)));
    ends_by(machine, ES_NIL, DO(a, ES_TUPLE(insert, es_am_call, b)),
            "s1 cast a; s1 terminate {bad_action_from_state_function,{next_event,call,b}}", ES_ANY);
}

MACHINE(a_callback_that_returns_nonsense_ends_the_machine, "GST-24")
{
    ends_by(machine, ES_NIL, DO(a, nonsense),
            "s1 cast a; s1 terminate {bad_return_from_state_function,undefined}",
            ES_TUPLE(bad_return_from_state_function, es_am_undefined));
    ends_by(machine, ES_NIL, DO(a, ignore), "s1 cast a; s1 terminate {bad_return_from_state_function,ignore}",
            ES_TUPLE(bad_return_from_state_function, ignore));
}

MACHINE(what_may_not_be_done_while_a_state_is_entered, "GST-25 GST-26")
{
    ends_by(machine, ES_LIST(ES_TUPLE(s2, ES_LIST(postpone))), GO(a, s2),
            "s1 cast a; s2 enter s1; s2 terminate {bad_state_enter_action_from_state_function,postpone}",
            ES_TUPLE(bad_state_enter_action_from_state_function, postpone));
    ends_by(machine, ES_LIST(ES_TUPLE(s2, ES_LIST(ES_TUPLE(insert, internal, b)))), GO(a, s2),
            "s1 cast a; s2 enter s1; "
            "s2 terminate {bad_state_enter_action_from_state_function,{next_event,internal,b}}",
            ES_TUPLE(bad_state_enter_action_from_state_function, ES_TUPLE(next_event, internal, b)));
    ends_by(machine, ES_LIST(ES_TUPLE(s2, ES_LIST(ES_TUPLE(next, s1)))), GO(a, s2),
            "s1 cast a; s2 enter s1; "
            "s2 terminate {bad_state_enter_return_from_state_function,{next_state,s1}}",
            ES_TUPLE(bad_state_enter_return_from_state_function, ES_TUPLE(next_state, s1)));
}

STORY(a_state_that_is_not_listed_is_named, "")
{
    es_bin text = {0};
    es_ref ref;
    es_pid pid = begun(&with_functions, ES_NIL);
    ref = es_monitor(pid);
    es_cast(pid, GO(a, unlisted));
    EXPECT(is_told("s1 cast a"));
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, ref, ES_ANY, ES_ANY,
                         ES_TUPLE(bad_return_from_state_function, ES_TUPLE(next_state, &text))))
            EXPECT(memmem(text.data, text.size, "is not in ES_STATES() of with_functions", 39));
    EXPECT(got(ES_TUPLE(heard, ES_ANY))); /* terminate */
}

MACHINE(a_machine_stops_by_itself, "GST-27")
{
    ends_by(machine, ES_NIL, DO(a, ES_TUPLE(next, s2), ES_TUPLE(stop, es_am_normal)),
            "s1 cast a; s1 terminate normal", es_am_normal);
    ends_by(machine, ES_NIL, DO(a, ES_TUPLE(stop, ES_TUPLE(r, 1))), "s1 cast a; s1 terminate {r,1}",
            ES_TUPLE(r, 1));
    ends_by(machine, ES_NIL, DO(a, crash), "s1 cast a; s1 terminate boom", boom);
    ends_by(machine, ES_LIST(ES_TUPLE(s2, ES_LIST(ES_TUPLE(stop, r)))), GO(a, s2),
            "s1 cast a; s2 enter s1; s2 terminate r", r);
    es_pid pid = begun(machine, ES_NIL);
    EXPECT(es_stop_process(pid, es_am_normal, 5000) == ES_OK);
    EXPECT(is_told("s1 terminate normal"));
}

MACHINE(a_machine_that_stops_may_answer_before, "GST-28")
{
    es_pid pid = begun(machine, ES_NIL);
    es_ref ref = es_monitor(pid);
    EXPECT(es_is(es_call(pid, DO(a, ES_TUPLE(stop_reply, r, x)), 5000), x));
    EXPECT(is_told("s1 call a; s1 terminate r"));
    EXPECT(got_down(ref, pid, r));
}

MACHINE(callers_of_postponed_calls_hear_of_the_end, "GST-29")
{
    es_ref first, second;
    es_pid pid = begun(machine, ES_NIL);
    es_spawn_monitor(&first, calls, ES_TUPLE(pid, WAIT(p)));
    EXPECT(is_told("s1 call p"));
    es_spawn_monitor(&second, calls, ES_TUPLE(pid, WAIT(q)));
    EXPECT(is_told("s1 call q"));
    es_cast(pid, DO(a, ES_TUPLE(stop, r)));
    EXPECT(got_down(first, ES_ANY, r) && got_down(second, ES_ANY, r));
    EXPECT(is_told("s1 cast a; s1 terminate r"));
}

MACHINE(a_machine_that_hibernates_wakes_on_an_event, "GST-30")
{
    es_info before, after;
    es_pid pid = begun(machine, ES_NIL);
    es_cast(pid, DO(a, AFTER(es_am_timeout, 0, t)));
    EXPECT(is_told("s1 cast a; s1 timeout t"));
    EXPECT(es_is(es_call(pid, DO(b, ES_TUPLE(reply, x)), 5000), x) && es_process_info(pid, &before));
    EXPECT(es_is(es_call(pid, DO(c, hibernate, ES_TUPLE(reply, x)), 5000), x));
    EXPECT(es_is(es_call(pid, DO(d, ES_TUPLE(reply, x)), 5000), x) && es_process_info(pid, &after));
    EXPECT(after.memory_bytes < before.memory_bytes);
    EXPECT(is_told("s1 call b; s1 call c; s1 call d"));
    es_cast(pid, DO(a, hibernate, ES_TUPLE(named, x, 3, p))); /* not what it waits for */
    EXPECT(is_told("s1 cast a; s1 named x p"));
}

STORY(init_may_not_want_to, "")
{
    es_term why = es_none();
    es_pid pid;
    for (int style = 0; style < 2; style++) {
        const es_behaviour *machine = styles[style];
        EXPECT(es_try_start(NULL, machine, ES_TUPLE(es_self(), ES_LIST(ignore), ES_NIL), &pid, &why) ==
               ES_EIGNORE);
        EXPECT(es_try_start(NULL, machine, ES_TUPLE(es_self(), ES_LIST(ES_TUPLE(stop, r)), ES_NIL), &pid,
                            &why) == ES_ECLOSED &&
               es_is(why, r));
        EXPECT(es_try_start(NULL, machine, ES_TUPLE(es_self(), ES_LIST(nonsense), ES_NIL), &pid, &why) ==
                   ES_ECLOSED &&
               es_match(why, ES_TUPLE(bad_return_from_init, es_am_undefined)));
        EXPECT(es_try_start(NULL, machine, ES_TUPLE(es_self(), ES_LIST(crash), ES_NIL), &pid, &why) ==
                   ES_ECLOSED &&
               es_is(why, boom));
    }
    EXPECT(is_quiet());
}

MACHINE(what_a_state_does_not_know, "")
{
    es_term out = es_none();
    es_pid pid = begun(machine, ES_NIL);
    EXPECT(es_try_call(pid, DO(a, unknown), 5000, &out) == ES_ECLOSED &&
           es_match(out, ES_TUPLE(es_am_undef, ES_TUPLE(a, ES_ANY))));
    es_cast(pid, DO(b, unknown));
    EXPECT(es_is(es_call(pid, DO(c, ES_TUPLE(reply, x)), 5000), x));
    EXPECT(is_told("s1 call a; s1 cast b; s1 call c"));
}

MACHINE(an_answer_is_for_servers, "")
{
    ends_by(machine, ES_NIL, DO(a, answer_now), "s1 cast a; s1 terminate {badarg,statem}",
            ES_TUPLE(es_am_badarg, ES_ANY));
}

STORY(actions_are_for_machines, "")
{
    es_ref ref;
    es_spawn_monitor(&ref, es_postpone);
    EXPECT(got(ES_TUPLE(es_am_DOWN, ref, ES_ANY, ES_ANY, ES_TUPLE(es_am_badarg, ES_ANY))));
}

/* ------------------------------------------------------------ sys */

typedef struct {
    int64_t count;
} lamp;
ES_STRUCT(lamp, count);

static es_step off(lamp *self, const es_event *event);

static es_step on(lamp *self, const es_event *event)
{
    if (event->type == ES_EVENT_CALL) {
        es_reply_to(event->from, self->count);
        return es_keep_state();
    }
    return event->type == ES_EVENT_CAST ? es_next_state(off) : es_unknown_event(event);
}

static es_step off(lamp *self, const es_event *event)
{
    if (event->type != ES_EVENT_CAST)
        return es_unknown_event(event);
    self->count++;
    return es_next_state(on);
}

static es_err lamp_code_change(lamp *self, es_term old, es_term extra)
{
    (void)old, (void)extra;
    self->count += 100;
    return ES_OK;
}
ES_STATEM(lamp_machine, lamp, .states = ES_STATES(off, on), .code_change = lamp_code_change,
          .state = ES_STATE(lamp));

/* No clause for the state `off`; its states are terms. */
static es_step any_number(lamp *self, const es_event *event, es_term state)
{
    int64_t n = 0;
    (void)self;
    es_match(state, ES_TUPLE(p, &n));
    if (event->type == ES_EVENT_CALL)
        es_reply_to(event->from, state);
    return es_next_state(ES_TUPLE(p, n + (event->type == ES_EVENT_CAST)));
}
ES_STATEM(number_machine, lamp, .handle_event = any_number);

STORY(a_machines_state_can_be_seen_and_replaced, "SYS-03 SYS-04")
{
    es_term state = es_none();
    es_atom name;
    int64_t count = 0;
    es_pid pid = es_start(&lamp_machine, 0);
    EXPECT(es_sys_get_state(pid, &state) == ES_OK);
    EXPECT(es_match(state, ES_TUPLE(&name, ES_TUPLE(ES_ANY, 0))) && strcmp(es_atom_text(name), "off") == 0);
    es_term kind = es_tuple_get(es_tuple_get(state, 1), 0);
    es_cast(pid, a);
    EXPECT(es_match(es_call(pid, x, 5000), &count) && count == 1);
    EXPECT(es_sys_replace_state(pid, ES_TUPLE(name, ES_TUPLE(kind, 7))) == ES_OK);
    EXPECT(es_sys_replace_state(pid, ES_TUPLE(bogus, ES_TUPLE(kind, 7))) == ES_EINVAL);
    EXPECT(es_sys_replace_state(pid, ES_TUPLE(name, bogus)) == ES_EINVAL);
    es_cast(pid, a); /* it is off */
    EXPECT(es_match(es_call(pid, x, 5000), &count) && count == 8);
    EXPECT(es_sys_change_code(pid, r, r) == ES_EINVAL);
    EXPECT(es_sys_suspend(pid) == ES_OK && es_sys_change_code(pid, r, r) == ES_OK &&
           es_sys_resume(pid) == ES_OK);
    EXPECT(es_match(es_call(pid, x, 5000), &count) && count == 108);
    es_drop(state);
}

STORY(a_state_may_be_any_term, "SYS-03")
{
    es_term state = es_none();
    es_pid pid = es_start(&number_machine, 0);
    EXPECT(es_is(es_call(pid, x, 5000), es_am_undefined));
    EXPECT(es_match(es_call(pid, x, 5000), ES_TUPLE(p, 0)));
    es_cast(pid, x);
    EXPECT(es_match(es_call(pid, x, 5000), ES_TUPLE(p, 1)));
    EXPECT(es_sys_get_state(pid, &state) == ES_OK);
    EXPECT(es_match(state, ES_TUPLE(ES_TUPLE(p, 1), es_am_undefined)));
    EXPECT(es_sys_replace_state(pid, ES_TUPLE(ES_TUPLE(p, 5), es_am_undefined)) == ES_OK);
    EXPECT(es_match(es_call(pid, x, 5000), ES_TUPLE(p, 5)));
    es_drop(state);
}

ES_SERVER(lamp_server, lamp);

/* When it has handled all that it was sent. */
static int64_t memory_of(es_pid pid)
{
    es_info info = {0};
    es_term state = es_none();
    EXPECT(es_sys_get_state(pid, &state) == ES_OK && es_is_alive(pid) && es_process_info(pid, &info));
    es_drop(state);
    return info.memory_bytes;
}

/* Postpones `a` until it is in s2; has a state timeout of 30 ms from `b` on. */
typedef struct {
    es_pid watcher;
} patient;

static es_step patient_event(patient *self, const es_event *event, es_term state)
{
    es_get_pid(event->content, &self->watcher);
    if (es_is(event->content, a) && es_is(state, es_am_undefined)) {
        es_postpone();
        return es_keep_state();
    }
    if (es_is(event->content, a))
        es_send(self->watcher, a);
    if (es_is(event->content, b))
        es_state_timeout(30, t);
    if (event->type == ES_EVENT_STATE_TIMEOUT)
        es_send(self->watcher, t);
    return es_is(event->content, c) ? es_next_state(s2) : es_keep_state();
}
ES_STATEM(patient_machine, patient, .handle_event = patient_event);

STORY(what_waits_in_a_machine_outlasts_its_being_traced, "")
{
    es_pid machine = es_start(&patient_machine, r);
    es_cast(machine, es_self());
    es_cast(machine, b);
    es_cast(machine, a);
    EXPECT(es_sys_trace(machine, true) == ES_OK && es_sys_trace(machine, false) == ES_OK);
    EXPECT(got(t));
    es_cast(machine, c);
    EXPECT(got(a));
}

STORY(a_machine_that_waits_for_nothing_costs_what_a_server_does, "")
{
    es_pid machine = es_start(&lamp_machine, 0), server = es_start(&lamp_server, 0);
    es_cast(machine, a); /* off, on: nothing is left of it */
    es_cast(machine, a);
    EXPECT(memory_of(machine) == memory_of(server) + (int64_t)sizeof(es_term));
    es_pid number = es_start(&number_machine, 0);
    es_cast(number, a);
    int64_t before = memory_of(number);
    for (int i = 0; i < 10; i++) {
        es_cast(number, a); /* changes the state */
        es_send(number, a); /* goes where it is */
    }
    EXPECT(memory_of(number) == before);
}

MACHINE(what_waited_is_given_back, "")
{
    es_pid pid = begun(machine, ES_NIL);
    es_cast(pid, DO(a, AFTER(es_am_timeout, 0, t)));
    EXPECT(is_told("s1 cast a; s1 timeout t"));
    int64_t before = memory_of(pid);
    es_cast(pid, ES_TUPLE(p, s1,
                          ES_LIST(ES_TUPLE(named, x, 0, ES_TUPLE(t, 1)),
                                  ES_TUPLE(insert, internal, ES_TUPLE(b, 1)),
                                  AFTER(es_am_state_timeout, 5000, a), AFTER(es_am_state_timeout, 6000, b),
                                  ES_TUPLE(named, y, 5000, c), AFTER(es_am_timeout, 5000, d), postpone),
                          ES_NIL));
    EXPECT(is_told("s1 cast p; s1 internal b; s1 named x t"));
    EXPECT(memory_of(pid) > before);
    es_cast(pid, DO(q, ES_TUPLE(next, s2), ES_TUPLE(cancel, y)));
    EXPECT(is_told("s1 cast q; s2 enter s1; s2 cast p"));
    EXPECT(memory_of(pid) == before);
}

int main(void)
{
    be_quiet();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_state_is_entered_from_itself),
        cmocka_unit_test(going_where_it_is_changes_nothing),
        cmocka_unit_test(repeating_a_state_enters_it_and_no_more),
        cmocka_unit_test(keeping_a_state_does_neither),
        cmocka_unit_test(a_change_enters_the_other_state),
        cmocka_unit_test(inserted_events_come_in_their_order_before_all_others),
        cmocka_unit_test(inserted_by_an_inserted_one_comes_before_the_rest),
        cmocka_unit_test(postponed_events_come_after_the_change_in_their_order),
        cmocka_unit_test(inserted_events_come_before_postponed_ones),
        cmocka_unit_test(an_event_that_changes_the_state_may_be_postponed),
        cmocka_unit_test(the_answer_to_a_postponed_call_whose_caller_is_gone_goes_nowhere),
        cmocka_unit_test(a_postponed_call_is_answered_later),
        cmocka_unit_test(an_inserted_call_is_answered),
        cmocka_unit_test(each_event_has_its_type_and_its_content),
        cmocka_unit_test(a_call_is_answered_once),
        cmocka_unit_test(a_state_timeout_comes_once),
        cmocka_unit_test(a_change_ends_the_state_timeout),
        cmocka_unit_test(a_new_state_timeout_takes_the_place_of_the_old_one),
        cmocka_unit_test(an_update_changes_the_content_and_not_the_time),
        cmocka_unit_test(a_timeout_may_be_cancelled),
        cmocka_unit_test(any_event_ends_the_event_timeout),
        cmocka_unit_test(a_named_timeout_is_an_event_for_the_event_timeout),
        cmocka_unit_test(a_named_timeout_that_comes_first_ends_the_event_timeout),
        cmocka_unit_test(named_timeouts_outlive_a_change),
        cmocka_unit_test(named_timeouts_are_cancelled_by_name),
        cmocka_unit_test(a_timeout_of_0_comes_before_messages_and_after_inserted_events),
        cmocka_unit_test(timeouts_of_0_come_in_their_order_and_can_be_replaced),
        cmocka_unit_test(a_timeout_that_fired_unseen_is_cancelled_all_the_same),
        cmocka_unit_test(a_cancelled_timeout_wakes_nobody),
        cmocka_unit_test(init_and_the_first_state_may_set_timeouts),
        cmocka_unit_test(an_action_that_makes_no_sense_ends_the_machine),
        cmocka_unit_test(a_callback_that_returns_nonsense_ends_the_machine),
        cmocka_unit_test(what_may_not_be_done_while_a_state_is_entered),
        cmocka_unit_test(a_state_that_is_not_listed_is_named),
        cmocka_unit_test(a_machine_stops_by_itself),
        cmocka_unit_test(a_machine_that_stops_may_answer_before),
        cmocka_unit_test(callers_of_postponed_calls_hear_of_the_end),
        cmocka_unit_test(a_machine_that_hibernates_wakes_on_an_event),
        cmocka_unit_test(init_may_not_want_to),
        cmocka_unit_test(what_a_state_does_not_know),
        cmocka_unit_test(an_answer_is_for_servers),
        cmocka_unit_test(actions_are_for_machines),
        cmocka_unit_test(a_machines_state_can_be_seen_and_replaced),
        cmocka_unit_test(a_state_may_be_any_term),
        cmocka_unit_test(a_machine_that_waits_for_nothing_costs_what_a_server_does),
        cmocka_unit_test(what_waited_is_given_back),
        cmocka_unit_test(what_waits_in_a_machine_outlasts_its_being_traced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
