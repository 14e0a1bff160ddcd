/* exchange/injector.c - every now and then tells a process in service to be wrong.
 *
 * The victim gets {crash, Bug} and executes the bug itself, in the middle of its work. An endless loop is then killed,
 * as somebody who watches the exchange would do. */
#include "exchange.h"
#include "bugs.h"

ES_ATOMS(crash);

enum { LOOP_MS = 20, KINDS = BUG_LOOP + 1 };

/* All five in random order, then again: after 5 N crashes there were N of each. */
static int draw_bug(void)
{
    static int bag[KINDS], left;
    if (left == 0)
        for (left = 0; left < KINDS; left++)
            bag[left] = left;
    int drawn = (int)(es_random() % (uint64_t)left);
    int bug = bag[drawn];
    bag[drawn] = bag[--left];
    return bug;
}

static es_pid draw_victim(void)
{
    int64_t count;
    es_pid *pids = exchange_members(exchange_in_service, &count);
    es_pid victim = count > 0 ? pids[es_random() % (uint64_t)count] : ES_NO_PID;
    es_free(pids);
    return victim;
}

static void inject(void)
{
    es_pid victim = draw_victim();
    if (es_pid_is_none(victim))
        return;
    int bug = draw_bug();
    es_send(victim, ES_TUPLE(crash, bug));
    if (bug == BUG_LOOP) {
        es_sleep(LOOP_MS);
        es_send_exit(victim, es_am_kill);
    }
}

void injector(void)
{
    const int64_t pause_ns = 1000000000 / exchange->crash_rate;
    for (int64_t next_ns = es_now_ns();;) {
        next_ns += pause_ns;
        int64_t left_ms = (next_ns - es_now_ns()) / 1000000;
        es_sleep(left_ms > 0 ? left_ms : 0);
        inject();
    }
}
