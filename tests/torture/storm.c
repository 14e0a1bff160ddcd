/* storm.c - a node that is treated badly for a long time: faults, kills of those that do not come back, full mailboxes, blocked threads.
 *
 * What must hold is asserted; how long it took is printed, and asserted only with ES_TIMING in the environment (a release build on a
 * machine that does nothing else). */
#include <malloc.h>
#include "misdeeds.h"
#include "use.h"

ES_ATOMS(filler, done, ready);

static _Atomic bool is_over;

static void play_storm(void (*body)(void))
{
    atomic_store(&is_over, false);
    esi_report_configure();
    esi_report_set_sink(no_report);
    play_real(body);
    esi_report_set_sink(NULL);
}

/* ---- a ticker, to see how long others wait ---- */

enum { BUCKETS = 2000 };
static _Atomic long late_by_ms[BUCKETS]; /* wake-ups by how many whole milliseconds they were late */
static _Atomic long ticks;
static _Atomic int64_t worst_ns;

static void note_wake_up(int64_t late_ns)
{
    int64_t ms = late_ns < 0 ? 0 : late_ns / 1000000;
    atomic_fetch_add(&late_by_ms[ms < BUCKETS ? ms : BUCKETS - 1], 1);
    int64_t worst = atomic_load(&worst_ns);
    while (late_ns > worst && !atomic_compare_exchange_weak(&worst_ns, &worst, late_ns)) {
    }
    atomic_fetch_add(&ticks, 1);
}

static void sleep_and_note(int64_t time_ms)
{
    int64_t start_ns = es_now_ns();
    es_sleep(time_ms);
    note_wake_up(es_now_ns() - start_ns - time_ms * 1000000);
}

static void forget_wake_ups(void)
{
    for (int i = 0; i < BUCKETS; i++)
        atomic_store(&late_by_ms[i], 0);
    atomic_store(&ticks, 0);
    atomic_store(&worst_ns, 0);
}

/* The number of milliseconds within which `share` of the wake-ups came. */
static int late_within(double share)
{
    long all = atomic_load(&ticks), sum = 0;
    int ms = 0;
    for (; ms < BUCKETS; ms++) {
        sum += atomic_load(&late_by_ms[ms]);
        if ((double)sum >= share * (double)all)
            break;
    }
    return ms + 1;
}

static void ticker(void)
{
    while (!atomic_load(&is_over))
        sleep_and_note(1);
}

static void wait_for_ticks(long more)
{
    long before = atomic_load(&ticks);
    while (atomic_load(&ticks) < before + more)
        es_sleep(1);
}

/* ---- faults ---- */

static void aborts(void)
{
    uint8_t *memory = es_alloc(100);
    memory[0] = 1;
    es_abort();
}

static void fault(long count)
{
    static void (*const ways[])(void) = {reads_null, aborts, recurses};
    enum { AT_ONCE = 32 };
    es_ref ref[AT_ONCE];
    for (long i = 0; i < count; i += AT_ONCE) {
        for (int k = 0; k < AT_ONCE; k++)
            es_spawn_monitor(&ref[k], ESI_TSAN ? aborts : ways[(i + k) % (k % 8 == 2 && !ESI_ASAN ? 3 : 2)]);
        for (int k = 0; k < AT_ONCE; k++) {
            es_term how = es_none();
            EXPECT(got(ES_TUPLE(es_am_DOWN, ref[k], ES_ANY, ES_ANY, ES_TUPLE(&how, ES_ANY, ES_ANY))));
        }
    }
}

/* ---- kills of those that do not come back ---- */

static _Atomic long at_work;

static UNCHECKED void spins(void)
{
    atomic_fetch_add(&at_work, 1);
    for (;;)
        __asm__ volatile("");
}

static void sleeps_in_the_kernel(void)
{
    atomic_fetch_add(&at_work, 1);
    sleep(1000);
}

static void waits_in_a_receive(void)
{
    atomic_fetch_add(&at_work, 1);
    waits();
}

/* Killed while they stand in code that is user code, or a system call. ThreadSanitizer's own code cannot be left: there they wait. */
static void kill_many(long count)
{
    static void (*const ways[])(void) = {ESI_TSAN ? waits_in_a_receive : spins,
                                         ESI_TSAN ? waits_in_a_receive : sleeps_in_the_kernel};
    enum { AT_ONCE = 8, WAYS = 2 };
    es_ref ref[AT_ONCE];
    es_pid pid[AT_ONCE];
    for (long i = 0; i < count; i += AT_ONCE) {
        atomic_store(&at_work, 0);
        for (int k = 0; k < AT_ONCE; k++)
            pid[k] = es_spawn_monitor(&ref[k], ways[(i / AT_ONCE + k) % WAYS]);
        while (atomic_load(&at_work) < AT_ONCE)
            es_sleep(1);
        for (int k = 0; k < AT_ONCE; k++)
            es_send_exit(pid[k], es_am_kill);
        for (int k = 0; k < AT_ONCE; k++)
            EXPECT(got_down(ref[k], pid[k], es_am_killed));
    }
}

static void kill_at_once(void (*what)(void), int count)
{
    es_pid pid[256];
    es_ref ref[256];
    atomic_store(&at_work, 0);
    for (int i = 0; i < count; i++)
        pid[i] = es_spawn_monitor(&ref[i], what);
    while (atomic_load(&at_work) < count)
        es_sleep(1);
    for (int i = 0; i < count; i++)
        es_send_exit(pid[i], es_am_kill);
    for (int i = 0; i < count; i++)
        EXPECT(got_down(ref[i], pid[i], es_am_killed));
}

/* As many at once as each scheduler keeps warm stacks for, and as there may be spare threads: which stack and which thread serves is chance, and
 * without this one after the other would be touched for the first time, for a long time. */
static void crowd(void)
{
    kill_at_once(waits_in_a_receive, 256);
    kill_at_once(ESI_TSAN ? waits_in_a_receive : spins, 16);
}

/* Both in one node, ten times a tenth of each. */
STORY_WITH(faults_and_kills_leave_nothing_behind, rounds(100000), "", play_storm)
{
    es_node_info before, after;
    es_node_info_get(&before);
    crowd();
    fault(WARM_UP);
    kill_many(WARM_UP / 4);
    struct use tenth = {0};
    long all = rounds(100000);
    for (int part = 1; part <= 10; part++) {
        fault(all / 10);
        kill_many(all / 10);
        if (part == 1)
            tenth = use_now();
    }
    compare("faults and as many kills", all, tenth, use_now());
    es_node_info_get(&after);
    EXPECT(after.crashes_contained - before.crashes_contained >= all);
    printf("%lld of them left by force\n", (long long)(after.forced_kills - before.forced_kills));
    if (!ESI_TSAN)
        EXPECT(after.forced_kills - before.forced_kills >= all / 2 - all / 50); /* the spinning half */
    EXPECT(after.stranded == before.stranded);
}

/* ---- blocked threads ---- */

enum { BLOCKED = 100 };

static void wakes_up_a_few_times(es_term argument)
{
    es_pid parent;
    int64_t number;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &number)));
    for (int i = 0; i < 5; i++)
        sleep_and_note(10 + (number + i * 7) % 90);
    es_send(parent, done);
}

STORY_WITH(a_hundred_blocked_ones_do_not_delay_ten_thousand_others, 1, "", play_storm)
{
    es_pid blocked[BLOCKED];
    es_ref ref[BLOCKED];
    atomic_store(&at_work, 0);
    for (int i = 0; i < BLOCKED; i++)
        blocked[i] = es_spawn_monitor(&ref[i], sleeps_in_the_kernel);
    while (atomic_load(&at_work) < BLOCKED)
        es_sleep(1);
    forget_wake_ups();
    for (int64_t i = 0; i < 10000; i++)
        es_spawn(wakes_up_a_few_times, ES_TUPLE(es_self(), i));
    for (int64_t i = 0; i < 10000; i++)
        EXPECT(got(done));
    printf("100 blocked, 10,000 others: %ld wake-ups, half within %d ms, 99 %% within %d ms, the last %.2f "
           "ms late\n",
           atomic_load(&ticks), late_within(0.5), late_within(0.99), (double)atomic_load(&worst_ns) / 1e6);
    EXPECT(atomic_load(&ticks) == 50000);
    if (times_count())
        EXPECT(late_within(0.99) <= 20);
    if (ESI_TSAN)
        return; /* see kill_many() */
    for (int i = 0; i < BLOCKED; i++)
        es_send_exit(blocked[i], es_am_kill);
    for (int i = 0; i < BLOCKED; i++)
        EXPECT(got_down(ref[i], blocked[i], es_am_killed));
}

/* ---- full mailboxes ---- */

static _Atomic bool may_look;
static _Atomic long seen;

/* Does not look until it may; by then the exit signal lies behind all that waits. */
static void looks_when_it_may(void)
{
    atomic_store(&at_work, 1);
    while (!atomic_load(&may_look)) {
    }
    for (;;)
        es_receive {
            es_case(ES_ANY)
                atomic_fetch_add(&seen, 1);
        }
}

static es_next counts_what_it_is_shown(void *state, es_term message)
{
    (void)state, (void)message;
    atomic_store(&at_work, 1);
    while (!atomic_load(&may_look)) {
    }
    atomic_fetch_add(&seen, 1);
    return ES_CONTINUE;
}

/* As above, without a stack of its own: it stands in the first message's handler. */
static void reacts_when_it_may(void)
{
    es_send(es_self(), filler);
    es_react(counts_what_it_is_shown, NULL);
}

static void looks_for_something_else(void)
{
    atomic_store(&at_work, 1);
    waits();
}

/* Fills a mailbox, sends an exit, and gives how long the end took in nanoseconds. */
static int64_t end_a_full_one(void (*function)(void), long count, es_atom reason, es_atom expected)
{
    es_ref ref;
    atomic_store(&at_work, 0);
    atomic_store(&may_look, false);
    atomic_store(&seen, 0);
    es_pid p = es_spawn_monitor(&ref, function);
    while (!atomic_load(&at_work))
        es_sleep(1);
    for (long i = 0; i < count; i++)
        es_send(p, ES_TUPLE(filler, (int64_t)i, "not looked at by anybody"));
    if (function == looks_for_something_else)
        EXPECT(es_is_alive(p)); /* answered behind them all: they are in the mailbox */
    wait_for_ticks(5);
    forget_wake_ups();
    int64_t start_ns = es_now_ns();
    es_send_exit(p, reason);
    atomic_store(&may_look, true);
    EXPECT(got_down(ref, p, expected));
    int64_t took_ns = es_now_ns() - start_ns;
    EXPECT(!es_is_alive(p));
    /* Its messages are freed behind that, in steps; when its place is free they are gone. */
    es_node_info info;
    do {
        es_sleep(1);
        es_node_info_get(&info);
    } while (info.processes > 2);
    wait_for_ticks(5);
    return took_ns;
}

static void report_end(const char *what, long count, int64_t took_ns, long may_be_seen)
{
    printf("%ld messages %s: gone after %.2f ms; others waited %.2f ms at most\n", count, what,
           (double)took_ns / 1e6, (double)atomic_load(&worst_ns) / 1e6);
    EXPECT(atomic_load(&seen) <= may_be_seen); /* less when it was ended in its very first message */
    if (times_count())
        EXPECT(took_ns < 200000000 && atomic_load(&worst_ns) < 20000000);
}

STORY_WITH(an_exit_behind_a_million_messages_comes_before_them, rounds(1000000), "SIG-14", play_storm)
{
    long count = rounds(1000000);
    es_spawn(ticker);
    end_a_full_one(looks_for_something_else, count, es_am_kill, es_am_killed);
    struct use before = use_now();
    int64_t took_ns = end_a_full_one(looks_when_it_may, count, done, done);
    report_end("in an inbox, an exit behind them", count, took_ns, 0);
    took_ns = end_a_full_one(reacts_when_it_may, count, done, done);
    report_end("before a handler, an exit behind them", count, took_ns, 1);
    took_ns = end_a_full_one(looks_for_something_else, count, es_am_kill, es_am_killed);
    report_end("in a mailbox, killed", count, took_ns, 0);
    struct use after = use_now();
    printf("memory before %ld KB, after %ld KB\n", before.memory_kb, after.memory_kb);
    if (!ESI_ASAN && !ESI_TSAN)
        EXPECT(after.memory_kb <= before.memory_kb + before.memory_kb / 10 + 4096);
    atomic_store(&is_over, true);
}

int main(void)
{
    /* Each thread that allocates would get an arena of its own, and which one measures is chance. */
    mallopt(M_ARENA_MAX, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_and_kills_leave_nothing_behind),
        cmocka_unit_test(a_hundred_blocked_ones_do_not_delay_ten_thousand_others),
        cmocka_unit_test(an_exit_behind_a_million_messages_comes_before_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
