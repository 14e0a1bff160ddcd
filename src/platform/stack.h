/* platform/stack.h - memory for processes to run on.
 *
 * A stack has a guard of 64 KiB below it, stays at one address as long as it is open, and is known to the
 * sanitizers and to valgrind. Its descriptor lies in its own uppermost page, so an idle process that waits
 * with a stack touches that page alone. Who runs on it is not our affair.
 *
 * Stacks come in classes, powers of two from 16 KiB to 64 MiB, cut from slabs (large mappings that reserve no
 * memory). A closed stack goes, still warm, to the cache of the thread that closes it, from there in batches
 * to a pool for all, and beyond the pool's bound its pages go back to the kernel; a slab without open stacks
 * is unmapped. Where the kernel has no MADV_GUARD_INSTALL (before 6.13) each guard costs two mappings, and
 * stacks end with ES_ELIMIT shortly before vm.max_map_count. */
#ifndef PLATFORM_STACK_H
#define PLATFORM_STACK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <engset/base.h>
#include "platform/sanitize.h"

#define ESI_STACK_CLASSES 13 /* 16 KiB << 0 .. 16 KiB << 12 */
#define ESI_STACK_MIN     (16u << 10)
#define ESI_STACK_MAX     (64u << 20)
#define ESI_STACK_GUARD   (64u << 10)

/* What a process gets that asks for nothing. Frames are about four times larger in checked and in
 * unoptimised builds. */
#if ESI_ASAN || ESI_TSAN || !defined(__OPTIMIZE__)
#define ESI_STACK_DEFAULT (256u << 10)
#else
#define ESI_STACK_DEFAULT (64u << 10)
#endif

struct esi_stack_slab;

/* Owned by who opened it; while closed, by the cache or the pool. */
struct esi_stack {
    uint32_t magic;
    uint8_t size_class;
    uint8_t slot; /* which of its slab's stacks */
    uint16_t unused;
    char *low;       /* the first usable byte */
    char *high;      /* just behind the last usable byte, 16-aligned, below this descriptor */
    char *guard_low; /* the guard is [guard_low, low) */
    struct esi_stack_slab *slab;
    struct esi_stack *next; /* while closed and warm: the next in its cache or pool. The owner may use it. */
    void *owner;            /* the owner's: what runs here, or NULL. Nobody else looks at it. */
    unsigned valgrind_id;
#if ESI_ASAN || ESI_TSAN
    void *tsan_fiber;        /* kept as long as the stack is warm */
    void **(*entry)(void *); /* for the first switch: fiber.c */
    void *argument;
#endif
};
#if !ESI_ASAN && !ESI_TSAN
_Static_assert(sizeof(struct esi_stack) <= 128, "an idle process's page has room for its frames");
#endif

/* Warm stacks for one thread at a time; `count` may be read by all. */
struct esi_stack_cache {
    struct {
        struct esi_stack *top;
        /* Written by the owner alone, read by esi_stack_stats(): relaxed, it is a figure to be shown. */
        _Atomic uint32_t count;
    } of[ESI_STACK_CLASSES];
    struct esi_stack_cache *next, **link; /* all caches; guarded by the pool's lock */
};

/* Makes an empty cache. Any thread. */
void esi_stack_cache_init(struct esi_stack_cache *cache);

/* Gives what the cache holds to the pool. Only its owner, or when that has ended. */
void esi_stack_cache_fini(struct esi_stack_cache *cache);

/* A stack with `size_bytes` rounded up to a class, less at most 2 KiB at its top (the descriptor, and an
 * offset that spreads stacks over the lines of the caches). On ES_OK `*out` is yours; the memory is not
 * cleared. ES_EINVAL  more than ESI_STACK_MAX ES_ENOMEM  no memory; `*out` is untouched ES_ELIMIT  no
 * mappings left (vm.max_map_count); `*out` is untouched `cache` is the calling thread's own, or NULL:
 * straight from the pool. Any thread. */
ES_CHECKED es_err esi_stack_open(struct esi_stack_cache *cache, size_t size_bytes, struct esi_stack **out);

/* Ends `*stack`, on which nobody runs, and sets it to NULL. `cache` is the calling thread's own, not
 * necessarily the one it was opened with, or NULL. Any thread. */
void esi_stack_close(struct esi_stack_cache *cache, struct esi_stack **stack);

/* Gives the pages wholly below `sp` back to the kernel: what was there reads as zero. For a stack that is
 * parked at `sp` or not used at all (`sp` = high). A system call. Only its owner. */
void esi_stack_release_below(struct esi_stack *stack, const void *sp);

/* Whether `address` lies in the guard: a fault there is a stack overflow. Signal handlers too. */
static inline bool esi_stack_guard_holds(const struct esi_stack *stack, uintptr_t address)
{
    return address >= (uintptr_t)stack->guard_low && address < (uintptr_t)stack->low;
}

/* Whether `address` lies in the usable part. Signal handlers too. */
static inline bool esi_stack_holds(const struct esi_stack *stack, uintptr_t address)
{
    return address >= (uintptr_t)stack->low && address < (uintptr_t)stack->high;
}

struct esi_stack_stats {
    uint64_t open_count;   /* with an owner */
    uint64_t cached_count; /* closed and warm: in caches and in the pool */
    uint64_t mapped_bytes; /* address space of all slabs, guards included */
};

/* What there is now. Figures of caches in use may be late. Any thread. */
void esi_stack_stats(struct esi_stack_stats *out);

/* How guards are made. */
enum esi_guard_kind { ESI_GUARD_MADVISE, ESI_GUARD_MPROTECT };

/* What is in use; probes the kernel when first asked. Any thread. */
enum esi_guard_kind esi_stack_guard_kind(void);

/* For tests: use `kind` whatever the kernel has, and at most `limit_count` guards of ESI_GUARD_MPROTECT (0:
 * what vm.max_map_count allows). Only while no stack is open. */
void esi_stack_guard_use(enum esi_guard_kind kind, size_t limit_count);

/* Gives all warm stacks of the pool (not of the caches) back to the kernel. Any thread. */
void esi_stack_pool_trim(void);

#endif
