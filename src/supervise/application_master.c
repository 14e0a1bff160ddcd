/* application_master.c - who stands for one application: starts its tree, is the group leader of all in it, and stops it. */
#include <engset/link.h>
#include <engset/receive.h>
#include <string.h>
#include "behaviour/surely.h"
#include "supervise/application.h"

ES_ATOMS(ended, phase, no_such_application);

static es_term args_of(const es_application *a)
{
    es_term args = es_nil();
    if (a->args && es_parse_term(a->args, &args) != ES_OK)
        es_exit(ES_TUPLE(es_am_badarg, es_last_detail()));
    return args;
}

static es_pid start_top(const es_application *a)
{
    es_started top = {.pid = ES_NO_PID, .info = es_none()};
    es_term args = args_of(a);
    es_err error = a->start ? a->start(args, &top)
                            : es_try_start(ES_WITH(.link = true), a->supervisor, args, &top.pid, &top.info);
    if (error == ES_OK && !es_pid_is_none(top.pid))
        return top.pid;
    if (error == ES_OK)
        es_exit(ES_TUPLE(es_am_badarg, es_am_start));
    if (es_is_none(top.info))
        es_exit(ES_TUPLE(es_am_error, es_strerror(error)));
    esi_exit(top.info);
}

/* Its own children know how long they may take. */
static void shut_down(es_pid top)
{
    es_ref monitor = es_monitor(top);
    es_unlink(top);
    ESI_SURELY(es_send_exit(top, es_am_shutdown));
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, monitor, ES_ANY, ES_ANY, ES_ANY)) {
        }
}

static void run_phases(const es_application *a, es_pid top)
{
    for (int64_t i = 0; i < a->phase_count; i++) {
        es_err error = a->phases[i].run();
        if (error == ES_OK)
            continue;
        shut_down(top);
        es_exit(ES_TUPLE(phase, a->phases[i].name, es_strerror(error)));
    }
}

static ES_NORETURN void stop(const es_application *a, es_pid top)
{
    if (a->prep_stop)
        a->prep_stop();
    shut_down(top);
    if (a->stop)
        a->stop();
    es_exit(es_am_shutdown);
}

/* Its tree ended by itself, with a reason that is the word that comes back. */
static ES_NORETURN void top_ended(const es_application *a, es_term reason)
{
    es_term why = es_keep(reason);
    if (a->stop)
        a->stop();
    es_exit(ES_TUPLE(ended, why));
}

static const es_application *application_of(es_atom name)
{
    const es_application *a = esi_application_find(es_atom_text(name));
    if (!a)
        es_exit(no_such_application);
    return a;
}

void esi_application_master(es_term args)
{
    es_atom name = es_am_undefined;
    es_pid controller = ES_NO_PID;
    es_term reason;
    (void)!es_match(args, ES_TUPLE(&name, &controller));
    const es_application *a = application_of(name);
    es_trap_exit(true);
    es_label("application %.16s", a->name);
    es_set_group_leader(es_self(), es_self());
    es_ref watch = es_monitor(controller);
    es_pid top = start_top(a);
    run_phases(a, top);
    ESI_SURELY(es_cast(controller, ES_TUPLE(es_am_started, name)));
    for (;;)
        es_receive {
            es_case(es_am_stop)
                stop(a, top);
            es_case(ES_TUPLE(es_am_EXIT, top, &reason))
                top_ended(a, reason);
            es_case(ES_TUPLE(es_am_EXIT, es_am_undefined, es_am_shutdown)) /* the node stops */
                stop(a, top);
            es_case(ES_TUPLE(es_am_DOWN, watch, ES_ANY, ES_ANY, ES_ANY)) /* nobody knows of it any more */
                stop(a, top);
            es_case(ES_TUPLE(es_am_EXIT, ES_ANY, ES_ANY)) {
            }
        }
}
