/* task.c - see engset/task.h: a task's way back is an alias, which is taken away when its result is wanted no more. */
#include <engset/task.h>

#include <engset/link.h>
#include <engset/receive.h>
#include "proc/process.h"

ES_ATOMS(task, task_each);

enum { EACH_TIMEOUT_MS = 5000 };

/* ------------------------------------------------------------ the task's process */

typedef es_term work(es_term args);

/* {Function, Back, Args}: its result goes to the alias in Back, as {Alias, Result} or, where Back is {Alias, Index}, as {Alias, Index, Result}. The
 * address of the function is a number here, which nobody but this file makes. */
static void task_main(es_term what)
{
    uint64_t function, index;
    es_term back, args;
    es_ref alias;
    if (!es_match(what, ES_TUPLE(&function, &back, &args)))
        es_exit(es_am_badarg);
    es_term result = ((work *)(uintptr_t)function)(args);
    if (es_is_none(result))
        result = es_from_atom(es_am_ok);
    es_err error = ES_OK;
    if (es_get_ref(back, &alias))
        error = es_send(alias, ES_TUPLE(alias, result));
    else if (es_match(back, ES_TUPLE(&alias, &index)))
        error = es_send(alias, ES_TUPLE(alias, index, result));
    if (error != ES_OK)
        es_exit(es_am_system_limit);
}

static es_pid start(work *function, es_literal back, es_term args, bool is_linked, es_ref *monitor)
{
    return es_spawn_opt(ES_WITH(.link = is_linked, .monitor = monitor), task_main,
                        ES_TUPLE((uint64_t)(uintptr_t)function, back, args));
}

/* ------------------------------------------------------------ one */

es_task esi_task_async(work *function, es_term args, bool is_linked)
{
    es_task t = {.owner = es_self()};
    if (es_pid_is_none(t.owner)) {
        es_fail(ES_ENOPROC, "task: only a process may start one");
        return t;
    }
    t.ref = es_alias(ES_ALIAS_REPLY);
    t.pid = start(function, ES_T(t.ref), args, is_linked, &t.monitor);
    if (es_pid_is_none(t.pid))
        es_unalias(t.ref);
    return t;
}

static void check_owner(es_task t)
{
    if (es_pid_is_none(t.pid) || !es_pid_equal(t.owner, es_self()))
        es_exit(ES_TUPLE(es_am_badarg, task));
}

/* Neither a result nor a DOWN comes into the mailbox from here on, but for a result that is there. */
static void give_up(es_task t)
{
    es_unalias(t.ref);
    es_demonitor(t.monitor, ES_DEMONITOR_FLUSH);
}

static es_err has_ended(es_term reason, es_term *out)
{
    *out = es_keep(reason);
    return es_fail(ES_ECLOSED, "task: it ended without a result");
}

es_err es_task_yield(es_task t, int64_t timeout_ms, es_term *out)
{
    es_term result;
    es_err error = ES_OK;
    check_owner(t);
    es_receive {
        es_case(ES_TUPLE(t.ref, &result)) {
            *out = es_keep(result);
            give_up(t);
        }
        es_case(ES_TUPLE(es_am_DOWN, t.monitor, ES_ANY, ES_ANY, &result)) {
            error = has_ended(result, out);
            es_unalias(t.ref);
        }
        es_after(timeout_ms)
            error = es_fail(ES_ETIMEOUT, "task: it has no result yet");
    }
    return error;
}

es_err es_task_check(es_term message, es_task t, es_term *out)
{
    es_term result;
    check_owner(t);
    if (es_match(message, ES_TUPLE(t.ref, &result))) {
        *out = es_keep(result);
        give_up(t);
        return ES_OK;
    }
    if (!es_match(message, ES_TUPLE(es_am_DOWN, t.monitor, ES_ANY, ES_ANY, &result)))
        return ES_ENOTFOUND;
    es_unalias(t.ref);
    return has_ended(result, out);
}

es_term es_task_await(es_task t, int64_t timeout_ms)
{
    es_term out = es_none();
    switch (es_task_yield(t, timeout_ms, &out)) {
    case ES_OK:
        return out;
    case ES_ECLOSED:
        esi_exit(out);
    default:
        give_up(t);
        es_exit(es_am_timeout);
    }
}

/* No EXIT of it is seen from here on, and its end is not the caller's. */
static void part_from(es_pid pid)
{
    es_unlink(pid);
    es_receive {
        es_case(ES_TUPLE(es_am_EXIT, pid, ES_ANY)) {
        }
        es_after(0) {
        }
    }
}

/* Its result comes before its end. False: it is there still. */
static bool await_end(es_task t, int64_t timeout_ms, es_term *reason)
{
    es_term why;
    bool is_over = true;
    es_receive {
        es_case(ES_TUPLE(es_am_DOWN, t.monitor, ES_ANY, ES_ANY, &why))
            *reason = es_keep(why);
        es_after(timeout_ms)
            is_over = false;
    }
    return is_over;
}

/* It has ended: with a result, or `reason`, which is the caller's own. */
static es_err result_of_ended(es_task t, es_term reason, es_term *out)
{
    es_term result;
    es_err error = ES_OK;
    es_receive {
        es_case(ES_TUPLE(t.ref, &result)) {
            *out = es_keep(result);
            es_drop(reason);
        }
        es_after(0) {
            *out = reason;
            error = es_fail(ES_ECLOSED, "task: it ended without a result");
        }
    }
    es_unalias(t.ref);
    return error;
}

es_err es_task_shutdown(es_task t, int64_t timeout_ms, es_term *out)
{
    es_term reason = es_none();
    check_owner(t);
    part_from(t.pid);
    if (timeout_ms != 0 && es_send_exit(t.pid, es_am_shutdown) == ES_OK && await_end(t, timeout_ms, &reason))
        return result_of_ended(t, reason, out);
    if (es_send_exit(t.pid, es_am_kill) != ES_OK)
        return es_fail(ES_ENOMEM, "task: no memory to end it");
    (void)await_end(t, ES_INFINITY, &reason);
    return result_of_ended(t, reason, out);
}

/* ------------------------------------------------------------ many */

struct one {
    es_pid pid; /* none: it does not run */
    es_ref monitor;
    int64_t index;
    uint64_t deadline_ns;
};

struct each {
    es_task_options options;
    work *function;
    es_term rest;     /* of the list */
    es_term *results; /* each its own */
    int64_t started, done, total;
    struct one *running; /* options.max_concurrency of them */
    es_ref alias;        /* who is done says so to this one */
    bool is_linked;
};

static es_task_options with_defaults(const es_task_options *given)
{
    es_task_options options = given ? *given : (es_task_options){0};
    if (options.max_concurrency < 1) {
        es_node_info info;
        es_node_info_get(&info);
        options.max_concurrency = info.schedulers > 0 ? info.schedulers : 1;
    }
    if (options.timeout_ms == 0)
        options.timeout_ms = EACH_TIMEOUT_MS;
    return options;
}

static void finish(struct each *each, int64_t index, es_atom how, es_term what)
{
    each->results[index] = es_keep(ES_TUPLE(how, what));
    each->done++;
}

static void start_next(struct each *each, struct one *one)
{
    es_term args = es_none();
    int64_t index = each->started++;
    es_get_cons(each->rest, &args, &each->rest);
    one->index = index;
    one->deadline_ns = esi_deadline_in_ms(each->options.timeout_ms);
    one->pid = start(each->function, ES_TUPLE(each->alias, index), args, each->is_linked, &one->monitor);
    if (es_pid_is_none(one->pid))
        finish(each, index, es_am_exit, es_from_atom(es_am_system_limit));
}

static void start_more(struct each *each)
{
    for (int i = 0; i < each->options.max_concurrency; i++)
        while (es_pid_is_none(each->running[i].pid) && each->started < each->total)
            start_next(each, &each->running[i]);
}

/* Of it nothing is heard from here on. */
static void forget_one(struct each *each, struct one *one)
{
    es_demonitor(one->monitor, ES_DEMONITOR_FLUSH);
    if (each->is_linked)
        part_from(one->pid);
    one->pid = ES_NO_PID;
}

static struct one *find_index(struct each *each, int64_t index)
{
    for (int i = 0; i < each->options.max_concurrency; i++)
        if (!es_pid_is_none(each->running[i].pid) && each->running[i].index == index)
            return &each->running[i];
    return NULL;
}

static struct one *find_monitor(struct each *each, es_ref monitor)
{
    for (int i = 0; i < each->options.max_concurrency; i++)
        if (!es_pid_is_none(each->running[i].pid) && es_ref_equal(each->running[i].monitor, monitor))
            return &each->running[i];
    return NULL;
}

/* Who has the least time left. */
static struct one *first_due(struct each *each)
{
    struct one *first = NULL;
    for (int i = 0; i < each->options.max_concurrency; i++) {
        struct one *one = &each->running[i];
        if (!es_pid_is_none(one->pid) && (!first || one->deadline_ns < first->deadline_ns))
            first = one;
    }
    return first;
}

/* The caller ends since one is late, and takes all along. */
static ES_NORETURN void leave_all(struct each *each)
{
    for (int i = 0; i < each->options.max_concurrency; i++)
        if (!es_pid_is_none(each->running[i].pid))
            es_send_exit(each->running[i].pid, es_am_kill);
    es_exit(es_am_timeout);
}

static void is_late(struct each *each, struct one *one)
{
    if (!each->options.kills_late)
        leave_all(each);
    es_unlink(one->pid);
    if (es_send_exit(one->pid, es_am_kill) != ES_OK)
        es_exit(es_am_system_limit);
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, one->monitor, ES_ANY, ES_ANY, ES_ANY)) {
        }
    finish(each, one->index, es_am_exit, es_from_atom(es_am_timeout));
    forget_one(each, one);
}

static bool is_trapping(void)
{
    es_info info;
    return es_process_info(es_self(), &info) && info.traps_exit;
}

static void wait_for_one(struct each *each)
{
    struct one *due = first_due(each), *one;
    int64_t index;
    es_ref monitor;
    es_term what;
    es_receive {
        es_case(ES_TUPLE(each->alias, &index, &what)) {
            one = find_index(each, index);
            if (one) { /* else it was late, and its result is said */
                finish(each, index, es_am_ok, what);
                forget_one(each, one);
            }
        }
        es_case_when(ES_TUPLE(es_am_DOWN, &monitor, ES_ANY, ES_ANY, &what),
                     (one = find_monitor(each, monitor)) != NULL) {
            if (each->is_linked && !is_trapping() && !es_is(what, es_am_normal))
                esi_exit(what); /* the EXIT comes behind the DOWN */
            finish(each, one->index, es_am_exit, what);
            forget_one(each, one);
        }
        es_after(esi_ms_until(due->deadline_ns))
            is_late(each, due);
    }
}

/* Results of who was killed for being late. */
static void flush_late(es_ref alias)
{
    for (bool is_over = false; !is_over;)
        es_receive {
            es_case(ES_TUPLE(alias, ES_ANY, ES_ANY)) {
            }
            es_after(0)
                is_over = true;
        }
}

/* The results as a list; the caller's own. */
static es_term collect(struct each *each)
{
    es_term list = es_nil();
    for (int64_t i = each->total - 1; i >= 0; i--) {
        es_term rest = list;
        list = es_keep(ES_CONS(each->results[i], rest));
        es_drop(rest);
        es_drop(each->results[i]);
    }
    return list;
}

es_term esi_task_each(es_term list, work *function, const es_task_options *options)
{
    struct each each = {.options = with_defaults(options), .function = function, .rest = list};
    if (es_pid_is_none(es_self()))
        return es_none();
    each.total = es_list_length(list);
    if (each.total < 0)
        es_exit(ES_TUPLE(es_am_badarg, task_each));
    if (each.options.max_concurrency > each.total)
        each.options.max_concurrency = (int)each.total;
    each.is_linked = !each.options.is_unlinked;
    each.results = es_alloc((size_t)(each.total + 1) * sizeof *each.results);
    each.running = es_alloc((size_t)each.options.max_concurrency * sizeof *each.running);
    each.alias = es_alias(ES_ALIAS_EXPLICIT_UNALIAS);
    for (start_more(&each); each.done < each.total; start_more(&each))
        wait_for_one(&each);
    es_unalias(each.alias);
    flush_late(each.alias);
    es_term all = collect(&each);
    es_free(each.results);
    es_free(each.running);
    return all;
}
