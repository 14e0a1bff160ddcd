/* proc/waiter.h - a thread that is no process waits until a process has ended.
 *
 * It is not inside the runtime meanwhile (proc/outside.h): the node's stop does not wait for it, but tells it. Processes have monitors. */
#ifndef PROC_WAITER_H
#define PROC_WAITER_H

#include <engset/proc.h>

/* Runs `function(argument)` as a process that traps exits, and comes back when it has ended, or the node is down. ES_ECLOSED: no node; ES_ELIMIT, ES_ENOMEM:
 * nothing ran. A thread that is no process. */
ES_CHECKED es_err esi_waiter_run(void (*function)(void *), void *argument);

/* Who still waits is told that there is no node any more. Who stops it, when nobody runs. */
void esi_waiters_node_down(void);

#endif
