/* tests/term/match.c - patterns match what they say, bind what they may, and their tags never hide a message. */
#include "term_data.h"

#include <limits.h>
#include <engset/match.h>
#include "term/compare.h"
#include "term/tag.h"

ES_ATOMS(ping, pong, add);

static void test_values_match_themselves_and_nothing_else(void **state)
{
    es_term term = es_lend(ES_TUPLE(ping, 1, 2.5, "bytes", ES_LIST(1, 2), ES_NIL, true));
    (void)state;
    assert_true(es_match(term, ES_TUPLE(ping, 1, 2.5, "bytes", ES_LIST(1, 2), ES_NIL, true)));
    assert_true(es_match(term, ES_TUPLE(ping, ES_ANY, ES_ANY, ES_ANY, ES_ANY, ES_ANY, ES_ANY)));
    assert_true(es_match(term, term));
    assert_false(es_match(term, ES_TUPLE(pong, ES_ANY, ES_ANY, ES_ANY, ES_ANY, ES_ANY, ES_ANY)));
    assert_false(es_match(term, ES_TUPLE(ping, 1)));
    assert_false(es_match(term, ES_TUPLE(ping, 1, 2.5, "byteS", ES_LIST(1, 2), ES_NIL, true)));
    assert_false(es_match(term, ES_TUPLE(ping, 1.0, 2.5, "bytes", ES_LIST(1, 2), ES_NIL, true)));
    assert_false(es_match(term, ES_TUPLE(ping, 1, 2.5, "bytes", ES_LIST(1, 2, 3), ES_NIL, true)));
    assert_false(es_match(term, ES_TUPLE(ping, 1, 2.5, "bytes", ES_LIST(1, 2), ES_NIL, false)));
    assert_false(es_match(term, ping));
    assert_true(es_match(es_lend(ping), ping));
    assert_true(es_match(es_lend(ES_TUPLE()), ES_TUPLE()));
    assert_false(es_match(es_lend(ES_NIL), ES_TUPLE()));
    assert_true(es_match(es_lend(ES_LIST()), ES_NIL));
    assert_false(es_match(es_none(), ES_TUPLE(ping)));
    assert_false(es_match(es_none(), 1));
}

static void test_integers_bind_to_what_they_fit(void **state)
{
    int i = 0;
    unsigned u = 0;
    int64_t n = 0;
    uint64_t m = 0;
    long long l = 0;
    double d = 0;
    (void)state;
    assert_true(es_match(es_lend(-5), &i) && i == -5);
    assert_true(es_match(es_lend(INT_MAX), &i) && i == INT_MAX);
    assert_false(es_match(es_lend((int64_t)INT_MAX + 1), &i));
    assert_false(es_match(es_lend(-5), &u));
    assert_true(es_match(es_lend(UINT_MAX), &u) && u == UINT_MAX);
    assert_true(es_match(es_lend(INT64_MIN), &n) && n == INT64_MIN);
    assert_true(es_match(es_lend(INT64_MAX), &l) && l == INT64_MAX);
    assert_true(es_match(es_lend(UINT64_MAX), &m) && m == UINT64_MAX);
    assert_false(es_match(es_lend(UINT64_MAX), &n));
    assert_false(es_match(es_lend(-1), &m));
    assert_false(es_match(es_lend(1), &d));
    assert_false(es_match(es_lend(1.0), &n));
    assert_true(es_match(es_lend(-2.5), &d) && d == -2.5);
    assert_true(es_match(es_lend(ES_TUPLE(1, INT64_MIN, INT64_MAX)), ES_TUPLE(&i, &n, &l)) && i == 1 &&
                n == INT64_MIN && l == INT64_MAX);
}

static void test_binders_take_their_own_type_alone(void **state)
{
    const es_pid here = {5, 0, 0}, there = {5, 6, 7};
    const es_ref ref = {1, 2, 3, 4, 5, 5};
    const es_port port = {8, 9, 10};
    es_pid pid = {0};
    es_ref got_ref = {0};
    es_port got_port = {0};
    es_atom atom = {0};
    es_bin bin = {0};
    bool yes = false;
    es_term any = {0};
    es_term term = es_lend(ES_TUPLE(here, there, ref, port, ping, "text", true, ES_TUPLE(1)));
    (void)state;
    assert_true(es_match(term, ES_TUPLE(&pid, ES_ANY, &got_ref, &got_port, &atom, &bin, &yes, &any)));
    assert_true(es_pid_equal(pid, here) && es_ref_equal(ref, got_ref) && es_port_equal(port, got_port) &&
                yes);
    assert_true(es_atom_equal(atom, ping) && bin.size == 4 && memcmp(bin.data, "text", 4) == 0);
    assert_prints(any, "{1}");
    assert_true(es_match(term, ES_TUPLE(here, there, ref, port, ES_ANY, ES_ANY, ES_ANY, ES_ANY)));
    assert_true(es_match(es_tuple_get(term, 1), &pid) && es_pid_equal(pid, there));
    assert_false(es_match(term, &pid) || es_match(term, &got_ref) || es_match(term, &atom) ||
                 es_match(term, &bin));
    assert_false(es_match(es_lend(here), &got_ref) || es_match(es_lend(ping), &yes) ||
                 es_match(es_lend(1), &atom));
    assert_true(es_match(es_lend(true), &atom) && es_atom_equal(atom, es_am_true));
}

static void test_lists_come_apart(void **state)
{
    es_term head, tail;
    int64_t n = 0, m = 0;
    (void)state;
    assert_true(es_match(es_lend(ES_LIST(1, 2, 3)), ES_CONS(&n, &tail)) && n == 1);
    assert_prints(tail, "[2,3]");
    assert_true(es_match(es_lend(ES_LIST(1, 2, 3)), ES_CONS(1, ES_CONS(&n, &tail))) && n == 2);
    assert_true(es_match(es_lend(ES_LIST(1, 2)), ES_LIST(&n, &m)) && m == 2);
    assert_false(es_match(es_lend(ES_LIST(1)), ES_LIST(&n, &m)));
    assert_false(es_match(es_lend(ES_NIL), ES_CONS(&head, &tail)));
    assert_true(es_match(es_lend(ES_CONS(1, 2)), ES_CONS(&n, &m)) && m == 2);
}

static void test_a_map_in_a_pattern_asks_for_its_keys_and_a_bound_map_for_all(void **state)
{
    int64_t n = 0, m = 0;
    es_term term = es_lend(ES_MAP(ping, 1, pong, 2, "key", 3, 1.0, 4, 1, 5));
    uint64_t words[32];
    struct esi_offheap *chain = NULL;
    es_term real = esi_term_copy(es_lend(ES_MAP(ping, 1)), words, &chain);
    (void)state;
    assert_int_equal(es_map_size(term), 5);
    assert_true(es_match(term, ES_MAP("key", &n, ping, &m)) && n == 3 && m == 1);
    assert_true(es_match(term, ES_MAP(1, 5, 1.0, 4)));
    assert_true(es_match(term, ES_MAP()));
    assert_false(es_match(term, ES_MAP(add, &n)));
    assert_false(es_match(term, ES_MAP(ping, 2)));
    assert_false(es_match(term, real));
    assert_true(es_match(es_lend(ES_MAP(ping, 1)), real));
    assert_int_equal(es_map_size(es_lend(ES_MAP(ping, 1, ping, 2))), 1);
    assert_true(es_match(es_lend(ES_MAP(ping, 1, ping, 2)), ES_MAP(ping, 2)));
}

static void test_a_bound_term_in_a_pattern_is_compared_however_deep(void **state)
{
    static char text[20000];
    struct esi_parse_result a, b;
    es_term same;
    (void)state;
    memset(text, '[', 9000);
    memset(text + 9000, ']', 9000);
    a = parsed(text);
    b = parsed(text);
    assert_true(es_match(a.term, b.term));
    assert_true(es_match(es_lend(ES_TUPLE(ping, a.term)), ES_TUPLE(ping, b.term)));
    assert_true(es_match(es_lend(ES_TUPLE(ping, a.term)), ES_TUPLE(ping, &same)));
    esi_parse_free(&a);
    esi_parse_free(&b);
}

static es_term bound_term;
static es_atom bound_atom;
static int64_t bound_int;
static es_ref bound_ref;
static bool bound_bool;
static es_pid bound_pid;
static es_bin bound_bin;

/* One of many patterns: its tag, and whether it matches. */
static bool try_pattern(int number, es_term term, uint32_t *tag)
{
    switch (number) {
#define PATTERN(number, literal)               \
    case number:                               \
        *tag = esi_pattern_tag(ES_T(literal)); \
        return es_match(term, literal)
        PATTERN(0, ping);
        PATTERN(1, ES_TUPLE(ping));
        PATTERN(2, ES_TUPLE(ping, ES_ANY));
        PATTERN(3, ES_TUPLE(&bound_atom, ES_ANY));
        PATTERN(4, ES_TUPLE(&bound_term, ES_ANY));
        PATTERN(5, ES_TUPLE(ES_ANY, ES_ANY));
        PATTERN(6, ES_TUPLE(&bound_ref, ES_ANY));
        PATTERN(7, ES_TUPLE(((es_ref){1, 0, 0, 0, 0, 0}), ES_ANY));
        PATTERN(8, ES_TUPLE(&bound_int, ES_ANY));
        PATTERN(9, ES_TUPLE(&bound_pid, ES_ANY));
        PATTERN(10, ES_TUPLE(&bound_bool, ES_ANY));
        PATTERN(11, ES_TUPLE(true, ES_ANY));
        PATTERN(12, ES_TUPLE());
        PATTERN(13, ES_ANY);
        PATTERN(14, &bound_term);
        PATTERN(15, &bound_atom);
        PATTERN(16, &bound_int);
        PATTERN(17, &bound_bool);
        PATTERN(18, &bound_ref);
        PATTERN(19, &bound_bin);
        PATTERN(20, ES_CONS(ES_ANY, ES_ANY));
        PATTERN(21, ES_MAP());
        PATTERN(22, 1);
        PATTERN(23, "x");
        PATTERN(24, ES_TUPLE(1, ES_ANY));
        PATTERN(25, ES_TUPLE(ES_TUPLE(ping), ES_ANY));
        PATTERN(26, ES_TUPLE(&bound_bin, ES_ANY));
        PATTERN(27, ES_NIL);
        PATTERN(28, ES_TUPLE(ping, ES_ANY, ES_ANY, ES_ANY, ES_ANY, ES_ANY));
        PATTERN(29, true);
    default:
        return false;
    }
}

static void test_the_tags_of_a_pattern_and_of_a_term_it_matches_always_meet(void **state)
{
    const es_ref one = {1, 0, 0, 0, 0, 0}, far = {1, 0, 7, 1, 3, 3};
    const es_term terms[] = {
        es_lend(ping),
        es_lend(true),
        es_lend(1),
        es_lend(one),
        es_lend("x"),
        es_nil(),
        es_lend(ES_LIST(1)),
        es_lend(ES_MAP(1, 2)),
        es_lend(ES_TUPLE()),
        es_lend(ES_TUPLE(ping)),
        es_lend(ES_TUPLE(ping, 1)),
        es_lend(ES_TUPLE(pong, 1)),
        es_lend(ES_TUPLE(true, 1)),
        es_lend(ES_TUPLE(one, 1)),
        es_lend(ES_TUPLE(far, 1)),
        es_lend(ES_TUPLE(1, 1)),
        es_lend(ES_TUPLE(((es_pid){1, 0, 0}), 1)),
        es_lend(ES_TUPLE(((es_pid){1, 2, 0}), 1)),
        es_lend(ES_TUPLE("x", 1)),
        es_lend(ES_TUPLE(ES_TUPLE(ping), 1)),
        es_lend(ES_TUPLE(ping, 1, 2, 3, 4, 5)),
    };
    int matches = 0, skipped = 0;
    uint32_t tag = 0;
    (void)state;
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++) {
        for (int number = 0; number < 30; number++) {
            bool matched = try_pattern(number, terms[i], &tag);
            matches += matched;
            skipped += !esi_tag_may_match(tag, esi_term_tag(terms[i]));
            if (matched)
                assert_true(esi_tag_may_match(tag, esi_term_tag(terms[i])));
            assert_int_not_equal(esi_term_tag(terms[i]), ESI_TAG_ANY);
        }
    }
    assert_true(matches > 60);
    assert_true(skipped > 200); /* and they are worth having */
}

static void test_random_terms_match_themselves_and_their_tags_meet(void **state)
{
    static struct random_text random;
    (void)state;
    random.seed = 99;
    for (int i = 0; i < 5000; i++) {
        struct esi_parse_result a = parsed(random_text(&random)), b = parsed(random.text);
        uint32_t tag;
        assert_true(es_match(a.term, b.term));
        for (int number = 0; number < 30; number++)
            if (try_pattern(number, a.term, &tag))
                assert_true(esi_tag_may_match(tag, esi_term_tag(a.term)));
        assert_true(esi_tag_may_match(esi_pattern_tag(ES_T(b.term)), esi_term_tag(a.term)));
        esi_parse_free(&a);
        esi_parse_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_match_themselves_and_nothing_else),
        cmocka_unit_test(test_integers_bind_to_what_they_fit),
        cmocka_unit_test(test_binders_take_their_own_type_alone),
        cmocka_unit_test(test_lists_come_apart),
        cmocka_unit_test(test_a_map_in_a_pattern_asks_for_its_keys_and_a_bound_map_for_all),
        cmocka_unit_test(test_a_bound_term_in_a_pattern_is_compared_however_deep),
        cmocka_unit_test(test_the_tags_of_a_pattern_and_of_a_term_it_matches_always_meet),
        cmocka_unit_test(test_random_terms_match_themselves_and_their_tags_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
