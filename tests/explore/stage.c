/* stage.c - see stage.h. */
#include "stage.h"

#include <stdlib.h>
#include "base/alloc.h"
#include "base/assert.h"
#include "platform/platform.h"
#include "proc/contain/fault.h"
#include "proc/node.h"
#include "proc/outside.h"
#include "proc/schedule/scheduler.h"
#include "proc/table.h"

enum { PROCESSES = 1000 };

static struct esi_worker *workers[STAGE_WORKERS];

/* As crew.c makes one. */
static struct esi_worker *open_worker(int number)
{
    struct esi_worker *worker = esi_alloc_zeroed(1, sizeof *worker);
    worker->index = number;
    worker->fault = esi_alloc_zeroed(1, sizeof *worker->fault);
    worker->errno_address = es_errno();
    esi_park_init(&worker->park);
    esi_list_init(&worker->pinned);
    esi_list_init(&worker->in_spares);
    worker->in_runtime = 1;
    if (number < esi_node.scheduler_count) {
        worker->scheduler = &esi_node.schedulers[number];
        worker->holds = worker->scheduler;
        worker->scheduler->holder = worker;
    }
    return worker;
}

void stage_open(int schedulers, int count)
{
    setenv("ES_POOL", "malloc", 1); /* so that what was freed is known to be */
    esi_platform_start();
    es_err error = esi_table_start(PROCESSES);
    if (error == ES_OK)
        error = esi_pool_init(&esi_node.pool);
    esi_assert(error == ES_OK);
    esi_list_init(&esi_node.spares);
    esi_node.scheduler_count = schedulers;
    esi_node.schedulers = esi_alloc_zeroed((size_t)schedulers, sizeof *esi_node.schedulers);
    for (int i = 0; i < schedulers; i++)
        esi_scheduler_init(&esi_node.schedulers[i], i, 1);
    for (int i = 0; i < count; i++)
        esi_node.workers[i] = workers[i] = open_worker(i);
    esi_node.worker_count = count;
    esi_node.state = ESI_NODE_UP;
    esi_outside_open();
}

struct esi_worker *stage_worker(int number)
{
    return workers[number];
}

static void never(void)
{
}

struct esi_process *stage_process(void)
{
    bool goes_on = false;
    es_pid pid = es_spawn(never);
    struct esi_process *p = esi_runq_take(&esi_node.schedulers[0].runq, &goes_on);
    esi_assert(p == esi_process_slot(pid.id));
    return p;
}

void stage_become(int number, struct esi_process *p)
{
    struct esi_worker *worker = workers[number];
    esi_worker_become(worker);
    worker->current = p;
    worker->slice++;
    worker->in_runtime = 1;
    if (p) {
        p->last_worker = worker;
        p->budget = ESI_BUDGET;
        p->state = ES_STATE_RUNNING;
    }
}
