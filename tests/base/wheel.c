/* tests/base/wheel.c - the wheel against a plain array, over all of 64 bits. */
#include "case.h"
#include "base/random.h"
#include "base/wheel.h"

enum { TIMERS = 200 };
static const uint64_t ms = 1000000, year = UINT64_C(31557600000000000);

struct item {
    struct esi_timer_node timer;
    uint64_t order;
};

/* Deadlines of every size: most near, some far, some past, some equal. */
static uint64_t some_span(struct esi_random *random)
{
    return esi_random_next(random) >> esi_random_below(random, 64);
}

static uint64_t add(uint64_t x, uint64_t y)
{
    return x + y < x ? UINT64_MAX : x + y;
}

static uint64_t earliest(const struct item *items)
{
    uint64_t result = UINT64_MAX;
    for (int i = 0; i < TIMERS; i++) {
        if (esi_wheel_is_armed(&items[i].timer) && items[i].timer.deadline_ns < result)
            result = items[i].timer.deadline_ns;
    }
    return result;
}

/* All that is due has fired, nothing else has, and it came in the right order. */
static void expire_and_check(struct esi_wheel *wheel, struct item *items, uint64_t now)
{
    struct esi_list fired;
    size_t due = 0;
    for (int i = 0; i < TIMERS; i++)
        due += esi_wheel_is_armed(&items[i].timer) && items[i].timer.deadline_ns <= now;
    esi_list_init(&fired);
    esi_wheel_expire(wheel, now, &fired);
    struct item *last = NULL;
    for (struct esi_list *node; (node = esi_list_pop_front(&fired)); due--) {
        struct item *item = ESI_CONTAINER_OF(node, struct item, timer.in_wheel);
        assert_true(due > 0);
        assert_true(item->timer.deadline_ns <= now);
        if (last && last->timer.deadline_ns == item->timer.deadline_ns)
            assert_true(last->order < item->order);
        else if (last)
            assert_true(last->timer.deadline_ns < item->timer.deadline_ns);
        last = item;
    }
    assert_int_equal(due, 0);
}

static void play(uint64_t seed, uint64_t now)
{
    struct esi_wheel *wheel = malloc(sizeof *wheel);
    assert_non_null(wheel);
    struct item items[TIMERS];
    struct esi_random random;
    uint64_t order = 0;
    esi_random_seed(&random, seed);
    esi_wheel_init(wheel, now);
    for (int i = 0; i < TIMERS; i++)
        esi_timer_node_init(&items[i].timer);
    for (int step = 0; step < 3000; step++) {
        struct item *item = &items[esi_random_below(&random, TIMERS)];
        uint64_t span = some_span(&random);
        switch (esi_random_below(&random, 8)) {
        case 0:
            now = add(now, span >> 24);
            expire_and_check(wheel, items, now);
            break;
        case 1: /* to the earliest, and to just before it */
            if (earliest(items) == UINT64_MAX)
                break;
            if (earliest(items) > now) {
                now = earliest(items) - 1;
                expire_and_check(wheel, items, now);
            }
            now = earliest(items) > now ? earliest(items) : now;
            expire_and_check(wheel, items, now);
            break;
        case 2:
            esi_wheel_remove(&item->timer);
            assert_false(esi_wheel_is_armed(&item->timer));
            break;
        case 3: /* a clock that goes back for once */
            expire_and_check(wheel, items, span < now ? now - span : 0);
            break;
        default:
            if (esi_wheel_is_armed(&item->timer))
                break;
            item->order = order++;
            if (esi_random_below(&random, 5) == 0)
                esi_wheel_insert(wheel, &item->timer, now > span ? now - span : 0);
            else if (esi_random_below(&random, 5) == 0)
                esi_wheel_insert(wheel, &item->timer, add(now, 7 * ms));
            else
                esi_wheel_insert(wheel, &item->timer, add(now, span));
        }
        assert_true(esi_wheel_next(wheel) <= earliest(items));
    }
    now = UINT64_MAX;
    expire_and_check(wheel, items, now);
    assert_int_equal(esi_wheel_next(wheel), UINT64_MAX);
    free(wheel);
}

static void test_random_timers_agree_with_a_plain_array(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        play(seed, 0);
        play(seed, 1000 * year / 7 * (seed % 7));
        play(seed, UINT64_MAX - (UINT64_C(1) << seed));
    }
}

static void test_one_far_timer_needs_one_wake_up(void **state)
{
    (void)state;
    struct esi_wheel wheel;
    struct esi_timer_node timer;
    struct esi_list fired;
    esi_timer_node_init(&timer);
    esi_list_init(&fired);
    for (uint64_t span = 1; span < 500 * year; span *= 3) {
        esi_wheel_init(&wheel, 12345 * ms);
        esi_wheel_insert(&wheel, &timer, 12345 * ms + span);
        assert_int_equal(esi_wheel_next(&wheel), 12345 * ms + span);
        esi_wheel_expire(&wheel, 12345 * ms + span - 1, &fired);
        assert_true(esi_list_is_empty(&fired));
        esi_wheel_expire(&wheel, 12345 * ms + span, &fired);
        assert_ptr_equal(esi_list_pop_front(&fired), &timer.in_wheel);
    }
}

static void test_a_stopped_timer_costs_few_wake_ups_even_among_many(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    static struct esi_timer_node timers[MANY], early;
    struct esi_wheel wheel;
    struct esi_list fired;
    esi_list_init(&fired);
    esi_wheel_init(&wheel, 0);
    esi_timer_node_init(&early);
    for (int i = 0; i < MANY; i++) {
        esi_timer_node_init(&timers[i]);
        esi_wheel_insert(&wheel, &timers[i], year + (uint64_t)i);
    }
    esi_wheel_insert(&wheel, &early, year - 10000000 * ms);
    esi_wheel_remove(&early);
    int wake_ups = 0;
    while (esi_list_is_empty(&fired)) {
        uint64_t next = esi_wheel_next(&wheel);
        assert_true(next <= year);
        esi_wheel_expire(&wheel, next, &fired);
        wake_ups++;
    }
    assert_in_range(wake_ups, 1, ESI_WHEEL_LEVELS);
}

static void test_a_fired_timer_can_still_be_stopped(void **state)
{
    (void)state;
    struct esi_wheel wheel;
    struct esi_timer_node x, y;
    struct esi_list fired;
    esi_list_init(&fired);
    esi_wheel_init(&wheel, 0);
    esi_timer_node_init(&x);
    esi_timer_node_init(&y);
    esi_wheel_insert(&wheel, &x, 5);
    esi_wheel_insert(&wheel, &y, 3);
    esi_wheel_expire(&wheel, 5, &fired);
    assert_true(esi_wheel_is_armed(&y));
    esi_wheel_remove(&y);
    assert_ptr_equal(esi_list_pop_front(&fired), &x.in_wheel);
    assert_true(esi_list_is_empty(&fired));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_timers_agree_with_a_plain_array),
        cmocka_unit_test(test_one_far_timer_needs_one_wake_up),
        cmocka_unit_test(test_a_stopped_timer_costs_few_wake_ups_even_among_many),
        cmocka_unit_test(test_a_fired_timer_can_still_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
