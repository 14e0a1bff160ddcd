/* proc/node.h - the node as a whole: what its parts tell it. Starting and stopping is es_node_start(), es_node_stop() and es_run(). */
#ifndef PROC_NODE_H
#define PROC_NODE_H

#include "proc/process.h"
#include "proc/schedule/worker.h"
#include "proc/table.h"

/* Is `p` the process that es_run() started? */
bool esi_node_is_first(struct esi_process *p);

/* A process is gone. If it was the first, the node stops with `status`. */
void esi_node_process_gone(bool was_first, int status);

/* Simulated: everybody waits and there is no timer. */
void esi_node_stuck(void);

/* A signal to stop (SIGTERM, SIGINT) is from here on an exit signal `shutdown` to the first process, which then ends in its own time; the next one stops
 * the node. That process. */
void esi_node_stops_itself(bool does);

/* Simulated: the first process is gone, or the node stops: from here on it does not go by the seed any more. */
bool esi_node_is_over(void);

/* Simulated: the node is to end with `status`, though its first process lives; it stops when this returns. The worker, between two turns. */
void esi_node_end(int status);

/* Simulated: goes into the trace hash. */
void esi_trace_mix(uint64_t value);

/* ---- workers, their making and their lending (crew.c) ---- */

/* A worker's thread. */
void esi_worker_main(void *argument);

/* Makes a worker, holding `scheduler` (may be NULL: a spare). ES_ENOMEM, ES_ELIMIT, ES_EOS. Under the node's lock, without which it begins
 * nothing. */
ES_CHECKED es_err esi_worker_open(struct esi_scheduler *scheduler, struct esi_worker **out);

/* The same without a thread: it holds `scheduler` for good, and whoever becomes it (esi_worker_become) runs it step by step. */
ES_CHECKED es_err esi_worker_open_driven(struct esi_scheduler *scheduler, struct esi_worker **out);

/* Runs what is runnable, until nothing is (false) or the clock is at `until_ns` (true; then at least one had its turn). The thread that is
 * `worker`; between two such calls no process has a way back to it. */
bool esi_worker_run_until(struct esi_worker *worker, uint64_t until_ns);

/* Gives back what the worker keeps at hand for its processes. The worker, at its end. */
void esi_worker_give_back(struct esi_worker *worker);

/* Sleeps until it is lent a scheduler, or the node stops. The worker. */
void esi_worker_wait_among_spares(struct esi_worker *worker);

/* Gives the scheduler of `worker` to a spare that has pinned processes to run, if there is one. The worker. */
void esi_worker_lend_to_wanting(struct esi_worker *worker);

/* `self` is tied to its thread by es_pin() no longer. */
void esi_pin_end(struct esi_process *self);

/* The watchdog may be about to take away the scheduler of `worker`, or to strand it: waits until it has decided, and gives what. The loss
 * of a scheduler is thereby taken note of. The worker, in the runtime. */
enum esi_lost esi_lost_settle(struct esi_worker *worker);

/* Never comes back: the process on this thread counts as ended, and so does the thread. The worker. */
ES_NORETURN void esi_worker_stay_stranded(struct esi_worker *worker);

/* Takes `worker`'s scheduler away and gives it to a spare, unless it is in the runtime just now, or there is no spare to be had. True: done.
 * The watchdog. */
bool esi_worker_hand_over(struct esi_worker *worker);

/* Calls look(worker, argument) while the user code that `worker` runs cannot come into the runtime, if it is outside just now: true. So what it
 * runs stays, with its stack. `look` must be short. The watchdog. */
bool esi_worker_look_at(struct esi_worker *worker, void (*look)(struct esi_worker *, void *), void *argument);

/* Whoever waits to go on in the thread of `worker`, where another process runs on and on, and was told to end meanwhile ends elsewhere: its code does
 * not go on. Not who is tied by es_pin(). The watchdog. */
void esi_worker_free_killed(struct esi_worker *worker);

/* Declares the process that `worker` runs in its slice number `slice` ended, although its code goes on; true if it could be done: it is outside
 * the runtime, and something is there that must end it. The watchdog. */
bool esi_worker_strand(struct esi_worker *worker, uint32_t slice);

/* Gives the holder's free control blocks back. */
void esi_table_flush_own(struct esi_worker *worker);

/* ---- the watchdog (watchdog.c) ---- */

ES_CHECKED es_err esi_watchdog_start(void);
void esi_watchdog_stop(void);

/* A worker found something to run after it slept: the watchdog must be awake. Cheap. */
void esi_watchdog_rouse(void);

#endif
