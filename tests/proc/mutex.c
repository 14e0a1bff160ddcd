/* tests/proc/mutex.c - the lock that survives its holder. */
#include <pthread.h>
#include <unistd.h>
#include "rounds.h"
#include "watch.h"

static es_mutex mutex;
static struct end ends[8];
static atomic_bool go, holds;
static atomic_int done;
static int64_t total;
static es_err errors[4];
static char story[100];

static void run(void (*first)(void))
{
    mutex = (es_mutex)ES_MUTEX_INIT;
    memset(ends, 0, sizeof ends);
    memset(errors, 0, sizeof errors);
    atomic_store(&go, false);
    atomic_store(&holds, false);
    atomic_store(&done, 0);
    total = 0;
    story[0] = 0;
    assert_int_equal(es_run((void (*)(void *))first, NULL, NULL), 0);
}

static bool has_waiters(int count)
{
    int found = 0;
    while (__atomic_exchange_n(&mutex.guard, 1, __ATOMIC_ACQUIRE))
        es_yield();
    struct queued {
        struct queued *next;
    } *last = mutex.waiters;
    for (struct queued *it = last; it; it = it->next == last ? NULL : it->next)
        found++;
    __atomic_store_n(&mutex.guard, 0, __ATOMIC_RELEASE);
    return found == count;
}

static void wait_for_waiters(int count)
{
    while (!has_waiters(count))
        es_yield();
}

enum { COUNTERS = 8 };

static void counts(void)
{
    for (long i = 0; i < rounds(100000); i++) {
        es_mutex_lock(&mutex);
        int64_t before = total;
        if (i % 16 == 0)
            es_yield();
        total = before + 1;
        es_mutex_unlock(&mutex);
    }
    atomic_fetch_add(&done, 1);
}

static void counters_first(void)
{
    for (int i = 0; i < COUNTERS; i++)
        es_spawn(counts);
    while (atomic_load(&done) < COUNTERS)
        es_sleep(1);
}

static void test_one_at_a_time_holds_the_lock(void **state)
{
    (void)state;
    run(counters_first);
    assert_int_equal(total, COUNTERS * rounds(100000));
    assert_int_equal(mutex.owner, 0);
}

static void *counts_in_thread(void *unused)
{
    counts();
    return unused;
}

static void mixed_first(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, counts_in_thread, NULL);
    for (int i = 0; i < 4; i++)
        es_spawn(counts);
    while (atomic_load(&done) < 6)
        es_sleep(1);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

static void test_threads_that_are_no_process_take_their_turns(void **state)
{
    (void)state;
    run(mixed_first);
    assert_int_equal(total, 6 * rounds(100000));
}

static void holds_until_killed(void)
{
    tell_end(&ends[0]);
    es_mutex_lock(&mutex);
    atomic_store(&holds, true);
    es_sleep(ES_INFINITY);
}

static void locks_and_says(void)
{
    tell_end(&ends[1]);
    errors[0] = es_mutex_lock(&mutex);
    errors[1] = es_mutex_unlock(&mutex);
    errors[2] = es_mutex_lock(&mutex);
    errors[3] = es_mutex_unlock(&mutex);
}

static void holder_dies_first(void)
{
    es_pid holder = es_spawn(holds_until_killed);
    wait_for(&holds);
    es_spawn(locks_and_says);
    wait_for_waiters(1);
    kill_it(holder);
    wait_end(&ends[1]);
}

static void test_the_lock_of_a_holder_that_ends_goes_to_the_next_who_is_told_once(void **state)
{
    (void)state;
    run(holder_dies_first);
    assert_int_equal(errors[0], ES_ECLOSED);
    assert_int_equal(errors[1], ES_OK);
    assert_int_equal(errors[2], ES_OK);
}

static void nobody_waits_first(void)
{
    es_pid holder = es_spawn(holds_until_killed);
    wait_for(&holds);
    kill_it(holder);
    wait_end(&ends[0]);
    locks_and_says();
}

static void test_who_locks_later_is_told_as_well(void **state)
{
    (void)state;
    run(nobody_waits_first);
    assert_int_equal(errors[0], ES_ECLOSED);
    assert_int_equal(errors[2], ES_OK);
}

static void waits_until_killed(void)
{
    tell_end(&ends[2]);
    es_mutex_lock(&mutex);
    strcat(story, "never");
}

static void waiter_dies_first(void)
{
    es_mutex_lock(&mutex);
    es_pid waiter = es_spawn(waits_until_killed);
    wait_for_waiters(1);
    es_spawn(locks_and_says);
    wait_for_waiters(2);
    kill_it(waiter);
    wait_end(&ends[2]);
    if (!has_waiters(1))
        strcat(story, "still queued ");
    es_mutex_unlock(&mutex);
    wait_end(&ends[1]);
}

static void test_a_waiter_that_ends_leaves_the_queue(void **state)
{
    (void)state;
    run(waiter_dies_first);
    assert_string_equal(story, "");
    assert_string_equal(ends[2].reason, "killed");
    assert_int_equal(errors[0], ES_OK);
}

static void misuses(void)
{
    errors[0] = es_mutex_unlock(&mutex);
    es_mutex_lock(&mutex);
    errors[1] = es_mutex_lock(&mutex);
    es_mutex_unlock(&mutex);
}

static void test_locking_twice_and_unlocking_what_is_not_held_are_errors(void **state)
{
    (void)state;
    run(misuses);
    assert_int_equal(errors[0], ES_EINVAL);
    assert_int_equal(errors[1], ES_EDEADLK);
    mutex = (es_mutex)ES_MUTEX_INIT;
    assert_int_equal(es_mutex_unlock(&mutex), ES_EINVAL);
    assert_int_equal(es_mutex_lock(&mutex), ES_OK);
    assert_int_equal(es_mutex_lock(&mutex), ES_EDEADLK);
    assert_int_equal(es_mutex_unlock(&mutex), ES_OK);
}

static void locks_nowhere(void)
{
    tell_end(&ends[0]);
    es_mutex_lock((es_mutex *)(uintptr_t)64);
}

static void nowhere_first(void)
{
    es_spawn(locks_nowhere);
    wait_end(&ends[0]);
}

static void test_a_mutex_that_is_nowhere_ends_only_who_locks_it(void **state)
{
    (void)state;
    run(nowhere_first);
    assert_memory_equal(ends[0].reason, "{signal,sigsegv", 15);
}

static void locks_and_may_die(void)
{
    es_err error = es_mutex_lock(&mutex);
    int64_t before = total;
    es_yield();
    total = before + 1;
    atomic_fetch_add(&done, 1);
    if (error == ES_OK || error == ES_ECLOSED)
        es_mutex_unlock(&mutex);
}

/* Processes that hold or wait are killed at any moment; the lock must go on. */
static void killers_first(void)
{
    for (long round = 0; round < rounds(20000); round++) {
        es_pid pids[6];
        for (int i = 0; i < 6; i++)
            pids[i] = es_spawn(locks_and_may_die);
        if (round % 2)
            es_yield();
        kill_it(pids[round % 6]);
        kill_it(pids[round % 5]);
    }
    es_info info;
    es_pid all[64];
    while (es_processes(all, 64) > 1)
        es_yield();
    (void)info;
    errors[0] = es_mutex_lock(&mutex);
    errors[1] = es_mutex_unlock(&mutex);
}

static void test_kills_at_any_moment_do_not_lose_the_lock(void **state)
{
    (void)state;
    run(killers_first);
    assert_true(errors[0] == ES_OK || errors[0] == ES_ECLOSED);
    assert_int_equal(errors[1], ES_OK);
    assert_int_equal(mutex.owner, 0);
    assert_null(mutex.waiters);
}

int main(void)
{
    setenv("ES_REPORTS", "0", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_at_a_time_holds_the_lock),
        cmocka_unit_test(test_threads_that_are_no_process_take_their_turns),
        cmocka_unit_test(test_the_lock_of_a_holder_that_ends_goes_to_the_next_who_is_told_once),
        cmocka_unit_test(test_who_locks_later_is_told_as_well),
        cmocka_unit_test(test_a_waiter_that_ends_leaves_the_queue),
        cmocka_unit_test(test_locking_twice_and_unlocking_what_is_not_held_are_errors),
        cmocka_unit_test(test_a_mutex_that_is_nowhere_ends_only_who_locks_it),
        cmocka_unit_test(test_kills_at_any_moment_do_not_lose_the_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
