/* supervise.c - the sweep over engset/supervisor.h. The supervisor lives on, whoever of the two found no memory, and has as many children as it says;
 * or it found none to run on, and ended with all below it. */
#include "sweep.h"
#include <engset/server.h>
#include <engset/supervisor.h>

ES_ATOMS(a, b, c, r);

typedef struct {
    int64_t nothing;
} worker;

static es_answer worker_init(worker *self, es_term args)
{
    (void)self, (void)args;
    es_trap_exit(true);
    return es_ok();
}
ES_SERVER(worker_server, worker, .init = worker_init);

#define CHILD(name_, ...)                                                                            \
    {                                                                                                \
        .id = #name_, ES_START(worker_server, .args = "{r, [1, 2, 3], <<\"a text\">>}"), __VA_ARGS__ \
    }
ES_SUPERVISOR(pair_sup, ES_CHILDREN(CHILD(a), CHILD(b)));
ES_SUPERVISOR(many_sup, .strategy = ES_SIMPLE_ONE_FOR_ONE, ES_CHILDREN(CHILD(a)));

/* As many processes as that: those that are about to end are waited for. */
static bool are_left(int64_t count)
{
    for (int i = 0; i < 1000 && es_processes(NULL, 0) != count; i++)
        es_sleep(1);
    return es_processes(NULL, 0) == count;
}

static int64_t count_before;

static es_pid started(const es_behaviour *supervisor)
{
    count_before = es_processes(NULL, 0);
    es_pid sup = es_start(supervisor, es_am_none);
    EXPECT(!es_pid_is_none(sup));
    return sup;
}

/* It answers, has so many children that run, and nobody else is there; it ends, and they with it. */
static void has_children(es_pid sup, int64_t specs, int64_t active)
{
    es_child_counts n = {0};
    EXPECT(es_count_children(sup, &n) == ES_OK && n.specs == specs && n.active == active);
    EXPECT(are_left(count_before + 1 + active));
    EXPECT(es_stop_process(sup, es_am_normal, 20000) == ES_OK && are_left(count_before) && is_quiet());
}

/* The supervisor ended, for it found no memory: a stack to run on is needed for each message. Nobody is left. */
static bool ended_for_that(es_err error, es_pid sup)
{
    if (error != ES_ECLOSED || es_is_alive(sup))
        return false;
    EXPECT(!had_memory() && are_left(count_before) && is_quiet());
    return true;
}

/* All of it: flags, children, their starts. */
SWEEP(esi_supervisor_main, 0)
{
    es_pid sup = ES_NO_PID;
    es_term why = es_none();
    count_before = es_processes(NULL, 0);
    es_err error = TRY(es_try_start(NULL, &pair_sup, es_am_none, &sup, &why));
    if (error != ES_OK) {
        EXPECT(!had_memory() && (error == ES_ENOMEM || error == ES_ECLOSED));
        EXPECT(are_left(count_before) && is_quiet());
        sup = started(&pair_sup);
    }
    es_drop(why);
    has_children(sup, 2, 2);
}

SWEEP(esi_start_child, 0)
{
    es_pid pid, sup = started(&many_sup);
    es_term why = es_none();
    es_err error = TRY(es_start_child(sup, ES_TUPLE(r, ES_LIST(1, 2)), &pid, &why));
    if (ended_for_that(error, sup))
        return;
    if (error == ES_ECLOSED)
        EXPECT(!had_memory() && es_is(why, es_am_system_limit)); /* it was the child */
    else
        went_well(error);
    EXPECT(es_start_child(sup, ES_TUPLE(r, ES_LIST(1, 2)), &pid, NULL) == ES_OK);
    has_children(sup, 1, 1 + (error == ES_OK));
}

static es_err crashes(es_term args, es_started *out)
{
    (void)args, (void)out;
    es_exit(r);
}

/* One whose start function ends in an error is none. */
static es_err adds_a_bad_one_and_c(es_pid sup, es_term *why)
{
    static const es_child_spec spec = CHILD(c), bad = {.id = "bad", .start = crashes};
    es_pid pid;
    es_err error = es_add_child(sup, &bad, &pid, why);
    if (error != ES_ECLOSED || !es_is(*why, r))
        return error;
    es_drop(*why);
    return es_add_child(sup, &spec, &pid, why);
}

SWEEP(esi_add_child, 0)
{
    static const es_child_spec spec = CHILD(c);
    es_pid pid, sup = started(&pair_sup);
    es_term why = es_none();
    es_err error = TRY(adds_a_bad_one_and_c(sup, &why));
    if (ended_for_that(error, sup))
        return;
    if (error == ES_ECLOSED)
        EXPECT(!had_memory() && es_is(why, es_am_system_limit));
    else
        went_well(error);
    EXPECT(es_add_child(sup, &spec, &pid, NULL) == (error == ES_OK ? ES_EEXIST : ES_OK));
    has_children(sup, 3, 3);
}

static es_err lists(es_pid sup)
{
    es_term list = es_none();
    es_err error = es_which_children(sup, &list);
    if (error == ES_OK)
        EXPECT(es_match(list, ES_LIST(ES_TUPLE(b, ES_ANY, ES_ANY, ES_ANY),
                                      ES_TUPLE(a, es_am_undefined, ES_ANY, ES_ANY))));
    es_drop(list);
    return error;
}

static es_err ends_a(es_pid sup)
{
    return es_terminate_child(sup, a);
}

static es_err restarts_a(es_pid sup)
{
    return es_restart_child(sup, a);
}

static es_err deletes_a(es_pid sup)
{
    return es_delete_child(sup, a);
}

/* All that is asked by this function, one after the other, from `*at` on and until one fails. */
static es_err asks_all(es_pid sup, int *at)
{
    static es_err (*const each[])(es_pid) = {ends_a, lists, restarts_a, ends_a, deletes_a};
    es_err error = ES_OK;
    while (*at < 5 && (error = each[*at](sup)) == ES_OK)
        ++*at;
    return error;
}

SWEEP(esi_child_call, 0)
{
    int at = 0;
    es_pid sup = started(&pair_sup);
    es_err error = TRY(asks_all(sup, &at));
    if (ended_for_that(error, sup))
        return;
    if (error == ES_ECLOSED)
        EXPECT(!had_memory() && at == 2); /* the child found none */
    else
        went_well(error);
    EXPECT(asks_all(sup, &at) == ES_OK && at == 5);
    has_children(sup, 1, 1);
}

static es_pid pid_of_b(es_pid sup)
{
    es_term list = es_none();
    es_pid pid = ES_NO_PID;
    EXPECT(es_which_children(sup, &list) == ES_OK);
    EXPECT(es_match(list, ES_CONS(ES_TUPLE(b, &pid, ES_ANY, ES_ANY), ES_ANY)));
    es_drop(list);
    return pid;
}

/* Who is killed is up again when all have done what they had to. */
static es_err ends_b_and_counts(es_pid sup, es_pid pid, es_child_counts *n)
{
    es_err error = es_send_exit(pid, es_am_kill);
    if (error != ES_OK)
        return error;
    es_sleep(10);
    return es_count_children(sup, n);
}

/* With a restart: without memory for it the supervisor ends, and nobody is left. */
SWEEP(esi_count_children, 0)
{
    es_child_counts n = {0};
    es_pid sup = started(&pair_sup), pid = pid_of_b(sup);
    es_err error = TRY(ends_b_and_counts(sup, pid, &n));
    if (ended_for_that(error, sup))
        return;
    if (went_well(error))
        EXPECT(n.specs == 2 && n.active == 2);
    has_children(sup, 2, 2);
}

static const es_child_spec twins[] = {CHILD(a), CHILD(a)};
static const es_supervisor_spec twins_spec = {.children = twins, .child_count = 2};

SWEEP(es_check_children, 0)
{
    es_err error = TRY(es_check_children(&twins_spec));
    EXPECT(error == ES_EINVAL || !went_well(error));
    EXPECT(es_check_children(&twins_spec) == ES_EINVAL);
}

ES_SUPERVISOR(parts_sup, .strategy = ES_SIMPLE_ONE_FOR_ONE, .partitions = 2, ES_CHILDREN(CHILD(a)));

/* The names of the partitions become atoms, once. */
SWEEP(esi_partition, AT_TIMES | KEEPS_BLOCKS)
{
    es_pid pid, sup = started(&parts_sup);
    es_pid part = TRY(es_partition(&parts_sup, 1));
    EXPECT(!es_pid_is_none(part) || (!had_memory() && es_last_error() == ES_ENOMEM));
    EXPECT(es_start_child(es_partition(&parts_sup, 1), r, &pid, NULL) == ES_OK);
    EXPECT(es_stop_process(sup, es_am_normal, 20000) == ES_OK && are_left(count_before) && is_quiet());
}

int main(int argc, char **argv)
{
    return sweep_all(argc, argv);
}
