/* tests/exchange/sip.c - reading and writing SIP messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "sip.h"

#define VIA     "Via: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKa\r\n"
#define PARTIES "From: Al <sip:al@10.0.0.1>;tag=f1\r\nTo: <sip:bob@10.0.0.2>\r\nCall-ID: c1@10.0.0.1\r\n"
#define INVITE  "INVITE sip:bob@10.0.0.2:5080 SIP/2.0\r\n"
#define SDP     "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"

static const struct sip_address caller = {0x0a000001, 5070};
static struct sip_message m;

static enum sip_err parse(const char *text)
{
    return sip_parse(text, strlen(text), caller, &m);
}

static void a_request_is_taken_apart(void **state)
{
    (void)state;
    assert_int_equal(parse("INVITE sip:b%20b@10.0.0.2:5080 SIP/2.0\r\n" VIA PARTIES
                           "CSeq: 7 INVITE\r\nContact: <sip:al@10.0.0.1:5071>\r\n" SDP),
                     SIP_GOOD);
    assert_int_equal(m.method, SIP_INVITE);
    assert_int_equal(m.status, 0);
    assert_string_equal(m.target.user, "b b");
    assert_string_equal(m.target.host, "10.0.0.2");
    assert_int_equal(m.target.port, 5080);
    assert_string_equal(m.from_tag, "f1");
    assert_string_equal(m.to_tag, "");
    assert_string_equal(m.to.user, "bob");
    assert_string_equal(m.branch, "z9hG4bKa");
    assert_string_equal(m.head.call_id, "c1@10.0.0.1");
    assert_int_equal(m.head.cseq, 7);
    assert_string_equal(m.contact, "sip:al@10.0.0.1:5071");
    assert_int_equal(m.contact_at.port, 5071);
    assert_int_equal(m.expires_s, -1);
    assert_string_equal(m.content_type, "application/sdp");
    assert_int_equal(m.body_length, 5);
    assert_memory_equal(m.body, "v=0\r\n", 5);
}

static void a_response_is_taken_apart(void **state)
{
    (void)state;
    assert_int_equal(parse("SIP/2.0 487 Gone\r\n" VIA PARTIES "CSeq: 7 INVITE\r\n\r\n"), SIP_GOOD);
    assert_int_equal(m.status, 487);
    assert_int_equal(m.method, SIP_INVITE);
    assert_int_equal(m.body_length, 0);
}

static void short_names_and_folded_lines_are_read(void **state)
{
    (void)state;
    assert_int_equal(
        parse("BYE sip:bob@10.0.0.2 SIP/2.0\r\nv: SIP/2.0/UDP 10.0.0.1;branch=b\r\nf: <sip:a@h>;tag=1\r\n"
              "t: <sip:b@h>\r\n ;tag=2\r\ni: x\r\nCSeq: 1 BYE\r\nc: text/\r\n plain\r\nl:\r\n 2\r\n\r\nhi"),
        SIP_GOOD);
    assert_string_equal(m.to_tag, "2");
    assert_int_equal(m.body_length, 2);
}

static void what_is_no_message_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\r\n\r\n",
        "hello\r\n\r\n",
        INVITE VIA PARTIES "CSeq: 7 INVITE\r\n",                               /* cut off */
        INVITE VIA PARTIES "CSeq: 7 INVITE\r\nContent-Length: 9\r\n\r\nshort", /* body cut off */
        INVITE VIA PARTIES "CSeq: 7 INVITE\r\nContent-Length: -1\r\n\r\n",
        INVITE VIA PARTIES "CSeq: 7 INVITE\r\nContent-Length: 0\r\nl: 0\r\n\r\n",
        INVITE VIA PARTIES "CSeq: 7 BYE\r\n\r\n", /* says two different things */
        INVITE VIA PARTIES "CSeq: 99999999999 INVITE\r\n\r\n",
        INVITE VIA PARTIES "\r\n",               /* no CSeq */
        INVITE PARTIES "CSeq: 7 INVITE\r\n\r\n", /* no Via */
        INVITE VIA "CSeq: 7 INVITE\r\n\r\n",     /* nobody */
        "INVITE tel:123 SIP/2.0\r\n" VIA PARTIES "CSeq: 7 INVITE\r\n\r\n",
        "SIP/2.0 99 Low\r\n" VIA PARTIES "CSeq: 7 INVITE\r\n\r\n",
        "SIP/2.0 700 High\r\n" VIA PARTIES "CSeq: 7 INVITE\r\n\r\n",
        INVITE "Via: SIP/2.0/UDP h:0\r\n" PARTIES "CSeq: 7 INVITE\r\n\r\n",
        INVITE VIA PARTIES "CSeq: 7 INVITE\r\nExpires: soon\r\n\r\n",
        INVITE "Via: SIP/2.0/UDP h;branch=\1\r\n" PARTIES "CSeq: 7 INVITE\r\n\r\n",
        INVITE VIA "From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: a\33[2Jb\r\nCSeq: 7 INVITE\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (parse(texts[i]) != SIP_EGARBAGE)
            fail_msg("text %zu was not refused", i);
    assert_int_equal(sip_parse(INVITE VIA "\0\r\n\r\n", sizeof INVITE VIA "\0\r\n\r\n", caller, &m),
                     SIP_EGARBAGE);
}

static void no_beginning_of_a_message_is_taken_for_one(void **state)
{
    (void)state;
    static const char text[] = INVITE VIA PARTIES "CSeq: 7 INVITE\r\n" SDP;
    for (size_t length = 0; length < sizeof text - 1; length++)
        assert_int_not_equal(sip_parse(text, length, caller, &m), SIP_GOOD);
    assert_int_equal(sip_parse(text, sizeof text - 1, caller, &m), SIP_GOOD);
}

static void what_is_too_long_is_refused_and_not_cut(void **state)
{
    (void)state;
    char text[SIP_DATAGRAM_MAX + 1], filler[SIP_DATAGRAM_MAX];
    const char *const formats[] = {
        INVITE VIA "From: <sip:al@h>;tag=%.*s\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n",
        INVITE VIA "From: <sip:al@h>;tag=1\r\nTo: <sip:%.*s@h>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n",
        INVITE VIA "From: <sip:al@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: %.*s\r\nCSeq: 1 INVITE\r\n\r\n",
        INVITE VIA PARTIES "CSeq: 1 INVITE\r\nContact: <sip:a@%.*s>\r\n\r\n",
        INVITE "Via: SIP/2.0/UDP h;branch=%.*s\r\n" PARTIES "CSeq: 1 INVITE\r\n\r\n",
        INVITE VIA PARTIES "CSeq: 1 INVITE\r\nc: a/b\r\n\r\n%.*s",
    };
    memset(filler, 'x', sizeof filler);
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        snprintf(text, sizeof text, formats[i], 4, filler);
        assert_int_equal(parse(text), SIP_GOOD);
        snprintf(text, sizeof text, formats[i], 1100, filler);
        assert_int_equal(parse(text), SIP_ETOOBIG);
    }
    assert_int_equal(sip_parse(filler, SIP_DATAGRAM_MAX + 1, caller, &m), SIP_ETOOBIG);
}

static void a_response_goes_where_the_via_and_the_datagram_say(void **state)
{
    (void)state;
    static const struct {
        const char *via;
        uint16_t port;
        const char *stamped;
    } table[] = {
        {"10.0.0.1:5070;branch=b", 5070, "Via: SIP/2.0/UDP 10.0.0.1:5070;branch=b\r\n"},
        {"10.0.0.1;branch=b", 5060, "Via: SIP/2.0/UDP 10.0.0.1;branch=b\r\n"},
        {"10.9.9.9:7;branch=b", 7, "Via: SIP/2.0/UDP 10.9.9.9:7;branch=b;received=10.0.0.1\r\n"},
        {"pc;rport;branch=b", 5070, "Via: SIP/2.0/UDP pc;rport=5070;branch=b;received=10.0.0.1\r\n"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char text[600];
        snprintf(text, sizeof text, INVITE "Via: SIP/2.0/UDP %s\r\n" PARTIES "CSeq: 1 INVITE\r\n\r\n",
                 table[i].via);
        assert_int_equal(parse(text), SIP_GOOD);
        assert_int_equal(m.head.reply_to.ip, caller.ip);
        assert_int_equal(m.head.reply_to.port, table[i].port);
        assert_string_equal(m.head.vias, table[i].stamped);
    }
}

static void a_response_takes_over_what_it_must(void **state)
{
    (void)state;
    char out[SIP_DATAGRAM_MAX];
    assert_int_equal(parse(INVITE VIA
                           "Via: SIP/2.0/UDP 9.9.9.9;branch=c\r\nRecord-Route: <sip:p;lr>\r\n" PARTIES
                           "CSeq: 7 INVITE\r\n\r\n"),
                     SIP_GOOD);
    struct sip_response r = {.status = 200,
                             .head = &m.head,
                             .to_tag = "t9",
                             .contact = "sip:x@10.0.0.2",
                             .expires_s = 60,
                             .body = {"application/sdp", "v=0\r\n", 5}};
    size_t length = sip_write_response(&r, out, sizeof out);
    assert_true(length > 0);
    out[length] = '\0';
    assert_string_equal(
        out, "SIP/2.0 200 OK\r\n" VIA "Via: SIP/2.0/UDP 9.9.9.9;branch=c\r\nRecord-Route: <sip:p;lr>\r\n"
             "From: Al <sip:al@10.0.0.1>;tag=f1\r\nTo: <sip:bob@10.0.0.2>;tag=t9\r\n"
             "Call-ID: c1@10.0.0.1\r\nCSeq: 7 INVITE\r\nContact: <sip:x@10.0.0.2>;expires=60\r\n" SDP);
    for (size_t room = 0; room < length; room++)
        assert_int_equal(sip_write_response(&r, out, room), 0);
}

static void a_request_that_is_written_can_be_read(void **state)
{
    (void)state;
    char out[SIP_DATAGRAM_MAX], user[SIP_ESCAPED_MAX];
    struct sip_request r = {.method = SIP_INVITE,
                            .cseq = 3,
                            .target = "sip:bob@10.0.0.2:5080",
                            .branch = "z9hG4bKq",
                            .from = "<sip:al@10.0.0.9>;tag=me",
                            .to = "<sip:bob@10.0.0.2>;tag=you",
                            .call_id = "b.c1",
                            .local = {0x0a000009, 5060},
                            .contact_user = "exchange",
                            .expires_s = 30,
                            .body = {"application/sdp", "v=0\r\n", 5}};
    size_t length = sip_write_request(&r, out, sizeof out);
    assert_int_equal(sip_parse(out, length, caller, &m), SIP_GOOD);
    assert_int_equal(m.method, SIP_INVITE);
    assert_string_equal(m.to_tag, "you");
    assert_string_equal(m.contact, "sip:exchange@10.0.0.9:5060");
    assert_int_equal(m.expires_s, 30);
    assert_memory_equal(m.body, "v=0\r\n", 5);
    for (size_t room = 0; room < length; room++)
        assert_int_equal(sip_write_request(&r, out, room), 0);
    assert_string_equal(sip_escape("a>\r\"%b", user), "a%3E%0D%22%25b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_taken_apart),
        cmocka_unit_test(a_response_is_taken_apart),
        cmocka_unit_test(short_names_and_folded_lines_are_read),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(no_beginning_of_a_message_is_taken_for_one),
        cmocka_unit_test(what_is_too_long_is_refused_and_not_cut),
        cmocka_unit_test(a_response_goes_where_the_via_and_the_datagram_say),
        cmocka_unit_test(a_response_takes_over_what_it_must),
        cmocka_unit_test(a_request_that_is_written_can_be_read),
    };
    if (sip_prepare() != SIP_GOOD)
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
