/* platform/fiber.h - stacks that take turns on a thread.
 *
 * A fiber is where something runs or stands still: a thread's own stack, or a stack of stack.h. It is
 * context.h together with what AddressSanitizer, ThreadSanitizer and valgrind must be told. It knows no
 * scheduler and no process.
 *
 * A fiber may go on in another thread than the one where it stopped. Who hands it over makes sure that the
 * thread it stopped in has left it (came back to `to` of the switch) before another switches to it. */
#ifndef PLATFORM_FIBER_H
#define PLATFORM_FIBER_H

#include "platform/context.h"
#include "platform/sanitize.h"
#include "platform/stack.h"

#if ESI_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#if ESI_TSAN
#include <sanitizer/tsan_interface.h>
#endif

struct esi_fiber {
    void *sp; /* while it stands still: where; the used part of the stack is [sp, stack->high) */
    struct esi_stack *stack; /* borrowed; NULL for a thread's own stack */
#if ESI_ASAN
    const void *asan_low; /* the bounds that AddressSanitizer is told */
    size_t asan_size;
    void *asan_fake_stack;
#endif
#if ESI_TSAN
    void *tsan_fiber;
#endif
};
#if !ESI_ASAN && !ESI_TSAN
_Static_assert(sizeof(struct esi_fiber) == 16, "a fiber is two words of a process");
#endif

/* Makes `fiber` stand for the calling thread's own stack. Nothing to undo. */
void esi_fiber_init_thread(struct esi_fiber *fiber);

/* What runs on a fiber of its own. It returns what esi_fiber_end() gives, or ends in esi_fiber_finish(). */
typedef void **esi_fiber_entry(void *argument);

/* Makes `fiber` stand on `stack`, on which nobody runs, so that the first switch to it calls
 * `entry(argument)`. It keeps borrowing the stack. Any thread. */
void esi_fiber_make(struct esi_fiber *fiber, struct esi_stack *stack, esi_fiber_entry *entry, void *argument);

/* The same for a fiber whose stack was left for good: by esi_fiber_finish(), or by siglongjmp with the two
 * calls below. What stood on the stack is forgotten, and its pages go back to the kernel but for the uppermost ones. */
void esi_fiber_restart(struct esi_fiber *fiber, esi_fiber_entry *entry, void *argument);

/* Before `fiber`, which stands still, is thrown away without having finished: tells the sanitizers. The stack
 * may then be closed or made into another fiber. */
void esi_fiber_abandon(struct esi_fiber *fiber);

/* In a signal handler on the alternate stack, which interrupted a fiber of this thread: the next thing will
 * be a siglongjmp to the thread's own stack, for which `thread` stands. Async-signal-safe. */
static inline __attribute__((always_inline)) void esi_fiber_before_longjmp(struct esi_fiber *thread)
{
    (void)thread;
#if ESI_TSAN
    /* siglongjmp looks for the jump buffer among those of the fiber that runs. Inline, because a function of its
     * own would be entered in the one fiber and left in the other. */
    __tsan_switch_to_fiber(thread->tsan_fiber, 0);
#endif
}

/* After that siglongjmp, the first thing on the thread's own stack. The fiber that was left cannot be
 * switched to before esi_fiber_restart(). */
void esi_fiber_after_longjmp(struct esi_fiber *thread);

#if ESI_ASAN || ESI_TSAN
static inline __attribute__((always_inline)) void
esi_fiber_announce_leaving(struct esi_fiber *from, struct esi_fiber *to, bool for_good)
{
    (void)from, (void)to, (void)for_good;
#if ESI_ASAN
    __sanitizer_start_switch_fiber(for_good ? NULL : &from->asan_fake_stack, to->asan_low, to->asan_size);
#endif
#if ESI_TSAN
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
}

static inline __attribute__((always_inline)) void esi_fiber_announce_arrived(struct esi_fiber *self)
{
    (void)self;
#if ESI_ASAN
    __sanitizer_finish_switch_fiber(self->asan_fake_stack, NULL, NULL);
#endif
}
#else
static inline void esi_fiber_announce_leaving(struct esi_fiber *from, struct esi_fiber *to, bool for_good)
{
    (void)from, (void)to, (void)for_good;
}

static inline void esi_fiber_announce_arrived(struct esi_fiber *self)
{
    (void)self;
}
#endif

/* Stops `from`, which is what runs now, and goes on with `to`. Comes back when somebody switches to `from`,
 * maybe in another thread: no address of a thread-local may be kept over it. */
static inline __attribute__((always_inline)) void esi_fiber_switch(struct esi_fiber *from,
                                                                   struct esi_fiber *to)
{
    esi_fiber_announce_leaving(from, to, false);
    esi_context_switch(&from->sp, to->sp);
    esi_fiber_announce_arrived(from);
}

/* Leaves `from`, which is what runs now, for good and goes on with `to`. After it the stack may be closed, or
 * used again by esi_fiber_restart() or esi_fiber_make(). */
ES_NORETURN void esi_fiber_finish(struct esi_fiber *from, struct esi_fiber *to);

/* The same for an entry function, which returns what this gives. When all calls on a stack return, the processor knows where
 * those of the next stack will return to; each that does not costs 6 ns on the way. */
void **esi_fiber_end(struct esi_fiber *from, struct esi_fiber *to);

/* `fiber` is what runs now: forgets all frames on its stack and runs `entry(argument)` from its top. Comes back where that cannot be done;
 * then leave the fiber and have somebody else restart it. */
void esi_fiber_again(struct esi_fiber *fiber, esi_fiber_entry *entry, void *argument);

#endif
