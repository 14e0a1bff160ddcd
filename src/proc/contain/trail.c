/* proc/contain/trail.c - taking down return addresses, and finding among them where the runtime was called.
 *
 * In a static link the runtime's functions stand in the user's own module. Its static functions cannot be told from the user's by their
 * names, but they stand further in than the public one that was called, whose name begins with es_ or esi_ and is global. */
#include "proc/contain/trail.h"

#include <string.h>
#include "proc/contain/module.h"
#include "proc/contain/symbol.h"

__attribute__((noinline)) void esi_trail_note(struct esi_process *self)
{
    uintptr_t *frame_address = __builtin_frame_address(
        0); /* where this function keeps its caller's register, whatever that has in it */
    struct esi_frame frame = {.pc = (uintptr_t)__builtin_return_address(0),
                              .sp = (uintptr_t)(frame_address + 2),
                              .fp = *frame_address,
                              .is_call = true};
    struct esi_stack *stack = self->fiber.stack;
    struct esi_stack_span span = {0, 0};
    if (stack)
        span = (struct esi_stack_span){(uintptr_t)stack->low, (uintptr_t)stack->high};
    if (frame.sp < span.low || frame.sp >= span.high)
        return; /* a worker acts on its behalf */
    struct esi_process_extra *extra = esi_process_extra(self);
    if (!extra || extra->trail)
        return;
    struct esi_trail *trail = esi_block_alloc(sizeof *trail);
    if (!trail)
        return;
    trail->count = esi_unwind(frame, span, trail->frames, ESI_FAULT_FRAMES);
    extra->trail = trail;
}

void esi_trail_free(struct esi_process *p)
{
    if (!p->extra || !p->extra->trail)
        return;
    esi_block_free(p->extra->trail, sizeof *p->extra->trail);
    p->extra->trail = NULL;
}

/* ---- reading it ---- */

enum whose { USERS, RUNTIMES, PUBLIC };

static enum whose whose(uintptr_t frame)
{
    struct esi_symbol symbol;
    if (esi_place_is_below_all(frame - 1))
        return USERS;
    if (esi_module_kind_of(frame - 1) == ESI_MODULE_RUNTIME)
        return PUBLIC;
    esi_symbol_find(frame - 1, false, &symbol);
    if (strncmp(symbol.function, "es_", 3) != 0 && strncmp(symbol.function, "esi_", 4) != 0)
        return USERS;
    return symbol.is_global ? PUBLIC : RUNTIMES;
}

int esi_trail_of_user(const struct esi_process *p, uintptr_t frames[ESI_FAULT_FRAMES])
{
    const struct esi_trail *trail = p->extra ? p->extra->trail : NULL;
    int first = 0, count = trail ? trail->count : 0;
    while (first < count && whose(trail->frames[first]) != PUBLIC)
        first++;
    if (first == count) /* all became part of the user's function, or there are no names */
        first = 0;
    while (first < count && whose(trail->frames[first]) != USERS)
        first++;
    for (int i = first; i < count; i++)
        frames[i - first] = trail->frames[i];
    if (first < count)
        frames[0]--;
    return count - first;
}

/* ---- places ---- */

bool esi_place_is_below_all(uintptr_t pc)
{
    uintptr_t start, end;
    return esi_function_bounds((uintptr_t)&esi_process_main, &start, &end) && pc >= start && pc < end;
}

uintptr_t esi_place_for_people(uintptr_t pc, void (*function)(void))
{
    return function && esi_place_is_below_all(pc) ? (uintptr_t)function : pc;
}
