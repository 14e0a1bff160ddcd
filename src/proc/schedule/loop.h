/* proc/schedule/loop.h - a node without schedulers' threads: the program's own loop drives it, step by step, in one thread of its choice.
 *
 * The worker is as any other, but has no thread: during a step the driver's thread is it, between steps nobody is. It keeps its scheduler
 * whatever its processes do. What a step runs is in worker.c, how it lies down and gets up in scheduler.c. */
#ifndef PROC_SCHEDULE_LOOP_H
#define PROC_SCHEDULE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <engset/base.h>

/* Makes the worker of the node that starts. ES_ELIMIT, ES_ENOMEM, ES_EOS. */
ES_CHECKED es_err esi_loop_open(void);

/* Is the node driven, and by the calling thread, or, as long as nobody drives it, was it started by that? Then nobody else is about to make
 * its processes run while the caller waits for one. Any thread. */
bool esi_loop_is_driven_here(void);

/* Is it driven by another thread than this one? Then only that one can stop it. Any thread. */
bool esi_loop_is_driven_elsewhere(void);

/* The node's poller, for the driver's thread. */
int esi_loop_descriptor(void);

/* Sleeps until there is something to do, `until_ns`, or 50 ms are over, then steps. The driver, or who started the node and nobody drives
 * yet, between steps. */
void esi_loop_turn(uint64_t until_ns);

/* Nobody drives it any more. The driver's thread, or any if there was none. */
void esi_loop_close(void);

#endif
