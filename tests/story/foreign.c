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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_inside_a_librarys_callback_stays_on_its_thread),
        cmocka_unit_test(who_waits_in_its_own_code_may_go_on_in_another_thread),
        cmocka_unit_test(who_is_back_from_the_callback_may_go_on_anywhere),
        cmocka_unit_test(pthread_self_is_right_after_a_wait_that_changed_the_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
