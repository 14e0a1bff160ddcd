/* transfer.c - reading and writing: a step of OpenSSL, the descriptor, and waiting, in turn. */
#include "tls/connection.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum {
    RECORD = (16 << 10) + 512,  /* at least what one takes on the wire */
    BATCH = 64 << 10,           /* what is encrypted in one step */
    UNSENT_BY_READS = 256 << 10 /* who only reads, and is asked for answers, waits for room from here on */
};

/* ---------------------------------------------------------------- the descriptor */

static es_err refused(es_tls *tls, int code)
{
    char text[128];
    bool is_gone = code == EPIPE || code == ECONNRESET || code == EBADF || code == ENOTCONN;
    return esi_tls_break(tls, is_gone ? ES_ECLOSED : ES_EOS, code, strerror_r(code, text, sizeof text));
}

es_err esi_tls_flush(es_tls *tls, int64_t deadline_ns)
{
    struct esi_tls_buffer *out = &tls->out;
    while (out->start < out->end) {
        ssize_t count =
            send(tls->fd, out->bytes + out->start, out->end - out->start, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count >= 0) {
            out->start += (size_t)count;
            continue;
        }
        int code = errno;
        if (code == EINTR)
            continue;
        if (code != EAGAIN && code != EWOULDBLOCK)
            return refused(tls, code);
        int64_t ready = es_wait_fd(tls->fd, POLLOUT, deadline_ns);
        if (ready == ES_ETIMEOUT)
            return ES_ETIMEOUT;
        if (ready < 0)
            return esi_tls_break(tls, (es_err)ready, errno, es_strerror((es_err)ready));
    }
    return ES_OK;
}

void esi_tls_send_alert(es_tls *tls)
{
    es_err broken = tls->broken;
    int code = tls->code;
    char why[ESI_TLS_WHY];
    memcpy(why, tls->why, sizeof why);
    esi_tls_flush(tls, 0);
    esi_tls_break(tls, broken, code, why);
}

static void step_make_room(struct esi_tls_step *step)
{
    step->result = ES_OK;
    if (!esi_tls_buffer_room(&step->tls->in, RECORD))
        step->result = esi_tls_break(step->tls, ES_ENOMEM, 0, es_strerror(ES_ENOMEM));
}

es_err esi_tls_fill(es_tls *tls, int64_t deadline_ns)
{
    struct esi_tls_buffer *in = &tls->in;
    if (!in->bytes && esi_tls_do(tls, step_make_room, NULL, 0) != ES_OK)
        return tls->broken;
    in->start = in->end = 0; /* all was taken */
    int64_t count = es_read(tls->fd, in->bytes, in->size, deadline_ns);
    if (count > 0) {
        in->end = (size_t)count;
        tls->wants_input = false;
        return ES_OK;
    }
    if (count == 0)
        return esi_tls_break(tls, ES_ETRUNCATED, 0,
                             "it hung up without saying that this is all: there may have been more");
    if (count == ES_ETIMEOUT)
        return ES_ETIMEOUT;
    int code = errno;
    const char *why = es_last_detail();
    return esi_tls_break(tls, (es_err)count, code, why);
}

/* ---------------------------------------------------------------- reading */

/* What there is, as far as there is room. What is wrong behind it is found by the next. */
static void step_read(struct esi_tls_step *step)
{
    es_tls *tls = step->tls;
    char *to = step->buffer;
    size_t done = 0;
    do {
        size_t count = 0;
        int result = SSL_read_ex(tls->ssl, to + done, step->size - done, &count);
        done += count;
        if (result != 1) {
            step->result = esi_tls_judge(tls, result);
            break;
        }
    } while (done < step->size);
    if (done > 0)
        step->result = (int64_t)done;
}

/* A step writes there with the runtime's rights: a bad pointer is the caller's fault alone, so it is found before. */
static void touch(volatile char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i += 4096)
        bytes[i] = bytes[i];
    if (size)
        bytes[size - 1] = bytes[size - 1];
}

static void look(const volatile char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i += 4096)
        (void)bytes[i];
    if (size)
        (void)bytes[size - 1];
}

/* Answers that reading made: they go when there is room. */
static es_err send_answers(es_tls *tls, int64_t deadline_ns)
{
    size_t unsent = tls->out.end - tls->out.start;
    if (unsent == 0)
        return ES_OK;
    es_err error = esi_tls_flush(tls, unsent > UNSENT_BY_READS ? deadline_ns : 0);
    return error == ES_ETIMEOUT && unsent <= UNSENT_BY_READS ? ES_OK : error;
}

/* Without saying why not. */
static int64_t read_some(es_tls *tls, void *buffer, size_t size, int64_t deadline_ns)
{
    for (;;) {
        if (tls->is_ended)
            return 0;
        if (tls->broken != ES_OK)
            return tls->broken;
        if (!tls->wants_input) {
            int64_t result = esi_tls_do(tls, step_read, buffer, size);
            es_err error = ES_OK;
            /* What was read is given first; what went wrong behind it, or with the answers, next time. */
            if (tls->broken != ES_OK)
                esi_tls_send_alert(tls);
            else
                error = send_answers(tls, deadline_ns);
            if (result > 0 || (result == 0 && tls->is_ended))
                return result;
            if (error != ES_OK)
                return error;
            continue;
        }
        es_err error = esi_tls_fill(tls, deadline_ns);
        if (error != ES_OK)
            return error;
    }
}

int64_t es_tls_read(es_tls *tls, void *buffer, size_t size, int64_t deadline_ns)
{
    es_err error = esi_tls_enter("tls_read", tls);
    if (error != ES_OK)
        return error;
    if (size == 0)
        return es_fail(ES_EINVAL, "tls_read: no room for even one byte");
    touch(buffer, size);
    int64_t count = read_some(tls, buffer, size, deadline_ns);
    if (count < 0 && count != ES_ETIMEOUT)
        esi_tls_say("tls_read", tls, (es_err)count);
    return count;
}

/* "12 of 100 bytes were read" */
static es_err cut_off(const char *call, const es_tls *tls, size_t done, size_t size, const char *what,
                      es_err error, const char *why)
{
    char whom[112];
    int code = tls->code;
    esi_tls_whom(tls, whom, sizeof whom);
    es_fail(error, "%s: %s: %zu of %zu bytes were %s: %s", call, whom, done, size, what, why);
    *es_errno() = code;
    return error;
}

int64_t es_tls_read_exactly(es_tls *tls, void *buffer, size_t size, int64_t deadline_ns)
{
    size_t done = 0;
    es_err error = esi_tls_enter("tls_read_exactly", tls);
    if (error != ES_OK)
        return error;
    touch(buffer, size);
    while (done < size) {
        int64_t count = read_some(tls, (char *)buffer + done, size - done, deadline_ns);
        if (count == 0 && done == 0)
            return 0;
        if (count == 0)
            return cut_off("tls_read_exactly", tls, done, size, "read", ES_ECLOSED,
                           "the other side sends no more");
        if (count < 0)
            return cut_off("tls_read_exactly", tls, done, size, "read", (es_err)count,
                           count != ES_ETIMEOUT && tls->why[0] ? tls->why : es_strerror((es_err)count));
        done += (size_t)count;
    }
    return (int64_t)done;
}

/* ---------------------------------------------------------------- writing */

static void step_write(struct esi_tls_step *step)
{
    es_tls *tls = step->tls;
    size_t count = 0;
    int result = SSL_write_ex(tls->ssl, step->buffer, step->size, &count);
    step->result = result == 1 ? (int64_t)count : esi_tls_judge(tls, result);
}

/* Encrypts `size` bytes, at most a batch of them, and sends. Gives how many were taken, also when they are not all sent yet: *error. */
static size_t write_batch(es_tls *tls, const char *data, size_t size, int64_t deadline_ns, es_err *error)
{
    *error = esi_tls_flush(tls, deadline_ns); /* what was left over from before */
    while (*error == ES_OK) {
        int64_t count = esi_tls_do(tls, step_write, (void *)(uintptr_t)data, size < BATCH ? size : BATCH);
        *error = count > 0 || count == ES_EEXIST ? esi_tls_flush(tls, deadline_ns) : tls->broken;
        if (count != ES_EEXIST)
            return count > 0 ? (size_t)count : 0;
        if (*error == ES_OK)
            *error = esi_tls_fill(tls, deadline_ns);
    }
    return 0;
}

int64_t es_tls_write(es_tls *tls, const void *data, size_t size, int64_t deadline_ns)
{
    size_t done = 0;
    es_err error = esi_tls_enter("tls_write", tls);
    look(data, error == ES_OK ? size : 0);
    while (error == ES_OK && done < size) {
        done += write_batch(tls, (const char *)data + done, size - done, deadline_ns, &error);
        if (error != ES_OK)
            cut_off("tls_write", tls, done, size, "taken", error,
                    error != ES_ETIMEOUT && tls->why[0] ? tls->why : es_strerror(error));
    }
    return error == ES_OK ? (int64_t)size : error;
}
