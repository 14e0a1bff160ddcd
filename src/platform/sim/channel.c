/* platform/sim/channel.c - see channel.h. */
#include "platform/sim/channel.h"

#include <errno.h>
#include <string.h>
#include "base/alloc.h"
#include "platform/clock.h"
#include "platform/sim/copy.h"
#include "platform/sim/stream.h"
#include "platform/strike.h"

enum { SPLIT_ONE_IN = 8, AT_ONCE_ONE_IN = 3, DELAY_MS = 1000 };

/* Something on its way. */
struct parcel {
    struct esi_sim_event event;
    struct esi_sim_channel *channel;
    void (*arrive)(struct esi_sim_channel *c, size_t size);
    size_t size;
};

struct esi_sim_channel *esi_sim_channel_new(size_t limit)
{
    struct esi_sim_channel *c = esi_alloc_zeroed(1, sizeof *c);
    if (!c)
        return NULL;
    c->refs = 1;
    c->limit = limit;
    c->id = esi_sim_number();
    return c;
}

void esi_sim_channel_unref(struct esi_sim_channel *c)
{
    if (--c->refs > 0)
        return;
    esi_free(c->bytes);
    esi_free(c);
}

void esi_sim_channel_break(struct esi_sim_channel *c)
{
    c->is_broken = true;
    c->end = c->arrived;
}

/* ---------------------------------------------------------------- arriving */

static void data_arrives(struct esi_sim_channel *c, size_t size)
{
    if (c->is_broken)
        return;
    esi_sim_note(c->id);
    esi_sim_note_bytes(c->bytes + c->arrived, size);
    c->arrived += size;
    esi_sim_stream_got(c, size);
}

static void end_arrives(struct esi_sim_channel *c, size_t size)
{
    (void)size;
    esi_sim_note(c->id);
    c->has_ended = true;
    esi_sim_stream_got_end(c);
}

static void reset_arrives(struct esi_sim_channel *c, size_t size)
{
    (void)size;
    esi_sim_note(c->id);
    esi_sim_stream_got_reset(c);
}

static void parcel_arrives(struct esi_sim_event *event, bool is_over)
{
    struct parcel *p = ESI_CONTAINER_OF(event, struct parcel, event);
    struct esi_sim_channel *c = p->channel;
    c->under_way--;
    if (!is_over)
        p->arrive(c, p->size);
    esi_free(p);
    esi_sim_channel_unref(c);
}

/* ---------------------------------------------------------------- sending */

static uint64_t arrival_ns(const struct esi_sim_channel *c)
{
    uint64_t at = esi_clock_now_ns();
    if (!c->is_network)
        return at;
    if (esi_sim_draw(AT_ONCE_ONE_IN) != 0)
        at += esi_sim_draw(2 * c->latency_ns + 1);
    if (esi_strikes(ESI_STRIKE_DELAY))
        at += (1 + esi_sim_draw(DELAY_MS)) * ESI_NS_PER_MS;
    return at > c->last_ns ? at : c->last_ns;
}

/* What would arrive now does, unless something is before it. Without memory for the way it takes none. */
static void send_off(struct esi_sim_channel *c, void (*arrive)(struct esi_sim_channel *, size_t), size_t size)
{
    uint64_t at = arrival_ns(c);
    struct parcel *p = NULL;
    c->last_ns = at;
    if (c->under_way || at > esi_clock_now_ns())
        p = esi_alloc_zeroed(1, sizeof *p);
    if (!p) {
        arrive(c, size);
        return;
    }
    p->channel = c;
    p->arrive = arrive;
    p->size = size;
    c->refs++;
    c->under_way++;
    esi_sim_at(&p->event, at, parcel_arrives);
}

/* Room for `size` more bytes behind the end. */
static bool make_room(struct esi_sim_channel *c, size_t size)
{
    if (c->room - c->end >= size)
        return true;
    if (c->start > 0) {
        memmove(c->bytes, c->bytes + c->start, c->end - c->start);
        c->end -= c->start;
        c->arrived -= c->start;
        c->start = 0;
    }
    if (c->room - c->end >= size)
        return true;
    size_t room = 2 * c->room > c->end + size ? 2 * c->room : c->end + size;
    char *larger = esi_realloc(c->bytes, room);
    if (!larger)
        return false;
    c->bytes = larger;
    c->room = room;
    return true;
}

static bool copy_in(char *to, const struct iovec *pieces, int count, size_t size)
{
    for (int i = 0; i < count && size > 0; i++) {
        size_t part = pieces[i].iov_len < size ? pieces[i].iov_len : size;
        if (!esi_sim_from_user(to, pieces[i].iov_base, part))
            return false;
        to += part;
        size -= part;
    }
    return true;
}

bool esi_sim_channel_put(struct esi_sim_channel *c, const struct iovec *pieces, int count, size_t size)
{
    uint32_t length = (uint32_t)size;
    size_t header = c->is_in_records ? sizeof length : 0;
    if (!make_room(c, header + size)) {
        errno = ENOBUFS;
        return false;
    }
    memcpy(c->bytes + c->end, &length, header);
    if (!copy_in(c->bytes + c->end + header, pieces, count, size))
        return false;
    size += header;
    c->end += size;
    /* As a network does: what was written in one piece may come in two. */
    if (c->is_network && size > 1 && esi_sim_draw(SPLIT_ONE_IN) == 0) {
        size_t first = 1 + (size_t)esi_sim_draw(size - 1);
        send_off(c, data_arrives, first);
        send_off(c, data_arrives, size - first);
    } else {
        send_off(c, data_arrives, size);
    }
    return true;
}

void esi_sim_channel_end(struct esi_sim_channel *c)
{
    send_off(c, end_arrives, 0);
}

void esi_sim_channel_reset(struct esi_sim_channel *c)
{
    send_off(c, reset_arrives, 0);
}

/* ---------------------------------------------------------------- taking */

static ssize_t get_record(struct esi_sim_channel *c, void *buffer, size_t size, bool peeks)
{
    uint32_t length;
    memcpy(&length, c->bytes + c->start, sizeof length);
    size_t count = length < size ? length : size;
    if (!esi_sim_to_user(buffer, c->bytes + c->start + sizeof length, count))
        return -1;
    if (!peeks)
        c->start += sizeof length + length;
    return (ssize_t)count;
}

ssize_t esi_sim_channel_get(struct esi_sim_channel *c, void *buffer, size_t size, bool peeks)
{
    size_t there = c->arrived - c->start, count = there < size ? there : size;
    if (c->is_in_records)
        return get_record(c, buffer, size, peeks);
    if (!esi_sim_to_user(buffer, c->bytes + c->start, count))
        return -1;
    if (!peeks)
        c->start += count;
    return (ssize_t)count;
}
