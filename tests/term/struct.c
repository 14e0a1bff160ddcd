/* tests/term/struct.c - structs become tuples and tuples structs, by the rules of engset/struct.h. */
#include "term_data.h"

#include <engset/match.h>
#include <engset/struct.h>
#include "term/struct.h"
#include "term/tag.h"

typedef struct {
    uint32_t length;
    uint8_t bytes[100];
} frame;
ES_STRUCT(frame, length, bytes);

typedef struct {
    es_pid who;
    es_atom what;
    char name[8];
    double x;
    float f;
    int16_t small[2];
    int64_t big;
    uint64_t huge;
    bool yes;
    int8_t tiny;
    char letter;
} mixed;
ES_STRUCT(mixed, who, what, name, x, f, small, big, huge, yes, tiny, letter);

static es_term to_term(const struct es_struct_descriptor *type, const void *object, uint64_t *words,
                       struct esi_offheap **chain)
{
    size_t count = esi_struct_measure(type, object);
    words[count] = 0x5a5a;
    es_term term = esi_struct_to_term(type, object, words, chain);
    size_t measured;
    assert_int_equal(words[count], 0x5a5a);
    assert_int_equal(esi_term_measure(term, &measured), ES_OK);
    assert_int_equal(measured, count);
    return term;
}

static void test_a_struct_becomes_a_tuple_and_comes_back(void **state)
{
    mixed m = {{5 | (uint64_t)1 << 28, 0, 0},
               es_am_ok,
               "abc",
               2.5,
               0.5f,
               {-1, 2},
               INT64_MIN,
               UINT64_MAX,
               true,
               -7,
               'a'};
    mixed back;
    uint64_t words[200];
    struct esi_offheap *chain = NULL;
    es_term term = to_term(&mixed_has_no_ES_STRUCT, &m, words, &chain);
    (void)state;
    assert_prints(
        term, "{mixed,<0.5.1>,ok,<<\"abc\">>,2.5,0.5,[-1,2],-9223372036854775808,18446744073709551615,true,"
              "-7,97}");
    assert_int_equal(esi_struct_from_term(&mixed_has_no_ES_STRUCT, term, &back), ES_OK);
    assert_true(es_pid_equal(back.who, m.who) && es_atom_equal(back.what, m.what) && back.x == 2.5 &&
                back.f == 0.5f);
    assert_string_equal(back.name, "abc");
    assert_true(back.small[0] == -1 && back.small[1] == 2 && back.big == INT64_MIN &&
                back.huge == UINT64_MAX);
    assert_true(back.yes && back.tiny == -7 && back.letter == 'a');
    assert_int_equal(esi_struct_tag(&mixed_has_no_ES_STRUCT), esi_term_tag(term));
}

static void test_long_bytes_are_shared_and_zeroed_fields_have_a_term(void **state)
{
    static frame f;
    static mixed m;
    frame back;
    uint64_t words[200];
    struct esi_offheap *chain = NULL;
    int64_t live = esi_shared_live();
    (void)state;
    for (size_t i = 0; i < sizeof f.bytes; i++)
        f.bytes[i] = (uint8_t)i;
    f.length = 7;
    es_term term = to_term(&frame_has_no_ES_STRUCT, &f, words, &chain);
    assert_int_equal(esi_shared_live(), live + 1);
    assert_int_equal(esi_struct_from_term(&frame_has_no_ES_STRUCT, term, &back), ES_OK);
    assert_memory_equal(&back, &f, sizeof f);
    esi_offheap_release(chain);
    assert_int_equal(esi_shared_live(), live);
    chain = NULL;
    term = to_term(&mixed_has_no_ES_STRUCT, &m, words, &chain);
    assert_prints(term, "{mixed,none,undefined,<<>>,0.0,0.0,[0,0],0,0,false,0,0}");
    assert_int_equal(esi_struct_from_term(&mixed_has_no_ES_STRUCT, term, &m), ES_OK);
    assert_true(es_pid_is_none(m.who));
    m.x = __builtin_inf();
    assert_true(es_is_none(esi_struct_to_term(&mixed_has_no_ES_STRUCT, &m, words, &chain)));
}

static void assert_frame(const char *text, es_err wanted)
{
    struct esi_parse_result term = parsed(text);
    frame f;
    if (esi_struct_from_term(&frame_has_no_ES_STRUCT, term.term, &f) != wanted)
        print_error("%s\n", text);
    assert_int_equal(esi_struct_from_term(&frame_has_no_ES_STRUCT, term.term, &f), wanted);
    esi_parse_free(&term);
}

static void assert_mixed(const char *format, const char *name, const char *numbers, const char *tiny,
                         es_err wanted)
{
    char text[256];
    struct esi_parse_result term;
    mixed m;
    snprintf(text, sizeof text, format, name, numbers, tiny);
    term = parsed(text);
    assert_int_equal(esi_struct_from_term(&mixed_has_no_ES_STRUCT, term.term, &m), wanted);
    esi_parse_free(&term);
}

static void test_a_tuple_that_does_not_fit_is_refused(void **state)
{
    static const char mixed_text[] = "{mixed,none,ok,%s,1,1.5,%s,0,0,true,%s,0}";
    (void)state;
    assert_frame("{frame,1,<<1,2>>}", ES_OK);
    assert_frame("{frame,4294967295,<<>>}", ES_OK);
    assert_frame("{frame,1,<<0:800>>}", ES_OK);
    assert_frame("{frame,1,<<0:808>>}", ES_ERANGE);
    assert_frame("{frame,4294967296,<<>>}", ES_ERANGE);
    assert_frame("{frame,99999999999999999999999,<<>>}", ES_ERANGE);
    assert_frame("{frame,-1,<<>>}", ES_ERANGE);
    assert_frame("{frame,1.0,<<>>}", ES_EINVAL);
    assert_frame("{frame,1,<<1:3>>}", ES_EINVAL);
    assert_frame("{frame,1,[1]}", ES_EINVAL);
    assert_frame("{frame,1}", ES_EINVAL);
    assert_frame("{other,1,<<>>}", ES_EINVAL);
    assert_frame("frame", ES_EINVAL);
    assert_mixed(mixed_text, "<<\"1234567\">>", "[1,2]", "127", ES_OK);
    assert_mixed(mixed_text, "<<\"12345678\">>", "[1,2]", "1", ES_ERANGE);
    assert_mixed(mixed_text, "<<1,0,1>>", "[1,2]", "1", ES_EINVAL);
    assert_mixed(mixed_text, "<<>>", "[1,2,3]", "1", ES_ERANGE);
    assert_mixed(mixed_text, "<<>>", "[1]", "1", ES_ERANGE);
    assert_mixed(mixed_text, "<<>>", "[1|2]", "1", ES_EINVAL);
    assert_mixed(mixed_text, "<<>>", "[1,32768]", "1", ES_ERANGE);
    assert_mixed(mixed_text, "<<>>", "[1,2]", "128", ES_ERANGE);
    assert_mixed(mixed_text, "<<>>", "[1,2]", "ok", ES_EINVAL);
}

static void test_the_same_struct_declared_twice_is_the_same(void **state)
{
    struct es_struct_descriptor copy = frame_has_no_ES_STRUCT;
    struct es_struct_field fields[2];
    (void)state;
    memcpy(fields, frame_has_no_ES_STRUCT.fields, sizeof fields);
    copy.fields = fields;
    assert_true(esi_struct_is_same(&copy, &frame_has_no_ES_STRUCT));
    fields[1].size = 99;
    assert_false(esi_struct_is_same(&copy, &frame_has_no_ES_STRUCT));
    assert_false(esi_struct_is_same(&mixed_has_no_ES_STRUCT, &frame_has_no_ES_STRUCT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_struct_becomes_a_tuple_and_comes_back),
        cmocka_unit_test(test_long_bytes_are_shared_and_zeroed_fields_have_a_term),
        cmocka_unit_test(test_a_tuple_that_does_not_fit_is_refused),
        cmocka_unit_test(test_the_same_struct_declared_twice_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
