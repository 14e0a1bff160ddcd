/* active.c - data that comes as messages: read where the poller is looked at, and sent to the owner from there.
 *
 * Under the descriptor's lock something is read only if there is credit for its message, so what the owner did not ask for stays in the
 * system, and the other side has to wait. A visit reads a bounded amount; if that was not all, the poller is asked to come again. */
#include <engset/port.h>

#include <errno.h>
#include "base/log.h"
#include "platform/os.h"
#include "platform/poller.h"
#include "port/edge.h"
#include "port/stream.h"
#include "proc/mailbox/message.h"
#include "proc/mailbox/send.h"
#include "proc/schedule/worker.h"

ES_ATOMS(tcp, tcp_closed, tcp_error, tcp_passive, econnreset, epipe, etimedout, ehostunreach, enetunreach,
         ebadf, emsgsize, enomem, eio);

enum { READ_AT_ONCE = 16 << 10, READS_A_VISIT = 16 };

static es_atom reason_of(int code)
{
    switch (code) {
    case ECONNRESET:
        return econnreset;
    case EPIPE:
        return epipe;
    case ETIMEDOUT:
        return etimedout;
    case EHOSTUNREACH:
        return ehostunreach;
    case ENETUNREACH:
        return enetunreach;
    case EBADF:
        return ebadf;
    case EMSGSIZE:
        return emsgsize;
    case ENOMEM:
        return enomem;
    default:
        return eio;
    }
}

/* ---------------------------------------------------------------- messages; all under the lock */

/* What it asked for by number, and what is said once, is bounded, and a message limit that dropped it would lose bytes, or leave the owner waiting;
 * what has no end counts. False: no memory. */
static bool tell(struct esi_descriptor *d, es_term message, bool is_counted)
{
    struct esi_message *block;
    if (esi_message_copy(message, &block) != ES_OK)
        return false;
    uint64_t owner = atomic_load_explicit(&d->owner, memory_order_relaxed);
    if (is_counted)
        esi_send_block(NULL, owner, block);
    else
        esi_send_uncounted(owner, block);
    return true;
}

/* Without memory for that the owner would wait for ever: its connection is shut down, and it is said in the log. */
static void tell_surely(struct esi_descriptor *d, es_term message)
{
    if (!tell(d, message, false))
        esi_log_limited(1, ESI_LOG_ERROR, "no memory to tell the owner of descriptor %d of its end", d->fd);
}

static void spend(struct esi_descriptor *d, struct esi_stream *s)
{
    if (s->credit == ES_INFINITY || --s->credit > 0)
        return;
    tell_surely(d, es_lend(ES_TUPLE(tcp_passive, d->fd)));
}

static void tell_end(struct esi_descriptor *d, struct esi_stream *s, int code)
{
    s->credit = 0;
    s->is_told = true;
    if (code)
        tell_surely(d, es_lend(ES_TUPLE(tcp_error, d->fd, reason_of(code))));
    tell_surely(d, es_lend(ES_TUPLE(tcp_closed, d->fd)));
}

/* Memory may come back, the data would not: shut down, so that the other side knows. */
static void give_up(struct esi_descriptor *d, struct esi_stream *s, int code)
{
    esi_os_shutdown(d->fd, SHUT_RDWR);
    tell_end(d, s, code);
}

static bool tell_data(struct esi_descriptor *d, struct esi_stream *s, const char *data, size_t size)
{
    if (!tell(d, es_lend(ES_TUPLE(tcp, d->fd, es_bytes(data, size))), s->credit == ES_INFINITY)) {
        give_up(d, s, ENOMEM);
        return false;
    }
    spend(d, s);
    return true;
}

/* ---------------------------------------------------------------- reading; all under the lock */

/* LATER: the visit has read its share, and there may be more. What was read already is always told of: for that no event would come. */
enum step { STEP_MORE, STEP_DRY, STEP_LATER };

/* What a read gave: an end, an error, or nothing. */
static enum step no_data(struct esi_descriptor *d, struct esi_stream *s, ssize_t count)
{
    int code = *es_errno();
    if (count < 0 && (code == EAGAIN || code == EWOULDBLOCK))
        return STEP_DRY;
    size_t rest = s->end - s->start;
    if (count == 0 && rest && s->packet == ES_PACKET_LINE) {
        bool told = tell_data(d, s, s->bytes + s->start, rest);
        esi_packet_drop(s, rest);
        if (!told || !s->credit)
            return STEP_DRY; /* the end is told when there is credit again */
    }
    tell_end(d, s, count < 0 ? code : 0);
    return STEP_DRY;
}

static enum step raw_step(struct esi_descriptor *d, struct esi_stream *s, int *reads)
{
    if (s->end > s->start) {
        size_t rest = s->end - s->start;
        bool told = tell_data(d, s, s->bytes + s->start, rest);
        esi_packet_drop(s, rest);
        return told ? STEP_MORE : STEP_DRY;
    }
    if ((*reads)-- == 0)
        return STEP_LATER;
    char *buffer = esi_block_alloc(READ_AT_ONCE);
    if (!buffer) {
        give_up(d, s, ENOMEM);
        return STEP_DRY;
    }
    ssize_t count = esi_stream_read_now(d, buffer, READ_AT_ONCE);
    enum step step = STEP_MORE;
    if (count <= 0)
        step = no_data(d, s, count);
    else if (!tell_data(d, s, buffer, (size_t)count) ||
             (count < READ_AT_ONCE && atomic_load_explicit(&d->kind, memory_order_relaxed) == ESI_FD_TCP &&
              !atomic_load_explicit(&d->is_ended, memory_order_relaxed)))
        step = STEP_DRY; /* that was all: an event will tell of more */
    esi_block_free(buffer, READ_AT_ONCE);
    return step;
}

static enum step packet_step(struct esi_descriptor *d, struct esi_stream *s, int *reads)
{
    struct esi_packet packet;
    size_t missing = 0;
    es_err state = esi_packet_find(s, &packet, &missing);
    if (state == ES_ERANGE) {
        give_up(d, s, EMSGSIZE);
        return STEP_DRY;
    }
    if (state == ES_OK) {
        bool told = tell_data(d, s, packet.data, packet.size);
        esi_packet_drop(s, packet.whole);
        return told ? STEP_MORE : STEP_DRY;
    }
    if ((*reads)-- == 0)
        return STEP_LATER;
    ssize_t count = esi_packet_read(d, s, missing);
    if (count > 0)
        return STEP_MORE;
    if (count < 0 && *es_errno() == ENOMEM) {
        give_up(d, s, ENOMEM);
        return STEP_DRY;
    }
    return no_data(d, s, count);
}

static void pump(struct esi_descriptor *d, struct esi_stream *s)
{
    if (s->holder)
        return;
    int reads = READS_A_VISIT;
    enum step step = STEP_MORE;
    while (step == STEP_MORE && s->credit && !s->is_told)
        step = s->packet == ES_PACKET_RAW ? raw_step(d, s, &reads) : packet_step(d, s, &reads);
    /* The poller looks anew, and comes again if there is something; if it cannot, all is lost but the end. */
    if (step == STEP_LATER &&
        esi_poller_modify(esi_node.poller, d->fd, ESI_POLL_EDGE, esi_descriptor_tag(d)) != ES_OK)
        give_up(d, s, EIO);
}

void esi_stream_ready(struct esi_descriptor *d)
{
    pthread_mutex_lock(&d->lock);
    struct esi_stream *s = atomic_load_explicit(&d->stream, memory_order_relaxed);
    if (s)
        pump(d, s);
    pthread_mutex_unlock(&d->lock);
}

/* ---------------------------------------------------------------- asking for data */

static void add_credit(struct esi_stream *s, int64_t count)
{
    if (count <= 0)
        s->credit = count; /* passive, or without end */
    else if (s->credit != ES_INFINITY && __builtin_add_overflow(s->credit, count, &s->credit))
        s->credit = INT64_MAX;
}

static es_err activate(struct esi_descriptor *d, int64_t count)
{
    pthread_mutex_lock(&d->lock);
    es_err error = ES_ENOMEM;
    struct esi_stream *s = esi_stream_of(d);
    if (s)
        error = esi_edge_watch_locked(d);
    if (error == ES_OK) {
        add_credit(s, count);
        if (s->is_told && s->credit)
            tell_end(d, s, 0);
        pump(d, s);
    }
    pthread_mutex_unlock(&d->lock);
    return error;
}

es_err es_active(int fd, int64_t count)
{
    struct esi_process *self;
    struct esi_descriptor *d;
    es_err error = esi_stream_enter("active", fd, &self, &d);
    if (error != ES_OK)
        return error;
    if (count < 0 && count != ES_INFINITY)
        error = esi_fail(self, ES_EINVAL, "active: a negative count");
    else if (!esi_descriptor_is_of(d, self))
        error = esi_fail(self, ES_ENOTFOUND, "active: descriptor %d is not this process's", fd);
    else if ((error = activate(d, count)) != ES_OK)
        esi_fail(self, error, "active: descriptor %d: %s", fd, es_strerror(error));
    esi_charge(self, 1);
    esi_leave();
    return error;
}
