/* engset/application.h - a tree of supervisors with a name, a version, settings, and others that it needs: OTP's application.
 *
 *     ES_APPLICATION(exchange, .version = "1.0.0", .supervisor = &root, .needs = ES_NEEDS("registry"), .env = "#{port => 5060}");
 *
 *     ES_APPLICATION_MAIN(exchange);
 *
 * The first defines the application, the second a main() that starts it with all that it needs, and stops all in the opposite order on SIGTERM. Names
 * are atoms, written as text.
 *
 * One process, the application controller, knows which applications run; it is started by who asks first. When it ends, for it found no memory, or was
 * killed, all applications are stopped, and the node of ES_APPLICATION_MAIN() ends with status 1. Who asks then is told ES_ECLOSED. Source: OTP application. C only. */
#ifndef ENGSET_APPLICATION_H
#define ENGSET_APPLICATION_H

#include <engset/supervisor.h>

ES_BEGIN_DECLS

/* What the end of an application's tree is to the node. */
typedef enum es_start_type {
    ES_START_TEMPORARY = 0, /* a line in the log */
    ES_START_TRANSIENT, /* with another reason than `normal`: all others are stopped, and the node ends with status 1 */
    ES_START_PERMANENT, /* with any reason */
} es_start_type;

/* A step after the tree is up, in the order of the array. ES_OK, or the start fails with {phase, Name, Error}. */
typedef struct es_phase {
    const char *name;
    es_err (*run)(void);
} es_phase;

typedef struct es_application {
    const char *name, *version;
    const es_behaviour *supervisor; /* its top */
    const char *args;               /* for the top's init: a term as text; NULL: [] */
    es_err (*start)(es_term args,
                    es_started *out); /* instead of .supervisor: starts the top, linked, and gives its pid */
    const char *const *needs;         /* applications that must run before it: ES_NEEDS(); NULL: none */
    const char *env;                  /* its settings: a map as text */
    const es_phase *phases;
    int64_t phase_count;
    void (*prep_stop)(void); /* before its tree is stopped */
    void (*stop)(void);      /* after */
    es_start_type type; /* when a main() starts it; there temporary means permanent for the program's own */
} es_application;

/* ------------------------------------------------------------------ running */

/* `application` is one of the program, found by its name. All of them: process only. */

/* Starts one whose needs run already. `*why` (may be NULL) says more of an error: a term of the caller's own, until es_drop().
 *   ES_ENOTFOUND  no such application; or a need that does not run: es_last_detail() names it, `*why` is {not_started, Name}
 *   ES_EEXIST     it runs, or is about to: {already_started, Name}
 *   ES_ECLOSED    its start failed: the reason. Or the controller ended: see above
 *   ES_ESYNTAX    .env is no map; es_last_detail() says where
 *   ES_ETIMEOUT   it is not up after `timeout_ms` (ES_INFINITY: no limit), and was given up
 *   ES_ENOMEM     it does not run
 * Source: application:start/2. */
ES_API es_err es_application_start(const char *name, es_start_type type, int64_t timeout_ms, es_term *why);

/* The same with all that it needs, first what is needed. `*started` (may be NULL): the list of those that were started, in order, the caller's until
 * es_drop(). ES_EDEADLK: they need each other in a circle, which es_last_detail() names; ES_ELIMIT: 64 in a row. What fails takes back what was started. Source:
 * application:ensure_all_started/2. */
ES_API es_err es_application_ensure_started(const char *name, es_start_type type, int64_t timeout_ms,
                                            es_term *started);

/* prep_stop, then its tree in order, then stop. ES_ENOTFOUND: it does not run. ES_ETIMEOUT. Source: application:stop/1. */
ES_API es_err es_application_stop(const char *name, int64_t timeout_ms);

/* All that run, the last that was started first. */
ES_API es_err es_application_stop_all(int64_t timeout_ms);

/* Does it run? */
ES_API bool es_application_runs(const char *name);

/* The application whose tree `pid` belongs to, by its group leader; an atom of 0: none. Source: application:get_application/1. */
ES_API es_atom es_application_of(es_pid pid);

/* ------------------------------------------------------------------ settings */

/* The setting `key` in `*out`, the caller's until es_drop(): as set, from the command line (ENGSET_ENV or --set NAME.KEY=TERM), or from .env. ES_ENOTFOUND.
 * Source: application:get_env/2. */
ES_API es_err es_application_env(const char *name, es_atom key, es_term *out);

ES_API es_err esi_application_set_env(const char *name, es_atom key, es_term value);
#ifndef __cplusplus
/* Sets it, for as long as the application is loaded. */
#define es_application_set_env(name, key, x) esi_application_set_env((name), (key), es_lend(ES_T(x)))
#endif

/* Forgets what was set. ES_EEXIST: it runs; ES_ENOTFOUND: it was not loaded. Source: application:unload/1. */
ES_API es_err es_application_unload(const char *name);

/* Loads it: its settings are there, it does not run. ES_EEXIST: it is loaded already. ES_ESYNTAX: .env is no map; es_last_detail() says where. */
ES_API es_err es_application_load(const char *name);

/* ------------------------------------------------------------------ a program */

/* Runs a node that starts `application` and what it needs, and stops them in the opposite order when it is told to by SIGTERM or SIGINT, within
 * 30 s, or ES_STOP_MS in the environment, after which the node ends those who are left; the status for exit(3): 0 after that, 1 when it could not start, or ended by itself. `--set NAME.KEY=TERM` in the arguments sets
 * settings, `--config FILE` reads them: #{Name => #{Key => Value}}; an error there is told with line and column. As es_run() otherwise. */
ES_API int es_application_run(const es_application *application, es_args args, const es_options *options);

/* So that it is found by name. Before main(), from a constructor. */
struct esi_application_link {
    const es_application *application;
    struct esi_application_link *next;
};
ES_API void esi_application_known(struct esi_application_link *link);

ES_END_DECLS

#ifndef __cplusplus
#include <engset/strict.h>

#define ES_NEEDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ES_PHASES(...)                         \
    .phases = (const es_phase[]){__VA_ARGS__}, \
    .phase_count = sizeof((const es_phase[]){__VA_ARGS__}) / sizeof(es_phase)

/* Defines `const es_application NAME_application`, which is found by its name. Visible, so that a module's can be found, too. */
#define ES_APPLICATION(application_, ...)                                                         \
    const es_application application_##_application = {.name = #application_, __VA_ARGS__};       \
    static struct esi_application_link application_##_link = {&application_##_application, NULL}; \
    __attribute__((constructor(250))) static void application_##_is_known(void)                   \
    {                                                                                             \
        esi_application_known(&application_##_link);                                              \
    }                                                                                             \
    _Static_assert(1, "")

/* Defines main(): a program that is this application, see es_application_run(). */
#define ES_APPLICATION_MAIN(application_)                                                    \
    int main(int argc, char **argv)                                                          \
    {                                                                                        \
        return es_application_run(&application_##_application, (es_args){argc, argv}, NULL); \
    }                                                                                        \
    _Static_assert(1, "")
#endif
#endif
