/* port/fd.h - processes that wait for descriptors.
 *
 * A call of this room tries its system call first; when that would block it comes here and then tries again. Any number of
 * processes may wait for one descriptor; all those whose wish may have come true are woken, and who comes too late waits again.
 * Nothing here reads or writes a descriptor. */
#ifndef PORT_FD_H
#define PORT_FD_H

#include <engset/port.h>
#include "proc/process.h"

struct esi_descriptor;

/* Waits until `fd` may be ready for `wanted` (ESI_POLL_IN, ESI_POLL_OUT or both), which a system call then tells. A deadline as in
 * engset/port.h. The process itself, in the runtime; does not return when it is ended meanwhile.
 *   ES_ETIMEOUT  it was not until the deadline; or this process is ending and does not wait any more
 *   ES_ECLOSED   es_close() closed it meanwhile
 *   ES_EINVAL    no descriptor, or one that is always ready
 *   ES_ELIMIT    a number too large, or too many watches in this OS process
 *   ES_ENOMEM, ES_EOS */
ES_CHECKED es_err esi_fd_wait(struct esi_process *self, int fd, uint32_t wanted, int64_t deadline_ns);

/* Has `ready(tag)` called when `fd` may be readable, until it gives true: by any worker, in the runtime, under the descriptor's lock. It must
 * be short and neither wait nor call anything of this header. Nothing is called when `fd` is closed. Until esi_fd_watch_end() `*out` is the caller's.
 * Errors as of esi_fd_wait(). In the runtime. */
struct esi_fd_watch;
ES_CHECKED es_err esi_fd_watch_begin(int fd, bool (*ready)(void *tag), void *tag, struct esi_fd_watch **out);

/* Ends it; `ready` has come back, or is not called any more. In the runtime. */
void esi_fd_watch_end(struct esi_fd_watch *watch);
/* A deadline of engset/port.h as the clock and the wheel have it. */
uint64_t esi_fd_until(int64_t deadline_ns);

/* The poller says that `d` is ready (ESI_POLL_*): wakes who waits by esi_fd_wait(). Any worker. */
void esi_fd_ready(struct esi_descriptor *d, uint32_t ready);

/* `d` is about to be closed: who waits by esi_fd_wait() is told. Under its lock. */
void esi_fd_forget(struct esi_descriptor *d);

/* `fd` is about to be closed: nobody is watched for it any more, and who waits gets ES_ECLOSED. Any thread. */
void esi_fd_closing(int fd);

/* The calling process, in the runtime. ES_ENOPROC: not entered. `call` names the function. */
ES_CHECKED es_err esi_fd_enter(const char *call, struct esi_process **out);

/* Notes that the system refused `call`, with `code` as errno and as the reason in es_last_detail(); gives ES_EOS, or ES_ECLOSED
 * for a descriptor that is closed. The process itself, in the runtime. */
es_err esi_fd_refused(struct esi_process *self, const char *call, int code);

/* Notes that waiting failed, and gives `error`. The process itself, in the runtime. */
es_err esi_fd_wait_failed(struct esi_process *self, const char *call, int fd, es_err error);

#endif
