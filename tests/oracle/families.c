/* oracle/families.c - supervisors whose flags and children the scenario says, and applications. */
#include <engset/application.h>
#include <engset/supervisor.h>
#include "oracle.h"

ES_ATOMS(strategy, one_for_one, one_for_all, rest_for_one, simple_one_for_one, intensity, period,
         auto_shutdown, never, any_significant, all_significant, id, start, restart, permanent, transient,
         temporary, brutal_kill, infinity, type, worker, supervisor, significant, ignore, ok, start_phase,
         prep_stop, stop, one, two);

static es_term setting(es_term settings, es_atom key)
{
    es_term one, value;
    while (es_get_cons(settings, &one, &settings))
        if (es_match(one, ES_TUPLE(key, &value)))
            return value;
    return es_none();
}

/* The place of `word` among these; 17, which means nothing, if it is none of them; 0 if there is no word. */
static int place_of(es_term word, const es_atom *const *words, int count)
{
    for (int i = 0; i < count; i++)
        if (es_is(word, *words[i]))
            return i;
    return es_is_none(word) ? 0 : 17;
}

static int64_t number_of(es_term word, int64_t otherwise)
{
    (void)es_get_int64(word, &otherwise);
    return otherwise;
}

static const char *text_of(es_term word)
{
    es_atom atom;
    return es_get_atom(word, &atom) ? es_atom_text(atom) : NULL;
}

/* Starts a process of plain steps; it says by init_ack what the function gives. */
static es_err start_plain(es_term args, es_started *out)
{
    es_term answer, reason;
    es_err err = es_start_function((&(const es_spawn_options){.link = true}), play_started, args, &answer);
    if (err != ES_OK) {
        out->info = answer;
        return err;
    }
    if (es_is(answer, ignore))
        return ES_EIGNORE;
    if (es_match(answer, ES_TUPLE(es_am_error, &reason))) {
        out->info = reason;
        return ES_ECLOSED;
    }
    if (!es_match(answer, ES_TUPLE(ok, &out->pid, &out->info)))
        (void)!es_match(answer, ES_TUPLE(ok, &out->pid));
    return ES_OK;
}

static int64_t shutdown_of(es_term word)
{
    if (es_is(word, infinity))
        return ES_INFINITY;
    return es_is(word, brutal_kill) ? ES_BRUTAL_KILL : number_of(word, 0);
}

es_child_spec child_spec_of(es_term settings)
{
    static const es_atom *const restarts[] = {&permanent, &transient, &temporary};
    static const es_atom *const types[] = {&worker, &supervisor};
    es_term role = setting(settings, start);
    const es_behaviour *behaviour = es_is_none(role) ? NULL : behaviour_of(role);
    return (es_child_spec){.id = text_of(setting(settings, id)),
                           .behaviour = behaviour,
                           .start = es_is_none(role) || behaviour ? NULL : start_plain,
                           .args = text_of(role),
                           .restart = (es_restart)place_of(setting(settings, restart), restarts, 3),
                           .shutdown_ms = shutdown_of(setting(settings, es_am_shutdown)),
                           .type = (es_child_type)place_of(setting(settings, type), types, 2),
                           .significant = es_is(setting(settings, significant), es_am_true)};
}

static void read_flags(es_supervisor_spec *spec, es_term flags)
{
    static const es_atom *const strategies[] = {&one_for_one, &one_for_all, &rest_for_one,
                                                &simple_one_for_one};
    static const es_atom *const ways[] = {&never, &any_significant, &all_significant};
    int64_t restarts = number_of(setting(flags, intensity), 1);
    if (!is_lie("strategy"))
        spec->strategy = (es_strategy)place_of(setting(flags, strategy), strategies, 4);
    spec->intensity = restarts == 0 ? ES_NO_RESTARTS : (int)restarts;
    spec->period_s = (int)number_of(setting(flags, period), 0);
    spec->auto_shutdown = (es_auto_shutdown)place_of(setting(flags, auto_shutdown), ways, 3);
}

void read_children(es_supervisor_spec *spec, es_term list)
{
    es_term one;
    es_child_spec *children = es_alloc(32 * sizeof *children);
    spec->children = children;
    for (spec->child_count = 0; es_get_cons(list, &one, &list) && spec->child_count < 32;)
        children[spec->child_count++] = child_spec_of(one);
}

static es_term first_version(es_term args)
{
    es_term rest;
    return script_of(announced_script(args, &rest)->role);
}

/* The role that says what a supervisor is from here on; NULL: the one that it was started as. */
static const es_term *next_version;

void set_next_version(const es_term *role)
{
    next_version = role;
}

/* {supervisor, Flags, Children}, or {supervisor, Answer} where that is all there is to say. */
static es_answer sup_init(es_supervisor_spec *spec, es_term args)
{
    es_term flags, children, script = next_version ? script_of(*next_version) : first_version(args);
    if (!es_match(script, ES_TUPLE(supervisor, &flags, &children)))
        return es_is(es_tuple_get(script, 1), ignore) ? es_ignore() : (es_answer){0};
    read_flags(spec, flags);
    read_children(spec, children);
    return es_ok();
}

ES_SUPERVISOR(oracle_sup, .init = sup_init);

/* ---- applications: these four, whose callbacks are the roles of the same names ---- */

/* Done without a word to the recorder: what is to be seen they tell to somebody. */
static es_term app_plays(const char *name, es_literal event, struct script *s)
{
    es_term clauses = es_tuple_get(script_of(atom_named(name)), 1), clause, step;
    int64_t *number = es_alloc(sizeof *number);
    *number = 1;
    *s = (struct script){.role = atom_named(name), .recorder = es_keep(the_recorder), .step = number};
    set_variable(s, atom_named("Self"), es_keep(es_self()));
    set_variable(s, atom_named("Main"), es_keep(the_main));
    while (es_get_cons(clauses, &clause, &clauses)) {
        if (!es_match(es_lend(event), pattern_of(s, es_tuple_get(clause, 0))))
            continue;
        bind_variables(s, es_tuple_get(clause, 0), es_keep(event));
        for (es_term steps = es_tuple_get(clause, 1); es_get_cons(steps, &step, &steps);)
            do_unseen_step(s, step);
        return value_of(s, es_tuple_get(clause, 2));
    }
    return es_from_atom(ok);
}

static es_err app_start(const char *name, es_started *out)
{
    struct script s;
    es_term answer = app_plays(name, ES_T(start), &s);
    if (es_match(answer, ES_TUPLE(ok, &out->pid)))
        return ES_OK;
    if (!es_match(answer, ES_TUPLE(es_am_error, &out->info)))
        return ES_OK; /* without a pid: nonsense */
    return ES_ECLOSED;
}

static es_err app_phase(const char *name, es_atom phase)
{
    struct script s;
    return es_is(app_plays(name, ES_TUPLE(start_phase, phase), &s), ok) ? ES_OK : ES_EINVAL;
}

static void app_stops(const char *name, es_atom what)
{
    struct script s;
    app_plays(name, ES_T(what), &s);
}

#define APP(name_, ...)                                                                                   \
    static es_err name_##_start(es_term args, es_started *out)                                            \
    {                                                                                                     \
        (void)args;                                                                                       \
        return app_start(#name_, out);                                                                    \
    }                                                                                                     \
    static es_err name_##_one(void)                                                                       \
    {                                                                                                     \
        return app_phase(#name_, one);                                                                    \
    }                                                                                                     \
    static es_err name_##_two(void)                                                                       \
    {                                                                                                     \
        return app_phase(#name_, two);                                                                    \
    }                                                                                                     \
    static void name_##_prep_stop(void)                                                                   \
    {                                                                                                     \
        app_stops(#name_, prep_stop);                                                                     \
    }                                                                                                     \
    static void name_##_stop(void)                                                                        \
    {                                                                                                     \
        app_stops(#name_, stop);                                                                          \
    }                                                                                                     \
    ES_APPLICATION(name_, .version = "1", .start = name_##_start,                                         \
                   ES_PHASES({"one", name_##_one}, {"two", name_##_two}), .prep_stop = name_##_prep_stop, \
                   .stop = name_##_stop, __VA_ARGS__)

APP(alpha, .env = "#{port => 5060}");
APP(beta, .needs = ES_NEEDS("alpha"));
APP(gamma, .needs = ES_NEEDS("beta"));
