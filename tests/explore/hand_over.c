/* hand_over.c - a worker, the watchdog that takes its scheduler or strands its process, and the spare (proc/enter.h, proc/schedule/crew.c):
 * a scheduler has one user at a time, and a process one end. */
#include "explorer.h"
#include "stage.h"

#include "proc/end.h"
#include "proc/enter.h"
#include "proc/node.h"
#include "proc/schedule/scheduler.h"

static struct esi_process *p, *waiting;
static int was_lost, was_handed, was_stranded, had;
static bool came_back;

/* Plain writes: two users at a time race. */
static void use(struct esi_worker *w)
{
    explore_expect(w->scheduler->index == 0);
    w->scheduler->slices++;
}

/* A process computes in worker 0; another waits in the next slot. Threads beyond these two are not to be had. */
static void set_up(void)
{
    stage_open(2, 2);
    p = stage_process();
    waiting = stage_process();
    esi_node.schedulers[0].next = waiting;
    esi_node.schedulers[1].holder = NULL;
    stage_worker(1)->scheduler = NULL;
    stage_worker(1)->holds = NULL;
    esi_node.worker_count = esi_node.scheduler_count + ESI_SPARES_MAX;
    stage_become(0, p);
    esi_worker_become(NULL);
}

/* The process went to the end of the queue, and its thread to the spares. */
void __wrap_esi_switch_out(struct esi_process *self, enum esi_request request);
void __wrap_esi_switch_out(struct esi_process *self, enum esi_request request)
{
    struct esi_worker *w = stage_worker(0);
    explore_expect(request == ESI_REQUEST_YIELD);
    was_lost = true;
    atomic_store_explicit(&w->current, NULL, memory_order_relaxed);
    esi_make_runnable(self, false);
    while (!w->scheduler)
        esi_worker_wait_among_spares(w);
    use(w);
    explore_stop();
}

bool __wrap_esi_thread_lower_priority(pid_t tid, struct esi_thread_priority *before);
bool __wrap_esi_thread_lower_priority(pid_t tid, struct esi_thread_priority *before)
{
    (void)tid, (void)before;
    return false;
}

/* Twice out of the runtime and back. */
static void compute(void)
{
    esi_worker_become(stage_worker(0));
    for (int i = 0; i < 2; i++) {
        esi_leave_here();
        esi_enter_here();
        use(stage_worker(0));
        if (esi_node.schedulers[0].next)
            esi_node.schedulers[0].next->budget = 1;
    }
    came_back = true;
}

static void take_away(void)
{
    was_handed = esi_worker_hand_over(stage_worker(0));
}

static void wait_for_a_scheduler(void)
{
    struct esi_worker *w = stage_worker(1);
    esi_worker_become(w);
    while (!w->scheduler)
        esi_worker_wait_among_spares(w);
    use(w);
}

static void has_one_holder(void)
{
    bool is_spares = stage_worker(1)->scheduler || stage_worker(1)->lent;
    explore_expect(was_handed == is_spares);
    explore_expect(was_lost || came_back);
    if (was_lost)
        explore_expect(was_handed);
    explore_expect((stage_worker(0)->scheduler != NULL) == !was_handed);
}

/* ------------------------------------------------------------ no spare */

static void steal(void)
{
    explore_expect(esi_node.schedulers[1].index == 1);
    struct esi_list loot;
    esi_list_init(&loot);
    had = esi_runq_steal(&esi_node.schedulers[0].runq, &loot);
    if (had)
        explore_expect(loot.next == &waiting->in_queue);
}

static void waits_in_one_place(void)
{
    explore_expect(!was_handed && came_back);
    int in_slot = esi_node.schedulers[0].next == waiting, in_queue = esi_node.schedulers[0].runq.length;
    explore_expect(in_slot + in_queue + had == 1);
}

/* ------------------------------------------------------------ stranding */

/* It lost its scheduler before, and is to end. */
static void set_up_lost(void)
{
    set_up();
    struct esi_worker *w = stage_worker(0);
    esi_process_doom(p, es_from_atom(es_am_killed));
    w->scheduler = NULL;
    w->holds = NULL;
    w->lost = ESI_LOST_SCHEDULER;
    w->in_runtime = 0;
    esi_node.schedulers[0].next = NULL;
}

static void come_back(void)
{
    esi_worker_become(stage_worker(0));
    esi_enter_here();
    explore_expect(!"it has no scheduler");
}

static void strand(void)
{
    was_stranded = esi_worker_strand(stage_worker(0), stage_worker(0)->slice);
}

static int pushed;
static struct esi_message *block;

static void push(void)
{
    block = esi_message_new(0);
    pushed = esi_inbox_push(&p->inbox, block) != ESI_PUSH_CLOSED;
}

static void ended_once_or_came_back(void)
{
    explore_expect(was_stranded + was_lost <= 1);
    explore_expect(was_stranded == (esi_node.stranded_count == 1));
    explore_expect((p->inbox == ESI_INBOX_CLOSED) == was_stranded);
    explore_expect(was_stranded || was_lost);
    if (pushed && !was_stranded)
        explore_expect(esi_inbox_has_any(&p->inbox) || p->taken == block);
}

static const struct explore_script scripts[] = {
    {"a scheduler has one user at a time",
     set_up,
     {compute, take_away, wait_for_a_scheduler},
     has_one_holder,
     5},
    {"without a spare what waits is stolen once, or stays",
     set_up,
     {compute, take_away, steal},
     waits_in_one_place,
     0},
    {"who is stranded ends once; who came back in time does not",
     set_up_lost,
     {come_back, strand, push},
     ended_once_or_came_back,
     1},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scripts, sizeof scripts / sizeof *scripts);
}
