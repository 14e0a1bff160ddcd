/* proc/table.h - starting and emptying the table of control blocks; using it is in proc/process.h. */
#ifndef PROC_TABLE_H
#define PROC_TABLE_H

#include <engset/base.h>

struct esi_scheduler;

/* Reserves the address space; `limit`: how many processes may exist. A later node in the same OS process gets no more than
 * the first one reserved: its limit, or 16,777,216. ES_ENOMEM. Before the first worker. */
ES_CHECKED es_err esi_table_start(int64_t limit);

/* Gives the blocks in a scheduler's cache back. Its holder, or when nobody runs. */
void esi_table_flush(struct esi_scheduler *scheduler);

#endif
