/* tests/platform/world.c - the two worlds: clock, random bytes, and whether we may run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "platform/clock.h"
#include "platform/platform.h"
#include "platform/random.h"

static void test_the_real_clock_never_goes_back(void **state)
{
    (void)state;
    uint64_t last = esi_clock_now_ns();
    for (int i = 0; i < 10000; i++) {
        uint64_t now = esi_clock_now_ns();
        assert_true(now >= last);
        last = now;
    }
    assert_true(esi_clock_wall_ns() > UINT64_C(1700000000) * ESI_NS_PER_S);
}

static void test_the_virtual_clock_moves_only_when_told(void **state)
{
    (void)state;
    assert_false(esi_platform_is_sim());
    esi_platform_sim_start(7);
    assert_true(esi_platform_is_sim());
    uint64_t wall = esi_clock_wall_ns();
    for (int i = 0; i < 1000; i++)
        assert_int_equal(esi_clock_now_ns(), ESI_NS_PER_S);
    esi_sim_clock_advance_to(5 * ESI_NS_PER_S + 3);
    assert_int_equal(esi_clock_now_ns(), 5 * ESI_NS_PER_S + 3);
    assert_int_equal(esi_clock_wall_ns() - wall, 4 * ESI_NS_PER_S + 3);
    esi_platform_sim_stop();
    assert_false(esi_platform_is_sim());
    esi_platform_sim_start(7);
    assert_int_equal(esi_clock_now_ns(), ESI_NS_PER_S);
    esi_platform_sim_stop();
}

static void sim_bytes(uint64_t seed, unsigned char *bytes, size_t size)
{
    esi_platform_sim_start(seed);
    esi_random_bytes(bytes, size);
    esi_platform_sim_stop();
}

static void test_simulated_random_bytes_come_from_the_seed(void **state)
{
    (void)state;
    unsigned char one[101], again[101], other[101];
    sim_bytes(1, one, sizeof one);
    sim_bytes(1, again, sizeof again);
    sim_bytes(2, other, sizeof other);
    assert_memory_equal(one, again, sizeof one);
    assert_memory_not_equal(one, other, sizeof one);
}

static void test_real_random_bytes_fill_all_of_the_memory_and_no_more(void **state)
{
    (void)state;
    unsigned char bytes[1000], seen[1000] = {0};
    for (int round = 0; round < 20; round++) {
        memset(bytes, 0, sizeof bytes);
        esi_random_bytes(bytes, 999);
        for (size_t i = 0; i < sizeof bytes; i++)
            seen[i] |= bytes[i];
    }
    for (size_t i = 0; i < 999; i++)
        assert_int_not_equal(seen[i], 0);
    assert_int_equal(seen[999], 0);
    assert_true(esi_random_u64() != esi_random_u64());
}

static void test_this_machine_is_fit(void **state)
{
    (void)state;
    const char *why = NULL;
    assert_int_equal(esi_platform_check(&why), ES_OK);
    assert_null(why);
    esi_platform_start();
    esi_platform_start();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_real_clock_never_goes_back),
        cmocka_unit_test(test_the_virtual_clock_moves_only_when_told),
        cmocka_unit_test(test_simulated_random_bytes_come_from_the_seed),
        cmocka_unit_test(test_real_random_bytes_fill_all_of_the_memory_and_no_more),
        cmocka_unit_test(test_this_machine_is_fit),
    };
    return cmocka_run_group_tests_name("platform/world", tests, NULL, NULL);
}
