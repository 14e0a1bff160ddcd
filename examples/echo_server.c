/* echo_server.c - a TCP server: a process for each connection, written as if there were no other.
 *
 *   echo_server        serves three clients of its own, and ends
 *   echo_server PORT   serves who comes
 *
 * A descriptor belongs to a process and is closed when that ends, however it ends. So a connection needs no cleaning up: a handler that
 * crashes or is killed hangs up, and nobody else notices. */
#include <engset.h>
#include <stdio.h>
#include <string.h>

ES_ATOMS(go, closed, served);

/* The one to whom a descriptor was given waits for a word from the giver: by then it has it. */
static void connection(es_term argument)
{
    char buffer[4096];
    int64_t count;
    int fd = -1;
    es_match(argument, &fd);
    es_receive
        es_case(go) {
        }
    while ((count = es_read(fd, buffer, sizeof buffer, ES_INFINITY)) > 0)
        if (es_write(fd, buffer, (size_t)count, es_now_ns() + 5 * INT64_C(1000000000)) < 0)
            break;
}

static void acceptor(int *listener)
{
    for (;;) {
        int64_t fd = es_accept(*listener, NULL, ES_INFINITY);
        if (fd < 0)
            return; /* the listener was closed */
        es_pid pid = es_spawn(connection, ES_T(fd));
        es_fd_give((int)fd, pid);
        es_send(pid, go);
    }
}

/* Says something to the server at `at` and tells its boss what came back. */
static void client(es_term argument)
{
    es_pid boss;
    es_bin at, words;
    char answer[64] = "";
    es_address address;
    es_match(argument, ES_TUPLE(&boss, &at, &words));
    memcpy(&address, at.data, sizeof address);
    int64_t deadline_ns = es_now_ns() + 5 * INT64_C(1000000000);
    int fd = (int)es_connect(&address, deadline_ns);
    es_write(fd, words.data, words.size, deadline_ns);
    es_read_exactly(fd, answer, words.size, deadline_ns);
    es_send(boss, ES_TUPLE(served, answer));
}

static void three_clients(es_address at)
{
    static const char *const said[] = {"hello", "is anybody there?", "goodbye"};
    es_bin words;
    for (int i = 0; i < 3; i++) {
        es_spawn(client, ES_TUPLE(es_self(), es_bytes(&at, sizeof at), said[i]));
        es_receive
            es_case(ES_TUPLE(served, &words))
                printf("came back: %.*s\n", (int)words.size, (const char *)words.data);
    }
}

ES_MAIN(args)
{
    char text[32] = "127.0.0.1:0";
    es_address at;
    if (args.count > 1)
        snprintf(text, sizeof text, "0.0.0.0:%.5s", args.values[1]);
    if (es_address_parse(text, &at) != ES_OK)
        es_exit(es_am_badarg);
    int listener = (int)es_listen(&at, NULL);
    if (listener < 0 || es_local_address(listener, &at) != ES_OK) {
        fprintf(stderr, "%s\n", es_last_detail());
        es_halt(1);
    }
    es_pid server = es_spawn_link(acceptor, &listener);
    if (args.count > 1)
        es_receive {
            es_case(closed) /* never: it serves until it is killed */
                return;
        }
    three_clients(at);
    (void)server;
    es_close(listener);
    puts("closed");
}

/* Prints:
 *   came back: hello
 *   came back: is anybody there?
 *   came back: goodbye
 *   closed
 */
