/* pool.c - a few workers for many who ask, and what happens when there are too many.
 *
 * Two workers are always there, a third one is started while all are busy. Eight ask at once: three are served, four wait in the order
 * of asking, one finds the queue full and is told so at once. That is back-pressure: the load is refused where it comes in, instead of piling up. */
#include <engset.h>
#include <inttypes.h>
#include <stdio.h>

ES_ATOMS(none, square, crash);

typedef struct {
    int64_t served;
} worker;

static es_answer worker_call(worker *self, es_term request, es_from from)
{
    int64_t n;
    (void)from;
    if (es_is(request, crash))
        abort();
    if (!es_match(request, ES_TUPLE(square, &n)))
        return es_unknown(request);
    self->served++;
    es_sleep(200); /* hard work */
    return es_reply(n * n);
}
ES_SERVER(worker_server, worker, .call = worker_call);

ES_POOL(squares, .worker = &worker_server, .size = 2, .most = 3, .queue_limit = 4);

static es_pid pool;

/* One of the eight: its result, or that there was no room. */
static es_term ask(es_term n)
{
    es_term answer = es_none();
    return es_pool_call(pool, ES_TUPLE(square, n), 5000, &answer) == ES_EFULL ? es_from_atom(none) : answer;
}

ES_MAIN(args)
{
    int64_t served = 0, refused = 0, sum = 0, n;
    es_term each, answer;
    pool = es_start_link(&squares, none);
    es_term results = es_task_each(ES_LIST(1, 1, 1, 1, 1, 1, 1, 1), ask, ES_TASKS(.max_concurrency = 8));
    for (es_term rest = results; es_match(rest, ES_CONS(ES_TUPLE(es_am_ok, &each), &rest));)
        es_match(each, &n) ? (served++, sum += n) : refused++;
    printf("%" PRId64 " served, %" PRId64 " refused, and the sum is %" PRId64 "\n", served, refused, sum);
    es_drop(results);

    es_err error = es_pool_call(pool, crash, 5000, &answer);
    printf("a worker with a bug: %s\n", es_strerror(error));
    es_drop(answer);
    error = es_pool_call(pool, ES_TUPLE(square, 7), 5000, &answer);
    if (error == ES_OK && es_match(answer, &n))
        printf("another one is in its place: %" PRId64 "\n", n);
    es_drop(answer);
    es_stop_process(pool, es_am_normal, 5000);
}

/* Prints:
 *   7 served, 1 refused, and the sum is 7
 *   a worker with a bug: it is closed, or the other side ended
 *   another one is in its place: 49
 */
