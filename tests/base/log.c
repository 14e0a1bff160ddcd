/* tests/base/log.c - lines as the reader sees them. */
#include <errno.h>
#include <fcntl.h>
#include "case.h"
#include "base/log.h"

static char lines[20000];
static size_t line_count;
static uint64_t clock_ns;

static void keep_line(int level, const char *line, size_t length)
{
    (void)level;
    assert_int_equal(strlen(line), length);
    size_t used = strlen(lines);
    snprintf(lines + used, sizeof lines - used, "%s\n", line);
    line_count++;
}

static uint64_t test_clock(void)
{
    return clock_ns;
}

static void be_kv(struct esi_log_who *who)
{
    esi_text_str(&who->node, "a@host");
    esi_text_str(&who->name, "kv");
    esi_text_str(&who->pid, "<0.101.0>");
}

static int start(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    unsetenv("ES_LOG");
    unsetenv("ES_LOG_LEVEL");
    esi_log_configure();
    esi_log_set_sink(keep_line);
    esi_log_set_clock(test_clock);
    esi_log_set_who(NULL);
    clock_ns = UINT64_C(1790340067213456789);
    lines[0] = '\0';
    line_count = 0;
    return 0;
}

static void test_a_line_says_when_how_bad_who_and_what(void **state)
{
    (void)state;
    esi_log_set_who(be_kv);
    esi_log(ESI_LOG_WARNING, "mailbox %dk over limit \"%s\"", 10, "soft");
    assert_string_equal(lines, "12:41:07.213 WRN kv <0.101.0> mailbox 10k over limit \"soft\"\n");
}

static void test_json_is_one_object_a_line(void **state)
{
    (void)state;
    esi_log_set_who(be_kv);
    esi_log_set_format(ESI_LOG_JSON);
    esi_log_at("../src/proc/run.c", 12, ESI_LOG_ERROR, "said \"%s\"", "a\nb");
    assert_string_equal(lines,
                        "{\"ts\":\"2026-09-25T12:41:07.213456Z\",\"level\":\"error\",\"node\":\"a@host\","
                        "\"pid\":\"<0.101.0>\",\"name\":\"kv\",\"file\":\"proc/run.c\",\"line\":12,"
                        "\"msg\":\"said \\\"a\\nb\\\"\"}\n");
}

static void test_a_json_line_that_is_cut_is_still_an_object(void **state)
{
    (void)state;
    char long_message[1500];
    memset(long_message, '\001', sizeof long_message);
    esi_log_set_format(ESI_LOG_JSON);
    for (int shift = 0; shift < 6; shift++) { /* the end falls on each place within an escape */
        lines[0] = '\0';
        esi_log(ESI_LOG_ERROR, "%.*s%.1500s", shift, "aaaaa", long_message);
        assert_true(strlen(lines) > 4000);
        assert_string_equal(lines + strlen(lines) - 9, "\\u0001\"}\n");
    }
}

static void test_a_message_cannot_forge_a_line(void **state)
{
    (void)state;
    esi_log(ESI_LOG_NOTICE, "x\n12:00:00.000 ERR \033[31m\xff");
    assert_string_equal(lines, "12:41:07.213 NTC x\\n12:00:00.000 ERR \\u001b[31m\\ufffd\n");
}

static void test_what_is_below_the_level_is_not_even_evaluated(void **state)
{
    (void)state;
    int evaluated = 0;
    esi_log(ESI_LOG_INFO, "%d", ++evaluated);
    esi_log_set_level(ESI_LOG_INFO);
    esi_log(ESI_LOG_DEBUG, "%d", ++evaluated);
    assert_int_equal(evaluated, 0);
    esi_log(ESI_LOG_INFO, "%d", ++evaluated);
    assert_int_equal(evaluated, 1);
    assert_int_equal(line_count, 1);
}

static void test_the_environment_sets_level_and_form(void **state)
{
    (void)state;
    setenv("ES_LOG_LEVEL", "debug", 1);
    setenv("ES_LOG", "json", 1);
    esi_log_configure();
    esi_log(ESI_LOG_DEBUG, "x");
    assert_memory_equal(lines, "{\"ts\"", 5);
    setenv("ES_LOG_LEVEL", "error", 1);
    esi_log_configure();
    esi_log(ESI_LOG_WARNING, "x");
    assert_int_equal(line_count, 1);
}

static void test_a_place_that_says_too_much_is_counted_instead(void **state)
{
    (void)state;
    for (int i = 0; i < 45; i++) {
        if (i == 42)
            clock_ns += UINT64_C(1000000000);
        esi_log_limited(2, ESI_LOG_ERROR, "%d", i);
    }
    assert_string_equal(lines, "12:41:07.213 ERR 0\n"
                               "12:41:07.213 ERR 1\n"
                               "12:41:08.213 ERR suppressed 40 similar\n"
                               "12:41:08.213 ERR 42\n"
                               "12:41:08.213 ERR 43\n");
}

static void test_errno_stays_and_can_be_said(void **state)
{
    (void)state;
    errno = EPIPE;
    esi_log(ESI_LOG_ERROR, "%m");
    assert_int_equal(errno, EPIPE);
    assert_string_equal(lines, "12:41:07.213 ERR Broken pipe\n");
}

static void test_a_line_is_one_write_to_stderr(void **state)
{
    (void)state;
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe2(ends, O_DIRECT), 0); /* a packet a write */
    dup2(ends[1], STDERR_FILENO);
    esi_log_set_sink(NULL);
    esi_log(ESI_LOG_ERROR, "one");
    esi_log(ESI_LOG_ERROR, "two");
    dup2(saved, STDERR_FILENO);
    char packet[100] = "";
    assert_int_equal(read(ends[0], packet, sizeof packet), 21);
    assert_string_equal(packet, "12:41:07.213 ERR one\n");
    assert_int_equal(read(ends[0], packet, sizeof packet), 21);
    assert_string_equal(packet, "12:41:07.213 ERR two\n");
    close(saved);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
#define LOG_TEST(test) cmocka_unit_test_setup(test, start)
    const struct CMUnitTest tests[] = {
        LOG_TEST(test_a_line_says_when_how_bad_who_and_what),
        LOG_TEST(test_json_is_one_object_a_line),
        LOG_TEST(test_a_json_line_that_is_cut_is_still_an_object),
        LOG_TEST(test_a_message_cannot_forge_a_line),
        LOG_TEST(test_what_is_below_the_level_is_not_even_evaluated),
        LOG_TEST(test_the_environment_sets_level_and_form),
        LOG_TEST(test_a_place_that_says_too_much_is_counted_instead),
        LOG_TEST(test_errno_stays_and_can_be_said),
        LOG_TEST(test_a_line_is_one_write_to_stderr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
