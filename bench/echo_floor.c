/* echo_floor.c - the benchmark `echo` with a bare server: one thread, epoll, nothing else. For floor.c. */
#include "echo_floor.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void give_up(const char *what)
{
    fprintf(stderr, "floor: echo: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void accept_one(int poller, int listener)
{
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd < 0)
        give_up("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0)
        give_up("epoll_ctl");
}

/* One read, one write, as long as the other side talks. The few bytes always find room. */
static void echo_once(int fd)
{
    char bytes[4096];
    ssize_t got = read(fd, bytes, sizeof bytes);
    if (got <= 0)
        close(fd);
    else if (write(fd, bytes, (size_t)got) != got)
        give_up("write");
}

/* Until there is something to read from `until`. */
static void serve(int listener, int until)
{
    struct epoll_event events[256], event = {.events = EPOLLIN, .data.fd = listener};
    int poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) != 0)
        give_up("epoll");
    event.data.fd = until;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, until, &event) != 0)
        give_up("epoll_ctl");
    for (;;) {
        int ready = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == until)
                return;
            if (events[i].data.fd == listener)
                accept_one(poller, listener);
            else
                echo_once(events[i].data.fd);
        }
    }
}

int64_t echo_floor(int64_t count)
{
    const char *program = getenv("ES_BENCH_ECHO_LOAD");
    struct sockaddr_in here = {.sin_family = AF_INET};
    socklen_t length = sizeof here;
    char path[1024], command[1200];
    double figure;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t path_length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (listener < 0 || bind(listener, (struct sockaddr *)&here, length) != 0 ||
        listen(listener, 1024) != 0 || getsockname(listener, (struct sockaddr *)&here, &length) != 0 ||
        path_length < 0)
        give_up("listen");
    path[path_length] = 0;
    snprintf(command, sizeof command,
             program ? "exec '%s' %d %lld" : "exec \"$(dirname '%s')/echo-load\" %d %lld",
             program ? program : path, ntohs(here.sin_port), (long long)count);
    FILE *clients = popen(command, "re");
    if (!clients)
        give_up("popen");
    serve(listener, fileno(clients));
    if (fscanf(clients, "%lf", &figure) != 1 || pclose(clients) != 0)
        give_up("echo-load failed");
    return (int64_t)(figure * (double)count);
}
