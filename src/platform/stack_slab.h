/* platform/stack_slab.h - large mappings from which stacks are cut.
 *
 * For stack.c. A slab has slots of one class, each a guard with a stack's memory above. A slot is taken, or it is
 * given back and holds no pages. Warm stacks are not known here: to a slab they are taken. */
#ifndef PLATFORM_STACK_SLAB_H
#define PLATFORM_STACK_SLAB_H

#include <stdint.h>
#include <engset/base.h>
#include "base/list.h"

struct esi_stack_slab {
    struct esi_list in_partial; /* while it has free slots; guarded, as all below, by its class's lock */
    char *memory;
    uint64_t free_slots;     /* a bit each: not taken */
    uint64_t guarded_slots;  /* the guard is installed */
    uint64_t mprotect_slots; /* it counts against the limit of mappings */
    uint8_t size_class;
    uint8_t slot_count;
};

/* Usable bytes of a stack of `size_class`, descriptor included. */
static inline size_t esi_slab_stack_bytes(unsigned size_class)
{
    return (size_t)(16u << 10) << size_class;
}

/* Takes a slot; its guard is installed, its memory may never have been touched. ES_ENOMEM, ES_ELIMIT (no
 * mappings for the guard). Any thread. */
ES_CHECKED es_err esi_slab_take(unsigned size_class, struct esi_stack_slab **slab, unsigned *slot);

/* Gives a slot back, whose pages the kernel already has. May unmap the slab. Any thread. */
void esi_slab_give(struct esi_stack_slab *slab, unsigned slot);

/* Where the slot's guard begins; the stack's memory follows it. Its taker only. */
char *esi_slab_slot(const struct esi_stack_slab *slab, unsigned slot);

/* Adds up: slots taken now, bytes mapped now. Any thread. */
void esi_slab_stats(uint64_t *taken_count, uint64_t *mapped_bytes);

#endif
