/* names.c - processes take names and give them back, join groups and leave them, are sent to by name, and end: a name has one holder at a time, whom it
 * finds; a group has each member as often as it joined; in the end all are free. */
#include "scenario.h"

ES_ATOMS(red, green, blue, crew, hands, note, finish);

enum { MEMBERS = 6, NAMES = 3, GROUPS = 2, ACTS = 50 };

static struct member {
    es_pid pid;
    es_ref ref;
    int joined[GROUPS];
    int name; /* -1: none */
    bool was_ever_named[NAMES];
} members[MEMBERS];
static struct member
    *holders[NAMES];       /* from when it is known to have the name until it begins to give it back */
static int changes[NAMES]; /* of holders[] */

static es_atom name_of(int number)
{
    const es_atom names[NAMES] = {red, green, blue};
    return names[number];
}

static void hold(struct member *me, int name)
{
    CHECK(!holders[name], "two have the name %d", name);
    CHECK(me->name < 0, "one has two names");
    me->name = name;
    me->was_ever_named[name] = true;
    holders[name] = me;
    changes[name]++;
}

static void let_go(struct member *me)
{
    if (me->name < 0)
        return;
    holders[me->name] = NULL;
    changes[me->name]++;
    me->name = -1;
}

static void ends(void *member)
{
    let_go(member);
}

/* ------------------------------------------------------------ a member */

static void take_a_name(struct member *me)
{
    int n = chance(NAMES), before = changes[n];
    struct member *holder = holders[n];
    me->was_ever_named[n] = true; /* a message by that name may come before es_register() is back */
    es_err error = es_register(name_of(n), es_self());
    bool is_same = changes[n] == before;
    CHECK(error == ES_OK || error == ES_ETAKEN || error == ES_ENOMEM, "es_register() gave %d", error);
    CHECK(error != ES_OK || !is_same || !holder, "a name with a holder was given away");
    CHECK(me->name < 0 || error != ES_OK, "a second name");
    if (error == ES_OK)
        hold(me, n);
}

static void give_the_name_back(struct member *me)
{
    int n = me->name;
    if (n < 0)
        return;
    let_go(me);
    es_err error = es_unregister(name_of(n));
    CHECK(error == ES_OK, "es_unregister() gave %d", error);
}

static void look_a_name_up(void)
{
    int n = chance(NAMES), before = changes[n];
    struct member *holder = holders[n];
    es_pid pid = es_whereis(name_of(n));
    if (holder && changes[n] == before)
        CHECK(es_pid_equal(pid, holder->pid), "%d is not found", n);
}

static void look_at_group(struct member *me)
{
    int g = chance(GROUPS), count = 0;
    es_pid pids[MEMBERS * ACTS];
    int64_t there = es_members(g ? crew : hands, pids, MEMBERS * ACTS);
    for (int64_t i = 0; i < there; i++)
        count += es_pid_equal(pids[i], es_self());
    CHECK(count == me->joined[g], "%d times in the group, joined %d times", count, me->joined[g]);
}

static void join_or_leave(struct member *me)
{
    int g = chance(GROUPS);
    if (chance(2)) {
        if (es_join(g ? crew : hands, es_self()) == ES_OK)
            me->joined[g]++;
    } else {
        es_err error = es_leave(g ? crew : hands, es_self());
        CHECK(error == (me->joined[g] ? ES_OK : ES_ENOTFOUND), "es_leave() gave %d", error);
        me->joined[g] -= error == ES_OK;
    }
}

static void take_notes(struct member *me, int64_t time_ms)
{
    for (int name;;)
        es_receive {
            es_case(ES_TUPLE(note, &name))
                CHECK(me->was_ever_named[name], "a note for %d", name);
            es_after(time_ms)
                return;
        }
}

static void act(struct member *me)
{
    int n = chance(NAMES);
    switch (chance(8)) {
    case 0 ... 1:
        take_a_name(me);
        break;
    case 2:
        give_the_name_back(me);
        break;
    case 3:
        look_a_name_up();
        break;
    case 4:
        es_send(name_of(n), ES_TUPLE(note, n));
        break;
    case 5:
        join_or_leave(me);
        break;
    case 6:
        look_at_group(me);
        break;
    default:
        take_notes(me, chance(4));
    }
}

static void lives(struct member *me)
{
    me->pid = es_self();
    me->name = -1;
    if (es_own(me, ends) != ES_OK)
        es_exit(es_am_system_limit);
    for (int i = 0; i < ACTS; i++)
        act(me);
}

static void begins_with_a_name(struct member *me)
{
    me->was_ever_named[0] = true;
    lives(me);
}

/* ------------------------------------------------------------ the conductor */

static void conducts(void *unused)
{
    (void)unused;
    for (int i = 0; i < 3 * MEMBERS; i++) {
        struct member *m = &members[i % MEMBERS];
        if (i >= MEMBERS) {
            es_receive
                es_case(ES_TUPLE(es_am_DOWN, m->ref, ES_ANY, ES_ANY, ES_ANY)) {
                }
            *m = (struct member){.name = -1};
        }
        es_pid pid = chance(3) ? es_spawn_opt(ES_WITH(.monitor = &m->ref), lives, m) : ES_NO_PID;
        if (es_pid_is_none(pid) &&
            es_pid_is_none(es_spawn_opt(ES_WITH(.monitor = &m->ref, .name = "red"), begins_with_a_name, m)))
            es_spawn_opt(ES_WITH(.monitor = &m->ref), lives, m);
    }
    for (int i = 0; i < MEMBERS; i++)
        es_receive
            es_case(ES_TUPLE(es_am_DOWN, members[i].ref, ES_ANY, ES_ANY, ES_ANY)) {
            }
    for (int n = 0; n < NAMES; n++)
        CHECK(es_pid_is_none(es_whereis(name_of(n))) && !holders[n], "%d is not free", n);
    CHECK(es_members(crew, NULL, 0) == 0 && es_members(hands, NULL, 0) == 0, "a group is not empty");
}

int main(void)
{
    return play(conducts, ES_FAULTS_ORDER | ES_FAULTS_PROCESSES);
}
