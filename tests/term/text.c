/* tests/term/text.c - terms are printed as Erlang prints them, and read back. */
#include "term_data.h"

#include "base/fail.h"
#include "base/text.h"
#include "term/compare.h"
#include "term/decimal.h"
#include "term/print.h"
#include "term/atom.h"
#include <engset/match.h>

static void test_text_is_read_and_printed_as_by_a_real_erlang(void **state)
{
    static char line[2048];
    FILE *file = data_open("texts.txt");
    size_t count = 0;
    (void)state;
    for (; data_line(file, line, sizeof line); count++) {
        char *wanted = strchr(line, '\t');
        *wanted++ = '\0';
        struct esi_parse_result result = parsed(line);
        assert_prints(result.term, wanted);
        esi_parse_free(&result);
    }
    assert_true(count > 70);
    fclose(file);
}

static void test_doubles_have_the_text_that_erlang_gives_them(void **state)
{
    static char line[256];
    FILE *file = data_open("doubles.txt");
    size_t count = 0;
    (void)state;
    for (; data_line(file, line, sizeof line); count++) {
        char *wanted = strchr(line, '\t'), text[ESI_DOUBLE_TEXT + 1];
        uint64_t bits = strtoull(line, NULL, 16);
        double value, again;
        memcpy(&value, &bits, sizeof value);
        text[esi_double_text(value, text)] = '\0';
        assert_string_equal(text, wanted + 1);
        struct esi_parse_result result = parsed(text);
        assert_true(es_get_double(result.term, &again));
        assert_memory_equal(&again, &value, sizeof value);
        esi_parse_free(&result);
    }
    assert_true(count > 2000);
    fclose(file);
}

static void test_what_is_printed_reads_back_as_the_same_term(void **state)
{
    static struct random_text random;
    static char printed[65536];
    (void)state;
    random.seed = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        struct esi_parse_result first = parsed(random_text(&random)), second;
        assert_true(es_print(printed, sizeof printed, first.term) < (int64_t)sizeof printed);
        second = parsed(printed);
        if (!es_equal(first.term, second.term))
            print_error("%s\n%s\n", random.text, printed);
        assert_true(es_equal(first.term, second.term));
        esi_parse_free(&first);
        esi_parse_free(&second);
    }
}

static void test_what_has_no_erlang_text_is_shown_as_the_shell_shows_it(void **state)
{
    es_atom name;
    const es_pid far = {7 | (uint64_t)8 << 32, 0, 0}, here = {5 | (uint64_t)6 << 28, 0, 0};
    es_pid other = far;
    char text[64];
    (void)state;
    assert_int_equal(es_atom_make("x@y", 3, &name), ES_OK);
    other.node = esi_atom_index(name);
    assert_prints(es_lend(here), "<0.5.6>");
    snprintf(text, sizeof text, "<%u.7.8>", other.node);
    assert_prints(es_lend(other), text);
    assert_prints(es_lend(((es_ref){3 | (uint64_t)2 << 32, 0, 9, 1, 4, 3})), "#Ref<9.2.3.4>");
    assert_prints(es_lend(((es_ref){3 | (uint64_t)2 << 32, 0, 0, 0, 0, 0})), "#Ref<0.2.3.0>");
    assert_prints(es_lend(((es_ref){3 | (uint64_t)2 << 32, 5, 9, 1, 4, 1})), "#Ref<9.4>");
    assert_prints(es_lend(((es_ref){3, 5, 0, 0, 0, 0})), "#Ref<0.0.5.0.3.0>");
    assert_prints(es_lend(((es_port){3, 9, 1})), "#Port<9.3>");
    assert_prints(es_lend(ES_TUPLE(ES_ANY)), "{_}");
    assert_prints(es_none(), "<none>");
}

static void test_a_short_buffer_gets_the_beginning_and_the_whole_length(void **state)
{
    char buffer[6] = "zzzzz";
    (void)state;
    assert_int_equal(es_print(buffer, sizeof buffer, es_lend(ES_TUPLE(es_am_ok, 12, "abc"))), 17);
    assert_string_equal(buffer, "{ok,1");
    assert_int_equal(es_print(NULL, 0, es_lend(es_am_ok)), 2);
    assert_int_equal(es_print(buffer, 1, es_lend(es_am_ok)), 2);
    assert_string_equal(buffer, "");
}

static void test_a_file_gets_the_same_text(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    (void)state;
    assert_int_equal(es_fprint(file, es_lend(ES_LIST(1, 2.5, es_am_ok))), 10);
    fclose(file);
    assert_string_equal(text, "[1,2.5,ok]");
    free(text);
}

static void test_a_crash_report_gets_a_bounded_text(void **state)
{
    char bytes[128];
    struct esi_text text;
    const struct esi_print_limits limits = {2, 3, 4};
    struct esi_parse_result term = parsed("{[1,2,3,4],{a,{b}},#{a=>1,b=>2,c=>3,d=>4}}");
    (void)state;
    esi_text_init(&text, bytes, sizeof bytes);
    esi_print_bounded(&text, term.term, limits);
    assert_string_equal(bytes, "{[1,2,3,...],{a,...},#{a => 1,b => 2,c => 3,...}}");
    esi_parse_free(&term);
    esi_text_init(&text, bytes, sizeof bytes);
    esi_print_bounded(&text, es_lend("abcdefg"), limits);
    assert_string_equal(bytes, "<<\"abcd\",...>>");
    esi_text_init(&text, bytes, 8);
    esi_print_bounded(&text, es_lend("abcdefg"), limits);
    assert_string_equal(bytes, "<<\"abcd");
    assert_true(text.cut);
}

static void assert_explains(const char *term, const char *wanted)
{
    struct esi_parse_result result;
    char bytes[512];
    struct esi_text text;
    assert_int_not_equal(esi_parse(term, strlen(term), &result), ES_OK);
    esi_text_init(&text, bytes, sizeof bytes);
    esi_parse_explain(&text, &result, term, strlen(term));
    assert_string_equal(bytes, wanted);
    esi_parse_free(&result);
}

static void test_a_mistake_is_shown_with_its_place_and_what_was_expected(void **state)
{
    (void)state;
    assert_explains("{put, colour <<\"red\">>}",
                    "error[E0701]: term, column 14: expected ',' or '}' after atom\n"
                    "       {put, colour <<\"red\">>}\n"
                    "                    ^\n");
    assert_explains("{a,\n [1 2]}",
                    "error[E0701]: term, line 2, column 5: expected ',', '|' or ']' after number\n"
                    "        [1 2]}\n"
                    "           ^\n");
    assert_explains("{'\xc3\xa9', X}",
                    "error[E0701]: term, column 7: expected a term, but this is a variable\n"
                    "       {'\xc3\xa9', X}\n"
                    "             ^\n");
}

static void test_text_that_is_no_term_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "{",
                                      "}",
                                      "[1,]",
                                      "[|1]",
                                      "[1|2,3]",
                                      "[1|2|3]",
                                      "#{a}",
                                      "#{a=>1,a=>2}",
                                      "<<",
                                      "<<1",
                                      "<<a>>",
                                      "<<1:>>",
                                      "1 2",
                                      "'a",
                                      "\"a",
                                      "1.0e999",
                                      "37#1",
                                      "16#g",
                                      "$",
                                      "a.b",
                                      "<<\"\xd0\x96\">>",
                                      "\xff",
                                      "'\\x{110000}'",
                                      "fun a",
                                      "#a",
                                      "{,}",
                                      "[,]",
                                      "1__0",
                                      "-",
                                      "<<1:17/little>>",
                                      "{a,b}}",
                                      "<<1:99999999>>",
                                      "<<-1/utf8>>",
                                      "_",
                                      "'\\x{d800}'"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct esi_parse_result result;
        if (esi_parse(bad[i], strlen(bad[i]), &result) != ES_ESYNTAX)
            print_error("accepted: %s\n", bad[i]);
        assert_int_equal(esi_parse(bad[i], strlen(bad[i]), &result), ES_ESYNTAX);
        assert_true(result.expected[0] != '\0');
    }
}

static void test_comments_and_a_full_stop_are_passed_over(void **state)
{
    struct esi_parse_result result = parsed("% comment\n {a, % inner, {\n b} . % end");
    (void)state;
    assert_prints(result.term, "{a,b}");
    esi_parse_free(&result);
}

static void test_brackets_are_refused_at_a_limit_and_atoms_at_theirs(void **state)
{
    static char deep[ESI_PARSE_DEPTH_MAX + 2], name[258];
    struct esi_parse_result result;
    (void)state;
    memset(deep, '[', ESI_PARSE_DEPTH_MAX + 1);
    assert_int_equal(esi_parse(deep, ESI_PARSE_DEPTH_MAX + 1, &result), ES_ELIMIT);
    assert_string_equal(result.code, "E0702");
    memset(name, 'a', 256);
    assert_int_equal(esi_parse(name, 256, &result), ES_ELIMIT);
    assert_string_equal(result.code, "E0703");
    assert_int_equal(esi_parse(name, 255, &result), ES_OK);
    esi_parse_free(&result);
}

static void test_parsing_that_runs_out_of_memory_leaves_nothing_behind(void **state)
{
    static const char text[] =
        "{[1,2,3|x], <<0:800>>, #{a=>1152921504606846976}, \"string\", 'quoted atom of mine', 1.5}";
    int64_t before = esi_shared_live();
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct esi_parse_result result;
        es_err err;
        esi_fail_after(n);
        err = esi_parse(text, strlen(text), &result);
        if (!esi_fail_stop()) {
            assert_int_equal(err, ES_OK);
            esi_parse_free(&result);
            break;
        }
        assert_int_equal(err, ES_ENOMEM);
        assert_string_equal(result.code, "E0704");
        assert_int_equal(esi_shared_live(), before);
    }
    assert_int_equal(esi_shared_live(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_read_and_printed_as_by_a_real_erlang),
        cmocka_unit_test(test_doubles_have_the_text_that_erlang_gives_them),
        cmocka_unit_test(test_what_is_printed_reads_back_as_the_same_term),
        cmocka_unit_test(test_what_has_no_erlang_text_is_shown_as_the_shell_shows_it),
        cmocka_unit_test(test_a_short_buffer_gets_the_beginning_and_the_whole_length),
        cmocka_unit_test(test_a_file_gets_the_same_text),
        cmocka_unit_test(test_a_crash_report_gets_a_bounded_text),
        cmocka_unit_test(test_a_mistake_is_shown_with_its_place_and_what_was_expected),
        cmocka_unit_test(test_text_that_is_no_term_is_refused),
        cmocka_unit_test(test_comments_and_a_full_stop_are_passed_over),
        cmocka_unit_test(test_brackets_are_refused_at_a_limit_and_atoms_at_theirs),
        cmocka_unit_test(test_parsing_that_runs_out_of_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
