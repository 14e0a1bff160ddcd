/* counterpart.c - proves src/tls against the programs of OpenSSL: openssl s_server and openssl s_client. */
#include <poll.h>
#include "ends.h"

static bool has_openssl(void)
{
    return system("openssl version >/dev/null 2>&1") == 0;
}

static es_child starts(const char *const *arguments)
{
    es_child child = {.input = -1};
    es_child_options options = {.program = "openssl",
                                .arguments = arguments,
                                .input = ES_CHILD_PIPE,
                                .output = ES_CHILD_PIPE,
                                .error = ES_CHILD_AS_OUTPUT};
    EXPECT(es_child_start(&options, &child) == ES_OK);
    return child;
}

/* Reads what the program says until `words` have come. */
static bool says(es_child child, const char *words, char *text, size_t size)
{
    size_t length = 0;
    while (length + 1 < size) {
        if (es_wait_fd(child.output, POLLIN, in_ms(STORY_PATIENCE_MS)) < 0)
            break;
        ssize_t count = read(child.output, text + length, size - 1 - length);
        if (count <= 0)
            break;
        length += (size_t)count;
        text[length] = 0;
        if (strstr(text, words))
            return true;
    }
    fprintf(stderr, "not \"%s\" in: %s\n", words, text);
    return false;
}

/* An s_server that turns lines round, with `more` to its arguments; its address in `*at`. */
static es_child a_server(const char *name, const char *const more[4], es_address *at)
{
    char certificate[128], key[128], text[2048] = "", address[80] = "";
    snprintf(certificate, sizeof certificate, "%s/%s.pem", folder, name);
    snprintf(key, sizeof key, "%s/%s.key", folder, name);
    const char *arguments[] = {"s_server", "-accept", "127.0.0.1:0", "-cert", certificate, "-key", key,
                               "-rev",     more[0],   more[1],       more[2], more[3],     NULL};
    es_child child = starts(arguments);
    if (!EXPECT(says(child, "ACCEPT 127.0.0.1:", text, sizeof text)))
        es_exit(es_am_badarg);
    if (!strchr(strstr(text, "ACCEPT "), '\n'))
        EXPECT(says(child, "\n", text + strlen(text), sizeof text - strlen(text)));
    sscanf(strstr(text, "ACCEPT ") + 7, "%79[^\n]", address);
    *at = parsed(address);
    return child;
}

static const char *const nothing[4];

static void talks_to_s_server(const char *version, const char *expected)
{
    es_address at;
    es_tls *tls;
    es_tls_info info;
    char buffer[16];
    es_child server = a_server("server", (const char *[4]){version, "-alpn", "h2,http/1.1"}, &at);
    int64_t client = client_with((es_tls_options){.alpn = "http/1.1"});
    if (!EXPECT(es_tls_connect((int)es_connect(&at, in_ms(5000)), "localhost", client, in_ms(5000), &tls) ==
                ES_OK)) {
        fprintf(stderr, "%s\n", es_last_detail());
        return;
    }
    EXPECT(es_tls_info_get(tls, &info) == ES_OK);
    EXPECT(strcmp(info.version, expected) == 0);
    EXPECT(strcmp(info.alpn, "http/1.1") == 0);
    for (int i = 0; i < 10; i++) {
        EXPECT(es_tls_write(tls, "hello\n", 6, in_ms(5000)) == 6);
        EXPECT(es_tls_read_exactly(tls, buffer, 6, in_ms(5000)) == 6);
        EXPECT(memcmp(buffer, "olleh\n", 6) == 0);
    }
    EXPECT(es_tls_write(tls, "CLOSE\n", 6, in_ms(5000)) == 6); /* its word for an end */
    EXPECT(es_tls_read(tls, buffer, sizeof buffer, in_ms(5000)) == 0);
    EXPECT(es_tls_close(&tls, in_ms(5000)) == ES_OK);
    EXPECT(es_child_stop(server) == ES_OK);
    EXPECT(es_child_wait(server, in_ms(20000), NULL) == ES_OK);
}

static void client_story(void)
{
    talks_to_s_server("-tls1_3", "TLSv1.3");
    talks_to_s_server("-tls1_2", "TLSv1.2");
}

static void refuses_story(void)
{
    es_address at;
    es_tls *tls;
    int64_t client = a_client();
    es_child server = a_server("expired", nothing, &at);
    EXPECT(es_tls_connect((int)es_connect(&at, in_ms(5000)), "localhost", client, in_ms(5000), &tls) ==
           ES_EAUTH);
    EXPECT(detail_has("expired"));
    EXPECT(es_child_kill(server, SIGKILL) == ES_OK);
    server = a_server("server", (const char *[4]){"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}, &at);
    EXPECT(es_tls_connect((int)es_connect(&at, in_ms(5000)), "localhost", client, in_ms(5000), &tls) ==
           ES_EPROTO);
    EXPECT(detail_has("min_version"));
    EXPECT(es_child_kill(server, SIGKILL) == ES_OK);
    /* A peer that dies. */
    char buffer[8];
    server = a_server("server", nothing, &at);
    EXPECT(es_tls_connect((int)es_connect(&at, in_ms(5000)), "localhost", client, in_ms(5000), &tls) ==
           ES_OK);
    EXPECT(es_tls_write(tls, "hello\n", 6, in_ms(5000)) == 6);
    EXPECT(es_tls_read_exactly(tls, buffer, 6, in_ms(5000)) == 6);
    EXPECT(es_child_kill(server, SIGKILL) == ES_OK);
    EXPECT(es_tls_read(tls, buffer, sizeof buffer, in_ms(5000)) == ES_ETRUNCATED);
}

static es_child an_s_client(const es_address *at, const char *authority, const char *version)
{
    char address[80], file[128];
    es_address_print(at, address, sizeof address);
    snprintf(file, sizeof file, "%s/%s", folder, authority);
    const char *arguments[] = {"s_client",    "-connect",  address,  "-CAfile", file, version,
                               "-servername", "localhost", "-quiet", "-alpn",   "h2", "-verify_return_error",
                               NULL};
    return starts(arguments);
}

static void server_story(void)
{
    es_address at;
    char text[4096] = "";
    int listener = listen_any(&at), status = -1;
    int64_t context = server_with("server", (es_tls_options){.alpn = "http/1.1,h2"});
    const char *versions[] = {"-tls1_3", "-tls1_2"};
    for (int i = 0; i < 2; i++) {
        es_pid pid = echo_server(listener, context, 20000);
        es_child client = an_s_client(&at, "ca.pem", versions[i]);
        EXPECT(shaken_by(pid) == ES_OK);
        EXPECT(write(client.input, "is anybody there?\n", 18) == 18);
        EXPECT(says(client, "is anybody there?\n", text, sizeof text));
        EXPECT(es_close(client.input) == ES_OK);
        EXPECT(es_child_kill(client, SIGTERM) == ES_OK);
        EXPECT(es_child_wait(client, in_ms(20000), NULL) == ES_OK);
        wait_for_end(pid);
    }
    es_pid pid = echo_server(listener, context, 20000);
    es_child client = an_s_client(&at, "other_ca.pem", "-tls1_3");
    EXPECT(shaken_by(pid) == ES_EPROTO);
    EXPECT(es_child_wait(client, in_ms(20000), &status) == ES_OK);
    EXPECT(status == 1);
    pid = echo_server(listener, server_with("server", (es_tls_options){.min_version = ES_TLS_1_3}), 20000);
    client = an_s_client(&at, "ca.pem", "-tls1_2");
    EXPECT(shaken_by(pid) == ES_EPROTO);
    EXPECT(es_child_wait(client, in_ms(20000), &status) == ES_OK);
}

static void played(const char *ids, const char *name, void (*story)(void))
{
    if (!has_openssl())
        skip_since("the program openssl is not installed");
    case_row(ids, name, 1, "failed");
    play_real(story);
    case_row(ids, name, 1, "passed");
}

static void our_client_talks_to_s_server(void **state)
{
    (void)state;
    played("", "our_client_talks_to_s_server", client_story);
}

static void our_client_refuses_what_is_expired_old_or_cut(void **state)
{
    (void)state;
    played("SEC-09", "our_client_refuses_what_is_expired_old_or_cut", refuses_story);
}

static void s_client_talks_to_our_server(void **state)
{
    (void)state;
    played("", "s_client_talks_to_our_server", server_story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_client_talks_to_s_server),
        cmocka_unit_test(our_client_refuses_what_is_expired_old_or_cut),
        cmocka_unit_test(s_client_talks_to_our_server),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
