/* engset/child.h - child programs: other programs that a process starts, feeds, reads and ends.
 *
 * A child belongs to the process that started it. When that process ends, however it ends, the child gets its stop signal (SIGTERM)
 * and, if it is still there after the grace time, SIGKILL; the same when the node ends, also by SIGKILL. Nobody stays behind as a zombie.
 * Children are started by a small OS process of their own, which was forked before the node had threads: they inherit no descriptor of the
 * node, and signals as the program itself found them when it began.
 *
 * Do not call fork() in a process's code to go on without exec: the copy has none of the node's other threads. Its first call of the
 * runtime ends it with a message. Not here: reading and writing the pipes: they are streams of engset/port.h, for es_read(), es_write(),
 * es_packet(), es_active() and es_close().
 * In a simulated world a child program is what es_simulate_program() makes it.
 * Source of the meaning: OTP's open_port({spawn_executable, ...}, ...) and erl_child_setup. */
#ifndef ENGSET_CHILD_H
#define ENGSET_CHILD_H

#include <engset/proc.h>

ES_BEGIN_DECLS

/* What a child has as its standard input, output or error. */
enum {
    ES_CHILD_INHERIT = 0,   /* the node's own */
    ES_CHILD_NULL = 1,      /* /dev/null */
    ES_CHILD_PIPE = 2,      /* a pipe, whose other end comes back in es_child */
    ES_CHILD_AS_OUTPUT = 3, /* error only: where its output goes */
};
/* A descriptor of the caller's, which stays the caller's and open. One of es_pipe() does not block, but the child's does; any other pipe the same.
 * A socket or a terminal that does not block is refused, ES_EINVAL: take O_NONBLOCK away by fcntl(2). es_read() and es_write() do without it
 * on sockets. */
#define ES_CHILD_FD(fd) ((fd) + 4)

/* How to start a child program; what is zero means its default. Strings and lists are lent for the call. */
typedef struct es_child_options {
    const char *program;          /* a path, or a name without '/' that is looked up in PATH */
    const char *const *arguments; /* what follows the program's name, NULL at the end; NULL: none */
    const char *name;             /* its argv[0]; NULL: `program` */
    const char *const
        *environment;       /* changes to the node's: "NAME=value" sets, "NAME" takes away; NULL at the end */
    bool clear_environment; /* the changes are all there is */
    const char *directory;  /* where it starts; NULL: where the node is. `program` is not relative to it */
    int input, output, error; /* ES_CHILD_..., or ES_CHILD_FD(fd) */
    bool own_group;           /* a process group of its own: signals reach also what it starts */
    bool exit_message;        /* the owner gets {child_exit, Ref, Status} when it has ended */
    int stop_signal;          /* what it gets first when it is to end; 0: SIGTERM */
    int64_t grace_ms;         /* from there to SIGKILL; 0: 5,000. Negative: SIGKILL at once */
} es_child_options;

/* A child program that runs or ran. A small value: copies mean the same child. */
typedef struct es_child {
    es_ref ref;     /* which one, in {child_exit, Ref, Status} */
    int64_t os_pid; /* for people and logs; signals go by es_child_kill() */
    int input, output,
        error; /* the owner's ends of pipes: streams of engset/port.h, closed by es_close() or with the owner; else -1 */
} es_child;

/* How a child ended: 0 to 255: it exited with that; ES_CHILD_SIGNALED(n): a signal ended it. */
#define ES_CHILD_SIGNALED(number) (256 + (number))

/* Starts a child program, owned by this process. Waits until it is its program, or cannot be.
 *   ES_ENOTFOUND  no such program, or no such directory
 *   ES_EINVAL     options that make no sense: no program, a descriptor that is not open, a variable without a name
 *   ES_ENOMEM     no memory, here or for it
 *   ES_EOS        otherwise; errno tells: EACCES not executable, ENOEXEC no program, E2BIG arguments too long, EAGAIN too many OS processes
 * es_last_detail() names the path and the cause. Process only. */
ES_API ES_CHECKED es_err es_child_start(const es_child_options *options, es_child *out);

/* Waits until `child` has ended, writes how (`status` may be NULL) and forgets it; its pipes stay until es_close(). With `exit_message`,
 * after this no message comes (one may be in the mailbox already). ES_ETIMEOUT; ES_ENOTFOUND: not a child of this process, or
 * forgotten. Process only: the owner. */
ES_API ES_CHECKED es_err es_child_wait(es_child child, int64_t deadline_ns, int *status);

/* Sends it a signal, or its whole group if it has its own. ES_OK also when it ended just now. ES_ENOTFOUND as above; ES_EINVAL: no signal.
 * Process only: the owner. */
ES_API es_err es_child_kill(es_child child, int signal);

/* Asks it to end as at the owner's end: the stop signal, after the grace time SIGKILL. Does not wait; es_child_wait() does. ES_ENOTFOUND.
 * Process only: the owner. */
ES_API es_err es_child_stop(es_child child);

/* ---------------------------------------------------------------- in a simulated world */

/* What a simulated child program has, until it ends. */
typedef struct es_simulated_child {
    int argument_count;
    const char *const *arguments;   /* its name first; NULL at the end */
    const char *const *environment; /* "NAME=value"; NULL at the end */
    int input, output, error;       /* its descriptors 0, 1 and 2: streams, for es_read() and es_write() */
} es_simulated_child;

/* In simulated worlds es_child_start() of `path` runs `program` from now on. NULL: nothing, as before. `path` may be a whole path, or a name:
 * then it is meant as es_child_options.program has it; a program asked for by its name is found by the last part of a path, too. A path
 * that nobody named so is ES_ENOTFOUND.
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
