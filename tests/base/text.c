/* tests/base/text.c - what is appended, what is cut, what is escaped. */
#include "case.h"
#include "base/text.h"

static void test_numbers_and_strings_are_appended(void **state)
{
    (void)state;
    char bytes[200];
    struct esi_text text;
    esi_text_init(&text, bytes, sizeof bytes);
    esi_text_str(&text, "a");
    esi_text_strn(&text, "bcd", 2);
    esi_text_char(&text, ' ');
    esi_text_u64(&text, UINT64_MAX);
    esi_text_char(&text, ' ');
    esi_text_i64(&text, INT64_MIN);
    esi_text_char(&text, ' ');
    esi_text_i64(&text, 0);
    esi_text_char(&text, ' ');
    esi_text_padded(&text, 7, 3);
    esi_text_padded(&text, 1234, 3);
    esi_text_char(&text, ' ');
    esi_text_hex(&text, 0xbeef);
    assert_string_equal(bytes, "abc 18446744073709551615 -9223372036854775808 0 0071234 beef");
    assert_int_equal(text.length, strlen(bytes));
    assert_false(text.cut);
}

static void test_a_string_is_cut_where_the_buffer_ends_and_a_number_is_whole(void **state)
{
    (void)state;
    char bytes[9];
    struct esi_text text;
    bytes[8] = '#';
    esi_text_init(&text, bytes, 8);
    esi_text_str(&text, "12345678");
    assert_string_equal(bytes, "1234567");
    assert_true(text.cut);
    esi_text_init(&text, bytes, 8);
    esi_text_str(&text, "1234567");
    assert_false(text.cut);
    esi_text_init(&text, bytes, 8);
    esi_text_str(&text, "12345");
    esi_text_u64(&text, 678);
    assert_string_equal(bytes, "12345");
    assert_true(text.cut);
    esi_text_char(&text, 'x'); /* nothing follows a cut */
    assert_string_equal(bytes, "12345");
    assert_int_equal(bytes[8], '#');
}

static void assert_escaped(const char *bytes, size_t length, const char *expected, const char *printable)
{
    char buffer[200];
    struct esi_text text;
    esi_text_init(&text, buffer, sizeof buffer);
    esi_text_escaped(&text, bytes, length);
    assert_string_equal(buffer, expected);
    esi_text_init(&text, buffer, sizeof buffer);
    esi_text_printable(&text, bytes, length);
    assert_string_equal(buffer, printable);
}
#define ESCAPED(string, expected, printable) assert_escaped(string, sizeof string - 1, expected, printable)

static void test_nothing_that_others_say_can_drive_a_terminal_or_end_a_string(void **state)
{
    (void)state;
    ESCAPED("plain \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "plain \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
            "plain \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    ESCAPED("\"a\\", "\\\"a\\\\", "\"a\\");
    ESCAPED("\n\r\t\b\f", "\\n\\r\\t\\b\\f", "\\n\\r\\t\\b\\f");
    ESCAPED("\033[2J\x7f", "\\u001b[2J\\u007f", "\\u001b[2J\\u007f");
    ESCAPED("a\0b", "a\\u0000b", "a\\u0000b");
    ESCAPED("\xc2\x9b", "\\u009b", "\\u009b");                               /* CSI as one character */
    ESCAPED("\xe2\x80\xa8\xe2\x80\xae", "\\u2028\\u202e", "\\u2028\\u202e"); /* a line end, right to left */
    ESCAPED("\xff x\xe2\x82", "\\ufffd x\\ufffd\\ufffd", "\\ufffd x\\ufffd\\ufffd");
}

static void test_an_escape_or_a_character_is_never_cut_in_two(void **state)
{
    (void)state;
    char bytes[8];
    struct esi_text text;
    esi_text_init(&text, bytes, sizeof bytes);
    esi_text_escaped(&text, "12\033x", 4);
    assert_string_equal(bytes, "12");
    assert_true(text.cut);
    esi_text_init(&text, bytes, sizeof bytes);
    esi_text_escaped(&text, "12345\xe2\x82\xac", 8);
    assert_string_equal(bytes, "12345");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_and_strings_are_appended),
        cmocka_unit_test(test_a_string_is_cut_where_the_buffer_ends_and_a_number_is_whole),
        cmocka_unit_test(test_nothing_that_others_say_can_drive_a_terminal_or_end_a_string),
        cmocka_unit_test(test_an_escape_or_a_character_is_never_cut_in_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
