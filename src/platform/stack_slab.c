/* platform/stack_slab.c - see stack_slab.h. */
#include "platform/stack_slab.h"

#include <pthread.h>
#include <sys/mman.h>
#include "base/alloc.h"
#include "base/assert.h"
#include "platform/stack.h"
#include "platform/stack_guard.h"

#define SLOTS_MAX      64
#define SLAB_BYTES_MAX ((size_t)64 << 20) /* fewer slots than SLOTS_MAX where this would be passed */
#define SPARE_SLABS    2                  /* slabs without taken slots that each class keeps */

/* The lock guards everything of a class and its slabs. Nothing else is locked under it. */
struct class
{
    pthread_mutex_t lock;
    struct esi_list partial; /* slabs with free slots; those with taken slots come first */
    bool is_ready;           /* `partial` is initialised */
    unsigned spare_count;    /* slabs in `partial` without taken slots */
    uint64_t taken_count;
    uint64_t mapped_bytes;
};
static struct class classes[ESI_STACK_CLASSES] = {
    [0 ... ESI_STACK_CLASSES - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER},
};

static size_t slot_bytes(unsigned size_class)
{
    return ESI_STACK_GUARD + esi_slab_stack_bytes(size_class);
}

static unsigned slots_of(unsigned size_class)
{
    size_t fit = SLAB_BYTES_MAX / slot_bytes(size_class);
    return fit < 1 ? 1 : fit > SLOTS_MAX ? SLOTS_MAX : (unsigned)fit;
}

static uint64_t all_slots(const struct esi_stack_slab *slab)
{
    return UINT64_MAX >> (64 - slab->slot_count);
}

static size_t slab_bytes(const struct esi_stack_slab *slab)
{
    return slot_bytes(slab->size_class) * slab->slot_count;
}

static void lock_class(struct class *class)
{
    pthread_mutex_lock(&class->lock);
    if (!class->is_ready) {
        esi_list_init(&class->partial);
        class->is_ready = true;
    }
}

static es_err map_slab(unsigned size_class, struct esi_stack_slab **out)
{
    struct esi_stack_slab *slab = esi_alloc_zeroed(1, sizeof *slab);
    if (!slab)
        return ES_ENOMEM;
    slab->size_class = (uint8_t)size_class;
    slab->slot_count = (uint8_t)slots_of(size_class);
    slab->free_slots = all_slots(slab);
    void *memory = mmap(NULL, slab_bytes(slab), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) {
        esi_free(slab);
        return ES_ENOMEM;
    }
    /* A huge page would make one touched page of one stack cost 2 MiB. All slabs have this advice, so that
     * neighbours are one mapping to the kernel. */
    madvise(memory, slab_bytes(slab), MADV_NOHUGEPAGE);
    slab->memory = memory;
    *out = slab;
    return ES_OK;
}

static void unmap_slab(struct esi_stack_slab *slab)
{
    int failed = munmap(slab->memory, slab_bytes(slab));
    esi_assert(!failed);
    esi_guard_forget((size_t)__builtin_popcountll(slab->mprotect_slots));
    esi_free(slab);
}

char *esi_slab_slot(const struct esi_stack_slab *slab, unsigned slot)
{
    return slab->memory + slot * slot_bytes(slab->size_class);
}

/* Under the lock. A slab with a free slot, mapped now if need be. */
static es_err find_partial(struct class *class, unsigned size_class, struct esi_stack_slab **out)
{
    struct esi_list *first = esi_list_first(&class->partial);
    if (first) {
        *out = ESI_CONTAINER_OF(first, struct esi_stack_slab, in_partial);
        return ES_OK;
    }
    struct esi_stack_slab *slab;
    es_err err = map_slab(size_class, &slab);
    if (err != ES_OK)
        return err;
    esi_list_push_back(&class->partial, &slab->in_partial);
    class->spare_count++;
    class->mapped_bytes += slab_bytes(slab);
    *out = slab;
    return ES_OK;
}

/* Under the lock. */
static es_err guard_slot(struct esi_stack_slab *slab, unsigned slot)
{
    uint64_t bit = UINT64_C(1) << slot;
    if (slab->guarded_slots & bit)
        return ES_OK;
    bool costs_mapping;
    es_err err = esi_guard_install(esi_slab_slot(slab, slot), ESI_STACK_GUARD, &costs_mapping);
    if (err != ES_OK)
        return err;
    slab->guarded_slots |= bit;
    if (costs_mapping)
        slab->mprotect_slots |= bit;
    return ES_OK;
}

/* Under the lock. */
static void take_slot(struct class *class, struct esi_stack_slab *slab, unsigned slot)
{
    if (slab->free_slots == all_slots(slab))
        class->spare_count--;
    slab->free_slots &= ~(UINT64_C(1) << slot);
    if (!slab->free_slots)
        esi_list_remove(&slab->in_partial);
    class->taken_count++;
}

es_err esi_slab_take(unsigned size_class, struct esi_stack_slab **out, unsigned *slot)
{
    struct class *class = &classes[size_class];
    struct esi_stack_slab *slab;
    lock_class(class);
    es_err err = find_partial(class, size_class, &slab);
    if (err == ES_OK) {
        unsigned found = (unsigned)__builtin_ctzll(slab->free_slots);
        err = guard_slot(slab, found);
        if (err == ES_OK) {
            take_slot(class, slab, found);
            *out = slab;
            *slot = found;
        }
    }
    pthread_mutex_unlock(&class->lock);
    return err;
}

/* Under the lock. Whether `slab`, which has just lost a taken slot, is to be unmapped; it is then off the list. */
static bool settle(struct class *class, struct esi_stack_slab *slab)
{
    if (slab->free_slots != all_slots(slab))
        return false;
    esi_list_remove(&slab->in_partial);
    if (class->spare_count < SPARE_SLABS) {
        class->spare_count++;
        esi_list_push_back(&class->partial, &slab->in_partial); /* used after all the others */
        return false;
    }
    class->mapped_bytes -= slab_bytes(slab);
    return true;
}

void esi_slab_give(struct esi_stack_slab *slab, unsigned slot)
{
    struct class *class = &classes[slab->size_class];
    uint64_t bit = UINT64_C(1) << slot;
    lock_class(class);
    esi_assert(!(slab->free_slots & bit));
    if (!slab->free_slots)
        esi_list_push_front(&class->partial, &slab->in_partial);
    slab->free_slots |= bit;
    class->taken_count--;
    bool is_over = settle(class, slab);
    pthread_mutex_unlock(&class->lock);
    if (is_over)
        unmap_slab(slab);
}

void esi_slab_stats(uint64_t *taken_count, uint64_t *mapped_bytes)
{
    *taken_count = *mapped_bytes = 0;
    for (unsigned i = 0; i < ESI_STACK_CLASSES; i++) {
        lock_class(&classes[i]);
        *taken_count += classes[i].taken_count;
        *mapped_bytes += classes[i].mapped_bytes;
        pthread_mutex_unlock(&classes[i].lock);
    }
}
