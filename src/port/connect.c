/* connect.c - connections that go out. */
#include <engset/port.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include "platform/clock.h"
#include "platform/os.h"
#include "port/address.h"
#include "port/edge.h"
#include "port/stream.h"

static const char *hint_for(int code)
{
    switch (code) {
    case ECONNREFUSED:
        return ": nobody listens there";
    case EADDRNOTAVAIL:
        return ": no such address, or no local port is left for it (net.ipv4.ip_local_port_range); wait, or "
               "use more addresses";
    case EMFILE:
        return ": raise RLIMIT_NOFILE (ulimit -n)";
    case ENOENT:
        return ": nobody ever listened there";
    default:
        return "";
    }
}

static es_err refused_to_connect(struct esi_process *self, const es_address *address, int code)
{
    char text[ESI_ADDRESS_TEXT], why[128];
    esi_address_text(address, text);
    esi_fail(self, ES_EOS, "connect: %s: %s%s", text, strerror_r(code, why, sizeof why), hint_for(code));
    *es_errno() = code;
    return ES_EOS;
}

static es_err waiting_failed(struct esi_process *self, const es_address *address, es_err error)
{
    char text[ESI_ADDRESS_TEXT];
    esi_address_text(address, text);
    return esi_fail(self, error, "connect: %s: %s", text,
                    error == ES_ETIMEOUT ? "no answer in time" : es_strerror(error));
}

/* It is easily taken for a time-out in milliseconds. 0 is how one asks not to wait. */
static es_err was_late_already(struct esi_process *self, const es_address *address)
{
    char text[ESI_ADDRESS_TEXT];
    esi_address_text(address, text);
    return esi_fail(self, ES_ETIMEOUT,
                    "connect: %s: the deadline was past already: it is a time of es_now_ns(), not a span",
                    text);
}

/* A listener's backlog is full, of which the system tells nothing more: tries again, ever more seldom. */
static es_err connect_unix(struct esi_process *self, int fd, const es_address *address, int64_t deadline_ns)
{
    uint64_t until = esi_fd_until(deadline_ns), pause_ns = ESI_NS_PER_MS;
    while (esi_os_connect(fd, (const struct sockaddr *)&address->storage, address->length) != 0) {
        int code = *es_errno();
        if (code == EINTR)
            continue;
        if (code != EAGAIN)
            return refused_to_connect(self, address, code);
        uint64_t now = esi_clock_now_ns();
        if (now >= until || self->is_ending)
            return waiting_failed(self, address, ES_ETIMEOUT);
        esi_wait(self, until - now < pause_ns ? until : now + pause_ns);
        pause_ns = pause_ns < 64 * ESI_NS_PER_MS ? 2 * pause_ns : pause_ns;
    }
    return ES_OK;
}

/* An interrupted connect(2) goes on by itself, as one under way. */
static es_err connect_tcp(struct esi_process *self, int fd, const es_address *address, int64_t deadline_ns)
{
    struct esi_descriptor *d = esi_descriptor_find(fd);
    struct esi_edge edge = esi_edge_look(d, ESI_OUT);
    if (esi_os_connect(fd, (const struct sockaddr *)&address->storage, address->length) == 0)
        return ES_OK;
    if (*es_errno() != EINPROGRESS && *es_errno() != EINTR)
        return refused_to_connect(self, address, *es_errno());
    for (;;) {
        es_err error = esi_edge_wait(self, d, ESI_OUT, edge, deadline_ns);
        int code = 0;
        if (error != ES_OK)
            return waiting_failed(self, address, error);
        edge = esi_edge_look(d, ESI_OUT);
        if (esi_os_getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &(socklen_t){sizeof code}) != 0)
            code = *es_errno();
        if (code)
            return refused_to_connect(self, address, code);
        /* The edge may have been one of before: only a peer's address tells that it is done. */
        es_address peer = {.length = sizeof peer.storage};
        if (esi_os_getpeername(fd, (struct sockaddr *)&peer.storage, &peer.length) == 0)
            return ES_OK;
    }
}

static int64_t open_connection(struct esi_process *self, const es_address *address, int64_t deadline_ns)
{
    int on = 1;
    bool is_unix = address->storage.ss_family == AF_UNIX;
    int fd = esi_os_socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refused_to_connect(self, address, *es_errno());
    if (!is_unix)
        esi_os_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* Owned before the wait, in which we may be killed. */
    es_err error = esi_descriptor_open(self, fd, is_unix ? ESI_FD_UNIX : ESI_FD_TCP, "connect");
    if (error != ES_OK)
        return error;
    bool is_late = deadline_ns > 0 && esi_fd_until(deadline_ns) <= esi_clock_now_ns();
    error =
        is_unix ? connect_unix(self, fd, address, deadline_ns) : connect_tcp(self, fd, address, deadline_ns);
    if (error == ES_OK)
        return fd;
    if (error == ES_ETIMEOUT && is_late)
        was_late_already(self, address);
    int code = *es_errno();
    esi_stream_give_up(self, fd);
    *es_errno() = code;
    return error;
}

int64_t es_connect(const es_address *address, int64_t deadline_ns)
{
    struct esi_process *self;
    es_address copy = *address; /* before entering: a bad pointer is the caller's fault alone */
    es_err error = esi_fd_enter("connect", &self);
    if (error != ES_OK)
        return error;
    int64_t result = open_connection(self, &copy, deadline_ns);
    esi_charge(self, 8);
    esi_leave();
    return result;
}
