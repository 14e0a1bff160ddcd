/* proc/schedule/habits.h - what a process has set in its thread and takes along: its locale and its signal mask.
 *
 * Few processes do. They call uselocale() or pthread_sigmask(), which engset/mark.h turns aside to here. What code does that knows nothing
 * of Engset belongs to the thread: it is expected to put back what it changed before a process waits in it. */
#ifndef PROC_SCHEDULE_HABITS_H
#define PROC_SCHEDULE_HABITS_H

struct esi_process;

/* Before `p`, which has habits, goes on in this thread. Its worker. */
__attribute__((cold)) void esi_habits_on(struct esi_process *p);

/* After it has left: the thread is as before. Does nothing when they are not on. The same worker. */
__attribute__((cold)) void esi_habits_off(struct esi_process *p);

/* It ends, on its own stack or without one, and will have none. On its behalf. */
__attribute__((cold)) void esi_habits_end(struct esi_process *p);

#endif
