/* bench/bench.h - what the benchmarks of engset-bench have in common. What each counts: README.md. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <engset.h>
#include <stdio.h>

/* A benchmark: does `count` operations in the calling process and gives its figure: nanoseconds per operation, bytes,
 * or what its row in engset_bench.c says. Ends the process when a result is wrong. */
typedef double benchmark(int64_t count);

/* Waiting in a function, as a thread would; and without a stack, as es_react() does. */
benchmark pingpong, pingpong_react, ring503, ring503_react, ring100k, ring100k_react, count1, count1_react,
    count8, call, call_react;                                                            /* messages.c */
benchmark spawn_seq, spawn, crash_restart, exit_restart, fault_restart, monitor_restart; /* processes.c */
benchmark skynet, big, chameneos;                                                        /* crowd.c */
benchmark selective10k, selective10k_ref, selective0_ref;                                /* selective.c */
benchmark timers, wakeup_p99, idle;                                                      /* clock.c */
benchmark memory, memory_react, memory_hibernated, first_message, first_message_react,
    memory10m_react;                 /* memory.c */
benchmark parallel, parallel_chatty; /* parallel.c */
benchmark echo;                      /* echo.c */
benchmark server_call, server_cast, server_memory, statem_functions, statem_handler, family_restart500,
    family_restart30k, family_100k, family_1m; /* behaviours.c */

/* Steps of a work that nobody can shorten. */
void work(int64_t iterations);

/* How many steps of work() take 1 ms, by work_calibrate(). */
extern int64_t work_per_ms;
void work_calibrate(void);

/* Memory of the OS process, with its page tables. memory.c. */
int64_t resident_bytes(void);

/* A second figure of the same run, which becomes a row of its own. */
void also(const char *name, const char *unit, double figure);

/* Nanoseconds per operation from `start_ns` until now. */
static inline double since(int64_t start_ns, int64_t count)
{
    return (double)(es_now_ns() - start_ns) / (double)count;
}

#define expect(holds) ((holds) ? (void)0 : wrong(#holds, __FILE__, __LINE__))

/* The figure of a run that went wrong is worth nothing: there is none. */
static inline ES_NORETURN void wrong(const char *expected, const char *file, int line)
{
    fprintf(stderr, "%s:%d: expected %s\n", file, line, expected);
    es_halt(1);
}

#endif
