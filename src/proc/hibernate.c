/* hibernate.c - the stack copied out, and in again. */
#include "proc/hibernate.h"

#include <sys/mman.h>
#include <unistd.h>
#include "proc/worker.h"

/* More than that in use: the copy would take what the pages give. Only what lies below is given back then. */
enum { COPY_MAX = 8 << 10 };

#if defined(__clang__)
#define UNCHECKED __attribute__((noinline, no_sanitize("address", "thread", "undefined")))
#else
#define UNCHECKED __attribute__((noinline, no_sanitize_address, no_sanitize_thread, no_sanitize_undefined))
#endif

/* memcpy() for stacks: sanitizers would complain of the gaps between variables. `bytes` is a multiple of 8. */
static UNCHECKED void copy_words(void *to, const void *from, size_t bytes)
{
    uint64_t *t = to;
    const uint64_t *f = from;
    for (size_t i = 0; i < bytes / sizeof *t; i++) {
        t[i] = f[i];
        __asm__ volatile("" ::: "memory"); /* not to become a call of memcpy() */
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

void esi_hibernate_stack(struct esi_process *p)
{
    if (p->frame_refs || p->pin_count || (p->extra && p->extra->hibernated))
        return;
    size_t bytes = used_bytes(p);
    if (bytes > COPY_MAX) {
        esi_stack_release_below(p->fiber.stack, p->fiber.sp);
        return;
    }
    struct esi_process_extra *extra = esi_process_extra(p);
    struct esi_message *copy = extra ? esi_message_new(bytes) : NULL;
    if (!copy)
        return;
    copy_words(copy->words, p->fiber.sp, bytes);
    extra->hibernated = copy;
    release_all(p->fiber.stack);
    atomic_store_explicit(&p->is_hibernated, 1, memory_order_relaxed);
}

void esi_hibernate_restore(struct esi_process *p)
{
    struct esi_message *copy = p->extra ? p->extra->hibernated : NULL;
    if (!copy)
        return;
    copy_words(p->fiber.sp, copy->words, copy->size_bytes - sizeof *copy);
    p->extra->hibernated = NULL;
    esi_message_free(copy);
    atomic_store_explicit(&p->is_hibernated, 0, memory_order_relaxed);
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
