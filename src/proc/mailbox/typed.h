/* proc/mailbox/typed.h - typed messages and their tuples, as blocks. What a descriptor says is in term/struct.h. */
#ifndef PROC_MAILBOX_TYPED_H
#define PROC_MAILBOX_TYPED_H

#include "proc/process.h"

/* The tuple form of the struct at `payload`, as a block; NULL: no memory. Any thread. */
struct esi_message *esi_struct_to_message(const struct es_struct_descriptor *type, const void *payload);

/* Is `term` the tuple form of a `type`, as far as its first element and size tell? */
bool esi_struct_matches(const struct es_struct_descriptor *type, es_term term);

/* A new struct of `self`'s own, as by es_new(), from its tuple form; NULL: it is not one. Without memory `self`, which calls, ends with
 * system_limit. */
void *esi_struct_from_message(struct esi_process *self, const struct es_struct_descriptor *type,
                              es_term term);

#endif
