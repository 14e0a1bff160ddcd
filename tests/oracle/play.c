/* oracle/play.c - a process of a scenario: how it is started, and how it goes through its script. */
#include "oracle.h"

ES_ATOMS(main_, oracle_go, oracle_note, spawn, spawn_link, spawn_monitor, spawn_opt, may, never, tell,
         catch_);
ES_ATOM(equals, "=");
ES_ATOM(self_variable, "Self");
ES_ATOM(main_variable, "Main");

bool has_option(es_term options, const char *name)
{
    es_term option;
    es_atom atom;
    while (es_get_cons(options, &option, &options))
        if (es_get_atom(option, &atom) && strcmp(es_atom_text(atom), name) == 0)
            return true;
    return false;
}

void tell_recorder(struct script *s, es_term pattern, es_term call, es_term answer)
{
    es_send(s->recorder, ES_TUPLE(oracle_note, es_self(), *s->step, pattern, call, answer));
    (*s->step)++;
}

/* `{Word, Call}` for one of the words before a call. */
static bool is_word(es_term step, es_atom word, es_term *call)
{
    return es_tuple_size(step) == 2 && es_is(es_tuple_get(step, 0), word) &&
           es_match(step, ES_TUPLE(word, call));
}

static bool is_spawn(es_term call)
{
    es_term word = es_tuple_get(call, 0);
    return es_is(word, spawn) || es_is(word, spawn_link) || es_is(word, spawn_monitor) ||
           es_is(word, spawn_opt);
}

es_term pid_of(es_term spawned)
{
    return es_is_tuple(spawned) ? es_tuple_get(spawned, 0) : spawned;
}

static void go_through(struct script *s, es_term step, bool is_seen)
{
    es_term pattern = es_from_atom(es_am_none), call = step, inner, to, message;
    if (es_match(step, ES_TUPLE(tell, &to, &message))) {
        es_send(value_of(s, to), value_of(s, message));
        (*s->step)++;
        return;
    }
    if (es_match(step, ES_TUPLE(equals, &pattern, &call)))
        step = call;
    bool may_fail = is_word(step, catch_, &inner);
    if (may_fail || is_word(step, may, &inner) || is_word(step, never, &inner))
        call = inner;
    s->is_caught = may_fail;
    struct answer answer = do_call(s, call);
    if (answer.is_error && !may_fail)
        es_exit(answer.value);
    if (!es_is(pattern, es_am_none))
        bind_variables(s, pattern, answer.value);
    if (is_seen)
        tell_recorder(s, pattern, step, answer.value);
    if (is_spawn(call))
        es_send(pid_of(answer.value), ES_TUPLE(oracle_go, s->recorder));
}

void do_step(struct script *s, es_term step)
{
    go_through(s, step, true);
}

void do_unseen_step(struct script *s, es_term step)
{
    go_through(s, step, false);
}

es_term script_of(es_term role)
{
    es_term roles = scenario.roles, one, name, steps;
    while (es_get_cons(roles, &one, &roles))
        if (es_match(one, ES_TUPLE(&name, &steps)) && es_equal(name, role))
            return steps;
    es_exit(ES_TUPLE(atom_named("no_such_role"), role));
}

/* The first function of each process; `argument` is {Role, Recorder, IsWatched, [{Variable, Value}]}. */
static void play(es_term argument)
{
    int64_t step_number = 1;
    struct script s = {.step = &step_number};
    bool is_watched;
    es_term variables, one, name, value, step;
    if (!es_match(argument, ES_TUPLE(&s.role, &s.recorder, &is_watched, &variables)))
        es_exit(es_am_badarg);
    while (es_get_cons(variables, &one, &variables))
        if (es_match(one, ES_TUPLE(&name, &value)))
            set_variable(&s, name, value);
    set_variable(&s, es_from_atom(self_variable), es_keep(es_self()));
    if (es_is(s.role, main_))
        set_variable(&s, es_from_atom(main_variable), es_keep(es_self()));
    if (is_watched)
        es_receive {
            es_case(ES_TUPLE(oracle_go, s.recorder)) {
            }
        }
    for (es_term steps = script_of(s.role); es_get_cons(steps, &step, &steps);)
        do_step(&s, step);
}

static es_priority priority_named(es_term name)
{
    if (es_is(name, es_am_low))
        return ES_PRIORITY_LOW;
    if (es_is(name, es_am_normal))
        return ES_PRIORITY_NORMAL;
    if (es_is(name, es_am_high))
        return ES_PRIORITY_HIGH;
    return es_is(name, es_am_max) ? ES_PRIORITY_MAX : (es_priority)17;
}

static void read_options(es_term list, es_spawn_options *out, es_ref *ref)
{
    es_term option, value;
    int64_t bytes;
    out->link = has_option(list, "link");
    out->monitor = has_option(list, "monitor") ? ref : NULL;
    while (es_get_cons(list, &option, &list)) {
        if (es_match(option, ES_TUPLE(es_am_priority, &value)))
            out->priority = priority_named(value);
        if (es_match(option, ES_TUPLE(es_am_memory_limit, &bytes)))
            out->memory_limit_bytes = (size_t)bytes;
    }
}

es_term spawn_role(struct script *s, es_term role, es_term options)
{
    es_spawn_options how = {0};
    es_ref ref = {0};
    es_term variables = es_nil();
    read_options(options, &how, &ref);
    for (int i = 0; i < s->variable_count; i++)
        variables = cons(pair(s->variables[i].name, s->variables[i].value), variables);
    bool is_watched = !has_option(options, "unwatched");
    es_pid pid = es_spawn_opt(&how, play, ES_TUPLE(role, s->recorder, is_watched, variables));
    if (es_pid_is_none(pid))
        es_exit(atom_named(es_err_name(es_last_error())));
    return how.monitor ? pair(es_keep(pid), es_keep(ref)) : es_keep(pid);
}
