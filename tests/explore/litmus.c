/* litmus.c - the explorer itself: it must find what can happen, and only that. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "explorer.h"
#include "platform/park.h"

static _Atomic(int) x, y;
static int r[4], plain;
static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
static struct esi_park park;
static _Atomic(int) is_there;
static int *memory;

static void nothing(void)
{
}

/* ------------------------------------------------------------ store buffering, and message passing, by memory order */

#define BUFFER(name, order)                     \
    static void name##_left(void)               \
    {                                           \
        atomic_store_explicit(&x, 1, order);    \
        r[0] = atomic_load_explicit(&y, order); \
    }                                           \
    static void name##_right(void)              \
    {                                           \
        atomic_store_explicit(&y, 1, order);    \
        r[1] = atomic_load_explicit(&x, order); \
    }
BUFFER(relaxed, memory_order_relaxed)
BUFFER(seq_cst, memory_order_seq_cst)

static void left_fenced(void)
{
    atomic_store_explicit(&x, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    r[0] = atomic_load_explicit(&y, memory_order_relaxed);
}

static void right_fenced(void)
{
    atomic_store_explicit(&y, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
    r[1] = atomic_load_explicit(&x, memory_order_relaxed);
}

static void one_saw_the_other(void)
{
    explore_expect(r[0] || r[1]);
}

#define PASS(name, store, load)                                \
    static void name##_send(void)                              \
    {                                                          \
        atomic_store_explicit(&x, 1, memory_order_relaxed);    \
        atomic_store_explicit(&y, 1, store);                   \
    }                                                          \
    static void name##_get(void)                               \
    {                                                          \
        r[0] = atomic_load_explicit(&y, load);                 \
        r[1] = atomic_load_explicit(&x, memory_order_relaxed); \
        explore_expect(!r[0] || r[1]);                         \
    }
PASS(loose, memory_order_relaxed, memory_order_relaxed)
PASS(half, memory_order_release, memory_order_relaxed)
PASS(good, memory_order_release, memory_order_acquire)

/* ------------------------------------------------------------ counting */

static void twice(void)
{
    atomic_store_explicit(&x, 1, memory_order_relaxed);
    atomic_store_explicit(&x, 2, memory_order_relaxed);
}

static void add_badly(void)
{
    atomic_store_explicit(&x, atomic_load_explicit(&x, memory_order_relaxed) + 1, memory_order_relaxed);
}

static void counts_three(void)
{
    explore_expect(x == 3);
}

/* ------------------------------------------------------------ plain memory */

static void write_and_say(void)
{
    plain = 1;
    atomic_store_explicit(&x, 1, memory_order_release);
}

static void write_and_say_softly(void)
{
    plain = 1;
    atomic_store_explicit(&x, 1, memory_order_relaxed);
}

static void read_if_said(void)
{
    if (atomic_load_explicit(&x, memory_order_acquire))
        explore_expect(plain == 1);
}

static void allocate(void)
{
    memory = malloc(sizeof *memory);
}

static void free_it(void)
{
    free(memory);
    atomic_store_explicit(&x, 1, memory_order_release);
}

static void use_it_after(void)
{
    if (atomic_load_explicit(&x, memory_order_acquire))
        *memory = 1;
}

/* ------------------------------------------------------------ locks and sleep */

static void lock_in_order(void)
{
    pthread_mutex_lock(&first);
    pthread_mutex_lock(&second);
    plain++;
    pthread_mutex_unlock(&second);
    pthread_mutex_unlock(&first);
}

static void lock_the_other_way(void)
{
    pthread_mutex_lock(&second);
    pthread_mutex_lock(&first);
    pthread_mutex_unlock(&first);
    pthread_mutex_unlock(&second);
}

static void look_and_sleep(void)
{
    if (!atomic_load(&is_there))
        esi_park_wait(&park, UINT64_MAX);
}

static void sleep_until_there(void)
{
    while (!atomic_load(&is_there))
        esi_park_wait(&park, UINT64_MAX);
}

static void bring(void)
{
    atomic_store(&is_there, 1);
}

static void bring_and_wake(void)
{
    atomic_store(&is_there, 1);
    esi_park_wake(&park);
}

static const struct explore_script scripts[] = {
    {"stores are seen late: relaxed", nothing, {relaxed_left, relaxed_right}, one_saw_the_other, 0},
    {"stores are seen late: seq_cst", nothing, {seq_cst_left, seq_cst_right}, one_saw_the_other, 0},
    {"stores are seen late: with fences", nothing, {left_fenced, right_fenced}, one_saw_the_other, 0},
    {"a message: relaxed", nothing, {loose_send, loose_get}, NULL, 0},
    {"a message: only its sender keeps order", nothing, {half_send, half_get}, NULL, 0},
    {"a message: release and acquire", nothing, {good_send, good_get}, NULL, 0},
    {"three add one, in two steps each", nothing, {add_badly, add_badly, add_badly}, counts_three, 0},
    {"plain memory is passed on by release and acquire", nothing, {write_and_say, read_if_said}, NULL, 0},
    {"plain memory is passed on by nothing", nothing, {write_and_say_softly, read_if_said}, NULL, 0},
    {"memory is used after it was freed", allocate, {free_it, use_it_after}, NULL, 0},
    {"two locks in one order", nothing, {lock_in_order, lock_in_order, lock_in_order}, NULL, 0},
    {"two locks in two orders", nothing, {lock_in_order, lock_the_other_way}, NULL, 0},
    {"sleep, and nobody wakes", nothing, {look_and_sleep, bring}, NULL, 0},
    {"sleep, and be woken in time", nothing, {sleep_until_there, bring_and_wake}, NULL, 0},
    {"two writers: the orders of four stores", nothing, {twice, twice}, NULL, 0},
};

/* 's': found where memory is sequentially consistent, 'w': only where it is weak, '-': never */
static const char expected[] = "w--ww-s-ss-ss--";
_Static_assert(sizeof expected - 1 == sizeof scripts / sizeof *scripts, "one each");

static bool finds(int number, bool is_weak)
{
    char text[12];
    snprintf(text, sizeof text, "%d", number);
    char *arguments[] = {"litmus", "--quiet", "--script", text, is_weak ? "--weak" : NULL};
    return explore_main(is_weak ? 5 : 4, arguments, scripts, sizeof scripts / sizeof *scripts) != 0;
}

int main(int argc, char **argv)
{
    int wrong = 0;
    if (argc > 1)
        return explore_main(argc, argv, scripts, sizeof scripts / sizeof *scripts);
    for (int i = 0; expected[i]; i++)
        if (finds(i, false) != (expected[i] == 's') || finds(i, true) != (expected[i] != '-')) {
            printf("WRONG: %s\n", scripts[i].sentence);
            wrong++;
        }
    return wrong;
}
