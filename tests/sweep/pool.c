/* pool.c - the sweep over engset/pool.h. Whoever of the three finds no memory ends with system_limit: the caller, the pool, a worker. */
#include "sweep.h"

ES_ATOMS(r, twice);

typedef struct {
    int64_t nothing;
} worker;

static es_answer worker_call(worker *self, es_term request, es_from from)
{
    int64_t n;
    (void)self, (void)from;
    return es_match(request, ES_TUPLE(twice, &n)) ? es_reply(2 * n) : es_unknown(request);
}
ES_SERVER(worker_server, worker, .call = worker_call);
ES_POOL(some, .worker = &worker_server, .args = "{r, 1}", .size = 1, .most = 2, .queue_limit = 1);

static int64_t count_before;

static es_pid started(void)
{
    count_before = es_processes(NULL, 0);
    es_pid pool = es_start(&some, r);
    EXPECT(!es_pid_is_none(pool));
    return pool;
}

/* As many processes as that: those that are about to end are waited for. */
static bool are_left(int64_t count)
{
    for (int i = 0; i < 1000 && es_processes(NULL, 0) != count; i++)
        es_sleep(1);
    return es_processes(NULL, 0) == count;
}

/* It works, or it ended for that and took its workers with it. */
static void works_or_is_gone(es_pid pool)
{
    es_term answer = es_none();
    if (!had_memory() && !es_is_alive(pool)) {
        EXPECT(are_left(count_before));
        return;
    }
    EXPECT(es_pool_call(pool, ES_TUPLE(twice, 21), 20000, &answer) == ES_OK && es_match(answer, 42));
    es_drop(answer);
    EXPECT(es_stop_process(pool, es_am_normal, 20000) == ES_OK && are_left(count_before));
}

SWEEP(esi_pool_main, 0)
{
    es_pid pool = ES_NO_PID;
    count_before = es_processes(NULL, 0);
    es_err error = TRY(es_try_start(NULL, &some, r, &pool, NULL));
    if (error != ES_OK) {
        EXPECT(!had_memory() && (error == ES_ENOMEM || error == ES_ECLOSED) && are_left(count_before));
        pool = started();
    }
    works_or_is_gone(pool);
}

SWEEP(esi_pool_call, MAY_END)
{
    es_pid pool = started();
    es_term answer = es_none();
    es_err error = TRY(es_pool_call(pool, ES_TUPLE(twice, 4), 20000, &answer));
    if (error == ES_OK)
        EXPECT(es_match(answer, 8));
    else
        EXPECT(!had_memory() && (error == ES_ENOMEM || error == ES_ECLOSED));
    es_drop(answer);
    works_or_is_gone(pool);
}

SWEEP(esi_pool_take, MAY_END)
{
    es_pid one = ES_NO_PID, another = ES_NO_PID, pool = started();
    es_err error = es_pool_take(pool, 20000, &one);
    EXPECT(error == ES_OK);
    error = TRY(es_pool_take(pool, 20000, &another)); /* a worker more */
    if (error == ES_OK)
        EXPECT(!es_pid_equal(one, another) && es_pool_give(pool, another) == ES_OK);
    else
        EXPECT(!had_memory() && (error == ES_ENOMEM || error == ES_ECLOSED));
    EXPECT(es_pool_give(pool, one) == ES_OK);
    works_or_is_gone(pool);
}

SWEEP(esi_pool_give, MAY_END)
{
    es_pid one = ES_NO_PID, pool = started();
    EXPECT(es_pool_take(pool, 20000, &one) == ES_OK);
    es_err error = TRY(es_pool_give(pool, one));
    if (!went_well(error))
        EXPECT(es_pool_give(pool, one) == ES_OK);
    works_or_is_gone(pool);
}

int main(int argc, char **argv)
{
    return sweep_all(argc, argv);
}
