/* scenario.h - what the programs in this folder share: chance by the seed, and a check that ends the simulation.
 *
 * A program plays one scenario: its first process casts the others, sees to it that all comes to an end, and returns. Beside it, in C, stands a
 * small model of what must be so; CHECK() compares wherever a process knows something. A process may be killed or crash at any call: what the
 * model says of it is written before a call that may do something, and after one that has done it. */
#ifndef TESTS_SIMULATE_SCENARIO_H
#define TESTS_SIMULATE_SCENARIO_H

#include <engset.h>
#include <engset/simulate.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_broken;

/* What must be so; else the seed has failed, and the rest (printf) says how. Anywhere. */
#define CHECK(condition, ...)                                                       \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s: ", __FILE__, __LINE__, #condition); \
            fprintf(stderr, __VA_ARGS__);                                           \
            fputc('\n', stderr);                                                    \
            is_broken = true;                                                       \
        }                                                                           \
    } while (0)

/* es_send() that arrives, or the caller ends as it does when it is struck by lack of memory. */
#define SEND(to, x)                        \
    do {                                   \
        if (es_send((to), x) == ES_ENOMEM) \
            es_exit(es_am_system_limit);   \
    } while (0)

/* A term as text, for a CHECK(). Any process; valid until the next one. */
static inline __attribute__((unused)) const char *shown(es_term term)
{
    static char text[200];
    es_print(text, sizeof text, term);
    return text;
}

/* A number below `limit`, by the seed and how many were drawn before. Anywhere. */
static inline __attribute__((unused)) int chance(int limit)
{
    static uint64_t state;
    const char *seed = getenv("ES_SIM");
    if (!state)
        state = (seed ? strtoull(seed, NULL, 0) : 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (int)((state * UINT64_C(0x2545f4914f6cdd1d) >> 33) % (uint64_t)limit);
}

static inline __attribute__((unused)) int64_t now_ms(void)
{
    return es_now_ns() / 1000000;
}

/* Is that how a process ends when a fault strikes it? */
static inline __attribute__((unused)) bool is_struck(es_term reason)
{
    return es_is(reason, es_am_killed) || es_is(reason, es_am_system_limit) ||
           es_match(reason, ES_TUPLE(es_am_signal, es_am_sigsegv, ES_ANY));
}

static inline bool all_is_well(void *unused)
{
    (void)unused;
    return !is_broken;
}

/* How long faults strike. A scenario that wants quiet for its last look waits until they_are_over(). */
enum { FAULTS_MS = 2000 };

static inline __attribute__((unused)) void wait_until_faults_are_over(void)
{
    es_sleep(FAULTS_MS + 1500); /* who was frozen goes on within a second */
}

static inline int play(void (*first)(void *), uint32_t faults)
{
    return es_simulate(
        first, NULL,
        &(es_simulation){.faults = faults, .faults_ms = FAULTS_MS, .settle_ms = 60000, .holds = all_is_well});
}

#endif
