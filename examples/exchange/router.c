/* exchange/router.c - who gets a message: the leg that has its Call-ID, the registrar, or a new call.
 *
 * The router has no state: the directory knows who has which Call-ID, the registrar who is where. So there is nothing to save when it crashes. */
#include "exchange.h"

ES_ATOMS(find, registrar, directory, begun, board, shut, call);

enum { CALLS_MAX = 16000 };

typedef struct {
    bool is_closed; /* no new calls: the exchange is about to end */
} router;

static es_pid who_has(const char *call_id)
{
    es_pid pid = ES_NO_PID;
    es_term answer = exchange_ask(directory, ES_TUPLE(find, call_id));
    (void)!es_match(answer, &pid);
    es_drop(answer);
    return pid;
}

/* The call in a family that has just been started; the family starts it first. */
static es_pid call_of(es_pid family)
{
    es_term children = es_nil();
    es_pid pid = ES_NO_PID;
    if (es_which_children(family, &children) == ES_OK)
        (void)!es_match(children, ES_LIST(ES_TUPLE(call, &pid, ES_ANY, ES_ANY)));
    es_drop(children);
    return pid;
}

/* A supervisor that is just being restarted starts nobody: the INVITE is dropped, and will be repeated. */
static void begin_call(parcel *invite)
{
    const struct sip_message *m = parcel_message(invite);
    es_pid part = es_partition(&calls_supervisor, m->head.call_id), family = ES_NO_PID, pid = ES_NO_PID;
    es_err error =
        es_pid_is_none(part) ? es_last_error() : es_start_child(part, m->head.call_id, &family, NULL);
    if (error == ES_OK)
        pid = call_of(family);
    else if (error != ES_ECLOSED)
        exchange_answer(m, 503, NULL, -1);
    if (es_pid_is_none(pid)) {
        es_free(invite);
        return;
    }
    es_cast(directory, ES_TUPLE(begun, m->head.call_id, pid));
    es_send(board, begun);
    es_give(pid, invite);
}

/* A request that belongs to no process. */
static void on_stray(parcel *p)
{
    const struct sip_message *m = parcel_message(p);
    switch (m->method) {
    case SIP_INVITE: /* a new call that cannot be, or a change of one that is not there */
        exchange_answer(m, m->to_tag[0] == '\0' ? 503 : 481, NULL, -1);
        break;
    case SIP_REGISTER:
        exchange_give(registrar, p);
        return;
    case SIP_OPTIONS:
        exchange_answer(m, 200, NULL, -1);
        break;
    case SIP_BYE:
    case SIP_CANCEL:
        exchange_answer(m, 481, NULL, -1);
        break;
    case SIP_ACK:
        break;
    case SIP_OTHER:
        exchange_answer(m, 501, NULL, -1);
        break;
    }
    es_free(p);
}

static bool may_begin(const router *self, const struct sip_message *m)
{
    return m->method == SIP_INVITE && m->to_tag[0] == '\0' && !self->is_closed &&
           es_members(exchange_calls, NULL, 0) < CALLS_MAX;
}

static void on_message(const router *self, parcel *p)
{
    const struct sip_message *m = parcel_message(p);
    es_pid pid = who_has(m->head.call_id);
    if (!es_pid_is_none(pid))
        es_give(pid, p);
    else if (m->status != 0)
        es_free(p); /* an answer that nobody waits for any more */
    else if (may_begin(self, m))
        begin_call(p);
    else
        on_stray(p);
}

static es_answer router_info(router *self, es_term message)
{
    parcel *p = es_struct_of(parcel, message);
    if (!p)
        return es_unknown(message);
    on_message(self, p);
    return es_noreply();
}

static es_answer router_call(router *self, es_term request, es_from from)
{
    (void)from;
    if (!es_is(request, shut))
        return es_unknown(request);
    self->is_closed = true;
    return es_reply(es_am_ok);
}

ES_SERVER(router_server, router, .info = router_info, .call = router_call);
