/* tests/proc/hibernate.c - stacks given back and got again; stacks of another size. */
#include <string.h>
#include "platform/sanitize.h"
#include "rounds.h"
#include "watch.h"

ES_ATOMS(wake, deep);

static struct end end, big_end;
static atomic_bool ready;
static atomic_int woken;
static int64_t numbers[6];
static char story[100];
static es_info info;
static es_err errors[3];

static void run(void (*first)(void))
{
    memset(&end, 0, sizeof end);
    memset(&big_end, 0, sizeof big_end);
    memset(numbers, 0, sizeof numbers);
    atomic_store(&ready, false);
    atomic_store(&woken, 0);
    story[0] = 0;
    assert_int_equal(es_run((void (*)(void *))first, NULL, &(es_options){.schedulers = 2}), 0);
}

static void wait_until_it_hibernates(es_pid pid)
{
    es_info now;
    while (es_process_info(pid, &now) && now.state != ES_STATE_HIBERNATED)
        es_yield();
}

static void note(void *text)
{
    strcat(story, text);
}

static void hibernates_with_state(void)
{
    tell_end(&end);
    volatile char local[600];
    for (size_t i = 0; i < sizeof local; i++)
        local[i] = (char)i;
    const volatile char *where = local;
    if (es_own("released", note) != ES_OK)
        return;
    es_hibernate();
    numbers[0] = where == local;
    for (size_t i = 0; i < sizeof local; i++)
        numbers[1] += local[i] != (char)i;
    es_receive {
        es_case(wake)
            strcat(story, "woken ");
    }
}

static void hibernate_first(void)
{
    es_pid p = es_spawn(hibernates_with_state);
    wait_until_it_hibernates(p);
    es_process_info(p, &info);
    es_send(p, wake);
    wait_end(&end);
}

CASE(what_is_on_the_stack_is_as_before_after_a_hibernation, 1, "PRC-17")
{
    run(hibernate_first);
    assert_int_equal(info.state, ES_STATE_HIBERNATED);
    assert_int_equal(numbers[0], 1);
    assert_int_equal(numbers[1], 0);
    assert_string_equal(story, "woken released");
}

static void hibernates_with_messages(void)
{
    tell_end(&end);
    es_send(es_self(), wake);
    es_hibernate();
    es_receive {
        es_case(wake)
            strcat(story, "woken");
    }
}

static void with_messages_first(void)
{
    es_spawn(hibernates_with_messages);
    wait_end(&end);
}

CASE(who_hibernates_with_messages_wakes_at_once_and_handles_them, 1, "PRC-16")
{
    run(with_messages_first);
    assert_string_equal(story, "woken");
}

static void hibernates_until_killed(void)
{
    tell_end(&end);
    if (es_own("released", note) == ES_OK)
        es_hibernate();
    note("never ");
}

static void kills_a_hibernated_one(void)
{
    es_pid p = es_spawn(hibernates_until_killed);
    wait_until_it_hibernates(p);
    kill_it(p);
    wait_end(&end);
}

static void test_a_hibernated_process_can_be_ended(void **state)
{
    (void)state;
    run(kills_a_hibernated_one);
    assert_string_equal(end.reason, "killed");
    assert_string_equal(story, "released");
}

static void suspends_a_hibernated_one(void)
{
    es_pid p = es_spawn(hibernates_with_state);
    wait_until_it_hibernates(p);
    es_suspend(p);
    es_send(p, wake);
    for (int i = 0; i < 100; i++)
        es_yield();
    numbers[2] = atomic_load(&end.is_ended);
    es_resume(p);
    wait_end(&end);
}

static void test_a_hibernated_process_can_be_suspended(void **state)
{
    (void)state;
    run(suspends_a_hibernated_one);
    assert_int_equal(numbers[2], 0);
    assert_string_equal(story, "woken released");
}

/* ---- memory ---- */

/* Resident memory and page tables, in KiB. */
static int64_t resident_kib(void)
{
    int64_t kib = 0, value;
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &value) == 1 || sscanf(line, "VmPTE: %ld", &value) == 1)
            kib += value;
    if (file)
        fclose(file);
    return kib;
}

enum { MANY = 10000 };

static void hibernates(void)
{
    es_receive {
        es_case(wake)
            atomic_fetch_add(&woken, 1);
    }
    es_hibernate();
    es_receive {
        es_case(wake)
            atomic_fetch_add(&woken, 1);
    }
}

static void many_first(void)
{
    static es_pid pids[MANY];
    numbers[0] = resident_kib();
    for (int i = 0; i < MANY; i++)
        pids[i] = es_spawn(hibernates);
    for (int i = 0; i < MANY; i++)
        wait_until_it_waits(pids[i]);
    numbers[1] = resident_kib();
    for (int i = 0; i < MANY; i++)
        es_send(pids[i], wake);
    for (int i = 0; i < MANY; i++)
        wait_until_it_hibernates(pids[i]);
    numbers[2] = resident_kib();
    for (int i = 0; i < MANY; i++)
        es_send(pids[i], wake);
    while (atomic_load(&woken) < 2 * MANY)
        es_yield();
}

CASE(memory_falls_while_processes_hibernate, MANY, "PRC-17")
{
    run(many_first);
    int64_t waiting = (numbers[1] - numbers[0]) * 1024 / MANY,
            hibernated = (numbers[2] - numbers[0]) * 1024 / MANY;
    print_message("a process that waits: %ld bytes, hibernated: %ld\n", (long)waiting, (long)hibernated);
#if !ESI_ASAN && !ESI_TSAN
    assert_true(hibernated < waiting / 2);
    assert_true(hibernated <= 2048);
#endif
}

/* ---- big stacks ---- */

static int64_t sink;

static __attribute__((noinline)) int64_t dig(int64_t depth)
{
    volatile char frame[1024];
    frame[0] = (char)depth;
    int64_t below = depth ? dig(depth - 1) : -1;
    sink += frame[0]; /* the frame is needed to the end: no compiler makes a loop of this */
    return 1 + below;
}

static void digs(void *depth)
{
    numbers[0] = dig(*(int64_t *)depth);
    es_yield();
    numbers[1]++;
}

static void digs_on_a_big_stack(void)
{
    tell_end(&end);
    int64_t depth = 2000;
    errors[0] = es_on_big_stack(8 << 20, digs, &depth);
    errors[1] = es_on_big_stack((size_t)1 << 30, digs, &depth);
    for (int i = 0; i < 50; i++)
        es_on_big_stack(8 << 20, digs, &depth);
}

static void big_first(void)
{
    es_spawn(digs_on_a_big_stack);
    wait_end(&end);
}

static void test_deep_code_runs_on_a_big_stack(void **state)
{
    (void)state;
    run(big_first);
    assert_string_equal(end.reason, "normal");
    assert_int_equal(errors[0], ES_OK);
    assert_int_equal(errors[1], ES_EINVAL);
    assert_int_equal(numbers[0], 2000);
    assert_int_equal(numbers[1], 51);
}

static void digs_without_a_yield(void *depth)
{
    numbers[0] = dig(*(int64_t *)depth);
}

static void digs_uninterrupted(void)
{
    int64_t depth = 2000;
    tell_end(&end);
    errors[0] = es_uninterrupted(8 << 20, digs_without_a_yield, &depth);
    errors[1] = es_uninterrupted((size_t)1 << 30, digs_without_a_yield, &depth);
    numbers[1] = dig(10);
}

static void uninterrupted_first(void)
{
    es_spawn(digs_uninterrupted);
    wait_end(&end);
}

static void test_an_uninterrupted_function_has_such_a_stack_too(void **state)
{
    (void)state;
    run(uninterrupted_first);
    assert_string_equal(end.reason, "normal");
    assert_int_equal(errors[0], ES_OK);
    assert_int_equal(errors[1], ES_EINVAL);
    assert_int_equal(numbers[0], 2000);
    assert_int_equal(numbers[1], 10);
}

static void crashes(void *unused)
{
    (void)unused;
    touch_nowhere();
}

static void exits(void *unused)
{
    (void)unused;
    es_exit(deep);
}

static void digs_too_deep(void *unused)
{
    (void)unused;
    numbers[0] = dig(1 << 20);
}

static void crashes_on_a_big_stack(void)
{
    tell_end(&end);
    es_on_big_stack(1 << 20, crashes, NULL);
}

static void exits_on_a_big_stack(void)
{
    tell_end(&big_end);
    es_defer(note, "deferred ");
    if (es_own("released", note) == ES_OK)
        es_on_big_stack(1 << 20, exits, NULL);
}

static struct end deep_end;
static void overflows_a_big_stack(void)
{
    tell_end(&deep_end);
    es_on_big_stack(1 << 20, digs_too_deep, NULL);
}

static void bad_big_first(void)
{
    memset(&deep_end, 0, sizeof deep_end);
    es_spawn(crashes_on_a_big_stack);
    wait_end(&end);
    es_spawn(exits_on_a_big_stack);
    wait_end(&big_end);
    es_spawn(overflows_a_big_stack);
    wait_end(&deep_end);
    struct esi_stack_stats stats;
    es_pid all[8];
    while (es_processes(all, 8) > 1)
        es_yield();
    esi_stack_stats(&stats);
    numbers[5] = (int64_t)stats.open_count;
}

static void test_a_fault_an_exit_and_an_overflow_there_end_only_the_process(void **state)
{
    (void)state;
    run(bad_big_first);
    assert_memory_equal(end.reason, "{signal,sigsegv", 15);
    assert_string_equal(big_end.reason, "deep");
    assert_string_equal(story, "deferred released");
    assert_memory_equal(deep_end.reason, "{signal,stack_overflow", 22);
    /* Its own, one that is just given back, perhaps, and the one that each of two schedulers keeps at hand. */
    assert_true(numbers[5] <= 4);
}

int main(void)
{
    setenv("ES_REPORTS", "0", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_on_the_stack_is_as_before_after_a_hibernation),
        cmocka_unit_test(who_hibernates_with_messages_wakes_at_once_and_handles_them),
        cmocka_unit_test(test_a_hibernated_process_can_be_ended),
        cmocka_unit_test(test_a_hibernated_process_can_be_suspended),
        cmocka_unit_test(memory_falls_while_processes_hibernate),
        cmocka_unit_test(test_deep_code_runs_on_a_big_stack),
        cmocka_unit_test(test_an_uninterrupted_function_has_such_a_stack_too),
        cmocka_unit_test(test_a_fault_an_exit_and_an_overflow_there_end_only_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
