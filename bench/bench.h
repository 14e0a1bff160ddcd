/* bench/bench.h - what the benchmarks of engset-bench have in common. What each counts: README.md. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <engset.h>

enum { RING_SIZE = 503 };

/* A benchmark: does `count` operations in the calling process and gives nanoseconds per operation, or bytes. */
typedef double benchmark(int64_t count);

/* Waiting in a function, as a thread would; and without a stack, as es_react() does. */
benchmark pingpong, pingpong_react, ring, ring_react, count_one, count_one_react, call,
    call_react;                                                  /* messages.c */
benchmark spawn_seq, crash_restart, exit_restart, fault_restart; /* processes.c */
benchmark memory, memory_react, memory_hibernated;               /* memory.c */
benchmark parallel;                                              /* parallel.c */

/* What `parallel` found out at its start: how many steps of its work take 1 ms. */
extern int64_t parallel_iterations;

/* Nanoseconds per operation from `start_ns` until now. */
static inline double since(int64_t start_ns, int64_t count)
{
    return (double)(es_now_ns() - start_ns) / (double)count;
}

#endif
