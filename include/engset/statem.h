/* engset/statem.h - a process that is in a state, and for which the same event means something else in another one: OTP's gen_statem.
 *
 *     typedef struct { int64_t right, entered; } door;
 *     static es_step open_(door *self, const es_event *event);
 *
 *     static es_step locked(door *self, const es_event *event)
 *     {
 *         int64_t digit;
 *         if (event->type == ES_EVENT_CAST && es_match(event->content, ES_TUPLE(button, &digit))) {
 *             if (!is_right(self, digit))
 *                 return es_keep_state();
 *             es_state_timeout(10000, lock);      // an action: it takes effect when the callback has returned
 *             return es_next_state(open_);        // the state is the function
 *         }
 *         return es_unknown_event(event);
 *     }
 *     ES_STATEM(door_machine, door, .states = ES_STATES(locked, open_));
 *
 * Either each state is a function, and the current one gets the event; or one function gets all, and the state is a term:
 *
 *   states = ES_STATES(…)              the functions, es_step state(self, event), the first one first. Others see the state as an atom, by the
 *                                      function's name without one trailing '_'
 *   handle_event(self, event, state)   instead of them. A state is any term, compared by es_equal()
 *
 * Callbacks run in the machine's process, one after the other. These may be left out:
 *
 *   init(self, args)                   es_next_state(), with actions if wanted; es_keep_state(): the first state, or `undefined`; es_stop_machine(),
 *                                      es_ignore_machine(). `self` is zeroed before. Left out: es_keep_state()
 *   enter = true                       whoever is entered gets the event ES_EVENT_ENTER first, whose content is the state before (itself at the start)
 *   terminate(self, reason, state)     it ends by its own wish, by an error of its own, or since its parent ended while it traps exits
 *   code_change(self, old, extra)      ES_OK: its data are the new version's
 *   format_status(self, why)           its data as a term (es_keep() it); left out: as .state says, else undefined. sys shows {State, Data}
 *   state = ES_STATE(door)             the data are a struct message: sys shows them, and replaces them
 *
 * When a callback has returned: an event that it postponed waits until the state changes; a change ends the state time-out, any event the
 * event time-out; then time-outs are started as asked. The next event is the first of those that were inserted, of those that were postponed (after a
 * change), time-outs of 0, messages. While it waits the machine has no stack; what it queues and times takes memory only when it does.
 *
 * An error in a callback ends the machine, after terminate, with the reason of the error. Calls, casts, starting and stopping: es_call(),
 * es_cast(), es_start(), es_stop_process(). Source: OTP gen_statem. C only. */
#ifndef ENGSET_STATEM_H
#define ENGSET_STATEM_H

#include <engset/behaviour.h>
#include <engset/server.h>
#include <engset/struct.h>

ES_BEGIN_DECLS

/* ---- events ---- */

/* What kind of event it is. */
typedef enum es_event_type {
    ES_EVENT_CALL = 1,      /* es_call(): answer it by es_reply_to(event->from, …), now or later */
    ES_EVENT_CAST,          /* es_cast() */
    ES_EVENT_INFO,          /* any other message */
    ES_EVENT_INTERNAL,      /* only by es_next_event() */
    ES_EVENT_TIMEOUT,       /* es_event_timeout(): no event came for so long */
    ES_EVENT_STATE_TIMEOUT, /* es_state_timeout(): it was so long in this state */
    ES_EVENT_NAMED_TIMEOUT, /* es_named_timeout() */
    ES_EVENT_ENTER          /* the state was entered */
} es_event_type;

/* What happened. Valid during the callback that got it; es_keep() keeps its terms longer. */
typedef struct es_event {
    es_event_type type;
    es_term content; /* of ES_EVENT_ENTER: the state before */
    es_from from;    /* of a call, else none */
    es_term name;    /* of a named time-out, else none */
} es_event;

/* ---- what a callback returns ---- */

/* Where the machine goes. Made by the functions below and given back at once; its fields are the library's. */
typedef struct es_step {
    uint32_t what;
    es_term term;
} es_step;

enum { ESI_STEP_KEEP = 1, ESI_STEP_REPEAT, ESI_STEP_NEXT, ESI_STEP_STOP, ESI_STEP_IGNORE };

/* It stays where it is. Source: keep_state_and_data. */
static inline es_step es_keep_state(void)
{
    es_step step = {ESI_STEP_KEEP, {0}};
    return step;
}

/* The same, but the state is entered again: ES_EVENT_ENTER. Source: repeat_state_and_data. */
static inline es_step es_repeat_state(void)
{
    es_step step = {ESI_STEP_REPEAT, {0}};
    return step;
}

/* From init: the process is not wanted, and ends `normal`; who started it gets ES_EIGNORE. */
static inline es_step es_ignore_machine(void)
{
    es_step step = {ESI_STEP_IGNORE, {0}};
    return step;
}

ES_API es_step esi_next_state(void (*function)(void), es_term state);
ES_API es_step esi_stop_machine(es_term reason);
ES_API es_step esi_stop_and_reply(es_term reason, es_from from, es_term reply);

/* An event that the state does not know. A call: its caller exits with {undef, Request}, the machine goes on. Anything else is logged once for each
 * kind, and counted. The machine keeps its state. In a state's callback only. */
ES_API es_step es_unknown_event(const es_event *event);

#ifndef __cplusplus
/* It goes to `state`: a function that ES_STATES() lists, or with handle_event a term, which is copied at once. Where it is already: as es_keep_state().
 * A state that is not listed ends the machine with {bad_return_from_state_function, {next_state, Which}}, a change while it is being
 * entered with bad_state_enter_return_from_state_function in its place. In a machine's callback only. Source: next_state. */
#define es_next_state(state) esi_next_state(ESI_STATE_FUNCTION(state), ESI_STATE_TERM(state))

/* It ends with `reason`, after terminate. Callers who wait hear of the end, also those of postponed calls. es_stop_and_reply() answers one of them
 * before. In a machine's callback only. Source: stop, stop_and_reply. */
#define es_stop_machine(reason)            esi_stop_machine(es_lend(ES_T(reason)))
#define es_stop_and_reply(reason, from, x) esi_stop_and_reply(es_lend(ES_T(reason)), (from), es_lend(ES_T(x)))
#endif

/* ---- actions: noted when they are called, done when the callback has returned ----
 *
 * In a machine's callback only (elsewhere the caller ends with {badarg, statem}); without memory it ends with system_limit. An action that makes no sense
 * ends the machine at once with {bad_action_from_state_function, Action}, while a state is being entered with
 * {bad_state_enter_action_from_state_function, Action}. */

/* The event comes again when the state has changed. Not while a state is being entered. Source: postpone. */
ES_API void es_postpone(void);

/* What the machine does not need while it waits is given back when it waits next. (It has no stack then, anyway.) Source: hibernate. */
ES_API void es_hibernate_machine(void);

ES_API void esi_next_event(es_event_type type, es_from from, es_term content);
ES_API void esi_timeout(es_event_type type, es_term name, int64_t time_ms, es_term content);

/* In place of a time: that of the time-out that runs stays. */
#define ES_UPDATE ((int64_t)-2)

#ifndef __cplusplus
/* An event with a copy of `x` comes next, before all that waits; of several the first is first. `type`: cast, info, internal, time-out or state
 * time-out. es_next_call(): a call of whom `from` says. Not while a state is being entered. Source: next_event. */
#define es_next_event(type, x) esi_next_event((type), es_none(), es_lend(ES_T(x)))
#define es_next_call(from, x)  esi_next_event(ES_EVENT_CALL, (from), es_lend(ES_T(x)))

/* After `time_ms` an event of that kind comes with a copy of `x`, never early; with 0 as soon as no inserted and no postponed event is left, before
 * any message.
 *
 *   es_state_timeout()  until the state changes
 *   es_event_timeout()  until any event comes
 *   es_named_timeout()  through all of that; `name` is a term, and each name has its own
 *
 * Of each kind and name one is there: a new one takes its place. ES_UPDATE gives it another `x` and leaves its time (none there: at once);
 * ES_INFINITY ends it, as the three below do. Another negative time is a bad action. Source: gen_statem's time-outs. */
#define es_state_timeout(time_ms, x) \
    esi_timeout(ES_EVENT_STATE_TIMEOUT, es_none(), (time_ms), es_lend(ES_T(x)))
#define es_event_timeout(time_ms, x) esi_timeout(ES_EVENT_TIMEOUT, es_none(), (time_ms), es_lend(ES_T(x)))
#define es_named_timeout(name, time_ms, x) \
    esi_timeout(ES_EVENT_NAMED_TIMEOUT, es_lend(ES_T(name)), (time_ms), es_lend(ES_T(x)))
#define es_cancel_state_timeout()     es_state_timeout(ES_INFINITY, es_nil())
#define es_cancel_event_timeout()     es_event_timeout(ES_INFINITY, es_nil())
#define es_cancel_named_timeout(name) es_named_timeout(name, ES_INFINITY, es_nil())
#endif

/* ---- for ES_STATEM() ---- */

enum { ESI_STATES_MOST = 32 };

/* The callbacks as the library calls them: through functions that ES_STATEM() makes, which know the type. */
struct esi_statem_calls {
    es_step (*init)(void *self, es_term args);
    es_step (*event)(void *self, const es_event *event,
                     es_term state);      /* a function's state is its place in the list */
    int (*place)(void (*function)(void)); /* -1: it is not listed */
    void (*terminate)(void *self, es_term reason, es_term state);
    es_err (*code_change)(void *self, es_term old, es_term extra);
    es_term (*format_status)(void *self, es_atom why);
    es_err (*replace_state)(void *self, es_term data);
    const es_atom *names; /* of the listed states; w 0: no more */
    const bool *enter, *has_handler;
};

/* What a machine's process runs. Process only. */
ES_API ES_NORETURN void esi_statem_main(const es_behaviour *machine, es_term args);

ES_END_DECLS

#ifndef __cplusplus
#include <engset/each.h>
#include <engset/strict.h>

/* The functions that are states, at most 32. */
#define ES_STATES(...)                          \
    {                                           \
        ESI_EACH(ESI_STATE_ROW, ~, __VA_ARGS__) \
    }
#define ESI_STATE_ROW(c, name) {#name, name},

/* A state is a function, whose type is looked at here, or a value. */
#define ESI_NO_STATE ((es_step(*)(void *, const es_event *))NULL)
#define ESI_STATE_FUNCTION(x)                                                                       \
    ((void)sizeof(ESI_IF_VALUE((x), ESI_NO_STATE, (x))((void *)NULL, (const es_event *)NULL).what), \
     (void (*)(void))ESI_IF_VALUE((x), ESI_NO_STATE, (x)))
#define ESI_STATE_TERM(x)                         \
    es_lend(_Generic((x), _Bool                   \
                     : esi_tb, char               \
                     : esi_ti, signed char        \
                     : esi_ti, short              \
                     : esi_ti, int                \
                     : esi_ti, long               \
                     : esi_ti, long long          \
                     : esi_ti, unsigned char      \
                     : esi_tu, unsigned short     \
                     : esi_tu, unsigned           \
                     : esi_tu, unsigned long      \
                     : esi_tu, unsigned long long \
                     : esi_tu, float              \
                     : esi_td, double             \
                     : esi_td, es_literal         \
                     : esi_tl, es_term            \
                     : esi_tt, es_atom            \
                     : esi_ta, es_pid             \
                     : esi_tp, es_ref             \
                     : esi_tr, es_port            \
                     : esi_to, es_bin             \
                     : esi_ty, es_shared_bin      \
                     : esi_tz, default            \
                     : esi_t_function)(&(esi_cell){{0}}, (x)))
static inline __attribute__((unused)) es_literal esi_t_function(esi_cell *cell, ...)
{
    (void)cell;
    return ESI_LITERAL(0);
}

/* Defines `const es_behaviour machine` whose data are an S. The others are the fields above; each is checked against S. */
#define ES_STATEM(machine, S, ...)                                                                          \
    static const struct machine##_callbacks {                                                               \
        es_step (*init)(S *, es_term);                                                                      \
        struct {                                                                                            \
            const char *name;                                                                               \
            es_step (*function)(S *, const es_event *);                                                     \
        } states[ESI_STATES_MOST + 1];                                                                      \
        es_step (*handle_event)(S *, const es_event *, es_term);                                            \
        bool enter;                                                                                         \
        void (*terminate)(S *, es_term, es_term);                                                           \
        es_err (*code_change)(S *, es_term, es_term);                                                       \
        es_term (*format_status)(S *, es_atom);                                                             \
        const struct es_struct_descriptor *state;                                                           \
    } machine##_has = {__VA_ARGS__};                                                                        \
    static es_atom machine##_names[ESI_STATES_MOST + 1];                                                    \
    static bool machine##_has_handler;                                                                      \
    __attribute__((constructor(200))) static void machine##_names_(void)                                    \
    {                                                                                                       \
        for (int i = 0; machine##_has.states[i].name; i++) {                                                \
            es_atom *const name = &machine##_names[i];                                                      \
            esi_atoms_declare(&name, &machine##_has.states[i].name, 1, 1);                                  \
        }                                                                                                   \
        machine##_has_handler = machine##_has.handle_event;                                                 \
    }                                                                                                       \
    static es_step machine##_init_(void *self, es_term args)                                                \
    {                                                                                                       \
        return machine##_has.init ? machine##_has.init((S *)self, args) : es_keep_state();                  \
    }                                                                                                       \
    static es_step machine##_event_(void *self, const es_event *event, es_term state)                       \
    {                                                                                                       \
        if (machine##_has.handle_event)                                                                     \
            return machine##_has.handle_event((S *)self, event, state);                                     \
        return machine##_has.states[esi_small(state.w)].function((S *)self, event);                         \
    }                                                                                                       \
    static int machine##_place_(void (*function)(void))                                                     \
    {                                                                                                       \
        for (int i = 0; machine##_has.states[i].name; i++)                                                  \
            if ((void (*)(void))machine##_has.states[i].function == function)                               \
                return i;                                                                                   \
        return -1;                                                                                          \
    }                                                                                                       \
    static void machine##_terminate_(void *self, es_term reason, es_term state)                             \
    {                                                                                                       \
        if (machine##_has.terminate)                                                                        \
            machine##_has.terminate((S *)self, reason, state);                                              \
    }                                                                                                       \
    static es_err machine##_code_change_(void *self, es_term old, es_term extra)                            \
    {                                                                                                       \
        return machine##_has.code_change ? machine##_has.code_change((S *)self, old, extra) : ES_OK;        \
    }                                                                                                       \
    static es_term machine##_format_status_(void *self, es_atom why)                                        \
    {                                                                                                       \
        return machine##_has.format_status ? machine##_has.format_status((S *)self, why)                    \
                                           : esi_state_term(machine##_has.state, self);                     \
    }                                                                                                       \
    static es_err machine##_replace_state_(void *self, es_term data)                                        \
    {                                                                                                       \
        return esi_state_from_term(machine##_has.state, data, self);                                        \
    }                                                                                                       \
    static void machine##_main(es_term args);                                                               \
    static const struct esi_statem_calls machine##_calls = {                                                \
        machine##_init_,        machine##_event_,         machine##_place_,         machine##_terminate_,   \
        machine##_code_change_, machine##_format_status_, machine##_replace_state_, machine##_names,        \
        &machine##_has.enter,   &machine##_has_handler};                                                    \
    const es_behaviour machine = {#machine, machine##_main, sizeof(es_term) + sizeof(S), &machine##_calls}; \
    static void machine##_main(es_term args)                                                                \
    {                                                                                                       \
        esi_statem_main(&machine, args);                                                                    \
    }                                                                                                       \
    _Static_assert(1, "")
#endif
#endif
