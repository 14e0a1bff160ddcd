/* port/child_server.h - the OS process beside the node that starts child programs, and what is said to it.
 *
 * It is forked from the node before the node has threads, has one thread itself, and does nothing but system calls. So a child inherits
 * nothing of the node, whatever that does at the moment, and starting one costs the same however large the node is.
 *
 * The node sends it a request with descriptors. One of them is the child's *line*, a socket of which the server keeps one end as long as the
 * child lives, and the process that owns the child has the other. By it come the answer, later the child's end, and go signals. When the
 * owner's end is closed, since the owner ended or the node did in any way, the child is stopped: first by its stop signal, after the grace
 * time by SIGKILL. If the server dies its children are killed by the kernel. Whoever ends is reaped at once.
 * Source: OTP's erl_child_setup. */
#ifndef PORT_CHILD_SERVER_H
#define PORT_CHILD_SERVER_H

#include <engset/base.h>

/* What the descriptors of a request are, in their order. The server's copies are closed when the child has them. */
enum {
    ESI_CHILD_FD_LINE,
    ESI_CHILD_FD_TEXT, /* a file in memory: struct esi_child_request, then strings */
    ESI_CHILD_FD_DIRECTORY,
    ESI_CHILD_FD_INPUT,
    ESI_CHILD_FD_OUTPUT,
    ESI_CHILD_FD_ERROR,
    ESI_CHILD_FDS,
};

/* Behind it, each with the zero that ends it: the path, the arguments (the name first), the environment. */
struct esi_child_request {
    uint64_t bytes; /* of all, this included */
    uint32_t argument_count, environment_count;
    int32_t stop_signal;
    uint32_t has_own_group;
    int64_t grace_ns; /* from the stop signal to SIGKILL */
};

/* From the server, by the line. */
struct esi_child_answer {
    int32_t kind;  /* enum esi_child_answer_kind */
    int32_t pid;   /* STARTED */
    int32_t step;  /* FAILED: enum esi_child_step */
    int32_t value; /* FAILED: errno; ENDED: the status as in engset/child.h */
};
enum esi_child_answer_kind { ESI_CHILD_STARTED = 1, ESI_CHILD_FAILED, ESI_CHILD_ENDED };
enum esi_child_step {
    ESI_CHILD_STEP_SERVER = 1,
    ESI_CHILD_STEP_FORK,
    ESI_CHILD_STEP_SETUP,
    ESI_CHILD_STEP_DIRECTORY,
    ESI_CHILD_STEP_EXEC
};

/* To the server, by the line: a signal for the child; 0: stop it, as if its owner had ended. */
struct esi_child_command {
    int32_t signal;
};

/* Forks the server and gives the node's end of its socket, which closes on exec. `*pid` is waited for by esi_child_server_end(). Any thread;
 * cheapest while there is little memory and one thread. ES_EOS: errno tells. */
ES_CHECKED es_err esi_child_server_begin(int *socket, int *pid);

/* Closes the socket and waits until the server has ended all that it started, which takes as long as the longest grace time. */
void esi_child_server_end(int socket, int pid);

#endif
