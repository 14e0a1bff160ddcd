/* wake.c - a message that comes just when its receiver goes to sleep wakes it.
 *
 * A thread that is no process sends to a process, sees that it has come, and sends again after a moment that differs from time to time: the
 * receiver is then at each place of its way to sleep. A wake-up that is lost is seen at once: nobody else sends. */
#include <time.h>
#include "story.h"

ES_ATOMS(knock);

enum { PATIENCE_S = 10, MOMENTS = 400 };

static _Atomic(long) heard;

static void let_pass(int moments)
{
    for (volatile int i = 0; i < moments; i++) {
    }
}

static void hears(void)
{
    for (int round = 0;; round++)
        es_receive
            es_case(knock) {
                atomic_fetch_add_explicit(&heard, 1, memory_order_release);
                let_pass(round * 13 %
                         MOMENTS); /* the sender needs a moment, too, until its message is there */
            }
}

static int64_t seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* False: it has not heard so many in time. */
static bool has_heard(long count)
{
    int64_t until_s = 0;
    for (long looks = 1; atomic_load_explicit(&heard, memory_order_acquire) < count; looks++) {
        if (looks % 100000)
            continue;
        if (!until_s)
            until_s = seconds() + PATIENCE_S;
        if (seconds() > until_s)
            return false;
    }
    return true;
}

CASE(a_message_that_comes_when_its_receiver_goes_to_sleep_wakes_it, rounds(20000000), "")
{
    atomic_store(&heard, 0);
    assert_int_equal(es_node_start(&(es_options){.schedulers = 1}), ES_OK);
    es_pid receiver = es_spawn(hears);
    long times = rounds(20000000), sent = 0;
    bool is_awake = true;
    while (is_awake && sent < times) {
        assert_int_equal(es_send(receiver, knock), ES_OK);
        is_awake = has_heard(++sent);
        let_pass((int)(sent * 7 % MOMENTS));
    }
    if (!is_awake)
        fail_msg("the message number %ld woke nobody", sent);
    assert_int_equal(es_node_stop(ES_INFINITY), ES_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_that_comes_when_its_receiver_goes_to_sleep_wakes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
