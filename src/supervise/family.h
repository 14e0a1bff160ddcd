/* supervise/family.h - a supervisor's children: in the order of their start, found by id and by pid. Starting and stopping is supervisor.c's affair. */
#ifndef SUPERVISE_FAMILY_H
#define SUPERVISE_FAMILY_H

#include <engset/supervisor.h>
#include "base/list.h"
#include "base/map.h"

enum esi_child_state {
    ESI_CHILD_DOWN,       /* kept, and does not run */
    ESI_CHILD_UP,         /* runs as `pid` */
    ESI_CHILD_RESTARTING, /* is to run, and will be tried again */
};

/* There may be a million: what only a child with an id has stands behind it. */
struct esi_child {
    struct esi_list in_order;
    struct esi_map_node
        in_map; /* while it is up by {pid.id, 0}, while it is restarting by {esi_child_ticket(), 0} */
    const es_child_spec *spec;
    es_term args;     /* the process's own, by es_keep() */
    es_pid pid;       /* while it is up; then the last one that it had */
    int64_t number;   /* in the order; not without gaps */
    int64_t since_ns; /* it came up then; 0: that was counted, or is of no use as it does not back off */
    struct {
        uint64_t id, pid;
    } timer;           /* a restart that waits, or a heartbeat: of its reference; id 0: none */
    int32_t tries;     /* restarts in a row, for the back-off */
    uint8_t state;     /* enum esi_child_state */
    bool has_answered; /* since the last heartbeat */
    bool has_own_spec; /* `spec` is freed with it, by es_free() */
    bool is_named;     /* it is the beginning of a struct esi_named_child */
};
_Static_assert(sizeof(struct esi_child) <= 128, "a million of them are to be small");

struct esi_named_child {
    struct esi_child child;
    struct esi_map_node by_id; /* {the atom's word, 0} */
    es_atom id;
};

struct esi_family {
    struct esi_list order;
    struct esi_map by_pid, by_id, by_ticket; /* by_ticket: those that are restarting */
    int64_t count, next_number, up, supervisors;
};

void esi_family_init(struct esi_family *family);

/* A child at the end of the order that is down; the family's. `id`: an atom that no other has, or none. NULL: no memory. */
struct esi_child *esi_family_add(struct esi_family *family, const es_child_spec *spec, es_term id,
                                 es_term args);

/* Its id, an atom; none. */
es_term esi_child_id(const struct esi_child *child);

/* `spec` is what it is started by from here on. */
void esi_family_describe(struct esi_family *family, struct esi_child *child, const es_child_spec *spec);

/* Forgets it. */
void esi_family_remove(struct esi_family *family, struct esi_child *child);

/* Forgets all, without a word to anybody, when the process and its memory are gone. In the runtime. */
void esi_family_fini(struct esi_family *family);

struct esi_child *esi_family_by_pid(const struct esi_family *family, es_pid pid);
struct esi_child *esi_family_by_id(const struct esi_family *family, es_term id);

/* What a child that is restarting is found by: its number; of one without an id, of whom there is nothing else to say, the id of its last pid. */
uint64_t esi_child_ticket(const struct esi_child *child);

/* The one that is restarting with that ticket. */
struct esi_child *esi_family_restarting(const struct esi_family *family, uint64_t ticket);

/* The one door of `state`:   DOWN <-> UP <-> RESTARTING -> DOWN, DOWN -> RESTARTING. `pid` counts for UP. */
void esi_child_go(struct esi_family *family, struct esi_child *child, enum esi_child_state state, es_pid pid);

#define ESI_CHILD_OF(node) ESI_CONTAINER_OF((node), struct esi_child, in_order)

#endif
