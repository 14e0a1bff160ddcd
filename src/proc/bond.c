/* bond.c - a process's own ordered map of what is told when it ends. */
#include "proc/bond.h"

#include <string.h>
#include "proc/process.h"

/* Publishes how many there are of the kinds that es_process_info() tells. relaxed: figures to be shown, written here alone. */
void esi_bond_count(struct esi_process *self, uint64_t order, int32_t more)
{
    _Atomic(int32_t) *counter;
    switch (order) {
    case ESI_BOND_LINK:
        counter = &self->links;
        break;
    case ESI_BOND_MONITORS:
        counter = &self->monitors;
        break;
    case ESI_BOND_MONITORED_BY:
        counter = &self->monitored_by;
        break;
    default:
        return;
    }
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

bool esi_bond_insert(struct esi_process *self, struct esi_bond *bond, const struct esi_bond_kind *kind,
                     uint64_t id)
{
    bond->kind = kind;
    if (!esi_map_insert(&self->bonds, &bond->node, (struct esi_key){kind->order, id}))
        return false;
    esi_bond_count(self, kind->order, 1);
    return true;
}

struct esi_bond *esi_bond_find(struct esi_process *self, uint64_t order, uint64_t id)
{
    struct esi_map_node *node = esi_map_find(&self->bonds, (struct esi_key){order, id});
    return node ? ESI_CONTAINER_OF(node, struct esi_bond, node) : NULL;
}

struct esi_bond *esi_bond_take(struct esi_process *self, uint64_t order, uint64_t id)
{
    struct esi_map_node *node = esi_map_take(&self->bonds, (struct esi_key){order, id});
    if (!node)
        return NULL;
    esi_bond_count(self, order, -1);
    return ESI_CONTAINER_OF(node, struct esi_bond, node);
}

void esi_bond_remove(struct esi_process *self, struct esi_bond *bond)
{
    esi_map_remove(&self->bonds, &bond->node);
    esi_bond_count(self, bond->node.key.a, -1);
}

void *esi_bond_new(size_t bytes)
{
    void *bond = esi_block_alloc(bytes);
    if (bond)
        memset(bond, 0, bytes);
    return bond;
}

void esi_bond_free(void *bond, size_t bytes)
{
    esi_block_free(bond, bytes);
}
