/* task.c - the sweep over engset/task.h. The allocation that fails may be the task's: then it ends with system_limit, and so does who is linked. */
#include "sweep.h"

ES_ATOMS(r);

static es_term gives_back(es_term what)
{
    return what;
}

static bool is_short_of_memory(es_err error, es_term out)
{
    return error == ES_ECLOSED && !had_memory() && es_is(out, es_am_system_limit);
}

SWEEP(esi_task_async, MAY_END)
{
    es_term out = es_none();
    es_task task = TRY(es_task_async_nolink(gives_back, ES_TUPLE(r, 1)));
    if (!got_pid(task.pid))
        return;
    es_err error = es_task_yield(task, ES_INFINITY, &out);
    EXPECT(error == ES_OK || is_short_of_memory(error, out));
}

SWEEP(es_task_await, MAY_END)
{
    es_task task = es_task_async(gives_back, ES_TUPLE(r, 1));
    es_term result = TRY(es_task_await(task, ES_INFINITY));
    EXPECT(es_match(result, ES_TUPLE(r, 1)));
}

SWEEP(es_task_yield, MAY_END)
{
    es_term out = es_none();
    es_task task = es_task_async_nolink(gives_back, ES_TUPLE(r, 1));
    es_err error = TRY(es_task_yield(task, ES_INFINITY, &out));
    EXPECT(error == ES_OK || is_short_of_memory(error, out));
}

static es_term waits_for_ever(es_term what)
{
    waits();
    return what;
}

SWEEP(es_task_shutdown, MAY_END)
{
    es_term out = es_none();
    es_task task = es_task_async_nolink(waits_for_ever, r);
    es_err error = TRY(es_task_shutdown(task, ES_INFINITY, &out));
    EXPECT(error == ES_ECLOSED || (error == ES_ENOMEM && !had_memory()));
    es_send_exit(task.pid, es_am_kill);
}

SWEEP(es_task_check, MAY_END)
{
    es_term out = es_none();
    es_task task = es_task_async_nolink(waits_for_ever, r);
    EXPECT(TRY(es_task_check(es_lend(ES_TUPLE(task.ref, ES_TUPLE(r, 1))), task, &out)) == ES_OK);
    es_send_exit(task.pid, es_am_kill);
    wait_for_end(task.pid);
}

SWEEP(esi_task_each, MAY_END)
{
    es_term all = TRY(es_task_each(ES_LIST(1, ES_TUPLE(r, 1)), gives_back, ES_TASKS(.is_unlinked = true)));
    if (had_memory())
        EXPECT(es_match(all, ES_LIST(ES_TUPLE(es_am_ok, 1), ES_TUPLE(es_am_ok, ES_TUPLE(r, 1)))));
    EXPECT(es_list_length(all) == 2);
}

int main(int argc, char **argv)
{
    return sweep_all(argc, argv);
}
