/* base/map.h - an ordered map whose nodes live inside the objects that are mapped.
 *
 * Keys are pairs of numbers, ordered by `a`, then by `b`. The shape of the tree and every order that can be
 * seen depend on keys and history alone, never on addresses, so a simulated run repeats. It is an AVL tree:
 * depth is at most 1.45 log2(count) whatever keys a hostile peer may choose. No memory, no locks. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct esi_key {
    uint64_t a, b;
};

struct esi_map_node {
    struct esi_map_node *left, *right;
    struct esi_key key; /* not to be changed while the node is in a map */
    int height;         /* of the tree below and with this node; a leaf has 1 */
};

struct esi_map {
    struct esi_map_node *root; /* NULL: it is empty */
};

/* Makes an empty map. A map of zeros is one, too. Nothing to undo. */
void esi_map_init(struct esi_map *map);

/* Less than 0, 0 or greater than 0, as `x` stands before, at or behind `y`. */
int esi_key_compare(struct esi_key x, struct esi_key y);

/* Puts `node` in under `key`; it belongs to the map until it is removed.
 * False, and nothing changed, if a node with that key is there. */
bool esi_map_insert(struct esi_map *map, struct esi_map_node *node, struct esi_key key);

/* The node with that key, lent; NULL if there is none. */
struct esi_map_node *esi_map_find(const struct esi_map *map, struct esi_key key);

/* Takes `node`, which must be in this map, out; it is the caller's again. */
void esi_map_remove(struct esi_map *map, struct esi_map_node *node);

/* Takes the node with that key out, which is the caller's then; NULL if there is none. */
struct esi_map_node *esi_map_take(struct esi_map *map, struct esi_key key);

/* The node with the smallest key; NULL if the map is empty. */
struct esi_map_node *esi_map_first(const struct esi_map *map);

/* The node with the smallest key greater than `key`, which need not be in the map; NULL if there is none.
 * An iteration that goes on from the last key it saw survives removals and insertions between its steps. */
struct esi_map_node *esi_map_next_after(const struct esi_map *map, struct esi_key key);

#endif
