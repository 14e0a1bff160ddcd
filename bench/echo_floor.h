/* echo_floor.h - the benchmark `echo` with a bare server, as a case of floor.c. */
#ifndef BENCH_ECHO_FLOOR_H
#define BENCH_ECHO_FLOOR_H

#include <stdint.h>

/* Has the clients of echo-load say `count` messages and gives the nanoseconds of all. Ends the OS process on an error. */
int64_t echo_floor(int64_t count);

#endif
