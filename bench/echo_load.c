/* echo_load.c - the clients of the benchmark `echo`, the same for every server that is measured.
 *
 *     echo-load PORT COUNT
 *
 * Opens 1,000 TCP connections to 127.0.0.1 and lets each have one message of 64 bytes on its way. Each message is compared with what
 * comes back. After an uncounted round it measures COUNT messages and prints the nanoseconds a message. ES_BENCH_LOAD_CORE=N in
 * the environment: it runs on that core only, away from a server that has another for itself. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 1000, SIZE = 64 };

static struct client {
    int fd, have;
    int64_t sent;
    char expected[SIZE], got[SIZE];
} clients[CONNECTIONS];

static int poller;

static void give_up(const char *what)
{
    fprintf(stderr, "echo-load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void stay_on_core(const char *number)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(atoi(number), &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        give_up("sched_setaffinity");
}

static void allow_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void connect_client(struct client *c, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
        give_up("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) != 0)
        give_up("epoll_ctl");
}

static void say(struct client *c)
{
    snprintf(c->expected, SIZE, "%06d %020lld %030d", (int)(c - clients), (long long)c->sent++, 7);
    if (write(c->fd, c->expected, SIZE) != SIZE)
        give_up("write");
}

/* Reads what there is. True: a whole message came back as it went. */
static int hear(struct client *c)
{
    ssize_t step = read(c->fd, c->got + c->have, (size_t)(SIZE - c->have));
    if (step <= 0)
        give_up("read");
    c->have += (int)step;
    if (c->have < SIZE)
        return 0;
    c->have = 0;
    if (memcmp(c->got, c->expected, SIZE) != 0) {
        errno = EBADMSG;
        give_up("another message came back");
    }
    return 1;
}

/* Has `count` messages answered; each connection says the next when it has heard the last. Gives how long it took. */
static int64_t talk(int64_t count)
{
    struct epoll_event events[256];
    int64_t start_ns = now_ns(), left_to_say = count, left_to_hear = count;
    for (int i = 0; i < CONNECTIONS && left_to_say > 0; i++, left_to_say--)
        say(&clients[i]);
    while (left_to_hear > 0) {
        int ready = epoll_wait(poller, events, 256, 60000);
        if (ready == 0)
            errno = ETIMEDOUT;
        if (ready <= 0 && errno != EINTR)
            give_up("epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct client *c = events[i].data.ptr;
            if (!hear(c))
                continue;
            left_to_hear--;
            if (left_to_say > 0) {
                left_to_say--;
                say(c);
            }
        }
    }
    return now_ns() - start_ns;
}

int main(int argc, char **argv)
{
    int64_t count = argc == 3 ? atoll(argv[2]) : 0;
    if (count <= 0) {
        fprintf(stderr, "usage: echo-load PORT COUNT\n");
        return 2;
    }
    if (getenv("ES_BENCH_LOAD_CORE"))
        stay_on_core(getenv("ES_BENCH_LOAD_CORE"));
    allow_files();
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0)
        give_up("epoll_create1");
    for (int i = 0; i < CONNECTIONS; i++)
        connect_client(&clients[i], atoi(argv[1]));
    talk(CONNECTIONS);
    printf("%.2f\n", (double)talk(count) / (double)count);
    return 0;
}
