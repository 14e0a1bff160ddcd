/* start.c - starting a process and waiting until it is ready: it is born serving a call of its starter, whose answer is that it is, or why not. */
#include <engset/behaviour.h>
#include <engset/link.h>
#include <engset/receive.h>
#include "behaviour/surely.h"
#include "link/monitor.h"
#include "platform/clock.h"
#include "proc/call.h"
#include "proc/enter.h"
#include "proc/mailbox/message.h"
#include "proc/memory.h"

ES_ATOMS(ignore);

static uint64_t deadline_of(const es_spawn_options *options)
{
    return options && options->start_timeout_ms > 0 ? esi_deadline_in_ms(options->start_timeout_ms)
                                                    : ESI_NO_DEADLINE;
}

/* No EXIT of it is seen from here on. */
static void flush_exit(es_pid pid)
{
    ESI_SURELY(es_unlink(pid));
    es_receive {
        es_case(ES_TUPLE(es_am_EXIT, pid, ES_ANY)) {
        }
        es_after(0) {
        }
    }
}

/* Who has said that it ends is gone when this returns, and its name free: its answer comes before its end. */
static void await_end(es_pid pid)
{
    es_ref monitor;
    ESI_SURELY(esi_monitor_try(pid, &monitor));
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, monitor, ES_ANY, ES_ANY, ES_ANY)) {
        }
}

/* Who did not answer in time is gone when this returns, and its EXIT with it. (The link is there until it has been killed: nobody is left if
 * the caller ends in between.) */
static void end_unready(es_pid pid)
{
    ESI_SURELY(es_send_exit(pid, es_am_kill));
    flush_exit(pid);
    await_end(pid);
}

static es_err start(const es_spawn_options *options, void (*function)(es_term), es_term args, es_pid *out,
                    es_term *answer)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return esi_fail(NULL, ES_ENOPROC, "start: only a process may wait for another to be ready");
    struct esi_call call = {.reference = esi_reference_any()};
    es_pid pid = esi_spawn_serving(self, options, function, args, call.reference);
    if (es_pid_is_none(pid)) {
        esi_leave();
        return es_last_error();
    }
    call.server = pid.id;
    self->call = &call;
    es_err error = esi_call_await(self, &call, deadline_of(options));
    *answer = call.answer;
    *out = pid;
    esi_leave();
    if (error == ES_ECLOSED)
        await_end(pid);
    if (error == ES_ETIMEOUT) {
        end_unready(pid);
        es_fail(error, "start: it was not ready in time, and was ended");
    }
    return error;
}

es_err esi_start_function(const es_spawn_options *options, void (*function)(es_term), es_term args,
                          es_term *answer)
{
    es_pid pid;
    es_err error = start(options, function, args, &pid, answer);
    if (error == ES_ECLOSED) {
        if (options && options->link)
            flush_exit(pid);
        es_fail(error, "start: it ended before it was ready");
    }
    return error;
}

void esi_init_ack(es_term answer)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return;
    if (esi_answer_birth(self, answer) != ES_OK)
        esi_end_with(self, es_from_atom(es_am_system_limit));
    esi_leave();
}

/* {error, Reason}, ignore, or ok: what init's process told. */
static es_err told(es_term answer, es_term *why)
{
    es_term reason;
    if (es_is(answer, es_am_ok))
        return ES_OK;
    if (es_is(answer, ignore))
        return es_fail(ES_EIGNORE, "start: init did not want to run");
    if (es_match(answer, ES_TUPLE(es_am_error, &reason)) && why)
        *why = esi_keep_reason(reason);
    es_drop(answer);
    return es_fail(ES_ECLOSED, "start: init stopped");
}

static es_err name_is_taken(const es_spawn_options *options, es_term *why)
{
    es_atom name;
    if (why && es_atom_make(options->name, strlen(options->name), &name) == ES_OK)
        *why = esi_keep_reason(es_lend(ES_TUPLE(es_am_already_started, es_whereis(name))));
    return ES_ETAKEN;
}

es_err esi_start(const es_spawn_options *options, const es_behaviour *behaviour, es_term args, es_pid *out,
                 es_term *why)
{
    es_term answer = es_none();
    es_pid pid = ES_NO_PID;
    if (why)
        *why = es_none();
    es_err error = start(options, behaviour->main, args, &pid, &answer);
    if (error == ES_OK) {
        error = told(answer, why);
        if (error != ES_OK)
            await_end(pid);
    } else if (error == ES_ETAKEN) {
        return name_is_taken(options, why);
    } else if (error == ES_ECLOSED && why) {
        *why = answer;
    } else if (error == ES_ECLOSED) {
        es_drop(answer);
    }
    if (error == ES_OK)
        *out = pid;
    else if (!es_pid_is_none(pid) && options &&
             options->monitor) /* nobody is told of the end of who never was there */
        es_demonitor(*options->monitor, ES_DEMONITOR_FLUSH);
    return error;
}
