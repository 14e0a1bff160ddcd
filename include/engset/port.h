/* engset/port.h - the outside world: stream and datagram sockets and pipes, whose calls block only the process.
 *
 * A descriptor belongs to the process that opened it and is closed when that process ends, however it ends; es_close() closes it before, and
 * es_fd_give() gives it to another. It is a real one: getsockopt(2), sendfile(2) and the like may be used on it, but close(2) may
 * not. Others than the owner may read and write it. Nothing is inherited by programs that are exec'ed. In a simulated world it is the
 * simulated machine's: calls of this header know it, and system calls of one's own fail with EBADF.
 *
 * Deadlines are absolute, in es_now_ns() (ES_INFINITY: never; 0, or any time past: try once): a loop that retries does not get more
 * time. While a call waits, exit signals end the process as anywhere. EINTR, short reads and writes are handled inside. A call
 * that fails says in es_last_detail() which address, and why; *es_errno() has the system's number. */
#ifndef ENGSET_PORT_H
#define ENGSET_PORT_H

#include <engset/proc.h>
#include <sys/socket.h>

ES_BEGIN_DECLS

/* ---------------------------------------------------------------- addresses */

/* An address with its length: IPv4, IPv6 or Unix. */
typedef struct es_address {
    struct sockaddr_storage storage;
    socklen_t length;
} es_address;

/* Parses "127.0.0.1:5060" or "[::1]:5060", numbers only, nothing is looked up; "unix:/run/x.sock", a path of at most 107 bytes, or
 * "unix:@name", a name in Linux's abstract namespace, which is no file and is gone with its listener. ES_EINVAL; es_last_detail() says what
 * is wrong. For names: es_resolve(). Any thread. */
ES_API ES_CHECKED es_err es_address_parse(const char *text, es_address *out);

/* Writes it as es_address_parse() reads it, cut to `size`. Gives the length that it has. Any thread. */
ES_API int64_t es_address_print(const es_address *address, char *buffer, size_t size);

/* ---------------------------------------------------------------- streams: TCP and Unix */

/* How to listen; zero means the default. */
typedef struct es_listen_options {
    int backlog; /* connections that may wait to be accepted; 0: 4,096. The system cuts it to net.core.somaxconn */
    bool
        reuse_port; /* TCP: several listeners share the port, and the system shares out connections among them (SO_REUSEPORT) */
    bool only_v6; /* IPv6: "[::]" does not take IPv4 as well */
} es_listen_options;

/* Listens at `local` (TCP port 0: any free one, see es_local_address()) and gives the descriptor. `options` may be NULL.
 *
 * TCP: SO_REUSEADDR is set, so that a restart does not wait for connections of before; TCP_NODELAY is on for all that it accepts
 * (otherwise than in Erlang), which costs nothing when answers are written in one piece.
 * Unix: the path is taken away when the listener is closed, if it still is the file that this call made. A path that a dead listener left is
 * replaced; one at which somebody listens, or that is no socket, is an error that names it.
 *   ES_EOS  in use (EADDRINUSE), forbidden, no such address
 *   ES_ELIMIT, ES_ENOMEM
 * Process only. Source: gen_tcp:listen/2. */
ES_API int64_t es_listen(const es_address *local, const es_listen_options *options);

/* Waits for a connection until `deadline_ns` and gives its descriptor, which this process owns; its address in `*peer` (may be NULL).
 * Several processes may accept from one listener. A connection that was lost before it was accepted is passed over.
 *
 * When the OS process has no descriptors left, the listener pauses for 100 ms, or until one is closed by es_close() or the end of a process,
 * again and again; connections that waited through a whole pause are turned away (accepted and closed). A line a second goes to
 * the log. The call goes on waiting: this is no error.
 *   ES_ETIMEOUT
 *   ES_ECLOSED  the listener was closed
 *   ES_EINVAL   no listener
 *   ES_EOS, ES_ELIMIT, ES_ENOMEM
 * Process only. Source: gen_tcp:accept/2. */
ES_API int64_t es_accept(int listener, es_address *peer, int64_t deadline_ns);

/* Connects to `address` until `deadline_ns` and gives the descriptor. TCP_NODELAY is on.
 *   ES_ETIMEOUT
 *   ES_EOS     refused (ECONNREFUSED), unreachable, no local ports left (EADDRNOTAVAIL), no descriptors left (EMFILE) ...
 *   ES_ELIMIT, ES_ENOMEM
 * Process only. Source: gen_tcp:connect/4. */
ES_API int64_t es_connect(const es_address *address, int64_t deadline_ns);

/* A pipe: what is written to fds[1] can be read from fds[0]. ES_EOS, ES_ELIMIT, ES_ENOMEM: `fds` is as before. Process only. */
ES_API ES_CHECKED es_err es_pipe(int fds[2]);

/* Waits until there is something to read, reads at most `size` bytes (not 0) and gives how many; 0: the other side sends no more. What is
 * there is read even if the deadline has passed.
 *   ES_ETIMEOUT
 *   ES_ECLOSED  the connection was reset (ECONNRESET), or es_close() closed it
 *   ES_EINVAL   no stream of this room; active mode; no room
 *   ES_EOS
 * Process only. Source: gen_tcp:recv/3. */
ES_API int64_t es_read(int fd, void *buffer, size_t size, int64_t deadline_ns);

/* As es_read(), but waits for all of `size`, which it gives; 0: the other side ended before the first byte. If it ended later:
 * ES_ECLOSED; es_last_detail() says how many bytes there were, also with ES_ETIMEOUT: they are in `buffer`, and gone from the
 * stream. Process only. */
ES_API int64_t es_read_exactly(int fd, void *buffer, size_t size, int64_t deadline_ns);

/* Writes all of `data`, waiting for room until `deadline_ns`, and gives `size`. After an error es_last_detail() says how many bytes
 * were written, if any were. Two that write at once to one stream may mix their bytes. Never raises SIGPIPE.
 *   ES_ETIMEOUT
 *   ES_ECLOSED  the other side is gone (EPIPE, ECONNRESET), or es_close() closed it
 *   ES_EINVAL, ES_EOS
 * Process only. Source: gen_tcp:send/2. */
ES_API int64_t es_write(int fd, const void *data, size_t size, int64_t deadline_ns);

/* Ends one direction or both: SHUT_WR, and the other side reads its end when it has read all before; SHUT_RD; SHUT_RDWR. The
 * descriptor stays open. ES_ECLOSED, ES_EINVAL, ES_EOS. Process only. Source: gen_tcp:shutdown/2. */
ES_API es_err es_shutdown(int fd, int how);

/* The address that a socket is bound to, and the one that it is connected to (ES_ECLOSED: it is not). ES_EOS. Any thread. */
ES_API ES_CHECKED es_err es_local_address(int fd, es_address *out);
ES_API ES_CHECKED es_err es_peer_address(int fd, es_address *out);

/* Gives `fd`, which the caller owns, to the local process `pid`. In active mode the messages that wait in the caller's mailbox go to it
 * first, in their order. When the new owner has ended meanwhile the descriptor is closed.
 * The new owner should wait for a message that is sent after this call: what it does before may find that it owns nothing yet.
 *   ES_ENOTFOUND  it is not the caller's: nothing was done
 *   ES_ENOPROC    no such process (any more), or one of another node: `fd` stays the caller's
 *   ES_ENOMEM     the same
 * Without memory for messages that are to go to it the caller ends with `system_limit`.
 * Process only. Source: gen_tcp:controlling_process/2. */
ES_API es_err es_fd_give(int fd, es_pid pid);

/* ---------------------------------------------------------------- packets */

/* How a stream is parted into packets. */
typedef enum es_packet_type {
    ES_PACKET_RAW = 0, /* not at all */
    ES_PACKET_1 = 1,   /* behind a length of 1 byte */
    ES_PACKET_2 = 2,   /* ... of 2 bytes, big endian */
    ES_PACKET_4 = 4,   /* ... of 4 bytes, big endian */
    ES_PACKET_LINE =
        5, /* lines, each with its line feed, and with a carriage return if one stands before it; what comes before the end without one is the last */
} es_packet_type;

/* From here on what is read from `fd` is parted so, in active mode and by es_read_packet(). A packet of more than `max_bytes` (0:
 * 1 MiB), without its header, is an error, EMSGSIZE: memory stays bounded whatever the other side says. ES_EINVAL, ES_ECLOSED,
 * ES_ENOMEM. Process only. Source: inet:setopts/2, packet and packet_size. */
ES_API es_err es_packet(int fd, es_packet_type type, size_t max_bytes);

/* Waits for a packet until `deadline_ns`, copies it to `buffer` without its header, and gives its length, which may be 0.
 *   ES_ECLOSED   the other side sends no more (*es_errno() is 0 if it ended between two packets), or the connection was reset
 *   ES_ERANGE    longer than `max_bytes` or `size`; the connection is shut down
 *   ES_ETIMEOUT  what was read of it is kept: the next call goes on
 *   ES_EINVAL    no packets were asked for; active mode; no stream
 *   ES_EOS, ES_ENOMEM
 * One process at a time. Process only. */
ES_API int64_t es_read_packet(int fd, void *buffer, size_t size, int64_t deadline_ns);

/* As es_write(), with the header that es_packet() asked for before `data`. ES_ERANGE: the length does not fit into it; nothing was
 * written. Process only. Source: gen_tcp:send/2 with {packet, N}. */
ES_API int64_t es_write_packet(int fd, const void *data, size_t size, int64_t deadline_ns);

/* ---------------------------------------------------------------- active mode */

/* Data comes as messages to the owner, who calls this: `count` more of them. It is read by whoever looks at the poller, so that no process
 * runs for it in between.
 *
 *   {tcp, Fd, Data}          Data a binary: at most 16 KiB, or a packet
 *   {tcp_passive, Fd}        `count` messages have come: until more are asked for nothing is read, and the other side has to wait
 *   {tcp_closed, Fd}         the other side sends no more, or after an error: nothing more comes
 *   {tcp_error, Fd, Reason}  econnreset, etimedout, emsgsize (a packet too long) ...; tcp_closed follows
 *
 * The count is the bound: these messages do not count against the owner's message limit, but for data of ES_INFINITY; a limit that drops
 * messages would lose bytes then.
 *
 * ES_INFINITY: without an end, as fast as they come: only for a peer who waits for answers. 0: passive at once, without a message.
 * The same words for Unix sockets and pipes. Otherwise than in Erlang the descriptor stays open after tcp_closed, until es_close().
 *   ES_ENOTFOUND  not the caller's
 *   ES_ECLOSED    it is not open, or not any more
 *   ES_EINVAL     a negative count; no stream
 *   ES_ELIMIT, ES_ENOMEM, ES_EOS
 * Process only. Source: inet:setopts/2, {active, N}. */
ES_API es_err es_active(int fd, int64_t count);

/* ---------------------------------------------------------------- datagrams */

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

/* ---------------------------------------------------------------- any descriptor */

/* Waits until `fd` (any descriptor that can be polled) is readable (events POLLIN) or writable (POLLOUT); gives the events. ES_ETIMEOUT; ES_EOS.
 * Process only. */
ES_API int64_t es_wait_fd(int fd, int events, int64_t deadline_ns);

ES_END_DECLS
#endif
