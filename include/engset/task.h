/* engset/task.h - work that is done by a process of its own, and whose result is wanted: Elixir's Task.
 *
 *     static es_term lookup(es_term name) { … return es_from_atom(found); }
 *
 *     es_task task = es_task_async(lookup, name);
 *     … something else meanwhile …
 *     es_term found = es_task_await(task, 5000);
 *
 * The function's result is copied; it may lie in its args, in its process's memory, or be an atom (none: ok). A task is linked to who starts it: when
 * it crashes, who started it ends with the same reason, unless it traps exits; and when that one ends, so does the task. With es_task_async_nolink() neither does.
 * Process only; only who started a task may ask for its result, once (else {badarg, task}). Source: Elixir's Task. C only. */
#ifndef ENGSET_TASK_H
#define ENGSET_TASK_H

#include <engset/proc.h>

ES_BEGIN_DECLS

/* A task that was started. A value: copy it as you like. */
typedef struct es_task {
    es_pid pid;     /* ES_NO_PID: it could not be started, es_last_error() says why */
    es_pid owner;   /* who started it */
    es_ref ref;     /* its result comes as {Ref, Result} ... */
    es_ref monitor; /* ... or this one's DOWN */
} es_task;

/* How es_task_each() works; zero means the default. Write it with ES_TASKS(.max_concurrency = 4, …). */
typedef struct es_task_options {
    int max_concurrency; /* so many at once; 0: one a scheduler */
    int64_t timeout_ms;  /* so long may each take; 0: 5000; ES_INFINITY */
    bool
        kills_late; /* who takes longer is killed, and its result is {exit, timeout}; else the caller exits with `timeout` */
    bool is_unlinked; /* a crash gives {exit, Reason} also to a caller that does not trap exits */
} es_task_options;

ES_API es_task esi_task_async(es_term (*function)(es_term), es_term args, bool is_linked);
ES_API es_term esi_task_each(es_term list, es_term (*function)(es_term), const es_task_options *options);

#ifndef __cplusplus
/* Starts a task that runs `function`, es_term (es_term), with a copy of `args`. A pid of ES_NO_PID: as es_spawn(). No memory for anything else:
 * ends the caller with system_limit. Source: Task.async/1, Task.Supervisor.async_nolink/2. */
#define es_task_async(function, args)        esi_task_async((function), es_lend(ES_T(args)), true)
#define es_task_async_nolink(function, args) esi_task_async((function), es_lend(ES_T(args)), false)
#endif

/* Waits for the result, at most `timeout_ms` (ES_INFINITY: for ever), and gives it: the caller's, until es_drop(). If the task crashed the caller
 * exits with its reason; if it is late with `timeout`, and takes it along if they are linked. Source: Task.await/2. */
ES_API es_term es_task_await(es_task task, int64_t timeout_ms);

/* As es_task_await(), but failure comes back:
 *   ES_OK       `*out` is the result, the caller's until es_drop()
 *   ES_ECLOSED  it crashed: `*out` is the reason, likewise
 *   ES_ETIMEOUT it goes on, and may be asked for again
 * Source: Task.yield/2. */
ES_API es_err es_task_yield(es_task task, int64_t timeout_ms, es_term *out);

/* Ends the task: by the exit signal `shutdown`, after `timeout_ms` (0: at once, ES_INFINITY: never) by `kill`; and waits until it has. The caller is not
 * ended by that. ES_OK: it had its result, in `*out`; ES_ECLOSED: it had none, `*out` is why it ended: shutdown, killed, or a reason of its
 * own. The caller's until es_drop(). ES_ENOMEM: it lives on, and is not linked any more. Source: Task.shutdown/2. */
ES_API es_err es_task_shutdown(es_task task, int64_t timeout_ms, es_term *out);

#ifndef __cplusplus
#define ES_TASKS(...) (&(const es_task_options){__VA_ARGS__})

/* Runs `function` on each element of `list`, many at once, and gives the results in the order of the list, {ok, Result} or {exit, Reason} each: the
 * caller's, until es_drop(). `options` may be NULL. If one crashes the caller ends with its reason, and the others with it; a caller that traps
 * exits, or asked for .is_unlinked, gets {exit, Reason} in its place, and all others their results. No EXIT of a task is left in the mailbox. `list` no
 * list: {badarg, task_each}; a task that cannot be started: {exit, system_limit}. Elsewhere than in a process: none. Source: Task.async_stream/3. */
#define es_task_each(list, function, options) esi_task_each(es_lend(ES_T(list)), (function), (options))
#endif

/* Is `message`, which a server's info got or a receive took, the result of `task`? ES_OK and ES_ECLOSED as es_task_yield(); ES_ENOTFOUND: no. */
ES_API es_err es_task_check(es_term message, es_task task, es_term *out);

ES_END_DECLS
#endif
