/* proc/sketch.h - a term as Erlang text for crash reports and dumps: bounded in depth and width, also in a signal handler.
 *
 * "..." stands for what is left out; what others chose is escaped. For text that is read back use es_print(). */
#ifndef PROC_SKETCH_H
#define PROC_SKETCH_H

#include <engset/term.h>
#include "base/text.h"
#include "proc/message.h"

/* Appends `term`. Async-signal-safe as far as the term's memory can be read. */
void esi_sketch_term(struct esi_text *text, es_term term);

/* Appends what is in a mailbox: a term, or the type's name of a typed message. */
void esi_sketch_message(struct esi_text *text, const struct esi_message *message);

/* Appends <0.Index.Generation>. */
void esi_sketch_pid(struct esi_text *text, es_pid pid);

#endif
