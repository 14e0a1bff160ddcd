/* hand_over.c - those who have no scheduler, or lose it: pinned processes, blocked threads, processes that never come back, and a
 * scheduler that sleeps while others look at the poller.
 *
 * Each is a wake-up that must not be lost: what waits in vain is seen by a semaphore that nobody posts in time. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <time.h>
#include <unistd.h>
#include <engset/port.h>
#include "story.h"
#include "platform/sanitize.h"
#include "proc/contain/report.h"
#include "proc/schedule/worker.h"

ES_ATOMS(poke, stop);

enum { PATIENCE_S = 15, PINNED_MAX = 4 };

static _Atomic(uint64_t) ids[PINNED_MAX];
static sem_t ready, answers;
static _Atomic bool is_over;
static _Atomic long missing;

static void no_report(const char *text, size_t length)
{
    (void)text, (void)length;
}

/* In user mode: the process stays on its thread, the scheduler does not. */
static void block_thread_ms(long ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&pause, &pause) && errno == EINTR)
        ;
}

static bool comes_in_time(sem_t *semaphore)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    while (sem_timedwait(semaphore, &until))
        if (errno != EINTR)
            return false;
    return true;
}

static es_pid pid_of(int i)
{
    return (es_pid){.id = atomic_load(&ids[i])};
}

/* Posts `answers` for each poke. */
static void answer_pokes(void)
{
    for (;;)
        es_receive {
            es_case(poke)
                sem_post(&answers);
            es_case(stop)
                return;
        }
}

/* A thread that is no process; plays `play_outside` while the node runs. */
static void (*play_outside)(void);

static void *outside(void *unused)
{
    (void)unused;
    play_outside();
    atomic_store(&is_over, true);
    return NULL;
}

static void play_with_thread(void (*first)(void *), int schedulers, void (*thread_body)(void))
{
    pthread_t thread;
    sem_init(&ready, 0, 0);
    sem_init(&answers, 0, 0);
    atomic_store(&is_over, false);
    atomic_store(&missing, 0);
    play_outside = thread_body;
    assert_int_equal(pthread_create(&thread, NULL, outside, NULL), 0);
    int status = es_run(first, NULL, &(es_options){.schedulers = schedulers});
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&missing), 0);
    assert_int_equal(status, 0);
}

static void wait_until_over(void)
{
    while (!atomic_load(&is_over))
        es_receive {
            es_case(never_sent) {
            }
            es_after(5) {
            }
        }
}

/* ---------------------------------------------------------------- pinned processes */

/* Each is pinned to a thread of its own: whoever blocks loses the scheduler to another. */
static void pinned(int64_t *number)
{
    es_pin();
    block_thread_ms(40);
    atomic_store(&ids[*number], es_self().id);
    sem_post(&ready);
    answer_pokes();
}

static void several_pinned(void *unused)
{
    static int64_t numbers[PINNED_MAX] = {0, 1, 2, 3};
    (void)unused;
    for (int i = 0; i < PINNED_MAX; i++)
        es_spawn(pinned, &numbers[i]);
    wait_until_over();
    for (int i = 0; i < PINNED_MAX; i++)
        es_send(pid_of(i), stop);
}

/* Pokes one, or several at once, at moments that come nearer to the one when a scheduler goes to sleep and away from it again. */
static void poke_pinned(void)
{
    for (int i = 0; i < PINNED_MAX; i++)
        if (!comes_in_time(&ready)) {
            atomic_store(&missing, 1);
            return;
        }
    for (long round = 0; round < rounds(400000) && !missing; round++) {
        int count = round % 3 == 0 ? PINNED_MAX : 1;
        for (volatile long spin = round * 7 % 3000; spin > 0; spin--)
            ;
        for (int i = 0; i < count; i++)
            es_send(pid_of((int)(round + i) % PINNED_MAX), poke);
        for (int i = 0; i < count; i++)
            if (!comes_in_time(&answers))
                atomic_store(&missing, round + 1);
    }
}

static void a_pinned_process_that_is_woken_gets_a_scheduler(__attribute__((unused)) void **state)
{
    for (int schedulers = 1; schedulers <= 2; schedulers++)
        play_with_thread(several_pinned, schedulers, poke_pinned);
}

/* ---------------------------------------------------------------- a sleeper in the poller */

static int pipe_ends[2];

/* Makes it worth while to look at the poller. */
static void wait_for_pipe(void)
{
    (void)es_wait_fd(pipe_ends[0], POLLIN, ES_INFINITY); /* killed in it */
}

static void yield_all_the_time(void)
{
    while (!atomic_load(&is_over))
        es_yield();
}

static void sleeper_and_looker(void *unused)
{
    (void)unused;
    es_spawn(wait_for_pipe);
    atomic_store(&ids[0], es_spawn(answer_pokes).id);
    es_spawn(returns);
    es_spawn(yield_all_the_time);
    sem_post(&ready);
    wait_until_over();
}

/* The other core sleeps, and is woken from outside, while this one looks at the poller. */
static void poke_sleeper(void)
{
    comes_in_time(&ready);
    for (long round = 0; round < rounds(2000000) && !missing; round++) {
        for (volatile long spin = round % 500; spin > 0; spin--)
            ;
        es_send(pid_of(0), poke);
        if (!comes_in_time(&answers))
            atomic_store(&missing, round + 1);
    }
}

static void a_look_at_the_poller_takes_nobodys_wake_up(__attribute__((unused)) void **state)
{
    assert_int_equal(pipe(pipe_ends), 0);
    play_with_thread(sleeper_and_looker, 2, poke_sleeper);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

/* ---------------------------------------------------------------- a poller that its sleeper left */

enum { SCHEDULERS = 2, IN = 0, OUT = 1 };

static int bells[2][2]; /* pipes */
static _Atomic bool is_served, is_last;
static _Atomic long unattended_rounds;

static bool waits_for_bell(int i)
{
    char byte;
    return es_wait_fd(bells[i][IN], POLLIN, ES_INFINITY) > 0 && read(bells[i][IN], &byte, 1) == 1;
}

static bool ring(int i)
{
    return write(bells[i][OUT], "", 1) == 1;
}

static void serves_the_other_bell(void)
{
    while (waits_for_bell(1))
        atomic_store(&is_served, true);
}

static bool comes_true(bool (*is_so)(void))
{
    time_t start = time(NULL);
    while (!is_so() && time(NULL) - start < PATIENCE_S)
        sched_yield();
    return is_so();
}

static bool other_sleeps(void)
{
    return atomic_load(&esi_node.idle_count) == SCHEDULERS - 1;
}

static bool all_sleep(void)
{
    return atomic_load(&esi_node.idle_count) == SCHEDULERS && atomic_load(&esi_node.polling);
}

static bool other_is_served(void)
{
    return atomic_load(&is_served);
}

/* It computes as one who is in the runtime, from whom no scheduler is taken: nobody but the other can look at the poller. */
static void computes_until_the_other_is_served(void)
{
    while (waits_for_bell(0)) {
        esi_enter();
        bool is_right = comes_true(other_sleeps);
        atomic_fetch_add(&unattended_rounds, is_right && !atomic_load(&esi_node.polling));
        atomic_store(&is_served, false);
        if (!ring(1) || !comes_true(other_is_served))
            atomic_store(&missing, 1);
        esi_leave();
        if (atomic_load(&is_last))
            es_send(pid_of(0), stop);
        sem_post(&answers);
    }
}

/* No timers here: they would wake somebody by and by. */
static void two_who_wait_for_bells(void *unused)
{
    (void)unused;
    atomic_store(&ids[0], es_self().id);
    es_spawn(serves_the_other_bell);
    es_spawn(computes_until_the_other_is_served);
    sem_post(&ready);
    answer_pokes();
}

static void ring_when_all_sleep(void)
{
    comes_in_time(&ready);
    for (long round = 0; !atomic_load(&is_last); round++) {
        atomic_store(&is_last, round + 1 >= rounds(2000) || missing);
        if (!comes_true(all_sleep) || !ring(0) || !comes_in_time(&answers))
            atomic_store(&missing, round + 1);
    }
}

static void who_sleeps_beside_a_left_poller_takes_it_over(__attribute__((unused)) void **state)
{
    atomic_store(&unattended_rounds, 0);
    atomic_store(&is_last, false);
    assert_int_equal(pipe(bells[0]) | pipe(bells[1]), 0);
    play_with_thread(two_who_wait_for_bells, SCHEDULERS, ring_when_all_sleep);
    assert_true(unattended_rounds > 0);
    for (int i = 0; i < 4; i++)
        close(bells[i / 2][i % 2]);
}

/* ---------------------------------------------------------------- those who never come back */

/* No signal can take it away from there: it is in libc whenever one looks. */
static void never_comes_back(void)
{
    sem_post(&ready);
    for (;;)
        pause();
}

static void pins_and_waits(void)
{
    es_pin();
    sem_post(&ready);
    waits();
}

/* Everything here is on one thread until that one hangs. */
static void hung_one(void)
{
    es_ref down[3], orphans_end;
    es_pid orphan = es_spawn_monitor(&orphans_end, pins_and_waits);
    es_yield();
    while (sem_trywait(&ready))
        es_yield();
    es_pid hung = es_spawn(never_comes_back);
    while (sem_trywait(&ready))
        es_yield();
    for (int i = 0; i < 3; i++)
        down[i] = es_monitor(hung);
    es_link(hung);
    es_unlink(hung);
    es_send_exit(hung, es_am_kill);
    for (int i = 0; i < 3; i++)
        EXPECT(got_down(down[i], hung, ES_ANY));
    /* Its thread was the orphan's too. */
    es_send(orphan, poke);
    EXPECT(got_down(orphans_end, orphan, es_am_killed));
}

static void who_hangs_for_ever_answers_what_waits_and_takes_along_who_is_pinned_to_it(
    __attribute__((unused)) void **state)
{
    sem_init(&ready, 0, 0);
    esi_report_configure();
    esi_report_set_sink(no_report);
    story_begin(hung_one);
    story_check(es_run(story_first, NULL, &(es_options){.schedulers = 1}), "real node", 0);
    esi_report_set_sink(NULL);
}

/* ... and has blocked all signals, so that those that were to end it come when the node is gone. */

static sem_t may_take_signals, has_taken_signals;

static void blocks_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    sem_post(&ready);
    comes_in_time(&may_take_signals);
    pthread_sigmask(SIG_UNBLOCK, &all, NULL);
    sem_post(&has_taken_signals);
    for (;;)
        pause();
}

static void kills_who_blocks_signals(void)
{
    es_pid hung = es_spawn(blocks_signals);
    while (sem_trywait(&ready))
        es_yield();
    es_ref down = es_monitor(hung);
    es_send_exit(hung, es_am_kill);
    EXPECT(got_down(down, hung, es_am_killed));
}

static void a_kill_signal_that_comes_after_the_node_ends_nothing(__attribute__((unused)) void **state)
{
    sem_init(&ready, 0, 0);
    sem_init(&may_take_signals, 0, 0);
    sem_init(&has_taken_signals, 0, 0);
    esi_report_configure();
    esi_report_set_sink(no_report);
    story_begin(kills_who_blocks_signals);
    story_check(es_run(story_first, NULL, &(es_options){.schedulers = 1}), "real node", 0);
    esi_report_set_sink(NULL);
    sem_post(&may_take_signals);
    assert_true(comes_in_time(&has_taken_signals));
}

static es_pid first_pid;

static void kills_first(void)
{
    sem_wait(&ready);
    es_send_exit(first_pid, es_am_kill);
}

static void first_never_comes_back(void *unused)
{
    (void)unused;
    first_pid = es_self();
    es_spawn(returns);
    es_spawn(kills_first);
    never_comes_back();
}

static void
the_node_ends_when_its_first_process_hangs_for_ever_and_is_killed(__attribute__((unused)) void **state)
{
    sem_init(&ready, 0, 0);
    esi_report_configure();
    esi_report_set_sink(no_report);
    assert_int_equal(es_run(first_never_comes_back, NULL, &(es_options){.schedulers = 1}), 1);
    esi_report_set_sink(NULL);
}

/* ---------------------------------------------------------------- a stack that is not what it seems */

static void ends_here(void *unused)
{
    (void)unused;
    es_exit(es_am_normal);
}

static void ends_on_a_small_stack(void)
{
    (void)!es_on_big_stack(1, ends_here, NULL);
}

static __attribute__((noinline)) void use_40_kib(void)
{
    volatile char frame[40 << 10];
    for (size_t i = 0; i < sizeof frame; i += 1024)
        frame[i] = 1;
}

static void end_on_small_then_use_40_kib(void)
{
    for (int i = 0; i < 100; i++) {
        es_ref down;
        es_pid pid = es_spawn_monitor(&down, ends_on_a_small_stack);
        EXPECT(got_down(down, pid, es_am_normal));
        pid = es_spawn_monitor(&down, use_40_kib);
        EXPECT(got_down(down, pid, es_am_normal));
    }
}

static void who_ends_on_another_stack_leaves_the_next_one_a_whole_stack(__attribute__((unused)) void **state)
{
    play_real(end_on_small_then_use_40_kib);
}

/* ---------------------------------------------------------------- no spare thread is left */

/* Two schedulers and 256 spares are 258 threads: these, the one that wakes somebody, and one for the rest. */
enum { BLOCKED = 256 };

static void block_until_over(void)
{
    sem_post(&ready);
    while (!atomic_load(&is_over))
        block_thread_ms(20);
}

/* Gets the last thread but one, wakes another and blocks: that one must not wait for it. */
static void wake_and_block(void)
{
    es_send(pid_of(0), poke);
    block_until_over();
}

static void more_blocked_than_spares(void *unused)
{
    (void)unused;
    atomic_store(&ids[0], es_spawn(answer_pokes).id);
    for (int i = 0; i < BLOCKED; i++)
        es_spawn(block_until_over);
    for (int i = 0; i < BLOCKED;)
        if (sem_trywait(&ready) == 0)
            i++;
        else
            es_yield();
    es_spawn(wake_and_block);
    wait_until_over();
}

static void wait_for_poke(void)
{
    atomic_store(&missing, !comes_in_time(&answers));
}

static void whom_the_last_thread_woke_does_not_wait_for_it(__attribute__((unused)) void **state)
{
    if (ESI_TSAN || ESI_ASAN)
        skip_since("hundreds of threads");
    esi_report_configure();
    esi_report_set_sink(no_report);
    play_with_thread(more_blocked_than_spares, 2, wait_for_poke);
    esi_report_set_sink(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pinned_process_that_is_woken_gets_a_scheduler),
        cmocka_unit_test(a_look_at_the_poller_takes_nobodys_wake_up),
        cmocka_unit_test(who_sleeps_beside_a_left_poller_takes_it_over),
        cmocka_unit_test(who_ends_on_another_stack_leaves_the_next_one_a_whole_stack),
        cmocka_unit_test(who_hangs_for_ever_answers_what_waits_and_takes_along_who_is_pinned_to_it),
        cmocka_unit_test(a_kill_signal_that_comes_after_the_node_ends_nothing),
        cmocka_unit_test(the_node_ends_when_its_first_process_hangs_for_ever_and_is_killed),
        cmocka_unit_test(whom_the_last_thread_woke_does_not_wait_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
