/* dialog.c - decides what a call leg does. dialog.h has the picture. */
#include "dialog.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const struct leg_times leg_times_standard = {
    .t1_ms = 500,
    .t2_ms = 4000,
    .t4_ms = 5000,
    .ring_max_ms = 3 * 60 * 1000,
    .call_max_ms = 12 * 60 * 60 * 1000,
};

/* ---- states and alarms ------------------------------------------------------------------------ */

#define FROM(state) (1u << LEG_##state)
static const unsigned may_come_from[LEG_STATES] = {
    [LEG_TRYING] = FROM(NEW),
    [LEG_CALLING] = FROM(NEW),
    [LEG_ANSWERED] = FROM(TRYING),
    [LEG_REFUSED] = FROM(TRYING),
    [LEG_PROCEEDING] = FROM(CALLING),
    [LEG_CANCELLING] = FROM(PROCEEDING) | FROM(NEW),
    [LEG_UNCONFIRMED] = FROM(CALLING) | FROM(PROCEEDING),
    [LEG_UP] = FROM(CALLING) | FROM(PROCEEDING) | FROM(UNCONFIRMED) | FROM(ANSWERED),
    [LEG_ENDING] = FROM(UP) | FROM(ANSWERED) | FROM(UNCONFIRMED) | FROM(CALLING) | FROM(PROCEEDING) |
                   FROM(CANCELLING) | FROM(NEW),
    [LEG_LINGERING] = FROM(REFUSED) | FROM(CALLING) | FROM(PROCEEDING) | FROM(CANCELLING) | FROM(UP) |
                      FROM(ANSWERED) | FROM(UNCONFIRMED) | FROM(ENDING),
    [LEG_OVER] =
        FROM(NEW) | FROM(CALLING) | FROM(REFUSED) | FROM(CANCELLING) | FROM(ENDING) | FROM(LINGERING),
};
#undef FROM

/* The one door: a new state begins without alarms and sets its own. */
static void go(struct leg *leg, enum leg_state next)
{
    assert(may_come_from[next] & 1u << leg->card.state);
    leg->card.state = next;
    for (int t = 0; t < LEG_TIMERS; t++)
        leg->alarm_ms[t] = INT64_MAX;
}

static void set_alarm(struct leg *leg, enum leg_timer timer, int64_t now_ms, uint32_t after_ms)
{
    leg->alarm_ms[timer] = now_ms + after_ms;
}

static void stop_alarm(struct leg *leg, enum leg_timer timer)
{
    leg->alarm_ms[timer] = INT64_MAX;
}

/* What we sent is repeated from now on, until it is given up after 64 T1. */
static void insist(struct leg *leg, int64_t now_ms)
{
    leg->repeat_ms = leg->times.t1_ms;
    set_alarm(leg, LEG_T_REPEAT, now_ms, leg->repeat_ms);
    set_alarm(leg, LEG_T_GIVE_UP, now_ms, 64 * leg->times.t1_ms);
}

static void linger(struct leg *leg, int64_t now_ms, uint32_t for_ms)
{
    go(leg, LEG_LINGERING);
    set_alarm(leg, LEG_T_LINGER, now_ms, for_ms);
}

int64_t leg_deadline_ms(const struct leg *leg)
{
    int64_t first = INT64_MAX;
    for (int t = 0; t < LEG_TIMERS; t++)
        if (leg->alarm_ms[t] < first)
            first = leg->alarm_ms[t];
    return first;
}

bool leg_is_over(const struct leg *leg)
{
    return leg->card.state == LEG_OVER;
}

static bool is_in(const struct leg *leg, enum leg_state state)
{
    return leg->card.state == state;
}

/* ---- the plan --------------------------------------------------------------------------------- */

static void clear(struct leg_plan *plan)
{
    plan->send_count = 0;
    plan->event = LEG_NOTHING;
    plan->reason = LEG_HUNG_UP;
    plan->status = 0;
    plan->body = (struct sip_body){0};
}

static void tell(struct leg_plan *plan, enum leg_event event, uint16_t status, struct sip_body body)
{
    plan->event = event;
    plan->status = status;
    plan->body = body;
}

static void tell_released(struct leg *leg, struct leg_plan *plan, enum leg_reason reason, uint16_t status)
{
    if (leg->is_told)
        return;
    leg->is_told = true;
    plan->reason = reason;
    tell(plan, LEG_RELEASED, status, (struct sip_body){0});
}

/* The place for the next datagram. Its length is 0: not yet in the plan, see commit(). */
static struct leg_send *next_send(struct leg_plan *plan, struct sip_address to)
{
    assert((size_t)plan->send_count < sizeof plan->send / sizeof plan->send[0]);
    struct leg_send *send = &plan->send[plan->send_count];
    send->to = to;
    send->length = 0;
    return send;
}

static bool commit(struct leg_plan *plan, struct leg_send *send, size_t length)
{
    if (length == 0)
        return false;
    send->length = (uint16_t)length;
    plan->send_count++;
    return true;
}

/* Keeps what was sent last, to be repeated. */
static void remember(struct leg *leg, const struct leg_plan *plan, bool is_ack)
{
    const struct leg_send *last = &plan->send[plan->send_count - 1];
    memcpy(leg->sent, last->bytes, last->length);
    leg->sent_length = last->length;
    leg->sent_is_ack = is_ack;
}

/* Where what we keep goes to: INVITE's response to its Via, all else to the telephone. */
static struct sip_address repeat_to(const struct leg *leg)
{
    bool responding = is_in(leg, LEG_TRYING) || is_in(leg, LEG_ANSWERED) || is_in(leg, LEG_REFUSED);
    return responding ? leg->invite.reply_to : leg->card.remote;
}

static void repeat(const struct leg *leg, struct leg_plan *plan)
{
    if (leg->sent_length == 0)
        return;
    struct leg_send *send = next_send(plan, repeat_to(leg));
    memcpy(send->bytes, leg->sent, leg->sent_length);
    commit(plan, send, leg->sent_length);
}

/* A number that looks like chance (splitmix64). */
static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void new_branch(struct leg *leg)
{
    snprintf(leg->card.branch, sizeof leg->card.branch, "z9hG4bK%016llx.%u",
             (unsigned long long)mix(leg->seed + 1), ++leg->branch_count);
}

/* Sends a request of this dialog. False if it does not fit. */
static bool request(const struct leg *leg, struct leg_plan *plan, enum sip_method method, uint32_t cseq,
                    struct sip_body body)
{
    struct leg_send *send = next_send(plan, leg->card.remote);
    const struct sip_request r = {
        .method = method,
        .cseq = cseq,
        .target = leg->card.target,
        .branch = leg->card.branch,
        .from = leg->card.self,
        .to = leg->card.peer,
        .call_id = leg->card.call_id,
        .local = leg->card.local,
        .contact_user = method == SIP_INVITE ? "exchange" : NULL,
        .expires_s = -1,
        .body = body,
    };
    return commit(plan, send, sip_write_request(&r, send->bytes, sizeof send->bytes));
}

/* Answers the request with `head`. False if it does not fit; without a body it always does. */
static bool respond(const struct leg *leg, struct leg_plan *plan, const struct sip_head *head,
                    uint16_t status, struct sip_body body)
{
    char contact[40], address[22];
    bool makes_dialog = head == &leg->invite && status > 100 && status < 300;
    snprintf(contact, sizeof contact, "sip:exchange@%s", sip_address_text(leg->card.local, address));
    struct leg_send *send = next_send(plan, head->reply_to);
    const struct sip_response r = {
        .status = status,
        .head = head,
        .to_tag = status > 100 ? leg->card.local_tag : NULL,
        .contact = makes_dialog ? contact : NULL,
        .expires_s = -1,
        .body = body,
    };
    return commit(plan, send, sip_write_response(&r, send->bytes, sizeof send->bytes));
}

static const struct sip_body no_body = {0};

/* ---- steps ------------------------------------------------------------------------------------ */

static void send_bye(struct leg *leg, int64_t now_ms, struct leg_plan *plan)
{
    new_branch(leg);
    request(leg, plan, SIP_BYE, ++leg->card.cseq, no_body);
    remember(leg, plan, false);
    go(leg, LEG_ENDING);
    insist(leg, now_ms);
}

static void send_cancel(struct leg *leg, int64_t now_ms, struct leg_plan *plan)
{
    request(leg, plan, SIP_CANCEL, leg->card.invite_cseq, no_body); /* same branch as INVITE */
    remember(leg, plan, false);
    go(leg, LEG_CANCELLING);
    insist(leg, now_ms);
}

static void refuse(struct leg *leg, uint16_t status, int64_t now_ms, struct leg_plan *plan)
{
    respond(leg, plan, &leg->invite, status, no_body);
    remember(leg, plan, false);
    go(leg, LEG_REFUSED);
    insist(leg, now_ms);
}

static void go_up(struct leg *leg, int64_t now_ms)
{
    go(leg, LEG_UP);
    set_alarm(leg, LEG_T_LIMIT, now_ms, leg->times.call_max_ms);
}

/* ACK for a 2xx. An ACK is a transaction of its own, with a branch of its own. */
static bool send_ack(struct leg *leg, struct sip_body body, struct leg_plan *plan)
{
    new_branch(leg);
    if (!request(leg, plan, SIP_ACK, leg->card.invite_cseq, body))
        return false;
    remember(leg, plan, true);
    return true;
}

/* ---- the call's wishes ------------------------------------------------------------------------ */

void leg_ring(struct leg *leg, uint16_t status, struct sip_body body, struct leg_plan *plan)
{
    clear(plan);
    if (!is_in(leg, LEG_TRYING))
        return;
    if (respond(leg, plan, &leg->invite, status, body))
        remember(leg, plan, false);
}

void leg_answer(struct leg *leg, struct sip_body body, int64_t now_ms, struct leg_plan *plan)
{
    clear(plan);
    if (!is_in(leg, LEG_TRYING))
        return;
    if (!respond(leg, plan, &leg->invite, 200, body)) {
        tell_released(leg, plan, LEG_TOO_LARGE, 0);
        refuse(leg, 513, now_ms, plan);
        return;
    }
    remember(leg, plan, false);
    go(leg, LEG_ANSWERED);
    insist(leg, now_ms);
}

void leg_refuse(struct leg *leg, uint16_t status, int64_t now_ms, struct leg_plan *plan)
{
    clear(plan);
    if (!is_in(leg, LEG_TRYING))
        return;
    leg->is_told = true;
    refuse(leg, status, now_ms, plan);
}

void leg_confirm(struct leg *leg, struct sip_body body, int64_t now_ms, struct leg_plan *plan)
{
    clear(plan);
    if (!is_in(leg, LEG_UNCONFIRMED))
        return;
    if (send_ack(leg, body, plan)) {
        go_up(leg, now_ms);
        return;
    }
    tell_released(leg, plan, LEG_TOO_LARGE, 0);
    send_ack(leg, no_body, plan);
    send_bye(leg, now_ms, plan);
}

/* Ends the leg as far as the protocol allows it now. A BYE must wait for the ACK of our 2xx (RFC 3261, 15), a
 * CANCEL for the first sign of life (9.1). */
static void leave(struct leg *leg, int64_t now_ms, struct leg_plan *plan)
{
    leg->leaving = true;
    leg->is_told = true;
    switch (leg->card.state) {
    case LEG_TRYING:
        refuse(leg, 480, now_ms, plan);
        break;
    case LEG_PROCEEDING:
        send_cancel(leg, now_ms, plan);
        break;
    case LEG_UNCONFIRMED:
        send_ack(leg, no_body, plan);
        send_bye(leg, now_ms, plan);
        break;
    case LEG_UP:
        send_bye(leg, now_ms, plan);
        break;
    default: /* CALLING and ANSWERED wait; the rest is ending already */
        break;
    }
}

void leg_hangup(struct leg *leg, int64_t now_ms, struct leg_plan *plan)
{
    clear(plan);
    leave(leg, now_ms, plan);
}

/* ---- beginning -------------------------------------------------------------------------------- */

bool leg_call_id(const char *call_id, char out[static SIP_CALL_ID_MAX])
{
    int length = snprintf(out, SIP_CALL_ID_MAX, "b.%s", call_id);
    return length > 0 && length < SIP_CALL_ID_MAX;
}

static void begin(struct leg *leg, const struct leg_setup *setup)
{
    memset(leg, 0, sizeof *leg);
    leg->times = setup->times;
    leg->seed = setup->seed;
    leg->card.local = setup->local;
    snprintf(leg->card.local_tag, sizeof leg->card.local_tag, "%016llx",
             (unsigned long long)mix(setup->seed));
    for (int t = 0; t < LEG_TIMERS; t++)
        leg->alarm_ms[t] = INT64_MAX;
}

/* Where the requests of the dialog go: the telephone's Contact, if that is an address. */
static void learn_target(struct leg *leg, const struct sip_message *message)
{
    uint32_t ip;
    if (message->contact_at.host[0] == '\0')
        return;
    memcpy(leg->card.target, message->contact, sizeof leg->card.target);
    if (sip_ip_parse(message->contact_at.host, &ip))
        leg->card.remote =
            (struct sip_address){ip, message->contact_at.port ? message->contact_at.port : 5060};
}

void leg_open_incoming(struct leg *leg, const struct leg_setup *setup, const struct sip_message *invite,
                       int64_t now_ms, struct leg_plan *plan)
{
    clear(plan);
    begin(leg, setup);
    struct leg_card *card = &leg->card;
    leg->invite = invite->head;
    card->remote = invite->source;
    card->invite_cseq = invite->head.cseq;
    memcpy(card->remote_tag, invite->from_tag, sizeof card->remote_tag);
    memcpy(card->call_id, invite->head.call_id, sizeof card->call_id);
    memcpy(card->peer, invite->head.from, sizeof card->peer);
    snprintf(card->self, sizeof card->self, "%s;tag=%s", invite->head.to, card->local_tag);
    learn_target(leg, invite);
    go(leg, LEG_TRYING);
    if (card->target[0] == '\0') {
        tell_released(leg, plan, LEG_REJECTED, 400);
        refuse(leg, 400, now_ms, plan);
        return;
    }
    respond(leg, plan, &leg->invite, 100, no_body);
    remember(leg, plan, false);
}

void leg_open_outgoing(struct leg *leg, const struct leg_setup *setup, const struct leg_callee *callee,
                       int64_t now_ms, struct leg_plan *plan)
{
    char user[SIP_ESCAPED_MAX], address[22];
    clear(plan);
    begin(leg, setup);
    struct leg_card *card = &leg->card;
    card->outgoing = true;
    card->remote = callee->remote;
    card->cseq = card->invite_cseq = 1;
    snprintf(card->call_id, sizeof card->call_id, "%s", callee->call_id);
    snprintf(card->target, sizeof card->target, "%s", callee->target);
    snprintf(card->peer, sizeof card->peer, "<%s>", card->target);
    snprintf(card->self, sizeof card->self, "<sip:%s@%s>;tag=%s", sip_escape(callee->from_user, user),
             sip_address_text(card->local, address), card->local_tag);
    leg->has_offer = callee->body.length > 0;
    new_branch(leg);
    if (!request(leg, plan, SIP_INVITE, card->cseq, callee->body)) {
        tell_released(leg, plan, LEG_TOO_LARGE, 0);
        go(leg, LEG_OVER);
        return;
    }
    remember(leg, plan, false);
    go(leg, LEG_CALLING);
    insist(leg, now_ms);
    set_alarm(leg, LEG_T_RING, now_ms, leg->times.ring_max_ms);
}

/* Our INVITE has no final answer yet. */
static bool is_early(enum leg_state state)
{
    return state == LEG_CALLING || state == LEG_PROCEEDING || state == LEG_CANCELLING;
}

bool leg_may_say_goodbye(const struct leg_card *card)
{
    return is_early(card->state) || card->state == LEG_UP || card->state == LEG_ANSWERED ||
           card->state == LEG_UNCONFIRMED || card->state == LEG_ENDING;
}

bool leg_farewell(struct leg *leg, const struct leg_setup *setup, const struct leg_card *card, int64_t now_ms,
                  struct leg_plan *plan)
{
    clear(plan);
    if (!leg_may_say_goodbye(card))
        return false;
    begin(leg, setup);
    leg->card = *card;
    leg->card.state = LEG_NEW;
    leg->leaving = leg->is_told = true;
    if (is_early(card->state))
        send_cancel(leg, now_ms, plan);
    else
        send_bye(leg, now_ms, plan);
    return true;
}

/* ---- requests that come ----------------------------------------------------------------------- */

static bool is_of_dialog(const struct leg *leg, const struct sip_message *m)
{
    return strcmp(m->to_tag, leg->card.local_tag) == 0 && strcmp(m->from_tag, leg->card.remote_tag) == 0;
}

static void on_invite(struct leg *leg, const struct sip_message *m, struct leg_plan *plan)
{
    if (m->to_tag[0] != '\0')
        respond(leg, plan, &m->head, is_of_dialog(leg, m) ? 488 : 481, no_body);
    else if (is_in(leg, LEG_TRYING) || is_in(leg, LEG_ANSWERED) || is_in(leg, LEG_REFUSED))
        repeat(leg, plan);
}

static void on_ack(struct leg *leg, const struct sip_message *m, int64_t now_ms, struct leg_plan *plan)
{
    if (leg->card.outgoing || !is_of_dialog(leg, m) || m->head.cseq != leg->card.invite_cseq)
        return;
    if (is_in(leg, LEG_REFUSED)) {
        linger(leg, now_ms, leg->times.t4_ms);
    } else if (is_in(leg, LEG_ANSWERED)) {
        go_up(leg, now_ms);
        if (leg->leaving)
            send_bye(leg, now_ms, plan);
        else
            tell(plan, LEG_CONFIRMED, 0, sip_body_of(m));
    }
}

static void on_cancel(struct leg *leg, const struct sip_message *m, int64_t now_ms, struct leg_plan *plan)
{
    bool ours = !leg->card.outgoing && m->head.cseq == leg->card.invite_cseq;
    respond(leg, plan, &m->head, ours ? 200 : 481, no_body);
    if (ours && is_in(leg, LEG_TRYING)) {
        tell_released(leg, plan, LEG_CANCELLED, 0);
        refuse(leg, 487, now_ms, plan);
    }
}

static void on_bye(struct leg *leg, const struct sip_message *m, int64_t now_ms, struct leg_plan *plan)
{
    if (!is_of_dialog(leg, m)) {
        respond(leg, plan, &m->head, 481, no_body);
        return;
    }
    respond(leg, plan, &m->head, 200, no_body);
    switch (leg->card.state) {
    case LEG_TRYING:
        tell_released(leg, plan, LEG_HUNG_UP, 0);
        refuse(leg, 487, now_ms, plan);
        break;
    case LEG_ANSWERED:
    case LEG_UNCONFIRMED:
    case LEG_UP:
    case LEG_ENDING:
        tell_released(leg, plan, LEG_HUNG_UP, 0);
        linger(leg, now_ms, 64 * leg->times.t1_ms);
        break;
    default:
        break;
    }
}

static void on_request(struct leg *leg, const struct sip_message *m, int64_t now_ms, struct leg_plan *plan)
{
    switch (m->method) {
    case SIP_INVITE:
        on_invite(leg, m, plan);
        break;
    case SIP_ACK:
        on_ack(leg, m, now_ms, plan);
        break;
    case SIP_CANCEL:
        on_cancel(leg, m, now_ms, plan);
        break;
    case SIP_BYE:
        on_bye(leg, m, now_ms, plan);
        break;
    case SIP_OPTIONS:
        respond(leg, plan, &m->head, 200, no_body);
        break;
    default:
        respond(leg, plan, &m->head, 501, no_body);
        break;
    }
}

/* ---- responses that come ---------------------------------------------------------------------- */

static void on_provisional(struct leg *leg, const struct sip_message *m, int64_t now_ms,
                           struct leg_plan *plan)
{
    if (is_in(leg, LEG_CALLING)) {
        int64_t ring_until_ms = leg->alarm_ms[LEG_T_RING];
        go(leg, LEG_PROCEEDING);
        leg->alarm_ms[LEG_T_RING] = ring_until_ms;
        if (leg->leaving) {
            send_cancel(leg, now_ms, plan);
            return;
        }
    }
    if (is_in(leg, LEG_PROCEEDING) && m->status > 100)
        tell(plan, LEG_RINGING, m->status, sip_body_of(m));
}

/* A 2xx makes the dialog: from here the telephone has a tag, and perhaps another address. */
static void learn_dialog(struct leg *leg, const struct sip_message *m)
{
    memcpy(leg->card.remote_tag, m->to_tag, sizeof leg->card.remote_tag);
    memcpy(leg->card.peer, m->head.to, sizeof leg->card.peer);
    learn_target(leg, m);
}

static void on_accepted(struct leg *leg, const struct sip_message *m, int64_t now_ms, struct leg_plan *plan)
{
    switch (leg->card.state) {
    case LEG_CALLING:
    case LEG_PROCEEDING:
    case LEG_CANCELLING:
        learn_dialog(leg, m);
        if (leg->leaving) { /* the answer and our CANCEL have crossed */
            send_ack(leg, no_body, plan);
            send_bye(leg, now_ms, plan);
            return;
        }
        tell(plan, LEG_ACCEPTED, m->status, sip_body_of(m));
        if (leg->has_offer) {
            send_ack(leg, no_body, plan);
            go_up(leg, now_ms);
        } else {
            go(leg, LEG_UNCONFIRMED);
            set_alarm(leg, LEG_T_GIVE_UP, now_ms, 64 * leg->times.t1_ms);
        }
        break;
    case LEG_UP: /* our ACK was lost */
        if (strcmp(m->to_tag, leg->card.remote_tag) == 0 && leg->sent_is_ack)
            repeat(leg, plan);
        break;
    case LEG_ENDING:
    case LEG_LINGERING: /* the same, but what we keep is the BYE */
        if (leg->card.remote_tag[0] != '\0' && strcmp(m->to_tag, leg->card.remote_tag) == 0) {
            new_branch(leg);
            request(leg, plan, SIP_ACK, leg->card.invite_cseq, no_body);
        }
        break;
    default:
        break;
    }
}

static void on_rejected(struct leg *leg, const struct sip_message *m, int64_t now_ms, struct leg_plan *plan)
{
    switch (leg->card.state) {
    case LEG_CALLING:
    case LEG_PROCEEDING:
    case LEG_CANCELLING:
        memcpy(leg->card.peer, m->head.to, sizeof leg->card.peer);
        request(leg, plan, SIP_ACK, leg->card.invite_cseq, no_body); /* same branch as INVITE */
        remember(leg, plan, true);
        tell_released(leg, plan, LEG_REJECTED, m->status);
        linger(leg, now_ms, 64 * leg->times.t1_ms);
        break;
    case LEG_LINGERING:
        if (leg->sent_is_ack && leg->card.remote_tag[0] == '\0')
            repeat(leg, plan);
        break;
    default:
        break;
    }
}

static void on_response(struct leg *leg, const struct sip_message *m, int64_t now_ms, struct leg_plan *plan)
{
    if (strcmp(m->from_tag, leg->card.local_tag) != 0)
        return;
    if (m->method == SIP_INVITE && leg->card.outgoing && m->head.cseq == leg->card.invite_cseq) {
        if (m->status < 200)
            on_provisional(leg, m, now_ms, plan);
        else if (m->status < 300)
            on_accepted(leg, m, now_ms, plan);
        else
            on_rejected(leg, m, now_ms, plan);
    } else if (m->method == SIP_BYE && is_in(leg, LEG_ENDING) && m->status >= 200) {
        linger(leg, now_ms, leg->times.t4_ms);
    } else if (m->method == SIP_CANCEL && is_in(leg, LEG_CANCELLING) && m->status >= 200) {
        stop_alarm(leg, LEG_T_REPEAT); /* INVITE's own final response is still to come */
    }
}

void leg_message(struct leg *leg, const struct sip_message *message, int64_t now_ms, struct leg_plan *plan)
{
    clear(plan);
    if (leg_is_over(leg))
        return;
    if (message->status == 0)
        on_request(leg, message, now_ms, plan);
    else
        on_response(leg, message, now_ms, plan);
}

/* ---- time ------------------------------------------------------------------------------------- */

static void on_repeat(struct leg *leg, int64_t now_ms, struct leg_plan *plan)
{
    repeat(leg, plan);
    leg->repeat_ms *= 2;
    if (!is_in(leg, LEG_CALLING) && leg->repeat_ms > leg->times.t2_ms) /* timer A alone has no ceiling */
        leg->repeat_ms = leg->times.t2_ms;
    set_alarm(leg, LEG_T_REPEAT, now_ms, leg->repeat_ms);
}

static void on_give_up(struct leg *leg, int64_t now_ms, struct leg_plan *plan)
{
    switch (leg->card.state) {
    case LEG_ANSWERED:
        tell_released(leg, plan, LEG_NO_ACK, 0);
        send_bye(leg, now_ms, plan);
        break;
    case LEG_UNCONFIRMED:
        tell_released(leg, plan, LEG_NO_ACK, 0);
        send_ack(leg, no_body, plan);
        send_bye(leg, now_ms, plan);
        break;
    default: /* CALLING, REFUSED, CANCELLING, ENDING: nobody is there */
        tell_released(leg, plan, LEG_UNREACHABLE, 0);
        go(leg, LEG_OVER);
        break;
    }
}

static void on_alarm(struct leg *leg, enum leg_timer timer, int64_t now_ms, struct leg_plan *plan)
{
    switch (timer) {
    case LEG_T_REPEAT:
        on_repeat(leg, now_ms, plan);
        break;
    case LEG_T_GIVE_UP:
        on_give_up(leg, now_ms, plan);
        break;
    case LEG_T_RING:
        stop_alarm(leg, LEG_T_RING);
        tell_released(leg, plan, LEG_NO_ANSWER, 0);
        leave(leg, now_ms, plan);
        break;
    case LEG_T_LIMIT:
        tell_released(leg, plan, LEG_TOO_LONG, 0);
        leave(leg, now_ms, plan);
        break;
    case LEG_T_LINGER:
        go(leg, LEG_OVER);
        break;
    case LEG_TIMERS:
        break;
    }
}

void leg_tick(struct leg *leg, int64_t now_ms, struct leg_plan *plan)
{
    clear(plan);
    enum leg_timer first = LEG_T_REPEAT;
    for (int t = 0; t < LEG_TIMERS; t++)
        if (leg->alarm_ms[t] < leg->alarm_ms[first] ||
            (t == LEG_T_GIVE_UP && leg->alarm_ms[t] == leg->alarm_ms[first])) /* giving up beats repeating */
            first = (enum leg_timer)t;
    if (leg->alarm_ms[first] <= now_ms)
        on_alarm(leg, first, now_ms, plan);
}

/* ---- words ------------------------------------------------------------------------------------ */

static const struct {
    const char *text;
    uint16_t status;
} reasons[LEG_REASONS] = {
    [LEG_HUNG_UP] = {"hung up", 480},     [LEG_CANCELLED] = {"cancelled", 487},
    [LEG_REJECTED] = {"rejected", 0},     [LEG_UNREACHABLE] = {"unreachable", 408},
    [LEG_NO_ANSWER] = {"no answer", 480}, [LEG_NO_ACK] = {"no ACK", 500},
    [LEG_TOO_LONG] = {"too long", 480},   [LEG_TOO_LARGE] = {"too large", 513},
};

const char *leg_reason_text(enum leg_reason reason)
{
    return reasons[reason].text;
}

uint16_t leg_reason_status(enum leg_reason reason, uint16_t status)
{
    return reason == LEG_REJECTED ? status : reasons[reason].status;
}
