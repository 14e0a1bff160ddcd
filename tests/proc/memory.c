/* tests/proc/memory.c - what belongs to a process, and what happens to who gives back what is not its own. */
#include <pthread.h>
#include "watch.h"

ES_ATOMS(hello);

typedef struct {
    int32_t number;
    uint8_t bytes[100];
} frame;
ES_STRUCT(frame, number, bytes);

static struct end end;
static struct {
    bool was_zero;
    int64_t before, during, after, number;
    char text[100];
    es_err error;
    void *address;
    es_pid pid, other; /* other: who is still there at the end */
} seen;

static int64_t memory_of(es_pid pid)
{
    es_info info = {0};
    es_yield(); /* it is published when the process leaves its core */
    es_process_info(pid, &info);
    return info.memory_bytes;
}

static void run_in_child(void (*body)(void))
{
    memset(&seen, 0, sizeof seen);
    memset(&end, 0, sizeof end);
    seen.pid = es_spawn(body);
    wait_end(&end);
    if (!es_pid_is_none(seen.other)) /* else the node waits for it */
        kill_it(seen.other);
}

static void first(void *body)
{
    run_in_child((void (*)(void))body);
}

static void run(void (*body)(void))
{
    assert_int_equal(es_run(first, (void *)body, NULL), 0);
}

static void takes_and_frees(void)
{
    tell_end(&end);
    seen.before = memory_of(es_self());
    frame *f = es_new(frame);
    seen.was_zero = f->number == 0 && f->bytes[99] == 0;
    char *raw = es_alloc(1000);
    raw[999] = 1;
    es_term kept = es_keep(ES_TUPLE(hello, 1));
    seen.during = memory_of(es_self());
    es_print(seen.text, sizeof seen.text, kept);
    es_free(f);
    es_free(raw);
    es_drop(kept);
    es_drop(es_from_atom(hello));
    es_drop(es_none());
    es_free(NULL);
    seen.after = memory_of(es_self());
}

static void test_memory_is_zeroed_and_counted_until_it_is_freed(void **state)
{
    (void)state;
    run(takes_and_frees);
    assert_string_equal(end.reason, "normal");
    assert_true(seen.was_zero);
    assert_true(seen.during - seen.before >= (int64_t)sizeof(frame) + 1000);
    assert_int_equal(seen.after, seen.before);
    assert_string_equal(seen.text, "{hello,1}");
}

static void takes_too_much(void)
{
    tell_end(&end);
    for (int i = 0; i < 1000; i++) {
        char *p = es_alloc(1000);
        p[0] = 1;
        seen.number = i;
    }
}

static void limited_first(void *argument)
{
    (void)argument;
    memset(&end, 0, sizeof end);
    es_spawn_opt(ES_WITH(.memory_limit_bytes = 100000), takes_too_much);
    wait_end(&end);
}

CASE(a_process_over_its_memory_limit_ends_with_killed_and_others_go_on, 1, "PRC-03")
{
    assert_int_equal(es_run(limited_first, NULL, NULL), 0);
    assert_string_equal(end.reason, "killed");
    assert_true(seen.number > 80 && seen.number < 100);
}

/* ---- misuse ---- */

/* Not known to compilers as the deallocators that they are: they would refuse what is tried here. */
static void (*volatile free_it)(void *) = es_free;
static es_err (*volatile give_it)(es_pid, void *) = es_give;
static void (*volatile drop_it)(es_term) = es_drop;

static void frees_twice(void)
{
    tell_end(&end);
    frame *f = es_new(frame);
    seen.address = f;
    free_it(f);
    free_it(f);
}

static void waits(void)
{
    es_receive {
        es_case(ES_ANY)
            return;
    }
}

static void frees_what_it_gave(void)
{
    tell_end(&end);
    frame *f = es_new(frame);
    seen.other = es_spawn(waits);
    wait_until_it_waits(seen.other);
    es_suspend(seen.other); /* so that it lies in the mailbox */
    give_it(seen.other, f);
    free_it(f);
}

static void *shared;
static void takes_one_and_waits(void)
{
    __atomic_store_n(&shared, es_new(frame), __ATOMIC_RELEASE);
    waits();
}

static void frees_what_is_anothers(void)
{
    tell_end(&end);
    __atomic_store_n(&shared, NULL, __ATOMIC_RELAXED);
    seen.other = es_spawn(takes_one_and_waits);
    while (!__atomic_load_n(&shared, __ATOMIC_ACQUIRE))
        es_yield();
    free_it(shared);
}

static void gives_raw_memory(void)
{
    tell_end(&end);
    give_it(es_self(), es_alloc(10));
}

static void drops_a_part(void)
{
    tell_end(&end);
    es_term whole = es_keep(ES_TUPLE(hello, ES_TUPLE(1, 2)));
    drop_it(es_tuple_get(whole, 1));
}

static void drops_twice(void)
{
    tell_end(&end);
    es_term whole = es_keep(ES_TUPLE(hello, ES_TUPLE(1, 2)));
    drop_it(whole);
    drop_it(whole);
}

static void frees_nowhere(void)
{
    tell_end(&end);
    free_it((void *)(uintptr_t)0x123450);
}

static void assert_ends_with(void (*body)(void), const char *start)
{
    run(body);
    if (strncmp(end.reason, start, strlen(start)) != 0)
        fail_msg("ended with %s, not %s", end.reason, start);
}

static void test_misuse_of_ownership_ends_the_process_and_names_the_address(void **state)
{
    (void)state;
    assert_ends_with(frees_twice, "{double_free,");
    char number[40];
    snprintf(number, sizeof number, "{double_free,%lld}", (long long)(intptr_t)seen.address);
    assert_string_equal(end.reason, number);
    assert_ends_with(frees_what_it_gave, "{use_after_give,");
    assert_ends_with(frees_what_is_anothers, "{not_owner,");
    assert_ends_with(gives_raw_memory, "{badarg,give}");
    assert_ends_with(drops_a_part, "{not_owner,");
    assert_ends_with(drops_twice, "{double_free,");
}

static void test_a_pointer_to_nowhere_ends_only_who_frees_it(void **state)
{
    (void)state;
    assert_ends_with(frees_nowhere, "{signal,sigsegv,");
}

/* ---- giving ---- */

static void takes_a_frame(void)
{
    tell_end(&end);
    es_receive {
        es_case_struct(frame, f) {
            seen.number = f->number;
            seen.address = f;
            seen.during = memory_of(es_self());
            es_free(f);
        }
    }
}

static void giver_first(void *argument)
{
    (void)argument;
    memset(&end, 0, sizeof end);
    frame *f = es_new(frame);
    f->number = 42;
    shared = f;
    es_pid to = es_spawn(takes_a_frame);
    seen.error = es_give(to, f);
    wait_end(&end);
    es_give(to, es_new(frame)); /* nobody: it is freed */
}

static void test_what_is_given_moves_to_its_receiver(void **state)
{
    (void)state;
    assert_int_equal(es_run(giver_first, NULL, NULL), 0);
    assert_string_equal(end.reason, "normal");
    assert_int_equal(seen.error, ES_OK);
    assert_int_equal(seen.number, 42);
    assert_ptr_equal(seen.address, shared);
}

static void parses(void)
{
    tell_end(&end);
    es_term term;
    seen.error = es_parse_term("{hello, [1, <<\"x\">>]}", &term);
    es_print(seen.text, sizeof seen.text, term);
    es_drop(term);
    if (es_parse_term("{hello, ", &term) == ES_ESYNTAX && strstr(es_last_detail(), "column"))
        seen.number = es_last_error();
}

static void test_text_becomes_a_term_or_an_error_with_its_place(void **state)
{
    (void)state;
    run(parses);
    assert_int_equal(seen.error, ES_OK);
    assert_string_equal(seen.text, "{hello,[1,<<\"x\">>]}");
    assert_int_equal(seen.number, ES_ESYNTAX);
}

static void keeps_a_wildcard(void)
{
    tell_end(&end);
    es_keep(ES_ANY);
}

static void keeps_a_binder(void)
{
    int64_t number;
    tell_end(&end);
    es_keep(&number);
}

static void keeps_a_tuple_with_a_wildcard(void)
{
    tell_end(&end);
    es_keep(ES_TUPLE(hello, ES_ANY));
}

static void exits_with_a_wildcard(void)
{
    tell_end(&end);
    es_exit(ES_ANY);
}

static void sends_a_wildcard(void)
{
    tell_end(&end);
    es_send(es_self(), ES_ANY);
}

static void is_there_for_a_while(void)
{
    es_sleep(100);
}

static void calls_with_a_wildcard(void)
{
    tell_end(&end);
    es_call(es_spawn(is_there_for_a_while), ES_ANY, 1000);
}

static void ignores(es_term argument)
{
    (void)argument;
}

static void spawns_with_a_wildcard(void)
{
    tell_end(&end);
    es_spawn(ignores, ES_ANY);
}

static void test_a_pattern_is_no_term_to_be_kept_or_sent(void **state)
{
    (void)state;
    assert_ends_with(keeps_a_wildcard, "{badarg,keep}");
    assert_ends_with(keeps_a_binder, "{badarg,keep}");
    assert_ends_with(keeps_a_tuple_with_a_wildcard, "{badarg,keep}");
    assert_ends_with(exits_with_a_wildcard, "{badarg,exit}");
    assert_ends_with(sends_a_wildcard, "{badarg,send}");
    assert_ends_with(calls_with_a_wildcard, "{badarg,call}");
    assert_ends_with(spawns_with_a_wildcard, "{badarg,spawn}");
}

static void test_a_thread_that_is_no_process_keeps_terms_on_the_heap(void **state)
{
    (void)state;
    char text[50];
    es_term kept = es_keep(ES_TUPLE(hello, ES_LIST(1, 2)));
    es_print(text, sizeof text, kept);
    assert_string_equal(text, "{hello,[1,2]}");
    es_drop(kept);
}

int main(void)
{
    setenv("ES_REPORTS", "0", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_zeroed_and_counted_until_it_is_freed),
        cmocka_unit_test(a_process_over_its_memory_limit_ends_with_killed_and_others_go_on),
        cmocka_unit_test(test_misuse_of_ownership_ends_the_process_and_names_the_address),
        cmocka_unit_test(test_a_pointer_to_nowhere_ends_only_who_frees_it),
        cmocka_unit_test(test_what_is_given_moves_to_its_receiver),
        cmocka_unit_test(test_text_becomes_a_term_or_an_error_with_its_place),
        cmocka_unit_test(test_a_pattern_is_no_term_to_be_kept_or_sent),
        cmocka_unit_test(test_a_thread_that_is_no_process_keeps_terms_on_the_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
