/* reduction.c - the explorer itself: what it leaves out makes no difference. Random programs of three threads are run through all orders of their
 * steps, and through those that search.c finds sufficient; both must come to the same set of ends. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/random.h"
#include "internal.h"
#include "rounds.h"
#include "world.h"

enum { LINES = 3, VARIABLES = 2, ENDS = 1 << 12, PROGRAMS = 5000, WEAK_PROGRAMS = 500, ALL = 99 };

enum kind { LOAD, STORE, ADD, SWAP_IF, LOCKED_ADD, TRY_TO_ADD, KINDS };

/* Outside what a run puts back. */
static struct shared {
    struct {
        enum kind kind;
        int variable, order;
    } lines[EXPLORE_THREADS][LINES];
    int line_count[EXPLORE_THREADS];
    uint64_t ends[2][ENDS]; /* hash tables of what there was at the end of a run: 0: free */
    int count[2], which;
} * s;

static _Atomic(uint64_t) variables[VARIABLES];
static uint64_t registers[EXPLORE_THREADS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static const int orders[] = {__ATOMIC_RELAXED, __ATOMIC_ACQ_REL, __ATOMIC_SEQ_CST};

static int load_order(int order)
{
    return order == __ATOMIC_ACQ_REL ? __ATOMIC_ACQUIRE : order;
}

static int store_order(int order)
{
    return order == __ATOMIC_ACQ_REL ? __ATOMIC_RELEASE : order;
}

/* The orders are constants to the compiler only here; the hooks get them as they are. */
uint64_t __tsan_atomic64_load(const volatile uint64_t *at, int order);
void __tsan_atomic64_store(volatile uint64_t *at, uint64_t value, int order);
uint64_t __tsan_atomic64_fetch_add(volatile uint64_t *at, uint64_t value, int order);
int __tsan_atomic64_compare_exchange_strong(volatile uint64_t *at, uint64_t *expected, uint64_t value,
                                            int order, int order_failed);

static uint64_t run_line(enum kind kind, volatile uint64_t *at, int order, uint64_t number)
{
    uint64_t seen = 0;
    switch (kind) {
    case LOAD:
        return __tsan_atomic64_load(at, load_order(order));
    case STORE:
        __tsan_atomic64_store(at, number, store_order(order));
        return 0;
    case ADD:
        return __tsan_atomic64_fetch_add(at, number, order);
    case SWAP_IF:
        __tsan_atomic64_compare_exchange_strong(at, &seen, number, order, load_order(order));
        return seen;
    default:
        if (kind == TRY_TO_ADD && pthread_mutex_trylock(&mutex))
            return number;
        if (kind == LOCKED_ADD)
            pthread_mutex_lock(&mutex);
        seen = __tsan_atomic64_load(at, load_order(order));
        __tsan_atomic64_store(at, seen + number, store_order(order));
        pthread_mutex_unlock(&mutex);
        return seen;
    }
}

static void play(int thread)
{
    for (int i = 0; i < s->line_count[thread]; i++) {
        uint64_t number = (uint64_t)(thread * LINES + i + 1);
        uint64_t got =
            run_line(s->lines[thread][i].kind, (volatile uint64_t *)&variables[s->lines[thread][i].variable],
                     s->lines[thread][i].order, number);
        registers[thread] = registers[thread] * 64 + got;
    }
}

static void play_first(void)
{
    play(0);
}

static void play_second(void)
{
    play(1);
}

static void play_third(void)
{
    play(2);
}

static uint64_t end_now(void)
{
    uint64_t hash = 1;
    for (int i = 0; i < VARIABLES; i++)
        hash = (hash ^ variables[i]) * 0x9e3779b97f4a7c15u;
    for (int i = 0; i < EXPLORE_THREADS; i++)
        hash = (hash ^ registers[i]) * 0xbf58476d1ce4e5b9u + (hash >> 31);
    return hash | 1;
}

static bool holds(int which, uint64_t end, bool do_add)
{
    uint64_t *at = &s->ends[which][end >> 52];
    while (*at && *at != end)
        at = at == &s->ends[which][ENDS - 1] ? s->ends[which] : at + 1;
    bool is_there = *at == end;
    if (!is_there && do_add) {
        *at = end;
        s->count[which]++;
    }
    return is_there;
}

static void note_end(void)
{
    holds(s->which, end_now(), true);
}

static const struct explore_script script = {
    "a random program", NULL, {play_first, play_second, play_third}, note_end, 0};

static void write_program(struct esi_random *random)
{
    for (int thread = 0; thread < EXPLORE_THREADS; thread++) {
        s->line_count[thread] = 1 + (int)esi_random_below(random, LINES);
        for (int i = 0; i < LINES; i++) {
            s->lines[thread][i].kind = (enum kind)esi_random_below(random, KINDS);
            s->lines[thread][i].variable = (int)esi_random_below(random, VARIABLES);
            s->lines[thread][i].order = orders[esi_random_below(random, 3)];
        }
    }
}

static uint64_t run_all(int which, int preemptions, bool is_weak)
{
    struct plan plan = {.preemptions = preemptions, .is_weak = is_weak, .seconds = 1e9};
    s->which = which;
    s->count[which] = 0;
    __real_memset(s->ends[which], 0, sizeof s->ends[which]);
    return explore(&script, &plan).runs;
}

static void compare_ends(unsigned long seed, bool is_weak)
{
    for (int i = 0; i < ENDS; i++)
        if (s->ends[1][i] && !holds(0, s->ends[1][i], false)) {
            fprintf(stderr, "program %lu%s: an end was not found, of %d only %d\n", seed,
                    is_weak ? ", weak memory" : "", s->count[1], s->count[0]);
            exit(1);
        }
}

int main(int argc, char **argv)
{
    bool is_weak = argc > 1 && !strcmp(argv[1], "--weak");
    uint64_t reduced = 0, all = 0, ends = 0;
    long programs = rounds(is_weak ? WEAK_PROGRAMS : PROGRAMS);
    s = world_own(sizeof *s);
    world_remember();
    for (long seed = 1; seed <= programs; seed++) {
        struct esi_random random;
        esi_random_seed(&random, (uint64_t)seed);
        write_program(&random);
        reduced += run_all(0, FOR_EVER, is_weak);
        all += run_all(1, ALL, is_weak);
        compare_ends((unsigned long)seed, is_weak);
        ends += (uint64_t)s->count[1];
    }
    printf("%ld programs with %llu ends: %llu interleavings were enough of %llu\n", programs,
           (unsigned long long)ends, (unsigned long long)reduced, (unsigned long long)all);
    return 0;
}
