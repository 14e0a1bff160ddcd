/* memory.c - what does a process cost that waits? As the growth of VmRSS + VmPTE: page tables are memory, too. */
#include "bench.h"
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

ES_ATOMS(stop);

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

static int64_t resident_bytes(void)
{
    int64_t kilobytes = 0, value;
    char line[128];
    FILE *file = fopen("/proc/self/status", "r");
    if (!file)
        es_exit(es_am_noproc);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &value) == 1 || sscanf(line, "VmPTE: %ld", &value) == 1)
            kilobytes += value;
    fclose(file);
    return 1024 * kilobytes;
}

static double grow(int64_t count, void (*function)(void))
{
    int64_t before = resident_bytes();
    for (int64_t i = 0; i < count; i++)
        if (es_pid_is_none(es_spawn(function)))
            es_exit(es_am_system_limit);
    while (atomic_load(&waiting) < count)
        es_yield();
    for (int i = 0; i < 1000; i++) /* the last ones are on their way from the count to their wait */
        es_yield();
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
