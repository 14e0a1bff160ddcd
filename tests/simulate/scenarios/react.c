/* react.c - storms of processes that wait without a stack, and trees of them: who is asked counts those below it that live, who loses its parent ends,
 * and when all is over nobody is left. */
#include "scenario.h"

ES_ATOMS(count, counted, wither, sparks);

enum { CHILDREN = 3, DEPTH = 4 };

/* One of a tree. While it counts it waits for those children that `owes` holds as bits. */
typedef struct node {
    int32_t depth, sum;
    uint32_t owes;
    es_pid parent, asker, children[CHILDREN];
} node;
ES_STRUCT(node, depth, sum, owes, parent, asker, children);

static int ended_sparks, begun_sparks;

static void grows(es_term family);

static void tell_if_counted(node *me)
{
    if (me->owes || es_pid_is_none(me->asker))
        return;
    SEND(me->asker, ES_TUPLE(counted, es_self(), me->sum + 1));
    me->asker = ES_NO_PID;
}

static void ask_children(node *me, es_pid asker)
{
    me->asker = asker;
    me->sum = 0;
    me->owes = 0;
    for (int i = 0; i < CHILDREN; i++)
        if (!es_pid_is_none(me->children[i])) {
            me->owes |= 1u << i;
            SEND(me->children[i], ES_TUPLE(count, es_self()));
        }
    tell_if_counted(me);
}

/* A child has answered, or is gone. */
static void hear_of_child(node *me, es_pid child, int its_sum, bool is_gone)
{
    for (int i = 0; i < CHILDREN; i++) {
        if (!es_pid_equal(me->children[i], child))
            continue;
        CHECK(is_gone || me->owes >> i & 1, "an answer that nobody asked for");
        me->sum += its_sum;
        me->owes &= ~(1u << i);
        if (is_gone)
            me->children[i] = ES_NO_PID;
        tell_if_counted(me);
    }
}

/* es_spawn(f, number): the number arrives, and nothing else. */
static void is_a_spark(es_term number)
{
    int64_t n = -1;
    CHECK(es_match(number, ES_TUPLE(sparks, &n)) && n >= 0 && n < 3, "%s", shown(number));
    es_term stray;
    es_receive {
        es_case(&stray)
            CHECK(false, "a message of somebody who lived here before: %s", shown(stray));
        es_after(n) {
        }
    }
    ended_sparks++;
}

static es_next handles(void *state, es_term message)
{
    node *me = state;
    es_pid pid;
    int sum;
    if (es_match(message, ES_TUPLE(count, &pid)))
        ask_children(me, pid);
    else if (es_match(message, ES_TUPLE(counted, &pid, &sum)))
        hear_of_child(me, pid, sum, false);
    else if (es_match(message, ES_TUPLE(es_am_DOWN, ES_ANY, ES_ANY, &pid, ES_ANY))) {
        if (es_pid_equal(pid, me->parent))
            return ES_STOP;
        hear_of_child(me, pid, 0, true);
    } else if (es_is(message, wither))
        return ES_STOP;
    else
        CHECK(false, "%s", shown(message));
    for (int64_t i = 0; i < chance(4); i++)
        begun_sparks += !es_pid_is_none(es_spawn(is_a_spark, ES_TUPLE(sparks, i)));
    return ES_CONTINUE;
}

static void grows(es_term family)
{
    node *me = es_new(node);
    if (!es_match(family, ES_TUPLE(&me->parent, &me->depth)))
        es_exit(es_am_badarg);
    es_monitor(me->parent);
    es_ref ref;
    for (int i = 0; i < CHILDREN && me->depth < DEPTH; i++)
        if (chance(4))
            me->children[i] = es_spawn_monitor(&ref, grows, ES_TUPLE(es_self(), me->depth + 1));
    es_react(handles, me);
}

/* ------------------------------------------------------------ who plants */

static int count_tree(es_pid root)
{
    int sum = 0;
    es_ref ref = es_monitor(root);
    es_send(root, ES_TUPLE(count, es_self()));
    es_receive {
        es_case(ES_TUPLE(counted, root, &sum)) {
        }
        es_case(ES_TUPLE(es_am_DOWN, ref, ES_ANY, ES_ANY, ES_ANY)) {
        }
    }
    es_demonitor(ref, ES_DEMONITOR_FLUSH);
    return sum;
}

static int64_t others_alive(void)
{
    es_pid pids[1];
    return es_processes(pids, 1) - 1;
}

static void plants(void *unused)
{
    (void)unused;
    for (int i = 0; i < 5; i++) {
        es_pid root = es_spawn(grows, ES_TUPLE(es_self(), 0));
        for (int j = chance(4); j > 0; j--)
            count_tree(root);
        es_sleep(i == 4 ? FAULTS_MS + 1500 : chance(FAULTS_MS / 4));
        int sum = count_tree(root);
        es_sleep(10); /* sparks go out */
        if (now_ms() > FAULTS_MS + 1500 + 1000)
            CHECK(sum == count_tree(root), "it was %d", sum);
        es_sleep(10);
        if (i == 4)
            CHECK(sum == others_alive(), "%d counted, %lld live", sum, (long long)others_alive());
        es_send(root, wither);
    }
    es_sleep(100);
    CHECK(others_alive() == 0, "%lld are left", (long long)others_alive());
    CHECK(ended_sparks <= begun_sparks, "%d of %d", ended_sparks, begun_sparks);
}

int main(void)
{
    return play(plants, ES_FAULTS_ORDER | ES_FAULTS_PROCESSES);
}
