/* base/alloc.h - plain memory for the runtime's own long-lived things.
 *
 * A thin cover of malloc that takes part in base/fail.h. Messages and control blocks come from base/pool.h,
 * a process's own memory from its owner list; neither is here. All of it: any thread. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>

/* `bytes` of memory, aligned for anything; 0 bytes count as 1. NULL if there is none. Undone by esi_free().
 */
__attribute__((malloc, warn_unused_result)) void *esi_alloc(size_t bytes);

/* The same for `count` objects of `bytes`, all zero. NULL also if the product overflows. */
__attribute__((malloc, warn_unused_result)) void *esi_alloc_zeroed(size_t count, size_t bytes);

/* Makes `memory` (may be NULL) hold `bytes`. NULL if there is no memory: `memory` is then as before. */
__attribute__((warn_unused_result)) void *esi_realloc(void *memory, size_t bytes);

/* Gives back what came from the above; NULL is fine. */
void esi_free(void *memory);

#endif
