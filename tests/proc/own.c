/* tests/proc/own.c - destructors, descriptors and defers. */
#include <fcntl.h>
#include <unistd.h>
#include "watch.h"

static struct end end;
static char story[200];
static int fds[2];

static void note(void *text)
{
    strcat(story, text);
}

static void crash(void *text)
{
    note(text);
    touch_nowhere();
}

static void run_child(void *body)
{
    es_spawn((void (*)(void))body);
    wait_end(&end);
}

static void run(void (*body)(void))
{
    memset(&end, 0, sizeof end);
    story[0] = 0;
    assert_int_equal(es_run(run_child, (void *)body, NULL), 0);
}

static void owns_three(void)
{
    tell_end(&end);
    if (es_own("a", note) != ES_OK || es_own("b", note) != ES_OK || es_own("c", note) != ES_OK)
        note("?");
    if (es_disown((void *)"b") != ES_OK || es_disown((void *)"b") != ES_ENOTFOUND)
        note("?");
}

static void test_destructors_run_newest_first_when_the_process_ends(void **state)
{
    (void)state;
    run(owns_three);
    assert_string_equal(story, "ca");
}

static void owns_and_crashes(void)
{
    tell_end(&end);
    if (es_own("a", note) == ES_OK && es_own("b", crash) == ES_OK && es_own("c", note) == ES_OK)
        touch_nowhere();
}

static void test_a_fault_in_a_destructor_does_not_keep_the_others_from_running(void **state)
{
    (void)state;
    run(owns_and_crashes);
    assert_string_equal(story, "cba");
    assert_memory_equal(end.reason, "{signal,sigsegv", 15);
}

static void owns_descriptors(void)
{
    tell_end(&end);
    if (pipe(fds) || es_own_fd(fds[0]) != ES_OK || es_own_fd(fds[1]) != ES_OK)
        note("?");
    if (es_close(fds[0]) != ES_OK || fcntl(fds[0], F_GETFD) != -1)
        note("not closed ");
    if (es_close(fds[0]) == ES_ENOTFOUND)
        note("once");
    void *blocks[1000];
    for (int i = 0; i < 1000; i++)
        blocks[i] = es_alloc(100);
    kill_it(es_self());
    es_sleep(ES_INFINITY);
    es_free(blocks[0]);
}

static void looks_at_the_end(void *body)
{
    run_child(body);
    if (fcntl(fds[1], F_GETFD) == -1)
        note(" closed");
}

CASE(memory_and_descriptors_are_released_before_others_are_told, 1, "PRC-25")
{
    memset(&end, 0, sizeof end);
    story[0] = 0;
    assert_int_equal(es_run(looks_at_the_end, (void *)owns_descriptors, NULL), 0);
    assert_string_equal(end.reason, "killed");
    assert_string_equal(story, "once closed");
}

static void exits_deep(void)
{
    es_defer(note, "3");
    es_exit(es_am_timeout);
}

static void defers(void)
{
    tell_end(&end);
    es_defer(note, "1");
    {
        es_defer(note, "x");
        es_defer(note, "y");
    }
    note("|");
    es_defer(note, "2");
    exits_deep();
}

static void test_defers_run_when_their_block_is_left_also_by_an_exit_from_deeper_down(void **state)
{
    (void)state;
    run(defers);
    assert_string_equal(story, "yx|321");
    assert_string_equal(end.reason, "timeout");
}

static void yields_and_notes(void *text)
{
    for (int i = 0; i < 3; i++)
        es_yield();
    note(text);
}

static void defers_what_yields(void)
{
    tell_end(&end);
    es_defer(note, "2");
    es_defer(yields_and_notes, "1");
    es_exit(es_am_timeout);
}

static void test_a_deferred_function_may_yield(void **state)
{
    (void)state;
    run(defers_what_yields);
    assert_string_equal(story, "12");
}

static void exits_in_destructor(void *text)
{
    note(text);
    es_exit(es_am_badarg);
}

static void owns_what_exits(void)
{
    tell_end(&end);
    if (es_own("a", note) == ES_OK && es_own("b", exits_in_destructor) == ES_OK)
        es_exit(es_am_timeout);
}

static void test_a_destructor_that_exits_is_left_and_the_others_run(void **state)
{
    (void)state;
    run(owns_what_exits);
    assert_string_equal(story, "ba");
    assert_string_equal(end.reason, "timeout");
}

static void test_a_thread_that_is_no_process_owns_nothing_but_may_defer(void **state)
{
    (void)state;
    story[0] = 0;
    {
        es_defer(note, "d");
    }
    assert_string_equal(story, "d");
    assert_int_equal(es_own("a", note), ES_ENOPROC);
    assert_int_equal(es_close(0), ES_ENOPROC);
}

int main(void)
{
    setenv("ES_REPORTS", "0", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_destructors_run_newest_first_when_the_process_ends),
        cmocka_unit_test(test_a_fault_in_a_destructor_does_not_keep_the_others_from_running),
        cmocka_unit_test(memory_and_descriptors_are_released_before_others_are_told),
        cmocka_unit_test(test_defers_run_when_their_block_is_left_also_by_an_exit_from_deeper_down),
        cmocka_unit_test(test_a_deferred_function_may_yield),
        cmocka_unit_test(test_a_destructor_that_exits_is_left_and_the_others_run),
        cmocka_unit_test(test_a_thread_that_is_no_process_owns_nothing_but_may_defer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
