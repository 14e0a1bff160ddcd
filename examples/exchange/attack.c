/* exchange/attack.c - the exchange under attack: an application beside it that kills its processes, wherever they stand in the tree.
 *
 * The exchange knows nothing of this. The killer walks the tree from the root down, asking each supervisor for its children, and chooses evenly among the
 * kinds of processes that it finds; supervisors count as one kind, and take turns. Only the root is left alone: its end is the application's end, as in
 * OTP, and the next one up would be the operating system.
 *
 * Each kill is a line on stdout, with what became of it, and one in the exchange's journal: so whose call was lost for what can be told afterwards. */
#include "exchange.h"
#include "attack.h"

ES_ATOMS(killed);
ES_ATOM(named_exchange, "exchange");

/* ------------------------------------------------------------ the tree as it is now */

enum { FOUND_MAX = 256, ID_MAX = 24 };

struct found {
    es_pid pid, parent;
    char id[ID_MAX]; /* in the list of its supervisor */
    const char *kind;
};

struct tree {
    struct found all[FOUND_MAX];
    int count;
};

/* The kinds, as this file calls them. */
static const char *const workers[] = {"listener", "router", "registrar", "directory", "keeper",
                                      "journal",  "board",  "call",      "leg",       "farewell"};
static const char *const supervisors[] = {"front", "partition", "family", "farewells", "calls"};
enum { WORKERS = sizeof workers / sizeof *workers, SUPERVISORS = sizeof supervisors / sizeof *supervisors };

enum { TEXT_MAX = 32 };

/* A term as text, in `text`, which is given back. */
static const char *shown(es_term term, char text[static TEXT_MAX])
{
    es_print(text, TEXT_MAX, term);
    return text;
}

static const char *shown_pid(es_pid pid, char text[static TEXT_MAX])
{
    return shown(es_lend(ES_T(pid)), text);
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static const char *known(const char *id)
{
    for (int i = 0; i < WORKERS; i++)
        if (is(workers[i], id))
            return workers[i];
    for (int i = 0; i < SUPERVISORS; i++)
        if (is(supervisors[i], id))
            return supervisors[i];
    return "root";
}

/* What a child is, by its place. */
static const char *kind_of(const char *parent, const char *id)
{
    if (is(parent, "calls"))
        return "partition";
    if (is(parent, "partition"))
        return "family";
    if (is(parent, "family"))
        return is(id, "call") ? "call" : "leg";
    if (is(parent, "farewells"))
        return "farewell";
    return known(id);
}

static bool is_supervisor(const char *kind)
{
    for (int i = 0; i < SUPERVISORS; i++)
        if (is(supervisors[i], kind))
            return true;
    return is(kind, "root");
}

static void look_below(struct tree *tree, es_pid supervisor, const char *kind);

static void note_child(struct tree *tree, es_pid supervisor, const char *kind, es_term child)
{
    es_term id;
    es_pid pid;
    if (tree->count == FOUND_MAX || !es_match(child, ES_TUPLE(&id, &pid, ES_ANY, ES_ANY)))
        return; /* it does not run just now */
    struct found *f = &tree->all[tree->count++];
    *f = (struct found){.pid = pid, .parent = supervisor};
    es_print(f->id, sizeof f->id, id);
    f->kind = kind_of(kind, f->id);
    if (is_supervisor(f->kind))
        look_below(tree, pid, f->kind);
}

static bool has_call(const struct tree *tree, int from)
{
    for (int i = from; i < tree->count; i++)
        if (is(tree->all[i].kind, "call"))
            return true;
    return false;
}

static es_term nth(es_term list, uint64_t n)
{
    es_term first = es_none();
    do
        (void)!es_match(list, ES_CONS(&first, &list));
    while (n-- > 0);
    return first;
}

static uint64_t length(es_term list)
{
    uint64_t count = 0;
    while (es_match(list, ES_CONS(ES_ANY, &list)))
        count++;
    return count;
}

/* Of many children one stands for all: a family whose call is not over yet, if a few tries find one. */
static void note_one_of(struct tree *tree, es_pid supervisor, const char *kind, es_term children)
{
    const int before = tree->count;
    const uint64_t count = length(children);
    for (int tries = 0; count > 0 && tries < 8 && !has_call(tree, before); tries++) {
        tree->count = before;
        note_child(tree, supervisor, kind, nth(children, es_random() % count));
    }
}

static void look_below(struct tree *tree, es_pid supervisor, const char *kind)
{
    es_term children = es_nil(), rest, child;
    if (es_which_children(supervisor, &children) != ES_OK)
        return; /* it has just ended */
    if (is(kind, "partition") || is(kind, "farewells"))
        note_one_of(tree, supervisor, kind, children);
    else
        for (rest = children; es_match(rest, ES_CONS(&child, &rest));)
            note_child(tree, supervisor, kind, child);
    es_drop(children);
}

static void look(struct tree *tree)
{
    tree->count = 0;
    look_below(tree, es_whereis(named_exchange), "root");
}

/* One of that kind, or NULL. */
static const struct found *one_of(const struct tree *tree, const char *kind)
{
    const struct found *chosen = NULL;
    uint64_t seen = 0;
    for (int i = 0; i < tree->count; i++)
        if (is(tree->all[i].kind, kind) && es_random() % ++seen == 0)
            chosen = &tree->all[i];
    return chosen;
}

/* ------------------------------------------------------------ whose turn it is */

typedef struct {
    int64_t next_ns, pause_ns;
    int bag[WORKERS + 1], left; /* all kinds in random order, then again; the last stands for a supervisor */
    int supervisor;             /* which kind of them is next */
    int64_t kills;
} killer;

static const char *draw_kind(killer *self)
{
    if (self->left == 0)
        for (self->left = 0; self->left <= WORKERS; self->left++)
            self->bag[self->left] = self->left;
    int drawn = (int)(es_random() % (uint64_t)self->left), kind = self->bag[drawn];
    self->bag[drawn] = self->bag[--self->left];
    return kind < WORKERS ? workers[kind] : supervisors[self->supervisor++ % SUPERVISORS];
}

/* ------------------------------------------------------------ a kill */

/* Who stands where `victim` stood, or none within a moment. */
static es_pid successor(const struct found *victim)
{
    const int64_t give_up_ns = es_now_ns() + INT64_C(5000000000);
    es_term children = es_nil(), rest, child, id;
    es_pid found = ES_NO_PID, pid;
    char text[TEXT_MAX];
    while (es_pid_is_none(found) && es_now_ns() < give_up_ns &&
           es_which_children(victim->parent, &children) == ES_OK) {
        for (rest = children; es_match(rest, ES_CONS(&child, &rest));) {
            bool runs = es_match(child, ES_TUPLE(&id, &pid, ES_ANY, ES_ANY));
            if (runs && is(shown(id, text), victim->id) && !es_pid_equal(pid, victim->pid))
                found = pid;
        }
        es_drop(children);
        if (es_pid_is_none(found))
            es_sleep(1);
    }
    return found;
}

static void tell_decision(const struct found *victim, const char *above, int64_t killed_ns)
{
    char text[TEXT_MAX];
    es_pid next;
    if (is(victim->kind, "call") || is(victim->kind, "leg") || is(victim->kind, "family"))
        printf("all three of this call are stopped, none is started again; its telephones are told\n");
    else if (is(victim->kind, "farewell"))
        printf("temporary, not started again; the directory has another one say it\n");
    else if (es_pid_is_none(next = successor(victim)))
        printf("%s has not started it again\n", above);
    else
        printf("%s started it again after %.1f ms: %s\n", above, (double)(es_now_ns() - killed_ns) / 1e6,
               shown_pid(next, text));
    fflush(stdout);
}

static const char *kind_of_pid(const struct tree *tree, es_pid pid)
{
    for (int i = 0; i < tree->count; i++)
        if (es_pid_equal(tree->all[i].pid, pid))
            return tree->all[i].kind;
    return "the root";
}

static void kill_it(killer *self, const struct tree *tree, const struct found *victim)
{
    es_info info = {0};
    es_ref gone = es_monitor(victim->pid);
    char text[TEXT_MAX];
    (void)es_process_info(victim->pid, &info);
    exchange_note(killed, victim->pid, victim->kind);
    const int64_t now_ns = es_now_ns();
    es_send_exit(victim->pid, es_am_kill);
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, gone, ES_ANY, ES_ANY, ES_ANY)) {
        }
    printf("kill %3lld  %-9s %-12s %-31s ", (long long)++self->kills, victim->kind,
           shown_pid(victim->pid, text), info.label);
    tell_decision(victim, kind_of_pid(tree, victim->parent), now_ns);
}

static void kill_one(killer *self)
{
    struct tree *tree = es_alloc(sizeof *tree);
    const struct found *victim = NULL;
    look(tree);
    for (int tries = 0; !victim && tries < WORKERS + SUPERVISORS; tries++)
        victim = one_of(tree, draw_kind(self));
    if (victim)
        kill_it(self, tree, victim);
    es_free(tree);
}

/* ------------------------------------------------------------ the killer */

static es_answer wait_for_next(killer *self)
{
    int64_t left_ms = (self->next_ns - es_now_ns()) / 1000000;
    return es_with_timeout(es_noreply(), left_ms > 0 ? left_ms : 0);
}

static es_answer killer_timeout(killer *self)
{
    self->next_ns =
        es_now_ns() + self->pause_ns; /* after a long repair the kills that it took are not made up for */
    kill_one(self);
    return wait_for_next(self);
}

static es_answer killer_info(killer *self, es_term message)
{
    (void)message;
    return wait_for_next(self);
}

static void print_tree(void)
{
    struct tree *tree = es_alloc(sizeof *tree);
    char pid[TEXT_MAX];
    look(tree);
    printf("The tree, and who will be killed in it:\n  root      left alone: its end is the end of the "
           "application\n");
    for (int i = 0; i < tree->count; i++)
        printf("  %-9s %s\n", tree->all[i].kind, shown_pid(tree->all[i].pid, pid));
    es_free(tree);
}

static es_answer killer_init(killer *self, es_term args)
{
    int64_t rate = attack_setting("kills");
    (void)args;
    if (rate <= 0)
        return es_ignore();
    *self = (killer){.next_ns = es_now_ns(), .pause_ns = 1000000000 / rate};
    print_tree();
    return wait_for_next(self);
}

ES_SERVER(killer_server, killer, .init = killer_init, .timeout = killer_timeout, .info = killer_info);

/* ------------------------------------------------------------ the application */

int64_t attack_setting(const char *name)
{
    es_term value = es_none();
    int64_t number = 0;
    es_atom key;
    if (es_atom_make(name, strlen(name), &key) == ES_OK && es_application_env("attack", key, &value) == ES_OK)
        (void)!es_get_int64(value, &number);
    es_drop(value);
    return number;
}

ES_SUPERVISOR(attack_root, ES_CHILDREN({.id = "killer", ES_START(killer_server)},
                                       {.id = "injector", ES_START(injector_server)}));

ES_APPLICATION(attack, .version = "1.0.0", .supervisor = &attack_root, .needs = ES_NEEDS("exchange"),
               .env = "#{kills => 0, crashes => 0}");

ES_APPLICATION_MAIN(attack);
