/* tls.c - the sweep over engset/tls.h: what the room allocates. (OpenSSL's own memory is OpenSSL's affair.) */
#include <engset/tls.h>
#include "sweep.h"
#include "../tls/certificates.h"

static es_address any_port(void)
{
    es_address any;
    EXPECT(es_address_parse("127.0.0.1:0", &any) == ES_OK);
    return any;
}

static int64_t server_context(void)
{
    return es_tls_server_context(
        &(es_tls_options){.certificate_file = in_folder("server.pem"), .key_file = in_folder("server.key")});
}

static int64_t client_context(void)
{
    return es_tls_client_context(&(es_tls_options){.ca_file = in_folder("ca.pem")});
}

/* Takes connections and echoes each until its end, one after the other; those that fail are not its affair. */
static void echoes(es_term argument)
{
    int listener = -1;
    char buffer[64];
    EXPECT(es_match(argument, &listener));
    int64_t context = server_context();
    for (;;) {
        es_tls *tls;
        int64_t fd = es_accept(listener, NULL, ES_INFINITY), count;
        if (es_tls_accept((int)fd, context, soon(), &tls) != ES_OK)
            continue;
        while ((count = es_tls_read(tls, buffer, sizeof buffer, soon())) > 0)
            (void)es_tls_write(tls, buffer, (size_t)count, soon());
        (void)es_tls_close(&tls, 0);
    }
}

static es_address at;

static void start_server(void)
{
    es_address any = any_port();
    int64_t listener = es_listen(&any, NULL);
    EXPECT(listener >= 0 && es_local_address((int)listener, &at) == ES_OK);
    settled(es_spawn_opt(ES_WITH(.stack_size_bytes = 128 << 10), echoes, (int)listener));
}

/* A connection of ours to the server. */
static es_tls *connected(void)
{
    es_tls *tls = NULL;
    EXPECT(es_tls_connect((int)es_connect(&at, soon()), "localhost", client_context(), soon(), &tls) ==
           ES_OK);
    return tls;
}

static void expect_echo(es_tls *tls)
{
    char buffer[4];
    EXPECT(tls && es_tls_write(tls, "four", 4, soon()) == 4);
    EXPECT(tls && es_tls_read_exactly(tls, buffer, 4, soon()) == 4);
}

/* With another server: the first may have been who found no memory. */
static void expect_all_is_well(void)
{
    start_server();
    es_tls *tls = connected();
    expect_echo(tls);
    es_tls_close(&tls, 0);
}

/* The other side may be the one who has no memory: then there is any error. */
static bool went_well_or_ended(int64_t result)
{
    return went_well(result < 0 && !had_memory() ? (int64_t)ES_ENOMEM : result);
}

/* ---------------------------------------------------------------- contexts */

#define CONTEXT(function, make)                                        \
    SWEEP(function, REAL | MAY_END | KEEPS_BLOCKS)                     \
    {                                                                  \
        int64_t context = TRY(make());                                 \
        if (went_well(context))                                        \
            EXPECT(es_tls_context_close(context) == ES_OK);            \
        context = make();                                              \
        EXPECT(context > 0 && es_tls_context_close(context) == ES_OK); \
    }
CONTEXT(es_tls_client_context, client_context)
CONTEXT(es_tls_server_context, server_context)

SWEEP(es_tls_context_close, REAL | MAY_END | KEEPS_BLOCKS)
{
    int64_t context = client_context();
    if (!went_well(TRY(es_tls_context_close(context))))
        EXPECT(es_tls_context_close(context) == ES_OK);
    EXPECT(es_tls_context_close(context) == ES_ENOTFOUND);
}

/* ---------------------------------------------------------------- connections */

SWEEP(es_tls_connect, REAL | MAY_END | KEEPS_BLOCKS)
{
    es_tls *tls = NULL;
    start_server();
    int64_t context = client_context(), fd = es_connect(&at, soon());
    if (went_well_or_ended(TRY(es_tls_connect((int)fd, "localhost", context, soon(), &tls))))
        es_tls_close(&tls, 0);
    EXPECT(!tls);
    expect_all_is_well();
}

SWEEP(es_tls_connect_to, REAL | MAY_END | KEEPS_BLOCKS)
{
    es_tls *tls = NULL;
    char text[80];
    start_server();
    es_address_print(&at, text, sizeof text);
    int64_t context = client_context();
    if (went_well_or_ended(TRY(es_tls_connect_to("localhost", strchr(text, ':') + 1, context, soon(), &tls))))
        es_tls_close(&tls, 0);
    EXPECT(!tls);
    expect_all_is_well();
}

static void connects_once(void)
{
    es_tls *tls = NULL;
    if (es_tls_connect((int)es_connect(&at, soon()), "localhost", client_context(), soon(), &tls) == ES_OK)
        es_tls_close(&tls, 0);
}

SWEEP(es_tls_accept, REAL | MAY_END | KEEPS_BLOCKS)
{
    es_tls *tls = NULL;
    es_address any = any_port();
    int listener = (int)es_listen(&any, NULL);
    int64_t context = server_context();
    EXPECT(es_local_address(listener, &at) == ES_OK);
    es_spawn_opt(ES_WITH(.stack_size_bytes = 128 << 10), connects_once);
    int fd = (int)es_accept(listener, NULL, soon());
    if (went_well_or_ended(TRY(es_tls_accept(fd, context, soon(), &tls))))
        es_tls_close(&tls, 0);
    EXPECT(!tls);
    es_spawn_opt(ES_WITH(.stack_size_bytes = 128 << 10), connects_once);
    fd = (int)es_accept(listener, NULL, soon());
    EXPECT(es_tls_accept(fd, context, soon(), &tls) == ES_OK);
    es_tls_close(&tls, 0);
}

/* Each of these waits for the other side, or works on OpenSSL's stack. */
#define AT_A_CONNECTION(function, call)                    \
    SWEEP(function, REAL | MAY_END | KEEPS_BLOCKS)         \
    {                                                      \
        char buffer[4] = "four";                           \
        start_server();                                    \
        es_tls *tls = connected();                         \
        EXPECT(es_tls_write(tls, buffer, 4, soon()) == 4); \
        went_well_or_ended(TRY(call));                     \
        es_tls_close(&tls, 0);                             \
        expect_all_is_well();                              \
    }
AT_A_CONNECTION(es_tls_read, es_tls_read(tls, buffer, 4, soon()))
AT_A_CONNECTION(es_tls_read_exactly, es_tls_read_exactly(tls, buffer, 4, soon()))
AT_A_CONNECTION(es_tls_write, es_tls_write(tls, buffer, 4, soon()))
AT_A_CONNECTION(es_tls_close, es_tls_close(&tls, soon()))

SWEEP(es_tls_info_get, REAL | MAY_END | KEEPS_BLOCKS)
{
    es_tls_info info;
    start_server();
    es_tls *tls = connected();
    if (!went_well(TRY(es_tls_info_get(tls, &info))))
        EXPECT(es_tls_info_get(tls, &info) == ES_OK);
    EXPECT(info.is_verified);
}

SWEEP(es_tls_fd, REAL | TAKES_NOTHING)
{
    start_server();
    es_tls *tls = connected();
    EXPECT(TRY(es_tls_fd(tls)) >= 0);
}

int main(int argc, char **argv)
{
    if (make_certificates(NULL) != 0)
        return 1;
    int failed = sweep_all(argc, argv);
    return remove_certificates(NULL) != 0 || failed;
}
