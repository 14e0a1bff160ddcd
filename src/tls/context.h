/* tls/context.h - what connections have in common: certificates, authorities, protocols. Read once, counted, known by a number.
 *
 * A number may be sent anywhere and be used when its context is closed long since: that is an error then, and nothing worse. */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include <engset/tls.h>
#include <openssl/ssl.h>

struct esi_tls_context {
    int64_t number;
    SSL_CTX *ssl;
    bool is_server, is_verifying;
    unsigned char alpn[256]; /* as TLS writes it: each name behind its length */
    unsigned alpn_size;
    _Atomic(int) refs;
    es_pid owner; /* the process that closes it, and its way to do so */
    void *box;
    struct esi_tls_context *next; /* of those that have a number; guarded by their lock */
};

/* The context `number`, counted once more; NULL: there is none. In a step. */
struct esi_tls_context *esi_tls_context_ref(int64_t number);

/* NULL: nothing. Where no kill can come: in a step, or in a destructor. */
void esi_tls_context_unref(struct esi_tls_context *context);

/* Sees to it that there is the system's, ES_TLS_SYSTEM, and waits while another process reads it. An error is said. Not in a step. */
es_err esi_tls_context_need_system(const char *call);

#endif
