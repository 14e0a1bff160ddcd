/* processes.c - what does it cost that a process comes and goes, by itself or by its own fault? */
#include "bench.h"

ES_ATOMS(here, crash, stop);

static es_pid starter;

/* -------------------------------------------------------- spawn_seq, spawn */

static void child(void)
{
    es_send(starter, here);
}

static void wait_for_child(void)
{
    es_receive
        es_case(here) {
        }
}

double spawn_seq(int64_t count)
{
    starter = es_self();
    int64_t start_ns = es_now_ns();
    for (int64_t i = 0; i < count; i++) {
        es_spawn(child);
        wait_for_child();
    }
    return since(start_ns, count);
}

double spawn(int64_t count)
{
    starter = es_self();
    int64_t start_ns = es_now_ns();
    for (int64_t i = 0; i < count; i++)
        expect(!es_pid_is_none(es_spawn(child)));
    for (int64_t i = 0; i < count; i++)
        wait_for_child();
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

/* --------------------------------------------------------- monitor_restart */

enum { WATCHED = 100 };

static void stops_when_told(void)
{
    int64_t number = 0;
    es_receive
        es_case(ES_TUPLE(stop, &number)) {
        }
    es_exit(ES_TUPLE(es_am_shutdown, number));
}

double monitor_restart(int64_t count)
{
    es_pid pid[WATCHED];
    es_ref monitor[WATCHED];
    int64_t start_ns = es_now_ns();
    for (int i = 0; i < WATCHED; i++)
        pid[i] = es_spawn_monitor(&monitor[i], stops_when_told);
    for (int64_t i = 0; i < count; i++) {
        int at = (int)(i % WATCHED);
        es_pid who = ES_NO_PID;
        es_send(pid[at], ES_TUPLE(stop, i));
        es_receive
            es_case(ES_TUPLE(es_am_DOWN, monitor[at], es_am_process, &who, ES_TUPLE(es_am_shutdown, i))) {
            }
        expect(es_pid_equal(who, pid[at]));
        pid[at] = es_spawn_monitor(&monitor[at], stops_when_told);
    }
    return since(start_ns, count);
}
