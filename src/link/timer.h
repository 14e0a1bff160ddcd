/* link/timer.h - timers that send messages, as far as the room's other files need them. The public half is in engset/link.h. */
#ifndef LINK_TIMER_H
#define LINK_TIMER_H

#include "proc/process.h"

/* One of this room's timers is due, and taken off its wheel, whose lock is held: its message goes out. */
void esi_timer_send(struct esi_timer *timer);

/* `self` ends: the timers whose messages are for it are gone. */
void esi_timers_forget(struct esi_process *self);

/* The node goes down: the timers that were left, those to names, are gone. */
void esi_timers_forget_all(void);

#endif
