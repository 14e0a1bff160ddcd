/* tls/connection.h - what a connection is made of, and its steps.
 *
 * OpenSSL never sees the descriptor. It reads what was fed to it and writes to memory (buffer.h); between its steps we read and
 * write the descriptor, and wait. A step runs uninterrupted (es_uninterrupted()): on a large stack, in one thread, with no kill in
 * the middle. So OpenSSL's queue of errors, which is the thread's, is emptied before each call and read right after it (why.h), its
 * objects are never left half changed, and nothing of it stands on a stack that waits.
 *
 * This room stands on the public interface alone: it is a library of its own. */
#ifndef TLS_CONNECTION_H
#define TLS_CONNECTION_H

#include <engset.h>
#include <engset/tls.h>
#include <openssl/ssl.h>
#include "tls/buffer.h"
#include "tls/context.h"

enum { ESI_TLS_HOST = 256, ESI_TLS_WHY = 192, ESI_TLS_STACK = 256 << 10 };

struct es_tls {
    uint64_t magic;
    es_pid owner;
    int fd;
    SSL *ssl;
    struct esi_tls_context *context; /* a reference */
    struct esi_tls_buffer in, out;   /* what came and OpenSSL has not seen; what it wrote and is not sent */
    bool wants_input;                /* it can do nothing before more comes: `in` is empty */
    bool is_shaken;                  /* the handshake is done */
    bool is_ended;                   /* the other side sends no more, and said so */
    es_err broken;                   /* ES_OK, or why it is of no use any more ... */
    int code;                        /* ... with the system's number, or 0 ... */
    char why[ESI_TLS_WHY];           /* ... and in words */
    char host[ESI_TLS_HOST];         /* whom a client asked for; "" */
};

/* ---- steps: by esi_tls_do() only ---- */

/* What a step is given, and what it gives: a count, or ES_EEXIST: not before there is input, or an error, which is noted. */
struct esi_tls_step {
    es_tls *tls;
    void *buffer;
    size_t size;
    int64_t result;
};

/* Does one, for this process. ES_ENOMEM when there is no stack for it. */
int64_t esi_tls_do(es_tls *tls, void (*step)(struct esi_tls_step *), void *buffer, size_t size);

/* Looks at what a call of OpenSSL gave, `result`, in the same step: ES_EEXIST, 0 for the end, or an error, which is noted. */
int64_t esi_tls_judge(es_tls *tls, int result);

/* Notes that the connection is of no use any more; gives `error`. In steps or between. */
es_err esi_tls_break(es_tls *tls, es_err error, int code, const char *why);

/* ---- between steps; each fails by esi_tls_break(), or with ES_ETIMEOUT, which is said to nobody ---- */

/* Sends what OpenSSL wrote. */
es_err esi_tls_flush(es_tls *tls, int64_t deadline_ns);

/* The connection broke in a step: the other side hears why, if it listens. What was noted stays. */
void esi_tls_send_alert(es_tls *tls);

/* Waits for input. At most that of a record is taken at once. */
es_err esi_tls_fill(es_tls *tls, int64_t deadline_ns);

/* ---- what the calls share ---- */

/* ES_OK if `tls` is the caller's; else an error that is said. */
es_err esi_tls_is_own(const char *call, const es_tls *tls);

/* The same, and it is not broken. */
es_err esi_tls_enter(const char *call, const es_tls *tls);

/* Says why it is broken, or late; gives that. */
es_err esi_tls_say(const char *call, const es_tls *tls, es_err error);

/* Who the other side is, in words. */
void esi_tls_whom(const es_tls *tls, char *text, size_t size);

#endif
