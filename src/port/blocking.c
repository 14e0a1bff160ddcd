/* blocking.c - see blocking.h.
 *
 *   NEW ----do----> QUEUED --taken--> RUNNING --run--> DONE ---free---> (freed by the process)
 *                     |                  |
 *                     | abandoned        | abandoned
 *                     v                  v
 *                  (freed)            ALONE --run--> (freed by the thread)
 *
 * The pool's lock guards a job's state, and the process is woken under it: so a process whose job is abandoned is not woken by it any more.
 * The memory is malloc's: a job that is alone may outlive the node. */
#include "port/blocking.h"

#include <engset/blocking.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include "base/alloc.h"
#include "platform/clock.h"
#include "platform/thread.h"
#include "proc/schedule/worker.h"

enum { THREADS_MAX = 32, IDLE_S = 10 };

enum job_state { JOB_NEW, JOB_QUEUED, JOB_RUNNING, JOB_ALONE, JOB_DONE };

struct job {
    struct esi_bond bond; /* the process's; its id is the job's number */
    struct esi_list in_queue;
    struct esi_process *process;
    enum job_state state;
    void (*run)(void *block);
    void (*release)(void *block);
    _Alignas(16) char block[];
};

static struct {
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t work;  /* a job was queued, or the node has ended */
    pthread_cond_t ended; /* a thread has */
    struct esi_list queue;
    int threads, idle;
    bool is_closing;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .work = PTHREAD_COND_INITIALIZER,
          .ended = PTHREAD_COND_INITIALIZER,
          .queue = {&pool.queue, &pool.queue}};

static struct job *job_of(void *block)
{
    return ESI_CONTAINER_OF(block, struct job, block);
}

static void free_job(struct job *job)
{
    if (job->release)
        job->release(job->block);
    esi_free(job);
}

/* ---------------------------------------------------------------- the threads */

/* Under the lock, which is let go of meanwhile. */
static void run_job(struct job *job)
{
    job->state = JOB_RUNNING;
    pthread_mutex_unlock(&pool.lock);
    job->run(job->block);
    pthread_mutex_lock(&pool.lock);
    if (job->state == JOB_ALONE) {
        pthread_mutex_unlock(&pool.lock);
        free_job(job);
        pthread_mutex_lock(&pool.lock);
        return;
    }
    job->state = JOB_DONE;
    esi_wake(job->process);
}

/* Under the lock. The next job; NULL: it is time to end. */
static struct job *next_job(void)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_S;
    for (bool is_late = false;;) {
        struct esi_list *first = esi_list_pop_front(&pool.queue);
        if (first)
            return ESI_CONTAINER_OF(first, struct job, in_queue);
        if (is_late || pool.is_closing)
            return NULL;
        pool.idle++;
        is_late = pthread_cond_clockwait(&pool.work, &pool.lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT;
        pool.idle--;
    }
}

static void thread_main(void *unused)
{
    (void)unused;
    pthread_detach(pthread_self());
    pthread_mutex_lock(&pool.lock);
    for (struct job *job; (job = next_job());)
        run_job(job);
    pool.threads--;
    pthread_cond_broadcast(&pool.ended);
    pthread_mutex_unlock(&pool.lock);
}

/* Under the lock. A thread for the job that was queued last, if one can be had and is needed. */
static void ensure_thread(void)
{
    int waiting = 0;
    ESI_LIST_EACH(it, &pool.queue)
    waiting++;
    if (pool.idle >= waiting || pool.threads >= THREADS_MAX)
        return;
    struct esi_thread thread;
    pool.threads++;
    pthread_mutex_unlock(&pool.lock);
    es_err error = esi_thread_open(thread_main, NULL, "engset-blocking", NULL, &thread);
    pthread_mutex_lock(&pool.lock);
    if (error != ES_OK)
        pool.threads--;
}

/* Those with nothing to do end now; one that is in a call ends when that comes back. */
static void after_threads(void)
{
    pthread_mutex_lock(&pool.lock);
    pool.is_closing = true;
    pthread_cond_broadcast(&pool.work);
    while (pool.idle > 0)
        pthread_cond_wait(&pool.ended, &pool.lock);
    pool.is_closing = false;
    pthread_mutex_unlock(&pool.lock);
}

/* ---------------------------------------------------------------- the process */

/* `job` is out of the map. */
static void abandon(struct job *job)
{
    pthread_mutex_lock(&pool.lock);
    bool is_running = job->state == JOB_RUNNING;
    if (is_running)
        job->state = JOB_ALONE;
    if (job->state == JOB_QUEUED)
        esi_list_remove(&job->in_queue);
    pthread_mutex_unlock(&pool.lock);
    if (!is_running)
        free_job(job);
}

static void process_ended(struct esi_process *self, struct esi_bond *bond, es_term reason)
{
    (void)self;
    (void)reason;
    abandon(ESI_CONTAINER_OF(bond, struct job, bond));
}

static const struct esi_bond_kind job_kind = {"job", ESI_BOND_JOB, process_ended};

void *esi_job_new(struct esi_process *self, size_t bytes, void (*run)(void *), void (*release)(void *))
{
    struct job *job = bytes < SIZE_MAX / 2 ? esi_alloc_zeroed(1, sizeof *job + bytes) : NULL;
    if (!job)
        return NULL;
    job->process = self;
    job->run = run;
    job->release = release;
    esi_list_init(&job->in_queue);
    esi_bond_insert(self, &job->bond, &job_kind, esi_reference_next());
    return job->block;
}

/* Under the lock. */
static void give(struct job *job)
{
    job->state = JOB_QUEUED;
    esi_list_push_back(&pool.queue, &job->in_queue);
    ensure_thread();
    pthread_cond_signal(&pool.work);
    if (pool.threads || job->state != JOB_QUEUED)
        return;
    /* No thread can be made: the caller's will do, and the watchdog gives its scheduler to another. */
    esi_list_remove(&job->in_queue);
    run_job(job);
}

static enum job_state look(struct job *job)
{
    pthread_mutex_lock(&pool.lock);
    enum job_state state = job->state;
    pthread_mutex_unlock(&pool.lock);
    return state;
}

es_err esi_job_do(struct esi_process *self, void *block, int64_t deadline_ns)
{
    struct job *job = job_of(block);
    uint64_t until = deadline_ns == ES_INFINITY ? ESI_NO_DEADLINE
                     : deadline_ns < 0          ? 0
                                                : (uint64_t)deadline_ns;
    if (esi_node.is_sim) {
        job->run(block);
        job->state = JOB_DONE;
        return ES_OK;
    }
    pthread_mutex_lock(&pool.lock);
    give(job);
    pthread_mutex_unlock(&pool.lock);
    while (look(job) != JOB_DONE) {
        if (until != ESI_NO_DEADLINE && esi_clock_now_ns() >= until) {
            esi_bond_remove(self, &job->bond);
            abandon(job);
            return ES_ETIMEOUT;
        }
        esi_wait(self, until);
    }
    return ES_OK;
}

void esi_job_free(struct esi_process *self, void *block)
{
    struct job *job = job_of(block);
    esi_bond_remove(self, &job->bond);
    free_job(job);
}

/* ---------------------------------------------------------------- es_blocking() */

struct call {
    void (*function)(void *block);
    _Alignas(16) char copy[];
};

static void run_call(void *block)
{
    struct call *call = block;
    call->function(call->copy);
}

es_err es_blocking(void (*function)(void *block), void *block, size_t size_bytes, int64_t deadline_ns)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return esi_fail(NULL, ES_ENOPROC, "blocking: called in a thread that is no process");
    struct call *call = function ? esi_job_new(self, sizeof *call + size_bytes, run_call, NULL) : NULL;
    if (!call) {
        es_err error = esi_fail(self, function ? ES_ENOMEM : ES_EINVAL, "blocking: %s",
                                function ? "no memory" : "no function");
        esi_leave();
        return error;
    }
    call->function = function;
    /* Outside the runtime: a bad pointer is the caller's fault alone. The job is the process's meanwhile. */
    esi_leave();
    if (size_bytes)
        memcpy(call->copy, block, size_bytes);
    self = esi_enter();
    es_err error = esi_job_do(self, call, deadline_ns);
    esi_leave();
    if (error != ES_OK)
        return error;
    if (size_bytes)
        memcpy(block, call->copy, size_bytes);
    self = esi_enter();
    esi_job_free(self, call);
    esi_charge(self, 10);
    esi_leave();
    return ES_OK;
}

static struct esi_node_hook hook = {NULL, after_threads, NULL};

__attribute__((constructor(150))) static void plug_in(void)
{
    hook.next = esi_plug.node_hooks;
    esi_plug.node_hooks = &hook;
}
