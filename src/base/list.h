/* base/list.h - circular lists whose links live inside the objects that are listed.
 *
 * A list is a `struct esi_list` that is on no other list; a node is one inside an object. Both must be
 * made with esi_list_init() before anything else is done with them: all-zero memory is neither. No
 * memory is allocated, nothing fails, nothing is locked: who guards a list says so where it is declared. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct esi_list {
    struct esi_list *next, *prev;
};

/* The object of `type` whose member `member` is at `ptr`. */
#define ESI_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Runs over the nodes of `list` from the front; declares `it`. The list must not lose `it` meanwhile. */
#define ESI_LIST_EACH(it, list) for (struct esi_list *it = (list)->next; it != (list); it = it->next)

/* The same, and the body may remove `it` (but not the node after it). */
#define ESI_LIST_EACH_SAFE(it, list)                                              \
    for (struct esi_list *it = (list)->next, *it##_next = it->next; it != (list); \
         it = it##_next, it##_next = it->next)

/* Makes an empty list, or a node that is on no list. */
static inline void esi_list_init(struct esi_list *list)
{
    list->next = list->prev = list;
}

static inline bool esi_list_is_empty(const struct esi_list *list)
{
    return list->next == list;
}

/* Whether `node` is on some list. */
static inline bool esi_list_is_linked(const struct esi_list *node)
{
    return node->next != node;
}

/* Puts `node`, which is on no list, behind the last. What its links held before does not matter. */
static inline void esi_list_push_back(struct esi_list *list, struct esi_list *node)
{
    node->next = list;
    node->prev = list->prev;
    list->prev->next = node;
    list->prev = node;
}

/* Puts `node`, which is on no list, before the first. What its links held before does not matter. */
static inline void esi_list_push_front(struct esi_list *list, struct esi_list *node)
{
    node->prev = list;
    node->next = list->next;
    list->next->prev = node;
    list->next = node;
}

/* Takes `node` off whatever list it is on; nothing happens if it is on none. */
static inline void esi_list_remove(struct esi_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    esi_list_init(node);
}

/* The first node, which stays where it is; NULL if the list is empty. */
static inline struct esi_list *esi_list_first(const struct esi_list *list)
{
    return list->next == list ? NULL : list->next;
}

/* Takes the first node off; NULL if the list is empty. */
static inline struct esi_list *esi_list_pop_front(struct esi_list *list)
{
    struct esi_list *node = esi_list_first(list);
    if (node)
        esi_list_remove(node);
    return node;
}

/* Moves all nodes of `from`, in their order, behind the last of `list`. `from` is empty afterwards. */
static inline void esi_list_splice_back(struct esi_list *list, struct esi_list *from)
{
    if (esi_list_is_empty(from))
        return;
    from->next->prev = list->prev;
    list->prev->next = from->next;
    from->prev->next = list;
    list->prev = from->prev;
    esi_list_init(from);
}

#endif
