/* tests/term/atom.c - atoms are the same word for the same text, whoever makes them, and stay. */
#include "term_data.h"

#include <pthread.h>
#include <engset/match.h>
#include "base/fail.h"
#include "term/atom.h"

ES_ATOMS(ping, exit_, int_, ping2);
ES_ATOMS(ping); /* again, as a header may */
ES_ATOM(node_down, "node.down");

static void test_declared_atoms_have_their_names_as_text(void **state)
{
    (void)state;
    assert_string_equal(es_atom_text(ping), "ping");
    assert_string_equal(es_atom_text(exit_), "exit");
    assert_string_equal(es_atom_text(int_), "int");
    assert_string_equal(es_atom_text(node_down), "node.down");
    assert_true(es_atom_equal(exit_, es_am_exit));
    assert_int_equal(es_atom_length(ping2), 5);
}

static void test_predefined_atoms_are_found_by_their_text(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ESI_AM_COUNT; i++) {
        es_atom atom = esi_atom_of_index(i), found;
        assert_int_equal(es_atom_find(es_atom_text(atom), es_atom_length(atom), &found), ES_OK);
        assert_true(es_atom_equal(atom, found));
    }
    assert_string_equal(es_atom_text(es_am_nonode_nohost), "nonode@nohost");
    assert_string_equal(es_atom_text(es_am_gen_call), "$gen_call");
}

static void test_bad_text_makes_no_atom(void **state)
{
    char text[4 * 256];
    es_atom atom;
    (void)state;
    assert_int_equal(es_atom_make("\xff", 1, &atom), ES_EINVAL);
    assert_int_equal(es_atom_make("\xc0\x80", 2, &atom), ES_EINVAL);
    assert_int_equal(es_atom_find("nobody has made this", 20, &atom), ES_ENOTFOUND);
    for (int i = 0; i < 256; i++)
        memcpy(text + 2 * i, "\xc3\xa9", 2);
    assert_int_equal(es_atom_make(text, 2 * 256, &atom), ES_ELIMIT);
    assert_int_equal(es_atom_make(text, 2 * 255, &atom), ES_OK);
    assert_int_equal(es_atom_length(atom), 510);
    assert_int_equal(es_atom_make("a\0b", 3, &atom), ES_OK);
    assert_int_equal(es_atom_length(atom), 3);
}

static void test_a_full_table_takes_no_new_atoms_and_finds_the_old(void **state)
{
    es_atom atom;
    (void)state;
    esi_atom_set_limit(esi_atom_count());
    assert_int_equal(es_atom_make("one too many", 12, &atom), ES_ELIMIT);
    assert_int_equal(es_atom_make("ping", 4, &atom), ES_OK);
    esi_atom_set_limit(ESI_ATOM_LIMIT_DEFAULT);
    assert_int_equal(es_atom_make("one too many", 12, &atom), ES_OK);
}

enum { THREADS = 4, NAMES = 20000 };

static void *make_all(void *argument)
{
    es_atom *atoms = argument;
    char text[32];
    for (int i = 0; i < NAMES; i++) {
        int length = snprintf(text, sizeof text, "many_%d", i);
        if (es_atom_make(text, (size_t)length, &atoms[i]) != ES_OK ||
            strcmp(es_atom_text(atoms[i]), text) != 0)
            return argument;
    }
    return NULL;
}

static void test_threads_that_make_the_same_atoms_get_the_same_words(void **state)
{
    static es_atom atoms[THREADS][NAMES];
    pthread_t threads[THREADS];
    uint32_t before = esi_atom_count();
    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_all, atoms[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    for (int i = 1; i < THREADS; i++)
        assert_memory_equal(atoms[i], atoms[0], sizeof atoms[0]);
    assert_int_equal(esi_atom_count(), before + NAMES);
}

static void test_no_memory_makes_no_atom_and_harms_none(void **state)
{
    (void)state;
    for (int i = 0; i < 5000; i++) {
        char text[32];
        int length = snprintf(text, sizeof text, "sweep_%d", i);
        es_atom atom;
        es_err err;
        esi_fail_after(1);
        err = es_atom_make(text, (size_t)length, &atom);
        if (esi_fail_stop()) {
            assert_int_equal(err, ES_ENOMEM);
            assert_int_equal(es_atom_find(text, (size_t)length, &atom), ES_ENOTFOUND);
            assert_int_equal(es_atom_make(text, (size_t)length, &atom), ES_OK);
        }
        assert_string_equal(es_atom_text(atom), text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_declared_atoms_have_their_names_as_text),
        cmocka_unit_test(test_predefined_atoms_are_found_by_their_text),
        cmocka_unit_test(test_bad_text_makes_no_atom),
        cmocka_unit_test(test_a_full_table_takes_no_new_atoms_and_finds_the_old),
        cmocka_unit_test(test_threads_that_make_the_same_atoms_get_the_same_words),
        cmocka_unit_test(test_no_memory_makes_no_atom_and_harms_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
