/* links.c - processes link and unlink each other at random, and end at random: who is linked is told once, with the right reason, and
 * nobody after es_unlink().
 *
 * At the end, when all is quiet, they end one by one: as many are told as the one had links. */
#include "scenario.h"

ES_ATOMS(hello, go, ready, settle, settled, leave, own);

enum { MEMBERS = 8, ACTS = 30 };

static struct member {
    es_pid pid;
    es_ref ref;
    bool traps, has_ended, is_told_of;
    int exits_from[MEMBERS];           /* that it was told, but `noproc` */
    int begun[MEMBERS], done[MEMBERS]; /* its es_link() to each: before the call, after it */
    int free_until[MEMBERS];           /* no EXIT unless the two have begun more links than that */
} members[MEMBERS];

static es_pid conductor;

static int index_of(es_pid pid)
{
    for (int i = 0; i < MEMBERS; i++)
        if (es_pid_equal(members[i].pid, pid))
            return i;
    return -1;
}

static int links_begun(const struct member *a, const struct member *b)
{
    return a->begun[b - members] + b->begun[a - members];
}

static void notes_its_end(void *member)
{
    ((struct member *)member)->has_ended = true;
}

/* ------------------------------------------------------------ a member */

static void take_exit(struct member *me, es_pid from, es_term reason)
{
    int k = index_of(from);
    CHECK(k >= 0 && members[k].has_ended, "an EXIT of who is alive, %s", shown(reason));
    CHECK(k < 0 || links_begun(me, &members[k]) > me->free_until[k], "an EXIT without a link, %s",
          shown(reason));
    if (k < 0 || es_is(reason, es_am_noproc))
        return;
    int of = -1;
    bool is_own = es_match(reason, ES_TUPLE(own, &of));
    CHECK(is_struck(reason) || es_is(reason, es_am_normal) || is_own, "%s", shown(reason));
    CHECK(me->exits_from[k]++ == 0, "a second EXIT from %d", k);
}

static void take_exits(struct member *me)
{
    for (bool is_more = true; is_more;) {
        es_pid from;
        es_term reason;
        es_receive {
            es_case(ES_TUPLE(es_am_EXIT, &from, &reason))
                take_exit(me, from, reason);
            es_after(0)
                is_more = false;
        }
    }
}

static void link_with(struct member *me, int k)
{
    me->begun[k]++;
    es_link(members[k].pid);
    me->done[k]++;
}

/* All links of the other's making are here, none is on its way: so from here on only a new one can bring an EXIT. */
static void unlink_from(struct member *me, int k)
{
    int begun = links_begun(me, &members[k]);
    bool is_calm = members[k].done[me - members] == members[k].begun[me - members];
    es_is_alive(members[k].pid);
    take_exits(me);
    if (es_unlink(members[k].pid) != ES_OK)
        return;
    bool is_sure = is_calm && links_begun(me, &members[k]) == begun;
    take_exits(me);
    if (is_sure)
        me->free_until[k] = begun;
}

static void act(struct member *me)
{
    int k = chance(MEMBERS);
    switch (chance(40)) {
    case 0:
        es_exit(ES_TUPLE(own, (int)(me - members)));
    case 1:
        es_send_exit(members[k].pid, es_am_kill);
        break;
    case 2 ... 5:
        es_sleep(chance(20));
        break;
    case 6 ... 9:
        take_exits(me);
        break;
    case 10 ... 24:
        link_with(me, k);
        break;
    default:
        if (&members[k] != me)
            unlink_from(me, k);
    }
}

/* All that the others sent, and what they answered, is here. */
static void settle_down(struct member *me)
{
    for (int i = 0; i < 2 * MEMBERS; i++)
        es_is_alive(members[i % MEMBERS].pid);
    take_exits(me);
}

static void lives(struct member *me)
{
    es_trap_exit(me->traps);
    if (es_own(me, notes_its_end) != ES_OK)
        es_exit(es_am_system_limit);
    SEND(conductor, ES_TUPLE(hello, es_self()));
    es_receive
        es_case(go) {
        }
    for (int i = 0; i < ACTS; i++)
        act(me);
    es_trap_exit(true);
    SEND(conductor, ES_TUPLE(ready, es_self()));
    for (;;)
        es_receive {
            es_pid from;
            es_term reason;
            es_case(ES_TUPLE(es_am_EXIT, &from, &reason))
                take_exit(me, from, reason);
            es_case(settle) {
                settle_down(me);
                SEND(conductor, ES_TUPLE(settled, es_self()));
            }
            es_case(leave)
                es_exit(ES_TUPLE(own, (int)(me - members)));
        }
}

/* ------------------------------------------------------------ the conductor */

static void take_down(es_pid pid, es_term reason)
{
    int k = index_of(pid), of = -1;
    members[k].is_told_of = members[k].has_ended = true;
    bool is_own = es_match(reason, ES_TUPLE(own, &of));
    CHECK(!members[k].traps || is_struck(reason) || (is_own && of == k), "%d traps, and ended by %s", k,
          shown(reason));
    CHECK(is_struck(reason) || es_is(reason, es_am_normal) || es_is(reason, es_am_noproc) ||
              (is_own && members[of].has_ended),
          "%d ended by %s", k, shown(reason));
}

/* Waits until each has said `word` or is gone. */
static void wait_for_all(es_atom word)
{
    bool has_said[MEMBERS] = {false};
    for (int i = 0; i < MEMBERS; i++)
        while (!has_said[i] && !members[i].is_told_of) {
            es_pid pid;
            es_term reason;
            es_receive {
                es_case(ES_TUPLE(word, &pid))
                    has_said[index_of(pid)] = true;
                es_case(ES_TUPLE(es_am_DOWN, ES_ANY, ES_ANY, &pid, &reason))
                    take_down(pid, reason);
            }
        }
}

static void tell_all(es_atom word)
{
    for (int i = 0; i < MEMBERS; i++)
        es_send(members[i].pid, word);
}

static void ask_to_leave(struct member *one)
{
    es_info info;
    if (one->is_told_of || !es_process_info(one->pid, &info))
        return;
    int told = 0;
    es_send(one->pid, leave);
    while (!one->is_told_of) {
        es_pid pid;
        es_term reason;
        es_receive
            es_case(ES_TUPLE(es_am_DOWN, ES_ANY, ES_ANY, &pid, &reason))
                take_down(pid, reason);
    }
    es_sleep(1); /* a monitor may be told before a link: all have been when the clock moves */
    tell_all(settle);
    wait_for_all(settled);
    for (int i = 0; i < MEMBERS; i++)
        told += members[i].exits_from[one - members];
    CHECK(told == info.links, "%d had %d links, and %d were told", (int)(one - members), (int)info.links,
          told);
}

static void conducts(void *unused)
{
    (void)unused;
    conductor = es_self();
    for (int i = 0; i < MEMBERS; i++) {
        members[i].traps = chance(2);
        members[i].pid = es_spawn_opt(ES_WITH(.monitor = &members[i].ref), lives, &members[i]);
    }
    wait_for_all(hello);
    tell_all(go);
    wait_for_all(ready);
    wait_until_faults_are_over();
    tell_all(settle);
    wait_for_all(settled);
    for (int i = 0; i < MEMBERS; i++)
        ask_to_leave(&members[i]);
}

int main(void)
{
    return play(conducts, ES_FAULTS_ORDER | ES_FAULTS_PROCESSES);
}
