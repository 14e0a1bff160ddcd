/* event.c - OTP's gen_event as a user of engset/event.h sees it. */
#include <engset/event.h>
#include <engset/sys.h>
#include "story.h"
#include "quiet.h"

ES_ATOMS(alert, audit, second, told, heard_of, started, ended, crash, bad, nonsense, quit, change,
         change_badly, early, boom);
ES_ATOMS(r, none, get, remove_handler, gen_event_EXIT, module_not_found, bad_module, swapped,
         bad_return_value, a_manager, sync_notify, which_handlers, nop, crash_at_end, refuse);

ES_ATOM(alarms_tag, "alarms");

/* Who is told what the handlers do: {event, Who, What, How}. */
static void tell(es_atom who, es_atom what, es_term how)
{
    (void)es_send(told, ES_TUPLE(es_am_event, who, what, how));
}

static void listen_to_it(void)
{
    EXPECT(es_register(told, es_self()) == ES_OK);
}

#define heard(who, what, how)    got(ES_TUPLE(es_am_event, (who), (what), (how)))
#define is_heard(who, what, how) there_is(ES_TUPLE(es_am_event, (who), (what), (how)))

typedef struct {
    int64_t count;
    int64_t crashes_at_end;
} alarms;
ES_STRUCT(alarms, count, crashes_at_end);

static es_answer alarm_init(alarms *self, es_term args)
{
    tell(alert, started, args);
    if (es_is(args, crash))
        es_exit(boom);
    if (es_is(args, bad))
        *(volatile int *)NULL = 1;
    if (es_is(args, refuse))
        return es_stop(r);
    if (es_is(args, nonsense))
        return es_ignore();
    self->crashes_at_end = es_is(args, crash_at_end);
    return es_ok();
}

extern es_event_handler audit_handler;

static void goes_deep(void)
{
    es_answer_now(es_remove_handler());
}

static es_answer obey(alarms *self, es_term order)
{
    self->count++;
    if (es_is(order, crash))
        es_exit(boom);
    if (es_is(order, bad))
        *(volatile int *)NULL = 1;
    if (es_is(order, nonsense))
        return es_stop(r);
    if (es_is(order, quit))
        return es_remove_handler();
    if (es_is(order, early))
        goes_deep();
    if (es_is(order, change))
        return es_swap_handler(alert, ES_HANDLER(audit_handler), none);
    if (es_is(order, change_badly))
        return es_swap_handler(alert, ES_HANDLER(audit_handler), refuse);
    return es_ok();
}

static es_answer alarm_event(alarms *self, es_term event)
{
    tell(alert, heard_of, event);
    es_term order;
    if (es_match(event, ES_TUPLE(alert, &order)))
        return obey(self, order);
    self->count++;
    return es_ok();
}

static es_answer alarm_call(alarms *self, es_term request, es_from from)
{
    es_term order;
    (void)from;
    if (es_is(request, get))
        return es_reply(self->count);
    if (es_is(request, quit))
        return es_with_remove(es_reply(es_am_ok));
    if (es_is(request, change))
        return es_with_swap(es_reply(es_am_ok), alert, ES_HANDLER(audit_handler), none);
    if (es_match(request, ES_TUPLE(alert, &order)))
        return obey(self, order);
    return es_unknown(request);
}

static es_answer alarm_info(alarms *self, es_term message)
{
    (void)self;
    tell(alert, es_am_info, message);
    return es_ok();
}

static es_term alarm_terminate(alarms *self, es_term why)
{
    tell(alert, ended, why);
    if (self->crashes_at_end)
        es_exit(boom);
    return es_keep(ES_TUPLE(alert, self->count));
}

ES_EVENT_HANDLER(alarm_handler, alarms, .init = alarm_init, .event = alarm_event, .call = alarm_call,
                 .info = alarm_info, .terminate = alarm_terminate, .state = ES_STATE(alarms));

/* Another, with little of its own. */
typedef struct {
    int64_t count;
} audits;

static es_answer audit_init(audits *self, es_term args)
{
    es_term inner, old;
    (void)self;
    tell(audit, started, args);
    if (es_match(args, ES_TUPLE(&inner, &old)) && es_is(inner, refuse))
        return es_stop(r);
    return es_ok();
}

static es_answer audit_event(audits *self, es_term event)
{
    (void)self;
    tell(audit, heard_of, event);
    return es_ok();
}

static es_term audit_terminate(audits *self, es_term why)
{
    (void)self;
    tell(audit, ended, why);
    return es_from_atom(audit);
}
ES_EVENT_HANDLER(audit_handler, audits, .init = audit_init, .event = audit_event,
                 .terminate = audit_terminate);

/* With nothing of its own. */
typedef struct {
    int64_t nothing;
} plain;
ES_EVENT_HANDLER(plain_handler, plain);

static es_atom alarm_name(void)
{
    es_atom name = es_am_undefined;
    EXPECT(es_atom_make("alarm_handler", 13, &name) == ES_OK);
    return name;
}

static es_atom audit_name(void)
{
    es_atom name = es_am_undefined;
    EXPECT(es_atom_make("audit_handler", 13, &name) == ES_OK);
    return name;
}

/* A manager whose handlers, the alert's and the audit's, have started. */
static es_pid manager_of_two(void)
{
    listen_to_it();
    es_pid m = es_event_start(ES_WITH(.link = true));
    EXPECT(es_event_add(m, ES_HANDLER(audit_handler), none, NULL) == ES_OK);
    EXPECT(es_event_add(m, ES_HANDLER(alarm_handler), none, NULL) == ES_OK);
    EXPECT(is_heard(audit, started, none) && is_heard(alert, started, none));
    return m;
}

static es_pid manager_of_one(es_atom args)
{
    listen_to_it();
    es_pid m = es_event_start(ES_WITH(.link = true));
    EXPECT(es_event_add(m, ES_HANDLER(alarm_handler), args, NULL) == ES_OK);
    EXPECT(is_heard(alert, started, args));
    return m;
}

/* Only handlers that are known as `list` says are in it. */
static bool has(es_pid m, es_literal list)
{
    es_term handlers = es_none();
    return es_event_handlers(m, &handlers) == ES_OK && es_match(handlers, list);
}

/* The next that is told. */
static bool next_told(es_atom who, es_atom what)
{
    es_term a, b;
    bool is_it = false;
    es_receive {
        es_case(ES_TUPLE(es_am_event, &a, &b, ES_ANY))
            is_it = es_is(a, who) && es_is(b, what);
        es_after(STORY_PATIENCE_MS) {
        }
    }
    return is_it;
}

STORY(the_handler_that_was_added_last_is_told_first, "GEV-01")
{
    es_term out = es_none();
    int64_t count = 0;
    es_pid m = manager_of_two();
    EXPECT(es_event_notify(m, nop) == ES_OK);
    EXPECT(next_told(alert, heard_of) && next_told(audit, heard_of));
    EXPECT(es_event_notify(m, nop) == ES_OK);
    EXPECT(es_event_call(m, ES_HANDLER(alarm_handler), get, 5000, &out) == ES_OK && es_match(out, &count) &&
           count == 2);
    EXPECT(has(m, ES_LIST(alarm_name(), audit_name())));
}

STORY(handlers_of_one_kind_are_told_apart_by_ids, "GEV-02")
{
    es_term out = es_none();
    int64_t count = 0;
    es_pid m = manager_of_one(none);
    EXPECT(es_event_add(m, ES_HANDLER(alarm_handler, 7), none, NULL) == ES_OK);
    EXPECT(es_event_add(m, ES_HANDLER(alarm_handler, ES_TUPLE(r, 8)), none, NULL) == ES_OK);
    EXPECT(es_event_add(m, ES_HANDLER(alarm_handler), second, NULL) == ES_OK);
    EXPECT(has(m, ES_LIST(alarm_name(), ES_TUPLE(alarm_name(), ES_TUPLE(r, 8)), ES_TUPLE(alarm_name(), 7),
                          alarm_name())));
    EXPECT(es_event_call(m, ES_HANDLER(alarm_handler, 7), ES_TUPLE(alert, quit), 20, &out) == ES_ETIMEOUT);
    EXPECT(has(m, ES_LIST(alarm_name(), ES_TUPLE(alarm_name(), ES_TUPLE(r, 8)), alarm_name())));
    EXPECT(es_event_call(m, ES_HANDLER(alarm_handler, ES_TUPLE(r, 8)), get, 5000, &out) == ES_OK &&
           es_match(out, &count) && count == 0);
    EXPECT(es_event_delete(m, ES_HANDLER(alarm_handler), r, NULL) == ES_OK);
    EXPECT(has(m, ES_LIST(ES_TUPLE(alarm_name(), ES_TUPLE(r, 8)), alarm_name())));
}

STORY(a_handler_whose_init_fails_is_not_added, "GEV-03")
{
    es_term why = es_none();
    listen_to_it();
    es_pid m = es_event_start(ES_WITH(.link = true));
    EXPECT(es_event_add(m, ES_HANDLER(alarm_handler), refuse, &why) == ES_EINVAL &&
           es_match(why, ES_TUPLE(es_am_error, r)));
    EXPECT(es_event_add(m, ES_HANDLER(alarm_handler), crash, &why) == ES_EINVAL &&
           es_match(why, ES_TUPLE(es_am_EXIT, boom)));
    EXPECT(es_event_add(m, ES_HANDLER(alarm_handler), bad, &why) == ES_EINVAL &&
           es_match(why, ES_TUPLE(es_am_EXIT, ES_TUPLE(es_am_signal, es_am_sigsegv, ES_ANY))));
    EXPECT(es_event_add(m, ES_HANDLER(alarm_handler), nonsense, &why) == ES_EINVAL &&
           es_match(why, ES_TUPLE(es_am_error, ES_TUPLE(bad_return_value, ES_ANY))));
    EXPECT(has(m, ES_NIL));
    EXPECT(es_event_add(m, ES_HANDLER(alarm_handler), none, &why) == ES_OK);
}

STORY(a_handler_that_crashes_is_removed_and_no_other, "GEV-04")
{
    es_atom how[] = {crash, bad};
    for (int i = 0; i < 2; i++) {
        es_pid m = manager_of_two();
        es_event_notify(m, ES_TUPLE(alert, how[i]));
        EXPECT(heard(alert, heard_of, ES_ANY));
        if (i == 0)
            EXPECT(heard(alert, ended, ES_TUPLE(es_am_error, ES_TUPLE(es_am_EXIT, boom))));
        else
            EXPECT(heard(
                alert, ended,
                ES_TUPLE(es_am_error, ES_TUPLE(es_am_EXIT, ES_TUPLE(es_am_signal, es_am_sigsegv, ES_ANY)))));
        EXPECT(heard(audit, heard_of, ES_TUPLE(alert, how[i])));
        EXPECT(has(m, ES_LIST(audit_name())));
        EXPECT(es_unregister(told) == ES_OK);
    }
}

/* Each error is taken from a clear stack: many of them in one event do not use it up. */
STORY(all_handlers_may_crash_on_one_event, "GEV-04")
{
    enum { HANDLERS = 200 };
    es_pid m = manager_of_two();
    EXPECT(es_unregister(told) == ES_OK);
    for (int i = 0; i < HANDLERS; i++)
        EXPECT(es_event_add(m, ES_HANDLER(alarm_handler, i), i % 2 ? crash_at_end : none, NULL) == ES_OK);
    EXPECT(es_event_sync_notify(m, ES_TUPLE(alert, crash)) == ES_OK);
    EXPECT(has(m, ES_LIST(audit_name())));
}

/* The message in hand is seen again first, before all that wait. */
STORY(events_stay_in_order_when_a_handler_crashes, "GEV-04")
{
    enum { EVENTS = 300 };
    es_pid m = manager_of_two();
    EXPECT(es_sys_suspend(m) == ES_OK);
    es_event_notify(m, ES_TUPLE(alert, crash));
    for (int i = 0; i < EVENTS; i++)
        es_event_notify(m, i);
    EXPECT(es_sys_resume(m) == ES_OK);
    EXPECT(heard(audit, heard_of, ES_TUPLE(alert, crash)));
    for (int i = 0; i < EVENTS; i++) {
        int64_t n = -1;
        es_receive
            es_case(ES_TUPLE(es_am_event, audit, heard_of, &n))
                EXPECT(n == i);
    }
    EXPECT(is_heard(alert, heard_of, ES_TUPLE(alert, crash)) && !is_heard(alert, heard_of, ES_ANY));
}

STORY(a_handler_that_gives_nonsense_is_removed, "GEV-05")
{
    es_pid m = manager_of_two();
    EXPECT(es_event_sync_notify(m, ES_TUPLE(alert, nonsense)) == ES_OK);
    EXPECT(is_heard(alert, ended, ES_TUPLE(es_am_error, ES_TUPLE(bad_return_value, ES_ANY))));
    EXPECT(has(m, ES_LIST(audit_name())));
}

STORY(a_handler_may_ask_to_be_removed, "GEV-06")
{
    es_term out = es_none();
    es_atom how[] = {quit, early};
    for (int i = 0; i < 2; i++) {
        es_pid m = manager_of_two();
        EXPECT(es_event_sync_notify(m, ES_TUPLE(alert, how[i])) == ES_OK);
        EXPECT(is_heard(alert, ended, remove_handler));
        EXPECT(is_heard(audit, heard_of, ES_ANY));
        EXPECT(has(m, ES_LIST(audit_name())));
        EXPECT(es_unregister(told) == ES_OK);
    }
    es_pid m = manager_of_two();
    EXPECT(es_event_call(m, ES_HANDLER(alarm_handler), quit, 5000, &out) == ES_OK && es_is(out, es_am_ok));
    EXPECT(has(m, ES_LIST(audit_name())) && is_heard(alert, ended, remove_handler));
}

#define got_told(handler, reason) got(ES_TUPLE(gen_event_EXIT, (handler), (reason)))

STORY(who_supervises_a_handler_hears_of_its_crash, "GEV-07")
{
    listen_to_it();
    es_pid m = es_event_start(ES_WITH(.link = true));
    EXPECT(es_event_add_supervised(m, ES_HANDLER(alarm_handler, 1), none, NULL) == ES_OK);
    EXPECT(es_event_add_supervised(m, ES_HANDLER(alarm_handler), none, NULL) == ES_OK);
    EXPECT(es_event_sync_notify(m, ES_TUPLE(alert, crash)) == ES_OK);
    EXPECT(got_told(alarm_name(), ES_TUPLE(es_am_EXIT, boom)));
    EXPECT(got_told(ES_TUPLE(alarm_name(), 1), ES_TUPLE(es_am_EXIT, boom)));
}

STORY(who_supervises_a_handler_hears_that_it_went, "GEV-08")
{
    es_term out = es_none();
    listen_to_it();
    es_pid m = es_event_start(ES_WITH(.link = true));
    EXPECT(es_event_add_supervised(m, ES_HANDLER(alarm_handler), none, NULL) == ES_OK);
    EXPECT(es_event_delete(m, ES_HANDLER(alarm_handler), r, &out) == ES_OK);
    EXPECT(got_told(alarm_name(), es_am_normal));
    EXPECT(es_event_add_supervised(m, ES_HANDLER(alarm_handler), none, NULL) == ES_OK);
    EXPECT(es_event_sync_notify(m, ES_TUPLE(alert, quit)) == ES_OK);
    EXPECT(got_told(alarm_name(), es_am_normal));
}

static void supervises(es_pid *manager)
{
    EXPECT(es_event_add_supervised(*manager, ES_HANDLER(alarm_handler, es_self()), none, NULL) == ES_OK);
    exits_when_told();
}

STORY(a_handler_goes_with_who_supervises_it, "GEV-09")
{
    static es_pid m;
    m = manager_of_two();
    es_pid owner = es_spawn(supervises, &m);
    EXPECT(heard(alert, started, none));
    tell_to_exit(owner, r);
    EXPECT(heard(alert, ended, ES_TUPLE(es_am_stop, r)));
    EXPECT(heard(alert, es_am_info, ES_TUPLE(es_am_EXIT, owner, r)));
    EXPECT(has(m, ES_LIST(alarm_name(), audit_name())));
}

STORY(who_deletes_a_handler_gets_what_its_terminate_gave, "GEV-10")
{
    es_term out = es_none();
    es_pid m = manager_of_two();
    EXPECT(es_event_delete(m, ES_HANDLER(alarm_handler), r, &out) == ES_OK &&
           es_match(out, ES_TUPLE(alert, 0)));
    EXPECT(is_heard(alert, ended, r));
    EXPECT(es_event_delete(m, ES_HANDLER(alarm_handler), r, &out) == ES_ENOTFOUND &&
           es_match(out, ES_TUPLE(es_am_error, module_not_found)));
    EXPECT(es_event_add(m, ES_HANDLER(alarm_handler), crash_at_end, NULL) == ES_OK);
    EXPECT(es_event_delete(m, ES_HANDLER(alarm_handler), r, &out) == ES_OK &&
           es_match(out, ES_TUPLE(es_am_EXIT, boom)));
    EXPECT(es_event_add(m, ES_HANDLER(plain_handler), none, NULL) == ES_OK);
    EXPECT(es_event_delete(m, ES_HANDLER(plain_handler), r, &out) == ES_OK && es_is(out, es_am_ok));
}

static void notifies(es_pid *manager)
{
    for (int i = 0; i < 50; i++)
        es_event_notify(*manager, i);
}

STORY(a_swap_loses_no_event_and_shows_none_twice, "GEV-11")
{
    static es_pid m;
    m = manager_of_one(none);
    es_pid notifier = es_spawn(notifies, &m);
    for (int i = 0; i < 10; i++) {
        EXPECT(es_event_swap(m, ES_HANDLER(alarm_handler), r, ES_HANDLER(audit_handler), second, NULL) ==
               ES_OK);
        EXPECT(is_heard(alert, ended, r));
        EXPECT(is_heard(audit, started, ES_TUPLE(second, ES_TUPLE(alert, ES_ANY))));
        EXPECT(es_event_swap(m, ES_HANDLER(audit_handler), r, ES_HANDLER(alarm_handler), second, NULL) ==
               ES_OK);
        EXPECT(is_heard(audit, ended, r));
        EXPECT(is_heard(alert, started, ES_TUPLE(second, audit)));
    }
    wait_for_end(notifier);
    EXPECT(es_event_sync_notify(m, nop) == ES_OK);
    for (int i = 0; i < 50; i++) { /* in the order in which they were sent, whoever heard of them */
        int64_t n = -1;
        es_receive {
            es_case(ES_TUPLE(es_am_event, ES_ANY, heard_of, &n)) {
            }
            es_after(0) {
            }
        }
        EXPECT(n == i);
    }
    EXPECT(heard(alert, heard_of, nop));
    EXPECT(is_quiet());
}

STORY(a_handler_may_put_another_in_its_place, "GEV-11")
{
    es_term out = es_none();
    es_pid m = manager_of_one(none);
    EXPECT(es_event_add(m, ES_HANDLER(plain_handler), none, NULL) == ES_OK);
    EXPECT(es_event_sync_notify(m, ES_TUPLE(alert, change)) == ES_OK);
    EXPECT(is_heard(alert, ended, alert));
    EXPECT(is_heard(audit, started, ES_TUPLE(none, ES_TUPLE(alert, 1))));
    EXPECT(!is_heard(audit, heard_of, ES_ANY)); /* the event was the old one's */
    EXPECT(es_event_delete(m, ES_HANDLER(plain_handler), none, NULL) == ES_OK);
    EXPECT(has(m, ES_LIST(audit_name())));
    EXPECT(es_event_add(m, ES_HANDLER(alarm_handler), none, NULL) == ES_OK);
    EXPECT(es_event_call(m, ES_HANDLER(alarm_handler), change, 5000, &out) == ES_OK && es_is(out, es_am_ok));
    EXPECT(has(m, ES_LIST(audit_name(), audit_name())));
    EXPECT(es_event_add(m, ES_HANDLER(alarm_handler), none, NULL) == ES_OK);
    EXPECT(es_event_sync_notify(m, ES_TUPLE(alert, change_badly)) == ES_OK);
    EXPECT(has(m, ES_LIST(audit_name(), audit_name())));
}

STORY(who_is_swapped_in_from_outside_comes_first, "GEV-11")
{
    es_pid m = manager_of_two();
    EXPECT(es_event_swap(m, ES_HANDLER(audit_handler), r, ES_HANDLER(alarm_handler, 2), second, NULL) ==
           ES_OK);
    EXPECT(has(m, ES_LIST(ES_TUPLE(alarm_name(), 2), alarm_name())));
}

STORY(a_swap_without_an_old_handler_installs_the_new_one, "GEV-12")
{
    es_term why = es_none();
    es_pid m = manager_of_one(none);
    EXPECT(es_event_swap(m, ES_HANDLER(plain_handler), r, ES_HANDLER(audit_handler), second, NULL) == ES_OK);
    EXPECT(is_heard(audit, started, ES_TUPLE(second, es_am_error)));
    EXPECT(has(m, ES_LIST(audit_name(), alarm_name())));
    EXPECT(es_event_swap(m, ES_HANDLER(alarm_handler), r, ES_HANDLER(audit_handler), refuse, &why) ==
               ES_EINVAL &&
           es_match(why, ES_TUPLE(es_am_error, ES_TUPLE(es_am_error, r))));
    EXPECT(has(m, ES_LIST(audit_name())));
}

STORY(who_supervises_a_handler_hears_that_it_was_swapped, "GEV-13")
{
    listen_to_it();
    es_pid m = es_event_start(ES_WITH(.link = true));
    EXPECT(es_event_add_supervised(m, ES_HANDLER(alarm_handler), none, NULL) == ES_OK);
    EXPECT(es_event_swap(m, ES_HANDLER(alarm_handler), r, ES_HANDLER(audit_handler, 1), none, NULL) == ES_OK);
    EXPECT(got_told(alarm_name(), ES_TUPLE(swapped, ES_TUPLE(audit_name(), 1), es_self())));
    EXPECT(es_event_delete(m, ES_HANDLER(audit_handler, 1), r, NULL) == ES_OK);
    EXPECT(got_told(ES_TUPLE(audit_name(), 1), es_am_normal)); /* supervised as the old one was */
    EXPECT(es_event_add(m, ES_HANDLER(alarm_handler), none, NULL) == ES_OK);
    EXPECT(es_event_swap_supervised(m, ES_HANDLER(alarm_handler), r, ES_HANDLER(audit_handler), none, NULL) ==
           ES_OK);
    EXPECT(es_event_delete(m, ES_HANDLER(audit_handler), r, NULL) == ES_OK);
    EXPECT(got_told(audit_name(), es_am_normal));
    EXPECT(es_event_add_supervised(m, ES_HANDLER(alarm_handler), none, NULL) == ES_OK);
    EXPECT(es_event_sync_notify(m, ES_TUPLE(alert, change_badly)) == ES_OK);
    EXPECT(got_told(alarm_name(), ES_TUPLE(swapped, audit_name(), es_self())));
    EXPECT(got_told(audit_name(), ES_TUPLE(es_am_error, r)));
}

STORY(a_call_that_finds_no_handler_or_breaks_one_gives_an_error, "GEV-14")
{
    es_term out = es_none();
    es_pid m = manager_of_two();
    EXPECT(es_event_call(m, ES_HANDLER(plain_handler), get, 5000, &out) == ES_ENOTFOUND &&
           es_match(out, ES_TUPLE(es_am_error, bad_module)));
    EXPECT(es_event_call(m, ES_HANDLER(alarm_handler), ES_TUPLE(alert, crash), 5000, &out) == ES_ECLOSED &&
           es_match(out, ES_TUPLE(es_am_EXIT, boom)));
    EXPECT(has(m, ES_LIST(audit_name())));
    EXPECT(es_event_add(m, ES_HANDLER(alarm_handler), none, NULL) == ES_OK);
    EXPECT(es_event_call(m, ES_HANDLER(alarm_handler), ES_TUPLE(alert, nonsense), 5000, &out) == ES_ECLOSED &&
           es_match(out, ES_TUPLE(bad_return_value, ES_ANY)));
    EXPECT(has(m, ES_LIST(audit_name())));
    EXPECT(es_event_call(m, ES_HANDLER(audit_handler), get, 5000, &out) == ES_ECLOSED &&
           es_match(out, ES_TUPLE(es_am_undef, get)));
    EXPECT(has(m, ES_LIST(audit_name()))); /* what it does not know is no error of its own */
    EXPECT(es_event_call(dead_pid(), ES_HANDLER(alarm_handler), get, 5000, &out) == ES_ECLOSED &&
           es_is(out, es_am_noproc));
}

STORY(sync_notify_comes_back_when_all_are_done, "GEV-15")
{
    es_pid m = manager_of_two();
    EXPECT(es_event_sync_notify(m, nop) == ES_OK);
    EXPECT(is_heard(alert, heard_of, nop) && is_heard(audit, heard_of, nop));
}

STORY(a_dead_manager_is_notified_in_vain, "GEV-16")
{
    EXPECT(es_event_notify(dead_pid(), nop) == ES_OK);
    EXPECT(es_event_notify(a_manager, nop) == ES_OK);
    EXPECT(es_event_sync_notify(a_manager, nop) == ES_ECLOSED);
}

static void starts_one_that_is_linked(es_term to)
{
    es_pid boss;
    es_match(to, &boss);
    es_trap_exit(true);
    es_send(boss, es_event_start(ES_WITH(.link = true)));
    exits_when_told();
}

STORY(a_manager_that_stops_ends_all_handlers, "GEV-17")
{
    es_trap_exit(true);
    es_pid m = manager_of_two();
    EXPECT(es_event_add_supervised(m, ES_HANDLER(alarm_handler, 1), crash_at_end, NULL) == ES_OK);
    EXPECT(es_stop_process(m, r, 5000) == ES_OK);
    EXPECT(is_heard(alert, ended, es_am_stop) && is_heard(alert, ended, es_am_stop));
    EXPECT(is_heard(audit, ended, es_am_stop));
    EXPECT(there_is(ES_TUPLE(gen_event_EXIT, ES_TUPLE(alarm_name(), 1), es_am_shutdown)));
    EXPECT(es_unregister(told) == ES_OK);

    es_pid parent = es_spawn(starts_one_that_is_linked, es_self());
    listen_to_it();
    es_receive
        es_case(&m)
            EXPECT(es_event_add(m, ES_HANDLER(audit_handler), none, NULL) == ES_OK);
    es_ref ref = es_monitor(m);
    tell_to_exit(parent, r);
    EXPECT(heard(audit, ended, es_am_stop));
    EXPECT(got_down(ref, m, r));
}

STORY(who_supervised_a_handler_is_told_of_the_managers_end_once, "GEV-17")
{
    es_pid m = es_event_start(NULL);
    EXPECT(es_event_add_supervised(m, ES_HANDLER(audit_handler), none, NULL) == ES_OK);
    EXPECT(es_stop_process(m, r, 5000) == ES_OK);
    EXPECT(there_is(ES_TUPLE(gen_event_EXIT, audit_name(), es_am_shutdown)));
    es_trap_exit(true); /* an EXIT that came before would have ended it */
    EXPECT(is_quiet());
}

static void sends_exit(es_term to)
{
    es_pid pid;
    if (es_get_pid(to, &pid))
        es_send_exit(pid, r);
}

STORY(other_messages_are_told_to_info, "GEV-18")
{
    es_pid m = manager_of_one(none);
    es_pid other = es_spawn(waits);
    es_send(m, nop);
    EXPECT(heard(alert, es_am_info, nop));
    es_spawn(sends_exit, m);
    EXPECT(heard(alert, es_am_info, ES_TUPLE(es_am_EXIT, ES_ANY, r)));
    es_send(m, ES_TUPLE(other, 1, 2));
    EXPECT(heard(alert, es_am_info, ES_TUPLE(other, 1, 2)));
    es_cast(m, nop);
    EXPECT(heard(alert, es_am_info, ES_TUPLE(es_am_gen_cast, nop)));
    EXPECT(es_is_alive(m));
}

/* What an Erlang node sends. */
STORY(a_manager_knows_erlangs_own_messages, "")
{
    es_pid m = manager_of_two();
    es_ref tag = es_make_ref();
    es_send(m, ES_TUPLE(es_am_notify, nop));
    EXPECT(heard(alert, heard_of, nop) && heard(audit, heard_of, nop));
    es_send(m, ES_TUPLE(es_self(), ES_TUPLE(es_self(), tag), ES_TUPLE(sync_notify, nop)));
    EXPECT(got(ES_TUPLE(tag, es_am_ok)));
    es_send(m, ES_TUPLE(es_self(), ES_TUPLE(es_self(), tag), which_handlers));
    EXPECT(got(ES_TUPLE(tag, ES_LIST(alarm_name(), audit_name()))));
    es_send(m, ES_TUPLE(es_self(), ES_TUPLE(es_self(), tag), ES_TUPLE(es_am_call, alarm_name(), get)));
    EXPECT(got(ES_TUPLE(tag, 2)));
    es_send(m, ES_TUPLE(es_self(), ES_TUPLE(es_self(), tag), ES_TUPLE(es_am_call, audit, get)));
    EXPECT(got(ES_TUPLE(tag, ES_TUPLE(es_am_error, bad_module))));
    EXPECT(es_is(es_call(m, ES_TUPLE(sync_notify, nop), 5000), es_am_ok));
}

STORY(the_states_of_handlers_can_be_seen_and_replaced, "SYS-03")
{
    es_term state = es_none(), out = es_none();
    int64_t count = 0;
    es_pid m = manager_of_one(none);
    EXPECT(es_event_add(m, ES_HANDLER(plain_handler, 3), none, NULL) == ES_OK);
    EXPECT(es_sys_get_state(m, &state) == ES_OK);
    EXPECT(es_match(state, ES_LIST(ES_TUPLE(ES_ANY, 3, es_am_undefined),
                                   ES_TUPLE(alarm_name(), es_am_false, ES_TUPLE(ES_ANY, 0, 0)))));
    EXPECT(es_sys_replace_state(
               m, ES_LIST(ES_TUPLE(alarm_name(), es_am_false, ES_TUPLE(alarms_tag, 9, 0)))) == ES_OK);
    EXPECT(es_event_call(m, ES_HANDLER(alarm_handler), get, 5000, &out) == ES_OK && es_match(out, &count) &&
           count == 9);
    EXPECT(es_sys_replace_state(m, ES_LIST(ES_TUPLE(alarm_name(), 77, r))) == ES_EINVAL);
}

/* ------------------------------------------------------------ parcels */

typedef struct {
    int64_t n;
} parcel;
ES_STRUCT(parcel, n);

typedef struct {
    int64_t nothing;
} grabber;

static es_answer crashing_info(grabber *self, es_term message)
{
    (void)self;
    es_free(es_struct_of(parcel, message));
    es_exit(boom);
}

static es_answer telling_info(grabber *self, es_term message)
{
    int64_t n = -1;
    (void)self;
    es_match(message, ES_TUPLE(ES_ANY, &n));
    parcel *given = es_struct_of(parcel, message);
    tell(second, told, es_lend(ES_TUPLE(n, given ? given->n : -1)));
    es_free(given);
    return es_noreply();
}
ES_EVENT_HANDLER(crashing, grabber, .info = crashing_info);
ES_EVENT_HANDLER(telling, grabber, .info = telling_info);

STORY(a_handler_that_takes_a_parcel_and_crashes_mixes_nothing_up, "")
{
    listen_to_it();
    es_pid manager = es_event_start(NULL);
    EXPECT(es_event_add(manager, ES_HANDLER(telling), none, NULL) == ES_OK);
    EXPECT(es_event_add(manager, ES_HANDLER(crashing), none, NULL) == ES_OK);
    EXPECT(es_suspend(manager) == ES_OK);
    for (int i = 1; i <= 2; i++) {
        parcel *given = es_new(parcel);
        given->n = i;
        es_give(manager, given);
    }
    EXPECT(es_resume(manager) == ES_OK);
    EXPECT(heard(second, told, ES_TUPLE(1, 1)));
    EXPECT(heard(second, told, ES_TUPLE(2, 2)));
    EXPECT(is_quiet());
}

int main(void)
{
    be_quiet();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_handler_that_was_added_last_is_told_first),
        cmocka_unit_test(handlers_of_one_kind_are_told_apart_by_ids),
        cmocka_unit_test(a_handler_whose_init_fails_is_not_added),
        cmocka_unit_test(a_handler_that_crashes_is_removed_and_no_other),
        cmocka_unit_test(all_handlers_may_crash_on_one_event),
        cmocka_unit_test(events_stay_in_order_when_a_handler_crashes),
        cmocka_unit_test(a_handler_that_gives_nonsense_is_removed),
        cmocka_unit_test(a_handler_may_ask_to_be_removed),
        cmocka_unit_test(who_supervises_a_handler_hears_of_its_crash),
        cmocka_unit_test(who_supervises_a_handler_hears_that_it_went),
        cmocka_unit_test(a_handler_goes_with_who_supervises_it),
        cmocka_unit_test(who_deletes_a_handler_gets_what_its_terminate_gave),
        cmocka_unit_test(a_swap_loses_no_event_and_shows_none_twice),
        cmocka_unit_test(a_handler_may_put_another_in_its_place),
        cmocka_unit_test(who_is_swapped_in_from_outside_comes_first),
        cmocka_unit_test(a_swap_without_an_old_handler_installs_the_new_one),
        cmocka_unit_test(who_supervises_a_handler_hears_that_it_was_swapped),
        cmocka_unit_test(a_call_that_finds_no_handler_or_breaks_one_gives_an_error),
        cmocka_unit_test(sync_notify_comes_back_when_all_are_done),
        cmocka_unit_test(a_dead_manager_is_notified_in_vain),
        cmocka_unit_test(a_manager_that_stops_ends_all_handlers),
        cmocka_unit_test(who_supervised_a_handler_is_told_of_the_managers_end_once),
        cmocka_unit_test(other_messages_are_told_to_info),
        cmocka_unit_test(a_manager_knows_erlangs_own_messages),
        cmocka_unit_test(the_states_of_handlers_can_be_seen_and_replaced),
        cmocka_unit_test(a_handler_that_takes_a_parcel_and_crashes_mixes_nothing_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
