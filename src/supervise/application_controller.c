/* application_controller.c - knows which applications are loaded, start, run and stop. It waits for nobody: a start that never comes back is one caller's
 * affair. Source: OTP application_controller. */
#include <engset/link.h>
#include <engset/match.h>
#include <engset/server.h>
#include <string.h>
#include "behaviour/say.h"
#include "behaviour/surely.h"
#include "proc/call.h"
#include "supervise/application.h"

ES_ATOMS(ended, already_loaded, env, set_env, runs, stop_all, start_up, of, not_running,
         application_controller, give_up, node_ends);

enum app_state { APP_LOADED, APP_STARTING, APP_RUNNING, APP_STOPPING };

struct app {
    const es_application *about;
    es_atom name;
    enum app_state state;
    es_start_type type;
    es_pid master;
    es_ref monitor;
    es_term asker;    /* who waits for its start or stop: es_keep()'s, or none */
    es_term env;      /* a map; what was set is in `set` */
    es_term set;      /* [{Key, Value}], the latest first */
    struct app *next; /* the last that was started first */
};

typedef struct {
    struct app *apps;
    es_term stopper; /* who waits until all have stopped */
    es_pid
        first; /* who is told that the node is to end, with {node_ends, Status}; none: es_halt() when all have stopped */
    bool is_ending; /* the node ends when all have stopped, or when the time for that is over */
} controller;

/* ------------------------------------------------------------ the list */

static struct app *app_named(controller *c, es_atom name)
{
    for (struct app *a = c->apps; a; a = a->next)
        if (es_atom_equal(a->name, name))
            return a;
    return NULL;
}

static struct app *app_of_monitor(controller *c, es_ref monitor)
{
    for (struct app *a = c->apps; a; a = a->next)
        if (es_ref_equal(a->monitor, monitor))
            return a;
    return NULL;
}

static struct app *app_of_master(controller *c, es_pid master)
{
    for (struct app *a = c->apps; a; a = a->next)
        if (a->state != APP_LOADED && es_pid_equal(a->master, master))
            return a;
    return NULL;
}

static void take_out(controller *c, struct app *app)
{
    struct app **at = &c->apps;
    while (*at != app)
        at = &(*at)->next;
    *at = app->next;
}

static void to_front(controller *c, struct app *app)
{
    take_out(c, app);
    app->next = c->apps;
    c->apps = app;
}

/* NULL, and `*fault` says why: a term of the process's own. */
static struct app *load(controller *c, es_atom name, es_term *fault)
{
    const es_application *about = esi_application_find(es_atom_text(name));
    if (!about) {
        *fault = es_keep(ES_TUPLE(es_am_not_found, name));
        return NULL;
    }
    es_term env_map = es_none();
    es_err error = about->env ? es_parse_term(about->env, &env_map) : ES_OK;
    if (error != ES_OK) {
        *fault = error == ES_ENOMEM ? es_from_atom(es_am_system_limit)
                                    : es_keep(ES_TUPLE(env, name, es_last_detail()));
        return NULL;
    }
    struct app *app = es_alloc(sizeof *app);
    *app = (struct app){
        .about = about, .name = name, .asker = es_none(), .env = env_map, .set = es_nil(), .next = c->apps};
    c->apps = app;
    return app;
}

/* The one of that name, loaded now if it was not. NULL as load(). */
static struct app *loaded(controller *c, es_atom name, es_term *fault)
{
    struct app *app = app_named(c, name);
    return app ? app : load(c, name, fault);
}

static void unload(controller *c, struct app *app)
{
    take_out(c, app);
    es_drop(app->env);
    es_drop(app->set);
    es_free(app);
}

/* ------------------------------------------------------------ starting and stopping */

static void answer_asker(struct app *app, es_literal x)
{
    if (!es_is_none(app->asker))
        ESI_SURELY(es_reply_to(app->asker, x));
    es_drop(app->asker);
    app->asker = es_none();
}

/* A need that does not run, or an atom of 0. */
static es_atom missing_need(controller *c, const es_application *about)
{
    for (const char *const *need = about->needs; need && *need; need++) {
        es_atom name = es_am_undefined;
        (void)!es_atom_make(*need, strlen(*need), &name);
        struct app *app = app_named(c, name);
        if (!app || app->state != APP_RUNNING)
            return name;
    }
    return (es_atom){0};
}

static es_answer start(controller *c, es_atom name, int64_t type, es_from from)
{
    es_term fault = es_none();
    struct app *app = loaded(c, name, &fault);
    if (!app)
        return es_reply(ES_TUPLE(es_am_error, fault));
    if (app->state != APP_LOADED)
        return es_reply(ES_TUPLE(es_am_error, ES_TUPLE(es_am_already_started, name)));
    es_atom missing = missing_need(c, app->about);
    if (missing.w)
        return es_reply(ES_TUPLE(es_am_error, ES_TUPLE(es_am_not_started, missing)));
    app->master = es_spawn_monitor(&app->monitor, esi_application_master, ES_TUPLE(name, es_self()));
    if (es_pid_is_none(app->master))
        return es_reply(ES_TUPLE(es_am_error, es_am_system_limit));
    app->state = APP_STARTING;
    app->type = (es_start_type)type;
    app->asker = es_keep(from);
    return es_noreply();
}

static es_answer stop(struct app *app, es_from from)
{
    if (!app || app->state != APP_RUNNING)
        return es_reply(ES_TUPLE(es_am_error, not_running));
    app->state = APP_STOPPING;
    app->asker = es_keep(from);
    ESI_SURELY(es_send(app->master, es_am_stop));
    return es_noreply();
}

/* Its start is not waited for any more. */
static es_answer give_up_start(struct app *app)
{
    if (app && app->state == APP_STARTING)
        ESI_SURELY(es_send_exit(app->master, es_am_kill));
    return es_reply(es_am_ok);
}

/* The next one of those that are to stop; when none is left who waits for that is told. */
static void stop_next(controller *c)
{
    if (es_is_none(c->stopper) && !c->is_ending)
        return;
    for (struct app *app = c->apps; app; app = app->next) {
        if (app->state == APP_STARTING) {
            ESI_SURELY(es_send_exit(app->master, es_am_kill));
            return;
        }
        if (app->state == APP_STOPPING)
            return;
        if (app->state == APP_RUNNING) {
            app->state = APP_STOPPING;
            ESI_SURELY(es_send(app->master, es_am_stop));
            return;
        }
    }
    if (c->is_ending)
        es_halt(1);
    ESI_SURELY(es_reply_to(c->stopper, es_am_ok));
    es_drop(c->stopper);
    c->stopper = es_none();
}

/* ------------------------------------------------------------ an application that ended */

static void end_node(controller *c, const struct app *app, es_term reason)
{
    char why[128];
    es_print(why, sizeof why, reason);
    ESI_SAY(ESI_LOG_ERROR, "application %s ended, and the node with it: %s", app->about->name, why);
    if (!es_pid_is_none(c->first)) {
        ESI_SURELY(es_send(c->first, ES_TUPLE(node_ends, 1)));
    } else if (!c->is_ending) {
        c->is_ending = true;
        es_send_after(esi_application_stop_ms(), es_self(), node_ends);
    }
}

static void ended_by_itself(controller *c, struct app *app, es_term reason)
{
    bool takes_the_node =
        app->type == ES_START_PERMANENT || (app->type == ES_START_TRANSIENT && !es_is(reason, es_am_normal));
    char why[128];
    es_print(why, sizeof why, reason);
    if (takes_the_node)
        end_node(c, app, reason);
    else
        ESI_SAY(ESI_LOG_WARNING, "application %s ended: %s", app->about->name, why);
}

static void master_ended(controller *c, struct app *app, es_term reason)
{
    enum app_state before = app->state;
    es_term inner = reason;
    (void)!es_match(reason, ES_TUPLE(ended, &inner));
    app->state = APP_LOADED;
    app->master = ES_NO_PID;
    if (before == APP_STARTING)
        answer_asker(app, ES_TUPLE(es_am_error, inner));
    else if (before == APP_STOPPING)
        answer_asker(app, ES_T(es_am_ok));
    else
        ended_by_itself(c, app, inner);
    stop_next(c);
}

/* ------------------------------------------------------------ settings */

static es_term setting(const struct app *app, es_term key)
{
    es_term rest = app->set, head, value;
    while (es_match(rest, ES_CONS(&head, &rest)))
        if (es_match(head, ES_TUPLE(key, &value)))
            return value;
    return es_is_none(app->env) ? es_none() : es_map_get(app->env, key);
}

static es_answer get_setting(controller *c, es_atom name, es_term key)
{
    const struct app *app = app_named(c, name);
    es_term value = app ? setting(app, key) : es_none();
    if (es_is_none(value))
        return es_reply(es_am_undefined);
    return es_reply(ES_TUPLE(es_am_ok, value));
}

static es_answer set_setting(controller *c, es_atom name, es_term key, es_term value)
{
    es_term fault = es_none();
    struct app *app = loaded(c, name, &fault);
    if (!app)
        return es_reply(ES_TUPLE(es_am_error, fault));
    es_term before = app->set;
    app->set = es_keep(ES_CONS(ES_TUPLE(key, value), before));
    es_drop(before);
    return es_reply(es_am_ok);
}

/* ------------------------------------------------------------ the server */

static es_answer controller_init(controller *c, es_term args)
{
    (void)args;
    c->stopper = es_none();
    return es_ok();
}

static es_answer of_pid(controller *c, es_pid leader)
{
    const struct app *app = app_of_master(c, leader);
    return es_reply(app ? es_from_atom(app->name) : es_from_atom(es_am_undefined));
}

static es_answer load_only(controller *c, es_atom name)
{
    es_term fault = es_none();
    if (app_named(c, name))
        return es_reply(ES_TUPLE(es_am_error, ES_TUPLE(already_loaded, name)));
    return load(c, name, &fault) ? es_reply(es_am_ok) : es_reply(ES_TUPLE(es_am_error, fault));
}

static es_answer unload_one(controller *c, es_atom name)
{
    struct app *app = app_named(c, name);
    if (!app)
        return es_reply(ES_TUPLE(es_am_error, ES_TUPLE(es_am_not_found, name)));
    if (app->state != APP_LOADED)
        return es_reply(ES_TUPLE(es_am_error, ES_TUPLE(es_am_running, name)));
    unload(c, app);
    return es_reply(es_am_ok);
}

static bool is_running(controller *c, es_atom name)
{
    const struct app *app = app_named(c, name);
    return app && app->state == APP_RUNNING;
}

static es_answer controller_call(controller *c, es_term request, es_from from)
{
    es_atom name;
    es_term key, value;
    es_pid pid;
    int64_t type;
    if (es_match(request, ES_TUPLE(es_am_start, &name, &type)))
        return start(c, name, type, from);
    if (es_match(request, ES_TUPLE(es_am_stop, &name)))
        return stop(app_named(c, name), from);
    if (es_match(request, ES_TUPLE(give_up, &name)))
        return give_up_start(app_named(c, name));
    if (es_match(request, ES_TUPLE(runs, &name)))
        return es_reply(is_running(c, name));
    if (es_match(request, ES_TUPLE(of, &pid)))
        return of_pid(c, pid);
    if (es_match(request, ES_TUPLE(env, &name, &key)))
        return get_setting(c, name, key);
    if (es_match(request, ES_TUPLE(set_env, &name, &key, &value)))
        return set_setting(c, name, key, value);
    if (es_match(request, ES_TUPLE(es_am_load, &name)))
        return load_only(c, name);
    if (es_match(request, ES_TUPLE(es_am_unload, &name)))
        return unload_one(c, name);
    if (es_is(request, stop_all) && es_is_none(c->stopper)) {
        c->stopper = es_keep(from);
        stop_next(c);
        return es_noreply();
    }
    return es_unknown(request);
}

static es_answer controller_cast(controller *c, es_term message)
{
    es_atom name;
    es_pid first;
    if (es_match(message, ES_TUPLE(es_am_started, &name))) {
        struct app *app = app_named(c, name);
        if (app && app->state == APP_STARTING) {
            app->state = APP_RUNNING;
            to_front(c, app);
            answer_asker(app, ES_T(es_am_ok));
        }
        stop_next(c);
        return es_noreply();
    }
    if (es_match(message, ES_TUPLE(start_up, &first))) {
        c->first = first;
        return es_noreply();
    }
    return es_unknown(message);
}

static es_answer controller_info(controller *c, es_term message)
{
    es_ref monitor;
    es_term reason;
    if (es_is(message, node_ends))
        es_halt(1);
    if (!es_match(message, ES_TUPLE(es_am_DOWN, &monitor, ES_ANY, ES_ANY, &reason)))
        return es_unknown(message);
    struct app *app = app_of_monitor(c, monitor);
    if (app)
        master_ended(c, app, reason);
    return es_noreply();
}
ES_SERVER(controller_server, controller, .init = controller_init, .call = controller_call,
          .cast = controller_cast, .info = controller_info);

es_pid esi_application_controller(void)
{
    es_pid pid = es_whereis(application_controller);
    while (es_pid_is_none(pid)) {
        es_err error =
            es_try_start(ES_WITH(.name = "application_controller"), &controller_server, 0, &pid, NULL);
        if (error == ES_ETAKEN)
            pid = es_whereis(application_controller);
        else if (error != ES_OK)
            es_exit(es_am_system_limit);
    }
    return pid;
}
