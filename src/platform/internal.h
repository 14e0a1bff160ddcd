/* platform/internal.h - what the files of this room tell each other at the start. Nobody else includes it. */
#ifndef PLATFORM_INTERNAL_H
#define PLATFORM_INTERNAL_H

#include <stdint.h>

/* Asks the kernel for membarrier; see barrier.h. Again is harmless. One thread. */
void esi_asymmetric_register(void);

/* The virtual clock is at its beginning. One thread. */
void esi_sim_clock_reset(void);

/* The simulated random bytes begin anew from `seed`. One thread. */
void esi_sim_random_seed(uint64_t seed);

/* The simulated machine of `seed` is there, with nothing in it; or is gone, with all there was. One thread. */
void esi_sim_machine_open(uint64_t seed);
void esi_sim_machine_close(void);

#endif
