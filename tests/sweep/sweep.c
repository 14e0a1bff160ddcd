/* sweep.c - a sweep that finds nothing proves little: so each row here is wrong in one way, and must be found. */
#include "sweep.h"
#include <unistd.h>
#include "base/alloc.h"

/* What stands for a function: it takes two blocks of memory, and one of each row's faults shows when the second fails. */
static es_err two_blocks(void (*when_it_fails)(void), es_err gives)
{
    es_err error = ES_OK;
    char *one = esi_alloc(100), *two = one ? esi_alloc(100) : NULL;
    if (!two && when_it_fails)
        when_it_fails();
    if (!two)
        error = gives;
    esi_free(one);
    esi_free(two);
    return error;
}

SWEEP(says_nothing_wrong, 0)
{
    went_well(TRY(two_blocks(NULL, ES_ENOMEM)));
}

SWEEP(says_another_error, 0)
{
    went_well(TRY(two_blocks(NULL, ES_EINVAL)));
}

static void ends(void)
{
    es_exit(es_am_system_limit);
}

SWEEP(ends_its_caller, 0)
{
    went_well(TRY(two_blocks(ends, ES_ENOMEM)));
}

static void leaves_a_descriptor(void)
{
    EXPECT(dup(0) > 0);
}

SWEEP(leaks_a_descriptor, 0)
{
    went_well(TRY(two_blocks(leaves_a_descriptor, ES_ENOMEM)));
}

static es_pid linked;

static void leaves_a_link(void)
{
    linked = es_spawn_link(traps_and_waits);
}

SWEEP(leaves_a_bond, 0)
{
    es_err error = TRY(two_blocks(leaves_a_link, ES_ENOMEM));
    went_well(error);
    EXPECT(links_of(es_self()) == 0);
}

static void leaves_a_block(void)
{
    static void *kept;
    void **block = malloc(100);
    *block = kept;
    kept = block;
    __asm__ volatile("" ::"r"(kept) : "memory"); /* it was wanted */
}

SWEEP(leaks_a_block, 0)
{
    went_well(TRY(two_blocks(leaves_a_block, ES_ENOMEM)));
}

SWEEP(takes_memory_in_silence, TAKES_NOTHING)
{
    EXPECT(TRY(two_blocks(NULL, ES_ENOMEM)) == ES_OK);
}

SWEEP(never_allocates, 0)
{
    EXPECT(TRY(es_now_ns()) > 0);
}

/* What the sweep says of a row: NULL, or what it found. */
static const char *found_in(struct sweep_row *row)
{
    sweep_now.row = row;
    sweep_now.fails_at = 0;
    sweep_allocations = 0;
    story_begin(sweep_story);
    if (es_run_simulated(1, story_first, NULL, NULL, NULL) != 0 || !story_notes.is_told)
        return "no end";
    if (story_notes.failures)
        return story_notes.first;
    return sweep_allocations == 0 && !(row->how & TAKES_NOTHING) ? "no allocations" : NULL;
}

static void each_fault_that_was_put_in_is_found(void **state)
{
    (void)state;
    esi_report_configure();
    esi_report_set_sink(sweep_no_report);
    for (int i = 0; i < sweep_row_count; i++) {
        struct sweep_row *row = &sweep_rows[i];
        const char *found = found_in(row);
        bool is_right = strcmp(row->function, "says_nothing_wrong") == 0;
        bool shows = strcmp(row->function, "leaks_a_block") != 0 || sweep_counts_blocks();
        print_message("%s: %s\n", row->function, found ? found : "nothing");
        assert_true(is_right || !shows ? !found : found != NULL);
    }
    esi_report_set_sink(NULL);
}

int main(void)
{
    (void)sweep_all;
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_fault_that_was_put_in_is_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
