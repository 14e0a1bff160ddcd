/* node.c - the sweep over what starts, drives, asks and ends a node, from the program's own thread. */
#include "sweep.h"
#include <sys/wait.h>
#include <unistd.h>

ES_ATOMS(r);

static _Atomic(bool) was_there;

static void passes(void *unused)
{
    (void)unused;
    atomic_store(&was_there, true);
}

/* A node that could not do its work without memory says so by its status; the next one works. */
#define RUNS(function, ...)                                            \
    SWEEP(function, OUTSIDE)                                           \
    {                                                                  \
        atomic_store(&was_there, false);                               \
        int status = TRY(function(__VA_ARGS__));                       \
        EXPECT(status == 0 ? atomic_load(&was_there) : !had_memory()); \
        EXPECT(function(__VA_ARGS__) == 0);                            \
    }
RUNS(es_run, passes, NULL, &(es_options){.schedulers = 1})
RUNS(es_run_simulated, 1, passes, NULL, NULL, NULL)
RUNS(es_simulate, passes, NULL, NULL)

static void start(bool is_driven)
{
    EXPECT(es_node_start(&(es_options){.schedulers = 1, .is_driven = is_driven}) == ES_OK);
}

static void stop(void)
{
    EXPECT(es_node_stop(ES_INFINITY) == ES_OK);
}

SWEEP(es_node_start, OUTSIDE)
{
    es_err error = TRY(es_node_start(&(es_options){.schedulers = 2}));
    if (error != ES_OK)
        EXPECT(!had_memory() && (error == ES_ENOMEM || error == ES_ELIMIT));
    else
        stop();
    start(false);
    stop();
}

SWEEP(es_node_stop, OUTSIDE)
{
    start(false);
    for (int i = 0; i < 3; i++)
        es_spawn(waits);
    EXPECT(TRY(es_node_stop(20000)) == ES_OK);
    EXPECT(es_node_stop(0) == ES_ECLOSED);
}

static void exits_later(void)
{
    es_sleep(5);
    es_exit(ES_TUPLE(r, ES_LIST(1, 2)));
}

SWEEP(es_wait_process, OUTSIDE)
{
    es_term reason = es_none();
    start(false);
    es_pid p = es_spawn(exits_later);
    es_err error = TRY(es_wait_process(p, soon(), &reason));
    if (went_well(error == ES_ENOPROC && !had_memory() ? ES_ENOMEM : error))
        EXPECT(es_match(reason, ES_TUPLE(r, ES_LIST(1, 2))) || !had_memory());
    es_drop(reason);
    p = es_spawn(exits_later);
    EXPECT(es_wait_process(p, soon(), NULL) == ES_OK);
    stop();
}

SWEEP(es_loop_fd, OUTSIDE | TAKES_NOTHING)
{
    start(true);
    EXPECT(TRY(es_loop_fd()) >= 0);
    stop();
}

SWEEP(es_loop_step, OUTSIDE)
{
    start(true);
    es_pid p = es_spawn(waits), other_one = es_spawn(returns);
    int64_t result = TRY(es_loop_step(ES_INFINITY));
    if (result < ES_INFINITY)
        EXPECT(!had_memory() && result == ES_ELIMIT);
    EXPECT(es_loop_step(ES_INFINITY) >= ES_INFINITY);
    es_send_exit(p, es_am_kill);
    es_err error = es_wait_process(p, soon(), NULL);
    EXPECT(error == ES_OK || error == ES_ENOPROC);
    error = es_wait_process(other_one, soon(), NULL);
    EXPECT(error == ES_OK || error == ES_ENOPROC);
    stop();
}

/* ---------------------------------------------------------------- ends of the OS process */

/* What became of `function` in an OS process of its own: a status of wait(2). */
static int status_of(void (*function)(void))
{
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(9);
        function();
        _exit(had_memory() ? 0 : 8);
    }
    EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid);
    return status;
}

static void halts(void *unused)
{
    (void)unused;
    TRY_VOID(es_halt(3));
}

static void runs_and_halts(void)
{
    es_run(halts, NULL, &(es_options){.schedulers = 1});
}

/* Nobody is left to tell how many allocations there were: ten, to be safe. */
SWEEP(es_halt, OUTSIDE)
{
    int status = status_of(runs_and_halts);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    atomic_store(&sweep_now.has_failed, sweep_now.fails_at < 10);
}

enum { NAMES = 32, NAME_BYTES = 250 };

static int declare_many(void)
{
    for (int part = 0; part < 40; part++) {
        char texts[NAMES][NAME_BYTES];
        const char *names[NAMES];
        es_atom made[NAMES], *atoms[NAMES];
        for (int i = 0; i < NAMES; i++) {
            memset(texts[i], 'n', NAME_BYTES - 1);
            texts[i][snprintf(texts[i], NAME_BYTES, "%d", part * NAMES + i)] = 'n';
            texts[i][NAME_BYTES - 1] = 0;
            names[i] = texts[i];
            atoms[i] = &made[i];
        }
        esi_atoms_declare(atoms, names, NAMES, false);
        EXPECT(made[7].w != 0);
    }
    return 0;
}

static void declares_many(void)
{
    EXPECT(TRY(declare_many()) == 0);
}

/* It gives nothing back: without memory the program ends, before it has begun. */
SWEEP(esi_atoms_declare, OUTSIDE)
{
    int status = status_of(declares_many);
    EXPECT(status == 0 || WIFSIGNALED(status) || WEXITSTATUS(status) > 0);
    EXPECT(!WIFEXITED(status) || WEXITSTATUS(status) != 8); /* it did not go on as if nothing were */
    atomic_store(&sweep_now.has_failed, status != 0);
}

int main(int argc, char **argv)
{
    return sweep_all(argc, argv);
}
