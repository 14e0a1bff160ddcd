/* oracle/oracle.h - what the parts of the player share: a process of a scenario, and what it may do.
 *
 * The player plays the scenarios of tests/oracle/cases on Engset, as oracle.erl does on Erlang; README.md says what a
 * scenario is. terms.c: variables, values and patterns; steps.c: the steps; play.c: a process of a scenario; recorder.c: who writes down
 * what they observe; player.c: the command. */
#ifndef TESTS_ORACLE_ORACLE_H
#define TESTS_ORACLE_ORACLE_H

#include <engset.h>
#include <engset/event.h>
#include <engset/server.h>
#include <engset/statem.h>
#include <engset/supervisor.h>

enum {
    PATIENCE_MS = 30000, /* who waits so long waits in vain */
    QUIET_MS = 20,       /* how long "nothing comes" is */
    COARSE_MS = 100000,  /* what is left of a timer is rounded up to this */
    VARIABLES_MAX = 24
};

/* One scenario, {Id, Title, Options, Roles}; read from its file before the node runs, and only read from then on. */
struct scenario {
    es_term id, title, options, roles;
};

/* The scenario that is played, and which lie is told on purpose ("" for none). Written before the node runs. */
extern struct scenario scenario;
extern const char *lie;

static inline bool is_lie(const char *name)
{
    return strcmp(lie, name) == 0;
}

/* A process of the scenario, at its place in the script. In that process's memory. */
struct script {
    es_term role, recorder;
    int64_t *step;  /* the process's: several scripts may run in one, one after the other */
    bool is_caught; /* the step that is done is in a `catch` */
    int variable_count;
    struct {
        es_term name, value;
    } variables[VARIABLES_MAX];
};

/* What a step came to. An error ends the process, unless the step is in a `catch`. */
struct answer {
    es_term value;
    bool is_error;
};

/* ---- terms.c: all of these in a process; what they make lies in its memory until it ends ---- */

es_term cons(es_term head, es_term tail);
es_term pair(es_term first, es_term second);
es_term atom_named(const char *text);

/* Is it an atom that begins with a capital, and not 'EXIT' or 'DOWN'? */
bool is_variable(es_term term);

/* Sets a variable, to a value that stays valid. */
void set_variable(struct script *s, es_term name, es_term value);

/* `term` with its variables replaced. A variable without a value ends the process. */
es_term value_of(struct script *s, es_term term);

/* `term` as a pattern for es_case(): variables without a value, and '_', match anything. */
es_literal pattern_of(struct script *s, es_term term);

/* A copy of what a pattern_of() has just matched. */
es_term what_matched(es_literal pattern);

/* Gives the variables of `pattern` that have no value yet the parts of `value`, which matches it. */
void bind_variables(struct script *s, es_term pattern, es_term value);

/* ---- steps.c ---- */

/* Does what `call` says, a step without `=`, `catch`, `may` and `never`. */
struct answer do_call(struct script *s, es_term call);

/* ---- play.c ---- */

/* Starts a process of this role with `s`'s variables; `options` as in the step spawn_opt. Gives a pid, or {Pid, Ref} if they ask for a monitor. */
es_term spawn_role(struct script *s, es_term role, es_term options);

/* The pid in what spawn_role() gave. */
es_term pid_of(es_term spawned);

/* Is this among the options? */
bool has_option(es_term options, const char *name);

/* What stands for `role` in the scenario: a list of steps, or a behaviour's script. */
es_term script_of(es_term role);

/* Does one step of a script, and tells the recorder what it came to; the second tells nobody. */
void do_step(struct script *s, es_term step);
void do_unseen_step(struct script *s, es_term step);

/* Tells the recorder what happened, as the process's next step. */
void tell_recorder(struct script *s, es_term pattern, es_term call, es_term answer);

/* ---- actors.c: processes of behaviours, whose callbacks do what the scenario says ---- */

/* The behaviour that `role` is one of; NULL: it is a list of steps. */
const es_behaviour *behaviour_of(es_term role);

/* The script of a process that tells the recorder of itself; `args` is Role, {Role, Args} or {Role, Args, [{Variable, Value}]}, and `*rest` its Args. */
struct script *announced_script(es_term args, es_term *rest);

/* The first function of a process of plain steps that es_start_function() starts. */
void play_started(es_term args);

/* {Role, Args, Variables} for a process that `s` starts. */
es_term start_args(const struct script *s, es_term role, es_term args);

/* The handler that a scenario means by `word`: Role, with that as its id, or {plain, Role} without one. */
es_event_which handler_of(es_term word);

/* The same by its role alone. */
es_term role_of_handler(es_term word);

/* Sets the count that sys sees, of the server or machine whose callback runs. */
void set_count(int64_t count);

/* Before each round. */
void forget_actors(void);

/* ---- families.c: supervisors and applications ---- */

extern const es_behaviour oracle_sup;

/* A child, or a supervisor's flags, as the scenario has it: a list of {Key, Value}. */
es_child_spec child_spec_of(es_term settings);

/* The role that supervisors are from here on when their code changes; NULL: all are what they were started as. */
void set_next_version(const es_term *role);

/* Sets the children of `spec` to those of the list. */
void read_children(es_supervisor_spec *spec, es_term list);

/* ---- recorder.c ---- */

/* Of the round that is played. */
extern es_pid the_recorder, the_main;

/* Tells the recorder that `pid` plays `role`, and waits until it knows. */
void announce(es_term recorder, es_term role, es_term pid, bool is_watched);

/* A round of the scenario, in the calling process, which becomes its recorder; prints what was observed. False: it got stuck. */
bool record(long round);

#endif
