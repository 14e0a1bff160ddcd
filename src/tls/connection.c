/* connection.c - making connections, and closing them.
 *
 *   SHAKING --both agree--> OPEN --close_notify of the other side--> ENDED (reads give 0, writes still go)
 *      |                     |
 *      +------- error -------+----> BROKEN: each call says why, again
 *
 * A connection's memory is its process's, and its destructor is there before there is anything to release. */
#include "tls/connection.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "tls/why.h"

#define TLS_MAGIC UINT64_C(0x656e67736574746c)

/* ---------------------------------------------------------------- what breaks it */

es_err esi_tls_break(es_tls *tls, es_err error, int code, const char *why)
{
    tls->broken = error;
    tls->code = code;
    if (why)
        snprintf(tls->why, sizeof tls->why, "%s", why);
    return error;
}

void esi_tls_whom(const es_tls *tls, char *text, size_t size)
{
    es_address peer = {.length = 0};
    char at[80] = "";
    if (es_peer_address(tls->fd, &peer) == ES_OK)
        es_address_print(&peer, at, sizeof at);
    if (tls->host[0])
        snprintf(text, size, "%.64s%s%s%s", tls->host, at[0] ? " (" : "", at, at[0] ? ")" : "");
    else
        snprintf(text, size, "%s", at[0] ? at : "a peer that is gone");
}

es_err esi_tls_say(const char *call, const es_tls *tls, es_err error)
{
    char whom[160];
    esi_tls_whom(tls, whom, sizeof whom);
    es_fail(error, "%s: %s: %s", call, whom,
            error == ES_ETIMEOUT ? "no answer in time"
            : tls->why[0]        ? tls->why
                                 : es_strerror(error));
    *es_errno() = tls->code;
    return error;
}

es_err esi_tls_is_own(const char *call, const es_tls *tls)
{
    if (es_pid_equal(es_self(), ES_NO_PID))
        return es_fail(ES_ENOPROC, "%s: called in a thread that is no process", call);
    if (!tls || tls->magic != TLS_MAGIC || !es_pid_equal(tls->owner, es_self()))
        return es_fail(ES_EINVAL, "%s: no connection of this process", call);
    return ES_OK;
}

es_err esi_tls_enter(const char *call, const es_tls *tls)
{
    es_err error = esi_tls_is_own(call, tls);
    return error != ES_OK || tls->broken == ES_OK ? error : esi_tls_say(call, tls, tls->broken);
}

/* ---------------------------------------------------------------- steps */

struct run {
    void (*step)(struct esi_tls_step *);
    struct esi_tls_step what;
};

static void run_step(void *argument)
{
    struct run *run = argument;
    esi_tls_buffer_trim(&run->what.tls->out, 1 << 13);
    ERR_clear_error();
    run->step(&run->what);
}

int64_t esi_tls_do(es_tls *tls, void (*step)(struct esi_tls_step *), void *buffer, size_t size)
{
    struct run run = {step, {.tls = tls, .buffer = buffer, .size = size}};
    es_err error = es_uninterrupted(ESI_TLS_STACK, run_step, &run);
    return error == ES_OK ? run.what.result : esi_tls_break(tls, error, 0, es_strerror(error));
}

int64_t esi_tls_judge(es_tls *tls, int result)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        tls->wants_input = true;
        return ES_EEXIST;
    case SSL_ERROR_ZERO_RETURN:
        tls->is_ended = true;
        return 0;
    case SSL_ERROR_SSL:
        return esi_tls_break(tls, esi_tls_why(tls), 0, NULL);
    default: /* it wrote to memory, and there was none */
        ERR_clear_error();
        return esi_tls_break(tls, ES_ENOMEM, 0, es_strerror(ES_ENOMEM));
    }
}

static void step_shake(struct esi_tls_step *step)
{
    es_tls *tls = step->tls;
    int result = SSL_do_handshake(tls->ssl);
    tls->is_shaken = result == 1;
    step->result = tls->is_shaken ? 0 : esi_tls_judge(tls, result);
}

/* Says that we send no more. */
static void step_end(struct esi_tls_step *step)
{
    es_tls *tls = step->tls;
    int result = SSL_shutdown(tls->ssl);
    step->result = result >= 0 ? 0 : esi_tls_judge(tls, result);
}

/* ---------------------------------------------------------------- making and releasing */

/* Destructor; in a step as well. The descriptor is owned by itself. */
static void release(void *resource)
{
    es_tls *tls = resource;
    SSL_free(tls->ssl);
    tls->ssl = NULL;
    esi_tls_buffer_free(&tls->in);
    esi_tls_buffer_free(&tls->out);
    esi_tls_context_unref(tls->context);
    tls->context = NULL;
}

static void step_release(struct esi_tls_step *step)
{
    release(step->tls);
    step->result = ES_OK;
}

/* With a host: its name is checked and told; an address is checked. */
static bool aim(es_tls *tls)
{
    unsigned char number[16];
    SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (!tls->host[0])
        return true;
    if (inet_pton(AF_INET, tls->host, number) == 1 || inet_pton(AF_INET6, tls->host, number) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), tls->host) == 1;
    return SSL_set1_host(tls->ssl, tls->host) == 1 && SSL_set_tlsext_host_name(tls->ssl, tls->host) == 1;
}

/* `size` is the context's number; `buffer` is not NULL for a server. */
static void step_open(struct esi_tls_step *step)
{
    es_tls *tls = step->tls;
    bool is_server = step->buffer != NULL;
    step->result = 0;
    tls->context = esi_tls_context_ref((int64_t)step->size);
    if (!tls->context) {
        step->result = esi_tls_break(tls, ES_ECLOSED, 0, "the context is closed");
    } else if (tls->context->is_server != is_server) {
        step->result = esi_tls_break(tls, ES_EINVAL, 0,
                                     is_server ? "a server needs a context of es_tls_server_context()"
                                               : "a client needs a context of es_tls_client_context()");
    } else if (!is_server && !tls->host[0] && tls->context->is_verifying) {
        step->result =
            esi_tls_break(tls, ES_EINVAL, 0, "name the host, or give up checking it (ES_TLS_VERIFY_NONE)");
    } else {
        BIO *bio = esi_tls_bio(&tls->in, &tls->out);
        tls->ssl = bio ? SSL_new(tls->context->ssl) : NULL;
        if (tls->ssl)
            SSL_set_bio(tls->ssl, bio, bio);
        else
            BIO_free(bio);
        if (!tls->ssl || !aim(tls)) {
            step->result = esi_tls_break(tls, ES_ENOMEM, 0, "no memory, or a host that is no name");
            ERR_clear_error();
            return;
        }
        SSL_set_app_data(tls->ssl, tls);
        if (is_server)
            SSL_set_accept_state(tls->ssl);
        else
            SSL_set_connect_state(tls->ssl);
    }
}

/* Of this process, without anything in it. NULL: not even that. */
static es_tls *new_connection(int fd, const char *host)
{
    es_tls *tls = es_alloc(sizeof *tls);
    tls->magic = TLS_MAGIC;
    tls->owner = es_self();
    tls->fd = fd;
    if (host)
        snprintf(tls->host, sizeof tls->host, "%s", host);
    if (es_own(tls, release) == ES_OK)
        return tls;
    es_free(tls);
    return NULL;
}

/* Keeps what was said, and the system's number. */
static void dispose(es_tls *tls)
{
    int code = *es_errno();
    es_close(tls->fd);
    if (esi_tls_do(tls, step_release, NULL, 0) == ES_OK) { /* else the process's end does it */
        es_disown(tls);
        tls->magic = 0;
        es_free(tls);
    }
    *es_errno() = code;
}

/* ---------------------------------------------------------------- the handshake */

static bool is_past(int64_t deadline_ns)
{
    return deadline_ns != ES_INFINITY && es_now_ns() >= deadline_ns;
}

/* What has come is looked at also when it is late, once: who sends something all the time does not get more time. */
static es_err shake_hands(es_tls *tls, int64_t deadline_ns)
{
    for (bool is_late = false;;) {
        esi_tls_do(tls, step_shake, NULL, 0);
        es_err broken = tls->broken;
        if (broken != ES_OK) {
            esi_tls_send_alert(tls);
            return broken;
        }
        es_err error = esi_tls_flush(tls, deadline_ns);
        if (error != ES_OK || tls->is_shaken)
            return error;
        if (is_late)
            return ES_ETIMEOUT;
        is_late = is_past(deadline_ns);
        error = tls->is_ended ? ES_ETRUNCATED : esi_tls_fill(tls, deadline_ns);
        if (error == ES_ETRUNCATED)
            return esi_tls_break(
                tls, ES_ECLOSED, 0,
                "it hung up in the middle of the handshake: wrong port, or it wants other versions");
        if (error != ES_OK)
            return error;
    }
}

static es_err is_stream(const char *call, int fd)
{
    int type = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){sizeof type}) == 0)
        return type == SOCK_STREAM ? ES_OK : es_fail(ES_EINVAL, "%s: descriptor %d is no stream", call, fd);
    return *es_errno() == EBADF ? es_fail(ES_ECLOSED, "%s: descriptor %d is closed", call, fd)
                                : es_fail(ES_EINVAL, "%s: descriptor %d is no socket", call, fd);
}

/* `fd` is the error of the call that was to make it, es_connect() or es_accept(), which has said why. */
static bool is_error_of_before(int fd)
{
    return fd < 0 && es_last_error() == fd;
}

static es_err begin(const char *call, int fd, const char *host, int64_t context)
{
    if (is_error_of_before(fd))
        return (es_err)fd;
    es_err error = is_stream(call, fd);
    if (error == ES_OK && host && strlen(host) >= ESI_TLS_HOST)
        error = es_fail(ES_EINVAL, "%s: %.32s...: a host name has at most 255 bytes", call, host);
    if (error == ES_OK && context == ES_TLS_SYSTEM)
        error = esi_tls_context_need_system(call);
    return error;
}

static es_err open_connection(const char *call, int fd, const char *host, int64_t context, bool is_server,
                              int64_t deadline_ns, es_tls **out)
{
    *out = NULL;
    if (es_pid_equal(es_self(), ES_NO_PID))
        return es_fail(ES_ENOPROC, "%s: called in a thread that is no process", call);
    es_err error = begin(call, fd, host, context);
    es_tls *tls = error == ES_OK ? new_connection(fd, host) : NULL;
    if (!tls) {
        if (error == ES_OK)
            error = es_fail(ES_ENOMEM, "%s: %s", call, es_strerror(ES_ENOMEM));
        if (fd >= 0)
            es_close(fd);
        return error;
    }
    error = (es_err)esi_tls_do(tls, step_open, is_server ? tls : NULL, (size_t)context);
    if (error == ES_OK)
        error = shake_hands(tls, deadline_ns);
    if (error == ES_OK) {
        *out = tls;
        return ES_OK;
    }
    esi_tls_say(call, tls, error);
    dispose(tls);
    return error;
}

es_err es_tls_connect(int fd, const char *host, int64_t context, int64_t deadline_ns, es_tls **out)
{
    return open_connection("tls_connect", fd, host, context, false, deadline_ns, out);
}

es_err es_tls_accept(int fd, int64_t context, int64_t deadline_ns, es_tls **out)
{
    return open_connection("tls_accept", fd, NULL, context, true, deadline_ns, out);
}

es_err es_tls_connect_to(const char *host, const char *service, int64_t context, int64_t deadline_ns,
                         es_tls **out)
{
    enum { ADDRESSES = 8 };
    *out = NULL;
    es_address *at = es_alloc(ADDRESSES * sizeof *at);
    int64_t count = es_resolve(host, service, at, ADDRESSES, deadline_ns), fd = count;
    for (int64_t i = 0; i < count && i < ADDRESSES; i++) {
        fd = es_connect(&at[i], deadline_ns);
        if (fd >= 0 || fd == ES_ETIMEOUT)
            break;
    }
    es_free(at);
    return fd < 0 ? (es_err)fd : es_tls_connect((int)fd, host, context, deadline_ns, out);
}

/* ---------------------------------------------------------------- the end */

/* Reads what the other side still says, and drops it, until it says that this is all. It may talk for ever. */
static es_err drain(es_tls *tls, int64_t deadline_ns)
{
    char dropped[2048];
    int64_t count;
    do
        count = es_tls_read(tls, dropped, sizeof dropped, deadline_ns);
    while (count > 0 && !is_past(deadline_ns));
    return count > 0 ? ES_ETIMEOUT : (es_err)count;
}

static es_err say_goodbye(es_tls *tls, int64_t deadline_ns)
{
    if (tls->broken != ES_OK)
        return esi_tls_say("tls_close", tls, tls->broken);
    es_err error = (es_err)esi_tls_do(tls, step_end, NULL, 0);
    if (error == ES_EEXIST)
        error = ES_OK;
    if (error == ES_OK)
        error = esi_tls_flush(tls, deadline_ns);
    if (error != ES_OK)
        return esi_tls_say("tls_close", tls, error);
    return tls->is_ended ? ES_OK : drain(tls, deadline_ns);
}

es_err es_tls_close(es_tls **tls, int64_t deadline_ns)
{
    if (!*tls)
        return ES_OK;
    es_tls *closing = *tls;
    es_err error = esi_tls_is_own("tls_close", closing);
    if (error != ES_OK)
        return error;
    error = say_goodbye(closing, deadline_ns);
    *tls = NULL;
    dispose(closing);
    return error;
}

int es_tls_fd(const es_tls *tls)
{
    return tls->fd;
}
