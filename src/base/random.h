/* base/random.h - random numbers that repeat: the same seed gives the same row, on every machine.
 *
 * For the simulator, for stealing and for tests. Never for secrets: cookies, challenges and references that
 * must not be guessed come from the OS. xoshiro256** (Blackman and Vigna), seeded through splitmix64. No
 * locks: one owner. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

struct esi_random {
    uint64_t state[4]; /* never all zero */
};

/* One step of splitmix64: advances `*state` and gives a well mixed number. Also good to mix a key. */
static inline uint64_t esi_random_splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Starts the row of `seed`; every seed is good. */
static inline void esi_random_seed(struct esi_random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = esi_random_splitmix(&seed);
}

/* The next number of the row, all 64 bits of it random. */
static inline uint64_t esi_random_next(struct esi_random *random)
{
    uint64_t *s = random->state;
    uint64_t five = s[1] * 5, result = ((five << 7) | (five >> 57)) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

/* A number from 0 to bound - 1, all equally likely; bound >= 1. Draws again where a remainder would favour
 * some. */
static inline uint64_t esi_random_below(struct esi_random *random, uint64_t bound)
{
    uint64_t unfair = (0 - bound) % bound; /* 2^64 mod bound */
    uint64_t value;
    do {
        value = esi_random_next(random);
    } while (value < unfair);
    return value % bound;
}

/* A row of its own for a part of the program, so that what others draw does not change what it gets. */
static inline struct esi_random esi_random_fork(struct esi_random *random)
{
    struct esi_random child;
    esi_random_seed(&child, esi_random_next(random));
    return child;
}

#endif
