/* platform/context.c - the first picture of a stack, as the assembly beside it expects to find it. */
#include "platform/context.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/assert.h"

void esi_context_entry(void);

#if defined(__x86_64__)

struct picture {
    uint32_t mxcsr;
    uint16_t x87_control;
    uint16_t unused;
    uint64_t r15, r14, r13, argument /* r12 */, entry /* rbx */, rbp;
    uint64_t goes_on;
    uint64_t behind[2]; /* where a caller's frame would be: zero, and keeps the stack aligned */
};
_Static_assert(offsetof(struct picture, goes_on) == 56, "as context_x86_64.S has it");
_Static_assert(offsetof(struct picture, behind) % 16 == 0, "a call finds the stack 16-aligned");

static void save_floating_point_control(struct picture *picture)
{
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(picture->mxcsr), "=m"(picture->x87_control));
    /* The sticky flags tell of the maker's own sums, not of the new stack's. */
    picture->mxcsr &= ~UINT32_C(0x3f);
}

#elif defined(__aarch64__)

struct picture {
    uint64_t d8_to_d15[8];
    uint64_t entry /* x19 */, argument /* x20 */, x21_to_x28[8];
    uint64_t x29, goes_on /* x30 */;
    uint64_t fpcr;
    uint64_t unused;
    uint64_t behind[2]; /* where a caller's frame would be: zero */
};
_Static_assert(offsetof(struct picture, goes_on) == 152, "as context_aarch64.S has it");
_Static_assert(offsetof(struct picture, fpcr) == 160, "as context_aarch64.S has it");
_Static_assert(offsetof(struct picture, behind) == 176, "as context_aarch64.S has it");

static void save_floating_point_control(struct picture *picture)
{
    __asm__ volatile("mrs %0, fpcr" : "=r"(picture->fpcr));
}

#else
#error "no context switch for this machine: configure with -Dcontext=ucontext"
#endif

void *esi_context_make(void *low, void *high, void **(*entry)(void *argument), void *argument)
{
    esi_assert((uintptr_t)high % 16 == 0);
    esi_assert((uintptr_t)high - (uintptr_t)low >= sizeof(struct picture));
    struct picture *picture = (struct picture *)(void *)((char *)high - sizeof *picture);
    memset(picture, 0, sizeof *picture);
    save_floating_point_control(picture);
    picture->entry = (uint64_t)(uintptr_t)entry;
    picture->argument = (uint64_t)(uintptr_t)argument;
    picture->goes_on = (uint64_t)(uintptr_t)esi_context_entry;
    return picture;
}
