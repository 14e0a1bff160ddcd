/* hibernate.c - the stack copied out, and in again. */
#include "proc/hibernate.h"

#include <sys/mman.h>
#include <unistd.h>
#include "proc/schedule/worker.h"

/* More than that in use: the copy would take what the pages give. Only what lies below is given back then. */
enum { COPY_MAX = 8 << 10 };

#if defined(__clang__)
#define UNCHECKED __attribute__((noinline, no_sanitize("address", "thread", "undefined")))
#else
#define UNCHECKED __attribute__((noinline, no_sanitize_address, no_sanitize_thread, no_sanitize_undefined))
#endif

/* What a stack is while its pages are away; p->fiber.sp points here, so that a process needs nothing more for it. Half of the words of a stack
 * that waits are zero: these are not kept. */
struct frozen {
    void *sp; /* the words begin there */
    uint32_t word_count;
    uint32_t bytes;    /* of this */
    uint64_t packed[]; /* a bit for each word: is it kept? Then the words that are */
};

static size_t bitmap_words(size_t word_count)
{
    return (word_count + 63) / 64;
}

/* Stacks are read and written word by word here: sanitizers would complain of the gaps between variables. */
static UNCHECKED size_t count_kept(const uint64_t *words, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        kept += words[i] != 0;
    return kept;
}

static UNCHECKED void pack(struct frozen *frozen, const uint64_t *words)
{
    uint64_t *kept = frozen->packed + bitmap_words(frozen->word_count);
    for (size_t i = 0; i < frozen->word_count; i++) {
        if (i % 64 == 0)
            frozen->packed[i / 64] = 0;
        if (!words[i])
            continue;
        frozen->packed[i / 64] |= UINT64_C(1) << i % 64;
        *kept++ = words[i];
    }
}

static UNCHECKED void unpack(const struct frozen *frozen, uint64_t *words)
{
    const uint64_t *kept = frozen->packed + bitmap_words(frozen->word_count);
    for (size_t i = 0; i < frozen->word_count; i++) {
        words[i] = frozen->packed[i / 64] >> i % 64 & 1 ? *kept++ : 0;
        __asm__ volatile("" ::: "memory"); /* not to become a call of memset() */
    }
}

/* What is saved: from the stack pointer to the end of the descriptor. */
static UNCHECKED size_t used_bytes(struct esi_process *p)
{
    return ((size_t)(p->fiber.stack->high - (char *)p->fiber.sp) + sizeof(struct esi_stack) + 7) & ~(size_t)7;
}

/* Gives the whole stack back, the page of the descriptor, which is the last, included. */
static void release_all(struct esi_stack *stack)
{
    uintptr_t page = (uintptr_t)getpagesize();
    uintptr_t low = (uintptr_t)stack->low;
    uintptr_t end = ((uintptr_t)(stack + 1) + page - 1) & ~(page - 1);
    madvise((void *)low, end - low, MADV_DONTNEED);
}

static uint8_t how(const struct esi_process *p)
{
    return atomic_load_explicit(&p->is_hibernated, memory_order_relaxed);
}

static struct frozen *freeze(struct esi_process *p, size_t word_count)
{
    const uint64_t *words = (const uint64_t *)(void *)p->fiber.sp;
    size_t bytes =
        sizeof(struct frozen) + (bitmap_words(word_count) + count_kept(words, word_count)) * sizeof(uint64_t);
    struct frozen *frozen = esi_block_alloc(bytes);
    if (!frozen)
        return NULL;
    *frozen =
        (struct frozen){.sp = p->fiber.sp, .word_count = (uint32_t)word_count, .bytes = (uint32_t)bytes};
    pack(frozen, words);
    return frozen;
}

void esi_hibernate_stack(struct esi_process *p)
{
    if (p->frame_refs || p->pin_count || how(p) != ESI_AWAKE)
        return;
    size_t bytes = used_bytes(p);
    if (bytes > COPY_MAX) {
        esi_stack_release_below(p->fiber.stack, p->fiber.sp);
        atomic_store_explicit(&p->is_hibernated, ESI_HIBERNATED_BELOW, memory_order_relaxed);
        return;
    }
    struct frozen *frozen = freeze(p, bytes / sizeof(uint64_t));
    if (!frozen)
        return;
    release_all(p->fiber.stack);
    p->fiber.sp = (void *)frozen;
    atomic_store_explicit(&p->is_hibernated, ESI_HIBERNATED, memory_order_relaxed);
}

void esi_hibernate_restore(struct esi_process *p)
{
    if (how(p) == ESI_AWAKE)
        return;
    if (how(p) == ESI_HIBERNATED) {
        struct frozen *frozen = (struct frozen *)(void *)p->fiber.sp;
        p->fiber.sp = frozen->sp;
        unpack(frozen, (uint64_t *)frozen->sp);
        esi_block_free(frozen, frozen->bytes);
    }
    atomic_store_explicit(&p->is_hibernated, ESI_AWAKE, memory_order_relaxed);
}

void esi_hibernate_forget(struct esi_process *p)
{
    if (how(p) != ESI_HIBERNATED)
        return;
    struct frozen *frozen = (struct frozen *)(void *)p->fiber.sp;
    esi_block_free(frozen, frozen->bytes);
    p->fiber.sp = NULL;
}

void es_hibernate(void)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return;
    int64_t before = self->mailbox.count;
    while (!esi_signals_take(self, self->budget > 0 ? self->budget : 1) && !self->is_doomed)
        esi_yield(self);
    if (self->is_doomed)
        esi_end_now(self);
    if (!before && !self->mailbox.count && !self->suspend_count)
        esi_switch_out(self, ESI_REQUEST_HIBERNATE);
    else
        esi_yield(self);
    esi_leave();
}
