/* tls.c - how fast are encrypted streams? One server and its clients in one node, on loopback: both ends are paid for.
 *
 *   tls CERTIFICATE KEY [SECONDS]     each figure takes so long
 *
 * Prints megabytes a second of one stream (16 KiB and 64 KiB a write), questions and answers of 100 bytes a second on one connection, whole
 * connections a second (connect, handshake, close; the client does not check), memory of an idle connection with both its ends and their
 * processes. The plain yardstick beside it: the same without TLS. */
#include <engset.h>
#include <engset/tls.h>
#include <stdio.h>
#include <string.h>

ES_ATOMS(go, done, ready);

enum { IDLE = 500 };

static int64_t server_context, client_context, run_ns = 1000000000;
static es_address at;
static int listener;

static int64_t later(int64_t seconds)
{
    return es_now_ns() + seconds * INT64_C(1000000000);
}

static ES_NORETURN void wrong(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, es_last_detail());
    es_halt(1);
}

/* One end of a stream, encrypted or plain. */
struct end {
    es_tls *tls;
    int fd;
};

static int64_t read_end(struct end *end, void *buffer, size_t size)
{
    return end->tls ? es_tls_read(end->tls, buffer, size, ES_INFINITY)
                    : es_read(end->fd, buffer, size, ES_INFINITY);
}

static int64_t write_end(struct end *end, const void *data, size_t size)
{
    return end->tls ? es_tls_write(end->tls, data, size, ES_INFINITY)
                    : es_write(end->fd, data, size, ES_INFINITY);
}

static void close_end(struct end *end)
{
    if (end->tls)
        es_tls_close(&end->tls, later(10));
    else
        es_close(end->fd);
}

/* Answers 100 bytes with 100, swallows what is longer. {Fd, IsPlain} */
static void serves(es_term argument)
{
    struct end end = {NULL, -1};
    int64_t is_plain = 0, count;
    char small[128], *buffer = small;
    size_t size = sizeof small;
    es_match(argument, ES_TUPLE(&end.fd, &is_plain));
    es_receive
        es_case(go) {
        }
    if (!is_plain && es_tls_accept(end.fd, server_context, later(60), &end.tls) != ES_OK)
        wrong("accept");
    while ((count = read_end(&end, buffer, size)) > 0) {
        if (count == 100)
            write_end(&end, buffer, 100);
        else if (buffer == small)
            buffer = es_alloc(size = 64 << 10);
    }
    close_end(&end);
}

/* {Listener, IsPlain} */
static void accepts(es_term argument)
{
    int64_t fd, is_plain = 0;
    int from = -1;
    es_match(argument, ES_TUPLE(&from, &is_plain));
    while ((fd = es_accept(from, NULL, ES_INFINITY)) >= 0) {
        es_pid pid = es_spawn(serves, ES_TUPLE(fd, is_plain));
        es_fd_give((int)fd, pid);
        es_send(pid, go);
    }
}

static struct end connects(bool is_plain)
{
    struct end end = {NULL, (int)es_connect(&at, later(60))};
    if (end.fd < 0)
        wrong("connect");
    if (!is_plain && es_tls_connect(end.fd, "localhost", client_context, later(60), &end.tls) != ES_OK)
        wrong("handshake");
    return end;
}

static double stream(bool is_plain, size_t size)
{
    struct end end = connects(is_plain);
    char *data = es_alloc(size);
    int64_t bytes = 0, start_ns = es_now_ns();
    while (es_now_ns() - start_ns < run_ns)
        bytes += write_end(&end, data, size);
    close_end(&end);
    return (double)bytes / 1e6 / ((double)(es_now_ns() - start_ns) / 1e9);
}

static double questions(bool is_plain)
{
    struct end end = connects(is_plain);
    char data[100] = "";
    int64_t count = 0, start_ns = es_now_ns();
    for (; es_now_ns() - start_ns < run_ns; count++)
        if (write_end(&end, data, 100) != 100 || read_end(&end, data, 100) != 100)
            wrong("question");
    double seconds = (double)(es_now_ns() - start_ns) / 1e9;
    close_end(&end);
    return (double)count / seconds;
}

static void connects_for_a_while(es_term argument)
{
    es_pid parent;
    int64_t is_plain = 0, count = 0, start_ns = es_now_ns();
    es_match(argument, ES_TUPLE(&parent, &is_plain));
    for (; es_now_ns() - start_ns < run_ns; count++) {
        struct end end = connects(is_plain);
        close_end(&end);
    }
    es_send(parent, ES_TUPLE(done, count));
}

static double handshakes(bool is_plain)
{
    int64_t total = 0, count = 0, start_ns = es_now_ns();
    for (int i = 0; i < 16; i++)
        es_spawn(connects_for_a_while, ES_TUPLE(es_self(), (int64_t)is_plain));
    for (int i = 0; i < 16; i++)
        es_receive {
            es_case(ES_TUPLE(done, &count))
                total += count;
        }
    return (double)total / ((double)(es_now_ns() - start_ns) / 1e9);
}

static int64_t resident_kib(void)
{
    char line[128];
    int64_t kib = 0, table = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) {
        sscanf(line, "VmRSS: %ld", &kib);
        sscanf(line, "VmPTE: %ld", &table);
    }
    if (file)
        fclose(file);
    return kib + table;
}

static void idles(es_term parent)
{
    struct end end = connects(false);
    char data[100] = "";
    write_end(&end, data, 100);
    read_end(&end, data, 100);
    es_send(parent, ready);
    es_receive
        es_case(go) {
        }
    close_end(&end);
}

static double idle_kib(void)
{
    es_pid pids[IDLE];
    int64_t before = resident_kib();
    for (int i = 0; i < IDLE; i++) {
        pids[i] = es_spawn(idles, es_self());
        es_receive
            es_case(ready) {
            }
    }
    double each = (double)(resident_kib() - before) / IDLE;
    for (int i = 0; i < IDLE; i++)
        es_send(pids[i], go);
    return each;
}

static void row(const char *name, const char *unit, double figure, double plain)
{
    printf("%-28s %10.0f %-8s", name, figure, unit);
    if (plain > 0)
        printf(" plain %10.0f", plain);
    putchar('\n');
    fflush(stdout);
}

/* What serves plain streams has a listener of its own. */
static double plainly(double (*measure)(bool))
{
    int encrypted = listener;
    es_address before = at;
    if (es_address_parse("127.0.0.1:0", &at) != ES_OK)
        wrong("address");
    listener = (int)es_listen(&at, NULL);
    if (listener < 0 || es_local_address(listener, &at) != ES_OK)
        wrong("listen");
    es_spawn(accepts, ES_TUPLE(listener, 1));
    double figure = measure(true);
    es_close(listener);
    es_yield();
    listener = encrypted;
    at = before;
    return figure;
}

static double stream_16k(bool is_plain)
{
    return stream(is_plain, 16 << 10);
}

static double stream_64k(bool is_plain)
{
    return stream(is_plain, 64 << 10);
}

ES_MAIN(args)
{
    if (args.count < 3) {
        fprintf(stderr, "tls CERTIFICATE KEY [SECONDS]\n");
        es_halt(2);
    }
    if (args.count > 3)
        run_ns = (int64_t)(strtod(args.values[3], NULL) * 1e9);
    es_tls_options server = {.certificate_file = args.values[1], .key_file = args.values[2]};
    server_context = es_tls_server_context(&server);
    client_context = es_tls_client_context(&(es_tls_options){.verify = ES_TLS_VERIFY_NONE});
    if (server_context < 0 || client_context < 0 || es_address_parse("127.0.0.1:0", &at) != ES_OK)
        wrong("context");
    listener = (int)es_listen(&at, NULL);
    if (listener < 0 || es_local_address(listener, &at) != ES_OK)
        wrong("listen");
    es_spawn(accepts, ES_TUPLE(listener, 0));
    row("stream, 16 KiB a write", "MB/s", stream_16k(false), plainly(stream_16k));
    row("stream, 64 KiB a write", "MB/s", stream_64k(false), plainly(stream_64k));
    row("questions of 100 bytes", "/s", questions(false), plainly(questions));
    row("connections, 16 at a time", "/s", handshakes(false), plainly(handshakes));
    row("an idle connection", "KiB", idle_kib(), 0);
    es_close(listener);
}
