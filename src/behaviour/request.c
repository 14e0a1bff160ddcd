/* request.c - see engset/request.h: a request is a monitor whose reference is the way back too. Sets of them are in requests.c. */
#include <engset/request.h>

#include <engset/link.h>
#include <engset/receive.h>
#include "behaviour/request.h"
#include "proc/process.h"

ES_ATOMS(send_request, multi_call);

/* ------------------------------------------------------------ one */

static es_ref watch(es_term to)
{
    const es_monitor_options options = {.alias = ES_ALIAS_REPLY_DEMONITOR};
    es_pid pid;
    es_atom name, node;
    if (es_get_pid(to, &pid))
        return esi_monitor_pid(pid, &options);
    if (es_get_atom(to, &name))
        return esi_monitor_name(name, &options);
    if (es_match(to, ES_TUPLE(&name, &node)))
        return esi_monitor_at(ES_AT(name, node), &options);
    es_exit(ES_TUPLE(es_am_badarg, send_request));
}

es_request esi_send_request(es_term to, es_term request)
{
    if (es_pid_is_none(es_self()))
        return (es_request){0};
    es_ref ref = watch(to);
    es_err error = esi_send_term(
        to, es_lend(ES_TUPLE(es_am_gen_call, ES_TUPLE(es_self(), ES_CONS(es_am_alias, ref)), request)));
    if (error == ES_ENOMEM)
        es_exit(es_am_system_limit);
    return (es_request){ref}; /* nobody has that name: the monitor says so */
}

void esi_request_abandon(es_request request)
{
    es_demonitor(request.ref, ES_DEMONITOR_FLUSH);
}

es_err esi_check_response(es_term message, es_request request, es_term *out)
{
    es_term answer;
    if (es_match(message, ES_TUPLE(ES_CONS(es_am_alias, request.ref), &answer))) {
        *out = es_keep(answer);
        return ES_OK;
    }
    if (es_match(message, ES_TUPLE(es_am_DOWN, request.ref, es_am_process, ES_ANY, &answer))) {
        *out = es_keep(answer);
        return es_fail(ES_ECLOSED, "response: who was asked is not there, or ended");
    }
    return ES_ENOTFOUND;
}

static es_err wait(es_request request, int64_t timeout_ms, es_term *out)
{
    es_term answer;
    es_err error = ES_OK;
    es_receive {
        es_case(ES_TUPLE(ES_CONS(es_am_alias, request.ref), &answer))
            *out = es_keep(answer);
        es_case(ES_TUPLE(es_am_DOWN, request.ref, es_am_process, ES_ANY, &answer)) {
            *out = es_keep(answer);
            error = es_fail(ES_ECLOSED, "response: who was asked is not there, or ended");
        }
        es_after(timeout_ms)
            error = es_fail(ES_ETIMEOUT, "response: no answer in time");
    }
    return error;
}

es_err es_wait_response(es_request request, int64_t timeout_ms, es_term *out)
{
    if (es_pid_is_none(es_self()))
        return es_fail(ES_ENOPROC, "response: only a process may wait for it");
    return wait(request, timeout_ms, out);
}

es_err es_receive_response(es_request request, int64_t timeout_ms, es_term *out)
{
    es_err error = es_wait_response(request, timeout_ms, out);
    if (error != ES_ETIMEOUT)
        return error;
    esi_request_abandon(request);
    return wait(request, 0, out); /* it may have come just now */
}

/* ------------------------------------------------------------ the same of many nodes */

/* `head` before `*list`, which is the caller's own. */
static void put_before(es_term head, es_term *list)
{
    es_term rest = *list;
    *list = es_keep(ES_CONS(head, rest));
    es_drop(rest);
}

/* Takes the answers, the last node's first, so that the lists are in the order of the nodes. */
static es_term collect(const es_atom *nodes, const es_request *requests, int64_t count, uint64_t deadline_ns)
{
    es_term replies = es_nil(), bad = es_nil();
    for (int64_t i = count - 1; i >= 0; i--) {
        es_term answer = es_none();
        if (es_receive_response(requests[i], esi_ms_until(deadline_ns), &answer) == ES_OK)
            put_before(es_lend(ES_TUPLE(nodes[i], answer)), &replies);
        else
            put_before(es_from_atom(nodes[i]), &bad);
        es_drop(answer);
    }
    es_term both = es_keep(ES_TUPLE(replies, bad));
    es_drop(replies);
    es_drop(bad);
    return both;
}

es_term esi_multi_call(es_term nodes, es_atom name, es_term request, int64_t timeout_ms)
{
    if (es_pid_is_none(es_self()))
        return es_none();
    int64_t count = es_list_length(nodes), i = 0;
    if (count < 0)
        es_exit(ES_TUPLE(es_am_badarg, multi_call));
    uint64_t deadline_ns = esi_deadline_in_ms(timeout_ms);
    es_atom *names = es_alloc((size_t)count * sizeof *names);
    es_request *requests = es_alloc((size_t)count * sizeof *requests);
    for (es_term head; es_get_cons(nodes, &head, &nodes); i++)
        if (!es_get_atom(head, &names[i]))
            es_exit(ES_TUPLE(es_am_badarg, multi_call));
    for (i = 0; i < count; i++)
        requests[i] = es_send_request(ES_TUPLE(name, names[i]), request);
    es_term both = collect(names, requests, count, deadline_ns);
    es_free(names);
    es_free(requests);
    return both;
}
