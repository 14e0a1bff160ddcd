/* platform/sim/world.c - see world.h. */
#include "platform/sim/world.h"

#include "base/list.h"
#include "base/random.h"
#include "platform/clock.h"
#include "platform/internal.h"
#include "platform/sim.h"

static struct {
    struct esi_heap events;
    struct esi_random random;
    uint64_t numbers, hash;
} world;

void esi_sim_at(struct esi_sim_event *event, uint64_t at_ns, void (*happen)(struct esi_sim_event *, bool))
{
    event->happen = happen;
    event->waits = true;
    esi_heap_insert(&world.events, &event->node, at_ns);
}

void esi_sim_cancel(struct esi_sim_event *event)
{
    if (event->waits)
        esi_heap_remove(&world.events, &event->node);
    event->waits = false;
}

static void pop_and_tell(bool is_over)
{
    struct esi_sim_event *event =
        ESI_CONTAINER_OF(esi_heap_pop_min(&world.events), struct esi_sim_event, node);
    event->waits = false;
    event->happen(event, is_over);
}

uint64_t esi_sim_next_ns(void)
{
    struct esi_heap_node *first = esi_heap_min(&world.events);
    return first ? first->key : ESI_NO_DEADLINE;
}

void esi_sim_happen(void)
{
    while (esi_sim_next_ns() <= esi_clock_now_ns())
        pop_and_tell(false);
}

uint64_t esi_sim_draw(uint64_t bound)
{
    return esi_random_below(&world.random, bound);
}

uint64_t esi_sim_number(void)
{
    return ++world.numbers;
}

/* ---------------------------------------------------------------- the trace */

void esi_sim_note(uint64_t value)
{
    world.hash = (world.hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    world.hash ^= world.hash >> 29;
}

void esi_sim_note_bytes(const void *bytes, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    esi_sim_note(hash ^ size);
}

uint64_t esi_sim_trace_hash(void)
{
    return world.hash;
}

/* ---------------------------------------------------------------- the beginning and the end */

void esi_sim_world_open(uint64_t seed)
{
    esi_heap_init(&world.events);
    /* A row of its own: what the network draws does not change what the program draws. */
    esi_random_seed(&world.random, seed ^ UINT64_C(0x6e6574776f726b21));
    world.numbers = 0;
    world.hash = seed;
}

void esi_sim_world_close(void)
{
    while (esi_heap_min(&world.events))
        pop_and_tell(true);
}

void esi_sim_machine_open(uint64_t seed)
{
    esi_sim_world_open(seed);
    esi_sim_descriptors_open();
    esi_sim_network_open();
}

void esi_sim_machine_close(void)
{
    esi_sim_descriptors_close();
    esi_sim_world_close();
    esi_sim_disk_close();
}
