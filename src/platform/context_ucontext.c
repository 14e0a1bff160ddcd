/* platform/context_ucontext.c - context.h where there is no assembly: on top of ucontext.
 *
 * Slow, since each switch saves and restores the signal mask by a system call; that makes the mask travel
 * too, which context.h does not promise. A stopped stack's "stack pointer" is its ucontext_t, which lies on
 * it. */
#include "platform/context.h"

#include <stdint.h>
#include <string.h>
#include <ucontext.h>
#include "base/assert.h"

void esi_context_switch(void **from, void *to)
{
    ucontext_t here;
    *from = &here;
    int failed = swapcontext(&here, to);
    esi_assert(!failed);
}

/* makecontext() hands over ints alone, so each pointer travels as two. */
static void begin(unsigned entry_high, unsigned entry_low, unsigned argument_high, unsigned argument_low)
{
    uintptr_t entry = (uintptr_t)((uint64_t)entry_high << 32 | entry_low);
    uintptr_t argument = (uintptr_t)((uint64_t)argument_high << 32 | argument_low);
    setcontext(*((void **(*)(void *))entry)((void *)argument));
    __builtin_trap();
}

void *esi_context_make(void *low, void *high, void **(*entry)(void *argument), void *argument)
{
    esi_assert((uintptr_t)high % 16 == 0);
    size_t room = (sizeof(ucontext_t) + 15) & ~(size_t)15;
    esi_assert((uintptr_t)high - (uintptr_t)low >= room + 4096);
    ucontext_t *made = (ucontext_t *)(void *)((char *)high - room);
    int failed = getcontext(made);
    esi_assert(!failed);
    made->uc_stack.ss_sp = low;
    made->uc_stack.ss_size = (size_t)((char *)made - (char *)low);
    made->uc_link = NULL;
    uint64_t entry_word = (uintptr_t)entry, argument_word = (uintptr_t)argument;
    makecontext(made, (void (*)(void))(uintptr_t)begin, 4, (unsigned)(entry_word >> 32), (unsigned)entry_word,
                (unsigned)(argument_word >> 32), (unsigned)argument_word);
    return made;
}

/* The picture of a new stack would lie where the caller stands. */
bool esi_context_again(void *high, void **(*entry)(void *argument), void *argument)
{
    (void)high, (void)entry, (void)argument;
    return false;
}
