/* schedule.c - who runs when: priorities, shares, and processes that compute or block without coming back. */
#include <netdb.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "story.h"

ES_ATOMS(ready, done, ask, answer);

#define UNCHECKED __attribute__((noinline))

static _Atomic bool is_over;

static void play_on(int schedulers, void (*body)(void))
{
    atomic_store(&is_over, false);
    story_begin(body);
    story_check(es_run(story_first, NULL, &(es_options){.schedulers = schedulers}), "real node", 0);
}

static void play_on_one(void (*body)(void))
{
    play_on(1, body);
}

static void play_on_two(void (*body)(void))
{
    play_on(2, body);
}

static UNCHECKED void compute(int rounds_of)
{
    for (volatile int i = 0; i < rounds_of; i++) {
    }
}

/* ---- priorities and shares ---- */

enum { BUSY = 10 };
static _Atomic int64_t turns[BUSY];

static void takes_turns(es_term argument)
{
    int64_t who;
    EXPECT(es_match(argument, &who));
    while (!atomic_load(&is_over)) {
        compute(500);
        atomic_fetch_add(&turns[who], 1);
        es_yield();
    }
}

static es_pid busy[BUSY];

static void spawn_busy(int64_t from, int64_t to, es_priority priority)
{
    for (int64_t i = from; i < to; i++) {
        atomic_store(&turns[i], 0);
        busy[i] = es_spawn_opt(ES_WITH(.priority = priority), takes_turns, es_lend(i));
    }
}

/* Who had its turn when others came may have lost its scheduler in it: that turn goes on beside them. */
static void until_it_has_no_turn(int64_t who)
{
    es_info info;
    while (es_process_info(busy[who], &info) && info.state == ES_STATE_RUNNING)
        es_sleep(1);
}

STORY_WITH(normal_waits_for_high_but_low_gets_its_share_beside_normal, 1, "PRC-09", play_on_one)
{
    es_set_priority(ES_PRIORITY_MAX);
    spawn_busy(8, 9, ES_PRIORITY_NORMAL);
    spawn_busy(9, 10, ES_PRIORITY_LOW);
    while (atomic_load(&turns[9]) < 20)
        es_sleep(1);
    EXPECT(atomic_load(&turns[8]) > atomic_load(&turns[9]));
    spawn_busy(0, 8, ES_PRIORITY_HIGH);
    while (atomic_load(&turns[7]) < 1)
        es_sleep(1);
    until_it_has_no_turn(8);
    until_it_has_no_turn(9);
    int64_t normal = atomic_load(&turns[8]), low = atomic_load(&turns[9]), high = atomic_load(&turns[0]);
    while (atomic_load(&turns[0]) < high + 100)
        es_sleep(1);
    EXPECT(atomic_load(&turns[8]) == normal);
    EXPECT(atomic_load(&turns[9]) == low);
    atomic_store(&is_over, true);
}

STORY_WITH(equal_processes_get_equal_shares, 1, "PRC-10", play_on_two)
{
    es_set_priority(ES_PRIORITY_MAX);
    spawn_busy(0, BUSY, ES_PRIORITY_NORMAL);
    es_sleep(times_count() ? 2000 : 200);
    for (int i = 0; i < BUSY; i++) /* the time may have gone by without a turn for anybody */
        for (int n = 0; n < STORY_PATIENCE_MS && !atomic_load(&turns[i]); n++)
            es_sleep(1);
    atomic_store(&is_over, true);
    int64_t least = INT64_MAX, most = 0, all = 0;
    for (int i = 0; i < BUSY; i++) {
        int64_t n = atomic_load(&turns[i]);
        least = n < least ? n : least;
        most = n > most ? n : most;
        all += n;
    }
    printf("10 equal processes on 2 schedulers: share of the least %.2f, of the most %.2f\n",
           (double)least * BUSY / (double)all, (double)most * BUSY / (double)all);
    EXPECT(least > 0);
    if (times_count())
        EXPECT(least * BUSY * 4 >= all * 3 && most * BUSY * 4 <= all * 5);
}

static void answers_when_asked(void)
{
    es_term from;
    es_receive {
        es_case_call(from, ask) {
            for (int i = 0; i < 20; i++)
                es_yield();
            es_reply_to(from, answer);
        }
    }
}

static void asks(es_term argument)
{
    es_pid parent, server;
    es_term out;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &server)));
    EXPECT(es_try_call(server, ask, STORY_PATIENCE_MS, &out) == ES_OK);
    es_send(parent, done);
}

STORY_WITH(what_a_low_one_holds_comes_to_the_high_one_that_waits_for_it, 1, "PRC-11", play_on_one)
{
    es_set_priority(ES_PRIORITY_HIGH);
    es_pid low = es_spawn_opt(ES_WITH(.priority = ES_PRIORITY_LOW), answers_when_asked);
    spawn_busy(0, 8, ES_PRIORITY_NORMAL);
    es_spawn_opt(ES_WITH(.priority = ES_PRIORITY_HIGH), asks, ES_TUPLE(es_self(), low));
    EXPECT(got(done));
    atomic_store(&is_over, true);
}

/* ---- processes that do not come back ---- */

static _Atomic int64_t ticks, longest_ns;
static _Atomic int blocked;

/* Wakes up each millisecond and notes how late the worst was. */
static void ticker(void)
{
    while (!atomic_load(&is_over)) {
        int64_t start_ns = es_now_ns();
        es_sleep(1);
        int64_t late_ns = es_now_ns() - start_ns - 1000000;
        if (late_ns > atomic_load(&longest_ns))
            atomic_store(&longest_ns, late_ns);
        atomic_fetch_add(&ticks, 1);
    }
}

static void start_ticker(void)
{
    atomic_store(&ticks, 0);
    atomic_store(&longest_ns, 0);
    atomic_store(&blocked, 0);
    es_spawn(ticker);
    while (atomic_load(&ticks) < 5)
        es_sleep(1);
}

static void report_delay(const char *what)
{
    printf("%s: %lld ticks meanwhile, the longest delay %.2f ms\n", what, (long long)atomic_load(&ticks),
           (double)atomic_load(&longest_ns) / 1e6);
    if (times_count())
        EXPECT(atomic_load(&longest_ns) < 50000000);
}

static _Atomic bool may_stop;

/* Computes until the ticker has gone on: if it could not, this would never end, so it gives up some time. */
static UNCHECKED void computes_without_a_call(void)
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    atomic_fetch_add(&blocked, 1);
    do {
        compute(10000);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (!atomic_load(&may_stop) && now.tv_sec - start.tv_sec < STORY_PATIENCE_MS / 1000);
    atomic_fetch_sub(&blocked, 1);
}

STORY_WITH(who_computes_without_end_keeps_nobody_from_running, 1, "PRC-21", play_on_one)
{
    start_ticker();
    atomic_store(&may_stop, false);
    es_ref ref;
    es_pid p = es_spawn_monitor(&ref, computes_without_a_call);
    while (!atomic_load(&blocked))
        es_yield();
    es_sleep(rounds(5000) > 100 ? rounds(5000) : 100);
    int64_t before = atomic_load(&ticks);
    while (atomic_load(&ticks) < before + 20)
        es_sleep(1);
    EXPECT(atomic_load(&blocked) == 1); /* it computes still */
    atomic_store(&may_stop, true);
    EXPECT(got_down(ref, p, es_am_normal));
    report_delay("one computes");
    atomic_store(&is_over, true);
}

static int pipe_ends[2];

static void reads_a_pipe(void)
{
    char byte;
    atomic_fetch_add(&blocked, 1);
    EXPECT(read(pipe_ends[0], &byte, 1) == 1);
    atomic_fetch_sub(&blocked, 1);
}

static void sleeps_in_libc(void)
{
    atomic_fetch_add(&blocked, 1);
    usleep((useconds_t)(rounds(5000) > 100 ? rounds(5000) : 100) * 1000);
    atomic_fetch_sub(&blocked, 1);
}

static void looks_up_a_name_here(void *unused)
{
    (void)unused;
    struct addrinfo *list = NULL;
    if (getaddrinfo("localhost", "80", NULL, &list) == 0)
        freeaddrinfo(list);
}

static void looks_up_a_name(void)
{
    EXPECT(es_on_big_stack(1 << 20, looks_up_a_name_here, NULL) == ES_OK);
}

static void let_readers_go(int count)
{
    for (int i = 0; i < count; i++)
        EXPECT(write(pipe_ends[1], "x", 1) == 1);
}

STORY_WITH(who_blocks_in_the_c_library_keeps_nobody_from_running, 1, "PRC-22", play_on_one)
{
    es_ref reader, sleeper, looker;
    EXPECT(pipe(pipe_ends) == 0);
    start_ticker();
    es_pid p = es_spawn_monitor(&reader, reads_a_pipe);
    es_pid q = es_spawn_monitor(&sleeper, sleeps_in_libc);
    es_pid r = es_spawn_monitor(&looker, looks_up_a_name);
    while (atomic_load(&blocked) < 2)
        es_sleep(1);
    EXPECT(got_down(sleeper, q, es_am_normal));
    EXPECT(got_down(looker, r, es_am_normal));
    int64_t before = atomic_load(&ticks);
    while (atomic_load(&ticks) < before + 20)
        es_sleep(1);
    EXPECT(atomic_load(&blocked) == 1);
    let_readers_go(1);
    EXPECT(got_down(reader, p, es_am_normal));
    report_delay("one reads a pipe, one sleeps, one looks up a name");
    atomic_store(&is_over, true);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

enum { BLOCKED = 100, FEW = 4 };

STORY_WITH(a_hundred_blocked_ones_take_a_bounded_number_of_threads, 1, "PRC-23", play_on_two)
{
    es_ref ref[BLOCKED];
    es_node_info before, during, after;
    EXPECT(pipe(pipe_ends) == 0);
    start_ticker();
    es_node_info_get(&before);
    for (int i = 0; i < BLOCKED; i++)
        es_spawn_monitor(&ref[i], reads_a_pipe);
    while (atomic_load(&blocked) < BLOCKED)
        es_sleep(1);
    int64_t ticked = atomic_load(&ticks);
    while (atomic_load(&ticks) < ticked + 20)
        es_sleep(1);
    es_node_info_get(&during);
    EXPECT(during.threads >= BLOCKED && during.threads <= before.threads + BLOCKED + 2 * during.schedulers);
    let_readers_go(BLOCKED);
    for (int i = 0; i < BLOCKED; i++)
        EXPECT(got(ES_TUPLE(es_am_DOWN, ref[i], ES_ANY, ES_ANY, es_am_normal)));
    do {
        es_sleep(1);
        es_node_info_get(&after);
    } while (after.threads - after.spare_threads > after.schedulers);
    printf("threads: %d before, %d with %d processes blocked, %d after (%d of them spare); longest delay "
           "%.2f ms\n",
           before.threads, during.threads, BLOCKED, after.threads, after.spare_threads,
           (double)atomic_load(&longest_ns) / 1e6);
    /* A second time the spares are used again. */
    for (int i = 0; i < BLOCKED; i++)
        es_spawn_monitor(&ref[i], reads_a_pipe);
    while (atomic_load(&blocked) < BLOCKED)
        es_sleep(1);
    es_node_info_get(&during);
    EXPECT(during.threads <= before.threads + BLOCKED + 2 * during.schedulers);
    let_readers_go(BLOCKED);
    for (int i = 0; i < BLOCKED; i++)
        EXPECT(got(ES_TUPLE(es_am_DOWN, ref[i], ES_ANY, ES_ANY, es_am_normal)));
    atomic_store(&is_over, true);
    /* Spares that nobody needs go home: all but a few. */
    do {
        es_sleep(10);
        es_node_info_get(&after);
    } while (after.threads > after.schedulers + FEW);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

/* ---- halt ---- */

static void halts(void *status)
{
    printf("last words");
    es_halt(*(int *)status);
}

CASE(a_halt_ends_the_os_process_with_exactly_that_status, 3, "PRC-24")
{
    static int status[] = {0, 42, 255};
    fflush(NULL);
    for (int i = 0; i < 3; i++) {
        int ends[2], how;
        char said[64] = "";
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            dup2(ends[1], STDOUT_FILENO);
            close(ends[0]);
            _exit(100 + es_run(halts, &status[i], NULL));
        }
        close(ends[1]);
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFEXITED(how));
        assert_int_equal(WEXITSTATUS(how), status[i]);
        assert_true(read(ends[0], said, sizeof said - 1) > 0);
        assert_string_equal(said, "last words");
        close(ends[0]);
    }
}

/* ---- the young ---- */

static int64_t order[16];
static int64_t started;

static void notes_itself_and_spawns_three(es_term argument)
{
    int64_t number;
    EXPECT(es_match(argument, &number));
    order[started++] = number;
    for (int64_t i = 1; i <= 3 && number < 10; i++)
        es_spawn(notes_itself_and_spawns_three, number * 10 + i);
}

STORY_WITH(children_run_in_the_order_of_their_birth_and_grandchildren_before_their_uncles, 1, "", play_on_one)
{
    static const int64_t expected[] = {1, 11, 12, 13, 2, 21, 22, 23, 3, 31, 32, 33};
    started = 0;
    for (int64_t i = 1; i <= 3; i++)
        es_spawn(notes_itself_and_spawns_three, i);
    while (started < 12)
        es_sleep(1);
    for (int i = 0; i < 12; i++)
        EXPECT(order[i] == expected[i]);
}

/* ---- the end ---- */

static es_pid who_tells;

static void is_told_much(void)
{
    es_receive {
        es_case(go)
            es_send(who_tells, go);
    }
    es_receive {
        es_case(never_sent) {
        }
    }
}

/* 4000 messages are what one may put away in a turn. */
STORY_WITH(who_ends_with_many_messages_lets_others_run_meanwhile, 1, "", play_on_one)
{
    es_node_info before, now;
    es_ref end;
    int meanwhile = 0;
    who_tells = es_self();
    es_node_info_get(&before);
    es_pid told = es_spawn_monitor(&end, is_told_much);
    for (int i = 0; i < 40000; i++)
        es_send(told, message);
    es_send(told, go);
    EXPECT(got(go));
    es_send_exit(told, es_am_kill);
    EXPECT(got(ES_TUPLE(es_am_DOWN, end, ES_ANY, ES_ANY, ES_ANY)));
    for (es_node_info_get(&now); now.processes > before.processes; es_node_info_get(&now)) {
        meanwhile++;
        es_yield();
    }
    EXPECT(meanwhile >= 5);
}

/* ---- pinned ---- */

static void yields_pinned_until_it_is_over(void)
{
    es_pin();
    while (!atomic_load(&is_over))
        es_yield();
    es_unpin();
}

static void counts_a_turn(void)
{
    atomic_fetch_add(&turns[0], 1);
}

/* With one scheduler and with two: thieves do not come for what stands in the next slot. */
static void beside_pinned_ones(void)
{
    atomic_store(&turns[0], 0);
    for (int i = 0; i < 4; i++)
        es_spawn(yields_pinned_until_it_is_over);
    for (int i = 0; i < 50; i++) {
        es_sleep(0);
        es_ref end;
        es_spawn_monitor(&end, counts_a_turn);
        es_receive
            es_case(ES_TUPLE(es_am_DOWN, end, ES_ANY, ES_ANY, ES_ANY)) {
            }
    }
    EXPECT(atomic_load(&turns[0]) == 50);
    atomic_store(&is_over, true);
}

STORY_WITH(pinned_ones_that_never_wait_keep_nobody_from_running, 1, "", play_on_one)
{
    beside_pinned_ones();
}

STORY_WITH(pinned_ones_that_never_wait_keep_nobody_from_running_on_two, 1, "", play_on_two)
{
    beside_pinned_ones();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_halt_ends_the_os_process_with_exactly_that_status),
        cmocka_unit_test(normal_waits_for_high_but_low_gets_its_share_beside_normal),
        cmocka_unit_test(equal_processes_get_equal_shares),
        cmocka_unit_test(what_a_low_one_holds_comes_to_the_high_one_that_waits_for_it),
        cmocka_unit_test(children_run_in_the_order_of_their_birth_and_grandchildren_before_their_uncles),
        cmocka_unit_test(who_ends_with_many_messages_lets_others_run_meanwhile),
        cmocka_unit_test(pinned_ones_that_never_wait_keep_nobody_from_running),
        cmocka_unit_test(pinned_ones_that_never_wait_keep_nobody_from_running_on_two),
        cmocka_unit_test(who_computes_without_end_keeps_nobody_from_running),
        cmocka_unit_test(who_blocks_in_the_c_library_keeps_nobody_from_running),
        cmocka_unit_test(a_hundred_blocked_ones_take_a_bounded_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
