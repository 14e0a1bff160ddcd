/* port/blocking.h - calls that block, made by a few threads of their own while the process that wants them waits.
 *
 * A job's memory is its own block. When the process is ended, or does not want to wait any longer, the job goes on alone and what it holds
 * is released behind it. Threads are started when a job finds none that is idle, up to a bound; one that had nothing to do for ten
 * seconds ends. Not for what computes: that can be done by a process. */
#ifndef PORT_BLOCKING_H
#define PORT_BLOCKING_H

#include "proc/process.h"

/* Makes a job of `bytes`, all zero, and gives its block. `run(block)` will be called once, in a thread that is no process, and may use
 * nothing but the block and what it holds. `release(block)` (may be NULL) is called once, whether or not it ran, in any thread: it lets go of
 * what the block holds. NULL: no memory. From here on the job is released if `self` ends. On behalf of `self`. */
void *esi_job_new(struct esi_process *self, size_t bytes, void (*run)(void *block),
                  void (*release)(void *block));

/* Has it run and waits for it. The process itself, in the runtime; does not return when it is ended meanwhile.
 *   ES_OK        it has run; the block is the caller's until esi_job_free()
 *   ES_ETIMEOUT  the deadline came first, and the block is no longer the caller's */
ES_CHECKED es_err esi_job_do(struct esi_process *self, void *block, int64_t deadline_ns);

/* Releases and frees a job that has run, or was never to run. On behalf of `self`. */
void esi_job_free(struct esi_process *self, void *block);

#endif
