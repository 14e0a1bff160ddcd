/* oracle/behaviour_steps.c - what the steps do that start behaviours and ask them, each by the function of Engset that stands for the one of Erlang. */
#include <engset/application.h>
#include <engset/request.h>
#include <engset/receive.h>
#include <engset/sys.h>
#include "oracle.h"
#include "words.h"

ES_ATOMS(ok, name, args, restart, significant, none, transient, permanent);
ES_ATOM(time_word, "time");
ES_ATOM(shutdown_word, "shutdown");
ES_ATOM(type_word, "type");

/* What failed, and why. */
static struct answer failed(es_err err, es_term why)
{
    es_term error = atom_named(es_err_name(err));
    return (struct answer){es_is_none(why) ? error : pair(error, why), true};
}

/* An es_err, with what it gave when it is ES_OK or a reason when it is not. */
static struct answer gave(es_err err, es_term value)
{
    if (err == ES_OK)
        return answer(value);
    return failed(err, value);
}

/* What a caller may get wrong at all, is an answer. */
static struct answer not_fatal(struct answer a)
{
    a.is_error = false;
    return a;
}

/* ---- starting and stopping ---- */

static es_term option_of(es_term options, es_atom key)
{
    es_term one, value;
    while (es_get_cons(options, &one, &options))
        if (es_match(one, ES_TUPLE(key, &value)))
            return value;
    return es_none();
}

static struct answer start_plain(const es_spawn_options *options, es_term args)
{
    es_term what = es_none();
    es_err err = es_start_function(options, play_started, args, &what);
    return not_fatal(gave(err, what));
}

static struct answer start_behaviour(struct script *s, const es_spawn_options *options, es_term role,
                                     es_term start_with)
{
    const es_behaviour *behaviour = behaviour_of(role);
    es_term why = es_none();
    es_pid started = ES_NO_PID;
    es_err err = es_try_start(options, behaviour, start_with, &started, &why);
    if (err != ES_OK)
        return not_fatal(failed(err, why));
    es_term who = es_keep(started);
    if (behaviour == &es_event_manager)
        announce(s->recorder, role, who, true);
    return answer(pair(es_from_atom(ok), options->monitor ? pair(who, es_keep(*options->monitor)) : who));
}

/* {start, Role}, {start, Role, Options}: name, time, args, link, monitor. */
static struct answer start_with(struct script *s, const struct words *w, bool is_linked, bool is_monitored)
{
    es_ref ref_of_it = {0};
    es_spawn_options options = {.link = is_linked, .monitor = is_monitored ? &ref_of_it : NULL};
    es_term role = w->at[0], more = w->count == 2 ? value_of(s, w->at[1]) : es_nil(), word;
    if (!es_is_none(word = option_of(more, name)))
        options.name = es_atom_text(atom(word));
    if (!es_is_none(word = option_of(more, time_word)))
        options.start_timeout_ms = integer(word);
    word = option_of(more, args);
    es_term start_args_ = start_args(s, role, es_is_none(word) ? es_nil() : word);
    if (es_is_list(script_of(role)))
        return start_plain(&options, start_args_);
    return start_behaviour(s, &options, role, start_args_);
}

static struct answer do_start(struct script *s, const struct words *w)
{
    return start_with(s, w, false, false);
}

static struct answer do_start_link(struct script *s, const struct words *w)
{
    return start_with(s, w, true, false);
}

static struct answer do_start_monitor(struct script *s, const struct words *w)
{
    return start_with(s, w, false, true);
}

static struct answer do_init_ack(struct script *s, const struct words *w)
{
    (void)s;
    es_init_ack(w->at[0]);
    return is(ok);
}

/* The reason at the end of "stop: it ended with …". */
static es_term reason_in_detail(void)
{
    const char *with = strstr(es_last_detail(), " with ");
    es_term reason;
    return with && es_parse_term(with + strlen(" with "), &reason) == ES_OK ? reason : es_none();
}

/* {stop, To}, {stop, To, Reason}, {stop, To, Reason, Time}. */
static struct answer do_stop(struct script *s, const struct words *w)
{
    (void)s;
    es_term reason = w->count > 1 && !is_lie("reason") ? w->at[1] : es_from_atom(es_am_normal);
    es_err err = es_stop_process(w->at[0], reason, w->count > 2 ? integer(w->at[2]) : PATIENCE_MS);
    return err == ES_OK ? said(err) : failed(err, err == ES_ECLOSED ? reason_in_detail() : es_none());
}

/* ---- calls and casts ---- */

static int64_t patience(const struct words *w, int at)
{
    return w->count > at ? integer(w->at[at]) : PATIENCE_MS;
}

/* {call, To, Request}, {call, To, Request, Time}: in a `catch` what comes back as an error is the answer. */
static struct answer do_gen_call(struct script *s, const struct words *w)
{
    es_term out = es_none();
    if (!s->is_caught)
        return answer(es_call(w->at[0], w->at[1], patience(w, 2)));
    es_err err = es_try_call(w->at[0], w->at[1], patience(w, 2), &out);
    return err == ES_ETIMEOUT ? failed(err, es_none()) : gave(err, out);
}

static struct answer do_cast(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_cast(w->at[0], w->at[1]));
}

static struct answer do_reply(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_reply_to(w->at[0], w->at[1]));
}

static struct answer do_send_request(struct script *s, const struct words *w)
{
    (void)s;
    return answer(es_keep(es_send_request(w->at[0], w->at[1]).ref));
}

static struct answer response(es_err err, es_term out)
{
    if (err == ES_ETIMEOUT)
        return not_fatal(failed(err, es_none()));
    return not_fatal(gave(err, out));
}

static struct answer do_receive_response(struct script *s, const struct words *w)
{
    (void)s;
    es_term out = es_none();
    es_err err = es_receive_response((es_request){ref(w->at[0])}, integer(w->at[1]), &out);
    return response(err, out);
}

static struct answer do_wait_response(struct script *s, const struct words *w)
{
    (void)s;
    es_term out = es_none();
    es_err err = es_wait_response((es_request){ref(w->at[0])}, integer(w->at[1]), &out);
    return response(err, out);
}

static struct answer do_multi_call(struct script *s, const struct words *w)
{
    (void)s;
    return answer(es_multi_call(w->at[0], atom(w->at[1]), w->at[2], PATIENCE_MS));
}

static struct answer do_set(struct script *s, const struct words *w)
{
    (void)s;
    set_count(integer(w->at[0]));
    return is(ok);
}

/* ---- handlers of events ---- */

static struct answer do_add_handler(struct script *s, const struct words *w)
{
    es_term why = es_none();
    es_err err = es_event_add(w->at[0], handler_of(w->at[1]),
                              start_args(s, role_of_handler(w->at[1]), w->at[2]), &why);
    return not_fatal(err == ES_OK ? said(err) : failed(err, why));
}

static struct answer do_add_sup_handler(struct script *s, const struct words *w)
{
    es_term why = es_none();
    es_err err = es_event_add_supervised(w->at[0], handler_of(w->at[1]),
                                         start_args(s, role_of_handler(w->at[1]), w->at[2]), &why);
    return not_fatal(err == ES_OK ? said(err) : failed(err, why));
}

static struct answer do_delete_handler(struct script *s, const struct words *w)
{
    (void)s;
    es_term out = es_none();
    es_err err = es_event_delete(w->at[0], handler_of(w->at[1]), w->at[2], &out);
    return not_fatal(gave(err, out));
}

/* {swap_handler, Manager, Old, OldArgs, New, NewArgs}. */
static struct answer do_swap_handler(struct script *s, const struct words *w)
{
    es_term why = es_none();
    es_err err = es_event_swap(w->at[0], handler_of(w->at[1]), w->at[2], handler_of(w->at[3]),
                               start_args(s, role_of_handler(w->at[3]), w->at[4]), &why);
    return not_fatal(err == ES_OK ? said(err) : failed(err, why));
}

static struct answer do_swap_sup_handler(struct script *s, const struct words *w)
{
    es_term why = es_none();
    es_err err = es_event_swap_supervised(w->at[0], handler_of(w->at[1]), w->at[2], handler_of(w->at[3]),
                                          start_args(s, role_of_handler(w->at[3]), w->at[4]), &why);
    return not_fatal(err == ES_OK ? said(err) : failed(err, why));
}

static struct answer do_call_handler(struct script *s, const struct words *w)
{
    (void)s;
    es_term out = es_none();
    return not_fatal(gave(es_event_call(w->at[0], handler_of(w->at[1]), w->at[2], PATIENCE_MS, &out), out));
}

static struct answer do_notify(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_event_notify(w->at[0], w->at[1]));
}

static struct answer do_sync_notify(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_event_sync_notify(w->at[0], w->at[1]));
}

static struct answer do_which_handlers(struct script *s, const struct words *w)
{
    (void)s;
    es_term out = es_none();
    return gave(es_event_handlers(w->at[0], &out), out);
}

/* ---- supervisors ---- */

static struct answer child_started(es_err err, es_pid who, es_term why)
{
    if (err != ES_OK)
        return not_fatal(failed(err, why));
    if (es_is_none(why))
        return answer(pair(es_from_atom(ok), es_keep(who)));
    return answer(es_keep(ES_TUPLE(ok, who, why)));
}

/* {start_child, Sup, Settings}, or with {extra, Args} in place of them. */
static struct answer do_start_child(struct script *s, const struct words *w)
{
    (void)s;
    es_pid who = ES_NO_PID;
    es_term why = es_none(), extra;
    if (es_is_tuple(w->at[1])) {
        extra = es_tuple_get(w->at[1], 1);
        es_err err = es_start_child(w->at[0], extra, &who, &why);
        return child_started(err, who, why);
    }
    es_child_spec spec = child_spec_of(w->at[1]);
    es_err err = es_add_child(w->at[0], &spec, &who, &why);
    return child_started(err, who, why);
}

/* {start_and_kill, Sup, Role, Count}: so many children, and then all of them at once; how many there were. */
static struct answer do_start_and_kill(struct script *s, const struct words *w)
{
    (void)s;
    int64_t count = integer(w->at[2]), started = 0;
    es_pid *children = es_alloc((size_t)count * sizeof *children);
    for (int64_t i = 0; i < count; i++)
        started += es_start_child(w->at[0], w->at[1], &children[i], NULL) == ES_OK;
    for (int64_t i = 0; i < count; i++)
        es_send_exit(children[i], es_am_kill);
    return number(started);
}

static struct answer do_terminate_child(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_terminate_child(w->at[0], w->at[1]));
}

/* Erlang's answer holds the new pid, which is asked for here. */
static struct answer do_restart_child(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_restart_child(w->at[0], w->at[1]));
}

static struct answer do_delete_child(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_delete_child(w->at[0], w->at[1]));
}

static struct answer do_which_children(struct script *s, const struct words *w)
{
    (void)s;
    es_term out = es_none();
    return gave(es_which_children(w->at[0], &out), out);
}

static struct answer do_count_children(struct script *s, const struct words *w)
{
    (void)s;
    es_child_counts n;
    es_err err = es_count_children(w->at[0], &n);
    return err == ES_OK ? answer(es_keep(ES_LIST(n.specs, n.active, n.supervisors, n.workers)))
                        : failed(err, es_none());
}

static struct answer do_check_children(struct script *s, const struct words *w)
{
    (void)s;
    es_supervisor_spec spec = {.auto_shutdown = ES_SHUTDOWN_ON_ANY};
    es_term why;
    read_children(&spec, w->at[0]);
    es_err err = es_check_children(&spec);
    if (err == ES_OK)
        return said(err);
    return not_fatal(failed(
        err, es_parse_term(es_last_detail() + strlen("supervisor: "), &why) == ES_OK ? why : es_nil()));
}

/* What a child's settings are where none were given: [restart, shutdown, type, significant]. */
static struct answer do_child_settings(struct script *s, const struct words *w)
{
    (void)s;
    es_term settings, of[4];
    const es_atom keys[] = {restart, shutdown_word, type_word, significant};
    es_term whole = es_call(w->at[0], ES_TUPLE(atom_named("get_childspec"), w->at[1]), PATIENCE_MS);
    if (!es_match(whole, ES_TUPLE(ok, &settings)))
        return answer(whole);
    for (int i = 0; i < 4; i++)
        of[i] = es_map_get(settings, es_from_atom(keys[i]));
    return answer(es_keep(ES_LIST(of[0], of[1], of[2], of[3])));
}

/* ---- sys ---- */

static struct answer do_sys_suspend(struct script *s, const struct words *w)
{
    (void)s;
    return said(is_lie("suspend") ? ES_OK : es_sys_suspend(w->at[0]));
}

static struct answer do_sys_resume(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_sys_resume(w->at[0]));
}

static struct answer do_sys_get_state(struct script *s, const struct words *w)
{
    (void)s;
    es_term out = es_none();
    return gave(es_sys_get_state(w->at[0], &out), out);
}

static struct answer do_sys_replace_state(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_sys_replace_state(w->at[0], w->at[1]));
}

static struct answer do_sys_change_code(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_sys_change_code(w->at[0], es_am_undefined, w->at[1]));
}

/* {sup_change_code, Sup, Role, By}: its next version is what the role By says. */
static struct answer do_sup_change_code(struct script *s, const struct words *w)
{
    (void)s;
    set_next_version(&w->at[2]);
    es_err err = es_sys_change_code(w->at[0], es_am_undefined, es_am_undefined);
    set_next_version(NULL);
    return said(err);
}

/* ---- applications ---- */

static es_start_type start_type(const struct words *w)
{
    es_term word = w->count > 1 ? w->at[1] : es_none();
    return es_is(word, permanent)   ? ES_START_PERMANENT
           : es_is(word, transient) ? ES_START_TRANSIENT
                                    : ES_START_TEMPORARY;
}

static const char *app(const struct words *w)
{
    return es_atom_text(atom(w->at[0]));
}

static struct answer do_app_start(struct script *s, const struct words *w)
{
    (void)s;
    es_term why = es_none();
    es_err err = es_application_start(app(w), start_type(w), PATIENCE_MS, &why);
    return not_fatal(err == ES_OK ? said(err) : failed(err, why));
}

static struct answer do_app_ensure(struct script *s, const struct words *w)
{
    (void)s;
    es_term started = es_none();
    es_err err = es_application_ensure_started(app(w), start_type(w), PATIENCE_MS, &started);
    return not_fatal(err == ES_OK ? answer(pair(es_from_atom(ok), started)) : failed(err, es_none()));
}

static struct answer do_app_stop(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_application_stop(app(w), PATIENCE_MS));
}

static struct answer do_app_runs(struct script *s, const struct words *w)
{
    (void)s;
    return yes_or_no(es_application_runs(app(w)));
}

static struct answer do_app_load(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_application_load(app(w)));
}

static struct answer do_app_unload(struct script *s, const struct words *w)
{
    (void)s;
    return said(is_lie("unload") ? ES_OK : es_application_unload(app(w)));
}

static struct answer do_get_env(struct script *s, const struct words *w)
{
    (void)s;
    es_term out = es_none();
    es_err err = es_application_env(app(w), atom(w->at[1]), &out);
    return err == ES_OK ? answer(pair(es_from_atom(ok), out)) : said(err);
}

static struct answer do_set_env(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_application_set_env(app(w), atom(w->at[1]), w->at[2]));
}

static struct answer do_app_of(struct script *s, const struct words *w)
{
    (void)s;
    es_atom of = es_application_of(pid(w->at[0]));
    return of.w ? is(of) : is(none);
}

/* ---- which is which ---- */

static const struct step steps[] = {
    {"start", do_start, true},
    {"start_link", do_start_link, true},
    {"start_monitor", do_start_monitor, true},
    {"init_ack", do_init_ack, false},
    {"stop", do_stop, false},
    {"call", do_gen_call, false},
    {"cast", do_cast, false},
    {"reply", do_reply, false},
    {"send_request", do_send_request, false},
    {"receive_response", do_receive_response, false},
    {"wait_response", do_wait_response, false},
    {"multi_call", do_multi_call, false},
    {"set", do_set, false},
    {"add_handler", do_add_handler, false},
    {"add_sup_handler", do_add_sup_handler, false},
    {"delete_handler", do_delete_handler, false},
    {"swap_handler", do_swap_handler, false},
    {"swap_sup_handler", do_swap_sup_handler, false},
    {"call_handler", do_call_handler, false},
    {"notify", do_notify, false},
    {"sync_notify", do_sync_notify, false},
    {"which_handlers", do_which_handlers, false},
    {"start_child", do_start_child, false},
    {"start_and_kill", do_start_and_kill, false},
    {"terminate_child", do_terminate_child, false},
    {"restart_child", do_restart_child, false},
    {"delete_child", do_delete_child, false},
    {"which_children", do_which_children, false},
    {"count_children", do_count_children, false},
    {"check_children", do_check_children, false},
    {"child_settings", do_child_settings, false},
    {"sys_suspend", do_sys_suspend, false},
    {"sys_resume", do_sys_resume, false},
    {"sys_get_state", do_sys_get_state, false},
    {"sys_replace_state", do_sys_replace_state, false},
    {"sys_change_code", do_sys_change_code, false},
    {"sup_change_code", do_sup_change_code, false},
    {"app_start", do_app_start, false},
    {"app_ensure", do_app_ensure, false},
    {"app_stop", do_app_stop, false},
    {"app_runs", do_app_runs, false},
    {"app_load", do_app_load, false},
    {"app_unload", do_app_unload, false},
    {"app_get_env", do_get_env, false},
    {"app_set_env", do_set_env, false},
    {"app_of", do_app_of, false},
};

const struct step *behaviour_step_called(const char *name_of_it)
{
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (strcmp(steps[i].name, name_of_it) == 0)
            return &steps[i];
    return NULL;
}
