/* crash.c - what goes wrong in a process's own code ends that process, is told to who cares, and hurts nobody else. */
#include <pthread.h>
#include <sys/mman.h>
#include "as_written.h"
#include "case.h"
#include "rounds.h"
#include <engset.h>
#include "platform/sanitize.h"
#include "proc/contain/report.h"
#include "proc/schedule/worker.h"

/* ---- the misdeeds ---- */

static UNCHECKED void read_null(void)
{
    volatile int *volatile nothing = NULL;
    (void)*nothing;
}

static UNCHECKED void write_to_read_only(void)
{
    volatile int *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *page = 2;
}

static UNCHECKED void jump_to_a_bad_address(void)
{
    void (*volatile nowhere)(void) = (void (*)(void))(uintptr_t)0x1230;
    nowhere();
    __asm__ volatile("" ::: "memory"); /* not a tail call */
}

static UNCHECKED void jump_into_data(void)
{
    static char data[64];
    void (*volatile nowhere)(void) = (void (*)(void))(uintptr_t)data;
    nowhere();
    __asm__ volatile("" ::: "memory");
}

static UNCHECKED void divide_by_zero(void)
{
#if defined(__x86_64__)
    volatile int zero = 0;
    volatile int one = 1;
    one = one / zero;
#else
    __asm__ volatile("udf #0"); /* division does not trap here */
#endif
}

static UNCHECKED void run_an_illegal_instruction(void)
{
#if defined(__x86_64__)
    __asm__ volatile("ud2");
#else
    __asm__ volatile("udf #0");
#endif
}

static void call_abort(void)
{
    abort();
}

static volatile bool is_long;

static void fail_an_assertion(void)
{
    volatile int one = 1;
    volatile int a_variable_with_a_name_that_is_as_long_as_names_become_in_generated_code = 1;
#undef assert /* cmocka has none of its own here: libc's, as a program has it */
#include <assert.h>
    /* More text than there is room for. */
    if (is_long)
        assert(a_variable_with_a_name_that_is_as_long_as_names_become_in_generated_code != 1 &&
               a_variable_with_a_name_that_is_as_long_as_names_become_in_generated_code > 0 &&
               a_variable_with_a_name_that_is_as_long_as_names_become_in_generated_code < 2);
    assert(one == 2);
}

static volatile bool is_enough; /* never */

static UNCHECKED int recurse(volatile int depth)
{
    volatile char room[256];
    room[depth % 256] = (char)depth;
    if (is_enough)
        return 0;
    return recurse(depth + 1) + room[depth % 256];
}

static void overflow(void)
{
    recurse(0);
}

static UNCHECKED void use_a_large_array(void)
{
    volatile char room[1 << 20]; /* larger than the stack and its guard: only a probe finds that */
    room[0] = 1;
    room[sizeof room - 1] = 1;
}

static void overflow_with_one_array(void)
{
    use_a_large_array();
}

static size_t (*volatile call_strlen)(const char *) = strlen;
static void *(*volatile call_memcpy)(void *, const void *, size_t) = memcpy;
static void *(*volatile call_memset)(void *, int, size_t) = memset;

static void measure_null(void)
{
    volatile size_t length = call_strlen(NULL);
    (void)length;
}

static _Atomic size_t copy_size;

static void copy_to_a_bad_address(void)
{
    static char from[1 << 16];
    call_memcpy((void *)(uintptr_t)0x1230, from, copy_size);
    __asm__ volatile("" ::: "memory");
}

static void copy_from_a_bad_address(void)
{
    static char to[1 << 16];
    call_memcpy(to, (void *)(uintptr_t)0x1230, copy_size);
    __asm__ volatile("" ::: "memory");
}

static void set_a_bad_address(void)
{
    call_memset((void *)(uintptr_t)0x1230, 1, copy_size);
    __asm__ volatile("" ::: "memory");
}

/* ---- seeing what became of them ---- */

static struct seen {
    char reason[200]; /* of the last one that ended */
    char report[8192];
    int reports, ended, links_fired, status;
    es_node_info node;
} seen;
static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;

static void keep_report(const char *text, size_t length)
{
    pthread_mutex_lock(&report_lock);
    snprintf(seen.report, sizeof seen.report, "%.*s", (int)length, text);
    seen.reports++;
    pthread_mutex_unlock(&report_lock);
}

static void run(void (*first)(void *), void *argument)
{
    es_options options = {.schedulers = 2};
    es_node_info before;
    es_node_info_get(&before);
    seen = (struct seen){0};
    esi_report_configure(); /* nothing is suppressed */
    esi_report_set_sink(keep_report);
    seen.status = es_run(first, argument, &options);
    seen.node.crashes_contained -= before.crashes_contained;
    seen.node.handovers -= before.handovers;
    seen.node.threads -= before.threads;
    esi_report_set_sink(NULL);
}

static void await_down(es_ref monitor)
{
    es_term reason;
    es_receive {
        es_case(ES_TUPLE(es_am_DOWN, monitor, es_am_process, ES_ANY, &reason)) {
            es_print(seen.reason, sizeof seen.reason, reason);
            seen.ended++;
        }
        es_after(20000)
            snprintf(seen.reason, sizeof seen.reason, "nothing came");
    }
}

static void one_crash(void *misdeed)
{
    es_ref monitor;
    es_trap_exit(true);
    es_spawn_opt(ES_WITH(.monitor = &monitor, .link = true, .label = "villain"), (void (*)(void))misdeed);
    await_down(monitor);
    es_receive {
        es_case(ES_TUPLE(es_am_EXIT, ES_ANY, ES_ANY))
            seen.links_fired++;
        es_after(20000)
            es_exit(es_am_timeout);
    }
    es_node_info_get(&seen.node);
}

static void assert_ends_as(void (*misdeed)(void), const char *reason, const char *where)
{
    run(one_crash, (void *)misdeed);
    if (strncmp(seen.reason, reason, strlen(reason)) != 0 || !strstr(seen.reason, where))
        fail_msg("%s, not %s ... %s", seen.reason, reason, where);
    assert_int_equal(seen.status, 0);
    assert_int_equal(seen.links_fired, 1);
    assert_int_equal(seen.reports, 1);
    assert_int_equal(seen.node.crashes_contained, 1);
}

static void assert_reported(const char *part)
{
    if (!strstr(seen.report, part))
        fail_msg("\"%s\" is missing in:\n%s", part, seen.report);
}

CASE(what_is_wrong_in_a_process_ends_that_process, 1, "CRH-01")
{
    assert_ends_as(read_null, "{signal,sigsegv,<<\"", "read_null+0x");
    assert_ends_as(write_to_read_only, "{signal,sigsegv,<<\"", "write_to_read_only+0x");
    assert_ends_as(jump_to_a_bad_address, "{signal,sigsegv,<<\"", "jump_to_a_bad_address+0x");
    assert_ends_as(jump_into_data, "{signal,sigsegv,<<\"", "jump_into_data+0x");
#if defined(__x86_64__)
    assert_ends_as(divide_by_zero, "{signal,sigfpe,<<\"", "divide_by_zero+0x");
#endif
    assert_ends_as(run_an_illegal_instruction, "{signal,sigill,<<\"", "run_an_illegal_instruction+0x");
    assert_ends_as(call_abort, "{signal,sigabrt,<<\"", "call_abort+0x");
    assert_ends_as(fail_an_assertion, "{signal,sigabrt,<<\"", "fail_an_assertion+0x");
    assert_reported("assertion       crash.c:");
    assert_reported("`one == 2' failed");
    is_long = true;
    assert_ends_as(fail_an_assertion, "{signal,sigabrt,<<\"", "fail_an_assertion+0x");
    assert_reported("assertion       crash.c:");
    is_long = false;
}

/* ---- wherever it is aborted ---- */

static void (*volatile at_the_bottom)(void) = call_abort;

static UNCHECKED void aborts_deep(volatile int depth)
{
    volatile char room[1024];
    room[0] = (char)depth;
    if (depth > 0)
        aborts_deep(depth - 1);
    else
        at_the_bottom();
    room[1] = room[0];
}

static void abort_deep(void)
{
    aborts_deep(40);
}

static void abort_as_destructor(void *unused)
{
    (void)unused;
    abort();
}

static void abort_in_a_destructor(void)
{
    if (es_own(&seen, abort_as_destructor) == ES_OK)
        abort();
}

static void abort_in_a_defer(void)
{
    es_defer(abort_as_destructor, NULL);
    es_exit(es_am_normal);
}

static void abort_on_a_big_stack(void)
{
    es_on_big_stack(1 << 20, abort_as_destructor, NULL);
}

static void abort_in_a_handler(int signo)
{
    (void)signo;
    abort();
}

/* On the handler's stack, not on the process's. */
static void abort_by_a_signal(void)
{
    struct sigaction action = {.sa_handler = abort_in_a_handler, .sa_flags = SA_ONSTACK};
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, SIGUSR2);
    sigaction(SIGUSR2, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    raise(SIGUSR2);
}

static es_next abort_at_a_message(void *state, es_term message)
{
    (void)state, (void)message;
    abort();
}

static void abort_without_a_stack(void)
{
    es_send(es_self(), es_am_ok);
    es_react(abort_at_a_message, NULL);
}

CASE(abort_ends_the_process_wherever_it_is_called, 1, "CRH-01")
{
    for (int round = 0; round < 3; round++) {
        assert_ends_as(abort_deep, "{signal,sigabrt,<<\"", "call_abort+0x");
        assert_reported("called by       aborts_deep+0x");
        assert_ends_as(abort_on_a_big_stack, "{signal,sigabrt,<<\"", "abort_as_destructor+0x");
        assert_ends_as(abort_without_a_stack, "{signal,sigabrt,<<\"", "abort_at_a_message+0x");
        assert_ends_as(abort_in_a_defer, "normal", "");
        if (!ESI_TSAN) /* which delays signals */
            assert_ends_as(abort_by_a_signal, "{signal,sigabrt,<<\"", "abort_in_a_handler+0x");
    }
    run(one_crash, (void *)abort_in_a_destructor);
    assert_memory_equal(seen.reason, "{signal,sigabrt,", 16);
    assert_int_equal(seen.node.crashes_contained, 2);
    assert_int_equal(seen.reports, 2);
}

static void test_a_report_says_where_and_who_is_told(void **state)
{
    (void)state;
    assert_ends_as(read_null, "{signal,sigsegv", "");
    assert_reported("error[E0101]: process <0.");
    assert_reported(" (villain) crashed: {signal,sigsegv,<<\"read_null+0x");
    assert_reported("at              read_null+0x");
    assert_reported("crash.c:");
    assert_reported("touched         address 0x0");
    assert_reported("told            1 link, 1 monitor: <0.");
    assert_reported("hint            a NULL pointer was used");
    int lines = 1;
    for (const char *c = seen.report; *c; c++)
        lines += *c == '\n';
    assert_true(lines <= 15);
}

static void many_crashes(void *count)
{
    static void (*const misdeeds[])(void) = {read_null, call_abort, jump_to_a_bad_address,
                                             run_an_illegal_instruction};
    for (long i = 0; i < *(long *)count; i++) {
        es_ref monitor;
        es_spawn_monitor(&monitor, misdeeds[i % 4]);
        await_down(monitor);
    }
    es_node_info_get(&seen.node);
}

static long resident_kib(void)
{
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%ld %ld", &size, &resident) != 2)
            resident = 0;
        fclose(file);
    }
    return resident * 4;
}

CASE(a_node_outlives_any_number_of_crashes_without_growing, rounds(1000000), "CRH-01")
{
    long count = 2000;
    run(many_crashes, &count);
    long before_kib = resident_kib();
    count = rounds(1000000);
    run(many_crashes, &count);
    assert_int_equal(seen.ended, count);
    assert_int_equal(seen.node.crashes_contained, count);
    if (!ESI_ASAN && !ESI_TSAN)
        assert_true(resident_kib() - before_kib < 2048);
}

CASE(an_endless_recursion_is_told_apart, 1, "CRH-02")
{
    assert_ends_as(overflow, "{signal,stack_overflow,<<\"", "recurse+0x");
    assert_reported("error[E0203]");
    assert_reported("KiB stack");
    assert_reported(".stack_size_bytes = ");
}

static void small_stack(void *unused)
{
    (void)unused;
    es_ref monitor;
    es_spawn_opt(ES_WITH(.monitor = &monitor, .stack_size_bytes = 8192), overflow_with_one_array);
    await_down(monitor);
}

CASE(an_array_that_jumps_over_the_guard_is_caught, 1, "CRH-03")
{
    run(small_stack, NULL);
    assert_memory_equal(seen.reason, "{signal,stack_overflow,<<\"", 26);
}

CASE(a_fault_in_a_leaf_function_of_libc_is_the_callers, 1, "CRH-04")
{
    if (ESI_ASAN || ESI_TSAN)
        skip_since("the sanitizers put functions of their own in front of libc's");
    assert_ends_as(measure_null, "{signal,sigsegv,<<\"", "");
    static const size_t sizes[] = {1, 7, 15, 16, 31, 33, 64, 100, 200, 300, 1000, 5000, 20000, 65536};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        copy_size = sizes[i];
        assert_ends_as(copy_to_a_bad_address, "{signal,sigsegv,<<\"", "");
        assert_ends_as(copy_from_a_bad_address, "{signal,sigsegv,<<\"", "");
        assert_ends_as(set_a_bad_address, "{signal,sigsegv,<<\"", "");
    }
    assert_reported("set_a_bad_address+0x");
}

/* ---- two at once ---- */

static _Atomic int arrived;

static void fault_together(void)
{
    arrived++;
    while (arrived % 2 != 0)
        ;
    read_null();
}

static void pairs(void *count)
{
    for (long i = 0; i < *(long *)count; i++) {
        es_ref first, second;
        es_spawn_monitor(&first, fault_together);
        es_spawn_monitor(&second, fault_together);
        await_down(first);
        await_down(second);
    }
    es_node_info_get(&seen.node);
}

CASE(two_faults_at_the_same_instant_are_both_contained, rounds(10000), "CRH-08")
{
    long count = rounds(10000);
    run(pairs, &count);
    assert_int_equal(seen.ended, 2 * count);
    assert_int_equal(seen.node.crashes_contained, 2 * count);
}

/* ---- what it held ---- */

ES_ATOMS(holder, crowd, tick, first_half);
static _Atomic int closed_fd, was_named, members_before;

static void close_it(void *fd)
{
    if (close((int)(intptr_t)fd) == 0)
        closed_fd++;
}

static void hold_and_fault(es_term arguments)
{
    es_pid to = ES_NO_PID;
    es_get_pid(es_tuple_get(arguments, 0), &to);
    int pipes[2];
    if (pipe(pipes) != 0 || es_own((void *)(intptr_t)pipes[0], close_it) != ES_OK ||
        es_own((void *)(intptr_t)pipes[1], close_it) != ES_OK)
        return;
    for (int i = 0; i < 100; i++)
        memset(es_alloc(10000), 1, 10000);
    was_named = es_register(holder, es_self()) == ES_OK;
    if (es_join(crowd, es_self()) == ES_OK)
        members_before = (int)es_members(crowd, NULL, 0);
    es_send_after(50, to, tick);
    es_start_timer(50, es_self(), tick);
    es_send(to, first_half);
    read_null();
}

static int64_t members_after;
static int halves, ticks;
static bool is_name_free;

static void holds_everything(void *unused)
{
    (void)unused;
    es_ref monitor;
    halves = ticks = 0;
    es_spawn_monitor(&monitor, hold_and_fault, ES_TUPLE(es_self()));
    await_down(monitor);
    is_name_free = es_pid_is_none(es_whereis(holder));
    members_after = es_members(crowd, NULL, 0);
    for (bool more = true; more;) {
        es_receive {
            es_case(first_half)
                halves++;
            es_case(tick)
                ticks++;
            es_after(halves &&ticks ? 200 : 20000)
                more = false;
        }
    }
}

CASE(what_a_crashed_process_held_is_released, 1, "CRH-09")
{
    closed_fd = 0;
    run(holds_everything, NULL);
    assert_memory_equal(seen.reason, "{signal,sigsegv", 15);
    assert_int_equal(closed_fd, 2);
    assert_true(was_named);
    assert_int_equal(members_before, 1);
    assert_true(is_name_free);
    assert_int_equal(members_after, 0);
    assert_int_equal(halves, 1);
    assert_int_equal(ticks, 1); /* a timer of es_send_after() outlives its maker, as in Erlang */
}

/* ---- on a thread of its own ---- */

/* Gives it up after some time: if nobody took its scheduler, the figures below tell. */
static UNCHECKED void compute_long_and_fault(void)
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (atomic_load(&esi_worker_self()->holds) && now.tv_sec - start.tv_sec < 20);
    read_null();
}

/* Until the thread that lost its scheduler can be used again. */
static void await_spares(void)
{
    es_node_info node;
    do {
        es_sleep(1);
        es_node_info_get(&node);
    } while (node.threads - node.spare_threads > node.schedulers);
}

static void blocks_then_faults(void *unused)
{
    (void)unused;
    for (int i = 0; i < 5; i++) {
        es_ref monitor;
        es_spawn_monitor(&monitor, compute_long_and_fault);
        await_down(monitor);
        await_spares();
    }
    es_node_info_get(&seen.node);
}

CASE(a_fault_on_a_thread_that_lost_its_scheduler_is_contained, 5, "CRH-11")
{
    run(blocks_then_faults, NULL);
    assert_int_equal(seen.ended, 5);
    assert_int_equal(seen.node.crashes_contained, 5);
    assert_true(seen.node.handovers >= 5);
    int64_t others = seen.node.handovers - 5;         /* from who was kept from its core for long */
    assert_true(seen.node.threads <= 2 + 2 + others); /* reused, not one more each time */
}

/* ---- memory that is not its own ---- */

static void free_twice(void)
{
    void *memory = es_alloc(100);
    void *volatile again = memory;
    es_free(memory);
    es_free(again);
}

static void *_Atomic of_another;

static void free_of_another(void)
{
    void *volatile block = of_another;
    es_free(block);
}

static void misuses(void *unused)
{
    (void)unused;
    es_ref monitor;
    of_another = es_alloc(100);
    es_spawn_monitor(&monitor, free_of_another);
    await_down(monitor);
    es_free(of_another);
}

CASE(memory_that_is_not_ones_own_is_not_given_back, 1, "CRH-12")
{
    if (!ESI_ASAN) { /* it would see the second free itself */
        run(one_crash, (void *)free_twice);
        assert_memory_equal(seen.reason, "{double_free,", 13);
        assert_int_equal(seen.reports, 1);
    }
    run(misuses, NULL);
    assert_memory_equal(seen.reason, "{not_owner,", 11);
    assert_reported("crashed: {not_owner,");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_in_a_process_ends_that_process),
        cmocka_unit_test(abort_ends_the_process_wherever_it_is_called),
        cmocka_unit_test(test_a_report_says_where_and_who_is_told),
        cmocka_unit_test(a_node_outlives_any_number_of_crashes_without_growing),
        cmocka_unit_test(an_endless_recursion_is_told_apart),
        cmocka_unit_test(an_array_that_jumps_over_the_guard_is_caught),
        cmocka_unit_test(a_fault_in_a_leaf_function_of_libc_is_the_callers),
        cmocka_unit_test(two_faults_at_the_same_instant_are_both_contained),
        cmocka_unit_test(what_a_crashed_process_held_is_released),
        cmocka_unit_test(a_fault_on_a_thread_that_lost_its_scheduler_is_contained),
        cmocka_unit_test(memory_that_is_not_ones_own_is_not_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
