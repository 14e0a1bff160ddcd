/* family.c - see family.h.
 *
 * A child's record is in the order from the moment that it is there until it is gone, in one stay in the runtime: so whoever ends the supervisor anywhere
 * finds all of them there. What a record points to is the process's own memory. */
#include "supervise/family.h"

#include <string.h>
#include "base/assert.h"
#include "proc/enter.h"
#include "proc/mailbox/message.h"

void esi_family_init(struct esi_family *f)
{
    *f = (struct esi_family){.count = 0};
    esi_list_init(&f->order);
    esi_map_init(&f->by_pid);
    esi_map_init(&f->by_id);
    esi_map_init(&f->by_ticket);
}

static struct esi_named_child *named(const struct esi_child *child)
{
    return ESI_CONTAINER_OF(child, struct esi_named_child, child);
}

es_term esi_child_id(const struct esi_child *child)
{
    return child->is_named ? es_from_atom(named(child)->id) : es_none();
}

static size_t bytes_of(bool is_named)
{
    return is_named ? sizeof(struct esi_named_child) : sizeof(struct esi_child);
}

static void name(struct esi_family *f, struct esi_child *child, es_term id)
{
    struct esi_named_child *n = named(child);
    (void)!es_get_atom(id, &n->id);
    esi_map_insert(&f->by_id, &n->by_id, (struct esi_key){id.w, 0});
}

struct esi_child *esi_family_add(struct esi_family *f, const es_child_spec *spec, es_term id, es_term args)
{
    bool is_named = !es_is_none(id);
    esi_enter();
    struct esi_child *child = esi_block_alloc(bytes_of(is_named));
    if (child) {
        *child =
            (struct esi_child){.spec = spec, .args = args, .number = f->next_number++, .is_named = is_named};
        esi_list_push_back(&f->order, &child->in_order);
        if (is_named)
            name(f, child, id);
        f->count++;
        f->supervisors += spec->type == ES_CHILD_SUPERVISOR;
    }
    esi_leave();
    return child;
}

/* The copy that is `child`'s own, or NULL. */
static es_child_spec *own_spec(const struct esi_child *child)
{
    return child->has_own_spec ? (es_child_spec *)(uintptr_t)child->spec : NULL;
}

void esi_family_describe(struct esi_family *f, struct esi_child *child, const es_child_spec *spec)
{
    es_child_spec *before = own_spec(child);
    f->supervisors += (spec->type == ES_CHILD_SUPERVISOR) - (child->spec->type == ES_CHILD_SUPERVISOR);
    child->spec = spec;
    child->has_own_spec = false;
    es_free(before);
}

/* First it is out of the order, then what it had goes: who crashes in between, and stops all that are there, must not meet it. */
void esi_family_remove(struct esi_family *f, struct esi_child *child)
{
    es_child_spec *spec = own_spec(child);
    es_term args = child->args;
    esi_enter();
    esi_child_go(f, child, ESI_CHILD_DOWN, ES_NO_PID);
    esi_list_remove(&child->in_order);
    if (child->is_named)
        esi_map_remove(&f->by_id, &named(child)->by_id);
    f->count--;
    f->supervisors -= child->spec->type == ES_CHILD_SUPERVISOR;
    esi_block_free(child, bytes_of(child->is_named));
    esi_leave();
    es_drop(args);
    es_free(spec);
}

void esi_family_fini(struct esi_family *f)
{
    for (struct esi_list *node; (node = esi_list_pop_front(&f->order));) {
        struct esi_child *child = ESI_CHILD_OF(node);
        esi_block_free(child, bytes_of(child->is_named)); /* what else it had was the process's */
    }
}

struct esi_child *esi_family_by_pid(const struct esi_family *f, es_pid pid)
{
    struct esi_map_node *node = pid.node ? NULL : esi_map_find(&f->by_pid, (struct esi_key){pid.id, 0});
    return node ? ESI_CONTAINER_OF(node, struct esi_child, in_map) : NULL;
}

uint64_t esi_child_ticket(const struct esi_child *child)
{
    return child->is_named ? (uint64_t)child->number : child->pid.id;
}

struct esi_child *esi_family_restarting(const struct esi_family *f, uint64_t ticket)
{
    struct esi_map_node *node = esi_map_find(&f->by_ticket, (struct esi_key){ticket, 0});
    return node ? ESI_CONTAINER_OF(node, struct esi_child, in_map) : NULL;
}

struct esi_child *esi_family_by_id(const struct esi_family *f, es_term id)
{
    struct esi_map_node *node = es_is_atom(id) ? esi_map_find(&f->by_id, (struct esi_key){id.w, 0}) : NULL;
    return node ? &ESI_CONTAINER_OF(node, struct esi_named_child, by_id)->child : NULL;
}

static const bool may_go[3][3] = {
    [ESI_CHILD_DOWN] = {[ESI_CHILD_UP] = true, [ESI_CHILD_RESTARTING] = true, [ESI_CHILD_DOWN] = true},
    [ESI_CHILD_UP] = {[ESI_CHILD_DOWN] = true, [ESI_CHILD_RESTARTING] = true},
    [ESI_CHILD_RESTARTING] = {[ESI_CHILD_UP] = true, [ESI_CHILD_DOWN] = true, [ESI_CHILD_RESTARTING] = true},
};

/* Where a child in its state is found, beside by its id. NULL: nowhere. */
static struct esi_map *map_of(struct esi_family *f, const struct esi_child *child)
{
    return child->state == ESI_CHILD_UP           ? &f->by_pid
           : child->state == ESI_CHILD_RESTARTING ? &f->by_ticket
                                                  : NULL;
}

void esi_child_go(struct esi_family *f, struct esi_child *child, enum esi_child_state state, es_pid pid)
{
    esi_assert(may_go[child->state][state]);
    struct esi_map *map = map_of(f, child);
    if (map)
        esi_map_remove(map, &child->in_map);
    f->up -= child->state == ESI_CHILD_UP;
    child->state = (uint8_t)state;
    if (state == ESI_CHILD_UP)
        child->pid = pid;
    f->up += child->state == ESI_CHILD_UP;
    map = map_of(f, child);
    if (map)
        esi_map_insert(map, &child->in_map,
                       (struct esi_key){state == ESI_CHILD_UP ? pid.id : esi_child_ticket(child), 0});
}
