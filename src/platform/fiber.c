/* platform/fiber.c - what of fiber.h is not in every switch. */
#include "platform/fiber.h"

#include <pthread.h>
#include "base/assert.h"
#include "platform/stack_announce.h"

#if ESI_ASAN

static void learn_thread_bounds(struct esi_fiber *fiber)
{
    pthread_attr_t attributes;
    void *low;
    int failed = pthread_getattr_np(pthread_self(), &attributes);
    esi_assert(!failed);
    failed = pthread_attr_getstack(&attributes, &low, &fiber->asan_size);
    esi_assert(!failed);
    fiber->asan_low = low;
    fiber->asan_fake_stack = NULL;
    pthread_attr_destroy(&attributes);
}

/* Runs first on a new stack: the switch that led here is not over for the sanitizer. */
static void **begin(void *argument)
{
    struct esi_stack *stack = argument;
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
    return stack->entry(stack->argument);
}

#endif

void esi_fiber_init_thread(struct esi_fiber *fiber)
{
    *fiber = (struct esi_fiber){0};
#if ESI_ASAN
    learn_thread_bounds(fiber);
#endif
#if ESI_TSAN
    fiber->tsan_fiber = __tsan_get_current_fiber();
#endif
}

/* A sanitizer's fiber does not serve again: it was left in the middle of calls, or of a signal handler. It keeps the calls that never
 * returned, without a bound, and writes past its room for them after some thousand uses. */
static void forget_tsan_fiber(struct esi_stack *stack)
{
    (void)stack;
#if ESI_TSAN
    if (stack->tsan_fiber)
        __tsan_destroy_fiber(stack->tsan_fiber);
    stack->tsan_fiber = NULL;
#endif
}

void esi_fiber_make(struct esi_fiber *fiber, struct esi_stack *stack, esi_fiber_entry *entry, void *argument)
{
    *fiber = (struct esi_fiber){.stack = stack};
    esi_stack_announce_fresh(stack);
#if ESI_TSAN
    forget_tsan_fiber(stack);
    stack->tsan_fiber = __tsan_create_fiber(0);
    fiber->tsan_fiber = stack->tsan_fiber;
#endif
#if ESI_ASAN
    fiber->asan_low = stack->low;
    fiber->asan_size = esi_stack_usable_bytes(stack);
    stack->entry = entry;
    stack->argument = argument;
    fiber->sp = esi_context_make(stack->low, stack->high, begin, stack);
#else
    fiber->sp = esi_context_make(stack->low, stack->high, entry, argument);
#endif
}

void esi_fiber_abandon(struct esi_fiber *fiber)
{
    esi_assert(fiber->stack != NULL);
    forget_tsan_fiber(fiber->stack);
    *fiber = (struct esi_fiber){0};
}

void esi_fiber_restart(struct esi_fiber *fiber, esi_fiber_entry *entry, void *argument)
{
    struct esi_stack *stack = fiber->stack;
    esi_fiber_abandon(fiber);
    /* An endless recursion has touched all of it. It would stay so for all who use the stack later, and sooner or later there
     * would be no other stacks: memory would grow with each such crash. */
    esi_stack_release_below(stack, stack->high);
    esi_fiber_make(fiber, stack, entry, argument);
}

void **esi_fiber_end(struct esi_fiber *from, struct esi_fiber *to)
{
#if ESI_ASAN || ESI_TSAN
    /* Their notes of the calls on this stack end with the switch: nothing may return after they are told of it. */
    esi_fiber_finish(from, to);
#else
    (void)from;
    return &to->sp;
#endif
}

void esi_fiber_finish(struct esi_fiber *from, struct esi_fiber *to)
{
    esi_fiber_announce_leaving(from, to, true);
    esi_context_switch(&from->sp, to->sp);
    esi_panic(__FILE__, __LINE__, "a fiber that has finished went on");
}

void esi_fiber_after_longjmp(struct esi_fiber *thread)
{
    (void)thread;
#if ESI_ASAN
    /* To the sanitizer the fiber still runs: end it and come here. siglongjmp itself has told it that the frames
     * between are gone. */
    __sanitizer_start_switch_fiber(NULL, thread->asan_low, thread->asan_size);
    __sanitizer_finish_switch_fiber(thread->asan_fake_stack, NULL, NULL);
#endif
}

void esi_fiber_again(struct esi_fiber *fiber, esi_fiber_entry *entry, void *argument)
{
#if !ESI_ASAN && !ESI_TSAN /* their notes of the frames would stay */
    esi_context_again(fiber->stack->high, entry, argument);
#else
    (void)fiber, (void)entry, (void)argument;
#endif
}
