/* proc/contain/fault.h - the doing half of containment: signal handlers, the way out of a process, the end of the node.
 *
 * A fault in a process's code leaves the process by siglongjmp to its worker's loop, which calls esi_fault_landed() and lets the process
 * end. A fault that may not be contained (judge.h) writes a crash dump (dump.h) and ends the OS process by the same signal.
 * The same way out is taken by the kill of a process that does not come back. es_abort() and failed assertions are in no handler: they begin
 * the process's end on its own stack, or jump as well where that cannot be used anew (fiber.h).
 *
 * Under AddressSanitizer and ThreadSanitizer our handlers stand in front of theirs; a fault that ends the node is handed on to the one
 * that was there before, so their report comes after our dump. ThreadSanitizer delays asynchronous signals to the next call
 * that it intercepts, so there a loop without calls cannot be killed. */
#ifndef PROC_CONTAIN_FAULT_H
#define PROC_CONTAIN_FAULT_H

#include <signal.h>
#include "proc/contain/judge.h"
#include "proc/contain/unwind.h"
#include "proc/contain/where.h"
#include "proc/schedule/worker.h"

enum { ESI_FAULT_FRAMES = 16, ESI_FAULT_TEXT = 160 };

/* What the handler leaves for the report. Each worker has one (worker.h), zeroed when it starts; written in the handler, read by the same thread behind the jump. */
struct esi_fault {
    int signo; /* 0: left for a kill */
    int code;
    enum esi_fault_kind kind;
    enum esi_fault_rule rule;
    uintptr_t address; /* what was touched */
    uintptr_t pc;
    int frame_count;
    uintptr_t frames[ESI_FAULT_FRAMES]; /* pc, then return addresses */
    char text[ESI_FAULT_TEXT];          /* of a failed assertion: the condition and its place; "" otherwise */
    bool is_admitted;                   /* to be reported */
    uint64_t suppressed;                /* reports left out before it, to be told of then */
    volatile sig_atomic_t is_handling;
    struct esi_where known[ESI_WHERE_KNOWN]; /* the worker's own note: where its processes crashed last */
};

/* Installs the handlers and finds modules and leaf functions. ES_EINVAL: ES_STRICT=1 and a module lacks the flags (said on stderr);
 * ES_ENOMEM; then nothing is installed. Before processes run. */
ES_CHECKED es_err esi_fault_start(void);

/* Puts back what was there; but where a stranded thread is left behind the kill signal goes on doing nothing. No process runs any more, and the workers
 * that ended are gone from the node. */
void esi_fault_stop(void);

/* The signal by which the watchdog asks a worker's thread: end your process, or (want_place) tell where you are. Workers' threads
 * have it unblocked. */
int esi_fault_kill_signal(void);

/* After the jump, in the worker's loop, after esi_fiber_after_longjmp(), or at the top of the stack of `p`, in the runtime: dooms `p`, which
 * was left, and reports why. When it comes back `p` is doomed or ending; its stack holds nothing that is needed. */
void esi_fault_landed(struct esi_worker *worker, struct esi_process *p);

/* Called in the handler of a fault, before it is judged. For tests; NULL otherwise. */
extern void (*esi_fault_test_hook)(void);

/* The name of a kind as in exit reasons, "sigsegv". Static text. Async-signal-safe. */
const char *esi_fault_kind_name(enum esi_fault_kind kind);

#endif
