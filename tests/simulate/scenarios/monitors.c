/* monitors.c - watchers monitor, by pid and by name, and take monitors down: each monitor that stays tells one end, once, and all the monitors of a
 * process tell the same. */
#include "scenario.h"

ES_ATOMS(bye, stop, finish, red, blue);

enum { WATCHERS = 4, TARGETS = 14, WATCHES = 40 };
enum reason { UNKNOWN, KILLED, CRASHED, NO_MEMORY, BYE };

static struct target {
    es_pid pid;
    es_ref ref;
    bool has_begun, has_ended;
    enum reason reason;
} targets[TARGETS];

struct watch {
    es_ref ref;
    int target; /* -1: by name */
    bool is_over;
};

static int index_of(es_pid pid)
{
    for (int i = 0; i < TARGETS; i++)
        if (es_pid_equal(targets[i].pid, pid))
            return i;
    return -1;
}

/* ------------------------------------------------------------ the watched */

static void notes_its_end(void *target)
{
    ((struct target *)target)->has_ended = true;
}

static void is_watched(struct target *me)
{
    if (es_own(me, notes_its_end) != ES_OK)
        es_exit(es_am_system_limit);
    me->has_begun = true;
    es_receive {
        es_case(stop) {
        }
        es_after(chance(2) ? chance(200) : 100000) {
        }
    }
    es_exit(ES_TUPLE(bye, (int)(me - targets)));
}

/* ------------------------------------------------------------ a watcher */

static enum reason reason_of(es_term reason)
{
    int of;
    if (es_match(reason, ES_TUPLE(bye, &of)))
        return BYE;
    if (es_is(reason, es_am_killed))
        return KILLED;
    if (es_is(reason, es_am_system_limit))
        return NO_MEMORY;
    return is_struck(reason) ? CRASHED : UNKNOWN;
}

static void check_reason(int k, es_term reason)
{
    struct target *target = &targets[k];
    int of;
    enum reason kind = reason_of(reason);
    if (es_is(reason, es_am_noproc)) {
        CHECK(target->has_ended || !target->has_begun || target->reason, "noproc of %d, who is alive", k);
        return;
    }
    CHECK(kind && (!target->reason || target->reason == kind), "%d: %s", k, shown(reason));
    CHECK(!es_match(reason, ES_TUPLE(bye, &of)) || of == k, "%d: %s", k, shown(reason));
    target->reason = kind;
}

static void take_down(struct watch *watches, es_ref ref, es_term object, es_term reason)
{
    int i = 0;
    while (i < WATCHES && !es_ref_equal(watches[i].ref, ref))
        i++;
    CHECK(i < WATCHES && !watches[i].is_over, "a DOWN of a monitor that is over, %s", shown(reason));
    if (i == WATCHES)
        return;
    watches[i].is_over = true;
    es_pid pid;
    if (watches[i].target < 0) {
        CHECK(es_match(object, ES_TUPLE(ES_ANY, es_am_nonode_nohost)), "%s", shown(object));
    } else {
        CHECK(es_match(object, &pid) && index_of(pid) == watches[i].target, "%s", shown(object));
        check_reason(watches[i].target, reason);
    }
}

/* One DOWN, if there is one in time. */
static bool take_one(struct watch *watches, int64_t time_ms)
{
    es_ref ref;
    es_term object, reason;
    es_receive {
        es_case(ES_TUPLE(es_am_DOWN, &ref, es_am_process, &object, &reason)) {
            take_down(watches, ref, object, reason);
            return true;
        }
        es_after(time_ms) {
        }
    }
    return false;
}

static void take_off(struct watch *watches, struct watch *one)
{
    static const int flags[] = {0, ES_DEMONITOR_FLUSH, ES_DEMONITOR_INFO,
                                ES_DEMONITOR_INFO | ES_DEMONITOR_FLUSH};
    int how = flags[chance(4)];
    bool was_over = one->is_over, was_there = es_demonitor(one->ref, how);
    CHECK((how & ES_DEMONITOR_INFO) || was_there, "es_demonitor() without INFO");
    if (how == ES_DEMONITOR_INFO && !was_there && !was_over) { /* then it is in the mailbox */
        while (!one->is_over && take_one(watches, 0)) {
        }
        CHECK(one->is_over, "no monitor, and no DOWN");
    }
    if (how == 0)
        while (take_one(watches, 0)) {
        }
    one->is_over = true;
}

static void watches_all(void)
{
    struct watch watches[WATCHES];
    for (int i = 0; i < WATCHES; i++)
        watches[i] = (struct watch){.is_over = true};
    for (int i = 0; i < WATCHES; i++) {
        int k = chance(TARGETS);
        bool is_by_name = chance(4) == 0;
        es_ref ref = is_by_name ? es_monitor(chance(2) ? red : blue) : es_monitor(targets[k].pid);
        watches[i] = (struct watch){.ref = ref, .target = is_by_name ? -1 : k};
        if (chance(3) == 0)
            take_off(watches, &watches[chance(i + 1)]);
        take_one(watches, chance(4) ? 0 : chance(10));
    }
    bool is_last = false;
    while (!is_last)
        es_receive
            es_case(finish)
                is_last = true;
    for (int i = 0; i < WATCHES; i++)
        while (!watches[i].is_over && take_one(watches, 30000)) {
        }
    for (int i = 0; i < WATCHES; i++)
        CHECK(watches[i].is_over, "no DOWN from a monitor of %d", watches[i].target);
    CHECK(!take_one(watches, 100), "one too many");
}

/* ------------------------------------------------------------ the conductor */

static void wait_for_down(es_ref ref)
{
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, ref, ES_ANY, ES_ANY, ES_ANY)) {
        }
}

static void conducts(void *unused)
{
    (void)unused;
    es_ref watchers[WATCHERS];
    es_pid pids[WATCHERS];
    for (int i = 0; i < TARGETS; i++)
        targets[i].pid = es_spawn_opt(ES_WITH(.monitor = &targets[i].ref, .name = i == 0   ? "red"
                                                                                  : i == 1 ? "blue"
                                                                                           : NULL),
                                      is_watched, &targets[i]);
    for (int i = 0; i < WATCHERS; i++)
        pids[i] = es_spawn_monitor(&watchers[i], watches_all);
    wait_until_faults_are_over();
    bool do_targets_end_first = chance(2);
    for (int i = 0; i < TARGETS && do_targets_end_first; i++)
        es_send(targets[i].pid, stop);
    for (int i = 0; i < WATCHERS; i++) {
        if (do_targets_end_first)
            es_send(pids[i], finish);
        else
            es_send_exit(pids[i], es_am_kill);
        wait_for_down(watchers[i]);
    }
    for (int i = 0; i < TARGETS; i++) {
        es_info info;
        es_is_alive(targets[i].pid);
        CHECK(!es_process_info(targets[i].pid, &info) || info.monitored_by == 1, "%d has %d monitors", i,
              (int)info.monitored_by);
        es_send(targets[i].pid, stop);
        wait_for_down(targets[i].ref);
    }
}

int main(void)
{
    return play(conducts, ES_FAULTS_ORDER | ES_FAULTS_PROCESSES);
}
