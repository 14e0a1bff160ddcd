/* proc/end.h - how a process ends. Dooming it is in proc/process.h; here is what the worker runs then. */
#ifndef PROC_END_H
#define PROC_END_H

#include "proc/process.h"

/* Ends the process `argument`, which is doomed: runs on its stack, from the top. After a fault in a destructor it is entered again
 * and goes on behind that one. */
esi_fiber_entry esi_end_main;

/* The process `argument` had a fault, whose reason is in its memory and in ->reason: says its last words, and ends, if they are. On its stack, from
 * the top. */
esi_fiber_entry esi_last_words_main;
void **esi_last_words_at_top(struct esi_process *self);

/* The same from the process's own main function: gives what that returns. */
void **esi_end_at_top(struct esi_process *self);

/* The same on the worker's stack, for one that never got a stack: it owns nothing whose destructor would need one. */
void esi_end_without_stack(struct esi_process *p);

/* Gives the memory of its reason back. On behalf of `self`. */
void esi_reason_free(struct esi_process *self);

/* The last of it: its stack is given back; the slot is free after this. */
void esi_process_gone(struct esi_process *p);

/* Switches away from a process for good: to wait without a stack (worker.c). */
ES_NORETURN void esi_react_from_here(struct esi_process *self);

/* A message that the process's code looks at: taken out of the mailbox, on its memory list until done() (receive.c). */
es_term esi_hand_over(struct esi_process *self, struct esi_message *message);
void esi_hand_done(struct esi_process *self);

/* What it has in hand, if anything, is the first in its mailbox again, and will be shown to its handler anew. */
void esi_hand_back(struct esi_process *self);

/* Frees the message that the last receive was done with. */
void esi_spent_release(struct esi_process *self);

/* Tells names and groups, links and monitors: as a process that was left stranded they see it end now. On behalf of `p`. */
void esi_end_for_others(struct esi_process *p);

/* Runs es_own()'s destructors, newest first (own.c). The process itself, in the runtime. */
void esi_owned_run(struct esi_process *self);

/* Runs es_defer()s, innermost first (own.c). The process itself, in the runtime. */
void esi_defers_run(struct esi_process *self);

#endif
