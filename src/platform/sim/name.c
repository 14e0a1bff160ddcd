/* platform/sim/name.c - which socket has which address, port or name. */
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include "platform/sim/disk.h"
#include "platform/sim/socket.h"

enum { BUCKETS = 256, PORTS_FIRST = 32768, PORTS_LAST = 60999 };

static struct esi_list by_port[BUCKETS]; /* of the Internet's sockets */
static struct esi_list abstract;         /* of those with a name that is no path */
static uint16_t next_port;

void esi_sim_network_open(void)
{
    for (int i = 0; i < BUCKETS; i++)
        esi_list_init(&by_port[i]);
    esi_list_init(&abstract);
    next_port = (uint16_t)(PORTS_FIRST + esi_sim_draw(PORTS_LAST - PORTS_FIRST));
}

static struct esi_list *bucket_of(uint16_t port)
{
    return &by_port[port % BUCKETS];
}

#define SOCKET_AT(it) ESI_CONTAINER_OF(it, struct esi_sim_socket, in_bound)

/* ---------------------------------------------------------------- who is in whose way */

/* Do the two mean, in part, the same addresses? */
static bool overlap(const struct esi_sim_socket *a, const struct esi_sim_socket *b)
{
    if (a->local.port != b->local.port || a->type != b->type)
        return false;
    if (esi_sim_address_same_ip(&a->local, &b->local))
        return true;
    bool a4 = esi_sim_address_is_4(&a->local), b4 = esi_sim_address_is_4(&b->local);
    if (esi_sim_address_is_any(&a->local))
        return a4 == b4 || (!a4 && !a->is_only_6);
    if (esi_sim_address_is_any(&b->local))
        return a4 == b4 || (!b4 && !b->is_only_6);
    return false;
}

static bool may_share(const struct esi_sim_socket *a, const struct esi_sim_socket *b)
{
    if (a->reuses_port && b->reuses_port)
        return true;
    return a->type == SOCK_STREAM && a->reuses_address && b->reuses_address &&
           a->state != ESI_SIM_LISTENING && b->state != ESI_SIM_LISTENING;
}

bool esi_sim_is_taken(const struct esi_sim_socket *s)
{
    if (esi_sim_is_local(s))
        return false;
    ESI_LIST_EACH(it, bucket_of(s->local.port))
    {
        struct esi_sim_socket *other = SOCKET_AT(it);
        if (other != s && overlap(s, other) && !may_share(s, other))
            return true;
    }
    return false;
}

/* Does a socket that is bound there get what goes to `to`? */
static bool is_for(const struct esi_sim_socket *s, const struct esi_sim_address *to)
{
    if (s->local.port != to->port)
        return false;
    if (esi_sim_address_same_ip(&s->local, to))
        return true;
    if (!esi_sim_address_is_any(&s->local))
        return false;
    bool both = s->family == AF_INET6 && !s->is_only_6;
    return both || esi_sim_address_is_4(&s->local) == esi_sim_address_is_4(to);
}

struct esi_sim_socket *esi_sim_whom(int type, const struct esi_sim_address *to)
{
    struct esi_sim_socket *found = NULL;
    uint64_t count = 0;
    ESI_LIST_EACH(it, bucket_of(to->port))
    {
        struct esi_sim_socket *s = SOCKET_AT(it);
        if (s->type != type || !is_for(s, to) || (type == SOCK_STREAM && s->state != ESI_SIM_LISTENING))
            continue;
        /* An address goes before all addresses; among equals each is as likely. */
        bool is_nearer = found && esi_sim_address_is_any(&found->local) && !esi_sim_address_is_any(&s->local);
        bool is_farther =
            found && esi_sim_address_is_any(&s->local) && !esi_sim_address_is_any(&found->local);
        if (is_farther)
            continue;
        count = is_nearer ? 1 : count + 1;
        if (count == 1 || esi_sim_draw(count) == 0)
            found = s;
    }
    return found;
}

/* ---------------------------------------------------------------- the Internet's addresses */

static void enter(struct esi_sim_socket *s, struct esi_list *list)
{
    s->is_bound = true;
    esi_list_push_back(list, &s->in_bound);
}

int esi_sim_bind_anywhere(struct esi_sim_socket *s, const struct esi_sim_address *ip)
{
    s->local = *ip;
    for (int tries = PORTS_FIRST; tries <= PORTS_LAST; tries++) {
        s->local.port = next_port;
        next_port = next_port == PORTS_LAST ? PORTS_FIRST : (uint16_t)(next_port + 1);
        bool reuses = s->reuses_address; /* a free one is nobody else's at all */
        s->reuses_address = false;
        bool is_taken = esi_sim_is_taken(s);
        s->reuses_address = reuses;
        if (!is_taken) {
            enter(s, bucket_of(s->local.port));
            return 0;
        }
    }
    return EADDRINUSE;
}

static int bind_address(struct esi_sim_socket *s, const struct sockaddr *address, socklen_t length)
{
    struct esi_sim_address wanted;
    int code = esi_sim_address_read(address, length, s->family, &wanted);
    if (code)
        return code;
    if (!esi_sim_address_is_of_host(&wanted))
        return EADDRNOTAVAIL;
    if (wanted.port == 0)
        return esi_sim_bind_anywhere(s, &wanted);
    s->local = wanted;
    if (esi_sim_is_taken(s))
        return EADDRINUSE;
    enter(s, bucket_of(wanted.port));
    return 0;
}

/* ---------------------------------------------------------------- Unix names */

static bool is_path(const struct sockaddr_un *name, socklen_t length)
{
    return length > offsetof(struct sockaddr_un, sun_path) && name->sun_path[0];
}

static struct esi_sim_socket *find_abstract(const struct sockaddr_un *name, socklen_t length)
{
    ESI_LIST_EACH(it, &abstract)
    {
        struct esi_sim_socket *s = SOCKET_AT(it);
        if (s->name_length == length && memcmp(&s->name, name, length) == 0)
            return s;
    }
    return NULL;
}

/* As sockaddr_un is laid out, and with a 0 behind a path. */
static int read_name(const struct sockaddr *address, socklen_t length, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (length <= offsetof(struct sockaddr_un, sun_path) || length > sizeof *out)
        return EINVAL;
    memcpy(out, address, length);
    return out->sun_family == AF_UNIX ? 0 : EINVAL;
}

static int bind_name(struct esi_sim_socket *s, const struct sockaddr *address, socklen_t length)
{
    char path[sizeof s->name.sun_path + 1] = "";
    int code = read_name(address, length, &s->name);
    if (code)
        return code;
    if (!is_path(&s->name, length)) {
        if (find_abstract(&s->name, length))
            return EADDRINUSE;
        s->name_length = length;
        enter(s, &abstract);
        return 0;
    }
    memcpy(path, s->name.sun_path, sizeof s->name.sun_path);
    code = esi_sim_disk_bind(path, s);
    if (code)
        return code == EEXIST ? EADDRINUSE : code;
    s->name_length = length;
    s->is_bound = true;
    return 0;
}

struct esi_sim_socket *esi_sim_whom_named(const struct sockaddr_un *name, socklen_t length, int *code)
{
    char path[sizeof name->sun_path + 1] = "";
    struct esi_sim_socket *s;
    struct sockaddr_un copy;
    *code = read_name((const struct sockaddr *)name, length, &copy);
    if (*code)
        return NULL;
    if (is_path(&copy, length)) {
        memcpy(path, copy.sun_path, sizeof copy.sun_path);
        s = esi_sim_disk_socket(path, code);
    } else {
        s = find_abstract(&copy, length);
        *code = ECONNREFUSED;
    }
    if (s && s->state == ESI_SIM_LISTENING)
        return s;
    *code = s ? ECONNREFUSED : *code;
    return NULL;
}

/* ---------------------------------------------------------------- both */

int esi_sim_bind_to(struct esi_sim_socket *s, const struct sockaddr *address, socklen_t length)
{
    if (s->is_bound)
        return EINVAL;
    return esi_sim_is_local(s) ? bind_name(s, address, length) : bind_address(s, address, length);
}

void esi_sim_unbind(struct esi_sim_socket *s)
{
    if (!s->is_bound)
        return;
    s->is_bound = false;
    if (esi_sim_is_local(s) && is_path(&s->name, s->name_length))
        esi_sim_disk_unbind(s); /* the file stays, as any dead listener's */
    else
        esi_list_remove(&s->in_bound);
}

void esi_sim_write_name(const struct esi_sim_socket *s, bool of_peer, struct sockaddr *out, socklen_t *length)
{
    if (!esi_sim_is_local(s)) {
        esi_sim_address_write(of_peer ? &s->peer : &s->local, s->family, out, length);
        return;
    }
    const struct sockaddr_un *name = of_peer ? &s->peer_name : &s->name;
    socklen_t size = of_peer ? s->peer_name_length : s->name_length;
    if (out && length)
        memcpy(out, name, *length < size ? *length : size);
    if (length)
        *length = size;
}
