/* simulated.c - the whole exchange in simulated worlds: its telephones are processes at the other end of a simulated network.
 *
 * They do what scenarios/uac.xml and uas.xml make SIPp do: a caller invites, acknowledges, holds, says goodbye; the one who is called rings,
 * answers, and answers the goodbye. Both repeat what is not answered. */
#include "exchange.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include "story.h"

ES_ATOMS(done);

enum {
    CALLERS = 30,
    EXCHANGE_PORT = 5060,
    CALLED_PORT = 5070,
    REPEAT_MS = 500,
    HOLD_MS = 3000,
    PATIENCE_S = 60
};

static struct exchange office;

/* ---------------------------------------------------------------- SIP as text */

struct datagram {
    char text[4096];
    es_address from;
};

static bool is_request(const struct datagram *d, const char *method)
{
    return strncmp(d->text, method, strlen(method)) == 0 && d->text[strlen(method)] == ' ';
}

/* 0: it is a request. */
static int status_of(const struct datagram *d)
{
    int status = 0;
    return sscanf(d->text, "SIP/2.0 %d", &status) == 1 ? status : 0;
}

/* All lines with that name, as they stand there. */
static const char *lines_of(const struct datagram *d, const char *name, char *out, size_t size)
{
    size_t length = 0, name_length = strlen(name);
    out[0] = 0;
    for (const char *line = strchr(d->text, '\n'); line && line[1] != '\r'; line = strchr(line + 1, '\n')) {
        const char *end = strchr(line + 1, '\n');
        bool is_it = strncmp(line + 1, name, name_length) == 0 && line[1 + name_length] == ':';
        if (!is_it || !end || length + (size_t)(end - line) >= size)
            continue;
        memcpy(out + length, line + 1, (size_t)(end - line));
        length += (size_t)(end - line);
        out[length] = 0;
    }
    return out;
}

static es_address address_of(uint16_t port)
{
    es_address address = {.length = sizeof(struct sockaddr_in)};
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    memcpy(&address.storage, &in, sizeof in);
    return address;
}

static int open_telephone(uint16_t wanted, unsigned *port)
{
    es_address address = address_of(wanted);
    struct sockaddr_in in;
    int fd = (int)es_udp_open(&address);
    EXPECT(fd >= 0);
    EXPECT(es_udp_local(fd, &address) == ES_OK);
    memcpy(&in, &address.storage, sizeof in);
    *port = ntohs(in.sin_port);
    return fd;
}

static void send_text(int fd, const es_address *to, const char *text)
{
    EXPECT(es_sendto(fd, text, strlen(text), to, ES_INFINITY) > 0);
}

static bool hear(int fd, struct datagram *d, int64_t deadline_ns)
{
    int64_t size = es_recvfrom(fd, d->text, sizeof d->text - 1, &d->from, deadline_ns);
    EXPECT(size >= 0 || size == ES_ETIMEOUT);
    d->text[size > 0 ? size : 0] = 0;
    return size > 0;
}

/* Answers `d`; `more` are header lines, `body` may be "". */
static void answer(int fd, const struct datagram *d, const char *status, const char *more, const char *body)
{
    char via[1024], from[256], to[256], id[256], cseq[64], text[4096];
    lines_of(d, "To", to, sizeof to);
    if (!strstr(to, ";tag="))
        strcpy(to + strcspn(to, "\r"), ";tag=called\r\n");
    snprintf(text, sizeof text, "SIP/2.0 %s\r\n%s%s%s%s%s%sContent-Length: %zu\r\n\r\n%s", status,
             lines_of(d, "Via", via, sizeof via), lines_of(d, "From", from, sizeof from), to,
             lines_of(d, "Call-ID", id, sizeof id), lines_of(d, "CSeq", cseq, sizeof cseq), more,
             strlen(body), body);
    send_text(fd, &d->from, text);
}

#define SDP_BODY \
    "v=0\r\no=t 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n"

/* ---------------------------------------------------------------- the one who is called, for all */

static void called(void)
{
    static struct datagram d;
    unsigned port;
    char more[128];
    int fd = open_telephone(CALLED_PORT, &port);
    snprintf(more, sizeof more, "Contact: <sip:called@127.0.0.1:%u>\r\nContent-Type: application/sdp\r\n",
             port);
    for (;;) {
        if (!hear(fd, &d, ES_INFINITY))
            return;
        if (is_request(&d, "INVITE")) {
            answer(fd, &d, "180 Ringing", "", "");
            answer(fd, &d, "200 OK", more, SDP_BODY);
        } else if (is_request(&d, "BYE")) {
            answer(fd, &d, "200 OK", "", "");
        }
    }
}

/* ---------------------------------------------------------------- a caller */

struct caller {
    int fd, number;
    unsigned port;
    char to[256]; /* with its tag, once there is one */
    struct datagram heard;
};

static void request(struct caller *c, const char *method, int cseq, const char *body)
{
    char text[2048];
    es_address exchange_at = address_of(EXCHANGE_PORT);
    bool has_body = *body;
    snprintf(text, sizeof text,
             "%s sip:somebody@127.0.0.1:%d SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bK-%d-%s\r\n"
             "From: <sip:caller%d@127.0.0.1:%u>;tag=c%d\r\n%sCall-ID: %d@simulated\r\nCSeq: %d %s\r\n"
             "Contact: <sip:caller%d@127.0.0.1:%u>\r\nMax-Forwards: 70\r\n%sContent-Length: %zu\r\n\r\n%s",
             method, EXCHANGE_PORT, c->port, c->number, method, c->number, c->port, c->number, c->to,
             c->number, cseq, method, c->number, c->port, has_body ? "Content-Type: application/sdp\r\n" : "",
             strlen(body), body);
    send_text(c->fd, &exchange_at, text);
}

/* The 200 that answers it, asked for until something comes; false: it never did. */
static bool succeeds(struct caller *c, const char *method, int cseq, const char *body)
{
    int64_t give_up_ns = es_now_ns() + PATIENCE_S * INT64_C(1000000000);
    char which[64], wanted[64];
    snprintf(wanted, sizeof wanted, "CSeq: %d %s\r\n", cseq, method);
    bool is_heard = false;
    while (es_now_ns() < give_up_ns) {
        if (!is_heard)
            request(c, method, cseq, body);
        int64_t next_ns = es_now_ns() + REPEAT_MS * INT64_C(1000000);
        if (!hear(c->fd, &c->heard, is_heard ? give_up_ns : next_ns))
            continue;
        if (strcmp(lines_of(&c->heard, "CSeq", which, sizeof which), wanted) != 0)
            continue;
        is_heard = true;
        int status = status_of(&c->heard);
        if (status >= 200)
            return status == 200;
    }
    return false;
}

/* Until the time is over; a 200 that comes again is acknowledged again. */
static void hold(struct caller *c)
{
    int64_t over_ns = es_now_ns() + HOLD_MS * INT64_C(1000000);
    while (hear(c->fd, &c->heard, over_ns)) {
        EXPECT(!is_request(&c->heard, "BYE")); /* nobody else ends it */
        if (status_of(&c->heard) == 200)
            request(c, "ACK", 1, "");
    }
}

static void caller(es_term argument)
{
    es_pid parent;
    struct caller *c = es_alloc(sizeof *c);
    EXPECT(es_match(argument, ES_TUPLE(&parent, &c->number)));
    es_sleep(c->number * 37);
    c->fd = open_telephone(0, &c->port);
    snprintf(c->to, sizeof c->to, "To: <sip:somebody@127.0.0.1:%d>\r\n", EXCHANGE_PORT);
    bool is_up = EXPECT(succeeds(c, "INVITE", 1, SDP_BODY));
    if (is_up) {
        lines_of(&c->heard, "To", c->to, sizeof c->to);
        EXPECT(strstr(c->heard.text, "m=audio 6000") != NULL); /* what the other one said came through */
        request(c, "ACK", 1, "");
        hold(c);
        EXPECT(succeeds(c, "BYE", 2, ""));
    }
    es_send(parent, ES_TUPLE(done, c->number));
}

/* ---------------------------------------------------------------- the story */

static void calls_go_through(void)
{
    office = (struct exchange){.address = {INADDR_LOOPBACK, EXCHANGE_PORT},
                               .uas_port = CALLED_PORT,
                               .log = "/dev/null",
                               .is_quiet = true};
    office_open(&office);
    es_pid other = es_spawn(called);
    for (int i = 0; i < CALLERS; i++)
        es_spawn(caller, ES_TUPLE(es_self(), i));
    for (int i = 0; i < CALLERS; i++)
        EXPECT(got_within(ES_TUPLE(done, ES_ANY), 10 * PATIENCE_S * 1000));
    while (es_members(exchange_calls, NULL, 0) > 0)
        es_sleep(100); /* the last of them lingers for what the network repeats */
    es_send_exit(other, es_am_kill);
}

CASE(all_calls_go_through_and_the_same_seed_gives_the_same_trace, 10, "")
{
    for (unsigned long seed = 1; seed <= 10; seed++) {
        uint64_t first = story_trace(calls_go_through, seed);
        assert_true(story_trace(calls_go_through, seed) == first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_calls_go_through_and_the_same_seed_gives_the_same_trace),
    };
    assert_true(sip_prepare() == SIP_GOOD);
    return cmocka_run_group_tests_name("exchange/simulated", tests, NULL, NULL);
}
