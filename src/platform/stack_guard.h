/* platform/stack_guard.h - memory below a stack that faults when touched.
 *
 * For stack_slab.c. What others ask about guards stands in stack.h. */
#ifndef PLATFORM_STACK_GUARD_H
#define PLATFORM_STACK_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <engset/base.h>

/* Makes [low, low + bytes), whole pages, fault. `*costs_mapping`: whether it counts against the limit.
 * ES_ELIMIT: no mappings left for it; nothing changed. Any thread. */
ES_CHECKED es_err esi_guard_install(char *low, size_t bytes, bool *costs_mapping);

/* Tells that `count` guards that cost mappings are gone with their memory. Any thread. */
void esi_guard_forget(size_t count);

#endif
