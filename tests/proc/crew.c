/* crew.c - the memory of a worker whose thread went home: what others may still do with it; and when
 * threads begin. Where no node runs, threads are extras. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include "case.h"
#include "base/alloc.h"
#include "proc/node.h"

/* The linker puts this one in the place of esi_thread_open(). */
es_err __real_esi_thread_open(void (*run)(void *), void *argument, const char *name,
                              const sigset_t *unblocked, struct esi_thread *out);
es_err __wrap_esi_thread_open(void (*run)(void *), void *argument, const char *name,
                              const sigset_t *unblocked, struct esi_thread *out);

static es_err no_thread_because;
static bool is_node; /* threads are real */
static int workers_opened;
static _Atomic(bool) first_has_run;
static bool ran_too_early;
static struct esi_scheduler scheduler;

static void goes_home(void *unused)
{
    (void)unused;
}

es_err __wrap_esi_thread_open(void (*run)(void *), void *argument, const char *name,
                              const sigset_t *unblocked, struct esi_thread *out)
{
    if (is_node) {
        if (strcmp(name, "engset") == 0 && ++workers_opened == 2)
            for (int i = 0; i < 50 && !ran_too_early;
                 i++) { /* a tenth of a second is more than it would take */
                nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
                ran_too_early = first_has_run;
            }
        return __real_esi_thread_open(run, argument, name, unblocked, out);
    }
    return no_thread_because ? no_thread_because
                             : __real_esi_thread_open(goes_home, NULL, name, unblocked, out);
}

static es_err open_one(struct esi_worker **out)
{
    pthread_mutex_lock(&esi_node.lock);
    es_err error = esi_worker_open(&scheduler, out);
    pthread_mutex_unlock(&esi_node.lock);
    return error;
}

/* As a spare does that nobody needed. */
static struct esi_worker *retired_one(void)
{
    struct esi_worker *worker = NULL;
    assert_int_equal(open_one(&worker), ES_OK);
    atomic_store(&worker->holds, NULL);
    worker->is_retired = true;
    return worker;
}

static void end_all(struct esi_worker *worker)
{
    if (!worker->is_retired)
        esi_thread_join(&worker->thread);
    esi_node.workers[worker->index] = NULL;
    esi_free(worker->fault);
    esi_free(worker);
}

static void *open_another(void *out)
{
    assert_int_equal(open_one(out), ES_OK);
    return NULL;
}

/* Somebody makes a process runnable that ran there last, and has just taken the lock to look whether the worker is retired. */
static void test_a_lock_that_somebody_holds_outlives_the_thread(void **state)
{
    (void)state;
    struct esi_worker *worker = retired_one(), *again = NULL;
    pthread_spin_lock(&worker->pinned_lock);
    pthread_t opener;
    assert_int_equal(pthread_create(&opener, NULL, open_another, &again), 0);
    while (!atomic_load(&worker->holds))
        sched_yield();
    int taken = 0;
    for (int i = 0; i < 1000 && !taken; i++) {
        sched_yield();
        taken = pthread_spin_trylock(&worker->pinned_lock) == 0;
    }
    bool was_retired = worker->is_retired;
    pthread_spin_unlock(&worker->pinned_lock);
    pthread_join(opener, NULL);
    assert_false(taken);
    assert_true(was_retired);
    assert_ptr_equal(again, worker);
    assert_false(again->is_retired);
    end_all(again);
}

static void test_memory_that_a_process_may_point_at_stays_when_there_is_no_new_thread(void **state)
{
    (void)state;
    struct esi_worker *worker = retired_one(), *again = NULL;
    int index = worker->index;
    no_thread_because = ES_ELIMIT;
    for (int i = 0; i < 2; i++)
        assert_int_equal(open_one(&again), ES_ELIMIT);
    no_thread_because = ES_OK;
    assert_ptr_equal(atomic_load(&esi_node.workers[index]), worker);
    assert_true(worker->is_retired);
    assert_int_equal(open_one(&again), ES_OK);
    assert_ptr_equal(again, worker);
    end_all(again);
}

static void runs(void *has_run)
{
    *(_Atomic(bool) *)has_run = true;
}

/* Else what the first process does could meet a node that is half there: its failing allocations once hit the making of the second thread. */
static void test_nothing_runs_before_each_scheduler_has_its_thread(void **state)
{
    (void)state;
    is_node = true;
    for (int i = 0; i < 3; i++) {
        workers_opened = 0;
        first_has_run = ran_too_early = false;
        assert_int_equal(es_run(runs, &first_has_run, &(es_options){.schedulers = 2}), 0);
        assert_true(first_has_run);
        assert_int_equal(workers_opened, 2);
        assert_false(ran_too_early);
    }
    is_node = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lock_that_somebody_holds_outlives_the_thread),
        cmocka_unit_test(test_memory_that_a_process_may_point_at_stays_when_there_is_no_new_thread),
        cmocka_unit_test(test_nothing_runs_before_each_scheduler_has_its_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
