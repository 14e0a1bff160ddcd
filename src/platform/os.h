/* platform/os.h - the calls of the operating system that the outside world is made of: sockets, pipes, files.
 *
 * Each esi_os_x() is x(2), or in a simulated world esi_sim_x(), which means the same there: the same results, the same errno. A descriptor
 * that the simulated machine did not make is the real one's, also there. What a call of the real machine may do that its simulated twin does
 * not is said in platform/sim/. Any thread; simulated: the world's own. */
#ifndef PLATFORM_OS_H
#define PLATFORM_OS_H

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>
#include "platform/platform.h"

/* Declares esi_sim_NAME, and defines esi_os_NAME, which is one or the other. */
#define ESI_OS_CALL(type, name, parameters, arguments)  \
    type esi_sim_##name parameters;                     \
    static inline type esi_os_##name parameters         \
    {                                                   \
        if (__builtin_expect(esi_platform_is_sim(), 0)) \
            return esi_sim_##name arguments;            \
        return name arguments;                          \
    }

/* ---- descriptors ---- */
ESI_OS_CALL(int, close, (int fd), (fd))
ESI_OS_CALL(int, poll, (struct pollfd * fds, nfds_t count, int timeout_ms), (fds, count, timeout_ms))
ESI_OS_CALL(int, pipe2, (int fds[2], int flags), (fds, flags))
ESI_OS_CALL(ssize_t, read, (int fd, void *buffer, size_t size), (fd, buffer, size))
ESI_OS_CALL(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
ESI_OS_CALL(ssize_t, writev, (int fd, const struct iovec *pieces, int count), (fd, pieces, count))

/* ---- sockets ---- */
ESI_OS_CALL(int, socket, (int family, int type, int protocol), (family, type, protocol))
ESI_OS_CALL(int, socketpair, (int family, int type, int protocol, int fds[2]), (family, type, protocol, fds))
ESI_OS_CALL(int, bind, (int fd, const struct sockaddr *address, socklen_t length), (fd, address, length))
ESI_OS_CALL(int, listen, (int fd, int backlog), (fd, backlog))
ESI_OS_CALL(int, connect, (int fd, const struct sockaddr *address, socklen_t length), (fd, address, length))
ESI_OS_CALL(int, accept4, (int fd, struct sockaddr *address, socklen_t *length, int flags),
            (fd, address, length, flags))
ESI_OS_CALL(int, shutdown, (int fd, int how), (fd, how))
ESI_OS_CALL(int, getsockname, (int fd, struct sockaddr *address, socklen_t *length), (fd, address, length))
ESI_OS_CALL(int, getpeername, (int fd, struct sockaddr *address, socklen_t *length), (fd, address, length))
ESI_OS_CALL(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *length),
            (fd, level, name, value, length))
ESI_OS_CALL(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t length),
            (fd, level, name, value, length))
ESI_OS_CALL(ssize_t, recv, (int fd, void *buffer, size_t size, int flags), (fd, buffer, size, flags))
ESI_OS_CALL(ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags))
ESI_OS_CALL(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
ESI_OS_CALL(ssize_t, recvfrom,
            (int fd, void *buffer, size_t size, int flags, struct sockaddr *from, socklen_t *length),
            (fd, buffer, size, flags, from, length))
ESI_OS_CALL(ssize_t, sendto,
            (int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length),
            (fd, data, size, flags, to, length))

/* ---- files ---- */
ESI_OS_CALL(int, open, (const char *path, int flags, mode_t mode), (path, flags, mode))
ESI_OS_CALL(ssize_t, preadv2, (int fd, const struct iovec *pieces, int count, off_t offset, int flags),
            (fd, pieces, count, offset, flags))
ESI_OS_CALL(ssize_t, pwritev2, (int fd, const struct iovec *pieces, int count, off_t offset, int flags),
            (fd, pieces, count, offset, flags))
ESI_OS_CALL(int, fsync, (int fd), (fd))
ESI_OS_CALL(int, fstat, (int fd, struct stat *out), (fd, out))
ESI_OS_CALL(int, fchmod, (int fd, mode_t mode), (fd, mode))
ESI_OS_CALL(int, stat, (const char *path, struct stat *out), (path, out))
ESI_OS_CALL(int, lstat, (const char *path, struct stat *out), (path, out))
ESI_OS_CALL(int, mkdir, (const char *path, mode_t mode), (path, mode))
ESI_OS_CALL(int, unlink, (const char *path), (path))
ESI_OS_CALL(int, remove, (const char *path), (path))
ESI_OS_CALL(int, rename, (const char *from, const char *to), (from, to))
ESI_OS_CALL(char *, realpath, (const char *path, char *out), (path, out))

#undef ESI_OS_CALL

/* ---- what has another form here ---- */

/* A second number for what `fd` is, 3 or more, which closes on exec; -1 and errno. */
int esi_sim_duplicate(int fd);
static inline int esi_os_duplicate(int fd)
{
    return __builtin_expect(esi_platform_is_sim(), 0) ? esi_sim_duplicate(fd) : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* The flags that `fd` was opened with, as F_GETFL has them; -1 and errno. */
int esi_sim_flags(int fd);
static inline int esi_os_flags(int fd)
{
    return __builtin_expect(esi_platform_is_sim(), 0) ? esi_sim_flags(fd) : fcntl(fd, F_GETFL);
}

/* Writes the names in the directory `path` to `out`, each with the zero that ends it, without . and .. (simulated: sorted). How many; -1
 * and errno. */
int64_t esi_os_names(const char *path, FILE *out);
int64_t esi_sim_names(const char *path, FILE *out);

#endif
