/* platform/random.h - bytes that nobody can guess, or, in the simulated world, bytes from the seed.
 *
 * For seeds, cookies and challenges; each call is a system call. Choices made often want base/random.h. */
#ifndef PLATFORM_RANDOM_H
#define PLATFORM_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills `memory` with `size` bytes from getrandom(). Waits until the kernel's pool is ready (early boot);
 * ends the node where the kernel has no getrandom(). Any thread; simulated: the only thread. */
void esi_random_bytes(void *memory, size_t size);

/* Eight of them. */
uint64_t esi_random_u64(void);

#endif
