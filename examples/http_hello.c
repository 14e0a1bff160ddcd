/* http_hello.c - an HTTP/1.1 server: a process for each connection, requests one after the other, kept alive.
 *
 *   http_hello        asks itself some things, and ends
 *   http_hello PORT   serves who comes
 *
 * A connection reads a head, answers, and reads the next: straight lines, while thousands of others do the same. Who sends nothing for ten
 * seconds, or a head that is too long, is hung up on; so is who sends a body, since nothing here takes one. */
#include <engset.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

ES_ATOMS(go, never);

enum { HEAD_MAX = 8192, PATIENCE_S = 10 };

struct request {
    const char *status; /* what is answered */
    bool is_head, keep_alive;
};

/* The value of the header `name` in the lines from `line` to `end`; NULL: there is none. */
static const char *header(const char *line, const char *end, const char *name)
{
    size_t length = strlen(name);
    for (; line < end; line = strstr(line, "\r\n") + 2)
        if (strncasecmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " \t");
    return NULL;
}

/* Does `word` stand in a header's value? */
static bool says(const char *value, const char *word)
{
    for (; value && *value != '\r'; value++)
        if (strncasecmp(value, word, strlen(word)) == 0)
            return true;
    return false;
}

/* Looks at one head, which ends with its empty line and a 0. */
static struct request understand(const char *head, size_t size)
{
    const char *lines = strstr(head, "\r\n") + 2, *end = head + size - 2;
    const char *target = strchr(head, ' '), *version = target ? strchr(target + 1, ' ') : NULL;
    if (strlen(head) != size || !version || version + 11 != lines || strncmp(version, " HTTP/1.", 8) != 0 ||
        (version[8] == '1' && !header(lines, end, "Host")))
        return (struct request){"400 Bad Request", false, false};
    const char *length = header(lines, end, "Content-Length"), *connection = header(lines, end, "Connection");
    if (header(lines, end, "Transfer-Encoding") || (length && strncmp(length, "0\r", 2) != 0))
        return (struct request){"413 Content Too Large", false, false};
    bool is_head = strncmp(head, "HEAD ", 5) == 0, is_known = is_head || strncmp(head, "GET ", 4) == 0;
    bool keep_alive = !says(connection, "close") && (version[8] == '1' || says(connection, "keep-alive"));
    return (struct request){is_known ? "200 OK" : "405 Method Not Allowed", is_head, keep_alive};
}

static bool answer(int fd, struct request r)
{
    const char *body = r.status[0] == '2' ? "hello, world\n" : r.status;
    char text[256];
    int size = snprintf(text, sizeof text,
                        "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s%s\r\n%s",
                        r.status, strlen(body), r.status[2] == '5' ? "Allow: GET, HEAD\r\n" : "",
                        r.keep_alive ? "" : "Connection: close\r\n", r.is_head ? "" : body);
    return es_write(fd, text, (size_t)size, es_now_ns() + PATIENCE_S * INT64_C(1000000000)) == size &&
           r.keep_alive;
}

static void connection(es_term argument)
{
    char text[HEAD_MAX + 1], *end;
    size_t there = 0;
    int fd = -1;
    es_match(argument, &fd);
    es_receive
        es_case(go) {
        }
    for (bool goes_on = true; goes_on;) {
        text[there] = 0;
        if ((end = memmem(text, there, "\r\n\r\n", 4))) {
            size_t size = (size_t)(end + 4 - text);
            char first = text[size]; /* of what came behind it: requests may come before their answers */
            text[size] = 0;
            goes_on = answer(fd, understand(text, size));
            text[size] = first;
            memmove(text, text + size, there -= size);
            continue;
        }
        int64_t count = there == HEAD_MAX ? -1
                                          : es_read(fd, text + there, HEAD_MAX - there,
                                                    es_now_ns() + PATIENCE_S * INT64_C(1000000000));
        if (there == HEAD_MAX)
            answer(fd, (struct request){"431 Request Header Fields Too Large", false, false});
        goes_on = count > 0;
        there += goes_on ? (size_t)count : 0;
    }
    es_shutdown(fd, SHUT_WR); /* and the descriptor goes with the process */
}

static void acceptor(int *listener)
{
    int64_t fd;
    while ((fd = es_accept(*listener, NULL, ES_INFINITY)) >= 0) {
        es_pid pid = es_spawn(connection, ES_T(fd));
        es_fd_give((int)fd, pid);
        es_send(pid, go);
    }
}

/* Sends a text, and prints the first line of each answer up to the end of the connection. */
static void ask(const es_address *at, const char *text)
{
    char line[256];
    int64_t size, deadline_ns = es_now_ns() + PATIENCE_S * INT64_C(1000000000);
    int fd = (int)es_connect(at, deadline_ns);
    es_write(fd, text, strlen(text), deadline_ns);
    es_packet(fd, ES_PACKET_LINE, sizeof line);
    while ((size = es_read_packet(fd, line, sizeof line, deadline_ns)) > 0)
        if (strncmp(line, "HTTP", 4) == 0 || strncmp(line, "hello", 5) == 0)
            printf("  %.*s\n", (int)strcspn(line, "\r\n"), line);
    es_close(fd);
}

ES_MAIN(args)
{
    char text[32] = "127.0.0.1:0";
    es_address at;
    if (args.count > 1)
        snprintf(text, sizeof text, "127.0.0.1:%.5s", args.values[1]);
    int64_t listener = es_address_parse(text, &at) == ES_OK ? es_listen(&at, NULL) : ES_EINVAL;
    int fd = (int)listener;
    if (listener < 0 || es_local_address(fd, &at) != ES_OK) {
        fprintf(stderr, "%s: %s\n", text, es_last_detail());
        es_halt(1);
    }
    es_spawn_link(acceptor, &fd);
    if (args.count > 1)
        es_receive {
            es_case(never)
                return;
        }
    puts("two requests at once, the second the last:");
    ask(&at, "GET / HTTP/1.1\r\nHost: x\r\n\r\nHEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    puts("three kinds of wrong:");
    ask(&at, "DELETE / HTTP/1.0\r\n\r\n");
    ask(&at, "GET / HTTP/1.1\r\n\r\n");
    ask(&at, "how are you?\r\n\r\n");
}

/* Prints:
 *   two requests at once, the second the last:
 *     HTTP/1.1 200 OK
 *     hello, world
 *     HTTP/1.1 200 OK
 *   three kinds of wrong:
 *     HTTP/1.1 405 Method Not Allowed
 *     HTTP/1.1 400 Bad Request
 *     HTTP/1.1 400 Bad Request
 */
