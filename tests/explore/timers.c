/* timers.c - a timer that fires, is cancelled, and whose receiver ends (link/timer.c, timer_book.c, proc/schedule/timer.c, base/wheel.c): one of them has it. */
#include "explorer.h"
#include "stage.h"

#include <engset/link.h>
#include "link/timer_book.h"
#include "platform/clock.h"
#include "proc/end.h"
#include "proc/enter.h"
#include "proc/schedule/scheduler.h"
#include "proc/schedule/timer.h"

static struct esi_process *receiver, *other;
static es_ref timer;
static es_pid to;
static int64_t left[2];
static int had;

ES_ATOMS(rings);

/* Worker 0 runs the receiver, which starts a timer for itself. */
static void set_up(void)
{
    esi_link_is_wanted();
    stage_open(2, 2);
    receiver = stage_process();
    other = stage_process();
    stage_become(0, receiver);
    timer = es_send_after(1000, es_self(), rings);
    stage_become(1, other);
    stage_worker(0)->in_runtime = 0;
    stage_worker(1)->in_runtime = 0;
    esi_worker_become(NULL);
    explore_clock(10 * ESI_NS_PER_S);
}

static void cancel_it(void)
{
    esi_worker_become(stage_worker(1));
    left[0] = es_cancel_timer(timer);
}

/* From outside. */
static void cancel_it_too(void)
{
    left[1] = es_cancel_timer(timer);
}

static void fire(void)
{
    esi_worker_become(stage_worker(0));
    esi_enter_here();
    esi_scheduler_fire_timers(&esi_node.schedulers[0], 10 * ESI_NS_PER_S);
}

static void end_receiver(void)
{
    esi_worker_become(stage_worker(0));
    esi_enter_here();
    esi_process_doom(receiver, es_from_atom(es_am_normal));
    esi_end_without_stack(receiver);
    esi_table_give(receiver);
}

static int messages_left(void)
{
    int count = 0;
    for (struct esi_message *it = esi_inbox_take(&receiver->inbox); it; it = it->next)
        count++;
    return count;
}

static bool is_wheel_empty(void)
{
    struct esi_list fired;
    esi_list_init(&fired);
    for (int i = 0; i < esi_node.scheduler_count; i++)
        esi_wheel_expire(&esi_node.schedulers[i].wheel, UINT64_MAX - 1, &fired);
    return esi_list_is_empty(&fired);
}

static void fired_or_cancelled(void)
{
    had = messages_left() + (left[0] >= 0) + (left[1] >= 0);
    explore_expect(had == 1);
    explore_expect(is_wheel_empty());
}

static void is_gone(void)
{
    explore_expect(is_wheel_empty());
    explore_expect(left[0] == 0 || left[0] == ES_ENOTFOUND);
}

/* ------------------------------------------------------------ a start, while its receiver ends */

static void set_up_idle(void)
{
    set_up();
    left[0] = es_cancel_timer(timer);
    to = esi_process_pid(receiver);
}

/* Of its own: what a function returns in memory is written there unseen. */
static __attribute__((noinline)) void keep(es_ref ref)
{
    timer = ref;
}

static void start_one(void)
{
    esi_worker_become(stage_worker(1));
    keep(es_send_after(100000, to, rings));
}

/* Its reference goes into the message, and the wheel is asked for it. */
static void start_and_read_one(void)
{
    esi_worker_become(stage_worker(1));
    keep(es_start_timer(100000, to, rings));
    es_read_timer(timer);
}

static void none_outlives_its_receiver(void)
{
    explore_expect(is_wheel_empty());
    explore_expect(es_cancel_timer(timer) == ES_ENOTFOUND);
}

/* ------------------------------------------------------------ the alarm of a process that waits (proc/schedule/timer.c) */

static bool was_cancelled;

static void set_up_alarm(void)
{
    set_up_idle();
    stage_become(0, receiver);
    esi_timer_init(&receiver->timeout, ESI_RINGS_PROCESS);
    receiver->alarm_is_set = 1;
    esi_timer_start(&receiver->timeout, 5 * ESI_NS_PER_S);
    esi_worker_become(NULL);
}

static void cancel_alarm(void)
{
    esi_worker_become(stage_worker(1));
    was_cancelled = esi_timer_cancel(&receiver->timeout);
    if (was_cancelled)
        receiver->timeout.node.deadline_ns = 1; /* plain: it is nobody else's */
}

static void rang_or_was_cancelled(void)
{
    bool rang = (receiver->flags & ESI_FLAG_WOKEN) != 0;
    explore_expect(rang == !was_cancelled && receiver->alarm_is_set == was_cancelled);
}

static const struct explore_script scripts[] = {
    {"a timer fires or is cancelled, once", set_up, {fire, cancel_it, cancel_it_too}, fired_or_cancelled, 0},
    {"a timer whose receiver ends is gone", set_up, {end_receiver, cancel_it}, is_gone, 0},
    {"no timer outlives a receiver that ends while it is started",
     set_up_idle,
     {end_receiver, start_one},
     none_outlives_its_receiver,
     0},
    {"nor one that has its reference in its message",
     set_up_idle,
     {end_receiver, start_and_read_one},
     none_outlives_its_receiver,
     0},
    {"an alarm rings or is cancelled, and then it is nobody else's",
     set_up_alarm,
     {fire, cancel_alarm},
     rang_or_was_cancelled,
     0},
};

int main(int argc, char **argv)
{
    return explore_main(argc, argv, scripts, sizeof scripts / sizeof *scripts);
}
