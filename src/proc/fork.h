/* proc/fork.h - what becomes of a copy of the node that fork() makes in a process's code.
 *
 * To exec another program it is good: all our descriptors close on exec, and it gets the signal mask that the program had when the node
 * began. It cannot be a node: it has none of the other threads. So its first call of the runtime ends it. */
#ifndef PROC_FORK_H
#define PROC_FORK_H

/* The node starts: its makers' signal mask is what such a copy gets. The thread of es_run(). */
void esi_fork_start(void);

/* Ends the OS process with a message if it is such a copy. In the runtime. */
void esi_fork_check(void);

#endif
