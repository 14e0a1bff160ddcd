/* fd.c - proves src/port/fd.c: waiting for any descriptor. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "waiting.h"

ES_ATOMS(ready);

static void make_pair(int pair[2])
{
    EXPECT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    EXPECT(es_own_fd(pair[0]) == ES_OK);
    EXPECT(es_own_fd(pair[1]) == ES_OK);
}

/* Waits for {Parent, Fd, Events} and tells {ready, Self, Events}. */
static void waits_for(es_term argument)
{
    es_pid parent;
    int fd = -1, events = 0;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &fd, &events)));
    es_send(parent, ES_TUPLE(ready, es_self(), es_wait_fd(fd, events, ES_INFINITY)));
}

static es_pid waiting_for(int fd, int events)
{
    es_pid pid = es_spawn(waits_for, ES_TUPLE(es_self(), fd, events));
    until_it_waits(pid);
    return pid;
}

STORY(what_is_ready_comes_back_at_once, "")
{
    int pair[2];
    make_pair(pair);
    EXPECT(es_wait_fd(pair[0], POLLOUT, 0) == POLLOUT);
    EXPECT(es_wait_fd(pair[0], POLLIN, 0) == ES_ETIMEOUT && strstr(es_last_detail(), "wait_fd") != NULL);
    EXPECT(strstr(es_last_detail(), "deadline") != NULL);
    EXPECT(es_wait_fd(pair[0], POLLIN | POLLOUT, 0) == POLLOUT);
    EXPECT(write(pair[1], "x", 1) == 1);
    EXPECT(es_wait_fd(pair[0], POLLIN, 0) == POLLIN);
}

STORY(what_is_not_open_is_not_owned, "")
{
    int fd = dup(0);
    EXPECT(fd >= 0 && close(fd) == 0);
    EXPECT(es_own_fd(fd) == ES_EINVAL && strstr(es_last_detail(), "not open") != NULL);
    EXPECT(es_close(fd) == ES_ENOTFOUND);
}

STORY(a_waiter_wakes_when_it_becomes_readable, "")
{
    int pair[2];
    make_pair(pair);
    es_pid pid = waiting_for(pair[0], POLLIN);
    EXPECT(write(pair[1], "x", 1) == 1);
    EXPECT(got(ES_TUPLE(ready, pid, POLLIN)));
}

/* A reader and a writer at one descriptor: what wakes the one does not disturb the other. */
STORY(a_reader_and_a_writer_wait_at_one_descriptor, "")
{
    int pair[2];
    char byte[1024] = "";
    es_address nobody = {.length = 0}; /* the pair is connected */
    make_pair(pair);
    int64_t filled = 0;
    while (es_sendto(pair[0], byte, sizeof byte, &nobody, 0) == sizeof byte)
        filled++;
    EXPECT(filled > 0);
    es_pid reader = waiting_for(pair[0], POLLIN), writer = waiting_for(pair[0], POLLOUT);
    EXPECT(waiters_now() == 2);
    EXPECT(write(pair[1], "x", 1) == 1);
    EXPECT(got(ES_TUPLE(ready, reader, POLLIN)));
    EXPECT(!there_is(ES_TUPLE(ready, writer, ES_ANY)));
    while (read(pair[1], byte, sizeof byte) > 0)
        ;
    EXPECT(got(ES_TUPLE(ready, writer, POLLOUT)));
    EXPECT(waiters_now() == 0);
}

static void sends_one(es_term argument)
{
    es_pid parent;
    int fd = -1;
    char byte[1024] = "";
    es_address nobody = {.length = 0};
    EXPECT(es_match(argument, ES_TUPLE(&parent, &fd)));
    es_send(parent, ES_TUPLE(ready, es_self(), es_sendto(fd, byte, sizeof byte, &nobody, ES_INFINITY)));
}

STORY(a_sender_waits_for_room, "RES-06")
{
    int pair[2];
    char byte[1024] = "";
    es_address nobody = {.length = 0};
    make_pair(pair);
    while (es_sendto(pair[0], byte, sizeof byte, &nobody, 0) == sizeof byte)
        ;
    int64_t deadline_ns = in_ms(5);
    EXPECT(es_sendto(pair[0], byte, 1, &nobody, deadline_ns) == ES_ETIMEOUT);
    EXPECT(es_now_ns() >= deadline_ns);
    es_pid sender = es_spawn(sends_one, ES_TUPLE(es_self(), pair[0]));
    until_it_waits(sender);
    EXPECT(!there_is(ES_TUPLE(ready, sender, ES_ANY)));
    while (read(pair[1], byte, sizeof byte) > 0)
        ;
    EXPECT(got(ES_TUPLE(ready, sender, sizeof byte)));
}

STORY(a_hang_up_wakes_who_waits, "")
{
    int ends[2];
    EXPECT(pipe(ends) == 0);
    EXPECT(es_own_fd(ends[0]) == ES_OK);
    es_pid pid = waiting_for(ends[0], POLLIN);
    close(ends[1]);
    EXPECT(got(ES_TUPLE(ready, pid, POLLHUP)));
}

STORY(closing_wakes_readers_and_writers, "")
{
    int pair[2];
    make_pair(pair);
    es_pid a = waiting_for(pair[0], POLLIN), b = waiting_for(pair[0], POLLIN);
    EXPECT(es_close(pair[0]) == ES_OK);
    EXPECT(got(ES_TUPLE(ready, a, ES_ECLOSED)));
    EXPECT(got(ES_TUPLE(ready, b, ES_ECLOSED)));
    EXPECT(es_wait_fd(pair[0], POLLIN, 0) == ES_ECLOSED);
}

/* close(2) behind our back takes the descriptor out of the poller: the number's next meaning must be watched afresh. */
STORY(a_number_that_was_closed_behind_our_back_can_be_waited_for_again, "")
{
    int pair[2], again[2];
    EXPECT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) == 0);
    EXPECT(es_wait_fd(pair[0], POLLIN, in_ms(1)) == ES_ETIMEOUT);
    close(pair[0]);
    close(pair[1]);
    EXPECT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, again) == 0);
    EXPECT(again[0] == pair[0]);
    es_pid pid = waiting_for(again[0], POLLIN);
    EXPECT(write(again[1], "x", 1) == 1);
    EXPECT(got(ES_TUPLE(ready, pid, POLLIN)));
    close(again[0]);
    close(again[1]);
}

STORY(what_makes_no_sense_is_refused, "")
{
    int pair[2];
    make_pair(pair);
    EXPECT(es_wait_fd(pair[0], 0, 0) == ES_EINVAL);
    EXPECT(es_wait_fd(pair[0], POLLPRI, 0) == ES_EINVAL);
    EXPECT(strstr(es_last_detail(), "POLLIN") != NULL);
    EXPECT(es_wait_fd(12345, POLLIN, in_ms(1000)) == ES_ECLOSED);
    EXPECT(es_wait_fd(-1, POLLIN, in_ms(1)) < 0);
}

/* Many processes at one descriptor, killed and woken in any order, while its other end writes. */
STORY_WITH(a_crowd_at_one_descriptor_is_woken_or_killed_and_nothing_is_left, 100, "", play)
{
    for (long round = 0; round < rounds(100); round++) {
        int pair[2];
        es_pid crowd[64];
        make_pair(pair);
        for (int i = 0; i < 64; i++)
            crowd[i] = es_spawn(waits_for, ES_TUPLE(es_self(), pair[0], POLLIN));
        for (int i = 0; i < 64; i += 2)
            es_send_exit(crowd[i], es_am_kill);
        EXPECT(write(pair[1], "x", 1) == 1);
        for (int i = 1; i < 64; i += 2)
            EXPECT(got(ES_TUPLE(ready, crowd[i], POLLIN)));
        for (int i = 0; i < 64; i++)
            wait_for_end(crowd[i]);
        EXPECT(waiters_now() == 0);
        EXPECT(es_close(pair[0]) == ES_OK);
        EXPECT(es_close(pair[1]) == ES_OK);
        while (there_is(ES_ANY))
            ;
    }
}

/* Everybody else goes on while one waits, also when there is one scheduler, and it computes. */
static void on_one_scheduler(void *unused)
{
    (void)unused;
    int pair[2];
    make_pair(pair);
    es_pid pid = waiting_for(pair[0], POLLIN);
    EXPECT(write(pair[1], "x", 1) == 1);
    while (!there_is(ES_TUPLE(ready, pid, POLLIN))) /* never sleeps: the poller is looked at in between */
        es_yield();
}

static void test_a_busy_scheduler_looks_at_the_poller_too(void **state)
{
    (void)state;
    story_begin(NULL);
    int status = es_run(on_one_scheduler, NULL, &(es_options){.schedulers = 1});
    story_notes.is_told = true;
    story_check(status, "one scheduler", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_ready_comes_back_at_once),
        cmocka_unit_test(what_is_not_open_is_not_owned),
        cmocka_unit_test(a_waiter_wakes_when_it_becomes_readable),
        cmocka_unit_test(a_reader_and_a_writer_wait_at_one_descriptor),
        cmocka_unit_test(a_sender_waits_for_room),
        cmocka_unit_test(a_hang_up_wakes_who_waits),
        cmocka_unit_test(closing_wakes_readers_and_writers),
        cmocka_unit_test(a_number_that_was_closed_behind_our_back_can_be_waited_for_again),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(a_crowd_at_one_descriptor_is_woken_or_killed_and_nothing_is_left),
        cmocka_unit_test(test_a_busy_scheduler_looks_at_the_poller_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
