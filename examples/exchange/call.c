/* exchange/call.c - what connects two legs: one process a call.
 *
 * What one leg learns, the other is told. There is no code for a leg that crashes: then this process dies with it, and this one's crash is the end of both
 * legs (tree.c); the directory says goodbye to their telephones.
 *
 *   idle --INVITE--> setting_up --2xx--> up --released--> over --both released--> (normal)
 *                        +--------- refused, cancelled ---->+                                  */
#include "exchange.h"
#include "bugs.h"

ES_ATOMS(hangup, crash, set_up, lost, other, find, registrar, board, directory, serve, in, out, declare,
         begun, none, too_late);
ES_ATOM(of_call, "call");
ES_ATOM(over_, "over");

enum { INVITE_MS = 5000 };

/* One of the two legs, as its call sees it. */
struct side {
    es_pid pid;
    bool is_done; /* released, or never there */
};

typedef struct {
    es_pid family; /* who supervises this process and its legs */
    struct side in, out;
    int64_t arrived_ns; /* when the INVITE came */
    bool is_answered;
    parcel *invite; /* until the outgoing leg begins */
    es_term callee; /* {Uri, Ip, Port}, as long */
    char call_id[SIP_CALL_ID_MAX];
} connection;

static es_step idle(connection *c, const es_event *event);
static es_step setting_up(connection *c, const es_event *event);
static es_step up(connection *c, const es_event *event);
static es_step over(connection *c, const es_event *event);

/* ---- telling the legs ---- */

static wish *new_wish(enum wish_kind kind, uint16_t status)
{
    wish *w = es_new(wish);
    w->kind = (int32_t)kind;
    w->status = status;
    return w;
}

static void tell(const struct side *side, wish *w)
{
    if (!es_pid_is_none(side->pid))
        es_give(side->pid, w);
    else
        es_free(w);
}

/* Passes on what a telephone said. */
static void pass_on(const struct side *to, enum wish_kind kind, const news *n)
{
    wish *w = new_wish(kind, n->status);
    w->body_length = n->body_length;
    memcpy(w->body_type, n->body_type, sizeof w->body_type);
    memcpy(w->body, n->body, n->body_length);
    tell(to, w);
}

static void hang_up(const struct side *side)
{
    tell(side, new_wish(WISH_HANGUP, 0));
}

/* ---- its beginning ---- */

/* A leg beside this process: whichever of the three crashes, all are stopped. They are linked, too, for the supervisor may be killed while it
 * stops them. */
static es_pid new_leg(const connection *c, const char *id)
{
    const es_child_spec spec = {
        .id = id, ES_START(leg_machine), .restart = ES_TRANSIENT, .significant = true};
    es_pid pid = ES_NO_PID;
    if (es_add_child(c->family, &spec, &pid, NULL) != ES_OK || es_link(pid) != ES_OK)
        es_exit(es_am_system_limit);
    return pid;
}

static void begin_in(connection *c, const parcel *invite)
{
    c->in.pid = new_leg(c, "in");
    if (es_send(c->in.pid, ES_TUPLE(serve, in, es_self(), none)) != ES_OK)
        es_exit(es_am_system_limit);
    es_give(c->in.pid, parcel_copy(invite));
}

/* As soon as the caller has heard that somebody works for him: else he would ask again, and the callee be called twice. */
static void begin_out(connection *c)
{
    c->out.pid = new_leg(c, "out");
    if (es_send(c->out.pid, ES_TUPLE(serve, out, es_self(), c->callee)) != ES_OK)
        es_exit(es_am_system_limit);
    es_move(c->out.pid, c->invite);
    es_drop(c->callee);
}

/* It is noted before anybody outside hears of it. */
static void introduce(connection *c, const struct sip_message *m)
{
    es_info me;
    memcpy(c->call_id, m->head.call_id, sizeof c->call_id);
    es_label("call %s", c->call_id);
    if (es_process_info(es_self(), &me))
        c->family = me.parent;
    exchange_note_begun(of_call, c->call_id);
    exchange_join(exchange_calls);
    exchange_join(exchange_in_service);
}

/* `invite` is kept. */
static es_step begin(connection *c, parcel *invite)
{
    const struct sip_message *m = parcel_message(invite);
    c->arrived_ns = invite->arrived_ns;
    c->invite = invite;
    introduce(c, m);
    begin_in(c, invite);
    c->callee = exchange_ask(registrar, ES_TUPLE(find, m->target.user));
    if (es_tuple_size(c->callee) != 3) {
        c->out.is_done = true;
        tell(&c->in, new_wish(WISH_REFUSE, 404));
    }
    return es_next_state(setting_up);
}

/* ---- what the legs tell ---- */

static es_step leave_service(connection *c)
{
    es_leave(exchange_in_service, es_self());
    if (!c->in.is_done || !c->out.is_done)
        return es_next_state(over);
    exchange_note(over_, c->call_id);
    return es_stop_machine(es_am_normal);
}

static es_step on_answer(connection *c, const news *n)
{
    pass_on(&c->in, WISH_ANSWER, n);
    if (!c->is_answered)
        es_send(board, ES_TUPLE(set_up, (es_now_ns() - c->arrived_ns) / 1000));
    c->is_answered = true;
    return es_next_state(up);
}

static bool is_an_ordinary_end(enum leg_reason reason)
{
    return reason == LEG_HUNG_UP || reason == LEG_CANCELLED || reason == LEG_REJECTED ||
           reason == LEG_NO_ANSWER || reason == LEG_TOO_LONG;
}

static es_step on_released(connection *c, const news *n)
{
    enum leg_reason reason = (enum leg_reason)n->reason;
    if (!is_an_ordinary_end(reason)) {
        exchange_note(lost, c->call_id, leg_reason_text(reason));
        es_send(board, ES_TUPLE(lost, other));
    }
    if (n->is_outgoing && !c->is_answered)
        tell(&c->in, new_wish(WISH_REFUSE, leg_reason_status(reason, n->status)));
    else
        hang_up(n->is_outgoing ? &c->in : &c->out);
    return leave_service(c);
}

static es_step on_news(connection *c, const news *n)
{
    struct side *from = n->is_outgoing ? &c->out : &c->in;
    from->is_done = n->is_done;
    switch ((enum leg_event)n->event) {
    case LEG_NOTHING: /* the incoming leg works: it has said 100 */
        if (c->invite && !c->in.is_done && !c->out.is_done)
            begin_out(c);
        break;
    case LEG_RINGING:
        pass_on(&c->in, WISH_RING, n);
        break;
    case LEG_ACCEPTED:
        return on_answer(c, n);
    case LEG_CONFIRMED:
        pass_on(&c->out, WISH_CONFIRM, n);
        break;
    case LEG_RELEASED:
        return on_released(c, n);
    }
    return c->in.is_done && c->out.is_done ? leave_service(c) : es_keep_state();
}

/* ---- its states ---- */

/* Started, and told what for in the next moment; if not, who started it has crashed. */
static es_step idle(connection *c, const es_event *event)
{
    parcel *invite;
    if (event->type == ES_EVENT_STATE_TIMEOUT)
        return es_stop_machine(es_am_normal);
    if (event->type != ES_EVENT_INFO || !(invite = es_struct_of(parcel, event->content)))
        return es_unknown_event(event);
    return begin(c, invite);
}

/* What it does in every state but the first. */
static es_step on_event(connection *c, const es_event *event)
{
    news *n;
    parcel *p;
    int bug;
    if (event->type != ES_EVENT_INFO)
        return es_unknown_event(event);
    if ((n = es_struct_of(news, event->content))) {
        es_step step = on_news(c, n);
        es_free(n);
        return step;
    }
    if ((p = es_struct_of(
             parcel, event->content))) { /* for a leg that is not in the directory yet: it will be repeated */
        es_free(p);
        return es_keep_state();
    }
    if (es_is(event->content, declare)) { /* the directory has forgotten all */
        es_cast(directory, ES_TUPLE(begun, c->call_id, es_self()));
        return es_keep_state();
    }
    if (es_is(event->content, hangup)) {
        hang_up(&c->in);
        hang_up(&c->out);
        return leave_service(c);
    }
    if (es_match(event->content, ES_TUPLE(crash, &bug)))
        bug_commit(bug);
    return es_unknown_event(event);
}

static es_step setting_up(connection *c, const es_event *event)
{
    return on_event(c, event);
}

static es_step up(connection *c, const es_event *event)
{
    return on_event(c, event);
}

static es_step over(connection *c, const es_event *event)
{
    return on_event(c, event);
}

static es_step call_init(connection *c, es_term args)
{
    (void)c;
    (void)args;
    es_state_timeout(INVITE_MS, too_late);
    return es_next_state(idle);
}

ES_STATEM(call_machine, connection, .init = call_init, .states = ES_STATES(idle, setting_up, up, over));
