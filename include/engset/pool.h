/* engset/pool.h - workers behind one name, each of which serves one at a time, with a queue that has a bound.
 *
 *     ES_POOL(decoders, .worker = &decoder_server, .size = 4, .most = 16, .queue_limit = 1000);
 *
 *     es_start_opt(ES_WITH(.name = "decoders", .link = true), &decoders, none);      // or as a child of a supervisor
 *     es_pool_call(decoders_name, ES_TUPLE(decode, bytes), 5000, &answer);
 *
 * `size` workers are always there; while all are busy up to `most` are started, which end when they are idle again. Who finds none free waits in
 * the order of asking; behind `queue_limit` who wait it is refused at once: that is the back-pressure. A worker that ends is replaced; one whose init fails ends
 * the pool, which is its supervisor's affair. When the pool ends they are asked to end, too, and killed after five seconds. Source: poolboy, in its manner; C only. */
#ifndef ENGSET_POOL_H
#define ENGSET_POOL_H

#include <engset/behaviour.h>

ES_BEGIN_DECLS

typedef struct es_pool_spec {
    const es_behaviour *worker;
    const char *args;    /* for each worker's init: a term as text; NULL: [] */
    int size;            /* 0: 1 */
    int most;            /* 0: as .size */
    int64_t queue_limit; /* how many may wait; 0: none, who finds all busy is refused */
} es_pool_spec;

/* What a pool's process runs. Process only. */
ES_API ES_NORETURN void esi_pool_main(const es_behaviour *pool, es_term args);

ES_API es_err esi_pool_take(es_term pool, int64_t timeout_ms, es_pid *worker);
ES_API es_err esi_pool_give(es_term pool, es_pid worker);
ES_API es_err esi_pool_call(es_term pool, es_term request, int64_t timeout_ms, es_term *out);

#ifndef __cplusplus
/* Calls one of the workers with `x` and gives its answer in `*out`, the caller's until es_drop(). The time counts from here, with the wait for a worker.
 *   ES_EFULL     all are busy, and as many wait as may
 *   ES_ETIMEOUT  no worker was free, or it did not answer in time
 *   ES_ECLOSED   the pool is not there, or the worker ended meanwhile: `*out` is the reason
 * `pool` is a pid or a local name. Process only. */
#define es_pool_call(pool, x, timeout_ms, out) \
    esi_pool_call(es_lend(ES_T(pool)), es_lend(ES_T(x)), (timeout_ms), (out))

/* A worker for the caller alone, until es_pool_give() or the caller's end. Errors as above. Who gives back what it does not have changes nothing.
 * Process only. */
#define es_pool_take(pool, timeout_ms, worker) esi_pool_take(es_lend(ES_T(pool)), (timeout_ms), (worker))
#define es_pool_give(pool, worker)             esi_pool_give(es_lend(ES_T(pool)), (worker))
#endif

ES_END_DECLS

#ifndef __cplusplus
#include <engset/strict.h>

/* Defines `const es_behaviour pool`. */
#define ES_POOL(pool, ...)                                           \
    static const es_pool_spec pool##_spec = {__VA_ARGS__};           \
    static void pool##_main(es_term args);                           \
    const es_behaviour pool = {#pool, pool##_main, 0, &pool##_spec}; \
    static void pool##_main(es_term args)                            \
    {                                                                \
        esi_pool_main(&pool, args);                                  \
    }                                                                \
    _Static_assert(1, "")
#endif
#endif
