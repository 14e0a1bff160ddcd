/* node.c - a node starts, everybody is ended, it stops: es_node_start() and es_node_stop(); es_run() is both with a first process between. */
#include "proc/node.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "platform/barrier.h"
#include "platform/clock.h"
#include "platform/platform.h"
#include "platform/poller.h"
#include "platform/random.h"
#include "platform/sim.h"
#include "proc/end.h"
#include "proc/contain/decide.h"
#include "proc/contain/fault.h"
#include "proc/fork.h"
#include "proc/schedule/loop.h"
#include "proc/outside.h"
#include "proc/schedule/scheduler.h"
#include "proc/stop_signal.h"
#include "proc/sweep.h"
#include "proc/waiter.h"

struct esi_node esi_node = {.lock = PTHREAD_MUTEX_INITIALIZER};
struct esi_plug esi_plug;

enum {
    STOP_POLITE_MS = 2000,
    HALT_MS = 1000, /* for what was said to be written */
    STOP_KILL_MS = 3000,
    STOP_ALONE_MS = 100,
    STOP_MS_MAX = 1000000000,
    MISUSED = 70
};

/* What es_run() and the workers tell each other. */
static struct {
    _Atomic(uint64_t) first; /* pid id of the first process */
    sem_t ended; /* posted when the first process has ended, and at each end while the node stops */
    _Atomic(bool) first_is_gone;
    _Atomic(bool) is_told_to_stop; /* by a signal */
    _Atomic(bool) has_first;       /* es_run() runs it, and alone stops it */
    _Atomic(bool) stops_itself;    /* a signal to stop is told to the first process, once */
    void (*function)(void *);
    void *argument;
    const char *scarce; /* while a node starts: of what there is too little if it is ES_ELIMIT now */
} run;

static const char no_descriptor[] = "no descriptor is left for the node: RLIMIT_NOFILE (ulimit -n)";
static const char no_thread[] =
    "no thread is left for the node: RLIMIT_NPROC (ulimit -u), or its cgroup's pids.max";

static _Atomic(uint64_t) references = 1;

uint64_t esi_reference_next(void)
{
    return atomic_fetch_add_explicit(&references, 1, memory_order_relaxed);
}

enum { REFERENCES_AT_ONCE = 256 };

uint64_t esi_reference_any(void)
{
    struct esi_worker *worker = esi_worker_here();
    struct esi_scheduler *s = worker ? worker->scheduler : NULL;
    if (!s)
        return esi_reference_next();
    if (s->reference == s->references_end) {
        s->reference = atomic_fetch_add_explicit(&references, REFERENCES_AT_ONCE, memory_order_relaxed);
        s->references_end = s->reference + REFERENCES_AT_ONCE;
    }
    return s->reference++;
}

es_ref esi_ref_new(struct esi_process *self)
{
    es_ref ref = {.id = esi_reference_any(), .pid = self ? self->id : 0};
    if (self)
        esi_mailbox_mark(&self->mailbox, ref.id);
    return ref;
}

uint64_t esi_deadline_in_ms(int64_t time_ms)
{
    uint64_t now = esi_clock_now_ns(), span;
    if (time_ms == ES_INFINITY)
        return ESI_NO_DEADLINE;
    if (__builtin_mul_overflow((uint64_t)time_ms, ESI_NS_PER_MS, &span) ||
        __builtin_add_overflow(now, span, &span))
        return ESI_NO_DEADLINE - 1;
    return span;
}

int64_t esi_ms_until(uint64_t deadline_ns)
{
    uint64_t now_ns = esi_clock_now_ns();
    if (deadline_ns == ESI_NO_DEADLINE)
        return ES_INFINITY;
    return now_ns >= deadline_ns ? 0 : (int64_t)((deadline_ns - now_ns + ESI_NS_PER_MS - 1) / ESI_NS_PER_MS);
}

/* What happens after the first process has ended depends on the thread that ends the others: it is not in the trace. */
void esi_trace_mix(uint64_t value)
{
    if (atomic_load_explicit(&run.first_is_gone, memory_order_relaxed))
        return;
    esi_node.trace_hash = (esi_node.trace_hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    esi_node.trace_hash ^= esi_node.trace_hash >> 29;
}

bool esi_node_is_first(struct esi_process *p)
{
    return p->id == atomic_load_explicit(&run.first, memory_order_relaxed);
}

void esi_node_process_gone(bool was_first, int status)
{
    /* After a deadlock under simulation the node ends while its first process still lives: the first status counts. */
    if (was_first && !atomic_load_explicit(&run.first_is_gone, memory_order_relaxed)) {
        esi_node.exit_status = status;
        if (esi_node.is_sim)
            esi_trace_mix(esi_sim_trace_hash());
        atomic_store_explicit(&run.first_is_gone, true, memory_order_release);
        sem_post(&run.ended);
    } else if (atomic_load_explicit(&esi_node.state, memory_order_relaxed) == ESI_NODE_STOPPING) {
        sem_post(&run.ended);
    }
}

bool esi_node_is_over(void)
{
    return atomic_load_explicit(&run.first_is_gone, memory_order_relaxed) ||
           atomic_load_explicit(&esi_node.state, memory_order_relaxed) != ESI_NODE_UP;
}

void esi_node_end(int status)
{
    esi_node_process_gone(true, status);
    while (atomic_load_explicit(&esi_node.state, memory_order_acquire) == ESI_NODE_UP)
        sched_yield();
}

void esi_node_stuck(void)
{
    if (esi_node_is_over()) { /* the stopper is on its way, or will send more */
        sched_yield();
        return;
    }
    esi_log(ESI_LOG_ERROR, "simulation: %lld processes wait for ever and no timer runs; the node ends",
            (long long)esi_table_count());
    esi_node_end(1);
}

/* ---------------------------------------------------------------- starting */

static int64_t number_from(const char *variable, int64_t otherwise)
{
    const char *text = getenv(variable);
    return text && *text ? strtoll(text, NULL, 10) : otherwise;
}

static int count_schedulers(const es_options *options)
{
    if (esi_node.is_driven)
        return 1;
    int64_t count = options && options->schedulers ? options->schedulers : number_from("ES_SCHEDULERS", 0);
    if (esi_node.is_sim)
        return 1;
    if (count <= 0)
        count = esi_platform_cores();
    return count < 1 ? 1 : count > ESI_SCHEDULERS_MAX ? ESI_SCHEDULERS_MAX : (int)count;
}

static es_err make_schedulers(int count, uint64_t seed)
{
    esi_node.schedulers = esi_alloc_zeroed((size_t)count, sizeof *esi_node.schedulers);
    if (!esi_node.schedulers)
        return ES_ENOMEM;
    esi_node.scheduler_count = count;
    esi_node.may_spin = count > 1 && esi_platform_cores() > 1;
    for (int i = 0; i < count; i++)
        esi_scheduler_init(&esi_node.schedulers[i], i, seed);
    return ES_OK;
}

static es_err start_workers(void)
{
    es_err error = ES_OK;
    if (esi_node.is_driven)
        return esi_loop_open();
    pthread_mutex_lock(&esi_node.lock);
    for (int i = 0; i < esi_node.scheduler_count && error == ES_OK; i++) {
        struct esi_worker *worker;
        error = esi_worker_open(&esi_node.schedulers[i], &worker);
    }
    pthread_mutex_unlock(&esi_node.lock);
    return error;
}

static void first_main(void *argument)
{
    (void)argument;
    run.function(run.argument);
}

/* The first process starts before its id can be told to anybody, so that its end is not missed. */
static es_err spawn_first(void)
{
    atomic_store_explicit(&run.first, UINT64_MAX, memory_order_relaxed);
    es_pid pid = esi_spawn(NULL, (void (*)(void))first_main, (esi_argument){1, 0});
    if (es_pid_is_none(pid))
        return es_last_error();
    atomic_store_explicit(&run.first, pid.id, memory_order_relaxed);
    return ES_OK;
}

static void before_threads(void)
{
    for (struct esi_node_hook *hook = esi_plug.node_hooks; hook && !esi_node.is_sim; hook = hook->next)
        if (hook->before_threads)
            hook->before_threads();
}

static void after_threads(void)
{
    for (struct esi_node_hook *hook = esi_plug.node_hooks; hook && !esi_node.is_sim; hook = hook->next)
        if (hook->after_threads)
            hook->after_threads();
}

static es_err start(const es_options *options, uint64_t seed)
{
    esi_platform_start();
    esi_fork_start();
    const char *why;
    if (esi_platform_check(&why) != ES_OK)
        return esi_fail(NULL, ES_EINVAL, "%s", why);
    int64_t limit =
        options && options->process_limit ? options->process_limit : number_from("ES_PROCESS_LIMIT", 1 << 24);
    es_err error = esi_table_start(limit);
    if (error == ES_OK)
        error = esi_pool_init(&esi_node.pool);
    if (error != ES_OK)
        return error;
    /* Those of an earlier node are gone, whatever they were at. relaxed: there is one thread. */
    esi_list_init(&esi_node.spares);
    atomic_store_explicit(&esi_node.spare_count, 0, memory_order_relaxed);
    atomic_store_explicit(&esi_node.polling, 0, memory_order_relaxed);
    atomic_store_explicit(&esi_node.wanted, 0, memory_order_relaxed);
    atomic_store_explicit(&esi_node.spinning, 0, memory_order_relaxed);
    esi_node.name = options ? options->name : NULL;
    esi_sweep_start(options && !esi_node.is_sim ? options->hibernate_after_ms : 0);
    error = make_schedulers(count_schedulers(options), seed);
    if (error != ES_OK)
        goto fini_pool;
    error = esi_poller_open(&esi_node.poller);
    if (error != ES_OK)
        goto free_schedulers;
    error = esi_fault_start();
    if (error != ES_OK)
        goto close_poller;
    return ES_OK;
close_poller:
    esi_poller_close(&esi_node.poller);
free_schedulers:
    for (int i = 0; i < esi_node.scheduler_count; i++)
        esi_scheduler_fini(&esi_node.schedulers[i]);
    esi_free(esi_node.schedulers);
fini_pool:
    esi_pool_fini(&esi_node.pool);
    return error;
}

/* ---------------------------------------------------------------- stopping */

/* Without memory for the signal it is tried again, a few times: nobody else would ask this process to end. */
static void end_one(uint64_t id, es_atom reason)
{
    enum { TRIES = 10 };
    const struct timespec pause = {0, ESI_NS_PER_MS};
    for (int i = 0; i < TRIES && esi_plug.send_exit((es_pid){.id = id}, es_from_atom(reason)) != ES_OK; i++)
        nanosleep(&pause, NULL);
}

/* An exit signal to everybody: `shutdown`, then `kill`. */
static void end_everybody(es_atom reason)
{
    uint64_t index = 0;
    for (struct esi_process *p; (p = esi_table_next(&index));) {
        uint64_t id = atomic_load_explicit(&p->id, memory_order_relaxed);
        if (id && esi_plug.send_exit)
            end_one(id, reason);
    }
}

/* The same where this thread drives the node. */
static bool drive_until_nobody(int64_t time_ms, int64_t stranded)
{
    uint64_t until = esi_clock_now_ns() + (uint64_t)time_ms * ESI_NS_PER_MS;
    while (esi_table_count() > stranded && esi_clock_now_ns() < until)
        esi_loop_turn(until);
    return esi_table_count() <= stranded;
}

/* Waits until the last process is gone, at most `time_ms` by the wall's monotonic clock, also under simulation: nobody moves the virtual
 * one here. Each end posts; one that ended while the node began to stop may have seen no reason to, so that we look again after
 * 50 ms without a post (a fence in every end would cost more). */
static bool wait_until_nobody(int64_t time_ms)
{
    int64_t stranded = atomic_load_explicit(&esi_node.stranded_count, memory_order_relaxed);
    if (esi_node.is_driven)
        return drive_until_nobody(time_ms, stranded);
    for (int64_t waited_ms = 0; esi_table_count() > stranded && waited_ms < time_ms;) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += 50000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (sem_clockwait(&run.ended, CLOCK_MONOTONIC, &until) != 0 && errno == ETIMEDOUT)
            waited_ms += 50;
    }
    return esi_table_count() <= stranded;
}

static void stop_workers(void)
{
    bool is_over[ESI_WORKERS_MAX] = {false};
    atomic_store_explicit(&esi_node.state, ESI_NODE_STOPPED, memory_order_seq_cst);
    for (int i = 0; i < esi_node.scheduler_count; i++)
        esi_scheduler_rouse(&esi_node.schedulers[i]);
    esi_poller_interrupt(esi_node.poller);
    for (int i = 0; i < ESI_WORKERS_MAX; i++) {
        struct esi_worker *worker = esi_node.workers[i];
        if (!worker)
            continue;
        esi_park_wake(&worker->park);
        if (atomic_load_explicit(&worker->lost, memory_order_acquire) == ESI_LOST_STRANDED ||
            worker->never_comes_back)
            continue; /* its thread is in code that does not come back; the OS process's end ends it */
        if (worker->has_thread)
            esi_thread_join(&worker->thread);
        is_over[i] = true;
    }
    /* Nobody runs any more; now those who are no workers go, too. */
    esi_outside_close();
    /* Only now: to the last one may wake any other. */
    for (int i = 0; i < ESI_WORKERS_MAX; i++) {
        if (!is_over[i])
            continue;
        if (!esi_node.workers[i]->is_retired)
            atomic_fetch_sub_explicit(&esi_node.worker_count, 1, memory_order_relaxed);
        esi_free(esi_node.workers[i]->fault);
        esi_free(esi_node.workers[i]);
        esi_node.workers[i] = NULL;
    }
}

/* Those who were spawned when no thread came that would have run them: the node could not start. */
static void end_who_never_ran(void)
{
    uint64_t index = 0;
    for (struct esi_process *p; (p = esi_table_next(&index));) {
        esi_process_doom(p, es_from_atom(es_am_shutdown));
        esi_end_without_stack(p);
        esi_process_gone(p);
    }
}

/* True: `shutdown` was enough. The state is STOPPING. */
static bool stop(int64_t polite_ms)
{
    esi_asymmetric_heavy(); /* who is spawned just now is in the table for us, or is refused: spawn.c, is_too_late() */
    if (atomic_load_explicit(&esi_node.worker_count, memory_order_relaxed) == 0 && !esi_node.is_driven)
        end_who_never_ran();
    end_everybody(es_am_shutdown);
    /* This room alone, as its tests link it, sends no exit signals: nobody ends who does not end by himself. */
    bool is_alone = !esi_plug.send_exit;
    bool was_enough = wait_until_nobody(is_alone ? STOP_ALONE_MS : polite_ms);
    if (!was_enough) {
        atomic_fetch_add_explicit(&esi_node.forced_stops, 1, memory_order_relaxed); /* a figure to be shown */
        end_everybody(es_am_kill);
        if (!wait_until_nobody(is_alone ? STOP_ALONE_MS : STOP_KILL_MS))
            esi_log(ESI_LOG_WARNING, "%lld processes did not end when the node stopped",
                    (long long)esi_table_count());
    }
    esi_watchdog_stop();
    esi_loop_close();
    stop_workers();
    esi_report_overdue(UINT64_MAX);
    esi_waiters_node_down();
    if (esi_plug.node_down)
        esi_plug.node_down();
    esi_fault_stop();
    esi_poller_close(&esi_node.poller);
    for (int i = 0; i < esi_node.scheduler_count; i++) {
        esi_table_flush(&esi_node.schedulers[i]);
        esi_scheduler_fini(&esi_node.schedulers[i]);
    }
    esi_free(esi_node.schedulers);
    esi_node.schedulers = NULL;
    esi_node.scheduler_count = 0; /* who asks for figures between two nodes finds none */
    esi_stack_pool_trim();
    esi_pool_fini(&esi_node.pool);
    after_threads();
    esi_node.is_driven = false;
    return was_enough;
}

/* ---------------------------------------------------------------- one at a time, and not across a fork */

/* The child has the memory of a node and none of its threads. Where there is no node it may have one of its own. */
static void forked(void)
{
    esi_outside_forget();
    if (atomic_load_explicit(&esi_node.state, memory_order_relaxed) != ESI_NODE_DOWN)
        atomic_store_explicit(&esi_node.state, ESI_NODE_FORKED, memory_order_relaxed);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forked);
}

static const char *why_not(uint32_t state)
{
    return state == ESI_NODE_FORKED ? "this OS process was forked from one in which a node ran: exec "
                                      "something, or fork before the node starts"
                                    : "a node runs already in this OS process, or starts or stops just now; "
                                      "spawn into that one instead";
}

/* ES_EEXIST with its detail: there is one. On ES_OK the caller starts one, or gives the state back. */
static es_err claim(const char *call)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    uint32_t state = ESI_NODE_DOWN;
    if (atomic_compare_exchange_strong_explicit(&esi_node.state, &state, ESI_NODE_STOPPING,
                                                memory_order_seq_cst, memory_order_relaxed))
        return ES_OK;
    return esi_fail(NULL, ES_EEXIST, "%s: %s", call, why_not(state));
}

/* ---------------------------------------------------------------- the whole life */

/* In a signal handler: as if the first process had come to its end. */
static void told_to_stop(void)
{
    atomic_store_explicit(&run.is_told_to_stop, true, memory_order_release);
    sem_post(&run.ended);
}

/* Nothing of the node is left. */
static void set_down(void)
{
    atomic_store_explicit(&esi_node.state, ESI_NODE_DOWN, memory_order_seq_cst);
}

/* From a claimed state to UP; what fails leaves it DOWN, with a detail. */
static es_err bring_up(const es_options *options, uint64_t seed, bool has_first)
{
    sem_init(&run.ended, 0, 0);
    atomic_store_explicit(&run.first_is_gone, false, memory_order_relaxed);
    atomic_store_explicit(&run.is_told_to_stop, false, memory_order_relaxed);
    atomic_store_explicit(&run.has_first, has_first, memory_order_relaxed);
    atomic_store_explicit(&run.stops_itself, false, memory_order_relaxed);
    atomic_store_explicit(&run.first, 0, memory_order_relaxed);
    esi_node.exit_status = 0;
    esi_node.is_driven = options && options->is_driven;
    before_threads();
    run.scarce = no_descriptor;
    es_err error = start(options, seed);
    if (error != ES_OK) {
        after_threads();
        esi_node.is_driven = false;
        set_down();
        return error;
    }
    atomic_store_explicit(&esi_node.state, ESI_NODE_UP, memory_order_seq_cst);
    esi_outside_open();
    if (has_first && !esi_node.is_sim)
        esi_stop_signal_start(told_to_stop);
    error = has_first ? spawn_first() : ES_OK;
    run.scarce = no_thread;
    if (error == ES_OK)
        error = esi_watchdog_start();
    if (esi_node.is_driven)
        run.scarce = no_descriptor; /* there it makes one and no thread */
    if (error == ES_OK)
        error = start_workers();
    if (error == ES_OK)
        return ES_OK;
    atomic_store_explicit(&esi_node.state, ESI_NODE_STOPPING, memory_order_seq_cst);
    stop(0);
    if (has_first && !esi_node.is_sim)
        esi_stop_signal_end();
    set_down();
    return error;
}

/* Why bring_up() failed. */
static const char *why_not_up(es_err error)
{
    switch (error) {
    case ES_EINVAL:
        return es_last_detail(); /* the platform's own words */
    case ES_ENOMEM:
        return "no memory for the node's tables";
    case ES_ELIMIT:
        return run.scarce;
    default:
        return es_strerror(error);
    }
}

void esi_node_stops_itself(bool does)
{
    atomic_store_explicit(&run.stops_itself, does, memory_order_release);
}

/* The first process puts all in order before it ends: it is told, once, and the next signal counts for all. */
static bool is_first_told(void)
{
    uint64_t first = atomic_load_explicit(&run.first, memory_order_relaxed);
    if (!atomic_exchange_explicit(&run.stops_itself, false, memory_order_acq_rel) || !esi_outside_enter())
        return false;
    atomic_store_explicit(&run.is_told_to_stop, false, memory_order_relaxed);
    end_one(first, es_am_shutdown);
    esi_outside_leave();
    return true;
}

/* Until the first process has ended, or a signal ends the node. */
static void wait_for_the_end(void)
{
    for (;;) {
        if (atomic_load_explicit(&run.first_is_gone, memory_order_acquire))
            return;
        if (atomic_load_explicit(&run.is_told_to_stop, memory_order_acquire) && !is_first_told())
            return;
        sem_wait(&run.ended);
    }
}

static int run_node(void (*first)(void *), void *argument, const es_options *options, uint64_t seed)
{
    run.function = first;
    run.argument = argument;
    es_err error = bring_up(options, seed, true);
    if (error != ES_OK) {
        fprintf(stderr, "engset: the node cannot start: %s\n", why_not_up(error));
        return MISUSED;
    }
    wait_for_the_end();
    atomic_store_explicit(&esi_node.state, ESI_NODE_STOPPING, memory_order_seq_cst);
    stop(STOP_POLITE_MS);
    if (!esi_node.is_sim)
        esi_stop_signal_end();
    int status = esi_node.exit_status;
    set_down();
    return status;
}

/* A sentence for who cannot look at es_last_detail(): es_run() gives a status. */
static bool may_run(const es_options *options)
{
    if (options && options->is_driven) {
        fprintf(stderr, "engset: es_run() drives the node itself; is_driven is for es_node_start()\n");
        return false;
    }
    struct esi_process *self = esi_enter();
    if (self) {
        esi_leave();
        fprintf(stderr, "engset: run: %s\n", why_not(ESI_NODE_UP));
        return false;
    }
    if (claim("run") == ES_OK)
        return true;
    fprintf(stderr, "engset: %s\n", es_last_detail());
    return false;
}

static es_err check_options(const es_options *options)
{
    if (options && options->is_driven && options->schedulers > 1)
        return esi_fail(NULL, ES_EINVAL, "start: a node that is driven has one scheduler");
    if (options && options->hibernate_after_ms < 0)
        return esi_fail(NULL, ES_EINVAL, "start: hibernate_after_ms is negative; 0 means never");
    return ES_OK;
}

static es_err refuse_process(struct esi_process *self, const char *call, const char *why)
{
    es_err error = esi_fail(self, ES_EINVAL, "%s: called in a process: %s", call, why);
    esi_leave();
    return error;
}

es_err es_node_start(const es_options *options)
{
    struct esi_process *self = esi_enter();
    if (self)
        return refuse_process(self, "start", "a node runs already");
    es_err error = check_options(options);
    if (error == ES_OK)
        error = claim("start");
    if (error != ES_OK)
        return error;
    error = bring_up(options, esi_random_u64(), false);
    if (error == ES_OK || error == ES_EINVAL)
        return error;
    return esi_fail(NULL, error, "start: %s", why_not_up(error));
}

/* The caller stops the node if it may: then its state is STOPPING. */
static es_err claim_stop(void)
{
    uint32_t state = ESI_NODE_UP;
    if (atomic_load_explicit(&run.has_first, memory_order_relaxed) &&
        atomic_load_explicit(&esi_node.state, memory_order_relaxed) == ESI_NODE_UP)
        return esi_fail(NULL, ES_EINVAL,
                        "stop: es_run() runs this node: it stops when its first process ends");
    if (esi_loop_is_driven_elsewhere())
        return esi_fail(NULL, ES_EINVAL, "stop: only the thread that drives this node can stop it");
    if (atomic_compare_exchange_strong_explicit(&esi_node.state, &state, ESI_NODE_STOPPING,
                                                memory_order_seq_cst, memory_order_relaxed))
        return ES_OK;
    return esi_fail(NULL, ES_ECLOSED, "stop: %s",
                    state == ESI_NODE_FORKED
                        ? "the node's threads are in the OS process that this one was forked from"
                        : ESI_NO_NODE);
}

es_err es_node_stop(int64_t timeout_ms)
{
    struct esi_process *self = esi_enter();
    if (self)
        return refuse_process(self, "stop",
                              "it would wait for itself; end it by es_halt(), or tell a thread to stop");
    if (timeout_ms < 0 && timeout_ms != ES_INFINITY)
        return esi_fail(NULL, ES_EINVAL, "stop: the time-out is negative");
    es_err error = claim_stop();
    if (error != ES_OK)
        return error;
    bool is_long = timeout_ms == ES_INFINITY || timeout_ms > STOP_MS_MAX;
    bool was_enough = stop(is_long ? STOP_MS_MAX : timeout_ms);
    set_down();
    if (was_enough)
        return ES_OK;
    return esi_fail(NULL, ES_ETIMEOUT,
                    "stop: not all processes ended in time by `shutdown`: they were killed");
}

int es_run(void (*first)(void *), void *argument, const es_options *options)
{
    const char *seed = getenv("ES_SIM");
    if (seed && *seed && esi_plug.simulate)
        return esi_plug.simulate(first, argument, options);
    return may_run(options) ? run_node(first, argument, options, esi_random_u64()) : MISUSED;
}

int es_run_simulated(uint64_t seed, void (*first)(void *), void *argument, const es_options *options,
                     uint64_t *trace_hash)
{
    if (!may_run(options))
        return MISUSED;
    esi_platform_sim_start(seed);
    esi_node.is_sim = true;
    esi_node.trace_hash = seed;
    int status = run_node(first, argument, options, seed);
    if (trace_hash)
        *trace_hash = esi_node.trace_hash;
    esi_node.is_sim = false;
    esi_platform_sim_stop();
    return status;
}

void es_halt(int status)
{
    esi_enter(); /* for good */
    fflush(NULL);
    esi_report_overdue(UINT64_MAX);
    esi_log_settle(HALT_MS);
    _exit(status);
}
