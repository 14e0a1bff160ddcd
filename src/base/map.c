/* base/map.c - an AVL tree without parent links: a change remembers the way down and mends it going up. */
#include "base/map.h"
#include "base/assert.h"

/* An AVL tree of this depth has more nodes than an address space holds. */
enum { MOST_DEPTH = 96 };

/* The way from the root to a place: the links that were followed. */
struct way {
    struct esi_map_node **links[MOST_DEPTH];
    int depth;
};

void esi_map_init(struct esi_map *map)
{
    map->root = NULL;
}

static inline int compare(struct esi_key x, struct esi_key y)
{
    if (x.a != y.a)
        return x.a < y.a ? -1 : 1;
    if (x.b != y.b)
        return x.b < y.b ? -1 : 1;
    return 0;
}

int esi_key_compare(struct esi_key x, struct esi_key y)
{
    return compare(x, y);
}

static int height(const struct esi_map_node *node)
{
    return node ? node->height : 0;
}

static void measure(struct esi_map_node *node)
{
    int left = height(node->left), right = height(node->right);
    node->height = (left > right ? left : right) + 1;
}

static struct esi_map_node *rotate_right(struct esi_map_node *node)
{
    struct esi_map_node *top = node->left;
    node->left = top->right;
    top->right = node;
    measure(node);
    measure(top);
    return top;
}

static struct esi_map_node *rotate_left(struct esi_map_node *node)
{
    struct esi_map_node *top = node->right;
    node->right = top->left;
    top->left = node;
    measure(node);
    measure(top);
    return top;
}

/* Gives the root of what was the tree of `node`, whose sides differ in height by 2; now by at most 1. */
static struct esi_map_node *balance(struct esi_map_node *node)
{
    int lean = height(node->left) - height(node->right);
    if (lean > 0) {
        if (height(node->left->left) < height(node->left->right))
            node->left = rotate_left(node->left);
        return rotate_right(node);
    }
    if (height(node->right->right) < height(node->right->left))
        node->right = rotate_right(node->right);
    return rotate_left(node);
}

/* Adds a link to the way. */
static void step(struct way *way, struct esi_map_node **link)
{
    esi_assert(way->depth < MOST_DEPTH);
    way->links[way->depth++] = link;
}

/* Goes to where `key` is or would be; the last link of the way is that place. */
static void walk(struct esi_map *map, struct esi_key key, struct way *way)
{
    way->depth = 0;
    step(way, &map->root);
    for (struct esi_map_node *node = map->root; node;) {
        int order = compare(key, node->key);
        if (order == 0)
            return;
        struct esi_map_node **link = order < 0 ? &node->left : &node->right;
        step(way, link);
        node = *link;
    }
}

/* Something was put in or taken out where the way ends. Balances the trees above, the lowest first, up to the first that is as high as it
 * was: those around it see no difference. */
static void mend(struct way *way)
{
    for (way->depth--; way->depth > 0;) {
        struct esi_map_node **link = way->links[--way->depth], *node = *link;
        int before = node->height;
        int left = height(node->left), right = height(node->right);
        if (left - right > 1 || right - left > 1)
            *link = node = balance(node);
        else
            node->height = (left > right ? left : right) + 1;
        if (node->height == before)
            return;
    }
}

bool esi_map_insert(struct esi_map *map, struct esi_map_node *node, struct esi_key key)
{
    struct way way;
    walk(map, key, &way);
    struct esi_map_node **place = way.links[way.depth - 1];
    if (*place)
        return false;
    *node = (struct esi_map_node){.key = key, .height = 1};
    *place = node;
    mend(&way);
    return true;
}

struct esi_map_node *esi_map_find(const struct esi_map *map, struct esi_key key)
{
    struct esi_map_node *node = map->root;
    while (node) {
        int order = compare(key, node->key);
        if (order == 0)
            break;
        node = order < 0 ? node->left : node->right;
    }
    return node;
}

/* Takes out what stands where the way ends. */
static void take_out(struct way *way)
{
    struct esi_map_node **place = way->links[way->depth - 1], *node = *place;
    if (!node->left || !node->right) {
        *place = node->left ? node->left : node->right;
    } else {
        /* The next greater node takes this one's place. The way goes on to where that one was; its second
         * link lies in `node`, and must be the same link in the successor. */
        int second = way->depth;
        step(way, &node->right);
        while ((*way->links[way->depth - 1])->left)
            step(way, &(*way->links[way->depth - 1])->left);
        struct esi_map_node *successor = *way->links[way->depth - 1];
        *way->links[way->depth - 1] = successor->right;
        successor->left = node->left;
        successor->right = node->right;
        successor->height = node->height;
        *place = successor;
        way->links[second] = &successor->right;
    }
    *node = (struct esi_map_node){.key = node->key};
    mend(way);
}

void esi_map_remove(struct esi_map *map, struct esi_map_node *node)
{
    struct way way;
    walk(map, node->key, &way);
    esi_assert(*way.links[way.depth - 1] == node);
    take_out(&way);
}

struct esi_map_node *esi_map_take(struct esi_map *map, struct esi_key key)
{
    struct way way;
    walk(map, key, &way);
    struct esi_map_node *node = *way.links[way.depth - 1];
    if (node)
        take_out(&way);
    return node;
}

struct esi_map_node *esi_map_first(const struct esi_map *map)
{
    struct esi_map_node *node = map->root;
    while (node && node->left)
        node = node->left;
    return node;
}

struct esi_map_node *esi_map_next_after(const struct esi_map *map, struct esi_key key)
{
    struct esi_map_node *best = NULL;
    for (struct esi_map_node *node = map->root; node;) {
        if (compare(node->key, key) > 0) {
            best = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return best;
}
