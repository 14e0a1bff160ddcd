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
#include "behaviour/gen.h"
#include "behaviour/surely.h"
#include "link/monitor.h"
#include "platform/clock.h"

ES_ATOMS(take, give, forget, all_busy);

enum { SHUTDOWN_MS = 5000 }; /* of all workers together */

/* Who asked for a worker. */
struct pool_user {
    es_pid pid;
    es_ref monitor; /* it is watched from the asking on; id 0: nobody */
    es_ref tag;     /* of the asking: who gave up waiting is known by it */
};

struct pool_worker {
    struct esi_list in_pool; /* idle: the last that came back first; busy */
    es_pid pid;
    struct pool_user user; /* who has it */
};

struct pool_wait {
    struct esi_list in_queue;
    es_term from; /* es_keep()'s */
    struct pool_user user;
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

/* By a monitor: its EXIT may have been taken by a callback that did not come to its end. */
static void await_end(es_pid worker, uint64_t deadline_ns)
{
    es_ref monitor;
    ESI_SURELY(esi_monitor_try(worker, &monitor));
    for (bool is_down = false; !is_down;)
        es_receive {
            es_case(ES_TUPLE(es_am_DOWN, monitor, ES_ANY, ES_ANY, ES_ANY))
                is_down = true;
            es_after(esi_ms_until(deadline_ns)) {
                ESI_SURELY(es_send_exit(worker, es_am_kill));
                deadline_ns = ESI_NO_DEADLINE;
            }
        }
}

/* All workers are asked to end, and waited for; a link alone would leave them when the pool ends with `normal`. */
static void pool_terminate(void *self, es_term reason)
{
    pool_state *p = self;
    struct esi_list *lists[] = {&p->idle, &p->busy};
    uint64_t deadline_ns = esi_deadline_in_ms(SHUTDOWN_MS);
    (void)reason;
    for (int i = 0; i < 2; i++)
        ESI_LIST_EACH(node, lists[i])
        {
            ESI_SURELY(es_send_exit(WORKER_OF(node)->pid, es_am_shutdown));
        }
    for (int i = 0; i < 2; i++)
        ESI_LIST_EACH(node, lists[i])
        {
            await_end(WORKER_OF(node)->pid, deadline_ns);
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
        why = error == ES_ENOMEM ? es_from_atom(es_am_system_limit)
                                 : es_keep(ES_TUPLE(es_am_error, es_strerror(error)));
    if (error != ES_OK)
        give_up(p, why);
    esi_list_push_front(&p->idle, &worker->in_pool);
    p->count++;
}

static void hand_out(pool_state *p, es_term from, struct pool_user user)
{
    struct pool_worker *worker = WORKER_OF(esi_list_pop_front(&p->idle));
    worker->user = user;
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
        hand_out(p, wait->from, wait->user);
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
    es_demonitor(worker->user.monitor, ES_DEMONITOR_FLUSH);
    worker->user = (struct pool_user){0};
    esi_list_remove(&worker->in_pool);
    if (p->count > size_of(p) && p->waiting == 0)
        dismiss(p, worker);
    else
        esi_list_push_front(&p->idle, &worker->in_pool);
    serve_queue(p);
}

static es_answer take_one(pool_state *p, es_from from, struct pool_user user)
{
    if (esi_list_is_empty(&p->idle) && p->count < most_of(p))
        add_worker(p);
    if (esi_list_is_empty(&p->idle) && p->waiting >= p->spec->queue_limit)
        return es_reply(all_busy);
    user.monitor = es_monitor(user.pid);
    if (!esi_list_is_empty(&p->idle)) {
        hand_out(p, from, user);
        return es_noreply();
    }
    struct pool_wait *wait = es_alloc(sizeof *wait);
    *wait = (struct pool_wait){.from = es_keep(from), .user = user};
    esi_list_push_back(&p->queue, &wait->in_queue);
    p->waiting++;
    return es_noreply();
}

static void leave_queue(pool_state *p, struct pool_wait *wait)
{
    es_demonitor(wait->user.monitor, ES_DEMONITOR_FLUSH);
    esi_list_remove(&wait->in_queue);
    p->waiting--;
    es_drop(wait->from);
    es_free(wait);
}

static bool by_tag(const struct pool_user *user, es_ref tag)
{
    return es_ref_equal(user->tag, tag);
}

static bool by_monitor(const struct pool_user *user, es_ref monitor)
{
    return es_ref_equal(user->monitor, monitor);
}

/* Who is known by `ref` wants no worker any more: it is in the queue, or has one (of which who gave up just then has not heard). */
static void forget_user(pool_state *p, bool (*is_known)(const struct pool_user *, es_ref), es_ref ref)
{
    ESI_LIST_EACH_SAFE(node, &p->queue)
    {
        if (is_known(&WAIT_OF(node)->user, ref)) {
            leave_queue(p, WAIT_OF(node));
            return;
        }
    }
    ESI_LIST_EACH_SAFE(node, &p->busy)
    {
        if (is_known(&WORKER_OF(node)->user, ref)) {
            come_back(p, WORKER_OF(node));
            return;
        }
    }
}

/* By another than its user it is not given back: that one has it still, or it is somebody else's by now. */
static void give_back(pool_state *p, es_pid worker, es_pid user)
{
    ESI_LIST_EACH_SAFE(node, &p->busy)
    {
        if (es_pid_equal(WORKER_OF(node)->pid, worker) && es_pid_equal(WORKER_OF(node)->user.pid, user)) {
            come_back(p, WORKER_OF(node));
            return;
        }
    }
}

static es_answer pool_call(void *self, es_term request, es_from from)
{
    struct pool_user user = {0};
    if (es_match(request, ES_TUPLE(take, &user.pid, &user.tag)))
        return take_one(self, from, user);
    return esi_unknown(request);
}

static es_answer pool_cast(void *self, es_term message)
{
    es_pid worker, user;
    es_ref tag;
    if (es_match(message, ES_TUPLE(give, &worker, &user)))
        give_back(self, worker, user);
    else if (es_match(message, ES_TUPLE(forget, &tag)))
        forget_user(self, by_tag, tag);
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
    if (worker->user.monitor.id)
        es_demonitor(worker->user.monitor, ES_DEMONITOR_FLUSH);
    esi_list_remove(&worker->in_pool);
    es_free(worker);
    p->count--;
    if (p->count < size_of(p))
        add_worker(p);
    serve_queue(p);
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
    forget_user(p, by_monitor, monitor);
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

/* The worker, or in `*out` the pool's answer otherwise: the caller's. */
static es_err take_from(es_term pool, int64_t timeout_ms, es_pid *worker, es_term *out)
{
    es_ref tag = es_make_ref();
    es_err error = es_try_call(pool, ES_TUPLE(take, es_self(), tag), timeout_ms, out);
    if (error == ES_ETIMEOUT)
        ESI_SURELY(es_cast(pool, ES_TUPLE(forget, tag)));
    if (error != ES_OK)
        return error;
    if (!es_match(*out, ES_TUPLE(es_am_ok, worker)))
        error = es_fail(ES_EFULL, "pool: all workers are busy, and no more may wait");
    es_drop(*out);
    *out = es_none();
    return error;
}

es_err esi_pool_take(es_term pool, int64_t timeout_ms, es_pid *worker)
{
    es_term why = es_none();
    es_err error = take_from(pool, timeout_ms, worker, &why);
    es_drop(why);
    return error;
}

es_err esi_pool_give(es_term pool, es_pid worker)
{
    return es_cast(pool, ES_TUPLE(give, worker, es_self()));
}

es_err esi_pool_call(es_term pool, es_term request, int64_t timeout_ms, es_term *out)
{
    es_pid worker;
    uint64_t deadline_ns = esi_deadline_in_ms(timeout_ms);
    es_err error = take_from(pool, timeout_ms, &worker, out);
    if (error != ES_OK)
        return error;
    error = es_try_call(worker, request, esi_ms_until(deadline_ns), out);
    ESI_SURELY(esi_pool_give(pool, worker));
    return error;
}
