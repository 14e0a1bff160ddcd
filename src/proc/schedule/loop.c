/* loop.c - es_loop_fd() and es_loop_step(): whose loop drives a node without threads.
 *
 * The first thread that steps is the driver until the node is down: processes may be pinned to it, and it has our alternate signal stack. The
 * descriptor is the node's poller: it is readable when somebody rang (esi_poller_interrupt, as for any sleeper in the poller), when a
 * descriptor that processes wait for is ready, or when its alarm says that a timer is due. So no wake-up has a way of its own here. */
#include "proc/schedule/loop.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include "platform/clock.h"
#include "platform/poller.h"
#include "platform/thread.h"
#include "proc/contain/fault.h"
#include "proc/node.h"
#include "proc/outside.h"
#include "proc/schedule/scheduler.h"

static struct {
    struct esi_worker *worker;
    struct esi_altstack altstack;
    sigset_t mask_before;
    _Atomic(uint64_t)
        driven;    /* a number of its own for each node that is driven and has a driver; 0: none has */
    uint64_t last; /* the last of these numbers; the driver's thread's while it becomes that */
    _Atomic(uint64_t) started; /* as `driven`, of who started it; 0: the node is not driven */
    uint64_t last_started;
} loop;

/* What `driven` was when this thread became the driver, and `started` when it started the node. */
static __thread uint64_t drives __attribute__((tls_model("initial-exec")));
static __thread uint64_t starts __attribute__((tls_model("initial-exec")));

es_err esi_loop_open(void)
{
    /* The alarm is made now, when its failure can be told; it makes the descriptor readable once for nothing. */
    es_err error = esi_poller_set_alarm(esi_node.poller, esi_clock_now_ns());
    if (error != ES_OK)
        return error;
    pthread_mutex_lock(&esi_node.lock);
    error = esi_worker_open_driven(&esi_node.schedulers[0], &loop.worker);
    pthread_mutex_unlock(&esi_node.lock);
    if (error != ES_OK)
        return error;
    esi_scheduler_pause(loop.worker);
    starts = ++loop.last_started;
    atomic_store_explicit(&loop.started, starts, memory_order_release);
    return ES_OK;
}

static uint64_t driven_now(void)
{
    return atomic_load_explicit(&loop.driven, memory_order_acquire);
}

static bool is_driver(void)
{
    return drives && drives == driven_now();
}

bool esi_loop_is_driven_here(void)
{
    if (driven_now())
        return is_driver();
    return starts && starts == atomic_load_explicit(&loop.started, memory_order_relaxed);
}

bool esi_loop_is_driven_elsewhere(void)
{
    return driven_now() && drives != driven_now();
}

int esi_loop_descriptor(void)
{
    return esi_poller_descriptor(esi_node.poller);
}

static bool is_up(void)
{
    uint32_t state = atomic_load_explicit(&esi_node.state, memory_order_acquire);
    return state == ESI_NODE_UP || state == ESI_NODE_STOPPING;
}

int es_loop_fd(void)
{
    int fd = ES_ECLOSED;
    bool is_worker = esi_worker_self() != NULL;
    if (is_worker || esi_outside_enter()) {
        fd = esi_node.is_driven ? esi_loop_descriptor() : ES_EINVAL;
        if (!is_worker)
            esi_outside_leave();
    }
    if (fd < 0 && !is_worker)
        esi_fail(NULL, (es_err)fd, "loop_fd: %s",
                 fd == ES_ECLOSED ? ESI_NO_NODE : "the node has threads of its own: es_options.is_driven");
    return fd;
}

/* ------------------------------------------------------------ becoming the driver */

static es_err become_driver(void)
{
    struct esi_worker *w = loop.worker;
    if (esi_thread_altstack_install(&loop.altstack) != ES_OK)
        return esi_fail(NULL, ES_ELIMIT, "loop_step: no memory for a signal stack");
    sigset_t kill;
    sigemptyset(&kill);
    sigaddset(&kill, esi_fault_kill_signal());
    pthread_sigmask(SIG_UNBLOCK, &kill, &loop.mask_before);
    w->tid = esi_thread_id();
    w->errno_address = es_errno();
    esi_fiber_init_thread(&w->fiber);
    drives = ++loop.last;
    atomic_store_explicit(&loop.driven, drives, memory_order_release);
    return ES_OK;
}

static es_err check_caller(int64_t budget_ns)
{
    if (esi_worker_self()) {
        struct esi_process *self = esi_enter();
        es_err error =
            esi_fail(self, ES_EINVAL, "loop_step: called in a process; the program's loop calls it");
        esi_leave();
        return error;
    }
    if (!is_up())
        return esi_fail(NULL, ES_ECLOSED, "loop_step: " ESI_NO_NODE);
    if (!esi_node.is_driven)
        return esi_fail(NULL, ES_EINVAL, "loop_step: the node has threads of its own: es_options.is_driven");
    if (esi_loop_is_driven_elsewhere())
        return esi_fail(NULL, ES_EINVAL, "loop_step: another thread drives this node");
    if (budget_ns < 0 && budget_ns != ES_INFINITY)
        return esi_fail(NULL, ES_EINVAL, "loop_step: the budget is negative");
    return is_driver() ? ES_OK : become_driver();
}

/* ------------------------------------------------------------ stepping */

/* Gives when it wants to be called again: 0: at once. */
static uint64_t step(struct esi_worker *w, uint64_t until_ns)
{
    esi_worker_become(w);
    atomic_store_explicit(&w->in_runtime, 1, memory_order_relaxed);
    esi_scheduler_resume(w);
    esi_watchdog_rouse();
    bool has_more = esi_worker_run_until(w, until_ns);
    uint64_t deadline_ns = has_more ? 0 : esi_scheduler_pause(w);
    esi_worker_become(NULL);
    /* Who looks at the descriptor only must see that there is more. */
    if (deadline_ns == 0)
        esi_poller_interrupt(esi_node.poller);
    return deadline_ns;
}

int64_t es_loop_step(int64_t budget_ns)
{
    es_err error = check_caller(budget_ns);
    if (error != ES_OK)
        return error;
    int errno_before = *loop.worker->errno_address;
    uint64_t now = esi_clock_now_ns();
    uint64_t until = budget_ns == ES_INFINITY ? ESI_NO_DEADLINE : now + (uint64_t)budget_ns;
    uint64_t deadline = step(loop.worker, until);
    *loop.worker->errno_address = errno_before;
    if (deadline == ESI_NO_DEADLINE)
        return ES_INFINITY;
    now = deadline ? esi_clock_now_ns() : 0;
    return deadline > now ? (int64_t)((deadline - now) & INT64_MAX) : 0;
}

void esi_loop_turn(uint64_t until_ns)
{
    enum { STEP_NS = 10000000, LONGEST_MS = 50 };
    uint64_t now = esi_clock_now_ns();
    uint64_t left_ms = until_ns > now ? (until_ns - now) / ESI_NS_PER_MS + 1 : 0;
    /* First the sleep: what the caller waits for may be so since the last step. */
    struct pollfd fd = {.fd = esi_loop_descriptor(), .events = POLLIN};
    poll(&fd, 1, left_ms < LONGEST_MS ? (int)left_ms : LONGEST_MS);
    es_loop_step(STEP_NS);
}

void esi_loop_close(void)
{
    if (!loop.worker)
        return;
    if (is_driver()) {
        struct esi_worker *w = loop.worker;
        esi_worker_become(w);
        esi_worker_give_back(w);
        esi_worker_become(NULL);
        esi_thread_altstack_remove(&loop.altstack);
        pthread_sigmask(SIG_SETMASK, &loop.mask_before, NULL);
        drives = 0;
    }
    atomic_store_explicit(&loop.driven, 0, memory_order_relaxed);
    atomic_store_explicit(&loop.started, 0, memory_order_relaxed);
    loop.worker = NULL;
}
