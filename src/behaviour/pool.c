/* pool.c - see engset/pool.h. A server that hands out workers: who has one is watched, so that it comes back however that one ends.
 *
 *   worker:  IDLE --taken--> BUSY --given back, its user ended--> IDLE, or gone when there are more than `size`
 *              |               |
 *              +--- it ended --+--> another in its place, as long as there are fewer than `size` or somebody waits */
#include <engset/link.h>
#include <engset/match.h>
#include <engset/pool.h>
#include <engset/receive.h>
#include <engset/server.h>
#include "base/list.h"
#include "behaviour/deadline.h"
#include "behaviour/gen.h"
#include "behaviour/surely.h"

ES_ATOMS(take, give, forget, all_busy);

enum { SHUTDOWN_MS = 5000 }; /* of all workers together */

struct pool_worker {
    struct esi_list in_pool; /* idle: the last that came back first; busy */
    es_pid pid;
    es_ref user;     /* the monitor of who has it; id 0: nobody */
    es_ref asked_by; /* the tag of who took it: who gave up waiting just then gives it back by that */
};

struct pool_wait {
    struct esi_list in_queue;
    es_term from; /* es_keep()'s */
    es_ref tag;
    es_ref user; /* the monitor of who waits */
};

typedef struct {
    const es_pool_spec *spec;
    struct esi_list idle, busy, queue;
    int64_t count, waiting;
    es_term args;
} pool_state;
/* A pool is a server whose callbacks are these, with something to go by. */
struct pool_server {
    es_behaviour behaviour;
    const es_pool_spec *spec;
};

#define WORKER_OF(node) ESI_CONTAINER_OF((node), struct pool_worker, in_pool)
#define WAIT_OF(node)   ESI_CONTAINER_OF((node), struct pool_wait, in_queue)

static int64_t size_of(const pool_state *p)
{
    return p->spec->size > 0 ? p->spec->size : 1;
}

static int64_t most_of(const pool_state *p)
{
    return p->spec->most > size_of(p) ? p->spec->most : size_of(p);
}

static void await_end(struct pool_worker *worker, int64_t until_ns)
{
    int64_t left_ms = (until_ns - es_now_ns() + 999999) / 1000000;
    bool is_down = false;
    while (!is_down) {
        es_receive {
            es_case(ES_TUPLE(es_am_EXIT, worker->pid, ES_ANY))
                is_down = true;
            es_after(left_ms < 0 ? 0 : left_ms) {
                ESI_SURELY(es_send_exit(worker->pid, es_am_kill));
                left_ms = ES_INFINITY;
            }
        }
    }
}

/* All workers are asked to end, and waited for; a link alone would leave them when the pool ends with `normal`. */
static void pool_terminate(void *self, es_term reason)
{
    pool_state *p = self;
    struct esi_list *lists[] = {&p->idle, &p->busy};
    int64_t until_ns = es_now_ns() + SHUTDOWN_MS * INT64_C(1000000);
    (void)reason;
    for (int i = 0; i < 2; i++)
        ESI_LIST_EACH(node, lists[i])
        {
            ESI_SURELY(es_send_exit(WORKER_OF(node)->pid, es_am_shutdown));
        }
    for (int i = 0; i < 2; i++)
        ESI_LIST_EACH(node, lists[i])
        {
            await_end(WORKER_OF(node), until_ns);
        }
}

/* Init is not followed by terminate. */
static ES_NORETURN void give_up(pool_state *p, es_term why)
{
    if (esi_gen_self()->phase == ESI_GEN_NEW)
        pool_terminate(p, why);
    esi_exit(why);
}

/* One more, idle. Without one the pool is of no use: it ends. */
static void add_worker(pool_state *p)
{
    es_term why = es_none();
    struct pool_worker *worker = es_alloc(sizeof *worker);
    es_err error = es_try_start(ES_WITH(.link = true), p->spec->worker, p->args, &worker->pid, &why);
    if (error != ES_OK && es_is_none(why))
        why = es_keep(ES_TUPLE(es_am_error, es_strerror(error)));
    if (error != ES_OK)
        give_up(p, why);
    esi_list_push_front(&p->idle, &worker->in_pool);
    p->count++;
}

static void hand_out(pool_state *p, es_term from, es_ref user, es_ref tag)
{
    struct pool_worker *worker = WORKER_OF(esi_list_pop_front(&p->idle));
    worker->user = user;
    worker->asked_by = tag;
    esi_list_push_back(&p->busy, &worker->in_pool);
    ESI_SURELY(es_reply_to(from, ES_TUPLE(es_am_ok, worker->pid)));
}

static void serve_queue(pool_state *p)
{
    while (p->waiting > 0 && (!esi_list_is_empty(&p->idle) || p->count < most_of(p))) {
        if (esi_list_is_empty(&p->idle))
            add_worker(p);
        struct pool_wait *wait = WAIT_OF(esi_list_pop_front(&p->queue));
        p->waiting--;
        hand_out(p, wait->from, wait->user, wait->tag);
        es_drop(wait->from);
        es_free(wait);
    }
}

static void dismiss(pool_state *p, struct pool_worker *worker)
{
    es_unlink(worker->pid);
    ESI_SURELY(es_send_exit(worker->pid, es_am_shutdown));
    p->count--;
    es_free(worker);
}

static void come_back(pool_state *p, struct pool_worker *worker)
{
    es_demonitor(worker->user, ES_DEMONITOR_FLUSH);
    worker->user = worker->asked_by = (es_ref){0};
    esi_list_remove(&worker->in_pool);
    if (p->count > size_of(p) && p->waiting == 0)
        dismiss(p, worker);
    else
        esi_list_push_front(&p->idle, &worker->in_pool);
    serve_queue(p);
}

static es_answer take_one(pool_state *p, es_from from, es_pid user, es_ref tag)
{
    if (esi_list_is_empty(&p->idle) && p->count < most_of(p))
        add_worker(p);
    if (!esi_list_is_empty(&p->idle)) {
        hand_out(p, from, es_monitor(user), tag);
        return es_noreply();
    }
    if (p->waiting >= p->spec->queue_limit)
        return es_reply(all_busy);
    struct pool_wait *wait = es_alloc(sizeof *wait);
    *wait = (struct pool_wait){.from = es_keep(from), .tag = tag, .user = es_monitor(user)};
    esi_list_push_back(&p->queue, &wait->in_queue);
    p->waiting++;
    return es_noreply();
}

static void leave_queue(pool_state *p, struct pool_wait *wait)
{
    es_demonitor(wait->user, ES_DEMONITOR_FLUSH);
    esi_list_remove(&wait->in_queue);
    p->waiting--;
    es_drop(wait->from);
    es_free(wait);
}

/* Who asked under `tag` waits no more: it is in the queue, or was just given a worker of which it will not hear. */
static void forget_asker(pool_state *p, es_ref tag)
{
    ESI_LIST_EACH_SAFE(node, &p->queue)
    {
        if (es_ref_equal(WAIT_OF(node)->tag, tag)) {
            leave_queue(p, WAIT_OF(node));
            return;
        }
    }
    ESI_LIST_EACH_SAFE(node, &p->busy)
    {
        if (es_ref_equal(WORKER_OF(node)->asked_by, tag)) {
            come_back(p, WORKER_OF(node));
            return;
        }
    }
}

static es_answer pool_call(void *self, es_term request, es_from from)
{
    es_pid user;
    es_ref tag;
    if (es_match(request, ES_TUPLE(take, &user, &tag)))
        return take_one(self, from, user, tag);
    return esi_unknown(request);
}

static es_answer pool_cast(void *self, es_term message)
{
    pool_state *p = self;
    es_pid pid;
    es_ref tag;
    if (es_match(message, ES_TUPLE(give, &pid)))
        ESI_LIST_EACH_SAFE(node, &p->busy)
        {
            if (es_pid_equal(WORKER_OF(node)->pid, pid)) {
                come_back(p, WORKER_OF(node));
                return es_noreply();
            }
        }
    if (es_match(message, ES_TUPLE(forget, &tag)))
        forget_asker(p, tag);
    return es_noreply();
}

/* A worker, in which of the two lists it is; or NULL. */
static struct pool_worker *worker_with(pool_state *p, es_pid pid)
{
    struct esi_list *lists[] = {&p->idle, &p->busy};
    for (int i = 0; i < 2; i++)
        ESI_LIST_EACH(node, lists[i])
        {
            if (es_pid_equal(WORKER_OF(node)->pid, pid))
                return WORKER_OF(node);
        }
    return NULL;
}

static void worker_ended(pool_state *p, struct pool_worker *worker)
{
    if (worker->user.id)
        es_demonitor(worker->user, ES_DEMONITOR_FLUSH);
    esi_list_remove(&worker->in_pool);
    es_free(worker);
    p->count--;
    if (p->count < size_of(p))
        add_worker(p);
    serve_queue(p);
}

/* Who had a worker, or waited for one. */
static void user_ended(pool_state *p, es_ref monitor)
{
    ESI_LIST_EACH_SAFE(node, &p->busy)
    {
        if (es_ref_equal(WORKER_OF(node)->user, monitor)) {
            come_back(p, WORKER_OF(node));
            return;
        }
    }
    ESI_LIST_EACH_SAFE(node, &p->queue)
    {
        if (es_ref_equal(WAIT_OF(node)->user, monitor)) {
            leave_queue(p, WAIT_OF(node));
            return;
        }
    }
}

static es_answer pool_info(void *self, es_term message)
{
    pool_state *p = self;
    es_pid pid;
    es_ref monitor;
    if (es_match(message, ES_TUPLE(es_am_EXIT, &pid, ES_ANY))) {
        struct pool_worker *worker = worker_with(p, pid);
        if (worker)
            worker_ended(p, worker);
        return es_noreply();
    }
    if (!es_match(message, ES_TUPLE(es_am_DOWN, &monitor, ES_ANY, ES_ANY, ES_ANY)))
        return esi_unknown(message);
    user_ended(p, monitor);
    return es_noreply();
}

static es_answer pool_init(void *self, es_term args)
{
    pool_state *p = self;
    (void)args;
    es_trap_exit(true);
    p->spec = ((const struct pool_server *)esi_gen_self()->behaviour)->spec;
    p->args = es_nil();
    esi_list_init(&p->idle);
    esi_list_init(&p->busy);
    esi_list_init(&p->queue);
    if (p->spec->args && es_parse_term(p->spec->args, &p->args) != ES_OK)
        return esi_stop(es_lend(ES_TUPLE(es_am_badarg, es_last_detail())));
    while (p->count < size_of(p))
        add_worker(p);
    return es_ok();
}

static es_answer nothing(void *self)
{
    (void)self;
    return es_ok();
}

static es_err code_change(void *self, es_term old, es_term extra)
{
    (void)self, (void)old, (void)extra;
    return ES_OK;
}

static es_term format_status(void *self, es_atom why)
{
    const pool_state *p = self;
    (void)why;
    return es_keep(ES_TUPLE(p->count, p->waiting));
}

static es_err replace_state(void *self, es_term state)
{
    (void)self, (void)state;
    return ES_EINVAL;
}

static const struct esi_server_calls pool_calls = {pool_init,     pool_call,    pool_cast,      pool_info,
                                                   pool_cast,     nothing,      pool_terminate, code_change,
                                                   format_status, replace_state};

ES_NORETURN void esi_pool_main(const es_behaviour *pool, es_term args)
{
    struct pool_server *server = es_alloc(sizeof *server); /* for as long as the process lives */
    *server = (struct pool_server){{pool->name, pool->main, sizeof(pool_state), &pool_calls}, pool->calls};
    esi_server_main(&server->behaviour, args);
}

/* ------------------------------------------------------------ who wants one */

/* ES_ECLOSED: `*why` is the reason, the caller's own. */
static es_err take_worker(es_term pool, int64_t timeout_ms, es_pid *worker, es_term *why)
{
    es_term answer = es_none();
    es_ref tag = es_make_ref();
    es_err error = es_try_call(pool, ES_TUPLE(take, es_self(), tag), timeout_ms, &answer);
    if (error == ES_ETIMEOUT)
        ESI_SURELY(es_cast(pool, ES_TUPLE(forget, tag)));
    if (error == ES_OK && !es_match(answer, ES_TUPLE(es_am_ok, worker)))
        error = es_fail(ES_EFULL, "pool: all workers are busy, and no more may wait");
    if (error == ES_ECLOSED)
        *why = answer;
    else
        es_drop(answer);
    return error;
}

es_err esi_pool_take(es_term pool, int64_t timeout_ms, es_pid *worker)
{
    es_term why = es_none();
    es_err error = take_worker(pool, timeout_ms, worker, &why);
    es_drop(why);
    return error;
}

es_err esi_pool_give(es_term pool, es_pid worker)
{
    return es_cast(pool, ES_TUPLE(give, worker));
}

es_err esi_pool_call(es_term pool, es_term request, int64_t timeout_ms, es_term *out)
{
    es_pid worker;
    uint64_t deadline_ns = esi_deadline_of(timeout_ms);
    es_err error = take_worker(pool, timeout_ms, &worker, out);
    if (error != ES_OK)
        return error;
    error = es_try_call(worker, request, esi_left_until(deadline_ns), out);
    ESI_SURELY(esi_pool_give(pool, worker));
    return error;
}
