/* sys.c - what a behaviour's process answers to {system, From, Request}: Erlang's own messages, which a real node's sys and observer send, too.
 *
 * Suspended, it looks at nothing but such requests and its parent's end; it keeps a stack meanwhile. Source: OTP sys. */
#include <engset/receive.h>
#include <engset/link.h>
#include <engset/sys.h>
#include "behaviour/debug.h"
#include "behaviour/gen.h"
#include "behaviour/surely.h"
#include "link/monitor.h"
#include "proc/call.h"
#include "proc/enter.h"
#include "proc/memory.h"

ES_ATOMS(unknown_system_msg, replace_state_with, not_suspended, bad_state, heartbeat);

static bool is_suspended(const struct esi_gen *gen)
{
    return gen->more && gen->more->is_suspended;
}

static es_atom status_of(const struct esi_gen *gen)
{
    return is_suspended(gen) ? es_am_suspended : es_am_running;
}

/* What finds no memory is answered {error, system_limit}, if need be a little later: who asked waits for it. */
static void tell(es_from from, es_literal x)
{
    if (es_reply_to(from, x) == ES_ENOMEM)
        ESI_SURELY(es_reply_to(from, ES_TUPLE(es_am_error, es_am_system_limit)));
}
#define TELL(from, x) tell((from), ES_T(x))

static void get_state(struct esi_gen *gen, es_from from)
{
    es_term state = gen->kind->state(gen, es_am_normal);
    TELL(from, es_is_none(state) ? es_from_atom(es_am_undefined) : state);
    es_drop(state);
}

/* What was done is told as done. */
static void tell_ok(es_from from)
{
    ESI_SURELY(es_reply_to(from, es_am_ok));
}

static void replace_state(struct esi_gen *gen, es_from from, es_term new)
{
    es_err error = gen->kind->replace_state(gen, new);
    if (error == ES_OK)
        tell_ok(from);
    else if (error == ES_ENOMEM)
        TELL(from, ES_TUPLE(es_am_error, es_am_system_limit));
    else
        TELL(from, ES_TUPLE(es_am_error, ES_TUPLE(bad_state, new)));
}

/* {status, Pid, {module, Mod}, [PDict, SysState, Parent, Debug, Misc]} */
static void get_status(struct esi_gen *gen, es_from from)
{
    es_atom name = es_am_undefined, kind = es_am_undefined;
    es_info info;
    (void)!es_atom_make(gen->behaviour->name, strlen(gen->behaviour->name), &name);
    (void)!es_atom_make(gen->kind->name, strlen(gen->kind->name), &kind);
    (void)!es_process_info(es_self(), &info);
    es_term state = gen->kind->state(gen, es_am_normal);
    TELL(from,
         ES_TUPLE(es_am_status, es_self(), ES_TUPLE(es_am_module, kind),
                  ES_LIST(es_nil(), status_of(gen), info.parent, es_nil(),
                          ES_LIST(ES_TUPLE(es_am_module, name),
                                  ES_TUPLE(es_am_state,
                                           es_is_none(state) ? es_from_atom(es_am_undefined) : state)))));
    es_drop(state);
}

static void change_code(struct esi_gen *gen, es_from from, es_term old, es_term extra)
{
    if (!is_suspended(gen)) {
        TELL(from, ES_TUPLE(es_am_error, not_suspended));
        return;
    }
    es_err error = gen->kind->code_change(gen, old, extra);
    if (error == ES_OK)
        tell_ok(from);
    else
        TELL(from, ES_TUPLE(es_am_error, es_strerror(error)));
}

static void set_suspended(struct esi_gen *gen, es_from from, bool is_suspended)
{
    struct esi_gen_more *more = esi_gen_try_more(gen);
    if (more) {
        more->is_suspended = is_suspended;
        if (!is_suspended)
            esi_gen_less(gen);
        tell_ok(from);
    } else {
        TELL(from, ES_TUPLE(es_am_error, es_am_system_limit));
    }
}

bool esi_gen_is_heartbeat(es_term request)
{
    return es_is(request, heartbeat);
}

static void answer(struct esi_gen *gen, es_from from, es_term request)
{
    es_term a, b;
    if (es_is(request, es_am_suspend)) {
        set_suspended(gen, from, true);
    } else if (es_is(request, es_am_resume)) {
        set_suspended(gen, from, false);
    } else if (esi_gen_is_heartbeat(request)) {
        tell_ok(from);
    } else if (es_is(request, es_am_get_state)) {
        get_state(gen, from);
    } else if (es_is(request, es_am_get_status)) {
        get_status(gen, from);
    } else if (es_match(request, ES_TUPLE(replace_state_with, &a))) {
        replace_state(gen, from, a);
    } else if (es_match(request, ES_TUPLE(es_am_change_code, ES_ANY, &a, &b))) {
        change_code(gen, from, a, b);
    } else if (es_match(request, ES_TUPLE(es_am_debug, &a))) {
        esi_debug_ask(gen, from, a);
    } else if (es_match(request, ES_TUPLE(es_am_terminate, &a))) {
        es_term reason = es_keep(a);
        tell_ok(from);
        esi_gen_stop(gen, reason);
    } else {
        TELL(from, ES_TUPLE(es_am_error, ES_TUPLE(unknown_system_msg, request)));
    }
}

es_pid esi_gen_parent(const struct esi_gen *gen)
{
    struct esi_process *self = esi_enter();
    es_pid parent = {.id = gen->has_parent ? self->parent : 0};
    esi_leave();
    return parent;
}

void esi_gen_system(struct esi_gen *gen, es_from from, es_term request)
{
    es_pid parent = esi_gen_parent(gen);
    answer(gen, from, request);
    while (is_suspended(gen)) {
        es_term reason;
        es_receive {
            es_case(ES_TUPLE(es_am_system, &from, &request))
                answer(gen, from, request);
            es_case_when(ES_TUPLE(es_am_EXIT, parent, &reason), gen->has_parent)
                esi_gen_stop(gen, es_keep(reason));
            es_case_when(ES_TUPLE(es_am_EXIT, es_am_undefined, es_am_shutdown), !gen->has_parent)
                esi_gen_stop(gen, es_from_atom(es_am_shutdown)); /* the node stops */
        }
    }
}

/* ------------------------------------------------------------ who asks */

enum { SYS_TIMEOUT_MS = 5000 };

static es_err ask(es_term to, es_term request, es_term *out)
{
    return esi_try_call_as(es_from_atom(es_am_system), to, request, SYS_TIMEOUT_MS, out);
}

/* {error, Reason}, or what was asked for. */
static es_err result(es_err error, es_term got, es_term *out)
{
    if (error != ES_OK)
        return error;
    es_term value;
    if (es_match(got, ES_TUPLE(es_am_error, &value)))
        error = es_is(value, es_am_system_limit) ? es_fail(ES_ENOMEM, "sys: the process found no memory")
                                                 : es_fail(ES_EINVAL, "sys: the process refused");
    if (error == ES_OK && out)
        *out = got;
    else
        es_drop(got);
    return error;
}

es_err esi_sys_ask(es_term to, es_term request, es_term *out)
{
    es_term got = es_none();
    es_err error = ask(to, request, &got);
    if (error == ES_ECLOSED)
        es_drop(got);
    return result(error, got, out);
}

es_err esi_sys_replace_state(es_term to, es_term state)
{
    return esi_sys_ask(to, es_lend(ES_TUPLE(replace_state_with, state)), NULL);
}

es_err esi_sys_change_code(es_term to, es_term old, es_term extra)
{
    return esi_sys_ask(to, es_lend(ES_TUPLE(es_am_change_code, es_am_undefined, old, extra)), NULL);
}

/* ------------------------------------------------------------ stopping */

ES_ATOMS(stop_is_over);

static es_err wait_for_end(es_ref monitor, es_term wanted, int64_t timeout_ms)
{
    es_term reason;
    es_err error = ES_OK;
    es_receive {
        es_case(ES_TUPLE(es_am_DOWN, monitor, ES_ANY, ES_ANY, &reason))
            if (!es_equal(reason, wanted)) {
                char text[96];
                es_print(text, sizeof text, reason);
                error = es_fail(ES_ECLOSED, "stop: it ended with %s", text);
            }
        es_after(timeout_ms) {
            es_demonitor(monitor, ES_DEMONITOR_FLUSH);
            error = es_fail(ES_ETIMEOUT, "stop: it is still there");
        }
    }
    return error;
}

/* Its answer is for an alias that nobody has, and so never comes: the end is what is waited for. */
static es_err ask_to_end(es_pid pid, es_ref monitor, es_term reason)
{
    es_err error = es_send(pid, ES_TUPLE(es_am_system, ES_TUPLE(es_self(), ES_CONS(es_am_alias, monitor)),
                                         ES_TUPLE(es_am_terminate, reason)));
    if (error != ES_OK)
        es_demonitor(monitor, ES_DEMONITOR_FLUSH);
    return error;
}

es_err esi_stop_process(es_term to, es_term reason, int64_t timeout_ms)
{
    es_pid pid;
    es_atom name;
    if (es_pid_is_none(es_self()))
        return es_fail(ES_ENOPROC, "stop: only a process may wait for another to end");
    if (!es_get_pid(to, &pid) && !(es_get_atom(to, &name) && !es_pid_is_none(pid = es_whereis(name))))
        return es_fail(ES_ECLOSED, "stop: nobody has that name");
    es_ref monitor;
    es_err error = esi_monitor_try(pid, &monitor);
    if (error == ES_OK)
        error = ask_to_end(pid, monitor, reason);
    if (error != ES_OK)
        return es_fail(error, "stop: no memory to ask it");
    return wait_for_end(monitor, reason, timeout_ms);
}
