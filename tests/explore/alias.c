/* alias.c - messages through an alias that admits one (link/alias.c, proc/mailbox/send.c), while it is taken back and while its maker ends: one gets in
 * or none, and the block of each is had by one. */
#include "explorer.h"
#include "stage.h"

#include <engset/link.h>
#include <engset/receive.h>
#include "link/alias.h"
#include "proc/end.h"
#include "proc/enter.h"
#include "proc/mailbox/signal.h"

static struct esi_process *maker, *sender;
static es_ref alias;
static bool was_there;
static uint64_t blocks; /* in use when the runs begin */

ES_ATOMS(hello);

static void set_up(void)
{
    esi_link_is_wanted();
    stage_open(2, 2);
    maker = stage_process();
    sender = stage_process();
    stage_become(0, maker);
    alias = es_alias(ES_ALIAS_REPLY);
    stage_become(1, sender);
    stage_worker(0)->in_runtime = stage_worker(1)->in_runtime = 0;
    esi_worker_become(NULL);
    blocks = esi_pool_stats(&esi_node.pool).used_count;
}

static void send(void)
{
    esi_worker_become(stage_worker(1));
    es_send(alias, hello);
}

static void send_from_outside(void)
{
    es_send(alias, hello);
}

static void look_and_take_it_back(void)
{
    esi_worker_become(stage_worker(0));
    esi_enter_here();
    esi_signals_take(maker, ESI_BUDGET);
    esi_leave_here();
    was_there = es_unalias(alias);
}

static void one_came_or_none(void)
{
    stage_become(0, maker);
    esi_signals_take(maker, ESI_BUDGET);
    explore_expect(maker->mailbox.count == (was_there ? 0 : 1));
    explore_expect(!maker->bonds.root);
}

/* ------------------------------------------------------------ asleep: who sends does what the receiver would */

static void set_up_asleep(void)
{
    set_up();
    explore_expect(esi_inbox_park(&maker->inbox));
}

static void one_came(void)
{
    explore_expect(esi_node.schedulers[0].runq.length + (esi_node.schedulers[1].next != NULL) +
                       esi_node.schedulers[1].runq.length ==
                   1);
    one_came_or_none();
}

/* ------------------------------------------------------------ an end */

static void end(void)
{
    esi_worker_become(stage_worker(0));
    esi_enter_here();
    esi_signals_take(maker, ESI_BUDGET);
    esi_process_doom(maker, es_from_atom(es_am_normal));
    esi_end_without_stack(maker);
    esi_table_give(maker);
}

static void nothing_is_left(void)
{
    explore_expect(maker->inbox == ESI_INBOX_CLOSED && !maker->bonds.root);
    explore_expect(esi_pool_stats(&esi_node.pool).used_count == blocks - 1); /* the alias, and no message */
}

static const struct explore_script scripts[] = {
    {"an alias for one answer that is taken back admits one or none",
     set_up,
     {send, send_from_outside, look_and_take_it_back},
     one_came_or_none,
     0},
    {"two answers to one who sleeps: the first wakes it",
     set_up_asleep,
     {send, send_from_outside},
     one_came,
     0},
    {"an alias goes with its maker", set_up, {send, send_from_outside, end}, nothing_is_left, 0},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scripts, sizeof scripts / sizeof *scripts);
}
