/* group.c - local process groups: memberships in two maps, by group and by process, under one lock.
 *
 * Source: OTP pg, the half that knows this node only. */
#include <engset/link.h>

#include <pthread.h>
#include "base/alloc.h"
#include "base/list.h"
#include "link/group.h"
#include "proc/outside.h"
#include "link/known.h"

/* One process in one group. */
struct membership {
    struct esi_map_node in_groups;    /* under {group, process} */
    struct esi_map_node in_processes; /* under {process, group} */
    int64_t times;                    /* how often it joined, at least 1 */
};

static pthread_mutex_t lock =
    PTHREAD_MUTEX_INITIALIZER; /* guards the rest; no other lock of link/ is taken under it */
static struct esi_map by_group, by_process;

static struct membership *find(es_atom group, uint64_t id)
{
    struct esi_map_node *node = esi_map_find(&by_group, (struct esi_key){group.w, id});
    return node ? ESI_CONTAINER_OF(node, struct membership, in_groups) : NULL;
}

static void remove_membership(struct membership *m)
{
    esi_map_remove(&by_group, &m->in_groups);
    esi_map_remove(&by_process, &m->in_processes);
    esi_free(m);
}

static es_err join(es_atom group, uint64_t id)
{
    if (!esi_known_alive(id))
        return ES_ENOPROC;
    struct membership *m = find(group, id);
    if (m) {
        m->times++;
        return ES_OK;
    }
    m = esi_alloc(sizeof *m);
    if (!m)
        return ES_ENOMEM;
    m->times = 1;
    esi_map_insert(&by_group, &m->in_groups, (struct esi_key){group.w, id});
    esi_map_insert(&by_process, &m->in_processes, (struct esi_key){id, group.w});
    return ES_OK;
}

es_err es_join(es_atom group, es_pid pid)
{
    struct esi_process *self = esi_enter();
    es_err error = ES_EINVAL;
    if (!self && !esi_outside_enter())
        return ES_ECLOSED;
    if (esi_tag(group.w) == ESI_TAG_ATOM && !pid.node) {
        pthread_mutex_lock(&lock);
        error = join(group, pid.id);
        pthread_mutex_unlock(&lock);
    }
    if (self)
        esi_leave();
    else
        esi_outside_leave();
    return error;
}

es_err es_leave(es_atom group, es_pid pid)
{
    struct esi_process *self = esi_enter();
    es_err error = ES_ENOTFOUND;
    pthread_mutex_lock(&lock);
    struct membership *m = pid.node ? NULL : find(group, pid.id);
    if (m) {
        error = ES_OK;
        if (--m->times == 0)
            remove_membership(m);
    }
    pthread_mutex_unlock(&lock);
    if (self)
        esi_leave();
    return error;
}

int64_t es_members(es_atom group, es_pid *pids, int64_t max)
{
    struct esi_process *self = esi_enter();
    int64_t count = 0;
    pthread_mutex_lock(&lock);
    struct esi_key key = {group.w, 0};
    for (struct esi_map_node *node; (node = esi_map_next_after(&by_group, key)) && node->key.a == group.w;) {
        const struct membership *m = ESI_CONTAINER_OF(node, struct membership, in_groups);
        for (int64_t i = 0; i < m->times; i++, count++)
            if (count < max)
                pids[count] = (es_pid){.id = node->key.b};
        key = node->key;
    }
    pthread_mutex_unlock(&lock);
    if (self)
        esi_leave();
    return count;
}

void esi_groups_forget(struct esi_process *self)
{
    uint64_t id = atomic_load_explicit(&self->id, memory_order_relaxed);
    pthread_mutex_lock(&lock);
    for (struct esi_map_node *node;
         (node = esi_map_next_after(&by_process, (struct esi_key){id, 0})) && node->key.a == id;)
        remove_membership(ESI_CONTAINER_OF(node, struct membership, in_processes));
    pthread_mutex_unlock(&lock);
}
