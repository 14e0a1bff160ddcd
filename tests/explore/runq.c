/* runq.c - a run queue (proc/schedule/runq.c) and the next slot: its holder puts and takes, others put and steal. Nobody is lost or had twice. */
#include "explorer.h"
#include "stage.h"

#include "proc/node.h"
#include "proc/schedule/scheduler.h"

enum { MANY = 4 };

static struct esi_process *p[MANY];
static _Atomic(int) had[MANY]; /* how often somebody got it to run it */

static void set_up(void)
{
    stage_open(2, 2);
    for (int i = 0; i < MANY; i++)
        p[i] = stage_process();
}

static struct esi_runq *queue(int number)
{
    return &esi_node.schedulers[number].runq;
}

static void have(struct esi_process *got)
{
    for (int i = 0; i < MANY; i++)
        if (p[i] == got)
            atomic_fetch_add_explicit(&had[i], 1, memory_order_relaxed);
}

static void have_all(struct esi_runq *q)
{
    bool goes_on = false;
    for (struct esi_process *got; (got = esi_runq_take(q, &goes_on));)
        have(got);
    explore_expect(q->length == 0 && q->higher == 0);
    for (int i = 0; i < ESI_PRIORITIES; i++)
        explore_expect(esi_list_is_empty(&q->of[i]));
    explore_expect(esi_list_is_empty(&q->young));
}

static void each_was_had_once(void)
{
    for (int i = 0; i < 2; i++) {
        if (esi_node.schedulers[i].next)
            have(esi_node.schedulers[i].next);
        have_all(queue(i));
    }
    for (int i = 0; i < MANY; i++)
        explore_expect(had[i] == 1);
}

/* ------------------------------------------------------------ the queue by itself */

static void set_up_queue(void)
{
    set_up();
    p[2]->priority = ES_PRIORITY_HIGH;
    esi_runq_put(queue(0), p[0]);
}

static void put_and_take(void)
{
    bool goes_on = false;
    esi_runq_put_young(queue(0), p[1]);
    have(esi_runq_take(queue(0), &goes_on));
    have(esi_runq_take(queue(0), &goes_on));
}

static void put_from_outside(void)
{
    esi_runq_put(queue(0), p[2]);
    esi_runq_put(queue(0), p[3]);
}

static void steal(void)
{
    struct esi_list loot;
    esi_list_init(&loot);
    int got = esi_runq_steal(queue(0), &loot);
    for (struct esi_list *node; (node = esi_list_pop_front(&loot)); got--)
        have(ESI_CONTAINER_OF(node, struct esi_process, in_queue));
    explore_expect(got == 0);
}

/* ------------------------------------------------------------ schedulers */

static void wake_three_and_pick(void)
{
    stage_become(0, NULL);
    for (int i = 0; i < 3; i++)
        esi_make_runnable(p[i], true);
    explore_expect(esi_node.schedulers[0].next == p[2]);
    have(esi_scheduler_pick(stage_worker(0)));
}

static void pick(void)
{
    stage_become(1, NULL);
    have(esi_scheduler_pick(stage_worker(1)));
}

static void wake_from_outside(void)
{
    esi_make_runnable(p[3], true);
}

static const struct explore_script scripts[] = {
    {"holder, thief and a thread from outside at one queue",
     set_up_queue,
     {put_and_take, put_from_outside, steal},
     each_was_had_once,
     0},
    {"two schedulers pick, one of them steals, while somebody is woken",
     set_up,
     {wake_three_and_pick, pick, wake_from_outside},
     each_was_had_once,
     0},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scripts, sizeof scripts / sizeof *scripts);
}
