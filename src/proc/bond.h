/* proc/bond.h - the second socket in the wall: what is told when a process ends.
 *
 * Links, monitors, aliases, names, groups, descriptors and suspensions are bonds: nodes in the process's own ordered map, under a key
 * {kind's number and whatever, id}. Only the process itself (or who acts on its behalf) touches the map. When it ends,
 * each bond is taken out, in the order of keys, and its kind's `ended` is called, after the inbox was closed. */
#ifndef PROC_BOND_H
#define PROC_BOND_H

#include "base/map.h"
#include "engset/term.h"

struct esi_process;
struct esi_bond;

struct esi_bond_kind {
    const char *name;
    uint64_t order; /* high word of the keys: kinds with a lower number are told first. Unique. */
    /* `self` ended with `reason`; owns `bond`, which is out of the map. Must not wait. */
    void (*ended)(struct esi_process *self, struct esi_bond *bond, es_term reason);
};

/* The first thing in the objects of the rooms above. `node.key` is {kind->order, id}. */
struct esi_bond {
    struct esi_map_node node;
    const struct esi_bond_kind *kind;
};

/* The orders in use, so that they are unique: names and groups go before those who are told, see PRC-25 and MON-22. */
enum {
    ESI_BOND_NAME = 1,
    ESI_BOND_GROUP,
    ESI_BOND_DESCRIPTOR,
    ESI_BOND_JOB,   /* a call under way in another thread: port/blocking.h */
    ESI_BOND_CHILD, /* the key's id is the reference's */
    ESI_BOND_SIMULATED_CHILD,
    ESI_BOND_TIMERS,
    ESI_BOND_SUSPENDS, /* this process suspends another */
    ESI_BOND_SUSPENDED_BY,
    ESI_BOND_MONITORS, /* this process monitors another; the key's id is the reference's */
    ESI_BOND_ALIAS,
    ESI_BOND_MONITORED_BY, /* the key's id is the reference's */
    ESI_BOND_CALLER,       /* a call is under way to this process */
    ESI_BOND_LINK,         /* the key's id is the other's pid id */
    ESI_BOND_ROOM_WAITER, /* somebody waits for room in this mailbox; the key's id is the question's reference */
    ESI_BOND_ASKS_FOR_ROOM, /* this process waits for room in another's mailbox */
    ESI_BOND_WAITER,        /* a thread that is no process waits for the end; the key's id is its reference */
};

/* On behalf of `self`, all of them. insert: false if the key is there. */
bool esi_bond_insert(struct esi_process *self, struct esi_bond *bond, const struct esi_bond_kind *kind,
                     uint64_t id);
struct esi_bond *esi_bond_find(struct esi_process *self, uint64_t order, uint64_t id);
void esi_bond_remove(struct esi_process *self, struct esi_bond *bond);

/* Both at once: removed and given; NULL: it is not there. */
struct esi_bond *esi_bond_take(struct esi_process *self, uint64_t order, uint64_t id);

/* So many more (or less) are shown of this kind, while the map stays: for a bond that is on its way out. */
void esi_bond_count(struct esi_process *self, uint64_t order, int32_t more);

/* `bytes` of zeroed memory for a bond from the node's pools; NULL: none. */
void *esi_bond_new(size_t bytes);
void esi_bond_free(void *bond, size_t bytes);

#endif
