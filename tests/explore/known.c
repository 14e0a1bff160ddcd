/* known.c - a name that is given to a process while it ends (link/known.h, name.c): no entry outlives its process, and nobody has two. */
#include "explorer.h"
#include "stage.h"

#include <engset/link.h>
#include "proc/end.h"
#include "proc/enter.h"

static struct esi_process *bearer, *giver;
static es_pid pid;
static es_err given[2];

ES_ATOMS(left, right);

static void set_up(void)
{
    esi_link_is_wanted();
    stage_open(2, 2);
    bearer = stage_process();
    giver = stage_process();
    pid = esi_process_pid(bearer);
    stage_become(0, bearer);
    stage_become(1, giver);
    stage_worker(0)->in_runtime = stage_worker(1)->in_runtime = 0;
    esi_worker_become(NULL);
}

static void end_bearer(void)
{
    esi_worker_become(stage_worker(0));
    esi_enter_here();
    esi_process_doom(bearer, es_from_atom(es_am_normal));
    esi_end_without_stack(bearer);
    esi_table_give(bearer);
}

static void give_left(void)
{
    esi_worker_become(stage_worker(1));
    given[0] = es_register(left, pid);
}

static void give_right(void)
{
    given[1] = es_register(right, pid);
}

static void no_name_is_left(void)
{
    explore_expect(es_whereis(left).id == 0 && es_whereis(right).id == 0);
    explore_expect(given[0] != ES_OK || given[1] != ES_OK);
}

/* ------------------------------------------------------------ it lives */

static void has_one_name(void)
{
    bool is_left = es_whereis(left).id == pid.id, is_right = es_whereis(right).id == pid.id;
    explore_expect(is_left + is_right == 1);
    explore_expect(is_left == (given[0] == ES_OK) && is_right == (given[1] == ES_OK));
}

static const struct explore_script scripts[] = {
    {"no name outlives a process that ends while it is given",
     set_up,
     {end_bearer, give_left, give_right},
     no_name_is_left,
     0},
    {"of two names that are given at once one is had", set_up, {give_left, give_right}, has_one_name, 0},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scripts, sizeof scripts / sizeof *scripts);
}
