/* base/alloc.c - malloc, but a test may make it fail. */
#include <stdlib.h>
#include "base/alloc.h"
#include "base/fail.h"

void *esi_alloc(size_t bytes)
{
    if (esi_fail_is_armed() && esi_fail_strike())
        return NULL;
    return malloc(bytes ? bytes : 1);
}

void *esi_alloc_zeroed(size_t count, size_t bytes)
{
    if (esi_fail_is_armed() && esi_fail_strike())
        return NULL;
    size_t all;
    if (__builtin_mul_overflow(count, bytes, &all))
        return NULL; /* calloc would say so too, but sanitizers end the program there */
    return calloc(1, all ? all : 1);
}

void *esi_realloc(void *memory, size_t bytes)
{
    if (esi_fail_is_armed() && esi_fail_strike())
        return NULL;
    return realloc(memory, bytes ? bytes : 1);
}

void esi_free(void *memory)
{
    free(memory);
}
