/* tree.c - trees of supervisors by chance, and what goes wrong in them by chance, against a model that says what follows.
 *
 * Each process of the tree calls the recorder when it comes up, which watches it from then on; so the recorder knows who is there at any time, and
 * who came and went in which order. After each incident all settles, and the record is what the model wrote: who is stopped, who is started, in
 * which order, when a supervisor gives up. At the end many are killed at once: then what must hold whatever the order is. */
#include <engset/server.h>
#include <engset/supervisor.h>
#include <stdio.h>
#include "story.h"
#include "quiet.h"
#include "base/random.h"

ES_ATOMS(recorder, up, crash, leave, none, fails);

enum { MOST = 24, DEPTH = 4, LINES = 4000, INCIDENTS = 14, SLOT_MS = 700, SETTLE_MS = 1 };

/* ------------------------------------------------------------ the tree: 0 is its root, and a child's number is above its parent's */

static struct node {
    int parent, depth;
    bool is_supervisor, is_significant, escalates, traps;
    es_restart restart;
    es_strategy strategy;
    es_auto_shutdown auto_shutdown;
    int intensity, period_s;
} tree[MOST];
static int count;
static struct esi_random chance;

static int below(int bound)
{
    return (int)esi_random_below(&chance, (uint64_t)bound);
}

static void grow(void)
{
    count = 3 + below(MOST - 3);
    for (int i = 0; i < count; i++) {
        struct node *n = &tree[i];
        *n = (struct node){.parent = -1, .depth = 1, .is_supervisor = i == 0};
        while (i && (n->parent < 0 || !tree[n->parent].is_supervisor))
            n->parent = below(i);
        if (i) {
            n->depth = tree[n->parent].depth + 1;
            n->is_supervisor = n->depth < DEPTH && below(3) == 0;
            n->restart = below(2) ? ES_PERMANENT : (es_restart)below(3);
            n->is_significant = n->restart != ES_PERMANENT && tree[n->parent].auto_shutdown && below(2);
        }
        n->escalates = below(2);
        n->traps = below(2);
        n->strategy = (es_strategy)below(3);
        n->auto_shutdown = below(2) ? ES_SHUTDOWN_NEVER : (es_auto_shutdown)below(3);
        n->intensity = below(2) ? below(5) : 20;
        n->period_s = 1 + below(5);
    }
}

/* ------------------------------------------------------------ the model: what is to happen */

enum what { UP = 1, DOWN, FAILS };
struct line {
    enum what what;
    int who;
};

static struct line expected[LINES], seen[LINES];
static int expected_count, seen_count;
static struct {
    bool is_up, is_known;
    int fails; /* so many of its next starts */
    int64_t restarts_ms[32];
    int restart_count;
} model[MOST];
static int64_t now_ms;

static void expect(enum what what, int who)
{
    model[who].is_up = what == UP;
    if (EXPECT(expected_count < LINES))
        expected[expected_count++] = (struct line){what, who};
}

static bool is_child(int who, int parent)
{
    return who > 0 && tree[who].parent == parent && model[who].is_known;
}

/* It and all below it, the latest first. */
static void model_stop(int who)
{
    if (!model[who].is_up)
        return;
    for (int i = count - 1; i > who; i--)
        if (is_child(i, who))
            model_stop(i);
    expect(DOWN, who);
}

/* It and all below it, in order; if one does not start, none of it is left. */
static bool model_start(int who)
{
    if (model[who].fails > 0) {
        model[who].fails--;
        expect(FAILS, who);
        return false;
    }
    expect(UP, who);
    model[who].restart_count = 0;
    for (int i = who + 1; i < count; i++)
        model[i].is_known = model[i].is_known || tree[i].parent == who;
    for (int i = who + 1; i < count; i++)
        if (is_child(i, who) && !model_start(i)) {
            model_stop(who);
            return false;
        }
    return true;
}

static bool model_admits(int supervisor)
{
    int left = 0;
    int64_t *times = model[supervisor].restarts_ms;
    for (int i = 0; i < model[supervisor].restart_count; i++)
        if (now_ms - times[i] <= tree[supervisor].period_s * 1000)
            times[left++] = times[i];
    bool admits = left < tree[supervisor].intensity;
    if (admits)
        times[left++] = now_ms;
    model[supervisor].restart_count = left;
    return admits;
}

/* `who` is started again, and whom the strategy takes along: gives who could not be started, or 0. */
static int model_round(int supervisor, int who)
{
    bool all = tree[supervisor].strategy == ES_ONE_FOR_ALL, one = tree[supervisor].strategy == ES_ONE_FOR_ONE;
    int first = all ? 1 : who, last = one ? who : count - 1;
    for (int i = last; i >= first; i--)
        if (is_child(i, supervisor)) {
            model_stop(i);
            model[i].is_known = tree[i].restart != ES_TEMPORARY;
        }
    for (int i = first; i <= last; i++)
        if (is_child(i, supervisor) && !model_start(i))
            return i;
    return 0;
}

static void model_ended(int supervisor, int who, bool is_failure);

static void model_gives_up(int supervisor)
{
    model_stop(supervisor);
    if (supervisor)
        model_ended(tree[supervisor].parent, supervisor, tree[supervisor].escalates);
}

static bool model_shuts_down(int supervisor, int who)
{
    bool is_last = true;
    for (int i = 1; i < count; i++)
        is_last = is_last && !(is_child(i, supervisor) && tree[i].is_significant && model[i].is_up);
    return tree[who].is_significant && (tree[supervisor].auto_shutdown == ES_SHUTDOWN_ON_ANY || is_last);
}

/* A child ended, and is down. */
static void model_ended(int supervisor, int who, bool is_failure)
{
    es_restart restart = tree[who].restart;
    if (restart == ES_PERMANENT || (restart == ES_TRANSIENT && is_failure)) {
        for (int next = who; next; next = model_round(supervisor, next))
            if (!model_admits(supervisor)) {
                model_gives_up(supervisor);
                return;
            }
        return;
    }
    model[who].is_known = restart != ES_TEMPORARY;
    if (model_shuts_down(supervisor, who))
        model_gives_up(supervisor);
}

/* ------------------------------------------------------------ the recorder: what happens */

static struct {
    es_pid pid;
    es_ref ref;
    bool is_up;
    int fails;
} actual[MOST];

static void record(enum what what, int who)
{
    actual[who].is_up = what == UP;
    if (EXPECT(seen_count < LINES))
        seen[seen_count++] = (struct line){what, who};
}

/* Who comes up is there once, its parent is there; who goes leaves nobody below it. */
static void check(enum what what, int who)
{
    if (what == UP)
        EXPECT(!actual[who].is_up && (who == 0 || actual[tree[who].parent].is_up));
    for (int i = who + 1; what == DOWN && i < count; i++)
        EXPECT(tree[i].parent != who || !actual[i].is_up);
}

static void came_up(es_term from, int64_t who, es_pid pid)
{
    bool is_to_fail = actual[who].fails > 0;
    check(is_to_fail ? FAILS : UP, (int)who);
    actual[who].fails -= is_to_fail;
    record(is_to_fail ? FAILS : UP, (int)who);
    if (!is_to_fail) {
        actual[who].pid = pid;
        actual[who].ref = es_monitor(pid);
    }
    es_reply_to(from, is_to_fail ? fails : up);
}

static void went(es_ref ref)
{
    for (int i = 0; i < count; i++)
        if (actual[i].is_up && es_ref_equal(actual[i].ref, ref)) {
            check(DOWN, i);
            record(DOWN, i);
        }
}

static void records(void)
{
    es_term from;
    es_ref ref;
    es_pid pid;
    int64_t who;
    for (;;)
        es_receive {
            es_case_call(from, ES_TUPLE(up, &who, &pid)) {
                came_up(from, who, pid);
            }
            es_case(ES_TUPLE(es_am_DOWN, &ref, ES_ANY, ES_ANY, ES_ANY)) {
                went(ref);
            }
        }
}

/* ------------------------------------------------------------ who is in the tree */

static bool comes_up(es_term args, int64_t *who)
{
    es_term answer;
    EXPECT(es_match(args, who));
    answer = es_call(recorder, ES_TUPLE(up, *who, es_self()), ES_INFINITY);
    return es_is(answer, up);
}

typedef struct {
    int64_t who;
} worker;

static es_answer worker_init(worker *self, es_term args)
{
    if (!comes_up(args, &self->who))
        return es_stop(fails);
    es_trap_exit(tree[self->who].traps);
    return es_ok();
}

static es_answer worker_cast(worker *self, es_term message)
{
    es_term reason;
    (void)self;
    if (es_match(message, ES_TUPLE(leave, &reason)))
        return es_stop(reason);
    es_exit(crash);
}
ES_SERVER(tree_worker, worker, .init = worker_init, .cast = worker_cast);

static es_answer describes(es_supervisor_spec *spec, es_term args);
ES_SUPERVISOR(tree_supervisor, .init = describes);

/* The spec of a supervisor, by its number. */
static es_answer describes(es_supervisor_spec *spec, es_term args)
{
    static es_child_spec children[MOST][MOST];
    static char names[MOST][16], numbers[MOST][16];
    int64_t who;
    comes_up(args, &who);
    const struct node *n = &tree[who];
    *spec = (es_supervisor_spec){.strategy = n->strategy,
                                 .intensity = n->intensity ? n->intensity : ES_NO_RESTARTS,
                                 .period_s = n->period_s,
                                 .auto_shutdown = n->auto_shutdown,
                                 .children = children[who]};
    for (int i = (int)who + 1; i < count; i++) {
        if (tree[i].parent != who)
            continue;
        snprintf(names[i], sizeof names[i], "n%d", i);
        snprintf(numbers[i], sizeof numbers[i], "%d", i);
        children[who][spec->child_count++] =
            (es_child_spec){.id = names[i],
                            .behaviour = tree[i].is_supervisor ? &tree_supervisor : &tree_worker,
                            .args = numbers[i],
                            .restart = tree[i].restart,
                            .type = tree[i].is_supervisor ? ES_CHILD_SUPERVISOR : ES_CHILD_WORKER,
                            .significant = tree[i].is_significant,
                            .escalate = tree[i].escalates};
    }
    return es_ok();
}

/* ------------------------------------------------------------ the story */

static void show(const char *title, const struct line *lines, int lines_count)
{
    static const char *const words[] = {"", "+", "-", "!"};
    print_message("%s:", title);
    for (int i = 0; i < lines_count; i++)
        print_message(" %s%d", words[lines[i].what], lines[i].who);
    print_message("\n");
}

/* All has settled: it happened as the model says. */
static bool is_as_expected(void)
{
    int same = 0;
    while (same < seen_count && same < expected_count && seen[same].what == expected[same].what &&
           seen[same].who == expected[same].who)
        same++;
    if (EXPECT(same == seen_count && same == expected_count))
        return true;
    show("expected", expected, expected_count);
    show("seen    ", seen, seen_count);
    return false;
}

/* A worker that is up, or -1. */
static int someone(void)
{
    for (int tries = 0; tries < 4 * MOST; tries++) {
        int who = below(count);
        if (actual[who].is_up && !tree[who].is_supervisor)
            return who;
    }
    return -1;
}

/* Some do not come back at once. */
static void spoil_starts(void)
{
    for (int i = 1; i < count; i++) {
        model[i].fails = actual[i].fails = 0;
        if (!tree[i].is_supervisor && below(8) == 0)
            model[i].fails = actual[i].fails = 1 + below(2);
    }
}

static void incident(int who)
{
    int how = below(5);
    expect(DOWN, who);
    model_ended(tree[who].parent, who, how < 3 || (how == 3 && tree[who].escalates));
    if (how == 0)
        es_send_exit(actual[who].pid, es_am_kill);
    else if (how < 3)
        es_cast(actual[who].pid, crash);
    else
        es_cast(actual[who].pid, ES_TUPLE(leave, how == 3 ? es_am_shutdown : es_am_normal));
}

/* Many at once, in whatever order it is seen: each permanent child of who is up is up. */
static void storm(void)
{
    for (int i = 1; i < count; i++) {
        actual[i].fails = below(8) == 0;
        if (actual[i].is_up && !tree[i].is_supervisor && below(3) == 0)
            es_send_exit(actual[i].pid, es_am_kill);
    }
    for (int i = 0; i < count; i++)
        actual[i].fails *= !tree[i].is_supervisor;
    es_sleep(SETTLE_MS);
    for (int i = 1; i < count; i++)
        EXPECT(tree[i].restart != ES_PERMANENT || !actual[tree[i].parent].is_up || actual[i].is_up);
}

static void begin(void)
{
    memset(model, 0, sizeof model);
    memset(actual, 0, sizeof actual);
    expected_count = seen_count = 0;
    es_trap_exit(true);
    es_spawn_opt(ES_WITH(.name = "recorder"), records);
    grow();
}

static long incidents, failed_starts, given_up, storms_survived;

static void goes_wrong_again_and_again(void)
{
    begin();
    es_pid root = es_start_link(&tree_supervisor, 0);
    int64_t start_ns = es_now_ns();
    model_start(0);
    for (int i = 0; i < INCIDENTS && is_as_expected() && actual[0].is_up && someone() >= 0; i++) {
        now_ms += (int64_t)SLOT_MS * below(4);
        int64_t early_ms = now_ms - (es_now_ns() - start_ns) / 1000000;
        es_sleep(early_ms > 0 ? early_ms : 0);
        spoil_starts();
        incident(someone());
        incidents++;
        es_sleep(SETTLE_MS);
    }
    is_as_expected();
    for (int i = 0; i < seen_count; i++)
        failed_starts += seen[i].what == FAILS;
    given_up += !actual[0].is_up;
    storm();
    storms_survived += actual[0].is_up;
    if (actual[0].is_up)
        es_send_exit(root, es_am_shutdown);
    EXPECT(got_exit(root, es_am_shutdown));
    es_sleep(SETTLE_MS);
    for (int i = 0; i < count; i++)
        EXPECT(!actual[i].is_up);
}

static void a_tree_does_what_the_model_says(void **state)
{
    long seeds = rounds(20000) > 2000 ? rounds(20000) : 2000;
    (void)state;
    for (long seed = 1; seed <= seeds; seed++) {
        now_ms = 0;
        esi_random_seed(&chance, (uint64_t)seed);
        story_begin(goes_wrong_again_and_again);
        story_check(es_run_simulated((uint64_t)seed, story_first, NULL, NULL, NULL), "simulated",
                    (unsigned long)seed);
    }
    print_message("%ld trees: %ld incidents, %ld starts failed, %ld roots gave up, %ld survived the storm\n",
                  seeds, incidents, failed_starts, given_up, storms_survived);
    assert_true(incidents > 2 * seeds && failed_starts > 0 && given_up > 0 && storms_survived > 0);
}

int main(void)
{
    be_quiet();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_does_what_the_model_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
