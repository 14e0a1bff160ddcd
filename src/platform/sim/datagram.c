/* platform/sim/datagram.c - UDP: what is sent to nobody is lost, what finds no room is lost; what is cut is lost, too, and what is delayed may
 * come behind what was sent later. Otherwise one socket's datagrams come in their order. */
#include <errno.h>
#include <string.h>
#include "base/alloc.h"
#include "platform/clock.h"
#include "platform/sim/copy.h"
#include "platform/sim/socket.h"
#include "platform/strike.h"

enum { DATAGRAM_MAX = 65507, ROOM = 8 << 20, OVERHEAD = 512, FAR_NS = 500000, DELAY_MS = 1000 };

struct datagram {
    struct esi_sim_event event;
    struct esi_list in_datagrams; /* of who it came to */
    struct esi_sim_address from, to;
    size_t size;
    char bytes[];
};

static size_t weight(const struct datagram *d)
{
    return d->size + OVERHEAD;
}

/* ---------------------------------------------------------------- sending */

static void arrive(struct datagram *d)
{
    struct esi_sim_socket *s = esi_sim_whom(SOCK_DGRAM, &d->to);
    if (!s || s->datagram_bytes + weight(d) > ROOM || esi_strikes(ESI_STRIKE_CUT)) {
        esi_free(d);
        return;
    }
    esi_sim_note(s->file.id);
    esi_sim_note_bytes(d->bytes, d->size);
    s->datagram_bytes += weight(d);
    esi_list_push_back(&s->datagrams, &d->in_datagrams);
    esi_sim_changed(&s->file);
}

static void datagram_arrives(struct esi_sim_event *event, bool is_over)
{
    struct datagram *d = ESI_CONTAINER_OF(event, struct datagram, event);
    if (is_over)
        esi_free(d);
    else
        arrive(d);
}

/* Half of them take no time. */
static void send_off(struct esi_sim_socket *s, struct datagram *d)
{
    uint64_t now = esi_clock_now_ns(), at = esi_sim_draw(2) ? now : now + esi_sim_draw(FAR_NS);
    if (at < s->last_ns)
        at = s->last_ns;
    if (esi_strikes(ESI_STRIKE_DELAY))
        at += (1 + esi_sim_draw(DELAY_MS)) * ESI_NS_PER_MS; /* others are not held up by it */
    else
        s->last_ns = at;
    if (at <= now)
        arrive(d);
    else
        esi_sim_at(&d->event, at, datagram_arrives);
}

static bool fill(struct datagram *d, const struct iovec *pieces, int count)
{
    char *to = d->bytes;
    for (int i = 0; i < count; i++) {
        if (!esi_sim_from_user(to, pieces[i].iov_base, pieces[i].iov_len))
            return false;
        to += pieces[i].iov_len;
    }
    return true;
}

ssize_t esi_sim_datagram_send(struct esi_sim_socket *s, const struct iovec *pieces, int count,
                              const struct sockaddr *to, socklen_t length)
{
    struct esi_sim_address address;
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += pieces[i].iov_len;
    int code = esi_sim_address_read(to, length, s->family, &address);
    if (!code && address.port == 0)
        code = EINVAL;
    if (!code && size > DATAGRAM_MAX)
        code = EMSGSIZE;
    if (!code && !esi_sim_address_is_of_host(&address))
        code = ENETUNREACH;
    if (!code && esi_sim_address_is_any(&address))
        address = esi_sim_address_loopback(&address);
    if (!code && !s->is_bound) {
        struct esi_sim_address from = esi_sim_address_loopback(&address);
        code = esi_sim_bind_anywhere(s, &from);
    }
    struct datagram *d = code ? NULL : esi_alloc_zeroed(1, sizeof *d + size);
    if (!d)
        return esi_sim_fails(code ? code : ENOBUFS);
    d->from = s->local;
    if (esi_sim_address_is_any(&s->local)) {
        d->from = esi_sim_address_loopback(&address);
        d->from.port = s->local.port;
    }
    d->to = address;
    d->size = size;
    if (!fill(d, pieces, count)) {
        esi_free(d);
        return -1;
    }
    send_off(s, d);
    return (ssize_t)size;
}

/* ---------------------------------------------------------------- receiving */

ssize_t esi_sim_datagram_receive(struct esi_sim_socket *s, void *buffer, size_t size, int flags,
                                 struct sockaddr *from, socklen_t *length)
{
    struct esi_list *first = esi_list_first(&s->datagrams);
    if (!first)
        return esi_sim_fails(EAGAIN);
    struct datagram *d = ESI_CONTAINER_OF(first, struct datagram, in_datagrams);
    ssize_t count = (ssize_t)(d->size < size ? d->size : size);
    if (!esi_sim_to_user(buffer, d->bytes, (size_t)count))
        count = -1;
    else if (from)
        esi_sim_address_write(&d->from, s->family, from, length);
    if (flags & MSG_PEEK)
        return count;
    esi_list_remove(&d->in_datagrams); /* also when it could not be copied, as in Linux */
    s->datagram_bytes -= weight(d);
    esi_free(d);
    return count;
}

void esi_sim_datagrams_free(struct esi_sim_socket *s)
{
    for (struct esi_list *node; (node = esi_list_pop_front(&s->datagrams));)
        esi_free(ESI_CONTAINER_OF(node, struct datagram, in_datagrams));
}
