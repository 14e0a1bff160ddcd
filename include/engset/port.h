/* engset/port.h - the outside world, as far as it is here: UDP sockets whose calls block only the process.
 *
 * A socket belongs to the process that opened it and is closed when that process ends. Deadlines are absolute, in es_now_ns()
 * (ES_INFINITY: never): a loop that retries does not get more time. */
#ifndef ENGSET_PORT_H
#define ENGSET_PORT_H

#include <engset/proc.h>
#include <sys/socket.h>

ES_BEGIN_DECLS

/* An address with its length, IPv4 or IPv6. */
typedef struct es_address {
    struct sockaddr_storage storage;
    socklen_t length;
} es_address;

/* Parses "127.0.0.1:5060" or "[::1]:5060"; numbers only, nothing is looked up. ES_EINVAL. Any thread. */
ES_API ES_CHECKED es_err es_address_parse(const char *text, es_address *out);

/* Writes it as es_address_parse() reads it, cut to `size`. Gives the length that it has. Any thread. */
ES_API int64_t es_address_print(const es_address *address, char *buffer, size_t size);

/* Opens a UDP socket bound to `local` (port 0: any free one) and gives its descriptor, owned by this process; es_close() closes it.
 * ES_EOS with errno and es_last_detail() naming the address (in use, forbidden, no such). Process only. */
ES_API int64_t es_udp_open(const es_address *local);

/* The address that a socket is bound to. ES_EOS. Any thread. */
ES_API ES_CHECKED es_err es_udp_local(int fd, es_address *out);

/* Waits for a datagram until `deadline_ns` and gives its length (cut to `size`). ES_ETIMEOUT; ES_ECLOSED; ES_EOS. Only this process waits;
 * exit signals end it meanwhile. Process only. */
ES_API int64_t es_recvfrom(int fd, void *buffer, size_t size, es_address *from, int64_t deadline_ns);

/* Sends a datagram, waiting for room until `deadline_ns`. Gives the bytes sent. ES_ETIMEOUT; ES_EOS. Any process, also one that does not
 * own the socket. */
ES_API int64_t es_sendto(int fd, const void *buffer, size_t size, const es_address *to, int64_t deadline_ns);

/* Waits until `fd` (any descriptor that can be polled) is readable (events POLLIN) or writable (POLLOUT); gives the events. ES_ETIMEOUT; ES_EOS.
 * Process only. */
ES_API int64_t es_wait_fd(int fd, int events, int64_t deadline_ns);

ES_END_DECLS
#endif
