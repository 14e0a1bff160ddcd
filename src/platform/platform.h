/* platform/platform.h - may we run here, and in which of the two worlds.
 *
 * linux: the machine as it is. sim: one thread, a clock that moves only when told (clock.h), random bytes
 * that come from a seed (random.h), waits that never wait (park.h, poller.h), a network and files of its own (os.h). Which one it is, is said once,
 * at the start, while there is one thread. */
#ifndef PLATFORM_PLATFORM_H
#define PLATFORM_PLATFORM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <engset/base.h>

/* Prepares the room: asymmetric barriers, guard probe. Again is harmless. Before the first other thread. */
void esi_platform_start(void);

/* Whether this machine and OS process can run us. ES_EINVAL: no, and `*why` is a static line that tells the
 * reason (user shadow stacks are on, which a switch of stacks of our own would break). Any thread. */
ES_CHECKED es_err esi_platform_check(const char **why);

/* How many cores this OS process may run on (its affinity, which taskset(1) and containers set); at least 1. Any thread. */
int esi_platform_cores(void);

/* Tells the core that a loop waits for another core. */
static inline void esi_platform_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* From now on the simulated world, repeatable from `seed`: the clock is at 1 s. One thread only. */
void esi_platform_sim_start(uint64_t seed);

/* Back to the real world. One thread only. */
void esi_platform_sim_stop(void);

extern _Atomic bool esi_platform_sim_on; /* read it by the function below */

/* Whether this is the simulated world. Any thread. */
static inline bool esi_platform_is_sim(void)
{
    /* relaxed: written only while there is one thread. */
    return atomic_load_explicit(&esi_platform_sim_on, memory_order_relaxed);
}

#endif
