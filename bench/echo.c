/* echo.c - a TCP server: one process a connection sends back what it reads. echo_load.c plays the clients. */
#include "bench.h"
#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

ES_ATOMS(yours);

static void connection(es_term argument)
{
    int fd;
    char bytes[4096];
    int64_t got;
    expect(es_match(argument, &fd));
    es_receive
        es_case(yours) {
        }
    while ((got = es_read(fd, bytes, sizeof bytes, ES_INFINITY)) > 0)
        if (es_write(fd, bytes, (size_t)got, ES_INFINITY) != got)
            return;
}

static void accepts(es_term argument)
{
    es_pid starter;
    es_address here;
    expect(es_match(argument, &starter) && es_address_parse("127.0.0.1:0", &here) == ES_OK);
    int listener = (int)es_listen(&here, NULL);
    expect(listener >= 0 && es_local_address(listener, &here) == ES_OK);
    es_send(starter, ntohs(((struct sockaddr_in *)&here.storage)->sin_port));
    for (;;) {
        int fd = (int)es_accept(listener, NULL, ES_INFINITY);
        expect(fd >= 0);
        es_pid pid = es_spawn(connection, fd);
        expect(es_fd_give(fd, pid) == ES_OK);
        es_send(pid, yours);
    }
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
    int port = 0;
    double figure = 0;
    es_spawn_link(accepts, es_self());
    es_receive
        es_case(&port) {
        }
    FILE *clients = start_clients(port, count);
    expect(clients && es_wait_fd(fileno(clients), POLLIN, ES_INFINITY) > 0);
    expect(fscanf(clients, "%lf", &figure) == 1);
    expect(pclose(clients) == 0);
    return figure;
}
