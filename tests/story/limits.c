/* limits.c - proves what happens when the system gives no more stacks, guards or threads, and what of a thread a process leaves to the next. */
#undef _FILE_OFFSET_BITS /* mmap() and mmap64() are two names here */
#include <engset.h>
#include <dlfcn.h>
#include <errno.h>
#include <fenv.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include "base/probe.h"
#include "platform/sanitize.h"
#include "platform/stack.h"
#include "platform/thread.h"
#include "proc/node.h"
#include "proc/schedule/worker.h"
#include "story.h"

ES_ATOMS(ping, pong, ready);

static void let_the_node_start(void)
{
    while (atomic_load(&esi_node.worker_count) < 2)
        es_yield();
}

/* ---------------------------------------------------------------- no stack */

static _Atomic(bool) no_stacks;

/* The library's, too: it is linked into this program. With large files it is called by the second name. */
void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    static void *(*real)(void *, size_t, int, int, int, off_t);
    if (!real)
        real = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
    if (no_stacks && flags & MAP_STACK && flags & MAP_NORESERVE) { /* no thread's */
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return real(address, size, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t size, int protection, int flags, int fd, off64_t offset)
{
    return mmap(address, size, protection, flags, fd, offset);
}

enum { MANY = 1000 };

static es_pid waiting[100000];
static es_ref watched[100000];

static void waits_here(es_term parent)
{
    es_send(parent, ready);
    waits();
}

/* How many of `count` processes that wait in a function could be made; the others ended with system_limit. */
static long make_waiting(long count)
{
    long made = 0;
    es_term reason;
    for (long i = 0; i < count; i++) {
        waiting[i] = es_spawn_monitor(&watched[i], waits_here, es_lend(es_self()));
        EXPECT(!es_pid_is_none(waiting[i]));
    }
    for (long i = 0; i < count; i++)
        es_receive {
            es_case(ready)
                made++;
            es_case(ES_TUPLE(es_am_DOWN, ES_ANY, es_am_process, ES_ANY, &reason))
                EXPECT(es_is(reason, es_am_system_limit));
        }
    return made;
}

static void end_waiting(long count)
{
    for (long i = 0; i < count; i++)
        es_send_exit(waiting[i], es_am_kill);
    for (long i = 0; i < count; i++)
        wait_for_end(waiting[i]);
    while (there_is(ES_ANY))
        ;
}

REAL_STORY(who_gets_no_stack_ends_with_system_limit, 1, "RES-02")
{
    let_the_node_start();
    no_stacks = true;
    long made = make_waiting(MANY);
    EXPECT(made < MANY);
    no_stacks = false;
    end_waiting(MANY);
    EXPECT(make_waiting(MANY) == MANY); /* and it was for then only */
    end_waiting(MANY);
}

/* ---------------------------------------------------------------- many stacks */

/* A stack without a guard would let this run into its neighbour. */
static int digs(int depth)
{
    volatile char room[4000];
    room[0] = (char)depth;
    return depth > 1000000 ? 0 : digs(depth + 1) + room[0];
}

static void overflows(void)
{
    digs(0);
}

static void a_guard_is_there(void)
{
    es_ref ref;
    es_pid p = es_spawn_monitor(&ref, overflows);
    EXPECT(got_down(ref, p, ES_TUPLE(es_am_signal, es_am_stack_overflow, ES_ANY)));
}

static long how_many(void)
{
    return ESI_ASAN || ESI_TSAN ? 10000 : 100000; /* there each has four times the stack */
}

REAL_STORY(a_hundred_thousand_wait_inside_a_function, 1, "RES-03")
{
    long made = make_waiting(how_many());
    if (esi_stack_guard_kind() == ESI_GUARD_MADVISE)
        EXPECT(made == how_many());
    EXPECT(made > 10000 - 1);
    end_waiting(how_many());
}

/* Guards that are mappings: the kernel has a limit, and below it all have one. */
REAL_STORY(where_guards_are_mappings_there_is_a_clear_limit, 1, "RES-03")
{
    enum { GUARDS = 5000 };
    enum esi_guard_kind before = esi_stack_guard_kind();
    esi_stack_guard_use(ESI_GUARD_MPROTECT, GUARDS);
    long made = make_waiting(how_many());
    EXPECT(made > GUARDS / 2 && made <= GUARDS + 200 * (long)before + 2000); /* some were there before */
    end_waiting(how_many());
    a_guard_is_there();
    esi_stack_guard_use(before, 0);
}

/* ---------------------------------------------------------------- no thread */

/* So large a stack has no place in any address space: pthread_create() gives EAGAIN. */
static void threads_fail(bool fail)
{
    static pthread_attr_t usual;
    pthread_attr_t huge;
    if (!fail) {
        assert_int_equal(pthread_setattr_default_np(&usual), 0);
        return;
    }
    assert_int_equal(pthread_getattr_default_np(&usual), 0);
    assert_int_equal(pthread_getattr_default_np(&huge), 0);
    assert_int_equal(pthread_attr_setstacksize(&huge, (size_t)1 << 47), 0);
    assert_int_equal(pthread_setattr_default_np(&huge), 0);
    pthread_attr_destroy(&huge);
}

static void blocks_its_thread(void)
{
    struct timespec long_time = {.tv_nsec = 300000000};
    while (nanosleep(&long_time, &long_time) != 0)
        ;
}

static void notes(void *block)
{
    *(int *)block = 1;
}

static void answers(void)
{
    es_pid from;
    for (;;)
        es_receive {
            es_case(ES_TUPLE(ping, &from))
                es_send(from, pong);
        }
}

static void lives_without_new_threads(void)
{
    int done_here = 0;
    es_ref ref;
    let_the_node_start();
    threads_fail(true);
    es_pid server = es_spawn(answers);
    es_pid p = es_spawn_monitor(
        &ref, blocks_its_thread); /* nobody can take over its scheduler's work but the other thread */
    for (int i = 0; i < 1000; i++) {
        es_send(server, ES_TUPLE(ping, es_self()));
        EXPECT(got(pong));
    }
    EXPECT(got_down(ref, p, es_am_normal));
    EXPECT(es_blocking(notes, &done_here, sizeof done_here, ES_INFINITY) == ES_OK && done_here == 1);
    threads_fail(false);
}

REAL_STORY(without_new_threads_the_node_goes_on_with_those_it_has, 1, "RES-05")
{
    lives_without_new_threads();
}

CASE(without_any_thread_a_node_does_not_start, 1, "RES-05")
{
    threads_fail(true);
    es_err error = es_node_start(&(es_options){.schedulers = 2});
    threads_fail(false);
    assert_true(error == ES_ELIMIT || error == ES_EOS || error == ES_ENOMEM);
    assert_int_equal(es_node_start(&(es_options){.schedulers = 2}), ES_OK);
    assert_int_equal(es_node_stop(ES_INFINITY), ES_OK);
}

/* ---------------------------------------------------------------- who talks comes together */

static _Atomic int apart_since_100, place[2];
static _Atomic(bool) have_met;

/* Until each runs on a scheduler of its own. */
static void part(int who)
{
    do {
        atomic_store(&place[who], esi_worker_self()->scheduler->index);
        if (place[1 - who] >= 0 && place[0] != place[1])
            have_met = true;
        else
            es_yield();
    } while (!have_met);
}

enum { TO_COME_TOGETHER = 100, AFTER_THAT = 10000 };

static void note_place(int who, int round)
{
    struct esi_scheduler *s = esi_worker_self()->scheduler;
    if (s)
        atomic_store(&place[who], s->index);
    if (round > TO_COME_TOGETHER && place[0] != place[1])
        apart_since_100++;
}

static void pongs(void)
{
    es_pid from = ES_NO_PID;
    part(1);
    for (int i = 0; i < TO_COME_TOGETHER + AFTER_THAT; i++) {
        es_receive {
            es_case(ES_TUPLE(ping, &from)) {
            }
        }
        note_place(1, i);
        es_send(from, pong);
    }
}

static uint32_t picks_of(int index)
{
    return atomic_load(&esi_node.schedulers[index].picks);
}

REAL_STORY(a_pair_that_talks_comes_to_one_scheduler_and_stays_there, 1, "RES-14")
{
    if (!EXPECT(esi_node.scheduler_count == 2))
        return;
    apart_since_100 = 0;
    have_met = false;
    place[0] = place[1] = -1;
    es_ref ref;
    es_pid other = es_spawn_monitor(&ref, pongs);
    part(0);
    uint32_t picks = 0;
    int elsewhere = 0;
    for (int i = 0; i < TO_COME_TOGETHER + AFTER_THAT; i++) {
        if (i == TO_COME_TOGETHER) {
            elsewhere = 1 - place[0];
            picks = picks_of(elsewhere);
        }
        es_send(other, ES_TUPLE(ping, es_self()));
        es_receive {
            es_case(pong) {
            }
        }
        note_place(0, i);
    }
    /* When the kernel takes a thread from its core for long, the other is right to help. */
    EXPECT(apart_since_100 <= AFTER_THAT / 100);
    EXPECT(picks_of(elsewhere) - picks <= AFTER_THAT / 100);
    EXPECT(got_down(ref, other, es_am_normal));
}

/* ---------------------------------------------------------------- one thread after the other */

enum { VISITORS = 8, TURNS = 200 };

static locale_t
    comma; /* one with another decimal point would need a locale that is installed: this one is told by its handle */
static locale_t usual;

/* As another process would find it. */
static bool is_as_usual(void)
{
    sigset_t mask;
    double third = 1.0 / 3.0;
    volatile double n = 1.0, d = 3.0;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return uselocale((locale_t)0) == usual && sigismember(&mask, SIGUSR2) && fegetround() == FE_TONEAREST &&
           n / d == third;
}

static bool is_mine(int number)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    return uselocale((locale_t)0) == comma && !sigismember(&mask, SIGUSR2) && fegetround() == FE_UPWARD &&
           errno == number;
}

/* What is written is volatile: gcc leaves out a last store that is not, although it would fault. Several processes write at once what none of
 * them can: no race. */
static __attribute__((noinline, no_sanitize("thread"))) void raise_a_fault(void)
{
    static const int fixed = 1;
    *(volatile int *)(uintptr_t)&fixed = 2;
}

static void sets_all(es_term argument)
{
    int number = 0;
    sigset_t mask;
    EXPECT(es_match(argument, &number));
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2); /* the node's threads have all blocked that they can */
    EXPECT(pthread_sigmask(SIG_UNBLOCK, &mask, NULL) == 0);
    EXPECT(uselocale(comma) == usual);
    EXPECT(fesetround(FE_UPWARD) == 0);
    for (int i = 0; i < TURNS; i++) {
        errno = number;
        if (i % 2)
            es_yield();
        else
            es_sleep(0);
        EXPECT(is_mine(number));
    }
    if (number % 3 == 0)
        es_exit(es_am_kill);
    if (number % 3 == 1)
        raise_a_fault(); /* left from a handler */
}

static void finds_all_as_usual(void)
{
    for (int i = 0; i < TURNS; i++) {
        EXPECT(is_as_usual());
        errno = 0;
        es_yield();
        EXPECT(errno == 0);
    }
}

static void one_after_the_other(void)
{
    es_ref refs[2 * VISITORS];
    usual = uselocale((locale_t)0);
    comma = newlocale(LC_NUMERIC_MASK, "C.UTF-8", (locale_t)0);
    EXPECT(comma != (locale_t)0 && comma != usual);
    for (int i = 0; i < VISITORS; i++) {
        es_spawn_monitor(&refs[2 * i], sets_all, es_lend(ES_T(i)));
        es_spawn_monitor(&refs[2 * i + 1], finds_all_as_usual);
    }
    for (int i = 0; i < 2 * VISITORS; i++)
        EXPECT(got(ES_TUPLE(es_am_DOWN, refs[i], ES_ANY, ES_ANY, ES_ANY)));
    es_ref last;
    es_pid p = es_spawn_monitor(&last, finds_all_as_usual); /* also where nobody is left */
    EXPECT(got_down(last, p, es_am_normal));
    freelocale(comma);
}

REAL_STORY(what_a_process_sets_in_its_thread_goes_with_it_alone, 1, "RES-10")
{
    one_after_the_other();
}

static void blocks_all_and_faults(void)
{
    sigset_t all;
    sigfillset(&all);
    EXPECT(pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
    es_sleep(1);
    EXPECT(pthread_sigmask(SIG_SETMASK, NULL, &all) == 0 && sigismember(&all, SIGUSR2) == 1);
    raise_a_fault();
}

REAL_STORY(who_blocks_all_signals_still_ends_alone_by_its_fault, 1, "RES-10")
{
    es_ref end;
    es_spawn_monitor(&end, blocks_all_and_faults);
    EXPECT(got(ES_TUPLE(es_am_DOWN, end, ES_ANY, ES_ANY, ES_TUPLE(es_am_signal, ES_ANY, ES_ANY))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_gets_no_stack_ends_with_system_limit),
        cmocka_unit_test(a_hundred_thousand_wait_inside_a_function),
        cmocka_unit_test(where_guards_are_mappings_there_is_a_clear_limit),
        cmocka_unit_test(without_new_threads_the_node_goes_on_with_those_it_has),
        cmocka_unit_test(without_any_thread_a_node_does_not_start),
        cmocka_unit_test(a_pair_that_talks_comes_to_one_scheduler_and_stays_there),
        cmocka_unit_test(what_a_process_sets_in_its_thread_goes_with_it_alone),
        cmocka_unit_test(who_blocks_all_signals_still_ends_alone_by_its_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
