/* ask.c - what others ask of a supervisor. */
#include <engset/link.h>
#include <engset/match.h>
#include <engset/supervisor.h>
#include "proc/call.h"
#include "proc/enter.h"
#include "proc/memory.h"
#include "supervise/spec.h"

/* Does that one wait for the calling process to be ready? Then it will not answer before. */
static bool waits_for_us(es_term supervisor)
{
    es_pid pid;
    es_atom name;
    struct esi_process *self = esi_enter();
    if (!self)
        return false;
    uint64_t starter = self->is_born_serving ? self->serving.caller : 0;
    esi_leave();
    if (es_get_atom(supervisor, &name))
        pid = es_whereis(name);
    else if (!es_get_pid(supervisor, &pid))
        return false;
    return starter && pid.id == starter;
}

static es_err ask(es_term supervisor, es_literal request, es_term *answer)
{
    if (waits_for_us(supervisor))
        return es_fail(
            ES_EDEADLK,
            "supervisor: it waits until the caller, its own child, is ready, and cannot answer before");
    return esi_try_call(supervisor, es_lend(request), ES_INFINITY, answer);
}

/* {error, Why}: which error, and the reason to `*why`. `may_be_fault`: a spec was sent, which may make no sense. */
static es_err refused(es_term answer, bool may_be_fault, es_term *why)
{
    es_term reason;
    if (!es_match(answer, ES_TUPLE(es_am_error, &reason)))
        return ES_OK;
    bool is_spec_fault = may_be_fault && esi_is_child_fault(reason);
    es_err error = es_match(reason, ES_TUPLE(es_am_already_started, ES_ANY)) ||
                           es_is(reason, es_am_already_present) || es_is(reason, es_am_running)
                       ? ES_EEXIST
                   : es_is(reason, es_am_restarting)         ? ES_EBUSY
                   : es_is(reason, es_am_system_limit)       ? ES_ENOMEM
                   : es_is(reason, es_am_not_found)          ? ES_ENOTFOUND
                   : es_is(reason, es_am_simple_one_for_one) ? ES_EINVAL
                   : is_spec_fault                           ? ES_EINVAL
                                                             : ES_ECLOSED;
    if (why)
        *why = esi_keep_reason(reason);
    char text[128];
    es_print(text, sizeof text, reason);
    return es_fail(error, "supervisor: %s", text);
}

static es_err started(es_err error, es_term answer, bool may_be_fault, es_pid *out, es_term *why)
{
    es_pid pid = ES_NO_PID;
    es_term info;
    if (why)
        *why = es_none();
    if (error == ES_OK)
        error = refused(answer, may_be_fault, why);
    if (error == ES_OK && es_match(answer, ES_TUPLE(es_am_ok, ES_ANY, &info)) && why)
        *why = esi_keep_reason(info);
    if (error == ES_OK && !es_match(answer, ES_TUPLE(es_am_ok, &pid)) &&
        !es_match(answer, ES_TUPLE(es_am_ok, &pid, ES_ANY)))
        error = es_fail(ES_EIGNORE, "supervisor: init did not want to run");
    if (out)
        *out = pid;
    es_drop(answer);
    return error;
}

es_err esi_start_child(es_term supervisor, es_term args, es_pid *out, es_term *why)
{
    es_term answer = es_none();
    es_err error = ask(supervisor, ES_TUPLE(es_am_start_child, args), &answer);
    return started(error, answer, false, out, why);
}

es_err esi_add_child(es_term supervisor, const es_child_spec *spec, es_pid *out, es_term *why)
{
    es_term answer = es_none();
    size_t size;
    void *packed = esi_spec_pack(spec, &size);
    es_err error = packed ? ask(supervisor, ES_TUPLE(es_am_start_child, es_bytes(packed, size)), &answer)
                          : es_fail(ES_ENOMEM, "supervisor: no memory to say which child");
    es_free(packed);
    return started(error, answer, true, out, why);
}

es_err esi_child_call(es_term supervisor, es_atom what, es_term id, es_term *out)
{
    es_term answer = es_none();
    es_err error =
        es_is_none(id) ? ask(supervisor, ES_T(what), &answer) : ask(supervisor, ES_TUPLE(what, id), &answer);
    if (error == ES_OK)
        error = refused(answer, false, NULL);
    if (error == ES_OK && out)
        *out = answer;
    else
        es_drop(answer);
    return error;
}

es_err esi_count_children(es_term supervisor, es_child_counts *out)
{
    es_term answer = es_none();
    es_err error = ask(supervisor, ES_T(es_am_count_children), &answer);
    if (error == ES_OK &&
        !es_match(answer, ES_LIST(ES_TUPLE(ES_ANY, &out->specs), ES_TUPLE(ES_ANY, &out->active),
                                  ES_TUPLE(ES_ANY, &out->supervisors), ES_TUPLE(ES_ANY, &out->workers))))
        error = es_fail(ES_EPROTO, "count_children: that is no supervisor's answer");
    es_drop(answer);
    return error;
}
