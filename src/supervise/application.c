/* application.c - what programs ask of applications, and the program that is one. */
#include "supervise/application.h"

#include <engset/link.h>
#include <engset/receive.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "behaviour/surely.h"
#include "proc/node.h"

ES_ATOMS(already_loaded, env, set_env, runs, stop_all, start_up, of, not_running, give_up, node_ends);

/* ------------------------------------------------------------ those of the program */

static struct esi_application_link *known;

void esi_application_known(struct esi_application_link *link)
{
    struct esi_process *self = esi_enter(); /* NULL before main() */
    link->next = known;
    known = link;
    if (self)
        esi_leave();
}

const es_application *esi_application_find(const char *name)
{
    for (const struct esi_application_link *link = known; link; link = link->next)
        if (strcmp(link->application->name, name) == 0)
            return link->application;
    return NULL;
}

/* ------------------------------------------------------------ asking the controller */

static es_atom atom_of(const char *name)
{
    es_atom atom;
    if (es_atom_make(name, strlen(name), &atom) != ES_OK)
        es_exit(es_am_system_limit);
    return atom;
}

static bool is_no_process(void)
{
    return es_pid_is_none(es_self());
}

static es_err refuse(void)
{
    return es_fail(ES_ENOPROC, "application: only a process may ask this");
}

static es_err ask(es_literal request, int64_t timeout_ms, es_term *answer)
{
    return es_try_call(esi_application_controller(), es_lend(request), timeout_ms, answer);
}

/* {error, Why} as an error; the reason to `*why`. */
static es_err verdict(const char *name, es_term answer, es_term *why)
{
    es_term reason;
    es_err error = ES_OK;
    if (es_match(answer, ES_TUPLE(es_am_error, &reason))) {
        char text[160];
        bool is_there = es_match(reason, ES_TUPLE(es_am_already_started, ES_ANY)) ||
                        es_match(reason, ES_TUPLE(already_loaded, ES_ANY)) ||
                        es_match(reason, ES_TUPLE(es_am_running, ES_ANY));
        bool is_missing = es_match(reason, ES_TUPLE(es_am_not_found, ES_ANY)) ||
                          es_match(reason, ES_TUPLE(es_am_not_started, ES_ANY)) || es_is(reason, not_running);
        bool is_bad = es_match(reason, ES_TUPLE(env, ES_ANY, ES_ANY));
        es_print(text, sizeof text, reason);
        bool is_short = es_is(reason, es_am_system_limit);
        error = is_short     ? ES_ENOMEM
                : is_there   ? ES_EEXIST
                : is_missing ? ES_ENOTFOUND
                : is_bad     ? ES_ESYNTAX
                             : ES_ECLOSED;
        es_fail(error, "application %s: %s", name, text);
        if (why)
            *why = es_keep(reason);
    }
    es_drop(answer);
    return error;
}

es_err es_application_start(const char *name, es_start_type type, int64_t timeout_ms, es_term *why)
{
    es_term answer = es_none();
    if (why)
        *why = es_none();
    if (is_no_process())
        return refuse();
    es_err error = ask(ES_TUPLE(es_am_start, atom_of(name), (int)type), timeout_ms, &answer);
    if (error == ES_ETIMEOUT) {
        es_term over = es_none();
        if (ask(ES_TUPLE(give_up, atom_of(name)), ES_INFINITY, &over) == ES_OK)
            es_drop(over);
        return es_fail(error, "application %s: it is not up in time, and was given up", name);
    }
    return error == ES_OK ? verdict(name, answer, why) : error;
}

es_err es_application_stop(const char *name, int64_t timeout_ms)
{
    es_term answer = es_none();
    if (is_no_process())
        return refuse();
    es_err error = ask(ES_TUPLE(es_am_stop, atom_of(name)), timeout_ms, &answer);
    return error == ES_OK ? verdict(name, answer, NULL) : error;
}

es_err es_application_stop_all(int64_t timeout_ms)
{
    es_term answer = es_none();
    if (is_no_process())
        return refuse();
    es_err error = ask(ES_T(stop_all), timeout_ms, &answer);
    if (error == ES_OK)
        es_drop(answer);
    return error;
}

bool es_application_runs(const char *name)
{
    es_term answer = es_none();
    return !is_no_process() && ask(ES_TUPLE(runs, atom_of(name)), ES_INFINITY, &answer) == ES_OK &&
           es_is(answer, es_am_true);
}

es_atom es_application_of(es_pid pid)
{
    es_info info;
    es_atom name = {0};
    es_term answer = es_none();
    if (is_no_process() || !es_process_info(pid, &info) ||
        ask(ES_TUPLE(of, info.group_leader), ES_INFINITY, &answer) != ES_OK || es_is(answer, es_am_undefined))
        return (es_atom){0};
    (void)es_get_atom(answer, &name);
    return name;
}

/* ------------------------------------------------------------ settings */

es_err es_application_env(const char *name, es_atom key, es_term *out)
{
    es_term answer = es_none(), value;
    if (is_no_process())
        return refuse();
    es_err error = ask(ES_TUPLE(env, atom_of(name), key), ES_INFINITY, &answer);
    if (error == ES_OK && es_match(answer, ES_TUPLE(es_am_ok, &value)))
        *out = es_keep(value);
    else if (error == ES_OK)
        error = es_fail(ES_ENOTFOUND, "application %s: it has no setting '%s'", name, es_atom_text(key));
    es_drop(answer);
    return error;
}

es_err esi_application_set_env(const char *name, es_atom key, es_term value)
{
    es_term answer = es_none();
    if (is_no_process())
        return refuse();
    es_err error = ask(ES_TUPLE(set_env, atom_of(name), key, value), ES_INFINITY, &answer);
    return error == ES_OK ? verdict(name, answer, NULL) : error;
}

static es_err ask_plainly(es_atom what, const char *name)
{
    es_term answer = es_none();
    if (is_no_process())
        return refuse();
    es_err error = ask(ES_TUPLE(what, atom_of(name)), ES_INFINITY, &answer);
    return error == ES_OK ? verdict(name, answer, NULL) : error;
}

es_err es_application_load(const char *name)
{
    return ask_plainly(es_am_load, name);
}

es_err es_application_unload(const char *name)
{
    return ask_plainly(es_am_unload, name);
}

/* ------------------------------------------------------------ with all that it needs */

enum { DEEPEST = 64 };

/* Depth first; `path` are those that are just being looked at. */
struct order {
    const char *path[DEEPEST];
    int depth;
    es_term started; /* a list, the latest first */
    es_start_type type;
    int64_t timeout_ms;
};

static es_err circle(const struct order *o, const char *name)
{
    char text[200] = "";
    size_t at = 0;
    int from = 0;
    while (strcmp(o->path[from], name) != 0)
        from++;
    for (int i = from; i < o->depth && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s needs ", o->path[i]);
    return es_fail(ES_EDEADLK, "application: %s%s", text, name);
}

static bool is_on_path(const struct order *o, const char *name)
{
    for (int i = 0; i < o->depth; i++)
        if (strcmp(o->path[i], name) == 0)
            return true;
    return false;
}

static es_err ensure(struct order *o, const char *name);

static es_err ensure_needs(struct order *o, const es_application *a)
{
    es_err error = ES_OK;
    o->path[o->depth++] = a->name;
    for (const char *const *need = a->needs; need && *need && error == ES_OK; need++)
        error = ensure(o, *need);
    o->depth--;
    return error;
}

static es_err ensure(struct order *o, const char *name)
{
    if (is_on_path(o, name))
        return circle(o, name);
    if (o->depth == DEEPEST)
        return es_fail(ES_ELIMIT, "application %s: more than %d need each other in a row", name, DEEPEST);
    if (es_application_runs(name))
        return ES_OK;
    const es_application *a = esi_application_find(name);
    if (!a)
        return es_fail(ES_ENOTFOUND, "application: none of the program's is called '%s'", name);
    es_err error = ensure_needs(o, a);
    if (error == ES_OK)
        error = es_application_start(name, o->type, o->timeout_ms, NULL);
    if (error == ES_EEXIST) /* somebody else was faster */
        return ES_OK;
    if (error == ES_OK) {
        es_term before = o->started;
        o->started = es_keep(ES_CONS(atom_of(name), before));
        es_drop(before);
    }
    return error;
}

static es_term reversed(es_term list)
{
    es_term back = es_nil(), rest = list, head;
    while (es_match(rest, ES_CONS(&head, &rest))) {
        es_term before = back;
        back = es_keep(ES_CONS(head, before));
        es_drop(before);
    }
    es_drop(list);
    return back;
}

/* The latest first, as they lie; what is said stays what failed first. */
static void take_back(es_term started)
{
    es_term rest = started;
    es_atom name;
    while (es_match(rest, ES_CONS(&name, &rest)))
        es_application_stop(es_atom_text(name), ES_INFINITY);
}

es_err es_application_ensure_started(const char *name, es_start_type type, int64_t timeout_ms,
                                     es_term *started)
{
    struct order o = {.started = es_nil(), .type = type, .timeout_ms = timeout_ms};
    if (is_no_process())
        return refuse();
    es_err error = ensure(&o, name);
    if (error != ES_OK) {
        char detail[256];
        snprintf(detail, sizeof detail, "%s", es_last_detail());
        take_back(o.started);
        es_fail(error, "%s", detail);
    }
    if (error == ES_OK && started)
        *started = reversed(o.started);
    else
        es_drop(o.started);
    return error;
}

/* ------------------------------------------------------------ a program that is one */

enum { STOP_MS = 30000, FAILED = 1 };

struct program {
    const es_application *application;
    es_args args;
};

int64_t esi_application_stop_ms(void)
{
    const char *text = getenv("ES_STOP_MS");
    long wanted = text ? strtol(text, NULL, 10) : 0;
    return wanted > 0 ? wanted : STOP_MS;
}

static ES_NORETURN void leave(const char *what)
{
    fprintf(stderr, "engset: %s: %s\n", what, es_last_detail());
    es_exit(es_am_error);
}

/* NAME.KEY=TERM */
static void set_one(char *text)
{
    char *dot = strchr(text, '.'), *is = dot ? strchr(dot, '=') : NULL;
    es_term value;
    if (!is) {
        es_fail(ES_ESYNTAX, "'%s' is not NAME.KEY=TERM", text);
        leave("--set");
    }
    *dot = *is = '\0';
    if (es_parse_term(is + 1, &value) != ES_OK ||
        esi_application_set_env(text, atom_of(dot + 1), value) != ES_OK)
        leave("--set");
}

static char *contents_of(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = es_alloc(1 << 20);
    size_t length = file ? fread(text, 1, (1 << 20) - 1, file) : 0;
    if (!file) {
        es_fail(ES_EOS, "%s cannot be read", path);
        leave("--config");
    }
    fclose(file);
    text[length] = '\0';
    return text;
}

static ES_NORETURN void expected(const char *path, const char *what, es_term found)
{
    char shown[120];
    es_print(shown, sizeof shown, found);
    es_fail(ES_ESYNTAX, "expected %s, found %s", what, shown);
    leave(path);
}

/* #{Key => Value} */
static void read_settings(const char *path, es_term name, es_term settings)
{
    es_term key, value;
    es_atom name_atom, key_atom;
    if (!es_get_atom(name, &name_atom))
        expected(path, "an application's name", name);
    if (!es_is_map(settings))
        expected(path, "its settings, #{Key => Value}", settings);
    for (size_t i = 0; es_map_at(settings, i, &key, &value); i++) {
        if (!es_get_atom(key, &key_atom))
            expected(path, "a key, which is an atom", key);
        if (esi_application_set_env(es_atom_text(name_atom), key_atom, value) != ES_OK)
            leave(path);
    }
}

/* #{Name => #{Key => Value}} */
static void read_config(const char *path)
{
    char *text = contents_of(path);
    es_term all, name, settings;
    if (es_parse_term(text, &all) != ES_OK)
        leave(path);
    if (!es_is_map(all))
        expected(path, "#{Application => #{Key => Value}}", all);
    for (size_t i = 0; es_map_at(all, i, &name, &settings); i++)
        read_settings(path, name, settings);
    es_drop(all);
    es_free(text);
}

/* True: `value` belongs to it. Other arguments are the program's. */
static bool read_argument(const char *option, char *value)
{
    bool is_set = strcmp(option, "--set") == 0;
    if (!is_set && strcmp(option, "--config") != 0)
        return false;
    if (!value) {
        es_fail(ES_EINVAL, is_set ? "NAME.KEY=TERM is missing behind it" : "a file is missing behind it");
        leave(option);
    }
    if (is_set)
        set_one(value);
    else
        read_config(value);
    return true;
}

static void read_arguments(es_args args)
{
    for (int i = 1; i < args.count; i++)
        i += read_argument(args.values[i], i + 1 < args.count ? args.values[i + 1] : NULL);
}

/* The first process: it waits until the node is to end, and with which status. */
static void run_program(void *argument)
{
    struct program *program = argument;
    int64_t status = 0;
    es_start_type type = program->application->type;
    es_trap_exit(true);
    es_pid controller = esi_application_controller();
    es_ref watch = es_monitor(controller);
    ESI_SURELY(es_cast(controller, ES_TUPLE(start_up, es_self())));
    esi_node_stops_itself(true);
    read_arguments(program->args);
    if (es_application_ensure_started(program->application->name, type ? type : ES_START_PERMANENT,
                                      ES_INFINITY, NULL) != ES_OK)
        leave(program->application->name);
    es_receive {
        es_case(ES_TUPLE(node_ends, &status)) {
        }
        es_case(ES_TUPLE(es_am_EXIT, ES_ANY, es_am_shutdown)) /* SIGTERM */
            status = 0;
        es_case(ES_TUPLE(es_am_DOWN, watch, ES_ANY, ES_ANY, ES_ANY)) {
            fprintf(stderr, "engset: the application controller ended, and the node with it\n");
            es_exit(es_am_error);
        }
    }
    if (es_application_stop_all(esi_application_stop_ms()) != ES_OK)
        fprintf(stderr, "engset: the applications did not stop in time; the rest is ended\n");
    if (status)
        es_exit(es_am_error);
}

int es_application_run(const es_application *application, es_args args, const es_options *options)
{
    struct program program = {application, args};
    return es_run(run_program, &program, options);
}
