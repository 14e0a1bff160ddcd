/* oracle/actors.c - servers, state machines and handlers of events whose callbacks do what the scenario says.
 *
 * For each callback the script has clauses {Event, Steps, Answer}: that an event came is written down, the steps of the first clause
 * that matches it are done, and its answer is what the callback gives. Who has no clause for an event lets it pass. */
#include <engset/receive.h>
#include "oracle.h"

ES_ATOMS(on_init, on_call, on_cast, on_info, on_event, on_continue, on_terminate, on_code_change);
ES_ATOMS(init, call, cast, info, event, terminate, code_change);
ES_ATOMS(server, bare, supervisor, manager, plain, nobody);
ES_ATOMS(ok, noreply, reply, stop, keep, repeat, next, stop_and_reply, postpone, hibernate, next_event,
         state_timeout, timeout, update, cancel, enter, internal, swap);
ES_ATOM(remove_word, "remove");
ES_ATOM(continue_word, "continue");
ES_ATOM(throw_word, "throw");
ES_ATOM(from_variable, "From");

/* What sys sees of a server or a machine, and may put in its place. */
typedef struct {
    int64_t count;
} tally;
ES_STRUCT(tally, count);

/* ---- who is who: the script of the calling process ---- */

enum { ACTORS_MAX = 4096 };

struct actor {
    struct script *script;
    es_term clauses;
    tally *seen;
};

static struct {
    _Atomic(uint64_t) pid;
    struct actor *actor;
} actors[ACTORS_MAX];
static _Atomic(int) actor_count;

void forget_actors(void)
{
    actor_count = 0;
}

static struct actor *me(void)
{
    uint64_t id = es_self().id;
    for (int i = actor_count; i-- > 0;)
        if (actors[i].pid == id)
            return actors[i].actor;
    es_exit(nobody);
}

void set_count(int64_t count)
{
    me()->seen->count = count;
}

es_term start_args(const struct script *s, es_term role, es_term args)
{
    es_term variables = es_nil();
    for (int i = 0; i < s->variable_count; i++)
        variables = cons(pair(s->variables[i].name, s->variables[i].value), variables);
    return es_keep(ES_TUPLE(role, args, variables));
}

static struct script *new_script(es_term args, es_term *rest)
{
    struct script *s = es_alloc(sizeof *s);
    int64_t *step = es_alloc(sizeof *step);
    es_term variables = es_nil(), one, name, value;
    *step = 1;
    *s = (struct script){.role = args, .recorder = es_keep(the_recorder), .step = step};
    args = es_keep(args);
    *rest = es_nil();
    if (!es_match(args, ES_TUPLE(&s->role, rest, &variables)))
        if (!es_match(args, ES_TUPLE(&s->role, rest)))
            s->role = args;
    while (es_get_cons(variables, &one, &variables))
        if (es_match(one, ES_TUPLE(&name, &value)))
            set_variable(s, name, value);
    set_variable(s, atom_named("Self"), es_keep(es_self()));
    set_variable(s, atom_named("Main"), es_keep(the_main));
    set_variable(s, atom_named("Node"), es_from_atom(es_am_nonode_nohost));
    return s;
}

struct script *announced_script(es_term args, es_term *rest)
{
    struct script *s = new_script(args, rest);
    announce(s->recorder, s->role, es_keep(es_self()), true);
    return s;
}

/* The clauses of {Kind, Clauses} or {Kind, Options, Clauses}. */
static es_term clauses_of(es_term role)
{
    es_term script = script_of(role);
    return es_tuple_get(script, es_tuple_size(script) - 1);
}

static void enrol(struct actor *actor)
{
    int place = actor_count++;
    if (place >= ACTORS_MAX)
        es_exit(atom_named("too_many_actors"));
    actors[place].actor = actor;
    actors[place].pid = es_self().id;
}

static struct actor *begin(tally *self, es_term args, es_term *rest)
{
    struct actor *a = es_alloc(sizeof *a);
    a->script = announced_script(args, rest);
    a->clauses = clauses_of(a->script->role);
    a->seen = self;
    enrol(a);
    return a;
}

static struct actor *resume(tally *self)
{
    struct actor *a = me();
    a->seen = self;
    return a;
}

void play_started(es_term args)
{
    es_term rest, step;
    struct script *s = announced_script(args, &rest);
    set_variable(s, atom_named("Args"), rest);
    for (es_term steps = script_of(s->role); es_get_cons(steps, &step, &steps);)
        do_step(s, step);
}

/* ---- an event ---- */

/* The first clause for `event`, in `*steps` and `*answer`. */
static bool find_clause(struct script *s, es_term clauses, es_term event, es_term *steps, es_term *answer)
{
    es_term clause;
    while (es_get_cons(clauses, &clause, &clauses)) {
        es_term pattern = es_tuple_get(clause, 0);
        if (!es_match(event, pattern_of(s, pattern)))
            continue;
        bind_variables(s, pattern, event);
        *steps = es_tuple_size(clause) == 3 ? es_tuple_get(clause, 1) : es_nil();
        *answer = es_tuple_get(clause, es_tuple_size(clause) - 1);
        return true;
    }
    return false;
}

/* What the scenario answers to `event`, a term that stays valid; the atom noreply if it says nothing. */
static es_term play_event(struct script *s, es_term clauses, es_atom word, es_term event, es_term shown)
{
    es_term steps, answer, step;
    tell_recorder(s, es_from_atom(es_am_none), es_from_atom(word), shown);
    if (!find_clause(s, clauses, event, &steps, &answer))
        return es_from_atom(noreply);
    while (es_get_cons(steps, &step, &steps))
        do_step(s, step);
    return value_of(s, answer);
}

/* The same for {Kind, Content}, where the recorder is told of the content. */
static es_term play_kind(struct actor *a, es_atom word, es_atom kind, es_term content)
{
    es_term kept = es_keep(content);
    return play_event(a->script, a->clauses, word, pair(es_from_atom(kind), kept), kept);
}

/* ---- servers ---- */

static es_answer with(es_answer answer, es_term then)
{
    int64_t time_ms;
    es_term what;
    if (es_get_int64(then, &time_ms))
        return es_with_timeout(answer, time_ms);
    if (es_match(then, ES_TUPLE(continue_word, &what)))
        return es_with_continue(answer, what);
    return es_with_hibernate(answer);
}

static es_answer answer_of(es_term word)
{
    es_term x, y;
    if (es_is(word, ok) || es_is(word, noreply))
        return es_ok();
    if (es_match(word, ES_TUPLE(ok, &x)) || es_match(word, ES_TUPLE(noreply, &x)))
        return with(es_ok(), x);
    if (es_match(word, ES_TUPLE(reply, &x)))
        return es_reply(x);
    if (es_match(word, ES_TUPLE(reply, &x, &y)))
        return with(es_reply(x), y);
    if (es_match(word, ES_TUPLE(stop, &x)))
        return es_stop(x);
    if (es_match(word, ES_TUPLE(stop, &x, &y)))
        return es_stop_reply(x, y);
    if (es_match(word, ES_TUPLE(throw_word, &x)))
        es_answer_now(answer_of(x));
    return es_is(word, es_am_undefined) ? (es_answer){0} : es_ignore();
}

static es_answer server_init(tally *self, es_term args)
{
    es_term rest;
    struct actor *a = begin(self, args, &rest);
    return answer_of(play_kind(a, on_init, init, rest));
}

static es_answer server_call(tally *self, es_term request, es_from from)
{
    struct actor *a = resume(self);
    set_variable(a->script, es_from_atom(from_variable), es_keep(from));
    return answer_of(play_kind(a, on_call, call, request));
}

static es_answer server_cast(tally *self, es_term message)
{
    return answer_of(play_kind(resume(self), on_cast, cast, message));
}

static es_answer server_info(tally *self, es_term message)
{
    return answer_of(play_kind(resume(self), on_info, info, message));
}

static es_answer server_continued(tally *self, es_term what)
{
    return answer_of(play_kind(resume(self), on_continue, continue_word, what));
}

static void server_terminate(tally *self, es_term reason)
{
    play_kind(resume(self), on_terminate, terminate, reason);
}

static es_err server_code_change(tally *self, es_term old, es_term extra)
{
    (void)old;
    play_kind(resume(self), on_code_change, code_change, extra);
    return ES_OK;
}

ES_SERVER(oracle_server, tally, .init = server_init, .call = server_call, .cast = server_cast,
          .info = server_info, .continued = server_continued, .terminate = server_terminate,
          .code_change = server_code_change, .state = ES_STATE(tally));

/* One that has as little as can be. */
ES_SERVER(oracle_bare, tally, .init = server_init, .call = server_call);

/* ---- state machines ---- */

static int64_t time_of(es_term word)
{
    int64_t time_ms = ES_INFINITY;
    if (es_is(word, update))
        return ES_UPDATE;
    (void)es_get_int64(word, &time_ms);
    return time_ms;
}

static es_event_type type_of(es_term word)
{
    return es_is(word, internal) ? ES_EVENT_INTERNAL : es_is(word, cast) ? ES_EVENT_CAST : ES_EVENT_INFO;
}

/* Each by the function that says it. */
static void act(struct script *s, es_term action)
{
    es_term name, time, x;
    if (es_is(action, postpone))
        is_lie("postpone") ? (void)0 : es_postpone();
    else if (es_is(action, hibernate))
        es_hibernate_machine();
    else if (es_match(action, ES_TUPLE(next_event, &name, &x)))
        es_next_event(type_of(name), x);
    else if (es_match(action, ES_TUPLE(state_timeout, cancel)))
        es_cancel_state_timeout();
    else if (es_match(action, ES_TUPLE(state_timeout, &time, &x)))
        es_state_timeout(time_of(time), x);
    else if (es_match(action, ES_TUPLE(timeout, &time, &x)))
        es_event_timeout(time_of(time), x);
    else if (es_match(action, ES_TUPLE(ES_TUPLE(timeout, &name), cancel)))
        es_cancel_named_timeout(name);
    else if (es_match(action, ES_TUPLE(ES_TUPLE(timeout, &name), &time, &x)))
        es_named_timeout(name, time_of(time), x);
    else if (es_match(action, ES_TUPLE(reply, &x)))
        es_reply_to(value_of(s, es_from_atom(from_variable)), x);
    else
        es_exit(ES_TUPLE(atom_named("no_such_action"), action));
}

static void act_all(struct script *s, es_term actions)
{
    es_term action;
    while (es_get_cons(actions, &action, &actions))
        act(s, action);
}

static es_step step_of(struct script *s, es_term word)
{
    es_term x, actions = es_nil();
    if (es_match(word, ES_TUPLE(stop, &x)))
        return es_stop_machine(x);
    if (es_match(word, ES_TUPLE(stop_and_reply, &x, &actions)))
        return es_stop_and_reply(x, value_of(s, es_from_atom(from_variable)), actions);
    if (es_match(word, ES_TUPLE(next, &x)) || es_match(word, ES_TUPLE(next, &x, &actions))) {
        act_all(s, actions);
        return es_next_state(x);
    }
    if (es_is(word, keep) || es_is(word, noreply) || es_match(word, ES_TUPLE(keep, &actions))) {
        act_all(s, actions);
        return es_keep_state();
    }
    if (es_is(word, repeat) || es_match(word, ES_TUPLE(repeat, &actions))) {
        act_all(s, actions);
        return es_repeat_state();
    }
    return es_ignore_machine();
}

static es_step machine_init(tally *self, es_term args)
{
    es_term rest;
    struct actor *a = begin(self, args, &rest);
    return step_of(a->script, play_kind(a, on_init, init, rest));
}

static es_term type_word(const es_event *e)
{
    static const es_atom *const words[] = {
        [ES_EVENT_CALL] = &call,       [ES_EVENT_CAST] = &cast,
        [ES_EVENT_INFO] = &info,       [ES_EVENT_INTERNAL] = &internal,
        [ES_EVENT_TIMEOUT] = &timeout, [ES_EVENT_STATE_TIMEOUT] = &state_timeout,
        [ES_EVENT_ENTER] = &enter};
    if (e->type == ES_EVENT_NAMED_TIMEOUT)
        return es_keep(ES_TUPLE(timeout, e->name));
    return es_from_atom(*words[e->type]);
}

static es_step machine_event(tally *self, const es_event *e, es_term state)
{
    struct actor *a = resume(self);
    es_term what = es_keep(ES_TUPLE(state, type_word(e), e->content));
    if (e->type == ES_EVENT_CALL)
        set_variable(a->script, es_from_atom(from_variable), es_keep(e->from));
    return step_of(a->script, play_event(a->script, a->clauses, on_event, what, what));
}

static void machine_terminate(tally *self, es_term reason, es_term state)
{
    struct actor *a = resume(self);
    es_term both = pair(es_keep(reason), es_keep(state));
    play_event(a->script, a->clauses, on_terminate, pair(es_from_atom(terminate), both), both);
}

ES_STATEM(oracle_statem, tally, .init = machine_init, .handle_event = machine_event,
          .terminate = machine_terminate, .state = ES_STATE(tally));
ES_STATEM(oracle_statem_enter, tally, .init = machine_init, .handle_event = machine_event,
          .terminate = machine_terminate, .state = ES_STATE(tally), .enter = true);

/* ---- handlers of events ---- */

/* Several live in one process: each holds its own script, and they number their steps together. */
typedef struct {
    struct script *script;
    es_term clauses;
} hand;

/* The counter of the manager's steps. */
static int64_t *steps_of_this_process(int64_t *fresh)
{
    uint64_t id = es_self().id;
    for (int i = actor_count; i-- > 0;)
        if (actors[i].pid == id)
            return actors[i].actor->script->step;
    return fresh;
}

static es_term hand_plays(hand *self, es_atom word, es_atom kind, es_term content)
{
    es_term kept = es_keep(content);
    return play_event(self->script, self->clauses, word, pair(es_from_atom(kind), kept),
                      pair(self->script->role, kept));
}

extern es_event_handler oracle_handler;

static es_answer hand_answer(struct script *s, es_term word)
{
    es_term old_args, by, args;
    if (es_is(word, remove_word))
        return es_remove_handler();
    if (!es_match(word, ES_TUPLE(swap, &old_args, &by, &args)))
        return answer_of(word);
    return es_swap_handler(old_args, handler_of(by), start_args(s, role_of_handler(by), args));
}

static es_answer hand_init(hand *self, es_term args)
{
    es_term inner = args, of_old, rest;
    bool is_swap = es_is_tuple(es_tuple_get(args, 0)) && es_match(args, ES_TUPLE(&inner, &of_old));
    self->script = new_script(inner, &rest);
    self->clauses = clauses_of(self->script->role);
    self->script->step = steps_of_this_process(self->script->step);
    struct actor *a = es_alloc(sizeof *a);
    *a = (struct actor){.script = self->script};
    enrol(a);
    return hand_answer(self->script,
                       hand_plays(self, on_init, init, is_swap ? pair(rest, es_keep(of_old)) : rest));
}

static es_answer hand_event(hand *self, es_term what)
{
    return hand_answer(self->script, hand_plays(self, on_event, event, what));
}

static es_answer hand_call(hand *self, es_term request, es_from from)
{
    set_variable(self->script, es_from_atom(from_variable), es_keep(from));
    return hand_answer(self->script, hand_plays(self, on_call, call, request));
}

static es_answer hand_info(hand *self, es_term message)
{
    return hand_answer(self->script, hand_plays(self, on_info, info, message));
}

static es_term hand_terminate(hand *self, es_term why)
{
    return es_keep(hand_plays(self, on_terminate, terminate, why));
}

ES_EVENT_HANDLER(oracle_handler, hand, .init = hand_init, .event = hand_event, .call = hand_call,
                 .info = hand_info, .terminate = hand_terminate);

es_term role_of_handler(es_term word)
{
    es_term role;
    return es_match(word, ES_TUPLE(plain, &role)) ? role : word;
}

es_event_which handler_of(es_term word)
{
    return es_is_tuple(word) || is_lie("id") ? ES_HANDLER(oracle_handler) : ES_HANDLER(oracle_handler, word);
}

/* ---- which is which ---- */

const es_behaviour *behaviour_of(es_term role)
{
    es_term script = script_of(role), kind = es_tuple_get(script, 0);
    if (es_is_list(script))
        return NULL;
    if (es_is(script, manager))
        return &es_event_manager;
    if (es_is(kind, supervisor))
        return &oracle_sup;
    if (es_is(kind, bare))
        return &oracle_bare;
    if (es_is(kind, server))
        return &oracle_server;
    return es_tuple_size(script) == 3 ? &oracle_statem_enter : &oracle_statem;
}
