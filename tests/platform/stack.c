/* tests/platform/stack.c - stacks come in any number, and what they cost falls when they are closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <pthread.h>
#include <unistd.h>

#include "base/fail.h"
#include "platform/stack.h"
#include "platform/stack_announce.h"

#if !ESI_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

#define CHECKED (ESI_ASAN || ESI_TSAN)

static struct esi_stack_cache cache;

static int open_cache(void **state)
{
    (void)state;
    esi_stack_cache_init(&cache);
    return 0;
}

static int close_cache(void **state)
{
    (void)state;
    esi_stack_cache_fini(&cache);
    esi_stack_pool_trim();
    struct esi_stack_stats stats;
    esi_stack_stats(&stats);
    return stats.open_count == 0 && stats.cached_count == 0 ? 0 : -1;
}

/* Resident memory and page tables, in bytes. */
static size_t memory_used(void)
{
    char line[256];
    size_t kib, sum = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %zu", &kib) == 1 || sscanf(line, "VmPTE: %zu", &kib) == 1)
            sum += kib * 1024;
    if (file)
        fclose(file);
    return sum;
}

static size_t mappings_count(void)
{
    size_t count = 0;
    FILE *file = fopen("/proc/self/maps", "re");
    for (int c; file && (c = fgetc(file)) != EOF;)
        count += c == '\n';
    if (file)
        fclose(file);
    return count;
}

static void test_a_stack_is_usable_from_end_to_end(void **state)
{
    (void)state;
    for (size_t size = 1; size <= ESI_STACK_MAX / 8; size *= 3) {
        struct esi_stack *stack;
        assert_int_equal(esi_stack_open(&cache, size, &stack), ES_OK);
        size_t usable = (size_t)(stack->high - stack->low);
        assert_in_range(usable + 2048, size, ESI_STACK_MAX);
        assert_in_range(usable, ESI_STACK_MIN - 2048, ESI_STACK_MAX);
        assert_int_equal((uintptr_t)stack->high % 16, 0);
        memset(stack->low, 0xa5, usable);
        assert_true(esi_stack_holds(stack, (uintptr_t)stack->low));
        assert_true(esi_stack_holds(stack, (uintptr_t)stack->high - 1));
        assert_false(esi_stack_holds(stack, (uintptr_t)stack->high));
        assert_false(esi_stack_holds(stack, (uintptr_t)stack->low - 1));
        esi_stack_close(&cache, &stack);
        assert_null(stack);
    }
}

static void test_the_guard_lies_right_below_the_stack(void **state)
{
    (void)state;
    struct esi_stack *stack;
    assert_int_equal(esi_stack_open(&cache, ESI_STACK_DEFAULT, &stack), ES_OK);
    uintptr_t low = (uintptr_t)stack->low;
    assert_true(esi_stack_guard_holds(stack, low - 1));
    assert_true(esi_stack_guard_holds(stack, low - ESI_STACK_GUARD));
    assert_false(esi_stack_guard_holds(stack, low));
    assert_false(esi_stack_guard_holds(stack, low - ESI_STACK_GUARD - 1));
    esi_stack_close(&cache, &stack);
}

static void test_a_size_beyond_the_largest_is_refused(void **state)
{
    (void)state;
    struct esi_stack *stack = NULL;
    assert_int_equal(esi_stack_open(&cache, (size_t)ESI_STACK_MAX + 1, &stack), ES_EINVAL);
    assert_null(stack);
    assert_int_equal(esi_stack_open(&cache, ESI_STACK_MAX, &stack), ES_OK);
    esi_stack_close(&cache, &stack);
}

static void test_a_failed_open_leaves_nothing_behind(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct esi_stack *stack = NULL;
        esi_fail_after(n);
        es_err err = esi_stack_open(NULL, 32u << 10, &stack);
        if (!esi_fail_stop()) {
            assert_int_equal(err, ES_OK);
            esi_stack_close(NULL, &stack);
            assert_in_range(n, 3, 10); /* at least the stack and its slab were counted */
            break;
        }
        assert_int_equal(err, ES_ENOMEM);
        assert_null(stack);
    }
}

static void test_the_stack_that_was_closed_last_is_opened_first(void **state)
{
    (void)state;
    struct esi_stack *first, *second, *again;
    assert_int_equal(esi_stack_open(&cache, ESI_STACK_DEFAULT, &first), ES_OK);
    assert_int_equal(esi_stack_open(&cache, ESI_STACK_DEFAULT, &second), ES_OK);
    void *expected = first;
    esi_stack_close(&cache, &second);
    esi_stack_close(&cache, &first);
    assert_int_equal(esi_stack_open(&cache, ESI_STACK_DEFAULT, &again), ES_OK);
    assert_ptr_equal(again, expected);
    esi_stack_close(&cache, &again);
}

static void test_the_figures_add_up(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    struct esi_stack *stacks[COUNT];
    struct esi_stack_stats stats;
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(esi_stack_open(i % 2 ? &cache : NULL, ESI_STACK_DEFAULT, &stacks[i]), ES_OK);
    esi_stack_stats(&stats);
    assert_int_equal(stats.open_count, COUNT);
    assert_true(stats.mapped_bytes >= COUNT * (ESI_STACK_DEFAULT + ESI_STACK_GUARD));
    for (int i = 0; i < COUNT; i++)
        esi_stack_close(i % 3 ? &cache : NULL, &stacks[i]);
    esi_stack_stats(&stats);
    assert_int_equal(stats.open_count, 0);
    assert_true(stats.cached_count > 0);
}

static void test_pages_below_the_used_part_are_given_back(void **state)
{
    (void)state;
    struct esi_stack *stack;
    assert_int_equal(esi_stack_open(&cache, ESI_STACK_DEFAULT, &stack), ES_OK);
    size_t usable = (size_t)(stack->high - stack->low);
    memset(stack->low, 0xa5, usable);
    char *sp = stack->low + usable / 2;
    esi_stack_release_below(stack, sp);
    assert_int_equal(stack->low[0], 0);
    for (char *used = sp - 128; used < stack->high; used++)
        if (*used != (char)0xa5)
            fail_msg("a byte above the stack pointer is gone");
    esi_stack_close(&cache, &stack);
}

/* The hundred thousand of the name; fewer where the checkers' own memory sets a limit. */
static size_t many(void)
{
    if (CHECKED || RUNNING_ON_VALGRIND)
        return 3000;
    return esi_stack_guard_kind() == ESI_GUARD_MADVISE ? 100000 : 20000;
}

static void test_a_hundred_thousand_stacks_are_open_at_once_and_memory_falls_when_they_close(void **state)
{
    (void)state;
    size_t count = many();
    struct esi_stack **stacks = malloc(count * sizeof *stacks);
    assert_non_null(stacks);
    memset(stacks, 0, count * sizeof *stacks);
    size_t before = memory_used(), maps_before = mappings_count();
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(esi_stack_open(&cache, ESI_STACK_DEFAULT, &stacks[i]), ES_OK);
        stacks[i]->high[-64] = 1;
    }
    size_t at_most = memory_used();
    assert_true(at_most - before >= count * 4096);
    if (!CHECKED && !RUNNING_ON_VALGRIND) {
        assert_true(at_most - before <= count * 6000); /* one page each, and its share of page tables */
        if (esi_stack_guard_kind() == ESI_GUARD_MADVISE)
            assert_true(mappings_count() - maps_before < count / 100);
    }
    /* It falls also where one neighbour in thirty-two stays. */
    for (size_t i = 0; i < count; i++)
        if (i % 32)
            esi_stack_close(&cache, &stacks[i]);
    if (!CHECKED && !RUNNING_ON_VALGRIND)
        assert_true(memory_used() - before < (at_most - before) / 4);
    for (size_t i = 0; i < count; i += 32)
        esi_stack_close(&cache, &stacks[i]);
    if (!CHECKED && !RUNNING_ON_VALGRIND)
        assert_true(memory_used() - before < (at_most - before) / 10);
    struct esi_stack_stats stats;
    esi_stack_stats(&stats);
    assert_int_equal(stats.open_count, 0);
    free(stacks);
}

static void test_guards_that_cost_mappings_end_with_a_limit_and_not_with_a_crash(void **state)
{
    (void)state;
    enum { LIMIT = 500 };
    struct esi_stack *stacks[LIMIT + 1];
    enum esi_guard_kind kind = esi_stack_guard_kind();
    esi_stack_pool_trim();
    esi_stack_guard_use(ESI_GUARD_MPROTECT, LIMIT);
    for (int round = 0; round < 3; round++) {
        int count = 0;
        es_err err = ES_OK;
        /* A class that no other test uses, so that each guard is a new one. */
        while (count <= LIMIT && (err = esi_stack_open(NULL, 128u << 10, &stacks[count])) == ES_OK)
            count++;
        assert_int_equal(err, ES_ELIMIT);
        assert_int_equal(count, LIMIT);
        while (count > 0)
            esi_stack_close(NULL, &stacks[--count]);
        esi_stack_pool_trim();
    }
    esi_stack_guard_use(kind, 0);
}

/* ---- threads ---- */

static void *open_and_close(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    struct esi_stack_cache own;
    struct esi_stack *stacks[200] = {0};
    esi_stack_cache_init(&own);
    for (int i = 0; i < (CHECKED || RUNNING_ON_VALGRIND ? 3000 : 100000); i++) {
        seed = seed * 1103515245u + 12345u;
        unsigned at = (seed >> 8) % 200;
        if (stacks[at]) {
            if (stacks[at]->owner != &stacks[at])
                abort();
            esi_stack_close(&own, &stacks[at]);
        } else {
            if (esi_stack_open(&own, ESI_STACK_MIN << (at % 3), &stacks[at]) != ES_OK)
                abort();
            stacks[at]->owner = &stacks[at];
            stacks[at]->low[0] = 1;
        }
    }
    for (int i = 0; i < 200; i++)
        if (stacks[i])
            esi_stack_close(&own, &stacks[i]);
    esi_stack_cache_fini(&own);
    return NULL;
}

static void test_threads_open_and_close_at_the_same_time(void **state)
{
    (void)state;
    pthread_t threads[3];
    for (uintptr_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, (void *)(i + 1)), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    struct esi_stack_stats stats;
    esi_stack_stats(&stats);
    assert_int_equal(stats.open_count, 0);
}

int main(void)
{
#define WITH_CACHE(test) cmocka_unit_test_setup_teardown(test, open_cache, close_cache)
    const struct CMUnitTest tests[] = {
        WITH_CACHE(test_a_failed_open_leaves_nothing_behind), /* first: no slab is there yet */
        WITH_CACHE(test_a_stack_is_usable_from_end_to_end),
        WITH_CACHE(test_the_guard_lies_right_below_the_stack),
        WITH_CACHE(test_a_size_beyond_the_largest_is_refused),
        WITH_CACHE(test_the_stack_that_was_closed_last_is_opened_first),
        WITH_CACHE(test_the_figures_add_up),
        WITH_CACHE(test_pages_below_the_used_part_are_given_back),
        WITH_CACHE(test_a_hundred_thousand_stacks_are_open_at_once_and_memory_falls_when_they_close),
        WITH_CACHE(test_guards_that_cost_mappings_end_with_a_limit_and_not_with_a_crash),
        WITH_CACHE(test_threads_open_and_close_at_the_same_time),
    };
    return cmocka_run_group_tests_name("platform/stack", tests, NULL, NULL);
}
