/* tests/support/story.h - tests that are played by processes.
 *
 *     STORY(an_exit_reason_reaches_a_linked_process, "LNK-01")
 *     {
 *         ... the first process of a node; EXPECT(condition) wherever it or its children know something ...
 *     }
 *
 * declares a cmocka test that plays the story on a real node, and in simulated worlds with several seeds. Processes
 * only take notes; what fails is asserted on the test's own stack when the node is down. A story must come to its end. */
#ifndef TESTS_SUPPORT_STORY_H
#define TESTS_SUPPORT_STORY_H

#include <stdatomic.h>
#include <engset/link.h>
#include <engset/receive.h>
#include "case.h"
#include "rounds.h"

static struct {
    _Atomic(int) failures;
    char first[512]; /* the first failure, in words; written by who counted it */
    void (*body)(void);
    _Atomic(bool) is_told;
} story_notes __attribute__((unused));

static inline bool story_expect(bool holds, const char *what, const char *file, int line)
{
    if (!holds && atomic_fetch_add(&story_notes.failures, 1) == 0)
        snprintf(story_notes.first, sizeof story_notes.first, "%s:%d: %s", file, line, what);
    return holds;
}
#define EXPECT(...) story_expect((__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)

static inline void story_first(void *unused)
{
    (void)unused;
    story_notes.body();
    atomic_store(&story_notes.is_told, true);
}

static inline void story_check(int status, const char *world, unsigned long seed)
{
    if (story_notes.failures)
        fail_msg("%s (seed %lu): %s, and %d more", world, seed, story_notes.first, story_notes.failures - 1);
    if (!story_notes.is_told)
        fail_msg("%s (seed %lu): the story did not come to its end", world, seed);
    assert_int_equal(status, 0);
}

static inline void story_begin(void (*body)(void))
{
    story_notes.failures = 0;
    story_notes.body = body;
    story_notes.is_told = false;
}

/* Plays it on a node with two schedulers. */
static inline void play_real(void (*body)(void))
{
    story_begin(body);
    story_check(es_run(story_first, NULL, &(es_options){.schedulers = 2}), "real node", 0);
}

/* Plays it in simulated worlds with the seeds 1 to `seeds`. */
static inline void play_simulated(void (*body)(void), unsigned long seeds)
{
    for (unsigned long seed = 1; seed <= seeds; seed++) {
        story_begin(body);
        story_check(es_run_simulated(seed, story_first, NULL, NULL, NULL), "simulated", seed);
    }
}

static inline void play(void (*body)(void))
{
    play_real(body);
    play_simulated(body, 10);
}

static inline void play_in_ten_worlds(void (*body)(void))
{
    play_simulated(body, 10);
}

/* The trace of one simulated world, to be compared with that of another. */
static inline uint64_t story_trace(void (*body)(void), unsigned long seed)
{
    uint64_t trace = 0;
    story_begin(body);
    story_check(es_run_simulated(seed, story_first, NULL, NULL, &trace), "simulated", seed);
    return trace;
}

#define STORY_WITH(name, times, ids, player) \
    static void name##_story(void);          \
    CASE(name, times, ids)                   \
    {                                        \
        player(name##_story);                \
    }                                        \
    static void name##_story(void)
#define STORY(name, ids)             STORY_WITH(name, 1, ids, play)
#define SIMULATED_STORY(name, ids)   STORY_WITH(name, 1, ids, play_in_ten_worlds)
#define REAL_STORY(name, times, ids) STORY_WITH(name, times, ids, play_real)

/* ---------------------------------------------------------------- casts */

enum { STORY_PATIENCE_MS = 20000, STORY_QUIET_MS = 5 };

ES_ATOMS(exit_, message, go, never_sent);

/* Waits until it is ended. */
static inline void waits(void)
{
    es_receive {
        es_case(never_sent)
            return;
    }
}

static inline void traps_and_waits(void)
{
    es_trap_exit(true);
    waits();
}

static inline void exits(es_term reason)
{
    es_exit(reason);
}

static inline void returns(void)
{
}

/* Exits with the reason that comes in {exit, Reason}. */
static inline void exits_when_told(void)
{
    es_term reason;
    es_receive {
        es_case(ES_TUPLE(exit_, &reason))
            es_exit(reason);
    }
}

/* Waits for {'EXIT', From, Reason}: true, or false if none comes. */
#define got_exit(from, reason)        got(ES_TUPLE(es_am_EXIT, (from), (reason)))
#define got_down(ref, object, reason) got(ES_TUPLE(es_am_DOWN, (ref), es_am_process, (object), (reason)))
#define got(pattern)                  got_within((pattern), STORY_PATIENCE_MS)

/* Is such a message there, or does it come in time? It is taken. */
#define got_within(pattern, time_ms) \
    __extension__({                  \
        bool esi_got = false;        \
        es_receive {                 \
            es_case(pattern)         \
                esi_got = true;      \
            es_after(time_ms)        \
                esi_got = false;     \
        }                            \
        esi_got;                     \
    })

/* Is such a message in the mailbox now? It is taken. */
#define there_is(pattern) got_within((pattern), 0)

/* Is such a message in the mailbox, now or soon? It stays there. */
#define stays_there(pattern)                                                 \
    __extension__({                                                          \
        bool esi_seen = false;                                               \
        for (int esi_i = 0; esi_i < STORY_PATIENCE_MS && !esi_seen; esi_i++) \
            es_receive {                                                     \
                es_case_when(pattern, (esi_seen = true, false)) {            \
                }                                                            \
                es_after(esi_seen ? 0 : 1) {                                 \
                }                                                            \
            }                                                                \
        esi_seen;                                                            \
    })

/* Nothing is in the mailbox, and nothing comes for a little while. */
static inline bool is_quiet(void)
{
    return !got_within(ES_ANY, STORY_QUIET_MS);
}

/* Waits until `pid` has ended and all that it says at its end is said. */
static inline void wait_for_end(es_pid pid)
{
    es_ref ref = es_monitor(pid);
    es_receive {
        es_case(ES_TUPLE(es_am_DOWN, ref, ES_ANY, ES_ANY, ES_ANY))
            return;
    }
}

/* A pid that nobody has any more. */
static inline es_pid dead_pid(void)
{
    es_pid pid = es_spawn(returns);
    wait_for_end(pid);
    return pid;
}

/* Sends {exit, Reason} to an exits_when_told(). */
#define tell_to_exit(pid, reason) es_send((pid), ES_TUPLE(exit_, (reason)))

#endif
