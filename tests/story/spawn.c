/* spawn.c - how processes come to be: options, links and monitors in the same step, the table's limit, pids that do not come back. */
#include <unistd.h>
#include "story.h"
#include "platform/sanitize.h"
#include "proc/schedule/worker.h"

ES_ATOMS(done, stray, why, spawn);

/* ---- options ---- */

static void spawns_with_unknown_priority(void)
{
    es_spawn_opt(ES_WITH(.priority = (es_priority)17), returns);
    EXPECT(!"it came back");
}

static void spawns_with_negative_limit(void)
{
    es_spawn_opt(ES_WITH(.message_limit = -1), returns);
    EXPECT(!"it came back");
}

static void spawns_with_unknown_policy(void)
{
    es_spawn_opt(ES_WITH(.message_limit = 1, .message_limit_policy = (es_limit_policy)9), returns);
    EXPECT(!"it came back");
}

STORY(an_option_that_makes_no_sense_is_an_argument_error_and_no_process, "PRC-01")
{
    static void (*const bad[])(void) = {spawns_with_unknown_priority, spawns_with_negative_limit,
                                        spawns_with_unknown_policy};
    es_node_info before, after;
    es_node_info_get(&before);
    for (int i = 0; i < 3; i++) {
        es_ref ref;
        es_pid p = es_spawn_monitor(&ref, bad[i]);
        EXPECT(got_down(ref, p, ES_TUPLE(es_am_badarg, spawn)));
    }
    es_node_info_get(&after);
    EXPECT(after.spawned - before.spawned == 3);
    EXPECT(es_processes(NULL, 0) == 1);
}

STORY(a_spawn_may_link_and_monitor_in_one_step, "PRC-02")
{
    es_trap_exit(true);
    for (long i = 0; i < 20; i++) {
        es_ref ref;
        es_pid p = es_spawn_opt(ES_WITH(.link = true, .monitor = &ref), exits, es_lend(why));
        EXPECT(got_exit(p, why));
        EXPECT(got_down(ref, p, why));
    }
    EXPECT(is_quiet());
}

/* ---- the table is full ---- */

static int64_t limit;

static void ends_when_told(void)
{
    es_receive {
        es_case(go) {
        }
    }
}

static void fill_the_table(void)
{
    es_pid *all = malloc((size_t)limit * sizeof *all);
    int64_t count = 0;
    while (count < limit) {
        es_pid p = es_spawn(ends_when_told);
        if (es_pid_is_none(p))
            break;
        all[count++] = p;
    }
    EXPECT(es_last_error() == ES_ELIMIT);
    EXPECT(count == limit - 1); /* and this process */
    for (int i = 0; i < 10; i++)
        EXPECT(es_pid_is_none(es_spawn(returns)) && es_last_error() == ES_ELIMIT);
    es_send(es_self(), done); /* nothing else is broken */
    EXPECT(got(done));
    EXPECT(es_is_alive(all[count / 2]));
    es_node_info info;
    es_node_info_get(&info);
    EXPECT(info.processes == limit && info.process_limit == limit);
    es_ref ref = es_monitor(all[0]);
    es_send(all[0], go);
    EXPECT(got_down(ref, all[0], es_am_normal));
    es_pid p = ES_NO_PID;
    for (int i = 0; i < STORY_PATIENCE_MS && es_pid_is_none(p); i++) {
        p = es_spawn(ends_when_told); /* its place is free a moment after its DOWN */
        if (es_pid_is_none(p))
            es_sleep(1);
    }
    EXPECT(!es_pid_is_none(p));
    EXPECT(es_is_alive(p));
    es_send(p, go);
    for (int64_t i = 1; i < count; i++)
        es_send(all[i], go);
    while (es_processes(NULL, 0) > 1)
        es_sleep(1);
    free(all);
}

static void play_with_limit(void (*body)(void))
{
    limit = rounds(1000000);
    story_begin(body);
    story_check(es_run(story_first, NULL, &(es_options){.schedulers = 2, .process_limit = limit}),
                "real node", 0);
}

STORY_WITH(a_full_table_is_a_clear_error_and_passes, rounds(1000000), "PRC-18", play_with_limit)
{
    fill_the_table();
}

/* ---- pids ---- */

static _Atomic int strays;

/* Gets nothing, since nobody knows it yet: whatever is there was meant for somebody before. */
static void looks_for_strays(void)
{
    es_receive {
        es_case(ES_ANY)
            atomic_fetch_add(&strays, 1);
        es_after(0) {
        }
    }
}

static long resident_kb(void)
{
    long size, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%ld %ld", &size, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

enum { STALE = 256, SLOTS = 1 << 21, AT_ONCE = 64 };

/* Where a pid lives, and its how-manieth holder it names: see engset/term.h. */
static uint64_t newest_of_slot[SLOTS];

static void note_pid(es_pid pid)
{
    uint64_t slot = pid.id & 0xfffffff, generation = pid.id >> 28;
    if (!EXPECT(slot < SLOTS))
        return;
    EXPECT(generation > newest_of_slot[slot]);
    newest_of_slot[slot] = generation;
}

static void spawn_and_end(long count)
{
    static es_pid stale[STALE];
    es_ref ref[AT_ONCE];
    for (long i = 0; i < count; i += AT_ONCE) {
        for (int k = 0; k < AT_ONCE; k++) {
            es_pid p = es_spawn_monitor(&ref[k], looks_for_strays);
            note_pid(p);
            if (i < STALE)
                stale[(i + k) % STALE] = p;
            else
                es_send(stale[(i + k) % STALE], stray);
        }
        for (int k = 0; k < AT_ONCE; k++)
            es_receive {
                es_case(ES_TUPLE(es_am_DOWN, ref[k], ES_ANY, ES_ANY, ES_ANY)) {
                }
            }
    }
    for (int i = 0; i < STALE; i++)
        EXPECT(!es_is_alive(stale[i]));
}

REAL_STORY(pids_do_not_come_back_and_memory_stays_flat, rounds(10000000), "PRC-19")
{
    memset(newest_of_slot, 0, sizeof newest_of_slot);
    atomic_store(&strays, 0);
    long all = rounds(10000000);
    spawn_and_end(all / 10);
    long before_kb = resident_kb();
    spawn_and_end(all - all / 10);
    long after_kb = resident_kb();
    printf("%ld short processes: %ld KB resident after a tenth, %ld KB after all\n", all, before_kb,
           after_kb);
    EXPECT(atomic_load(&strays) == 0);
    if (!ESI_ASAN && !ESI_TSAN)
        EXPECT(after_kb < before_kb + before_kb / 10 + 2048);
}

/* ---- the argument ---- */

static void says_what_it_got(es_term argument)
{
    es_pid to = es_group_leader();
    es_send(to, ES_TUPLE(done, argument));
}

static void says_where_it_points(int *number)
{
    es_send(es_group_leader(), ES_TUPLE(done, *number));
}

static void pass_arguments(void)
{
    static int number = 43;
    es_spawn(says_what_it_got, 42);
    EXPECT(got(ES_TUPLE(done, 42)));
    es_spawn(says_what_it_got, es_self());
    EXPECT(got(ES_TUPLE(done, es_self())));
    es_spawn(says_what_it_got, why);
    EXPECT(got(ES_TUPLE(done, why)));
    es_spawn(says_what_it_got, INT64_MAX);
    EXPECT(got(ES_TUPLE(done, INT64_MAX)));
    es_spawn(says_what_it_got, ES_TUPLE(why, "text"));
    EXPECT(got(ES_TUPLE(done, ES_TUPLE(why, "text"))));
    es_spawn(says_where_it_points, &number);
    EXPECT(got(ES_TUPLE(done, 43)));
}

static void test_a_value_is_copied_and_a_pointer_passed(void **state)
{
    (void)state;
    play(pass_arguments);
}

/* ---- the node's stop ---- */

static void waits_with(es_term argument)
{
    (void)argument;
    waits();
}

/* A long argument: most of the time is between the look whether the node runs and the process that others can find. */
static void spawns_until_ended(void)
{
    enum { NUMBERS = 500 };
    char text[2 * NUMBERS + 2] = "[1";
    for (int i = 1; i < NUMBERS; i++)
        strcat(text + i * 2, ",1");
    strcat(text, "]");
    es_term numbers = es_none();
    EXPECT(es_parse_term(text, &numbers) == ES_OK);
    for (;;)
        es_spawn(waits_with, numbers);
}

static int stop_round;

static void ends_while_others_spawn(void)
{
    for (int i = 0; i < 3; i++)
        es_spawn(spawns_until_ended);
    for (int i = 0; i < 2 + stop_round % 7; i++)
        es_yield();
}

static void test_who_is_spawned_while_the_node_stops_does_not_outlive_its_shutdown(void **state)
{
    (void)state;
    int64_t before = atomic_load(&esi_node.forced_stops);
    for (stop_round = 0; stop_round < rounds(2000); stop_round++)
        play_real(ends_while_others_spawn);
    assert_int_equal(atomic_load(&esi_node.forced_stops) - before, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_option_that_makes_no_sense_is_an_argument_error_and_no_process),
        cmocka_unit_test(a_spawn_may_link_and_monitor_in_one_step),
        cmocka_unit_test(test_a_value_is_copied_and_a_pointer_passed),
        cmocka_unit_test(a_full_table_is_a_clear_error_and_passes),
        cmocka_unit_test(test_who_is_spawned_while_the_node_stops_does_not_outlive_its_shutdown),
        cmocka_unit_test(pids_do_not_come_back_and_memory_stays_flat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
