/* proc/contain/dump.h - the crash dump: what the node was doing when it had to end.
 *
 * Written in a signal handler with system calls only, into engset-crash-<OS pid>.dump in the folder ES_DUMP_DIR names, or the current
 * one; ES_DUMP=0: none. Mode 0600, never over an existing file or through a link (then .1, .2 ... .9 is added), at most 1 MiB. Text,
 * line by line; the first line names the version of the form. What cannot be read any more is left out. */
#ifndef PROC_CONTAIN_DUMP_H
#define PROC_CONTAIN_DUMP_H

#include <signal.h>
#include "proc/contain/fault.h"

/* Why the node ends. */
struct esi_dump_cause {
    const char *text; /* "SIGSEGV", or the invariant that broke */
    const char *file; /* of the invariant; NULL: a signal */
    int line;
    enum esi_fault_rule rule;
    int signo, code;
    uintptr_t address;
    struct esi_frame at;
    const void *context; /* ucontext_t; NULL: none */
};

/* Reads the environment and remembers the working directory's name; the handler cannot. Before processes run. */
void esi_dump_start(void);

/* Writes it and says on stderr in one line why the node ends and where the dump is. The first call of the OS process writes, another
 * gives false at once. Async-signal-safe. Any thread. */
bool esi_dump_write(const struct esi_dump_cause *cause);

/* Is the calling thread just writing the dump? Then a fault in it continues at esi_dump_skip(). Async-signal-safe. */
bool esi_dump_is_here(void);

/* Leaves the part of the dump that faulted and goes on with the next. */
ES_NORETURN void esi_dump_skip(void);

#endif
