/* base/heap.h - a priority queue whose nodes live inside the objects that wait.
 *
 * Smallest key first; equal keys in the order of their insertion, so that runs repeat. A pairing heap:
 * insert is O(1), pop and remove O(log n) in the long run. No memory, no locks, no recursion. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct esi_heap_node {
    struct esi_heap_node *child;    /* the first of those below */
    struct esi_heap_node *next;     /* the sibling after this */
    struct esi_heap_node *previous; /* the sibling before, or the parent if this is its first child */
    uint64_t key;                   /* not to be changed while the node is in a heap */
    uint64_t sequence;              /* parts equal keys */
};

struct esi_heap {
    struct esi_heap_node *root;
    uint64_t next_sequence;
    size_t count; /* nodes in the heap */
};

/* Makes an empty heap. Nothing to undo. */
void esi_heap_init(struct esi_heap *heap);

/* Puts `node`, which is in no heap, in. It belongs to the heap until popped or removed. */
void esi_heap_insert(struct esi_heap *heap, struct esi_heap_node *node, uint64_t key);

/* The node that is next, which stays; NULL if the heap is empty. */
struct esi_heap_node *esi_heap_min(const struct esi_heap *heap);

/* Takes the node that is next out; NULL if the heap is empty. */
struct esi_heap_node *esi_heap_pop_min(struct esi_heap *heap);

/* Takes `node`, which must be in this heap, out. */
void esi_heap_remove(struct esi_heap *heap, struct esi_heap_node *node);

#endif
