/* base/heap.c - a pairing heap: a tree in which nobody is before their parent, merged in pairs. */
#include "base/heap.h"
#include "base/assert.h"

void esi_heap_init(struct esi_heap *heap)
{
    *heap = (struct esi_heap){0};
}

static bool is_before(const struct esi_heap_node *x, const struct esi_heap_node *y)
{
    return x->key != y->key ? x->key < y->key : x->sequence < y->sequence;
}

/* Makes the later of two trees the first child of the other. Either may be NULL. */
static struct esi_heap_node *meld(struct esi_heap_node *x, struct esi_heap_node *y)
{
    if (!x || !y)
        return x ? x : y;
    struct esi_heap_node *top = is_before(x, y) ? x : y, *below = top == x ? y : x;
    below->previous = top;
    below->next = top->child;
    if (top->child)
        top->child->previous = below;
    top->child = below;
    return top;
}

/* Makes one tree of a row of siblings: pairs from the left, then all pairs from the right. */
static struct esi_heap_node *meld_siblings(struct esi_heap_node *first)
{
    struct esi_heap_node *pairs = NULL; /* a stack through `next`, the last pair on top */
    while (first) {
        struct esi_heap_node *x = first, *y = x->next;
        first = y ? y->next : NULL;
        x->next = NULL;
        if (y)
            y->next = NULL;
        struct esi_heap_node *pair = meld(x, y);
        pair->next = pairs;
        pairs = pair;
    }
    struct esi_heap_node *all = NULL;
    while (pairs) {
        struct esi_heap_node *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        all = meld(all, pair);
    }
    if (all)
        all->previous = NULL;
    return all;
}

void esi_heap_insert(struct esi_heap *heap, struct esi_heap_node *node, uint64_t key)
{
    *node = (struct esi_heap_node){.key = key, .sequence = heap->next_sequence++};
    heap->root = meld(heap->root, node);
    heap->count++;
}

struct esi_heap_node *esi_heap_min(const struct esi_heap *heap)
{
    return heap->root;
}

struct esi_heap_node *esi_heap_pop_min(struct esi_heap *heap)
{
    struct esi_heap_node *node = heap->root;
    if (node)
        esi_heap_remove(heap, node);
    return node;
}

void esi_heap_remove(struct esi_heap *heap, struct esi_heap_node *node)
{
    esi_assert(heap->count > 0);
    struct esi_heap_node *below = meld_siblings(node->child);
    if (node == heap->root) {
        heap->root = below;
    } else {
        if (node->previous->child == node)
            node->previous->child = node->next;
        else
            node->previous->next = node->next;
        if (node->next)
            node->next->previous = node->previous;
        heap->root = meld(heap->root, below);
    }
    node->child = node->next = node->previous = NULL;
    heap->count--;
}
