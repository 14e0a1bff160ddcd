/* kills.c - a thousand kills a second, of processes that compute, spin, block in the kernel, wait, sleep and call, while others beat each
 * millisecond: how long the worst of them waited, and what is left.
 *
 * What must hold is asserted; how long it took is printed, and asserted only with ES_TIMING in the environment (a release build on a
 * machine that does nothing else). */
#include <malloc.h>
#include <pthread.h>
#include <time.h>
#include "as_written.h"
#include "use.h"

ES_ATOMS(question);

enum { A_SECOND = 1000, BEATING = 20, MOST_LATE_MS = 50 };

/* ---- those who are killed ---- */

static es_pid silent;

static void never_answers(void)
{
    for (;;)
        es_receive {
            es_case(ES_ANY) {
            }
        }
}

static UNCHECKED void spins(void)
{
    for (;;)
        __asm__ volatile("");
}

static void blocks(void)
{
    sleep(1000);
}

static void computes(void)
{
    volatile uint64_t sum = 0;
    for (;; es_yield())
        for (int i = 0; i < 1000; i++)
            sum = sum + (uint64_t)i;
}

static void sleeps(void)
{
    for (;;)
        es_sleep(1);
}

static void calls(void)
{
    es_call(silent, question, ES_INFINITY);
}

/* How many of each there are at a time, and how many of forty kills meet one. A new one that spins holds a scheduler for 4 ms before the
 * watchdog takes it away, one that blocks for 2: so 50 and 100 of them a second take 0.4 of the two seconds that two schedulers have. */
static const struct {
    void (*function)(void);
    const char *name;
    int count, share;
} kinds[] = {
    {waits, "wait", 100, 10}, {calls, "call", 100, 10},    {sleeps, "sleep", 100, 10},
    {blocks, "block", 16, 4}, {computes, "compute", 4, 4}, {spins, "spin", 4, 2},
};

enum { KINDS = sizeof kinds / sizeof kinds[0], MOST = 100, SHARES = 40 };

static es_pid victims[KINDS][MOST];
static int oldest[KINDS];
static long killed[KINDS];
static long awaited; /* DOWNs */

/* ThreadSanitizer's own code cannot be left: there they wait who would have to be taken out of a function. */
static void spawn_victim(int kind, int place)
{
    es_ref ref;
    bool must_be_left = kinds[kind].function == spins || kinds[kind].function == blocks;
    es_pid pid = es_spawn_monitor(&ref, ESI_TSAN && must_be_left ? waits : kinds[kind].function);
    EXPECT(!es_pid_is_none(pid));
    victims[kind][place] = pid;
    awaited++;
}

static void take_downs(int64_t time_ms)
{
    while (awaited > 0 &&
           got_within(ES_TUPLE(es_am_DOWN, ES_ANY, es_am_process, ES_ANY, es_am_killed), time_ms))
        awaited--;
}

/* The kind that the kill of that number meets: 17 and 40 have no factor in common, so that each comes evenly. */
static int kind_of(long number)
{
    int kind = 0, share = (int)(number * 17 % SHARES);
    while (share >= kinds[kind].share)
        share -= kinds[kind++].share;
    return kind;
}

/* Kills the oldest of a kind, and puts another in its place. */
static void kill_one(long number)
{
    int kind = kind_of(number), place = oldest[kind];
    oldest[kind] = (place + 1) % kinds[kind].count;
    es_send_exit(victims[kind][place], es_am_kill);
    killed[kind]++;
    spawn_victim(kind, place);
}

/* Kills `count`, a thousand a second: as many as are due, then a millisecond of nothing. */
static void storm(long count)
{
    int64_t start_ns = es_now_ns();
    for (long done = 0; done < count; es_sleep(1)) {
        long due = (long)((es_now_ns() - start_ns) / (1000000000 / A_SECOND));
        for (; done < due && done < count; done++)
            kill_one(done);
        take_downs(0);
    }
}

/* ---- those who are innocent ---- */

static _Atomic bool is_over;
static _Atomic long beats;
static _Atomic int64_t worst_ns;

/* The yardstick: a thread that sleeps a millisecond, again and again, beside the node. What it waits the machine makes it wait. */
static _Atomic int64_t thread_worst_ns;

static void *beats_beside(void *unused)
{
    (void)unused;
    const struct timespec pause = {0, 1000000};
    for (int64_t before_ns = es_now_ns(), now_ns; !atomic_load(&is_over); before_ns = now_ns) {
        nanosleep(&pause, NULL);
        now_ns = es_now_ns();
        if (now_ns - before_ns > atomic_load(&thread_worst_ns))
            atomic_store(&thread_worst_ns, now_ns - before_ns);
    }
    return NULL;
}

static void beats_each_millisecond(void)
{
    int64_t worst = 0, before_ns = es_now_ns();
    while (!atomic_load(&is_over)) {
        es_sleep(1);
        int64_t now_ns = es_now_ns();
        worst = now_ns - before_ns > worst ? now_ns - before_ns : worst;
        before_ns = now_ns;
        atomic_fetch_add(&beats, 1);
    }
    for (int64_t so_far = atomic_load(&worst_ns);
         worst > so_far && !atomic_compare_exchange_weak(&worst_ns, &so_far, worst);) {
    }
}

static pthread_t beside;

static void start_beats(es_ref refs[BEATING])
{
    atomic_store(&is_over, false);
    atomic_store(&beats, 0);
    atomic_store(&worst_ns, 0);
    EXPECT(pthread_create(&beside, NULL, beats_beside, NULL) == 0);
    for (int i = 0; i < BEATING; i++)
        es_spawn_monitor(&refs[i], beats_each_millisecond);
}

static void end_beats(es_ref refs[BEATING])
{
    atomic_store(&is_over, true);
    for (int i = 0; i < BEATING; i++)
        EXPECT(got(ES_TUPLE(es_am_DOWN, refs[i], ES_ANY, ES_ANY, es_am_normal)));
    pthread_join(beside, NULL);
}

/* A machine that is busy elsewhere makes the node wait for part of a second, and then hundreds are ended and made at once. As many have had
 * stacks before the first look, or each such moment would touch some for the first time. */
static void crowd(void)
{
    enum { CROWD = 1000 };
    static es_pid pids[CROWD];
    static es_ref refs[CROWD];
    for (int i = 0; i < CROWD; i++)
        pids[i] = es_spawn_monitor(&refs[i], waits);
    for (int i = 0; i < CROWD; i++)
        EXPECT(es_is_alive(pids[i]));
    for (int i = 0; i < CROWD; i++)
        es_send_exit(pids[i], es_am_kill);
    for (int i = 0; i < CROWD; i++)
        EXPECT(got_down(refs[i], pids[i], es_am_killed));
}

/* ---- the story ---- */

static long victim_count(void)
{
    long count = 0;
    for (int kind = 0; kind < KINDS; kind++)
        count += kinds[kind].count;
    return count;
}

/* All that were killed are gone; those that were put in their place are there. */
static struct use use_at_rest(void)
{
    while (awaited > victim_count() &&
           EXPECT(got_within(ES_TUPLE(es_am_DOWN, ES_ANY, es_am_process, ES_ANY, es_am_killed),
                             STORY_PATIENCE_MS)))
        awaited--;
    return use_now();
}

static void play_kills(void (*body)(void))
{
    esi_report_configure();
    esi_report_set_sink(no_report);
    play_real(body);
    esi_report_set_sink(NULL);
}

STORY_WITH(a_thousand_kills_a_second_delay_no_innocent_process_and_leave_nothing, rounds(60000), "",
           play_kills)
{
    long all = rounds(60000);
    es_ref refs[BEATING];
    es_node_info before, after;
    silent = es_spawn(never_answers);
    es_node_info_get(&before);
    for (int kind = 0; kind < KINDS; kind++)
        for (int place = 0; place < kinds[kind].count; place++)
            spawn_victim(kind, place);
    crowd();
    storm(WARM_UP);
    start_beats(refs);
    int64_t start_ns = es_now_ns();
    storm(all / 10);
    struct use tenth = use_at_rest();
    storm(all - all / 10);
    double seconds = (double)(es_now_ns() - start_ns) / 1e9;
    struct use last = use_at_rest();
    end_beats(refs);
    compare("kills", all, tenth, last);
    es_node_info_get(&after);
    printf(
        "%.0f kills a second for %.1f s; %d innocent processes beat %ld times, and waited %.1f ms at most; "
        "a thread beside the node %.1f ms\n",
        (double)all / seconds, seconds, BEATING, atomic_load(&beats), (double)atomic_load(&worst_ns) / 1e6,
        (double)atomic_load(&thread_worst_ns) / 1e6);
    for (int kind = 0; kind < KINDS; kind++)
        printf("%9ld that %s\n", killed[kind], kinds[kind].name);
    printf("%lld left by force, %d stranded\n", (long long)(after.forced_kills - before.forced_kills),
           after.stranded - before.stranded);
    EXPECT(after.stranded == before.stranded);
    if (times_count())
        EXPECT(atomic_load(&worst_ns) <= MOST_LATE_MS * INT64_C(1000000));
    for (int kind = 0; kind < KINDS; kind++)
        for (int place = 0; place < kinds[kind].count; place++)
            es_send_exit(victims[kind][place], es_am_kill);
    take_downs(STORY_PATIENCE_MS);
    EXPECT(awaited == 0);
}

int main(void)
{
    mallopt(M_ARENA_MAX, 1); /* as in storm.c */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_kills_a_second_delay_no_innocent_process_and_leave_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
