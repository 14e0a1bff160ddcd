/* base/wheel.c - where a timer stands, and how it comes nearer.
 *
 * W1  Everything is seen from `tick`. A timer due in a later tick stands on the level of the highest group of
 * 6 bits in which its tick differs from `tick`, in the slot which that group names. One due in this tick or
 *     before stands in the current slot of level 0.
 * W2  So on every level above 0 only slots behind the current one are occupied, and all timers of a level
 *     are earlier than all of the levels above.
 * W3  `tick` enters a slot of a higher level only in cascade(), which empties it first; while it stays
 * outside, the place of a timer does not change. Equal deadlines thus stand in one slot, in order of
 * insertion. W4  A bit of `occupied` that is clear means an empty slot. One that is set may be out of date: a
 * removal does not know the wheel. The same goes for `earliest_ns`, a lower bound. */
#include <string.h>
#include "base/assert.h"
#include "base/wheel.h"

/* In a slot with at most so many timers esi_wheel_next() looks at each. */
enum { CHEAP_SCAN = 32 };

static uint64_t tick_of(uint64_t ns)
{
    return ns >> ESI_WHEEL_TICK_BITS;
}

static unsigned slot_of(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (level * ESI_WHEEL_SLOT_BITS)) & (ESI_WHEEL_SLOTS - 1);
}

static struct esi_timer_node *timer(struct esi_list *node)
{
    return ESI_CONTAINER_OF(node, struct esi_timer_node, in_wheel);
}

void esi_wheel_init(struct esi_wheel *wheel, uint64_t now_ns)
{
    wheel->tick = tick_of(now_ns);
    memset(wheel->occupied, 0, sizeof wheel->occupied);
    for (unsigned level = 0; level < ESI_WHEEL_LEVELS; level++) {
        for (unsigned slot = 0; slot < ESI_WHEEL_SLOTS; slot++) {
            esi_list_init(&wheel->slots[level][slot]);
            wheel->earliest_ns[level][slot] = UINT64_MAX;
        }
    }
}

/* Puts a timer that has its deadline where W1 wants it. */
static void place(struct esi_wheel *wheel, struct esi_timer_node *node)
{
    uint64_t due = tick_of(node->deadline_ns);
    if (due < wheel->tick)
        due = wheel->tick;
    uint64_t differ = due ^ wheel->tick;
    unsigned level = differ ? (63u - (unsigned)__builtin_clzll(differ)) / ESI_WHEEL_SLOT_BITS : 0;
    unsigned slot = slot_of(due, level);
    esi_list_push_back(&wheel->slots[level][slot], &node->in_wheel);
    if (!(wheel->occupied[level] >> slot & 1) || node->deadline_ns < wheel->earliest_ns[level][slot])
        wheel->earliest_ns[level][slot] = node->deadline_ns;
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

void esi_wheel_insert(struct esi_wheel *wheel, struct esi_timer_node *node, uint64_t deadline_ns)
{
    esi_assert(!esi_wheel_is_armed(node));
    node->deadline_ns = deadline_ns;
    place(wheel, node);
}

/* Finds the first slot of `level` that has timers, tidying bits that are out of date. */
static bool first_occupied(struct esi_wheel *wheel, unsigned level, unsigned *slot)
{
    while (wheel->occupied[level]) {
        *slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
        if (!esi_list_is_empty(&wheel->slots[level][*slot]))
            return true;
        wheel->occupied[level] &= wheel->occupied[level] - 1;
    }
    return false;
}

/* Finds the slot with the earliest timers: the first on the lowest level that has any (W2). */
static bool nearest(struct esi_wheel *wheel, unsigned lowest, unsigned *level, unsigned *slot)
{
    for (*level = lowest; *level < ESI_WHEEL_LEVELS; ++*level) {
        if (first_occupied(wheel, *level, slot))
            return true;
    }
    return false;
}

/* Merges two chains through `next` that end in NULL; `x` goes first where deadlines are equal. */
static struct esi_list *merge(struct esi_list *x, struct esi_list *y)
{
    struct esi_list *first = NULL, **end = &first;
    while (x && y) {
        struct esi_list **from = timer(y)->deadline_ns < timer(x)->deadline_ns ? &y : &x;
        *end = *from;
        end = &(*from)->next;
        *from = *end;
    }
    *end = x ? x : y;
    return first;
}

/* Cuts the longest chain that is in order off the front of `*rest`, a chain that ends in NULL. */
static struct esi_list *take_run(struct esi_list **rest)
{
    struct esi_list *first = *rest, *last = first;
    while (last->next && timer(last)->deadline_ns <= timer(last->next)->deadline_ns)
        last = last->next;
    *rest = last->next;
    last->next = NULL;
    return first;
}

/* Sorts by deadline, keeping the order of equal ones. runs[i] holds 2^i runs, and those of a greater i came
 * first. */
static void sort(struct esi_list *list)
{
    struct esi_list *runs[64] = {NULL}, *rest = list->next, *all = NULL;
    list->prev->next = NULL;
    while (rest) {
        struct esi_list *run = take_run(&rest);
        unsigned i = 0;
        for (; runs[i]; i++) {
            run = merge(runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = run;
    }
    for (unsigned i = 0; i < 64; i++) {
        if (runs[i])
            all = all ? merge(runs[i], all) : runs[i];
    }
    esi_list_init(list);
    while (all) {
        struct esi_list *node = all;
        all = all->next;
        esi_list_push_back(list, node);
    }
}

/* Empties a slot: what is due goes to `fired`, sorted; the rest is placed anew as seen from `tick`. */
static void empty_slot(struct esi_wheel *wheel, unsigned level, unsigned slot, uint64_t now_ns,
                       struct esi_list *fired)
{
    struct esi_list all, due;
    esi_list_init(&all);
    esi_list_init(&due);
    esi_list_splice_back(&all, &wheel->slots[level][slot]);
    wheel->occupied[level] &= ~(UINT64_C(1) << slot);
    for (struct esi_list *node; (node = esi_list_pop_front(&all));) {
        if (timer(node)->deadline_ns <= now_ns)
            esi_list_push_back(&due, node);
        else
            place(wheel, timer(node));
    }
    if (esi_list_is_empty(&due))
        return;
    sort(&due);
    esi_list_splice_back(fired, &due);
}

/* Moves `tick` to the start of the nearest occupied slot above level 0, if that is not behind `last`, and
 * empties it. Level 0 is empty when this is called. */
static bool cascade(struct esi_wheel *wheel, uint64_t last, uint64_t now_ns, struct esi_list *fired)
{
    unsigned level, slot;
    if (!nearest(wheel, 1, &level, &slot))
        return false;
    unsigned shift = level * ESI_WHEEL_SLOT_BITS;
    uint64_t start = (wheel->tick >> shift & ~(uint64_t)(ESI_WHEEL_SLOTS - 1)) | slot;
    start <<= shift;
    if (start > last)
        return false;
    esi_assert(start > wheel->tick);
    wheel->tick = start;
    empty_slot(wheel, level, slot, now_ns, fired);
    return true;
}

void esi_wheel_expire(struct esi_wheel *wheel, uint64_t now_ns, struct esi_list *fired)
{
    uint64_t last = tick_of(now_ns);
    if (last < wheel->tick)
        last = wheel->tick;
    do {
        unsigned slot;
        while (first_occupied(wheel, 0, &slot)) {
            uint64_t tick = (wheel->tick & ~(uint64_t)(ESI_WHEEL_SLOTS - 1)) | slot;
            if (tick > last)
                break;
            wheel->tick = tick;
            empty_slot(wheel, 0, slot, now_ns, fired);
            if (tick == last) /* what was put back here is not due yet */
                return;
        }
        /* What is left on level 0 is behind `last`, and so is all above it (W2). */
        if (wheel->occupied[0])
            break;
    } while (cascade(wheel, last, now_ns, fired));
    wheel->tick = last;
}

uint64_t esi_wheel_next(struct esi_wheel *wheel)
{
    unsigned level, slot;
    if (!nearest(wheel, 0, &level, &slot))
        return UINT64_MAX;
    uint64_t earliest = UINT64_MAX;
    int seen = 0;
    ESI_LIST_EACH(node, &wheel->slots[level][slot])
    {
        if (++seen > CHEAP_SCAN)
            return wheel->earliest_ns[level][slot];
        if (timer(node)->deadline_ns < earliest)
            earliest = timer(node)->deadline_ns;
    }
    return earliest;
}
