/* echo.c - a TCP server: one process a connection sends back what it reads. echo_load.c plays the clients. */
#include "bench.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static bool would_wait(void)
{
    return errno == EAGAIN || errno == EINTR;
}

static void connection(es_term argument)
{
    int fd;
    char bytes[4096];
    expect(es_match(argument, &fd) && es_own_fd(fd) == ES_OK);
    for (;;) {
        ssize_t got = read(fd, bytes, sizeof bytes);
        if (got == 0 || (got < 0 && !would_wait()))
            return;
        if (got < 0)
            es_wait_fd(fd, POLLIN, ES_INFINITY);
        for (ssize_t sent = 0, step; sent<got; sent += step> 0 ? step : 0) {
            step = write(fd, bytes + sent, (size_t)(got - sent));
            if (step < 0 && !would_wait())
                return;
            if (step < 0)
                es_wait_fd(fd, POLLOUT, ES_INFINITY);
        }
    }
}

static void accepts(es_term argument)
{
    int listener, on = 1;
    expect(es_match(argument, &listener));
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            es_spawn(connection, fd);
        } else {
            expect(would_wait());
            es_wait_fd(listener, POLLIN, ES_INFINITY);
        }
    }
}

static int listen_anywhere(int *port)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof here;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    expect(fd >= 0 && bind(fd, (struct sockaddr *)&here, length) == 0 && listen(fd, 1024) == 0);
    expect(getsockname(fd, (struct sockaddr *)&here, &length) == 0);
    *port = ntohs(here.sin_port);
    return fd;
}

/* echo_load stands beside this program, or where ES_BENCH_ECHO_LOAD says. It prints its figure on a line. */
static FILE *start_clients(int port, int64_t count)
{
    const char *program = getenv("ES_BENCH_ECHO_LOAD");
    char here[1024], command[1200];
    ssize_t length = readlink("/proc/self/exe", here, sizeof here - 1);
    expect(length > 0);
    here[length] = 0;
    snprintf(command, sizeof command,
             program ? "exec '%s' %d %lld" : "exec \"$(dirname '%s')/echo-load\" %d %lld",
             program ? program : here, port, (long long)count);
    return popen(command, "re");
}

double echo(int64_t count)
{
    int port;
    double figure = 0;
    es_spawn_link(accepts, listen_anywhere(&port));
    FILE *clients = start_clients(port, count);
    expect(clients && es_wait_fd(fileno(clients), POLLIN, ES_INFINITY) > 0);
    expect(fscanf(clients, "%lf", &figure) == 1);
    expect(pclose(clients) == 0);
    return figure;
}
