/* exchange/router.c - who gets a message: the leg that has its Call-ID, or a new call; and who is registered where.
 *
 * The router monitors every call and leg, so it is also the witness of their crashes. It never waits for one of them. */
#include "exchange.h"
#include "bugs.h"
#include "registrar.h"
#include "routes.h"

ES_ATOMS(announce, stop, crash, crashed, begun, over, lost, own, in, out);
ES_ATOM(of_call, "call");

enum { USERS = 2048, CALLS_MAX = 16000 };

struct desk {
    struct registrar registrar;
    struct routes *routes;
    int64_t calls;
    bool is_closed;
};

static void answer(const struct sip_message *m, uint16_t status, const char *contact, int32_t expires_s)
{
    char bytes[SIP_DATAGRAM_MAX];
    struct sip_response r = {
        .status = status, .head = &m->head, .to_tag = "router", .contact = contact, .expires_s = expires_s};
    exchange_send(m->head.reply_to, bytes, sip_write_response(&r, bytes, sizeof bytes));
}

static void begin_call(struct desk *d, parcel *invite)
{
    const struct sip_message *m = parcel_message(invite);
    const struct registrar_binding *b = registrar_find(&d->registrar, m->target.user, exchange_now_ms());
    char elsewhere[SIP_ESCAPED_MAX + 40], user[SIP_ESCAPED_MAX];
    struct sip_address at = b ? b->address : (struct sip_address){0};
    es_bin id = es_bytes(m->head.call_id, strlen(m->head.call_id));
    es_ref monitor;
    if (!b && exchange->uas_port) {
        at = (struct sip_address){exchange->address.ip, exchange->uas_port};
        snprintf(elsewhere, sizeof elsewhere, "sip:%s@127.0.0.1:%u", sip_escape(m->target.user, user),
                 exchange->uas_port);
    }
    es_pid pid = es_spawn_opt(ES_WITH(.monitor = &monitor, .label = "call"), call,
                              ES_TUPLE(b       ? b->contact
                                       : at.ip ? elsewhere
                                               : "",
                                       at.ip, at.port));
    if (es_pid_is_none(pid) || !routes_add(d->routes, id, pid, true)) {
        answer(m, 503, NULL, -1);
        es_send_exit(pid, es_am_shutdown);
        es_free(invite);
        return;
    }
    d->calls++;
    es_send(exchange->board, begun);
    es_give(pid, invite);
}

static void on_register(struct desk *d, const struct sip_message *m)
{
    struct registrar_answer a = registrar_register(&d->registrar, m, exchange_now_ms());
    answer(m, a.status, a.contact, a.expires_s);
}

/* A request that belongs to no process. */
static void on_stray(struct desk *d, const struct sip_message *m)
{
    switch (m->method) {
    case SIP_INVITE: /* a new call that cannot be, or a change of one that is not there */
        answer(m, m->to_tag[0] == '\0' ? 503 : 481, NULL, -1);
        break;
    case SIP_REGISTER:
        on_register(d, m);
        break;
    case SIP_OPTIONS:
        answer(m, 200, NULL, -1);
        break;
    case SIP_BYE:
    case SIP_CANCEL:
        answer(m, 481, NULL, -1);
        break;
    case SIP_ACK:
        break;
    case SIP_OTHER:
        answer(m, 501, NULL, -1);
        break;
    }
}

static void on_message(struct desk *d, parcel *p)
{
    const struct sip_message *m = parcel_message(p);
    const struct route *route = routes_find(d->routes, m->head.call_id);
    if (route) {
        es_give(route->pid, p);
    } else if (m->status == 0 && m->method == SIP_INVITE && m->to_tag[0] == '\0' && !d->is_closed &&
               d->calls < CALLS_MAX) {
        begin_call(d, p);
    } else {
        if (m->status == 0)
            on_stray(d, m);
        es_free(p);
    }
}

/* What a call says of itself comes before its end. It may lose a leg first and crash then: it is lost once. */
static void on_lost(struct desk *d, es_pid call, es_atom why)
{
    if (routes_lose(d->routes, call))
        es_send(exchange->board, ES_TUPLE(lost, why));
}

static void note_crash(struct desk *d, const struct route *route, es_term reason)
{
    const bool is_out = strncmp(route->call_id, "b.", 2) == 0;
    const enum bug bug = bug_of_reason(reason);
    exchange_note(crashed, route->is_call ? of_call : is_out ? out : in, route->call_id, bug_name(bug));
    es_send(exchange->board, ES_TUPLE(crash, (int)bug));
    if (route->is_call)
        on_lost(d, route->pid, own);
}

static void on_down(struct desk *d, es_pid pid, es_term reason)
{
    const struct route *route = routes_of(d->routes, pid);
    if (!route)
        return;
    if (!es_is(reason, es_am_normal) && !es_is(reason, es_am_shutdown))
        note_crash(d, route, reason);
    if (route->is_call) {
        d->calls--;
        es_send(exchange->board, over);
    }
    routes_remove(d->routes, pid);
}

static void take_one(struct desk *d)
{
    es_pid pid;
    es_bin call_id;
    es_term from, reason;
    es_atom why;
    es_receive {
        es_case_struct(parcel, p)
            on_message(d, p);
        es_case_call(from, ES_TUPLE(announce, &call_id, &pid)) {
            if (routes_add(d->routes, call_id, pid, false))
                es_monitor(pid);
            es_reply_to(from, es_am_ok);
        }
        es_case(ES_TUPLE(lost, &pid, &why))
            on_lost(d, pid, why);
        es_case(ES_TUPLE(es_am_DOWN, ES_ANY, ES_ANY, &pid, &reason))
            on_down(d, pid, reason);
        es_case_call(from, stop) {
            d->is_closed = true;
            es_reply_to(from, es_am_ok);
        }
    }
}

void router(void)
{
    struct desk d = {.routes = es_alloc(sizeof(struct routes))};
    registrar_init(&d.registrar, es_alloc(USERS * sizeof(struct registrar_binding)), USERS);
    for (;;)
        take_one(&d);
}
