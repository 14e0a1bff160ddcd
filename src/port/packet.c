/* packet.c - a stream parted into packets: behind a length, or in lines.
 *
 * What was read ahead lies in one buffer a descriptor, which is there only while something is in it and grows with what really came, not
 * with what a header announces. */
#include <engset/port.h>

#include <errno.h>
#include <string.h>
#include "base/alloc.h"
#include "platform/os.h"
#include "port/edge.h"
#include "port/stream.h"

enum { READ_AT_ONCE = 4096 };

/* ---------------------------------------------------------------- the buffer */

static size_t header_size(es_packet_type type)
{
    return type == ES_PACKET_LINE ? 0 : (size_t)type;
}

static es_err find_line(const struct esi_stream *s, struct esi_packet *out, size_t *missing)
{
    const char *data = s->bytes + s->start;
    size_t there = s->end - s->start;
    const char *feed = there ? memchr(data, '\n', there) : NULL;
    *missing = 1;
    *out = (struct esi_packet){data, feed ? (size_t)(feed - data) + 1 : there,
                               feed ? (size_t)(feed - data) + 1 : there};
    if (out->size > s->packet_max)
        return ES_ERANGE;
    return feed ? ES_OK : ES_ENOTFOUND;
}

es_err esi_packet_find(const struct esi_stream *s, struct esi_packet *out, size_t *missing)
{
    if (s->packet == ES_PACKET_LINE)
        return find_line(s, out, missing);
    size_t header = header_size(s->packet), there = s->end - s->start, size = 0;
    const uint8_t *data = (const uint8_t *)s->bytes + s->start;
    *missing = header > there ? header - there : 0;
    if (*missing)
        return ES_ENOTFOUND;
    for (size_t i = 0; i < header; i++)
        size = size << 8 | data[i];
    if (size > s->packet_max)
        return ES_ERANGE;
    *out = (struct esi_packet){(const char *)data + header, size, header + size};
    *missing = out->whole > there ? out->whole - there : 0;
    return *missing ? ES_ENOTFOUND : ES_OK;
}

void esi_packet_drop(struct esi_stream *s, size_t size)
{
    s->start += size;
    if (s->start < s->end)
        return;
    esi_free(s->bytes);
    s->bytes = NULL;
    s->start = s->end = s->room = 0;
}

/* Room for READ_AT_ONCE bytes, or for `missing` ones, but not for more than doubles the buffer. */
static bool make_room(struct esi_stream *s, size_t missing)
{
    size_t there = s->end - s->start, wanted = missing > READ_AT_ONCE ? missing : READ_AT_ONCE;
    size_t most = there > 2 * READ_AT_ONCE ? there : 2 * READ_AT_ONCE;
    if (wanted > most)
        wanted = most;
    if (s->room - s->end >= wanted)
        return true;
    if (s->room >= there + wanted && s->start > 0) {
        memmove(s->bytes, s->bytes + s->start, there);
    } else {
        char *bytes = esi_alloc(there + wanted);
        if (!bytes)
            return false;
        if (there)
            memcpy(bytes, s->bytes + s->start, there);
        esi_free(s->bytes);
        s->bytes = bytes;
        s->room = there + wanted;
    }
    s->start = 0;
    s->end = there;
    return true;
}

ssize_t esi_packet_read(struct esi_descriptor *d, struct esi_stream *s, size_t missing)
{
    if (!make_room(s, missing)) {
        *es_errno() = ENOMEM;
        return -1;
    }
    ssize_t count = esi_stream_read_now(d, s->bytes + s->end, s->room - s->end);
    int code = *es_errno();
    if (count > 0)
        s->end += (size_t)count;
    else
        esi_packet_drop(s, 0); /* an idle connection has no buffer */
    *es_errno() = code;
    return count;
}

/* ---------------------------------------------------------------- asking for packets */

static bool is_type(es_packet_type type)
{
    return type == ES_PACKET_RAW || type == ES_PACKET_1 || type == ES_PACKET_2 || type == ES_PACKET_4 ||
           type == ES_PACKET_LINE;
}

static es_err set_packet(struct esi_descriptor *d, es_packet_type type, size_t max_bytes)
{
    pthread_mutex_lock(&d->lock);
    struct esi_stream *s = esi_stream_of(d);
    if (s) {
        s->packet = type;
        s->packet_max = max_bytes ? max_bytes : ESI_PACKET_MAX_DEFAULT;
    }
    pthread_mutex_unlock(&d->lock);
    return s ? ES_OK : ES_ENOMEM;
}

es_err es_packet(int fd, es_packet_type type, size_t max_bytes)
{
    struct esi_process *self;
    struct esi_descriptor *d;
    es_err error = esi_stream_enter("packet", fd, &self, &d);
    if (error != ES_OK)
        return error;
    if (!is_type(type))
        error = esi_fail(self, ES_EINVAL, "packet: %d is no type of packets", (int)type);
    else if ((error = set_packet(d, type, max_bytes)) != ES_OK)
        esi_fail(self, error, "packet: %s", es_strerror(error));
    esi_leave();
    return error;
}

/* ---------------------------------------------------------------- reading */

/* Copies a packet that fits, and takes it from the buffer. Under the lock. */
static int64_t take(struct esi_stream *s, struct esi_packet packet, void *buffer, size_t size)
{
    if (packet.size > size)
        return ES_ERANGE;
    if (packet.size)
        memcpy(buffer, packet.data, packet.size);
    esi_packet_drop(s, packet.whole);
    return (int64_t)packet.size;
}

/* The stream is at its end: a last line without a line feed is one all the same. 0 bytes: nothing is left; what is left of another packet is
 * lost. Under the lock. */
static int64_t take_last(struct esi_stream *s, void *buffer, size_t size)
{
    size_t there = s->end - s->start;
    *es_errno() = there ? EPROTO : 0;
    if (s->packet != ES_PACKET_LINE || there == 0)
        return ES_ECLOSED;
    return take(s, (struct esi_packet){s->bytes + s->start, there, there}, buffer, size);
}

/* One packet, or ES_EEXIST for "not now". Errors of the system: ES_EOS with errno. Under the lock. */
static int64_t packet_now(struct esi_descriptor *d, struct esi_stream *s, void *buffer, size_t size)
{
    for (;;) {
        struct esi_packet packet;
        size_t missing = 0;
        es_err state = esi_packet_find(s, &packet, &missing);
        if (state != ES_ENOTFOUND)
            return state == ES_OK ? take(s, packet, buffer, size) : state;
        ssize_t count = esi_packet_read(d, s, missing);
        if (count == 0)
            return take_last(s, buffer, size);
        if (count < 0)
            return *es_errno() == EAGAIN || *es_errno() == EWOULDBLOCK ? ES_EEXIST : ES_EOS;
    }
}

static int64_t try_packet(struct esi_descriptor *d, void *buffer, size_t size)
{
    pthread_mutex_lock(&d->lock);
    struct esi_stream *s = atomic_load_explicit(&d->stream, memory_order_relaxed);
    int64_t result =
        !s || s->packet == ES_PACKET_RAW || s->credit ? ES_EINVAL : packet_now(d, s, buffer, size);
    pthread_mutex_unlock(&d->lock);
    return result;
}

static int64_t packet_failed(struct esi_process *self, struct esi_descriptor *d, int64_t result)
{
    int code = *es_errno();
    switch (result) {
    case ES_ERANGE:
        esi_os_shutdown(d->fd, SHUT_RDWR);
        esi_fail(self, ES_ERANGE,
                 "read_packet: descriptor %d: a packet is too long; the connection is shut down", d->fd);
        *es_errno() = EMSGSIZE;
        return ES_ERANGE;
    case ES_ECLOSED:
        esi_fail(self, ES_ECLOSED, "read_packet: descriptor %d: the other side sends no more%s", d->fd,
                 code ? ", and ended within a packet" : "");
        *es_errno() = code;
        return ES_ECLOSED;
    case ES_EINVAL:
        return esi_fail(self, ES_EINVAL,
                        "read_packet: descriptor %d is active, or es_packet() was not called", d->fd);
    default:
        return code == ENOMEM ? esi_fail(self, ES_ENOMEM, "read_packet: %s", es_strerror(ES_ENOMEM))
                              : esi_stream_refused(self, "read_packet", d, "", code);
    }
}

static int64_t read_packet(struct esi_process *self, struct esi_descriptor *d, void *buffer, size_t size,
                           int64_t deadline_ns)
{
    for (;;) {
        struct esi_edge edge = esi_edge_look(d, ESI_IN);
        int64_t result = try_packet(d, buffer, size);
        if (result >= 0)
            return result;
        if (result != ES_EEXIST)
            return packet_failed(self, d, result);
        es_err error = esi_edge_wait(self, d, ESI_IN, edge, deadline_ns);
        if (error != ES_OK)
            return esi_fd_wait_failed(self, "read_packet", d->fd, error);
    }
}

int64_t es_read_packet(int fd, void *buffer, size_t size, int64_t deadline_ns)
{
    struct esi_process *self;
    struct esi_descriptor *d;
    esi_stream_touch(buffer, size);
    es_err error = esi_stream_enter("read_packet", fd, &self, &d);
    if (error != ES_OK)
        return error;
    int64_t result = read_packet(self, d, buffer, size, deadline_ns);
    esi_charge(self, 1);
    esi_leave();
    return result;
}

/* ---------------------------------------------------------------- writing */

/* Not inlined: with UBSan's checks in it GCC 12 warns of a record at address 0. */
static __attribute__((noinline)) es_packet_type type_of(struct esi_descriptor *d)
{
    pthread_mutex_lock(&d->lock);
    struct esi_stream *s = atomic_load_explicit(&d->stream, memory_order_relaxed);
    es_packet_type type = s ? s->packet : ES_PACKET_RAW;
    pthread_mutex_unlock(&d->lock);
    return type;
}

int64_t es_write_packet(int fd, const void *data, size_t size, int64_t deadline_ns)
{
    struct esi_process *self;
    struct esi_descriptor *d;
    es_err error = esi_stream_enter("write_packet", fd, &self, &d);
    if (error != ES_OK)
        return error;
    uint8_t header[4];
    size_t length = header_size(type_of(d));
    int64_t result;
    for (size_t i = 0; i < length; i++)
        header[i] = (uint8_t)(size >> 8 * (length - 1 - i));
    if (length && length < sizeof size && size >> 8 * length)
        result = esi_fail(self, ES_ERANGE, "write_packet: %zu bytes do not fit behind a length of %zu", size,
                          length);
    else
        result = esi_stream_write(self, d, header, length, data, size, deadline_ns);
    esi_leave();
    return result;
}
