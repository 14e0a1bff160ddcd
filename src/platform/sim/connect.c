/* platform/sim/connect.c - how connections come about.
 *
 * A connection over the network takes two ways: the question comes to the listener, which puts its end into its queue, and the answer comes
 * back. A listener whose queue is full does not answer; the question is asked again after 1, 2, 4 ... seconds, as TCP does. */
#include <errno.h>
#include "platform/clock.h"
#include "platform/sim/socket.h"
#include "platform/strike.h"

enum { LOCAL_LIMIT = 208 << 10, ATTEMPTS_MAX = 6 };

/* How far apart the two are: often next to each other, at most some milliseconds. */
static uint64_t draw_latency_ns(void)
{
    static const uint64_t far_ns[] = {0, 20000, 200000, 2000000};
    uint64_t most = far_ns[esi_sim_draw(sizeof far_ns / sizeof *far_ns)];
    return most ? 1 + esi_sim_draw(most) : 0;
}

static size_t draw_limit(void)
{
    return (size_t)8192 << 2 * esi_sim_draw(3); /* 8, 32 or 128 KiB */
}

/* The other end, in the listener's queue. NULL: no memory. */
static struct esi_sim_socket *answer(struct esi_sim_socket *listener, struct esi_sim_socket *s,
                                     uint64_t latency_ns)
{
    bool is_local = esi_sim_is_local(s);
    struct esi_sim_socket *fresh = esi_sim_socket_new(listener->family, SOCK_STREAM);
    if (!fresh)
        return NULL;
    if (!esi_sim_stream_join(&fresh->stream, &s->stream, is_local ? ESI_SIM_LOCAL : ESI_SIM_TCP,
                             is_local ? LOCAL_LIMIT : draw_limit(), false)) {
        esi_sim_ref(&fresh->file);
        esi_sim_unref(&fresh->file);
        return NULL;
    }
    struct esi_sim_channel *both[] = {fresh->stream.in, fresh->stream.out};
    for (int i = 0; i < 2; i++) {
        both[i]->is_network = !is_local;
        both[i]->latency_ns = latency_ns;
        both[i]->last_ns = esi_clock_now_ns() + latency_ns; /* the answer goes first */
    }
    fresh->state = ESI_SIM_CONNECTED;
    fresh->local = s->peer;
    fresh->peer = s->local;
    fresh->name = listener->name;
    fresh->name_length = listener->name_length;
    fresh->peer_name = s->name;
    fresh->peer_name_length = s->name_length;
    s->peer_name = listener->name;
    s->peer_name_length = listener->name_length;
    esi_sim_ref(&fresh->file); /* the queue's */
    fresh->listener = listener;
    esi_list_push_back(&listener->queue, &fresh->in_queue);
    listener->queued++;
    esi_sim_changed(&listener->file);
    return fresh;
}

static bool is_full(const struct esi_sim_socket *listener)
{
    return listener->queued > listener->backlog;
}

void esi_sim_turn_away(struct esi_sim_socket *s)
{
    for (struct esi_list *node; (node = esi_list_pop_front(&s->queue));) {
        struct esi_sim_socket *waiting = ESI_CONTAINER_OF(node, struct esi_sim_socket, in_queue);
        waiting->stream.resets_at_end = true;
        waiting->listener = NULL;
        esi_sim_unref(&waiting->file);
    }
}

/* ---------------------------------------------------------------- Unix */

static int connect_local(struct esi_sim_socket *s, const struct sockaddr *address, socklen_t length)
{
    int code;
    struct esi_sim_socket *listener =
        esi_sim_whom_named((const struct sockaddr_un *)(const void *)address, length, &code);
    if (!listener)
        return code;
    if (is_full(listener))
        return EAGAIN;
    if (!answer(listener, s, 0))
        return ENOBUFS;
    s->state = ESI_SIM_CONNECTED;
    return 0;
}

/* ---------------------------------------------------------------- TCP */

/* It has come about, or it never will. The program finds out by SO_ERROR. */
static void settle(struct esi_sim_socket *s, int code)
{
    s->state = code ? ESI_SIM_FRESH : ESI_SIM_CONNECTED;
    s->error = code;
    esi_sim_changed(&s->file);
}

static void answer_arrives(struct esi_sim_event *event, bool is_over)
{
    struct esi_sim_socket *s = ESI_CONTAINER_OF(event, struct esi_sim_socket, attempt);
    if (is_over)
        return;
    settle(s, 0);
}

/* 0: it is in the queue; EAGAIN: nobody says anything; else why it is refused. */
static int ask(struct esi_sim_socket *s, uint64_t latency_ns)
{
    struct esi_sim_socket *listener = esi_sim_whom(SOCK_STREAM, &s->peer);
    if (!listener || esi_strikes(ESI_STRIKE_REFUSE))
        return ECONNREFUSED;
    if (is_full(listener))
        return EAGAIN;
    return answer(listener, s, latency_ns) ? 0 : ECONNREFUSED;
}

static void question_arrives(struct esi_sim_event *event, bool is_over)
{
    struct esi_sim_socket *s = ESI_CONTAINER_OF(event, struct esi_sim_socket, attempt);
    if (is_over)
        return;
    uint64_t latency_ns = draw_latency_ns(), now = esi_clock_now_ns();
    int code = ask(s, latency_ns);
    if (code == EAGAIN && s->attempts < ATTEMPTS_MAX)
        esi_sim_at(&s->attempt, now + (ESI_NS_PER_S << s->attempts++), question_arrives);
    else if (code)
        settle(s, code == EAGAIN ? ETIMEDOUT : code);
    else
        esi_sim_at(&s->attempt, now + latency_ns, answer_arrives);
}

/* ENETUNREACH: there is no other host. */
static int prepare(struct esi_sim_socket *s, const struct sockaddr *address, socklen_t length)
{
    int code = esi_sim_address_read(address, length, s->family, &s->peer);
    if (code)
        return code;
    if (!esi_sim_address_is_of_host(&s->peer))
        return ENETUNREACH;
    if (esi_sim_address_is_any(&s->peer))
        s->peer = esi_sim_address_loopback(&s->peer);
    if (s->is_bound)
        return 0;
    struct esi_sim_address from = esi_sim_address_loopback(&s->peer);
    return esi_sim_bind_anywhere(s, &from);
}

static int connect_tcp(struct esi_sim_socket *s, const struct sockaddr *address, socklen_t length)
{
    int code = prepare(s, address, length);
    if (code)
        return code;
    uint64_t latency_ns = draw_latency_ns();
    s->attempts = 0;
    if (latency_ns == 0) {
        code = ask(s, 0);
        if (code == 0)
            s->state = ESI_SIM_CONNECTED;
        if (code != EAGAIN)
            return code;
    }
    s->state = ESI_SIM_CONNECTING;
    esi_sim_at(&s->attempt, esi_clock_now_ns() + latency_ns, question_arrives);
    return EINPROGRESS;
}

int esi_sim_connect_to(struct esi_sim_socket *s, const struct sockaddr *address, socklen_t length)
{
    if (s->type == SOCK_DGRAM)
        return EOPNOTSUPP;
    switch (s->state) {
    case ESI_SIM_CONNECTED:
        return EISCONN;
    case ESI_SIM_CONNECTING:
        return EALREADY;
    case ESI_SIM_LISTENING:
        return EINVAL;
    default:
        return esi_sim_is_local(s) ? connect_local(s, address, length) : connect_tcp(s, address, length);
    }
}
