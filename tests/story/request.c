/* request.c - asking without waiting, and what a server bears, as a user of engset/request.h and engset/server.h sees it. */
#include <engset/request.h>
#include <engset/server.h>
#include <engset/sys.h>
#include "story.h"
#include "quiet.h"

ES_ATOMS(add, get, later, unknown, quit, r, first, second, label, a_server, hold, hibernate, filler, ready,
         send_request);

typedef struct {
    int64_t total;
    es_term held; /* the `from` of a call that is answered later */
} counter;

static es_answer counter_call(counter *self, es_term request, es_from from)
{
    int64_t n;
    if (es_match(request, ES_TUPLE(add, &n)))
        return es_reply(self->total += n);
    if (es_match(request, &n))
        return es_reply(n);
    if (es_is(request, hold)) {
        self->held = es_keep(from);
        return es_noreply();
    }
    if (es_is(request, get)) {
        es_reply_to(self->held, later);
        return es_reply(es_am_ok);
    }
    if (es_is(request, quit))
        return es_stop(r);
    if (es_is(request, hibernate)) {
        es_info info;
        EXPECT(es_process_info(es_self(), &info) && info.has_stack);
        return es_with_hibernate(es_reply(es_am_ok));
    }
    return es_unknown(request);
}
ES_SERVER(counter_server, counter, .call = counter_call);

static es_pid started(void)
{
    return es_start(&counter_server, 0);
}

STORY(a_request_is_answered_later, "")
{
    es_term out = es_none();
    int64_t n = 0;
    es_pid p = started();
    es_request a = es_send_request(p, ES_TUPLE(add, 3)), b = es_send_request(p, ES_TUPLE(add, 4));
    EXPECT(es_receive_response(b, 5000, &out) == ES_OK && es_match(out, &n) && n == 7);
    EXPECT(es_receive_response(a, 5000, &out) == ES_OK && es_match(out, &n) && n == 3);
    EXPECT(es_register(a_server, p) == ES_OK);
    a = es_send_request(a_server, ES_TUPLE(add, 0));
    EXPECT(es_receive_response(a, 5000, &out) == ES_OK && es_match(out, &n) && n == 7);
    a = es_send_request(ES_TUPLE(a_server, es_am_nonode_nohost), ES_TUPLE(add, 1));
    EXPECT(es_receive_response(a, 5000, &out) == ES_OK && es_match(out, &n) && n == 8);
    EXPECT(is_quiet());
}

STORY(a_response_that_is_late_is_dropped_or_waited_for_again, "GSV-32")
{
    es_term out = es_none();
    es_pid p = started();
    es_request id = es_send_request(p, hold);
    EXPECT(es_receive_response(id, 5, &out) == ES_ETIMEOUT);
    EXPECT(es_is(es_call(p, get, 5000), es_am_ok));
    EXPECT(is_quiet());
    id = es_send_request(p, hold);
    EXPECT(es_wait_response(id, 5, &out) == ES_ETIMEOUT);
    EXPECT(es_is(es_call(p, get, 5000), es_am_ok));
    EXPECT(es_wait_response(id, 5000, &out) == ES_OK && es_is(out, later));
    EXPECT(is_quiet());
}

STORY(a_request_to_who_is_not_there_or_ends_says_so, "GSV-33")
{
    es_term out = es_none();
    es_request id = es_send_request(dead_pid(), get);
    EXPECT(es_receive_response(id, 5000, &out) == ES_ECLOSED && es_is(out, es_am_noproc));
    id = es_send_request(a_server, get);
    EXPECT(es_receive_response(id, 5000, &out) == ES_ECLOSED && es_is(out, es_am_noproc));
    id = es_send_request(started(), quit);
    EXPECT(es_receive_response(id, 5000, &out) == ES_ECLOSED && es_is(out, r));
    id = es_send_request(started(), unknown);
    EXPECT(es_receive_response(id, 5000, &out) == ES_ECLOSED &&
           es_match(out, ES_TUPLE(es_am_undef, unknown)));
    EXPECT(is_quiet());
}

static void asks_a_number(es_term unused)
{
    (void)unused;
    es_send_request(42, get);
}

STORY(a_request_to_what_can_be_no_server_is_an_error, "")
{
    es_ref ref;
    es_spawn_monitor(&ref, asks_a_number, r);
    EXPECT(got_down(ref, ES_ANY, ES_TUPLE(es_am_badarg, send_request)));
}

STORY(a_message_can_be_checked_for_a_response, "")
{
    es_term out = es_none(), message = es_none();
    es_pid p = started();
    es_request id = es_send_request(p, ES_TUPLE(add, 3)), other = es_send_request(dead_pid(), get);
    EXPECT(es_check_response(es_from_atom(add), id, &out) == ES_ENOTFOUND);
    for (int i = 0; i < 2; i++)
        es_receive
            es_case(&message) {
                es_err error = es_check_response(message, id, &out);
                if (error == ES_OK)
                    EXPECT(es_match(out, 3));
                else
                    EXPECT(error == ES_ENOTFOUND && es_check_response(message, other, &out) == ES_ECLOSED &&
                           es_is(out, es_am_noproc));
            }
    EXPECT(is_quiet());
}

STORY(requests_can_be_waited_for_together, "")
{
    es_response got_it;
    es_request ids[4];
    es_term labels[4];
    int64_t n = 0, sum = 0;
    es_pid p = started();
    es_requests *set = es_requests_new();
    EXPECT(es_requests_receive(set, 5000, true, &got_it) == ES_ENOTFOUND);
    for (int i = 0; i < 3; i++)
        EXPECT(es_requests_add(set, es_send_request(p, i * 10), ES_TUPLE(label, i)) == ES_OK);
    EXPECT(es_requests_add(set, es_send_request(dead_pid(), get), first) == ES_OK);
    EXPECT(es_requests_size(set) == 4 && es_requests_list(set, ids, labels, 4) == 4);
    EXPECT(es_match(labels[2], ES_TUPLE(label, 2)) && es_is(labels[3], first));
    EXPECT(es_requests_add(set, ids[1], second) == ES_EEXIST);
    for (int i = 0; i < 4; i++) {
        es_err error = es_requests_receive(set, 5000, true, &got_it);
        if (es_is(got_it.label, first))
            EXPECT(error == ES_ECLOSED && es_is(got_it.answer, es_am_noproc));
        else
            EXPECT(error == ES_OK && es_match(got_it.label, ES_TUPLE(label, &n)) &&
                   es_match(got_it.answer, n * 10));
        sum++;
    }
    EXPECT(sum == 4 && es_requests_size(set) == 0);
    EXPECT(is_quiet());
    es_requests_free(set);
}

STORY(requests_of_a_set_are_given_up_together, "GSV-32")
{
    es_response got_it;
    es_pid p = started();
    es_requests *set = es_requests_new();
    es_requests_add(set, es_send_request(p, hold), first);
    EXPECT(es_requests_wait(set, 5, false, &got_it) == ES_ETIMEOUT && es_requests_size(set) == 1);
    EXPECT(es_is(es_call(p, get, 5000), es_am_ok));
    EXPECT(es_requests_wait(set, 5000, false, &got_it) == ES_OK && es_is(got_it.answer, later));
    EXPECT(es_requests_size(set) == 1);
    es_requests_free(set);
    set = es_requests_new();
    es_requests_add(set, es_send_request(p, hold), first);
    EXPECT(es_requests_receive(set, 5, false, &got_it) == ES_ETIMEOUT && es_requests_size(set) == 0);
    EXPECT(es_is(es_call(p, get, 5000), es_am_ok));
    EXPECT(is_quiet());
    es_requests_add(set, es_send_request(p, 7), second);
    es_term message = es_none();
    es_receive
        es_case(&message) {
            EXPECT(es_requests_check(set, es_from_atom(r), true, &got_it) == ES_ENOTFOUND);
            EXPECT(es_requests_check(set, message, true, &got_it) == ES_OK && es_match(got_it.answer, 7) &&
                   es_is(got_it.label, second));
        }
    es_requests_free(set);
}

CASE(a_request_outside_of_a_process_is_none, 1, "")
{
    es_term out = es_none();
    es_request id = esi_send_request(es_from_atom(a_server), es_from_atom(get)), none = {0};
    assert_memory_equal(&id, &none, sizeof id);
    assert_int_equal(es_receive_response(id, 0, &out), ES_ENOPROC);
}

ES_ATOM(elsewhere, "elsewhere@nohost");

STORY(many_nodes_are_asked_at_once, "GSV-34")
{
    es_pid p = started();
    EXPECT(es_register(a_server, p) == ES_OK);
    es_term both = es_multi_call(ES_LIST(elsewhere, es_am_nonode_nohost), a_server, ES_TUPLE(add, 3), 5000);
    EXPECT(es_match(both, ES_TUPLE(ES_LIST(ES_TUPLE(es_am_nonode_nohost, 3)), ES_LIST(elsewhere))));
    both = es_multi_call(ES_LIST(es_am_nonode_nohost), first, get, 5000);
    EXPECT(es_match(both, ES_TUPLE(ES_NIL, ES_LIST(es_am_nonode_nohost))));
    both = es_multi_call(ES_LIST(es_am_nonode_nohost), a_server, hold, 5);
    EXPECT(es_match(both, ES_TUPLE(ES_NIL, ES_LIST(es_am_nonode_nohost))));
    EXPECT(es_is(es_call(p, get, 5000), es_am_ok)); /* late */
    EXPECT(is_quiet());
}

/* ------------------------------------------------------------ what a server bears */

STORY(a_server_that_hibernates_has_no_stack_and_answers, "GSV-35")
{
    es_info info;
    int64_t n = 0;
    es_pid p = started();
    EXPECT(es_is(es_call(p, hibernate, 5000), es_am_ok));
    EXPECT(es_is_alive(p)); /* it has come back from the callback */
    while (es_process_info(p, &info) && info.state != ES_STATE_WAITING)
        es_sleep(1);
    EXPECT(!info.has_stack && info.memory_bytes < 1024);
    EXPECT(es_match(es_call(p, ES_TUPLE(add, 3), 5000), &n) && n == 3);
}

static _Atomic(int64_t) own_replies;

static void asks_its_own(es_term what)
{
    es_pid server;
    int64_t mine = 0, got_back = -1;
    EXPECT(es_match(what, ES_TUPLE(&server, &mine)));
    if (EXPECT(es_match(es_call(server, mine, ES_INFINITY), &got_back)) && EXPECT(got_back == mine))
        atomic_fetch_add(&own_replies, 1);
    EXPECT(!there_is(ES_ANY));
}

REAL_STORY(each_of_many_callers_gets_its_own_answer, rounds(100000), "GSV-37")
{
    int64_t callers = rounds(100000);
    es_pid server = started();
    atomic_store(&own_replies, 0);
    for (int64_t i = 0; i < callers; i++) {
        es_ref ref;
        es_pid pid = es_spawn_monitor(&ref, asks_its_own, ES_TUPLE(server, i));
        if (!EXPECT(!es_pid_is_none(pid)))
            return;
    }
    for (int64_t i = 0; i < callers; i++)
        EXPECT(got(ES_TUPLE(es_am_DOWN, ES_ANY, es_am_process, ES_ANY, es_am_normal)));
    EXPECT(atomic_load(&own_replies) == callers);
}

enum { CALLS = 100 };

/* What `CALLS` calls cost the caller. */
static int64_t reductions_of_calls(es_pid server)
{
    es_info before, after;
    EXPECT(es_process_info(es_self(), &before));
    for (int64_t i = 0; i < CALLS; i++) {
        int64_t n = -1;
        EXPECT(es_match(es_call(server, i, ES_INFINITY), &n) && n == i);
    }
    es_yield();
    EXPECT(es_process_info(es_self(), &after));
    return after.reductions - before.reductions;
}

static void fills(es_term to)
{
    es_pid pid;
    EXPECT(es_get_pid(to, &pid));
    for (int64_t i = rounds(200000); i > 0; i--)
        es_send(pid, ES_TUPLE(filler, i));
    es_send(pid, ready);
}

SIMULATED_STORY(a_call_does_not_look_at_a_full_mailbox, "GSV-38")
{
    es_pid server = started();
    int64_t with_none = reductions_of_calls(server);
    es_spawn(fills, es_self());
    EXPECT(got(ready));
    int64_t with_many = reductions_of_calls(server);
    EXPECT(with_many <= 2 * with_none + 100);
    es_info info;
    EXPECT(es_process_info(es_self(), &info) && info.messages == rounds(200000));
}

int main(void)
{
    be_quiet();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered_later),
        cmocka_unit_test(a_response_that_is_late_is_dropped_or_waited_for_again),
        cmocka_unit_test(a_request_to_who_is_not_there_or_ends_says_so),
        cmocka_unit_test(a_request_to_what_can_be_no_server_is_an_error),
        cmocka_unit_test(a_message_can_be_checked_for_a_response),
        cmocka_unit_test(requests_can_be_waited_for_together),
        cmocka_unit_test(requests_of_a_set_are_given_up_together),
        cmocka_unit_test(a_request_outside_of_a_process_is_none),
        cmocka_unit_test(many_nodes_are_asked_at_once),
        cmocka_unit_test(a_server_that_hibernates_has_no_stack_and_answers),
        cmocka_unit_test(each_of_many_callers_gets_its_own_answer),
        cmocka_unit_test(a_call_does_not_look_at_a_full_mailbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
