/* exchange/routes.c - two chained hash tables over one array. */
#include "routes.h"
#include <string.h>

static uint32_t bucket_of_id(const char *call_id)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *c = call_id; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    return (uint32_t)(hash % ROUTES_BUCKETS);
}

static uint32_t bucket_of_pid(es_pid pid)
{
    return (uint32_t)((pid.id * 0x9e3779b97f4a7c15u >> 32) % ROUTES_BUCKETS);
}

bool routes_add(struct routes *r, es_bin call_id, es_pid pid, bool is_call)
{
    uint32_t number = r->free ? r->free : r->used + 1;
    if (number > ROUTES_MAX || call_id.size >= SIP_CALL_ID_MAX)
        return false;
    struct route *route = &r->all[number - 1];
    if (r->free)
        r->free = route->next_of_id;
    else
        r->used = number;
    memcpy(route->call_id, call_id.data, call_id.size);
    route->call_id[call_id.size] = '\0';
    route->pid = pid;
    route->is_call = is_call;
    route->deposit = NULL;
    route->invite = NULL;
    uint32_t *id_head = &r->by_id[bucket_of_id(route->call_id)], *pid_head = &r->by_pid[bucket_of_pid(pid)];
    route->next_of_id = *id_head;
    *id_head = number;
    route->next_of_pid = *pid_head;
    *pid_head = number;
    r->count++;
    return true;
}

const struct route *routes_find(const struct routes *r, const char *call_id)
{
    const struct route *call = NULL;
    for (uint32_t number = r->by_id[bucket_of_id(call_id)]; number; number = r->all[number - 1].next_of_id) {
        const struct route *route = &r->all[number - 1];
        if (strcmp(route->call_id, call_id) != 0)
            continue;
        if (!route->is_call)
            return route;
        call = call ? call : route;
    }
    return call;
}

static uint32_t number_of(const struct routes *r, es_pid pid)
{
    uint32_t number = r->by_pid[bucket_of_pid(pid)];
    while (number && !es_pid_equal(r->all[number - 1].pid, pid))
        number = r->all[number - 1].next_of_pid;
    return number;
}

struct route *routes_of(struct routes *r, es_pid pid)
{
    uint32_t number = number_of(r, pid);
    return number ? &r->all[number - 1] : NULL;
}

void routes_remove(struct routes *r, es_pid pid)
{
    uint32_t *link = &r->by_pid[bucket_of_pid(pid)];
    while (*link && !es_pid_equal(r->all[*link - 1].pid, pid))
        link = &r->all[*link - 1].next_of_pid;
    if (!*link)
        return;
    uint32_t number = *link;
    struct route *route = &r->all[number - 1];
    *link = route->next_of_pid;
    link = &r->by_id[bucket_of_id(route->call_id)];
    while (*link != number)
        link = &r->all[*link - 1].next_of_id;
    *link = route->next_of_id;
    route->next_of_id = r->free;
    r->free = number;
    r->count--;
}
