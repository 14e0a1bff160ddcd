/* platform/sim/world.h - the heart of the simulated machine: what will happen when, what is drawn, and what is noted of it.
 *
 * Only files of this folder include it. All: the simulated world's thread. */
#ifndef PLATFORM_SIM_WORLD_H
#define PLATFORM_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/heap.h"

/* Something that will happen; it lives inside what it happens to. */
struct esi_sim_event {
    struct esi_heap_node node;
    /* Called once, when the event is due and no longer waits; or with `is_over` when the world ends, to free what there is. */
    void (*happen)(struct esi_sim_event *event, bool is_over);
    bool waits;
};

/* `event` happens at `at_ns` of the virtual clock, after all those that were put there before. */
void esi_sim_at(struct esi_sim_event *event, uint64_t at_ns,
                void (*happen)(struct esi_sim_event *event, bool is_over));

/* It does not happen. Nothing, if it does not wait. */
void esi_sim_cancel(struct esi_sim_event *event);

/* A number from 0 to bound - 1, from the seed; bound >= 1. */
uint64_t esi_sim_draw(uint64_t bound);

/* A number that nothing else has: 1, 2, 3 ... */
uint64_t esi_sim_number(void);

/* Go into the hash. */
void esi_sim_note(uint64_t value);
void esi_sim_note_bytes(const void *bytes, size_t size);

/* ---- the beginning and the end, in their order ---- */

void esi_sim_world_open(uint64_t seed);
void esi_sim_descriptors_open(void);
void esi_sim_network_open(void);

void esi_sim_descriptors_close(void); /* closes what is still open */
void esi_sim_world_close(void);       /* whatever waits is told */
void esi_sim_disk_close(void);

#endif
