/* tests/tls/ends.h - what the tests of this room share: contexts, pairs of connected ends, and servers to connect to. */
#ifndef TESTS_TLS_ENDS_H
#define TESTS_TLS_ENDS_H

#include <engset.h>
#include <engset/tls.h>
#include "../port/streams.h"
#include "certificates.h"

ES_ATOMS(shaken, report, go_on);

/* The context of a server that is `name`, with what else is given. */
static inline int64_t server_with(const char *name, es_tls_options options)
{
    char certificate[128], key[128];
    snprintf(certificate, sizeof certificate, "%s/%s.pem", folder, name);
    snprintf(key, sizeof key, "%s/%s.key", folder, name);
    options.certificate_file = certificate;
    options.key_file = key;
    int64_t context = es_tls_server_context(&options);
    EXPECT(context > 0);
    return context;
}

static inline int64_t server_as(const char *name)
{
    return server_with(name, (es_tls_options){.alpn = NULL});
}

/* The context of a client that trusts our authority. */
static inline int64_t client_with(es_tls_options options)
{
    if (!options.ca_file)
        options.ca_file = in_folder("ca.pem");
    int64_t context = es_tls_client_context(&options);
    EXPECT(context > 0);
    return context;
}

static inline int64_t a_client(void)
{
    return client_with((es_tls_options){.alpn = NULL});
}

static inline bool detail_has(const char *words)
{
    bool has = strstr(es_last_detail(), words) != NULL;
    if (!has)
        fprintf(stderr, "not \"%s\" in: %s\n", words, es_last_detail());
    return has;
}

/* Accepts one at {Parent, Listener, Context, Patience}, tells {shaken, Self, Error}, echoes until the other side ends, and closes:
 * {report, Self, Read, Close}. */
static inline void echoes_one(es_term argument)
{
    es_pid parent;
    int listener = -1;
    int64_t context = 0, patience_ms = 0, count = 0;
    char buffer[20000];
    es_tls *tls;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &listener, &context, &patience_ms)));
    int64_t fd = es_accept(listener, NULL, ES_INFINITY);
    es_err error = es_tls_accept((int)fd, context, in_ms(patience_ms), &tls);
    es_send(parent, ES_TUPLE(shaken, es_self(), (int64_t)error));
    if (error != ES_OK)
        return;
    while ((count = es_tls_read(tls, buffer, sizeof buffer, in_ms(20000))) > 0)
        if (es_tls_write(tls, buffer, (size_t)count, in_ms(20000)) != count)
            break;
    es_send(parent, ES_TUPLE(report, es_self(), count, (int64_t)es_tls_close(&tls, in_ms(20000))));
}

static inline es_pid echo_server(int listener, int64_t context, int64_t patience_ms)
{
    return es_spawn_opt(ES_WITH(.stack_size_bytes = 128 << 10), echoes_one,
                        ES_TUPLE(es_self(), listener, context, patience_ms));
}

/* What the server made of a handshake; 1: it said nothing. */
static inline int64_t shaken_by(es_pid server)
{
    int64_t error = 1;
    es_receive {
        es_case(ES_TUPLE(shaken, server, &error)) {
        }
        es_after(STORY_PATIENCE_MS)
            error = 1;
    }
    return error;
}

#endif
