/* debug.c - what a behaviour's process shows of its doings: engset/sys.h. */
#include <engset/event.h>
#include <engset/server.h>
#include <engset/sys.h>
#include "story.h"
#include "base/log.h"
#include "proc/contain/report.h"

ES_ATOMS(add, in, out, statistics, no_statistics, no_debug, unknown_debug, start_time, current_time,
         messages_in, messages_out, ping, print, install, r, quit, told, idle);

typedef struct {
    int64_t total;
} counter;
ES_STRUCT(counter, total);

static es_answer counter_call(counter *self, es_term request, es_from from)
{
    int64_t n;
    (void)from;
    if (es_match(request, ES_TUPLE(add, &n)))
        return es_reply(self->total += n);
    if (es_match(request, ES_TUPLE(idle, &n)))
        return es_with_timeout(es_reply(es_am_ok), n);
    if (es_is(request, quit))
        return es_stop_reply(es_am_normal, told);
    return es_unknown(request);
}

static es_answer counter_cast(counter *self, es_term message)
{
    (void)self, (void)message;
    return es_noreply();
}

static es_answer counter_timeout(counter *self)
{
    (void)self;
    (void)es_send(told, es_am_timeout);
    return es_noreply();
}
ES_SERVER(counter_server, counter, .call = counter_call, .cast = counter_cast, .info = counter_cast,
          .timeout = counter_timeout, .state = ES_STATE(counter));

/* Lines that were logged, and the last of them. Written by who logs, read when that is over. */
static _Atomic(int) lines;
static char last_line[300];

static void take_line(int level, const char *line, size_t length)
{
    (void)level;
    if (!strstr(line, "*DBG*"))
        return;
    snprintf(last_line, sizeof last_line, "%.*s", (int)length, line);
    atomic_fetch_add(&lines, 1);
}

static es_pid started(void)
{
    atomic_store(&lines, 0);
    return es_start(&counter_server, 0);
}

static int64_t add_to(es_pid p, int64_t n)
{
    int64_t total = -1;
    EXPECT(es_match(es_call(p, ES_TUPLE(add, n), 5000), &total));
    return total;
}

STORY(a_servers_last_events_can_be_read, "SYS-05")
{
    es_term events = es_none();
    es_pid p = started();
    EXPECT(es_sys_get_log(p, &events) == ES_OK && es_is_nil(events));
    EXPECT(es_sys_log(p, 3) == ES_OK);
    add_to(p, 1);
    es_cast(p, ping);
    es_send(p, ping);
    EXPECT(es_sys_get_log(p, &events) == ES_OK &&
           es_match(events, ES_LIST(ES_TUPLE(out, 1, ES_TUPLE(es_self(), ES_ANY)),
                                    ES_TUPLE(in, ES_TUPLE(es_am_gen_cast, ping)), ES_TUPLE(in, ping))));
    EXPECT(es_sys_log(p, 5) == ES_OK);
    add_to(p, 1);
    EXPECT(es_sys_get_log(p, &events) == ES_OK && es_list_length(events) == 5);
    EXPECT(es_sys_log(p, 1) == ES_OK);
    EXPECT(es_sys_get_log(p, &events) == ES_OK &&
           es_match(events, ES_LIST(ES_TUPLE(out, 2, ES_TUPLE(es_self(), ES_ANY)))));
    EXPECT(es_sys_log(p, 0) == ES_OK);
    EXPECT(es_sys_get_log(p, &events) == ES_OK && es_is_nil(events));
}

STORY(a_servers_messages_can_be_counted, "SYS-05")
{
    es_term got_it = es_none();
    int64_t reductions = -1, into = -1, from = -1;
    es_pid p = started();
    EXPECT(es_sys_get_statistics(p, &got_it) == ES_OK && es_is(got_it, no_statistics));
    EXPECT(es_sys_statistics(p, true) == ES_OK);
    add_to(p, 1);
    add_to(p, 1);
    es_cast(p, ping);
    EXPECT(es_sys_get_statistics(p, &got_it) == ES_OK);
    es_term date = es_none();
    EXPECT(es_match(got_it, ES_LIST(ES_TUPLE(start_time, ES_TUPLE(ES_TUPLE(ES_ANY, ES_ANY, ES_ANY),
                                                                  ES_TUPLE(ES_ANY, ES_ANY, ES_ANY))),
                                    ES_TUPLE(current_time, &date), ES_TUPLE(es_am_reductions, &reductions),
                                    ES_TUPLE(messages_in, &into), ES_TUPLE(messages_out, &from))));
    EXPECT(into == 3 && from == 2 && reductions >= 0);
    EXPECT(es_sys_statistics(p, false) == ES_OK);
    EXPECT(es_sys_get_statistics(p, &got_it) == ES_OK && es_is(got_it, no_statistics));
}

STORY(a_servers_events_can_be_traced, "SYS-05")
{
    es_pid p = started();
    EXPECT(es_sys_trace(p, true) == ES_OK);
    add_to(p, 1);
    EXPECT(es_sys_trace(p, false) == ES_OK);
    EXPECT(atomic_load(&lines) == 2 && strstr(last_line, "*DBG* counter_server sent 1 to "));
    es_cast(p, ping);
    add_to(p, 1);
    EXPECT(atomic_load(&lines) == 2);
}

enum { SLOW_MS = 100 }; /* longer than it takes to end who computes */

static _Atomic(int) slow_step; /* 1: a line is being written, 2: its writer was killed, 3: it is written */

static void take_slowly(int level, const char *line, size_t length)
{
    (void)level, (void)length;
    if (!strstr(line, "*DBG*"))
        return;
    atomic_store(&slow_step, 1);
    while (atomic_load(&slow_step) == 1) {
    }
    for (int64_t until_ns = es_now_ns() + SLOW_MS * 1000000; es_now_ns() < until_ns;) {
    }
    atomic_store(&slow_step, 3);
}

REAL_STORY(a_line_of_a_trace_is_written_though_its_process_is_killed, 1, "")
{
    es_pid p = started();
    EXPECT(es_sys_trace(p, true) == ES_OK);
    atomic_store(&slow_step, 0);
    esi_log_set_sink(take_slowly);
    es_cast(p, ping);
    while (!atomic_load(&slow_step))
        es_yield();
    es_send_exit(p, es_am_kill);
    atomic_store(&slow_step, 2);
    wait_for_end(p);
    EXPECT(atomic_load(&slow_step) == 3);
    esi_log_set_sink(take_line);
}

static int64_t memory_of(es_pid p)
{
    es_info info = {0};
    add_to(p, 1);
    EXPECT(es_is_alive(p) && es_process_info(p, &info));
    return info.memory_bytes;
}

STORY(to_have_been_suspended_costs_nothing, "")
{
    es_pid p = started();
    EXPECT(es_sys_suspend(p) == ES_OK && es_sys_resume(p) == ES_OK && es_sys_resume(p) == ES_OK);
    int64_t memory = memory_of(p);
    EXPECT(es_sys_log(p, 1) == ES_OK && es_sys_no_debug(p) == ES_OK); /* gives back what is not used */
    EXPECT(memory_of(p) == memory);
}

STORY(debugging_that_is_off_costs_nothing, "SYS-05")
{
    es_info before, meanwhile, after;
    es_pid p = started();
    add_to(p, 1);
    EXPECT(es_process_info(p, &before));
    EXPECT(es_sys_statistics(p, true) == ES_OK && es_sys_log(p, 10) == ES_OK &&
           es_sys_trace(p, true) == ES_OK);
    add_to(p, 1);
    EXPECT(es_process_info(p, &meanwhile) && meanwhile.memory_bytes > before.memory_bytes);
    EXPECT(es_sys_no_debug(p) == ES_OK);
    add_to(p, 1);
    EXPECT(es_is_alive(p)); /* it is done with the call */
    EXPECT(es_process_info(p, &after) && after.memory_bytes == before.memory_bytes);
}

STORY(timeouts_and_last_replies_are_events, "SYS-05")
{
    es_term got_it = es_none();
    int64_t into = -1, from = -1;
    EXPECT(es_register(told, es_self()) == ES_OK);
    es_pid p = started();
    EXPECT(es_sys_log(p, 1) == ES_OK && es_sys_statistics(p, true) == ES_OK);
    EXPECT(es_is(es_call(p, ES_TUPLE(idle, 1), 5000), es_am_ok));
    EXPECT(got(es_am_timeout));
    EXPECT(es_sys_get_log(p, &got_it) == ES_OK && es_match(got_it, ES_LIST(ES_TUPLE(in, es_am_timeout))));
    EXPECT(es_sys_get_statistics(p, &got_it) == ES_OK &&
           es_match(got_it, ES_LIST(ES_ANY, ES_ANY, ES_ANY, ES_TUPLE(messages_in, &into),
                                    ES_TUPLE(messages_out, &from))));
    EXPECT(into == 2 && from == 1);
    EXPECT(es_sys_trace(p, true) == ES_OK);
    es_ref ref = es_monitor(p);
    EXPECT(es_is(es_call(p, quit, 5000), told));
    EXPECT(got_down(ref, p, es_am_normal));
    EXPECT(strstr(last_line, "sent told to "));
}

/* What an Erlang node's sys sends, and what it wants to hear. */
STORY(erlangs_own_requests_are_understood, "SYS-05")
{
    es_pid p = started();
    es_ref tag = es_make_ref();
#define ASKED(request, answer)                                                   \
    do {                                                                         \
        es_send(p, ES_TUPLE(es_am_system, ES_TUPLE(es_self(), tag), (request))); \
        bool is_answered = got(ES_TUPLE(tag, (answer)));                         \
        EXPECT(is_answered);                                                     \
    } while (0)
    ASKED(ES_TUPLE(es_am_debug, ES_TUPLE(es_am_trace, es_am_true)), es_am_ok);
    ASKED(ES_TUPLE(es_am_debug, ES_TUPLE(es_am_trace, es_am_false)), es_am_ok);
    ASKED(ES_TUPLE(es_am_debug, ES_TUPLE(es_am_log, es_am_true)), es_am_ok);
    es_send(p, ping);
    ASKED(ES_TUPLE(es_am_debug, ES_TUPLE(es_am_log, es_am_get)),
          ES_TUPLE(es_am_ok, ES_LIST(ES_TUPLE(in, ping))));
    ASKED(ES_TUPLE(es_am_debug, ES_TUPLE(es_am_log, print)), es_am_ok);
    EXPECT(strstr(last_line, "*DBG* counter_server: {in,ping}"));
    ASKED(ES_TUPLE(es_am_debug, ES_TUPLE(es_am_log, ES_TUPLE(es_am_true, 2))), es_am_ok);
    ASKED(ES_TUPLE(es_am_debug, ES_TUPLE(es_am_log, es_am_false)), es_am_ok);
    ASKED(ES_TUPLE(es_am_debug, ES_TUPLE(statistics, es_am_get)), ES_TUPLE(es_am_ok, no_statistics));
    ASKED(ES_TUPLE(es_am_debug, ES_TUPLE(statistics, es_am_true)), es_am_ok);
    ASKED(ES_TUPLE(es_am_debug, no_debug), es_am_ok);
    ASKED(ES_TUPLE(es_am_debug, ES_TUPLE(install, ping)), unknown_debug);
    ASKED(ES_TUPLE(es_am_debug, ES_TUPLE(es_am_log, ES_TUPLE(es_am_true, 0))), unknown_debug);
    ASKED(es_am_get_state, ES_TUPLE(ES_ANY, 0)); /* the state itself, in no {ok, …} */
}

typedef struct {
    int64_t nothing;
} plain;
ES_EVENT_HANDLER(plain_handler, plain);

STORY(an_event_manager_shows_its_events_too, "SYS-05")
{
    es_term events = es_none();
    es_pid m = es_event_start(ES_WITH(.link = true));
    EXPECT(es_event_add(m, ES_HANDLER(plain_handler), r, NULL) == ES_OK);
    EXPECT(es_sys_log(m, 5) == ES_OK);
    es_event_notify(m, ping);
    EXPECT(es_sys_get_log(m, &events) == ES_OK &&
           es_match(events, ES_LIST(ES_TUPLE(in, ES_TUPLE(es_am_notify, ping)))));
}

static void no_report(const char *text, size_t length)
{
    (void)text, (void)length;
}

int main(void)
{
    esi_report_configure();
    esi_report_set_sink(no_report);
    esi_log_set_sink(take_line);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_servers_last_events_can_be_read),
        cmocka_unit_test(a_servers_messages_can_be_counted),
        cmocka_unit_test(a_servers_events_can_be_traced),
        cmocka_unit_test(a_line_of_a_trace_is_written_though_its_process_is_killed),
        cmocka_unit_test(to_have_been_suspended_costs_nothing),
        cmocka_unit_test(debugging_that_is_off_costs_nothing),
        cmocka_unit_test(timeouts_and_last_replies_are_events),
        cmocka_unit_test(erlangs_own_requests_are_understood),
        cmocka_unit_test(an_event_manager_shows_its_events_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
