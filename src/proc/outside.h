/* proc/outside.h - the door for threads that are no workers: they come in while a node is up, and its stop waits until they are out.
 *
 * Every public function that such a thread may call and that touches what goes with the node (pools, schedulers, wheels, the poller) does
 * so between enter and leave. A process never comes by here. What it does in between must not wait for processes. */
#ifndef PROC_OUTSIDE_H
#define PROC_OUTSIDE_H

#include <stdbool.h>

/* True: the node is there until esi_outside_leave(). False: there is none, nothing to leave. They nest, but what is inside
 * another may be refused. Any thread. */
bool esi_outside_enter(void);
void esi_outside_leave(void);

/* The node is there from here on. Who starts it. */
void esi_outside_open(void);

/* Nobody comes in any more; waits until all who are in are out. Who stops the node. */
void esi_outside_close(void);

/* A forked child has none of the threads that were inside: nobody is, and the door is closed. */
void esi_outside_forget(void);

/* What all say who found the door closed. */
#define ESI_NO_NODE "no node runs in this OS process, or it is ending"

#endif
