/* engset/blocking.h - a call that blocks, made in another thread while the process waits.
 *
 * A process may call what blocks straight away: after 10 ms the others go on in another thread (docs/how-to/blocking-calls.md). This
 * is for calls that block often: nobody else waits these 10 ms, and there may be many. Files and names have calls of their own: engset/file.h,
 * engset/resolve.h. */
#ifndef ENGSET_BLOCKING_H
#define ENGSET_BLOCKING_H

#include <engset/proc.h>

ES_BEGIN_DECLS

/* Runs `function(copy)` in a thread of its own, where `copy` is a copy of the `size_bytes` at `block`, and copies it back when it has come
 * back.
 *
 * If this process is ended, or the deadline comes first, the function goes on alone with its copy: so it may use only what is in the
 * block, or what lives as long as the program. It is no process: es_self() is none there, a fault ends the node. 32 such
 * calls run at a time, others wait their turn. In a simulated world it is called straight away.
 *   ES_ETIMEOUT  `*block` is as before
 *   ES_ENOMEM
 *   ES_EINVAL    no function
 * Process only. */
ES_API ES_CHECKED es_err es_blocking(void (*function)(void *block), void *block, size_t size_bytes,
                                     int64_t deadline_ns);

ES_END_DECLS
#endif
