/* timer_book.c - proves the book of a wheel's timers: by chance, against a list of what should be in it. */
#include <string.h>
#include "story.h"
#include "base/random.h"
#include "link/timer_book.h"
#include "proc/process.h"

enum { MOST = 5000 };

static struct esi_timer_book book;
static struct esi_message *in[MOST]; /* what should be in the book */
static int in_count;

static void add(uint64_t reference, uint64_t receiver)
{
    struct esi_message *block = esi_message_new(sizeof(struct esi_timer));
    if (!EXPECT(block))
        return;
    block->timer = reference;
    block->to = receiver;
    EXPECT(esi_book_add(&book, block));
    in[in_count++] = block;
}

static void take(int index)
{
    struct esi_message *p = in[index];
    esi_book_remove(&book, p);
    EXPECT(esi_book_find(&book, esi_timer_of(p)->slot, p->timer) == NULL);
    in[index] = in[--in_count];
    esi_message_free(p);
}

/* Each is found by its reference, none by another; and for each receiver as many as there should be. */
static void check(uint64_t receivers)
{
    static int expected[2 * MOST], seen[2 * MOST];
    memset(expected, 0, sizeof expected);
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < in_count; i++) {
        struct esi_message *p = in[i];
        EXPECT(esi_book_find(&book, esi_timer_of(p)->slot, p->timer) == p);
        EXPECT(esi_book_find(&book, esi_timer_of(p)->slot, p->timer + 1) == NULL);
        expected[p->to]++;
    }
    uint32_t slot = 0, count = 0;
    for (struct esi_message *p; (p = esi_book_next(&book, &slot)); count++)
        seen[p->to]++;
    EXPECT(count == (uint32_t)in_count);
    EXPECT(esi_book_find(&book, slot, 1) == NULL && esi_book_find(&book, UINT32_MAX, 1) == NULL);
    for (uint64_t receiver = 0; receiver < receivers; receiver++) {
        struct esi_message *p = receiver ? esi_book_find_for(&book, receiver) : NULL;
        EXPECT(seen[receiver] == expected[receiver]);
        EXPECT(!receiver || (p != NULL) == (expected[receiver] > 0));
        EXPECT(!p || p->to == receiver);
    }
}

/* Grows to `most`, shrinks to nothing, twice: the second time with what the first left. */
static void lives(uint64_t seed, int most, uint64_t receivers)
{
    struct esi_random random;
    uint64_t reference = 1;
    esi_random_seed(&random, seed);
    for (int time = 0; time < 2; time++) {
        for (int grows = 1; grows >= 0; grows--)
            for (int step = 0; grows ? in_count < most : in_count > 0; step++) {
                bool is_more = esi_random_below(&random, 4) < (grows ? 3 : 1);
                if (in_count == 0 || (is_more && in_count < most))
                    add(reference++, esi_random_below(&random, receivers));
                else
                    take((int)esi_random_below(&random, (uint64_t)in_count));
                if (step % 997 == 0)
                    check(receivers);
            }
        check(receivers);
    }
    esi_book_clear(&book);
    check(receivers);
}

/* In the runtime, since blocks come from the pools. */
static void lives_with_few_and_with_many_receivers(void)
{
    esi_enter();
    lives(1, 100, 2);
    lives(2, MOST, 5);
    lives(3, MOST, 2 * MOST);
    esi_leave();
}

static void a_book_finds_what_is_in_it_by_reference_and_by_receiver(void **state)
{
    (void)state;
    play_real(lives_with_few_and_with_many_receivers);
}

static void ends_receivers(void)
{
    esi_enter();
    for (uint64_t i = 0; i < 3000; i++)
        add(i + 1, i % 1000 + 1);
    for (uint64_t receiver = 1; receiver <= 1000; receiver++) {
        int count = 0;
        for (struct esi_message *p; (p = esi_book_find_for(&book, receiver)); count++) {
            esi_book_remove(&book, p);
            esi_message_free(p);
        }
        EXPECT(count == 3);
    }
    uint32_t slot = 0;
    EXPECT(esi_book_next(&book, &slot) == NULL);
    in_count = 0;
    esi_book_clear(&book);
    esi_leave();
}

static void a_receivers_timers_can_be_taken_one_after_the_other(void **state)
{
    (void)state;
    play_real(ends_receivers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_book_finds_what_is_in_it_by_reference_and_by_receiver),
        cmocka_unit_test(a_receivers_timers_can_be_taken_one_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
