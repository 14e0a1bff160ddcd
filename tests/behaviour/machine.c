/* machine.c - proves what comes next in a state machine, by table: what its callbacks ask for, and what becomes of it.
 *
 * A script is a row of words:
 *
 *   a  a?  a!  a?!     the callbacks of event a have returned: it was handled; postponed; with a change of state
 *   .  .!              the same for an event of which nothing is kept
 *   +a                 before that they inserted event a
 *   s5t  e5t  n5t      or wanted a state, event or named time-out after 5 ms, with content t; the name is the content's first letter, so that
 *                      n5t and n7t2 are the same. Time `u`: update; `c`: cancel; 0: at once
 *   ^t                 the timer that was started for t fires
 *   >                  what comes next?
 *
 * What happens is told in the same way: t5 is started, -t its timer is cancelled, a. is over, >a comes next, >- nothing does. */
#include <stdlib.h>
#include <string.h>
#include "case.h"
#include "behaviour/machine.h"

enum { MOST = 64, TEXT = 256 };

static const struct row {
    const char *proves, *script, *told;
} rows[] = {
    {"an event that is handled is over", "a > .", "a. >-"},
    {"inserted events come in their order", "+a +b x > >  >", "x. >a >b >-"},
    {"inserted events come before those inserted earlier", "+a +b x > +c a > > >", "x. >a a. >c >b >-"},
    {"a postponed event waits for a change", "a? > x > x! >", ">- x. >- x. >a"},
    {"postponed events come in their order, once", "a? b? c? x! > a > b > c > y! >",
     "x. >a a. >b b. >c c. >- y. >-"},
    {"what a change brings back comes before what was inserted earlier", "a? +p +q x > p! > > >",
     "x. >p p. >a >q >-"},
    {"inserted events come before postponed ones", "a? +b x! > >", "x. >b >a"},
    {"an event may be postponed and change the state", "a?! >", ">a"},
    {"an event may be postponed again", "a? x! > a? > y! >", "x. >a >- y. >a"},
    {"an event that was inserted and postponed", "+a x > a? > y! >", "x. >a >- y. >a"},
    {"nothing is kept of an event that is not postponed", ". > .! >", ">- >-"},
    {"a time-out is started and fires once", "s5t x ^t ^t", "t5 x. ^t ^-"},
    {"a time-out that fired is an event", "s5t x ^t t", "t5 x. ^t t."},
    {"a time-out that fired may be postponed", "s5t x ^t t? y! >", "t5 x. ^t y. >t"},
    {"a time-out is started behind one that was updated", "s5t x suu y n6a z ^t ^a",
     "t5 x. y. t. a6 z. ^u ^a"},
    {"a change ends the state time-out", "s5t x y >", "t5 x. y. >-"},
    {"a change ends the state time-out and no named one", "s5t n7m x y! ^t ^m", "t5 m7 x. y. -t. ^- ^m"},
    {"keeping the state keeps the state time-out", "s5t x y? z ^t", "t5 x. z. ^t"},
    {"a change with a new state time-out", "s5t x s6u y! ^t ^u", "t5 x. u6 y. -t. ^- ^u"},
    {"any event ends the event time-out", "e5t x y ^t", "t5 x. y. -t. ^-"},
    {"an event of which nothing is kept ends it, too", "e5t . . ^t", "t5 -t. ^-"},
    {"a postponed event ends it, too", "e5t x y? ^t", "t5 x. -t. ^-"},
    {"an event time-out of 0 ends with an inserted event", "e0t +a x > a >", "x. >a a. t. >-"},
    {"an event time-out of 0", "e0t x > t >", "x. >t t. >-"},
    {"time-outs of 0 come after inserted and postponed events", "p? s0t +a x! > > > >", "x. >a >p >t >-"},
    {"time-outs of 0 come in their order", "n0a n0b s0t x > > > >", "x. >a >b >t >-"},
    {"a change ends a state time-out of 0", "s0t +a x > a! >", "x. >a a. t. >-"},
    {"a new one takes the place of the old one", "s5t x s6u y ^t ^u", "t5 x. u6 y. -t. ^- ^u"},
    {"of two in one transition the last one counts", "s5t s6u x ^t ^u", "t. u6 x. ^- ^u"},
    {"names are apart", "n5a n6b x ^a ^b", "a5 b6 x. ^a ^b"},
    {"a name has one", "n5a n6a2 x ^a ^a2", "a. a26 x. ^- ^a2"},
    {"cancel ends it", "s5t x scu y ^t", "t5 x. y. -t. u. ^-"},
    {"cancel of nothing", "scu x >", "x. u. >-"},
    {"cancel of one name", "n5a n6b x nca2 y ^a ^b", "a5 b6 x. y. -a. a2. ^- ^b"},
    {"cancel of a time-out of 0", "s0t +a x > scu a >", "x. >a a. t. u. >-"},
    {"an update keeps timer and place", "n5a n6b x nua2 y ^a", "a5 b6 x. y. a. ^a2"},
    {"an update of a time-out of 0 keeps its place", "n0a n0b +x y > nua2 x > >", "y. >x x. a. >a2 >b"},
    {"an update of nothing comes at once", "suu x >", "x. >u"},
    {"an update of the event time-out that the event ended comes at once", "e5t x euu y >",
     "t5 x. y. -t. >u"},
    {"a longer one in place of one of 0", "s0t +a x > s5u a > ^u", "x. >a u5 a. t. >- ^u"},
    {"0 in place of one that runs", "s5t x s0u y ^t >", "t5 x. y. -t. ^- >u"},
    {"0 in place of 0 goes to the end", "n0a n0b +x y > n0a2 x > >", "y. >x x. a. >b >a2"},
};

static struct esi_pending pool[MOST];
static char contents[MOST][8];
static int made;
static struct esi_machine machine;
static char told[TEXT];

static void tell(const char *before, const char *what, const char *after)
{
    size_t length = strlen(told);
    snprintf(told + length, sizeof told - length, "%s%s%s%s", length ? " " : "", before, what, after);
}

static const char *content_of(const struct esi_pending *p)
{
    return p ? contents[p - pool] : "-";
}

static struct esi_pending *make(es_event_type type, const char *content, size_t length)
{
    assert_true(made < MOST);
    snprintf(contents[made], sizeof contents[made], "%.*s", (int)length, content);
    pool[made] = (struct esi_pending){.event.type = type, .timer = {.id = 0}};
    if (type == ES_EVENT_NAMED_TIMEOUT)
        pool[made].event.name = (es_term){esi_word_of_small(content[0])};
    return &pool[made++];
}

static void is_over(struct esi_pending *p)
{
    if (p)
        tell(p->timer.id ? "-" : "", content_of(p), ".");
}

static void want(es_event_type type, const char *word)
{
    char *rest;
    int64_t time = *word == 'u' ? ES_UPDATE : *word == 'c' ? ES_INFINITY : strtol(word, &rest, 10);
    const char *content = time < 0 ? word + 1 : rest;
    struct esi_pending *p = make(type, content, strlen(content));
    p->time_ms = time;
    is_over(esi_machine_want(&machine, p));
}

/* An event that came back by `>` is the same when it is named again. */
static struct esi_pending *came;

static struct esi_pending *event_of(const char *word, size_t length)
{
    if (word[0] == '.')
        return NULL;
    if (came && strlen(content_of(came)) == length && strncmp(content_of(came), word, length) == 0)
        return came;
    return make(ES_EVENT_CAST, word, length);
}

static void move(const char *word)
{
    char number[8];
    size_t length = strcspn(word, "?!");
    struct esi_pending *event = event_of(word, length);
    if (strchr(word, '?'))
        machine.postpones = true;
    struct esi_plan plan = esi_machine_move(&machine, event, strchr(word, '!'));
    for (struct esi_pending *p = plan.start; p; p = p->next) {
        p->timer.id = (uint64_t)(p - pool) + 1;
        snprintf(number, sizeof number, "%d", (int)p->time_ms);
        tell("", content_of(p), number);
    }
    struct esi_pending *over[MOST];
    int count = 0;
    for (struct esi_pending *p = plan.over; p; p = p->next)
        over[count++] = p;
    while (count)
        is_over(over[--count]);
    came = NULL;
}

static void fire(const char *content)
{
    for (int i = 0; i < made; i++)
        if (strcmp(contents[i], content) == 0) {
            came = esi_machine_fired(&machine, (es_ref){.id = (uint64_t)i + 1});
            tell("^", content_of(came), "");
            return;
        }
    fail_msg("no %s", content);
}

static void play(const char *word)
{
    const char *kinds = "sen", *kind = strchr(kinds, word[0]);
    static const es_event_type types[] = {ES_EVENT_STATE_TIMEOUT, ES_EVENT_TIMEOUT, ES_EVENT_NAMED_TIMEOUT};
    if (word[0] == '>')
        tell(">", content_of(came = esi_machine_next(&machine)), "");
    else if (word[0] == '+')
        esi_machine_insert(&machine, make(ES_EVENT_INTERNAL, word + 1, strlen(word + 1)));
    else if (word[0] == '^')
        fire(word + 1);
    else if (kind)
        want(types[kind - kinds], word + 1);
    else
        move(word);
}

static void test_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[TEXT], *rest;
        snprintf(script, sizeof script, "%s", rows[i].script);
        machine = (struct esi_machine){0};
        made = 0;
        came = NULL;
        told[0] = 0;
        for (char *word = strtok_r(script, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
            play(word);
        if (strcmp(told, rows[i].told) != 0)
            fail_msg("%s: %s\n     told: %s\n expected: %s", rows[i].proves, rows[i].script, told,
                     rows[i].told);
    }
}

static void test_a_machine_is_empty_when_nothing_waits(void **state)
{
    (void)state;
    machine = (struct esi_machine){0};
    made = 0;
    came = NULL;
    assert_true(esi_machine_is_empty(&machine));
    play("s5t");
    play("x");
    assert_false(esi_machine_is_empty(&machine));
    play("^t");
    assert_true(esi_machine_is_empty(&machine));
    play("a?");
    assert_false(esi_machine_is_empty(&machine));
    play("x!");
    assert_false(esi_machine_is_empty(&machine));
    play(">");
    assert_true(esi_machine_is_empty(&machine));
    play("n0b");
    play("x");
    assert_false(esi_machine_is_empty(&machine));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table),
        cmocka_unit_test(test_a_machine_is_empty_when_nothing_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
