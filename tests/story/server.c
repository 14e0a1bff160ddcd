/* server.c - OTP's gen_server as a user of engset/server.h sees it. */
#include <engset/server.h>
#include <engset/sys.h>
#include "story.h"
#include "quiet.h"
#include "base/fail.h"
#include "platform/sanitize.h"
#include "proc/call.h"

ES_ATOMS(add, get, later, stop_it, stop_silently, crash, exit_r, nonsense, unknown, idle, zero, none, ignore,
         slow, boom, r, ping, told, ended, leave_early, reply_and_crash, quit, continued, bad_return_value,
         a_server, holds, first, second, third, bad, linked, deaf);
ES_ATOM(heartbeat, "heartbeat");

typedef struct {
    int64_t total;
    int64_t asked;
} counter;
ES_STRUCT(counter, total, asked);

/* Who is told what the server did. */
static es_atom watcher_name(void)
{
    return told;
}

static void tell(es_atom what, es_term how)
{
    (void)es_send(watcher_name(), ES_TUPLE(es_am_event, what, how));
}

static es_answer counter_init(counter *self, es_term args)
{
    es_term what;
    int64_t n;
    if (es_match(args, ES_TUPLE(es_am_stop, &what)))
        return es_stop(what);
    if (es_match(args, ES_TUPLE(exit_r, &what)))
        esi_exit(what);
    if (es_match(args, ES_TUPLE(slow, &n)))
        es_sleep(n);
    if (es_is(args, ignore))
        return es_ignore();
    if (es_is(args, nonsense))
        return (es_answer){0};
    if (es_is(args, linked))
        es_trap_exit(true);
    if (es_is(args, first)) {
        es_send(es_self(), second);
        return es_with_continue(es_ok(), ES_TUPLE(continued, first));
    }
    if (es_is(args, crash))
        return es_with_continue(es_ok(), crash);
    if (es_match(args, &n))
        self->total = n;
    return es_ok();
}

static void replies_from_elsewhere(es_term from)
{
    es_reply_to(from, later);
}

static void leaves(counter *self)
{
    self->asked = 77;
    es_answer_now(es_reply(leave_early));
}

static es_answer counter_call(counter *self, es_term request, es_from from)
{
    int64_t n;
    self->asked++;
    if (es_match(request, ES_TUPLE(add, &n)))
        return es_reply(ES_TUPLE(es_am_ok, self->total += n));
    if (es_is(request, get))
        return es_reply(self->total);
    if (es_is(request, later)) {
        es_spawn(replies_from_elsewhere, from);
        return es_noreply();
    }
    if (es_is(request, stop_it))
        return es_stop_reply(r, told);
    if (es_is(request, stop_silently))
        return es_stop(es_am_normal);
    if (es_is(request, crash))
        es_exit(boom);
    if (es_is(request, reply_and_crash)) {
        es_reply_to(from, told);
        es_exit(boom);
    }
    if (es_is(request, nonsense))
        return es_ignore();
    if (es_is(request, leave_early))
        leaves(self);
    if (es_is(request, continued))
        return es_with_continue(es_reply(es_am_ok), ES_TUPLE(continued, r));
    if (es_match(request, ES_TUPLE(idle, &n)))
        return es_with_timeout(es_reply(es_am_ok), n);
    if (es_match(request, ES_TUPLE(slow, &n))) {
        es_sleep(n);
        return es_reply(slow);
    }
    return es_unknown(request);
}

static es_answer counter_cast(counter *self, es_term message)
{
    int64_t n;
    if (es_match(message, ES_TUPLE(add, &n)))
        self->total += n;
    else if (es_is(message, crash))
        es_exit(boom);
    else if (es_is(message, bad))
        *(volatile int *)NULL = 1;
    else if (es_is(message, quit))
        return es_stop(r);
    else
        return es_unknown(message);
    return es_noreply();
}

static es_answer counter_info(counter *self, es_term message)
{
    (void)self;
    tell(es_am_info, message);
    return es_noreply();
}

static es_answer counter_continued(counter *self, es_term what)
{
    (void)self;
    if (es_is(what, crash))
        es_exit(boom);
    tell(continued, what);
    return es_noreply();
}

static void counter_terminate(counter *self, es_term reason)
{
    (void)self;
    tell(es_am_terminate, reason);
}

ES_SERVER(counter_server, counter, .init = counter_init, .call = counter_call, .cast = counter_cast,
          .info = counter_info, .continued = counter_continued, .terminate = counter_terminate,
          .state = ES_STATE(counter));

/* With nothing of its own. */
typedef struct {
    int64_t nothing;
} plain;
ES_SERVER(plain_server, plain);

/* The story's process hears what the server tells. */
static void listen_to_it(void)
{
    EXPECT(es_register(told, es_self()) == ES_OK);
}

#define heard(what, how)    got(ES_TUPLE(es_am_event, (what), (how)))
#define is_heard(what, how) there_is(ES_TUPLE(es_am_event, (what), (how)))

static es_pid started(void)
{
    es_pid pid = es_start(&counter_server, 0);
    EXPECT(!es_pid_is_none(pid));
    return pid;
}

STORY(a_server_holds_state_and_is_asked, "")
{
    int64_t total = 0;
    es_pid p = started();
    EXPECT(es_match(es_call(p, ES_TUPLE(add, 3), 5000), ES_TUPLE(es_am_ok, &total)) && total == 3);
    EXPECT(es_cast(p, ES_TUPLE(add, 4)) == ES_OK);
    EXPECT(es_match(es_call(p, get, 5000), &total) && total == 7);
    EXPECT(is_quiet());
}

STORY(init_that_stops_is_an_error_of_the_start, "GSV-01")
{
    es_term why = es_none();
    es_pid pid;
    es_trap_exit(true);
    EXPECT(es_try_start(NULL, &counter_server, ES_TUPLE(es_am_stop, r), &pid, &why) == ES_ECLOSED &&
           es_is(why, r) && strstr(es_last_detail(), "init stopped"));
    EXPECT(is_quiet());
    EXPECT(es_try_start(ES_WITH(.link = true), &counter_server, ES_TUPLE(es_am_stop, r), &pid, &why) ==
               ES_ECLOSED &&
           es_is(why, r));
    EXPECT(got_exit(ES_ANY, r));
}

STORY(init_that_ignores_gives_ignore_and_ends_normal, "GSV-02")
{
    es_pid pid;
    es_trap_exit(true);
    EXPECT(es_try_start(ES_WITH(.link = true), &counter_server, ignore, &pid, NULL) == ES_EIGNORE);
    EXPECT(got_exit(ES_ANY, es_am_normal));
}

STORY(init_that_gives_nonsense_is_a_bad_return_value, "GSV-03")
{
    es_term why = es_none();
    es_pid pid;
    EXPECT(es_try_start(NULL, &counter_server, nonsense, &pid, &why) == ES_ECLOSED);
    EXPECT(es_match(why, ES_TUPLE(bad_return_value, ES_ANY)));
}

STORY(init_that_exits_gives_its_reason, "GSV-04")
{
    es_term why = es_none();
    es_pid pid;
    EXPECT(es_try_start(NULL, &counter_server, ES_TUPLE(exit_r, ES_TUPLE(r, 1)), &pid, &why) == ES_ECLOSED);
    EXPECT(es_match(why, ES_TUPLE(r, 1)));
}

STORY(a_start_that_takes_too_long_leaves_nobody, "GSV-05 SYS-07")
{
    es_pid pid = ES_NO_PID;
    EXPECT(es_try_start(ES_WITH(.name = "a_server", .link = true, .start_timeout_ms = 5), &counter_server,
                        ES_TUPLE(slow, 10000), &pid, NULL) == ES_ETIMEOUT);
    EXPECT(es_pid_is_none(es_whereis(a_server)));
    EXPECT(is_quiet());
}

/* Who was not started is not there any more, nor is its name taken: whoever tries again at once finds no trace. */
STORY(a_start_that_failed_leaves_nobody, "")
{
    es_pid pid;
    es_term why = es_none();
    for (long n = rounds(10000); n > 0; n--) {
        const es_spawn_options *named = ES_WITH(.name = "a_server");
        EXPECT(es_try_start(named, &counter_server, ignore, &pid, NULL) == ES_EIGNORE);
        EXPECT(es_try_start(named, &counter_server, ES_TUPLE(es_am_stop, r), &pid, NULL) == ES_ECLOSED);
        EXPECT(es_try_start(named, &counter_server, ES_TUPLE(exit_r, r), &pid, &why) == ES_ECLOSED);
        EXPECT(es_is(why, r) && es_pid_is_none(es_whereis(a_server)));
    }
}

STORY(a_name_that_is_taken_gives_who_has_it, "GSV-06")
{
    es_term why = es_none();
    es_pid pid, holder;
    es_trap_exit(true);
    es_pid p = es_start_opt(ES_WITH(.name = "a_server"), &counter_server, 0);
    EXPECT(es_try_start(ES_WITH(.name = "a_server", .link = true), &counter_server, 0, &pid, &why) ==
           ES_ETAKEN);
    EXPECT(es_match(why, ES_TUPLE(es_am_already_started, &holder)) && es_pid_equal(holder, p));
    EXPECT(is_quiet());
}

STORY(continue_comes_before_what_was_sent_in_init, "GSV-07")
{
    listen_to_it();
    es_start(&counter_server, first);
    es_term what, how;
    es_receive
        es_case(ES_TUPLE(es_am_event, &what, &how))
            EXPECT(es_is(what, continued) && es_match(how, ES_TUPLE(continued, first)));
    EXPECT(heard(es_am_info, second));
}

static int64_t memory_after(es_pid p, int continues)
{
    es_info info = {0};
    for (int i = 0; i < continues; i++)
        EXPECT(es_is(es_call(p, continued, 5000), es_am_ok) && heard(continued, ES_TUPLE(continued, r)));
    es_sleep(1);
    EXPECT(es_process_info(p, &info));
    return info.memory_bytes;
}

SIMULATED_STORY(what_a_server_goes_on_with_is_not_kept, "")
{
    listen_to_it();
    es_pid p = started();
    int64_t before = memory_after(p, 2);
    EXPECT(memory_after(p, 20) == before);
}

static void answers_nobody(es_term args)
{
    (void)args;
    es_answer_now(es_noreply());
}

STORY(an_answer_outside_of_a_callback_is_an_error, "")
{
    es_ref ref;
    es_spawn_monitor(&ref, answers_nobody, none);
    EXPECT(got_down(ref, ES_ANY, ES_TUPLE(es_am_badarg, es_am_answer)));
}

static void calls(es_term to)
{
    es_pid pid;
    es_term request;
    if (es_match(to, ES_TUPLE(&pid, &request)))
        es_call(pid, request, STORY_PATIENCE_MS);
}

static es_ref caller_of(es_pid pid, es_atom request)
{
    es_ref ref;
    es_spawn_monitor(&ref, calls, ES_TUPLE(pid, request));
    return ref;
}

STORY(who_is_called_and_crashes_ends_the_caller_with_its_reason, "GSV-08 GSV-12 GSV-14")
{
    es_ref ref = caller_of(dead_pid(), get);
    EXPECT(got_down(ref, ES_ANY, es_am_noproc));
    ref = caller_of(started(), crash);
    EXPECT(got_down(ref, ES_ANY, boom));
    ref = caller_of(started(), stop_silently);
    EXPECT(got_down(ref, ES_ANY, es_am_normal));
}

SIMULATED_STORY(a_call_that_times_out_leaves_the_server_as_it_was, "GSV-10 GSV-11")
{
    es_term out = es_none();
    int64_t total = -1;
    es_pid p = started();
    EXPECT(es_try_call(p, ES_TUPLE(slow, 20), 5, &out) == ES_ETIMEOUT);
    EXPECT(es_match(es_call(p, get, 5000), &total) && total == 0);
    EXPECT(is_quiet());
}

STORY(stop_with_a_reply_gives_the_reply, "GSV-13")
{
    es_ref ref;
    listen_to_it();
    es_pid p = es_start_monitor(&ref, &counter_server, 0);
    EXPECT(es_is(es_call(p, stop_it, 5000), told));
    EXPECT(is_heard(es_am_terminate, r)); /* before the reply */
    EXPECT(got_down(ref, p, r));
}

STORY(nonsense_ends_the_server_after_terminate, "GSV-15")
{
    es_term out = es_none();
    listen_to_it();
    es_pid p = started();
    EXPECT(es_try_call(p, nonsense, 5000, &out) == ES_ECLOSED &&
           es_match(out, ES_TUPLE(bad_return_value, ignore)));
    EXPECT(heard(es_am_terminate, ES_TUPLE(bad_return_value, ignore)));
}

STORY(a_callback_may_be_left_from_any_depth_with_an_answer, "GSV-16")
{
    int64_t total = -1;
    es_pid p = es_start(&counter_server, 5);
    EXPECT(es_is(es_call(p, leave_early, 5000), leave_early));
    EXPECT(es_match(es_call(p, get, 5000), &total) && total == 5);
}

STORY(an_answer_may_come_from_another_process, "GSV-17")
{
    EXPECT(es_is(es_call(started(), later, 5000), later));
}

STORY(who_was_answered_does_not_see_the_crash_after_it, "GSV-18")
{
    EXPECT(es_is(es_call(started(), reply_and_crash, 5000), told));
}

STORY(a_cast_to_nobody_is_ok, "GSV-19")
{
    EXPECT(es_cast(dead_pid(), add) == ES_OK);
    EXPECT(es_cast(a_server, add) == ES_OK);
}

STORY(casts_and_calls_of_one_come_in_order, "GSV-20")
{
    int64_t total = 0;
    es_pid p = started();
    es_cast(p, ES_TUPLE(add, 1));
    es_cast(p, ES_TUPLE(add, 2));
    EXPECT(es_match(es_call(p, get, 5000), &total) && total == 3);
}

static void starts_one_that_is_linked(es_term to)
{
    es_pid boss;
    es_atom args;
    es_match(to, ES_TUPLE(&boss, &args));
    es_trap_exit(true);
    es_send(boss, es_start_link(&counter_server, args));
    es_term reason;
    es_receive
        es_case(ES_TUPLE(exit_, &reason))
            es_exit(reason);
}

static es_pid child_of(es_pid *parent, es_atom args)
{
    es_pid child = ES_NO_PID;
    *parent = es_spawn(starts_one_that_is_linked, ES_TUPLE(es_self(), args));
    es_receive
        es_case(&child) {
        }
    return child;
}

STORY(a_server_that_traps_ends_with_its_parent_after_terminate, "GSV-21")
{
    es_pid parent, child;
    listen_to_it();
    es_atom reasons[] = {r, es_am_normal};
    for (int i = 0; i < 2; i++) {
        child = child_of(&parent, linked);
        es_ref ref = es_monitor(child);
        es_send(parent, ES_TUPLE(exit_, reasons[i]));
        EXPECT(heard(es_am_terminate, reasons[i]));
        EXPECT(got_down(ref, child, reasons[i]));
        EXPECT(!is_heard(es_am_info, ES_ANY));
    }
}

STORY(a_server_that_does_not_trap_ends_with_its_parent_and_no_terminate, "GSV-22")
{
    es_pid parent, child;
    listen_to_it();
    child = child_of(&parent, none);
    es_ref ref = es_monitor(child);
    es_send(parent, ES_TUPLE(exit_, r));
    EXPECT(got_down(ref, child, r));
    EXPECT(is_quiet());
}

STORY(an_exit_of_another_is_a_message_for_info, "GSV-23 GSV-24")
{
    listen_to_it();
    es_pid p = es_start(&counter_server, linked), other = es_spawn(waits);
    (void)other;
    es_send_exit(p, r); /* from us, who are not linked to it: no parent's */
    EXPECT(heard(es_am_info, ES_TUPLE(es_am_EXIT, es_self(), r)));
    es_ref ref = es_monitor(p);
    es_send_exit(p, es_am_kill);
    EXPECT(got_down(ref, p, es_am_killed));
    EXPECT(!is_heard(es_am_terminate, ES_ANY));
}

STORY(a_server_can_be_stopped, "GSV-25 GSV-26 SYS-09")
{
    listen_to_it();
    es_pid p = started();
    EXPECT(es_stop_process(p, es_am_normal, 5000) == ES_OK);
    EXPECT(is_heard(es_am_terminate, es_am_normal) && !es_is_alive(p));
    p = started();
    EXPECT(es_stop_process(p, ES_TUPLE(es_am_shutdown, r), 5000) == ES_OK);
    EXPECT(is_heard(es_am_terminate, ES_TUPLE(es_am_shutdown, r)));
    EXPECT(is_quiet()); /* its answer is not left behind */
    EXPECT(es_stop_process(p, r, 5000) == ES_ECLOSED);
    EXPECT(es_stop_process(a_server, r, 5000) == ES_ECLOSED);
    p = es_spawn(waits);
    EXPECT(es_stop_process(p, r, 5) == ES_ETIMEOUT && es_is_alive(p));
}

typedef struct {
    int64_t count;
} sleeper;

static es_answer sleeper_call(sleeper *self, es_term request, es_from from)
{
    (void)from;
    int64_t n;
    if (es_match(request, &n))
        return es_with_timeout(es_reply(es_am_ok), n);
    return es_reply(self->count);
}

static es_answer sleeper_timeout(sleeper *self)
{
    self->count++;
    tell(es_am_timeout, es_from_atom(es_am_timeout));
    return es_noreply();
}
ES_SERVER(sleeper_server, sleeper, .call = sleeper_call, .timeout = sleeper_timeout);

/* Asks for the same again and again: that many times by continue, then by time-outs until it is told to stop. */
typedef struct {
    int64_t left, timeouts;
} eager;

static es_answer eager_call(eager *self, es_term request, es_from from)
{
    (void)from;
    if (es_match(request, &self->left))
        return es_with_continue(es_reply(es_am_ok), 0);
    return es_reply(self->timeouts);
}

static es_answer eager_continue(eager *self, es_term what)
{
    (void)what;
    return --self->left > 0 ? es_with_continue(es_ok(), 0) : es_with_timeout(es_ok(), 0);
}

static es_answer eager_timeout(eager *self)
{
    self->timeouts++;
    return es_with_timeout(es_ok(), 0);
}
ES_SERVER(eager_server, eager, .call = eager_call, .continued = eager_continue, .timeout = eager_timeout);

STORY(what_is_asked_for_at_once_for_ever_takes_no_stack_and_lets_others_in, "GSV-28")
{
    enum { MANY = 100000 };
    es_pid pid = es_start_link(&eager_server, none);
    es_term answer = es_call(pid, MANY, 20000);
    EXPECT(es_is(answer, es_am_ok));
    es_drop(answer);
    int64_t before = 0, after;
    do {
        after = before;
        answer = es_call(pid, get, 20000); /* a message ends the time-out */
        EXPECT(es_match(answer, &before));
        es_drop(answer);
        answer = es_call(pid, 1, 20000);
        es_drop(answer);
        es_yield();
    } while (before == after || before < 3);
    EXPECT(es_stop_process(pid, es_am_normal, 20000) == ES_OK);
}

STORY(an_idle_time_is_over_when_nobody_comes, "GSV-27 GSV-28")
{
    int64_t count = -1;
    listen_to_it();
    es_pid p = es_start(&sleeper_server, none);
    es_call(p, 3, 5000);
    EXPECT(heard(es_am_timeout, es_am_timeout));
    EXPECT(es_match(es_call(p, get, 5000), &count) && count == 1);
    es_sys_suspend(p);
    es_send(p, ES_TUPLE(es_am_gen_call, ES_TUPLE(es_self(), first), 0));
    es_send(p, ES_TUPLE(es_am_gen_call, ES_TUPLE(es_self(), second), get));
    es_sys_resume(p);
    EXPECT(got(ES_TUPLE(first, es_am_ok)));
    EXPECT(got(ES_TUPLE(second, 1))); /* a message waited: no time-out */
    EXPECT(is_quiet());
    es_call(p, 0, 5000);
    EXPECT(heard(es_am_timeout, es_am_timeout)); /* none waits: at once */
}

SIMULATED_STORY(who_comes_before_an_idle_time_is_over_ends_it, "GSV-27")
{
    int64_t count = -1;
    listen_to_it();
    es_pid p = es_start(&sleeper_server, none);
    es_call(p, 3, 5000);
    EXPECT(es_match(es_call(p, get, 5000), &count) && count == 0);
    EXPECT(is_quiet());
}

SIMULATED_STORY(what_sys_asks_begins_an_idle_time_anew, "GSV-27")
{
    listen_to_it();
    es_pid p = es_start(&sleeper_server, none);
    es_call(p, 30, 5000);
    for (int i = 0; i < 3; i++) {
        es_sleep(20);
        es_term state = es_none();
        EXPECT(es_sys_get_state(p, &state) == ES_OK);
        es_drop(state);
    }
    EXPECT(is_quiet());
    es_sleep(15);
    EXPECT(heard(es_am_timeout, es_am_timeout));
    es_call(p, 30, 5000);
    es_sys_suspend(p);
    es_sleep(100);
    es_sys_resume(p);
    es_sleep(20);
    EXPECT(is_quiet());
    es_sleep(15);
    EXPECT(heard(es_am_timeout, es_am_timeout));
}

SIMULATED_STORY(a_heartbeat_leaves_an_idle_time_alone, "")
{
    listen_to_it();
    es_pid p = es_start(&sleeper_server, none);
    es_call(p, 30, 5000);
    es_sleep(20);
    es_term answer = es_none();
    EXPECT(esi_try_call_as(es_from_atom(es_am_system), es_lend(ES_T(p)), es_lend(ES_T(heartbeat)), 5000,
                           &answer) == ES_OK);
    es_drop(answer);
    EXPECT(is_quiet());
    es_sleep(12);
    EXPECT(heard(es_am_timeout, es_am_timeout));
}

/* The note of the first idle time is in the mailbox, behind the message that ended it, when the second one begins. */
SIMULATED_STORY(an_idle_time_that_is_over_too_late_does_not_end_the_next_one, "GSV-27 GSV-28")
{
    listen_to_it();
    es_pid p = es_start(&sleeper_server, none);
    es_call(p, 30, 5000);
    EXPECT(es_suspend(p) == ES_OK);
    es_send(p, ES_TUPLE(es_am_gen_call, ES_TUPLE(es_self(), first), 30));
    es_sleep(40);
    EXPECT(es_resume(p) == ES_OK);
    EXPECT(got(ES_TUPLE(first, es_am_ok)));
    EXPECT(is_quiet());
    es_sleep(40);
    EXPECT(heard(es_am_timeout, es_am_timeout));
    EXPECT(is_quiet());
}

/* As eager, but leaves each callback by es_answer_now(). */
typedef struct {
    int64_t left, timeouts;
    bool waits; /* an idle time after the last continue */
} hasty;

static es_answer hasty_init(hasty *self, es_term args)
{
    if (es_match(args, &self->left))
        es_answer_now(es_with_continue(es_ok(), 0));
    es_answer_now(es_ok());
}

static es_answer hasty_call(hasty *self, es_term request, es_from from)
{
    (void)from;
    if (es_match(request, &self->left)) {
        self->waits = true;
        es_answer_now(es_with_continue(es_reply(es_am_ok), 0));
    }
    es_answer_now(es_reply(ES_TUPLE(self->left, self->timeouts)));
}

static es_answer hasty_continue(hasty *self, es_term what)
{
    (void)what;
    if (--self->left > 0)
        es_answer_now(es_with_continue(es_ok(), 0));
    es_answer_now(self->waits ? es_with_timeout(es_ok(), 30) : es_ok());
}

static es_answer hasty_timeout(hasty *self)
{
    tell(es_am_timeout, es_from_atom(es_am_timeout));
    if (++self->timeouts % 50)
        es_answer_now(es_with_timeout(es_ok(), 0));
    es_answer_now(es_ok());
}
ES_SERVER(hasty_server, hasty, .init = hasty_init, .call = hasty_call, .continued = hasty_continue,
          .timeout = hasty_timeout);

static bool has_counted(es_pid pid, int64_t left, int64_t timeouts)
{
    es_term answer = es_call(pid, get, 20000);
    bool is_so = es_match(answer, ES_TUPLE(left, timeouts));
    es_drop(answer);
    return is_so;
}

STORY(what_callbacks_that_are_left_early_ask_for_takes_no_stack, "GSV-28")
{
    enum { MANY = 20000 };
    listen_to_it();
    es_pid pid = es_start_link(&hasty_server, MANY);
    EXPECT(has_counted(pid, 0, 0)); /* what init went on with came before the call */
    es_drop(es_call(pid, MANY, 20000));
    EXPECT(heard(es_am_timeout, es_am_timeout)); /* nobody disturbed it: 30 ms after the last */
    for (int i = 1; i < 50; i++)
        EXPECT(heard(es_am_timeout, es_am_timeout)); /* and at once again and again */
    EXPECT(has_counted(pid, 0, 50));
    EXPECT(es_stop_process(pid, es_am_normal, 20000) == ES_OK);
}

/* Leaves what it is asked to go on with by es_answer_now(); how it begins is said by the argument. */
typedef struct {
    int64_t how, inits, rounds;
} early;

enum { BY_CONTINUE = 1, BY_IDLE_TIME, BY_HIBERNATE, BY_NO_TIME, WITH_A_MESSAGE };

static es_answer early_init(early *self, es_term args)
{
    EXPECT(es_match(args, &self->how));
    self->inits++;
    tell(first, es_lend(ES_T(self->how)));
    switch (self->how) {
    case BY_CONTINUE:
        return es_with_continue(es_ok(), 0);
    case BY_IDLE_TIME:
        es_answer_now(es_with_timeout(es_ok(), 30));
    case BY_HIBERNATE:
        es_answer_now(es_with_hibernate(es_ok()));
    case BY_NO_TIME:
        return es_with_timeout(es_ok(), 0);
    case WITH_A_MESSAGE:
        es_send(es_self(), second);
        es_answer_now(es_with_continue(es_ok(), 0));
    default:
        return es_ok();
    }
}

static ES_NORETURN void end_round(early *self)
{
    self->rounds++;
    tell(third, es_lend(ES_T(self->rounds)));
    es_answer_now(es_ok());
}

static es_answer early_continue(early *self, es_term what)
{
    (void)what;
    end_round(self);
}

static es_answer early_timeout(early *self)
{
    end_round(self);
}

static es_answer early_call(early *self, es_term request, es_from from)
{
    char text[200] = "";
    (void)from;
    if (!es_is(request, slow))
        return es_reply(ES_TUPLE(self->inits, self->rounds));
    memset(text, 'x', sizeof text - 1);
    return es_with_continue(es_with_continue(es_reply(es_am_ok), "nobody comes to this"),
                            ES_TUPLE(r, (const char *)text));
}

static es_answer early_info(early *self, es_term message)
{
    (void)self;
    tell(es_am_info, message);
    return es_noreply();
}
ES_SERVER(early_server, early, .init = early_init, .continued = early_continue, .timeout = early_timeout,
          .call = early_call, .info = early_info);

STORY(who_leaves_a_callback_early_right_after_its_birth_is_born_once, "")
{
    listen_to_it();
    for (int64_t how = BY_CONTINUE; how <= BY_NO_TIME; how++) {
        es_pid p = es_start(&early_server, how);
        EXPECT(heard(first, how));
        EXPECT(how == BY_HIBERNATE || heard(third, 1));
        es_sleep(50); /* nothing tells of what does not come */
        es_term answer = es_call(p, get, 5000);
        EXPECT(es_match(answer, ES_TUPLE(1, how == BY_HIBERNATE ? 0 : 1)));
        es_drop(answer);
    }
    EXPECT(is_quiet());
}

STORY(a_message_that_waits_survives_a_continue_that_is_left_early, "")
{
    listen_to_it();
    es_start(&early_server, WITH_A_MESSAGE);
    EXPECT(heard(first, WITH_A_MESSAGE) && heard(third, 1));
    EXPECT(heard(es_am_info, second));
    EXPECT(is_quiet());
}

/* Goes on and on by es_answer_now() while a message waits; counts what is allocated meanwhile. */
typedef struct {
    int64_t left, allocated;
} piling;

enum { UNTIL_NEVER = 1 << 30 };

static es_answer piling_init(piling *self, es_term args)
{
    EXPECT(es_match(args, &self->left));
    es_cast(es_self(), first);
    esi_fail_after(UNTIL_NEVER);
    es_answer_now(es_with_continue(es_ok(), 0));
}

static es_answer piling_continue(piling *self, es_term what)
{
    (void)what;
    if (--self->left > 0)
        es_answer_now(es_with_continue(es_ok(), 0));
    self->allocated = UNTIL_NEVER - (int64_t)atomic_load(&esi_fail_armed);
    esi_fail_stop();
    return es_ok();
}

static es_answer piling_cast(piling *self, es_term message)
{
    (void)message;
    tell(first, es_lend(ES_TUPLE(self->left, self->allocated)));
    return es_ok();
}
ES_SERVER(piling_server, piling, .init = piling_init, .continued = piling_continue, .cast = piling_cast);

/* A note a round would stay until the last one. (With a checker the stack that was left is not used again: one a round.) */
STORY(rounds_of_continue_in_front_of_a_message_take_no_memory, "")
{
    enum { ROUNDS = 20000, STACKS = ESI_ASAN || ESI_TSAN ? ROUNDS : 0 };
    int64_t left = -1, allocated = -1;
    listen_to_it();
    es_start(&piling_server, ROUNDS);
    es_receive {
        es_case(ES_TUPLE(es_am_event, first, ES_TUPLE(&left, &allocated))) {
        }
        es_after(60000) {
        }
    }
    EXPECT(left == 0 && allocated >= 0);
    EXPECT(allocated < STACKS + ROUNDS / 10);
}

static int64_t early_memory_after(es_pid p, int rounds)
{
    es_info info = {0};
    for (int i = 0; i < rounds; i++)
        es_drop(es_call(p, slow, 5000));
    es_drop(es_call(p, get, 5000));
    es_sleep(1);
    EXPECT(es_process_info(p, &info));
    return info.memory_bytes;
}

SIMULATED_STORY(what_a_callback_went_on_with_is_not_kept_when_that_is_left_early, "")
{
    es_pid p = es_start(&early_server, 0);
    int64_t before = early_memory_after(p, 2);
    EXPECT(early_memory_after(p, 20) == before);
}

/* Behind an answer with an idle time of 0 stands what is no message: OTP's loop goes on with the same time. */
static void expect_timeout_in_spite_of(es_pid p, es_literal no_message)
{
    EXPECT(es_suspend(p) == ES_OK);
    es_send(p, ES_TUPLE(es_am_gen_call, ES_TUPLE(es_self(), first), 0));
    es_send(p, no_message);
    EXPECT(es_resume(p) == ES_OK);
    EXPECT(got(ES_TUPLE(first, es_am_ok)));
    EXPECT(got(ES_TUPLE(second, ES_ANY)));
    EXPECT(heard(es_am_timeout, es_am_timeout));
}

SIMULATED_STORY(an_idle_time_of_0_is_ended_by_a_message_alone, "GSV-28")
{
    listen_to_it();
    es_pid p = es_start(&sleeper_server, none);
    expect_timeout_in_spite_of(p, ES_TUPLE(es_am_system, ES_TUPLE(es_self(), second), heartbeat));
    expect_timeout_in_spite_of(p, ES_TUPLE(es_am_system, ES_TUPLE(es_self(), second), es_am_get_state));
    es_call(p, 30, 5000);
    EXPECT(es_suspend(p) == ES_OK);
    es_send(p, ES_TUPLE(es_am_gen_call, ES_TUPLE(es_self(), first), 0));
    es_sleep(40); /* the note of the 30 ms stands behind it */
    EXPECT(es_resume(p) == ES_OK);
    EXPECT(got(ES_TUPLE(first, es_am_ok)));
    EXPECT(heard(es_am_timeout, es_am_timeout));
    EXPECT(is_quiet());
}

typedef struct {
    int64_t n;
} parcel;
ES_STRUCT(parcel, n);

/* What it does with a parcel: looks away, leaves early, takes it and leaves early. */
typedef struct {
    int64_t how;
} taker;

static es_answer taker_init(taker *self, es_term args)
{
    es_match(args, &self->how);
    return es_ok();
}

static es_answer taker_info(taker *self, es_term message)
{
    if (es_is(message, ping)) {
        tell(es_am_info, message);
        return es_noreply();
    }
    if (self->how == 0)
        return es_noreply();
    if (self->how == 2) {
        parcel *given = es_struct_of(parcel, message);
        int64_t n = -1;
        EXPECT(es_match(message, ES_TUPLE(ES_ANY, &n)) && n == given->n); /* it sees it on */
        es_free(given);
    }
    es_answer_now(es_with_continue(es_ok(), 0));
}

static es_answer taker_continue(taker *self, es_term what)
{
    (void)self, (void)what;
    es_answer_now(es_ok());
}
ES_SERVER(taker_server, taker, .init = taker_init, .info = taker_info, .continued = taker_continue);

static int64_t memory_after_parcels(es_pid p, int count)
{
    es_info info = {0};
    for (int i = 0; i < count; i++) {
        parcel *given = es_new(parcel);
        given->n = i;
        es_give(p, given);
    }
    es_sleep(20);
    EXPECT(es_process_info(p, &info));
    return info.memory_bytes;
}

SIMULATED_STORY(of_a_parcel_nothing_is_kept, "")
{
    for (int how = 0; how <= 2; how++) {
        es_pid p = es_start(&taker_server, how);
        int64_t before = memory_after_parcels(p, 2);
        EXPECT(memory_after_parcels(p, 20) == before);
    }
}

STORY(what_stands_behind_a_parcel_that_was_taken_is_not_lost, "")
{
    listen_to_it();
    es_pid p = es_start(&taker_server, 2);
    EXPECT(es_suspend(p) == ES_OK);
    es_give(p, es_new(parcel));
    es_send(p, ping);
    EXPECT(es_resume(p) == ES_OK);
    EXPECT(heard(es_am_info, ping));
}

STORY(a_suspended_server_without_a_parent_hears_that_the_node_stops, "")
{
    es_ref ref;
    es_pid p = es_start_monitor(&ref, &counter_server, linked); /* traps exits */
    EXPECT(es_sys_suspend(p) == ES_OK);
    es_send(p, ES_TUPLE(es_am_EXIT, es_am_undefined, es_am_shutdown));
    EXPECT(got_down(ref, p, es_am_shutdown));
}

STORY(an_error_in_a_callback_is_told_to_terminate, "GSV-29")
{
    es_ref ref;
    es_term where = es_none();
    listen_to_it();
    es_pid p = es_start_monitor(&ref, &counter_server, 0);
    es_cast(p, crash);
    EXPECT(heard(es_am_terminate, boom));
    EXPECT(got_down(ref, p, boom));
    p = es_start_monitor(&ref, &counter_server, crash); /* in what init asks to go on with: it is up */
    EXPECT(heard(es_am_terminate, boom));
    EXPECT(got_down(ref, p, boom));
    p = es_start_monitor(&ref, &counter_server, 0);
    es_cast(p, bad);
    EXPECT(heard(es_am_terminate, ES_TUPLE(es_am_signal, es_am_sigsegv, &where)));
    EXPECT(got_down(ref, p, ES_TUPLE(es_am_signal, es_am_sigsegv, ES_ANY)));
}

STORY(a_server_without_callbacks_has_defaults, "GSV-30 GSV-31")
{
    es_term out = es_none();
    es_pid p = es_start(&plain_server, none);
    es_send(p, ping);
    es_cast(p, ping);
    EXPECT(es_try_call(p, unknown, 5000, &out) == ES_ECLOSED &&
           es_match(out, ES_TUPLE(es_am_undef, unknown)));
    EXPECT(es_is_alive(p));
    EXPECT(es_stop_process(p, es_am_normal, 5000) == ES_OK);
}

STORY(start_monitor_watches_who_is_ready_and_nobody_else, "GSV-36")
{
    es_ref ref;
    es_pid p = es_start_monitor(&ref, &counter_server, 0);
    es_send_exit(p, es_am_kill);
    EXPECT(got_down(ref, p, es_am_killed));
    EXPECT(es_pid_is_none(es_start_monitor(&ref, &counter_server, ES_TUPLE(es_am_stop, r))));
    EXPECT(is_quiet());
}

typedef struct {
    int64_t nothing;
} breaker;

static es_answer breaker_cast(breaker *self, es_term message)
{
    (void)self, (void)message;
    es_exit(first);
}

static es_answer breaker_call(breaker *self, es_term request, es_from from)
{
    (void)self, (void)from;
    if (es_is(request, continued))
        return es_with_continue(es_reply(es_am_ok), ES_TUPLE(continued, r));
    return es_stop_reply(request, told);
}

static void breaker_terminate(breaker *self, es_term reason)
{
    (void)self;
    if (es_is(reason, bad))
        *(volatile int *)NULL = 1;
    es_exit(second);
}
ES_SERVER(breaker_server, breaker, .call = breaker_call, .cast = breaker_cast,
          .terminate = breaker_terminate);

STORY(a_crash_in_terminate_is_the_reason, "GSV-39")
{
    es_ref ref;
    es_pid p = es_start_monitor(&ref, &breaker_server, none);
    es_cast(p, ping);
    EXPECT(got_down(ref, p, second));
}

STORY(the_last_reply_is_given_though_terminate_crashes, "GSV-13 GSV-39")
{
    es_ref ref;
    es_term out = es_none();
    es_pid p = es_start_monitor(&ref, &breaker_server, none);
    EXPECT(es_try_call(p, r, 5000, &out) == ES_OK && es_is(out, told));
    EXPECT(got_down(ref, p, second));
    p = es_start_monitor(&ref, &breaker_server, none);
    EXPECT(es_try_call(p, bad, 5000, &out) == ES_OK && es_is(out, told));
    EXPECT(got_down(ref, p, ES_ANY));
}

STORY(a_server_goes_on_though_it_does_not_know_with_what, "")
{
    es_pid p = es_start(&breaker_server, none);
    for (int i = 0; i < 3; i++)
        EXPECT(es_is(es_call(p, continued, 5000), es_am_ok));
}

/* ------------------------------------------------------------ sys */

STORY(a_suspended_server_handles_messages_later_and_in_order, "SYS-01 SYS-02")
{
    int64_t total = 0;
    es_term out = es_none();
    es_pid p = started();
    EXPECT(es_sys_suspend(p) == ES_OK);
    EXPECT(es_try_call(p, get, 5, &out) == ES_ETIMEOUT);
    es_cast(p, ES_TUPLE(add, 1));
    EXPECT(es_sys_resume(p) == ES_OK);
    EXPECT(es_match(es_call(p, get, 5000), &total) && total == 1);

    es_pid parent, child;
    listen_to_it();
    child = child_of(&parent, linked);
    EXPECT(es_sys_suspend(child) == ES_OK);
    es_send(parent, ES_TUPLE(exit_, r));
    EXPECT(heard(es_am_terminate, r));
}

STORY(a_servers_state_can_be_seen_and_replaced, "SYS-03 SYS-04")
{
    es_term state = es_none();
    int64_t total = 0;
    es_pid p = es_start(&counter_server, 5);
    EXPECT(es_sys_get_state(p, &state) == ES_OK);
    EXPECT(es_match(state, ES_TUPLE(ES_ANY, 5, 0)));
    EXPECT(es_sys_replace_state(p, bad) == ES_EINVAL);
    EXPECT(es_match(es_call(p, get, 5000), &total) && total == 5);
    EXPECT(es_sys_replace_state(p, ES_TUPLE(es_lend(ES_T(es_tuple_get(state, 0))), 9, 0)) == ES_OK);
    EXPECT(es_match(es_call(p, get, 5000), &total) && total == 9);
    EXPECT(es_sys_change_code(p, none, none) == ES_EINVAL);
    EXPECT(es_sys_suspend(p) == ES_OK && es_sys_change_code(p, none, none) == ES_OK);
}

/* ------------------------------------------------------------ the start protocol */

static void acknowledges(es_term what)
{
    if (es_is(what, r))
        es_exit(r);
    if (es_is(what, slow))
        es_sleep(ES_INFINITY);
    if (es_is(what, none))
        return;
    es_init_ack(ES_TUPLE(es_am_ok, what));
    es_init_ack(bad); /* once */
    waits();
}

STORY(a_function_can_be_started_and_waited_for, "SYS-06 SYS-07 SYS-08")
{
    es_term answer = es_none();
    es_trap_exit(true);
    EXPECT(es_start_function(ES_WITH(.link = true), acknowledges, first, &answer) == ES_OK);
    EXPECT(es_match(answer, ES_TUPLE(es_am_ok, first)));
    EXPECT(es_start_function(ES_WITH(.link = true), acknowledges, r, &answer) == ES_ECLOSED &&
           es_is(answer, r));
    EXPECT(is_quiet());
    EXPECT(es_start_function(ES_WITH(.link = true), acknowledges, none, &answer) == ES_ECLOSED &&
           es_is(answer, es_am_normal));
    EXPECT(es_start_function(ES_WITH(.link = true, .start_timeout_ms = 5), acknowledges, slow, &answer) ==
           ES_ETIMEOUT);
    EXPECT(is_quiet());
}

int main(void)
{
    be_quiet();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_holds_state_and_is_asked),
        cmocka_unit_test(init_that_stops_is_an_error_of_the_start),
        cmocka_unit_test(init_that_ignores_gives_ignore_and_ends_normal),
        cmocka_unit_test(init_that_gives_nonsense_is_a_bad_return_value),
        cmocka_unit_test(init_that_exits_gives_its_reason),
        cmocka_unit_test(a_start_that_takes_too_long_leaves_nobody),
        cmocka_unit_test(a_start_that_failed_leaves_nobody),
        cmocka_unit_test(a_name_that_is_taken_gives_who_has_it),
        cmocka_unit_test(continue_comes_before_what_was_sent_in_init),
        cmocka_unit_test(what_a_server_goes_on_with_is_not_kept),
        cmocka_unit_test(an_answer_outside_of_a_callback_is_an_error),
        cmocka_unit_test(who_is_called_and_crashes_ends_the_caller_with_its_reason),
        cmocka_unit_test(a_call_that_times_out_leaves_the_server_as_it_was),
        cmocka_unit_test(stop_with_a_reply_gives_the_reply),
        cmocka_unit_test(nonsense_ends_the_server_after_terminate),
        cmocka_unit_test(a_callback_may_be_left_from_any_depth_with_an_answer),
        cmocka_unit_test(an_answer_may_come_from_another_process),
        cmocka_unit_test(who_was_answered_does_not_see_the_crash_after_it),
        cmocka_unit_test(a_cast_to_nobody_is_ok),
        cmocka_unit_test(casts_and_calls_of_one_come_in_order),
        cmocka_unit_test(a_server_that_traps_ends_with_its_parent_after_terminate),
        cmocka_unit_test(a_server_that_does_not_trap_ends_with_its_parent_and_no_terminate),
        cmocka_unit_test(an_exit_of_another_is_a_message_for_info),
        cmocka_unit_test(a_server_can_be_stopped),
        cmocka_unit_test(an_idle_time_is_over_when_nobody_comes),
        cmocka_unit_test(who_comes_before_an_idle_time_is_over_ends_it),
        cmocka_unit_test(what_is_asked_for_at_once_for_ever_takes_no_stack_and_lets_others_in),
        cmocka_unit_test(what_sys_asks_begins_an_idle_time_anew),
        cmocka_unit_test(a_heartbeat_leaves_an_idle_time_alone),
        cmocka_unit_test(an_idle_time_that_is_over_too_late_does_not_end_the_next_one),
        cmocka_unit_test(what_callbacks_that_are_left_early_ask_for_takes_no_stack),
        cmocka_unit_test(who_leaves_a_callback_early_right_after_its_birth_is_born_once),
        cmocka_unit_test(a_message_that_waits_survives_a_continue_that_is_left_early),
        cmocka_unit_test(rounds_of_continue_in_front_of_a_message_take_no_memory),
        cmocka_unit_test(what_a_callback_went_on_with_is_not_kept_when_that_is_left_early),
        cmocka_unit_test(an_idle_time_of_0_is_ended_by_a_message_alone),
        cmocka_unit_test(of_a_parcel_nothing_is_kept),
        cmocka_unit_test(what_stands_behind_a_parcel_that_was_taken_is_not_lost),
        cmocka_unit_test(a_suspended_server_without_a_parent_hears_that_the_node_stops),
        cmocka_unit_test(an_error_in_a_callback_is_told_to_terminate),
        cmocka_unit_test(a_server_without_callbacks_has_defaults),
        cmocka_unit_test(start_monitor_watches_who_is_ready_and_nobody_else),
        cmocka_unit_test(a_crash_in_terminate_is_the_reason),
        cmocka_unit_test(the_last_reply_is_given_though_terminate_crashes),
        cmocka_unit_test(a_server_goes_on_though_it_does_not_know_with_what),
        cmocka_unit_test(a_suspended_server_handles_messages_later_and_in_order),
        cmocka_unit_test(a_servers_state_can_be_seen_and_replaced),
        cmocka_unit_test(a_function_can_be_started_and_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
