/* timer.c - proves timers: the cases TMR-01 to TMR-16, but for TMR-15, which is in wall_clock.c. */
#include <pthread.h>
#include "story.h"
#include "proc/process.h"

ES_ATOMS(r, tick, done, ready, later_name);

enum { LONG_MS = 3600 * 1000 };

static int64_t now_ms(void)
{
    return es_now_ns() / 1000000;
}

STORY(a_cancelled_timer_gives_what_was_left_and_no_message, "TMR-01")
{
    es_ref timer = es_start_timer(LONG_MS, es_self(), tick);
    int64_t left = es_cancel_timer(timer);
    EXPECT(left > LONG_MS - 60000 && left <= LONG_MS);
    timer = es_send_after(3, es_self(), tick);
    EXPECT(es_cancel_timer(timer) >= 0 || there_is(tick));
    EXPECT(is_quiet());
}

STORY(what_fired_or_was_cancelled_or_never_was_cannot_be_cancelled, "TMR-02")
{
    es_ref timer = es_start_timer(0, es_self(), tick);
    EXPECT(stays_there(ES_TUPLE(es_am_timeout, timer, tick)));
    EXPECT(es_cancel_timer(timer) == ES_ENOTFOUND);
    EXPECT(there_is(ES_TUPLE(es_am_timeout, timer, tick)));
    timer = es_start_timer(LONG_MS, es_self(), tick);
    EXPECT(es_cancel_timer(timer) >= 0);
    EXPECT(es_cancel_timer(timer) == ES_ENOTFOUND);
    EXPECT(es_cancel_timer(es_make_ref()) == ES_ENOTFOUND);
    EXPECT(is_quiet());
}

static void cancels(es_term argument)
{
    es_pid parent;
    es_ref timer;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &timer)));
    es_send(parent, ES_TUPLE(done, es_cancel_timer(timer)));
}

STORY(another_process_cancels_as_well, "TMR-03")
{
    int64_t left = 0;
    es_ref timer = es_start_timer(LONG_MS, es_self(), tick);
    es_spawn(cancels, ES_TUPLE(es_self(), timer));
    EXPECT(got(ES_TUPLE(done, &left)));
    EXPECT(left > LONG_MS - 60000 && left <= LONG_MS);
    EXPECT(es_read_timer(timer) == ES_ENOTFOUND);
}

STORY(an_answer_to_cancelling_may_come_as_a_message, "TMR-04 TMR-05")
{
    int64_t left = 0;
    es_ref timer = es_start_timer(LONG_MS, es_self(), tick);
    EXPECT(es_cancel_timer_async(timer, true) == ES_OK);
    EXPECT(got(ES_TUPLE(es_am_cancel_timer, timer, &left)));
    EXPECT(left > LONG_MS - 60000 && left <= LONG_MS);
    EXPECT(es_cancel_timer_async(timer, true) == ES_OK);
    EXPECT(got(ES_TUPLE(es_am_cancel_timer, timer, es_am_false)));
    timer = es_start_timer(LONG_MS, es_self(), tick);
    EXPECT(es_cancel_timer_async(timer, false) == ES_OK);
    EXPECT(es_read_timer(timer) == ES_ENOTFOUND);
    EXPECT(is_quiet());
}

STORY(a_started_timer_says_its_reference_a_send_after_does_not, "TMR-06")
{
    es_ref timer = es_start_timer(1, es_self(), ES_TUPLE(tick, "text", 1));
    EXPECT(got(ES_TUPLE(es_am_timeout, timer, ES_TUPLE(tick, "text", 1))));
    es_send_after(1, es_self(), ES_TUPLE(tick, 2));
    EXPECT(got(ES_TUPLE(tick, 2)));
    EXPECT(is_quiet());
}

/* The way of selective10k_ref: who waits by a reference does not look at what was there when that was made. */
STORY(a_send_after_leaves_the_place_where_a_receive_by_reference_begins, "")
{
    for (int i = 0; i < 100; i++)
        es_send(es_self(), i);
    struct esi_mailbox *mailbox = &esi_enter()->mailbox;
    esi_leave();
    es_ref ref = es_monitor(es_self());
    EXPECT(mailbox->marker_reference == ref.id);
    es_send_after(LONG_MS, es_self(), tick);
    EXPECT(mailbox->marker_reference == ref.id);
    es_ref timer = es_start_timer(LONG_MS, es_self(), tick);
    EXPECT(mailbox->marker_reference == timer.id);
}

static void starts_before_now(void)
{
    es_start_timer(-1, es_self(), tick);
}

static void starts_before_the_clock(void)
{
    es_send_at(-1, es_self(), tick);
}

static void starts_to_a_number(void)
{
    es_start_timer(1, 7, tick);
}

STORY(a_time_before_all_time_is_an_argument_error_the_past_fires_at_once, "TMR-07")
{
    es_ref ref;
    es_pid p = es_spawn_monitor(&ref, starts_before_now);
    EXPECT(got_down(ref, p, ES_TUPLE(es_am_badarg, es_am_start_timer)));
    p = es_spawn_monitor(&ref, starts_before_the_clock);
    EXPECT(got_down(ref, p, ES_TUPLE(es_am_badarg, es_am_start_timer)));
    p = es_spawn_monitor(&ref, starts_to_a_number);
    EXPECT(got_down(ref, p, ES_TUPLE(es_am_badarg, es_am_start_timer)));
    int64_t past = now_ms() > 5 ? now_ms() - 5 : 0;
    ref = es_start_timer_at(past, es_self(), tick);
    EXPECT(got(ES_TUPLE(es_am_timeout, ref, tick)));
    int64_t at = now_ms() + 3;
    es_send_at(at, es_self(), tick);
    EXPECT(got(tick));
    EXPECT(now_ms() >= at);
}

STORY(a_timer_to_the_dead_is_nothing, "TMR-08")
{
    es_ref timer = es_start_timer(1, dead_pid(), tick);
    EXPECT(timer.id != 0);
    EXPECT(es_read_timer(timer) == ES_ENOTFOUND);
    EXPECT(es_cancel_timer(timer) == ES_ENOTFOUND);
    es_start_timer(0, dead_pid(), tick);
    EXPECT(is_quiet());
}

/* It is there still when the name comes to be ours. */
static es_ref timer_before_its_name(void)
{
    for (;;) {
        es_ref timer = es_start_timer(20, later_name, tick);
        EXPECT(es_register(later_name, es_self()) == ES_OK);
        if (es_read_timer(timer) >= 0)
            return timer;
        EXPECT(es_unregister(later_name) == ES_OK);
        (void)there_is(ES_TUPLE(es_am_timeout, timer, tick));
    }
}

STORY(a_timer_to_a_name_looks_it_up_when_it_fires, "TMR-09")
{
    es_ref dropped = es_start_timer(1, later_name, tick);
    while (es_read_timer(dropped) != ES_ENOTFOUND)
        es_sleep(1);
    es_ref timer = timer_before_its_name();
    EXPECT(got(ES_TUPLE(es_am_timeout, timer, tick)));
    EXPECT(es_unregister(later_name) == ES_OK);
    timer = es_start_timer(LONG_MS, later_name, tick);
    EXPECT(es_cancel_timer(timer) > 0);
    es_start_timer(LONG_MS, later_name, tick); /* left to the end of the node */
    EXPECT(is_quiet());
}

static void starts_one_for_itself(es_term argument)
{
    es_pid parent;
    EXPECT(es_match(argument, &parent));
    es_send(parent, ES_TUPLE(ready, es_start_timer(LONG_MS, es_self(), tick)));
    exits_when_told();
}

STORY(a_timer_is_gone_when_its_receiver_ends, "TMR-10")
{
    es_ref own = {0};
    es_pid p = es_spawn(starts_one_for_itself, es_lend(es_self()));
    EXPECT(got(ES_TUPLE(ready, &own)));
    es_ref ours = es_start_timer(LONG_MS, p, tick);
    EXPECT(es_read_timer(own) > 0);
    EXPECT(es_read_timer(ours) > 0);
    tell_to_exit(p, r);
    wait_for_end(p);
    EXPECT(es_read_timer(own) == ES_ENOTFOUND);
    EXPECT(es_read_timer(ours) == ES_ENOTFOUND);
    EXPECT(es_cancel_timer(ours) == ES_ENOTFOUND);
}

static void starts_one_for_another(es_term argument)
{
    es_pid parent;
    EXPECT(es_match(argument, &parent));
    es_start_timer(20, parent, tick);
}

STORY(a_timer_outlives_who_started_it, "TMR-11")
{
    es_pid p = es_spawn(starts_one_for_another, es_lend(es_self()));
    wait_for_end(p);
    EXPECT(got(ES_TUPLE(es_am_timeout, ES_ANY, tick)));
}

STORY(a_timer_can_be_read, "TMR-12")
{
    es_ref timer = es_start_timer(LONG_MS, es_self(), tick);
    int64_t left = es_read_timer(timer);
    EXPECT(left > LONG_MS - 60000 && left <= LONG_MS);
    EXPECT(es_cancel_timer(timer) <= left);
    EXPECT(es_read_timer(timer) == ES_ENOTFOUND);
}

/* `count` timers of 0 to `longest_ms`. */
static void measures(long count, int64_t longest_ms)
{
    for (long i = 0; i < count; i++) {
        int64_t asked = i * 7919 % (longest_ms + 1);
        es_send_after(asked, es_self(), ES_TUPLE(tick, es_now_ns(), asked));
    }
    for (long i = 0; i < count; i++) {
        int64_t started, asked;
        es_receive {
            es_case(ES_TUPLE(tick, &started, &asked))
                EXPECT(es_now_ns() - started >= asked * 1000000);
        }
    }
    EXPECT(is_quiet());
}

static void measures_some(void)
{
    measures(rounds(100000), rounds(100000) < 100000 ? 300 : 5000);
}

static void measures_all(void)
{
    measures(rounds(100000), 5000);
}

CASE(a_timer_never_fires_early, rounds(100000), "TMR-13")
{
    play_real(measures_some);
    play_simulated(measures_all, 3);
}

/* Very many at once, a third of them cancelled. */
static void many_live_timers(void)
{
    long count = rounds(1000000), cancelled = 0, fired = 0;
    es_ref *timers = es_alloc((size_t)count * sizeof *timers);
    bool *is_cancelled = es_alloc((size_t)count);
    uint8_t *has_fired = es_alloc((size_t)count);
    for (long i = 0; i < count; i++)
        timers[i] = es_send_after(i % 50, es_self(), ES_TUPLE(tick, i));
    for (long i = 0; i < count; i += 3)
        is_cancelled[i] = es_cancel_timer(timers[i]) >= 0;
    for (long i = 0; i < count; i++)
        cancelled += is_cancelled[i];
    for (long n = count - cancelled; n > 0; n--) {
        int64_t i = 0;
        es_receive {
            es_case(ES_TUPLE(tick, &i))
                fired++;
        }
        EXPECT(!is_cancelled[i]);
        EXPECT(has_fired[i]++ == 0);
    }
    EXPECT(fired + cancelled == count);
    EXPECT(is_quiet());
}

enum { BATCH = 1000 };
static es_ref batch[BATCH];
static bool batch_cancelled[BATCH];
static long batch_wins[2]; /* how often the firing, how often the cancelling was first */

struct cancelling {
    es_pid parent;
    int64_t at_ns;
};

/* Cancels a batch of timers from the last to the first while they fire. A thread of its own: a process might run on the
 * very scheduler whose wheel it is, and then nothing fires meanwhile. */
static void *cancels_at(void *argument)
{
    const struct cancelling *when = argument;
    while (es_now_ns() < when->at_ns) {
    }
    for (int i = BATCH - 1; i >= 0; i--)
        batch_cancelled[i] = es_cancel_timer(batch[i]) >= 0;
    es_send(when->parent, done);
    return NULL;
}

static void race_with_a_batch(int64_t offset_us)
{
    int fired[BATCH] = {0};
    int64_t at_ms = now_ms() + 4;
    struct cancelling when = {es_self(), at_ms * 1000000 + offset_us * 1000};
    pthread_t thread;
    for (int i = 0; i < BATCH; i++)
        batch[i] = es_send_at(at_ms, es_self(), ES_TUPLE(tick, i));
    if (!EXPECT(pthread_create(&thread, NULL, cancels_at, &when) == 0))
        return;
    EXPECT(got(done));
    pthread_join(thread, NULL);
    int i;
    while (got_within(ES_TUPLE(tick, &i), STORY_QUIET_MS))
        fired[i]++;
    for (i = 0; i < BATCH; i++) {
        EXPECT(fired[i] == !batch_cancelled[i]);
        batch_wins[batch_cancelled[i]]++;
    }
}

static void cancel_races(void)
{
    batch_wins[0] = batch_wins[1] = 0;
    long races = rounds(1000000) / BATCH < 60 ? 60 : rounds(1000000) / BATCH;
    for (long i = 0; i < races; i++)
        race_with_a_batch(i % 20 * 20 - 100);
    EXPECT(batch_wins[0] > 0 && batch_wins[1] > 0); /* or it was no race */
}

CASE(of_cancel_and_fire_exactly_one_happens, rounds(1000000), "TMR-14")
{
    play_real(many_live_timers);
    play_real(cancel_races);
    play_simulated(many_live_timers, 2);
}

/* Timers for each other and for themselves, started on two schedulers, cancelled from a thread, while some receivers end. */
enum { RECEIVERS = 12, OWN = 40, FATES = 2 * RECEIVERS * OWN };

static struct fate {
    es_ref timer; /* once `is_there` */
    es_pid receiver;
    _Atomic(bool) is_there;
    _Atomic(int) fired, cancelled;
} fates[FATES];
static _Atomic(bool) is_over;

static void begin(int i, es_pid receiver)
{
    fates[i].receiver = receiver;
    fates[i].timer = es_send_after(i % 4, receiver, ES_TUPLE(tick, i));
    atomic_store_explicit(&fates[i].is_there, true, memory_order_release);
}

static void cancel_one(int i)
{
    if (atomic_load_explicit(&fates[i].is_there, memory_order_acquire) &&
        es_cancel_timer(fates[i].timer) >= 0)
        atomic_fetch_add(&fates[i].cancelled, 1);
}

/* Every third one ends early, with timers left. */
static void receives(es_term argument)
{
    int first = 0, i;
    EXPECT(es_match(argument, &first));
    for (int k = 0; k < OWN; k++) {
        begin(first + k, es_self());
        if (k % 5 == 0)
            cancel_one(first + k - k % 3);
    }
    for (int count = 0; first / OWN % 3 != 0 || count < OWN / 2; count++)
        es_receive {
            es_case(ES_TUPLE(tick, &i))
                atomic_fetch_add(&fates[i].fired, 1);
            es_case(done)
                return;
        }
}

static void *cancels_all_the_time(void *unused)
{
    for (unsigned n = 0; !atomic_load(&is_over); n += 7)
        cancel_one((int)(n % FATES));
    return unused;
}

static void fate_round(void)
{
    es_pid receivers[RECEIVERS];
    pthread_t thread;
    memset(fates, 0, sizeof fates);
    atomic_store(&is_over, false);
    if (!EXPECT(pthread_create(&thread, NULL, cancels_all_the_time, NULL) == 0))
        return;
    for (int i = 0; i < RECEIVERS; i++)
        receivers[i] = es_spawn(receives, es_lend(ES_T(i * OWN)));
    for (int i = 0; i < RECEIVERS * OWN; i++)
        begin(RECEIVERS * OWN + i, receivers[i % RECEIVERS]);
    es_sleep(4); /* until all are due */
    for (int i = 0; i < FATES; i++)
        while (!atomic_load(&fates[i].is_there) || es_read_timer(fates[i].timer) >= 0)
            es_yield();
    for (int i = 0; i < RECEIVERS; i++) {
        es_send(receivers[i], done);
        wait_for_end(receivers[i]);
    }
    atomic_store(&is_over, true);
    pthread_join(thread, NULL);
    for (int i = 0; i < FATES; i++) {
        int ends = fates[i].fired + fates[i].cancelled;
        bool ends_early = false;
        for (int r = 0; r < RECEIVERS; r += 3)
            ends_early |= es_pid_equal(fates[i].receiver, receivers[r]);
        EXPECT(es_read_timer(fates[i].timer) == ES_ENOTFOUND);
        EXPECT(ends == 1 || (ends_early && ends == 0));
    }
}

static void fate_rounds(void)
{
    long count = rounds(1000000) / 10000 < 20 ? 20 : rounds(1000000) / 10000;
    for (long i = 0; i < count; i++)
        fate_round();
}

CASE(each_of_many_timers_fires_or_is_cancelled_or_goes_with_its_receiver, rounds(1000000), "TMR-10 TMR-14")
{
    play_real(fate_rounds);
}

static void starts_for(es_term argument)
{
    es_pid parent, receiver;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &receiver)));
    for (int i = 0; i < 100; i++) {
        es_send(parent, es_start_timer(LONG_MS, receiver, tick));
        es_yield();
    }
}

STORY(timers_that_many_started_are_gone_when_their_receiver_ends, "TMR-10")
{
    enum { STARTERS = 6 };
    static es_ref timers[STARTERS * 100];
    es_pid p = es_spawn(exits_when_told);
    for (int i = 0; i < STARTERS; i++)
        es_spawn(starts_for, ES_TUPLE(es_self(), p));
    for (int i = 0; i < STARTERS * 100; i++)
        EXPECT(got(&timers[i]));
    for (int i = 0; i < STARTERS * 100; i++)
        EXPECT(es_read_timer(timers[i]) > 0);
    tell_to_exit(p, r);
    wait_for_end(p);
    for (int i = 0; i < STARTERS * 100; i++)
        EXPECT(es_read_timer(timers[i]) == ES_ENOTFOUND);
}

static es_ref stray;

static void starts_a_stray(void)
{
    stray = es_start_timer(LONG_MS, later_name, tick);
    EXPECT(es_read_timer(stray) > 0);
}

CASE(a_timer_of_a_node_that_is_down_is_not_found, 1, "TMR-02")
{
    play_real(starts_a_stray);
    assert_int_equal(es_read_timer(stray), ES_ENOTFOUND);
    assert_int_equal(es_cancel_timer(stray), ES_ENOTFOUND);
}

static void long_timers(void)
{
    const int64_t long_ms = (INT64_C(1) << 32) + 5;
    int64_t before = es_now_ns();
    es_ref timer = es_start_timer(long_ms, es_self(), tick),
           never = es_start_timer(INT64_MAX, es_self(), tick);
    EXPECT(es_read_timer(timer) == long_ms);
    es_receive {
        es_case(ES_TUPLE(es_am_timeout, timer, tick))
            EXPECT(es_now_ns() - before >= long_ms * 1000000);
    }
    EXPECT(es_now_ns() - before < (long_ms + 2) * 1000000);
    EXPECT(es_cancel_timer(never) > 0);
}

CASE(a_timer_may_be_longer_than_49_days, 1, "TMR-16")
{
    play_simulated(long_timers, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cancelled_timer_gives_what_was_left_and_no_message),
        cmocka_unit_test(what_fired_or_was_cancelled_or_never_was_cannot_be_cancelled),
        cmocka_unit_test(another_process_cancels_as_well),
        cmocka_unit_test(an_answer_to_cancelling_may_come_as_a_message),
        cmocka_unit_test(a_started_timer_says_its_reference_a_send_after_does_not),
        cmocka_unit_test(a_send_after_leaves_the_place_where_a_receive_by_reference_begins),
        cmocka_unit_test(a_time_before_all_time_is_an_argument_error_the_past_fires_at_once),
        cmocka_unit_test(a_timer_to_the_dead_is_nothing),
        cmocka_unit_test(a_timer_to_a_name_looks_it_up_when_it_fires),
        cmocka_unit_test(a_timer_is_gone_when_its_receiver_ends),
        cmocka_unit_test(a_timer_outlives_who_started_it),
        cmocka_unit_test(a_timer_can_be_read),
        cmocka_unit_test(a_timer_never_fires_early),
        cmocka_unit_test(of_cancel_and_fire_exactly_one_happens),
        cmocka_unit_test(each_of_many_timers_fires_or_is_cancelled_or_goes_with_its_receiver),
        cmocka_unit_test(timers_that_many_started_are_gone_when_their_receiver_ends),
        cmocka_unit_test(a_timer_of_a_node_that_is_down_is_not_found),
        cmocka_unit_test(a_timer_may_be_longer_than_49_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
