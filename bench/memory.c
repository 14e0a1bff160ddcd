/* memory.c - what does a process cost that waits, and its first message? Memory is the growth of VmRSS + VmPTE: page tables
 * are memory, too. */
#include "bench.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

ES_ATOMS(stop, ask, answer);

/* How many came to their wait. */
static _Atomic(int64_t) waiting;

static void waits_in_a_function(void)
{
    atomic_fetch_add(&waiting, 1);
    es_receive
        es_case(stop) {
        }
}

static es_next on_message(void *state, es_term message)
{
    (void)state;
    (void)message;
    return ES_STOP;
}

static void reacts(void)
{
    atomic_fetch_add(&waiting, 1);
    es_react(on_message, NULL);
}

static void hibernates(void)
{
    atomic_fetch_add(&waiting, 1);
    es_hibernate();
}

int64_t resident_bytes(void)
{
    int64_t kilobytes = 0, value;
    char line[128];
    FILE *file = fopen("/proc/self/status", "r");
    expect(file);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &value) == 1 || sscanf(line, "VmPTE: %ld", &value) == 1)
            kilobytes += value;
    fclose(file);
    return 1024 * kilobytes;
}

/* Until `count` of them wait. */
static void wait_until_idle(int64_t count)
{
    while (atomic_load(&waiting) < count)
        es_yield();
    for (int i = 0; i < 1000; i++) /* the last ones are on their way from the count to their wait */
        es_yield();
}

static double grow(int64_t count, void (*function)(void))
{
    int64_t before = resident_bytes();
    for (int64_t i = 0; i < count; i++)
        expect(!es_pid_is_none(es_spawn(function)));
    wait_until_idle(count);
    return (double)(resident_bytes() - before) / (double)count;
}

double memory(int64_t count)
{
    return grow(count, waits_in_a_function);
}

double memory_react(int64_t count)
{
    return grow(count, reacts);
}

double memory_hibernated(int64_t count)
{
    return grow(count, hibernates);
}

/* ------------------------------------------------ first_message, memory10m */

static void answers(void)
{
    es_pid from;
    int64_t i;
    atomic_fetch_add(&waiting, 1);
    for (;;)
        es_receive
            es_case(ES_TUPLE(ask, &from, &i))
                es_send(from, ES_TUPLE(answer, i));
}

static es_next on_ask(void *state, es_term message)
{
    (void)state;
    es_pid from;
    int64_t i;
    expect(es_match(message, ES_TUPLE(ask, &from, &i)));
    es_send(from, ES_TUPLE(answer, i));
    return ES_CONTINUE;
}

static void react_answers(void)
{
    atomic_fetch_add(&waiting, 1);
    es_react(on_ask, NULL);
}

static void ask_each(const es_pid *pid, int64_t count)
{
    int64_t got = -1;
    for (int64_t i = 0; i < count; i++) {
        es_send(pid[i], ES_TUPLE(ask, es_self(), i));
        es_receive
            es_case(ES_TUPLE(answer, &got)) {
            }
        expect(got == i);
    }
}

static es_pid *spawn_idle(int64_t count, void (*function)(void))
{
    es_pid *pid = malloc((size_t)count * sizeof *pid);
    expect(pid);
    memset(pid, 0xff, (size_t)count * sizeof *pid); /* its pages are not what is measured */
    for (int64_t i = 0; i < count; i++) {
        pid[i] = es_spawn(function);
        if (es_pid_is_none(pid[i]))
            fprintf(stderr, "memory: only %lld processes fit: %s\n", (long long)i, es_last_detail());
        expect(!es_pid_is_none(pid[i]));
    }
    return pid;
}

static double first_messages(int64_t count, void (*function)(void))
{
    es_pid *pid = spawn_idle(count, function);
    wait_until_idle(count);
    int64_t start_ns = es_now_ns();
    ask_each(pid, count);
    double figure = since(start_ns, count);
    free(pid);
    return figure;
}

double first_message(int64_t count)
{
    return first_messages(count, answers);
}

double first_message_react(int64_t count)
{
    return first_messages(count, react_answers);
}

double memory10m_react(int64_t count)
{
    int64_t before = resident_bytes();
    es_pid *pid = spawn_idle(count, react_answers);
    wait_until_idle(count);
    ask_each(pid, count);
    int64_t grown = resident_bytes() - before;
    double figure = (double)grown / (double)count - (double)sizeof *pid;
    fprintf(stderr, "memory10m: %lld processes fit, in %lld MiB, and all answered\n", (long long)count,
            (long long)(grown >> 20));
    free(pid);
    return figure;
}
