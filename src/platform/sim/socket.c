/* platform/sim/socket.c - the system calls about sockets, as platform/os.h has them. */
#include "platform/sim/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include "base/alloc.h"
#include "platform/os.h"
#include "platform/poller.h"

enum { BACKLOG_MAX = 4096, LOCAL_LIMIT = 208 << 10 };

/* ---------------------------------------------------------------- what a socket can do as a file */

static struct esi_sim_socket *socket_in(const struct esi_sim_file *file)
{
    return ESI_CONTAINER_OF(file, struct esi_sim_socket, file);
}

static int take_error(struct esi_sim_socket *s)
{
    int code = s->error ? s->error : s->stream.error;
    s->error = s->stream.error = 0;
    return code;
}

static ssize_t read_socket(struct esi_sim_file *file, void *buffer, size_t size, int flags)
{
    struct esi_sim_socket *s = socket_in(file);
    if (s->type == SOCK_DGRAM)
        return esi_sim_datagram_receive(s, buffer, size, flags, NULL, NULL);
    if (s->state == ESI_SIM_CONNECTED)
        return esi_sim_stream_read(&s->stream, buffer, size, flags);
    return esi_sim_fails(s->error ? take_error(s) : ENOTCONN);
}

static ssize_t write_socket(struct esi_sim_file *file, const struct iovec *pieces, int count)
{
    struct esi_sim_socket *s = socket_in(file);
    if (s->type == SOCK_DGRAM)
        return esi_sim_fails(EDESTADDRREQ);
    if (s->state == ESI_SIM_CONNECTED)
        return esi_sim_stream_write(&s->stream, pieces, count);
    return esi_sim_fails(s->error ? take_error(s) : s->state == ESI_SIM_CONNECTING ? EAGAIN : EPIPE);
}

static uint32_t socket_ready(const struct esi_sim_file *file)
{
    const struct esi_sim_socket *s = socket_in(file);
    if (s->type == SOCK_DGRAM)
        return ESI_POLL_OUT | (esi_list_is_empty(&s->datagrams) ? 0 : ESI_POLL_IN);
    switch (s->state) {
    case ESI_SIM_LISTENING:
        return s->queued ? ESI_POLL_IN : 0;
    case ESI_SIM_CONNECTED:
        return esi_sim_stream_ready(&s->stream);
    case ESI_SIM_CONNECTING:
        return 0;
    default:
        return ESI_POLL_OUT | ESI_POLL_HANGUP | (s->error ? ESI_POLL_ERROR | ESI_POLL_IN : 0);
    }
}

static void close_socket(struct esi_sim_file *file)
{
    struct esi_sim_socket *s = socket_in(file);
    esi_sim_cancel(&s->attempt);
    esi_sim_unbind(s);
    if (s->state == ESI_SIM_LISTENING)
        esi_sim_turn_away(s);
    if (s->stream.in) /* connected, or its end waits for the answer */
        esi_sim_stream_close(&s->stream);
    esi_sim_datagrams_free(s);
    esi_free(s);
}

static const struct esi_sim_kind socket_kind = {read_socket, write_socket, socket_ready, close_socket};

struct esi_sim_socket *esi_sim_socket_new(int family, int type)
{
    struct esi_sim_socket *s = esi_alloc_zeroed(1, sizeof *s);
    if (!s)
        return NULL;
    esi_sim_file_init(&s->file, &socket_kind, O_RDWR | O_NONBLOCK);
    s->family = family;
    s->type = type;
    s->stream.file = &s->file;
    s->name.sun_family = s->peer_name.sun_family = AF_UNIX;
    s->name_length = s->peer_name_length = sizeof(sa_family_t);
    esi_list_init(&s->in_bound);
    esi_list_init(&s->queue);
    esi_list_init(&s->in_queue);
    esi_list_init(&s->datagrams);
    return s;
}

struct esi_sim_socket *esi_sim_socket_of(int fd)
{
    struct esi_sim_file *file = esi_sim_file_of(fd);
    if (file && file->kind == &socket_kind)
        return socket_in(file);
    errno = ENOTSOCK;
    return NULL;
}

/* The socket that `fd` is; a real descriptor goes to the real `call`, anything else is no socket. */
#define SOCKET_OR_RETURN(s, fd, call)                 \
    struct esi_sim_socket *s = esi_sim_socket_of(fd); \
    if (!s)                                           \
    return esi_sim_file_of(fd) ? -1 : (call)

/* ---------------------------------------------------------------- making */

/* Gives it a number; without one it is gone. */
static int install_or_close(struct esi_sim_socket *s)
{
    esi_sim_ref(&s->file);
    int fd = esi_sim_install(&s->file, 0);
    int code = errno;
    esi_sim_unref(&s->file);
    errno = code;
    return fd;
}

int esi_sim_socket(int family, int type, int protocol)
{
    int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    bool is_known = (family == AF_INET || family == AF_INET6) && (kind == SOCK_STREAM || kind == SOCK_DGRAM);
    if (!is_known && !(family == AF_UNIX && kind == SOCK_STREAM))
        return esi_sim_fails(EAFNOSUPPORT);
    (void)protocol;
    struct esi_sim_socket *s = esi_sim_socket_new(family, kind);
    return s ? install_or_close(s) : esi_sim_fails(ENOBUFS);
}

int esi_sim_socketpair(int family, int type, int protocol, int fds[2])
{
    int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    (void)protocol;
    if (family != AF_UNIX || (kind != SOCK_STREAM && kind != SOCK_SEQPACKET))
        return esi_sim_fails(EOPNOTSUPP);
    struct esi_sim_socket *a = esi_sim_socket_new(family, kind), *b = esi_sim_socket_new(family, kind);
    if (!a || !b ||
        !esi_sim_stream_join(&a->stream, &b->stream, ESI_SIM_LOCAL, LOCAL_LIMIT, kind != SOCK_STREAM)) {
        esi_free(a);
        esi_free(b);
        return esi_sim_fails(ENOBUFS);
    }
    a->state = b->state = ESI_SIM_CONNECTED;
    fds[0] = install_or_close(a);
    fds[1] = install_or_close(b);
    if (fds[0] >= 0 && fds[1] >= 0)
        return 0;
    int code = errno;
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            esi_sim_close(fds[i]);
    return esi_sim_fails(code);
}

int esi_sim_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    SOCKET_OR_RETURN(s, fd, bind(fd, address, length));
    int code = esi_sim_bind_to(s, address, length);
    return code ? esi_sim_fails(code) : 0;
}

int esi_sim_listen(int fd, int backlog)
{
    SOCKET_OR_RETURN(s, fd, listen(fd, backlog));
    if (s->type != SOCK_STREAM || s->state == ESI_SIM_CONNECTED || s->state == ESI_SIM_CONNECTING)
        return esi_sim_fails(s->type == SOCK_STREAM ? EINVAL : EOPNOTSUPP);
    if (!s->is_bound)
        return esi_sim_fails(EINVAL);
    enum esi_sim_state before = s->state;
    s->state = ESI_SIM_LISTENING;
    if (esi_sim_is_taken(s)) {
        s->state = before;
        return esi_sim_fails(EADDRINUSE);
    }
    s->backlog = backlog < 0 || backlog > BACKLOG_MAX ? BACKLOG_MAX : backlog;
    return 0;
}

/* ---------------------------------------------------------------- accepting */

int esi_sim_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    SOCKET_OR_RETURN(s, fd, accept4(fd, address, length, flags));
    if (s->state != ESI_SIM_LISTENING)
        return esi_sim_fails(EINVAL);
    struct esi_list *first = esi_list_first(&s->queue);
    if (!first)
        return esi_sim_fails(EAGAIN);
    struct esi_sim_socket *fresh = ESI_CONTAINER_OF(first, struct esi_sim_socket, in_queue);
    int number = esi_sim_install(&fresh->file, 0);
    if (number < 0)
        return -1;
    esi_list_remove(&fresh->in_queue);
    fresh->listener = NULL;
    s->queued--;
    esi_sim_unref(&fresh->file); /* the queue's */
    esi_sim_write_name(fresh, true, address, length);
    return number;
}

int esi_sim_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    SOCKET_OR_RETURN(s, fd, connect(fd, address, length));
    int code = s->error ? take_error(s) : esi_sim_connect_to(s, address, length);
    return code ? esi_sim_fails(code) : 0;
}

/* ---------------------------------------------------------------- of those that are there */

int esi_sim_shutdown(int fd, int how)
{
    SOCKET_OR_RETURN(s, fd, shutdown(fd, how));
    if (s->state != ESI_SIM_CONNECTED)
        return esi_sim_fails(ENOTCONN);
    if (how < SHUT_RD || how > SHUT_RDWR)
        return esi_sim_fails(EINVAL);
    esi_sim_stream_shutdown(&s->stream, how);
    return 0;
}

int esi_sim_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    SOCKET_OR_RETURN(s, fd, getsockname(fd, address, length));
    esi_sim_write_name(s, false, address, length);
    return 0;
}

int esi_sim_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    SOCKET_OR_RETURN(s, fd, getpeername(fd, address, length));
    bool is_there = s->state == ESI_SIM_CONNECTED && !(s->stream.in->has_ended && s->stream.writes_no_more);
    if (!is_there)
        return esi_sim_fails(ENOTCONN);
    esi_sim_write_name(s, true, address, length);
    return 0;
}

/* What changes nothing here is taken and forgotten: sizes of buffers, TCP_NODELAY. */
int esi_sim_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    SOCKET_OR_RETURN(s, fd, setsockopt(fd, level, name, value, length));
    int on = 0;
    if (length >= sizeof on)
        memcpy(&on, value, sizeof on);
    if (level == SOL_SOCKET && name == SO_REUSEADDR)
        s->reuses_address = on;
    if (level == SOL_SOCKET && name == SO_REUSEPORT)
        s->reuses_port = on;
    if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY)
        s->is_only_6 = on;
    struct linger linger;
    if (level == SOL_SOCKET && name == SO_LINGER && length >= sizeof linger) {
        memcpy(&linger, value, sizeof linger);
        s->stream.resets_at_end = linger.l_onoff && linger.l_linger == 0;
    }
    return 0;
}

int esi_sim_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    SOCKET_OR_RETURN(s, fd, getsockopt(fd, level, name, value, length));
    int answer;
    if (level == SOL_SOCKET && name == SO_ERROR)
        answer = take_error(s);
    else if (level == SOL_SOCKET && name == SO_TYPE)
        answer = s->type;
    else if (level == IPPROTO_TCP && name == TCP_NODELAY)
        answer = 1;
    else
        return esi_sim_fails(ENOPROTOOPT);
    if (*length < sizeof answer)
        return esi_sim_fails(EINVAL);
    memcpy(value, &answer, sizeof answer);
    *length = sizeof answer;
    return 0;
}

/* ---------------------------------------------------------------- bytes */

ssize_t esi_sim_recv(int fd, void *buffer, size_t size, int flags)
{
    SOCKET_OR_RETURN(s, fd, recv(fd, buffer, size, flags));
    return read_socket(&s->file, buffer, size, flags);
}

ssize_t esi_sim_sendmsg(int fd, const struct msghdr *message, int flags)
{
    SOCKET_OR_RETURN(s, fd, sendmsg(fd, message, flags));
    if (message->msg_controllen)
        return esi_sim_fails(EOPNOTSUPP);
    return write_socket(&s->file, message->msg_iov, (int)message->msg_iovlen);
}

ssize_t esi_sim_send(int fd, const void *data, size_t size, int flags)
{
    SOCKET_OR_RETURN(s, fd, send(fd, data, size, flags));
    return write_socket(&s->file, &(struct iovec){(void *)(uintptr_t)data, size}, 1);
}

ssize_t esi_sim_recvfrom(int fd, void *buffer, size_t size, int flags, struct sockaddr *from,
                         socklen_t *length)
{
    SOCKET_OR_RETURN(s, fd, recvfrom(fd, buffer, size, flags, from, length));
    if (s->type == SOCK_DGRAM)
        return esi_sim_datagram_receive(s, buffer, size, flags, from, length);
    if (length)
        *length = 0;
    return read_socket(&s->file, buffer, size, flags);
}

ssize_t esi_sim_sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
                       socklen_t length)
{
    SOCKET_OR_RETURN(s, fd, sendto(fd, data, size, flags, to, length));
    struct iovec piece = {(void *)(uintptr_t)data, size};
    if (s->type == SOCK_DGRAM)
        return to ? esi_sim_datagram_send(s, &piece, 1, to, length) : esi_sim_fails(EDESTADDRREQ);
    return write_socket(&s->file, &piece, 1);
}
