/* statem.c - OTP's gen_statem: see engset/statem.h. The process that does what machine.c decides.
 *
 * Its part of the block begins with the state: a term of the process's own, or the place of a state's function in the list. What is queued and
 * timed is a block each, the copied terms behind it, on the process's memory: so nothing of it is left when the process ends. */
#include <engset/link.h>
#include <engset/statem.h>

#include "base/log.h"
#include "behaviour/gen.h"
#include "behaviour/machine.h"
#include "behaviour/unknown.h"
#include "link/exit_signal.h"
#include "proc/contain/symbol.h"
#include "proc/memory.h"

ES_ATOM(timeout_mark, "$gen_statem");
ES_ATOMS(internal, next_event, next_state, postpone, ignore, repeat_state, bad_return_from_init,
         bad_return_from_state_function, bad_state_enter_return_from_state_function,
         bad_action_from_state_function, bad_state_enter_action_from_state_function, statem);

struct here {
    es_term state;
    char data[];
};

static struct here *here_of(struct esi_gen *gen)
{
    return esi_gen_state(gen);
}

static const struct esi_statem_calls *calls_of(struct esi_gen *gen)
{
    return gen->behaviour->calls;
}

static bool has_functions(struct esi_gen *gen)
{
    return calls_of(gen)->names[0].w != 0;
}

/* A state as others see it. */
static es_term shown(struct esi_gen *gen, es_term state)
{
    return has_functions(gen) ? es_from_atom(calls_of(gen)->names[esi_small(state.w)]) : state;
}

static es_term place_term(int place)
{
    return (es_term){esi_word_of_small(place)};
}

static struct esi_machine *machine_of(struct esi_gen *gen)
{
    return gen->more ? gen->more->machine : NULL;
}

static struct esi_machine *machine_made(struct esi_gen *gen)
{
    struct esi_gen_more *more = esi_gen_more(gen);
    if (!more->machine)
        more->machine = es_alloc(sizeof *more->machine);
    return more->machine;
}

/* ------------------------------------------------------------ what waits */

static struct esi_pending *pending_new(es_event event)
{
    bool is_call = event.type == ES_EVENT_CALL, is_named = event.type == ES_EVENT_NAMED_TIMEOUT;
    es_term key = is_call ? event.from : is_named ? event.name : es_nil();
    struct esi_pending *p;
    struct esi_message *block;
    struct esi_process *self = esi_enter();
    es_err error = esi_message_copy_behind(sizeof *p, es_lend(ES_TUPLE(key, event.content)), &block);
    if (error == ES_EINVAL)
        esi_badarg(self, "statem");
    if (error != ES_OK)
        esi_end_with(self, es_from_atom(es_am_system_limit));
    p = (struct esi_pending *)block->words;
    key = es_tuple_get(block->term, 0);
    *p = (struct esi_pending){.event = {.type = event.type,
                                        .content = es_tuple_get(block->term, 1),
                                        .from = is_call ? key : es_none(),
                                        .name = is_named ? key : es_none()}};
    esi_memory_hang(self, block);
    if (self->is_doomed)
        esi_end_now(self);
    esi_charge(self, 1);
    esi_leave();
    return p;
}

static void pending_free(struct esi_pending *p)
{
    if (!p)
        return;
    if (p->timer.id)
        es_cancel_timer(p->timer); /* fired meanwhile: its message finds nobody any more */
    struct esi_process *self = esi_enter();
    struct esi_message *block = esi_message_of(p);
    esi_memory_unhang(self, block);
    esi_message_free(block);
    esi_leave();
}

static void carry_out(struct esi_plan plan)
{
    for (struct esi_pending *p = plan.start; p; p = p->next)
        p->timer = es_start_timer(p->time_ms, es_self(), timeout_mark);
    for (struct esi_pending *p = plan.over, *next; p; p = next) {
        next = p->next;
        pending_free(p);
    }
}

/* ------------------------------------------------------------ the end */

static es_atom type_atom(es_event_type type)
{
    switch (type) {
    case ES_EVENT_CALL:
        return es_am_call;
    case ES_EVENT_CAST:
        return es_am_cast;
    case ES_EVENT_INFO:
        return es_am_info;
    case ES_EVENT_INTERNAL:
        return internal;
    case ES_EVENT_TIMEOUT:
        return es_am_timeout;
    case ES_EVENT_STATE_TIMEOUT:
        return es_am_state_timeout;
    case ES_EVENT_ENTER:
        return es_am_enter;
    default:
        return es_am_undefined;
    }
}

static void terminate(struct esi_gen *gen, es_term reason)
{
    calls_of(gen)->terminate(here_of(gen)->data, reason, shown(gen, here_of(gen)->state));
}

static ES_NORETURN void bad_step(struct esi_gen *gen, es_atom what, es_step step)
{
    es_atom value = es_am_undefined;
    if (step.what == ESI_STEP_IGNORE)
        value = ignore;
    else if (step.what == ESI_STEP_REPEAT)
        value = repeat_state;
    esi_gen_stop(gen, es_lend(ES_TUPLE(what, value)));
}

static ES_NORETURN void changes_while_entered(struct esi_gen *gen, es_term next)
{
    esi_gen_stop(gen, es_lend(ES_TUPLE(bad_state_enter_return_from_state_function,
                                       ES_TUPLE(next_state, shown(gen, next)))));
}

/* ------------------------------------------------------------ a transition */

static es_step callback(struct esi_gen *gen, int at, es_term state, const es_event *event)
{
    gen->at = (uint8_t)at;
    return calls_of(gen)->event(here_of(gen)->data, event, state);
}

/* As es_equal(). What is one word is equal only if it is the same word. */
static inline bool is_same_state(es_term a, es_term b)
{
    return a.w == b.w || (!esi_is_one_word(a) && es_equal(a, b));
}

/* The machine is at `*next` just now, and goes where `step` says. Is that entered? */
static bool takes_step(struct esi_gen *gen, es_step step, es_term *next)
{
    switch (step.what) {
    case ESI_STEP_KEEP:
        return false;
    case ESI_STEP_REPEAT:
        return true;
    case ESI_STEP_NEXT:
        if (is_same_state(step.term, *next)) {
            es_drop(step.term);
            return false;
        }
        if (gen->at == ESI_AT_ENTER)
            changes_while_entered(gen, step.term);
        *next = step.term;
        return true;
    case ESI_STEP_STOP:
        here_of(gen)->state = *next;
        esi_gen_stop(gen, step.term);
    default:
        bad_step(gen, bad_return_from_state_function, step);
    }
}

/* The callback for entering the state, as often as it asks to be repeated: who ends in it ends in that state. */
static void enter(struct esi_gen *gen, es_term old)
{
    if (!*calls_of(gen)->enter)
        return;
    es_term state = here_of(gen)->state;
    es_event event = {.type = ES_EVENT_ENTER, .content = shown(gen, old)};
    while (takes_step(gen, callback(gen, ESI_AT_ENTER, state, &event), &state)) {
    }
}

/* The callbacks of `event` have returned, and it was in `old` before them; `kept` is the same event in memory of its own, or NULL. */
static void settle(struct esi_gen *gen, const es_event *event, struct esi_pending *kept, es_term old)
{
    bool changes = here_of(gen)->state.w != old.w;
    gen->at = ESI_AT_NOTHING;
    if (changes && !esi_is_one_word(old))
        es_drop(old);
    struct esi_machine *machine = machine_of(gen);
    if (!machine)
        return; /* nothing was asked for, and nothing is kept */
    if (machine->postpones && !kept && event)
        kept = pending_new(*event);
    carry_out(esi_machine_move(machine, kept, changes));
}

static void play(struct esi_gen *gen, const es_event *event, struct esi_pending *kept)
{
    es_term old = here_of(gen)->state, next = old;
    if (gen->more && gen->more->machine)
        gen->more->machine->hibernates = false;
    if (takes_step(gen, callback(gen, ESI_AT_EVENT, old, event), &next)) {
        here_of(gen)->state = next;
        enter(gen, old);
    }
    settle(gen, event, kept, old);
}

/* Whatever comes before a message. */
static void play_what_waits(struct esi_gen *gen)
{
    struct esi_machine *machine;
    struct esi_pending *p;
    while ((machine = machine_of(gen)) && (p = esi_machine_next(machine)))
        play(gen, &p->event, p);
    if (machine && machine->hibernates && esi_machine_is_empty(machine)) {
        es_free(machine);
        gen->more->machine = NULL;
    }
}

static void play_all(struct esi_gen *gen, const es_event *event, struct esi_pending *kept)
{
    play(gen, event, kept);
    if (machine_of(gen))
        play_what_waits(gen);
}

/* ------------------------------------------------------------ birth */

static const struct esi_gen_kind statem_kind;

static es_term first_state(struct esi_gen *gen)
{
    return has_functions(gen) ? place_term(0) : es_from_atom(es_am_undefined);
}

/* Who starts it is told before it ends. */
static ES_NORETURN void not_up(struct esi_gen *gen, es_step step)
{
    es_term reason;
    if (step.what == ESI_STEP_IGNORE)
        esi_gen_not_up(gen, ES_T(ignore), es_from_atom(es_am_normal));
    reason =
        step.what == ESI_STEP_STOP ? step.term : es_keep(ES_TUPLE(bad_return_from_init, es_am_undefined));
    esi_gen_not_up(gen, ES_TUPLE(es_am_error, reason), reason);
}

ES_NORETURN void esi_statem_main(const es_behaviour *machine, es_term args)
{
    struct esi_gen *gen = esi_gen_open(machine, &statem_kind);
    if (has_functions(gen) == *calls_of(gen)->has_handler) {
        es_term reason = es_keep(ES_TUPLE(es_am_badarg, "a machine has .states or .handle_event"));
        esi_gen_not_up(gen, ES_TUPLE(es_am_error, reason), reason);
    }
    here_of(gen)->state = first_state(gen);
    es_step step = calls_of(gen)->init(here_of(gen)->data, args);
    if (step.what == ESI_STEP_NEXT)
        here_of(gen)->state = step.term;
    else if (step.what != ESI_STEP_KEEP)
        not_up(gen, step);
    esi_gen_ready(gen);
    enter(gen, here_of(gen)->state);
    settle(gen, NULL, NULL, here_of(gen)->state); /* no event yet: nothing is postponed */
    play_what_waits(gen);
    esi_gen_up(gen);
}

/* ------------------------------------------------------------ messages */

static void call(struct esi_gen *gen, es_term request, es_from from)
{
    play_all(gen, &(es_event){.type = ES_EVENT_CALL, .content = request, .from = from}, NULL);
}

static void cast(struct esi_gen *gen, es_term message)
{
    play_all(gen, &(es_event){.type = ES_EVENT_CAST, .content = message}, NULL);
}

static void info(struct esi_gen *gen, es_term message)
{
    es_ref timer;
    if (!es_match(message, ES_TUPLE(es_am_timeout, &timer, timeout_mark))) {
        play_all(gen, &(es_event){.type = ES_EVENT_INFO, .content = message}, NULL);
        return;
    }
    struct esi_pending *p = machine_of(gen) ? esi_machine_fired(machine_of(gen), timer) : NULL;
    if (p)
        play_all(gen, &p->event, p);
}

static void idle(struct esi_gen *gen)
{
    (void)gen; /* no machine asks for it */
}

/* es_answer_now() is for servers. */
static void after(struct esi_gen *gen, es_answer answer)
{
    (void)gen, (void)answer;
    es_exit(ES_TUPLE(es_am_badarg, statem));
}

/* ------------------------------------------------------------ for sys */

static es_term state(struct esi_gen *gen, es_atom why)
{
    es_term data = calls_of(gen)->format_status(here_of(gen)->data, why);
    es_term both = es_keep(
        ES_TUPLE(shown(gen, here_of(gen)->state), es_is_none(data) ? es_from_atom(es_am_undefined) : data));
    es_drop(data);
    return both;
}

/* The state that others call `name`, as a term of the process's own. ES_EINVAL: it is none. */
static es_err state_of(struct esi_gen *gen, es_term name, es_term *out)
{
    const es_atom *names = calls_of(gen)->names;
    if (!has_functions(gen)) {
        *out = es_keep(name);
        return ES_OK;
    }
    for (int i = 0; names[i].w; i++)
        if (es_is(name, names[i])) {
            *out = place_term(i);
            return ES_OK;
        }
    return ES_EINVAL;
}

/* {State, Data}; what has no form as a term is `undefined`, and stays as it is. */
static es_err replace_state(struct esi_gen *gen, es_term new)
{
    es_term name, data, next;
    if (!es_match(new, ES_TUPLE(&name, &data)) || state_of(gen, name, &next) != ES_OK)
        return ES_EINVAL;
    es_err error = calls_of(gen)->replace_state(here_of(gen)->data, data);
    if (error != ES_OK && es_is(data, es_am_undefined))
        error = ES_OK;
    es_term old = here_of(gen)->state;
    if (error == ES_OK)
        here_of(gen)->state = next;
    es_drop(error == ES_OK ? old : next);
    return error;
}

static es_err code_change(struct esi_gen *gen, es_term old, es_term extra)
{
    return calls_of(gen)->code_change(here_of(gen)->data, old, extra);
}

static const struct esi_gen_kind statem_kind = {
    .name = "gen_statem",
    .call = call,
    .cast = cast,
    .info = info,
    .timeout = idle,
    .after = after,
    .terminate = terminate,
    .state = state,
    .replace_state = replace_state,
    .code_change = code_change,
};

/* ------------------------------------------------------------ what callbacks call */

/* The machine whose callback runs. Does not return if none does. */
static struct esi_gen *machine_here(void)
{
    struct esi_gen *gen = esi_gen_self();
    if (!gen || gen->kind != &statem_kind || gen->at == ESI_AT_NOTHING)
        es_exit(ES_TUPLE(es_am_badarg, statem));
    return gen;
}

/* The reason of its end: {bad_…action…, `action`}. */
static ES_NORETURN void bad_action(const struct esi_gen *gen, es_literal action)
{
    es_exit(ES_TUPLE(gen->at == ESI_AT_ENTER ? bad_state_enter_action_from_state_function
                                             : bad_action_from_state_function,
                     action));
}

static ES_NORETURN void not_listed(struct esi_gen *gen, void (*function)(void), es_term state)
{
    if (!es_is_none(state))
        es_exit(ES_TUPLE(bad_return_from_state_function, ES_TUPLE(next_state, state)));
    struct esi_symbol symbol;
    char text[160];
    esi_enter();
    esi_symbol_find((uintptr_t)function, false, &symbol);
    esi_leave();
    snprintf(text, sizeof text, "%s is not in ES_STATES() of %s",
             symbol.function[0] ? symbol.function : "a function", gen->behaviour->name);
    es_exit(ES_TUPLE(bad_return_from_state_function, ES_TUPLE(next_state, (const char *)text)));
}

es_step esi_next_state(void (*function)(void), es_term state)
{
    struct esi_gen *gen = machine_here();
    bool is_function = es_is_none(state);
    int place = is_function ? calls_of(gen)->place(function) : -1;
    if (has_functions(gen) ? place < 0 : is_function)
        not_listed(gen, function, state);
    if (is_function)
        state = place_term(place);
    return (es_step){ESI_STEP_NEXT, esi_is_one_word(state) ? state : es_keep(state)};
}

es_step esi_stop_machine(es_term reason)
{
    machine_here();
    return (es_step){ESI_STEP_STOP, es_keep(reason)};
}

es_step esi_stop_and_reply(es_term reason, es_from from, es_term reply)
{
    machine_here();
    es_term kept = es_keep(reason);
    if (esi_reply_to(from, reply) != ES_OK)
        es_exit(es_am_system_limit);
    return (es_step){ESI_STEP_STOP, kept};
}

es_step es_unknown_event(const es_event *event)
{
    struct esi_gen *gen = machine_here();
    uint8_t at = gen->at;
    if (event->type == ES_EVENT_ENTER)
        return es_keep_state();
    gen->at = event->type == ES_EVENT_CALL   ? ESI_AT_CALL
              : event->type == ES_EVENT_CAST ? ESI_AT_CAST
                                             : ESI_AT_INFO;
    gen->from = event->from;
    esi_gen_unknown(gen, event->content);
    gen->from = es_none();
    gen->at = at;
    return es_keep_state();
}

void es_postpone(void)
{
    struct esi_gen *gen = machine_here();
    if (gen->at == ESI_AT_ENTER)
        bad_action(gen, ES_T(postpone));
    machine_made(gen)->postpones = true;
}

void es_hibernate_machine(void)
{
    machine_made(machine_here())->hibernates = true;
}

static bool may_be_inserted(es_event_type type, es_from from)
{
    if (type == ES_EVENT_CALL)
        return es_tuple_size(from) == 2 && es_is_pid(es_tuple_get(from, 0));
    return type > ES_EVENT_CALL && type <= ES_EVENT_STATE_TIMEOUT;
}

void esi_next_event(es_event_type type, es_from from, es_term content)
{
    struct esi_gen *gen = machine_here();
    es_term shown_type = es_from_atom(type_atom(type));
    if (es_is(shown_type, es_am_undefined))
        shown_type = place_term((int)type);
    if (gen->at == ESI_AT_ENTER || !may_be_inserted(type, from))
        bad_action(gen, ES_TUPLE(next_event, shown_type, content));
    struct esi_machine *machine = machine_made(gen);
    esi_machine_insert(machine, pending_new((es_event){.type = type, .content = content, .from = from}));
}

void esi_timeout(es_event_type type, es_term name, int64_t time_ms, es_term content)
{
    struct esi_gen *gen = machine_here();
    if (time_ms < ES_UPDATE) {
        if (type == ES_EVENT_NAMED_TIMEOUT)
            bad_action(gen, ES_TUPLE(ES_TUPLE(es_am_timeout, name), time_ms, content));
        bad_action(gen, ES_TUPLE(type_atom(type), time_ms, content));
    }
    struct esi_machine *machine = machine_made(gen);
    struct esi_pending *p = pending_new((es_event){.type = type, .content = content, .name = name});
    p->time_ms = time_ms;
    pending_free(esi_machine_want(machine, p));
}
