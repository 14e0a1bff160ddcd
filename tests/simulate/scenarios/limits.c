/* limits.c - mailboxes with limits: senders that wait for room, also in a circle, and receivers that drop the newest or the oldest: no room is lost,
 * what was sent with ES_OK arrives, and what was dropped is counted. */
#include "scenario.h"

ES_ATOMS(item, done, finish, stop);

enum { LIMIT = 4, SENDERS = 4, ITEMS = 20, RING = 3 };
enum state { NOT_SENT, BEGUN, OK, FAILED };

static enum state states[SENDERS][ITEMS]; /* of what is sent with es_send_wait() */
static bool has_come[SENDERS][ITEMS];
static int newest[SENDERS];
static es_pid slow, drops_newest, drops_oldest, ring[RING];

/* ------------------------------------------------------------ senders that wait, and their receiver */

static void sends_and_waits(es_term number)
{
    int s = 0;
    es_match(number, &s);
    for (int n = 0; n < ITEMS; n++) {
        int64_t timeout_ms = chance(3) ? ES_INFINITY : chance(30), begun_ns = es_now_ns();
        states[s][n] = BEGUN;
        es_err error = es_send_wait(slow, ES_TUPLE(item, s, n), timeout_ms);
        CHECK(error == ES_OK || error == ES_ECLOSED || error == ES_ENOMEM ||
                  (error == ES_ETIMEOUT && timeout_ms != ES_INFINITY &&
                   es_now_ns() - begun_ns >= timeout_ms * 1000000),
              "es_send_wait() gave %d", error);
        CHECK(error == ES_OK || !has_come[s][n], "%d of %d came, but gave %d", n, s, error);
        states[s][n] = error == ES_OK ? OK : FAILED;
    }
}

static void receives_slowly(void)
{
    for (int i = 0; i < SENDERS; i++)
        newest[i] = -1;
    for (bool is_last = false; !is_last;) {
        int s, n;
        es_receive {
            es_case(ES_TUPLE(item, &s, &n)) {
                CHECK(n > newest[s] && states[s][n] != NOT_SENT && states[s][n] != FAILED,
                      "%d of %d after %d", n, s, newest[s]);
                newest[s] = n;
                has_come[s][n] = true;
            }
            es_case(finish)
                is_last = true;
        }
        if (chance(2))
            es_sleep(chance(6));
    }
}

/* ------------------------------------------------------------ those who drop */

static struct dropper {
    int begun, sent, received; /* before es_send(), after it, by es_receive */
    int last_sent, last_received;
} droppers[2] = {{.last_sent = -1}, {.last_sent = -1}};

static void sends_on(void)
{
    for (int n = 0; n < 3 * ITEMS; n++) {
        es_pid to[2] = {drops_newest, drops_oldest};
        for (int i = 0; i < 2; i++) {
            droppers[i].begun++;
            if (es_send(to[i], ES_TUPLE(item, n)) != ES_OK)
                es_exit(es_am_system_limit);
            droppers[i].sent++;
            droppers[i].last_sent = n;
        }
        if (chance(6) == 0)
            es_sleep(chance(5));
    }
}

static void receives_some(struct dropper *me)
{
    me->last_received = -1;
    es_sleep(chance(30));
    for (;;) {
        int n;
        es_receive
            es_case(ES_TUPLE(item, &n)) {
                CHECK(n > me->last_received, "%d after %d", n, me->last_received);
                me->last_received = n;
                me->received++;
            }
        if (chance(3) == 0)
            es_sleep(chance(6));
    }
}

/* ------------------------------------------------------------ a circle */

/* Nobody takes a message out while it sends: without ES_EDEADLK all would wait for ever. */
static void sends_round(es_term number)
{
    int k = 0, got_stuck = 0;
    es_match(number, &k);
    es_receive
        es_case(item) {
        }
    for (int n = 0; n < ITEMS; n++) {
        es_err error = es_send_wait(ring[(k + 1) % RING], item, ES_INFINITY);
        CHECK(error == ES_OK || error == ES_EDEADLK || error == ES_ECLOSED || error == ES_ENOMEM, "gave %d",
              error);
        got_stuck += error == ES_EDEADLK;
        for (bool is_more = error == ES_EDEADLK; is_more;)
            es_receive {
                es_case(item) {
                }
                es_after(0)
                    is_more = false;
            }
    }
    for (bool is_last = false; !is_last;)
        es_receive {
            es_case(item) {
            }
            es_case(stop)
                is_last = true;
        }
}

/* ------------------------------------------------------------ the conductor */

static void wait_for_down(es_ref ref)
{
    es_term reason;
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, ref, ES_ANY, ES_ANY, &reason))
            CHECK(is_struck(reason) || es_is(reason, es_am_normal), "%s", shown(reason));
}

static void check_dropped(es_pid pid, const struct dropper *d)
{
    es_info info;
    es_is_alive(pid);
    if (!es_process_info(pid, &info))
        return;
    int64_t known = d->received + info.messages_dropped;
    CHECK(known >= d->sent && known <= d->begun, "%d sent, %d received, %d dropped", d->sent, d->received,
          (int)info.messages_dropped);
    CHECK(d == &droppers[0] || d->last_received >= d->last_sent, "the last was %d", d->last_received);
}

static void conducts(void *unused)
{
    (void)unused;
    es_ref senders[SENDERS + 1], ref, rings[RING];
    slow = es_spawn_opt(ES_WITH(.message_limit = LIMIT, .monitor = &ref), receives_slowly);
    drops_newest = es_spawn_opt(ES_WITH(.message_limit = LIMIT, .message_limit_policy = ES_LIMIT_DROP_NEWEST),
                                receives_some, &droppers[0]);
    drops_oldest = es_spawn_opt(ES_WITH(.message_limit = LIMIT, .message_limit_policy = ES_LIMIT_DROP_OLDEST),
                                receives_some, &droppers[1]);
    for (int i = 0; i < RING; i++)
        ring[i] = es_spawn_opt(ES_WITH(.message_limit = 2, .monitor = &rings[i]), sends_round, ES_T(i));
    for (int i = 0; i < RING; i++)
        es_send_wait(ring[i], item, ES_INFINITY);
    for (int i = 0; i < SENDERS; i++)
        es_spawn_monitor(&senders[i], sends_and_waits, i);
    es_spawn_monitor(&senders[SENDERS], sends_on);
    for (int i = 0; i < SENDERS + 1; i++)
        wait_for_down(senders[i]);
    wait_until_faults_are_over();
    bool is_whole = es_is_alive(slow);
    es_send_wait(slow, finish, ES_INFINITY);
    wait_for_down(ref);
    for (int i = 0; i < SENDERS * ITEMS && is_whole; i++)
        CHECK(states[i / ITEMS][i % ITEMS] != OK || has_come[i / ITEMS][i % ITEMS], "%d of %d is lost",
              i % ITEMS, i / ITEMS);
    check_dropped(drops_newest, &droppers[0]);
    check_dropped(drops_oldest, &droppers[1]);
    for (int i = 0; i < RING; i++) {
        es_send_wait(ring[i], stop, ES_INFINITY);
        wait_for_down(rings[i]);
    }
}

int main(void)
{
    return play(conducts, ES_FAULTS_ORDER | ES_FAULTS_PROCESSES);
}
