/* runq.c - see runq.h. */
#include "proc/schedule/runq.h"

#include "base/assert.h"
#include "proc/schedule/worker.h"

/* In units of `since`, a millisecond each: who waited so long among the young gets into the line, or those who are born later
 * would go before it for ever. */
enum { LOW_EVERY = 8, STEAL_MAX = 64, YOUTH = 4 };

void esi_runq_init(struct esi_runq *q)
{
    pthread_spin_init(&q->lock, PTHREAD_PROCESS_PRIVATE);
    for (int i = 0; i < ESI_PRIORITIES; i++)
        esi_list_init(&q->of[i]);
    esi_list_init(&q->young);
}

void esi_runq_fini(struct esi_runq *q)
{
    pthread_spin_destroy(&q->lock);
}

/* Under the lock. */
static int32_t count(struct esi_runq *q, int32_t more)
{
    int32_t length = atomic_load_explicit(&q->length, memory_order_relaxed) + more;
    /* seq_cst: before the look at idle schedulers behind a put; a scheduler that goes to sleep announces it and then looks at the lengths. */
    atomic_store_explicit(&q->length, length, more > 0 ? memory_order_seq_cst : memory_order_relaxed);
    return length;
}

/* Under the lock. relaxed: a hint to all others. */
static void count_higher(struct esi_runq *q, int32_t more)
{
    atomic_store_explicit(&q->higher, atomic_load_explicit(&q->higher, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

int32_t esi_runq_put(struct esi_runq *q, struct esi_process *p)
{
    pthread_spin_lock(&q->lock);
    esi_list_push_back(&q->of[p->priority], &p->in_queue);
    if (p->priority >= ES_PRIORITY_HIGH)
        count_higher(q, 1);
    int32_t length = count(q, 1);
    pthread_spin_unlock(&q->lock);
    return length;
}

int32_t esi_runq_put_young(struct esi_runq *q, struct esi_process *p)
{
    esi_assert(p->priority == ES_PRIORITY_NORMAL);
    pthread_spin_lock(&q->lock);
    bool has_sibling = q->parent && q->parent == p->parent;
    esi_list_push_front(has_sibling ? q->last_born : &q->young, &p->in_queue);
    q->last_born = &p->in_queue;
    q->parent = p->parent;
    int32_t length = count(q, 1);
    pthread_spin_unlock(&q->lock);
    return length;
}

/* ---------------------------------------------------------------- taking, under the lock */

/* Which line to take from: max and high before all, low once for every LOW_EVERY normal ones. */
static struct esi_list *choose(struct esi_runq *q)
{
    if (!esi_list_is_empty(&q->of[ES_PRIORITY_MAX]))
        return &q->of[ES_PRIORITY_MAX];
    if (!esi_list_is_empty(&q->of[ES_PRIORITY_HIGH]))
        return &q->of[ES_PRIORITY_HIGH];
    struct esi_list *normal = &q->of[ES_PRIORITY_NORMAL], *low = &q->of[ES_PRIORITY_LOW];
    if (esi_list_is_empty(low) || (!esi_list_is_empty(normal) && ++q->low_turn < LOW_EVERY))
        return normal;
    q->low_turn = 0;
    return low;
}

/* `node`, or NULL, is out of one of the lines. */
static struct esi_list *out_of_line(struct esi_runq *q, const struct esi_list *line, struct esi_list *node)
{
    if (node && line >= &q->of[ES_PRIORITY_HIGH])
        count_higher(q, -1);
    return node;
}

static struct esi_list *pop_line(struct esi_runq *q)
{
    struct esi_list *line = choose(q);
    return out_of_line(q, line, esi_list_pop_front(line));
}

static struct esi_list *pop_young(struct esi_runq *q)
{
    q->parent = 0; /* its last born may be this one */
    return esi_list_pop_front(&q->young);
}

static struct esi_list *pop_oldest(struct esi_runq *q)
{
    if (esi_list_is_empty(&q->young))
        return NULL;
    q->parent = 0;
    struct esi_list *node = q->young.prev;
    esi_list_remove(node);
    return node;
}

static struct esi_process *process_of(struct esi_list *node)
{
    return node ? ESI_CONTAINER_OF(node, struct esi_process, in_queue) : NULL;
}

static void grow_up(struct esi_runq *q)
{
    uint32_t now = esi_since_now();
    while (!esi_list_is_empty(&q->young)) {
        struct esi_process *oldest = process_of(q->young.prev);
        if (now - atomic_load_explicit(&oldest->since, memory_order_relaxed) < YOUTH)
            return;
        esi_list_push_back(&q->of[ES_PRIORITY_NORMAL], pop_oldest(q));
    }
}

/* Some are young. */
static __attribute__((noinline)) struct esi_list *take_or_go_on(struct esi_runq *q, bool *goes_on)
{
    bool has_higher = !esi_runq_has_no_higher(q);
    if (*goes_on && !has_higher)
        return pop_young(q);
    *goes_on = false;
    grow_up(q);
    q->was_young = !q->was_young && !has_higher;
    struct esi_list *node = q->was_young ? pop_young(q) : pop_line(q);
    if (!node)
        node = q->was_young ? pop_line(q) : pop_young(q);
    return node;
}

struct esi_process *esi_runq_take(struct esi_runq *q, bool *goes_on)
{
    int32_t length = atomic_load_explicit(&q->length, memory_order_relaxed);
    struct esi_list *node = NULL;
    if (!length) {
        *goes_on = false;
        return NULL;
    }
    pthread_spin_lock(&q->lock);
    if (__builtin_expect(!esi_list_is_empty(&q->young), 0)) {
        node = take_or_go_on(q, goes_on);
    } else {
        *goes_on = false;
        node = pop_line(q);
    }
    if (node)
        count(q, -1);
    pthread_spin_unlock(&q->lock);
    return process_of(node);
}

static void take_out(struct esi_runq *q, struct esi_list *list, struct esi_list *node)
{
    esi_list_remove(node);
    out_of_line(q, list, node);
    count(q, -1);
}

struct esi_process *esi_runq_draw(struct esi_runq *q, struct esi_random *random)
{
    pthread_spin_lock(&q->lock);
    struct esi_list *list = choose(q);
    uint64_t waiting = 0;
    ESI_LIST_EACH(it, list)
    waiting++;
    struct esi_list *node = NULL;
    if (waiting) {
        node = list->next;
        for (uint64_t drawn = esi_random_below(random, waiting); drawn > 0; drawn--)
            node = node->next;
        take_out(q, list, node);
    }
    pthread_spin_unlock(&q->lock);
    return process_of(node);
}

struct esi_process *esi_runq_best(struct esi_runq *q, uint64_t (*rank)(const struct esi_process *p))
{
    pthread_spin_lock(&q->lock);
    struct esi_list *list = choose(q), *best = NULL;
    uint64_t highest = 0;
    ESI_LIST_EACH(it, list)
    {
        uint64_t its = rank(process_of(it));
        if (!best || its > highest) {
            best = it;
            highest = its;
        }
    }
    if (best)
        take_out(q, list, best);
    pthread_spin_unlock(&q->lock);
    return process_of(best);
}

int esi_runq_steal(struct esi_runq *q, struct esi_list *loot)
{
    if (pthread_spin_trylock(&q->lock))
        return 0;
    int half = (atomic_load_explicit(&q->length, memory_order_relaxed) + 1) / 2, got = 0;
    while (got < half && got < STEAL_MAX) {
        struct esi_list *node = pop_line(q);
        if (!node)
            node = pop_oldest(q);
        if (!node)
            break;
        esi_list_push_back(loot, node);
        got++;
    }
    count(q, -got);
    pthread_spin_unlock(&q->lock);
    return got;
}
