/* fault_report.c - the form of reports: as text, as JSON, and not too many. */
#include "case.h"
#include "platform/clock.h"
#include "proc/contain/report.h"

static char last[8192];
static int count;

static void keep(const char *text, size_t length)
{
    snprintf(last, sizeof last, "%.*s", (int)length, text);
    count++;
}

static const struct esi_long_run run = {.id = 7,
                                        .label = "image \"scale\"",
                                        .ran_ms = 212,
                                        .place = "in fsync(2)",
                                        .moved_count = 31,
                                        .spare_count = 3};

static int prepare(void **state)
{
    (void)state;
    count = 0;
    unsetenv("ES_LOG");
    unsetenv("ES_REPORTS");
    esi_report_set_sink(keep);
    esi_report_configure();
    return 0;
}

static void test_a_report_is_a_heading_and_fields(void **state)
{
    (void)state;
    esi_report_long_run(&run);
    assert_string_equal(
        last, "warning[E0120]: process <0.7.0> (image \"scale\") ran 212 ms without a runtime call\n"
              "  blocked         in fsync(2)\n"
              "  moved           31 processes to a spare thread (3 in use)\n"
              "  hint            nothing is broken; es_wait_fd() and its like wait without a thread");
}

static void test_json_has_the_same_fields_on_one_line(void **state)
{
    (void)state;
    setenv("ES_LOG", "json", 1);
    esi_report_configure();
    esi_report_stranded(&run);
    assert_memory_equal(last, "{\"ts\":\"20", 9);
    assert_non_null(strstr(last,
                           "\",\"level\":\"error\",\"code\":\"E0121\",\"pid\":\"<0.7.0>\",\"msg\":\"process "
                           "<0.7.0> (image \\\"scale\\\") could not be ended for 212 ms"));
    assert_non_null(strstr(last, "\",\"blocked\":\"in fsync(2)\",\"its_thread\":\""));
    assert_null(strchr(last, '\n'));
    assert_int_equal(last[strlen(last) - 1], '}');
}

static void test_a_storm_of_reports_is_cut(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        esi_report_long_run(&run);
    /* Twenty a second; the second may change under way. */
    assert_true(count >= 20 && count <= 41);
}

static void test_reports_can_be_switched_off(void **state)
{
    (void)state;
    setenv("ES_REPORTS", "0", 1);
    esi_report_configure();
    esi_report_long_run(&run);
    assert_int_equal(count, 0);
}

static void test_what_is_no_error_is_passed_over(void **state)
{
    (void)state;
    static struct esi_process p = {.id = 7, .is_faulted = true};
    esi_list_init(&p.mailbox.messages);
    esi_report_crash(&p, es_from_atom(es_am_normal));
    esi_report_crash(&p, es_from_atom(es_am_shutdown));
    esi_report_crash(&p, es_from_atom(es_am_killed));
    esi_report_crash(&p, es_lend(ES_TUPLE(es_am_shutdown, 1)));
    esi_report_crash(&p, es_lend(ES_TUPLE(es_am_signal, es_am_sigsegv, "reported already")));
    assert_int_equal(count, 0);
    esi_report_crash(&p, es_lend(ES_TUPLE(es_am_badarg, es_am_link)));
    assert_int_equal(count, 1);
    assert_non_null(strstr(last, "error[E0101]: process <0.7.0> crashed: {badarg,link}\n"));
}

static char cut[400];

static void keep_cut(const char *text, size_t length)
{
    if (strstr(text, "E0199"))
        snprintf(cut, sizeof cut, "%.*s", (int)length, text);
}

static void test_who_is_cut_is_counted_in_a_report_of_nobody(void **state)
{
    (void)state;
    setenv("ES_LOG", "json", 1);
    esi_report_set_sink(keep_cut);
    esi_report_configure();
    uint64_t patience_ns = esi_clock_now_ns() + UINT64_C(20000000000);
    while (!*cut && esi_clock_now_ns() < patience_ns)
        esi_report_long_run(&run); /* until the next second */
    assert_non_null(strstr(cut, "\"code\":\"E0199\",\"pid\":\"<0.0.0>\",\"msg\":\"suppressed "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_report_is_a_heading_and_fields, prepare),
        cmocka_unit_test_setup(test_json_has_the_same_fields_on_one_line, prepare),
        cmocka_unit_test_setup(test_a_storm_of_reports_is_cut, prepare),
        cmocka_unit_test_setup(test_reports_can_be_switched_off, prepare),
        cmocka_unit_test_setup(test_what_is_no_error_is_passed_over, prepare),
        cmocka_unit_test_setup(test_who_is_cut_is_counted_in_a_report_of_nobody, prepare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
