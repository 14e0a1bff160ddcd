/* tests/exchange/routes.c - the directory's table: who has which Call-ID. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "routes.h"

static es_pid pid(uint64_t id)
{
    return (es_pid){.id = id};
}

static bool add(struct routes *r, const char *call_id, uint64_t id)
{
    return routes_add(r, es_bytes(call_id, strlen(call_id)), pid(id), false);
}

static uint64_t found(const struct routes *r, const char *call_id)
{
    const struct route *route = routes_find(r, call_id);
    return route ? route->pid.id : 0;
}

static void who_came_last_under_a_call_id_is_found(void **state)
{
    struct routes *r = calloc(1, sizeof *r);
    (void)state;
    assert_int_equal(found(r, "a"), 0);
    assert_true(add(r, "a", 1));
    assert_true(add(r, "b", 2));
    assert_int_equal(found(r, "a"), 1);
    assert_true(add(r, "a", 3));
    assert_int_equal(found(r, "a"), 3);
    assert_int_equal(found(r, "b"), 2);
    free(r);
}

static void when_one_goes_the_other_of_its_call_id_is_found_again(void **state)
{
    struct routes *r = calloc(1, sizeof *r);
    (void)state;
    assert_true(add(r, "a", 1) && add(r, "a", 2) && add(r, "a", 3));
    routes_remove(r, pid(2));
    assert_int_equal(found(r, "a"), 3);
    routes_remove(r, pid(3));
    assert_int_equal(found(r, "a"), 1);
    routes_remove(r, pid(1));
    routes_remove(r, pid(1));
    assert_int_equal(found(r, "a"), 0);
    assert_int_equal(r->count, 0);
    free(r);
}

static void a_leg_is_found_before_its_call(void **state)
{
    struct routes *r = calloc(1, sizeof *r);
    (void)state;
    assert_true(add(r, "a", 1));
    assert_true(routes_add(r, es_bytes("a", 1), pid(2), true));
    assert_int_equal(found(r, "a"), 1);
    routes_remove(r, pid(1));
    assert_int_equal(found(r, "a"), 2);
    free(r);
}

static void a_full_table_refuses_and_takes_again_when_some_have_gone(void **state)
{
    struct routes *r = calloc(1, sizeof *r);
    char call_id[20];
    (void)state;
    for (uint64_t i = 1; i <= ROUTES_MAX; i++) {
        snprintf(call_id, sizeof call_id, "%u", (unsigned)i);
        assert_true(add(r, call_id, i));
    }
    assert_false(add(r, "one more", ROUTES_MAX + 1));
    for (uint64_t i = 1; i <= ROUTES_MAX; i += 2)
        routes_remove(r, pid(i));
    for (uint64_t i = 2; i <= ROUTES_MAX; i += 2) {
        snprintf(call_id, sizeof call_id, "%u", (unsigned)i);
        assert_int_equal(found(r, call_id), i);
        assert_int_equal(routes_of(r, pid(i))->pid.id, i);
    }
    for (uint64_t i = 1; i <= ROUTES_MAX / 2; i++)
        assert_true(add(r, "again", ROUTES_MAX + i));
    assert_false(add(r, "again", 3 * ROUTES_MAX));
    free(r);
}

static void a_call_id_that_is_too_long_is_refused(void **state)
{
    struct routes *r = calloc(1, sizeof *r);
    char call_id[SIP_CALL_ID_MAX + 1];
    (void)state;
    memset(call_id, 'x', sizeof call_id);
    call_id[SIP_CALL_ID_MAX] = '\0';
    assert_false(add(r, call_id, 1));
    call_id[SIP_CALL_ID_MAX - 1] = '\0';
    assert_true(add(r, call_id, 1));
    assert_int_equal(found(r, call_id), 1);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_came_last_under_a_call_id_is_found),
        cmocka_unit_test(when_one_goes_the_other_of_its_call_id_is_found_again),
        cmocka_unit_test(a_leg_is_found_before_its_call),
        cmocka_unit_test(a_full_table_refuses_and_takes_again_when_some_have_gone),
        cmocka_unit_test(a_call_id_that_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
