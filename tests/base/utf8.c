/* tests/base/utf8.c - every character there is, and what is none. */
#include "case.h"
#include "base/utf8.h"

static void test_every_character_survives_writing_and_reading(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x110010; c++) {
        char bytes[4];
        unsigned size = esi_utf8_encode(c, bytes);
        if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
            if (size != 0)
                fail_msg("%x was written", c);
            continue;
        }
        uint32_t back = ~c;
        unsigned expected = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (size != expected || esi_utf8_decode(bytes, size, &back) != size || back != c)
            fail_msg("%x came back as %x", c, back);
        if (esi_utf8_decode(bytes, size - 1, &back) != 0)
            fail_msg("%x was read though its end is missing", c);
    }
}

static void test_of_all_rows_of_three_bytes_only_the_written_ones_are_read(void **state)
{
    (void)state;
    for (uint32_t row = 0; row < 1 << 24; row += 1 + (row >> 16 & 3)) {
        char bytes[3] = {(char)(row >> 16), (char)(row >> 8), (char)row}, written[4];
        uint32_t c;
        unsigned size = esi_utf8_decode(bytes, 3, &c);
        if (size && (esi_utf8_encode(c, written) != size || memcmp(bytes, written, size) != 0))
            fail_msg("%06x was read", row);
    }
}

static void assert_bad(const char *string)
{
    assert_false(esi_utf8_is_valid(string, strlen(string)));
}

static void test_bad_forms_are_refused(void **state)
{
    (void)state;
    assert_bad("\x80");
    assert_bad("a\xc0\x80");        /* overlong 0 */
    assert_bad("\xe0\x9f\xbf");     /* overlong */
    assert_bad("\xf0\x8f\xbf\xbf"); /* overlong */
    assert_bad("\xed\xa0\x80");     /* a surrogate */
    assert_bad("\xf4\x90\x80\x80"); /* above U+10FFFF */
    assert_bad("\xf5\x80\x80\x80");
    assert_bad("\xe2\x82");
    assert_bad("\xe2"
               "a\x80");
}

static void test_characters_are_counted(void **state)
{
    (void)state;
    size_t count = 99;
    assert_true(esi_utf8_count("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\0", 11, &count));
    assert_int_equal(count, 5);
    assert_false(esi_utf8_count("a\xff", 2, &count));
    assert_int_equal(count, 5);
    assert_true(esi_utf8_count("", 0, &count));
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_character_survives_writing_and_reading),
        cmocka_unit_test(test_of_all_rows_of_three_bytes_only_the_written_ones_are_read),
        cmocka_unit_test(test_bad_forms_are_refused),
        cmocka_unit_test(test_characters_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
