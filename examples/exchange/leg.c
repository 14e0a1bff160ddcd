/* exchange/leg.c - the dialog with one telephone, as a process: dialog.h decides, this does.
 *
 * It waits for messages of its telephone, wishes of its call, and the time. Where it stands is with the directory before its telephone hears
 * anything, so that somebody else can say goodbye when this process crashes. That somebody is a leg, too: one that begins with a card
 * instead of a call.
 *
 *   idle --serve, INVITE--> in_service --released--> lingering --time--> (normal)
 *           card ---------------^                                                     */
#include "exchange.h"
#include "bugs.h"

ES_ATOMS(serve, crash, declare, directory, releasing, released, in, out, farewell, refusal, wake_up, tick,
         too_late);

enum { INVITE_MS = 5000 };

typedef struct {
    struct leg leg;
    es_pid call;      /* none: nobody wants news */
    es_term callee;   /* outgoing, until the INVITE came */
    bool is_outgoing; /* as long as it is idle */
    parcel *invite;   /* incoming, as long as it is not answered */
    enum leg_state told;
    bool is_releasing; /* in place of a leg that crashed */
} line;

static es_step idle(line *me, const es_event *event);
static es_step in_service(line *me, const es_event *event);
static es_step lingering(line *me, const es_event *event);

static es_atom direction(const line *me)
{
    return me->leg.card.outgoing ? out : in;
}

static bool is_released(const line *me)
{
    return me->leg.card.state == LEG_LINGERING || leg_is_over(&me->leg);
}

/* ---- telling others ---- */

static void hand_in_card(const line *me)
{
    deposit *d = es_new(deposit);
    d->leg = es_self();
    memcpy(d->card, &me->leg.card, sizeof me->leg.card);
    exchange_give(directory, d);
    if (me->invite)
        exchange_give(directory, parcel_copy(me->invite));
}

static void tell_news(const line *me, const struct leg_plan *plan)
{
    news *n = es_new(news);
    n->event = (int32_t)plan->event;
    n->reason = (int32_t)plan->reason;
    n->status = plan->status;
    n->is_outgoing = me->leg.card.outgoing;
    n->is_done = is_released(me);
    if (plan->body.length > 0 && plan->body.length <= SIP_BODY_MAX) {
        n->body_length = (uint16_t)plan->body.length;
        memcpy(n->body, plan->body.bytes, plan->body.length);
        snprintf(n->body_type, sizeof n->body_type, "%s", plan->body.type);
    }
    es_give(me->call, n);
}

static void on_change(line *me)
{
    if (me->invite && me->leg.card.state != LEG_TRYING) {
        es_free(me->invite);
        me->invite = NULL;
    }
    hand_in_card(me);
    if (me->is_releasing && is_released(me)) {
        me->is_releasing = false;
        exchange_note(released, direction(me), me->leg.card.call_id);
    }
}

/* Does what the plan says. What it lends (a body) must still be there. */
static void carry_out(line *me, const struct leg_plan *plan)
{
    const bool is_change = me->leg.card.state != me->told;
    me->told = me->leg.card.state;
    if (is_change)
        on_change(me);
    for (int i = 0; i < plan->send_count; i++)
        exchange_send(plan->send[i].to, plan->send[i].bytes, plan->send[i].length);
    if (!es_pid_is_none(me->call) && (plan->event != LEG_NOTHING || is_change))
        tell_news(me, plan);
    if (plan->event == LEG_RELEASED || is_released(me))
        es_leave(exchange_in_service, es_self());
}

/* Where it is now, and until when it waits. */
static es_step go_on(const line *me)
{
    int64_t deadline_ms = leg_deadline_ms(&me->leg), now_ms = exchange_now_ms();
    if (leg_is_over(&me->leg))
        return es_stop_machine(es_am_normal);
    if (deadline_ms == INT64_MAX)
        es_cancel_named_timeout(wake_up);
    else
        es_named_timeout(wake_up, deadline_ms > now_ms ? deadline_ms - now_ms : 0, tick);
    return is_released(me) ? es_next_state(lingering) : es_next_state(in_service);
}

/* ---- what happens ---- */

static void fulfil(line *me, const wish *w)
{
    struct leg_plan plan;
    struct sip_body body = {w->body_type, (const char *)w->body, w->body_length};
    switch ((enum wish_kind)w->kind) {
    case WISH_RING:
        leg_ring(&me->leg, w->status, body, &plan);
        break;
    case WISH_ANSWER:
        leg_answer(&me->leg, body, exchange_now_ms(), &plan);
        break;
    case WISH_CONFIRM:
        leg_confirm(&me->leg, body, exchange_now_ms(), &plan);
        break;
    case WISH_REFUSE:
        leg_refuse(&me->leg, w->status, exchange_now_ms(), &plan);
        break;
    case WISH_HANGUP:
        es_leave(exchange_in_service, es_self());
        leg_hangup(&me->leg, exchange_now_ms(), &plan);
        break;
    default:
        return;
    }
    carry_out(me, &plan);
}

static void on_tick(line *me)
{
    struct leg_plan plan;
    while (leg_deadline_ms(&me->leg) <= exchange_now_ms()) {
        leg_tick(&me->leg, exchange_now_ms(), &plan);
        carry_out(me, &plan);
    }
}

static void on_message(line *me, const parcel *p)
{
    struct leg_plan plan;
    leg_message(&me->leg, parcel_message(p), exchange_now_ms(), &plan);
    carry_out(me, &plan);
}

static es_step on_info(line *me, const es_event *event)
{
    parcel *p;
    wish *w;
    int bug;
    if ((p = es_struct_of(parcel, event->content))) {
        on_message(me, p);
        es_free(p);
    } else if ((w = es_struct_of(wish, event->content))) {
        fulfil(me, w);
        es_free(w);
    } else if (es_is(event->content, declare)) { /* the directory has forgotten all */
        hand_in_card(me);
    } else if (es_match(event->content, ES_TUPLE(crash, &bug))) {
        bug_commit(bug);
    } else {
        return es_unknown_event(event);
    }
    return go_on(me);
}

static es_step in_service(line *me, const es_event *event)
{
    switch (event->type) {
    case ES_EVENT_INFO:
        return on_info(me, event);
    case ES_EVENT_NAMED_TIMEOUT:
        on_tick(me);
        return go_on(me);
    default:
        return es_unknown_event(event);
    }
}

/* Released: it only answers what the network repeats. */
static es_step lingering(line *me, const es_event *event)
{
    return in_service(me, event);
}

/* ---- the beginnings ---- */

static struct leg_setup new_setup(void)
{
    struct leg_setup setup = {.times = exchange->times, .local = exchange->address, .seed = es_random()};
    return setup;
}

static void enter_service(es_atom what, const char *call_id)
{
    es_label("%s leg %s", es_atom_text(what), call_id);
    exchange_note_begun(what, call_id);
    exchange_join(exchange_legs);
}

static void open_incoming(line *me, parcel *invite, struct leg_plan *plan)
{
    struct leg_setup setup = new_setup();
    enter_service(in, parcel_message(invite)->head.call_id);
    leg_open_incoming(&me->leg, &setup, parcel_message(invite), exchange_now_ms(), plan);
    me->invite = invite;
}

static void open_outgoing(line *me, parcel *invite, struct leg_plan *plan)
{
    struct leg_setup setup = new_setup();
    const struct sip_message *m = parcel_message(invite);
    char call_id[SIP_CALL_ID_MAX], target[SIP_URI_MAX];
    es_bin uri;
    unsigned ip, port;
    if (!es_match(me->callee, ES_TUPLE(&uri, &ip, &port)) || uri.size >= sizeof target ||
        !leg_call_id(m->head.call_id, call_id))
        es_exit(es_am_badarg);
    memcpy(target, uri.data, uri.size);
    target[uri.size] = '\0';
    es_drop(me->callee);
    enter_service(out, call_id);
    struct leg_callee callee = {call_id, m->from.user, target, {ip, (uint16_t)port}, sip_body_of(m)};
    leg_open_outgoing(&me->leg, &setup, &callee, exchange_now_ms(), plan);
    es_free(invite);
}

/* First who it works for, then the INVITE. If neither comes, who started it has crashed. */
static es_step idle(line *me, const es_event *event)
{
    struct leg_plan plan;
    es_atom way;
    es_term callee;
    parcel *invite;
    if (event->type == ES_EVENT_STATE_TIMEOUT)
        return es_stop_machine(es_am_normal);
    if (es_match(event->content, ES_TUPLE(serve, &way, &me->call, &callee))) {
        me->is_outgoing = es_atom_equal(way, out);
        me->callee = es_keep(callee);
        return es_keep_state();
    }
    if (event->type != ES_EVENT_INFO || !(invite = es_struct_of(parcel, event->content)))
        return es_unknown_event(event);
    if (me->is_outgoing)
        open_outgoing(me, invite, &plan);
    else
        open_incoming(me, invite, &plan);
    exchange_join(exchange_in_service);
    carry_out(me, &plan);
    return go_on(me);
}

static es_step begin_farewell(line *me, const struct leg_card *card)
{
    struct leg_plan plan;
    struct leg_setup setup = new_setup();
    if (!leg_farewell(&me->leg, &setup, card, exchange_now_ms(), &plan))
        return es_ignore_machine();
    enter_service(farewell, card->call_id);
    me->is_releasing = true;
    exchange_note(releasing, direction(me), card->call_id);
    carry_out(me, &plan);
    return go_on(me);
}

static es_step begin_refusal(line *me, const uint8_t *message)
{
    struct leg_plan plan;
    parcel *invite = es_new(parcel);
    memcpy(invite->message, message, sizeof invite->message);
    open_incoming(me, invite, &plan);
    leg_refuse(&me->leg, 500, exchange_now_ms(), &plan);
    carry_out(me, &plan);
    return go_on(me);
}

static es_step leg_init(line *me, es_term args)
{
    struct leg_card card;
    es_bin bytes;
    if (es_match(args, ES_TUPLE(farewell, &bytes)) && bytes.size == sizeof card) {
        memcpy(&card, bytes.data, sizeof card);
        return begin_farewell(me, &card);
    }
    if (es_match(args, ES_TUPLE(refusal, &bytes)) && bytes.size == sizeof(struct sip_message))
        return begin_refusal(me, bytes.data);
    es_state_timeout(INVITE_MS, too_late);
    return es_next_state(idle);
}

ES_STATEM(leg_machine, line, .init = leg_init, .states = ES_STATES(idle, in_service, lingering));
