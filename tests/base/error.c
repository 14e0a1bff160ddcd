/* tests/base/error.c - every error has a name and words. */
#include "case.h"
#include <engset/base.h>

static void test_every_error_has_a_name_and_words_of_its_own(void **state)
{
    (void)state;
    for (int error = ES_OK; error >= ES_EBUSY; error--) {
        assert_memory_equal(es_err_name(error), "ES_", 3);
        assert_string_not_equal(es_err_name(error), "ES_UNKNOWN");
        assert_string_not_equal(es_strerror(error), "unknown error");
        for (int other = ES_OK; other > error; other--) {
            assert_string_not_equal(es_err_name(error), es_err_name(other));
            assert_string_not_equal(es_strerror(error), es_strerror(other));
        }
    }
    assert_string_equal(es_err_name(ES_ENOMEM), "ES_ENOMEM");
    assert_string_equal(es_strerror(ES_ENOMEM), "no memory");
}

static void test_what_is_no_error_is_answered_too(void **state)
{
    (void)state;
    const int strange[] = {1, ES_EBUSY - 1, INT32_MIN, INT32_MAX};
    for (int i = 0; i < 4; i++) {
        assert_string_equal(es_err_name((es_err)strange[i]), "ES_UNKNOWN");
        assert_string_equal(es_strerror((es_err)strange[i]), "unknown error");
    }
}

static void test_the_version_is_that_of_the_header(void **state)
{
    (void)state;
    assert_int_equal(es_version(), ES_VERSION_NUMBER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_error_has_a_name_and_words_of_its_own),
        cmocka_unit_test(test_what_is_no_error_is_answered_too),
        cmocka_unit_test(test_the_version_is_that_of_the_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
