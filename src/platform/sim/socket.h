/* platform/sim/socket.h - sockets: TCP and Unix streams, datagrams. */
#ifndef PLATFORM_SIM_SOCKET_H
#define PLATFORM_SIM_SOCKET_H

#include <sys/un.h>
#include "platform/sim/address.h"
#include "platform/sim/file.h"
#include "platform/sim/stream.h"

struct esi_sim_node;

enum esi_sim_state {
    ESI_SIM_FRESH,
    ESI_SIM_LISTENING,
    ESI_SIM_CONNECTING,
    ESI_SIM_CONNECTED,
};

struct esi_sim_socket {
    struct esi_sim_file file;
    int family, type; /* of socket(2) */
    enum esi_sim_state state;
    struct esi_sim_address local, peer; /* of AF_INET and AF_INET6 */
    struct sockaddr_un name, peer_name; /* of AF_UNIX */
    socklen_t name_length, peer_name_length;
    struct esi_sim_node *node; /* of its path */
    bool is_bound;             /* it stands in the list of those, by its address or its name */
    struct esi_list in_bound;
    bool reuses_address, reuses_port, is_only_6;

    struct esi_sim_stream stream; /* while connected */
    int error;                    /* of a connection that did not come about, told once */

    /* who connects */
    struct esi_sim_event attempt;
    int attempts;

    /* who listens; and who waits to be accepted */
    struct esi_list queue, in_queue;
    int queued, backlog;
    struct esi_sim_socket *listener; /* whose queue it is in; NULL: nobody's */

    /* datagrams that have come */
    struct esi_list datagrams;
    size_t datagram_bytes;
    uint64_t last_ns; /* when the last of those that it sent arrives */
};

/* The socket `fd`; NULL: it is something else, errno is ENOTSOCK. */
struct esi_sim_socket *esi_sim_socket_of(int fd);

static inline bool esi_sim_is_local(const struct esi_sim_socket *s)
{
    return s->family == AF_UNIX;
}

/* ---- names (name.c) ---- */

void esi_sim_names_open(void);

/* Gives `s` an address, of which port 0 is any free one, or a name. 0, or errno. */
int esi_sim_bind_to(struct esi_sim_socket *s, const struct sockaddr *address, socklen_t length);

/* A free port at `ip`; 0, or EADDRNOTAVAIL. */
int esi_sim_bind_anywhere(struct esi_sim_socket *s, const struct esi_sim_address *ip);
void esi_sim_unbind(struct esi_sim_socket *s);

/* Does somebody else listen where `s` is bound? */
bool esi_sim_is_taken(const struct esi_sim_socket *s);

/* Who is there for `to`: the listener, or the socket of datagrams; one of several is drawn. NULL: nobody. */
struct esi_sim_socket *esi_sim_whom(int type, const struct esi_sim_address *to);

/* Who listens at that name. NULL, and `*code`: ENOENT, ECONNREFUSED. */
struct esi_sim_socket *esi_sim_whom_named(const struct sockaddr_un *name, socklen_t length, int *code);

/* Writes an address of `s`, as getsockname(2) and its like do. */
void esi_sim_write_name(const struct esi_sim_socket *s, bool of_peer, struct sockaddr *out,
                        socklen_t *length);

/* ---- connections (connect.c) ---- */

int esi_sim_connect_to(struct esi_sim_socket *s, const struct sockaddr *address, socklen_t length);

/* `s` is closed: who waits to be accepted by it is turned away. */
void esi_sim_turn_away(struct esi_sim_socket *s);

/* ---- datagrams (datagram.c) ---- */

ssize_t esi_sim_datagram_receive(struct esi_sim_socket *s, void *buffer, size_t size, int flags,
                                 struct sockaddr *from, socklen_t *length);
ssize_t esi_sim_datagram_send(struct esi_sim_socket *s, const struct iovec *pieces, int count,
                              const struct sockaddr *to, socklen_t length);
void esi_sim_datagrams_free(struct esi_sim_socket *s);

/* A new socket, which nobody has yet. NULL: no memory. */
struct esi_sim_socket *esi_sim_socket_new(int family, int type);

#endif
