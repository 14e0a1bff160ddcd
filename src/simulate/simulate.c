/* simulate.c - es_simulate(), and es_run() with ES_SIM in the environment. */
#include <engset/simulate.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fail.h"
#include "platform/clock.h"
#include "proc/enter.h"
#include "proc/node.h"
#include "simulate/trace.h"
#include "simulate/world.h"

enum { MISUSED = 70, FAULTS_MS = 10000, SETTLE_MS = 600000, TURNS_MOST = 10000000 };

/* ------------------------------------------------------------ what is asked for */

static es_err refuse(const char *variable, const char *text, const char *expected)
{
    fprintf(stderr, "engset: simulate: %s is \"%s\": expected %s\n", variable, text, expected);
    return ES_EINVAL;
}

static es_err read_seed(uint64_t *seed)
{
    const char *text = getenv("ES_SIM");
    if (!text || !*text)
        return ES_OK;
    char *end;
    errno = 0;
    *seed = strtoull(text, &end, 0);
    return errno || *end ? refuse("ES_SIM", text, "a number, the seed") : ES_OK;
}

static es_err read_plan(struct esi_world *world)
{
    uint32_t kinds = world->how.faults;
    const char *text = getenv("ES_SIM_FAULTS"), *strikes = getenv("ES_SIM_STRIKES");
    if (text && esi_plan_kinds(text, &kinds) != ES_OK)
        return refuse("ES_SIM_FAULTS", text, "\"all\", \"none\", or kinds such as \"kill,cut\"");
    esi_plan_init(&world->plan, world->how.seed, kinds);
    if (strikes && esi_plan_list(&world->plan, strikes) != ES_OK)
        return refuse("ES_SIM_STRIKES", strikes, "faults such as \"kill@3,cut@17\"");
    return ES_OK;
}

static int number_from(const char *variable, int otherwise)
{
    const char *text = getenv(variable);
    return text && *text ? atoi(text) : otherwise;
}

static es_err read_wishes(struct esi_world *world, const es_simulation *how, void *argument)
{
    *world = (struct esi_world){.argument = argument, .report_fd = -1};
    if (how)
        world->how = *how;
    es_simulation *mine = &world->how;
    mine->faults_ms = mine->faults_ms ? mine->faults_ms : FAULTS_MS;
    mine->settle_ms = mine->settle_ms ? mine->settle_ms : SETTLE_MS;
    mine->turns_most = mine->turns_most ? mine->turns_most : TURNS_MOST;
    mine->seed = mine->seed ? mine->seed : 1;
    if (mine->faults_from_ms < 0 || (mine->faults_ms < 0 && mine->faults_ms != ES_INFINITY) ||
        (mine->settle_ms < 0 && mine->settle_ms != ES_INFINITY) || mine->turns_most < 0 ||
        mine->faults & ~(uint32_t)ES_FAULTS_ALL) {
        fputs("engset: simulate: a negative time or count, or faults that there are not\n", stderr);
        return ES_EINVAL;
    }
    es_err error = read_seed(&mine->seed);
    if (error == ES_OK)
        error = read_plan(world);
    esi_order_init(&world->order, mine->seed);
    world->trace_level = number_from("ES_SIM_TRACE", 0);
    world->report_fd = number_from("ES_SIM_REPORT", -1);
    return error;
}

/* ------------------------------------------------------------ the run */

struct beginning {
    void (*first)(void *);
    void *argument;
};

/* The first process: from here on faults strike. */
static void begin(void *given)
{
    struct beginning beginning = *(struct beginning *)given;
    esi_enter();
    esi_world_begin();
    esi_leave();
    beginning.first(beginning.argument);
}

static void report_end(int status, uint64_t trace)
{
    char line[80];
    int length = snprintf(line, sizeof line, "end %d trace %016llx\n", status, (unsigned long long)trace);
    if (esi_world.report_fd >= 0 && write(esi_world.report_fd, line, (size_t)length) < 0)
        esi_world.report_fd = -1;
}

int es_simulate(void (*first)(void *), void *argument, const es_simulation *how)
{
    if (esi_rules == &esi_world_rules || atomic_load(&esi_node.state) != ESI_NODE_DOWN) {
        fputs("engset: simulate: a node runs already in this OS process\n", stderr);
        return MISUSED;
    }
    if (read_wishes(&esi_world, how, argument) != ES_OK) {
        esi_plan_fini(&esi_world.plan);
        return MISUSED;
    }
    uint64_t trace = 0;
    esi_rules = &esi_world_rules;
    esi_strike_plan = esi_world_strikes;
    bool may_lack_memory = esi_world.plan.listed || esi_world.plan.rates[ESI_STRIKE_NO_MEMORY];
    if (may_lack_memory)
        esi_fail_by(esi_world_fails_allocation);
    if (esi_world.trace_level >= 2)
        esi_trace_start();
    int status = es_run_simulated(esi_world.how.seed, begin, &(struct beginning){first, argument},
                                  esi_world.how.options, &trace);
    esi_rules = NULL;
    if (esi_world.trace_level >= 2)
        esi_trace_stop();
    esi_strike_plan = NULL;
    if (may_lack_memory)
        esi_fail_by(NULL);
    esi_plan_fini(&esi_world.plan);
    if (esi_world.how.trace)
        *esi_world.how.trace = trace;
    report_end(status, trace);
    return status;
}

void es_simulate_spare(es_pid process)
{
    if (!esi_enter())
        return;
    if (esi_rules == &esi_world_rules && esi_world.spared_count < ESI_SPARED_MOST && !process.node)
        esi_world.spared[esi_world.spared_count++] = process.id;
    esi_leave();
}

/* ------------------------------------------------------------ es_run() */

static int simulate_run(void (*first)(void *), void *argument, const es_options *options)
{
    uint64_t trace = 0;
    int status = es_simulate(
        first, argument,
        &(es_simulation){
            .options = options, .trace = &trace, .settle_ms = ES_INFINITY, .turns_most = INT64_MAX});
    fprintf(stderr, "engset: simulated with seed %s, trace %016llx\n", getenv("ES_SIM"),
            (unsigned long long)trace);
    return status;
}

__attribute__((constructor(150))) static void plug_in(void)
{
    esi_plug.simulate = simulate_run;
}
