/* active.c - proves src/port/active.c, packet.c and give.c: data as messages with credit, packets, and another owner. */
#include <netinet/in.h>
#include "base/fail.h"
#include "platform/os.h"
#include "streams.h"

ES_ATOMS(tcp, tcp_closed, tcp_error, econnreset, emsgsize, result, ready, begin_);

enum { PATIENCE_MS = 20000 };

/* The next {tcp, Fd, Data}: its length, or -1 if none comes. */
static int64_t data_of(int fd, char *buffer, size_t size)
{
    es_bin data;
    int64_t count = -1;
    es_receive {
        es_case(ES_TUPLE(tcp, fd, &data)) {
            count = (int64_t)data.size;
            memcpy(buffer, data.data, data.size < size ? data.size : size);
        }
        es_after(PATIENCE_MS)
            EXPECT(!"no data came");
    }
    return count;
}

/* Data until there are `size` bytes. */
static void data_is(int fd, const char *wanted)
{
    char all[256];
    size_t size = 0, length = strlen(wanted);
    while (size < length) {
        int64_t count = data_of(fd, all + size, sizeof all - size);
        if (count < 0)
            return;
        size += (size_t)count;
    }
    EXPECT(size == length && memcmp(all, wanted, size) == 0);
}

static void writes(int fd, const char *data, size_t size)
{
    EXPECT(es_write(fd, data, size, in_ms(PATIENCE_MS)) == (int64_t)size);
}

/* ---------------------------------------------------------------- credit */

/* Real: a network may bring in two messages what was written in one piece, as the simulated one does. */
REAL_STORY(data_comes_as_messages_until_the_credit_is_used_up, 1, "")
{
    int pair[2];
    char buffer[8];
    connect_pair(pair);
    EXPECT(es_active(pair[1], 2) == ES_OK);
    writes(pair[0], "one", 3);
    data_is(pair[1], "one");
    EXPECT(es_read(pair[1], buffer, 8, 0) == ES_EINVAL); /* one or the other */
    writes(pair[0], "two", 3);
    data_is(pair[1], "two");
    EXPECT(got(ES_TUPLE(es_am_tcp_passive, pair[1])));
    writes(pair[0], "three", 5);
    EXPECT(is_quiet());
    EXPECT(es_active(pair[1], 1) == ES_OK); /* what is there already comes as well */
    data_is(pair[1], "three");
    EXPECT(got(ES_TUPLE(es_am_tcp_passive, pair[1])));
    writes(pair[0], "four", 4);
    EXPECT(es_read_exactly(pair[1], buffer, 4, in_ms(PATIENCE_MS)) == 4); /* passive again */
    EXPECT(is_quiet());
}

STORY(credit_adds_up_may_be_endless_and_ends_at_once, "")
{
    int pair[2];
    connect_pair(pair);
    EXPECT(es_active(pair[1], 1) == ES_OK);
    EXPECT(es_active(pair[1], 1) == ES_OK);
    for (int i = 0; i < 2; i++) {
        writes(pair[0], "x", 1);
        data_is(pair[1], "x");
    }
    EXPECT(got(ES_TUPLE(es_am_tcp_passive, pair[1])));
    EXPECT(es_active(pair[1], ES_INFINITY) == ES_OK);
    for (int i = 0; i < 100; i++) {
        writes(pair[0], "x", 1);
        data_is(pair[1], "x");
    }
    EXPECT(es_active(pair[1], 0) == ES_OK);
    writes(pair[0], "x", 1);
    EXPECT(is_quiet());
    EXPECT(es_active(pair[1], -2) == ES_EINVAL);
    EXPECT(es_close(pair[1]) == ES_OK);
    EXPECT(es_active(pair[1], 1) == ES_ECLOSED);
}

STORY(the_end_and_a_reset_come_as_messages, "")
{
    int pair[2];
    char byte;
    connect_pair(pair);
    EXPECT(es_active(pair[1], 5) == ES_OK);
    writes(pair[0], "last", 4);
    EXPECT(es_shutdown(pair[0], SHUT_WR) == ES_OK);
    data_is(pair[1], "last");
    EXPECT(got(ES_TUPLE(tcp_closed, pair[1])));
    EXPECT(is_quiet());
    writes(pair[1], "?", 1); /* it is still open, and ours */
    EXPECT(es_read(pair[0], &byte, 1, in_ms(PATIENCE_MS)) == 1);
    EXPECT(es_active(pair[1], 1) == ES_OK); /* said again to who asks again */
    EXPECT(got(ES_TUPLE(tcp_closed, pair[1])));
    EXPECT(es_close(pair[1]) == ES_OK);
    connect_pair(pair);
    EXPECT(es_active(pair[1], 5) == ES_OK);
    EXPECT(esi_os_setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)) ==
           0);
    EXPECT(es_close(pair[0]) == ES_OK);
    EXPECT(got(ES_TUPLE(tcp_error, pair[1], econnreset)));
    EXPECT(got(ES_TUPLE(tcp_closed, pair[1])));
}

STORY(pipes_and_unix_sockets_are_active_as_well, "")
{
    int fds[2];
    char text[80];
    EXPECT(es_pipe(fds) == ES_OK);
    EXPECT(es_active(fds[0], ES_INFINITY) == ES_OK);
    writes(fds[1], "through a pipe", 14);
    data_is(fds[0], "through a pipe");
    EXPECT(es_close(fds[1]) == ES_OK);
    EXPECT(got(ES_TUPLE(tcp_closed, fds[0])));
    snprintf(text, sizeof text, "unix:@engset-active-%d", (int)getpid());
    es_address at = parsed(text);
    int listener = (int)es_listen(&at, NULL);
    int one = (int)es_connect(&at, in_ms(5000)), other = (int)es_accept(listener, NULL, in_ms(5000));
    EXPECT(es_active(other, ES_INFINITY) == ES_OK);
    for (int i = 0; i < 100; i++) {
        writes(one, "hello", 5);
        data_is(other, "hello");
    }
}

/* ---------------------------------------------------------------- a message limit */

enum { LIMIT = 4, BOUGHT = 50 };

/* Of {Parent, Fd}: buys more than its limit, does not look until all is there, and finds all. */
static void is_limited_and_buys(es_term argument)
{
    es_pid parent;
    int fd = -1, count = 0;
    es_bin data;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &fd)));
    EXPECT(got(begin_));
    EXPECT(es_packet(fd, ES_PACKET_1, 0) == ES_OK && es_active(fd, BOUGHT) == ES_OK);
    es_send(parent, ready);
    es_receive
        es_case(ES_TUPLE(es_am_tcp_passive, fd)) {
        }
    for (bool more = true; more;) {
        es_receive {
            es_case(ES_TUPLE(tcp, fd, &data))
                count += data.size == 1;
            es_after(0)
                more = false;
        }
    }
    es_send(parent, ES_TUPLE(result, count));
}

STORY(data_that_was_asked_for_by_number_does_not_count_against_the_limit, "")
{
    static const es_limit_policy policies[] = {ES_LIMIT_KILL, ES_LIMIT_DROP_NEWEST, ES_LIMIT_DROP_OLDEST};
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        int pair[2];
        connect_pair(pair);
        es_pid pid = es_spawn_opt(ES_WITH(.message_limit = LIMIT, .message_limit_policy = policies[i]),
                                  is_limited_and_buys, ES_TUPLE(es_self(), pair[1]));
        EXPECT(es_fd_give(pair[1], pid) == ES_OK);
        es_send(pid, begin_);
        EXPECT(got(ready));
        for (int n = 0; n < BOUGHT; n++)
            writes(pair[0], "\1x", 2);
        EXPECT(got(ES_TUPLE(result, BOUGHT)));
    }
}

/* Of {Parent, Fd}: gets more than its limit from who had the descriptor before. */
static void is_limited_and_inherits(es_term argument)
{
    es_pid parent;
    int fd = -1, count = 0;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &fd)));
    EXPECT(got(begin_));
    while (count < BOUGHT && got(ES_TUPLE(tcp, fd, ES_ANY)))
        count++;
    EXPECT(got(ES_TUPLE(es_am_tcp_passive, fd)));
    es_send(parent, ES_TUPLE(result, count));
}

STORY(what_goes_to_the_next_owner_does_not_count_against_its_limit, "")
{
    int pair[2];
    connect_pair(pair);
    es_pid heir =
        es_spawn_opt(ES_WITH(.message_limit = LIMIT), is_limited_and_inherits, ES_TUPLE(es_self(), pair[1]));
    EXPECT(es_packet(pair[1], ES_PACKET_1, 0) == ES_OK && es_active(pair[1], BOUGHT) == ES_OK);
    for (int n = 0; n < BOUGHT; n++)
        writes(pair[0], "\1x", 2);
    for (es_info info; es_process_info(es_self(), &info) && info.messages <= BOUGHT;)
        es_sleep(1); /* until all have come, and that they have */
    EXPECT(es_fd_give(pair[1], heir) == ES_OK);
    es_send(heir, begin_);
    EXPECT(got(ES_TUPLE(result, BOUGHT)));
}

/* ---------------------------------------------------------------- a flood */

static void floods(es_term argument)
{
    int fd = -1;
    static char much[1 << 16];
    EXPECT(es_match(argument, &fd));
    while (es_write(fd, much, sizeof much, ES_INFINITY) > 0)
        ;
}

static int64_t memory_of_self(void)
{
    es_info info;
    return es_process_info(es_self(), &info) ? info.memory_bytes : -1;
}

/* Whatever the peer sends: no more is read than was asked for. */
STORY(a_flood_with_small_credit_takes_bounded_memory, "")
{
    int pair[2];
    char buffer[1];
    int64_t most = 0, total = 0;
    connect_pair(pair);
    es_pid peer = es_spawn(floods, ES_T(pair[0]));
    for (int i = 0; i < 2000; i++) {
        if (i % 4 == 0) {
            EXPECT(es_active(pair[1], 4) == ES_OK);
            until_it_waits(peer); /* it has filled all that there is */
        }
        int64_t count = data_of(pair[1], buffer, sizeof buffer);
        if (!EXPECT(count > 0 && count <= 16 << 10))
            break;
        total += count;
        es_info info;
        if (es_process_info(es_self(), &info) && info.messages > most)
            most = info.messages;
        if (i % 4 == 3)
            EXPECT(got(ES_TUPLE(es_am_tcp_passive, pair[1])));
    }
    EXPECT(total > 1 << 20);
    EXPECT(most <= 5);
    EXPECT(memory_of_self() < 1 << 20);
    es_send_exit(peer, es_am_kill);
}

/* More than a visit's share is there at once: the poller comes again, without another word from the peer. */
STORY(all_that_is_there_comes_without_another_event, "")
{
    int pair[2];
    char line[1];
    connect_pair(pair);
    EXPECT(es_packet(pair[1], ES_PACKET_LINE, 0) == ES_OK);
    for (int i = 0; i < 1000; i++)
        writes(pair[0], "x\n", 2);
    EXPECT(es_active(pair[1], 1001) == ES_OK);
    for (int i = 0; i < 1000; i++)
        EXPECT(data_of(pair[1], line, 1) == 2);
    EXPECT(is_quiet());
}

/* ---------------------------------------------------------------- packets */

static const struct {
    es_packet_type type;
    size_t header;
} lengths[] = {{ES_PACKET_1, 1}, {ES_PACKET_2, 2}, {ES_PACKET_4, 4}};

STORY(a_read_of_bytes_waits_also_where_packets_are_read, "")
{
    int pair[2];
    char buffer[8];
    connect_pair(pair);
    EXPECT(es_packet(pair[1], ES_PACKET_LINE, 0) == ES_OK);
    EXPECT(es_read(pair[1], buffer, sizeof buffer, in_ms(5)) == ES_ETIMEOUT);
    writes(pair[0], "ab", 2);
    EXPECT(es_read(pair[1], buffer, sizeof buffer, in_ms(PATIENCE_MS)) == 2 && memcmp(buffer, "ab", 2) == 0);
}

/* A packet of each size, byte by byte or in one piece. */
STORY(packets_come_as_they_were_sent_however_they_are_cut, "")
{
    static const size_t sizes[] = {0, 1, 2, 63, 64, 65, 255};
    char data[256], buffer[256];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = byte_at(i);
    for (int k = 0; k < 3; k++) {
        int pair[2];
        connect_pair(pair);
        EXPECT(es_packet(pair[0], lengths[k].type, 0) == ES_OK);
        EXPECT(es_packet(pair[1], lengths[k].type, 0) == ES_OK);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            int64_t size = (int64_t)sizes[i];
            EXPECT(es_write_packet(pair[0], data, sizes[i], in_ms(PATIENCE_MS)) == size);
            EXPECT(es_write_packet(pair[0], data, sizes[i], in_ms(PATIENCE_MS)) == size);
            EXPECT(es_read_packet(pair[1], buffer, sizeof buffer, in_ms(PATIENCE_MS)) == size);
            EXPECT(memcmp(buffer, data, sizes[i]) == 0);
            EXPECT(es_active(pair[1], 1) == ES_OK);
            EXPECT(data_of(pair[1], buffer, sizeof buffer) == size);
            EXPECT(memcmp(buffer, data, sizes[i]) == 0);
            EXPECT(got(ES_TUPLE(es_am_tcp_passive, pair[1])));
            char piece[4] = {0};
            piece[lengths[k].header - 1] = (char)size;
            writes(pair[0], piece, lengths[k].header - 1);
            EXPECT(es_read_packet(pair[1], buffer, sizeof buffer, in_ms(1)) == ES_ETIMEOUT);
            writes(pair[0], piece + lengths[k].header - 1, 1);
            for (int64_t j = 0; j < size; j++)
                writes(pair[0], data + j, 1);
            EXPECT(es_read_packet(pair[1], buffer, sizeof buffer, in_ms(PATIENCE_MS)) == size);
            EXPECT(memcmp(buffer, data, sizes[i]) == 0);
        }
        EXPECT(es_read_packet(pair[1], buffer, sizeof buffer, 0) == ES_ETIMEOUT);
        writes(pair[0], "\0", 1);
        EXPECT(es_close(pair[0]) == ES_OK);
        if (lengths[k].header == 1)
            EXPECT(es_read_packet(pair[1], buffer, sizeof buffer, in_ms(PATIENCE_MS)) == 0);
        EXPECT(es_read_packet(pair[1], buffer, sizeof buffer, in_ms(PATIENCE_MS)) == ES_ECLOSED);
        EXPECT((*es_errno() == 0) == (lengths[k].header == 1)); /* within a packet, or between two */
    }
}

STORY(lines_come_one_by_one_and_the_last_may_lack_its_feed, "")
{
    int pair[2];
    char buffer[16];
    connect_pair(pair);
    EXPECT(es_packet(pair[1], ES_PACKET_LINE, 10) == ES_OK);
    writes(pair[0], "a\n\nbc\r\nde", 9);
    EXPECT(es_read_packet(pair[1], buffer, sizeof buffer, in_ms(PATIENCE_MS)) == 2);
    EXPECT(es_read_packet(pair[1], buffer, sizeof buffer, in_ms(PATIENCE_MS)) == 1);
    EXPECT(es_active(pair[1], 1) == ES_OK);
    data_is(pair[1], "bc\r\n");
    EXPECT(got(ES_TUPLE(es_am_tcp_passive, pair[1])));
    EXPECT(es_shutdown(pair[0], SHUT_WR) == ES_OK);
    EXPECT(es_active(pair[1], 1) == ES_OK);
    data_is(pair[1], "de");
    EXPECT(got(ES_TUPLE(es_am_tcp_passive, pair[1])));
    EXPECT(es_active(pair[1], 1) == ES_OK);
    EXPECT(got(ES_TUPLE(tcp_closed, pair[1])));
    EXPECT(is_quiet());
}

STORY(what_was_read_ahead_is_read_first_when_packets_end, "")
{
    int pair[2];
    char buffer[16];
    connect_pair(pair);
    EXPECT(es_packet(pair[1], ES_PACKET_LINE, 0) == ES_OK);
    writes(pair[0], "head\nbody", 9);
    EXPECT(es_read_packet(pair[1], buffer, sizeof buffer, in_ms(PATIENCE_MS)) == 5);
    EXPECT(es_read(pair[1], buffer, 2, in_ms(PATIENCE_MS)) == 2);
    EXPECT(es_packet(pair[1], ES_PACKET_RAW, 0) == ES_OK);
    EXPECT(es_active(pair[1], 1) == ES_OK);
    data_is(pair[1], "dy");
    EXPECT(got(ES_TUPLE(es_am_tcp_passive, pair[1])));
    writes(pair[0], "!", 1);
    EXPECT(es_read(pair[1], buffer, sizeof buffer, in_ms(PATIENCE_MS)) == 1);
}

STORY(a_packet_that_is_too_long_is_an_error_and_ends_the_connection, "")
{
    int pair[2];
    char buffer[16], line[32] = "more than ten bytes\n";
    for (int k = 0; k < 4; k++) {
        es_packet_type type = k < 3 ? lengths[k].type : ES_PACKET_LINE;
        for (int is_active = 0; is_active < 2; is_active++) {
            connect_pair(pair);
            EXPECT(es_packet(pair[1], type, 10) == ES_OK);
            if (is_active)
                EXPECT(es_active(pair[1], 5) == ES_OK);
            char header[4] = {0};
            header[k < 3 ? lengths[k].header - 1 : 0] = 11;
            writes(pair[0], k < 3 ? header : line, k < 3 ? lengths[k].header : 20);
            if (is_active) {
                EXPECT(got(ES_TUPLE(tcp_error, pair[1], emsgsize)));
                EXPECT(got(ES_TUPLE(tcp_closed, pair[1])));
            } else {
                EXPECT(es_read_packet(pair[1], buffer, sizeof buffer, in_ms(PATIENCE_MS)) == ES_ERANGE);
                EXPECT(*es_errno() == EMSGSIZE);
            }
            EXPECT(es_read(pair[0], buffer, sizeof buffer, in_ms(PATIENCE_MS)) <= 0); /* it hears of it */
            EXPECT(es_close(pair[0]) == ES_OK);
            EXPECT(es_close(pair[1]) == ES_OK);
        }
    }
    connect_pair(pair);
    EXPECT(es_packet(pair[0], ES_PACKET_1, 0) == ES_OK);
    EXPECT(es_write_packet(pair[0], line, 256, 0) == ES_ERANGE);
    EXPECT(es_packet(pair[0], (es_packet_type)3, 0) == ES_EINVAL);
    EXPECT(es_read_packet(pair[1], buffer, sizeof buffer, 0) == ES_EINVAL);
}

/* A header that announces much does not take memory for it. */
STORY(memory_grows_with_what_comes_and_not_with_what_is_announced, "")
{
    int pair[2];
    static char data[300000], buffer[300000];
    connect_pair(pair);
    EXPECT(es_packet(pair[1], ES_PACKET_4, 1u << 31) == ES_OK);
    EXPECT(es_packet(pair[0], ES_PACKET_4, 0) == ES_OK);
    writes(pair[0], "\x7f\xff\xff\xff", 4);
    EXPECT(es_read_packet(pair[1], buffer, sizeof buffer, in_ms(5)) == ES_ETIMEOUT);
    connect_pair(pair);
    EXPECT(es_packet(pair[1], ES_PACKET_4, 0) == ES_OK);
    EXPECT(es_packet(pair[0], ES_PACKET_4, 0) == ES_OK);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = byte_at(i);
    EXPECT(es_active(pair[1], 3) == ES_OK);
    for (int i = 0; i < 3; i++) {
        EXPECT(es_write_packet(pair[0], data, sizeof data, in_ms(PATIENCE_MS)) == sizeof data);
        EXPECT(data_of(pair[1], buffer, sizeof buffer) == sizeof data);
        EXPECT(memcmp(data, buffer, sizeof data) == 0);
    }
}

/* ---------------------------------------------------------------- another owner */

/* Is given a descriptor, tells all that comes of it up to its end, as one number: bytes in the right order, or -1. */
static void sums_up(es_term argument)
{
    es_pid parent;
    int fd = -1;
    size_t at = 0;
    bool is_right = true;
    es_bin data;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &fd)));
    es_receive
        es_case(begin_) {
        }
    for (bool more = true; more;) {
        es_receive {
            es_case(ES_TUPLE(tcp, fd, &data))
                for (size_t i = 0; i < data.size; i++, at++)
                    is_right = is_right && ((const char *)data.data)[i] == byte_at(at);
            es_case(ES_TUPLE(es_am_tcp_passive, fd))
                EXPECT(es_active(fd, 3) == ES_OK);
            es_case(ES_TUPLE(tcp_closed, fd))
                more = false;
        }
    }
    EXPECT(es_close(fd) == ES_OK);
    es_send(parent, ES_TUPLE(result, es_self(), is_right ? (int64_t)at : -1));
}

static void sends_bytes(es_term argument)
{
    int fd = -1;
    EXPECT(es_match(argument, &fd));
    for (size_t i = 0; i < 5000; i++) {
        char byte = byte_at(i);
        if (es_write(fd, &byte, 1, ES_INFINITY) != 1)
            return;
    }
    es_shutdown(fd, SHUT_WR);
}

/* While bytes stream in: some are in the giver's mailbox, and none may overtake another. */
STORY_WITH(who_is_given_a_descriptor_gets_all_that_comes_in_its_order, 100, "", play)
{
    for (long round = 0; round < rounds(1000); round++) {
        int pair[2], before = descriptors_open();
        es_info info;
        connect_pair(pair);
        EXPECT(es_active(pair[1], 1000) == ES_OK);
        es_pid sender = es_spawn(sends_bytes, ES_T(pair[0]));
        es_pid heir = es_spawn(sums_up, ES_TUPLE(es_self(), pair[1]));
        for (int i = 0; i < 100; i++) /* some messages come */
            es_yield();
        EXPECT(es_fd_give(pair[1], heir) == ES_OK);
        EXPECT(es_active(pair[1], 1) == ES_ENOTFOUND);
        EXPECT(es_close(pair[1]) == ES_ENOTFOUND);
        es_send(heir, begin_);
        EXPECT(got(ES_TUPLE(result, heir, 5000)));
        wait_for_end(sender);
        EXPECT(es_close(pair[0]) == ES_OK);
        EXPECT(descriptors_open() == before);
        EXPECT(!es_process_info(es_self(), &info) || !there_is(ES_TUPLE(tcp, ES_ANY, ES_ANY)));
    }
}

STORY(what_is_given_is_closed_with_its_new_owner, "")
{
    int pair[2], before = descriptors_open();
    char byte;
    connect_pair(pair);
    es_pid heir = es_spawn(waits);
    EXPECT(es_fd_give(pair[1], dead_pid()) == ES_ENOPROC);
    EXPECT(es_fd_give(pair[1], es_self()) == ES_OK);
    EXPECT(es_fd_give(pair[1], heir) == ES_OK);
    EXPECT(es_fd_give(pair[1], heir) == ES_ENOTFOUND);
    EXPECT(es_read(pair[0], &byte, 1, in_ms(5)) == ES_ETIMEOUT);
    es_send_exit(heir, es_am_kill);
    EXPECT(es_read(pair[0], &byte, 1, in_ms(PATIENCE_MS)) == 0);
    EXPECT(es_close(pair[0]) == ES_OK);
    EXPECT(descriptors_open() == before);
}

/* To somebody who is just being killed: it arrives, or is answered for; it is closed in any case. */
STORY_WITH(what_is_given_to_a_dying_process_is_closed, 1000, "", play)
{
    int before = descriptors_open();
    for (long round = 0; round < rounds(10000); round++) {
        int fds[2];
        es_pid heir = es_spawn(waits);
        EXPECT(es_pipe(fds) == ES_OK);
        es_send_exit(heir, es_am_kill);
        if (es_fd_give(fds[0], heir) == ES_ENOPROC)
            EXPECT(es_close(fds[0]) == ES_OK);
        EXPECT(es_close(fds[1]) == ES_OK);
        wait_for_end(heir);
    }
    EXPECT(descriptors_open() == before);
}

static void is_active_and_waits(es_term argument)
{
    es_pid parent;
    int listener = -1;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &listener)));
    int fd = (int)es_accept(listener, NULL, ES_INFINITY);
    EXPECT(es_active(fd, ES_INFINITY) == ES_OK);
    es_send(parent, ready);
    waits();
}

STORY(the_peer_of_an_active_owner_that_dies_sees_the_end, "")
{
    es_address at;
    int before = descriptors_open(), listener = listen_any(&at);
    static char much[1 << 16];
    for (int i = 0; i < 20; i++) {
        es_pid owner = es_spawn(is_active_and_waits, ES_TUPLE(es_self(), listener));
        int fd = (int)es_connect(&at, in_ms(PATIENCE_MS));
        EXPECT(got(ready));
        writes(fd, much, sizeof much);
        es_send_exit(owner, es_am_kill);
        char byte;
        EXPECT(es_read(fd, &byte, 1, in_ms(PATIENCE_MS)) <= 0);
        wait_for_end(owner);
        EXPECT(es_close(fd) == ES_OK);
    }
    EXPECT(es_close(listener) == ES_OK);
    EXPECT(descriptors_open() == before);
}

STORY(without_memory_for_a_message_the_connection_ends_and_that_is_told, "RES-01")
{
    for (int n = 1; n < 4; n++) {
        int pair[2];
        connect_pair(pair);
        EXPECT(es_active(pair[1], 0) == ES_OK);
        writes(pair[0], "x", 1);
        esi_fail_after((uint64_t)n);
        es_err error = es_active(pair[1], 5);
        bool failed = esi_fail_stop();
        EXPECT(error == ES_OK);
        es_receive {
            es_case(ES_TUPLE(tcp, pair[1], ES_ANY))
                EXPECT(!failed || n > 1);
            es_case(ES_TUPLE(tcp_error, pair[1], ES_ANY)) {
                EXPECT(failed);
                EXPECT(got(ES_TUPLE(tcp_closed, pair[1])));
            }
            es_after(PATIENCE_MS)
                EXPECT(!"nothing was told");
        }
        EXPECT(es_close(pair[0]) == ES_OK);
        EXPECT(es_close(pair[1]) == ES_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_comes_as_messages_until_the_credit_is_used_up),
        cmocka_unit_test(credit_adds_up_may_be_endless_and_ends_at_once),
        cmocka_unit_test(the_end_and_a_reset_come_as_messages),
        cmocka_unit_test(data_that_was_asked_for_by_number_does_not_count_against_the_limit),
        cmocka_unit_test(what_goes_to_the_next_owner_does_not_count_against_its_limit),
        cmocka_unit_test(pipes_and_unix_sockets_are_active_as_well),
        cmocka_unit_test(a_flood_with_small_credit_takes_bounded_memory),
        cmocka_unit_test(all_that_is_there_comes_without_another_event),
        cmocka_unit_test(a_read_of_bytes_waits_also_where_packets_are_read),
        cmocka_unit_test(packets_come_as_they_were_sent_however_they_are_cut),
        cmocka_unit_test(lines_come_one_by_one_and_the_last_may_lack_its_feed),
        cmocka_unit_test(what_was_read_ahead_is_read_first_when_packets_end),
        cmocka_unit_test(a_packet_that_is_too_long_is_an_error_and_ends_the_connection),
        cmocka_unit_test(memory_grows_with_what_comes_and_not_with_what_is_announced),
        cmocka_unit_test(who_is_given_a_descriptor_gets_all_that_comes_in_its_order),
        cmocka_unit_test(what_is_given_is_closed_with_its_new_owner),
        cmocka_unit_test(what_is_given_to_a_dying_process_is_closed),
        cmocka_unit_test(the_peer_of_an_active_owner_that_dies_sees_the_end),
        cmocka_unit_test(without_memory_for_a_message_the_connection_ends_and_that_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
