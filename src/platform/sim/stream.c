/* platform/sim/stream.c - see stream.h. What Linux does is done here: who reads gets all that came before an error or an end; a reset that
 * comes behind an end is EPIPE, else ECONNRESET; to close with bytes unread is a reset. */
#include "platform/sim/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include "platform/poller.h"
#include "platform/strike.h"

enum { PIPE_ATOMIC = 4096 };

/* ---------------------------------------------------------------- joining */

static bool join_one(struct esi_sim_stream *writer, struct esi_sim_stream *reader, size_t limit,
                     bool is_in_records)
{
    struct esi_sim_channel *c = esi_sim_channel_new(limit);
    if (!c)
        return false;
    c->refs = 2;
    c->writer = writer;
    c->reader = reader;
    c->is_in_records = is_in_records;
    writer->out = reader->in = c;
    return true;
}

bool esi_sim_stream_join(struct esi_sim_stream *a, struct esi_sim_stream *b, enum esi_sim_family family,
                         size_t limit, bool is_in_records)
{
    a->family = b->family = family;
    if (!join_one(b, a, limit, is_in_records))
        return false;
    if (family == ESI_SIM_PIPE || join_one(a, b, limit, is_in_records))
        return true;
    esi_sim_channel_unref(a->in);
    esi_sim_channel_unref(a->in);
    a->in = b->out = NULL;
    return false;
}

static void changed(struct esi_sim_stream *s)
{
    if (s && s->file)
        esi_sim_changed(s->file);
}

/* ---------------------------------------------------------------- reading and writing */

static int take_error(struct esi_sim_stream *s)
{
    int code = s->error;
    s->error = 0;
    return code;
}

static bool has_bytes(const struct esi_sim_stream *s)
{
    return s->in->arrived > s->in->start;
}

ssize_t esi_sim_stream_read(struct esi_sim_stream *s, void *buffer, size_t size, int flags)
{
    if (!s->in)
        return esi_sim_fails(EBADF);
    if (size == 0 && !s->in->is_in_records)
        return 0;
    if (has_bytes(s)) {
        bool is_short = size > 1 && !s->in->is_in_records && esi_strikes(ESI_STRIKE_SHORT_IO);
        if (is_short)
            size = 1 + (size_t)esi_sim_draw(size - 1);
        ssize_t count = esi_sim_channel_get(s->in, buffer, size, flags & MSG_PEEK);
        if (count >= 0)
            changed(s->in->writer);
        /* As if the rest had come just now: who got less than there was room for waits for an event. */
        if (is_short && has_bytes(s))
            changed(s);
        return count;
    }
    if (s->error)
        return esi_sim_fails(take_error(s));
    if (s->in->has_ended || s->reads_no_more)
        return 0;
    return esi_sim_fails(EAGAIN);
}

static size_t size_of(const struct iovec *pieces, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += pieces[i].iov_len;
    return size;
}

/* It is sent to nobody, who will say so. */
static ssize_t write_to_nobody(struct esi_sim_stream *s, size_t size)
{
    if (s->family != ESI_SIM_TCP)
        return esi_sim_fails(EPIPE);
    s->out->is_broken = true;
    esi_sim_channel_reset(s->in);
    return (ssize_t)size;
}

ssize_t esi_sim_stream_write(struct esi_sim_stream *s, const struct iovec *pieces, int count)
{
    if (!s->out)
        return esi_sim_fails(EBADF);
    size_t size = size_of(pieces, count), room = esi_sim_channel_room(s->out);
    if (s->error)
        return esi_sim_fails(take_error(s));
    if (s->writes_no_more)
        return esi_sim_fails(EPIPE);
    if (!s->out->reader || s->out->is_broken)
        return write_to_nobody(s, size);
    if (size == 0 && !s->out->is_in_records)
        return 0;
    bool is_whole = s->out->is_in_records || (s->family == ESI_SIM_PIPE && size <= PIPE_ATOMIC);
    if (is_whole ? room < size : room == 0)
        return esi_sim_fails(EAGAIN);
    size = size < room ? size : room;
    if (!is_whole && size > 1 && esi_strikes(ESI_STRIKE_SHORT_IO))
        size = 1 + (size_t)esi_sim_draw(size - 1);
    return esi_sim_channel_put(s->out, pieces, count, size) ? (ssize_t)size : -1;
}

uint32_t esi_sim_stream_ready(const struct esi_sim_stream *s)
{
    uint32_t ready = s->error ? ESI_POLL_ERROR | ESI_POLL_IN | ESI_POLL_OUT : 0;
    size_t enough = s->family == ESI_SIM_PIPE ? PIPE_ATOMIC : 1;
    bool has_ended = s->in && (s->in->has_ended || s->reads_no_more);
    if (s->in && (has_bytes(s) || has_ended))
        ready |= ESI_POLL_IN;
    if (has_ended)
        ready |= s->family == ESI_SIM_PIPE ? ESI_POLL_HANGUP : ESI_POLL_STAYS;
    bool is_gone = s->out && (!s->out->reader || s->out->is_broken);
    if (s->out && (is_gone || s->writes_no_more || esi_sim_channel_room(s->out) >= enough))
        ready |= ESI_POLL_OUT;
    if (s->family == ESI_SIM_PIPE && is_gone)
        ready |= ESI_POLL_ERROR;
    if (has_ended && s->writes_no_more)
        ready |= ESI_POLL_HANGUP;
    return ready;
}

/* ---------------------------------------------------------------- ending */

static void stop_writing(struct esi_sim_stream *s)
{
    if (!s->out || s->writes_no_more)
        return;
    s->writes_no_more = true;
    esi_sim_channel_end(s->out);
}

void esi_sim_stream_shutdown(struct esi_sim_stream *s, int how)
{
    if (how != SHUT_WR)
        s->reads_no_more = true;
    if (how != SHUT_RD)
        stop_writing(s);
    changed(s);
}

/* Nothing goes through here any more, and the program hears it: at its next call, and then for ever. */
static void fail_with(struct esi_sim_stream *s, int code)
{
    if (!s)
        return;
    s->error = code;
    s->writes_no_more = true;
    if (s->in)
        s->in->has_ended = true;
    if (s->out)
        esi_sim_channel_break(s->out);
    changed(s);
}

/* The other side goes on, or it is told. */
static void leave_channels(struct esi_sim_stream *s)
{
    struct esi_sim_channel *in = s->in, *out = s->out;
    s->in = s->out = NULL;
    s->file = NULL;
    if (out) {
        out->writer = NULL;
        esi_sim_channel_unref(out);
    }
    if (in) {
        struct esi_sim_stream *writer = in->writer;
        in->reader = NULL;
        if (s->family == ESI_SIM_LOCAL && writer)
            writer->writes_no_more = true;
        if (s->family != ESI_SIM_TCP)
            changed(writer);
        esi_sim_channel_unref(in);
    }
}

void esi_sim_stream_close(struct esi_sim_stream *s)
{
    bool is_unread = s->in && s->in->end > s->in->start && !s->in->is_broken;
    bool is_reset = s->family == ESI_SIM_PIPE ? false : is_unread || s->resets_at_end;
    if (s->out && is_reset)
        esi_sim_channel_reset(s->out);
    else
        stop_writing(s);
    leave_channels(s);
}

/* ---------------------------------------------------------------- what comes out of a channel */

/* Both ends hear it. */
static void cut(struct esi_sim_channel *c)
{
    struct esi_sim_stream *reader = c->reader, *writer = c->writer;
    fail_with(writer, ECONNRESET);
    fail_with(reader, ECONNRESET);
}

/* Somebody between the two says that the writer has ended: what it writes from here on is answered by a reset. */
static void half_close(struct esi_sim_channel *c)
{
    c->has_ended = true;
    if (c->writer)
        c->is_broken = true;
}

void esi_sim_stream_got(struct esi_sim_channel *c, size_t size)
{
    (void)size;
    if (!c->reader) {
        struct esi_sim_stream *writer = c->writer;
        esi_sim_channel_break(c);
        if (writer && writer->in)
            esi_sim_channel_reset(writer->in);
        return;
    }
    if (c->is_network && esi_strikes(ESI_STRIKE_CUT)) {
        cut(c);
        return;
    }
    if (c->is_network && esi_strikes(ESI_STRIKE_HALF_CLOSE))
        half_close(c);
    changed(c->reader);
}

void esi_sim_stream_got_end(struct esi_sim_channel *c)
{
    changed(c->reader);
}

void esi_sim_stream_got_reset(struct esi_sim_channel *c)
{
    fail_with(c->reader, c->has_ended ? EPIPE : ECONNRESET);
}
