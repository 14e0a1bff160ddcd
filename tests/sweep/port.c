/* port.c - the sweep over engset/port.h, engset/resolve.h and engset/blocking.h. */
#include "sweep.h"
#include <poll.h>

ES_ATOMS(received, go_on, tcp_error);

static es_address any_port(void)
{
    es_address any;
    EXPECT(es_address_parse("127.0.0.1:0", &any) == ES_OK);
    return any;
}

static int a_listener(es_address *at)
{
    es_address any = any_port();
    int64_t fd = es_listen(&any, NULL);
    EXPECT(fd >= 0 && es_local_address((int)fd, at) == ES_OK);
    return (int)fd;
}

/* Both ends of a connection. */
static void a_pair(int pair[2])
{
    es_address at;
    int listener = a_listener(&at);
    pair[0] = (int)es_connect(&at, soon());
    pair[1] = (int)es_accept(listener, NULL, soon());
    EXPECT(pair[0] >= 0 && pair[1] >= 0);
    es_close(listener);
}

static int a_udp(es_address *at)
{
    es_address any = any_port();
    int64_t fd = es_udp_open(&any);
    EXPECT(fd >= 0 && es_udp_local((int)fd, at) == ES_OK);
    return (int)fd;
}

/* Writes "four" to the descriptor after a moment, so that who reads waits. */
static void writes_later(es_term argument)
{
    int fd = -1;
    EXPECT(es_match(argument, &fd));
    es_sleep(5);
    EXPECT(es_write(fd, "four", 4, soon()) == 4);
}

static void write_later(int fd)
{
    settled(es_spawn(writes_later, fd));
}

/* ---------------------------------------------------------------- addresses */

SWEEP(es_address_parse, TAKES_NOTHING)
{
    es_address address;
    EXPECT(TRY(es_address_parse("127.0.0.1:5060", &address)) == ES_OK);
}

SWEEP(es_address_print, TAKES_NOTHING)
{
    char text[80];
    es_address address = any_port();
    EXPECT(TRY(es_address_print(&address, text, sizeof text)) == 11);
}

/* ---------------------------------------------------------------- streams */

SWEEP(es_listen, REAL)
{
    es_address any = any_port();
    int64_t fd = TRY(es_listen(&any, NULL));
    if (went_well(fd))
        es_close((int)fd);
    fd = es_listen(&any, NULL);
    EXPECT(fd >= 0);
    es_close((int)fd);
}

SWEEP(es_accept, REAL)
{
    es_address at;
    int listener = a_listener(&at);
    int64_t there = es_connect(&at, soon()), here = TRY(es_accept(listener, NULL, soon()));
    EXPECT(there >= 0);
    if (!went_well(here)) {
        there = es_connect(&at, soon());
        here = es_accept(listener, NULL, soon());
        EXPECT(there >= 0 && here >= 0);
    }
    EXPECT(es_write((int)there, "pong", 4, soon()) == 4);
}

SWEEP(es_connect, REAL)
{
    es_address at;
    int listener = a_listener(&at);
    int64_t there = TRY(es_connect(&at, soon()));
    if (!went_well(there))
        there = es_connect(&at, soon());
    EXPECT(there >= 0 && es_accept(listener, NULL, soon()) >= 0);
}

SWEEP(es_pipe, REAL)
{
    int fds[2] = {-7, -7};
    if (!went_well(TRY(es_pipe(fds))))
        EXPECT(fds[0] == -7 && fds[1] == -7 && es_pipe(fds) == ES_OK);
    EXPECT(es_write(fds[1], "pong", 4, soon()) == 4);
}

#define READS(function)                                            \
    SWEEP(function, REAL | TAKES_NOTHING)                          \
    {                                                              \
        int pair[2];                                               \
        char buffer[4];                                            \
        a_pair(pair);                                              \
        write_later(pair[1]);                                      \
        if (!went_well(TRY(function(pair[0], buffer, 4, soon())))) \
            EXPECT(function(pair[0], buffer, 4, soon()) == 4);     \
        EXPECT(memcmp(buffer, "four", 4) == 0);                    \
    }
READS(es_read)
READS(es_read_exactly)

static void reads_all(es_term argument)
{
    int fd = -1;
    int64_t count;
    static char buffer[100000];
    EXPECT(es_match(argument, &fd));
    es_sleep(5);
    while ((count = es_read(fd, buffer, sizeof buffer, soon())) > 0) {
    }
}

/* More than the socket takes at once. */
SWEEP(es_write, REAL | TAKES_NOTHING)
{
    static char much[8 << 20];
    int pair[2];
    a_pair(pair);
    settled(es_spawn(reads_all, pair[1]));
    int64_t count = TRY(es_write(pair[0], much, sizeof much, soon()));
    if (went_well(count))
        EXPECT(count == sizeof much);
    EXPECT(es_write(pair[0], "more", 4, soon()) == 4);
}

SWEEP(es_shutdown, REAL | TAKES_NOTHING)
{
    int pair[2];
    a_pair(pair);
    EXPECT(TRY(es_shutdown(pair[0], SHUT_WR)) == ES_OK);
}

SWEEP(es_local_address, REAL | TAKES_NOTHING)
{
    int pair[2];
    es_address at;
    a_pair(pair);
    EXPECT(TRY(es_local_address(pair[0], &at)) == ES_OK);
}

SWEEP(es_peer_address, REAL | TAKES_NOTHING)
{
    int pair[2];
    es_address at;
    a_pair(pair);
    EXPECT(TRY(es_peer_address(pair[0], &at)) == ES_OK);
}

/* With data that waits in the mailbox of the first owner. */
SWEEP(es_fd_give, REAL | MAY_END)
{
    int pair[2];
    a_pair(pair);
    EXPECT(es_active(pair[0], 10) == ES_OK && es_write(pair[1], "some", 4, soon()) == 4);
    EXPECT(stays_there(ES_TUPLE(es_am_tcp, ES_ANY, ES_ANY)));
    if (!went_well(TRY(es_fd_give(pair[0], other))))
        EXPECT(stays_there(ES_TUPLE(es_am_tcp, ES_ANY, ES_ANY)) && es_fd_give(pair[0], other) == ES_OK);
    EXPECT(!there_is(ES_TUPLE(es_am_tcp, ES_ANY, ES_ANY)));
}

/* ---------------------------------------------------------------- packets, active mode */

SWEEP(es_packet, REAL)
{
    int pair[2];
    a_pair(pair);
    if (!went_well(TRY(es_packet(pair[0], ES_PACKET_2, 1000))))
        EXPECT(es_packet(pair[0], ES_PACKET_2, 1000) == ES_OK);
}

SWEEP(es_read_packet, REAL)
{
    int pair[2];
    char packet[3000] = {0}, buffer[3000];
    a_pair(pair);
    EXPECT(es_packet(pair[0], ES_PACKET_2, 5000) == ES_OK && es_packet(pair[1], ES_PACKET_2, 5000) == ES_OK);
    EXPECT(es_write_packet(pair[1], packet, sizeof packet, soon()) >= 0);
    int64_t length = TRY(es_read_packet(pair[0], buffer, sizeof buffer, soon()));
    if (!went_well(length))
        length = es_read_packet(pair[0], buffer, sizeof buffer, soon());
    EXPECT(length == sizeof packet);
}

SWEEP(es_write_packet, REAL | TAKES_NOTHING)
{
    int pair[2];
    char packet[3000] = {0}, buffer[3000];
    a_pair(pair);
    EXPECT(es_packet(pair[0], ES_PACKET_2, 5000) == ES_OK && es_packet(pair[1], ES_PACKET_2, 5000) == ES_OK);
    EXPECT(TRY(es_write_packet(pair[1], packet, sizeof packet, soon())) >= 0);
    EXPECT(es_read_packet(pair[0], buffer, sizeof buffer, soon()) == sizeof packet);
}

/* Asks for data, which is there at once: its message may be what finds no memory. Then it comes later, or {tcp_error, ...} says so. */
static es_err activate_and_write(int pair[2])
{
    es_err error = es_active(pair[0], 2);
    if (error == ES_OK)
        EXPECT(es_write(pair[1], "some", 4, soon()) == 4);
    es_sleep(5);
    return error;
}

static bool is_told_of_it(int fd)
{
    bool is_told = false;
    es_receive {
        es_case(ES_TUPLE(es_am_tcp, fd, ES_ANY))
            is_told = true;
        es_case(ES_TUPLE(tcp_error, fd, es_am_enomem))
            is_told = !had_memory();
        es_after(STORY_PATIENCE_MS)
            is_told = false;
    }
    return is_told;
}

SWEEP(es_active, REAL)
{
    int pair[2];
    a_pair(pair);
    if (went_well(TRY(activate_and_write(pair)))) {
        EXPECT(is_told_of_it(pair[0]));
    } else {
        EXPECT(activate_and_write(pair) == ES_OK);
        EXPECT(got(ES_TUPLE(es_am_tcp, pair[0], ES_ANY)));
    }
}

/* ---------------------------------------------------------------- datagrams, any descriptor */

SWEEP(es_udp_open, REAL)
{
    es_address any = any_port();
    if (!went_well(TRY(es_udp_open(&any))))
        EXPECT(es_udp_open(&any) >= 0);
}

SWEEP(es_udp_local, REAL | TAKES_NOTHING)
{
    es_address at, again;
    int fd = a_udp(&at);
    EXPECT(TRY(es_udp_local(fd, &again)) == ES_OK);
}

static void sends_later(es_term argument)
{
    int fd = -1;
    es_address at;
    EXPECT(es_match(argument, &fd));
    es_sleep(5);
    EXPECT(es_udp_local(fd, &at) == ES_OK && es_sendto(fd, "ping", 4, &at, soon()) == 4);
}

SWEEP(es_recvfrom, REAL)
{
    es_address at;
    char buffer[8];
    int fd = a_udp(&at);
    settled(es_spawn(sends_later, fd));
    if (!went_well(TRY(es_recvfrom(fd, buffer, sizeof buffer, NULL, soon()))))
        EXPECT(es_recvfrom(fd, buffer, sizeof buffer, NULL, soon()) == 4);
    EXPECT(memcmp(buffer, "ping", 4) == 0);
}

SWEEP(es_sendto, REAL | TAKES_NOTHING)
{
    es_address at;
    char buffer[8];
    int fd = a_udp(&at);
    EXPECT(TRY(es_sendto(fd, "ping", 4, &at, soon())) == 4);
    EXPECT(es_recvfrom(fd, buffer, sizeof buffer, NULL, soon()) == 4);
}

SWEEP(es_wait_fd, REAL)
{
    int pair[2];
    a_pair(pair);
    write_later(pair[1]);
    if (!went_well(TRY(es_wait_fd(pair[0], POLLIN, soon()))))
        EXPECT(es_wait_fd(pair[0], POLLIN, soon()) == POLLIN);
}

/* ---------------------------------------------------------------- names, calls that block */

SWEEP(es_resolve, REAL)
{
    es_address found[4];
    if (!went_well(TRY(es_resolve("localhost", "80", found, 4, soon()))))
        EXPECT(es_resolve("localhost", "80", found, 4, soon()) > 0);
}

static void doubles(void *block)
{
    *(int *)block *= 2;
}

SWEEP(es_blocking, REAL)
{
    int block = 4;
    if (!went_well(TRY(es_blocking(doubles, &block, sizeof block, soon()))))
        EXPECT(block == 4 && es_blocking(doubles, &block, sizeof block, soon()) == ES_OK);
    EXPECT(block == 8);
}

int main(int argc, char **argv)
{
    return sweep_all(argc, argv);
}
