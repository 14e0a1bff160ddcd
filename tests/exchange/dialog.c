/* tests/exchange/dialog.c - what a call leg does, told in tables.
 *
 * A table is the story of one leg: at a time, something happens; what the leg then does is compared as text.
 * "> 180 INVITE" is a response that it sends, "> BYE 2" a request with its CSeq, "! ringing 180" an event, "."
 * nothing. Where a line is "until", time goes on to it alarm by alarm, and all that happens is collected,
 * each with its time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dialog.h"

static const struct sip_address telephone = {0x7f000001, 5070};
static const struct leg_setup setup = {
    .times = {.t1_ms = 500, .t2_ms = 4000, .t4_ms = 5000, .ring_max_ms = 60000, .call_max_ms = 100000},
    .local = {0x7f000001, 5060},
    .seed = 42,
};
static const struct sip_body offer = {"application/sdp", "v=offer\r\n", 9};

static struct leg leg;
static struct leg_plan plan;
static struct sip_message heard, sent;
static int64_t now;

/* ---- what the leg did, as text ---------------------------------------------------------------- */

static void tell_sent(const struct leg_send *send, char *out, size_t room)
{
    size_t used = strlen(out);
    assert_int_equal(sip_parse(send->bytes, send->length, setup.local, &sent), SIP_GOOD);
    assert_int_equal(send->to.port, telephone.port);
    if (sent.status)
        snprintf(out + used, room - used, "> %u %s ", sent.status, sent.head.method_name);
    else
        snprintf(out + used, room - used, "> %s %u ", sent.head.method_name, sent.head.cseq);
    if (sent.body_length) {
        used = strlen(out);
        snprintf(out + used, room - used, "with %.*s ", sent.body_length - 2, sent.body);
    }
}

static void tell_event(char *out, size_t room)
{
    size_t used = strlen(out);
    static const char *const names[] = {"", "ringing", "accepted", "confirmed", "released"};
    if (plan.event == LEG_NOTHING)
        return;
    snprintf(out + used, room - used, "! %s ", names[plan.event]);
    used = strlen(out);
    if (plan.event == LEG_RELEASED)
        snprintf(out + used, room - used, "%s ", leg_reason_text(plan.reason));
    used = strlen(out);
    if (plan.status)
        snprintf(out + used, room - used, "%u ", plan.status);
    used = strlen(out);
    if (plan.body.length)
        snprintf(out + used, room - used, "with %.*s ", (int)plan.body.length - 2, plan.body.bytes);
}

static void tell_plan(char *out, size_t room)
{
    for (int i = 0; i < plan.send_count; i++)
        tell_sent(&plan.send[i], out, room);
    tell_event(out, room);
}

/* ---- what the telephone says ------------------------------------------------------------------ */

static struct sip_message *say(const char *text)
{
    assert_int_equal(sip_parse(text, strlen(text), telephone, &heard), SIP_GOOD);
    return &heard;
}

static const char *length_and_body(const char *body, char out[static 100])
{
    snprintf(out, 100, "%sContent-Length: %zu\r\n\r\n%s%s", body ? "Content-Type: application/sdp\r\n" : "",
             body ? strlen(body) + 2 : 0, body ? body : "", body ? "\r\n" : "");
    return out;
}

/* A request of the telephone: as the caller for an incoming leg, as the callee for an outgoing one. */
static struct sip_message *request(const char *method, unsigned cseq, const char *to_tag, const char *body)
{
    char text[1200], end[100];
    snprintf(
        text, sizeof text,
        "%s sip:x@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK%u\r\n"
        "From: <sip:al@127.0.0.1>;tag=tel\r\nTo: <sip:bob@127.0.0.1>%s%s\r\nCall-ID: c1\r\nCSeq: %u %s\r\n"
        "Contact: <sip:al@127.0.0.1:5070>\r\n%s",
        method, cseq, *to_tag ? ";tag=" : "", to_tag, cseq, method, length_and_body(body, end));
    return say(text);
}

static struct sip_message *response(unsigned status, const char *method, unsigned cseq, const char *body)
{
    char text[1200], end[100];
    snprintf(text, sizeof text,
             "SIP/2.0 %u x\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=%s\r\nFrom: %s\r\n"
             "To: <sip:bob@127.0.0.1>;tag=tel\r\nCall-ID: %s\r\nCSeq: %u %s\r\nContact: "
             "<sip:bob@127.0.0.1:5070>\r\n%s",
             status, leg.card.branch, leg.card.self, leg.card.call_id, cseq, method,
             length_and_body(body, end));
    return say(text);
}

static void open_incoming(void)
{
    leg_open_incoming(&leg, &setup, request("INVITE", 1, "", "v=offer"), now, &plan);
}

static void open_outgoing(struct sip_body body)
{
    struct leg_callee callee = {"b.c1", "al", "sip:bob@127.0.0.1:5070", telephone, body};
    leg_open_outgoing(&leg, &setup, &callee, now, &plan);
}

/* ---- tables ----------------------------------------------------------------------------------- */

/* `what` is one of: in, out, out bare (without a body); METHOD CSEQ (of the telephone, in the dialog), METHOD CSEQ
 * outside; STATUS METHOD CSEQ; ring, answer, refuse STATUS, confirm, hangup; die (a farewell takes
 * over from the leg's card); until. A body stands behind "with". */
struct line {
    int64_t at_ms;
    const char *what;
    const char *expected;
};

static void run_until(int64_t at_ms, char *did, size_t room)
{
    while (leg_deadline_ms(&leg) <= at_ms) {
        now = leg_deadline_ms(&leg);
        size_t used = strlen(did);
        snprintf(did + used, room - used, "%lld: ", (long long)now);
        leg_tick(&leg, now, &plan);
        tell_plan(did, room);
        if (leg_is_over(&leg))
            strncat(did, "over ", room - strlen(did) - 1);
    }
}

static void hear(const char *what, const char *body)
{
    char word[16], method[16], outside[16] = "";
    unsigned number = 0, cseq = 0;
    if (sscanf(what, "%u %15s %u", &number, method, &cseq) == 3) {
        leg_message(&leg, response(number, method, cseq, body), now, &plan);
        return;
    }
    assert_true(sscanf(what, "%15s %u %15s", word, &cseq, outside) >= 2);
    bool is_outside = strcmp(outside, "outside") == 0;
    leg_message(&leg, request(word, cseq, is_outside ? "" : leg.card.local_tag, body), now, &plan);
}

static void happen(const char *what)
{
    static const struct sip_body accepted = {"application/sdp", "v=answer\r\n", 10};
    char first[64];
    const char *with = strstr(what, "with ");
    const char *body = with ? with + 5 : NULL;
    unsigned status = 0;
    snprintf(first, sizeof first, "%.*s", (int)(with ? with - what : (long)strlen(what)), what);
    if (strcmp(what, "in") == 0)
        open_incoming();
    else if (strcmp(what, "out") == 0)
        open_outgoing(offer);
    else if (strcmp(what, "out bare") == 0)
        open_outgoing((struct sip_body){0});
    else if (strcmp(what, "ring") == 0)
        leg_ring(&leg, 180, (struct sip_body){0}, &plan);
    else if (strcmp(what, "answer") == 0)
        leg_answer(&leg, accepted, now, &plan);
    else if (sscanf(what, "refuse %u", &status) == 1)
        leg_refuse(&leg, (uint16_t)status, now, &plan);
    else if (strcmp(what, "confirm") == 0)
        leg_confirm(&leg, accepted, now, &plan);
    else if (strcmp(what, "hangup") == 0)
        leg_hangup(&leg, now, &plan);
    else if (strcmp(what, "die") == 0) {
        struct leg_card card = leg.card;
        struct leg_setup other = setup;
        other.seed++;
        plan.event = LEG_NOTHING;
        plan.send_count = 0;
        if (!leg_farewell(&leg, &other, &card, now, &plan))
            assert_int_equal(plan.send_count, 0);
    } else
        hear(first, body);
}

static void play(const struct line *lines)
{
    now = 0;
    memset(&leg, 0xa5, sizeof leg);
    for (const struct line *l = lines; l->what; l++) {
        char did[2000] = "";
        if (strcmp(l->what, "until") == 0) {
            run_until(l->at_ms, did, sizeof did);
            now = l->at_ms;
        } else {
            assert_true(l->at_ms >= now);
            now = l->at_ms;
            happen(l->what);
            tell_plan(did, sizeof did);
        }
        if (did[0] == '\0')
            strcpy(did, ".");
        else
            did[strlen(did) - 1] = '\0';
        if (strcmp(did, l->expected) != 0)
            fail_msg("at %lld, %s:\n  expected %s\n  but did  %s", (long long)l->at_ms, l->what, l->expected,
                     did);
    }
}

#define STORY(name, ...)                                                   \
    static void name(void **state)                                         \
    {                                                                      \
        static const struct line lines[] = {__VA_ARGS__, {0, NULL, NULL}}; \
        (void)state;                                                       \
        play(lines);                                                       \
    }

/* ---- incoming --------------------------------------------------------------------------------- */

STORY(an_incoming_call_rings_is_answered_and_ends_with_the_callers_bye, {0, "in", "> 100 INVITE"},
      {10, "ring", "> 180 INVITE"}, {20, "answer", "> 200 INVITE with v=answer"},
      {30, "ACK 1", "! confirmed"}, {5000, "BYE 2", "> 200 BYE ! released hung up"},
      {5500, "BYE 2", "> 200 BYE"}, /* our 200 was lost; timer J */
      {37000, "until", "37000: over"})

STORY(an_incoming_call_that_we_end_repeats_its_bye_until_it_is_answered, {0, "in", "> 100 INVITE"},
      {20, "answer", "> 200 INVITE with v=answer"}, {30, "ACK 1", "! confirmed"}, {1000, "hangup", "> BYE 1"},
      {2600, "until", "1500: > BYE 1 2500: > BYE 1"},                                    /* timer E */
      {2700, "200 BYE 1", "."}, {2800, "200 BYE 1", "."}, {7700, "until", "7700: over"}) /* timer K */

STORY(a_bye_that_nobody_answers_is_given_up, {0, "in", "> 100 INVITE"},
      {0, "answer", "> 200 INVITE with v=answer"}, {0, "ACK 1", "! confirmed"}, {0, "hangup", "> BYE 1"},
      {40000, "until",
       "500: > BYE 1 1500: > BYE 1 3500: > BYE 1 7500: > BYE 1 11500: > BYE 1 15500: > BYE 1 "
       "19500: > BYE 1 23500: > BYE 1 27500: > BYE 1 31500: > BYE 1 32000: over"}) /* timer F */

STORY(an_invite_that_is_repeated_gets_the_last_response_again, {0, "in", "> 100 INVITE"},
      {1, "INVITE 1 outside", "> 100 INVITE"}, {10, "ring", "> 180 INVITE"},
      {11, "INVITE 1 outside", "> 180 INVITE"}, {20, "answer", "> 200 INVITE with v=answer"},
      {21, "INVITE 1 outside", "> 200 INVITE with v=answer"}, {30, "ACK 1", "! confirmed"},
      {31, "INVITE 1 outside", "."}, {32, "ACK 1", "."})

STORY(an_answer_is_repeated_until_acknowledged, {0, "in", "> 100 INVITE"},
      {0, "answer", "> 200 INVITE with v=answer"},
      {1600, "until", "500: > 200 INVITE with v=answer 1500: > 200 INVITE with v=answer"},
      {1700, "ACK 1 with v=late", "! confirmed with v=late"}, {9000, "until", "."})

STORY(
    an_answer_that_is_never_acknowledged_ends_with_bye, {0, "in", "> 100 INVITE"},
    {0, "answer", "> 200 INVITE with v=answer"},
    {31999, "until",
     "500: > 200 INVITE with v=answer 1500: > 200 INVITE with v=answer 3500: > 200 INVITE with v=answer "
     "7500: > 200 INVITE with v=answer 11500: > 200 INVITE with v=answer 15500: > 200 INVITE with v=answer "
     "19500: > 200 INVITE with v=answer 23500: > 200 INVITE with v=answer 27500: > 200 INVITE with v=answer "
     "31500: > 200 INVITE with v=answer"},
    {32000, "until", "32000: > BYE 1 ! released no ACK"}, {32010, "200 BYE 1", "."},
    {37010, "until", "37010: over"})

STORY(a_bye_of_ours_waits_for_the_ack, {0, "in", "> 100 INVITE"},
      {10, "answer", "> 200 INVITE with v=answer"}, {20, "hangup", "."}, {30, "ACK 1", "> BYE 1"},
      {40, "200 BYE 1", "."}, {5040, "until", "5040: over"})

STORY(a_bye_that_overtakes_the_ack_ends_the_call, {0, "in", "> 100 INVITE"},
      {10, "answer", "> 200 INVITE with v=answer"}, {20, "BYE 2", "> 200 BYE ! released hung up"},
      {30, "ACK 1", "."}, {32020, "until", "32020: over"})

STORY(a_refusal_is_repeated_until_acknowledged, {0, "in", "> 100 INVITE"}, {0, "refuse 486", "> 486 INVITE"},
      {600, "until", "500: > 486 INVITE"}, /* timer G */
      {700, "INVITE 1 outside", "> 486 INVITE"}, {800, "ACK 1", "."},
      {5800, "until", "5800: over"}) /* timer I */

STORY(a_refusal_that_is_never_acknowledged_is_given_up, {0, "in", "> 100 INVITE"},
      {0, "refuse 404", "> 404 INVITE"},
      {31999, "until",
       "500: > 404 INVITE 1500: > 404 INVITE 3500: > 404 INVITE 7500: > 404 INVITE "
       "11500: > 404 INVITE 15500: > 404 INVITE 19500: > 404 INVITE 23500: > 404 INVITE "
       "27500: > 404 INVITE 31500: > 404 INVITE"},
      {32000, "until", "32000: over"}) /* timer H */

STORY(a_cancel_before_the_answer_ends_the_call_with_487, {0, "in", "> 100 INVITE"},
      {10, "ring", "> 180 INVITE"},
      {20, "CANCEL 1 outside", "> 200 CANCEL > 487 INVITE ! released cancelled"},
      {21, "CANCEL 1 outside", "> 200 CANCEL"}, {22, "answer", "."}, {30, "ACK 1", "."},
      {5030, "until", "5030: over"})

STORY(a_cancel_after_the_answer_changes_nothing, {0, "in", "> 100 INVITE"},
      {10, "answer", "> 200 INVITE with v=answer"}, {20, "CANCEL 1 outside", "> 200 CANCEL"},
      {30, "ACK 1", "! confirmed"})

STORY(a_call_that_lasts_too_long_is_ended, {0, "in", "> 100 INVITE"},
      {0, "answer", "> 200 INVITE with v=answer"}, {100, "ACK 1", "! confirmed"},
      {100100, "until", "100100: > BYE 1 ! released too long"})

STORY(a_hangup_before_the_answer_refuses, {0, "in", "> 100 INVITE"}, {10, "hangup", "> 480 INVITE"},
      {20, "ACK 1", "."})

STORY(requests_of_another_dialog_or_unknown_ones_do_not_disturb, {0, "in", "> 100 INVITE"},
      {10, "answer", "> 200 INVITE with v=answer"}, {20, "ACK 1 outside", "."}, {30, "ACK 1", "! confirmed"},
      {40, "BYE 2 outside", "> 481 BYE"}, {50, "INVITE 2 with v=again", "> 488 INVITE"}, {55, "ACK 2", "."},
      {60, "OPTIONS 3", "> 200 OPTIONS"}, {70, "INFO 4", "> 501 INFO"},
      {80, "BYE 5", "> 200 BYE ! released hung up"})

/* ---- outgoing --------------------------------------------------------------------------------- */

STORY(an_outgoing_call_rings_is_accepted_and_ends_with_our_bye, {0, "out", "> INVITE 1 with v=offer"},
      {5, "100 INVITE 1", "."}, {10, "180 INVITE 1", "! ringing 180"},
      {15, "183 INVITE 1 with v=early", "! ringing 183 with v=early"},
      {20, "200 INVITE 1 with v=answer", "> ACK 1 ! accepted 200 with v=answer"}, {30, "confirm", "."},
      {9000, "hangup", "> BYE 2"}, {9010, "200 BYE 2", "."}, {14010, "until", "14010: over"})

STORY(an_invite_is_repeated_ever_slower_and_given_up, {0, "out", "> INVITE 1 with v=offer"},
      {31999, "until",
       "500: > INVITE 1 with v=offer 1500: > INVITE 1 with v=offer 3500: > INVITE 1 with v=offer "
       "7500: > INVITE 1 with v=offer 15500: > INVITE 1 with v=offer "
       "31500: > INVITE 1 with v=offer"},                     /* timer A */
      {32000, "until", "32000: ! released unreachable over"}) /* timer B */

STORY(a_sign_of_life_ends_the_repeating, {0, "out", "> INVITE 1 with v=offer"},
      {600, "until", "500: > INVITE 1 with v=offer"}, {700, "100 INVITE 1", "."}, {50000, "until", "."})

STORY(an_answer_that_comes_again_is_acknowledged_again, {0, "out", "> INVITE 1 with v=offer"},
      {10, "200 INVITE 1 with v=answer", "> ACK 1 ! accepted 200 with v=answer"},
      {510, "200 INVITE 1 with v=answer", "> ACK 1"}, {600, "hangup", "> BYE 2"},
      {700, "200 INVITE 1 with v=answer", "> ACK 1"}, {1200, "until", "1100: > BYE 2"},
      {1300, "200 BYE 2", "."})

STORY(without_an_offer_the_ack_waits_for_the_callers, {0, "out bare", "> INVITE 1"},
      {10, "200 INVITE 1 with v=offer2", "! accepted 200 with v=offer2"},
      {20, "200 INVITE 1 with v=offer2", "."}, {30, "confirm", "> ACK 1 with v=answer"},
      {40, "200 INVITE 1 with v=offer2", "> ACK 1 with v=answer"}, {50, "hangup", "> BYE 2"})

STORY(a_caller_who_never_confirms_ends_the_outgoing_leg, {0, "out bare", "> INVITE 1"},
      {0, "200 INVITE 1 with v=offer2", "! accepted 200 with v=offer2"},
      {32000, "until", "32000: > ACK 1 > BYE 2 ! released no ACK"})

STORY(a_rejection_is_acknowledged_each_time, {0, "out", "> INVITE 1 with v=offer"},
      {10, "486 INVITE 1", "> ACK 1 ! released rejected 486"}, {510, "486 INVITE 1", "> ACK 1"},
      {32010, "until", "32010: over"}) /* timer D */

STORY(a_hangup_while_it_rings_cancels, {0, "out", "> INVITE 1 with v=offer"},
      {10, "180 INVITE 1", "! ringing 180"}, {20, "hangup", "> CANCEL 1"}, {600, "until", "520: > CANCEL 1"},
      {610, "200 CANCEL 1", "."}, {620, "487 INVITE 1", "> ACK 1"}, {630, "487 INVITE 1", "> ACK 1"},
      {32620, "until", "32620: over"})

STORY(a_cancel_waits_for_the_first_sign_of_life, {0, "out", "> INVITE 1 with v=offer"}, {10, "hangup", "."},
      {600, "until", "500: > INVITE 1 with v=offer"}, {610, "180 INVITE 1", "> CANCEL 1"})

STORY(an_answer_that_crosses_the_cancel_is_acknowledged_and_ended, {0, "out", "> INVITE 1 with v=offer"},
      {10, "180 INVITE 1", "! ringing 180"}, {20, "hangup", "> CANCEL 1"},
      {30, "200 INVITE 1 with v=answer", "> ACK 1 > BYE 2"}, {40, "200 CANCEL 1", "."},
      {50, "200 BYE 2", "."}, {5050, "until", "5050: over"})

STORY(a_cancelled_invite_that_never_ends_is_given_up, {0, "out", "> INVITE 1 with v=offer"},
      {0, "180 INVITE 1", "! ringing 180"}, {0, "hangup", "> CANCEL 1"}, {10, "200 CANCEL 1", "."},
      {32000, "until", "32000: over"})

STORY(what_rings_too_long_is_cancelled, {0, "out", "> INVITE 1 with v=offer"},
      {10, "180 INVITE 1", "! ringing 180"}, {60000, "until", "60000: > CANCEL 1 ! released no answer"},
      {60010, "487 INVITE 1", "> ACK 1"})

STORY(the_callee_may_hang_up_too, {0, "out", "> INVITE 1 with v=offer"},
      {10, "200 INVITE 1 with v=answer", "> ACK 1 ! accepted 200 with v=answer"},
      {20, "BYE 1", "> 200 BYE ! released hung up"}, {30, "hangup", "."}, {32020, "until", "32020: over"})

STORY(byes_that_cross_are_both_answered, {0, "out", "> INVITE 1 with v=offer"},
      {10, "200 INVITE 1 with v=answer", "> ACK 1 ! accepted 200 with v=answer"}, {20, "hangup", "> BYE 2"},
      {30, "BYE 1", "> 200 BYE"}, {40, "200 BYE 2", "."}, {32030, "until", "32030: over"})

/* ---- in place of a leg that died ---------------------------------------------------------------- */

STORY(a_farewell_ends_a_call_in_place_of_a_leg_that_died, {0, "out", "> INVITE 1 with v=offer"},
      {10, "200 INVITE 1 with v=answer", "> ACK 1 ! accepted 200 with v=answer"}, {20, "die", "> BYE 2"},
      {600, "until", "520: > BYE 2"}, {610, "200 BYE 2", "."}, {5610, "until", "5610: over"})

STORY(a_farewell_cancels_what_still_rings, {0, "out", "> INVITE 1 with v=offer"},
      {10, "180 INVITE 1", "! ringing 180"}, {20, "die", "> CANCEL 1"}, {30, "200 CANCEL 1", "."},
      {40, "487 INVITE 1", "> ACK 1"})

STORY(a_farewell_of_an_incoming_call_is_a_bye, {0, "in", "> 100 INVITE"},
      {10, "answer", "> 200 INVITE with v=answer"}, {20, "ACK 1", "! confirmed"}, {30, "die", "> BYE 1"},
      {40, "200 BYE 1", "."})

STORY(there_is_no_farewell_where_nothing_is_to_be_ended, {0, "in", "> 100 INVITE"}, {10, "die", "."},
      {10, "refuse 500", "> 500 INVITE"}, {20, "die", "."})

/* ---- what a table cannot say -------------------------------------------------------------------- */

static void cancel_and_ack_of_a_rejection_carry_the_branch_of_the_invite(void **state)
{
    char invite_branch[SIP_BRANCH_MAX], ignored[200] = "";
    (void)state;
    now = 0;
    open_outgoing(offer);
    tell_plan(ignored, sizeof ignored);
    strcpy(invite_branch, sent.branch);
    leg_message(&leg, response(180, "INVITE", 1, NULL), now, &plan);
    leg_hangup(&leg, now, &plan);
    tell_plan(ignored, sizeof ignored);
    assert_string_equal(sent.branch, invite_branch);
    assert_string_equal(sent.to_tag, "");
    leg_message(&leg, response(487, "INVITE", 1, NULL), now, &plan);
    tell_plan(ignored, sizeof ignored);
    assert_string_equal(sent.branch, invite_branch);
    assert_string_equal(sent.to_tag, "tel");
}

static void an_ack_of_a_2xx_and_a_bye_have_branches_of_their_own(void **state)
{
    char invite_branch[SIP_BRANCH_MAX], ack_branch[SIP_BRANCH_MAX], ignored[200] = "";
    (void)state;
    now = 0;
    open_outgoing(offer);
    tell_plan(ignored, sizeof ignored);
    strcpy(invite_branch, sent.branch);
    leg_message(&leg, response(200, "INVITE", 1, "v=answer"), now, &plan);
    tell_plan(ignored, sizeof ignored);
    strcpy(ack_branch, sent.branch);
    assert_string_not_equal(ack_branch, invite_branch);
    assert_string_equal(sent.to_tag, "tel");
    leg_hangup(&leg, now, &plan);
    tell_plan(ignored, sizeof ignored);
    assert_string_not_equal(sent.branch, ack_branch);
    assert_string_not_equal(sent.branch, invite_branch);
}

static void an_invite_without_contact_is_refused(void **state)
{
    char did[200] = "";
    (void)state;
    request("INVITE", 1, "", NULL);
    memset(heard.contact, 0, sizeof heard.contact);
    memset(&heard.contact_at, 0, sizeof heard.contact_at);
    leg_open_incoming(&leg, &setup, &heard, 0, &plan);
    tell_plan(did, sizeof did);
    assert_string_equal(did, "> 400 INVITE ! released rejected 400 ");
}

static void what_does_not_fit_in_a_datagram_ends_the_leg(void **state)
{
    static char vias[SIP_VIAS_MAX], body[SIP_BODY_MAX];
    char did[200] = "";
    (void)state;
    now = 0;
    open_incoming();
    int used = 0;
    while (used < SIP_VIAS_MAX - 60)
        used += snprintf(vias + used, sizeof vias - (size_t)used,
                         "Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1\r\n");
    memcpy(leg.invite.vias, vias, sizeof vias);
    memset(leg.invite.from + strlen(leg.invite.from), 'x', 60);
    memset(leg.invite.record_routes, 0, sizeof leg.invite.record_routes);
    snprintf(leg.invite.record_routes, sizeof leg.invite.record_routes, "Record-Route: <sip:%0200d>\r\n", 1);
    memset(body, 'x', sizeof body);
    leg_answer(&leg, (struct sip_body){"application/sdp", body, sizeof body}, 0, &plan);
    tell_plan(did, sizeof did);
    assert_string_equal(did, "> 513 INVITE ! released too large ");
}

static void a_second_call_id_is_made_from_the_first(void **state)
{
    char out[SIP_CALL_ID_MAX], longest[SIP_CALL_ID_MAX];
    (void)state;
    assert_true(leg_call_id("c1@h", out));
    assert_string_equal(out, "b.c1@h");
    memset(longest, 'x', sizeof longest);
    longest[SIP_CALL_ID_MAX - 3] = '\0';
    assert_true(leg_call_id(longest, out));
    longest[SIP_CALL_ID_MAX - 3] = 'x';
    longest[SIP_CALL_ID_MAX - 2] = '\0';
    assert_false(leg_call_id(longest, out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_incoming_call_rings_is_answered_and_ends_with_the_callers_bye),
        cmocka_unit_test(an_incoming_call_that_we_end_repeats_its_bye_until_it_is_answered),
        cmocka_unit_test(a_bye_that_nobody_answers_is_given_up),
        cmocka_unit_test(an_invite_that_is_repeated_gets_the_last_response_again),
        cmocka_unit_test(an_answer_is_repeated_until_acknowledged),
        cmocka_unit_test(an_answer_that_is_never_acknowledged_ends_with_bye),
        cmocka_unit_test(a_bye_of_ours_waits_for_the_ack),
        cmocka_unit_test(a_bye_that_overtakes_the_ack_ends_the_call),
        cmocka_unit_test(a_refusal_is_repeated_until_acknowledged),
        cmocka_unit_test(a_refusal_that_is_never_acknowledged_is_given_up),
        cmocka_unit_test(a_cancel_before_the_answer_ends_the_call_with_487),
        cmocka_unit_test(a_cancel_after_the_answer_changes_nothing),
        cmocka_unit_test(a_call_that_lasts_too_long_is_ended),
        cmocka_unit_test(a_hangup_before_the_answer_refuses),
        cmocka_unit_test(requests_of_another_dialog_or_unknown_ones_do_not_disturb),
        cmocka_unit_test(an_outgoing_call_rings_is_accepted_and_ends_with_our_bye),
        cmocka_unit_test(an_invite_is_repeated_ever_slower_and_given_up),
        cmocka_unit_test(a_sign_of_life_ends_the_repeating),
        cmocka_unit_test(an_answer_that_comes_again_is_acknowledged_again),
        cmocka_unit_test(without_an_offer_the_ack_waits_for_the_callers),
        cmocka_unit_test(a_caller_who_never_confirms_ends_the_outgoing_leg),
        cmocka_unit_test(a_rejection_is_acknowledged_each_time),
        cmocka_unit_test(a_hangup_while_it_rings_cancels),
        cmocka_unit_test(a_cancel_waits_for_the_first_sign_of_life),
        cmocka_unit_test(an_answer_that_crosses_the_cancel_is_acknowledged_and_ended),
        cmocka_unit_test(a_cancelled_invite_that_never_ends_is_given_up),
        cmocka_unit_test(what_rings_too_long_is_cancelled),
        cmocka_unit_test(the_callee_may_hang_up_too),
        cmocka_unit_test(byes_that_cross_are_both_answered),
        cmocka_unit_test(a_farewell_ends_a_call_in_place_of_a_leg_that_died),
        cmocka_unit_test(a_farewell_cancels_what_still_rings),
        cmocka_unit_test(a_farewell_of_an_incoming_call_is_a_bye),
        cmocka_unit_test(there_is_no_farewell_where_nothing_is_to_be_ended),
        cmocka_unit_test(cancel_and_ack_of_a_rejection_carry_the_branch_of_the_invite),
        cmocka_unit_test(an_ack_of_a_2xx_and_a_bye_have_branches_of_their_own),
        cmocka_unit_test(an_invite_without_contact_is_refused),
        cmocka_unit_test(what_does_not_fit_in_a_datagram_ends_the_leg),
        cmocka_unit_test(a_second_call_id_is_made_from_the_first),
    };
    if (sip_prepare() != SIP_GOOD)
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
