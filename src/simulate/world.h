/* simulate/world.h - the world that is simulated just now: what its plan, its order and its program say. There is one at a time. */
#ifndef SIMULATE_WORLD_H
#define SIMULATE_WORLD_H

#include <engset/simulate.h>
#include "proc/schedule/rules.h"
#include "simulate/order.h"
#include "simulate/plan.h"

enum { ESI_FROZEN_MOST = 64, ESI_SPARED_MOST = 256 };

struct esi_world {
    struct esi_plan plan;
    struct esi_order order;
    es_simulation how; /* with all that was left 0 filled in */
    void *argument;
    uint64_t faults_from_ns, faults_until_ns, settle_until_ns; /* ESI_NO_DEADLINE: never */
    int64_t turns;
    struct {
        struct esi_process *process; /* runnable, in no queue */
        uint64_t until_ns;
    } frozen[ESI_FROZEN_MOST];
    int frozen_count;
    uint64_t spared[ESI_SPARED_MOST]; /* ids */
    int spared_count;
    uint32_t queued_at_pick;    /* how many waited when the one that runs was picked */
    bool has_begun;             /* the first process runs */
    bool is_over;               /* it goes by the rules no more */
    int trace_level, report_fd; /* 0; -1: none */
};
extern struct esi_world esi_world;

/* The rules of its turns (turns.c). */
extern const struct esi_rules esi_world_rules;

/* It has begun: the clock stands at its beginning. */
void esi_world_begin(void);

/* Does that fault strike now? It is told to who wants to know. */
bool esi_world_strikes(enum esi_strike kind);

/* The same for an allocation: whether it fails. */
bool esi_world_fails_allocation(void);

#endif
