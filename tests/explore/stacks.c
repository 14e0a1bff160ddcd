/* stacks.c - stacks from caches, the pool and slabs (platform/stack.c, stack_slab.c): nobody gets what another has, and all are accounted for. */
#include "explorer.h"

#include "platform/platform.h"
#include "platform/stack.h"
#include "platform/stack_slab.h"

enum { BYTES = 2 << 20, LARGEST = ESI_STACK_CLASSES - 1 };

static struct esi_stack_cache caches[2];
static struct esi_stack *passed;
static _Atomic(int) is_passed;

static void set_up(void)
{
    esi_platform_start();
    esi_stack_cache_init(&caches[0]);
    esi_stack_cache_init(&caches[1]);
}

/* Plain writes to it: two that have one stack race. */
static struct esi_stack *open_stack(struct esi_stack_cache *cache)
{
    struct esi_stack *stack;
    explore_expect(esi_stack_open(cache, BYTES, &stack) == ES_OK);
    stack->owner = cache;
    return stack;
}

static void close_stack(struct esi_stack_cache *cache, struct esi_stack *stack)
{
    esi_stack_close(cache, &stack);
}

/* One more than a cache keeps: half of them go to the pool. */
static void open_three_pass_one(void)
{
    struct esi_stack *stack[3];
    for (int i = 0; i < 3; i++)
        stack[i] = open_stack(&caches[0]);
    passed = open_stack(&caches[0]);
    atomic_store_explicit(&is_passed, 1, memory_order_release);
    for (int i = 0; i < 3; i++)
        close_stack(&caches[0], stack[i]);
}

static void close_what_was_passed(void)
{
    struct esi_stack *mine = open_stack(&caches[1]);
    if (atomic_load_explicit(&is_passed, memory_order_acquire))
        close_stack(&caches[1], passed);
    else
        atomic_store_explicit(&is_passed, 2, memory_order_relaxed);
    close_stack(&caches[1], mine);
    esi_stack_cache_fini(&caches[1]);
}

static void open_from_pool(void)
{
    struct esi_stack *mine = open_stack(NULL);
    close_stack(NULL, mine);
}

static void are_all_there(void)
{
    struct esi_stack_stats stats;
    esi_stack_stats(&stats);
    explore_expect(stats.open_count <= 1);
    uint64_t taken, mapped;
    esi_slab_stats(&taken, &mapped);
    explore_expect(taken == stats.open_count + stats.cached_count);
}

/* ------------------------------------------------------------ slabs of one stack each, of which two are kept */

static void set_up_slabs(void)
{
    esi_platform_start();
    struct esi_stack_slab *slab[2];
    unsigned slot;
    for (int i = 0; i < 2; i++)
        explore_expect(esi_slab_take(LARGEST, &slab[i], &slot) == ES_OK);
    for (int i = 0; i < 2; i++)
        esi_slab_give(slab[i], 0);
}

static void take_and_give_two(void)
{
    struct esi_stack_slab *slab[2];
    unsigned slot[2];
    for (int i = 0; i < 2; i++) {
        explore_expect(esi_slab_take(LARGEST, &slab[i], &slot[i]) == ES_OK);
        *esi_slab_slot(slab[i], slot[i]) = 1; /* plain */
    }
    explore_expect(slab[0] != slab[1]);
    for (int i = 0; i < 2; i++)
        esi_slab_give(slab[i], slot[i]);
}

static void take_and_give_one(void)
{
    struct esi_stack_slab *slab;
    unsigned slot;
    explore_expect(esi_slab_take(LARGEST, &slab, &slot) == ES_OK);
    *esi_slab_slot(slab, slot) = 1;
    esi_slab_give(slab, slot);
}

static void two_are_kept(void)
{
    uint64_t taken, mapped;
    esi_slab_stats(&taken, &mapped);
    explore_expect(taken == 0);
    explore_expect(mapped == 2 * ((uint64_t)ESI_STACK_MAX + ESI_STACK_GUARD));
}

static const struct explore_script scripts[] = {
    {"caches and the pool give no stack to two",
     set_up,
     {open_three_pass_one, close_what_was_passed, open_from_pool},
     are_all_there,
     0},
    {"slabs come and go, and two empty ones are kept",
     set_up_slabs,
     {take_and_give_two, take_and_give_two, take_and_give_one},
     two_are_kept,
     0},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scripts, sizeof scripts / sizeof *scripts);
}
