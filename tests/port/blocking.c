/* blocking.c - proves src/port/blocking.c and resolve.c: calls that block, and one of them in particular. */
#include <arpa/inet.h>
#include <engset/blocking.h>
#include <engset/resolve.h>
#include <errno.h>
#include <semaphore.h>
#include <unistd.h>
#include "waiting.h"

ES_ATOMS(done_, turned);

/* ---------------------------------------------------------------- es_blocking() */

struct sum {
    int64_t a, b, result;
    bool is_process;
};

static void add(void *block)
{
    struct sum *sum = block;
    sum->result = sum->a + sum->b;
    sum->is_process = !es_pid_is_none(es_self());
}

STORY(a_call_runs_elsewhere_and_its_block_comes_back, "")
{
    struct sum sum = {.a = 3, .b = 4};
    EXPECT(es_blocking(add, &sum, sizeof sum, ES_INFINITY) == ES_OK);
    EXPECT(sum.result == 7);
    EXPECT(es_blocking(NULL, &sum, sizeof sum, ES_INFINITY) == ES_EINVAL);
}

static sem_t gate;
static _Atomic(int) inside, passed;

static void waits_at_the_gate(void *block)
{
    atomic_fetch_add(&inside, 1);
    while (sem_wait(&gate) != 0)
        ;
    *(int *)block = 1;
    atomic_fetch_add(&passed, 1);
}

REAL_STORY(who_is_late_is_told_and_the_call_goes_on_alone, 1, "")
{
    int block = 0;
    sem_init(&gate, 0, 0);
    passed = inside = 0;
    EXPECT(es_blocking(waits_at_the_gate, &block, sizeof block, in_ms(5)) == ES_ETIMEOUT);
    EXPECT(block == 0);
    sem_post(&gate);
    while (passed < 1)
        es_sleep(1);
    EXPECT(block == 0);
}

static void calls(void)
{
    int block = 0;
    EXPECT(es_blocking(waits_at_the_gate, &block, sizeof block, ES_INFINITY) == ES_OK);
    EXPECT(block == 1);
}

/* More callers than threads: those in the queue are killed, those in the call are killed, the rest comes through. */
REAL_STORY(callers_are_killed_in_the_queue_and_in_the_call, 1, "")
{
    enum { CALLERS = 100, THREADS = 32 };
    es_pid pids[CALLERS];
    sem_init(&gate, 0, 0);
    passed = inside = 0;
    for (int i = 0; i < CALLERS; i++)
        pids[i] = es_spawn(calls);
    while (inside < THREADS)
        es_sleep(1);
    for (int i = 0; i < CALLERS; i += 2)
        es_send_exit(pids[i], es_am_kill);
    for (int i = 0; i < CALLERS; i += 2)
        wait_for_end(pids[i]);
    EXPECT(inside == THREADS);
    for (int i = 0; i < CALLERS; i++)
        sem_post(&gate);
    for (int i = 1; i < CALLERS; i += 2)
        wait_for_end(pids[i]);
    EXPECT(passed >= CALLERS / 2);
}

static void spins_a_turn(void)
{
    int64_t end_ns = es_now_ns() + 1000000;
    while (es_now_ns() < end_ns)
        es_yield();
}

REAL_STORY(nobody_else_waits_meanwhile, 1, "")
{
    es_node_info before, after;
    sem_init(&gate, 0, 0);
    passed = inside = 0;
    es_node_info_get(&before);
    es_pid pids[8];
    for (int i = 0; i < 8; i++)
        pids[i] = es_spawn(calls);
    while (inside < 8)
        es_sleep(1);
    spins_a_turn();
    es_node_info_get(&after);
    EXPECT(after.handovers == before.handovers); /* no scheduler was lost to a call */
    for (int i = 0; i < 8; i++)
        sem_post(&gate);
    for (int i = 0; i < 8; i++)
        wait_for_end(pids[i]);
}

/* ---------------------------------------------------------------- es_resolve() */

static bool resolves_to(const char *name, const char *service, const char *expected)
{
    es_address all[8];
    char text[80];
    int64_t count = es_resolve(name, service, all, 8, in_ms(STORY_PATIENCE_MS));
    for (int64_t i = 0; i < count && i < 8; i++) {
        es_address_print(&all[i], text, sizeof text);
        if (strcmp(text, expected) == 0)
            return true;
    }
    fprintf(stderr, "%s: %lld, %s\n", name, (long long)count, count < 0 ? es_last_detail() : text);
    return false;
}

REAL_STORY(numbers_are_parsed_at_once, 1, "")
{
    es_address address;
    EXPECT(resolves_to("127.0.0.1", "80", "127.0.0.1:80"));
    EXPECT(resolves_to("::1", "443", "[::1]:443"));
    EXPECT(resolves_to("10.1.2.3", NULL, "10.1.2.3:0"));
    EXPECT(es_resolve("1.2.3.4", "5", &address, 1, 0) == 1); /* no time is needed */
    EXPECT(es_resolve("1.2.3.4", "5", NULL, 0, 0) == 1);
}

REAL_STORY(names_are_looked_up_and_what_is_not_there_is_told, 1, "")
{
    es_address address;
    char name[2000];
    EXPECT(resolves_to("localhost", "80", "127.0.0.1:80"));
    EXPECT(resolves_to("127.0.0.1", "http", "127.0.0.1:80"));
    EXPECT(es_resolve("localhost", "no-such-service", &address, 1, in_ms(STORY_PATIENCE_MS)) == ES_ENOTFOUND);
    int64_t error = es_resolve("no.such.name.invalid", "80", &address, 1, in_ms(STORY_PATIENCE_MS));
    EXPECT(error == ES_ENOTFOUND || error == ES_EOS); /* EOS: nobody can be asked here */
    EXPECT(strstr(es_last_detail(), "no.such.name.invalid") != NULL);
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = 0;
    EXPECT(es_resolve(name, NULL, &address, 1, 0) == ES_EINVAL);
    EXPECT(es_resolve("", NULL, &address, 1, 0) == ES_EINVAL);
    error = es_resolve("localhost", NULL, &address, 1, 0);
    EXPECT(error == ES_ETIMEOUT || error >= 1); /* it may be that fast */
}

/* Libraries with state in thread-locals, called by many processes that move between threads. */
static void asks_in_turn(es_term argument)
{
    es_pid parent;
    int64_t number = 0;
    EXPECT(es_match(argument, ES_TUPLE(&parent, &number)));
    for (int i = 0; i < 20; i++) {
        char service[8], expected[32], text[64];
        snprintf(service, sizeof service, "%d", (int)(1000 + number));
        snprintf(expected, sizeof expected, "127.0.0.1:%s", service);
        EXPECT(resolves_to("localhost", service, expected));
        int code = (int)(number % 30) + 1;
        *es_errno() = code;
        es_yield();
        EXPECT(*es_errno() == code);
        EXPECT(strcmp(strerror(code), strerror_r(code, text, sizeof text)) == 0);
    }
    es_send(parent, done_);
}

REAL_STORY(many_processes_ask_while_they_move_between_threads, 1, "RES-11")
{
    for (int64_t i = 0; i < 50; i++)
        es_spawn(asks_in_turn, ES_TUPLE(es_self(), i));
    for (int i = 0; i < 50; i++)
        EXPECT(got_within(done_, 60000));
}

static void notes_its_thread(void *block)
{
    *(pid_t *)block = gettid();
}

REAL_STORY(a_thread_waits_for_the_next_call_before_it_ends, 1, "")
{
    enum { CALLS = 100 };
    pid_t thread = 0, before = 0;
    int others = 0;
    for (int i = 0; i < CALLS; i++, before = thread) {
        EXPECT(es_blocking(notes_its_thread, &thread, sizeof thread, ES_INFINITY) == ES_OK);
        others += thread != before;
        es_sleep(1); /* until it waits */
    }
    EXPECT(others <= CALLS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_runs_elsewhere_and_its_block_comes_back),
        cmocka_unit_test(who_is_late_is_told_and_the_call_goes_on_alone),
        cmocka_unit_test(callers_are_killed_in_the_queue_and_in_the_call),
        cmocka_unit_test(nobody_else_waits_meanwhile),
        cmocka_unit_test(numbers_are_parsed_at_once),
        cmocka_unit_test(names_are_looked_up_and_what_is_not_there_is_told),
        cmocka_unit_test(many_processes_ask_while_they_move_between_threads),
        cmocka_unit_test(a_thread_waits_for_the_next_call_before_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
