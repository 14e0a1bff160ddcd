/* listen.c - listeners, and connections that come in. */
#include <engset/port.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/alloc.h"
#include "platform/clock.h"
#include "platform/os.h"
#include "port/address.h"
#include "port/edge.h"
#include "port/pause.h"
#include "port/stream.h"

enum { BACKLOG = 4096 };

static es_err refused_to_listen(struct esi_process *self, const es_address *local, int code, const char *hint)
{
    char text[ESI_ADDRESS_TEXT], why[128];
    esi_address_text(local, text);
    esi_fail(self, ES_EOS, "listen: %s: %s%s", text, strerror_r(code, why, sizeof why), hint);
    *es_errno() = code;
    return ES_EOS;
}

/* ---------------------------------------------------------------- Unix paths */

static const char *path_of(const es_address *address)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&address->storage;
    return address->storage.ss_family == AF_UNIX && un->sun_path[0] ? un->sun_path : NULL;
}

/* Does a dead listener's file stand there, which nobody answers? Connecting tells: it is refused when no process has the socket. */
static bool is_stale(const es_address *local)
{
    struct stat file;
    if (esi_os_lstat(path_of(local), &file) != 0 || !S_ISSOCK(file.st_mode))
        return false;
    int fd = esi_os_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool refused = esi_os_connect(fd, (const struct sockaddr *)&local->storage, local->length) != 0 &&
                   *es_errno() == ECONNREFUSED;
    esi_os_close(fd);
    return refused;
}

static int bind_to(int fd, const es_address *local)
{
    return esi_os_bind(fd, (const struct sockaddr *)&local->storage, local->length) == 0 ? 0 : *es_errno();
}

/* 0, or what the system says. */
static int bind_path(int fd, const es_address *local)
{
    int code = bind_to(fd, local);
    if (code != EADDRINUSE || !path_of(local) || !is_stale(local))
        return code;
    esi_os_unlink(path_of(local));
    return bind_to(fd, local);
}

/* Remembers which file it is, so that another's is not taken away at the end. */
static es_err note_path(int fd, const es_address *local)
{
    struct esi_descriptor *d = esi_descriptor_find(fd);
    struct stat file;
    pthread_mutex_lock(&d->lock);
    struct esi_stream *s = esi_stream_of(d);
    /* From the root, if it can be had: the program may go to another directory. */
    char *whole = esi_os_realpath(path_of(local), NULL);
    const char *name = whole ? whole : path_of(local);
    size_t size = strlen(name) + 1;
    char *path = s ? esi_alloc(size) : NULL;
    if (path) {
        memcpy(path, name, size);
        if (esi_os_lstat(path, &file) == 0) {
            s->device = file.st_dev;
            s->inode = file.st_ino;
        }
        s->path = path;
    }
    pthread_mutex_unlock(&d->lock);
    free(whole);
    return path ? ES_OK : ES_ENOMEM;
}

/* ---------------------------------------------------------------- listening */

static int set(int fd, int level, int name, bool wanted)
{
    int on = 1;
    return !wanted || esi_os_setsockopt(fd, level, name, &on, sizeof on) == 0 ? 0 : *es_errno();
}

/* 0, or what the system says. */
static int prepare(int fd, const es_address *local, const es_listen_options *options)
{
    bool is_tcp = local->storage.ss_family != AF_UNIX;
    int code = set(fd, SOL_SOCKET, SO_REUSEADDR, is_tcp);
    if (!code)
        code = set(fd, SOL_SOCKET, SO_REUSEPORT, is_tcp && options->reuse_port);
    if (!code)
        code = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, local->storage.ss_family == AF_INET6 && options->only_v6);
    if (!code)
        code = set(fd, IPPROTO_TCP, TCP_NODELAY, is_tcp); /* what it accepts inherits it */
    if (!code)
        code = bind_path(fd, local);
    if (!code && esi_os_listen(fd, options->backlog > 0 ? options->backlog : BACKLOG) != 0)
        code = *es_errno();
    return code;
}

static const char *hint_for(int code, const es_address *local)
{
    struct stat file;
    if (code != EADDRINUSE)
        return "";
    if (local->storage.ss_family != AF_UNIX)
        return ": choose another port, or end who listens there";
    if (!path_of(local))
        return ": choose another name, or end who listens there";
    if (esi_os_lstat(path_of(local), &file) == 0 && !S_ISSOCK(file.st_mode))
        return ": what is there is no socket; choose another path, or remove it";
    return ": somebody listens there; choose another path, or end who does";
}

static int64_t open_listener(struct esi_process *self, const es_address *local,
                             const es_listen_options *options)
{
    int fd = esi_os_socket(local->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refused_to_listen(self, local, *es_errno(), "");
    int code = prepare(fd, local, options);
    if (code) {
        esi_os_close(fd);
        return refused_to_listen(self, local, code, hint_for(code, local));
    }
    es_err error = esi_descriptor_open(self, fd, ESI_FD_LISTENER, "listen");
    if (error != ES_OK) {
        if (path_of(local))
            esi_os_unlink(path_of(local));
        return error;
    }
    esi_spare_keep();
    if (path_of(local) && note_path(fd, local) != ES_OK) {
        esi_stream_give_up(self, fd);
        esi_os_unlink(path_of(local));
        return esi_fail(self, ES_ENOMEM, "listen: %s", es_strerror(ES_ENOMEM));
    }
    return fd;
}

int64_t es_listen(const es_address *local, const es_listen_options *options)
{
    struct esi_process *self;
    es_address copy = *local; /* before entering: a bad pointer is the caller's fault alone */
    es_listen_options how = options ? *options : (es_listen_options){.backlog = 0};
    es_err error = esi_fd_enter("listen", &self);
    if (error != ES_OK)
        return error;
    int64_t result = open_listener(self, &copy, &how);
    esi_leave();
    return result;
}

/* ---------------------------------------------------------------- accepting */

/* Errors of a connection that was lost before it was taken, or of the network below it: accept(2) tells them once, and the next
 * connection is another. */
static bool is_of_one_connection(int code)
{
    switch (code) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

static bool is_lack(int code)
{
    return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

/* A descriptor, or the negative of errno. */
static int accept_now(int listener, es_address *peer)
{
    for (;;) {
        peer->length = sizeof peer->storage;
        int fd = esi_os_accept4(listener, (struct sockaddr *)&peer->storage, &peer->length,
                                SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            return fd;
        int code = *es_errno();
        if (!is_of_one_connection(code))
            return -code;
    }
}

/* There are no descriptors. ES_OK: try again. `was_paused`: it was so a whole pause ago as well. */
static es_err wait_for_descriptors(struct esi_process *self, int listener, uint64_t seen, uint64_t until,
                                   bool *was_paused)
{
    esi_pause_log(listener);
    if (*was_paused)
        esi_spare_turn_away(listener);
    if (self->is_ending || esi_clock_now_ns() >= until)
        return ES_ETIMEOUT;
    *was_paused = esi_pause(self, seen, until);
    return ES_OK;
}

static int64_t accept_one(struct esi_process *self, struct esi_descriptor *d, es_address *peer,
                          int64_t deadline_ns)
{
    for (bool was_paused = false;;) {
        struct esi_edge edge = esi_edge_look(d, ESI_IN);
        uint64_t seen = esi_pause_look();
        int fd = accept_now(d->fd, peer);
        es_err error;
        if (fd >= 0) {
            error = esi_descriptor_open(
                self, fd, peer->storage.ss_family == AF_UNIX ? ESI_FD_UNIX : ESI_FD_TCP, "accept");
            return error == ES_OK ? fd : error;
        }
        if (is_lack(-fd))
            error = wait_for_descriptors(self, d->fd, seen, esi_fd_until(deadline_ns), &was_paused);
        else if (fd == -EAGAIN || fd == -EWOULDBLOCK)
            error = esi_edge_wait(self, d, ESI_IN, edge, deadline_ns);
        else
            return esi_fd_refused(self, "accept", -fd);
        if (error != ES_OK)
            return esi_fd_wait_failed(self, "accept", d->fd, error);
        if (atomic_load_explicit(&d->generation, memory_order_relaxed) != edge.generation)
            return esi_fd_wait_failed(self, "accept", d->fd, ES_ECLOSED);
    }
}

int64_t es_accept(int listener, es_address *peer, int64_t deadline_ns)
{
    struct esi_process *self;
    es_address address = {.length = 0};
    es_err error = esi_fd_enter("accept", &self);
    if (error != ES_OK)
        return error;
    struct esi_descriptor *d = esi_descriptor_find(listener);
    int64_t result;
    if (d && atomic_load_explicit(&d->kind, memory_order_relaxed) == ESI_FD_LISTENER)
        result = accept_one(self, d, &address, deadline_ns);
    else
        result = esi_fail(self, ES_EINVAL, "accept: descriptor %d is no listener", listener);
    esi_charge(self, 8);
    esi_leave();
    if (result >= 0 && peer)
        *peer = address;
    return result;
}
