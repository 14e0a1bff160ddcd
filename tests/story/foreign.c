/* foreign.c - a process that waits while a library's code stands on its stack stays on its thread; others go where there is room. */
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <engset.h>
#include "foreign_library.h"
#include "platform/sanitize.h"
#include "proc/schedule/worker.h"
#include "story.h"

enum { ROUNDS = 5, TRIES = 20 };

static int64_t handovers(void)
{
    return atomic_load_explicit(&esi_node.handovers, memory_order_relaxed);
}

/* Computes until the watchdog has given this thread's scheduler away: then it is sure to go on elsewhere if it may. */
static void compute_until_handed_over(void)
{
    int64_t before = handovers();
    while (handovers() == before) {
    }
}

/* How often the thread was another one after the wait. */
static int compute_and_wait(void *unused)
{
    (void)unused;
    int moved = 0;
    for (int i = 0; i < ROUNDS; i++) {
        long before = syscall(SYS_gettid); /* no compiler can believe that two calls give the same */
        compute_until_handed_over();
        if (i % 2)
            es_yield();
        else
            es_sleep(1);
        moved += syscall(SYS_gettid) != before;
    }
    return moved;
}

static void waits_in_a_callback(void)
{
    EXPECT(call_back(compute_and_wait, NULL) == 1);
}

REAL_STORY(who_waits_inside_a_librarys_callback_stays_on_its_thread, 1, "RES-11")
{
    es_ref ref;
    es_pid pid = es_spawn_monitor(&ref, waits_in_a_callback);
    EXPECT(got_down(ref, pid, es_am_normal));
}

/* gcc's sanitizers are libraries themselves, whose return addresses lie about. */
static bool may_move(void)
{
    return !ESI_ASAN && !ESI_TSAN;
}

static void waits_without(void)
{
    int moved = 0;
    for (int i = 0; i < TRIES && !moved; i++)
        moved = compute_and_wait(NULL);
    EXPECT(moved > 0 || !may_move());
}

REAL_STORY(who_waits_in_its_own_code_may_go_on_in_another_thread, 1, "RES-11")
{
    es_ref ref;
    es_pid pid = es_spawn_monitor(&ref, waits_without);
    EXPECT(got_down(ref, pid, es_am_normal));
}

/* A return address of the callback that is over lies below what it uses now. */
static void waits_after_a_callback(void)
{
    EXPECT(call_back(compute_and_wait, NULL) == 1);
    waits_without();
}

REAL_STORY(who_is_back_from_the_callback_may_go_on_anywhere, 1, "RES-11")
{
    es_ref ref;
    es_pid pid = es_spawn_monitor(&ref, waits_after_a_callback);
    EXPECT(got_down(ref, pid, es_am_normal));
}

/* In one function, which the compiler knows whole: what pthread_self() told before the wait must not be told again after it. */
static bool is_told_of_its_thread(int *moved)
{
    long tid = syscall(SYS_gettid);
    pthread_t thread = pthread_self();
    compute_until_handed_over();
    es_yield();
    bool has_moved = syscall(SYS_gettid) != tid;
    *moved += has_moved;
    return pthread_equal(pthread_self(), thread) == !has_moved;
}

/* The same through a pointer to it. */
static bool is_told_of_its_thread_by_pointer(int *moved)
{
    pthread_t (*const self)(void) = pthread_self;
    long tid = syscall(SYS_gettid);
    pthread_t thread = self();
    compute_until_handed_over();
    es_yield();
    bool has_moved = syscall(SYS_gettid) != tid;
    *moved += has_moved;
    return pthread_equal(self(), thread) == !has_moved;
}

static void asks_for_its_thread(void)
{
    int moved = 0, moved_by_pointer = 0;
    for (int i = 0; i < TRIES && !moved; i++)
        EXPECT(is_told_of_its_thread(&moved));
    for (int i = 0; i < TRIES && !moved_by_pointer; i++)
        EXPECT(is_told_of_its_thread_by_pointer(&moved_by_pointer));
    EXPECT((moved > 0 && moved_by_pointer > 0) || !may_move());
}

REAL_STORY(pthread_self_is_right_after_a_wait_that_changed_the_thread, 1, "")
{
    es_ref ref;
    es_pid pid = es_spawn_monitor(&ref, asks_for_its_thread);
    EXPECT(got_down(ref, pid, es_am_normal));
}

/* ---- a thread that another keeps busy ---- */

ES_ATOMS(ready);

static _Atomic(bool) may_end;

static void keeps_its_thread(void)
{
    while (!atomic_load(&may_end)) {
    }
}

static int says_that_it_is_ready_and_waits(void *boss)
{
    es_send(*(es_pid *)boss, ready);
    es_receive
        es_case(go) {
        }
    return 0;
}

static void waits_in_the_callback(es_term boss)
{
    es_pid pid = ES_NO_PID;
    EXPECT(es_get_pid(boss, &pid));
    call_back(says_that_it_is_ready_and_waits, &pid);
}

static void play_on_one_scheduler(void (*body)(void))
{
    story_begin(body);
    story_check(es_run(story_first, NULL, &(es_options){.schedulers = 1}), "real node", 0);
}

/* It may go on in the thread of keeps_its_thread() alone, and so not for now. */
STORY_WITH(who_is_killed_while_its_thread_is_kept_busy_ends_all_the_same, 1, "", play_on_one_scheduler)
{
    es_ref ref;
    atomic_store(&may_end, false);
    es_pid pid = es_spawn_monitor(&ref, waits_in_the_callback, es_self());
    EXPECT(got(ready));
    int64_t before = handovers();
    es_spawn(keeps_its_thread);
    while (handovers() == before)
        es_yield();
    es_send(pid, go);
    es_yield(); /* it is picked, and sent back */
    es_send_exit(pid, es_am_kill);
    EXPECT(got_down(ref, pid, es_am_killed));
    atomic_store(&may_end, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_inside_a_librarys_callback_stays_on_its_thread),
        cmocka_unit_test(who_waits_in_its_own_code_may_go_on_in_another_thread),
        cmocka_unit_test(who_is_back_from_the_callback_may_go_on_anywhere),
        cmocka_unit_test(pthread_self_is_right_after_a_wait_that_changed_the_thread),
        cmocka_unit_test(who_is_killed_while_its_thread_is_kept_busy_ends_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
