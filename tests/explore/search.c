/* search.c - which thread goes on at each point of a run, and which run comes next: depth first through all that makes a difference.
 *
 * A run is a row of steps; a step is one operation that others may notice (struct op) and all that its thread does up to its next one.
 * Two operations *commute* unless they are on one object and at least one of them changes it: runs that differ only in the order of steps
 * that commute are one interleaving. So before each step we look which earlier ones it does not commute with and does not need, and see to it
 * that at their nodes a thread is tried that can lead to the other order (dynamic partial-order reduction: Flanagan, Godefroid, POPL 2005; with
 * source sets: Abdulla, Aronis, Jonsson, Sagonas, POPL 2014); and a thread whose step was tried at a node sleeps below it until something runs
 * that does not commute with that step (sleep sets: Godefroid 1996). reduction.c tries whether anything is lost by that.
 *
 * With a bound on preemptions there is no such reduction: every order with at most that many switches away from a thread that could go on. */
#include "internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "platform/context.h"
#include "world.h"

enum { OBJECTS = 2048 };

/* How far a thread, or whoever changed an object, knows each thread's steps: by what does not commute. Not memory.c's views. */
struct clock {
    int steps[EXPLORE_THREADS];
};

/* A state of the run, before step number ... */
struct node {
    struct op next[EXPLORE_THREADS];        /* what each thread is about to do */
    uint8_t enabled, to_try, tried, asleep; /* threads, a bit each */
    int8_t chosen;
    uint8_t value, value_count; /* of a load: which, and of how many */
    int16_t preemptions;        /* up to here */
    struct clock clock;         /* what its step knew, when it was run */
};

struct touched {
    uintptr_t at;
    uint32_t run;
    struct clock changed, used; /* behind its last change; behind all uses */
};

enum outcome { COMPLETE, REDUNDANT };

static struct {
    const struct explore_script *script;
    struct plan plan;
    struct node nodes[STEPS_MAX + 1];
    int depth;   /* steps of this run */
    int planned; /* so many of its choices are made already */
    int longest;
    int running; /* a logical thread, or NOBODY */
    int last;    /* who ran the last step */
    uint32_t run;
    struct op next[EXPLORE_THREADS];
    void *sp[EXPLORE_THREADS], *main_sp;
    struct clock knows[EXPLORE_THREADS], all;
    struct touched objects[OBJECTS];
    int object_count;
    enum outcome outcome;
} * x;

__attribute__((constructor(102))) static void search_open(void)
{
    x = world_own(sizeof *x);
    x->running = NOBODY;
}

int current_thread(void)
{
    return x ? x->running : NOBODY;
}

/* ------------------------------------------------------------ what commutes */

static bool only_looks(const struct op *op)
{
    return op->kind == OP_LOAD;
}

static bool commute(const struct op *a, const struct op *b)
{
    if (a->kind == OP_NONE || b->kind == OP_NONE)
        return true;
    if (a->kind == OP_BARRIER || b->kind == OP_BARRIER)
        return false;
    return a->at != b->at || (only_looks(a) && only_looks(b));
}

/* Could `b` have been done where `a` was? */
static bool may_come_first(const struct op *a, const struct op *b)
{
    if (a->kind == OP_UNLOCK && b->kind == OP_LOCK)
        return false;
    return !(a->kind == OP_WAKE && b->kind == OP_GET_UP && !b->has_deadline);
}

static bool is_enabled(int thread)
{
    const struct op *op = &x->next[thread];
    switch (op->kind) {
    case OP_NONE:
        return false;
    case OP_LOCK:
        return lock_is_free(op->at);
    case OP_GET_UP:
        return is_woken(thread) || (op->has_deadline && may_be_late(thread));
    default:
        return true;
    }
}

/* ------------------------------------------------------------ clocks */

static struct touched *touched_at(uintptr_t at)
{
    struct touched *object = &x->objects[(at * 0x9e3779b97f4a7c15u) >> 53];
    while (object->run == x->run && object->at != at)
        object = object == &x->objects[OBJECTS - 1] ? x->objects : object + 1;
    if (object->run == x->run)
        return object;
    if (++x->object_count == OBJECTS)
        violation("more than %d objects in one run", OBJECTS);
    *object = (struct touched){.at = at, .run = x->run};
    return object;
}

static void learn(struct clock *clock, const struct clock *from)
{
    for (int i = 0; i < EXPLORE_THREADS; i++)
        if (from->steps[i] > clock->steps[i])
            clock->steps[i] = from->steps[i];
}

/* The step that was chosen at `depth` is run now. */
static void note_step(struct node *node, int thread, const struct op *op)
{
    struct touched *object = touched_at(op->at);
    struct clock *clock = &x->knows[thread];
    learn(clock, only_looks(op) ? &object->changed : &object->used);
    learn(clock, &x->all);
    if (op->kind == OP_BARRIER)
        for (int i = 0; i < EXPLORE_THREADS; i++)
            learn(clock, &x->knows[i]);
    clock->steps[thread] = x->depth + 1;
    learn(&object->used, clock);
    if (!only_looks(op))
        learn(&object->changed, clock);
    if (op->kind == OP_BARRIER)
        learn(&x->all, clock);
    node->clock = *clock;
}

/* ------------------------------------------------------------ what else is to be tried */

static const struct op *op_of(int step)
{
    return &x->nodes[step].next[x->nodes[step].chosen];
}

static bool is_reversible(int step, const struct op *next)
{
    return !commute(op_of(step), next) && may_come_first(op_of(step), next);
}

static bool knows_of(const struct clock *clock, int step)
{
    return clock->steps[x->nodes[step].chosen] >= step + 1;
}

/* `next` is to come before `step`, and so all that it needs of what was run after that. Gives the threads that may begin with it: whose first step of
 * these needs no other of them. */
static uint8_t who_may_begin(int step, int thread, const struct op *next)
{
    int first_of[EXPLORE_THREADS]; /* the first of these steps of each thread */
    uint8_t met = 0, may_begin = 0;
    bool is_free = true;
    for (int i = step + 1; i < x->depth; i++) {
        const struct clock *clock = &x->nodes[i].clock;
        int runner = x->nodes[i].chosen;
        if (knows_of(clock, step))
            continue;
        bool needs_none = !(met >> runner & 1);
        for (int k = 0; k < EXPLORE_THREADS; k++)
            needs_none = needs_none && !(met >> k & 1 && clock->steps[k] > first_of[k]);
        if (!(met >> runner & 1))
            first_of[runner] = i;
        met |= (uint8_t)(1u << runner);
        may_begin |= (uint8_t)(needs_none << runner);
        is_free = is_free && commute(op_of(i), next);
    }
    for (int k = 0; k < EXPLORE_THREADS; k++)
        is_free = is_free && !(met >> k & 1 && x->knows[thread].steps[k] > first_of[k]);
    return is_free ? may_begin | (uint8_t)(1u << thread) : may_begin;
}

/* `thread` should do `next` before that step. */
static void try_before(int step, int thread, const struct op *next)
{
    struct node *node = &x->nodes[step];
    uint8_t may_begin = who_may_begin(step, thread, next);
    if (may_begin & node->to_try)
        return;
    uint8_t can = may_begin & node->enabled;
    if (can >> thread & 1)
        node->to_try |= (uint8_t)(1u << thread);
    else
        node->to_try |= can ? can & -can : node->enabled;
}

/* `thread` does `next` now: with which steps could it have changed places? Of each other thread's the last that it does not know of. */
static void note_races(int thread, const struct op *next)
{
    uint8_t done = (uint8_t)(1u << thread), all = (1u << EXPLORE_THREADS) - 1;
    for (int step = x->depth - 1; step >= 0 && done != all; step--) {
        int other = x->nodes[step].chosen;
        if (done >> other & 1 || !is_reversible(step, next))
            continue;
        done |= (uint8_t)(1u << other);
        if (!knows_of(&x->knows[thread], step))
            try_before(step, thread, next);
    }
}

static uint8_t still_asleep(const struct node *node)
{
    uint8_t asleep = 0;
    for (int i = 0; i < EXPLORE_THREADS; i++)
        if (((node->asleep | node->tried) >> i & 1) && i != node->chosen &&
            commute(&node->next[i], &node->next[node->chosen]))
            asleep |= (uint8_t)(1u << i);
    return asleep;
}

/* Who goes on of `threads`, not none: the one that ran, as long as it can. */
static int prefer(uint8_t threads)
{
    if (x->last != NOBODY && threads >> x->last & 1)
        return x->last;
    return __builtin_ctz(threads);
}

static bool is_bounded(void)
{
    return x->plan.preemptions != FOR_EVER;
}

/* Was a thread left in that step that could have gone on? */
static bool is_preemption(int step)
{
    const struct node *node = &x->nodes[step];
    int before = step && op_of(step - 1)->kind != OP_BEGIN ? node[-1].chosen : NOBODY;
    return before != NOBODY && node->chosen != before && (node->enabled >> before & 1);
}

/* A state that no run has come to before. False: all that begins here is like what was run. */
static bool make_node(struct node *node, uint8_t enabled)
{
    const struct node *before = x->depth ? node - 1 : NULL;
    *node = (struct node){.enabled = enabled, .value_count = 1};
    for (int i = 0; i < EXPLORE_THREADS; i++)
        node->next[i] = x->next[i];
    if (is_bounded()) {
        bool could_stay = x->last != NOBODY && enabled >> x->last & 1;
        node->preemptions = before ? (int16_t)(before->preemptions + is_preemption(x->depth - 1)) : 0;
        node->to_try =
            could_stay && node->preemptions >= x->plan.preemptions ? (uint8_t)(1u << x->last) : enabled;
        node->chosen = (int8_t)prefer(node->to_try);
        return true;
    }
    node->asleep = before ? still_asleep(before) : 0;
    uint8_t awake = enabled & (uint8_t)~node->asleep;
    if (!awake)
        return false;
    node->chosen = (int8_t)prefer(awake);
    node->to_try = (uint8_t)(1u << node->chosen);
    return true;
}

/* The next run differs from this one as late as it can. False: there is none. */
static bool plan_next(void)
{
    for (int step = x->depth - 1; step >= 0; step--) {
        struct node *node = &x->nodes[step];
        if (node->value + 1 < node->value_count) {
            node->value++;
            x->planned = step + 1;
            return true;
        }
        node->tried |= (uint8_t)(1u << node->chosen);
        uint8_t left = node->to_try & (uint8_t)~node->tried & (uint8_t)~node->asleep;
        if (!left)
            continue;
        node->chosen = (int8_t)__builtin_ctz(left);
        node->value = 0;
        node->value_count = 1;
        x->planned = step + 1;
        return true;
    }
    return false;
}

/* ------------------------------------------------------------ running */

static ES_NORETURN void leave_run(enum outcome outcome)
{
    void *nowhere;
    x->outcome = outcome;
    x->running = NOBODY;
    esi_context_switch(&nowhere, x->main_sp);
    __builtin_unreachable();
}

static ES_NORETURN void say_deadlock(void)
{
    char who[64] = "";
    for (int i = 0; i < EXPLORE_THREADS; i++)
        if (x->next[i].kind != OP_NONE)
            snprintf(who + strlen(who), sizeof who - strlen(who), " %c %s,", 'a' + i,
                     x->next[i].kind == OP_LOCK ? "for a lock" : "to be woken");
    who[strlen(who) - 1] = '\0';
    violation("nobody can go on:%s", who);
}

/* Nobody is left but those who may sleep on. */
static bool all_may_wait(void)
{
    for (int i = 0; i < EXPLORE_THREADS; i++)
        if (x->next[i].kind != OP_NONE && (x->next[i].kind != OP_GET_UP || !(x->script->may_sleep >> i & 1)))
            return false;
    return true;
}

/* A schedule given by hand: "ab1c": a letter a step, with the number of the value if it is not the newest. */
static void follow_schedule(struct node *node)
{
    const char *at = x->plan.schedule;
    int thread = NOBODY;
    for (int step = 0; *at && step <= x->depth; step++) {
        thread = *at++ - 'a';
        node->value = 0;
        while (*at >= '0' && *at <= '9')
            node->value = (uint8_t)(node->value * 10 + *at++ - '0');
    }
    if (thread >= 0 && thread < EXPLORE_THREADS && node->enabled >> thread & 1)
        node->chosen = (int8_t)thread;
}

/* As long as somebody has not begun it does, whoever else could go on: that makes no difference. */
static uint8_t first_to_begin(uint8_t enabled)
{
    for (int i = 0; i < EXPLORE_THREADS; i++)
        if (x->next[i].kind == OP_BEGIN)
            return (uint8_t)(1u << i);
    return enabled;
}

/* Who does the next step; the run ends here if nobody does. */
static int next_thread(void)
{
    uint8_t enabled = 0, alive = 0;
    for (int i = 0; i < EXPLORE_THREADS; i++) {
        alive |= (uint8_t)((x->next[i].kind != OP_NONE) << i);
        enabled |= (uint8_t)(is_enabled(i) << i);
    }
    enabled = first_to_begin(enabled);
    struct node *node = &x->nodes[x->depth];
    bool is_new = x->depth >= x->planned;
    if (!alive)
        leave_run(COMPLETE);
    if (!enabled && all_may_wait())
        leave_run(COMPLETE);
    if (!enabled)
        say_deadlock();
    if (x->depth == STEPS_MAX)
        violation("%d steps, and it goes on", STEPS_MAX);
    if (is_new && !make_node(node, enabled))
        leave_run(REDUNDANT);
    if (x->plan.schedule)
        follow_schedule(node);
    if (!(enabled >> node->chosen & 1))
        violation("the same choices led to another state: something got in from outside");
    if (x->depth + 1 >= x->planned && !is_bounded())
        note_races(node->chosen, &x->next[node->chosen]);
    note_step(node, node->chosen, &x->next[node->chosen]);
    x->depth++;
    x->last = node->next[node->chosen].kind == OP_BEGIN ? NOBODY : node->chosen;
    return node->chosen;
}

static void switch_to(int thread)
{
    int from = x->running;
    if (from == thread)
        return;
    int error = errno;
    world_save_locals(from);
    world_load_locals(thread);
    x->running = thread;
    esi_context_switch(from == NOBODY ? &x->main_sp : &x->sp[from], x->sp[thread]);
    errno = error;
}

void point(struct op op)
{
    if (!x || x->running == NOBODY)
        return;
    x->next[x->running] = op;
    switch_to(next_thread());
}

int choose_value(int count)
{
    struct node *node = &x->nodes[x->depth - 1];
    node->value_count = (uint8_t)count;
    return node->value < count ? node->value : 0;
}

ES_NORETURN void explore_stop(void)
{
    x->next[x->running] = (struct op){.kind = OP_NONE};
    switch_to(next_thread());
    __builtin_unreachable();
}

static void **thread_main(void *number)
{
    x->script->threads[(intptr_t)number]();
    explore_stop();
}

static void run(void)
{
    world_restore();

    memory_reset(x->plan.is_weak);
    x->depth = x->object_count = 0;
    x->last = NOBODY;
    x->run++;
    __real_memset(x->knows, 0, sizeof x->knows);
    __real_memset(&x->all, 0, sizeof x->all);
    for (int i = 0; i < EXPLORE_THREADS; i++) {
        /* Its first step is to begin, on an object of its own. */
        x->next[i] = (struct op){.kind = x->script->threads[i] ? OP_BEGIN : OP_NONE, .at = (uintptr_t)i + 1};
        x->sp[i] = esi_context_make(world_stack_low(i), world_stack_top(i), thread_main, (void *)(intptr_t)i);
    }
    switch_to(next_thread());
    world_load_locals(NOBODY);
}

/* Of this OS process: what others do on the machine must not decide how far we come. */
static double now(void)
{
    struct timespec time;
    __real_clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

struct result explore(const struct explore_script *script, const struct plan *plan)
{
    struct result result = {.runs = 0};
    double start = now();
    x->script = script;
    x->plan = *plan;
    x->running = NOBODY;
    x->planned = 0;
    do {
        run();
        if (x->outcome == COMPLETE && script->check)
            script->check();
        result.runs += x->outcome == COMPLETE;
        result.redundant += x->outcome == REDUNDANT;
        if (x->depth > result.longest)
            result.longest = x->depth;
        result.seconds = now() - start;
        result.is_cut_off = result.seconds > plan->seconds;
    } while (!plan->schedule && !result.is_cut_off && plan_next());
    x->depth = 0; /* no run */
    world_compare();
    return result;
}

/* ------------------------------------------------------------ when something is wrong */

bool step_of_run(int i, int *thread, int *value, struct op *op)
{
    if (!x || i >= x->depth)
        return false;
    *thread = x->nodes[i].chosen;
    *value = x->nodes[i].value;
    *op = *op_of(i);
    return true;
}

void violation(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    report_violation(format, arguments);
    va_end(arguments);
    _exit(EXPLORE_FOUND);
}

void explore_judge(bool holds, const char *what, const char *file, int line)
{
    if (!holds)
        violation("%s:%d: not so: %s", file, line, what);
}
