/* tests/platform/thread.c - what a runtime thread starts with. Threads report; the test asserts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "platform/park.h"
#include "platform/clock.h"
#include "platform/thread.h"

static struct report {
    char name[16];
    sigset_t blocked;
    stack_t altstack;
    pid_t id;
} report;

static void write_report(void *argument)
{
    struct report *to = argument;
    pthread_getname_np(pthread_self(), to->name, sizeof to->name);
    pthread_sigmask(SIG_SETMASK, NULL, &to->blocked);
    sigaltstack(NULL, &to->altstack);
    to->id = esi_thread_id();
}

static void test_a_thread_blocks_all_but_faults_and_what_it_was_told(void **state)
{
    (void)state;
    struct esi_thread thread;
    sigset_t wanted, before, after;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(esi_thread_open(write_report, &report, "a name that is too long", &wanted, &thread),
                     ES_OK);
    esi_thread_join(&thread);
    assert_string_equal(report.name, "a name that is ");
    assert_int_equal(sigismember(&report.blocked, SIGUSR1), 1);
    assert_int_equal(sigismember(&report.blocked, SIGTERM), 1);
    assert_int_equal(sigismember(&report.blocked, SIGUSR2), 0);
    assert_int_equal(sigismember(&report.blocked, SIGSEGV), 0);
    assert_int_equal(sigismember(&report.blocked, SIGABRT), 0);
    assert_int_not_equal(report.id, esi_thread_id());
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int signal = 1; signal < 32; signal++)
        assert_int_equal(sigismember(&before, signal), sigismember(&after, signal));
}

static void test_a_thread_has_an_alternate_stack_that_holds_a_frame(void **state)
{
    (void)state;
    struct esi_thread thread;
    assert_int_equal(esi_thread_open(write_report, &report, "alt", NULL, &thread), ES_OK);
    esi_thread_join(&thread);
    assert_int_equal(report.altstack.ss_flags, 0);
    assert_true(report.altstack.ss_size >= (size_t)sysconf(_SC_SIGSTKSZ) + (16u << 10));
}

static void test_removing_an_alternate_stack_brings_back_the_one_before(void **state)
{
    (void)state;
    struct esi_altstack altstack;
    stack_t before, after;
    sigaltstack(NULL, &before);
    assert_int_equal(esi_thread_altstack_install(&altstack), ES_OK);
    esi_thread_altstack_remove(&altstack);
    sigaltstack(NULL, &after);
    assert_int_equal(before.ss_flags, after.ss_flags);
    if (!(before.ss_flags & SS_DISABLE))
        assert_ptr_equal(before.ss_sp, after.ss_sp);
}

static struct esi_park may_end, is_there;

static void stay(void *argument)
{
    *(pid_t *)argument = esi_thread_id();
    esi_park_wake(&is_there);
    esi_park_wait(&may_end, ESI_NO_DEADLINE);
}

static void test_a_thread_is_lowered_from_outside_and_restored(void **state)
{
    (void)state;
    struct esi_thread thread;
    struct esi_thread_priority before;
    pid_t tid = 0;
    esi_park_init(&may_end);
    esi_park_init(&is_there);
    assert_int_equal(esi_thread_open(stay, &tid, "low", NULL, &thread), ES_OK);
    esi_park_wait(&is_there, ESI_NO_DEADLINE);
    int nice = getpriority(PRIO_PROCESS, (id_t)tid);
    assert_true(esi_thread_lower_priority(tid, &before));
    assert_int_equal(sched_getscheduler(tid), SCHED_BATCH);
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)tid), nice + 10 > 19 ? 19 : nice + 10);
    bool restored = esi_thread_restore_priority(tid, &before);
    assert_int_equal(sched_getscheduler(tid), SCHED_OTHER);
    if (restored)
        assert_int_equal(getpriority(PRIO_PROCESS, (id_t)tid), nice);
    else
        assert_int_not_equal(geteuid(), 0); /* the OS may refuse, but not the superuser */
    assert_int_equal(getpriority(PRIO_PROCESS, 0), nice);
    esi_park_wake(&may_end);
    esi_thread_join(&thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_blocks_all_but_faults_and_what_it_was_told),
        cmocka_unit_test(test_a_thread_has_an_alternate_stack_that_holds_a_frame),
        cmocka_unit_test(test_removing_an_alternate_stack_brings_back_the_one_before),
        cmocka_unit_test(test_a_thread_is_lowered_from_outside_and_restored),
    };
    return cmocka_run_group_tests_name("platform/thread", tests, NULL, NULL);
}
