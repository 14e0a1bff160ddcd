/* tests/support/case.h - how a test says which semantic cases it proves.
 *
 *     CASE(an_exit_reason_reaches_a_linked_process, 1, "LNK-01")
 *     {
 *         ... asserts with cmocka ...
 *     }
 *
 * declares `static void an_exit_...(void **state)` for cmocka_unit_test(). When the environment
 * names a folder in ES_CASES_DIR, each such test appends rows "case<TAB>test<TAB>rounds<TAB>result" to a file of
 * its own there: "failed" before the body runs, "passed" after it came back. Several ids stand in one
 * string, parted by blanks. A plain test needs none of this. */
#ifndef TESTS_SUPPORT_CASE_H
#define TESTS_SUPPORT_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static inline void case_row(const char *ids, const char *test, long times, const char *result)
{
    const char *folder = getenv("ES_CASES_DIR");
    if (!folder)
        return;
    char path[512];
    snprintf(path, sizeof path, "%s/%ld.tsv", folder, (long)getpid());
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    char copy[512];
    snprintf(copy, sizeof copy, "%s", ids);
    for (char *rest = copy, *id; (id = strtok_r(rest, " ", &rest));)
        fprintf(file, "%s\t%s\t%ld\t%s\n", id, test, times, result);
    fclose(file);
}

/* Leaves the test, which cannot be played here, and says why. */
#define skip_since(why)                      \
    do {                                     \
        print_message("skipped: %s\n", why); \
        skip();                              \
    } while (0)

#define CASE(name, times, ids)                 \
    static void name##_body(void **state);     \
    static void name(void **state)             \
    {                                          \
        case_row(ids, #name, times, "failed"); \
        name##_body(state);                    \
        case_row(ids, #name, times, "passed"); \
    }                                          \
    static void name##_body(__attribute__((unused)) void **state)

#endif
