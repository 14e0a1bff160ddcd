/* engset/simulate.h - what a program says about the simulated world before it is in one.
 *
 * A simulated world (es_run_simulated(), or ES_SIM=SEED before any program) has sockets, pipes and files of its own, and no other programs:
 * a child program is there what this header makes it. In the real world it changes nothing. */
#ifndef ENGSET_SIMULATE_H
#define ENGSET_SIMULATE_H

#include <engset/child.h>

ES_BEGIN_DECLS

/* What a simulated child program has, until it ends. */
typedef struct es_simulated_child {
    int argument_count;
    const char *const *arguments;   /* its name first; NULL at the end */
    const char *const *environment; /* "NAME=value"; NULL at the end */
    int input, output, error;       /* its descriptors 0, 1 and 2: streams, for es_read() and es_write() */
} es_simulated_child;

/* In simulated worlds es_child_start() of `path` runs `program` from now on. NULL: nothing, as before. `path` may be a whole path, or a name:
 * then it is meant as es_child_options.program has it; a program asked for by its name is found by the last part of a path, too. A path
 * that nobody named here is ES_ENOTFOUND.
 *
 * `program` runs as a process of its own, which shares nothing with who started it but its streams: what it gives is its exit status
 * (0 to 255; 0 also when it exits with `normal`). A fault or es_abort() is the signal that a real program ends by, any other exit reason is
 * status 1. What it has not closed is closed behind it. A signal of es_child_kill() or es_child_stop() arrives as an exit
 * signal with the reason {signal, sigterm}, or {signal, Number}: a program that traps exits gets it as a message, all others end by it; of those
 * that a program ignores unless it asks for them, and of stops, nothing is seen. SIGKILL cannot be trapped. A standard
 * input that is not a pipe or a descriptor of the caller's is empty.
 *
 *   ES_ENOMEM
 *   ES_EINVAL  an empty path
 * Any thread, one at a time; not while a child is being started. */
ES_API ES_CHECKED es_err es_simulate_program(const char *path,
                                             int (*program)(const es_simulated_child *child));

ES_END_DECLS
#endif
