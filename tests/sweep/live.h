/* tests/sweep/live.h - counts the blocks that malloc has given and not got back: in front of libc's own functions, for the whole program.
 *
 * glibc's own figures count what lies in its caches as in use. Not under sanitizers, which see by themselves what is never freed. */
#ifndef TESTS_SWEEP_LIVE_H
#define TESTS_SWEEP_LIVE_H

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include "platform/sanitize.h"

static _Atomic(int64_t) live_blocks;

#if !ESI_ASAN && !ESI_TSAN && defined(__GLIBC__)
enum { LIVE_IS_COUNTED = 1 };

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

static inline void *live_new(void *block)
{
    if (block)
        atomic_fetch_add(&live_blocks, 1);
    return block;
}

void *malloc(size_t size)
{
    return live_new(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return live_new(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size)
{
    void *moved = __libc_realloc(block, size);
    if (!block)
        return live_new(moved);
    if (!moved && size == 0)
        atomic_fetch_sub(&live_blocks, 1);
    return moved;
}

void *memalign(size_t alignment, size_t size)
{
    return live_new(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return live_new(__libc_memalign(alignment, size));
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *block = live_new(__libc_memalign(alignment, size));
    if (block)
        *out = block;
    return block ? 0 : ENOMEM;
}

void free(void *block)
{
    if (block)
        atomic_fetch_sub(&live_blocks, 1);
    __libc_free(block);
}
#else
enum { LIVE_IS_COUNTED = 0 };
#endif

#endif
