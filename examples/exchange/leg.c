/* exchange/leg.c - the dialog with one telephone, as a process: dialog.h decides, this does.
 *
 * It waits for messages of its telephone, wishes of its call, and the time. When the call is gone, however it went, the
 * leg hangs up; when the leg is gone, the call hears of it (call.c). */
#include "exchange.h"
#include "bugs.h"

ES_ATOMS(announce, crash, releasing, released, in, out);

/* One leg, on its process's stack. */
struct line {
    struct leg leg;
    struct leg_plan plan;
    es_pid call; /* none: nobody wants news */
    es_ref call_monitor;
    enum leg_state told;
    bool is_releasing; /* since a crash elsewhere in this call */
};

static void announce_call_id(const char *call_id)
{
    es_drop(es_call(exchange->router, ES_TUPLE(announce, call_id, es_self()), 5000));
}

static struct leg_setup new_setup(void)
{
    struct leg_setup setup = {.times = exchange->times, .local = exchange->address, .seed = es_random()};
    return setup;
}

static void tell_news(struct line *me)
{
    const struct leg_plan *plan = &me->plan;
    news *n = es_new(news);
    memcpy(n->card, &me->leg.card, sizeof me->leg.card);
    n->event = (int32_t)plan->event;
    n->reason = (int32_t)plan->reason;
    n->status = plan->status;
    if (plan->body.length > 0 && plan->body.length <= SIP_BODY_MAX) {
        n->body_length = (uint16_t)plan->body.length;
        memcpy(n->body, plan->body.bytes, plan->body.length);
        snprintf(n->body_type, sizeof n->body_type, "%s", plan->body.type);
    }
    es_give(me->call, n);
}

static bool is_released(const struct line *me)
{
    return me->leg.card.state == LEG_LINGERING || leg_is_over(&me->leg);
}

/* Does what the plan says. What it lends (a body) must still be there. */
static void carry_out(struct line *me)
{
    for (int i = 0; i < me->plan.send_count; i++)
        exchange_send(me->plan.send[i].to, me->plan.send[i].bytes, me->plan.send[i].length);
    if (!es_pid_is_none(me->call) && (me->plan.event != LEG_NOTHING || me->leg.card.state != me->told))
        tell_news(me);
    me->told = me->leg.card.state;
    if (me->plan.event == LEG_RELEASED || is_released(me))
        es_leave(exchange_in_service, es_self());
    if (me->is_releasing && is_released(me)) {
        me->is_releasing = false;
        exchange_note(released, me->leg.card.outgoing ? out : in, me->leg.card.call_id);
    }
}

static void hang_up(struct line *me, bool is_for_crash)
{
    if (is_for_crash && !is_released(me)) {
        me->is_releasing = true;
        exchange_note(releasing, me->leg.card.outgoing ? out : in, me->leg.card.call_id);
    }
    es_leave(exchange_in_service, es_self());
    leg_hangup(&me->leg, exchange_now_ms(), &me->plan);
    carry_out(me);
}

static void fulfil(struct line *me, const wish *w)
{
    struct sip_body body = {w->body_type, (const char *)w->body, w->body_length};
    switch ((enum wish_kind)w->kind) {
    case WISH_RING:
        leg_ring(&me->leg, w->status, body, &me->plan);
        break;
    case WISH_ANSWER:
        leg_answer(&me->leg, body, exchange_now_ms(), &me->plan);
        break;
    case WISH_CONFIRM:
        leg_confirm(&me->leg, body, exchange_now_ms(), &me->plan);
        break;
    case WISH_REFUSE:
        leg_refuse(&me->leg, w->status, exchange_now_ms(), &me->plan);
        break;
    case WISH_HANGUP:
        hang_up(me, w->is_for_crash);
        return;
    }
    carry_out(me);
}

static void tick(struct line *me)
{
    while (leg_deadline_ms(&me->leg) <= exchange_now_ms()) {
        leg_tick(&me->leg, exchange_now_ms(), &me->plan);
        carry_out(me);
    }
}

static int64_t time_left_ms(const struct line *me)
{
    int64_t deadline_ms = leg_deadline_ms(&me->leg), now_ms = exchange_now_ms();
    if (deadline_ms == INT64_MAX)
        return ES_INFINITY;
    return deadline_ms > now_ms ? deadline_ms - now_ms : 0;
}

static void take_one(struct line *me)
{
    es_term reason;
    int bug;
    es_receive {
        es_case_struct(parcel, p) {
            leg_message(&me->leg, parcel_message(p), exchange_now_ms(), &me->plan);
            carry_out(me);
            es_free(p);
        }
        es_case_struct(wish, w) {
            fulfil(me, w);
            es_free(w);
        }
        es_case(ES_TUPLE(es_am_DOWN, me->call_monitor, ES_ANY, ES_ANY, &reason)) {
            me->call = ES_NO_PID;
            hang_up(me, !es_is(reason, es_am_normal));
        }
        es_case(ES_TUPLE(crash, &bug))
            bug_commit(bug);
        es_after(time_left_ms(me))
            tick(me);
    }
}

static void run(struct line *me)
{
    carry_out(me);
    while (!leg_is_over(&me->leg))
        take_one(me);
}

/* The INVITE that the call sends after the leg that it spawns. NULL: the call ended in between. */
static parcel *take_invite(es_pid of_call)
{
    parcel *invite = NULL;
    es_ref monitor = es_monitor(of_call);
    es_receive {
        es_case_struct(parcel, p)
            invite = p;
        es_case(ES_TUPLE(es_am_DOWN, monitor, ES_ANY, ES_ANY, ES_ANY)) {
        }
    }
    es_demonitor(monitor, ES_DEMONITOR_FLUSH);
    return invite;
}

static void enter_service(struct line *me, es_pid of_call)
{
    me->call = of_call;
    me->call_monitor = es_monitor(of_call);
    (void)!es_join(exchange_in_service, es_self());
}

/* ---- the four beginnings ---- */

static void incoming(es_term argument)
{
    struct line me = {0};
    struct leg_setup setup = new_setup();
    es_pid of_call = ES_NO_PID;
    es_match(argument, &of_call);
    parcel *invite = take_invite(of_call);
    if (!invite)
        return;
    announce_call_id(parcel_message(invite)->head.call_id);
    enter_service(&me, of_call);
    leg_open_incoming(&me.leg, &setup, parcel_message(invite), exchange_now_ms(), &me.plan);
    es_free(invite);
    run(&me);
}

static void outgoing(es_term argument)
{
    struct line me = {0};
    struct leg_setup setup = new_setup();
    char call_id[SIP_CALL_ID_MAX], target[SIP_URI_MAX];
    es_pid of_call;
    es_bin uri;
    unsigned ip, port;
    if (!es_match(argument, ES_TUPLE(&of_call, ES_TUPLE(&uri, &ip, &port))) || uri.size >= sizeof target)
        es_exit(es_am_badarg);
    parcel *invite = take_invite(of_call);
    if (!invite)
        return;
    const struct sip_message *m = parcel_message(invite);
    if (!leg_call_id(m->head.call_id, call_id))
        es_exit(es_am_badarg);
    memcpy(target, uri.data, uri.size);
    target[uri.size] = '\0';
    struct leg_callee callee = {call_id, m->from.user, target, {ip, (uint16_t)port}, sip_body_of(m)};
    announce_call_id(call_id);
    enter_service(&me, of_call);
    leg_open_outgoing(&me.leg, &setup, &callee, exchange_now_ms(), &me.plan);
    es_free(invite);
    run(&me);
}

static void refusal(es_term argument)
{
    struct line me = {.call_monitor = es_make_ref()};
    struct leg_setup setup = new_setup();
    int64_t status = 500;
    es_pid of_call = ES_NO_PID;
    es_match(argument, ES_TUPLE(&status, &of_call));
    parcel *invite = take_invite(of_call);
    if (!invite)
        return;
    announce_call_id(parcel_message(invite)->head.call_id);
    leg_open_incoming(&me.leg, &setup, parcel_message(invite), exchange_now_ms(), &me.plan);
    es_free(invite);
    leg_refuse(&me.leg, (uint16_t)status, exchange_now_ms(), &me.plan);
    run(&me);
}

static void farewell(es_term argument)
{
    struct line me = {.call_monitor = es_make_ref()};
    struct leg_setup setup = new_setup();
    struct leg_card card;
    es_bin bytes;
    if (!es_get_bin(argument, &bytes) || bytes.size != sizeof card)
        es_exit(es_am_badarg);
    memcpy(&card, bytes.data, sizeof card);
    if (!leg_farewell(&me.leg, &setup, &card, exchange_now_ms(), &me.plan))
        return;
    announce_call_id(card.call_id);
    run(&me);
}

es_pid leg_spawn_incoming(es_ref *monitor)
{
    return es_spawn_opt(ES_WITH(.monitor = monitor, .label = "incoming leg"), incoming, es_lend(es_self()));
}

es_pid leg_spawn_outgoing(es_ref *monitor, es_term callee)
{
    return es_spawn_opt(ES_WITH(.monitor = monitor, .label = "outgoing leg"), outgoing,
                        ES_TUPLE(es_self(), callee));
}

es_pid leg_spawn_refusal(uint16_t status)
{
    return es_spawn_opt(ES_WITH(.label = "refusal"), refusal, ES_TUPLE(status, es_self()));
}

void leg_spawn_farewell(const struct leg_card *card)
{
    es_spawn_opt(ES_WITH(.label = "farewell"), farewell, es_lend(es_bytes(card, sizeof *card)));
}
