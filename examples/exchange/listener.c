/* exchange/listener.c - the only one that reads the socket and the only one that parses.
 *
 * The socket is the root's (tree.c): when this process crashes the datagrams wait in it for the next one. libosip2 is a foreign library that knows
 * nothing of processes that are killed: it runs uninterrupted, and what comes out is a plain struct. What does not parse is dropped and counted, and told once
 * a second. */
#include "exchange.h"
#include <arpa/inet.h>
#include <netinet/in.h>

ES_ATOMS(garbage, router, board, read_on);

enum { SECOND_NS = 1000000000, LOOK_UP_NS = 100000000, PARSER_STACK = 256 << 10 };

/* What one second brought that was not SIP. */
typedef struct {
    int64_t end_ns;
    int64_t dropped;
} second;

static struct sip_address source_of(const es_address *from)
{
    struct sockaddr_in in;
    memcpy(&in, &from->storage, sizeof in);
    return (struct sip_address){ntohl(in.sin_addr.s_addr), ntohs(in.sin_port)};
}

struct reading {
    const char *bytes;
    size_t length;
    struct sip_address source;
    parcel *into;
    bool is_sip;
};

static void parse(void *argument)
{
    struct reading *r = argument;
    r->is_sip = sip_parse(r->bytes, r->length, r->source, (void *)r->into->message) == SIP_GOOD;
}

static void on_datagram(second *self, const char *bytes, size_t length, const es_address *from)
{
    struct reading r = {bytes, length, source_of(from), es_new(parcel), false};
    r.into->arrived_ns = es_now_ns();
    (void)es_uninterrupted(PARSER_STACK, parse, &r);
    if (r.is_sip) {
        exchange_give(router, r.into);
    } else {
        self->dropped++;
        es_free(r.into);
    }
}

static void end_second(second *self)
{
    if (self->dropped > 0) {
        exchange_note(garbage, self->dropped);
        es_send(board, ES_TUPLE(garbage, self->dropped));
    }
    *self = (second){es_now_ns() + SECOND_NS, 0};
}

/* What others have to say comes before. */
static void read_on_later(void)
{
    if (es_send(es_self(), read_on) != ES_OK)
        es_exit(es_am_system_limit);
}

static void read_for_a_while(second *self)
{
    char bytes[SIP_DATAGRAM_MAX + 1]; /* one more, so that what was cut is too long */
    es_address from;
    const int64_t until_ns = es_now_ns() + LOOK_UP_NS;
    while (es_now_ns() < until_ns) {
        int64_t length = es_recvfrom(exchange->fd, bytes, sizeof bytes, &from, until_ns);
        if (length >= 0)
            on_datagram(self, bytes, (size_t)length, &from);
        if (es_now_ns() >= self->end_ns)
            end_second(self);
    }
}

static es_answer listener_init(second *self, es_term args)
{
    (void)args;
    self->end_ns = es_now_ns() + SECOND_NS;
    read_on_later();
    return es_ok();
}

static es_answer listener_info(second *self, es_term message)
{
    if (!es_is(message, read_on))
        return es_unknown(message);
    read_for_a_while(self);
    read_on_later();
    return es_noreply();
}

ES_SERVER(listener_server, second, .init = listener_init, .info = listener_info);
