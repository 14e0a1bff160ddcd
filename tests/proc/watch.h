/* tests/proc/watch.h - seeing how processes end, and ending them, without the rooms above. */
#ifndef TESTS_PROC_WATCH_H
#define TESTS_PROC_WATCH_H

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <engset/proc.h>
#include <engset/receive.h>
#include "proc/process.h"
#include "case.h"

/* How a process ended. Lies where it outlives the node. */
struct end {
    char reason[200];
    atomic_bool is_ended;
};

struct end_bond {
    struct esi_bond bond;
    struct end *end;
};

static inline void end_told(struct esi_process *self, struct esi_bond *bond, es_term reason)
{
    struct end *end = ((struct end_bond *)bond)->end;
    (void)self;
    es_print(end->reason, sizeof end->reason, reason);
    atomic_store(&end->is_ended, true);
    esi_bond_free(bond, sizeof(struct end_bond));
}

/* The calling process writes to `end` how it ends. */
static inline void tell_end(struct end *end)
{
    static const struct esi_bond_kind kind = {"test_end", 1000, end_told};
    struct esi_process *self = esi_enter();
    struct end_bond *bond = esi_bond_new(sizeof *bond);
    bond->end = end;
    esi_bond_insert(self, &bond->bond, &kind, (uint64_t)(uintptr_t)end);
    esi_leave();
}

static inline void wait_for(atomic_bool *flag)
{
    while (!atomic_load(flag))
        es_yield();
}

static inline void wait_end(struct end *end)
{
    wait_for(&end->is_ended);
}

/* Writes where nothing is. */
static inline void touch_nowhere(void)
{
    volatile int *volatile nowhere = (volatile int *)(uintptr_t)16;
    *nowhere = 1;
}

static inline void kill_arrive(struct esi_process *self, struct esi_message *signal)
{
    esi_message_free(signal);
    esi_process_doom(self, es_from_atom(es_am_killed));
}

/* Ends `pid` with `killed`, as soon as it looks at its signals. */
static inline void kill_it(es_pid pid)
{
    static const struct esi_signal_kind kind = {"test_kill", kill_arrive, NULL, NULL};
    struct esi_message *signal = esi_message_new(0);
    signal->kind = &kind;
    esi_signal_send(pid.id, signal);
}

/* Waits until `pid` waits for something. */
static inline void wait_until_it_waits(es_pid pid)
{
    es_info info;
    while (es_process_info(pid, &info) && info.state != ES_STATE_WAITING && info.state != ES_STATE_HIBERNATED)
        es_yield();
}

#endif
