/* udp.c - datagrams: each call tries at once, and waits only if it must. */
#include <engset/port.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "platform/os.h"
#include "platform/poller.h"
#include "port/address.h"
#include "port/fd.h"
#include "proc/own.h"

static es_err refused_to_open(struct esi_process *self, const es_address *local, int code)
{
    char text[ESI_ADDRESS_TEXT], why[128];
    esi_address_text(local, text);
    esi_fail(self, ES_EOS, "udp_open: %s: %s", text, strerror_r(code, why, sizeof why));
    *es_errno() = code;
    return ES_EOS;
}

static int64_t open_socket(struct esi_process *self, const es_address *local)
{
    if (local->storage.ss_family != AF_INET && local->storage.ss_family != AF_INET6)
        return refused_to_open(self, local, EAFNOSUPPORT);
    int fd = esi_os_socket(local->storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refused_to_open(self, local, *es_errno());
    if (esi_os_bind(fd, (const struct sockaddr *)&local->storage, local->length) != 0) {
        int code = *es_errno();
        esi_os_close(fd);
        return refused_to_open(self, local, code);
    }
    es_err error = esi_own_fd(self, fd);
    if (error != ES_OK) {
        esi_os_close(fd);
        return esi_fail(self, error, "udp_open: %s", es_strerror(error));
    }
    return fd;
}

int64_t es_udp_open(const es_address *local)
{
    struct esi_process *self;
    es_address copy = *local; /* before entering: a bad pointer is the caller's fault alone */
    es_err error = esi_fd_enter("udp_open", &self);
    if (error != ES_OK)
        return error;
    int64_t result = open_socket(self, &copy);
    esi_leave();
    return result;
}

es_err es_udp_local(int fd, es_address *out)
{
    es_address address = {.length = sizeof address.storage};
    if (esi_os_getsockname(fd, (struct sockaddr *)&address.storage, &address.length) != 0)
        return ES_EOS;
    *out = address;
    return ES_OK;
}

static int64_t receive(struct esi_process *self, int fd, void *buffer, size_t size, es_address *from,
                       int64_t deadline_ns)
{
    for (;;) {
        from->length = sizeof from->storage;
        ssize_t count =
            esi_os_recvfrom(fd, buffer, size, MSG_DONTWAIT, (struct sockaddr *)&from->storage, &from->length);
        if (count >= 0)
            return count;
        int code = *es_errno();
        if (code == EINTR)
            continue;
        if (code != EAGAIN && code != EWOULDBLOCK)
            return esi_fd_refused(self, "recvfrom", code);
        es_err error = esi_fd_wait(self, fd, ESI_POLL_IN, deadline_ns);
        if (error != ES_OK)
            return esi_fd_wait_failed(self, "recvfrom", fd, error);
    }
}

int64_t es_recvfrom(int fd, void *buffer, size_t size, es_address *from, int64_t deadline_ns)
{
    struct esi_process *self;
    es_address sender = {.length = 0};
    es_err error = esi_fd_enter("recvfrom", &self);
    if (error != ES_OK)
        return error;
    int64_t result = receive(self, fd, buffer, size, &sender, deadline_ns);
    if (result >= 0)
        esi_charge(self, 1);
    esi_leave();
    if (result >= 0 && from)
        *from = sender;
    return result;
}

static int64_t send_datagram(struct esi_process *self, int fd, const void *buffer, size_t size,
                             const es_address *to, int64_t deadline_ns)
{
    for (;;) {
        ssize_t count = esi_os_sendto(fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL,
                                      (const struct sockaddr *)&to->storage, to->length);
        if (count >= 0)
            return count;
        int code = *es_errno();
        if (code == EINTR)
            continue;
        if (code != EAGAIN && code != EWOULDBLOCK)
            return esi_fd_refused(self, "sendto", code);
        es_err error = esi_fd_wait(self, fd, ESI_POLL_OUT, deadline_ns);
        if (error != ES_OK)
            return esi_fd_wait_failed(self, "sendto", fd, error);
    }
}

int64_t es_sendto(int fd, const void *buffer, size_t size, const es_address *to, int64_t deadline_ns)
{
    struct esi_process *self;
    es_address receiver = *to; /* before entering, as above */
    es_err error = esi_fd_enter("sendto", &self);
    if (error != ES_OK)
        return error;
    int64_t result = send_datagram(self, fd, buffer, size, &receiver, deadline_ns);
    if (result >= 0)
        esi_charge(self, 1);
    esi_leave();
    return result;
}
