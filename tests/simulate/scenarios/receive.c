/* receive.c - selective receive from a mailbox that grows past a hundred messages: by one tag, by two, by sender, by reference, by a guard that
 * receives too: each message is received once, and what a receive passes over it did not want. */
#include "scenario.h"

ES_ATOMS(alpha, beta, gamma, delta, note, ask, answer, finish);

enum { SENDERS = 3, NOTES = 120, TAGS = 4 };

static es_atom tag_of(int number)
{
    const es_atom tags[TAGS] = {alpha, beta, gamma, delta};
    return tags[number];
}

/* What was sent, by whom; the sender writes it, the receiver marks what it has got. */
static struct {
    int tag;
    bool is_taken, is_hidden; /* hidden: shown to a guard just now */
} sent[SENDERS][NOTES];
static int begun[SENDERS], done[SENDERS]; /* how many, before es_send() and after it */

/* What a receive wants; -1: all the same. */
struct wish {
    int tag, other_tag, sender, odd;
};

static bool wants(const struct wish *w, int s, int n)
{
    int tag = sent[s][n].tag;
    return (w->tag < 0 || tag == w->tag || tag == w->other_tag) && (w->sender < 0 || s == w->sender) &&
           (w->odd < 0 || n % 2 == w->odd);
}

/* The first that the receive may not pass over, of the first `limit` of that sender; -1: none. */
static int first_wanted(const struct wish *w, int s, int limit)
{
    for (int n = 0; n < limit; n++)
        if (!sent[s][n].is_taken && !sent[s][n].is_hidden && wants(w, s, n))
            return n;
    return -1;
}

/* ------------------------------------------------------------ who sends */

static void sends(int64_t number)
{
    int s = (int)number;
    while (begun[s] < NOTES) {
        int n = begun[s];
        sent[s][n].tag = chance(TAGS);
        begun[s]++;
        SEND(note, ES_TUPLE(tag_of(sent[s][n].tag), s, n));
        done[s]++;
        es_ref ref;
        es_pid from;
        if (n % 40 == 39)
            es_sleep(chance(20));
        es_receive {
            es_case(ES_TUPLE(ask, &from, &ref))
                SEND(from, ES_TUPLE(answer, ref, s));
            es_after(0) {
            }
        }
    }
    for (;;) {
        es_ref ref;
        es_pid from;
        es_receive {
            es_case(ES_TUPLE(ask, &from, &ref))
                SEND(from, ES_TUPLE(answer, ref, s));
            es_case(finish)
                return;
        }
    }
}

static void sends_of(es_term number)
{
    int64_t s;
    if (es_match(number, &s))
        sends(s);
}

/* ------------------------------------------------------------ who receives */

static void take(const struct wish *w, int s, int n)
{
    CHECK(n < begun[s] && !sent[s][n].is_taken && wants(w, s, n), "%d of %d: %s", n, s,
          sent[s][n].is_taken ? "for the second time" : "not wanted");
    CHECK(first_wanted(w, s, n) < 0, "%d of %d before %d", n, s, first_wanted(w, s, n));
    sent[s][n].is_taken = true;
}

static void receive_by(struct wish w, int64_t time_ms);

/* A guard that receives something else, sometimes; the message that it is asked about is out of sight meanwhile. */
static bool is_odd(int s, int n, int odd)
{
    if (chance(10) == 0) {
        sent[s][n].is_hidden = true;
        receive_by((struct wish){chance(TAGS), -1, -1, -1}, 0);
        sent[s][n].is_hidden = false;
    }
    return n % 2 == odd;
}

/* The time-out's expression receives something else, sometimes. */
static int64_t time_after(int64_t time_ms)
{
    if (time_ms && chance(3) == 0)
        receive_by((struct wish){chance(TAGS), chance(TAGS), -1, -1}, 0);
    return time_ms;
}

static void receive_by(struct wish w, int64_t time_ms)
{
    int before[SENDERS], s, n;
    for (int i = 0; i < SENDERS; i++)
        before[i] = done[i];
    es_atom any;
    es_receive {
        es_case_when(ES_TUPLE(w.tag < 0 ? alpha : tag_of(w.tag), &s, &n), w.tag >= 0 && w.odd < 0)
            take(&w, s, n);
        es_case_when(ES_TUPLE(w.other_tag < 0 ? alpha : tag_of(w.other_tag), &s, &n), w.other_tag >= 0)
            take(&w, s, n);
        es_case_when(ES_TUPLE(&any, w.sender, &n), w.sender >= 0)
            take(&w, w.sender, n);
        es_case_when(ES_TUPLE(&any, &s, &n), w.odd >= 0 && is_odd(s, n, w.odd))
            take(&w, s, n);
        es_after(time_after(time_ms)) {
            for (int i = 0; i < SENDERS; i++)
                CHECK(first_wanted(&w, i, before[i]) < 0, "%d of %d is there, and was not found",
                      first_wanted(&w, i, before[i]), i);
        }
    }
}

static void receive_by_tag(int tag)
{
    struct wish w = {tag, -1, -1, -1};
    int s, n, before[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        before[i] = done[i];
    es_receive {
        es_case(ES_TUPLE(tag_of(tag), &s, &n))
            take(&w, s, n);
        es_after(time_after(chance(2))) {
            for (int i = 0; i < SENDERS; i++)
                CHECK(first_wanted(&w, i, before[i]) < 0, "%d of %d is there, and was not found",
                      first_wanted(&w, i, before[i]), i);
        }
    }
}

static void receive_by_tags(int tag, int other_tag)
{
    struct wish w = {tag, other_tag, -1, -1};
    int s, n;
    es_receive {
        es_case(ES_TUPLE(tag_of(other_tag), &s, &n))
            take(&w, s, n);
        es_case(ES_TUPLE(tag_of(tag), &s, &n))
            take(&w, s, n);
        es_after(time_after(chance(5))) {
        }
    }
}

static void receive_by_reference(es_pid sender, int s)
{
    es_ref monitor = es_monitor(sender), ref = es_make_ref();
    int from = -1;
    es_send(sender, ES_TUPLE(ask, es_self(), ref));
    es_receive {
        es_case(ES_TUPLE(answer, ref, &from))
            CHECK(from == s, "an answer of %d", from);
        es_case(ES_TUPLE(es_am_DOWN, monitor, ES_ANY, ES_ANY, ES_ANY)) {
        }
    }
    es_demonitor(monitor, ES_DEMONITOR_FLUSH);
}

static bool is_all_taken(void)
{
    static const struct wish all = {-1, -1, -1, -1};
    for (int s = 0; s < SENDERS; s++)
        if (first_wanted(&all, s, done[s]) >= 0)
            return false;
    return true;
}

static void receives(void *unused)
{
    (void)unused;
    es_pid senders[SENDERS];
    CHECK(es_register(note, es_self()) == ES_OK, "no name");
    for (int s = 0; s < SENDERS; s++)
        senders[s] = es_spawn(sends_of, s);
    es_sleep(chance(2) ? 0 : chance(60));
    int64_t end_ns = es_now_ns() + (FAULTS_MS + 1500) * INT64_C(1000000);
    int round = 0;
    for (; es_now_ns() < end_ns || !is_all_taken(); round++) {
        int s = chance(SENDERS);
        switch (chance(8)) {
        case 0:
            receive_by((struct wish){chance(TAGS), chance(TAGS), -1, -1}, chance(3));
            break;
        case 1:
            receive_by((struct wish){-1, -1, s, -1}, chance(3));
            break;
        case 2:
            receive_by((struct wish){-1, -1, -1, chance(2)}, chance(3));
            break;
        case 3:
            receive_by_reference(senders[s], s);
            break;
        case 4 ... 5:
            receive_by_tags(chance(TAGS), chance(TAGS));
            break;
        default:
            receive_by_tag(chance(TAGS));
        }
        if (is_all_taken())
            es_sleep(chance(300));
        CHECK(round < 30000, "it takes too long");
        if (is_broken)
            return;
    }
}

int main(void)
{
    return play(receives, ES_FAULTS_ORDER | ES_FAULT_KILL | ES_FAULT_CRASH | ES_FAULT_NO_MEMORY);
}
