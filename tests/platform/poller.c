/* tests/platform/poller.c - one event for one interest, deadlines, interrupts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/fail.h"
#include "platform/clock.h"
#include "platform/platform.h"
#include "platform/poller.h"

static struct esi_poller *poller;
static int ends[2]; /* of a pipe: read, write */
static struct esi_poll_event events[8];
static char tag_in, tag_out;

static int open_all(void **state)
{
    (void)state;
    return esi_poller_open(&poller) == ES_OK && pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0 ? 0 : -1;
}

static int close_all(void **state)
{
    (void)state;
    esi_poller_close(&poller);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static int look(void)
{
    return esi_poller_wait(poller, 0, events, 8);
}

static void test_an_interest_gives_one_event(void **state)
{
    (void)state;
    assert_int_equal(esi_poller_add(poller, ends[0], ESI_POLL_IN, &tag_in), ES_OK);
    assert_int_equal(look(), 0);
    assert_int_equal(write(ends[1], "ab", 2), 2);
    assert_int_equal(esi_poller_wait(poller, ESI_NO_DEADLINE, events, 8), 1);
    assert_ptr_equal(events[0].tag, &tag_in);
    assert_int_equal(events[0].ready, ESI_POLL_IN);
    assert_int_equal(look(), 0);
    assert_int_equal(esi_poller_modify(poller, ends[0], ESI_POLL_IN, &tag_out), ES_OK);
    assert_int_equal(look(), 1);
    assert_ptr_equal(events[0].tag, &tag_out);
}

static void test_no_interest_gives_no_event(void **state)
{
    (void)state;
    assert_int_equal(esi_poller_add(poller, ends[1], 0, &tag_out), ES_OK);
    assert_int_equal(look(), 0);
    assert_int_equal(esi_poller_modify(poller, ends[1], ESI_POLL_OUT, &tag_out), ES_OK);
    assert_int_equal(look(), 1);
    assert_int_equal(events[0].ready, ESI_POLL_OUT);
    assert_int_equal(esi_poller_modify(poller, ends[1], ESI_POLL_OUT, &tag_out), ES_OK);
    esi_poller_remove(poller, ends[1]);
    assert_int_equal(look(), 0);
    esi_poller_remove(poller, ends[1]);
}

static void test_the_end_of_the_other_side_is_an_event(void **state)
{
    (void)state;
    assert_int_equal(esi_poller_add(poller, ends[0], ESI_POLL_IN, &tag_in), ES_OK);
    close(ends[1]);
    assert_int_equal(look(), 1);
    assert_true(events[0].ready & ESI_POLL_HANGUP);
    ends[1] = dup(ends[0]);
}

static void test_what_cannot_be_watched_is_refused(void **state)
{
    (void)state;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_int_equal(esi_poller_add(poller, ends[0], ESI_POLL_IN, &tag_in), ES_OK);
    assert_int_equal(esi_poller_add(poller, ends[0], ESI_POLL_IN, &tag_in), ES_EEXIST);
    assert_int_equal(esi_poller_modify(poller, ends[1], ESI_POLL_OUT, &tag_out), ES_ENOTFOUND);
    assert_int_equal(esi_poller_add(poller, -1, ESI_POLL_IN, &tag_in), ES_EINVAL);
    assert_int_equal(esi_poller_add(poller, file, ESI_POLL_IN, &tag_in), ES_EINVAL);
    close(file);
}

static void test_a_wait_ends_at_its_deadline_and_not_before(void **state)
{
    (void)state;
    uint64_t deadline = esi_clock_now_ns() + 1500000;
    assert_int_equal(esi_poller_wait(poller, deadline, events, 8), 0);
    assert_true(esi_clock_now_ns() >= deadline);
    assert_int_equal(esi_poller_wait(poller, deadline, events, 8), 0);
}

static void test_an_interrupt_before_the_wait_ends_it_once(void **state)
{
    (void)state;
    esi_poller_interrupt(poller);
    esi_poller_interrupt(poller);
    assert_int_equal(esi_poller_wait(poller, ESI_NO_DEADLINE, events, 8), 0);
    uint64_t deadline = esi_clock_now_ns() + ESI_NS_PER_MS;
    assert_int_equal(esi_poller_wait(poller, deadline, events, 8), 0);
    assert_true(esi_clock_now_ns() >= deadline);
}

static _Atomic long asked;
static long answered;

static void *interrupt_many(void *rounds)
{
    for (long i = 0; i < *(long *)rounds; i++) {
        /* relaxed: shown by the interrupt's release. */
        atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed);
        esi_poller_interrupt(poller);
    }
    return NULL;
}

static void test_no_interrupt_is_lost(void **state)
{
    (void)state;
    long rounds = 50000;
    pthread_t threads[2];
    answered = 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, interrupt_many, &rounds), 0);
    while (answered < 2 * rounds) { /* hangs if one is lost */
        esi_poller_wait(poller, ESI_NO_DEADLINE, events, 8);
        answered += atomic_exchange_explicit(&asked, 0, memory_order_relaxed); /* as above */
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(answered, 2 * rounds);
}

static void test_in_the_simulated_world_nobody_waits(void **state)
{
    (void)state;
    esi_platform_sim_start(1);
    assert_int_equal(esi_poller_wait(poller, ESI_NO_DEADLINE, events, 8), 0);
    esi_platform_sim_stop();
}

static void test_a_poller_that_finds_no_memory_is_not_there(void **state)
{
    (void)state;
    struct esi_poller *none = NULL;
    esi_fail_after(1);
    assert_int_equal(esi_poller_open(&none), ES_ENOMEM);
    assert_true(esi_fail_stop());
    assert_null(none);
    esi_poller_close(&none);
}

int main(void)
{
#define WITH_PIPE(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)
    const struct CMUnitTest tests[] = {
        WITH_PIPE(test_an_interest_gives_one_event),
        WITH_PIPE(test_no_interest_gives_no_event),
        WITH_PIPE(test_the_end_of_the_other_side_is_an_event),
        WITH_PIPE(test_what_cannot_be_watched_is_refused),
        WITH_PIPE(test_a_wait_ends_at_its_deadline_and_not_before),
        WITH_PIPE(test_an_interrupt_before_the_wait_ends_it_once),
        WITH_PIPE(test_no_interrupt_is_lost),
        WITH_PIPE(test_in_the_simulated_world_nobody_waits),
        WITH_PIPE(test_a_poller_that_finds_no_memory_is_not_there),
    };
    return cmocka_run_group_tests_name("platform/poller", tests, NULL, NULL);
}
