/* tests/term/compare.c - the order of terms is Erlang's. */
#include "term_data.h"

#include "term/compare.h"
#include "term/build.h"
#include "term/atom.h"
#include <engset/match.h>

enum { TERMS_MAX = 200 };

static char sign(int order)
{
    return order < 0 ? '<' : order > 0 ? '>' : '=';
}

static void test_every_pair_is_ordered_as_by_a_real_erlang(void **state)
{
    static struct esi_parse_result terms[TERMS_MAX];
    static char line[2048];
    FILE *file = data_open("order.txt");
    size_t count = 0;
    (void)state;
    while (data_line(file, line, sizeof line)) {
        char *signs = strchr(line, '\t'), *exact;
        *signs++ = '\0';
        exact = strchr(signs, '\t');
        *exact++ = '\0';
        terms[count] = parsed(line);
        assert_int_equal(strlen(signs), count);
        for (size_t i = 0; i < count; i++) {
            if (sign(es_compare(terms[count].term, terms[i].term)) != signs[i])
                print_error("%s and number %zu: '%c'\n", line, i, signs[i]);
            assert_int_equal(sign(es_compare(terms[count].term, terms[i].term)), signs[i]);
            assert_int_equal(-es_compare(terms[count].term, terms[i].term),
                             es_compare(terms[i].term, terms[count].term));
            assert_int_equal(es_equal(terms[count].term, terms[i].term), exact[i] == '=');
        }
        assert_true(es_equal(terms[count].term, terms[count].term));
        count++;
    }
    assert_true(count > 100);
    fclose(file);
    while (count > 0)
        esi_parse_free(&terms[--count]);
}

/* What binary_to_term() made of these, sorted by OTP 25:
 * pids by serial, number, node's name, creation; references and ports by node first. */
static void test_pids_refs_and_ports_of_many_nodes_are_ordered_as_by_a_real_erlang(void **state)
{
    es_atom a_name, z_name;
    uint32_t a, z;
    (void)state;
    assert_int_equal(es_atom_make("z@h", 3, &z_name), ES_OK);
    assert_int_equal(es_atom_make("a@h", 3, &a_name), ES_OK);
    a = esi_atom_index(a_name);
    z = esi_atom_index(z_name);
    const es_pid pids[] = {{1, a, 1}, {1, a, 2}, {1, z, 1}, {2, a, 1}, {1 | (uint64_t)1 << 32, a, 1}};
    const es_ref refs[] = {{0, 0, a, 1, 9, 1},
                           {2, 0, a, 1, 1, 2},
                           {3 | (uint64_t)1 << 32, 0, a, 1, 1, 3},
                           {1 | (uint64_t)3 << 32, 0, a, 1, 2, 3},
                           {2 | (uint64_t)3 << 32, 0, a, 1, 1, 3},
                           {2 | (uint64_t)3 << 32, 5 | (uint64_t)4 << 32, a, 1, 1, 5},
                           {2 | (uint64_t)3 << 32, 4 | (uint64_t)5 << 32, a, 1, 1, 5},
                           {2 | (uint64_t)3 << 32, 0, a, 2, 1, 3},
                           {2 | (uint64_t)3 << 32, 0, z, 1, 1, 3}};
    const es_port ports[] = {{1, a, 1}, {2, a, 1}, {1, a, 2}, {1, z, 1}};
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 5; j++)
            assert_int_equal(es_compare(es_lend(pids[i]), es_lend(pids[j])), (i > j) - (i < j));
    for (size_t i = 0; i < 9; i++)
        for (size_t j = 0; j < 9; j++)
            assert_int_equal(es_compare(es_lend(refs[i]), es_lend(refs[j])), (i > j) - (i < j));
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++)
            assert_int_equal(es_compare(es_lend(ports[i]), es_lend(ports[j])), (i > j) - (i < j));
}

static void test_kinds_that_have_no_text_stand_between_the_others(void **state)
{
    const es_ref ref = {1, 0, 0, 0, 0, 0};
    const es_port port = {1, 5, 1};
    const es_pid pid = {1, 0, 0};
    struct esi_parse_result fun = parsed("fun a:b/1");
    const es_term row[] = {es_lend(1.5),    es_lend(es_am_ok),   es_lend(ref),        fun.term,
                           es_lend(port),   es_lend(pid),        es_lend(ES_TUPLE()), es_lend(ES_MAP()),
                           es_lend(ES_NIL), es_lend(ES_LIST(1)), es_lend("")};
    (void)state;
    for (size_t i = 0; i < 11; i++)
        for (size_t j = 0; j < 11; j++)
            assert_int_equal(es_compare(row[i], row[j]), (i > j) - (i < j));
    esi_parse_free(&fun);
}

static void test_a_million_brackets_are_compared_copied_and_printed_without_recursion(void **state)
{
    enum { DEPTH = 1000000 };
    uint64_t *words = malloc((size_t)DEPTH * 6 * sizeof *words), *at = words;
    es_term pair[2];
    size_t count;
    (void)state;
    assert_non_null(words);
    for (int which = 0; which < 2; which++) {
        es_term term = es_nil();
        for (int i = 0; i < DEPTH; i++) {
            uint64_t *elements;
            es_term next = esi_put_tuple(&at, 2, &elements);
            elements[0] = term.w;
            elements[1] = esi_small_term(i == 0 ? which : 0).w;
            term = next;
        }
        pair[which] = term;
    }
    assert_int_equal(es_compare(pair[0], pair[1]), -1);
    assert_int_equal(esi_term_measure(pair[0], &count), ES_OK);
    assert_int_equal(count, 3 * DEPTH);
    uint64_t *copy = malloc(count * sizeof *copy);
    struct esi_offheap *chain = NULL;
    assert_non_null(copy);
    assert_true(es_equal(esi_term_copy(pair[0], copy, &chain), pair[0]));
    assert_int_equal(es_print(NULL, 0, pair[0]), 4 * (int64_t)DEPTH + 2);
    free(copy);
    free(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pair_is_ordered_as_by_a_real_erlang),
        cmocka_unit_test(test_pids_refs_and_ports_of_many_nodes_are_ordered_as_by_a_real_erlang),
        cmocka_unit_test(test_kinds_that_have_no_text_stand_between_the_others),
        cmocka_unit_test(test_a_million_brackets_are_compared_copied_and_printed_without_recursion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
