/* application.c - the sweep over engset/application.h. The controller may be the one that finds no memory: then it ends, all applications are stopped, and the
 * next one to ask gets another controller. */
#include "sweep.h"
#include <signal.h>
#include <unistd.h>

ES_ATOMS(application_controller, port, r);

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
ES_SUPERVISOR(top_sup, ES_CHILDREN({.id = "a", ES_START(worker_server)}));
ES_APPLICATION(below, .supervisor = &top_sup, .env = "#{port => 5060}");
ES_APPLICATION(above, .supervisor = &top_sup, .needs = ES_NEEDS("below"));

/* Nobody is left but who was there, and the controller. */
static int64_t count_before;

static void begin(void)
{
    count_before = es_processes(NULL, 0);
}

/* All applications are stopped and forgotten, by a controller that is ended for the next row. */
static void end(void)
{
    EXPECT(es_application_stop_all(20000) == ES_OK);
    es_pid controller = es_whereis(application_controller);
    es_send_exit(controller, es_am_kill);
    wait_for_end(controller);
    for (int i = 0; i < 1000 && es_processes(NULL, 0) != count_before; i++)
        es_sleep(1);
    EXPECT(es_processes(NULL, 0) == count_before);
}

/* It went well; or there was no memory, for whoever needed it, and then it works. */
static bool is_done(es_err error)
{
    if (error == ES_OK)
        return true;
    EXPECT(!had_memory());
    EXPECT(error == ES_ENOMEM || error == ES_ECLOSED);
    return false;
}

SWEEP(es_application_load, MAY_END)
{
    begin();
    if (is_done(TRY(es_application_load("below"))))
        EXPECT(es_application_load("below") == ES_EEXIST || !had_memory());
    end();
}

SWEEP(es_application_unload, MAY_END)
{
    begin();
    EXPECT(es_application_load("below") == ES_OK);
    if (is_done(TRY(es_application_unload("below"))))
        EXPECT(es_application_unload("below") == ES_ENOTFOUND || !had_memory());
    end();
}

SWEEP(es_application_start, MAY_END)
{
    es_term why = es_none();
    begin();
    es_err error = TRY(es_application_start("below", ES_START_TEMPORARY, 20000, &why));
    if (!is_done(error))
        EXPECT(es_is_none(why) || es_is(why, es_am_system_limit) || error == ES_ECLOSED);
    es_drop(why);
    error = es_application_start("below", ES_START_TEMPORARY, 20000, NULL);
    EXPECT(error == ES_OK || error == ES_EEXIST);
    EXPECT(es_application_runs("below"));
    end();
}

SWEEP(es_application_ensure_started, MAY_END)
{
    es_term started = es_none();
    begin();
    es_err error = TRY(es_application_ensure_started("above", ES_START_TEMPORARY, 20000, &started));
    if (is_done(error) && had_memory())
        EXPECT(es_list_length(started) == 2);
    es_drop(started);
    EXPECT(es_application_ensure_started("above", ES_START_TEMPORARY, 20000, NULL) == ES_OK);
    EXPECT(es_application_runs("above") && es_application_runs("below"));
    end();
}

SWEEP(es_application_stop, MAY_END)
{
    begin();
    EXPECT(es_application_start("below", ES_START_TEMPORARY, 20000, NULL) == ES_OK);
    is_done(TRY(es_application_stop("below", 20000)));
    end();
}

SWEEP(es_application_stop_all, MAY_END)
{
    begin();
    EXPECT(es_application_ensure_started("above", ES_START_TEMPORARY, 20000, NULL) == ES_OK);
    is_done(TRY(es_application_stop_all(20000)));
    end();
}

SWEEP(es_application_runs, MAY_END)
{
    begin();
    EXPECT(es_application_start("below", ES_START_TEMPORARY, 20000, NULL) == ES_OK);
    bool runs = TRY(es_application_runs("below"));
    EXPECT(runs || !had_memory());
    end();
}

SWEEP(es_application_of, MAY_END)
{
    begin();
    EXPECT(es_application_start("below", ES_START_TEMPORARY, 20000, NULL) == ES_OK);
    es_atom of = TRY(es_application_of(es_self()));
    EXPECT(of.w == 0);
    end();
}

SWEEP(es_application_env, MAY_END)
{
    es_term value = es_none();
    begin();
    EXPECT(es_application_load("below") == ES_OK);
    es_err error = TRY(es_application_env("below", port, &value));
    if (is_done(error))
        EXPECT(es_match(value, 5060));
    es_drop(value);
    end();
}

SWEEP(esi_application_set_env, MAY_END)
{
    es_term value = es_none();
    begin();
    es_err error = TRY(es_application_set_env("below", port, ES_TUPLE(r, 1)));
    if (is_done(error) && had_memory())
        EXPECT(es_application_env("below", port, &value) == ES_OK && es_match(value, ES_TUPLE(r, 1)));
    es_drop(value);
    end();
}

SWEEP(esi_application_known, TAKES_NOTHING)
{
    static const es_application more = {.name = "more"};
    static struct esi_application_link links[16];
    static int count;
    links[count].application = &more;
    TRY_VOID(esi_application_known(&links[count++]));
    EXPECT(count < 16);
}

static es_err is_told_to_end(void)
{
    return kill(getpid(), SIGTERM) == 0 ? ES_OK : ES_EOS;
}
ES_APPLICATION(brief, .supervisor = &top_sup, ES_PHASES({"over", is_told_to_end}),
               .needs = ES_NEEDS("below"));

/* A whole program. */
SWEEP(es_application_run, OUTSIDE)
{
    es_args none = {0, NULL};
    const es_options options = {.schedulers = 1};
    EXPECT(TRY(es_application_run(&brief_application, none, &options)) == 0 || !had_memory());
    EXPECT(es_application_run(&brief_application, none, &options) == 0);
}

int main(int argc, char **argv)
{
    return sweep_all(argc, argv);
}
