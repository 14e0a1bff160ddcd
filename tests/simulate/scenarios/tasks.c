/* tasks.c - work by tasks that take as long as they may, crash and are struck: whoever wants a result gets it, or a failure that is documented,
 * and nothing of a task that was given up shows in the mailbox, now or later. */
#include "scenario.h"
#include <engset/task.h>

ES_ATOMS(result, boom);

enum { CLIENTS = 4, ROUNDS = 20, MANY = 6, IN_TIME_MS = 8 };

/* ------------------------------------------------------------ the work */

/* Of {Time, N}, by the time: right at the limit it is a race. */
static es_term works(es_term what)
{
    int64_t time_ms, n;
    if (!es_match(what, ES_TUPLE(&time_ms, &n)))
        es_exit(es_am_badarg);
    es_sleep(time_ms);
    if (n % 5 == 0)
        es_exit(boom);
    return es_keep(ES_TUPLE(result, n));
}

static es_term some_work(int64_t n)
{
    return es_keep(ES_TUPLE(IN_TIME_MS - 2 + chance(5), n));
}

static bool is_right(es_term out, int64_t n)
{
    int64_t found;
    return es_match(out, ES_TUPLE(result, &found)) && found == n && n % 5;
}

static bool is_documented(es_term reason, int64_t n)
{
    return is_struck(reason) || es_is(reason, es_am_noproc) || (es_is(reason, boom) && n % 5 == 0);
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

/* ------------------------------------------------------------ one task */

static void check(es_err error, es_term out, int64_t n)
{
    if (error == ES_OK)
        CHECK(is_right(out, n), "the result of %d is %s", (int)n, shown(out));
    else if (error == ES_ECLOSED)
        CHECK(is_documented(out, n) || es_is(out, es_am_shutdown), "%d failed by %s", (int)n, shown(out));
    if (error == ES_OK || error == ES_ECLOSED)
        es_drop(out);
}

static void let_one_work(void)
{
    int64_t n = chance(1000);
    es_term out = es_none(), work = some_work(n);
    es_task task = es_task_async_nolink(works, work);
    es_drop(work);
    if (es_pid_is_none(task.pid))
        return;
    es_err error = es_task_yield(task, chance(2 * IN_TIME_MS), &out);
    while (error == ES_ETIMEOUT || error == ES_ENOMEM) /* without memory it lives on */
        error = es_task_shutdown(task, chance(3), &out);
    CHECK(error == ES_OK || error == ES_ECLOSED, "a task gave %d", error);
    check(error, out, n);
}

/* ------------------------------------------------------------ many */

static es_term work_for_many(int64_t first)
{
    es_term list = es_nil();
    for (int64_t i = MANY - 1; i >= 0; i--) {
        es_term rest = list, work = some_work(first + i);
        list = es_keep(ES_CONS(work, rest));
        es_drop(work);
        es_drop(rest);
    }
    return list;
}

static void check_each(es_term results, int64_t first)
{
    es_term one, what;
    for (int64_t i = 0; i < MANY; i++) {
        bool is_there = es_get_cons(results, &one, &results);
        CHECK(is_there, "only %d results", (int)i);
        if (!is_there)
            return;
        if (es_match(one, ES_TUPLE(es_am_ok, &what)))
            CHECK(is_right(what, first + i), "the result of %d is %s", (int)(first + i), shown(what));
        else
            CHECK(es_match(one, ES_TUPLE(es_am_exit, &what)) &&
                      (es_is(what, es_am_timeout) || is_documented(what, first + i)),
                  "of %d came %s", (int)(first + i), shown(one));
    }
    CHECK(es_is_nil(results), "more than %d results", MANY);
}

static void let_many_work(void)
{
    int64_t first = chance(1000);
    es_term list = work_for_many(first);
    es_term results = es_task_each(list, works,
                                   ES_TASKS(.timeout_ms = IN_TIME_MS, .max_concurrency = 1 + chance(MANY),
                                            .kills_late = true, .is_unlinked = true));
    check_each(results, first);
    es_drop(results);
    es_drop(list);
}

/* ------------------------------------------------------------ who wants it done */

static void wants(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (chance(2))
            let_one_work();
        else
            let_many_work();
        check_quiet(0);
    }
    check_quiet(4 * IN_TIME_MS + 1500);
}

static void employs(void *unused)
{
    (void)unused;
    es_ref ref;
    int left = 0;
    for (int i = 0; i < CLIENTS; i++)
        left += !es_pid_is_none(es_spawn_monitor(&ref, wants));
    for (; left > 0; left--)
        es_receive
            es_case(ES_TUPLE(es_am_DOWN, ES_ANY, ES_ANY, ES_ANY, ES_ANY)) {
            }
}

int main(void)
{
    return play(employs, ES_FAULTS_ORDER | ES_FAULTS_PROCESSES);
}
