/* pool.c - users take workers of a pool, keep them, let them work, give up waiting and are struck, as are the workers and the pool: nobody has a
 * worker that somebody else has, and once faults are over all workers can be had again. */
#include "scenario.h"
#include <engset/pool.h>
#include <engset/server.h>
#include <engset/sys.h>

ES_ATOMS(workers, twice, boom, none);

enum { USERS = 6, ROUNDS = 25, SIZE = 2, MOST = 4, QUEUE = 3, SLOW_MS = 5 };

/* ------------------------------------------------------------ a worker */

typedef struct {
    int asked;
} worker;

static es_answer worker_call(worker *self, es_term request, es_from from)
{
    int n;
    (void)from;
    self->asked++;
    if (!es_match(request, ES_TUPLE(twice, &n)))
        return es_unknown(request);
    es_sleep(chance(SLOW_MS));
    if (n % 10 == 0)
        es_exit(boom);
    return es_reply(2 * n);
}

ES_SERVER(worker_server, worker, .call = worker_call);
ES_POOL(worker_pool, .worker = &worker_server, .size = SIZE, .most = MOST, .queue_limit = QUEUE);

/* ------------------------------------------------------------ who has which worker, as the users know it */

static struct holding {
    es_pid user, worker;
} holdings[USERS];

/* Each worker is held by one, but by who was struck while it held it. */
static void hold(int user, es_pid taken)
{
    for (int i = 0; i < USERS; i++)
        if (i != user && es_pid_equal(holdings[i].worker, taken))
            CHECK(!es_is_alive(holdings[i].user), "%d and %d have the same worker", user, i);
    holdings[user] = (struct holding){es_self(), taken};
}

static void let_go(int user)
{
    holdings[user] = (struct holding){0};
}

/* ------------------------------------------------------------ a user */

static bool is_documented(es_term reason)
{
    return is_struck(reason) || es_is(reason, es_am_noproc) || es_is(reason, es_am_shutdown) ||
           es_is(reason, boom);
}

static void check_quiet(int64_t time_ms)
{
    es_term stray;
    es_receive {
        es_case(&stray)
            CHECK(false, "left in the mailbox: %s", shown(stray));
        es_after(time_ms) {
        }
    }
}

static void call_one(void)
{
    int n = chance(1000), answered = -1;
    es_term out = es_none();
    es_err error = es_pool_call(workers, ES_TUPLE(twice, n), chance(4 * SLOW_MS), &out);
    if (error == ES_OK)
        CHECK(es_match(out, &answered) && answered == 2 * n, "twice %d is %s", n, shown(out));
    else if (error == ES_ECLOSED)
        CHECK(is_documented(out), "a call that failed by %s", shown(out));
    else
        CHECK(error == ES_ETIMEOUT || error == ES_EFULL || error == ES_ENOMEM, "a call that gave %d", error);
    if (error == ES_OK || error == ES_ECLOSED)
        es_drop(out);
}

static void keep_one(int user)
{
    es_pid taken;
    es_err error = es_pool_take(workers, chance(4 * SLOW_MS), &taken);
    if (error != ES_OK)
        return;
    hold(user, taken);
    es_sleep(chance(SLOW_MS));
    let_go(user);
    if (chance(8) == 0)
        es_exit(es_am_normal); /* it is given back all the same */
    es_pool_give(workers, taken);
    if (chance(4) == 0)
        es_pool_give(workers, taken); /* it may be another's by now */
}

static void uses(es_term user)
{
    int number = 0;
    es_match(user, &number);
    for (int i = 0; i < ROUNDS; i++) {
        if (chance(2))
            call_one();
        else
            keep_one(number);
        es_sleep(chance(3));
        check_quiet(0);
    }
}

/* ------------------------------------------------------------ who keeps it up */

static es_ref start_pool(void)
{
    es_ref monitor = {0};
    es_pid pid;
    while (es_try_start(ES_WITH(.name = "workers", .monitor = &monitor), &worker_pool, none, &pid, NULL) !=
           ES_OK)
        es_sleep(10);
    return monitor;
}

static es_ref start_user(int number)
{
    es_ref monitor = {0};
    while (es_pid_is_none(es_spawn_monitor(&monitor, uses, number)))
        es_sleep(10);
    return monitor;
}

/* In peace: all workers can be had at once, no more than that, and again when they are given back. */
static void check_all_are_there(void)
{
    es_pid taken[MOST], one_more;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MOST; i++)
            CHECK(es_pool_take(workers, 5000, &taken[i]) == ES_OK, "only %d of %d workers", i, MOST);
        es_err error = es_pool_take(workers, 0, &one_more);
        CHECK(error == ES_ETIMEOUT, "more than %d workers: %d", MOST, error);
        for (int i = 0; i < MOST; i++)
            es_pool_give(workers, taken[i]);
    }
    es_term state = es_none();
    es_sys_get_state(es_whereis(workers), &state);
    CHECK(es_match(state, ES_TUPLE(SIZE, 0)), "workers and who waits: %s", shown(state));
}

static void keeps(void *unused)
{
    (void)unused;
    es_ref pool = start_pool(), users[USERS], ref;
    for (int i = 0; i < USERS; i++)
        users[i] = start_user(i);
    for (int left = USERS; left > 0;) {
        es_receive
            es_case(ES_TUPLE(es_am_DOWN, &ref, ES_ANY, ES_ANY, ES_ANY)) {
            }
        if (es_ref_equal(ref, pool))
            pool = start_pool();
        for (int i = 0; i < USERS; i++)
            left -= es_ref_equal(ref, users[i]);
    }
    wait_until_faults_are_over();
    if (es_pid_is_none(es_whereis(workers)))
        start_pool();
    check_all_are_there();
}

int main(void)
{
    return play(keeps, ES_FAULTS_ORDER | ES_FAULTS_PROCESSES);
}
