/* engset/simulate.h - a program in a world that a seed decides, where things go wrong on purpose.
 *
 * One thread runs all processes. Who is next and for how long, what time it is and what goes wrong follow from the seed alone: what one
 * seed does, it does again. A race that comes once a month at a customer's comes here within some hundred seeds:
 *
 *     int main(void)
 *     {
 *         return es_simulate(first, NULL, &(es_simulation){.faults = ES_FAULTS_ALL, .holds = no_call_is_lost});
 *     }
 *
 *     engset test --seeds 1000 ./program         finds a seed that fails, and the few faults that make it fail
 *     engset test --replay 417 ./program         does the same once more, and tells what happens
 *
 * Two phases: first faults strike, then they stop, and the program must settle. Source: FoundationDB's simulation (Zhou and others, 2021),
 * swarm testing (Groce and others, 2012), PCT (Burckhardt and others, 2010). */
#ifndef ENGSET_SIMULATE_H
#define ENGSET_SIMULATE_H

#include <engset/proc.h>

ES_BEGIN_DECLS

/* What may go wrong; of those that are asked for, each seed leaves some out and draws for the others how often (swarm testing). */
typedef enum es_fault {
    ES_FAULT_HAND_OVER = 1 << 0, /* a process gives way to others at a call of the runtime */
    ES_FAULT_WAKE = 1 << 1,      /* a waiting process is woken for nothing; it must wait on */
    ES_FAULT_KILL = 1 << 2,      /* a process is killed */
    ES_FAULT_CRASH =
        1 << 3, /* a process crashes at a call: it ends with {signal, sigsegv, <<"simulated">>} */
    ES_FAULT_FREEZE = 1 << 4,        /* a process does not run for up to a second */
    ES_FAULT_NO_MEMORY = 1 << 5,     /* an allocation fails */
    ES_FAULT_NO_DESCRIPTOR = 1 << 6, /* no descriptor is left (EMFILE) */
    ES_FAULT_REFUSE = 1 << 7,        /* a connection is refused */
    ES_FAULT_CUT = 1 << 8,           /* a connection is reset */
    ES_FAULT_HALF_CLOSE = 1 << 9,    /* the other side of a connection has ended its half */
    ES_FAULT_DELAY = 1 << 10,        /* bytes are long on their way */
    ES_FAULT_SHORT_IO = 1 << 11,     /* a read or a write does a part only */
    ES_FAULT_DISK = 1 << 12,         /* the disk fails, or is full */
    ES_FAULTS_NONE = 0,
    ES_FAULTS_ORDER =
        ES_FAULT_HAND_OVER | ES_FAULT_WAKE | ES_FAULT_FREEZE, /* what a program may never notice */
    ES_FAULTS_PROCESSES = ES_FAULT_KILL | ES_FAULT_CRASH | ES_FAULT_NO_MEMORY,
    ES_FAULTS_OUTSIDE = ES_FAULT_NO_DESCRIPTOR | ES_FAULT_REFUSE | ES_FAULT_CUT | ES_FAULT_HALF_CLOSE |
                        ES_FAULT_DELAY | ES_FAULT_SHORT_IO | ES_FAULT_DISK,
    ES_FAULTS_ALL = ES_FAULTS_ORDER | ES_FAULTS_PROCESSES | ES_FAULTS_OUTSIDE
} es_fault;

/* How a simulation goes. All zero: no faults, seed 1. */
typedef struct es_simulation {
    uint64_t seed;   /* with ES_SIM=SEED in the environment that one; 0: 1 */
    uint32_t faults; /* ES_FAULT_..., or-ed */
    int64_t
        faults_from_ms; /* they strike from then on, by the virtual clock: what is done before is done in peace */
    int64_t faults_ms; /* and for so long; 0: 10,000; ES_INFINITY: to the end */
    int64_t settle_ms; /* after that it has so long to settle; 0: 600,000; ES_INFINITY: for ever */
    int64_t
        turns_most; /* it has failed when it has not ended after so many turns of processes; 0: 10,000,000 */
    /* What must hold after each turn of a process; false: it failed. It is called with the first process's argument, in no process: it
     * looks at what the program keeps in C, and calls nothing of Engset's. NULL: nothing. */
    bool (*holds)(void *argument);
    /* In the second phase, after each turn: has the program settled? Then the node ends with status 0. Called like `holds`. NULL: it has when
     * the first process has ended. */
    bool (*settled)(void *argument);
    const es_options *options; /* as for es_run(); may be NULL */
    uint64_t *
        trace; /* if not NULL: a hash of all that happened is written there; the same program and seed give the same */
} es_simulation;

/* Runs a node in a simulated world, with `first(argument)` as its first process, which is spared from all that ends or stops a process.
 * `how` may be NULL. Gives 0 when it went well; 1 when `holds` did not hold, when it did not settle, when everybody waits for ever, or when the
 * first process ended otherwise than `normal` or `shutdown`: what it was is said on stderr, with the seed and the faults that struck.
 *
 * In the environment, as `engset test` sets them:
 *   ES_SIM=SEED       that seed. es_run() of a program that knows nothing of simulation goes this way, too
 *   ES_SIM_FAULTS     instead of `faults`: "all", "none", or kinds: "kill,cut"
 *   ES_SIM_STRIKES    these and no others: "kill@3,cut@17", each kind with its opportunity's number; empty: none
 *   ES_SIM_TRACE      1: each fault that strikes is told on stderr; 2: each turn, message, birth and end, too
 *   ES_SIM_REPORT     a descriptor for `engset test`
 *
 * Any thread that is no process, while no node runs (else 70, as es_run()). */
ES_API int es_simulate(void (*first)(void *), void *argument, const es_simulation *how);

/* The process is spared: no fault kills, crashes or freezes it, or takes memory from it: what watches over a test, or stands for the world outside
 * it; es_self() for the caller. At most 256 processes a run. Outside a simulation, and called by no process, nothing. */
ES_API void es_simulate_spare(es_pid process);

ES_END_DECLS

#endif
