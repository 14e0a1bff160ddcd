/* child_server.c - see child_server.h.
 *
 * What runs here after the fork is a copy of one thread of the node, perhaps of many: locks may be held for ever and no library function
 * may be called that takes one. So all is system calls, made by syscall(2) since sanitizers put code of their own around the usual
 * functions, and memory comes from mmap. For the same reason this code is not instrumented. */
#include "port/child_server.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#undef errno /* nobody changes threads here */
#define errno (*__errno_location())

#if defined(__clang__)
#define BARE __attribute__((no_sanitize("address", "thread", "undefined")))
#else
#define BARE __attribute__((no_sanitize_address, no_sanitize_thread, no_sanitize_undefined))
#endif

/* A variadic call passes each argument as it is written: what the kernel reads as a long is written as one, or its upper half is what lay
 * on the stack. */
#define SYS(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

/* What epoll tells: one of these, or a child's number behind them. */
enum { FROM_NODE, FROM_SIGNAL, FROM_CHILD };

enum { SIGNAL_SET_BYTES = 8, STATUS_OF_SIGNAL = 256 };

struct child {
    int32_t pid; /* 0: nobody */
    int line;    /* -1: its owner is gone */
    int stop_signal;
    bool has_own_group, is_stopping;
    int64_t grace_ns;
    int64_t kill_at_ns; /* while it is stopping; 0: it was killed */
};

/* Where a child that does not come to its program leaves why. Shared with it. */
struct trial {
    volatile int32_t step, code;
};

static struct {
    int socket, poll, signals;
    bool node_is_gone;
    struct child *children; /* mapped */
    uint32_t room, count;
    struct trial *trial;
    struct rlimit descriptors; /* as the node has it: for the children */
} server;

/* ---------------------------------------------------------------- small things */

static BARE int64_t now_ns(void)
{
    struct timespec now = {0};
    SYS(clock_gettime, CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static BARE void *map(size_t bytes, int flags, int fd)
{
    long memory = SYS(mmap, NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0L);
    return memory == -1 ? NULL : (void *)memory;
}

static BARE bool poll_for(int fd, uint64_t what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = what};
    return SYS(epoll_ctl, server.poll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static BARE void tell(int line, struct esi_child_answer answer)
{
    /* Two answers fit into any socket; an owner who is gone hears nothing. */
    SYS(sendto, line, &answer, sizeof answer, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

/* ---------------------------------------------------------------- those who live */

static BARE struct child *free_place(void)
{
    for (uint32_t i = 0; i < server.room; i++)
        if (!server.children[i].pid)
            return &server.children[i];
    uint32_t room = server.room ? 2 * server.room : 64;
    struct child *larger = map(room * sizeof *larger, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    if (!larger)
        return NULL;
    for (uint32_t i = 0; i < server.room; i++)
        larger[i] = server.children[i];
    if (server.children)
        SYS(munmap, server.children, server.room * sizeof *larger);
    server.children = larger;
    uint32_t first = server.room;
    server.room = room;
    return &larger[first];
}

static BARE void signal_child(const struct child *c, int number)
{
    SYS(kill, c->has_own_group ? -c->pid : c->pid, number);
}

static BARE void stop_child(struct child *c)
{
    if (c->is_stopping)
        return;
    c->is_stopping = true;
    signal_child(c, c->stop_signal);
    SYS(kill, c->pid, SIGCONT); /* one that stands still would not hear it */
    c->kill_at_ns = now_ns() + c->grace_ns;
}

static BARE void close_line(struct child *c)
{
    if (c->line < 0)
        return;
    SYS(close, c->line); /* the poller forgets it by itself: there is no other copy */
    c->line = -1;
}

static BARE void hear_owner(struct child *c)
{
    struct esi_child_command command = {0};
    long length = SYS(recvfrom, c->line, &command, sizeof command, MSG_DONTWAIT, NULL, NULL);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length == sizeof command && command.signal) {
        signal_child(c, command.signal);
        return;
    }
    if (length <= 0)
        close_line(c);
    stop_child(c);
}

/* ---------------------------------------------------------------- those who ended */

static BARE struct child *child_of(int32_t pid)
{
    for (uint32_t i = 0; i < server.room; i++)
        if (server.children[i].pid == pid)
            return &server.children[i];
    return NULL;
}

static BARE void child_ended(struct child *c, const siginfo_t *info)
{
    bool has_exited = info->si_code == CLD_EXITED;
    if (c->line >= 0)
        tell(c->line, (struct esi_child_answer){.kind = ESI_CHILD_ENDED,
                                                .value = has_exited ? info->si_status
                                                                    : STATUS_OF_SIGNAL + info->si_status});
    close_line(c);
    c->pid = 0;
    server.count--;
}

/* Reaps whoever has ended, then tells the owner. Grandchildren that lost their parent are among them. */
static BARE void reap(void)
{
    for (;;) {
        siginfo_t info;
        info.si_pid = 0;
        if (SYS(waitid, P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT, NULL) != 0 || !info.si_pid)
            return;
        struct child *c = child_of(info.si_pid);
        /* Not reaped yet: nobody else can have the number. What it left behind in its group goes when it was to be stopped. */
        if (c && c->is_stopping && c->has_own_group)
            signal_child(c, SIGKILL);
        SYS(wait4, info.si_pid, NULL, 0, NULL);
        if (c)
            child_ended(c, &info);
    }
}

/* ---------------------------------------------------------------- a new one */

static BARE void give_up(enum esi_child_step step)
{
    server.trial->step = (int32_t)step;
    server.trial->code = errno;
    SYS(exit_group, 127);
}

static BARE void close_from(unsigned first)
{
    if (SYS(close_range, first, ~0u, 0) == 0)
        return;
    for (unsigned fd = first; fd < 65536; fd++) /* a kernel before 5.9 */
        SYS(close, fd);
}

/* The child, until it is its program. */
static BARE void become(const struct esi_child_request *request, char **arguments, const int *fds,
                        int32_t parent)
{
    uint64_t none = 0;
    SYS(prctl, PR_SET_PDEATHSIG, (long)SIGKILL, 0L, 0L, 0L);
    if (SYS(getppid) != parent)
        SYS(exit_group, 127);
    if (request->has_own_group && SYS(setpgid, 0, 0) != 0)
        give_up(ESI_CHILD_STEP_SETUP);
    for (int i = 0; i < 3; i++) /* all of them are above 2: the server's own 0 to 2 are open */
        if (SYS(dup3, fds[ESI_CHILD_FD_INPUT + i], i, 0) < 0)
            give_up(ESI_CHILD_STEP_SETUP);
    if (SYS(fchdir, fds[ESI_CHILD_FD_DIRECTORY]) != 0)
        give_up(ESI_CHILD_STEP_DIRECTORY);
    /* They close on exec, but the server goes on a little before that: its socket must not outlive it. */
    close_from(3);
    SYS(prlimit64, 0, RLIMIT_NOFILE, &server.descriptors, NULL);
    SYS(rt_sigprocmask, SIG_SETMASK, &none, NULL, SIGNAL_SET_BYTES);
    SYS(execve, (const char *)(request + 1), arguments, arguments + request->argument_count + 1);
    give_up(ESI_CHILD_STEP_EXEC);
}

/* The strings behind the path: two lists with NULL behind each. */
static BARE void find_strings(const struct esi_child_request *request, char **list)
{
    char *at = (char *)(uintptr_t)(request + 1);
    for (uint32_t i = 0; i < request->argument_count + request->environment_count; i++) {
        while (*at++)
            ;
        list[i < request->argument_count ? i : i + 1] = at;
    }
}

/* A fork, and not the faster vfork(), which sanitizers turn into something of their own; the server is small. CLONE_VFORK: it goes on when
 * the child is its program or has given up, so `trial` tells which. */
static BARE long launch(const struct esi_child_request *request, char **arguments, const int *fds)
{
    int32_t self = (int32_t)SYS(getpid);
    server.trial->step = 0;
    long pid = SYS(clone, (long)(CLONE_VFORK | SIGCHLD), NULL, NULL, NULL, NULL);
    if (pid == 0)
        become(request, arguments, fds, self);
    return pid;
}

static BARE struct esi_child_answer failed(enum esi_child_step step, int code)
{
    return (struct esi_child_answer){.kind = ESI_CHILD_FAILED, .step = (int32_t)step, .value = code};
}

static BARE struct esi_child_answer start(const struct esi_child_request *request, char **arguments,
                                          const int *fds)
{
    struct child *c = free_place();
    if (!c)
        return failed(ESI_CHILD_STEP_SERVER, ENOMEM);
    if (!poll_for(fds[ESI_CHILD_FD_LINE], FROM_CHILD + (uint64_t)(c - server.children)))
        return failed(ESI_CHILD_STEP_SERVER, errno);
    find_strings(request, arguments);
    long pid = launch(request, arguments, fds);
    if (pid < 0)
        return failed(ESI_CHILD_STEP_FORK, errno);
    if (server.trial->step) {
        SYS(wait4, pid, NULL, 0, NULL);
        return failed((enum esi_child_step)server.trial->step, server.trial->code);
    }
    *c = (struct child){.pid = (int32_t)pid,
                        .line = fds[ESI_CHILD_FD_LINE],
                        .stop_signal = request->stop_signal,
                        .has_own_group = request->has_own_group,
                        .grace_ns = request->grace_ns};
    server.count++;
    return (struct esi_child_answer){.kind = ESI_CHILD_STARTED, .pid = (int32_t)pid};
}

static BARE struct esi_child_answer start_from_text(const int *fds)
{
    struct esi_child_request head;
    if (SYS(pread64, fds[ESI_CHILD_FD_TEXT], &head, sizeof head, 0L) != sizeof head)
        return failed(ESI_CHILD_STEP_SERVER, errno);
    size_t list_bytes = (head.argument_count + head.environment_count + 2) * sizeof(char *);
    struct esi_child_request *request = map(head.bytes, MAP_PRIVATE, fds[ESI_CHILD_FD_TEXT]);
    char **list = map(list_bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    struct esi_child_answer answer =
        request && list ? start(request, list, fds) : failed(ESI_CHILD_STEP_SERVER, ENOMEM);
    if (request)
        SYS(munmap, request, head.bytes);
    if (list)
        SYS(munmap, list, list_bytes);
    return answer;
}

/* The descriptors that came with a request; how many. */
static BARE int take_descriptors(struct msghdr *message, int *fds)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
        return 0;
    int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    const int *from = (const int *)(const void *)CMSG_DATA(header);
    for (int i = 0; i < count && i < ESI_CHILD_FDS; i++)
        fds[i] = from[i];
    return count;
}

static BARE void hear_node(void)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(ESI_CHILD_FDS * sizeof(int))];
    } control;
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    int fds[ESI_CHILD_FDS];
    long length = SYS(recvmsg, server.socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length <= 0) {
        server.node_is_gone = true;
        SYS(close, server.socket);
        for (uint32_t i = 0; i < server.room; i++)
            if (server.children[i].pid)
                stop_child(&server.children[i]);
        return;
    }
    int count = take_descriptors(&message, fds);
    if (!count)
        return; /* no descriptor is left here, not even for the line: it is closed by that, and the node sees it */
    struct esi_child_answer answer =
        count == ESI_CHILD_FDS ? start_from_text(fds) : failed(ESI_CHILD_STEP_SERVER, EMFILE);
    tell(fds[ESI_CHILD_FD_LINE], answer);
    for (int i = answer.kind == ESI_CHILD_STARTED ? 1 : 0; i < count; i++)
        SYS(close, fds[i]);
}

/* ---------------------------------------------------------------- the loop */

/* Kills those whose time is over; the milliseconds until the next one's is, -1: nobody's. */
static BARE int kill_late(void)
{
    int64_t now = now_ns(), next = INT64_MAX;
    for (uint32_t i = 0; i < server.room; i++) {
        struct child *c = &server.children[i];
        if (!c->pid || !c->is_stopping || !c->kill_at_ns)
            continue;
        if (c->kill_at_ns <= now) {
            signal_child(c, SIGKILL);
            c->kill_at_ns = 0;
        } else if (c->kill_at_ns < next) {
            next = c->kill_at_ns;
        }
    }
    if (next == INT64_MAX)
        return -1;
    int64_t left_ms = (next - now) / 1000000 + 1;
    return left_ms > 1000000 ? 1000000 : (int)left_ms;
}

static BARE void serve(const struct epoll_event *event)
{
    uint64_t what = event->data.u64;
    if (what == FROM_NODE) {
        hear_node();
    } else if (what == FROM_SIGNAL) {
        struct signalfd_siginfo info;
        SYS(read, server.signals, &info, sizeof info);
        reap();
    } else if (server.children[what - FROM_CHILD].line >= 0) {
        hear_owner(&server.children[what - FROM_CHILD]);
    }
}

static BARE void loop(void)
{
    while (!server.node_is_gone || server.count) {
        struct epoll_event event; /* one at a time: who is gone by the first is not told by the second */
        int timeout_ms = kill_late();
        if (SYS(epoll_pwait, server.poll, &event, 1, timeout_ms, NULL, SIGNAL_SET_BYTES) == 1)
            serve(&event);
    }
}

/* ---------------------------------------------------------------- its beginning */

/* What was ignored when the program began stays so, as after any exec; what has a handler, and SIGPIPE, is as usual again. */
static BARE void forget_handlers(void)
{
    struct {
        void *handler;
        unsigned long flags;
        void *restorer;
        uint64_t mask;
    } usual = {0}, now; /* the kernel's struct, which glibc's is not */
    for (int number = 1; number <= 64; number++) {
        if (number == SIGKILL || number == SIGSTOP)
            continue;
        if (SYS(rt_sigaction, number, NULL, &now, SIGNAL_SET_BYTES) != 0)
            continue;
        if (now.handler != (void *)SIG_IGN || number == SIGPIPE || number == SIGCHLD)
            SYS(rt_sigaction, number, &usual, NULL, SIGNAL_SET_BYTES);
    }
}

/* 0 to 2 are /dev/null, 3 is the socket, everything else is closed. */
static BARE bool keep_only(int socket)
{
    int null = (int)SYS(openat, AT_FDCWD, "/dev/null", O_RDWR, 0);
    if (null < 0)
        return false;
    if (socket < 4) { /* out of the way first */
        socket = (int)SYS(fcntl, socket, F_DUPFD, 4);
        if (socket < 0)
            return false;
    }
    for (int i = 0; i < 3; i++)
        if (null != i)
            SYS(dup3, null, i, 0);
    SYS(dup3, socket, 3, O_CLOEXEC);
    server.socket = 3;
    close_from(4);
    return true;
}

static BARE bool set_up(int socket)
{
    uint64_t all = ~UINT64_C(0), ended = UINT64_C(1) << (SIGCHLD - 1);
    SYS(rt_sigprocmask, SIG_SETMASK, &all, NULL, SIGNAL_SET_BYTES);
    forget_handlers();
    SYS(prctl, PR_SET_NAME, "engset-children", 0L, 0L, 0L);
    SYS(prctl, PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
    if (!keep_only(socket))
        return false;
    SYS(prlimit64, 0, RLIMIT_NOFILE, NULL, &server.descriptors);
    struct rlimit more = {server.descriptors.rlim_max, server.descriptors.rlim_max};
    SYS(prlimit64, 0, RLIMIT_NOFILE, &more, NULL);
    SYS(chdir, "/"); /* no file system is kept busy */
    server.trial = map(sizeof *server.trial, MAP_SHARED | MAP_ANONYMOUS, -1);
    server.poll = (int)SYS(epoll_create1, EPOLL_CLOEXEC);
    server.signals = (int)SYS(signalfd4, -1, &ended, SIGNAL_SET_BYTES, SFD_CLOEXEC | SFD_NONBLOCK);
    return server.trial && server.poll >= 0 && server.signals >= 0 && poll_for(server.socket, FROM_NODE) &&
           poll_for(server.signals, FROM_SIGNAL);
}

static BARE void run(int socket)
{
    if (set_up(socket))
        loop();
    SYS(exit_group, 0);
}

/* ---------------------------------------------------------------- the node's side */

es_err esi_child_server_begin(int *out, int *pid)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return ES_EOS;
    /* No signal at its end, and no wait(2) of the program's finds it: it is nobody's affair but ours. All signals are blocked so that
     * no handler of the program runs in the copy. */
    uint64_t all = ~UINT64_C(0), before;
    SYS(rt_sigprocmask, SIG_SETMASK, &all, &before, SIGNAL_SET_BYTES);
    long made = SYS(clone, 0L, NULL, NULL, NULL, NULL);
    if (made == 0)
        run(pair[1]);
    int code = errno;
    SYS(rt_sigprocmask, SIG_SETMASK, &before, NULL, SIGNAL_SET_BYTES);
    close(pair[1]);
    if (made < 0) {
        close(pair[0]);
        errno = code;
        return ES_EOS;
    }
    *out = pair[0];
    *pid = (int)made;
    return ES_OK;
}

void esi_child_server_end(int socket, int pid)
{
    close(socket);
    while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
        ;
}
