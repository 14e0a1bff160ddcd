/* child.c - child programs, as their owner sees them: the server starts them, the line tells (see child_server.h).
 *
 * A child is a bond of its owner, which holds the line. Whatever way the owner ends, the bond closes the line, and the server does the rest.
 * While the child is being started the bond also holds what is to be sent along.
 *
 * With a message wanted the line is watched. The watch looks at the answer, sends the owner a signal, and leaves the answer on the line: so
 * es_child_wait() works as without. The signal's arrival takes the bond away and becomes the message, unless the owner is just waiting: then
 * the wait finds the answer and takes the bond away. */
#include <engset/child.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "platform/os.h"
#include "platform/poller.h"
#include "port/child_server.h"
#include "port/child_sim.h"
#include "port/child_text.h"
#include "port/fd.h"
#include "port/stream.h"
#include "proc/own.h"
#include "proc/schedule/worker.h"

struct child {
    struct esi_bond bond; /* its id is the reference's */
    es_ref ref;
    int line;
    int sent[ESI_CHILD_FDS]; /* what goes along with the request, but for the line; -1 once it is gone */
    struct esi_fd_watch *watch;
    struct esi_message *message; /* to be sent by the watch; NULL: it is sent, or not wanted */
    uint64_t owner;
    bool is_waited_for;
};

/* ---------------------------------------------------------------- the server */

/* One for each run of the node. If it dies, or could not be forked when the node started, the next child makes a new one. */
static struct {
    pthread_mutex_t lock; /* guards making a new one, and pid */
    _Atomic(int) socket;  /* -1: there is none */
    _Atomic(uint32_t) generation;
    int pid;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER, .socket = -1};

/* Under the lock, or before there are threads. */
static es_err begin_server(void)
{
    int fresh, pid;
    int old = atomic_load_explicit(&server.socket, memory_order_relaxed);
    es_err error = esi_child_server_begin(&fresh, &pid);
    if (error != ES_OK)
        return error;
    if (old >= 0) { /* by the same number: who is just sending must not meet a stranger there */
        dup3(fresh, old, O_CLOEXEC);
        close(fresh);
        waitpid(server.pid, NULL, __WALL | WNOHANG);
        fresh = old;
    }
    server.pid = pid;
    atomic_store_explicit(&server.socket, fresh, memory_order_relaxed);
    /* release: who sees the new generation sees the socket. */
    atomic_fetch_add_explicit(&server.generation, 1, memory_order_release);
    return ES_OK;
}

static void before_threads(void)
{
    /* If it fails the first child tries again, and tells. */
    if (begin_server() != ES_OK)
        return;
}

static void after_threads(void)
{
    int socket = atomic_exchange_explicit(&server.socket, -1, memory_order_relaxed);
    if (socket >= 0)
        esi_child_server_end(socket, server.pid);
}

/* The one of generation `seen` is of no use: makes another, unless somebody has. */
static es_err renew_server(uint32_t seen)
{
    es_err error = ES_OK;
    pthread_mutex_lock(&server.lock);
    if (atomic_load_explicit(&server.generation, memory_order_acquire) == seen)
        error = begin_server();
    pthread_mutex_unlock(&server.lock);
    return error;
}

/* ---------------------------------------------------------------- the bond */

static void close_sent(struct child *c)
{
    for (int i = 0; i < ESI_CHILD_FDS; i++) {
        if (c->sent[i] >= 0)
            esi_os_close(c->sent[i]);
        c->sent[i] = -1;
    }
}

/* `c` is out of the map. */
static void child_free(struct child *c)
{
    if (c->watch)
        esi_fd_watch_end(c->watch);
    if (c->message)
        esi_message_free(c->message);
    close_sent(c);
    if (c->line >= 0) {
        esi_fd_closing(c->line);
        esi_os_close(c->line);
    }
    esi_bond_free(c, sizeof *c);
}

static void owner_ended(struct esi_process *self, struct esi_bond *bond, es_term reason)
{
    (void)self;
    (void)reason;
    child_free(ESI_CONTAINER_OF(bond, struct child, bond));
}

static const struct esi_bond_kind child_kind = {"child", ESI_BOND_CHILD, owner_ended};

static struct child *child_new(struct esi_process *self)
{
    struct child *c = esi_bond_new(sizeof *c);
    if (!c)
        return NULL;
    c->ref = esi_ref_new(self);
    c->line = -1;
    for (int i = 0; i < ESI_CHILD_FDS; i++)
        c->sent[i] = -1;
    c->owner = self->id;
    esi_bond_insert(self, &c->bond, &child_kind, c->ref.id);
    return c;
}

static void child_forget(struct esi_process *self, struct child *c)
{
    esi_bond_remove(self, &c->bond);
    child_free(c);
}

static struct child *child_find(struct esi_process *self, es_ref ref)
{
    struct esi_bond *bond = ref.node ? NULL : esi_bond_find(self, ESI_BOND_CHILD, ref.id);
    return bond ? ESI_CONTAINER_OF(bond, struct child, bond) : NULL;
}

/* ---------------------------------------------------------------- errors */

static es_err refused(struct esi_process *self, const char *what, int code)
{
    char text[128];
    es_err error = code == ENOMEM ? ES_ENOMEM : code == ENOENT || code == ENOTDIR ? ES_ENOTFOUND : ES_EOS;
    esi_fail(self, error, "child_start: %.150s: %s", what, strerror_r(code, text, sizeof text));
    *es_errno() = code;
    return error;
}

/* `what` could not be opened here. */
static es_err not_opened(struct esi_process *self, const char *what, int code)
{
    if (code != EMFILE)
        return refused(self, what, code);
    esi_fail(self, ES_EOS,
             "child_start: this OS process has no descriptors left, of which a start takes up to ten for a "
             "moment: raise RLIMIT_NOFILE (ulimit -n)");
    *es_errno() = code;
    return ES_EOS;
}

static es_err exec_failed(struct esi_process *self, const char *path, int code)
{
    const char *why;
    es_err error = ES_EOS;
    switch (code) {
    case EACCES:
        why = "is not executable; chmod +x makes a file so";
        break;
    case ENOEXEC:
        why = "is no program: it begins neither with #! nor as one for this machine";
        break;
    case ENOENT:
        error = ES_ENOTFOUND;
        why = access(path, F_OK) == 0 ? "is there, but not the interpreter or loader that it names"
                                      : "is not there";
        break;
    default:
        return refused(self, path, code);
    }
    esi_fail(self, error, "child_start: %.150s %s", path, why);
    *es_errno() = code;
    return error;
}

static es_err not_found(struct esi_process *self, const char *program, es_err error)
{
    int code = *es_errno();
    const char *why = esi_node.is_sim
                          ? "is no program of the simulated world: es_simulate_program() makes it one"
                      : error == ES_ENOTFOUND ? "is in no directory of PATH"
                      : error == ES_EINVAL    ? "is no name of a program"
                      : code == EACCES        ? "is in PATH, but not executable; chmod +x makes a file so"
                                              : "cannot be found: the current directory is gone";
    esi_fail(self, error, "child_start: '%.150s' %s", program, why);
    *es_errno() = code;
    return error;
}

/* It took the request and did not answer. The child is not started a second time: it may have run for a moment. */
static es_err server_lost(struct esi_process *self, const char *path)
{
    esi_fail(self, ES_EOS,
             "child_start: %.100s: the server of children was killed just now, or has no descriptors left; "
             "try again",
             path);
    *es_errno() = EAGAIN;
    return ES_EOS;
}

static es_err start_failed(struct esi_process *self, const es_child_options *options, const char *path,
                           const struct esi_child_answer *answer)
{
    switch (answer->step) {
    case ESI_CHILD_STEP_EXEC:
        return exec_failed(self, path, answer->value);
    case ESI_CHILD_STEP_DIRECTORY:
        return refused(self, options->directory ? options->directory : ".", answer->value);
    case ESI_CHILD_STEP_FORK:
        return refused(self, answer->value == EAGAIN ? "too many OS processes (ulimit -u)" : "fork",
                       answer->value);
    case ESI_CHILD_STEP_SERVER:
        return refused(self,
                       answer->value == EMFILE ? "too many children (ulimit -n)" : "the server of children",
                       answer->value);
    default:
        return refused(self, path, answer->value);
    }
}

/* ---------------------------------------------------------------- what goes along */

static es_err open_directory(struct esi_process *self, struct child *c, const char *directory)
{
    c->sent[ESI_CHILD_FD_DIRECTORY] =
        esi_os_open(directory ? directory : ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (c->sent[ESI_CHILD_FD_DIRECTORY] < 0)
        return not_opened(self, directory ? directory : "the current directory", *es_errno());
    return ES_OK;
}

/* Gives the child's end, or -1. The owner's, a stream, is `*ours`. */
static int open_pipe(struct esi_process *self, bool is_input, int *ours)
{
    int ends[2];
    if (esi_os_pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    int mine = ends[is_input ? 1 : 0], its = ends[is_input ? 0 : 1];
    if (!esi_node.is_sim && fcntl(mine, F_SETFL, O_NONBLOCK) != 0) {
        close(mine);
        close(its);
        return -1;
    }
    es_err error = esi_descriptor_open(self, mine, ESI_FD_PIPE, "child_start");
    if (error != ES_OK) {
        esi_os_close(its);
        *es_errno() = error == ES_ENOMEM ? ENOMEM : EMFILE;
        return -1;
    }
    *ours = mine;
    return its;
}

static int duplicate(int fd)
{
    return esi_os_duplicate(fd);
}

/* The same end of the same pipe, which blocks, while `fd` itself goes on without: being non-blocking is not a descriptor's but its opening's,
 * so it takes one more. It is opened non-blocking, since otherwise that would wait for the other end. */
static int open_anew_blocking(int fd, int flags)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int fresh = open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC);
    if (fresh >= 0 && fcntl(fresh, F_SETFL, flags & ~O_NONBLOCK) != 0) {
        close(fresh);
        return -1;
    }
    return fresh;
}

/* Programs do not expect a descriptor that does not block. EWOULDBLOCK: only its owner can make it so. */
static int lend(int fd)
{
    struct stat file;
    int flags = esi_os_flags(fd);
    if (esi_node.is_sim || flags < 0 || !(flags & O_NONBLOCK) || (flags & O_PATH) || fstat(fd, &file) != 0 ||
        S_ISREG(file.st_mode) || S_ISDIR(file.st_mode))
        return duplicate(fd);
    if (S_ISFIFO(file.st_mode))
        return open_anew_blocking(fd, flags);
    *es_errno() = EWOULDBLOCK;
    return -1;
}

static int inherit(int fd)
{
    if (esi_node.is_sim && fd == 0)
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    int copy = duplicate(fd);
    return copy < 0 && *es_errno() == EBADF ? open("/dev/null", O_RDWR | O_CLOEXEC) : copy;
}

/* What the child gets as its descriptor `number`. */
static int open_stream(struct esi_process *self, struct child *c, int wish, int number, int *ours)
{
    if (wish >= ES_CHILD_FD(0))
        return lend(wish - ES_CHILD_FD(0));
    switch (wish) {
    case ES_CHILD_INHERIT:
        return inherit(number);
    case ES_CHILD_NULL:
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    case ES_CHILD_PIPE:
        return open_pipe(self, number == 0, ours);
    case ES_CHILD_AS_OUTPUT:
        if (number == 2)
            return duplicate(c->sent[ESI_CHILD_FD_OUTPUT]);
        break;
    }
    *es_errno() = EINVAL;
    return -1;
}

static es_err stream_refused(struct esi_process *self, const char *name, int code)
{
    es_err error = ES_EINVAL;
    if (code == EWOULDBLOCK)
        esi_fail(self, error,
                 "child_start: %s: the descriptor does not block, as programs do not expect; clear its "
                 "O_NONBLOCK, "
                 "or give ES_CHILD_PIPE",
                 name);
    else
        error = not_opened(self, name, code);
    *es_errno() = code;
    return error == ES_EOS && (code == EBADF || code == EINVAL) ? ES_EINVAL : error;
}

static es_err open_streams(struct esi_process *self, struct child *c, const es_child_options *options,
                           es_child *out)
{
    static const char *const names[] = {"standard input", "standard output", "standard error"};
    const int wishes[] = {options->input, options->output, options->error};
    int *const ours[] = {&out->input, &out->output, &out->error};
    for (int i = 0; i < 3; i++) {
        int fd = open_stream(self, c, wishes[i], i, ours[i]);
        if (fd < 0)
            return stream_refused(self, names[i], *es_errno());
        c->sent[ESI_CHILD_FD_INPUT + i] = fd;
    }
    return ES_OK;
}

/* ES_OK: its end is in c->sent. */
static es_err open_line(struct esi_process *self, struct child *c)
{
    int pair[2];
    if (esi_os_socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return not_opened(self, "a socket to the child", *es_errno());
    c->line = pair[0];
    c->sent[ESI_CHILD_FD_LINE] = pair[1];
    return ES_OK;
}

/* ---------------------------------------------------------------- the dialogue */

static ssize_t send_descriptors(int socket, const int fds[ESI_CHILD_FDS])
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(ESI_CHILD_FDS * sizeof(int))];
    } control = {.bytes = {0}};
    char byte = 0;
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(ESI_CHILD_FDS * sizeof(int));
    memcpy(CMSG_DATA(header), fds, ESI_CHILD_FDS * sizeof(int));
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static es_err start_simulated(struct esi_process *self, struct child *c, const es_child_options *options,
                              const char *path)
{
    es_err error =
        esi_child_sim_start(self, options, path, c->sent[ESI_CHILD_FD_LINE], &c->sent[ESI_CHILD_FD_INPUT]);
    if (error != ES_OK)
        return error;
    c->sent[ESI_CHILD_FD_LINE] = -1;
    for (int i = ESI_CHILD_FD_INPUT; i <= ESI_CHILD_FD_ERROR; i++)
        c->sent[i] = -1;
    close_sent(c);
    return ES_OK;
}

static es_err send_request(struct esi_process *self, struct child *c)
{
    for (int deaths = 0;;) {
        uint32_t seen = atomic_load_explicit(&server.generation, memory_order_acquire);
        int socket = atomic_load_explicit(&server.socket, memory_order_relaxed);
        ssize_t count = socket < 0 ? -1 : send_descriptors(socket, c->sent);
        int code = socket < 0 ? EPIPE : *es_errno();
        if (count >= 0) {
            close_sent(c);
            return ES_OK;
        }
        if (code == EINTR)
            continue;
        es_err error = ES_EOS;
        if (code == EAGAIN)
            error = esi_fd_wait(self, socket, ESI_POLL_OUT, ES_INFINITY);
        else if ((code == EPIPE || code == ECONNRESET) && deaths++ < 3)
            error = renew_server(seen);
        if (error == ES_ECLOSED || error == ES_OK)
            continue;
        return refused(self, "the server of children", code == EAGAIN ? ENOMEM : code);
    }
}

/* The next thing said on the line. ES_ECLOSED: the server is gone. */
static es_err hear(struct esi_process *self, int line, int64_t deadline_ns, struct esi_child_answer *out)
{
    for (bool is_late = false;;) {
        ssize_t count = esi_os_recv(line, out, sizeof *out, MSG_DONTWAIT);
        if (count == sizeof *out)
            return ES_OK;
        int code = *es_errno();
        if (count >= 0 || (code != EINTR && code != EAGAIN))
            return ES_ECLOSED;
        if (code == EINTR)
            continue;
        if (is_late)
            return ES_ETIMEOUT;
        es_err error = esi_fd_wait(self, line, ESI_POLL_IN, deadline_ns);
        if (error != ES_OK && error != ES_ETIMEOUT)
            return error;
        is_late = error == ES_ETIMEOUT; /* what came just now still counts */
    }
}

/* ---------------------------------------------------------------- the end as a message */

/* Instead of what the server did not tell, since it died: the kernel has killed the child with it. */
#define STATUS_LOST ES_CHILD_SIGNALED(SIGKILL)

static void exit_arrives(struct esi_process *self, struct esi_message *signal)
{
    struct esi_bond *bond = esi_bond_find(self, ESI_BOND_CHILD, signal->words[0]);
    struct child *c = bond ? ESI_CONTAINER_OF(bond, struct child, bond) : NULL;
    if (!c || c->is_waited_for) {
        esi_message_free(signal);
        return;
    }
    child_forget(self, c);
    signal->kind = NULL;
    esi_deliver(self, signal);
}

static const struct esi_signal_kind exit_kind = {.name = "child_exit", .arrive = exit_arrives};

/* Of the watch. */
static bool line_is_ready(void *tag)
{
    struct child *c = tag;
    struct esi_child_answer answer;
    ssize_t count = esi_os_recv(c->line, &answer, sizeof answer, MSG_DONTWAIT | MSG_PEEK);
    if (count < 0 && (*es_errno() == EAGAIN || *es_errno() == EINTR))
        return false;
    struct esi_message *signal = c->message;
    c->message = NULL;
    /* The block is ours alone until it is sent, and a status is one word. */
    uint64_t *tuple = (uint64_t *)(uintptr_t)signal->term.w;
    tuple[3] = esi_word_of_small(count == sizeof answer ? answer.value : STATUS_LOST);
    signal->kind = &exit_kind;
    esi_signal_send(c->owner, signal);
    return true;
}

static es_err watch(struct esi_process *self, struct child *c)
{
    es_err error = esi_message_copy_behind(sizeof(uint64_t), es_lend(ES_TUPLE(es_am_child_exit, c->ref, 0)),
                                           &c->message);
    if (error == ES_OK) {
        c->message->words[0] = c->ref.id;
        error = esi_fd_watch_begin(c->line, line_is_ready, c, &c->watch);
    }
    if (error != ES_OK)
        return esi_fail(self, error, "child_start: waiting for its end: %s", es_strerror(error));
    return ES_OK;
}

/* ---------------------------------------------------------------- starting */

/* Each names what it changes. */
static es_err check_environment(struct esi_process *self, const char *const *changes)
{
    for (; changes && *changes; changes++)
        if (**changes == '=' || !**changes)
            return esi_fail(self, ES_EINVAL, "child_start: '%.120s' in .environment has no name", *changes);
    return ES_OK;
}

static es_err prepare(struct esi_process *self, struct child *c, const es_child_options *options,
                      char path[PATH_MAX], es_child *out)
{
    es_err error = esi_node.is_sim ? esi_child_sim_find(options->program, path)
                                   : esi_child_find_program(options->program, path);
    if (error != ES_OK)
        return not_found(self, options->program, error);
    error = check_environment(self, options->environment);
    if (error == ES_OK)
        error = open_directory(self, c, options->directory);
    if (error == ES_OK)
        error = open_streams(self, c, options, out);
    if (error == ES_OK)
        error = open_line(self, c);
    if (error != ES_OK || esi_node.is_sim)
        return error;
    error = esi_child_write_request(options, path, &c->sent[ESI_CHILD_FD_TEXT]);
    if (error != ES_OK)
        return not_opened(self, path, error == ES_ENOMEM ? ENOMEM : *es_errno());
    return ES_OK;
}

static es_err start(struct esi_process *self, struct child *c, const es_child_options *options, es_child *out)
{
    char path[PATH_MAX];
    struct esi_child_answer answer;
    es_err error = prepare(self, c, options, path, out);
    if (error == ES_OK)
        error = esi_node.is_sim ? start_simulated(self, c, options, path) : send_request(self, c);
    if (error != ES_OK)
        return error;
    error = hear(self, c->line, ES_INFINITY, &answer);
    if (error == ES_ECLOSED)
        return server_lost(self, path);
    if (error != ES_OK)
        return esi_fail(self, error, "child_start: %.150s: %s", path, es_strerror(error));
    if (answer.kind != ESI_CHILD_STARTED)
        return start_failed(self, options, path, &answer);
    out->os_pid = answer.pid;
    return options->exit_message ? watch(self, c) : ES_OK;
}

static void close_pipe(struct esi_process *self, int fd)
{
    if (fd >= 0)
        esi_stream_give_up(self, fd);
}

es_err es_child_start(const es_child_options *options, es_child *out)
{
    struct esi_process *self;
    es_child_options copy = *options; /* before entering: a bad pointer is the caller's fault alone */
    es_child made = {.input = -1, .output = -1, .error = -1};
    es_err error = esi_fd_enter("child_start", &self);
    if (error != ES_OK)
        return error;
    struct child *c = copy.program ? child_new(self) : NULL;
    if (!c)
        error = esi_fail(self, copy.program ? ES_ENOMEM : ES_EINVAL, "child_start: %s",
                         copy.program ? "no memory" : "no program is named");
    else
        error = start(self, c, &copy, &made);
    if (c && error == ES_OK)
        made.ref = c->ref;
    int code = *es_errno();
    if (c && error != ES_OK) {
        child_forget(self, c);
        close_pipe(self, made.input);
        close_pipe(self, made.output);
        close_pipe(self, made.error);
    }
    esi_charge(self, 100);
    *es_errno() = code;
    esi_leave();
    if (error == ES_OK)
        *out = made;
    return error;
}

/* ---------------------------------------------------------------- waiting, signals */

static es_err not_a_child(struct esi_process *self, const char *call)
{
    return esi_fail(self, ES_ENOTFOUND, "%s: not a child of this process, or its end was told already", call);
}

es_err es_child_wait(es_child child, int64_t deadline_ns, int *status)
{
    struct esi_process *self;
    struct esi_child_answer answer = {.value = STATUS_LOST};
    es_err error = esi_fd_enter("child_wait", &self);
    if (error != ES_OK)
        return error;
    struct child *c = child_find(self, child.ref);
    if (c) {
        c->is_waited_for = true;
        error = hear(self, c->line, deadline_ns, &answer);
        c->is_waited_for = false;
    } else {
        error = not_a_child(self, "child_wait");
    }
    if (error == ES_ECLOSED)
        error = ES_OK;
    if (error == ES_OK)
        child_forget(self, c);
    else if (c)
        error = esi_fd_wait_failed(self, "child_wait", c->line, error);
    esi_leave();
    if (error == ES_OK && status)
        *status = answer.value;
    return error;
}

static es_err command(struct esi_process *self, es_child child, const char *call, int number)
{
    struct child *c = child_find(self, child.ref);
    if (!c)
        return not_a_child(self, call);
    struct esi_child_command order = {.signal = number};
    for (;;) {
        if (esi_os_send(c->line, &order, sizeof order, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return ES_OK;
        int code = *es_errno();
        if (code != EAGAIN && code != EINTR)
            return ES_OK; /* it has ended; the line tells how */
        esi_yield(self);  /* the server has much to do; and a message may tell the end meanwhile */
        c = child_find(self, child.ref);
        if (!c)
            return ES_OK;
    }
}

es_err es_child_kill(es_child child, int signal)
{
    struct esi_process *self;
    es_err error = esi_fd_enter("child_kill", &self);
    if (error != ES_OK)
        return error;
    if (signal < 1 || signal > SIGRTMAX)
        error = esi_fail(self, ES_EINVAL, "child_kill: %d is no signal", signal);
    else
        error = command(self, child, "child_kill", signal);
    esi_leave();
    return error;
}

es_err es_child_stop(es_child child)
{
    struct esi_process *self;
    es_err error = esi_fd_enter("child_stop", &self);
    if (error != ES_OK)
        return error;
    error = command(self, child, "child_stop", 0);
    esi_leave();
    return error;
}

static struct esi_node_hook hook = {before_threads, after_threads, NULL};

__attribute__((constructor(150))) static void plug_in(void)
{
    hook.next = esi_plug.node_hooks;
    esi_plug.node_hooks = &hook;
}
