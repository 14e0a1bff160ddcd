/* behaviour/machine.h - decides what a state machine does next: which event comes, which waits for another state, which time-outs begin and end.
 *
 * No clock, no messages, no memory, no process: what is queued is its caller's, who gets back what is over. statem.c is the process that does it.
 *
 *   inserted --+                    +--> postponed --state changes--+
 *              v                    |                               v
 *   queue: --------------------> event --------> over <--------- (before the queue, behind what is inserted)
 *              ^                                                    of each transition: inserted, postponed, queue, due; then messages
 *   due: time-outs of 0
 *   running: time-outs with a timer --fired--> event, as a message
 *
 * Source: the loop of OTP's gen_statem. */
#ifndef BEHAVIOUR_MACHINE_H
#define BEHAVIOUR_MACHINE_H

#include <engset/statem.h>

/* An event that waits: for its turn, for another state, or for its time. */
struct esi_pending {
    struct esi_pending *next;
    es_event event;
    int64_t time_ms; /* of a time-out as it is asked for: ES_UPDATE and ES_INFINITY, too */
    es_ref timer;    /* of one that runs; id 0: none */
};

/* A chain of them, oldest first. All zero: empty. */
struct esi_line {
    struct esi_pending *first, *last;
};

/* All zero: nothing waits. */
struct esi_machine {
    struct esi_line queue, postponed; /* events */
    struct esi_line due, running;     /* time-outs: of each kind and name one, in one of the two */
    struct esi_line inserted, wanted; /* by the callbacks of the transition that is under way */
    bool postpones, hibernates;
};

/* What a transition leaves to be done. */
struct esi_plan {
    struct esi_pending *over; /* a chain that is the caller's again; whose timer runs, that is cancelled */
    struct esi_pending
        *start; /* the first of those in `running` that have no timer yet; all behind it are such, too */
};

/* A callback wants this event next. It is the machine's from here on. */
void esi_machine_insert(struct esi_machine *m, struct esi_pending *event);

/* A callback wants this time-out. Gives what it wanted before in its place, which is the caller's again, or NULL. */
struct esi_pending *esi_machine_want(struct esi_machine *m, struct esi_pending *timeout);

/* The callbacks of an event have returned. `event` (NULL: nothing of it is kept) waits if it was postponed, else it is over. */
struct esi_plan esi_machine_move(struct esi_machine *m, struct esi_pending *event, bool changes);

/* The event that comes before any message: the caller's from here on. NULL: none. */
struct esi_pending *esi_machine_next(struct esi_machine *m);

/* The time-out that has that timer, which is over: the caller's from here on. NULL: none has it any more. */
struct esi_pending *esi_machine_fired(struct esi_machine *m, es_ref timer);

/* Does nothing wait, and no time-out run? */
bool esi_machine_is_empty(const struct esi_machine *m);

#endif
