/* exchange/listener.c - the only one that reads the socket and the only one that parses.
 *
 * libosip2 is a foreign library: a fault inside it would end the node, and a process killed in the middle of it would
 * leak. So it runs here, in a process that nobody kills; what comes out is a plain struct. What does not parse is
 * dropped and counted, and told once a second. */
#include "exchange.h"
#include <arpa/inet.h>
#include <netinet/in.h>

ES_ATOMS(listening, serve, garbage);

enum { SECOND_NS = 1000000000, SOCKET_ROOM = 8 << 20 };

static int64_t open_socket(unsigned port)
{
    char text[32];
    es_address local;
    int room = SOCKET_ROOM;
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    int64_t fd = es_address_parse(text, &local) == ES_OK ? es_udp_open(&local) : ES_EINVAL;
    if (fd < 0) {
        fprintf(stderr, "exchange: %s\n", es_last_detail());
        es_halt(1);
    }
    /* The first needs a right that few have, the second is cut to what everybody may. */
    if (setsockopt((int)fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
        setsockopt((int)fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    return fd;
}

static unsigned port_of(int fd)
{
    es_address local;
    struct sockaddr_in in = {0};
    if (es_udp_local(fd, &local) == ES_OK)
        memcpy(&in, &local.storage, sizeof in);
    return ntohs(in.sin_port);
}

static struct sip_address source_of(const es_address *from)
{
    struct sockaddr_in in;
    memcpy(&in, &from->storage, sizeof in);
    return (struct sip_address){ntohl(in.sin_addr.s_addr), ntohs(in.sin_port)};
}

/* What one second brought that was not SIP. */
struct second {
    int64_t end_ns;
    int64_t dropped;
};

static void end_second(struct second *s)
{
    if (s->dropped > 0) {
        exchange_note(garbage, s->dropped);
        es_send(exchange->board, ES_TUPLE(garbage, s->dropped));
    }
    *s = (struct second){es_now_ns() + SECOND_NS, 0};
}

static void serve_for_ever(int fd)
{
    char bytes[SIP_DATAGRAM_MAX + 1]; /* one more, so that what was cut is too long */
    es_address from;
    struct second second = {es_now_ns() + SECOND_NS, 0};
    parcel *p = es_new(parcel);
    for (;;) {
        int64_t length = es_recvfrom(fd, bytes, sizeof bytes, &from, second.end_ns);
        if (length >= 0) {
            p->arrived_ns = es_now_ns();
            if (sip_parse(bytes, (size_t)length, source_of(&from), (void *)p->message) == SIP_GOOD) {
                es_give(exchange->router, p);
                p = es_new(parcel);
            } else {
                second.dropped++;
            }
        }
        if (es_now_ns() >= second.end_ns)
            end_second(&second);
    }
}

void listener(es_term argument)
{
    unsigned port = 0;
    es_pid starter = ES_NO_PID;
    es_match(argument, ES_TUPLE(&port, &starter));
    int fd = (int)open_socket(port);
    es_send(starter, ES_TUPLE(listening, fd, port_of(fd)));
    es_receive {
        es_case(serve)
            serve_for_ever(fd);
    }
}
