/* stream.c - reading and writing streams: each call tries at once, and waits only if it must.
 *
 * A read that gets less than it has room for took all there was; then the next one waits without asking the system first, since an event
 * will come. So an answer and a question cost a system call each. That holds for TCP, as long as neither the other side's end nor urgent
 * data were told of: a read stops before those. */
#include "port/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include "base/alloc.h"
#include "platform/os.h"
#include "platform/poller.h"
#include "port/address.h"
#include "proc/own.h"
#include "proc/schedule/worker.h"

/* ---------------------------------------------------------------- what few have */

struct esi_stream *esi_stream_of(struct esi_descriptor *d)
{
    struct esi_stream *s = atomic_load_explicit(&d->stream, memory_order_relaxed);
    if (s)
        return s;
    s = esi_alloc_zeroed(1, sizeof *s);
    if (s)
        s->packet_max = ESI_PACKET_MAX_DEFAULT;
    /* relaxed: who sees it takes the lock before looking into it. */
    atomic_store_explicit(&d->stream, s, memory_order_relaxed);
    return s;
}

void esi_stream_free(struct esi_descriptor *d)
{
    struct esi_stream *s = atomic_load_explicit(&d->stream, memory_order_relaxed);
    struct stat now;
    if (!s)
        return;
    atomic_store_explicit(&d->stream, NULL, memory_order_relaxed);
    if (s->path && esi_os_lstat(s->path, &now) == 0 && now.st_dev == s->device && now.st_ino == s->inode)
        esi_os_unlink(s->path);
    esi_free(s->path);
    esi_free(s->bytes);
    esi_free(s);
}

void esi_stream_give_up(struct esi_process *self, int fd)
{
    esi_disown_fd(self, fd);
    esi_close_fd(fd);
}

/* ---------------------------------------------------------------- entering, and failing */

es_err esi_stream_enter(const char *call, int fd, struct esi_process **out, struct esi_descriptor **found)
{
    struct esi_process *self;
    es_err error = esi_fd_enter(call, &self);
    if (error != ES_OK)
        return error;
    struct esi_descriptor *d = esi_descriptor_find(fd);
    uint8_t kind = d ? atomic_load_explicit(&d->kind, memory_order_relaxed) : ESI_FD_FOREIGN;
    if (!d || kind == ESI_FD_FOREIGN || kind == ESI_FD_LISTENER) {
        error = fcntl(fd, F_GETFD) < 0 ? ES_ECLOSED : ES_EINVAL;
        esi_fail(self, error,
                 error == ES_ECLOSED ? "%s: descriptor %d is closed"
                                     : "%s: descriptor %d is no stream of es_accept(), es_connect(), "
                                       "es_pipe() or es_child_start()",
                 call, fd);
        esi_leave();
        return error;
    }
    *out = self;
    *found = d;
    return ES_OK;
}

es_err esi_stream_refused(struct esi_process *self, const char *call, struct esi_descriptor *d,
                          const char *said, int code)
{
    es_address peer = {.length = sizeof peer.storage};
    char where[ESI_ADDRESS_TEXT], why[128];
    bool is_gone = code == EPIPE || code == ECONNRESET || code == EBADF || code == ENOTCONN;
    if (esi_os_getpeername(d->fd, (struct sockaddr *)&peer.storage, &peer.length) == 0)
        esi_address_text(&peer, where);
    else
        snprintf(where, sizeof where, "descriptor %d", d->fd);
    es_err error = esi_fail(self, is_gone ? ES_ECLOSED : ES_EOS, "%s: %s: %s%s", call, where, said,
                            strerror_r(code, why, sizeof why));
    *es_errno() = code;
    return error;
}

/* ---------------------------------------------------------------- reading */

ssize_t esi_stream_read_now(struct esi_descriptor *d, void *buffer, size_t size)
{
    ssize_t count;
    do
        count = atomic_load_explicit(&d->kind, memory_order_relaxed) == ESI_FD_PIPE
                    ? esi_os_read(d->fd, buffer, size)
                    : esi_os_recv(d->fd, buffer, size, MSG_DONTWAIT);
    while (count < 0 && *es_errno() == EINTR);
    return count;
}

#define DRAINED_AT(edges) (UINT64_C(1) << 32 | (edges))

/* relaxed, both: a note that is missed costs a system call; one that is there was true when the edges were as it says, and any that
 * came since makes it untrue. */
static bool is_drained(struct esi_descriptor *d, struct esi_edge edge)
{
    return atomic_load_explicit(&d->drained, memory_order_relaxed) == DRAINED_AT(edge.seen);
}

static void note_drained(struct esi_descriptor *d, struct esi_edge edge, size_t count, size_t size)
{
    if (count < size && atomic_load_explicit(&d->kind, memory_order_relaxed) == ESI_FD_TCP &&
        !atomic_load_explicit(&d->is_ended, memory_order_relaxed))
        atomic_store_explicit(&d->drained, DRAINED_AT(edge.seen), memory_order_relaxed);
}

/* One try: a count, or ES_EEXIST for "not now". */
static int64_t try_to_read(struct esi_process *self, struct esi_descriptor *d, void *buffer, size_t size,
                           struct esi_edge edge)
{
    ssize_t count = esi_stream_read_now(d, buffer, size);
    if (count > 0)
        note_drained(d, edge, (size_t)count, size);
    if (count >= 0)
        return count;
    int code = *es_errno();
    if (code == EAGAIN || code == EWOULDBLOCK)
        return ES_EEXIST;
    return esi_stream_refused(self, "read", d, "", code);
}

static int64_t read_some(struct esi_process *self, struct esi_descriptor *d, void *buffer, size_t size,
                         int64_t deadline_ns)
{
    for (;;) {
        struct esi_edge edge = esi_edge_look(d, ESI_IN);
        bool was_tried = !is_drained(d, edge);
        int64_t result = was_tried ? try_to_read(self, d, buffer, size, edge) : ES_EEXIST;
        if (result != ES_EEXIST)
            return result;
        es_err error = esi_edge_wait(self, d, ESI_IN, edge, deadline_ns);
        /* What came in the last moment, and of which nobody was told yet. */
        if (error == ES_ETIMEOUT && !was_tried &&
            (result = try_to_read(self, d, buffer, size, edge)) != ES_EEXIST)
            return result;
        if (error != ES_OK)
            return esi_fd_wait_failed(self, "read", d->fd, error);
    }
}

/* What was read ahead, for packets; 0: nothing was, or ES_EINVAL. */
static int64_t read_ahead(struct esi_process *self, struct esi_descriptor *d, void *buffer, size_t size)
{
    int64_t result = 0;
    pthread_mutex_lock(&d->lock);
    struct esi_stream *s = atomic_load_explicit(&d->stream, memory_order_relaxed);
    if (s && s->credit) {
        result = ES_EINVAL;
    } else if (s && s->end > s->start) {
        size_t there = s->end - s->start;
        result = (int64_t)(there < size ? there : size);
        memcpy(buffer, s->bytes + s->start, (size_t)result);
        esi_packet_drop(s, (size_t)result);
    }
    pthread_mutex_unlock(&d->lock);
    if (result < 0)
        esi_fail(self, ES_EINVAL, "read: descriptor %d is active: its data comes as messages", d->fd);
    return result;
}

static int64_t read_once(struct esi_process *self, struct esi_descriptor *d, void *buffer, size_t size,
                         int64_t deadline_ns)
{
    int64_t result = 0;
    if (size == 0)
        return esi_fail(self, ES_EINVAL, "read: no room for even one byte");
    /* relaxed: the lock is taken before it is looked into. */
    if (atomic_load_explicit(&d->stream, memory_order_relaxed))
        result = read_ahead(self, d, buffer, size);
    return result ? result : read_some(self, d, buffer, size, deadline_ns);
}

enum { BYTES_A_REDUCTION = 1024 };

static void charge_bytes(struct esi_process *self, int64_t count)
{
    esi_charge(self, 1 + (count > 0 ? (int)(count / BYTES_A_REDUCTION) : 0));
}

/* The runtime itself will write there: a bad pointer is the caller's fault alone, so it is found before entering. */
static void touch_if_read_ahead(int fd, void *buffer, size_t size)
{
    struct esi_descriptor *d = esi_descriptor_find(fd);
    if (d && atomic_load_explicit(&d->stream, memory_order_relaxed))
        esi_stream_touch(buffer, size);
}

void esi_stream_touch(void *buffer, size_t size)
{
    enum { PAGE = 4096 };
    volatile char *bytes = buffer;
    for (size_t i = 0; i < size; i += PAGE)
        bytes[i] = bytes[i];
    if (size)
        bytes[size - 1] = bytes[size - 1];
}

int64_t es_read(int fd, void *buffer, size_t size, int64_t deadline_ns)
{
    struct esi_process *self;
    struct esi_descriptor *d;
    touch_if_read_ahead(fd, buffer, size);
    es_err error = esi_stream_enter("read", fd, &self, &d);
    if (error != ES_OK)
        return error;
    int64_t result = read_once(self, d, buffer, size, deadline_ns);
    charge_bytes(self, result);
    esi_leave();
    return result;
}

/* "12 of 100 bytes were read". */
static es_err cut_off(struct esi_process *self, const char *call, struct esi_descriptor *d, size_t done,
                      size_t size, const char *what, es_err error)
{
    int code = *es_errno();
    esi_fail(self, error, "%s: descriptor %d: %zu of %zu bytes were %s: %s", call, d->fd, done, size, what,
             error == ES_ECLOSED && code == 0 ? "the other side sends no more" : es_strerror(error));
    *es_errno() = code;
    return error;
}

int64_t es_read_exactly(int fd, void *buffer, size_t size, int64_t deadline_ns)
{
    struct esi_process *self;
    struct esi_descriptor *d;
    size_t done = 0;
    touch_if_read_ahead(fd, buffer, size);
    es_err error = esi_stream_enter("read_exactly", fd, &self, &d);
    if (error != ES_OK)
        return error;
    while (done < size) {
        int64_t count = read_once(self, d, (char *)buffer + done, size - done, deadline_ns);
        if (count <= 0) {
            if (count == 0)
                *es_errno() = 0;
            if (count == 0 && done == 0)
                break;
            error = count == 0 ? ES_ECLOSED : (es_err)count;
            if (count == 0 || error == ES_ETIMEOUT)
                cut_off(self, "read_exactly", d, done, size, "read", error);
            break;
        }
        done += (size_t)count;
        charge_bytes(self, count);
    }
    esi_leave();
    return error != ES_OK ? error : (int64_t)done;
}

/* ---------------------------------------------------------------- writing */

/* Up to two pieces, of which `done` bytes are written already. */
struct pieces {
    struct iovec of[2];
    size_t done, size;
};

/* A node with threads of its own does not mind SIGPIPE. One that is driven runs on the program's thread, and a pipe knows no MSG_NOSIGNAL. */
static ssize_t write_pipe(int fd, const struct iovec *pieces, size_t count)
{
    sigset_t only, before, pending;
    if (!esi_node.is_driven)
        return esi_os_writev(fd, pieces, (int)count);
    sigemptyset(&only);
    sigaddset(&only, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &only, &before);
    ssize_t written = esi_os_writev(fd, pieces, (int)count);
    int code = *es_errno();
    if (written < 0 && code == EPIPE && !sigismember(&pending, SIGPIPE))
        sigtimedwait(&only, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    *es_errno() = code;
    return written;
}

static ssize_t write_now(struct esi_descriptor *d, const struct pieces *p)
{
    struct iovec left[2] = {p->of[0], p->of[1]};
    size_t first = p->done < left[0].iov_len ? p->done : left[0].iov_len;
    left[0].iov_base = (char *)left[0].iov_base + first;
    left[0].iov_len -= first;
    left[1].iov_base = (char *)left[1].iov_base + (p->done - first);
    left[1].iov_len -= p->done - first;
    struct iovec *start = left[0].iov_len ? left : left + 1;
    size_t count = left[0].iov_len ? 2 : 1;
    bool is_pipe = atomic_load_explicit(&d->kind, memory_order_relaxed) == ESI_FD_PIPE;
    ssize_t written;
    do
        written = is_pipe ? write_pipe(d->fd, start, count)
                  : count == 1
                      ? esi_os_send(d->fd, start->iov_base, start->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL)
                      : esi_os_sendmsg(d->fd, &(struct msghdr){.msg_iov = start, .msg_iovlen = count},
                                       MSG_DONTWAIT | MSG_NOSIGNAL);
    while (written < 0 && *es_errno() == EINTR);
    return written;
}

static int64_t write_refused(struct esi_process *self, struct esi_descriptor *d, const struct pieces *p,
                             int code)
{
    char said[80] = "";
    if (p->done > 0)
        snprintf(said, sizeof said, "%zu of %zu bytes were written: ", p->done, p->size);
    return esi_stream_refused(self, "write", d, said, code);
}

static es_err write_all(struct esi_process *self, struct esi_descriptor *d, struct pieces *p,
                        int64_t deadline_ns)
{
    while (p->done < p->size) {
        struct esi_edge edge = esi_edge_look(d, ESI_OUT);
        ssize_t count = write_now(d, p);
        if (count >= 0) {
            p->done += (size_t)count;
            charge_bytes(self, count);
            continue;
        }
        int code = *es_errno();
        if (code != EAGAIN && code != EWOULDBLOCK)
            return (es_err)write_refused(self, d, p, code);
        es_err error = esi_edge_wait(self, d, ESI_OUT, edge, deadline_ns);
        if (error != ES_OK)
            return cut_off(self, "write", d, p->done, p->size, "written", error);
    }
    return ES_OK;
}

int64_t esi_stream_write(struct esi_process *self, struct esi_descriptor *d, const void *header,
                         size_t header_size, const void *data, size_t size, int64_t deadline_ns)
{
    struct pieces pieces = {
        {{(void *)(uintptr_t)header, header_size}, {(void *)(uintptr_t)data, size}}, 0, header_size + size};
    es_err error = write_all(self, d, &pieces, deadline_ns);
    return error == ES_OK ? (int64_t)size : error;
}

int64_t es_write(int fd, const void *data, size_t size, int64_t deadline_ns)
{
    struct esi_process *self;
    struct esi_descriptor *d;
    es_err error = esi_stream_enter("write", fd, &self, &d);
    if (error != ES_OK)
        return error;
    int64_t result = esi_stream_write(self, d, NULL, 0, data, size, deadline_ns);
    esi_leave();
    return result;
}

/* ---------------------------------------------------------------- the rest */

es_err es_shutdown(int fd, int how)
{
    struct esi_process *self;
    struct esi_descriptor *d;
    es_err error = esi_stream_enter("shutdown", fd, &self, &d);
    if (error != ES_OK)
        return error;
    if (esi_os_shutdown(fd, how) != 0)
        error = esi_stream_refused(self, "shutdown", d, "", *es_errno());
    esi_leave();
    return error;
}

static es_err open_pipe(struct esi_process *self, int fds[2])
{
    int ends[2];
    if (esi_os_pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return esi_fd_refused(self, "pipe", *es_errno());
    es_err error = esi_descriptor_open(self, ends[0], ESI_FD_PIPE, "pipe");
    if (error != ES_OK) {
        esi_os_close(ends[1]);
        return error;
    }
    error = esi_descriptor_open(self, ends[1], ESI_FD_PIPE, "pipe");
    if (error != ES_OK) {
        esi_stream_give_up(self, ends[0]);
        return error;
    }
    memcpy(fds, ends, sizeof ends);
    return ES_OK;
}

es_err es_pipe(int fds[2])
{
    struct esi_process *self;
    int ends[2] = {-1, -1};
    es_err error = esi_fd_enter("pipe", &self);
    if (error != ES_OK)
        return error;
    error = open_pipe(self, ends);
    esi_leave();
    if (error == ES_OK)
        memcpy(fds, ends, sizeof ends);
    return error;
}

es_err es_local_address(int fd, es_address *out)
{
    es_address address = {.length = sizeof address.storage};
    if (esi_os_getsockname(fd, (struct sockaddr *)&address.storage, &address.length) != 0)
        return ES_EOS;
    *out = address;
    return ES_OK;
}

es_err es_peer_address(int fd, es_address *out)
{
    es_address address = {.length = sizeof address.storage};
    if (esi_os_getpeername(fd, (struct sockaddr *)&address.storage, &address.length) != 0)
        return *es_errno() == ENOTCONN ? ES_ECLOSED : ES_EOS;
    *out = address;
    return ES_OK;
}
