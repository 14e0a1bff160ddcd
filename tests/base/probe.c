/* tests/base/probe.c - the tap runs when it is plugged in, and only then. */
#include "case.h"
#include "base/probe.h"

static enum esi_probe_kind kind_seen;
static uint64_t sum;

static void watch(enum esi_probe_kind kind, uint64_t a, uint64_t b, uint64_t c)
{
    kind_seen = kind;
    sum += 100 * a + 10 * b + c;
}

static void test_a_tap_gets_what_happens_while_it_is_plugged_in(void **state)
{
    (void)state;
    int evaluated = 0;
    esi_probe(SPAWN, ++evaluated, 0, 0);
    assert_int_equal(evaluated, 0);
    atomic_store(&esi_tap, watch);
    esi_probe(SEND, ++evaluated, 2, 3);
    atomic_store(&esi_tap, NULL);
    esi_probe(EXIT, ++evaluated, 2, 3);
    assert_int_equal(evaluated, 1);
    assert_int_equal(kind_seen, ESI_PROBE_SEND);
    assert_int_equal(sum, 123);
}

static void test_each_kind_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < ESI_PROBE_KINDS; i++) {
        assert_string_not_equal(esi_probe_name(i), "unknown");
        for (int j = 0; j < i; j++)
            assert_string_not_equal(esi_probe_name(i), esi_probe_name(j));
    }
    assert_string_equal(esi_probe_name(ESI_PROBE_HANDOVER), "handover");
    assert_string_equal(esi_probe_name(ESI_PROBE_KINDS), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tap_gets_what_happens_while_it_is_plugged_in),
        cmocka_unit_test(test_each_kind_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
