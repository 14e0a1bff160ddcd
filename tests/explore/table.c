/* table.c - control blocks and pids (proc/table.c): no two living ones have a block, no two ever had an id, and who looks reads what is there. */
#include "explorer.h"
#include "stage.h"

#include "proc/mailbox/inbox.h"

enum { IDS = 4 };

static uint64_t ids[IDS];
static _Atomic(int) living[IDS]; /* 1: who took it has it still */
static struct esi_process *had[IDS];

static void set_up(void)
{
    stage_open(2, 3);
}

static void take(int number)
{
    struct esi_process *p = had[number] = esi_table_take();
    ids[number] = p->id;
    p->request = (uint8_t)number; /* plain: two that have one block race */
    esi_inbox_open(&p->inbox);
}

static void give(int number)
{
    explore_expect(had[number]->request == number);
    (void)!esi_inbox_close(&had[number]->inbox);
    esi_table_give(had[number]);
}

/* From outside: each step takes the table's lock. */
static void take_give_take(void)
{
    take(0);
    give(0);
    take(1);
}

static void take_and_give(void)
{
    take(2);
    give(2);
}

static void take_one(void)
{
    take(3);
}

static void has_no_id_twice(void)
{
    for (int i = 0; i < IDS; i++)
        for (int k = 0; k < i; k++)
            explore_expect(ids[i] != ids[k]);
    explore_expect(had[1] != had[3]);
    explore_expect(esi_table_count() == 2);
}

/* On schedulers that have blocks in their caches. */
static void take_here_give_there(void)
{
    stage_become(0, NULL);
    take(0);
    atomic_store_explicit(&living[0], 1, memory_order_release);
    take(1);
}

static void give_if_taken(void)
{
    stage_become(1, NULL);
    if (atomic_load_explicit(&living[0], memory_order_acquire))
        give(0);
    take(2);
}

static void look_at_all(void)
{
    uint64_t index = 0;
    for (int seen = 0; esi_table_next(&index); seen++)
        explore_expect(seen < IDS);
}

static void has_no_id_twice_here(void)
{
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < i; k++)
            explore_expect(ids[i] != ids[k]);
    int64_t given = living[0] && had[0]->id != ids[0];
    explore_expect(esi_table_count() == 3 - given);
}

static const struct explore_script scripts[] = {
    {"nobody has another's block, or an id that somebody had",
     set_up,
     {take_give_take, take_and_give, take_one},
     has_no_id_twice,
     0},
    {"blocks go from cache to cache while somebody looks at all",
     set_up,
     {take_here_give_there, give_if_taken, look_at_all},
     has_no_id_twice_here,
     0},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scripts, sizeof scripts / sizeof *scripts);
}
