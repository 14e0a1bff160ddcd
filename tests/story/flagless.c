/* flagless.c - this program is compiled without the flags of engset.pc: it is told so when a node starts, once. */
#include <engset.h>
#include "story.h"
#include "base/log.h"

static int warnings;

static void count_warnings(int level, const char *line, size_t length)
{
    (void)length;
    warnings +=
        level == ESI_LOG_WARNING && strstr(line, "flags of engset.pc") && strstr(line, "test_story_flagless");
}

CASE(code_without_the_flags_is_told_so_once, 1, "")
{
    esi_log_set_sink(count_warnings);
    play_real(returns);
    assert_int_equal(warnings, 1);
    play_real(returns);
    assert_int_equal(warnings, 1);
    esi_log_set_sink(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(code_without_the_flags_is_told_so_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
