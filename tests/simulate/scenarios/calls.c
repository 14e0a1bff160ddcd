/* calls.c - clients ask servers that are slow, answer twice or by others, and die: each call ends with its answer or a failure that is
 * documented, and nothing of it shows in the mailbox, now or later. */
#include "scenario.h"

ES_ATOMS(bank, twice, surely, bye);

enum { CLIENTS = 5, CALLS = 25, ANSWER_WITHIN_MS = 30 };

/* ------------------------------------------------------------ a server */

static void reply(es_term from, int n)
{
    if (es_reply_to(from, n) == ES_ENOMEM)
        es_exit(es_am_system_limit);
}

static void answers_for_another(es_term work)
{
    es_term from;
    int n;
    if (!es_match(work, ES_TUPLE(&from, &n)))
        return;
    es_sleep(chance(ANSWER_WITHIN_MS));
    reply(from, 2 * n);
}

static void answer(es_term from, int n, bool surely_so)
{
    switch (chance(surely_so ? 4 : 8)) {
    case 0:
        es_sleep(chance(ANSWER_WITHIN_MS));
        reply(from, 2 * n);
        return;
    case 1:
        reply(from, 2 * n);
        es_reply_to(from, 2 * n + 1); /* goes nowhere */
        return;
    case 4:
        es_spawn(answers_for_another, ES_TUPLE(from, n));
        return;
    case 5: /* no answer at all */
        return;
    case 6:
        if (chance(4) == 0)
            es_exit(ES_TUPLE(bye, n));
        __attribute__((fallthrough));
    default:
        reply(from, 2 * n);
    }
}

static void serves(void)
{
    for (;;) {
        es_term from;
        int n;
        es_receive {
            es_case_call(from, ES_TUPLE(twice, &n))
                answer(from, n, false);
            es_case_call(from, ES_TUPLE(surely, &n))
                answer(from, n, true);
        }
    }
}

/* ------------------------------------------------------------ a client */

static bool is_documented(es_term reason)
{
    return is_struck(reason) || es_is(reason, es_am_noproc) || es_match(reason, ES_TUPLE(bye, ES_ANY));
}

static void check_quiet(int64_t time_ms)
{
    es_term stray;
    es_receive {
        es_case(&stray)
            CHECK(false, "left in the mailbox: %s", shown(stray));
        es_after(time_ms) {
        }
    }
}

static es_err ask(int n, int64_t *timeout_ms, es_term *out)
{
    es_pid server = es_whereis(bank);
    bool is_sure = chance(4) == 0;
    *timeout_ms = is_sure ? ES_INFINITY : chance(2 * ANSWER_WITHIN_MS);
    if (es_pid_is_none(server) || chance(2))
        return is_sure ? es_try_call(bank, ES_TUPLE(surely, n), *timeout_ms, out)
                       : es_try_call(bank, ES_TUPLE(twice, n), *timeout_ms, out);
    return is_sure ? es_try_call(server, ES_TUPLE(surely, n), *timeout_ms, out)
                   : es_try_call(server, ES_TUPLE(twice, n), *timeout_ms, out);
}

static void call_and_check(int n)
{
    int answered = 0;
    int64_t timeout_ms, begun_ns = es_now_ns();
    es_term out = es_none();
    es_err error = ask(n, &timeout_ms, &out);
    switch (error) {
    case ES_OK:
        CHECK(es_match(out, &answered) && answered == 2 * n, "twice %d is %s", n, shown(out));
        break;
    case ES_ETIMEOUT:
        CHECK(timeout_ms != ES_INFINITY && es_now_ns() - begun_ns >= timeout_ms * 1000000, "too early");
        break;
    case ES_ECLOSED:
        CHECK(is_documented(out), "a call that failed by %s", shown(out));
        break;
    default:
        CHECK(error == ES_ENOMEM, "a call that gave %d", error);
    }
    if (error == ES_OK || error == ES_ECLOSED)
        es_drop(out);
    check_quiet(0);
}

static void calls_and_may_exit(void)
{
    int n = chance(1000), answered = -1;
    es_term out = es_call(bank, ES_TUPLE(twice, n), chance(ANSWER_WITHIN_MS));
    CHECK(es_match(out, &answered) && answered == 2 * n, "twice %d is %d", n, answered);
    check_quiet(0);
}

static void let_one_call(void)
{
    es_ref ref;
    es_term reason;
    if (es_pid_is_none(es_spawn_monitor(&ref, calls_and_may_exit)))
        return;
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, ref, ES_ANY, ES_ANY, &reason)) {
            CHECK(is_documented(reason) || es_is(reason, es_am_timeout) || es_is(reason, es_am_normal),
                  "a caller that ended by %s", shown(reason));
        }
}

static void calls_often(void)
{
    for (int i = 0; i < CALLS; i++) {
        if (chance(5) == 0)
            let_one_call();
        else
            call_and_check(chance(1000));
        es_sleep(chance(3));
    }
    check_quiet(4 * ANSWER_WITHIN_MS + 1500);
}

/* ------------------------------------------------------------ who keeps the servers */

static void keeps(void *unused)
{
    (void)unused;
    es_ref server, clients[CLIENTS], ref;
    es_spawn_opt(ES_WITH(.monitor = &server, .name = "bank"), serves);
    for (int i = 0; i < CLIENTS; i++)
        es_spawn_monitor(&clients[i], calls_often);
    for (int left = CLIENTS; left > 0;) {
        es_receive
            es_case(ES_TUPLE(es_am_DOWN, &ref, ES_ANY, ES_ANY, ES_ANY)) {
            }
        if (es_ref_equal(ref, server))
            es_spawn_opt(ES_WITH(.monitor = &server, .name = "bank"), serves);
        else
            left--;
    }
}

int main(void)
{
    return play(keeps, ES_FAULTS_ORDER | ES_FAULTS_PROCESSES);
}
