/* proc/room.h - waiting until a mailbox with a limit has room. What happens to those who do not wait is in send.c. */
#ifndef PROC_ROOM_H
#define PROC_ROOM_H

#include <stdbool.h>

struct esi_process;

/* A counted message left the mailbox of `self`, which has room waiters: the one that has waited longest may send. On behalf of `self`. */
void esi_room_made(struct esi_process *self);

/* Counts one message more against the limit of `p`. False: there is no room. Any thread. */
bool esi_room_take(struct esi_process *p);

#endif
