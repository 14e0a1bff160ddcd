/* engset/proc.h - processes: spawn, send, exit, and what belongs to a process.
 *
 * A process shares nothing with others: it has its own mailbox, memory and resources, all released
 * when it ends, however it ends. "Process only" functions give ES_ENOPROC (or end nothing and return a none
 * value) when a thread that is no process calls them; "any thread" means what it says.
 * Receiving is in engset/receive.h; links, monitors, names, groups and timers in engset/link.h. */
#ifndef ENGSET_PROC_H
#define ENGSET_PROC_H

#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <engset/base.h>
#include <engset/term.h>
#include <engset/struct.h>
#ifndef __cplusplus
#include <engset/match.h>
#endif

ES_BEGIN_DECLS

#define ES_INFINITY ((int64_t)-1) /* a time-out that never comes */

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#define ESI_OWNED                                                                                   \
    __attribute__((malloc(es_free, 1), malloc(es_give, 2), malloc(es_react, 2), warn_unused_result, \
                   returns_nonnull))
#define ESI_OWNED_RAW __attribute__((malloc(es_free, 1), warn_unused_result, returns_nonnull))
#define ESI_TAKES(n)
#elif defined(__clang__)
#define ESI_OWNED     __attribute__((warn_unused_result, returns_nonnull))
#define ESI_OWNED_RAW ESI_OWNED
#define ESI_TAKES(n)  __attribute__((ownership_takes(malloc, n)))
#else
#define ESI_OWNED
#define ESI_OWNED_RAW
#define ESI_TAKES(n)
#endif

/* ---------------------------------------------------------------- the node */

/* How a node runs; a field that is 0 means its default. */
typedef struct es_options {
    int schedulers;        /* how many run processes at once; 0: one a core, or ES_SCHEDULERS */
    int64_t process_limit; /* how many processes may exist; 0: 16,777,216 or ES_PROCESS_LIMIT */
    const char
        *name; /* of the program, for reports; NULL: the program's own. Read as long as the node runs */
    bool
        is_driven; /* es_node_start() only: no threads for processes; the program's loop calls es_loop_step() */
    /* A process that has waited in a function for so long is hibernated as by es_hibernate(), when a scheduler has nothing to do; 0:
     * never. Only where nobody else holds a pointer into a waiting process's stack: see docs/explanation/scheduling.md. */
    int64_t hibernate_after_ms;
} es_options;

/* The program's command line as ES_MAIN gets it. */
typedef struct es_args {
    int count;     /* as argc, the program's name included */
    char **values; /* as argv */
} es_args;

/* Runs a node: starts its schedulers, runs `first(argument)` as the first process, and comes back when that process
 * has ended; the others are then ended with the reason `shutdown`. `options` may be NULL.
 * Gives the status for exit(3): 0 when the first process ended `normal` or `shutdown`, 1 when otherwise, or the
 * status of es_halt(). One node at a time in an OS process; when one runs already: a message and 70.
 * SIGTERM and SIGINT end it in order, with status 0, the second one at once; SIGPIPE, SIGHUP and SIGUSR1 do nothing: each unless the program
 * has set it otherwise. With ES_SIM=SEED in the environment the node runs simulated: one thread, order by the seed, virtual clock.
 * Any thread that is no process. Source: OTP init, Go's main. */
ES_API int es_run(void (*first)(void *), void *argument, const es_options *options);

/* As es_run() in a simulated world: one thread, the order of running drawn from `seed`, a clock that moves only
 * when nobody can run. Writes the hash of all that happened to `*trace_hash` (may be NULL): the same program
 * and seed give the same hash. Any thread that is no process. */
ES_API int es_run_simulated(uint64_t seed, void (*first)(void *), void *argument, const es_options *options,
                            uint64_t *trace_hash);

/* Starts a node and comes back: its processes run in threads of its own, beside the program's. Any thread may then spawn, send,
 * es_try_call(), es_wait_process(). ES_SIM is not looked at.
 *   ES_EEXIST  a node runs already in this OS process, or did when this one was forked (es_last_detail() says which)
 *   ES_EINVAL  called in a process, or an option that makes no sense
 *   ES_ENOMEM, ES_ELIMIT, ES_EOS  no memory, threads or descriptors; nothing runs
 * Unlike es_run() it leaves the program's signals as they are: SIGTERM and SIGINT end the OS process at once unless the program has a way of
 * its own (a thread in sigwait(3) that calls es_node_stop()). Signals from outside are handled in the program's threads alone: those of the node
 * block them all, SIGPIPE too, so that a write(2) of a process to a closed pipe gives EPIPE. With is_driven processes run in the loop's thread, under
 * its mask: there the program ignores SIGPIPE, or is ended by it. (es_write() raises none.)
 * Any thread that is no process. Source: Erlang's erl_start, embedded; application:start/1. */
ES_API es_err es_node_start(const es_options *options);

/* Stops the node that es_node_start() started: all processes get the exit signal `shutdown`, after `timeout_ms` (ES_INFINITY: never) those who
 * are left `kill`; then its threads are joined, and calls of other threads that are under way are waited for. It can be started again.
 *   ES_OK       all ended in time
 *   ES_ETIMEOUT the node is down, but some had to be killed
 *   ES_ECLOSED  no node runs, or another thread stops it just now
 *   ES_EINVAL   called in a process; the node is es_run()'s, which stops it; or another thread drives it (then only that one stops it)
 * Any thread that is no process. Source: init:stop/0. */
ES_API es_err es_node_stop(int64_t timeout_ms);

/* For a loop that drives the node (es_options.is_driven): a descriptor that is readable as long as a process can run, a timer is due, or a
 * descriptor is ready that a process waits for; then call es_loop_step(). Wait for POLLIN only, level-triggered. It is the
 * node's and is closed by es_node_stop(). ES_ECLOSED: no node; ES_EINVAL: it has threads of its own. Any thread. */
ES_API int es_loop_fd(void);

/* Runs processes in the calling thread for about `budget_ns` (0: one turn; ES_INFINITY: until none can run) and gives in how many
 * nanoseconds it wants to be called again at the latest: 0: at once; ES_INFINITY: when es_loop_fd() is readable. That is readable in
 * the two other cases too, so a loop may look at it alone. A process that computes or blocks keeps the loop and all
 * other processes waiting: no thread takes over; after 100 ms there is a report (E0120).
 * The first thread that calls it drives the node until es_node_stop() (es_try_call() and es_wait_process() there run the node meanwhile): ES_EINVAL in others, in a process, and without is_driven;
 * ES_ECLOSED: no node runs; ES_ELIMIT: no memory for a signal stack. */
ES_API int64_t es_loop_step(int64_t budget_ns);

/* Waits until `pid` has ended and gives why in `*reason` (may be NULL), the caller's until es_drop(); es_print() makes text of it.
 * `deadline_ns` by es_now_ns(), or ES_INFINITY. In the thread that drives the node, it runs meanwhile.
 *   ES_ENOPROC   there is none: if there was one, nobody knows any more how it ended
 *   ES_ETIMEOUT  it has not ended
 *   ES_ECLOSED   no node, or it went down and the process had not ended
 *   ES_EINVAL    called in a process, which has es_monitor(); a process of another node
 *   ES_ENOMEM
 * A thread that is no process. Source: pthread_join(3), erlang:monitor/2. */
ES_API ES_CHECKED es_err es_wait_process(es_pid pid, int64_t deadline_ns, es_term *reason);

/* Ends the node: logs are flushed, the OS process exits with exactly `status`. Any thread.
 * Source: erlang:halt/1. */
ES_API ES_NORETURN void es_halt(int status);

/* ------------------------------------------------------- errno, safe to move */

/* A process may go on in another thread after a wait, but compilers keep the address of errno in a
 * register for as long as a function runs. So errno goes through a call that they cannot see through. Source: GCC PR 26461. */
ES_API int *es_errno(void) __attribute__((noinline));

/* The calling thread, as pthread_self() gives it; but that one is declared in a way that lets compilers use an earlier answer again,
 * from before a wait. engset.h puts this one in its place. Any thread. */
ES_API pthread_t es_pthread_self(void) __attribute__((noinline));

/* As uselocale(), pthread_sigmask() and sigprocmask(), which engset.h turns into these: what a process sets is its own, goes with it to the thread
 * in which it goes on after a wait, and is not seen by the next process on its thread. What a process cannot block: the signal by
 * which the runtime ends one that does not come back, and those of faults (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT), which
 * blocked would end the whole program. ENOMEM besides their own errors. In a thread that is no process: as usual. Any thread. */
#if defined(_POSIX_C_SOURCE) && _POSIX_C_SOURCE >= 200809L /* there are such types */
ES_API locale_t es_uselocale(locale_t locale);
ES_API int es_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
ES_API int es_sigprocmask(int how, const sigset_t *set, sigset_t *old);
#endif

/* ------------------------------------------------------------------ spawn */

typedef enum es_priority {
    ES_PRIORITY_NORMAL = 0,
    ES_PRIORITY_LOW,
    ES_PRIORITY_HIGH,
    ES_PRIORITY_MAX
} es_priority;

/* What happens to a message that would be one too many. */
typedef enum es_limit_policy {
    ES_LIMIT_KILL = 0,    /* the receiver is ended with the reason message_limit */
    ES_LIMIT_DROP_NEWEST, /* the new message is dropped and counted */
    ES_LIMIT_DROP_OLDEST, /* the receiver drops its oldest and counts it, when it takes its inbox */
} es_limit_policy;

/* How to spawn; zero means the default. Write it with ES_WITH(.link = true, …). */
typedef struct es_spawn_options {
    bool link;         /* link in the same step (process only) */
    es_ref *monitor;   /* not NULL: monitor in the same step; the reference is written here (process only) */
    const char *name;  /* register under this name in the same step; taken: ES_ETAKEN, nothing spawned */
    const char *label; /* what the process is, for reports; static text */
    es_priority priority;
    size_t stack_size_bytes; /* address space for its stack; 0: 64 KiB */
    int64_t
        message_limit; /* 0: none. Counts messages only: signals, replies, messages to oneself, data that es_active() asked for by number pass */
    es_limit_policy message_limit_policy;
    /* Of es_new, es_alloc, es_keep and messages held; 0: none. Over it: ended with `killed`. */
    size_t memory_limit_bytes;
    int64_t
        start_timeout_ms; /* how long es_node_start() and its like wait for it; 0: for ever. es_spawn() waits for nothing */
} es_spawn_options;

typedef struct esi_argument {
    int kind; /* 0 none, 1 pointer, 2 term or literal (copied into the new process) */
    uint64_t word;
} esi_argument;

ES_API es_pid esi_spawn(const es_spawn_options *options, void (*function)(void), esi_argument argument);
/* Why the last call in this process failed that gives no es_err itself, es_spawn() for one. A call that goes well does not
 * reset it: ask only after a failure. es_last_detail() has the sentence to it. ES_ENOMEM also where there was no memory to remember it.
 * Any thread; each has its own. */
ES_API es_err es_last_error(void);

#ifndef __cplusplus
/* Starts a process that runs `function` and ends, reason `normal`, when it returns.
 *
 *   es_spawn(f)                f is void f(void)
 *   es_spawn(f, ES_TUPLE(…))   f is void f(es_term); the term is copied into the new process. So is any value that a term
 *                              is made of: es_spawn(f, es_self()), es_spawn(f, 42), es_spawn(f, stop)
 *   es_spawn(f, pointer)       f is void f(T *); the pointer is passed as it is: who owns what it points at is
 *                              for you to say (static data, or memory whose owner outlives the process)
 *   es_spawn_link(f, …)        links in the same step
 *   es_spawn_monitor(&ref, f, …)  monitors in the same step
 *   es_spawn_opt(ES_WITH(.name = "clock", .link = true), f, …)
 *
 * Gives the new pid, or ES_NO_PID with es_last_error(): ES_ELIMIT (too many processes), ES_ENOMEM, ES_ETAKEN (name).
 * An option that makes no sense ends the caller with {badarg, spawn}. Any thread (link and monitor: process only).
 * Source: erlang:spawn_opt/4. */
#define es_spawn(...)              ESI_SPAWN(NULL, __VA_ARGS__)
#define es_spawn_link(...)         ESI_SPAWN((&(const es_spawn_options){.link = true}), __VA_ARGS__)
#define es_spawn_monitor(ref, ...) ESI_SPAWN((&(const es_spawn_options){.monitor = (ref)}), __VA_ARGS__)
#define es_spawn_opt(options, ...) ESI_SPAWN((options), __VA_ARGS__)
#define ES_WITH(...)               (&(const es_spawn_options){__VA_ARGS__})

#define ESI_SPAWN(options, ...)      ESI_SPAWN_PICK(__VA_ARGS__, ESI_SPAWN2, ESI_SPAWN1, ~)(options, __VA_ARGS__)
#define ESI_SPAWN_PICK(a, b, c, ...) c
#define ESI_SPAWN1(options, f) \
    esi_spawn((options), ((void)sizeof((f)(), 0), (void (*)(void))(f)), (esi_argument){0, 0})
#define ESI_SPAWN2(options, f, x)                                                                        \
    esi_spawn((options), ((void)sizeof((f)(ESI_IF_VALUE((x), es_none(), (x))), 0), (void (*)(void))(f)), \
              ESI_ARGUMENT(x))
/* What ES_T() takes, but for pointers: they are passed as they are. The branches choose a function, and `x` stands behind them: gcc gives
 * every literal that is written a place in the frame, also in branches that are not taken. ESI_IF_VALUE() only checks what `f` takes. */
#define ESI_IF_VALUE(x, yes, no)       \
    _Generic((x), _Bool                \
             : yes, char               \
             : yes, signed char        \
             : yes, short              \
             : yes, int                \
             : yes, long               \
             : yes, long long          \
             : yes, unsigned char      \
             : yes, unsigned short     \
             : yes, unsigned           \
             : yes, unsigned long      \
             : yes, unsigned long long \
             : yes, float              \
             : yes, double             \
             : yes, es_literal         \
             : yes, es_term            \
             : yes, es_atom            \
             : yes, es_pid             \
             : yes, es_ref             \
             : yes, es_port            \
             : yes, es_bin             \
             : yes, es_shared_bin      \
             : yes, default            \
             : no)
#define ESI_ARGUMENT(x)                           \
    _Generic((x), _Bool                           \
             : esi_argument_b, char               \
             : esi_argument_i, signed char        \
             : esi_argument_i, short              \
             : esi_argument_i, int                \
             : esi_argument_i, long               \
             : esi_argument_i, long long          \
             : esi_argument_i, unsigned char      \
             : esi_argument_u, unsigned short     \
             : esi_argument_u, unsigned           \
             : esi_argument_u, unsigned long      \
             : esi_argument_u, unsigned long long \
             : esi_argument_u, float              \
             : esi_argument_d, double             \
             : esi_argument_d, es_literal         \
             : esi_argument_l, es_term            \
             : esi_argument_t, es_atom            \
             : esi_argument_a, es_pid             \
             : esi_argument_p, es_ref             \
             : esi_argument_r, es_port            \
             : esi_argument_o, es_bin             \
             : esi_argument_y, es_shared_bin      \
             : esi_argument_z, default            \
             : esi_argument_pointer)(&(esi_cell){{0}}, (x))
#define ESI_ARGUMENT_OF(letter, type)                                        \
    static inline esi_argument esi_argument_##letter(esi_cell *cell, type x) \
    {                                                                        \
        return (esi_argument){2, esi_t##letter(cell, x).w};                  \
    }
ESI_ARGUMENT_OF(b, bool)
ESI_ARGUMENT_OF(i, int64_t)
ESI_ARGUMENT_OF(u, uint64_t)
ESI_ARGUMENT_OF(d, double)
ESI_ARGUMENT_OF(l, es_literal)
ESI_ARGUMENT_OF(t, es_term)
ESI_ARGUMENT_OF(a, es_atom)
ESI_ARGUMENT_OF(p, es_pid)
ESI_ARGUMENT_OF(r, es_ref)
ESI_ARGUMENT_OF(o, es_port)
ESI_ARGUMENT_OF(y, es_bin)
ESI_ARGUMENT_OF(z, es_shared_bin)
static inline esi_argument esi_argument_pointer(esi_cell *cell, const void *x)
{
    (void)cell;
    return (esi_argument){1, (uint64_t)(uintptr_t)x};
}
#endif

/* The calling process's pid; ES_NO_PID in a thread that is no process. */
ES_API es_pid es_self(void);

/* ------------------------------------------------------------------- send */

/* A name on a node: ES_AT(name, node). */
typedef struct es_name {
    es_atom name, node;
} es_name;
#ifndef __cplusplus
#define ES_AT(name, node) ((es_name){(name), (node)})
#endif

ES_API es_err esi_send_pid(es_pid to, es_term message);
ES_API es_err esi_send_name(es_atom to, es_term message);
ES_API es_err esi_send_at(es_name to, es_term message);
ES_API es_err esi_send_ref(es_ref to, es_term message);
ES_API es_err esi_send_term(es_term to, es_term message);
ES_API es_err esi_send_wait(es_term to, es_term message, int64_t timeout_ms);

#ifndef __cplusplus
/* Sends a copy of `x` to `to`: a pid, a local name (es_atom), ES_AT(name, node), an alias (es_ref), or a term that is
 * one of these. Does not wait. ES_OK also when nobody is there any more; ES_ENAME when the local name is not
 * taken; ES_ENOMEM; ES_ECLOSED in a thread that is no process while no node runs. A pattern as message ends the sender with {badarg, send}. Any thread. Source: erlang:send/2. */
#define es_send(to, x)                \
    _Generic((to), es_pid             \
             : esi_send_pid, es_atom  \
             : esi_send_name, es_name \
             : esi_send_at, es_ref    \
             : esi_send_ref, es_term  \
             : esi_send_term)((to), es_lend(ES_T(x)))

/* As es_send() to `to`, a pid or a local name, which has a message limit, but waits until there is room, at most `timeout_ms`. Signals that
 * come meanwhile are handled.
 *   ES_ETIMEOUT  there was no room
 *   ES_ECLOSED   the receiver ended
 *   ES_ENAME     nobody has that name
 *   ES_EDEADLK   the wait would close a circle
 *   ES_ENOPROC   called in a thread that is no process: es_try_call() is its way, see docs/how-to/foreign-threads.md
 *   ES_ENOMEM
 * Something else as receiver, or a pattern as message, ends the sender with {badarg, send_wait}. Process only. */
#define es_send_wait(to, x, timeout_ms) esi_send_wait(es_lend(ES_T(to)), es_lend(ES_T(x)), (timeout_ms))
#endif

/* ------------------------------------------------------------------- call */

ES_API es_term esi_call(es_term to, es_term request, int64_t timeout_ms);
ES_API es_err esi_try_call(es_term to, es_term request, int64_t timeout_ms, es_term *out);
ES_API es_err esi_reply_to(es_term from, es_term reply);

#ifndef __cplusplus
/* Asks the process `to` (a pid or a local name) and waits for its answer, at most `timeout_ms`.
 *
 * The process gets {'$gen_call', From, Request}, best received by es_case_call(), and answers with es_reply_to(from, …).
 * One signal carries message, monitor and reply alias. The answer belongs to this process until es_drop(), or until
 * the process ends. If the server is not there, ends meanwhile or is late, this process exits with `noproc`, the server's
 * reason or `timeout`; a late answer never shows up in the mailbox. Oneself: exits with `calling_self`.
 * Process only (elsewhere: ES_NONE). Source: OTP gen_server:call/3 with the process aliases of OTP 24. */
#define es_call(to, request, timeout_ms) esi_call(es_lend(ES_T(to)), es_lend(ES_T(request)), (timeout_ms))

/* As es_call(), but failure comes back: ES_ETIMEOUT, or ES_ECLOSED with the reason in `*out`. Any thread; in a thread that is no process
 * the answer is the caller's until es_drop(), and the call may fail by ES_ENOMEM and ES_ELIMIT too: it is a process meanwhile. When
 * the node stops, such a call gives the reason of the server's end, `shutdown` or what it made of that; `killed` when the time was over;
 * `noproc` when it was not asked yet. */
#define es_try_call(to, request, timeout_ms, out) \
    esi_try_call(es_lend(ES_T(to)), es_lend(ES_T(request)), (timeout_ms), (out))

/* Answers a call: `from` is what es_case_call() bound. ES_OK also when the caller is gone; ES_ENOMEM: not answered. Any process may
 * answer, once. Source: gen_server:reply/2. */
#define es_reply_to(from, reply) esi_reply_to((from), es_lend(ES_T(reply)))
#endif

/* ------------------------------------------------------------------- exit */

ES_API ES_NORETURN void esi_exit(es_term reason);
ES_API es_err esi_send_exit(es_pid to, es_term reason);
/* Where abort() and assert() end up: the calling process is ended with {signal, sigabrt, Where}; in a thread that is no
 * process the OS process is aborted. Any thread. */
ES_API ES_NORETURN void es_abort(void);
ES_API ES_NORETURN void esi_assert_failed(const char *condition, const char *file, int line,
                                          const char *function);

#ifndef __cplusplus
/* Ends the calling process with `reason`: es_defer()s run, then what es_own() holds, then its memory is freed, links and
 * monitors are told. Process only. Source: erlang:exit/1. */
#define es_exit(reason) esi_exit(es_lend(ES_T(reason)))

/* Sends an exit signal, as if the caller were linked to `to` and ended: `normal` is ignored by others than oneself,
 * `kill` cannot be trapped, a process that traps gets {'EXIT', Self, Reason}. A dead pid: ES_OK. A remote pid: by the carrier.
 * Any thread. Source: erlang:exit/2. */
#define es_send_exit(to, reason) esi_send_exit((to), es_lend(ES_T(reason)))
#endif

/* Asks to get exit signals as messages (true) or not. Gives the previous value. Process only.
 * Source: process_flag(trap_exit, …). */
ES_API bool es_trap_exit(bool on);

/* ----------------------------------------------------------------- react */

/* What a handler wants next. */
typedef enum es_next { ES_CONTINUE = 0, ES_STOP = 1 } es_next;

/* Frees what es_new() or es_alloc() gave. NULL: nothing. Freed before: the process ends with {double_free, Address}; given away:
 * with {use_after_give, Address}; not its own: with {not_owner, Address}. Process only (elsewhere: ends the OS process with a message). */
ES_API void es_free(void *memory) ESI_TAKES(1);

/* Sends what es_new() gave as a message, moved and not copied. From here on it is the receiver's, whose es_case_struct() takes it; do not
 * touch it again. ES_OK, also when nobody is there any more: then it is freed. NULL: nothing. Given before, freed or not its own: the process
 * ends as by es_free(); memory of es_alloc(): with {badarg, give}. Process only (elsewhere: ends the OS process with a message). */
ES_API es_err es_give(es_pid to, void *memory) ESI_TAKES(2);

/* Turns the calling process into one that waits without a stack: from now on `handler(state, message)` is called
 * for each message, on a borrowed stack that goes back when it returns. Never returns, as Scala's react: the stack is gone,
 * es_defer()s run. `state` is es_new() memory (owned by the process as before) or NULL. ES_STOP ends the process,
 * `normal`. Without memory for a stack, or for the tuple of a typed message, with system_limit. Process only. */
ES_API ES_NORETURN void es_react(es_next (*handler)(void *state, es_term message), void *state) ESI_TAKES(2);

/* Inside a react handler whose message is a typed one (sent by es_give or arriving as its tuple): the struct, or NULL. It is
 * then this process's own, as if by es_new; without memory the process ends with system_limit. */
#ifndef __cplusplus
#define es_struct_of(T, message) ((T *)esi_struct_of((message), &T##_has_no_ES_STRUCT))
#endif
ES_API void *esi_struct_of(es_term message, const struct es_struct_descriptor *type);

/* ------------------------------------------------- memory and resources */

ES_API void *esi_new(const struct es_struct_descriptor *type) ESI_OWNED;
#ifndef __cplusplus
/* A zeroed T of this process's own: freed by es_free(), given away by es_give(), or freed when the process ends. Never NULL:
 * without memory the process ends with system_limit. Process only (elsewhere: ends the OS process with a message). */
#define es_new(T) ((T *)esi_new(&T##_has_no_ES_STRUCT))

/* Copies a literal or term into this process: valid until es_drop(), or until the process ends. Never ES_NONE: without memory
 * the process ends with system_limit. In a thread that is no process: on the heap until es_drop(). Any thread. */
#define es_keep(x) esi_keep(es_lend(ES_T(x)))

/* As es_give(), nulling the variable: for a struct member, which no compiler tracks. */
#define es_move(to, lvalue) \
    (es_give((to), (lvalue)) == ES_OK ? ((lvalue) = NULL, ES_OK) : ((lvalue) = NULL, ES_ENOMEM))
#endif
ES_API es_term esi_keep(es_term term);

/* Frees what es_keep(), es_call() or es_parse_term() gave. Its parts are invalid afterwards. Immediates and ES_NONE: nothing. */
ES_API void es_drop(es_term term);

/* Parses Erlang's text form into a term of this process (until es_drop()). On ES_ESYNTAX es_last_detail() says line, column and
 * what was expected. Any thread. */
ES_API es_err es_parse_term(const char *text, es_term *out);

/* What the last failed call in this process said of its failure, in a sentence or more; "" if nothing. Valid until the next
 * failing call. Any thread. */
ES_API const char *es_last_detail(void);

/* For libraries on top of this one: notes why a call of theirs failed, for es_last_error() and es_last_detail(), printf-like and cut
 * at 255 bytes, and gives `error`. Any thread. */
ES_API es_err es_fail(es_err error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* `size_bytes` of raw memory, zeroed, freed by es_free() or when the process ends. Cannot be given away. Never NULL. Process only. */
ES_API void *es_alloc(size_t size_bytes) ESI_OWNED_RAW;

/* `destructor(resource)` runs in this process when it ends, however it ends, in the reverse order of owning. It must not wait.
 * A fault in one is reported and does not keep the others from running. ES_ENOMEM: not owned. Process only. */
ES_API ES_CHECKED es_err es_own(void *resource, void (*destructor)(void *resource));

/* Owned no longer; the destructor does not run. ES_ENOTFOUND. Process only. */
ES_API es_err es_disown(void *resource);

/* The process closes `fd` when it ends. es_close() closes now. ES_EINVAL: it is not open; ES_ENOMEM. Process only. */
ES_API ES_CHECKED es_err es_own_fd(int fd);
ES_API es_err es_close(int fd);

/* A mutex whose lock is released when its holder ends; who locks it then is told (ES_ECLOSED: the data may be half
 * written; the lock is held). Waiting blocks only the process; threads that are no process may lock too (they block). */
typedef struct es_mutex {
    uint64_t owner;
    void *waiters;
    uint32_t guard, state;
} es_mutex;
#define ES_MUTEX_INIT \
    {                 \
        0, 0, 0, 0    \
    }
ES_API es_err es_mutex_lock(es_mutex *mutex);
ES_API es_err es_mutex_unlock(es_mutex *mutex);

#ifndef __cplusplus
/* Runs `function(argument)` when the enclosing block is left, also by es_exit() from deeper down; not after a fault: see es_own(). */
#define es_defer(function, argument)     ESI_DEFER(function, argument, __COUNTER__)
#define ESI_DEFER(function, argument, n) ESI_DEFER_(function, argument, n)
#define ESI_DEFER_(function, argument, n)                                                                \
    struct esi_defer esi_defer_##n                                                                       \
        __attribute__((cleanup(esi_defer_run), unused)) = {0, (void (*)(void *))(function), (argument)}; \
    ((void)sizeof((function)(argument), 0), esi_defer_push(&esi_defer_##n))
#endif
struct esi_defer {
    struct esi_defer *outer;
    void (*function)(void *);
    void *argument;
};
ES_API void esi_defer_push(struct esi_defer *defer);
ES_API void esi_defer_run(struct esi_defer *defer);

/* ----------------------------------------------------------- scheduling */

/* Lets others run; the process goes to the end of its queue. Process only; elsewhere sched_yield. */
ES_API void es_yield(void);

/* What libengset-preempt.a calls now and then from code compiled with -fsanitize-coverage=trace-pc: charges the calling process, and takes it
 * off when its turn is over. In the runtime, in a signal handler that interrupted it, and in a thread that is no process: nothing. */
ES_API void esi_preempt_point(void);

/* Waits `time_ms`. Signals are handled meanwhile. Process only; elsewhere nanosleep. Source: timer:sleep/1. */
ES_API void es_sleep(int64_t time_ms);

/* The monotonic clock in nanoseconds (virtual under simulation). Any thread. */
ES_API int64_t es_now_ns(void);

/* A number that nobody can guess, for names, tokens and choices; a system call. In a simulated world it comes from the seed: there a program
 * that asks here, and not the system, does the same again. Any thread; simulated: processes. Source: rand:uniform/1, crypto:strong_rand_bytes/1. */
ES_API uint64_t es_random(void);

/* Sets the caller's priority, gives the old one. An unknown one ends the caller with {badarg, set_priority}. Process only.
 * Source: process_flag(priority, …). */
ES_API es_priority es_set_priority(es_priority priority);

/* Between es_pin() and es_unpin() (they nest) the process stays on its thread: for libraries with thread-local
 * state of their own. Process only. */
ES_API void es_pin(void);
ES_API void es_unpin(void);

/* Gives the stack's memory back while the process waits for its next message or signal; returns when there is one. What is on the
 * stack is as before, at the same address. Process only. Source: erlang:hibernate/3, without losing the stack. */
ES_API void es_hibernate(void);

/* Runs `function(argument)` on a stack of `size_bytes` for deep C; the process must not wait in it. ES_ENOMEM. Process only. */
ES_API es_err es_on_big_stack(size_t size_bytes, void (*function)(void *), void *argument);

/* As es_on_big_stack(), and the process is not taken out of the function either: who kills it waits until it has come back. For calls of a
 * library whose objects must not be left in mid-change. The function may call nothing of this library, and should be short: until it comes
 * back nobody takes over the scheduler that it runs on. A fault in it ends the node. Process only. */
ES_API es_err es_uninterrupted(size_t size_bytes, void (*function)(void *), void *argument);

/* Suspends `pid`: it runs no user code until as many es_resume() by the same caller, or until the caller ends. Returns when it is suspended.
 * Oneself, a dead pid, a resume too many: ends the caller with {badarg, …}. Process only. Source: erlang:suspend_process/1. */
ES_API es_err es_suspend(es_pid pid);
ES_API es_err es_resume(es_pid pid);

/* -------------------------------------------------------------- looking */

typedef enum es_state {
    ES_STATE_RUNNING = 1,
    ES_STATE_RUNNABLE,
    ES_STATE_WAITING,
    ES_STATE_SUSPENDED,
    ES_STATE_HIBERNATED,
    ES_STATE_EXITING,
    ES_STATE_STRANDED
} es_state;

/* A process as its published snapshot shows it. */
typedef struct es_info {
    es_pid pid, parent, group_leader;
    es_atom name;         /* w 0: none */
    char label[32];       /* "" when it has none */
    const void *function; /* what it was spawned with */
    es_state state;
    es_priority priority;
    bool traps_exit, has_stack, pinned;
    int64_t messages;         /* waiting, inbox included, as of its last run */
    int64_t messages_dropped; /* by its message limit */
    int64_t reductions;
    int64_t memory_bytes; /* control block, es_new memory and messages */
    int64_t links, monitors, monitored_by;
    int64_t since_ns; /* es_now_ns() when it came into this state */
} es_info;

/* Reads what is published of `pid`, without its help and without waiting. False: no such process (Erlang: undefined). Any thread.
 * Source: erlang:process_info/2. */
ES_API bool es_process_info(es_pid pid, es_info *out);

/* Is the process alive, after all signals that the caller sent it before? Process only for that promise; any thread may ask.
 * No memory to ask: ends the caller with system_limit. Source: erlang:is_process_alive/1. */
ES_API bool es_is_alive(es_pid pid);

/* Writes up to `max` pids of existing processes to `pids` and gives how many there are. Everyone alive through the whole call is
 * listed, none twice. Any thread. Source: erlang:processes/0. */
ES_API int64_t es_processes(es_pid *pids, int64_t max);

/* What the caller is, for reports: printf-like, cut at 31 bytes. Process only. Source: proc_lib:set_label/1. */
ES_API void es_label(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The group leader: who stands for the application. Inherited at spawn. Setting is a signal. */
ES_API es_pid es_group_leader(void);
ES_API es_err es_set_group_leader(es_pid pid, es_pid leader);

/* Faults whose address lies in the library `soname` ("libosip2.so.15") end only the process: your promise that it holds no lock and no shared
 * state. ES_ENOTFOUND: not loaded; ES_ELIMIT: 32 are named already; ES_ENOMEM: nothing was promised. Any thread. See docs/explanation/containment.md. */
ES_API es_err es_contain(const char *soname);

/* Figures of the node for tests and screens. Any thread. */
typedef struct es_node_info {
    int schedulers, threads, spare_threads, stranded;
    int64_t processes, process_limit, spawned;
    int64_t crashes, crashes_contained, handovers, forced_kills;
} es_node_info;
ES_API void es_node_info_get(es_node_info *out);

ES_END_DECLS

#ifndef __cplusplus
/* Defines main(): a node whose first process runs the body that follows.
 *     ES_MAIN(args) { es_send(es_spawn(ponger), ES_TUPLE(ping, es_self())); … } */
#define ES_MAIN(args)                                    \
    static void esi_main_body(es_args args);             \
    static void esi_main_first(void *arguments)          \
    {                                                    \
        esi_main_body(*(es_args *)arguments);            \
    }                                                    \
    int main(int argc, char **argv)                      \
    {                                                    \
        es_args arguments = {argc, argv};                \
        return es_run(esi_main_first, &arguments, NULL); \
    }                                                    \
    static void esi_main_body(es_args args __attribute__((unused)))
#endif
#endif
