/* sleep.c - how schedulers lie down (proc/schedule/scheduler.c) while others push to a queue or ask for a scheduler: nobody sleeps beside work. */
#include "explorer.h"
#include "stage.h"

#include "platform/park.h"
#include "platform/poller.h"
#include "proc/node.h"
#include "proc/schedule/scheduler.h"

static struct esi_process *p;
static struct esi_park poller; /* who waits in it is woken as by the descriptor that rings */
static _Atomic(int) had;

int __wrap_esi_poller_wait(struct esi_poller *given, uint64_t deadline_ns, struct esi_poll_event *events,
                           int room);
int __wrap_esi_poller_wait(struct esi_poller *given, uint64_t deadline_ns, struct esi_poll_event *events,
                           int room)
{
    (void)given, (void)events, (void)room;
    esi_park_wait(&poller, deadline_ns);
    return 0;
}

void __wrap_esi_poller_interrupt(struct esi_poller *given);
void __wrap_esi_poller_interrupt(struct esi_poller *given)
{
    (void)given;
    esi_park_wake(&poller);
}

static void set_up(void)
{
    stage_open(2, 3);
    p = stage_process();
}

/* Who runs it ends the node. */
static void stop(void)
{
    atomic_fetch_add_explicit(&had, 1, memory_order_relaxed);
    atomic_store_explicit(&esi_node.state, ESI_NODE_STOPPED, memory_order_seq_cst);
    for (int i = 0; i < esi_node.scheduler_count; i++)
        esi_scheduler_rouse(&esi_node.schedulers[i]);
}

/* As loop() in worker.c, without the two looks more. */
static void work(int number)
{
    struct esi_worker *w = stage_worker(number);
    esi_worker_become(w);
    while (w->scheduler && atomic_load_explicit(&esi_node.state, memory_order_acquire) != ESI_NODE_STOPPED) {
        if (atomic_load_explicit(&esi_node.wanted, memory_order_relaxed)) {
            esi_worker_lend_to_wanting(w);
            continue;
        }
        struct esi_process *got = esi_scheduler_pick(w);
        if (got)
            stop();
        else
            esi_scheduler_sleep(w);
    }
}

static void work_first(void)
{
    work(0);
}

static void work_second(void)
{
    work(1);
}

static void wake_from_outside(void)
{
    esi_make_runnable(p, true);
}

static void was_run_once(void)
{
    explore_expect(had == 1);
}

/* ------------------------------------------------------------ a spare that wants a scheduler */

static void set_up_spare(void)
{
    stage_open(1, 2);
    p = stage_process();
    p->is_pinned = true;
    p->pin_count = 1;
    p->last_worker = stage_worker(1);
    esi_list_push_back(&esi_node.spares, &stage_worker(1)->in_spares);
    esi_node.spare_count = 1;
}

static void wake_pinned(void)
{
    esi_make_runnable(p, false);
}

static void was_lent(void)
{
    explore_expect(stage_worker(1)->lent == &esi_node.schedulers[0]);
    explore_expect(stage_worker(0)->scheduler == NULL);
}

static const struct explore_script scripts[] = {
    {"who falls asleep beside a new process in its queue is woken",
     set_up,
     {work_first, wake_from_outside},
     was_run_once,
     0},
    {"one of two who fall asleep is woken",
     set_up,
     {work_first, work_second, wake_from_outside},
     was_run_once,
     0},
    {"who falls asleep while a spare wants a scheduler gives its own",
     set_up_spare,
     {work_first, wake_pinned},
     was_lent,
     0},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scripts, sizeof scripts / sizeof *scripts);
}
