/* platform/stack_announce.h - what the checkers are told about a stack's memory.
 *
 * For stack.c and fiber.c; nothing at all in a plain build outside valgrind.
 *   valgrind              knows the bounds, from when a stack is cut until its pages are given back
 *   AddressSanitizer      faults on a closed stack
 *   LeakSanitizer         looks for pointers in open ones
 *   ThreadSanitizer       has a fiber for each warm stack, made when first needed: they are dear */
#ifndef PLATFORM_STACK_ANNOUNCE_H
#define PLATFORM_STACK_ANNOUNCE_H

#include "platform/stack.h"

#if ESI_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif
#if ESI_TSAN
#include <sanitizer/tsan_interface.h>
#endif

static inline size_t esi_stack_usable_bytes(const struct esi_stack *stack)
{
    return (size_t)(stack->high - stack->low);
}

/* What was on the stack is forgotten; its memory may be written anew. */
static inline void esi_stack_announce_fresh(struct esi_stack *stack)
{
    (void)stack;
#if ESI_VALGRIND
    (void)VALGRIND_MAKE_MEM_UNDEFINED(stack->low, esi_stack_usable_bytes(stack));
#endif
#if ESI_ASAN
    __asan_unpoison_memory_region(stack->low, esi_stack_usable_bytes(stack));
#endif
}

/* The descriptor has just been written. */
static inline void esi_stack_announce_cut(struct esi_stack *stack)
{
    (void)stack;
#if ESI_VALGRIND
    stack->valgrind_id = VALGRIND_STACK_REGISTER(stack->low, stack->high);
#endif
}

static inline void esi_stack_announce_opened(struct esi_stack *stack)
{
    esi_stack_announce_fresh(stack);
#if ESI_ASAN
    __lsan_register_root_region(stack->low, esi_stack_usable_bytes(stack));
#endif
}

static inline void esi_stack_announce_closed(struct esi_stack *stack)
{
    (void)stack;
#if ESI_ASAN
    __lsan_unregister_root_region(stack->low, esi_stack_usable_bytes(stack));
    __asan_poison_memory_region(stack->low, esi_stack_usable_bytes(stack));
#endif
}

/* Its pages are about to be given back, descriptor and all. */
static inline void esi_stack_announce_cooled(struct esi_stack *stack)
{
    esi_stack_announce_fresh(stack);
#if ESI_TSAN
    if (stack->tsan_fiber)
        __tsan_destroy_fiber(stack->tsan_fiber);
#endif
#if ESI_VALGRIND
    VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
#endif
}

#endif
