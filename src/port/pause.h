/* port/pause.h - what a listener does when the OS process has no descriptors left. */
#ifndef PORT_PAUSE_H
#define PORT_PAUSE_H

#include "port/descriptor.h"

/* One descriptor is kept back for esi_spare_turn_away() while there are listeners: each takes part from when it is opened until it is closed.
 * Any thread. */
void esi_spare_keep(void);
void esi_spare_release(void);

/* Says in the log that `listener` found none left. */
void esi_pause_log(int listener);

/* Waits until a descriptor is closed, 100 ms at most, and not beyond `until`. True: the 100 ms are over. The process itself, in the
 * runtime. What was closed after `seen` = esi_pause_look() counts. */
uint64_t esi_pause_look(void);
bool esi_pause(struct esi_process *self, uint64_t seen, uint64_t until);

/* Accepts what waits at `listener` and closes it: its peers hear an end rather than nothing. */
void esi_spare_turn_away(int listener);

#endif
