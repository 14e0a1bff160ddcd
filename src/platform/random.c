/* platform/random.c - see random.h. */
#include "platform/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include "base/assert.h"
#include "platform/internal.h"
#include "platform/platform.h"

static uint64_t sim_state; /* the simulated world has one thread */

void esi_sim_random_seed(uint64_t seed)
{
    sim_state = seed;
}

/* splitmix64 (Steele, Lea, Flood 2014): every seed is a good one. */
static uint64_t sim_next(void)
{
    uint64_t z = sim_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void sim_bytes(unsigned char *to, size_t size)
{
    while (size > 0) {
        uint64_t word = sim_next();
        size_t part = size < sizeof word ? size : sizeof word;
        memcpy(to, &word, part);
        to += part;
        size -= part;
    }
}

void esi_random_bytes(void *memory, size_t size)
{
    unsigned char *to = memory;
    if (esi_platform_is_sim()) {
        sim_bytes(to, size);
        return;
    }
    int before = errno;
    while (size > 0) {
        ssize_t got = getrandom(to, size, 0);
        if (got < 0)
            esi_assert(errno == EINTR);
        else {
            to += got;
            size -= (size_t)got;
        }
    }
    errno = before;
}

uint64_t esi_random_u64(void)
{
    uint64_t word;
    esi_random_bytes(&word, sizeof word);
    return word;
}
