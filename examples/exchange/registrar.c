/* registrar.c - a hash table in which a user is found within REGISTRAR_PROBES places or not at all, so that an
 * expired binding needs no clearing away: its place is simply free. */
#include "registrar.h"

#include <string.h>

void registrar_init(struct registrar *r, struct registrar_binding *bindings, size_t capacity)
{
    memset(bindings, 0, capacity * sizeof *bindings);
    r->bindings = bindings;
    r->capacity = capacity;
    for (size_t i = 0; i < capacity; i++)
        bindings[i].until_ms = INT64_MIN;
}

static size_t first_place(const struct registrar *r, const char *user)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *user; user++)
        hash = (hash ^ (unsigned char)*user) * 0x100000001b3u;
    return hash % r->capacity;
}

/* The living binding of `user`, or NULL; and the first free place for one, or NULL, in `*room`. */
static struct registrar_binding *seek(const struct registrar *r, const char *user, int64_t now_ms,
                                      struct registrar_binding **room)
{
    *room = NULL;
    if (r->capacity == 0)
        return NULL;
    size_t first = first_place(r, user);
    for (size_t i = 0; i < REGISTRAR_PROBES && i < r->capacity; i++) {
        struct registrar_binding *b = &r->bindings[(first + i) % r->capacity];
        if (b->until_ms <= now_ms) {
            if (!*room)
                *room = b;
        } else if (strcmp(b->user, user) == 0) {
            return b;
        }
    }
    return NULL;
}

const struct registrar_binding *registrar_find(const struct registrar *r, const char *user, int64_t now_ms)
{
    struct registrar_binding *room;
    return seek(r, user, now_ms, &room);
}

static struct registrar_answer answer(uint16_t status, const struct registrar_binding *b, int64_t now_ms)
{
    if (!b)
        return (struct registrar_answer){.status = status, .expires_s = -1};
    return (struct registrar_answer){status, (int32_t)((b->until_ms - now_ms) / 1000), b->contact};
}

struct registrar_answer registrar_register(struct registrar *r, const struct sip_message *m, int64_t now_ms)
{
    struct registrar_binding *room, *b = seek(r, m->to.user, now_ms, &room);
    int32_t expires_s = m->expires_s < 0 ? REGISTRAR_EXPIRES_DEFAULT_S : m->expires_s;
    struct sip_address address = {.port = m->contact_at.port ? m->contact_at.port : 5060};

    if (m->contact[0] == '\0')
        return answer(200, b, now_ms);
    if (strcmp(m->contact, "*") == 0 ? m->expires_s != 0 : !sip_ip_parse(m->contact_at.host, &address.ip))
        return answer(400, NULL, now_ms);
    if (expires_s == 0) {
        if (b)
            b->until_ms = INT64_MIN;
        return answer(200, NULL, now_ms);
    }
    if (!b && !(b = room))
        return answer(503, NULL, now_ms);
    if (expires_s > REGISTRAR_EXPIRES_MAX_S)
        expires_s = REGISTRAR_EXPIRES_MAX_S;
    memcpy(b->user, m->to.user, sizeof b->user);
    memcpy(b->contact, m->contact, sizeof b->contact);
    b->address = address;
    b->until_ms = now_ms + (int64_t)expires_s * 1000;
    return answer(200, b, now_ms);
}

size_t registrar_list(const struct registrar *r, struct registrar_binding *out, int64_t now_ms)
{
    size_t count = 0;
    for (size_t i = 0; i < r->capacity; i++)
        if (r->bindings[i].until_ms > now_ms)
            out[count++] = r->bindings[i];
    return count;
}

void registrar_restore(struct registrar *r, const struct registrar_binding *binding, int64_t now_ms)
{
    struct registrar_binding *room, *b = seek(r, binding->user, now_ms, &room);
    if (b || (binding->until_ms > now_ms && (b = room)))
        *b = *binding;
}
