/* tests/term/copy.c - a copy is the same term in exactly the words that were measured. */
#include "term_data.h"

#include <engset/match.h>
#include "base/fail.h"
#include "term/compare.h"

enum { WORDS_MAX = 8192 };
#define GUARD UINT64_C(0xdeadbeefdeadbeef)

static void test_a_copy_takes_exactly_the_measured_words_and_is_equal(void **state)
{
    static struct random_text random;
    static uint64_t words[WORDS_MAX];
    int64_t live = esi_shared_live();
    (void)state;
    random.seed = 4711;
    for (int i = 0; i < 20000; i++) {
        struct esi_parse_result source = parsed(random_text(&random));
        struct esi_offheap *chain = NULL;
        size_t count = 0;
        es_term copy;
        assert_int_equal(esi_term_measure(source.term, &count), ES_OK);
        assert_true(count < WORDS_MAX);
        for (size_t j = 0; j <= count; j++)
            words[j] = GUARD;
        copy = esi_term_copy(source.term, words, &chain);
        assert_true(words[count] == GUARD);
        for (size_t j = 0; j < count; j++)
            assert_true(words[j] != GUARD);
        assert_true(es_equal(copy, source.term));
        esi_parse_free(&source);
        assert_true(es_print(NULL, 0, copy) > 0); /* nothing in it points to what was freed */
        esi_offheap_release(chain);
    }
    assert_int_equal(esi_shared_live(), live);
}

static void test_immediates_need_no_words(void **state)
{
    size_t words = 1;
    (void)state;
    assert_int_equal(esi_term_measure(es_lend(es_am_ok), &words), ES_OK);
    assert_int_equal(words, 0);
    assert_int_equal(esi_term_measure(es_nil(), &words), ES_OK);
    assert_int_equal(esi_term_measure(es_lend(((es_pid){5, 0, 0})), &words), ES_OK);
    assert_int_equal(words, 0);
    assert_int_equal(esi_term_measure(es_lend(ES_TUPLE(es_am_ok, 1, 2)), &words), ES_OK);
    assert_int_equal(words, 4);
}

static void test_a_literal_with_all_kinds_survives_its_block(void **state)
{
    uint64_t words[128];
    struct esi_offheap *chain = NULL;
    size_t count;
    es_term copy;
    (void)state;
    {
        char text[] = "lent";
        es_term literal =
            es_lend(ES_TUPLE(es_am_ok, INT64_MIN, UINT64_MAX, 2.5, text, ES_LIST(1, 2), ES_CONS(1, 2),
                             ES_MAP(es_am_ok, 1, es_am_error, 2), true, ((es_ref){1, 2, 3, 4, 5, 5}),
                             ((es_pid){6, 7, 8}), ((es_port){9, 10, 11}), ES_NIL));
        assert_int_equal(esi_term_measure(literal, &count), ES_OK);
        copy = esi_term_copy(literal, words, &chain);
        memset(text, 'x', 4);
    }
    assert_prints(copy,
                  "{ok,-9223372036854775808,18446744073709551615,2.5,<<\"lent\">>,[1,2],[1|2],#{error => 2,"
                  "ok => 1},true,#Ref<3.0.2.0.1.5>,<7.6.0>,#Port<10.9>,[]}");
    assert_null(chain);
}

static void test_what_is_no_value_is_refused_with_its_place(void **state)
{
    int64_t n;
    size_t words = 77;
    es_term term = es_lend(ES_TUPLE(es_am_ok, 1, ES_LIST(&n)));
    (void)state;
    assert_int_equal(esi_term_measure(term, &words), ES_EINVAL);
    assert_int_equal(words, 77);
    assert_int_equal(esi_term_find_invalid(term), 3);
    assert_int_equal(esi_term_measure(es_lend(ES_ANY), &words), ES_EINVAL);
    assert_int_equal(esi_term_measure(es_lend(ES_TUPLE(ES_ANY)), &words), ES_EINVAL);
    assert_int_equal(esi_term_measure(es_none(), &words), ES_EINVAL);
    assert_int_equal(esi_term_measure(es_lend(__builtin_inf()), &words), ES_EINVAL);
    assert_int_equal(esi_term_measure(es_lend(ES_LIST(__builtin_nan(""))), &words), ES_EINVAL);
}

static void test_long_binaries_are_shared_by_all_copies(void **state)
{
    static uint8_t bytes[ESI_BIN_INLINE_MAX + 1];
    uint64_t first[16], second[16];
    struct esi_offheap *first_chain = NULL, *second_chain = NULL;
    int64_t live = esi_shared_live();
    es_bin a = {0}, b = {0};
    size_t count;
    (void)state;
    es_term term = es_lend(ES_TUPLE(es_bytes(bytes, sizeof bytes)));
    assert_int_equal(esi_term_measure(term, &count), ES_OK);
    assert_int_equal(count, 2 + ESI_SHARED_WORDS);
    term = esi_term_copy(term, first, &first_chain);
    assert_int_equal(esi_shared_live(), live + 1);
    es_term again = esi_term_copy(term, second, &second_chain);
    assert_int_equal(esi_shared_live(), live + 1);
    assert_true(es_match(term, ES_TUPLE(&a)) && es_match(again, ES_TUPLE(&b)));
    assert_ptr_equal(a.data, b.data);
    assert_ptr_not_equal(a.data, bytes);
    esi_offheap_release(first_chain);
    assert_memory_equal(b.data, bytes, sizeof bytes);
    esi_offheap_release(second_chain);
    assert_int_equal(esi_shared_live(), live);
}

static void test_a_shared_binary_is_sent_without_copying_its_bytes(void **state)
{
    static uint8_t bytes[1000];
    uint64_t words[16];
    struct esi_offheap *chain = NULL;
    es_shared_bin shared;
    es_bin bin = {0};
    int64_t live = esi_shared_live();
    size_t count;
    (void)state;
    assert_int_equal(es_shared_bin_make(bytes, sizeof bytes, &shared), ES_OK);
    es_term term = es_lend(ES_TUPLE(shared, 1));
    assert_int_equal(esi_term_measure(term, &count), ES_OK);
    term = esi_term_copy(term, words, &chain);
    assert_true(es_match(term, ES_TUPLE(&bin, 1)));
    assert_ptr_equal(bin.data, es_shared_bin_bytes(shared).data);
    es_shared_bin_release(shared);
    assert_memory_equal(bin.data, bytes, sizeof bytes);
    esi_offheap_release(chain);
    assert_int_equal(esi_shared_live(), live);
}

static void test_a_copy_without_memory_for_bytes_gives_no_term_and_keeps_nothing(void **state)
{
    static uint8_t bytes[200];
    uint64_t words[32];
    struct esi_offheap *chain = NULL;
    int64_t live = esi_shared_live();
    (void)state;
    es_term term = es_lend(ES_LIST(es_bytes(bytes, 200), es_bytes(bytes, 150)));
    for (uint64_t n = 1; n <= 2; n++) {
        esi_fail_after(n);
        assert_true(es_is_none(esi_term_copy(term, words, &chain)));
        assert_true(esi_fail_stop());
        assert_null(chain);
        assert_int_equal(esi_shared_live(), live);
    }
}

static void test_a_list_of_a_million_elements_needs_no_work_list(void **state)
{
    enum { COUNT = 1000000 };
    uint64_t *words = malloc((size_t)COUNT * 2 * sizeof *words);
    size_t count;
    (void)state;
    assert_non_null(words);
    for (size_t i = 0; i < COUNT; i++) {
        words[2 * i] = esi_word_of_small((int64_t)i);
        words[2 * i + 1] = i + 1 < COUNT ? esi_word_of_cons(words + 2 * i + 2) : ESI_NIL_WORD;
    }
    es_term list = {esi_word_of_cons(words)};
    esi_fail_after(1);
    assert_int_equal(esi_term_measure(list, &count), ES_OK);
    assert_false(esi_fail_stop());
    assert_int_equal(count, 2 * COUNT);
    assert_int_equal(es_list_length(list), COUNT);
    free(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copy_takes_exactly_the_measured_words_and_is_equal),
        cmocka_unit_test(test_immediates_need_no_words),
        cmocka_unit_test(test_a_literal_with_all_kinds_survives_its_block),
        cmocka_unit_test(test_what_is_no_value_is_refused_with_its_place),
        cmocka_unit_test(test_long_binaries_are_shared_by_all_copies),
        cmocka_unit_test(test_a_shared_binary_is_sent_without_copying_its_bytes),
        cmocka_unit_test(test_a_copy_without_memory_for_bytes_gives_no_term_and_keeps_nothing),
        cmocka_unit_test(test_a_list_of_a_million_elements_needs_no_work_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
