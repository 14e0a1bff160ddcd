/* aliases.c - references that are sent to: until es_unalias(), or for one message; monitors that are aliases too. What comes by one that is over does
 * not arrive. */
#include "scenario.h"

ES_ATOMS(use, by, finish);

enum { OWNERS = 3, USERS = 3, ALIASES = 30 };
enum kind { EXPLICIT, REPLY, MONITOR_EXPLICIT, MONITOR_DEMONITOR, MONITOR_REPLY };

/* From when it is known to be over no message by it may come. */
static struct alias {
    es_ref ref, monitor_of;
    enum kind kind;
    int owner, begun, done, come; /* messages by it: before the send, after it, at its owner */
    bool is_made, is_over;
} aliases[OWNERS * ALIASES];

static es_pid users[USERS];

/* ------------------------------------------------------------ who sends by them */

static void uses(void)
{
    for (;;) {
        int a, times;
        es_receive {
            es_case(ES_TUPLE(use, &a, &times)) {
                for (; times > 0; times--) {
                    aliases[a].begun++;
                    SEND(aliases[a].ref, ES_TUPLE(by, a));
                    aliases[a].done++;
                    if (chance(3) == 0)
                        es_sleep(chance(3));
                }
            }
            es_case(finish)
                return;
        }
    }
}

/* ------------------------------------------------------------ whose they are */

static bool is_for_one(enum kind kind)
{
    return kind == REPLY || kind == MONITOR_REPLY;
}

static void take(int owner, int a)
{
    struct alias *alias = &aliases[a];
    CHECK(alias->owner == owner && !alias->is_over, "a message by %d, which is over", a);
    alias->come++;
    CHECK(alias->come <= alias->begun && (!is_for_one(alias->kind) || alias->come == 1), "%d of %d by %d",
          alias->come, alias->begun, a);
    alias->is_over = is_for_one(alias->kind);
}

/* The DOWN of a monitor that is an alias too ends that one, but for an explicit one. */
static void take_down(int owner, es_ref ref)
{
    for (int a = owner * ALIASES; a < (owner + 1) * ALIASES; a++)
        if (es_ref_equal(aliases[a].ref, ref)) {
            CHECK(aliases[a].kind >= MONITOR_EXPLICIT, "a DOWN of an alias");
            CHECK(aliases[a].kind != MONITOR_REPLY || aliases[a].come == 0, "a DOWN after the answer");
            aliases[a].is_over = aliases[a].kind != MONITOR_EXPLICIT;
            return;
        }
    CHECK(false, "a DOWN of nothing");
}

static void take_all(int owner, int64_t time_ms)
{
    for (;;) {
        int a;
        es_ref ref;
        es_receive {
            es_case(ES_TUPLE(by, &a))
                take(owner, a);
            es_case(ES_TUPLE(es_am_DOWN, &ref, ES_ANY, ES_ANY, ES_ANY))
                take_down(owner, ref);
            es_after(time_ms)
                return;
        }
    }
}

static void make_one(struct alias *alias, es_pid user)
{
    static const es_alias_mode modes[] = {ES_ALIAS_EXPLICIT_UNALIAS, ES_ALIAS_REPLY,
                                          ES_ALIAS_EXPLICIT_UNALIAS, ES_ALIAS_DEMONITOR,
                                          ES_ALIAS_REPLY_DEMONITOR};
    alias->kind = (enum kind)chance(5);
    es_monitor_options how = {.alias = modes[alias->kind]};
    alias->ref = alias->kind < MONITOR_EXPLICIT ? es_alias(how.alias) : es_monitor_opt(user, &how);
    alias->is_made = true;
}

/* What is in the mailbox stays when an alias is ended: it is taken first, and what comes between is taken after. */
static void end_one(int owner, int a)
{
    struct alias *alias = &aliases[a];
    bool ends_monitor = alias->kind >= MONITOR_EXPLICIT && chance(2), was_over = alias->is_over;
    if (ends_monitor)
        es_demonitor(alias->ref, ES_DEMONITOR_FLUSH);
    bool is_ended = !ends_monitor || alias->kind != MONITOR_EXPLICIT;
    if (!ends_monitor)
        CHECK(!es_unalias(alias->ref) || !was_over, "%d was over, and was not", a);
    take_all(owner, 0);
    alias->is_over = is_ended || alias->is_over;
}

static void owns(es_term number)
{
    int owner = 0;
    es_match(number, &owner);
    for (int i = 0; i < ALIASES; i++) {
        int a = owner * ALIASES + i, user = chance(USERS), other = owner * ALIASES + chance(i + 1);
        aliases[a].owner = owner;
        make_one(&aliases[a], users[user]);
        SEND(users[user], ES_TUPLE(use, a, 1 + chance(3)));
        if (chance(2))
            take_all(owner, chance(3));
        if (chance(3) == 0 && aliases[other].is_made)
            end_one(owner, other);
    }
    take_all(owner, 1500);
    for (int i = owner * ALIASES; i < (owner + 1) * ALIASES; i++)
        CHECK(aliases[i].kind != EXPLICIT || aliases[i].is_over || aliases[i].come >= aliases[i].done,
              "%d of %d by %d", aliases[i].come, aliases[i].done, i);
}

static void conducts(void *unused)
{
    (void)unused;
    es_ref owners[OWNERS];
    for (int i = 0; i < USERS; i++)
        users[i] = es_spawn(uses);
    for (int i = 0; i < OWNERS; i++)
        es_spawn_monitor(&owners[i], owns, i);
    for (int i = 0; i < OWNERS; i++)
        es_receive
            es_case(ES_TUPLE(es_am_DOWN, owners[i], ES_ANY, ES_ANY, ES_ANY)) {
            }
    for (int i = 0; i < USERS; i++)
        es_send(users[i], finish);
}

int main(void)
{
    return play(conducts, ES_FAULTS_ORDER | ES_FAULTS_PROCESSES);
}
