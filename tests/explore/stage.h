/* stage.h - a node without threads, on which a script's logical threads are workers, the watchdog, or threads from outside.
 *
 * Processes are spawned as ever, but have no stack: a logical thread plays one by being the worker that runs it. */
#ifndef TESTS_EXPLORE_STAGE_H
#define TESTS_EXPLORE_STAGE_H

#include "proc/schedule/worker.h"

enum { STAGE_WORKERS = 3 };

/* A node with so many schedulers, each held by the worker of that number, and more workers without one. In a script's set_up. */
void stage_open(int schedulers, int workers);

struct esi_worker *stage_worker(int number);

/* A new process, awake, in no queue. The calling thread must be no worker. In a script's set_up. */
struct esi_process *stage_process(void);

/* The calling logical thread is that worker from here on and runs `p`, which is in the runtime; NULL: nobody. */
void stage_become(int number, struct esi_process *p);

#endif
