/* processes.c - what does it cost that a process comes and goes, by itself or by its own fault? */
#include "bench.h"

ES_ATOMS(here, crash);

static es_pid starter;

/* ---------------------------------------------------------------- spawn_seq */

static void child(void)
{
    es_send(starter, here);
}

double spawn_seq(int64_t count)
{
    starter = es_self();
    int64_t start_ns = es_now_ns();
    for (int64_t i = 0; i < count; i++) {
        es_spawn(child);
        es_receive
            es_case(here) {
            }
    }
    return since(start_ns, count);
}

/* ------------------------------------------------- crash_restart, exit_restart, fault_restart */

static void aborts(void)
{
    abort();
}

static void exits(void)
{
    es_exit(crash);
}

static void faults(void)
{
    static volatile int *volatile nowhere;
    (void)*nowhere;
}

static double restart(int64_t count, void (*function)(void))
{
    int64_t start_ns = es_now_ns();
    for (int64_t i = 0; i < count; i++) {
        es_ref monitor;
        es_spawn_monitor(&monitor, function);
        es_receive {
            es_case(ES_TUPLE(es_am_DOWN, monitor, ES_ANY, ES_ANY, crash)) {
            }
            es_case(ES_TUPLE(es_am_DOWN, monitor, ES_ANY, ES_ANY, ES_TUPLE(es_am_signal, ES_ANY, ES_ANY))) {
            }
        }
    }
    return since(start_ns, count);
}

double crash_restart(int64_t count)
{
    return restart(count, aborts);
}

double exit_restart(int64_t count)
{
    return restart(count, exits);
}

double fault_restart(int64_t count)
{
    return restart(count, faults);
}
