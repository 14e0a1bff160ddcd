/* tests/base/assert.c - how a node ends that cannot trust itself. */
#include <signal.h>
#include <sys/wait.h>
#include "case.h"
#include "base/assert.h"

/* Runs `body` in a child and gives its wait status; what it wrote to stderr is in `said`. */
static int run_child(void (*body)(void), char *said, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        body();
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t n; (n = read(ends[0], said + length, size - 1 - length)) > 0;)
        length += (size_t)n;
    said[length] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void note(const char *file, int line, const char *text)
{
    (void)file;
    (void)line;
    dprintf(STDERR_FILENO, "hook: %s\n", text);
}

static void note_and_panic(const char *file, int line, const char *text)
{
    note(file, line, text);
    esi_panic("again.c", 2, "again");
}

static void hold(void)
{
    esi_assert(1 + 1 == 2);
}

static void break_plainly(void)
{
    int count = 1;
    esi_assert(count == 0);
}

static void break_with_a_hook(void)
{
    esi_panic_hook = note;
    esi_panic("some.c", 7, "text");
}

static void break_in_the_hook(void)
{
    esi_panic_hook = note_and_panic;
    esi_panic("some.c", 7, "text");
}

static void assert_aborted(int status)
{
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void test_a_true_sentence_costs_nothing(void **state)
{
    (void)state;
    char said[1000];
    int status = run_child(hold, said, sizeof said);
    assert_true(WIFEXITED(status));
    assert_string_equal(said, "");
}

static void test_a_false_sentence_is_said_and_ends_the_node(void **state)
{
    (void)state;
    char said[1000];
    assert_aborted(run_child(break_plainly, said, sizeof said));
    assert_non_null(strstr(said, "assert.c:"));
    assert_non_null(strstr(said, "count == 0\n"));
}

static void test_the_hook_is_called_before_the_end(void **state)
{
    (void)state;
    char said[1000];
    assert_aborted(run_child(break_with_a_hook, said, sizeof said));
    assert_string_equal(said, "engset: broken invariant at some.c:7: text\nhook: text\n");
}

static void test_a_panic_in_the_hook_ends_at_once(void **state)
{
    (void)state;
    char said[1000];
    assert_aborted(run_child(break_in_the_hook, said, sizeof said));
    assert_string_equal(said, "engset: broken invariant at some.c:7: text\nhook: text\n"
                              "engset: broken invariant at again.c:2: again\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_true_sentence_costs_nothing),
        cmocka_unit_test(test_a_false_sentence_is_said_and_ends_the_node),
        cmocka_unit_test(test_the_hook_is_called_before_the_end),
        cmocka_unit_test(test_a_panic_in_the_hook_ends_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
