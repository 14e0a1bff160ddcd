/* watchdog.c - sees that no process keeps others from running, and ends those that must end and do not come back.
 *
 * A thread of its own that ticks every 2 ms while some worker runs user code, and sleeps while none does. What it does about a worker
 * whose process has not come back:
 *
 *   blocked in the kernel at two looks in a row, or 4 ms while others wait in its queue, or 10 ms:
 *                  its scheduler goes to a spare (crew.c); a second later a report names it, its place, and how long. A node that
 *                  the program's loop drives stays in that thread: there the report comes after 100 ms, and that is all
 *   a signal that may end it has waited 10 ms:
 *                  the thread gets the kill signal, in bursts, each tick, until its handler finds it in code that can be left (fault.c)
 *   1 s after that its process counts as ended: stranded (crew.c)
 *   others wait to go on in its thread, since foreign code is on their stacks, and a signal has come that ends them:
 *                  they end in another thread
 *
 * And it sees that somebody looks after the poller while others compute.
 *
 * In a simulated world it only tells of a process that has kept the world, and its clock, standing for a second of real time. */
#include "proc/node.h"

#include <signal.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "base/random.h"
#include "platform/clock.h"
#include "platform/park.h"
#include "platform/thread.h"
#include "proc/contain/fault.h"
#include "proc/label.h"
#include "proc/contain/place.h"
#include "proc/contain/report.h"
#include "proc/schedule/scheduler.h"

/* After a look that found somebody blocked the next comes soon: where one blocks, others follow, each on the scheduler that the one
 * before had. */
enum {
    TICK_NS = 2000000,
    SOON_NS = 200000,
    HANDOVER_NS = 10000000,
    HANDOVER_FROM_A_QUEUE_NS = 4000000,
    KILL_AFTER_NS = 10000000,
    STRAND_AFTER_NS = 1000000000,
    REAL_TICK_NS = 100000000, /* beside a simulated world */
    LOOK_COUNTS_NS = 20000000,
    QUIET_TICKS = 8,
    KILL_BURST = 3
};
#define REPORT_AFTER_NS        UINT64_C(1000000000)
#define REPORT_DRIVEN_AFTER_NS UINT64_C(100000000) /* nobody takes over from it: sooner */
#define PLACE_WAIT_NS          UINT64_C(500000000) /* a thread may wait that long for its turn to answer */

static struct {
    struct esi_thread thread;
    struct esi_park park;
    _Atomic(uint32_t) is_asleep;
    _Atomic(uint32_t) is_stopping;
    bool is_started;
    bool saw_blocked; /* in this look */
    uint64_t looked_at_ns, lived_ns;
    uint32_t seen_polls; /* at the last look */
    struct esi_random random;
} dog;

void esi_watchdog_rouse(void)
{
    /* relaxed: if we see it awake it ticks at least once more, and looks at everybody then. */
    if (atomic_load_explicit(&dog.is_asleep, memory_order_seq_cst) &&
        atomic_exchange_explicit(&dog.is_asleep, 0, memory_order_seq_cst))
        esi_park_wake(&dog.park);
}

/* For how long threads that are asked for something could have answered: from one look to the next no more than `most_ns`. On a machine that stood
 * still for seconds nobody had a turn in them, and nobody is given up for that. */
static void live_on(uint64_t now, uint64_t most_ns)
{
    uint64_t since_ns = now - dog.looked_at_ns;
    dog.lived_ns += since_ns < most_ns ? since_ns : most_ns;
    dog.looked_at_ns = now;
}

static uint64_t running_for(struct esi_worker *w, uint64_t now)
{
    uint32_t slice = atomic_load_explicit(&w->slice, memory_order_relaxed);
    if (!atomic_load_explicit(&w->current, memory_order_relaxed)) {
        w->seen_slice = slice - 1;
        return 0;
    }
    if (slice != w->seen_slice) {
        w->seen_slice = slice;
        w->seen_since_ns = now;
        w->kill_since_ns = w->place_since_ns = 0;
        w->is_reported = false;
    }
    return now - w->seen_since_ns;
}

static void send_kill(struct esi_worker *w)
{
    for (int i = 0; i < KILL_BURST; i++) {
        syscall(SYS_tgkill, getpid(), w->tid, esi_fault_kill_signal());
        /* A little later each time, so that a loop that is mostly in libc is met outside it. */
        for (uint64_t spin = esi_random_below(&dog.random, 2000); spin > 0; spin--)
            __asm__ volatile("");
    }
}

/* Whom a worker runs. */
struct runner {
    uint64_t id, name;
    void (*function)(void);
    struct esi_stack_span span;
};

static void see_runner(struct esi_worker *w, void *seen)
{
    struct runner *runner = seen;
    struct esi_process *p = atomic_load_explicit(&w->current, memory_order_relaxed);
    if (!p)
        return;
    runner->id = p->id;
    runner->name = atomic_load_explicit(&p->name, memory_order_relaxed);
    runner->function = p->function;
    if (p->fiber.stack)
        runner->span =
            (struct esi_stack_span){(uintptr_t)p->fiber.stack->low, (uintptr_t)p->fiber.stack->high};
}

/* False: it has just come back. */
static bool describe(struct esi_worker *w, uint64_t ran_ns, struct esi_long_run *run,
                     char label[ESI_LABEL_BYTES], struct esi_text *place)
{
    struct runner runner = {.id = 0};
    if (!esi_worker_look_at(w, see_runner, &runner) || !runner.id)
        return false;
    esi_label_get(runner.id, label);
    bool is_blocked = esi_place_of(w->tid, runner.span, runner.function, place);
    *run = (struct esi_long_run){
        .id = runner.id,
        .name = runner.name,
        .label = label,
        .ran_ms = (int64_t)(ran_ns / ESI_NS_PER_MS),
        .place = is_blocked ? place->bytes : NULL,
        .spare_count =
            atomic_load_explicit(&esi_node.worker_count, memory_order_relaxed) - esi_node.scheduler_count,
    };
    return true;
}

static uint64_t report_after_ns(void)
{
    return esi_node.is_driven && !esi_node.is_sim ? REPORT_DRIVEN_AFTER_NS : REPORT_AFTER_NS;
}

/* A running thread is asked where it is. True: its answer is there, or has been awaited for long enough. */
static bool has_told_its_place(struct esi_worker *w)
{
    if (!w->place_since_ns)
        w->place_since_ns = dog.lived_ns;
    if (w->interrupted_at || dog.lived_ns - w->place_since_ns >= PLACE_WAIT_NS)
        return true;
    if (!atomic_exchange_explicit(&w->want_place, 1, memory_order_release))
        syscall(SYS_tgkill, getpid(), w->tid, esi_fault_kill_signal());
    return false;
}

static void report_long_run(struct esi_worker *w, uint64_t ran_ns)
{
    char bytes[256], label[ESI_LABEL_BYTES];
    struct esi_text place;
    esi_text_init(&place, bytes, sizeof bytes);
    struct esi_long_run run;
    if (!describe(w, ran_ns, &run, label, &place))
        return;
    if (!run.place && !has_told_its_place(w))
        return;
    run.pc = atomic_load_explicit(&w->interrupted_at, memory_order_relaxed);
    w->is_reported = true;
    atomic_store_explicit(&w->interrupted_at, 0, memory_order_relaxed);
    esi_report_long_run(&run);
}

static void strand(struct esi_worker *w, uint64_t ran_ns)
{
    char bytes[256], label[ESI_LABEL_BYTES];
    struct esi_text place;
    esi_text_init(&place, bytes, sizeof bytes);
    struct esi_long_run run;
    if (describe(w, ran_ns, &run, label, &place) && esi_worker_strand(w, w->seen_slice))
        esi_report_stranded(&run);
}

static void look_at_kill(struct esi_worker *w, struct esi_process *p, uint64_t ran_ns)
{
    if (!(atomic_load_explicit(&p->flags, memory_order_relaxed) & ESI_FLAG_EXIT_SENT)) {
        w->kill_since_ns = 0;
        return;
    }
    if (!w->kill_since_ns)
        w->kill_since_ns = dog.lived_ns;
    uint64_t waited = dog.lived_ns - w->kill_since_ns;
    if (waited < KILL_AFTER_NS)
        return;
    if (waited > KILL_AFTER_NS + STRAND_AFTER_NS && !atomic_load_explicit(&w->holds, memory_order_relaxed))
        strand(w, ran_ns);
    else
        send_kill(w);
}

/* Its process has not come back since the last look, at least: does it sleep in the kernel now? */
static bool is_blocked(struct esi_worker *w)
{
    if (atomic_load_explicit(&w->in_runtime, memory_order_relaxed) || !esi_thread_is_blocked(w->tid))
        return false;
    dog.saw_blocked = true;
    return true;
}

/* Its process computes: is it time that others had its scheduler? Who waits behind it waits the longer, the more such processes come
 * one after the other. */
static bool has_had_its_time(struct esi_scheduler *scheduler, uint64_t ran_ns)
{
    return ran_ns >= HANDOVER_NS ||
           (ran_ns >= HANDOVER_FROM_A_QUEUE_NS && esi_scheduler_has_backlog(scheduler));
}

/* Gives whether it runs user code. */
static bool look_at(struct esi_worker *w, uint64_t now)
{
    if (w->never_comes_back)
        return false;
    uint64_t ran_ns = running_for(w, now);
    struct esi_process *p = atomic_load_explicit(&w->current, memory_order_relaxed);
    if (!p)
        return false;
    /* A driven node stays in its driver's thread, whatever that costs the others. */
    struct esi_scheduler *scheduler = atomic_load_explicit(&w->holds, memory_order_relaxed);
    if (ran_ns && !esi_node.is_driven && scheduler && (has_had_its_time(scheduler, ran_ns) || is_blocked(w)))
        esi_worker_hand_over(w);
    if (ran_ns >= TICK_NS)
        look_at_kill(w, p, ran_ns);
    if (ran_ns >= TICK_NS && atomic_load_explicit(&w->pinned_count, memory_order_relaxed))
        esi_worker_free_killed(w);
    if (ran_ns >= report_after_ns() && !w->is_reported && !w->never_comes_back)
        report_long_run(w, ran_ns);
    return true;
}

/* A queue is not empty while somebody sleeps: the backlog that its holder cannot see, since it computes. */
static bool spread_work(void)
{
    bool has_work = false;
    for (int i = 0; i < esi_node.scheduler_count; i++) {
        struct esi_scheduler *s = &esi_node.schedulers[i];
        atomic_store_explicit(&s->ticked, 1, memory_order_relaxed);
        uint32_t picks = atomic_load_explicit(&s->picks, memory_order_relaxed);
        atomic_store_explicit(&s->is_starving, picks == s->seen_picks, memory_order_seq_cst);
        s->seen_picks = picks;
        if (esi_scheduler_has_backlog(s)) {
            has_work = true;
            esi_rouse_one();
        }
    }
    return has_work;
}

/* Who slept in the poller was woken, and computes; who sleeps beside it, in its park, would sleep on, and nobody would hear of a descriptor
 * until that process comes back, or is 10 ms old and loses its scheduler. If nobody was in the poller for a whole tick one of those is woken: it
 * looks there, and having nothing else to do stays. That is at most two ticks late and one wake-up for each time that somebody computes for
 * more than a tick. Not by who leaves the poller: that one is mostly back within some microseconds, and would pay for a second
 * core each time. relaxed: figures; who is wrongly taken for absent is one wake-up, who is wrongly taken for present is seen next time. */
static void see_to_the_poller(void)
{
    uint32_t polls = atomic_load_explicit(&esi_node.polls, memory_order_relaxed);
    bool was_left = polls == dog.seen_polls && !atomic_load_explicit(&esi_node.polling, memory_order_relaxed);
    dog.seen_polls = polls;
    if (was_left && atomic_load_explicit(&esi_node.polled, memory_order_relaxed))
        esi_rouse_one();
}

static bool look_at_all(void)
{
    uint64_t now = esi_clock_now_ns();
    live_on(now, LOOK_COUNTS_NS);
    dog.saw_blocked = false;
    atomic_store_explicit(&esi_node.coarse_ns, now, memory_order_relaxed);
    bool is_busy = spread_work();
    see_to_the_poller();
    for (int i = 0; i < ESI_WORKERS_MAX; i++) {
        struct esi_worker *w = atomic_load_explicit(&esi_node.workers[i], memory_order_acquire);
        if (w && look_at(w, now))
            is_busy = true;
    }
    return is_busy;
}

/* Some scheduler is awake: its worker may begin to run something after we looked. */
static bool somebody_is_awake(void)
{
    return atomic_load_explicit(&esi_node.idle_count, memory_order_seq_cst) < esi_node.scheduler_count;
}

static void watchdog_main(void *argument)
{
    (void)argument;
    int quiet = 0;
    while (!atomic_load_explicit(&dog.is_stopping, memory_order_acquire)) {
        if (look_at_all() || somebody_is_awake())
            quiet = 0;
        else
            quiet++;
        if (quiet < QUIET_TICKS) {
            esi_park_wait(&dog.park, esi_clock_now_ns() + (dog.saw_blocked ? SOON_NS : TICK_NS));
            continue;
        }
        /* seq_cst: asleep is announced before the look at who is awake; a worker wakes up first and then looks whether we sleep. */
        atomic_store_explicit(&dog.is_asleep, 1, memory_order_seq_cst);
        if (!somebody_is_awake())
            esi_park_wait(&dog.park, ESI_NO_DEADLINE);
        atomic_store_explicit(&dog.is_asleep, 0, memory_order_seq_cst);
        quiet = 0;
    }
}

/* ------------------------------------------------------------ beside a simulated world */

/* Its clock and its parks are not for us: the clock stands, and nobody sleeps there. */
static struct {
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    bool is_over;
} vigil = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t real_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * ESI_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* False: the node goes down. */
static bool wait_for_real_tick(void)
{
    uint64_t until_ns = real_now_ns() + REAL_TICK_NS;
    struct timespec until = {(time_t)(until_ns / ESI_NS_PER_S), (long)(until_ns % ESI_NS_PER_S)};
    pthread_mutex_lock(&vigil.lock);
    while (!vigil.is_over && pthread_cond_timedwait(&vigil.changed, &vigil.lock, &until) == 0) {
    }
    bool goes_on = !vigil.is_over;
    pthread_mutex_unlock(&vigil.lock);
    return goes_on;
}

static void vigil_main(void *argument)
{
    (void)argument;
    while (wait_for_real_tick()) {
        uint64_t now = real_now_ns();
        live_on(now, REAL_TICK_NS);
        for (int i = 0; i < ESI_WORKERS_MAX; i++) {
            struct esi_worker *w = atomic_load_explicit(&esi_node.workers[i], memory_order_acquire);
            uint64_t ran_ns = w ? running_for(w, now) : 0;
            if (ran_ns >= report_after_ns() && !w->is_reported)
                report_long_run(w, ran_ns);
        }
    }
}

static void start_vigil(void)
{
    pthread_condattr_t by_monotonic;
    pthread_condattr_init(&by_monotonic);
    pthread_condattr_setclock(&by_monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&vigil.changed, &by_monotonic);
    pthread_condattr_destroy(&by_monotonic);
    vigil.is_over = false;
}

static void end_vigil(void)
{
    pthread_mutex_lock(&vigil.lock);
    vigil.is_over = true;
    pthread_cond_signal(&vigil.changed);
    pthread_mutex_unlock(&vigil.lock);
}

/* ------------------------------------------------------------ its life */

es_err esi_watchdog_start(void)
{
    if (esi_node.is_sim)
        start_vigil();
    esi_park_init(&dog.park);
    atomic_store_explicit(&dog.is_stopping, 0, memory_order_relaxed);
    esi_random_seed(&dog.random, esi_node.is_sim ? 0 : esi_clock_now_ns());
    es_err error = esi_thread_open(esi_node.is_sim ? vigil_main : watchdog_main, NULL, "engset-watch", NULL,
                                   &dog.thread);
    dog.is_started = error == ES_OK;
    return error;
}

void esi_watchdog_stop(void)
{
    if (!dog.is_started)
        return;
    atomic_store_explicit(&dog.is_stopping, 1, memory_order_release);
    if (esi_node.is_sim)
        end_vigil();
    esi_park_wake(&dog.park);
    esi_thread_join(&dog.thread);
    if (esi_node.is_sim)
        pthread_cond_destroy(&vigil.changed);
    dog.is_started = false;
}
