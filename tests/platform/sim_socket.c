/* sim_socket.c - proves src/platform/sim/: the network and the pipes of a simulated machine, and what may go wrong there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include "platform/clock.h"
#include "platform/os.h"
#include "platform/poller.h"
#include "platform/sim.h"
#include "platform/strike.h"

/* ---------------------------------------------------------------- a world that goes on when it is told */

enum { SEEDS = 50 };

/* False: nothing is under way any more. */
static bool something_happens(void)
{
    uint64_t next = esi_sim_next_ns();
    if (next == ESI_NO_DEADLINE)
        return false;
    if (next > esi_clock_now_ns())
        esi_sim_clock_advance_to(next);
    esi_sim_happen();
    return true;
}

static void all_happens(void)
{
    while (something_happens())
        ;
}

/* The n-th opportunities of one kind, from `first` on, are taken; all others are not. */
static enum esi_strike struck;
static long first, seen, most;

static bool strikes(enum esi_strike kind)
{
    return kind == struck && ++seen >= first && seen < first + most;
}

static void strike(enum esi_strike kind, long from, long times)
{
    struck = kind;
    first = from;
    most = times;
    seen = 0;
    esi_strike_plan = strikes;
}

static void begin(uint64_t seed)
{
    esi_strike_plan = NULL;
    esi_platform_sim_start(seed);
}

static void end(void)
{
    esi_strike_plan = NULL;
    esi_platform_sim_stop();
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int tcp(void)
{
    return esi_os_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
}

static int bound(int type, uint16_t port)
{
    struct sockaddr_in at = loopback(port);
    int fd = esi_os_socket(AF_INET, type | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(esi_os_bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static int listening(uint16_t port, int backlog)
{
    int fd = bound(SOCK_STREAM, port);
    assert_int_equal(esi_os_listen(fd, backlog), 0);
    return fd;
}

/* Connects and lets it come about: 0, or what SO_ERROR says. */
static int connect_at(int fd, uint16_t port)
{
    struct sockaddr_in at = loopback(port);
    int code = 0;
    if (esi_os_connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    all_happens();
    assert_int_equal(esi_os_getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &(socklen_t){sizeof code}), 0);
    return code;
}

static void connected(int pair[2])
{
    int listener = listening(80, 5);
    pair[0] = tcp();
    assert_int_equal(connect_at(pair[0], 80), 0);
    pair[1] = esi_os_accept4(listener, NULL, NULL, 0);
    assert_true(pair[1] >= 0);
    assert_int_equal(esi_os_close(listener), 0);
}

static ssize_t reads(int fd, char *buffer, size_t size)
{
    return esi_os_recv(fd, buffer, size, 0);
}

#define assert_fails(call, code)         \
    do {                                 \
        assert_int_equal((call), -1);    \
        assert_int_equal(errno, (code)); \
    } while (0)

/* ---------------------------------------------------------------- as it should be */

static void test_nobody_listens_and_nobody_answers(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed);
        assert_int_equal(connect_at(tcp(), 80), ECONNREFUSED);
        struct sockaddr_in far = {
            .sin_family = AF_INET, .sin_port = 80, .sin_addr.s_addr = htonl(0xc0000201)};
        assert_fails(esi_os_connect(tcp(), (struct sockaddr *)&far, sizeof far), ENETUNREACH);
        assert_fails(esi_os_bind(tcp(), (struct sockaddr *)&far, sizeof far), EADDRNOTAVAIL);
        end();
    }
}

static void test_bytes_come_in_their_order_and_then_the_end(void **state)
{
    (void)state;
    int at_once = 0, later = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        int pair[2];
        char buffer[64];
        size_t size = 0;
        begin(seed);
        connected(pair);
        for (char c = 'a'; c <= 'z'; c++)
            assert_int_equal(esi_os_send(pair[0], &c, 1, 0), 1);
        assert_int_equal(esi_os_close(pair[0]), 0);
        at_once += esi_sim_next_ns() == ESI_NO_DEADLINE;
        later += esi_sim_next_ns() != ESI_NO_DEADLINE;
        ssize_t count;
        do
            while ((count = reads(pair[1], buffer + size, 5)) > 0)
                size += (size_t)count;
        while (count != 0 && something_happens());
        assert_int_equal(count, 0); /* the end comes, and not before the rest */
        assert_int_equal(size, 26);
        assert_memory_equal(buffer, "abcdefghijklmnopqrstuvwxyz", 26);
        assert_int_equal(reads(pair[1], buffer, 1), 0);
        end();
    }
    assert_true(at_once > 0);
    assert_true(later > 0);
}

static void test_what_is_not_read_is_bounded_and_room_is_told(void **state)
{
    (void)state;
    static char much[1 << 16];
    struct esi_poller *poller;
    struct esi_poll_event event;
    begin(1);
    assert_int_equal(esi_poller_open(&poller), ES_OK);
    int pair[2];
    ssize_t count, all = 0;
    connected(pair);
    while ((count = esi_os_send(pair[0], much, sizeof much, 0)) > 0)
        all += count;
    assert_fails(count, EAGAIN);
    assert_in_range(all, 8192, 131072);
    assert_int_equal(esi_poller_add(poller, pair[0], ESI_POLL_OUT, much), ES_OK);
    all_happens();
    assert_int_equal(esi_poller_wait(poller, 0, &event, 1), 0);
    assert_true(reads(pair[1], much, sizeof much) > 0);
    assert_int_equal(esi_poller_wait(poller, 0, &event, 1), 1);
    assert_ptr_equal(event.tag, much);
    assert_int_equal(event.ready, ESI_POLL_OUT);
    assert_int_equal(esi_poller_wait(poller, 0, &event, 1), 0); /* once */
    esi_poller_close(&poller);
    end();
}

static void test_ends_are_told_as_linux_tells_them(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        int pair[2];
        char byte;
        begin(seed);
        connected(pair); /* a close, and then bytes to nobody */
        assert_int_equal(esi_os_close(pair[0]), 0);
        all_happens();
        assert_int_equal(reads(pair[1], &byte, 1), 0);
        assert_int_equal(esi_os_send(pair[1], "x", 1, 0), 1);
        all_happens();
        assert_fails(esi_os_send(pair[1], "x", 1, 0), EPIPE);
        assert_int_equal(reads(pair[1], &byte, 1), 0);
        connected(pair); /* a close with bytes that nobody read */
        assert_int_equal(esi_os_send(pair[1], "x", 1, 0), 1);
        assert_int_equal(esi_os_send(pair[0], "y", 1, 0), 1);
        all_happens();
        assert_int_equal(esi_os_close(pair[0]), 0);
        all_happens();
        assert_int_equal(reads(pair[1], &byte, 1), 1);
        assert_fails(reads(pair[1], &byte, 1), ECONNRESET);
        assert_int_equal(reads(pair[1], &byte, 1), 0);
        assert_fails(esi_os_send(pair[1], "x", 1, 0), EPIPE);
        end();
    }
}

static void test_a_full_backlog_lets_others_wait(void **state)
{
    (void)state;
    begin(3);
    int listener = listening(80, 0), one = tcp(), other = tcp(), code = 0;
    struct sockaddr_in at = loopback(80);
    assert_int_equal(connect_at(one, 80), 0);
    uint64_t before = esi_clock_now_ns();
    assert_fails(esi_os_connect(other, (struct sockaddr *)&at, sizeof at), EINPROGRESS);
    for (int i = 0; i < 3; i++) { /* asked again after 1 s, and 2 */
        esi_sim_clock_advance_to(esi_sim_next_ns());
        esi_sim_happen();
    }
    assert_true(esi_clock_now_ns() - before >= 3 * ESI_NS_PER_S);
    assert_true(esi_os_accept4(listener, NULL, NULL, 0) >= 0);
    all_happens();
    assert_int_equal(esi_os_getsockopt(other, SOL_SOCKET, SO_ERROR, &code, &(socklen_t){sizeof code}), 0);
    assert_int_equal(code, 0);
    assert_true(esi_os_accept4(listener, NULL, NULL, 0) >= 0);
    end();
}

static void test_a_bad_address_is_an_error_and_no_fault(void **state)
{
    (void)state;
    int fds[2];
    void *volatile nowhere = (void *)(uintptr_t)16; /* no compiler sees through it */
    begin(1);
    assert_int_equal(esi_os_pipe2(fds, 0), 0);
    assert_fails(esi_os_write(fds[1], nowhere, 3), EFAULT);
    assert_int_equal(esi_os_write(fds[1], "abc", 3), 3);
    assert_fails(esi_os_read(fds[0], nowhere, 3), EFAULT);
    end();
}

static void test_a_call_past_the_simulated_machine_fails(void **state)
{
    (void)state;
    char byte;
    int fds[2];
    begin(1);
    assert_int_equal(esi_os_pipe2(fds, 0), 0);
    assert_fails(write(fds[1], "a", 1), EBADF);
    assert_fails(read(fds[0], &byte, 1), EBADF);
    assert_int_equal(close(fds[0]), 0); /* behind its back */
    int real = open("/dev/null", O_RDONLY);
    assert_int_equal(real, fds[0]);
    assert_int_equal(close(real), 0);
    int again = tcp();
    assert_int_equal(again, fds[0]);
    assert_fails(esi_os_read(again, &byte, 1), ENOTCONN);
    end();
}

/* ---------------------------------------------------------------- as it should not be */

static void test_a_cut_is_a_reset_at_both_ends(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        int pair[2];
        char byte;
        begin(seed);
        connected(pair);
        strike(ESI_STRIKE_CUT, 1, 1);
        assert_int_equal(esi_os_send(pair[0], "x", 1, 0), 1);
        all_happens();
        assert_int_equal(seen, 1);
        for (int i = 0; i < 2; i++) {
            ssize_t count = reads(pair[i], &byte, 1);
            if (i == 1 && count == 1) /* what came before it can be read */
                count = reads(pair[i], &byte, 1);
            assert_fails(count, ECONNRESET);
            assert_fails(esi_os_send(pair[i], "x", 1, 0), EPIPE);
        }
        end();
    }
}

static void test_a_half_close_is_an_end_and_then_a_reset_for_who_writes_on(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        int pair[2];
        char byte;
        begin(seed);
        connected(pair);
        strike(ESI_STRIKE_HALF_CLOSE, 1, 1);
        assert_int_equal(esi_os_send(pair[0], "x", 1, 0), 1);
        all_happens();
        assert_int_equal(reads(pair[1], &byte, 1), 1);
        assert_int_equal(reads(pair[1], &byte, 1), 0);
        assert_int_equal(esi_os_send(pair[1], "y", 1, 0), 1); /* the other half is there */
        all_happens();
        assert_int_equal(reads(pair[0], &byte, 1), 1);
        assert_int_equal(esi_os_send(pair[0], "x", 1, 0), 1);
        all_happens();
        assert_fails(reads(pair[0], &byte, 1), ECONNRESET);
        end();
    }
}

static void test_delay_refusal_lack_and_short_calls(void **state)
{
    (void)state;
    int pair[2];
    char buffer[64];
    begin(1);
    connected(pair);
    uint64_t before = esi_clock_now_ns();
    strike(ESI_STRIKE_DELAY, 1, 1);
    assert_int_equal(esi_os_send(pair[0], "x", 1, 0), 1);
    assert_int_equal(esi_os_send(pair[0], "y", 1, 0), 1);
    all_happens();
    assert_true(esi_clock_now_ns() - before >= ESI_NS_PER_MS);
    assert_int_equal(reads(pair[1], buffer, 2), 2);
    assert_memory_equal(buffer, "xy", 2);
    strike(ESI_STRIKE_SHORT_IO, 1, 1);
    assert_in_range(esi_os_send(pair[0], "0123456789", 10, 0), 1, 9);
    int listener = listening(81, 5);
    strike(ESI_STRIKE_REFUSE, 1, 1);
    assert_int_equal(connect_at(tcp(), 81), ECONNREFUSED);
    assert_int_equal(connect_at(tcp(), 81), 0);
    strike(ESI_STRIKE_NO_DESCRIPTOR, 1, 2);
    assert_fails(tcp(), EMFILE);
    assert_fails(esi_os_accept4(listener, NULL, NULL, 0), EMFILE);
    assert_true(esi_os_accept4(listener, NULL, NULL, 0) >= 0); /* it was not lost */
    end();
}

/* Who got less than there was room for waits for an event, and it must come. */
static void test_after_a_short_read_there_is_another_event(void **state)
{
    (void)state;
    struct esi_poller *poller;
    struct esi_poll_event event;
    int pair[2];
    char buffer[64];
    begin(1);
    assert_int_equal(esi_poller_open(&poller), ES_OK);
    connected(pair);
    assert_int_equal(esi_poller_add(poller, pair[1], ESI_POLL_EDGE, NULL), ES_OK);
    assert_int_equal(esi_os_send(pair[0], "0123456789", 10, 0), 10);
    all_happens();
    while (esi_poller_wait(poller, 0, &event, 1))
        ;
    strike(ESI_STRIKE_SHORT_IO, 1, 1);
    assert_in_range(reads(pair[1], buffer, sizeof buffer), 1, 9);
    assert_int_equal(esi_poller_wait(poller, 0, &event, 1), 1);
    esi_poller_close(&poller);
    end();
}

static void sends_numbered(int fd, uint16_t port, int count)
{
    struct sockaddr_in at = loopback(port);
    for (int i = 0; i < count; i++)
        assert_int_equal(esi_os_sendto(fd, &i, sizeof i, 0, (struct sockaddr *)&at, sizeof at), sizeof i);
    all_happens();
}

static void test_datagrams_come_in_order_but_for_those_that_are_delayed_or_lost(void **state)
{
    (void)state;
    int overtaken = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        int number, expected = 0;
        begin(seed);
        int a = bound(SOCK_DGRAM, 0), b = bound(SOCK_DGRAM, 5060);
        sends_numbered(a, 5061, 3); /* to nobody */
        sends_numbered(a, 5060, 20);
        while (esi_os_recvfrom(b, &number, sizeof number, 0, NULL, NULL) > 0)
            assert_int_equal(number, expected++);
        assert_int_equal(expected, 20);
        strike(ESI_STRIKE_CUT, 3, 1);
        sends_numbered(a, 5060, 4);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(esi_os_recvfrom(b, &number, sizeof number, 0, NULL, NULL), sizeof number);
            assert_int_equal(number, i < 2 ? i : 3);
        }
        assert_fails(esi_os_recvfrom(b, &number, sizeof number, 0, NULL, NULL), EAGAIN);
        strike(ESI_STRIKE_DELAY, 1, 1);
        sends_numbered(a, 5060, 2);
        assert_int_equal(esi_os_recvfrom(b, &number, sizeof number, 0, NULL, NULL), sizeof number);
        overtaken += number == 1;
        end();
    }
    assert_true(overtaken > SEEDS / 2);
}

static uint64_t hash_of(uint64_t seed)
{
    int pair[2];
    begin(seed);
    connected(pair);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(esi_os_send(pair[i % 2], "hello", 5, 0), 5);
        esi_sim_happen();
    }
    all_happens();
    uint64_t hash = esi_sim_trace_hash();
    end();
    return hash;
}

static void test_the_same_seed_gives_the_same_and_another_another(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        assert_true(hash_of(seed) == hash_of(seed));
        assert_true(hash_of(seed) != hash_of(seed + 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_listens_and_nobody_answers),
        cmocka_unit_test(test_bytes_come_in_their_order_and_then_the_end),
        cmocka_unit_test(test_what_is_not_read_is_bounded_and_room_is_told),
        cmocka_unit_test(test_ends_are_told_as_linux_tells_them),
        cmocka_unit_test(test_a_full_backlog_lets_others_wait),
        cmocka_unit_test(test_a_bad_address_is_an_error_and_no_fault),
        cmocka_unit_test(test_a_call_past_the_simulated_machine_fails),
        cmocka_unit_test(test_a_cut_is_a_reset_at_both_ends),
        cmocka_unit_test(test_a_half_close_is_an_end_and_then_a_reset_for_who_writes_on),
        cmocka_unit_test(test_delay_refusal_lack_and_short_calls),
        cmocka_unit_test(test_after_a_short_read_there_is_another_event),
        cmocka_unit_test(test_datagrams_come_in_order_but_for_those_that_are_delayed_or_lost),
        cmocka_unit_test(test_the_same_seed_gives_the_same_and_another_another),
    };
    return cmocka_run_group_tests_name("platform/sim_socket", tests, NULL, NULL);
}
