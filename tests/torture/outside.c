/* outside.c - threads that are no process go on as if nothing were while the node is stopped and started under their feet.
 *
 * What they use goes with the node: pools, schedulers, wheels, workers, the poller. A mistake is seen by the sanitizers, a lost wake-up by
 * who never comes back. */
#include <pthread.h>
#include <sched.h>
#include <engset.h>
#include "platform/clock.h"
#include "platform/sanitize.h"
#include "story.h"

ES_ATOMS(poke, stop, echo_name);

enum { THREADS = 6, PATIENCE_MS = 20000 };

static _Atomic(uint64_t) target; /* the id of a process of the node of just now, or of one before */
static atomic_bool is_over;
static atomic_long done[THREADS], refused[THREADS];

static void echoes(void)
{
    es_term from, what;
    for (;;)
        es_receive {
            es_case_call(from, &what)
                es_reply_to(from, what);
            es_case(stop)
                return;
            es_case(ES_ANY) {
            }
        }
}

static void returns_soon(void)
{
    es_yield();
}

static es_pid target_now(void)
{
    return (es_pid){.id = atomic_load(&target)};
}

static es_err sends(void)
{
    es_send(echo_name, poke);
    return es_send(target_now(), ES_TUPLE(poke, "some text that needs a block", 17));
}

static es_err spawns(void)
{
    return es_pid_is_none(es_spawn(returns_soon)) ? es_last_error() : ES_OK;
}

static es_err calls(void)
{
    es_term answer;
    es_err error = es_try_call(target_now(), ES_TUPLE(poke, 1), 5, &answer);
    if (error == ES_OK || error == ES_ECLOSED)
        es_drop(answer);
    return error;
}

static es_err waits_for_ends(void)
{
    es_term reason;
    es_pid pid = es_spawn(returns_soon);
    if (es_pid_is_none(pid))
        return es_last_error();
    es_err error = es_wait_process(pid, es_now_ns() + 50000000, &reason);
    if (error == ES_OK)
        es_drop(reason);
    error = es_wait_process(target_now(), es_now_ns() + 100000, &reason);
    if (error == ES_OK)
        es_drop(reason);
    return error;
}

static es_err looks(void)
{
    es_node_info node;
    es_info info;
    es_pid pids[8];
    es_ref timer = {.id = 7, .pid = atomic_load(&target)};
    es_node_info_get(&node);
    es_process_info(target_now(), &info);
    es_processes(pids, 8);
    es_read_timer(timer);
    es_cancel_timer(timer);
    es_is_alive(target_now());
    return node.schedulers ? ES_OK : ES_ECLOSED;
}

static es_err ends_and_names(void)
{
    es_pid pid = es_spawn_opt(ES_WITH(.name = "echo_name"), echoes);
    if (es_pid_is_none(pid))
        return es_last_error();
    es_err joined = es_join(echo_name, pid); /* it may be gone */
    (void)joined;
    return es_send_exit(pid, es_am_kill);
}

static es_err (*const plays[THREADS])(void) = {sends, spawns, calls, waits_for_ends, looks, ends_and_names};

static void *plays_on(void *argument)
{
    int i = (int)(intptr_t)argument;
    while (!atomic_load(&is_over)) {
        atomic_fetch_add(plays[i]() == ES_OK ? &done[i] : &refused[i], 1);
        sched_yield(); /* on few cores the node would else have no turn */
    }
    return NULL;
}

/* Until each did something with this node. */
static void until_all_were_in(void)
{
    long before[THREADS];
    for (int i = 0; i < THREADS; i++)
        before[i] = atomic_load(&done[i]) + atomic_load(&refused[i]);
    for (int i = 0; i < THREADS; i++)
        while (atomic_load(&done[i]) + atomic_load(&refused[i]) == before[i])
            sched_yield();
}

static void one_life(int round)
{
    es_options options = {.schedulers = 1 + round % 2, .is_driven = false};
    if (es_node_start(&options) != ES_OK)
        fail_msg("round %d: es_start: %s", round, es_last_detail());
    es_pid pid = es_spawn(echoes);
    atomic_store(&target, pid.id);
    if (round % 8 == 0)
        until_all_were_in();
    es_err error = es_node_stop(PATIENCE_MS);
    if (error != ES_OK)
        fail_msg("round %d: es_stop: %s", round, es_last_detail());
}

/* 20,000 in full: 200 in the short run. */
CASE(foreign_threads_survive_a_node_that_is_stopped_and_started_again_and_again, 20000, "")
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, plays_on, (void *)(intptr_t)i), 0);
    for (int round = 0; round < rounds(20000); round++)
        one_life(round);
    atomic_store(&is_over, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        if (!atomic_load(&done[i]) && plays[i] != waits_for_ends)
            fail_msg("thread %d never found the node", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign_threads_survive_a_node_that_is_stopped_and_started_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
