/* timers.c - timers for oneself, for others and for names, cancelled and read by anybody, while processes end: each fires or is cancelled, never
 * both and never early, and none is left. */
#include "scenario.h"

ES_ATOMS(tick, finish, red);

enum { MEMBERS = 6, TIMERS = 150, ACTS = 45, LONGEST_MS = 40 };

/* What is known of a timer. `cancels` counts the calls that were begun: while it is 0, only its firing can have ended it. */
static struct timer {
    es_ref ref;
    int to, cancels;
    int64_t due_ns; /* not before */
    int64_t time_ms;
    bool has_begun, is_started, has_fired, is_cancelled;
} timers[TIMERS];
static int timer_count;

static struct member {
    es_pid pid;
    es_ref ref;
    bool has_begun, has_ended;
} members[MEMBERS];

static void notes_its_end(void *member)
{
    ((struct member *)member)->has_ended = true;
}

/* ------------------------------------------------------------ what happens with timers */

static void take(int id, es_ref ref, int me)
{
    struct timer *t = &timers[id];
    CHECK(t->to == me, "%d came to %d", id, me);
    CHECK(!t->has_fired, "%d fired twice", id);
    CHECK(!t->is_cancelled, "%d fired, and was cancelled", id);
    CHECK(!t->is_started || !ref.id || es_ref_equal(ref, t->ref), "%d has another reference", id);
    CHECK(es_now_ns() >= t->due_ns, "%d is early by %lld ns", id, (long long)(t->due_ns - es_now_ns()));
    t->has_fired = true;
}

/* One that has come, if one has come in time. */
static bool take_one(int me, int64_t time_ms)
{
    int id;
    es_ref ref;
    es_receive {
        es_case(ES_TUPLE(tick, &id)) {
            take(id, (es_ref){0}, me);
            return true;
        }
        es_case(ES_TUPLE(es_am_timeout, &ref, &id)) {
            take(id, ref, me);
            return true;
        }
        es_after(time_ms) {
        }
    }
    return false;
}

static void start_one(int me)
{
    if (timer_count == TIMERS)
        return;
    int id = timer_count++;
    struct timer *t = &timers[id];
    t->to = chance(2) ? chance(MEMBERS) : 0;
    if (!members[t->to].has_begun)
        t->to = me;
    t->time_ms = chance(4) ? chance(LONGEST_MS) : 0;
    t->due_ns = es_now_ns() + t->time_ms * 1000000;
    t->has_begun = true;
    bool is_by_name = t->to == 0 && chance(2); /* the first has the name */
    switch (chance(4)) {
    case 0:
        t->ref = is_by_name ? es_start_timer(t->time_ms, red, id)
                            : es_start_timer(t->time_ms, members[t->to].pid, id);
        break;
    case 1:
        t->due_ns = (now_ms() + t->time_ms) * 1000000;
        t->ref = es_send_at(now_ms() + t->time_ms, members[t->to].pid, ES_TUPLE(tick, id));
        break;
    default:
        t->ref = is_by_name ? es_send_after(t->time_ms, red, ES_TUPLE(tick, id))
                            : es_send_after(t->time_ms, members[t->to].pid, ES_TUPLE(tick, id));
    }
    t->is_started = true;
}

/* Not there any more. If nobody cancelled it, it is due, and has been sent. */
static void check_gone(int id, int me, bool has_fired)
{
    struct timer *t = &timers[id];
    if (!has_fired || members[t->to].has_ended)
        return;
    CHECK(es_now_ns() >= t->due_ns, "%d is gone before its time", id);
    while (t->to == me && !t->has_fired && take_one(me, 0)) {
    }
    CHECK(t->to != me || t->has_fired, "%d is gone, and did not fire", id);
}

static void cancel_one(int id, int me)
{
    struct timer *t = &timers[id];
    t->cancels++;
    int64_t left = es_cancel_timer(t->ref);
    if (left == ES_ENOTFOUND) {
        check_gone(id, me, t->cancels == 1);
        return;
    }
    CHECK(left >= 0 && left <= t->time_ms, "%d had %lld ms left", id, (long long)left);
    CHECK(!t->has_fired && !t->is_cancelled, "%d was cancelled, but had ended", id);
    t->is_cancelled = true;
}

static void read_one(int id, int me)
{
    struct timer *t = &timers[id];
    int64_t left = es_read_timer(t->ref);
    if (left == ES_ENOTFOUND)
        check_gone(id, me, t->cancels == 0);
    CHECK(left == ES_ENOTFOUND ||
              (left >= 0 && left <= t->time_ms && left * 1000000 >= t->due_ns - es_now_ns()),
          "%d has %lld ms left", id, (long long)left);
}

static void act(int me)
{
    int id = timer_count ? chance(timer_count) : -1;
    int what = chance(10);
    if (what < 4 || id < 0 || !timers[id].is_started)
        start_one(me);
    else if (what < 6)
        cancel_one(id, me);
    else if (what < 7)
        read_one(id, me);
    else
        take_one(me, chance(3) ? chance(10) : 0);
}

static void lives(struct member *me)
{
    if (es_own(me, notes_its_end) != ES_OK)
        es_exit(es_am_system_limit);
    me->pid = es_self(); /* they begin before the conductor has it */
    me->has_begun = true;
    for (int i = 0; i < ACTS; i++)
        act((int)(me - members));
    for (bool is_last = false; !is_last;) {
        while (take_one((int)(me - members), 0)) {
        }
        es_receive {
            es_case(finish)
                is_last = true;
            es_after(5) {
            }
        }
    }
    while (take_one((int)(me - members), 200)) {
    }
}

static void conducts(void *unused)
{
    (void)unused;
    for (int i = 0; i < MEMBERS; i++)
        members[i].pid =
            es_spawn_opt(ES_WITH(.monitor = &members[i].ref, .name = i ? NULL : "red"), lives, &members[i]);
    wait_until_faults_are_over();
    bool was_alive[MEMBERS];
    for (int i = 0; i < MEMBERS; i++)
        was_alive[i] = es_is_alive(members[i].pid);
    for (int i = 0; i < MEMBERS; i++) {
        es_send(members[i].pid, finish);
        es_receive
            es_case(ES_TUPLE(es_am_DOWN, members[i].ref, ES_ANY, ES_ANY, ES_ANY)) {
            }
    }
    for (int id = 0; id < timer_count; id++) {
        const struct timer *t = &timers[id];
        CHECK(!t->is_started || es_read_timer(t->ref) == ES_ENOTFOUND, "%d is left", id);
        CHECK(!t->is_started || !was_alive[t->to] || t->has_fired || t->cancels, "%d did not fire", id);
    }
}

int main(void)
{
    return play(conducts, ES_FAULTS_ORDER | ES_FAULTS_PROCESSES);
}
