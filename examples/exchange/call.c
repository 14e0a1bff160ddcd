/* exchange/call.c - what connects two legs: one process a call.
 *
 * What one leg learns, the other is told. When a leg crashes, this process says goodbye in its place and hangs the other
 * up. When this process crashes, both legs hear of it and hang up by themselves (leg.c). */
#include "exchange.h"
#include "bugs.h"

ES_ATOMS(hangup, crash, set_up, lost, own, other);

/* One of the two legs, as its call sees it. */
struct side {
    es_pid pid;
    es_ref monitor;
    bool is_there; /* begun, and not gone yet */
    bool is_done;  /* released, or gone */
    struct leg_card card;
};

struct connection {
    struct side in, out;
    int64_t arrived_ns; /* when the INVITE came */
    parcel *invite;     /* until the incoming leg has answered: a dead one is replaced by one that refuses */
    bool is_answered;
};

static wish *new_wish(enum wish_kind kind, uint16_t status)
{
    wish *w = es_new(wish);
    w->kind = (int32_t)kind;
    w->status = status;
    return w;
}

static void tell(struct side *side, wish *w)
{
    if (side->is_there)
        es_give(side->pid, w);
    else
        es_free(w);
}

/* Passes on what a telephone said. */
static void pass_on(struct side *to, enum wish_kind kind, const news *n)
{
    wish *w = new_wish(kind, n->status);
    w->body_length = n->body_length;
    memcpy(w->body_type, n->body_type, sizeof w->body_type);
    memcpy(w->body, n->body, n->body_length);
    tell(to, w);
}

static void hang_up(struct side *side, bool is_for_crash)
{
    wish *w = new_wish(WISH_HANGUP, 0);
    w->is_for_crash = is_for_crash;
    tell(side, w);
}

/* The router counts: it alone hears of our own crash, too. */
static void note_lost(es_atom why)
{
    es_send(exchange->router, ES_TUPLE(lost, es_self(), why));
}

static void on_answer(struct connection *c, const news *n)
{
    pass_on(&c->in, WISH_ANSWER, n);
    if (!c->is_answered)
        es_send(exchange->board, ES_TUPLE(set_up, (es_now_ns() - c->arrived_ns) / 1000));
    c->is_answered = true;
}

/* Has the caller heard no final answer yet? */
static bool is_unanswered(const struct side *in)
{
    return in->card.state == LEG_NEW || in->card.state == LEG_TRYING;
}

static bool is_an_ordinary_end(enum leg_reason reason)
{
    return reason == LEG_HUNG_UP || reason == LEG_CANCELLED || reason == LEG_REJECTED ||
           reason == LEG_NO_ANSWER || reason == LEG_TOO_LONG;
}

static void on_released(struct connection *c, bool is_out, const news *n)
{
    enum leg_reason reason = (enum leg_reason)n->reason;
    es_leave(exchange_in_service, es_self());
    if (!is_an_ordinary_end(reason)) {
        exchange_note(lost, c->in.card.call_id, leg_reason_text(reason));
        note_lost(other);
    }
    if (is_out && !c->is_answered)
        tell(&c->in, new_wish(WISH_REFUSE, leg_reason_status(reason, n->status)));
    else
        hang_up(is_out ? &c->in : &c->out, false);
}

static void on_news(struct connection *c, const news *n)
{
    struct leg_card card;
    memcpy(&card, n->card, sizeof card);
    struct side *from = card.outgoing ? &c->out : &c->in;
    from->card = card;
    from->is_done = card.state == LEG_LINGERING || card.state == LEG_OVER;
    if (c->invite && !is_unanswered(&c->in)) {
        es_free(c->invite);
        c->invite = NULL;
    }
    switch ((enum leg_event)n->event) {
    case LEG_NOTHING:
        break;
    case LEG_RINGING:
        pass_on(&c->in, WISH_RING, n);
        break;
    case LEG_ACCEPTED:
        on_answer(c, n);
        break;
    case LEG_CONFIRMED:
        pass_on(&c->out, WISH_CONFIRM, n);
        break;
    case LEG_RELEASED:
        on_released(c, card.outgoing, n);
        break;
    }
}

/* A leg ended by another reason than its own: its telephone still believes in the call, and so does the other. */
static void on_crash(struct connection *c, struct side *dead)
{
    es_leave(exchange_in_service, es_self());
    if (!dead->is_done)
        note_lost(own);
    if (dead == &c->in && is_unanswered(dead))
        es_give(leg_spawn_refusal(500), parcel_copy(c->invite));
    else
        leg_spawn_farewell(&dead->card);
    hang_up(dead == &c->in ? &c->out : &c->in, true);
}

static void on_down(struct connection *c, struct side *side, es_term reason)
{
    side->is_there = false;
    if (!es_is(reason, es_am_normal))
        on_crash(c, side);
    side->is_done = true;
}

static void take_one(struct connection *c)
{
    es_term reason;
    int bug;
    es_receive {
        es_case_struct(news, n) {
            on_news(c, n);
            es_free(n);
        }
        es_case(ES_TUPLE(es_am_DOWN, c->in.monitor, ES_ANY, ES_ANY, &reason))
            on_down(c, &c->in, reason);
        es_case(ES_TUPLE(es_am_DOWN, c->out.monitor, ES_ANY, ES_ANY, &reason))
            on_down(c, &c->out, reason);
        es_case(hangup) {
            es_leave(exchange_in_service, es_self());
            hang_up(&c->in, false);
            hang_up(&c->out, false);
        }
        es_case(ES_TUPLE(crash, &bug))
            bug_commit(bug);
        es_case_struct(parcel,
                       p) /* for a leg that has not announced itself, or crashed: it will be repeated */
            es_free(p);
    }
}

static void begin(struct connection *c, es_term callee)
{
    unsigned ip = 0;
    c->in.pid = leg_spawn_incoming(&c->in.monitor);
    c->in.is_there = !es_pid_is_none(c->in.pid);
    if (!c->in.is_there) { /* no memory: the caller will call again */
        c->in.is_done = c->out.is_done = true;
        return;
    }
    es_give(c->in.pid, parcel_copy(c->invite));
    if (!es_match(callee, ES_TUPLE(ES_ANY, &ip, ES_ANY)) || ip == 0) {
        c->out.is_done = true;
        c->out.monitor = es_make_ref();
        tell(&c->in, new_wish(WISH_REFUSE, 404));
        return;
    }
    c->out.pid = leg_spawn_outgoing(&c->out.monitor, callee);
    c->out.is_there = !es_pid_is_none(c->out.pid);
    c->out.is_done = !c->out.is_there;
    if (c->out.is_there)
        es_give(c->out.pid, parcel_copy(c->invite));
    else
        tell(&c->in, new_wish(WISH_REFUSE, 503));
}

void call(es_term argument)
{
    struct connection c = {0};
    es_receive {
        es_case_struct(parcel, p)
            c.invite = p;
    }
    c.arrived_ns = c.invite->arrived_ns;
    (void)!es_join(exchange_calls, es_self());
    (void)!es_join(exchange_in_service, es_self());
    begin(&c, argument);
    while (!c.in.is_done || !c.out.is_done)
        take_one(&c);
}
