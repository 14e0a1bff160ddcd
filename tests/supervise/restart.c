/* restart.c - proves what a supervisor decides: by tables, and the window of its restarts against a list that forgets nothing. */
#include "supervise/restart.h"

#include <stdlib.h>
#include <engset/match.h>
#include "base/random.h"
#include "case.h"
#include "rounds.h"

ES_ATOMS(crash);

static void each_kind_of_child_ends_as_the_table_says(void **state)
{
    static const struct {
        es_restart restart;
        enum esi_ending ending;
        struct esi_verdict verdict;
    } table[] = {
        {ES_PERMANENT, ESI_ENDED_NORMAL, {.deed = ESI_RESTART, .is_error = true}},
        {ES_PERMANENT, ESI_ENDED_SHUTDOWN, {.deed = ESI_RESTART, .is_error = true}},
        {ES_PERMANENT, ESI_ENDED_BADLY, {.deed = ESI_RESTART, .is_error = true}},
        {ES_TRANSIENT, ESI_ENDED_NORMAL, {.deed = ESI_KEEP, .may_end = true}},
        {ES_TRANSIENT, ESI_ENDED_SHUTDOWN, {.deed = ESI_RESTART, .is_error = true}},
        {ES_TRANSIENT, ESI_ENDED_BADLY, {.deed = ESI_RESTART, .is_error = true}},
        {ES_TEMPORARY, ESI_ENDED_NORMAL, {.deed = ESI_FORGET, .may_end = true}},
        {ES_TEMPORARY, ESI_ENDED_SHUTDOWN, {.deed = ESI_FORGET, .may_end = true}},
        {ES_TEMPORARY, ESI_ENDED_BADLY, {.deed = ESI_FORGET, .is_error = true, .may_end = true}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct esi_verdict verdict = esi_judge(table[i].restart, table[i].ending);
        assert_int_equal(verdict.deed, table[i].verdict.deed);
        assert_int_equal(verdict.is_error, table[i].verdict.is_error);
        assert_int_equal(verdict.may_end, table[i].verdict.may_end);
    }
}

static enum esi_ending ending_of(es_literal reason, bool escalates)
{
    return esi_ending_of(es_lend(reason), escalates);
}

static void a_reason_is_an_end_as_it_should_be_or_a_failure(void **state)
{
    (void)state;
    for (int escalates = 0; escalates < 2; escalates++) {
        enum esi_ending given_up = escalates ? ESI_ENDED_SHUTDOWN : ESI_ENDED_NORMAL;
        assert_int_equal(ending_of(ES_T(es_am_normal), escalates), ESI_ENDED_NORMAL);
        assert_int_equal(ending_of(ES_T(es_am_shutdown), escalates), given_up);
        assert_int_equal(ending_of(ES_TUPLE(es_am_shutdown, crash), escalates), given_up);
        assert_int_equal(ending_of(ES_TUPLE(es_am_shutdown), escalates), ESI_ENDED_BADLY);
        assert_int_equal(ending_of(ES_TUPLE(es_am_shutdown, 1, 2), escalates), ESI_ENDED_BADLY);
        assert_int_equal(ending_of(ES_TUPLE(es_am_normal, 1), escalates), ESI_ENDED_BADLY);
        assert_int_equal(ending_of(ES_T(es_am_killed), escalates), ESI_ENDED_BADLY);
        assert_int_equal(ending_of(ES_T(crash), escalates), ESI_ENDED_BADLY);
    }
}

static void a_significant_end_ends_the_supervisor_as_it_wants(void **state)
{
    static const struct {
        es_auto_shutdown mode;
        bool is_significant;
        int64_t left;
        bool ends;
    } table[] = {
        {ES_SHUTDOWN_NEVER, true, 0, false},   {ES_SHUTDOWN_NEVER, false, 0, false},
        {ES_SHUTDOWN_ON_ANY, true, 3, true},   {ES_SHUTDOWN_ON_ANY, true, 0, true},
        {ES_SHUTDOWN_ON_ANY, false, 3, false}, {ES_SHUTDOWN_ON_ANY, false, 0, false},
        {ES_SHUTDOWN_ON_ALL, true, 1, false},  {ES_SHUTDOWN_ON_ALL, true, 0, true},
        {ES_SHUTDOWN_ON_ALL, false, 0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(esi_shuts_down(table[i].mode, table[i].is_significant, table[i].left),
                         table[i].ends);
}

static void a_restart_takes_along_whom_the_strategy_names(void **state)
{
    (void)state;
    static const struct {
        es_strategy strategy;
        bool earlier, itself, later;
    } table[] = {
        {ES_ONE_FOR_ONE, false, true, false},
        {ES_SIMPLE_ONE_FOR_ONE, false, true, false},
        {ES_REST_FOR_ONE, false, true, true},
        {ES_ONE_FOR_ALL, true, true, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        for (int64_t number = 0; number < 5; number++)
            for (int64_t other = 0; other < 5; other++) {
                struct esi_range range = esi_taken_along(table[i].strategy, number);
                bool is_in = range.first <= other && other <= range.last;
                assert_int_equal(is_in, other < number   ? table[i].earlier
                                        : other > number ? table[i].later
                                                         : table[i].itself);
            }
}

/* ---------------------------------------------------------------- back-off */

static void each_wait_is_twice_as_long_up_to_the_longest(void **state)
{
    static const int64_t waits[] = {100, 200, 400, 800, 1000, 1000, 1000};
    const es_backoff backoff = {.first_ms = 100, .max_ms = 1000};
    (void)state;
    for (int i = 0; i < 7; i++)
        assert_int_equal(esi_backoff_ms(&backoff, i + 1, 0.5), waits[i]);
    assert_int_equal(esi_backoff_ms(&backoff, INT64_MAX, 0.5), 1000);
    /* no longest wait: the first one each time; no first wait: at once */
    assert_int_equal(esi_backoff_ms(&(es_backoff){.first_ms = 100}, 7, 0.5), 100);
    assert_int_equal(esi_backoff_ms(&(es_backoff){.first_ms = 100, .max_ms = 30}, 7, 0.5), 100);
    assert_int_equal(esi_backoff_ms(&(es_backoff){.max_ms = 1000}, 7, 0.5), 0);
    assert_int_equal(esi_backoff_ms(&(es_backoff){.first_ms = 1, .max_ms = INT64_MAX}, 1000, 0), INT64_MAX);
}

static void chance_takes_off_a_part_as_large_as_the_jitter(void **state)
{
    struct esi_random random;
    (void)state;
    esi_random_seed(&random, 7);
    for (long n = rounds(100000); n > 0; n--) {
        es_backoff backoff = {.first_ms = 1 + (int64_t)esi_random_below(&random, 1000),
                              .max_ms = (int64_t)esi_random_below(&random, 100000)};
        int64_t tries = 1 + (int64_t)esi_random_below(&random, 40);
        int64_t longest = esi_backoff_ms(&backoff, tries, 0);
        backoff.jitter = (double)esi_random_below(&random, 101) / 100;
        int64_t wait = esi_backoff_ms(&backoff, tries, (double)esi_random_below(&random, 1000) / 1000);
        assert_true(wait <= longest && (double)wait >= (double)longest * (1 - backoff.jitter));
        assert_int_equal(esi_backoff_ms(&backoff, tries, 0), longest);
    }
}

/* ---------------------------------------------------------------- intensity */

/* All restarts that ever were, in a list; and the ring, which grows as the supervisor's does. */
struct window {
    struct esi_intensity ring;
    int64_t *all_ns;
    long count;
};

static int64_t within_period(const struct window *w, int64_t now_ns)
{
    int64_t count = 0;
    for (long i = w->count - 1; i >= 0 && w->all_ns[i] >= now_ns - w->ring.period_ns; i--)
        count++;
    return count;
}

static void note(struct window *w, int64_t now_ns)
{
    if (esi_intensity_is_full(&w->ring)) {
        int64_t *before = w->ring.times_ns, room = w->ring.room ? 2 * w->ring.room : 1;
        esi_intensity_move(&w->ring, malloc((size_t)room * sizeof(int64_t)), room);
        free(before);
    }
    esi_intensity_note(&w->ring, now_ns);
    w->all_ns[w->count++] = now_ns;
}

/* Mostly close to one another, at times at the period's very edge, at times long after. */
static int64_t step_ns(struct esi_random *random, int64_t period_ns, int64_t limit)
{
    switch (esi_random_below(random, 8)) {
    case 0:
        return 0;
    case 1:
        return period_ns + (int64_t)esi_random_below(random, 3) - 1;
    case 2:
        return (int64_t)esi_random_below(random, (uint64_t)(2 * period_ns));
    default:
        return (int64_t)esi_random_below(random, (uint64_t)(2 * period_ns / (limit + 1) + 1));
    }
}

static void a_restart_is_admitted_if_fewer_than_the_limit_were_in_the_period(void **state)
{
    struct esi_random random;
    long steps = rounds(100000), refused = 0, admitted = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        esi_random_seed(&random, seed);
        struct window w = {.all_ns = malloc((size_t)steps * sizeof(int64_t))};
        w.ring.limit = (int64_t)esi_random_below(&random, seed % 2 ? 4 : 200);
        w.ring.period_ns = 1 + (int64_t)esi_random_below(&random, seed % 3 ? 10 : 5000000000);
        int64_t now_ns = 1000;
        for (long i = 0; i < steps; i++) {
            now_ns += step_ns(&random, w.ring.period_ns, w.ring.limit);
            bool is_admitted = esi_intensity_admits(&w.ring, now_ns);
            assert_int_equal(is_admitted, within_period(&w, now_ns) < w.ring.limit);
            if (is_admitted)
                note(&w, now_ns);
            *(is_admitted ? &admitted : &refused) += 1;
        }
        assert_true(w.ring.room <= 2 * (w.ring.limit + 1));
        free(w.ring.times_ns);
        free(w.all_ns);
    }
    assert_true(refused > steps && admitted > steps); /* both were tried */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_child_ends_as_the_table_says),
        cmocka_unit_test(a_reason_is_an_end_as_it_should_be_or_a_failure),
        cmocka_unit_test(a_significant_end_ends_the_supervisor_as_it_wants),
        cmocka_unit_test(a_restart_takes_along_whom_the_strategy_names),
        cmocka_unit_test(each_wait_is_twice_as_long_up_to_the_longest),
        cmocka_unit_test(chance_takes_off_a_part_as_large_as_the_jitter),
        cmocka_unit_test(a_restart_is_admitted_if_fewer_than_the_limit_were_in_the_period),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
