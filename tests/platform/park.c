/* tests/platform/park.c - a permit is never lost; and the two sides of the asymmetric barrier see each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "platform/barrier.h"
#include "platform/clock.h"
#include "platform/park.h"
#include "platform/platform.h"

static void test_a_permit_is_taken_once(void **state)
{
    (void)state;
    struct esi_park park;
    esi_park_init(&park);
    assert_false(esi_park_wait(&park, 0));
    esi_park_wake(&park);
    esi_park_wake(&park);
    assert_true(esi_park_wait(&park, ESI_NO_DEADLINE));
    assert_false(esi_park_wait(&park, 0));
}

static void test_a_wait_ends_at_its_deadline_and_not_before(void **state)
{
    (void)state;
    struct esi_park park;
    esi_park_init(&park);
    uint64_t deadline = esi_clock_now_ns() + 2 * ESI_NS_PER_MS;
    assert_false(esi_park_wait(&park, deadline));
    assert_true(esi_clock_now_ns() >= deadline);
    assert_false(esi_park_wait(&park, esi_clock_now_ns() - 1));
    esi_park_wake(&park);
    assert_true(esi_park_wait(&park, esi_clock_now_ns() - 1));
}

static void test_in_the_simulated_world_nobody_sleeps(void **state)
{
    (void)state;
    struct esi_park park;
    esi_park_init(&park);
    esi_platform_sim_start(1);
    assert_false(esi_park_wait(&park, ESI_NO_DEADLINE));
    esi_park_wake(&park);
    assert_true(esi_park_wait(&park, ESI_NO_DEADLINE));
    esi_platform_sim_stop();
}

/* Two threads hand a plain number to and fro: a lost wake-up hangs, a missing order is a wrong number (and a race
 * to ThreadSanitizer). */
static struct {
    struct esi_park ping, pong;
    long number;
    long rounds;
} table;

static void *answer(void *unused)
{
    for (long i = 0; i < table.rounds; i++) {
        esi_park_wait(&table.ping, ESI_NO_DEADLINE);
        table.number++;
        esi_park_wake(&table.pong);
    }
    return unused;
}

static void test_two_threads_never_miss_each_other(void **state)
{
    (void)state;
    pthread_t thread;
    table.rounds = ESI_TSAN ? 10000 : 30000;
    esi_park_init(&table.ping);
    esi_park_init(&table.pong);
    assert_int_equal(pthread_create(&thread, NULL, answer, NULL), 0);
    for (long i = 0; i < table.rounds; i++) {
        table.number++;
        esi_park_wake(&table.ping);
        assert_true(esi_park_wait(&table.pong, ESI_NO_DEADLINE));
        assert_int_equal(table.number, 2 * (i + 1));
    }
    pthread_join(thread, NULL);
}

/* Many wakers against waits with deadlines that are nearly over: what was given is seen in the end. */
static struct {
    struct esi_park park;
    _Atomic long given;
    long each;
} crowd;

static void *give_many(void *unused)
{
    for (long i = 0; i < crowd.each; i++) {
        /* relaxed: the wake's release shows it to who takes the permit. */
        atomic_fetch_add_explicit(&crowd.given, 1, memory_order_relaxed);
        esi_park_wake(&crowd.park);
        if (i % 64 == 0)
            sched_yield();
    }
    return unused;
}

static void test_what_was_given_before_a_wake_is_seen_after_it(void **state)
{
    (void)state;
    pthread_t threads[2];
    long taken = 0;
    crowd.each = ESI_TSAN ? 20000 : 200000;
    esi_park_init(&crowd.park);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, give_many, NULL), 0);
    for (long i = 0; taken < 2 * crowd.each; i++) {
        bool short_wait = i % 3 != 0;
        bool woken = esi_park_wait(&crowd.park, short_wait ? esi_clock_now_ns() + 300 : ESI_NO_DEADLINE);
        if (woken)
            taken += atomic_exchange_explicit(&crowd.given, 0, memory_order_relaxed); /* as above */
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(taken, 2 * crowd.each);
}

/* Dekker's two flags: at least one side sees the other's. */
static struct {
    _Atomic long often, seldom;
    _Atomic long round, done;
    long saw_seldom;
    _Atomic bool over;
} flags;

static void *often_side(void *unused)
{
    long last = 0;
    while (!atomic_load_explicit(&flags.over, memory_order_acquire)) {
        long round = atomic_load_explicit(&flags.round, memory_order_acquire);
        if (round == last) {
            sched_yield();
            continue;
        }
        last = round;
        atomic_store_explicit(&flags.often, round, memory_order_relaxed);
        esi_asymmetric_light();
        flags.saw_seldom = atomic_load_explicit(&flags.seldom, memory_order_relaxed);
        atomic_store_explicit(&flags.done, round, memory_order_release);
    }
    return unused;
}

static void test_one_side_of_an_asymmetric_barrier_sees_the_other(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, often_side, NULL), 0);
    for (long round = 1; round <= 3000; round++) {
        atomic_store_explicit(&flags.round, round, memory_order_release);
        for (long i = 0; i < round % 50; i++)
            (void)atomic_load_explicit(&flags.done,
                                       memory_order_relaxed); /* meets the other at many places */
        atomic_store_explicit(&flags.seldom, round, memory_order_relaxed);
        esi_asymmetric_heavy();
        long saw_often = atomic_load_explicit(&flags.often, memory_order_relaxed);
        while (atomic_load_explicit(&flags.done, memory_order_acquire) != round)
            sched_yield();
        assert_true(saw_often == round || flags.saw_seldom == round);
    }
    atomic_store_explicit(&flags.over, true, memory_order_release);
    pthread_join(thread, NULL);
}

int main(void)
{
    esi_platform_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_permit_is_taken_once),
        cmocka_unit_test(test_a_wait_ends_at_its_deadline_and_not_before),
        cmocka_unit_test(test_in_the_simulated_world_nobody_sleeps),
        cmocka_unit_test(test_two_threads_never_miss_each_other),
        cmocka_unit_test(test_what_was_given_before_a_wake_is_seen_after_it),
        cmocka_unit_test(test_one_side_of_an_asymmetric_barrier_sees_the_other),
    };
    return cmocka_run_group_tests_name("platform/park", tests, NULL, NULL);
}
