/* late.c - what is sent to a process that ends, whose control block a new one gets (proc/mailbox/signal.c, end.c, table.c): each block is handled by
 * whom it was meant for, or answered as to nobody, once. */
#include "explorer.h"
#include "stage.h"

#include "proc/end.h"
#include "proc/mailbox/signal.h"

static struct esi_process *p;
static uint64_t first_id, blocks;     /* the pool's, in use when the runs begin */
static _Atomic(int) arrived, refused; /* how often */

static void arrive(struct esi_process *self, struct esi_message *signal)
{
    explore_expect(signal->to == first_id && self->id == first_id);
    atomic_fetch_add(&arrived, 1);
    esi_message_free(signal);
}

static void nobody(struct esi_message *signal)
{
    explore_expect(signal->to == first_id);
    atomic_fetch_add(&refused, 1);
    esi_message_free(signal);
}

static const struct esi_signal_kind kind = {"explored", arrive, nobody, NULL};

static void set_up(void)
{
    stage_open(2, 2);
    p = stage_process();
    first_id = p->id;
    blocks = esi_pool_stats(&esi_node.pool).used_count;
}

static void send(void)
{
    struct esi_message *signal = esi_message_new(0);
    signal->kind = &kind;
    esi_signal_send(first_id, signal);
}

static void send_directly(void)
{
    struct esi_message *signal = esi_message_new(0);
    signal->kind = &kind;
    esi_signal_send_direct(first_id, signal);
}

/* As a worker does at the end of a process that has looked into its inbox. */
static void look_and_end(void)
{
    stage_become(0, p);
    esi_signals_take(p, ESI_BUDGET);
    esi_process_doom(p, es_from_atom(es_am_normal));
    esi_end_without_stack(p);
    esi_table_give(p);
}

static void waits(void)
{
}

static void end_and_spawn(void)
{
    look_and_end();
    stage_become(0, NULL);
    explore_expect(es_spawn(waits).id != first_id);
    explore_expect(esi_process_slot(first_id)->id != first_id);
    esi_signals_take(p, ESI_BUDGET);
}

static void each_is_handled_once(void)
{
    explore_expect(esi_pool_stats(&esi_node.pool).used_count == blocks);
    explore_expect(arrived + refused == 2);
}

/* The new one sleeps now, or has something to look at. */
static void each_is_handled_once_at_last(void)
{
    stage_become(0, p);
    esi_signals_take(p, ESI_BUDGET);
    each_is_handled_once();
}

/* ------------------------------------------------------------ what it wrote */

static int left; /* plain: nothing but its end orders it */

static void write_and_end(void)
{
    left = 1;
    look_and_end();
}

static void write_end_and_spawn(void)
{
    left = 1;
    end_and_spawn();
}

static void nobody_knows(struct esi_message *signal)
{
    explore_expect(left == 1);
    esi_message_free(signal);
}

static void arrive_in_time(struct esi_process *self, struct esi_message *signal)
{
    explore_expect(self->id == first_id);
    esi_message_free(signal);
}

static const struct esi_signal_kind waits_for_end = {"explored", arrive_in_time, nobody_knows, NULL};

static void ask_whether_it_is_there(void)
{
    struct esi_message *signal = esi_message_new(0);
    signal->kind = &waits_for_end;
    esi_signal_send(first_id, signal);
}

/* ------------------------------------------------------------ asleep */

/* p sleeps. */
static void set_up_asleep(void)
{
    set_up();
    stage_become(0, p);
    explore_expect(esi_inbox_park(&p->inbox));
    stage_become(0, NULL);
    esi_worker_become(NULL);
}

static void is_runnable_once(void)
{
    bool goes_on = false;
    struct esi_runq *q = &esi_node.schedulers[0].runq;
    explore_expect(esi_runq_take(q, &goes_on) == p);
    explore_expect(esi_runq_take(q, &goes_on) == NULL);
    stage_become(0, p);
    esi_signals_take(p, ESI_BUDGET);
    explore_expect(arrived == 2 && refused == 0);
}

static const struct explore_script scripts[] = {
    {"what is sent to a process that ends is handled or answered",
     set_up,
     {send, send_directly, look_and_end},
     each_is_handled_once,
     0},
    {"what was meant for who lived here before reaches nobody",
     set_up,
     {send, send_directly, end_and_spawn},
     each_is_handled_once_at_last,
     0},
    {"who is told that nobody is there finds what that one wrote",
     set_up,
     {ask_whether_it_is_there, write_and_end},
     NULL,
     0},
    {"also where a new one lives there", set_up, {ask_whether_it_is_there, write_end_and_spawn}, NULL, 0},
    {"two signals wake a sleeper once, and both arrive",
     set_up_asleep,
     {send, send_directly},
     is_runnable_once,
     0},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scripts, sizeof scripts / sizeof *scripts);
}
