/* supervise/supervisor.h - a supervisor's parts, for the files that are one together: child.c starts one, stop.c stops, again.c restarts, request.c
 * answers, supervisor.c is the process. All of it runs in that process. */
#ifndef SUPERVISE_SUPERVISOR_H
#define SUPERVISE_SUPERVISOR_H

#include "base/log.h"
#include "behaviour/gen.h"
#include "proc/contain/decide.h"
#include "supervise/family.h"
#include "supervise/restart.h"

struct esi_supervisor;

/* What follows when `child` could not be started; `why` is the callee's. */
typedef void esi_sup_failure(struct esi_gen *gen, struct esi_supervisor *s, struct esi_child *child,
                             es_term why);

struct esi_supervisor {
    es_supervisor_spec spec;
    struct esi_family family;
    struct esi_intensity intensity;
    const char *name;
    int64_t partition; /* its number; ESI_NO_PARTITION: it is none */
    es_term args;      /* of its start: init gets them again when its code changes */
    /* A start function of the user's runs here, and may end in an error instead of an answer: for this child, what then, and the error. */
    struct esi_child *starting;
    esi_sup_failure *if_it_fails;
    es_term crash;
};

static inline struct esi_supervisor *esi_sup_of(struct esi_gen *gen)
{
    return *(struct esi_supervisor **)esi_gen_state(gen);
}

static inline bool esi_sup_is_simple(const struct esi_supervisor *s)
{
    return s->spec.strategy == ES_SIMPLE_ONE_FOR_ONE;
}

/* A line of the log about a child. */
void esi_sup_say(struct esi_supervisor *s, const struct esi_child *child, const char *what, es_term reason);

/* What the process runs, and how it ends when it does not come up: its starter gets {error, Why}. */
ES_NORETURN void esi_supervise(const es_behaviour *behaviour, int64_t partition, es_term args);
ES_NORETURN void esi_sup_not_up(es_term why);

/* ---- partition.c ---- */

enum { ESI_NO_PARTITION = -1 };

/* Has it partitions as its children? */
bool esi_sup_is_on_top(const es_supervisor_spec *spec, int64_t number);

/* They are its children, down. */
void esi_partitions_admit(struct esi_supervisor *s, const es_behaviour *behaviour);

/* ---- decision.c ---- */

/* The end of a child, and what is told of it: one report, or one line. */
struct esi_ended {
    es_pid pid;
    es_term reason;
    int64_t at_ns; /* when it was heard of */
    bool is_held;  /* the report of its crash waits for the decision */
};

/* Would it be told of? If not, there is no esi_ended, and nothing is made of all this. */
static inline bool esi_sup_tells(void)
{
    return esi_log_is_on(ESI_LOG_WARNING) || esi_report_is_held();
}

/* What is decided, printf-like: the last word, in the report of its crash; if that does not wait for it, a line ("child ID ended: REASON; DECISION"). */
void esi_sup_decided(struct esi_supervisor *s, const struct esi_child *child, const struct esi_ended *ended,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same for a restart that was admitted: before it begins, in case that it lasts, and when it is done (`is_up`: it was not refused). */
void esi_sup_restarts(struct esi_supervisor *s, const struct esi_child *child, struct esi_ended *ended);
void esi_sup_restarted(struct esi_supervisor *s, const struct esi_ended *ended, bool is_up);

/* A start failed: what was to be reported of it needs no decision. */
void esi_sup_undecided(void);

/* Progress: a child is up. */
void esi_sup_is_up(struct esi_supervisor *s, const struct esi_child *child);

/* ---- child.c ---- */

/* A new child of the family, down, whose spec lives as long; NULL, and `*fault` says what is wrong with it, or system_limit. */
struct esi_child *esi_sup_admit(struct esi_supervisor *s, const es_child_spec *spec, es_term *fault);

/* ES_OK: it is up. ES_EIGNORE: it did not want to, and is down. Else it is as it was, and `*why` is for the caller to do with what `if_it_fails`
 * does; that one is called, and this does not return, if the start function ends in an error. */
es_err esi_sup_start(struct esi_supervisor *s, struct esi_child *child, esi_sup_failure *if_it_fails,
                     es_term *why);

/* For struct esi_gen_kind. */
bool esi_sup_start_crashed(struct esi_gen *gen, es_term reason);
void esi_sup_start_failed(struct esi_gen *gen);

/* Whether it, which is up, answered since it was asked whether it is there. */
void esi_sup_heartbeat(struct esi_supervisor *s, struct esi_child *child);

/* At that time something is to happen to it; a local timer's reference. */
void esi_child_note_timer(struct esi_child *child, es_ref timer);

/* What was to happen to it later does not. */
void esi_child_forget_timer(struct esi_child *child);

/* ---- stop.c ---- */

/* It is down when this returns. */
void esi_sup_stop(struct esi_supervisor *s, struct esi_child *child);

/* Those whose numbers are in `range`, the last one first; who is never started again is forgotten. */
void esi_sup_stop_range(struct esi_supervisor *s, struct esi_range range);

/* All, in the opposite order; many of one kind at once. */
void esi_sup_stop_all(struct esi_supervisor *s);

/* ---- again.c ---- */

/* It ended with `reason`: what the rules say. Does not return if the supervisor ends for that. */
void esi_sup_child_ended(struct esi_gen *gen, struct esi_supervisor *s, struct esi_child *child,
                         es_term reason);

/* It is to run again, and whom the strategy takes along; `ended`: it did just now, and that is told; or NULL. Does not return if there were too many restarts. */
void esi_sup_restart(struct esi_gen *gen, struct esi_supervisor *s, struct esi_child *child,
                     struct esi_ended *ended);

/* ---- request.c ---- */

void esi_sup_call(struct esi_gen *gen, es_term request, es_from from);

#endif
