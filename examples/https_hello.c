/* https_hello.c - an HTTPS server: a process for each connection, which is encrypted.
 *
 *   https_hello                         makes itself a certificate (by the program openssl), asks itself, and ends
 *   https_hello CERTIFICATE KEY PORT    serves who comes
 *
 * What is read and written looks as in http_hello.c, whose requests are richer; here it is about the connection. A client that stalls in
 * the handshake, or hangs up in it, costs its own process some time and nobody else anything. */
#include <engset.h>
#include <engset/tls.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

ES_ATOMS(go, never);

struct server {
    int listener;
    int64_t context;
};

static int64_t soon(void)
{
    return es_now_ns() + 10 * INT64_C(1000000000);
}

/* {Fd, Context}: the handshake, one request, one answer. */
static void connection(es_term argument)
{
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\nhello, world\n";
    char text[4096];
    size_t there = 0;
    int fd = -1;
    int64_t context = 0, count;
    es_tls *tls;
    es_match(argument, ES_TUPLE(&fd, &context));
    es_receive
        es_case(go) {
        }
    if (es_tls_accept(fd, context, soon(), &tls) != ES_OK)
        return; /* es_last_detail() says why */
    while (!memmem(text, there, "\r\n\r\n", 4)) {
        if ((count = es_tls_read(tls, text + there, sizeof text - there, soon())) <= 0)
            return;
        there += (size_t)count;
    }
    es_tls_write(tls, answer, sizeof answer - 1, soon());
    es_tls_close(&tls, soon());
}

static void acceptor(struct server *server)
{
    int64_t fd;
    while ((fd = es_accept(server->listener, NULL, ES_INFINITY)) >= 0) {
        es_pid pid = es_spawn(connection, ES_TUPLE(fd, server->context));
        es_fd_give((int)fd, pid);
        es_send(pid, go);
    }
}

/* Asks for `host` at `at`, and prints what comes; or why not. */
static void ask(const es_address *at, const char *host, int64_t context)
{
    static const char question[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char text[256];
    es_tls *tls;
    int64_t count;
    if (es_tls_connect((int)es_connect(at, soon()), host, context, soon(), &tls) != ES_OK) {
        const char *why = strstr(es_last_detail(), "): ");
        printf("  %s\n", why ? why + 3 : es_last_detail());
        return;
    }
    es_tls_write(tls, question, sizeof question - 1, soon());
    while ((count = es_tls_read(tls, text, sizeof text - 1, soon())) > 0) {
        text[count] = 0;
        printf("  %.*s\n  %s", (int)strcspn(text, "\r\n"), text, strstr(text, "\r\n\r\n") + 4);
    }
    es_tls_close(&tls, soon());
}

/* A certificate for localhost that signs itself, in a folder that is its name. */
static bool make_certificate(char *folder)
{
    int status = -1;
    es_child child;
    es_child_options openssl = {
        .program = "openssl",
        .directory = mkdtemp(folder),
        .error = ES_CHILD_NULL,
        .arguments = (const char *const[]){"req", "-x509", "-newkey", "ec", "-pkeyopt",
                                           "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                                           "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                                           "-keyout", "key.pem", "-out", "certificate.pem", NULL}};
    return es_child_start(&openssl, &child) == ES_OK && es_child_wait(child, soon(), &status) == ES_OK &&
           status == 0;
}

ES_MAIN(args)
{
    char folder[] = "/tmp/https_hello-XXXXXX", certificate[64], key[64], text[32] = "127.0.0.1:0";
    es_address at;
    if (args.count < 4 && !make_certificate(folder))
        es_halt(77); /* no openssl */
    snprintf(certificate, sizeof certificate, "%s/certificate.pem", folder);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    if (args.count > 3)
        snprintf(text, sizeof text, "127.0.0.1:%.5s", args.values[3]);
    struct server server = {.context = es_tls_server_context(&(es_tls_options){
                                .certificate_file = args.count > 3 ? args.values[1] : certificate,
                                .key_file = args.count > 3 ? args.values[2] : key,
                                .alpn = "http/1.1"})};
    if (server.context > 0 && es_address_parse(text, &at) == ES_OK)
        server.listener = (int)es_listen(&at, NULL);
    if (server.context < 0 || server.listener < 0 || es_local_address(server.listener, &at) != ES_OK) {
        fprintf(stderr, "%s\n", es_last_detail());
        es_halt(1);
    }
    es_spawn_link(acceptor, &server);
    if (args.count > 3)
        es_receive {
            es_case(never)
                return;
        }
    puts("who trusts the certificate is served:");
    int64_t trusting = es_tls_client_context(&(es_tls_options){.ca_file = certificate});
    ask(&at, "localhost", trusting);
    puts("the same certificate for another host:");
    ask(&at, "example.org", trusting);
    puts("who trusts the system's authorities:");
    ask(&at, "localhost", ES_TLS_SYSTEM);
    unlink(certificate);
    unlink(key);
    rmdir(folder);
}

/* Prints:
 *   who trusts the certificate is served:
 *     HTTP/1.1 200 OK
 *     hello, world
 *   the same certificate for another host:
 *     wrong host: the certificate is for localhost, and not for example.org
 *   who trusts the system's authorities:
 *     unknown authority (CN=localhost): give its certificate as ca_file if you trust it
 */
