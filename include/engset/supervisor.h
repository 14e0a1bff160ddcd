/* engset/supervisor.h - a process that starts others and puts right what goes wrong with them: OTP's supervisor.
 *
 *     ES_SUPERVISOR(root, .strategy = ES_ONE_FOR_ONE, .intensity = 3, .period_s = 5, ES_CHILDREN(
 *         { .id = "table",   ES_START(table_server, .name = "table") },
 *         { .id = "counter", ES_START(counter_server, .name = "counter", .args = "{limit, 100}"), .restart = ES_TRANSIENT },
 *         { .id = "calls",   ES_START(calls_sup), .type = ES_CHILD_SUPERVISOR }));
 *
 *     es_start_link(&root, none);
 *
 * Children are started in this order, one when the one before is ready, and stopped in the opposite one. When one ends the supervisor hears of
 * it, and .restart says what follows. More than .intensity restarts within .period_s: the supervisor stops all children and ends with `shutdown`,
 * which is its own supervisor's affair. Requests are Erlang's own messages.
 *
 * Without memory: a child that cannot be started again for that is tried again, and each try counts; what must not be left undone (to end a
 * child, to answer) waits for memory; else, and where there is no stack for it to run on, the supervisor ends with system_limit, and all its
 * children with it. Source: OTP supervisor. C only. */
#ifndef ENGSET_SUPERVISOR_H
#define ENGSET_SUPERVISOR_H

#include <engset/behaviour.h>

ES_BEGIN_DECLS

typedef enum es_strategy {
    ES_ONE_FOR_ONE = 0,    /* only the child that ended */
    ES_ONE_FOR_ALL,        /* all the others are stopped, and all are started again */
    ES_REST_FOR_ONE,       /* those that were started after it */
    ES_SIMPLE_ONE_FOR_ONE, /* any number of the one child that is described: es_start_child(sup, args) */
} es_strategy;

typedef enum es_restart {
    ES_PERMANENT = 0, /* always started again */
    ES_TRANSIENT, /* unless it ended with normal, shutdown or {shutdown, _}: then it is kept as one that does not run */
    ES_TEMPORARY, /* never, and forgotten */
} es_restart;

typedef enum es_child_type { ES_CHILD_WORKER = 0, ES_CHILD_SUPERVISOR } es_child_type;

typedef enum es_auto_shutdown {
    ES_SHUTDOWN_NEVER = 0,
    ES_SHUTDOWN_ON_ANY, /* when a significant child ends by itself */
    ES_SHUTDOWN_ON_ALL, /* when the last significant child does */
} es_auto_shutdown;

/* .shutdown_ms: how long a child has to end when it is asked to, before it is killed. */
#define ES_BRUTAL_KILL ((int64_t)-2) /* it is not asked */

/* .intensity: no restart at all, where 0 means the default, 1. */
#define ES_NO_RESTARTS (-1)

/* Restarts that wait: the first .first_ms, each next one twice as long up to .max_ms; a part of up to .jitter (0 to 1) is taken off by chance, so
 * that many do not come back at once. A child that ran for .reset_ms begins anew. .first_ms 0: at once, as OTP. */
typedef struct es_backoff {
    int64_t first_ms, max_ms, reset_ms; /* .reset_ms 0: never, as ES_INFINITY */
    double jitter;
} es_backoff;

/* What a start function of one's own gives. An error that it makes is a start that failed, for that reason. */
typedef struct es_started {
    /* Linked to the caller. Who is a child of it already, or nobody: the start fails with bad_return. */
    es_pid pid;
    /* Of a process that was started: what es_start_child() passes on beside it; else why it was not. es_keep() memory or ES_NONE. */
    es_term info;
} es_started;

/* How a child is started, and what for. */
typedef struct es_child_spec {
    const char *id; /* an atom; needed, but in ES_SIMPLE_ONE_FOR_ONE */
    const es_behaviour *behaviour;
    const char *name;         /* registered as */
    const char *args;         /* a term as text, for init; NULL: none was given, [] */
    int64_t start_timeout_ms; /* 0: for ever */
    /* Instead of a behaviour: starts the process itself, as a call of es_try_start() would. Runs in the supervisor. */
    es_err (*start)(es_term args, es_started *out);
    es_restart restart;
    /* 0: 5,000 for a worker, ES_INFINITY for a supervisor. ES_BRUTAL_KILL; ES_INFINITY. */
    int64_t shutdown_ms;
    es_child_type type;
    bool significant; /* its end may end the supervisor: .auto_shutdown */
    /* That it ends with shutdown by itself counts as a failure: for a transient supervisor that gives up. */
    bool escalate;
    bool isolated; /* in an OS process of its own: comes with the cluster, refused until then */
    es_backoff backoff;
    /* For a behaviour: so often it is asked whether it is there; no answer for as long again: it hangs, and is killed. 0: it is not asked. */
    int64_t heartbeat_ms;
} es_child_spec;

/* The flags of a supervisor, and its children. */
typedef struct es_supervisor_spec {
    es_strategy strategy;
    int intensity; /* 0: 1; ES_NO_RESTARTS */
    int period_s;  /* 0: 5 */
    es_auto_shutdown auto_shutdown;
    /* With ES_SIMPLE_ONE_FOR_ONE, for children so many that one supervisor would be too slow: that many supervisors, each with the same flags and a part of
     * the children, under one. es_partition() says which. Each is registered as NAME/0, NAME/1…, where NAME is the supervisor's, so there is one such
     * supervisor in a node. 0: one for all. init cannot change it. */
    int partitions;
    const es_child_spec *children;
    int64_t child_count;
    /* NULL, or called when the supervisor starts: may change the spec (a copy), whose memory must last as long as the supervisor. es_ok(), es_ignore(),
     * es_stop(). */
    es_answer (*init)(struct es_supervisor_spec *spec, es_term args);
} es_supervisor_spec;

/* What a supervisor's process runs. Process only. */
ES_API ES_NORETURN void esi_supervisor_main(const es_behaviour *supervisor, es_term args);

/* ------------------------------------------------------------------ asking it */

/* Each waits until it is done. `supervisor` is a pid or a local name. ES_ECLOSED: it is not there, or ended meanwhile. ES_EDEADLK: the caller is a
 * child that the supervisor is just waiting for. ES_ENOMEM: the caller, the supervisor or the new child found no memory, and nothing has changed.
 * Process only. */

ES_API es_err esi_start_child(es_term supervisor, es_term args, es_pid *out, es_term *why);
ES_API es_err esi_add_child(es_term supervisor, const es_child_spec *spec, es_pid *out, es_term *why);
ES_API es_err esi_child_call(es_term supervisor, es_atom what, es_term id, es_term *out);

#ifndef __cplusplus
/* ES_SIMPLE_ONE_FOR_ONE: one more child, whose init gets `args`. ES_ECLOSED with the reason in `*why` (may be NULL): its start failed. */
#define es_start_child(supervisor, args, out, why) \
    esi_start_child(es_lend(ES_T(supervisor)), es_lend(ES_T(args)), (out), (why))

/* One more child. `spec` and its strings are lent for the call. ES_EEXIST: a child with that id is there (`*why`: {already_started, Pid} or
 * already_present). ES_EINVAL: the spec makes no sense; `*why` says what. ES_ECLOSED: its start failed. */
#define es_add_child(supervisor, spec, out, why) \
    esi_add_child(es_lend(ES_T(supervisor)), (spec), (out), (why))

/* Ends the child, as its .shutdown_ms says; it stays in the list as one that does not run, unless it is temporary. `id` is its id, or its pid in
 * ES_SIMPLE_ONE_FOR_ONE. ES_ENOTFOUND. */
#define es_terminate_child(supervisor, id) \
    esi_child_call(es_lend(ES_T(supervisor)), es_am_terminate_child, es_lend(ES_T(id)), NULL)

/* Starts a child that does not run. ES_EEXIST: it runs; ES_EBUSY: it is just being restarted; ES_ENOTFOUND; ES_ECLOSED. */
#define es_restart_child(supervisor, id) \
    esi_child_call(es_lend(ES_T(supervisor)), es_am_restart_child, es_lend(ES_T(id)), NULL)

/* Forgets a child that does not run. ES_EEXIST: it runs; ES_EBUSY: it is just being restarted; ES_ENOTFOUND. */
#define es_delete_child(supervisor, id) \
    esi_child_call(es_lend(ES_T(supervisor)), es_am_delete_child, es_lend(ES_T(id)), NULL)

/* [{Id, Pid | undefined | restarting, worker | supervisor, Modules}], the latest first; the caller's until es_drop(). */
#define es_which_children(supervisor, out) \
    esi_child_call(es_lend(ES_T(supervisor)), es_am_which_children, es_none(), (out))
#endif

ES_API es_pid esi_partition(const es_behaviour *supervisor, es_term key);
#ifndef __cplusplus
/* Which supervisor of many (.partitions) the child with that key belongs to, always the same for a key: the one to ask instead of
 * `&supervisor`'s own process, which has those supervisors as its children. `key` is an integer of 64 bits, an atom, a binary or a pid. ES_NO_PID with
 * es_last_error(): ES_ECLOSED, it is not there or just being restarted; ES_EINVAL, no such key, or no .partitions; ES_ENOMEM. Any thread.
 * Source: Elixir's PartitionSupervisor. */
#define es_partition(supervisor, key) esi_partition((supervisor), es_lend(ES_T(key)))
#endif

typedef struct es_child_counts {
    int64_t specs, active, supervisors, workers;
} es_child_counts;

ES_API es_err esi_count_children(es_term supervisor, es_child_counts *out);
#ifndef __cplusplus
#define es_count_children(supervisor, out) esi_count_children(es_lend(ES_T(supervisor)), (out))
#endif

/* Is it a list of children that a supervisor would take? ES_EINVAL, and es_last_detail() says which field of which child breaks which rule; ES_ENOMEM. Any thread. */
ES_API es_err es_check_children(const es_supervisor_spec *spec);

ES_END_DECLS

#ifndef __cplusplus
#include <engset/strict.h>

/* In a child: what is started. The rest are fields of es_child_spec. */
#define ES_START(...) .behaviour = &__VA_ARGS__

/* In ES_SUPERVISOR(): the children, in the order of their start. */
#define ES_CHILDREN(...)                              \
    .children = (const es_child_spec[]){__VA_ARGS__}, \
    .child_count = sizeof((const es_child_spec[]){__VA_ARGS__}) / sizeof(es_child_spec)

/* Defines `const es_behaviour supervisor`. */
#define ES_SUPERVISOR(supervisor, ...)                                                                    \
    static const es_supervisor_spec supervisor##_spec = {__VA_ARGS__};                                    \
    static void supervisor##_main(es_term args);                                                          \
    const es_behaviour supervisor = {#supervisor, supervisor##_main, sizeof(void *), &supervisor##_spec}; \
    static void supervisor##_main(es_term args)                                                           \
    {                                                                                                     \
        esi_supervisor_main(&supervisor, args);                                                           \
    }                                                                                                     \
    _Static_assert(1, "")
#endif
#endif
