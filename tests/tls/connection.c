/* connection.c - proves src/tls: our server with our client, and peers that misbehave. */
#include "ends.h"
#include "platform/sanitize.h"

/* ---------------------------------------------------------------- there and back */

REAL_STORY(what_is_written_comes_back_and_both_ends_say_goodbye, 1, "")
{
    es_address at;
    es_tls *tls;
    char buffer[16];
    int before = descriptors_open(), listener = listen_any(&at);
    int64_t server = server_as("server"), client = a_client();
    es_pid pid = echo_server(listener, server, 5000);
    EXPECT(es_tls_connect((int)es_connect(&at, in_ms(5000)), "localhost", client, in_ms(5000), &tls) ==
           ES_OK);
    EXPECT(shaken_by(pid) == ES_OK);
    for (int i = 0; i < 100; i++) {
        EXPECT(es_tls_write(tls, "0123456789", 10, in_ms(5000)) == 10);
        EXPECT(es_tls_read_exactly(tls, buffer, 10, in_ms(5000)) == 10);
        EXPECT(memcmp(buffer, "0123456789", 10) == 0);
    }
    EXPECT(es_tls_read(tls, buffer, sizeof buffer, in_ms(5)) == ES_ETIMEOUT);
    EXPECT(es_tls_read(tls, buffer, 0, in_ms(5)) == ES_EINVAL);
    EXPECT(es_tls_close(&tls, in_ms(5000)) == ES_OK);
    EXPECT(tls == NULL);
    EXPECT(es_tls_close(&tls, in_ms(5000)) == ES_OK);
    EXPECT(got(ES_TUPLE(report, pid, 0, ES_OK)));
    EXPECT(es_tls_context_close(server) == ES_OK);
    EXPECT(es_tls_context_close(server) == ES_ENOTFOUND);
    EXPECT(es_close(listener) == ES_OK);
    wait_for_end(pid);
    EXPECT(descriptors_open() == before);
}

enum { MUCH = 3 << 20 };

static void writes_much(es_term argument)
{
    es_pid parent;
    int listener = -1;
    int64_t context = 0;
    es_tls *tls;
    char *data = es_alloc(MUCH);
    EXPECT(es_match(argument, ES_TUPLE(&parent, &listener, &context)));
    for (size_t i = 0; i < MUCH; i++)
        data[i] = byte_at(i);
    if (!EXPECT(es_tls_accept((int)es_accept(listener, NULL, ES_INFINITY), context, in_ms(20000), &tls) ==
                ES_OK))
        return;
    EXPECT(es_tls_write(tls, data, MUCH, in_ms(60000)) == MUCH);
    EXPECT(es_tls_close(&tls, in_ms(60000)) == ES_OK);
}

REAL_STORY(much_comes_whole_into_buffers_of_any_size, 1, "")
{
    es_address at;
    es_tls *tls;
    char *buffer = es_alloc(100000);
    int listener = listen_any(&at);
    size_t done = 0, sizes[] = {1, 100000, 777, 16384, 5, 40000};
    int64_t count = 1;
    es_spawn(writes_much, ES_TUPLE(es_self(), listener, server_as("server")));
    if (!EXPECT(es_tls_connect((int)es_connect(&at, in_ms(5000)), "localhost", a_client(), in_ms(5000),
                               &tls) == ES_OK))
        return;
    for (int i = 0; count > 0; i++) {
        count = es_tls_read(tls, buffer, sizes[i % 6], in_ms(20000));
        for (int64_t k = 0; k < count; k++, done++)
            if (buffer[k] != byte_at(done)) {
                EXPECT(!"another byte came");
                return;
            }
    }
    EXPECT(count == 0);
    EXPECT(done == MUCH);
    EXPECT(es_tls_read(tls, buffer, 10, in_ms(5000)) == 0); /* and it stays an end */
    EXPECT(es_tls_close(&tls, in_ms(5000)) == ES_OK);
}

/* ---------------------------------------------------------------- who it is */

/* Connects to a server that is `name`, asking for `host`. */
static es_err connect_as(const char *name, const char *host, int64_t client, int64_t *server_said)
{
    es_address at;
    es_tls *tls;
    int before = descriptors_open(), listener = listen_any(&at);
    int64_t server = server_as(name);
    es_pid pid = echo_server(listener, server, 5000);
    es_err error = es_tls_connect((int)es_connect(&at, in_ms(5000)), host, client, in_ms(5000), &tls);
    *server_said = shaken_by(pid);
    EXPECT((error == ES_OK) == (tls != NULL));
    if (error == ES_OK) {
        EXPECT(es_tls_close(&tls, in_ms(5000)) == ES_OK);
        EXPECT(got(ES_TUPLE(report, pid, 0, ES_OK)));
    }
    wait_for_end(pid);
    EXPECT(es_tls_context_close(server) == ES_OK);
    EXPECT(es_close(listener) == ES_OK);
    EXPECT(descriptors_open() == before);
    return error;
}

/* The detail of a failure is said before what comes after it: kept here. */
static bool refused_as(const char *name, const char *host, int64_t client, const char *words)
{
    es_address at;
    es_tls *tls;
    int listener = listen_any(&at);
    es_pid pid = echo_server(listener, server_as(name), 5000);
    es_err error = es_tls_connect((int)es_connect(&at, in_ms(5000)), host, client, in_ms(5000), &tls);
    bool is_said = detail_has(words) && detail_has(host) && detail_has("tls_connect: ");
    EXPECT(shaken_by(pid) != ES_OK);
    EXPECT(es_close(listener) == ES_OK);
    return error == ES_EAUTH && is_said;
}

REAL_STORY(a_certificate_must_be_for_the_host_valid_and_of_a_known_authority, 1, "SEC-09")
{
    int64_t client = a_client(), said;
    EXPECT(connect_as("server", "localhost", client, &said) == ES_OK);
    EXPECT(connect_as("server", "127.0.0.1", client, &said) == ES_OK);
    EXPECT(connect_as("server", "www.example.org", client, &said) == ES_OK);
    EXPECT(refused_as("server", "a.b.example.org", client, "wrong host: the certificate is for localhost"));
    EXPECT(refused_as("server", "127.0.0.2", client, "wrong host"));
    EXPECT(refused_as("elsewhere", "localhost", client, "for elsewhere.example, www.elsewhere.example"));
    EXPECT(refused_as("expired", "localhost", client, "the certificate expired at 20"));
    EXPECT(refused_as("early", "localhost", client, "not valid before 20"));
    EXPECT(refused_as("stranger", "localhost", client, "unknown authority (CN=Other CA)"));
    EXPECT(refused_as("server", "localhost", ES_TLS_SYSTEM, "unknown authority (CN=Engset test CA)"));
    EXPECT(refused_as("server", "localhost",
                      client_with((es_tls_options){.ca_file = in_folder("other_ca.pem")}), "ca_file"));
}

REAL_STORY(who_wants_no_check_gets_none, 1, "")
{
    int64_t said, client = es_tls_client_context(&(es_tls_options){.verify = ES_TLS_VERIFY_NONE});
    EXPECT(connect_as("expired", "elsewhere", client, &said) == ES_OK);
    EXPECT(connect_as("stranger", NULL, client, &said) == ES_OK);
}

REAL_STORY(the_server_hears_why_the_client_refused, 1, "")
{
    int64_t said;
    EXPECT(connect_as("expired", "localhost", a_client(), &said) == ES_EAUTH);
    EXPECT(said == ES_EPROTO); /* its alert */
}

/* Connects to a server that lets in only who has a certificate of our authority, and reads. */
static int64_t enters_with(es_tls_options options, es_tls_version version, int64_t *server_said)
{
    es_address at;
    es_tls *tls;
    char buffer[8];
    int listener = listen_any(&at);
    es_tls_options rules = {
        .ca_file = in_folder("ca.pem"), .verify = ES_TLS_VERIFY_PEER, .min_version = version};
    es_pid pid = echo_server(listener, server_with("server", rules), 5000);
    options.min_version = version;
    int64_t result = es_tls_connect((int)es_connect(&at, in_ms(5000)), "localhost", client_with(options),
                                    in_ms(5000), &tls);
    if (result == ES_OK && (result = es_tls_write(tls, "abc", 3, in_ms(5000))) == 3)
        result = es_tls_read(tls, buffer, sizeof buffer, in_ms(5000));
    *server_said = shaken_by(pid);
    EXPECT(es_close(listener) == ES_OK);
    return result;
}

REAL_STORY(a_server_may_let_in_only_whom_its_authority_knows, 1, "SEC-09")
{
    int64_t said;
    es_tls_options nobody = {.alpn = NULL},
                   known = {.certificate_file = in_folder("client.pem"), .key_file = in_folder("client.key")};
    EXPECT(enters_with(known, ES_TLS_1_3, &said) == 3);
    EXPECT(said == ES_OK);
    EXPECT(enters_with(nobody, ES_TLS_1_3, &said) == ES_EPROTO);
    EXPECT(detail_has("certificate_file"));
    EXPECT(said == ES_EAUTH);
    es_tls_options stranger = {.certificate_file = in_folder("stranger.pem"),
                               .key_file = in_folder("stranger.key")};
    EXPECT(enters_with(stranger, ES_TLS_1_3, &said) == ES_EPROTO);
    EXPECT(detail_has("does not trust the authority of our certificate"));
    EXPECT(said == ES_EAUTH);
}

REAL_STORY(both_ends_see_what_was_agreed_and_with_whom, 1, "")
{
    es_address at;
    es_tls *tls;
    es_tls_info info;
    int listener = listen_any(&at);
    int64_t client = client_with((es_tls_options){.alpn = "h3,http/1.1"});
    echo_server(listener, server_with("server", (es_tls_options){.alpn = "h2,http/1.1,h3"}), 5000);
    EXPECT(es_tls_connect((int)es_connect(&at, in_ms(5000)), "localhost", client, in_ms(5000), &tls) ==
           ES_OK);
    EXPECT(es_tls_info_get(tls, &info) == ES_OK);
    EXPECT(strcmp(info.subject, "CN=server") == 0);
    EXPECT(strcmp(info.issuer, "CN=Engset test CA") == 0);
    EXPECT(strcmp(info.alpn, "http/1.1") == 0); /* the server's choice among both */
    EXPECT(strcmp(info.version, "TLSv1.3") == 0);
    EXPECT(strcmp(info.host, "localhost") == 0);
    EXPECT(strncmp(info.cipher, "TLS_", 4) == 0);
    EXPECT(info.is_verified);
    EXPECT(info.expires_s > time(NULL) + 86400);
    EXPECT(es_tls_fd(tls) >= 0);
}

REAL_STORY(without_a_protocol_in_common_there_is_no_connection, 1, "")
{
    es_address at;
    es_tls *tls;
    int listener = listen_any(&at);
    int64_t client = client_with((es_tls_options){.alpn = "h3"});
    es_pid pid = echo_server(listener, server_with("server", (es_tls_options){.alpn = "h2,http/1.1"}), 5000);
    EXPECT(es_tls_connect((int)es_connect(&at, in_ms(5000)), "localhost", client, in_ms(5000), &tls) ==
           ES_EPROTO);
    EXPECT(detail_has("alpn"));
    EXPECT(shaken_by(pid) == ES_EPROTO);
}

/* ---------------------------------------------------------------- peers that misbehave */

REAL_STORY(a_peer_who_speaks_no_tls_is_named, 1, "")
{
    int pair[2];
    es_tls *tls;
    connect_pair(pair);
    EXPECT(es_write(pair[1], "HTTP/1.1 400 Bad Request\r\n\r\n", 28, in_ms(5000)) == 28);
    EXPECT(es_tls_connect(pair[0], "localhost", a_client(), in_ms(5000), &tls) == ES_EPROTO);
    EXPECT(detail_has("speaks no TLS"));
    EXPECT(detail_has("localhost (127.0.0.1:"));
    connect_pair(pair);
    EXPECT(es_write(pair[1], "GET / HTTP/1.1\r\n\r\n", 18, in_ms(5000)) == 18);
    EXPECT(es_tls_accept(pair[0], server_as("server"), in_ms(5000), &tls) == ES_EPROTO);
    EXPECT(detail_has("speaks no TLS"));
    EXPECT(tls == NULL);
}

REAL_STORY(a_peer_who_says_nothing_costs_the_deadline_and_no_more, 1, "")
{
    int pair[2];
    es_tls *tls;
    connect_pair(pair);
    int64_t client = a_client(), server = server_as("server"); /* to read certificates takes its time */
    int64_t deadline_ns = in_ms(30);
    EXPECT(es_tls_connect(pair[0], "localhost", client, deadline_ns, &tls) == ES_ETIMEOUT);
    EXPECT(es_now_ns() >= deadline_ns);
    EXPECT(detail_has("no answer in time"));
    EXPECT(es_tls_accept(pair[1], server, in_ms(20000), &tls) == ES_ECLOSED);
    connect_pair(pair);
    deadline_ns = in_ms(30);
    EXPECT(es_tls_accept(pair[1], server, deadline_ns, &tls) == ES_ETIMEOUT);
    EXPECT(es_now_ns() >= deadline_ns);
    EXPECT(es_tls_accept(pair[0], server_as("server"), 0, &tls) == ES_ECLOSED);
}

REAL_STORY(who_hangs_up_in_the_handshake_is_told_apart, 1, "")
{
    int pair[2];
    es_tls *tls;
    connect_pair(pair);
    EXPECT(es_shutdown(pair[1], SHUT_WR) == ES_OK);
    EXPECT(es_tls_connect(pair[0], "localhost", a_client(), in_ms(5000), &tls) == ES_ECLOSED);
    EXPECT(detail_has("in the middle of the handshake"));
}

/* A connection to an echo whose process is `*server`. */
static es_tls *connected(es_pid *server)
{
    es_address at;
    es_tls *tls = NULL;
    int listener = listen_any(&at);
    *server = echo_server(listener, server_as("server"), 5000);
    EXPECT(es_tls_connect((int)es_connect(&at, in_ms(5000)), "localhost", a_client(), in_ms(5000), &tls) ==
           ES_OK);
    EXPECT(shaken_by(*server) == ES_OK);
    EXPECT(es_close(listener) == ES_OK);
    return tls;
}

REAL_STORY(an_end_that_was_not_said_is_an_error_of_its_own, 1, "")
{
    es_pid server;
    char buffer[8];
    es_tls *tls = connected(&server);
    EXPECT(es_tls_write(tls, "abc", 3, in_ms(5000)) == 3);
    EXPECT(es_tls_read_exactly(tls, buffer, 3, in_ms(5000)) == 3);
    es_send_exit(server, es_am_kill);
    EXPECT(es_tls_read(tls, buffer, sizeof buffer, in_ms(5000)) == ES_ETRUNCATED);
    EXPECT(detail_has("without saying"));
    EXPECT(es_tls_read(tls, buffer, sizeof buffer, in_ms(5000)) == ES_ETRUNCATED); /* and it stays one */
    EXPECT(es_tls_write(tls, "x", 1, in_ms(5000)) == ES_ETRUNCATED);
    EXPECT(es_tls_close(&tls, in_ms(5000)) == ES_ETRUNCATED);
    EXPECT(tls == NULL);
    /* The server's side of it. */
    tls = connected(&server);
    EXPECT(es_shutdown(es_tls_fd(tls), SHUT_WR) == ES_OK);
    EXPECT(got(ES_TUPLE(report, server, ES_ETRUNCATED, ES_ETRUNCATED)));
}

REAL_STORY(odd_bytes_break_the_connection_and_nothing_else, 1, "")
{
    es_pid server;
    char buffer[64];
    es_tls *tls = connected(&server);
    EXPECT(es_write(es_tls_fd(tls), "\x17\x03\x03\x00\x20 these are 32 bytes of nonsense", 37, in_ms(5000)) ==
           37);
    EXPECT(got(ES_TUPLE(report, server, ES_EPROTO, ES_EPROTO)));
    EXPECT(es_tls_read(tls, buffer, sizeof buffer, in_ms(5000)) == ES_EPROTO); /* its alert */
    EXPECT(detail_has("refuses"));
}

REAL_STORY(a_reset_is_no_end, 1, "")
{
    es_pid server;
    char buffer[8];
    es_tls *tls = connected(&server);
    int fd = es_tls_fd(tls);
    EXPECT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)) == 0);
    EXPECT(es_close(fd) == ES_OK);
    EXPECT(got(ES_TUPLE(report, server, ES_ECLOSED, ES_ECLOSED)));
    EXPECT(es_tls_read(tls, buffer, sizeof buffer, in_ms(5000)) == ES_ECLOSED);
}

static void shakes_and_waits(es_term argument)
{
    es_pid parent;
    int listener = -1;
    int64_t context = 0;
    es_tls *tls;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &listener, &context)));
    EXPECT(es_tls_accept((int)es_accept(listener, NULL, ES_INFINITY), context, in_ms(20000), &tls) == ES_OK);
    es_receive {
        es_case(go_on) {
        }
    }
    char *buffer = es_alloc(1 << 20);
    int64_t count, total = 0;
    while ((count = es_tls_read(tls, buffer, 1 << 20, in_ms(20000))) > 0)
        total += count;
    es_send(parent, ES_TUPLE(report, es_self(), count, total));
}

REAL_STORY(a_write_that_was_late_is_gone_on_with_by_the_next, 1, "")
{
    es_address at;
    es_tls *tls;
    char *data = es_alloc(MUCH);
    int listener = listen_any(&at), size = 4096;
    int64_t total = 0, count, deadline_ns = in_ms(5000);
    es_pid pid = es_spawn(shakes_and_waits, ES_TUPLE(es_self(), listener, server_as("server")));
    if (!EXPECT(es_tls_connect((int)es_connect(&at, deadline_ns), "localhost", a_client(), deadline_ns,
                               &tls) == ES_OK))
        return;
    EXPECT(setsockopt(es_tls_fd(tls), SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
    do {
        count = es_tls_write(tls, data, 10000, in_ms(20));
        total += count > 0 ? count : 0;
    } while (count > 0);
    EXPECT(count == ES_ETIMEOUT);
    unsigned long taken = 0;
    EXPECT(sscanf(strstr(es_last_detail(), "): ") + 3, "%lu of 10000 bytes were taken", &taken) == 1);
    total += (int64_t)taken;
    EXPECT(es_tls_write(tls, data, 10, 0) == ES_ETIMEOUT);
    es_send(pid, go_on);
    EXPECT(es_tls_write(tls, data, 10, in_ms(5000)) == 10);
    es_tls_close(&tls, in_ms(5000));
    EXPECT(got(ES_TUPLE(report, pid, 0, total + 10)));
}

/* Says much, and reads nothing, to the one it accepts at {Listener, Context}. */
static void talks_for_ever(es_term argument)
{
    int listener = -1;
    int64_t context = 0;
    es_tls *tls;
    char *data = es_alloc(30000);
    EXPECT(es_match(argument, ES_TUPLE(&listener, &context)));
    EXPECT(es_tls_accept((int)es_accept(listener, NULL, ES_INFINITY), context, in_ms(20000), &tls) == ES_OK);
    while (es_tls_write(tls, data, 30000, in_ms(20000)) > 0)
        ;
}

REAL_STORY(closing_ends_at_its_deadline_although_the_other_side_talks_on, 1, "")
{
    es_address at;
    es_tls *tls;
    int listener = listen_any(&at);
    es_pid pid = es_spawn(talks_for_ever, ES_TUPLE(listener, server_as("server")));
    EXPECT(es_tls_connect((int)es_connect(&at, in_ms(5000)), "localhost", a_client(), in_ms(5000), &tls) ==
           ES_OK);
    int64_t deadline_ns = in_ms(50);
    EXPECT(es_tls_close(&tls, deadline_ns) == ES_ETIMEOUT);
    EXPECT(tls == NULL);
    EXPECT(es_now_ns() >= deadline_ns);
    wait_for_end(pid); /* it is told */
}

/* A host's name has several addresses here, and at the first nobody may listen. */
REAL_STORY(a_name_is_looked_up_and_checked, 1, "")
{
    es_address at;
    es_tls *tls;
    char port[80];
    int listener = listen_any(&at);
    es_address_print(&at, port, sizeof port);
    es_pid pid = echo_server(listener, server_as("server"), 5000);
    EXPECT(es_tls_connect_to("localhost", strchr(port, ':') + 1, a_client(), in_ms(5000), &tls) == ES_OK);
    EXPECT(es_tls_close(&tls, in_ms(5000)) == ES_OK);
    EXPECT(got(ES_TUPLE(report, pid, 0, ES_OK)));
    EXPECT(es_close(listener) == ES_OK);
    EXPECT(es_tls_connect_to("localhost", strchr(port, ':') + 1, a_client(), in_ms(5000), &tls) == ES_EOS);
    EXPECT(tls == NULL);
}

REAL_STORY(a_connection_that_is_made_active_is_broken_and_can_be_closed, 1, "")
{
    es_pid server;
    char buffer[8];
    int before = descriptors_open();
    es_tls *tls = connected(&server);
    EXPECT(es_active(es_tls_fd(tls), 1) == ES_OK);
    EXPECT(es_tls_read(tls, buffer, sizeof buffer, in_ms(5000)) == ES_EINVAL);
    EXPECT(es_tls_close(&tls, in_ms(5000)) == ES_EINVAL);
    EXPECT(tls == NULL);
    wait_for_end(server);
    EXPECT(descriptors_open() == before);
}

static es_tls *lent;

static void uses_anothers(es_term parent)
{
    char buffer[8];
    EXPECT(es_tls_read(lent, buffer, sizeof buffer, in_ms(5000)) == ES_EINVAL);
    EXPECT(es_tls_close(&lent, in_ms(5000)) == ES_EINVAL);
    es_send(parent, report);
}

REAL_STORY(a_connection_is_its_owners_alone, 1, "")
{
    es_pid server;
    lent = connected(&server);
    es_spawn(uses_anothers, es_self());
    EXPECT(got(report));
    EXPECT(es_tls_close(&lent, in_ms(5000)) == ES_OK);
}

/* ---------------------------------------------------------------- owners that end */

static void shakes_hands_for_ever(es_term argument)
{
    int fd = -1;
    int64_t context = 0;
    es_tls *tls;
    EXPECT(es_match(argument, ES_TUPLE(&fd, &context)));
    es_receive {
        es_case(go_on) {
        }
    }
    EXPECT(es_tls_accept(fd, context, ES_INFINITY, &tls) != ES_OK);
    EXPECT(!"it was killed");
}

REAL_STORY(who_is_killed_in_the_handshake_leaves_nothing, 100, "")
{
    int before = descriptors_open();
    int64_t server = server_as("server");
    for (long i = 0; i < rounds(2000); i++) {
        int pair[2];
        char buffer[8];
        connect_pair(pair);
        es_pid pid = es_spawn(shakes_hands_for_ever, ES_TUPLE(pair[0], server));
        EXPECT(es_fd_give(pair[0], pid) == ES_OK);
        es_send(pid, go_on);
        if (i % 2)
            until_it_waits(pid);
        es_send_exit(pid, es_am_kill);
        EXPECT(es_read(pair[1], buffer, sizeof buffer, in_ms(20000)) == 0);
        wait_for_end(pid);
        EXPECT(es_close(pair[1]) == ES_OK);
    }
    EXPECT(descriptors_open() == before);
}

static _Atomic(long) connections_made;

/* Connects and says a word, again and again, to {Port's address as text, Context}. */
static void connects_again_and_again(es_term argument)
{
    int64_t context = 0;
    es_bin text;
    es_address at;
    char word[64];
    EXPECT(es_match(argument, ES_TUPLE(&text, &context)));
    snprintf(word, sizeof word, "%.*s", (int)text.size, (const char *)text.data);
    at = parsed(word);
    for (;;) {
        es_tls *tls;
        if (es_tls_connect((int)es_connect(&at, in_ms(20000)), "localhost", context, in_ms(20000), &tls) ==
            ES_OK) {
            EXPECT(es_tls_write(tls, "abc", 3, in_ms(20000)) == 3);
            EXPECT(es_tls_read_exactly(tls, word, 3, in_ms(20000)) == 3);
            es_tls_close(&tls, in_ms(20000));
            atomic_fetch_add(&connections_made, 1);
        }
    }
}

static void echoes_quietly(es_term argument)
{
    int fd = -1;
    int64_t context = 0, count;
    char buffer[64];
    es_tls *tls;
    EXPECT(es_match(argument, ES_TUPLE(&fd, &context)));
    es_receive {
        es_case(go_on) {
        }
    }
    if (es_tls_accept(fd, context, in_ms(20000), &tls) != ES_OK)
        return;
    while ((count = es_tls_read(tls, buffer, sizeof buffer, in_ms(20000))) > 0)
        if (es_tls_write(tls, buffer, (size_t)count, in_ms(20000)) < 0)
            return;
    es_tls_close(&tls, in_ms(20000));
}

static void accepts_for_all(es_term argument)
{
    int listener = -1;
    int64_t context = 0, fd;
    EXPECT(es_match(argument, ES_TUPLE(&listener, &context)));
    while ((fd = es_accept(listener, NULL, ES_INFINITY)) >= 0) {
        es_pid pid = es_spawn(echoes_quietly, ES_TUPLE(fd, context));
        es_fd_give((int)fd, pid);
        es_send(pid, go_on);
    }
}

REAL_STORY(processes_are_killed_at_any_moment_and_the_others_go_on, 100, "RES-11")
{
    es_address at;
    char text[64];
    int listener = listen_any(&at);
    int64_t server = server_as("server"), client = a_client();
    es_address_print(&at, text, sizeof text);
    es_spawn(accepts_for_all, ES_TUPLE(listener, server));
    es_pid pids[8];
    for (int i = 0; i < 8; i++)
        pids[i] = es_spawn(connects_again_and_again, ES_TUPLE(es_bytes(text, strlen(text)), client));
    atomic_store(&connections_made, 0);
    unsigned luck = 1;
    for (long i = 0; i < rounds(2000); i++) {
        long made = atomic_load(&connections_made);
        int64_t until_ns = in_ms(20000);
        while (atomic_load(&connections_made) < made + 2 && es_now_ns() < until_ns)
            es_sleep(1);
        EXPECT(atomic_load(&connections_made) >= made + 2);
        luck = luck * 1664525 + 1013904223;
        es_pid *victim = &pids[luck >> 29];
        es_send_exit(*victim, es_am_kill);
        wait_for_end(*victim);
        *victim = es_spawn(connects_again_and_again, ES_TUPLE(es_bytes(text, strlen(text)), client));
    }
    for (int i = 0; i < 8; i++) {
        es_send_exit(pids[i], es_am_kill);
        wait_for_end(pids[i]);
    }
}

/* ---------------------------------------------------------------- many */

enum { MANY = 500 };

static void asks_once(es_term argument)
{
    es_pid parent;
    int64_t context = 0;
    es_bin text;
    es_tls *tls;
    char word[64];
    EXPECT(es_match(argument, ES_TUPLE(&parent, &text, &context)));
    snprintf(word, sizeof word, "%.*s", (int)text.size, (const char *)text.data);
    es_address at = parsed(word);
    if (!EXPECT(es_tls_connect((int)es_connect(&at, in_ms(60000)), "localhost", context, in_ms(60000),
                               &tls) == ES_OK))
        return;
    es_send(parent, ES_TUPLE(shaken, es_self(), ES_OK));
    es_receive {
        es_case(go_on) {
        }
    }
    snprintf(word, sizeof word, "I am one of %d", MANY);
    size_t size = strlen(word);
    char answer[64];
    EXPECT(es_tls_write(tls, word, size, in_ms(60000)) == (int64_t)size);
    EXPECT(es_tls_read_exactly(tls, answer, size, in_ms(60000)) == (int64_t)size);
    EXPECT(memcmp(word, answer, size) == 0);
    es_send(parent, ES_TUPLE(report, es_self(), (int64_t)es_tls_close(&tls, in_ms(60000)), 0));
}

REAL_STORY(five_hundred_connections_at_once_are_served, 1, "RES-11")
{
    es_address at;
    char text[64];
    int before = descriptors_open(), listener = listen_any(&at);
    int64_t server = server_as("server"), client = a_client();
    es_pid *pids = es_alloc(MANY * sizeof *pids);
    es_address_print(&at, text, sizeof text);
    es_pid acceptor = es_spawn(accepts_for_all, ES_TUPLE(listener, server));
    for (int i = 0; i < MANY; i++)
        pids[i] = es_spawn(asks_once, ES_TUPLE(es_self(), es_bytes(text, strlen(text)), client));
    for (int i = 0; i < MANY; i++)
        EXPECT(got(ES_TUPLE(shaken, ES_ANY, ES_OK)));
    for (int i = 0; i < MANY; i++)
        es_send(pids[i], go_on);
    for (int i = 0; i < MANY; i++)
        EXPECT(got(ES_TUPLE(report, ES_ANY, ES_OK, 0)));
    es_close(listener);
    wait_for_end(acceptor);
    int64_t until_ns = in_ms(20000);
    while (descriptors_open() > before && es_now_ns() < until_ns)
        es_sleep(1); /* the servers' processes end by themselves */
    EXPECT(descriptors_open() == before);
}

/* ---------------------------------------------------------------- contexts, and arguments that make no sense */

static bool no_server(es_tls_options options, es_err error, const char *words)
{
    return es_tls_server_context(&options) == error && detail_has(words);
}

REAL_STORY(a_context_says_which_file_it_did_not_like, 1, "")
{
    EXPECT(es_tls_server_context(NULL) == ES_EINVAL);
    EXPECT(no_server((es_tls_options){.certificate_file = "/nowhere"}, ES_EOS,
                     "certificate_file /nowhere: No such file"));
    EXPECT(*es_errno() == ENOENT);
    EXPECT(no_server((es_tls_options){.certificate_file = in_folder("server.pem")}, ES_EOS,
                     "server.pem: there is no private key in it"));
    es_tls_options wrong = {.certificate_file = in_folder("server.pem")};
    wrong.key_file = "/nowhere";
    EXPECT(no_server(wrong, ES_EOS, "key_file /nowhere: No such file"));
    EXPECT(*es_errno() == ENOENT);
    wrong.key_file = in_folder("ca.pem");
    EXPECT(no_server(wrong, ES_EOS, "ca.pem: there is no private key in it"));
    wrong.key_file = in_folder("client.key");
    EXPECT(no_server(wrong, ES_EOS, "client.key: it belongs to another certificate"));
    wrong.key_file = in_folder("rsa.key");
    EXPECT(no_server(wrong, ES_EOS, "rsa.key: it belongs to another certificate"));
    es_tls_options locked = {.certificate_file = in_folder("locked.pem"),
                             .key_file = in_folder("locked.key")};
    EXPECT(no_server(locked, ES_EOS, "locked.key: it is encrypted: give its key_password"));
    locked.key_password = "wrong";
    EXPECT(no_server(locked, ES_EOS, "locked.key: it is encrypted, and not with this key_password"));
    locked.key_password = "sesame";
    EXPECT(es_tls_server_context(&locked) > 0);
    locked.alpn = ",";
    EXPECT(no_server(locked, ES_EINVAL, "alpn"));
    EXPECT(es_tls_client_context(&(es_tls_options){.ca_file = "/nowhere"}) == ES_EOS);
    EXPECT(detail_has("ca_file /nowhere"));
    EXPECT(es_tls_client_context(&(es_tls_options){.ca_directory = "/nowhere"}) == ES_EOS);
    EXPECT(es_tls_client_context(&(es_tls_options){.verify = 9}) == ES_EINVAL);
}

REAL_STORY(the_error_of_the_connect_before_comes_through, 1, "")
{
    es_tls *tls;
    es_address at;
    EXPECT(es_address_parse("unix:/nowhere/at/all", &at) == ES_OK);
    int64_t fd = es_connect(&at, in_ms(5000));
    char said[256];
    snprintf(said, sizeof said, "%s", es_last_detail());
    EXPECT(fd < 0 && fd != ES_ECLOSED && strstr(said, "/nowhere/at/all") != NULL);
    EXPECT(es_tls_connect((int)fd, "localhost", a_client(), in_ms(5000), &tls) == (es_err)fd);
    EXPECT(tls == NULL && strcmp(es_last_detail(), said) == 0);
    EXPECT(es_tls_accept((int)fd, ES_TLS_SYSTEM, in_ms(5000), &tls) == (es_err)fd);
    EXPECT(strcmp(es_last_detail(), said) == 0);
}

REAL_STORY(a_call_that_makes_no_sense_is_refused_and_the_descriptor_closed, 1, "")
{
    int pair[2], before;
    es_tls *tls;
    int64_t server = server_as("server"), client = a_client();
    before = descriptors_open();
    connect_pair(pair);
    EXPECT(es_tls_connect(pair[0], "localhost", server, in_ms(5000), &tls) == ES_EINVAL);
    EXPECT(es_tls_accept(pair[1], client, in_ms(5000), &tls) == ES_EINVAL);
    connect_pair(pair);
    EXPECT(es_tls_connect(pair[0], NULL, client, in_ms(5000), &tls) == ES_EINVAL);
    EXPECT(es_tls_accept(pair[1], 123456, in_ms(5000), &tls) == ES_ECLOSED);
    EXPECT(detail_has("the context is closed"));
    EXPECT(es_tls_connect(-1, "localhost", client, in_ms(5000), &tls) == ES_ECLOSED);
    EXPECT(es_pipe(pair) == ES_OK);
    EXPECT(es_tls_connect(pair[0], "localhost", client, in_ms(5000), &tls) == ES_EINVAL);
    EXPECT(es_close(pair[1]) == ES_OK);
    EXPECT(descriptors_open() == before);
}

static void makes_a_context(es_term parent)
{
    es_send(parent, ES_TUPLE(report, es_self(), server_as("server"), 0));
    es_receive {
        es_case(go_on) {
        }
    }
}

REAL_STORY(a_context_ends_with_its_process_and_its_connections_go_on, 1, "")
{
    es_address at;
    es_tls *tls;
    char buffer[8];
    int64_t context = 0;
    int listener = listen_any(&at), pair[2];
    es_pid maker = es_spawn(makes_a_context, ES_T(es_self()));
    es_receive {
        es_case(ES_TUPLE(report, maker, &context, 0)) {
        }
    }
    EXPECT(es_tls_context_close(context) == ES_ENOTFOUND);
    es_pid server = echo_server(listener, context, 5000);
    EXPECT(es_tls_connect((int)es_connect(&at, in_ms(5000)), "localhost", a_client(), in_ms(5000), &tls) ==
           ES_OK);
    EXPECT(shaken_by(server) == ES_OK);
    es_send(maker, go_on);
    wait_for_end(maker);
    EXPECT(es_tls_write(tls, "abc", 3, in_ms(5000)) == 3);
    EXPECT(es_tls_read_exactly(tls, buffer, 3, in_ms(5000)) == 3);
    connect_pair(pair);
    es_tls *other;
    EXPECT(es_tls_accept(pair[0], context, in_ms(5000), &other) == ES_ECLOSED);
    EXPECT(es_tls_close(&tls, in_ms(5000)) == ES_OK);
}

/* ---------------------------------------------------------------- the stack */

static void serves_on_a_small_stack(es_term argument)
{
    es_pid parent;
    int fd = -1;
    int64_t context = 0;
    es_tls *tls;
    volatile char room[6 << 10]; /* and the process uses its stack itself */
    room[0] = room[sizeof room - 1] = 0;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &fd, &context)));
    es_receive {
        es_case(go_on) {
        }
    }
    es_err error = es_tls_accept(fd, context, in_ms(20000), &tls);
    es_send(parent, ES_TUPLE(report, es_self(), (int64_t)error, (int64_t)es_tls_close(&tls, in_ms(20000))));
}

/* A signature by RSA takes most of OpenSSL's calls: some 13 KiB. */
REAL_STORY(a_process_needs_no_large_stack, 1, "")
{
    int pair[2];
    es_tls *tls;
    size_t small = (size_t)16 << 10 << (ESI_ASAN || ESI_TSAN ? 4 : 0);
    connect_pair(pair);
    es_pid pid = es_spawn_opt(ES_WITH(.stack_size_bytes = small), serves_on_a_small_stack,
                              ES_TUPLE(es_self(), pair[0], server_as("rsa")));
    EXPECT(es_fd_give(pair[0], pid) == ES_OK);
    es_send(pid, go_on);
    EXPECT(es_tls_connect(pair[1], "localhost", a_client(), in_ms(20000), &tls) == ES_OK);
    EXPECT(es_tls_close(&tls, in_ms(20000)) == ES_OK);
    EXPECT(got(ES_TUPLE(report, pid, ES_OK, ES_OK)));
}

static void test_outside_a_process_it_is_refused(void **state)
{
    (void)state;
    es_tls *tls;
    assert_int_equal(es_tls_client_context(NULL), ES_ENOPROC);
    assert_int_equal(es_tls_connect(0, "localhost", ES_TLS_SYSTEM, 0, &tls), ES_ENOPROC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_comes_back_and_both_ends_say_goodbye),
        cmocka_unit_test(much_comes_whole_into_buffers_of_any_size),
        cmocka_unit_test(a_certificate_must_be_for_the_host_valid_and_of_a_known_authority),
        cmocka_unit_test(who_wants_no_check_gets_none),
        cmocka_unit_test(the_server_hears_why_the_client_refused),
        cmocka_unit_test(a_server_may_let_in_only_whom_its_authority_knows),
        cmocka_unit_test(both_ends_see_what_was_agreed_and_with_whom),
        cmocka_unit_test(without_a_protocol_in_common_there_is_no_connection),
        cmocka_unit_test(a_peer_who_speaks_no_tls_is_named),
        cmocka_unit_test(a_peer_who_says_nothing_costs_the_deadline_and_no_more),
        cmocka_unit_test(who_hangs_up_in_the_handshake_is_told_apart),
        cmocka_unit_test(an_end_that_was_not_said_is_an_error_of_its_own),
        cmocka_unit_test(odd_bytes_break_the_connection_and_nothing_else),
        cmocka_unit_test(a_reset_is_no_end),
        cmocka_unit_test(a_write_that_was_late_is_gone_on_with_by_the_next),
        cmocka_unit_test(closing_ends_at_its_deadline_although_the_other_side_talks_on),
        cmocka_unit_test(a_name_is_looked_up_and_checked),
        cmocka_unit_test(a_connection_that_is_made_active_is_broken_and_can_be_closed),
        cmocka_unit_test(a_connection_is_its_owners_alone),
        cmocka_unit_test(who_is_killed_in_the_handshake_leaves_nothing),
        cmocka_unit_test(processes_are_killed_at_any_moment_and_the_others_go_on),
        cmocka_unit_test(five_hundred_connections_at_once_are_served),
        cmocka_unit_test(a_context_says_which_file_it_did_not_like),
        cmocka_unit_test(the_error_of_the_connect_before_comes_through),
        cmocka_unit_test(a_call_that_makes_no_sense_is_refused_and_the_descriptor_closed),
        cmocka_unit_test(a_context_ends_with_its_process_and_its_connections_go_on),
        cmocka_unit_test(a_process_needs_no_large_stack),
        cmocka_unit_test(test_outside_a_process_it_is_refused),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
