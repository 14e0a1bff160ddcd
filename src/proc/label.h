/* proc/label.h - what processes are, in words, for reports and screens.
 *
 * The texts stand in a table of their own by the pids' indexes, in memory that is never given back, so that anybody may read the label of
 * anybody at any time. A process without a label costs nothing; one that is gone needs no cleaning: its entry names another. */
#ifndef PROC_LABEL_H
#define PROC_LABEL_H

#include <stdbool.h>
#include <stdint.h>

enum { ESI_LABEL_BYTES = 32 };

/* `text`, cut at 31 bytes, is the label of the process `id` from here on. Without memory for the table: nothing. The process
 * itself, or who makes it. */
void esi_label_set(uint64_t id, const char *text);

/* Writes the label of `id` to `out`, "" if it has none. Never waits. Any thread. */
void esi_label_get(uint64_t id, char out[ESI_LABEL_BYTES]);

#endif
