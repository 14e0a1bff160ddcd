/* inbox.c - push, take, park, wake, close and open for a new owner: every block is answered once, by whom it concerns, and no wake-up is lost. */
#include "explorer.h"

#include "proc/mailbox/inbox.h"

static esi_inbox inbox;
static struct esi_message block[2];
static enum esi_push pushed[2];
static int queued;   /* how often somebody made the owner runnable */
static int taken[2]; /* how often the owner got the block */
static bool is_parked;

static void open_inbox(void)
{
    esi_inbox_open(&inbox);
}

static void push(int number)
{
    block[number].to = (uint64_t)number + 1;
    pushed[number] = esi_inbox_push(&inbox, &block[number]);
}

static void push_first(void)
{
    push(0);
}

static void push_second(void)
{
    push(1);
}

static void count(struct esi_message *chain)
{
    for (struct esi_message *it = chain; it; it = it->next) {
        explore_expect(it == &block[it->to - 1]);
        taken[it->to - 1]++;
    }
}

/* ------------------------------------------------------------ a receiver */

static void take_and_park(void)
{
    count(esi_inbox_take(&inbox));
    is_parked = esi_inbox_park(&inbox);
}

static void is_woken_once(void)
{
    int wakes = (pushed[0] == ESI_PUSH_WAKE) + (pushed[1] == ESI_PUSH_WAKE);
    bool has_rest = esi_inbox_has_any(&inbox);
    explore_expect(wakes <= 1);
    explore_expect((wakes == 1) ==
                   (is_parked && has_rest)); /* who sleeps beside a message is made runnable */
    count(esi_inbox_take(&inbox));
    explore_expect(taken[0] == 1 && taken[1] == 1);
}

/* ------------------------------------------------------------ an end */

static void take_and_close(void)
{
    count(esi_inbox_take(&inbox));
    count(esi_inbox_close(&inbox));
}

static void is_answered_once(void)
{
    for (int i = 0; i < 2; i++)
        explore_expect((pushed[i] == ESI_PUSH_CLOSED) == !taken[i] && taken[i] <= 1);
    explore_expect(inbox == ESI_INBOX_CLOSED);
}

/* ------------------------------------------------------------ an end, and a new owner */

static int left_to_next;

static void close_and_open(void)
{
    count(esi_inbox_close(&inbox));
    esi_inbox_open(&inbox);
    int before = taken[0] + taken[1];
    count(esi_inbox_take(&inbox));
    left_to_next = taken[0] + taken[1] - before;
}

static void reaches_one_of_them(void)
{
    count(esi_inbox_close(&inbox));
    for (int i = 0; i < 2; i++)
        explore_expect((pushed[i] == ESI_PUSH_CLOSED) == !taken[i] && taken[i] <= 1);
}

/* ------------------------------------------------------------ a message and a flag, as in proc/schedule/worker.c and wake.c */

static _Atomic(uint32_t) flags;

static void set_and_wake(void)
{
    atomic_fetch_or_explicit(&flags, 1, memory_order_seq_cst);
    if (esi_inbox_wake(&inbox))
        atomic_fetch_add_explicit((_Atomic(int) *)&queued, 1, memory_order_relaxed);
}

static void park_and_look(void)
{
    if (!esi_inbox_park(&inbox)) {
        is_parked = false;
        return;
    }
    bool is_set = atomic_load_explicit(&flags, memory_order_seq_cst) & 1;
    is_parked = !is_set || !esi_inbox_wake(&inbox);
}

static void sees_flag(void)
{
    explore_expect(queued == (is_parked && pushed[0] != ESI_PUSH_WAKE));
}

static const struct explore_script scripts[] = {
    {"who sleeps is made runnable once, and no message is lost",
     open_inbox,
     {push_first, push_second, take_and_park},
     is_woken_once,
     0},
    {"a message that meets an end is answered by one of both",
     open_inbox,
     {push_first, push_second, take_and_close},
     is_answered_once,
     0},
    {"a late message reaches the old owner or the new one",
     open_inbox,
     {push_first, push_second, close_and_open},
     reaches_one_of_them,
     0},
    {"who sets a flag and wakes is not missed",
     open_inbox,
     {push_first, set_and_wake, park_and_look},
     sees_flag,
     0},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scripts, sizeof scripts / sizeof *scripts);
}
