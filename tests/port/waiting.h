/* tests/port/waiting.h - what the tests of this room share: sockets on loopback, and processes that wait at one. */
#ifndef TESTS_PORT_WAITING_H
#define TESTS_PORT_WAITING_H

#include <engset/port.h>
#include "proc/schedule/worker.h"
#include "story.h"

static inline int64_t in_ms(int64_t time_ms)
{
    return es_now_ns() + time_ms * 1000000;
}

static inline es_address parsed(const char *text)
{
    es_address address = {.length = 0};
    EXPECT(es_address_parse(text, &address) == ES_OK);
    return address;
}

/* A socket of the caller's on a free port of loopback, with its address. */
static inline int open_any(es_address *out)
{
    es_address any = parsed("127.0.0.1:0");
    int64_t fd = es_udp_open(&any);
    EXPECT(fd >= 0);
    EXPECT(es_udp_local((int)fd, out) == ES_OK);
    return (int)fd;
}

/* Comes back when `pid` waits for something. */
static inline void until_it_waits(es_pid pid)
{
    es_info info;
    while (es_process_info(pid, &info) && info.state != ES_STATE_WAITING)
        es_yield();
}

/* A descriptor that a process uses, and to whom it tells what it got. */
ES_ATOMS(received);

/* Waits for one datagram at {Parent, Fd} and tells {received, Self, Result, Bytes}. */
static inline void receives_one(es_term argument)
{
    es_pid parent;
    int fd = -1;
    char buffer[64];
    es_address from;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &fd)));
    int64_t result = es_recvfrom(fd, buffer, sizeof buffer, &from, ES_INFINITY);
    es_send(parent, ES_TUPLE(received, es_self(), result, es_bytes(buffer, result > 0 ? (size_t)result : 0)));
}

/* Such a process, which waits. */
static inline es_pid receiver(int fd)
{
    es_pid pid = es_spawn(receives_one, ES_TUPLE(es_self(), fd));
    until_it_waits(pid);
    return pid;
}

/* Comes back when the thread that starts the node is done with it: what fails from here on fails in processes. */
static inline void until_the_node_is_up(void)
{
    while (atomic_load(&esi_node.worker_count) < esi_node.scheduler_count)
        es_yield();
}

static inline int waiters_now(void)
{
    return atomic_load(&esi_node.polled);
}

#endif
