/* turns.c - who runs next, and what strikes him.
 *
 * Between two turns the worker comes by here with no process running: the program's promises are looked at, processes are killed, frozen and
 * woken for nothing, and the next one is chosen. At each call of the runtime the process that runs may crash or give way. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <engset/link.h>
#include "platform/clock.h"
#include "proc/end.h"
#include "proc/node.h"
#include "proc/schedule/scheduler.h"
#include "proc/schedule/wait.h"
#include "proc/table.h"
#include "simulate/trace.h"
#include "simulate/world.h"

#define FROZEN_MOST_NS (ESI_NS_PER_S)

struct esi_world esi_world;

static struct esi_world *const w = &esi_world;

/* How the order and the trace call a process: by its place in the table, which is the same in each run of a seed; the rest of its id counts all
 * who lived there since the OS process began. */
static uint64_t place_of(const struct esi_process *p)
{
    return esi_process_place(p->id);
}

/* ------------------------------------------------------------ telling */

static void tell(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(int fd, const char *format, ...)
{
    char line[160];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length > 0 && write(fd, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1) < 0)
        return; /* whoever listened is gone */
}

static void tell_strike(enum esi_strike kind, uint32_t number)
{
    if (w->report_fd >= 0)
        tell(w->report_fd, "strike %s@%u\n", esi_strike_name(kind), number);
    if (w->trace_level < 1)
        return;
    struct esi_worker *worker = esi_worker_self();
    struct esi_process *p = worker ? atomic_load_explicit(&worker->current, memory_order_relaxed) : NULL;
    esi_trace_tell("%s@%u%s%s", esi_strike_name(kind), number, p ? "  at a call of process " : "",
                   p ? esi_trace_name(p) : "");
}

/* It fails, for a reason in words, and the node ends. */
static void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void fail(const char *format, ...)
{
    char why[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    fflush(stdout);
    tell(STDERR_FILENO, "simulation: seed %llu: %s\n", (unsigned long long)w->how.seed, why);
    esi_node_end(1);
}

/* ------------------------------------------------------------ striking */

static bool is_over(void)
{
    if (!w->is_over && esi_node_is_over())
        w->is_over = true;
    return w->is_over;
}

bool esi_world_strikes(enum esi_strike kind)
{
    uint32_t number;
    uint64_t now = esi_clock_now_ns();
    if (!w->has_begun || is_over() || now < w->faults_from_ns || now >= w->faults_until_ns ||
        !esi_plan_strikes(&w->plan, kind, &number))
        return false;
    tell_strike(kind, number);
    esi_trace_mix((uint64_t)kind << 32 | number);
    return true;
}

static bool is_spared(struct esi_process *p)
{
    if (esi_node_is_first(p))
        return true;
    for (int i = 0; i < w->spared_count; i++)
        if (w->spared[i] == p->id)
            return true;
    return false;
}

bool esi_world_fails_allocation(void)
{
    struct esi_worker *worker = esi_worker_self();
    struct esi_process *p = worker ? atomic_load_explicit(&worker->current, memory_order_relaxed) : NULL;
    return p && !p->is_ending && !is_spared(p) && esi_world_strikes(ESI_STRIKE_NO_MEMORY);
}

/* One of the living who are not spared, by the n-th draw of the order; NULL: there is none. */
static struct esi_process *draw_victim(void)
{
    uint64_t index = 0, count = 0;
    for (struct esi_process *p; (p = esi_table_next(&index));)
        count += !is_spared(p);
    if (!count)
        return NULL;
    uint64_t left = esi_random_below(&w->order.random, count);
    index = 0;
    for (struct esi_process *p; (p = esi_table_next(&index));)
        if (!is_spared(p) && left-- == 0)
            return p;
    return NULL;
}

static void kill_somebody(void)
{
    struct esi_process *victim = esi_world_strikes(ESI_STRIKE_KILL) ? draw_victim() : NULL;
    if (victim && esi_plug.send_exit)
        esi_plug.send_exit((es_pid){.id = victim->id}, es_from_atom(es_am_kill));
}

static void wake_somebody(void)
{
    struct esi_process *sleeper = esi_world_strikes(ESI_STRIKE_WAKE) ? draw_victim() : NULL;
    if (sleeper)
        esi_wake(sleeper);
}

/* ------------------------------------------------------------ frozen */

static bool freezes(struct esi_process *p)
{
    if (w->frozen_count == ESI_FROZEN_MOST || is_spared(p) || !esi_world_strikes(ESI_STRIKE_FREEZE))
        return false;
    w->frozen[w->frozen_count].process = p;
    w->frozen[w->frozen_count++].until_ns =
        esi_clock_now_ns() + 1 + esi_random_below(&w->order.random, FROZEN_MOST_NS);
    return true;
}

/* Those whose time has come go back into the queue; all of them when the world is over. */
static void thaw(struct esi_scheduler *s)
{
    uint64_t now = esi_clock_now_ns();
    int kept = 0;
    for (int i = 0; i < w->frozen_count; i++) {
        if (is_over() || w->frozen[i].until_ns <= now)
            esi_runq_push(s, w->frozen[i].process);
        else
            w->frozen[kept++] = w->frozen[i];
    }
    w->frozen_count = kept;
}

static uint64_t next_ns(void)
{
    uint64_t next = ESI_NO_DEADLINE;
    for (int i = 0; i < w->frozen_count; i++)
        if (w->frozen[i].until_ns < next)
            next = w->frozen[i].until_ns;
    return next;
}

/* ------------------------------------------------------------ turns */

static void look_at_promises(void)
{
    uint64_t now = esi_clock_now_ns();
    if (w->how.holds && !w->how.holds(w->argument))
        fail("what must hold does not (.holds)");
    else if (now >= w->faults_until_ns && w->how.settled && w->how.settled(w->argument))
        esi_node_end(0);
    else if (now > w->settle_until_ns)
        fail("it has not settled %lld ms after the last fault might strike", (long long)w->how.settle_ms);
    else if (++w->turns > w->how.turns_most)
        fail("it has not ended after %lld turns (.turns_most)", (long long)w->how.turns_most);
}

static uint64_t rank(const struct esi_process *p)
{
    return esi_order_rank(&w->order, place_of(p));
}

static struct esi_process *next_of(struct esi_scheduler *s)
{
    return w->order.is_by_rank ? esi_runq_best(&s->runq, rank) : esi_runq_draw(&s->runq, &w->order.random);
}

static struct esi_process *pick(struct esi_scheduler *s)
{
    thaw(s);
    if (w->has_begun && !is_over())
        look_at_promises();
    if (w->has_begun && !is_over()) {
        kill_somebody();
        wake_somebody();
    }
    struct esi_process *p = next_of(s);
    while (p && !is_over() && freezes(p))
        p = next_of(s);
    w->queued_at_pick = (uint32_t)atomic_load_explicit(&s->runq.length, memory_order_relaxed);
    return p;
}

/* By rank somebody goes on until a higher one can run: it is enough to look when somebody has come to the queue. */
static bool gives_way(struct esi_process *self)
{
    bool is_lowered = esi_order_step(&w->order, place_of(self));
    bool is_struck = esi_world_strikes(ESI_STRIKE_HAND_OVER);
    if (!w->order.is_by_rank)
        return is_struck;
    struct esi_scheduler *s = esi_worker_self()->scheduler;
    return is_lowered || is_struck || s->next ||
           (uint32_t)atomic_load_explicit(&s->runq.length, memory_order_relaxed) != w->queued_at_pick;
}

static void at_call(struct esi_process *self)
{
    if (!w->has_begun || is_over())
        return;
    if (!is_spared(self) && esi_world_strikes(ESI_STRIKE_CRASH))
        esi_end_with(self, es_lend(ES_TUPLE(es_am_signal, es_am_sigsegv, es_bytes("simulated", 9))));
    if (gives_way(self))
        esi_switch_out(self, ESI_REQUEST_YIELD);
}

const struct esi_rules esi_world_rules = {.pick = pick, .next_ns = next_ns, .at_call = at_call};

static uint64_t later(uint64_t from_ns, int64_t ms)
{
    uint64_t span;
    if (from_ns == ESI_NO_DEADLINE || ms == ES_INFINITY ||
        __builtin_mul_overflow((uint64_t)ms, ESI_NS_PER_MS, &span) || span > ESI_NO_DEADLINE - 1 - from_ns)
        return ESI_NO_DEADLINE;
    return from_ns + span;
}

void esi_world_begin(void)
{
    w->has_begun = true;
    w->faults_from_ns = later(esi_clock_now_ns(), w->how.faults_from_ms);
    w->faults_until_ns = later(w->faults_from_ns, w->how.faults_ms);
    w->settle_until_ns = later(w->faults_until_ns, w->how.settle_ms);
}
