/* tests/sweep/sweep.h - each function of the interface, and what it does when any one of its allocations fails.
 *
 *     SWEEP(es_link, 0)
 *     {
 *         es_err error = TRY(es_link(other));        // here, and only here, one allocation fails
 *         went_well(error);                          // it may fail when there was no memory, and says so
 *         EXPECT(links_of(other) == (error == ES_OK));
 *         EXPECT(es_link(other) == ES_OK);           // right after it works
 *     }
 *
 * is one row of the table of its program. A row is played by a process of its own, with `other`, which answers; then played again with the
 * first allocation in TRY() failing, with the second... until none does. Each time the row's process has ended, as it should, or with
 * `system_limit` where the header says so (MAY_END); nothing of it is left: no process, bond, name, descriptor, and with ES_POOL=malloc in the
 * environment no block of memory; and `other` lives and answers.
 *
 * tests/house/test_sweeps.py compares the rows with what the library exports. */
#ifndef TESTS_SWEEP_SWEEP_H
#define TESTS_SWEEP_SWEEP_H

#include <engset.h>
#include <dirent.h>
#include "live.h"
#include "story.h"
#include "base/fail.h"
#include "proc/contain/report.h"
#include "proc/contain/symbol.h"

ES_ATOMS(ask, answered, sweep_report);

enum {
    MAY_END = 1,       /* without memory its caller is ended with system_limit */
    TAKES_NOTHING = 2, /* allocates never: that is what is checked */
    REAL = 4,          /* played on a real node with one scheduler, else in a simulated world */
    OUTSIDE = 8,      /* played by the program's own thread, once a failing allocation, with no node around */
    ENDS_ITSELF = 16, /* the call ends its caller, with a reason of its own */
    AT_TIMES = 64,    /* whether it needs memory depends on what lies ready */
    KEEPS_BLOCKS = 32, /* what it makes is made for ever (an atom), or at moments of its own */
};

struct sweep_row {
    const char *function;
    void (*play)(es_pid other);
    unsigned how;
};

enum { SWEEP_ROWS = 256, SWEEP_MOST = 3000 };
static struct sweep_row sweep_rows[SWEEP_ROWS];
static int sweep_row_count;

/* The row that is played. Written by whoever plays; the fields that others may write are atomic. */
static struct {
    const struct sweep_row *row;
    uint64_t fails_at;        /* the allocation that fails; 0: none does */
    _Atomic(bool) has_failed; /* it did */
    _Atomic(int) tries;       /* TRY()s that were begun */
    uint64_t took;            /* allocations in the last TRY() that came back, of those that TAKE_NOTHING */
} sweep_now;

#define SWEEP(name, flags)                                                                \
    static void sweep_##name(es_pid other);                                               \
    __attribute__((constructor(300))) static void sweep_row_##name(void)                  \
    {                                                                                     \
        sweep_rows[sweep_row_count++] = (struct sweep_row){#name, sweep_##name, (flags)}; \
    }                                                                                     \
    static void sweep_##name(__attribute__((unused)) es_pid other)

enum { SWEEP_NEVER = 1u << 30 };

static inline void sweep_arm(void)
{
    atomic_fetch_add(&sweep_now.tries, 1);
    if (sweep_now.row->how & TAKES_NOTHING)
        esi_fail_after(SWEEP_NEVER);
    else if (sweep_now.fails_at)
        esi_fail_after(sweep_now.fails_at);
}

static inline void sweep_disarm(void)
{
    if (sweep_now.row->how & TAKES_NOTHING)
        sweep_now.took = SWEEP_NEVER - atomic_load(&esi_fail_armed);
    if (esi_fail_stop())
        atomic_store(&sweep_now.has_failed, true);
}

/* The call that is looked at: one in a row. */
#define TRY(...)                                  \
    __extension__({                               \
        sweep_arm();                              \
        __auto_type sweep_result = (__VA_ARGS__); \
        sweep_disarm();                           \
        sweep_result;                             \
    })
#define TRY_VOID(...)   \
    do {                \
        sweep_arm();    \
        __VA_ARGS__;    \
        sweep_disarm(); \
    } while (0)

/* `pid`, which has its stack now and waits. */
static inline es_pid settled(es_pid pid)
{
    EXPECT(es_is_alive(pid));
    return pid;
}

/* Did the call of TRY() work? If not, an allocation failed, and it says what it must: `wanted`. */
static inline bool fails_with(int64_t result, es_err wanted)
{
    if (result >= 0)
        return true;
    EXPECT(atomic_load(&sweep_now.has_failed));
    EXPECT(result == wanted);
    return false;
}

static inline bool went_well(int64_t result)
{
    return fails_with(result, ES_ENOMEM);
}

/* The same for calls that give a pid, and their error by es_last_error(). */
static inline bool got_pid(es_pid pid)
{
    return went_well(es_pid_is_none(pid) ? (int64_t)es_last_error() : 0);
}

static inline bool had_memory(void)
{
    return !atomic_load(&sweep_now.has_failed);
}

static inline int64_t soon(void)
{
    return es_now_ns() + INT64_C(20000000000);
}

static inline int64_t links_of(es_pid pid)
{
    es_info info;
    return es_process_info(pid, &info) ? info.links : -1;
}

static inline int64_t watchers_of(es_pid pid)
{
    es_info info;
    return es_process_info(pid, &info) ? info.monitored_by : -1;
}

/* ---------------------------------------------------------------- what is left */

enum { SWEEP_OTHERS = 64 };

struct sweep_use {
    int64_t blocks, names, processes;
    int descriptors;
};

static inline int sweep_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;
    while (folder && readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* Blocks can be counted where each is malloc's own. */
static inline bool sweep_counts_blocks(void)
{
    const char *pool = getenv("ES_POOL");
    return pool && strcmp(pool, "malloc") == 0 && LIVE_IS_COUNTED && !(sweep_now.row->how & KEEPS_BLOCKS);
}

static inline struct sweep_use sweep_use_now(void)
{
    struct sweep_use use = {.names = es_registered(NULL, 0), .descriptors = sweep_descriptors()};
    use.processes = es_processes(NULL, 0);
    if (sweep_counts_blocks())
        use.blocks = atomic_load(&live_blocks);
    return use;
}

static inline bool sweep_is_as_before(struct sweep_use before, struct sweep_use now)
{
    return now.blocks <= before.blocks && now.names == before.names && now.processes == before.processes &&
           now.descriptors == before.descriptors;
}

/* What ended is cleared away a little later. */
static inline void sweep_expect_as_before(struct sweep_use before)
{
    struct sweep_use now = sweep_use_now();
    for (int i = 0; i < 400 && !sweep_is_as_before(before, now); i++) {
        es_sleep(i < 200 ? 1 : 20);
        now = sweep_use_now();
    }
    if (EXPECT(sweep_is_as_before(before, now)))
        return;
    print_message("%s, allocation %llu: blocks %lld -> %lld, names %lld -> %lld, processes %lld -> %lld, "
                  "descriptors %d -> %d\n",
                  sweep_now.row->function, (unsigned long long)sweep_now.fails_at, (long long)before.blocks,
                  (long long)now.blocks, (long long)before.names, (long long)now.names,
                  (long long)before.processes, (long long)now.processes, before.descriptors, now.descriptors);
}

/* ---------------------------------------------------------------- one play, and the next */

static inline void sweep_answers(void)
{
    es_term from;
    es_trap_exit(true);
    for (;;)
        es_receive {
            es_case_call(from, ask) {
                if (es_reply_to(from, ES_TUPLE(answered, ES_LIST(1, 2, 3))) != ES_OK)
                    es_reply_to(from, ES_TUPLE(answered, ES_LIST(1, 2, 3)));
            }
            es_case(ES_ANY) {
            }
        }
}

static inline void sweep_subject(es_term argument)
{
    es_pid other;
    if (EXPECT(es_match(argument, &other)))
        sweep_now.row->play(other);
}

/* Ends all that the row has started. */
static inline void sweep_end_others(void)
{
    es_pid all[SWEEP_OTHERS];
    int64_t count = es_processes(all, SWEEP_OTHERS);
    for (int64_t i = 0; i < count && i < SWEEP_OTHERS; i++)
        if (!es_pid_equal(all[i], es_self())) {
            es_send_exit(all[i], es_am_kill);
            wait_for_end(all[i]);
        }
}

static inline void sweep_judge_end(es_term reason)
{
    if (sweep_now.row->how & ENDS_ITSELF)
        EXPECT(!es_is(reason, es_am_normal));
    else if (es_is(reason, es_am_system_limit))
        EXPECT((sweep_now.row->how & MAY_END) && atomic_load(&sweep_now.has_failed));
    else if (!EXPECT(es_is(reason, es_am_normal)))
        (print_message("%s, allocation %llu: ", sweep_now.row->function,
                       (unsigned long long)sweep_now.fails_at),
         es_fprint(stdout, reason), print_message("\n"));
}

/* One play of the row, the `fails_at`-th allocation failing; 0: none. */
static inline void sweep_play(uint64_t fails_at)
{
    es_ref ref;
    es_term reason;
    sweep_now.fails_at = fails_at;
    atomic_store(&sweep_now.has_failed, false);
    atomic_store(&sweep_now.tries, 0);
    sweep_now.took = 0;
    es_pid other = settled(es_spawn(sweep_answers));
    es_pid subject = es_spawn_monitor(&ref, sweep_subject, es_lend(other));
    es_receive {
        es_case(ES_TUPLE(es_am_DOWN, ref, es_am_process, subject, &reason)) {
            if (esi_fail_stop())
                atomic_store(&sweep_now.has_failed, true);
            sweep_judge_end(reason);
        }
    }
    EXPECT(atomic_load(&sweep_now.tries) == 1);
    EXPECT(sweep_now.took == 0);
    es_term answer = es_none();
    EXPECT(es_try_call(other, ask, 20000, &answer) == ES_OK &&
           es_match(answer, ES_TUPLE(answered, ES_LIST(1, 2, 3))));
    es_drop(answer);
    EXPECT(links_of(other) == 0 && watchers_of(other) == 0);
    sweep_end_others();
    while (there_is(ES_ANY))
        ;
}

static uint64_t sweep_allocations; /* that the row's call was seen to make */

/* Plays the row again and again: what is made once for all is there after the second time, and the program's symbols, which the first report of a
 * crash reads and keeps. */
static inline void sweep_story(void)
{
    struct esi_symbol symbol;
    (void)esi_symbol_find((uintptr_t)sweep_story, true, &symbol);
    sweep_play(0);
    sweep_play(0);
    struct sweep_use before = sweep_use_now();
    uint64_t n = 0;
    if (sweep_now.row->how & TAKES_NOTHING) {
        sweep_play(0);
        sweep_expect_as_before(before);
        return;
    }
    do {
        sweep_play(++n);
        sweep_expect_as_before(before);
    } while (atomic_load(&sweep_now.has_failed) && n < SWEEP_MOST && !atomic_load(&story_notes.failures));
    sweep_allocations = n - 1;
}

static inline void sweep_no_report(const char *text, size_t length)
{
    (void)text, (void)length;
}

/* The program's own thread plays: the row says when it is enough by has_failed. */
static inline void sweep_outside(void)
{
    sweep_now.row->play(ES_NO_PID);
    if (!EXPECT(sweep_now.took == 0) || (sweep_now.row->how & TAKES_NOTHING))
        return;
    struct sweep_use before = sweep_use_now();
    uint64_t n = 0;
    do {
        sweep_now.fails_at = ++n;
        atomic_store(&sweep_now.has_failed, false);
        sweep_now.row->play(ES_NO_PID);
        EXPECT(sweep_descriptors() == before.descriptors);
    } while (atomic_load(&sweep_now.has_failed) && n < SWEEP_MOST && !atomic_load(&story_notes.failures));
    sweep_allocations = n - 1;
}

static inline void sweep_test(void **state)
{
    sweep_now.row = *state;
    sweep_now.fails_at = 0;
    sweep_allocations = 0;
    story_begin(sweep_story);
    esi_report_configure();
    esi_report_set_sink(sweep_no_report);
    int status = 0;
    if (sweep_now.row->how & OUTSIDE)
        sweep_outside(), atomic_store(&story_notes.is_told, true);
    else if (sweep_now.row->how & REAL)
        status = es_run(story_first, NULL, &(es_options){.schedulers = 1});
    else
        status = es_run_simulated(1, story_first, NULL, NULL, NULL);
    esi_report_set_sink(NULL);
    if (story_notes.failures)
        fail_msg("%s, allocation %llu: %s, and %d more", sweep_now.row->function,
                 (unsigned long long)sweep_now.fails_at, story_notes.first, story_notes.failures - 1);
    story_check(status, sweep_now.row->function, 1);
    if (!(sweep_now.row->how & TAKES_NOTHING)) {
        print_message("%s: %llu allocations\n", sweep_now.row->function,
                      (unsigned long long)sweep_allocations);
        assert_true(sweep_allocations > 0 || (sweep_now.row->how & AT_TIMES));
        assert_true(sweep_allocations < SWEEP_MOST - 1);
    }
}

/* Plays the whole table; one row alone if `argv` names it. */
static inline int sweep_all(int argc, char **argv)
{
    static struct CMUnitTest tests[SWEEP_ROWS];
    size_t count = 0;
    for (int i = 0; i < sweep_row_count; i++)
        if (argc < 2 || strcmp(argv[1], sweep_rows[i].function) == 0)
            tests[count++] = (struct CMUnitTest){
                .name = sweep_rows[i].function, .test_func = sweep_test, .initial_state = &sweep_rows[i]};
    return count ? _cmocka_run_group_tests("sweep", tests, count, NULL, NULL) : 1;
}

#endif
