/* proc/mailbox/send.h - sending a finished block; everybody else uses es_send(). */
#ifndef PROC_MAILBOX_SEND_H
#define PROC_MAILBOX_SEND_H

#include "proc/process.h"

/* Sends `message`, a block that is a message for user code, to the local process with the id `to`, within its message limit. Owns it.
 * `self` may be NULL: from a thread that is no process. In the runtime. */
void esi_send_block(struct esi_process *self, uint64_t to, struct esi_message *message);

/* The same past the limit, for what its receiver asked for and so bounds itself. In the runtime, any thread. */
void esi_send_uncounted(uint64_t to, struct esi_message *message);

/* es_send(to, {Tag, Message}) with one copy of `message`. Any thread. */
es_err esi_send_tagged(es_pid to, es_atom tag, es_term message);

#endif
