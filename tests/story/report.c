/* report.c - what is told of a process that ends by an error that the runtime found, or of its own will. */
#include <engset.h>
#include "as_written.h"
#include "story.h"
#include "base/log.h"
#include "proc/contain/report.h"

#define A_CALL __asm__ volatile("" ::: "memory") /* what stands before is no jump */

typedef struct {
    int32_t number;
} frame;
ES_STRUCT(frame, number);

ES_ATOMS(bad_luck);

static char said[16384];
static _Atomic int count;

static void keep(const char *text, size_t length)
{
    snprintf(said, sizeof said, "%.*s\n", (int)length, text);
    atomic_fetch_add(&count, 1);
}

/* Runs `body` in a process that somebody monitors, until it has ended. */
static void (*misdeed)(void);
static void monitors(void *unused)
{
    es_ref ref;
    (void)unused;
    es_spawn_monitor(&ref, misdeed);
    es_receive {
        es_case(ES_TUPLE(es_am_DOWN, ref, ES_ANY, ES_ANY, ES_ANY)) {
        }
    }
}

static void told_of(void (*body)(void), const char *reports)
{
    if (reports)
        setenv("ES_REPORTS", reports, 1);
    else
        unsetenv("ES_REPORTS");
    esi_report_configure();
    count = 0;
    said[0] = '\0';
    misdeed = body;
    esi_report_set_sink(keep);
    assert_int_equal(es_run(monitors, NULL, &(es_options){.schedulers = 2}), 0);
    esi_report_set_sink(NULL);
}

static void assert_said(const char *what)
{
    if (!strstr(said, what))
        fail_msg("\"%s\" is missing in:\n%s", what, said);
}

/* ---- places ---- */

static void (*volatile free_it)(void *) = es_free;

static __attribute__((AS_WRITTEN)) void put_back_twice(void)
{
    frame *f = es_new(frame);
    free_it(f);
    free_it(f);
    A_CALL;
}

static __attribute__((AS_WRITTEN)) void has_put_back_twice(void)
{
    put_back_twice();
    A_CALL;
}

static __attribute__((AS_WRITTEN)) void keep_a_pattern(void)
{
    es_keep(ES_ANY);
    A_CALL;
}

static __attribute__((AS_WRITTEN)) void call_with_a_pattern(void)
{
    es_call(es_spawn(waits), ES_ANY, 1000);
    A_CALL;
}

static void test_a_report_of_misuse_says_where_it_was(void **state)
{
    (void)state;
    told_of(has_put_back_twice, NULL);
    assert_int_equal(count, 1);
    assert_said("crashed: {double_free,");
    assert_said("\n  at              put_back_twice+0x");
    assert_said("\n  called by       has_put_back_twice+0x");
    assert_said("\n  hint            the memory was given back twice\n");
    told_of(keep_a_pattern, NULL);
    assert_said("crashed: {badarg,keep}\n  at              keep_a_pattern+0x");
    told_of(call_with_a_pattern, NULL);
    assert_said("crashed: {badarg,call}\n  at              call_with_a_pattern+0x");
}

/* ---- a call that became a jump ---- */

static __attribute__((AS_WRITTEN)) void aborts_at_last(void)
{
    void (*volatile leave)(void) = (void (*)(void))es_abort;
#if defined(__x86_64__) && defined(__OPTIMIZE__)
    leave();
#elif defined(__x86_64__)
    __asm__ volatile("leave\n jmp *%0" ::"r"(leave)); /* as an optimizer would */
#else
    leave();
#endif
}

static void test_who_left_by_a_jump_is_named_by_its_function(void **state)
{
    (void)state;
    told_of(aborts_at_last, NULL);
    assert_said("\n  at              aborts_at_last+0x");
    assert_said("crashed: {signal,sigabrt,<<\"aborts_at_last+0x");
    assert_null(strstr(said, "esi_process_main"));
}

/* ---- memory ---- */

static void takes_too_much(void)
{
    for (int i = 0; i < 1000; i++) {
        char *bytes = es_alloc(1000);
        bytes[0] = 1;
    }
}

static void is_limited(void)
{
    es_pid pid = es_spawn_opt(ES_WITH(.memory_limit_bytes = 100000), takes_too_much);
    wait_for_end(pid);
}

static void gets_too_much(void)
{
    waits();
}

static void is_flooded(void)
{
    static const char bytes[48];
    es_pid pid = es_spawn_opt(ES_WITH(.memory_limit_bytes = 100000), gets_too_much);
    es_ref ref = es_monitor(pid);
    for (int i = 0; i < 2000; i++)
        es_send(pid, es_bytes(bytes, sizeof bytes));
    es_receive {
        es_case(ES_TUPLE(es_am_DOWN, ref, ES_ANY, ES_ANY, ES_ANY)) {
        }
    }
}

static void test_too_much_memory_is_told_with_its_figures(void **state)
{
    (void)state;
    told_of(is_limited, NULL);
    assert_int_equal(count, 1);
    assert_said("(takes_too_much) crashed: killed\n  at              takes_too_much+0x");
    assert_said("\n  memory          10");
    assert_said(" bytes, its limit is 100000\n");
    assert_said("\n  hint            raise .memory_limit_bytes, or find what it keeps\n");
    told_of(is_flooded, NULL);
    assert_int_equal(count, 1);
    assert_said("(gets_too_much) crashed: killed\n");
    assert_said(" bytes, its limit is 100000\n");
}

/* ---- exits ---- */

static __attribute__((AS_WRITTEN)) void gives_up(void)
{
    es_exit(ES_TUPLE(bad_luck, 7));
}

static __attribute__((AS_WRITTEN)) void calls_nobody(void)
{
    es_call(dead_pid(), go, 1000);
    A_CALL;
}

static void is_done(void)
{
    es_exit(es_am_shutdown);
}

static void gets_a_signal(void)
{
    es_send_exit(es_self(), bad_luck);
}

static void test_who_asks_for_all_hears_of_exits_too(void **state)
{
    (void)state;
    told_of(gives_up, NULL);
    assert_int_equal(count, 0);
    told_of(gives_up, "all");
    assert_int_equal(count, 1);
    assert_said("(gives_up) exited: {bad_luck,7}\n  at              gives_up+0x");
    assert_null(strstr(said, "hint"));
    told_of(calls_nobody, "all");
    assert_int_equal(count, 1);
    assert_said("(calls_nobody) exited: noproc");
    assert_said("\n  at              calls_nobody+0x");
    told_of(is_done, "all");
    told_of(gets_a_signal, "all");
    assert_int_equal(count, 0);
}

/* ---- who is told ---- */

static void crashes_when_told(void)
{
    es_receive {
        es_case(go)
            es_keep(ES_ANY);
    }
}

static void nobody_cares(void)
{
    es_send(es_spawn(crashes_when_told), go);
    while (!atomic_load(&count))
        es_sleep(1);
}

static void links_and_goes_on(void)
{
    es_trap_exit(true);
    es_pid pid = es_spawn_link(crashes_when_told);
    es_send(pid, go);
    got_exit(pid, ES_ANY);
}

static void test_the_report_names_who_is_told(void **state)
{
    (void)state;
    told_of(keep_a_pattern, NULL);
    assert_said("\n  told            1 monitor: <0.1.");
    told_of(nobody_cares, NULL);
    assert_said("\n  told            nobody\n");
    told_of(links_and_goes_on, NULL);
    assert_said("\n  told            1 link: <0.2.");
}

/* ---- the first process ---- */

static void keep_line(int level, const char *line, size_t length)
{
    (void)level;
    keep(line, length);
}

static void waits_for_ever(void)
{
    es_receive
        es_case(bad_luck) {
        }
}

/* Somebody is told, who could be given the reason's block: it is still needed. */
static void ends_linked_with_a_long_reason(void *unused)
{
    (void)unused;
    es_spawn_link(waits_for_ever);
    es_exit(ES_TUPLE(bad_luck, 42));
}

static void the_end_of_the_first_process_is_told_with_its_reason(void **state)
{
    (void)state;
    said[0] = '\0';
    esi_log_set_sink(keep_line);
    int status = es_run(ends_linked_with_a_long_reason, NULL, &(es_options){.schedulers = 2});
    esi_log_set_sink(NULL);
    assert_int_equal(status, 1);
    assert_said("the first process ended, and the node with it: {bad_luck,42}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_of_the_first_process_is_told_with_its_reason),
        cmocka_unit_test(test_a_report_of_misuse_says_where_it_was),
        cmocka_unit_test(test_who_left_by_a_jump_is_named_by_its_function),
        cmocka_unit_test(test_too_much_memory_is_told_with_its_figures),
        cmocka_unit_test(test_who_asks_for_all_hears_of_exits_too),
        cmocka_unit_test(test_the_report_names_who_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
