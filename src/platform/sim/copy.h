/* platform/sim/copy.h - bytes between the program's memory and the simulated machine's, as a kernel copies them: a bad address of the program
 * is an error of its call, and not a fault in the runtime. */
#ifndef PLATFORM_SIM_COPY_H
#define PLATFORM_SIM_COPY_H

#include <stdbool.h>
#include <stddef.h>

/* Copies `size` bytes to, or from, the program's memory at `user`. False, with EFAULT in errno: it is not all there. */
bool esi_sim_to_user(void *user, const void *from, size_t size);
bool esi_sim_from_user(void *to, const void *user, size_t size);

#endif
