/* udp.c - proves src/port/udp.c: datagrams between processes and the world. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include "base/fail.h"
#include "platform/os.h"
#include "waiting.h"

ES_ATOMS(tick, sent, counted);

/* ---- system calls that are interrupted, or say "not now" without reason, now and then ---- */

static _Atomic(int) interruptions, refusals, calls;

static bool is_disturbed(void)
{
    atomic_fetch_add(&calls, 1);
    int code = atomic_load(&interruptions) > 0 && atomic_fetch_sub(&interruptions, 1) > 0 ? EINTR
               : atomic_load(&refusals) > 0 && atomic_fetch_sub(&refusals, 1) > 0         ? EAGAIN
                                                                                          : 0;
    if (code)
        *es_errno() = code;
    return code != 0;
}

ssize_t recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *from, socklen_t *length)
{
    return is_disturbed() ? -1 : syscall(SYS_recvfrom, fd, buffer, size, flags, from, length);
}

ssize_t sendto(int fd, const void *buffer, size_t size, int flags, const struct sockaddr *to,
               socklen_t length)
{
    return is_disturbed() ? -1 : syscall(SYS_sendto, fd, buffer, size, flags, to, length);
}

/* ---------------------------------------------------------------- from here to there */

STORY(a_datagram_comes_whole_and_with_its_sender, "")
{
    es_address here, there, from;
    char buffer[16] = "", expected[80], text[80];
    int a = open_any(&here), b = open_any(&there);
    EXPECT(es_sendto(a, "hello", 5, &there, in_ms(1000)) == 5);
    EXPECT(es_recvfrom(b, buffer, sizeof buffer, &from, in_ms(1000)) == 5);
    EXPECT(memcmp(buffer, "hello", 6) == 0);
    es_address_print(&here, expected, sizeof expected);
    es_address_print(&from, text, sizeof text);
    EXPECT(strcmp(expected, text) == 0);
    EXPECT(es_sendto(a, "again", 5, &there, ES_INFINITY) == 5);
    EXPECT(es_recvfrom(b, buffer, sizeof buffer, NULL, ES_INFINITY) == 5);
}

STORY(an_empty_datagram_is_one_and_a_long_one_is_cut, "")
{
    es_address here, from;
    char buffer[4] = "----";
    int fd = open_any(&here);
    EXPECT(es_sendto(fd, "", 0, &here, in_ms(1000)) == 0);
    EXPECT(es_sendto(fd, "\0\xff\x80\n\r%s", 7, &here, in_ms(1000)) == 7);
    EXPECT(es_recvfrom(fd, buffer, sizeof buffer, &from, in_ms(1000)) == 0);
    EXPECT(es_recvfrom(fd, buffer, sizeof buffer, &from, in_ms(1000)) == 4);
    EXPECT(memcmp(buffer, "\0\xff\x80\n", 4) == 0);
    EXPECT(es_recvfrom(fd, buffer, sizeof buffer, &from, 0) == ES_ETIMEOUT); /* the rest of it is gone */
}

REAL_STORY(interruptions_and_refusals_are_retried, 1, "RES-06")
{
    es_address here, from;
    char buffer[8];
    int fd = open_any(&here);
    for (int round = 0; round < 4; round++) {
        atomic_store(&calls, 0);
        atomic_store(&interruptions, round);
        atomic_store(&refusals, round);
        EXPECT(es_sendto(fd, "whole", 5, &here, in_ms(5000)) == 5);
        EXPECT(atomic_load(&calls) == 2 * round + 1);
        atomic_store(&interruptions, round);
        atomic_store(&refusals, round);
        EXPECT(es_recvfrom(fd, buffer, sizeof buffer, &from, in_ms(5000)) == 5);
        EXPECT(atomic_load(&calls) == 4 * round + 2);
    }
    EXPECT(waiters_now() == 0);
}

static void sends_many(es_term argument)
{
    es_pid parent;
    int fd = -1;
    int64_t count = 0;
    es_address to;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &fd, &count)));
    EXPECT(es_udp_local(fd, &to) == ES_OK);
    for (int64_t i = 0; i < count; i++)
        EXPECT(es_sendto(fd, &i, sizeof i, &to, in_ms(20000)) == sizeof i);
    es_send(parent, sent);
}

/* Loopback drops what does not fit into the socket's buffer, but what comes is whole and in order. */
STORY(a_flood_is_survived_and_what_arrives_is_in_order, "")
{
    es_address here;
    int fd = open_any(&here);
    int64_t number, last = -1, count = 0;
    es_spawn(sends_many, ES_TUPLE(es_self(), fd, 20000));
    for (bool is_sent = false;;) {
        int64_t result = es_recvfrom(fd, &number, sizeof number, NULL, is_sent ? 0 : in_ms(1));
        if (result == sizeof number) {
            EXPECT(number > last && number < 20000);
            last = number;
            count++;
        } else {
            EXPECT(result == ES_ETIMEOUT);
            if (is_sent)
                break;
            is_sent = there_is(sent);
        }
    }
    EXPECT(count > 0);
}

STORY(one_receives_while_others_send_at_the_same_socket, "")
{
    es_address here;
    int fd = open_any(&here);
    es_pid waiting = receiver(fd);
    EXPECT(waiters_now() == 1);
    es_spawn(sends_many, ES_TUPLE(es_self(), fd, 1));
    EXPECT(got(ES_TUPLE(received, waiting, 8, ES_ANY)));
    EXPECT(got(sent));
}

STORY(two_that_wait_at_one_socket_get_a_datagram_each, "")
{
    es_address here;
    int fd = open_any(&here);
    es_pid a = receiver(fd), b = receiver(fd);
    EXPECT(waiters_now() == 2);
    EXPECT(es_sendto(fd, "1", 1, &here, in_ms(1000)) == 1);
    EXPECT(got(ES_TUPLE(received, ES_ANY, 1, "1")));
    EXPECT(es_sendto(fd, "2", 1, &here, in_ms(1000)) == 1);
    EXPECT(got(ES_TUPLE(received, ES_ANY, 1, "2")));
    wait_for_end(a);
    wait_for_end(b);
    EXPECT(waiters_now() == 0);
}

/* ---------------------------------------------------------------- time */

STORY(a_deadline_is_absolute_whatever_wakes_the_process, "")
{
    es_address here, from;
    char buffer[8];
    int fd = open_any(&here);
    for (int i = 1; i <= 20; i++)
        es_send_after(i, es_self(), tick);
    int64_t deadline_ns = in_ms(30);
    EXPECT(es_recvfrom(fd, buffer, sizeof buffer, &from, deadline_ns) == ES_ETIMEOUT);
    EXPECT(es_now_ns() >= deadline_ns);
    for (int i = 0; i < 20; i++)
        EXPECT(there_is(tick)); /* they waited in the mailbox */
    EXPECT(es_recvfrom(fd, buffer, sizeof buffer, &from, deadline_ns) ==
           ES_ETIMEOUT); /* no more time for a second try */
    EXPECT(waiters_now() == 0);
}

REAL_STORY(a_deadline_that_is_over_still_takes_what_is_there, 1, "")
{
    es_address here, from;
    char buffer[8];
    int fd = open_any(&here);
    EXPECT(es_recvfrom(fd, buffer, sizeof buffer, &from, 0) == ES_ETIMEOUT);
    EXPECT(es_recvfrom(fd, buffer, sizeof buffer, &from, in_ms(-10)) == ES_ETIMEOUT);
    EXPECT(es_sendto(fd, "x", 1, &here, 0) == 1);
    EXPECT(es_recvfrom(fd, buffer, sizeof buffer, &from, 0) == 1);
}

/* ---------------------------------------------------------------- opening and closing */

STORY(an_address_in_use_is_named_in_the_detail, "")
{
    es_address here;
    char text[80];
    int fd = open_any(&here);
    es_address_print(&here, text, sizeof text);
    *es_errno() = 0;
    EXPECT(es_udp_open(&here) == ES_EOS);
    EXPECT(*es_errno() == EADDRINUSE);
    EXPECT(strstr(es_last_detail(), text) != NULL);
    EXPECT(es_last_error() == ES_EOS);
    EXPECT(es_close(fd) == ES_OK);
    EXPECT(es_udp_open(&here) >= 0);
}

STORY(what_cannot_be_opened_says_why, "")
{
    es_address elsewhere = parsed("192.0.2.1:5060"), odd = {.length = 2};
    EXPECT(es_udp_open(&elsewhere) == ES_EOS);
    EXPECT(*es_errno() == EADDRNOTAVAIL);
    EXPECT(strstr(es_last_detail(), "192.0.2.1:5060") != NULL);
    odd.storage.ss_family = AF_UNSPEC;
    EXPECT(es_udp_open(&odd) == ES_EOS);
    EXPECT(strstr(es_last_detail(), "neither") != NULL);
}

STORY(a_socket_does_not_block_and_is_not_inherited, "")
{
    es_address here;
    int fd = open_any(&here);
    EXPECT(esi_os_flags(fd) & O_NONBLOCK);
    EXPECT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

STORY(who_waits_is_told_that_the_socket_was_closed, "")
{
    es_address here, from;
    char buffer[8];
    int fd = open_any(&here);
    es_pid a = receiver(fd), b = receiver(fd);
    EXPECT(es_close(fd) == ES_OK);
    EXPECT(got(ES_TUPLE(received, a, ES_ECLOSED, ES_ANY)));
    EXPECT(got(ES_TUPLE(received, b, ES_ECLOSED, ES_ANY)));
    EXPECT(es_recvfrom(fd, buffer, sizeof buffer, &from, in_ms(1000)) == ES_ECLOSED);
    EXPECT(es_sendto(fd, buffer, 1, &here, in_ms(1000)) == ES_ECLOSED);
    EXPECT(es_close(fd) == ES_ENOTFOUND);
}

/* Opens a socket on {Parent, IsCrash}, tells {sent, Fd}, waits for `go`, ends. */
static void owns_a_socket(es_term argument)
{
    es_pid parent;
    int is_crash = 0;
    es_address here;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &is_crash)));
    int fd = open_any(&here);
    es_send(parent, ES_TUPLE(sent, fd));
    EXPECT(got(go));
    if (is_crash)
        es_abort();
}

STORY(a_socket_is_closed_when_its_owner_ends_and_who_waits_is_told, "CRH-09")
{
    for (int i = 0; i < 2; i++) {
        es_address where;
        int fd = -1;
        es_pid owner = es_spawn(owns_a_socket, ES_TUPLE(es_self(), i));
        EXPECT(got(ES_TUPLE(sent, &fd)));
        EXPECT(es_udp_local(fd, &where) == ES_OK);
        es_pid waiting = receiver(fd);
        es_send(owner, go);
        EXPECT(got(ES_TUPLE(received, waiting, ES_ECLOSED, ES_ANY)));
        wait_for_end(owner);
        int64_t mine = es_udp_open(&where); /* its address is free */
        EXPECT(mine >= 0);
        EXPECT(es_close((int)mine) == ES_OK);
    }
}

STORY(a_number_that_means_another_socket_now_works_as_that, "")
{
    es_address first, second, from;
    char buffer[8];
    int fd = open_any(&first);
    es_pid waiting = receiver(fd);
    EXPECT(es_close(fd) == ES_OK);
    EXPECT(got(ES_TUPLE(received, waiting, ES_ECLOSED, ES_ANY)));
    int again = open_any(&second);
    EXPECT(again == fd);
    es_pid sender = es_spawn(sends_many, ES_TUPLE(es_self(), again, 1));
    EXPECT(es_recvfrom(again, buffer, sizeof buffer, &from, in_ms(20000)) == 8);
    wait_for_end(sender);
}

/* ---------------------------------------------------------------- kills */

STORY_WITH(a_process_that_is_killed_in_its_wait_leaves_nothing_behind, 1000, "", play)
{
    es_address here;
    int fd = open_any(&here);
    for (long i = 0; i < rounds(1000); i++) {
        es_pid stays = receiver(fd), goes = receiver(fd);
        es_send_exit(goes, es_am_kill);
        if (i % 2)
            wait_for_end(goes);
        EXPECT(es_sendto(fd, "x", 1, &here, in_ms(1000)) == 1);
        /* The datagram is for one of them: if the killed one still took it, there is another. */
        es_receive {
            es_case(ES_TUPLE(received, stays, 1, ES_ANY)) {
            }
            es_case(ES_TUPLE(received, goes, 1, ES_ANY)) {
                EXPECT(es_sendto(fd, "x", 1, &here, in_ms(1000)) == 1);
                EXPECT(got(ES_TUPLE(received, stays, 1, ES_ANY)));
            }
            es_after(2000) {
                EXPECT(es_sendto(fd, "x", 1, &here, in_ms(1000)) == 1);
                EXPECT(got(ES_TUPLE(received, stays, 1, ES_ANY)));
            }
        }
        wait_for_end(stays);
        wait_for_end(goes);
        EXPECT(waiters_now() == 0);
    }
}

STORY(an_exit_signal_ends_a_wait_and_frees_the_socket_that_it_waited_at, "")
{
    es_address here;
    int fd = open_any(&here);
    es_ref ref;
    es_pid waiting = es_spawn_monitor(&ref, receives_one, ES_TUPLE(es_self(), fd));
    until_it_waits(waiting);
    es_send_exit(waiting, es_am_shutdown);
    EXPECT(got_down(ref, waiting, es_am_shutdown));
    EXPECT(waiters_now() == 0);
    EXPECT(es_close(fd) == ES_OK); /* tells nobody */
}

/* ---------------------------------------------------------------- where it does not work */

static void test_a_thread_that_is_no_process_is_told_so(void **state)
{
    (void)state;
    es_address any;
    char buffer[1];
    assert_int_equal(es_address_parse("127.0.0.1:0", &any), ES_OK);
    assert_int_equal(es_udp_open(&any), ES_ENOPROC);
    assert_int_equal(es_recvfrom(0, buffer, 1, NULL, 0), ES_ENOPROC);
    assert_int_equal(es_sendto(0, buffer, 1, &any, 0), ES_ENOPROC);
}

static void without_memory(void *unused)
{
    (void)unused;
    es_address any = parsed("127.0.0.1:0"), here;
    char buffer[1];
    bool is_short = true;
    for (uint64_t n = 1; is_short && n < 100; n++) {
        esi_fail_after(n);
        int64_t fd = es_udp_open(&any);
        int64_t result = fd < 0 ? fd : es_recvfrom((int)fd, buffer, 1, NULL, in_ms(1));
        is_short = esi_fail_stop();
        EXPECT(result == (is_short ? ES_ENOMEM : ES_ETIMEOUT));
        EXPECT(waiters_now() == 0);
        if (fd >= 0)
            EXPECT(es_close((int)fd) == ES_OK);
    }
    EXPECT(!is_short);
    EXPECT(es_close(open_any(&here)) == ES_OK);
}

/* One scheduler: no other thread runs into the allocation that fails. */
static void test_without_memory_nothing_is_half_done(void **state)
{
    (void)state;
    story_begin(NULL);
    int status = es_run(without_memory, NULL, &(es_options){.schedulers = 1});
    story_notes.is_told = true;
    story_check(status, "one scheduler", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_datagram_comes_whole_and_with_its_sender),
        cmocka_unit_test(an_empty_datagram_is_one_and_a_long_one_is_cut),
        cmocka_unit_test(interruptions_and_refusals_are_retried),
        cmocka_unit_test(a_flood_is_survived_and_what_arrives_is_in_order),
        cmocka_unit_test(one_receives_while_others_send_at_the_same_socket),
        cmocka_unit_test(two_that_wait_at_one_socket_get_a_datagram_each),
        cmocka_unit_test(a_deadline_is_absolute_whatever_wakes_the_process),
        cmocka_unit_test(a_deadline_that_is_over_still_takes_what_is_there),
        cmocka_unit_test(an_address_in_use_is_named_in_the_detail),
        cmocka_unit_test(what_cannot_be_opened_says_why),
        cmocka_unit_test(a_socket_does_not_block_and_is_not_inherited),
        cmocka_unit_test(who_waits_is_told_that_the_socket_was_closed),
        cmocka_unit_test(a_socket_is_closed_when_its_owner_ends_and_who_waits_is_told),
        cmocka_unit_test(a_number_that_means_another_socket_now_works_as_that),
        cmocka_unit_test(a_process_that_is_killed_in_its_wait_leaves_nothing_behind),
        cmocka_unit_test(an_exit_signal_ends_a_wait_and_frees_the_socket_that_it_waited_at),
        cmocka_unit_test(test_a_thread_that_is_no_process_is_told_so),
        cmocka_unit_test(test_without_memory_nothing_is_half_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
