/* supervisor.c - OTP's supervisor as a user of engset/supervisor.h sees it. */
#include <engset/server.h>
#include <engset/supervisor.h>
#include <engset/sys.h>
#include "story.h"
#include "quiet.h"
#include "base/log.h"

ES_ATOMS(boss, up, down, crash, quit, leave, none, r, ignore, a, b, c, d, stubborn, slow, start_spec,
         duplicate_child_name, missing_id, missing_start, invalid_shutdown);
ES_ATOMS(invalid_restart_type, supervisor_data, invalid_intensity, invalid_period, invalid_strategy,
         failed_to_start_child, bad_combination, invalid_partitions, a_sup, fails, specs, bad_return, unlinks,
         more, inner, outer, w);
ES_ATOM(last_part, "parts_sup/3");
ES_ATOMS(get_childspec, significant, modules, invalid_backoff, invalid_heartbeat, a_worker);

/* ------------------------------------------------------------ the cast: workers that tell the story what they do */

/* How often each worker may still start; it fails then. By its name, so that a restart counts. */
static _Atomic(int) fails_to_come[4]; /* of a, b, c, d: that many starts fail */
static _Atomic(bool) ignores[4];

typedef struct {
    es_atom name;
} worker;

static void tell(es_atom what, es_atom who)
{
    (void)es_send(boss, ES_TUPLE(what, who, es_self()));
}

static int number_of(es_atom name)
{
    return es_atom_equal(name, a) ? 0 : es_atom_equal(name, b) ? 1 : es_atom_equal(name, c) ? 2 : 3;
}

static es_answer worker_init(worker *self, es_term args)
{
    if (!es_get_atom(args, &self->name) && !es_match(args, ES_TUPLE(&self->name, ES_ANY)))
        return es_stop(r);
    if (es_atom_equal(self->name, fails))
        return es_stop(r);
    if (es_atom_equal(self->name, ignore))
        return es_ignore();
    int n = number_of(self->name);
    if (atomic_load(&ignores[n]))
        return es_ignore();
    if (atomic_load(&fails_to_come[n]) > 0) {
        atomic_fetch_sub(&fails_to_come[n], 1);
        tell(fails, self->name);
        return es_stop(r);
    }
    es_trap_exit(true);
    tell(up, self->name);
    return es_ok();
}

static es_answer worker_cast(worker *self, es_term message)
{
    es_term reason;
    (void)self;
    if (es_match(message, ES_TUPLE(leave, &reason)))
        return es_stop(reason);
    if (es_is(message, crash))
        es_exit(crash);
    if (es_is(message, unlinks)) {
        es_info info;
        if (es_process_info(es_self(), &info))
            es_unlink(info.parent);
    }
    return es_noreply();
}

static void worker_terminate(worker *self, es_term reason)
{
    (void)reason;
    tell(down, self->name);
}
ES_SERVER(worker_server, worker, .init = worker_init, .cast = worker_cast, .terminate = worker_terminate);

/* Traps exits and does not care for them. */
static void does_not_stop(es_term args)
{
    (void)args;
    es_trap_exit(true);
    es_init_ack(es_self());
    waits();
}

/* Started when it has acknowledged, with its pid. */
static es_err start_linked(void (*function)(es_term), es_term args, es_started *out)
{
    es_term answer = es_none();
    es_err error = es_start_function(ES_WITH(.link = true), function, args, &answer);
    EXPECT(error == ES_OK && es_get_pid(answer, &out->pid));
    return error;
}

static es_err start_stubborn(es_term args, es_started *out)
{
    return start_linked(does_not_stop, args, out);
}

/* ------------------------------------------------------------ what the story sees */

static void begin(void)
{
    for (int i = 0; i < 4; i++) {
        atomic_store(&fails_to_come[i], 0);
        atomic_store(&ignores[i], false);
    }
    EXPECT(es_register(boss, es_self()) == ES_OK);
    es_trap_exit(true);
}

/* The next thing that a worker tells is that. */
static bool next_is(es_atom what, es_atom who)
{
    es_atom got_what = {0}, got_who = {0};
    es_receive {
        es_case(ES_TUPLE(&got_what, &got_who, ES_ANY)) {
        }
        es_after(STORY_PATIENCE_MS) {
        }
    }
    return es_atom_equal(what, got_what) && es_atom_equal(who, got_who);
}

static bool come_up(const es_atom *names, int count)
{
    bool all = true;
    for (int i = 0; i < count; i++)
        all = next_is(up, names[i]) && all;
    return all;
}
#define ALL_COME_UP(...) \
    come_up((const es_atom[]){__VA_ARGS__}, sizeof((const es_atom[]){__VA_ARGS__}) / sizeof(es_atom))

static es_pid pid_of(es_pid sup, es_atom id)
{
    es_term list = es_none(), rest, head;
    es_pid pid = ES_NO_PID, found = ES_NO_PID;
    EXPECT(es_which_children(sup, &list) == ES_OK);
    for (rest = list; es_match(rest, ES_CONS(&head, &rest));)
        if (es_match(head, ES_TUPLE(id, &pid, ES_ANY, ES_ANY)))
            found = pid;
    es_drop(list);
    return found;
}

static bool shows(es_pid sup, es_atom id, es_atom state)
{
    es_term list = es_none(), rest, head;
    bool does = false;
    EXPECT(es_which_children(sup, &list) == ES_OK);
    for (rest = list; es_match(rest, ES_CONS(&head, &rest));)
        does = does || es_match(head, ES_TUPLE(id, state, ES_ANY, ES_ANY));
    es_drop(list);
    return does;
}

static bool knows(es_pid sup, es_atom id)
{
    es_term list = es_none(), rest, head;
    bool does = false;
    EXPECT(es_which_children(sup, &list) == ES_OK);
    for (rest = list; es_match(rest, ES_CONS(&head, &rest));)
        does = does || es_match(head, ES_TUPLE(id, ES_ANY, ES_ANY, ES_ANY));
    es_drop(list);
    return does;
}

static es_pid up_with(const es_behaviour *supervisor)
{
    es_term why = es_none();
    es_pid pid = ES_NO_PID;
    EXPECT(es_try_start(ES_WITH(.link = true), supervisor, none, &pid, &why) == ES_OK);
    return pid;
}

static bool refused_with(const es_behaviour *supervisor, es_literal pattern)
{
    es_term why = es_none();
    es_pid pid = ES_NO_PID;
    return es_try_start(NULL, supervisor, none, &pid, &why) == ES_ECLOSED && es_match_literal(why, pattern);
}

/* A child of these families. */
#define CHILD(name_, ...)                                                  \
    {                                                                      \
        .id = #name_, ES_START(worker_server, .args = #name_), __VA_ARGS__ \
    }
#define THREE     ES_CHILDREN(CHILD(a), CHILD(b), CHILD(c))
#define FOUR(...) ES_CHILDREN(CHILD(a), CHILD(b), CHILD(c, __VA_ARGS__), CHILD(d))

ES_SUPERVISOR(plain_sup, THREE);
ES_SUPERVISOR(patient_sup, .intensity = 10, .period_s = 5, THREE);

/* ------------------------------------------------------------ its start */

static es_answer ignores_it(es_supervisor_spec *spec, es_term args)
{
    (void)spec, (void)args;
    return es_ignore();
}

static es_answer gives_nonsense(es_supervisor_spec *spec, es_term args)
{
    (void)spec, (void)args;
    return (es_answer){0};
}
ES_SUPERVISOR(ignoring_sup, .init = ignores_it, THREE);
ES_SUPERVISOR(nonsense_sup, .init = gives_nonsense, THREE);

STORY(init_may_ignore_or_give_nonsense, "SUP-01 SUP-02")
{
    es_pid pid;
    begin();
    EXPECT(es_try_start(ES_WITH(.link = true), &ignoring_sup, none, &pid, NULL) == ES_EIGNORE);
    EXPECT(got_exit(ES_ANY, es_am_normal));
    EXPECT(refused_with(&nonsense_sup, ES_TUPLE(bad_return, ES_ANY)));
    EXPECT(is_quiet());
}

ES_SUPERVISOR(negative_sup, .intensity = -3, THREE);
ES_SUPERVISOR(timeless_sup, .period_s = -1, THREE);
ES_SUPERVISOR(parted_sup, .partitions = 2);
ES_SUPERVISOR(strange_sup, .strategy = (es_strategy)17, THREE);

STORY(flags_that_make_no_sense_start_nobody, "SUP-03")
{
    begin();
    EXPECT(refused_with(&negative_sup, ES_TUPLE(supervisor_data, ES_TUPLE(invalid_intensity, -3))));
    EXPECT(refused_with(&timeless_sup, ES_TUPLE(supervisor_data, ES_TUPLE(invalid_period, -1))));
    EXPECT(refused_with(&strange_sup, ES_TUPLE(supervisor_data, ES_TUPLE(invalid_strategy, 17))));
    EXPECT(refused_with(&parted_sup, ES_TUPLE(supervisor_data, ES_TUPLE(invalid_partitions, 2))));
    EXPECT(is_quiet());
}

STORY(without_flags_one_restart_in_five_seconds_is_admitted, "SUP-04 SUP-05")
{
    begin();
    es_pid sup = up_with(&plain_sup);
    EXPECT(ALL_COME_UP(a, b, c));
    es_cast(pid_of(sup, b), crash);
    EXPECT(next_is(down, b) && next_is(up, b));
    es_cast(pid_of(sup, b), crash);
    EXPECT(next_is(down, b) && next_is(down, c) && next_is(down, a));
    EXPECT(got_exit(sup, es_am_shutdown));
}

ES_SUPERVISOR(twins_sup, ES_CHILDREN(CHILD(a), CHILD(a)));
ES_SUPERVISOR(nameless_sup, ES_CHILDREN({ES_START(worker_server)}));
ES_SUPERVISOR(startless_sup, ES_CHILDREN({.id = "a"}));
ES_SUPERVISOR(hasty_sup, ES_CHILDREN(CHILD(a, .shutdown_ms = -7)));
ES_SUPERVISOR(backward_sup, ES_CHILDREN(CHILD(a, .backoff = {.first_ms = -1})));
ES_SUPERVISOR(more_than_all_sup, ES_CHILDREN(CHILD(a, .backoff = {.first_ms = 100, .jitter = 1.5})));
ES_SUPERVISOR(heartless_sup, ES_CHILDREN(CHILD(a, .heartbeat_ms = -2)));
ES_SUPERVISOR(odd_sup, ES_CHILDREN(CHILD(a, .restart = (es_restart)9)));

STORY(children_that_make_no_sense_start_nobody, "SUP-06 SUP-07")
{
    begin();
    EXPECT(refused_with(&twins_sup, ES_TUPLE(start_spec, ES_TUPLE(duplicate_child_name, a))));
    EXPECT(refused_with(&nameless_sup, ES_TUPLE(start_spec, missing_id)));
    EXPECT(refused_with(&startless_sup, ES_TUPLE(start_spec, missing_start)));
    EXPECT(refused_with(&hasty_sup, ES_TUPLE(start_spec, ES_TUPLE(invalid_shutdown, -7))));
    EXPECT(refused_with(&backward_sup, ES_TUPLE(start_spec, ES_TUPLE(invalid_backoff, ES_ANY))));
    EXPECT(refused_with(&more_than_all_sup, ES_TUPLE(start_spec, ES_TUPLE(invalid_backoff, ES_ANY))));
    EXPECT(refused_with(&heartless_sup, ES_TUPLE(start_spec, ES_TUPLE(invalid_heartbeat, -2))));
    EXPECT(refused_with(&odd_sup, ES_TUPLE(start_spec, ES_TUPLE(invalid_restart_type, 9))));
    EXPECT(is_quiet());
}

STORY(children_start_in_order_and_stop_in_the_opposite_one, "SUP-09 SUP-10")
{
    begin();
    es_pid sup = up_with(&plain_sup);
    EXPECT(ALL_COME_UP(a, b, c));
    es_send_exit(sup, es_am_shutdown);
    EXPECT(next_is(down, c) && next_is(down, b) && next_is(down, a));
    EXPECT(got_exit(sup, es_am_shutdown));
}

STORY(a_child_that_does_not_start_takes_those_before_it_down, "SUP-11")
{
    begin();
    atomic_store(&fails_to_come[2], 1);
    EXPECT(refused_with(&plain_sup, ES_TUPLE(es_am_shutdown, ES_TUPLE(failed_to_start_child, c, r))));
    EXPECT(ALL_COME_UP(a, b) && next_is(fails, c) && next_is(down, b) && next_is(down, a));
}

static es_err starts_nobody(es_term args, es_started *out)
{
    (void)args, (void)out;
    return ES_OK;
}

static es_err starts_with_info(es_term args, es_started *out)
{
    out->info = es_keep(ES_TUPLE(more, 1));
    return es_try_start(ES_WITH(.link = true), &worker_server, args, &out->pid, NULL);
}
ES_SUPERVISOR(unknown_sup, ES_CHILDREN({.id = "a", .start = starts_nobody}));
ES_SUPERVISOR(empty_sup, .intensity = 10);

STORY(what_a_start_function_gives_is_passed_on, "SUP-12 SUP-15")
{
    es_pid pid = ES_NO_PID;
    es_term info = es_none();
    begin();
    EXPECT(
        refused_with(&unknown_sup, ES_TUPLE(es_am_shutdown, ES_TUPLE(failed_to_start_child, a, bad_return))));
    es_pid sup = up_with(&empty_sup);
    EXPECT(es_add_child(sup, (&(const es_child_spec){.id = "a", .start = starts_with_info, .args = "a"}),
                        &pid, &info) == ES_OK);
    EXPECT(es_match(info, ES_TUPLE(more, 1)) && es_is_alive(pid));
}

/* How often the start function below still ends in an error, and in which. */
static _Atomic(int) crashes_to_come;
static _Atomic(int) crashes_by;
enum { BY_EXIT, BY_FAULT, BY_ANSWER, ALL_WAYS };

/* Does `why` say how it crashed last? Of a fault it says where. */
static bool says_how(es_term why)
{
    switch (atomic_load(&crashes_by)) {
    case BY_EXIT:
        return es_is(why, crash);
    case BY_FAULT:
        return es_match(why, ES_TUPLE(es_am_signal, es_am_sigsegv, ES_ANY));
    default:
        return es_match(why, ES_TUPLE(es_am_badarg, es_am_answer));
    }
}

static es_err crashes_or_starts(es_term args, es_started *out)
{
    if (atomic_load(&crashes_to_come) > 0) {
        atomic_fetch_sub(&crashes_to_come, 1);
        tell(fails, d);
        if (atomic_load(&crashes_by) == BY_FAULT)
            *(volatile int *)NULL = 1;
        if (atomic_load(&crashes_by) == BY_ANSWER)
            es_answer_now(es_ok()); /* a supervisor has no callback that could be left */
        es_exit(crash);
    }
    return es_try_start(ES_WITH(.link = true), &worker_server, args, &out->pid, NULL);
}
#define CRASHING(...)                                                   \
    {                                                                   \
        .id = "d", .start = crashes_or_starts, .args = "d", __VA_ARGS__ \
    }
ES_SUPERVISOR(crashing_sup, .intensity = 3, ES_CHILDREN(CHILD(a), CHILD(b), CRASHING(), CHILD(c)));
ES_SUPERVISOR(crashing_many_sup, .strategy = ES_SIMPLE_ONE_FOR_ONE,
              ES_CHILDREN({.start = crashes_or_starts, .restart = ES_TEMPORARY}));

STORY(a_start_function_that_crashes_when_the_supervisor_comes_up_fails_to_start, "SUP-12")
{
    begin();
    for (int how = BY_EXIT; how < ALL_WAYS; how++) {
        atomic_store(&crashes_to_come, 1);
        atomic_store(&crashes_by, how);
        es_term why = es_none(), crashed;
        EXPECT(es_try_start(ES_WITH(.link = true), &crashing_sup, none, NULL, &why) == ES_ECLOSED);
        EXPECT(es_match(why, ES_TUPLE(es_am_shutdown, ES_TUPLE(failed_to_start_child, d, &crashed))));
        EXPECT(says_how(crashed));
        es_drop(why);
        EXPECT(ALL_COME_UP(a, b) && next_is(fails, d) && next_is(down, b) && next_is(down, a));
        es_receive {
            es_case(ES_TUPLE(es_am_EXIT, ES_ANY, ES_TUPLE(es_am_shutdown, ES_ANY))) {
            }
        }
    }
}

STORY(a_start_function_that_crashes_later_is_a_failed_start, "SUP-12 SUP-18")
{
    es_pid pid = ES_NO_PID;
    begin();
    es_pid sup = up_with(&empty_sup);
    for (int how = BY_EXIT; how < ALL_WAYS; how++) {
        const es_child_spec spec = CRASHING();
        es_term why = es_none();
        atomic_store(&crashes_to_come, 1);
        atomic_store(&crashes_by, how);
        EXPECT(es_add_child(sup, &spec, &pid, &why) == ES_ECLOSED && next_is(fails, d) && !knows(sup, d));
        EXPECT(says_how(why));
        es_drop(why);
        EXPECT(es_add_child(sup, &spec, &pid, NULL) == ES_OK && next_is(up, d));

        atomic_store(&crashes_to_come, 2); /* it ends; two tries crash, the third one is up */
        EXPECT(es_cast(pid, crash) == ES_OK);
        EXPECT(next_is(down, d) && next_is(fails, d) && next_is(fails, d) && next_is(up, d));

        EXPECT(es_terminate_child(sup, d) == ES_OK && next_is(down, d));
        atomic_store(&crashes_to_come, 1);
        EXPECT(es_restart_child(sup, d) == ES_ECLOSED && next_is(fails, d) && shows(sup, d, es_am_undefined));
        EXPECT(es_restart_child(sup, d) == ES_OK && next_is(up, d));
        EXPECT(es_terminate_child(sup, d) == ES_OK && next_is(down, d) && es_delete_child(sup, d) == ES_OK);
    }
    es_pid many = up_with(&crashing_many_sup);
    es_child_counts n;
    atomic_store(&crashes_to_come, 1);
    EXPECT(es_start_child(many, d, &pid, NULL) == ES_ECLOSED && next_is(fails, d));
    EXPECT(es_start_child(many, d, &pid, NULL) == ES_OK && next_is(up, d));
    EXPECT(es_count_children(many, &n) == ES_OK && n.active == 1);
}

static es_pid the_same;

static es_err starts_the_same(es_term args, es_started *out)
{
    (void)args;
    out->pid = the_same;
    return ES_OK;
}

STORY(a_start_function_that_gives_a_child_that_is_there_already_is_refused, "")
{
    es_pid pid = ES_NO_PID;
    es_term why = es_none();
    begin();
    es_pid sup = up_with(&empty_sup);
    EXPECT(es_add_child(sup, (&(const es_child_spec)CHILD(a)), &the_same, NULL) == ES_OK && next_is(up, a));
    EXPECT(es_add_child(sup, (&(const es_child_spec){.id = "b", .start = starts_the_same}), &pid, &why) ==
           ES_ECLOSED);
    EXPECT(es_is(why, bad_return) && !knows(sup, b) && es_is_alive(the_same));
    es_send_exit(sup, es_am_shutdown);
    EXPECT(next_is(down, a) && got_exit(sup, es_am_shutdown));
}

STORY(a_child_that_ignores_is_kept_and_a_temporary_one_is_not, "SUP-13 SUP-14 SUP-25")
{
    es_child_counts n;
    es_pid pid;
    begin();
    es_pid sup = up_with(&empty_sup);
    EXPECT(es_add_child(sup, (&(const es_child_spec)CHILD(a)), &pid, NULL) == ES_OK);
    EXPECT(es_add_child(sup, (&(const es_child_spec)CHILD(ignore)), &pid, NULL) == ES_EIGNORE);
    EXPECT(es_add_child(
               sup, (&(const es_child_spec){.id = "inner", ES_START(empty_sup), .type = ES_CHILD_SUPERVISOR}),
               &pid, NULL) == ES_OK);
    EXPECT(shows(sup, ignore, es_am_undefined));
    EXPECT(es_count_children(sup, &n) == ES_OK && n.specs == 3 && n.active == 2 && n.supervisors == 1 &&
           n.workers == 2);
    EXPECT(es_restart_child(sup, ignore) == ES_OK);
    EXPECT(es_delete_child(sup, ignore) == ES_OK && !knows(sup, ignore));
    EXPECT(es_add_child(sup, (&(const es_child_spec)CHILD(ignore, .restart = ES_TEMPORARY)), &pid, NULL) ==
           ES_EIGNORE);
    EXPECT(!knows(sup, ignore));
}

STORY(an_id_is_had_by_one_child, "SUP-16 SUP-17 SUP-18")
{
    es_pid pid, old;
    es_term why = es_none();
    begin();
    es_pid sup = up_with(&empty_sup);
    const es_child_spec spec = CHILD(a), failing = CHILD(fails);
    EXPECT(es_add_child(sup, &spec, &old, NULL) == ES_OK);
    EXPECT(es_add_child(sup, &spec, &pid, &why) == ES_EEXIST &&
           es_match(why, ES_TUPLE(es_am_already_started, old)));
    EXPECT(es_terminate_child(sup, a) == ES_OK);
    EXPECT(es_add_child(sup, &spec, &pid, &why) == ES_EEXIST && es_is(why, es_am_already_present));
    EXPECT(es_add_child(sup, &failing, &pid, &why) == ES_ECLOSED && es_is(why, r));
    EXPECT(!knows(sup, fails));
}

ES_SUPERVISOR(strict_sup, .intensity = ES_NO_RESTARTS,
              ES_CHILDREN(CHILD(a), CHILD(b, .restart = ES_TEMPORARY)));

STORY(a_child_can_be_ended_restarted_and_deleted_by_hand, "SUP-19 SUP-20 SUP-21 SUP-22 SUP-23")
{
    begin();
    es_pid sup = up_with(&strict_sup);
    EXPECT(ALL_COME_UP(a, b));
    EXPECT(es_restart_child(sup, a) == ES_EEXIST && es_restart_child(sup, c) == ES_ENOTFOUND);
    EXPECT(es_delete_child(sup, a) == ES_EEXIST);
    EXPECT(es_terminate_child(sup, a) == ES_OK && next_is(down, a) && shows(sup, a, es_am_undefined));
    EXPECT(es_terminate_child(sup, a) == ES_OK);
    EXPECT(es_terminate_child(sup, c) == ES_ENOTFOUND);
    EXPECT(es_terminate_child(sup, b) == ES_OK && next_is(down, b) && !knows(sup, b));
    EXPECT(es_restart_child(sup, a) == ES_OK && next_is(up, a));
    EXPECT(es_terminate_child(sup, a) == ES_OK && next_is(down, a));
    EXPECT(es_delete_child(sup, a) == ES_OK && !knows(sup, a));
    EXPECT(es_is_alive(sup));
}

STORY(children_are_listed_the_latest_first, "SUP-24")
{
    es_term list = es_none();
    begin();
    es_pid sup = up_with(&plain_sup);
    EXPECT(es_which_children(sup, &list) == ES_OK);
    EXPECT(es_match(list, ES_LIST(ES_TUPLE(c, ES_ANY, es_am_worker, ES_ANY),
                                  ES_TUPLE(b, ES_ANY, es_am_worker, ES_ANY),
                                  ES_TUPLE(a, ES_ANY, es_am_worker, ES_ANY))));
}

/* ------------------------------------------------------------ restarts */

ES_SUPERVISOR(kinds_sup, .intensity = 100,
              ES_CHILDREN(CHILD(a), CHILD(b, .restart = ES_TRANSIENT), CHILD(c, .restart = ES_TEMPORARY)));

static void leaves_with(es_pid sup, es_atom who, es_term reason)
{
    es_cast(pid_of(sup, who), ES_TUPLE(leave, reason));
    EXPECT(next_is(down, who));
}

STORY(a_permanent_child_is_always_restarted, "SUP-26")
{
    begin();
    es_pid sup = up_with(&kinds_sup);
    EXPECT(ALL_COME_UP(a, b, c));
    leaves_with(sup, a, es_from_atom(es_am_normal));
    EXPECT(next_is(up, a));
    leaves_with(sup, a, es_from_atom(es_am_shutdown));
    EXPECT(next_is(up, a));
    leaves_with(sup, a, es_lend(ES_TUPLE(es_am_shutdown, r)));
    EXPECT(next_is(up, a));
    leaves_with(sup, a, es_from_atom(r));
    EXPECT(next_is(up, a));
    es_send_exit(pid_of(sup, a), es_am_kill);
    EXPECT(next_is(up, a));
}

STORY(a_transient_child_is_restarted_when_it_fails, "SUP-27 SUP-28")
{
    begin();
    es_pid sup = up_with(&kinds_sup);
    EXPECT(ALL_COME_UP(a, b, c));
    es_cast(pid_of(sup, b), crash);
    EXPECT(next_is(down, b) && next_is(up, b));
    es_send_exit(pid_of(sup, b), es_am_kill);
    EXPECT(next_is(up, b));
    es_atom mild[] = {es_am_normal, es_am_shutdown};
    for (int i = 0; i < 2; i++) {
        leaves_with(sup, b, es_from_atom(mild[i]));
        while (!shows(sup, b, es_am_undefined))
            es_yield();
        EXPECT(es_restart_child(sup, b) == ES_OK && next_is(up, b));
    }
    leaves_with(sup, b, es_lend(ES_TUPLE(es_am_shutdown, r)));
    while (!shows(sup, b, es_am_undefined))
        es_yield();
    EXPECT(is_quiet());
}

STORY(a_temporary_child_is_never_restarted, "SUP-29")
{
    begin();
    es_pid sup = up_with(&kinds_sup);
    EXPECT(ALL_COME_UP(a, b, c));
    es_cast(pid_of(sup, c), crash);
    EXPECT(next_is(down, c));
    while (knows(sup, c))
        es_yield();
    EXPECT(is_quiet());
}

STORY(no_restart_is_admitted_with_intensity_0, "SUP-30")
{
    begin();
    es_pid sup = up_with(&strict_sup);
    EXPECT(ALL_COME_UP(a, b));
    es_cast(pid_of(sup, a), crash);
    EXPECT(next_is(down, a) && next_is(down, b));
    EXPECT(got_exit(sup, es_am_shutdown));
}

/* Periods that no machine outlasts by standing still. */
ES_SUPERVISOR(two_sup, .intensity = 2, .period_s = 3600, ES_CHILDREN(CHILD(a)));
ES_SUPERVISOR(one_sup, .intensity = 1, .period_s = 1, ES_CHILDREN(CHILD(a)));

STORY(the_third_crash_in_the_period_ends_a_supervisor_of_intensity_2, "SUP-31")
{
    begin();
    es_pid sup = up_with(&two_sup);
    EXPECT(next_is(up, a));
    for (int i = 0; i < 2; i++) {
        es_cast(pid_of(sup, a), crash);
        EXPECT(next_is(down, a) && next_is(up, a));
    }
    es_cast(pid_of(sup, a), crash);
    EXPECT(next_is(down, a));
    EXPECT(got_exit(sup, es_am_shutdown));
}

SIMULATED_STORY(old_restarts_leave_the_window, "SUP-32")
{
    begin();
    es_pid sup = up_with(&one_sup);
    EXPECT(next_is(up, a));
    for (int i = 0; i < 3; i++) {
        es_cast(pid_of(sup, a), crash);
        EXPECT(next_is(down, a) && next_is(up, a));
        es_sleep(2100);
    }
}

STORY(one_for_one_restarts_only_the_child_that_ended, "SUP-33")
{
    begin();
    es_pid sup = up_with(&patient_sup);
    EXPECT(ALL_COME_UP(a, b, c));
    es_pid pid_a = pid_of(sup, a), pid_b = pid_of(sup, b), pid_c = pid_of(sup, c);
    es_cast(pid_b, crash);
    EXPECT(next_is(down, b) && next_is(up, b));
    EXPECT(es_pid_equal(pid_of(sup, a), pid_a) && es_pid_equal(pid_of(sup, c), pid_c) &&
           !es_pid_equal(pid_of(sup, b), pid_b));
}

ES_SUPERVISOR(all_sup, .strategy = ES_ONE_FOR_ALL, .intensity = 10, FOUR());
ES_SUPERVISOR(rest_sup, .strategy = ES_REST_FOR_ONE, .intensity = 10, FOUR());
ES_SUPERVISOR(all_but_c_sup, .strategy = ES_ONE_FOR_ALL, .intensity = 10, FOUR(.restart = ES_TEMPORARY));

STORY(one_for_all_stops_the_others_and_starts_all_in_order, "SUP-34")
{
    begin();
    es_pid sup = up_with(&all_sup);
    EXPECT(ALL_COME_UP(a, b, c, d));
    es_cast(pid_of(sup, b), crash);
    EXPECT(next_is(down, b) && next_is(down, d) && next_is(down, c) && next_is(down, a));
    EXPECT(ALL_COME_UP(a, b, c, d));
    EXPECT(is_quiet());
}

STORY(rest_for_one_takes_along_those_that_came_later, "SUP-35")
{
    begin();
    es_pid sup = up_with(&rest_sup);
    EXPECT(ALL_COME_UP(a, b, c, d));
    es_pid pid_a = pid_of(sup, a);
    es_cast(pid_of(sup, b), crash);
    EXPECT(next_is(down, b) && next_is(down, d) && next_is(down, c));
    EXPECT(ALL_COME_UP(b, c, d) && es_pid_equal(pid_a, pid_of(sup, a)));
    EXPECT(is_quiet());
}

STORY(a_temporary_child_is_stopped_with_the_others_and_not_started_again, "SUP-36 SUP-37")
{
    begin();
    es_pid sup = up_with(&all_but_c_sup);
    EXPECT(ALL_COME_UP(a, b, c, d));
    es_cast(pid_of(sup, a), crash);
    EXPECT(next_is(down, a) && next_is(down, d) && next_is(down, c) && next_is(down, b));
    EXPECT(ALL_COME_UP(a, b, d) && !knows(sup, c));
    es_send_exit(sup, es_am_shutdown);
    EXPECT(next_is(down, d) && next_is(down, b) && next_is(down, a));
    EXPECT(got_exit(sup, es_am_shutdown));

    sup = up_with(&all_but_c_sup);
    EXPECT(ALL_COME_UP(a, b, c, d));
    es_cast(pid_of(sup, c), crash);
    EXPECT(next_is(down, c));
    while (knows(sup, c))
        es_yield();
    EXPECT(is_quiet());
}

STORY(a_restart_that_fails_is_tried_again_and_each_try_counts, "SUP-38 SUP-39")
{
    begin();
    es_pid sup = up_with(&patient_sup);
    EXPECT(ALL_COME_UP(a, b, c));
    atomic_store(&fails_to_come[1], 2);
    es_cast(pid_of(sup, b), crash);
    EXPECT(next_is(down, b) && next_is(fails, b) && next_is(fails, b) && next_is(up, b));
    es_send_exit(sup, es_am_shutdown);
    EXPECT(got_exit(sup, es_am_shutdown));
    EXPECT(next_is(down, c) && next_is(down, b) && next_is(down, a));

    sup = up_with(&two_sup);
    EXPECT(next_is(up, a));
    atomic_store(&fails_to_come[0], 1000);
    es_cast(pid_of(sup, a), crash);
    EXPECT(next_is(down, a) && next_is(fails, a) && next_is(fails, a));
    EXPECT(got_exit(sup, es_am_shutdown));
    while (there_is(ES_TUPLE(es_am_EXIT, ES_ANY, ES_ANY))) {
    }
    EXPECT(is_quiet());
}

STORY(another_child_that_does_not_come_back_takes_the_round_back, "SUP-40")
{
    begin();
    es_pid sup = up_with(&all_sup);
    EXPECT(ALL_COME_UP(a, b, c, d));
    atomic_store(&fails_to_come[2], 2);
    es_cast(pid_of(sup, a), crash);
    EXPECT(next_is(down, a) && next_is(down, d) && next_is(down, c) && next_is(down, b));
    for (int i = 0; i < 2; i++)
        EXPECT(ALL_COME_UP(a, b) && next_is(fails, c) && next_is(down, b) && next_is(down, a));
    EXPECT(ALL_COME_UP(a, b, c, d));
    es_send_exit(sup, es_am_shutdown);
    EXPECT(next_is(down, d) && next_is(down, c) && next_is(down, b) && next_is(down, a));
    EXPECT(got_exit(sup, es_am_shutdown));

    sup = up_with(&rest_sup);
    EXPECT(ALL_COME_UP(a, b, c, d));
    es_pid pid_a = pid_of(sup, a);
    atomic_store(&fails_to_come[2], 2);
    es_cast(pid_of(sup, b), crash);
    EXPECT(next_is(down, b) && next_is(down, d) && next_is(down, c));
    EXPECT(next_is(up, b) && next_is(fails, c));
    EXPECT(next_is(fails, c) && ALL_COME_UP(c, d));
    EXPECT(es_pid_equal(pid_a, pid_of(sup, a)));
}

ES_SUPERVISOR(tireless_sup, .intensity = 1000000, .period_s = 5, ES_CHILDREN(CHILD(a)));

static es_pid with_a_child_that_does_not_come_back(void)
{
    es_pid sup = up_with(&tireless_sup);
    EXPECT(next_is(up, a));
    atomic_store(&fails_to_come[0], 1 << 30);
    es_cast(pid_of(sup, a), crash);
    EXPECT(next_is(down, a) && next_is(fails, a));
    return sup;
}

STORY(a_supervisor_answers_while_a_child_does_not_come_back, "SUP-41 SUP-42 SUP-43")
{
    begin();
    es_pid sup = with_a_child_that_does_not_come_back();
    EXPECT(shows(sup, a, es_am_restarting));
    EXPECT(es_delete_child(sup, a) == ES_EBUSY && es_restart_child(sup, a) == ES_EBUSY);
    EXPECT(es_terminate_child(sup, a) == ES_OK && shows(sup, a, es_am_undefined));
    while (there_is(ES_ANY)) {
    }
    EXPECT(is_quiet());
    EXPECT(es_delete_child(sup, a) == ES_OK);
}

STORY(a_supervisor_stops_while_a_child_does_not_come_back, "SUP-44")
{
    begin();
    es_pid sup = with_a_child_that_does_not_come_back();
    es_send_exit(sup, es_am_shutdown);
    EXPECT(got_exit(sup, es_am_shutdown));
}

/* ------------------------------------------------------------ stopping */

ES_SUPERVISOR(short_sup, ES_CHILDREN({.id = "a", .start = start_stubborn, .shutdown_ms = 100}));

SIMULATED_STORY(who_does_not_stop_in_time_is_killed, "SUP-45")
{
    begin();
    es_pid sup = up_with(&short_sup), child = pid_of(sup, a);
    es_ref ref = es_monitor(child);
    int64_t before_ns = es_now_ns();
    es_send_exit(sup, es_am_shutdown);
    EXPECT(got_down(ref, child, es_am_killed));
    EXPECT(es_now_ns() - before_ns >= 100 * INT64_C(1000000) &&
           es_now_ns() - before_ns < 110 * INT64_C(1000000));
    EXPECT(got_exit(sup, es_am_shutdown));
}

ES_SUPERVISOR(brutal_sup, ES_CHILDREN(CHILD(a, .shutdown_ms = ES_BRUTAL_KILL)));

STORY(a_brutal_kill_asks_nobody, "SUP-46")
{
    begin();
    es_pid sup = up_with(&brutal_sup), child = pid_of(sup, a);
    es_ref ref = es_monitor(child);
    EXPECT(next_is(up, a));
    EXPECT(es_terminate_child(sup, a) == ES_OK);
    EXPECT(got_down(ref, child, es_am_killed));
    EXPECT(is_quiet());
}

typedef struct {
    int64_t nothing;
} lingering;

static es_answer lingering_init(lingering *self, es_term args)
{
    (void)self, (void)args;
    es_trap_exit(true);
    return es_ok();
}

static void lingers(lingering *self, es_term reason)
{
    (void)self, (void)reason;
    es_sleep(3000);
    tell(down, a);
}
ES_SERVER(lingering_server, lingering, .init = lingering_init, .terminate = lingers);
ES_SUPERVISOR(endless_sup, ES_CHILDREN({.id = "a", ES_START(lingering_server), .shutdown_ms = ES_INFINITY}));

SIMULATED_STORY(who_may_take_for_ever_is_waited_for, "SUP-47")
{
    begin();
    es_pid sup = up_with(&endless_sup);
    es_send_exit(sup, es_am_shutdown);
    EXPECT(next_is(down, a));
    EXPECT(got_exit(sup, es_am_shutdown));
}

STORY(a_child_that_unlinked_itself_is_stopped_all_the_same, "SUP-48")
{
    begin();
    es_pid sup = up_with(&plain_sup);
    EXPECT(ALL_COME_UP(a, b, c));
    es_pid child = pid_of(sup, b);
    es_cast(child, unlinks);
    es_sys_get_state(child, &(es_term){0});
    es_send_exit(child, es_am_kill); /* nobody is told */
    wait_for_end(child);
    EXPECT(es_terminate_child(sup, b) == ES_OK && shows(sup, b, es_am_undefined));
}

STORY(a_child_that_ends_for_its_own_reason_while_it_is_stopped_stops_nothing, "SUP-49")
{
    begin();
    es_pid sup = up_with(&plain_sup);
    EXPECT(ALL_COME_UP(a, b, c));
    es_pid child = pid_of(sup, b);
    es_suspend(sup);
    es_cast(child, crash);
    wait_for_end(child);
    es_send_exit(sup, es_am_shutdown);
    es_resume(sup);
    EXPECT(got_exit(sup, es_am_shutdown));
    EXPECT(next_is(down, b));
}

STORY(a_supervisor_ends_with_its_parents_reason, "SUP-50 SUP-51 SUP-52")
{
    begin();
    es_atom reasons[] = {r, es_am_normal};
    for (int i = 0; i < 2; i++) {
        es_pid sup = up_with(&plain_sup), other = es_spawn(waits);
        EXPECT(ALL_COME_UP(a, b, c));
        es_send(sup, ES_TUPLE(es_am_EXIT, other, r));
        es_send(sup, more);
        EXPECT(shows(sup, a, es_am_undefined) == false && es_is_alive(sup));
        es_send_exit(sup, reasons[i]);
        EXPECT(next_is(down, c) && next_is(down, b) && next_is(down, a));
        EXPECT(got_exit(sup, reasons[i]));
    }
}

ES_SUPERVISOR(inner_sup, .intensity = ES_NO_RESTARTS, ES_CHILDREN(CHILD(a)));
ES_SUPERVISOR(outer_sup, .intensity = 1, .period_s = 3600,
              ES_CHILDREN({.id = "inner", ES_START(inner_sup), .type = ES_CHILD_SUPERVISOR}));

STORY(an_inner_supervisor_that_gives_up_is_restarted_by_the_outer_one, "SUP-53")
{
    begin();
    es_pid sup = up_with(&outer_sup);
    EXPECT(next_is(up, a));
    es_cast(pid_of(pid_of(sup, inner), a), crash);
    EXPECT(next_is(down, a) && next_is(up, a));
    es_cast(pid_of(pid_of(sup, inner), a), crash);
    EXPECT(next_is(down, a));
    EXPECT(got_exit(sup, es_am_shutdown));
}

/* ------------------------------------------------------------ many of one kind */

ES_SUPERVISOR(many_sup, .strategy = ES_SIMPLE_ONE_FOR_ONE, .intensity = 10,
              ES_CHILDREN({.id = "w", ES_START(worker_server)}));
ES_SUPERVISOR(two_templates_sup, .strategy = ES_SIMPLE_ONE_FOR_ONE, ES_CHILDREN(CHILD(a), CHILD(b)));
ES_SUPERVISOR(crowd_sup, .strategy = ES_SIMPLE_ONE_FOR_ONE,
              ES_CHILDREN({.id = "w", ES_START(worker_server), .restart = ES_TEMPORARY}));

STORY(each_of_many_is_restarted_with_its_own_arguments, "SUP-54 SUP-55 SUP-56")
{
    es_pid first, second;
    begin();
    EXPECT(refused_with(&two_templates_sup, ES_TUPLE(start_spec, ES_ANY)));
    es_pid sup = up_with(&many_sup);
    EXPECT(es_start_child(sup, a, &first, NULL) == ES_OK && next_is(up, a));
    EXPECT(es_start_child(sup, ES_TUPLE(b, 1), &second, NULL) == ES_OK && next_is(up, b));
    es_cast(first, crash);
    EXPECT(next_is(down, a) && next_is(up, a));
    EXPECT(es_terminate_child(sup, w) == ES_EINVAL);
    EXPECT(es_terminate_child(sup, second) == ES_OK && next_is(down, b));
    EXPECT(es_terminate_child(sup, second) == ES_OK);
    EXPECT(es_terminate_child(sup, es_self()) == ES_ENOTFOUND);
}

STORY(a_crowd_that_is_killed_is_forgotten, "SUP-57")
{
    enum { CROWD = 1000 };
    static es_pid pids[CROWD];
    es_child_counts n;
    begin();
    es_pid sup = up_with(&crowd_sup);
    for (int i = 0; i < CROWD; i++)
        EXPECT(es_start_child(sup, ES_TUPLE(d, i), &pids[i], NULL) == ES_OK);
    for (int i = 0; i < CROWD; i++)
        es_send_exit(pids[i], es_am_kill);
    do
        EXPECT(es_count_children(sup, &n) == ES_OK);
    while (n.active > 0);
    EXPECT(n.workers == 0 && es_is_alive(sup));
}

ES_SUPERVISOR(many_slow_sup, .strategy = ES_SIMPLE_ONE_FOR_ONE, .intensity = 10,
              ES_CHILDREN({.id = "w", ES_START(worker_server), .backoff = {.first_ms = 1000}}));

/* Source: OTP supervisor, find_child/2: one that is being restarted is known by its last pid. */
SIMULATED_STORY(one_of_many_that_waits_to_come_back_is_ended_by_its_last_pid, "SUP-42 SUP-56")
{
    es_pid first, second;
    begin();
    es_pid sup = up_with(&many_slow_sup);
    EXPECT(es_start_child(sup, a, &first, NULL) == ES_OK && next_is(up, a));
    EXPECT(es_start_child(sup, b, &second, NULL) == ES_OK && next_is(up, b));
    es_cast(first, crash);
    EXPECT(next_is(down, a));
    es_cast(second, crash);
    EXPECT(next_is(down, b));
    es_sleep(1);
    EXPECT(es_terminate_child(sup, first) == ES_OK);
    EXPECT(next_is(up, b));
    es_sleep(2000);
    EXPECT(is_quiet() && es_is_alive(sup));
    es_child_counts n;
    EXPECT(es_count_children(sup, &n) == ES_OK && n.active == 1 && n.workers == 1);
}

/* It has no id and no pid: nobody could name it. */
STORY(one_of_many_that_does_not_want_to_come_back_is_forgotten, "")
{
    es_pid pid;
    es_child_counts n;
    begin();
    es_pid sup = up_with(&many_sup);
    EXPECT(es_start_child(sup, a, &pid, NULL) == ES_OK && next_is(up, a));
    atomic_store(&ignores[0], true);
    es_cast(pid, crash);
    EXPECT(next_is(down, a));
    wait_for_end(pid);
    do
        EXPECT(es_count_children(sup, &n) == ES_OK);
    while (n.active > 0);
    es_sleep(1);
    EXPECT(es_count_children(sup, &n) == ES_OK && n.workers == 0);
}

ES_SUPERVISOR(
    endless_crowd_sup, .strategy = ES_SIMPLE_ONE_FOR_ONE,
    ES_CHILDREN({.id = "w", ES_START(lingering_server), .restart = ES_TEMPORARY, .shutdown_ms = INT64_MAX}));

SIMULATED_STORY(a_crowd_that_may_take_as_long_as_can_be_said_is_waited_for, "SUP-47")
{
    begin();
    es_pid sup = up_with(&endless_crowd_sup);
    EXPECT(es_start_child(sup, a, NULL, NULL) == ES_OK);
    es_send_exit(sup, es_am_shutdown);
    EXPECT(next_is(down, a));
    EXPECT(got_exit(sup, es_am_shutdown));
}

ES_SUPERVISOR(stubborn_crowd_sup, .strategy = ES_SIMPLE_ONE_FOR_ONE,
              ES_CHILDREN({.id = "w", .start = start_stubborn, .restart = ES_TEMPORARY, .shutdown_ms = 200}));

STORY_WITH(a_crowd_is_stopped_within_one_time, 100000, "SUP-58", play_in_ten_worlds)
{
    long crowd = rounds(100000);
    es_pid pid;
    begin();
    es_pid sup = up_with(&stubborn_crowd_sup);
    for (long i = 0; i < crowd; i++)
        EXPECT(es_start_child(sup, none, &pid, NULL) == ES_OK);
    int64_t before_ns = es_now_ns();
    es_send_exit(sup, es_am_shutdown);
    EXPECT(got_exit(sup, es_am_shutdown));
    EXPECT(es_now_ns() - before_ns < 2 * 200 * INT64_C(1000000));
}

/* ------------------------------------------------------------ significant children */

ES_SUPERVISOR(any_sup, .auto_shutdown = ES_SHUTDOWN_ON_ANY, .intensity = 5,
              ES_CHILDREN(CHILD(a), CHILD(b, .restart = ES_TRANSIENT, .significant = true),
                          CHILD(c, .restart = ES_TEMPORARY, .significant = true)));
ES_SUPERVISOR(every_sup, .auto_shutdown = ES_SHUTDOWN_ON_ALL,
              ES_CHILDREN(CHILD(a, .restart = ES_TRANSIENT, .significant = true),
                          CHILD(b, .restart = ES_TRANSIENT, .significant = true), CHILD(c)));
ES_SUPERVISOR(never_sup, ES_CHILDREN(CHILD(a, .restart = ES_TRANSIENT, .significant = true)));
ES_SUPERVISOR(permanent_sup, .auto_shutdown = ES_SHUTDOWN_ON_ANY, ES_CHILDREN(CHILD(a, .significant = true)));

STORY(the_end_of_a_significant_child_is_the_supervisors, "SUP-60 SUP-61 SUP-62")
{
    begin();
    es_pid sup = up_with(&any_sup);
    EXPECT(ALL_COME_UP(a, b, c));
    es_cast(pid_of(sup, b), crash);
    EXPECT(next_is(down, b) && next_is(up, b));
    leaves_with(sup, b, es_from_atom(es_am_normal));
    EXPECT(next_is(down, c) && next_is(down, a));
    EXPECT(got_exit(sup, es_am_shutdown));

    sup = up_with(&any_sup);
    EXPECT(ALL_COME_UP(a, b, c));
    es_cast(pid_of(sup, c), crash);
    EXPECT(next_is(down, c) && next_is(down, b) && next_is(down, a));
    EXPECT(got_exit(sup, es_am_shutdown));
}

STORY(the_end_of_all_significant_children_is_the_supervisors, "SUP-63 SUP-64")
{
    begin();
    es_pid sup = up_with(&every_sup);
    EXPECT(ALL_COME_UP(a, b, c));
    leaves_with(sup, a, es_from_atom(es_am_normal));
    while (!shows(sup, a, es_am_undefined))
        es_yield();
    EXPECT(is_quiet());
    leaves_with(sup, b, es_from_atom(es_am_shutdown));
    EXPECT(next_is(down, c));
    EXPECT(got_exit(sup, es_am_shutdown));
    EXPECT(refused_with(&never_sup, ES_TUPLE(start_spec, ES_TUPLE(bad_combination, ES_ANY))));
    EXPECT(refused_with(&permanent_sup, ES_TUPLE(start_spec, ES_TUPLE(bad_combination, ES_ANY))));
}

/* ------------------------------------------------------------ at once, and in a circle */

static void adds_a(es_pid *sup)
{
    es_pid pid;
    es_term why = es_none();
    const es_child_spec spec = CHILD(a);
    es_err error = es_add_child(*sup, &spec, &pid, &why);
    es_exit(error == ES_OK                                                                 ? es_am_ok
            : error == ES_EEXIST && es_match(why, ES_TUPLE(es_am_already_started, ES_ANY)) ? more
                                                                                           : r);
}

STORY(of_two_who_add_the_same_child_one_does, "SUP-66")
{
    es_ref ref;
    static es_pid sup;
    begin();
    sup = up_with(&empty_sup);
    es_spawn_monitor(&ref, adds_a, &sup);
    es_spawn_monitor(&ref, adds_a, &sup);
    EXPECT(got(ES_TUPLE(es_am_DOWN, ES_ANY, ES_ANY, ES_ANY, es_am_ok)));
    EXPECT(got(ES_TUPLE(es_am_DOWN, ES_ANY, ES_ANY, ES_ANY, more)));
}

typedef struct {
    int64_t nothing;
} circular;

static es_answer circular_init(circular *self, es_term args)
{
    es_info info;
    es_pid pid;
    const es_child_spec spec = CHILD(a);
    (void)self, (void)args;
    EXPECT(es_process_info(es_self(), &info));
    EXPECT(es_add_child(info.parent, &spec, &pid, NULL) == ES_EDEADLK &&
           strstr(es_last_detail(), "its own child"));
    return es_ok();
}
ES_SERVER(circular_server, circular, .init = circular_init);
ES_SUPERVISOR(circle_sup, ES_CHILDREN({.id = "a", ES_START(circular_server)}));

STORY(a_child_that_asks_its_supervisor_in_init_is_told_of_the_circle, "SUP-67")
{
    begin();
    EXPECT(es_is_alive(up_with(&circle_sup)));
}

static void spins(es_term args)
{
    (void)args;
    es_trap_exit(true);
    es_init_ack(es_self());
    for (;;)
        __asm__ volatile("");
}

static es_err start_spinning(es_term args, es_started *out)
{
    return start_linked(spins, args, out);
}
ES_SUPERVISOR(spinning_sup, ES_CHILDREN({.id = "a", .start = start_spinning, .shutdown_ms = 50}));

REAL_STORY(who_spins_is_ended_when_the_time_is_over, 1, "SUP-68")
{
    begin();
    es_pid sup = up_with(&spinning_sup), child = pid_of(sup, a);
    es_ref ref = es_monitor(child);
    es_send_exit(sup, es_am_shutdown);
    EXPECT(got_down(ref, child, es_am_killed));
    EXPECT(got_exit(sup, es_am_shutdown));
}

/* ------------------------------------------------------------ what OTP does not have */

ES_SUPERVISOR(patient_backoff_sup, .intensity = 100, .period_s = 60,
              ES_CHILDREN(CHILD(a, .backoff = {.first_ms = 100, .max_ms = 400, .reset_ms = 10000})));

SIMULATED_STORY(a_restart_may_wait_longer_each_time, "")
{
    static const int64_t waits_ms[] = {100, 200, 400, 400};
    begin();
    es_pid sup = up_with(&patient_backoff_sup);
    EXPECT(next_is(up, a));
    for (int i = 0; i < 4; i++) {
        int64_t before_ns = es_now_ns();
        es_cast(pid_of(sup, a), crash);
        EXPECT(next_is(down, a));
        es_sleep(1);
        EXPECT(shows(sup, a, es_am_restarting));
        EXPECT(next_is(up, a));
        int64_t waited_ms = (es_now_ns() - before_ns) / 1000000;
        EXPECT(waited_ms >= waits_ms[i] && waited_ms < waits_ms[i] + 20);
    }
    es_sleep(10001);
    int64_t before_ns = es_now_ns();
    es_cast(pid_of(sup, a), crash);
    EXPECT(next_is(down, a) && next_is(up, a) && (es_now_ns() - before_ns) / 1000000 < 120);
    es_sleep(10001); /* however long it ran before: each try that fails waits longer */
    atomic_store(&fails_to_come[0], 2);
    before_ns = es_now_ns();
    es_cast(pid_of(sup, a), crash);
    EXPECT(next_is(down, a) && next_is(fails, a) && next_is(fails, a) && next_is(up, a));
    EXPECT((es_now_ns() - before_ns) / 1000000 >= 100 + 200 + 400);
}

ES_SUPERVISOR(
    calm_outer_sup, .intensity = 5,
    ES_CHILDREN({.id = "inner", ES_START(inner_sup), .type = ES_CHILD_SUPERVISOR, .restart = ES_TRANSIENT}));
ES_SUPERVISOR(escalating_sup, .intensity = 5,
              ES_CHILDREN({.id = "inner",
                           ES_START(inner_sup),
                           .type = ES_CHILD_SUPERVISOR,
                           .restart = ES_TRANSIENT,
                           .escalate = true}));

STORY(a_transient_supervisor_that_gives_up_may_count_as_a_failure, "")
{
    begin();
    es_pid sup = up_with(&calm_outer_sup);
    EXPECT(next_is(up, a));
    es_cast(pid_of(pid_of(sup, inner), a), crash);
    EXPECT(next_is(down, a));
    while (!shows(sup, inner, es_am_undefined))
        es_yield();
    sup = up_with(&escalating_sup);
    EXPECT(next_is(up, a));
    es_cast(pid_of(pid_of(sup, inner), a), crash);
    EXPECT(next_is(down, a) && next_is(up, a));
}

/* ------------------------------------------------------------ checks, other versions, the heart */

STORY(children_can_be_checked_without_starting_any, "SUP-08")
{
    static const es_child_spec good[] = {CHILD(a), CHILD(b)}, twins[] = {CHILD(a), CHILD(a)},
                               hasty[] = {CHILD(a, .shutdown_ms = -7)};
    begin();
    EXPECT(es_check_children(&(es_supervisor_spec){.children = good, .child_count = 2}) == ES_OK);
    EXPECT(es_check_children(&(es_supervisor_spec){.children = twins, .child_count = 2}) == ES_EINVAL &&
           strstr(es_last_detail(), "{duplicate_child_name,a}"));
    EXPECT(es_check_children(&(es_supervisor_spec){.children = hasty, .child_count = 1}) == ES_EINVAL &&
           strstr(es_last_detail(), "{invalid_shutdown,-7}"));
    EXPECT(is_quiet());
}

STORY(what_is_said_of_a_child_can_be_asked, "SUP-05")
{
    static const es_child_spec quick = CHILD(d, .restart = ES_TRANSIENT, .shutdown_ms = ES_BRUTAL_KILL);
    begin();
    es_pid sup = up_with(&plain_sup);
    EXPECT(ALL_COME_UP(a, b, c));
    es_term all = es_call(sup, ES_TUPLE(get_childspec, a), 5000);
    EXPECT(
        es_match(all, ES_TUPLE(es_am_ok, ES_MAP(es_am_id, a, es_am_restart, es_am_permanent, es_am_shutdown,
                                                5000, es_am_type, es_am_worker, significant, false))));
    EXPECT(es_match(
        all, ES_TUPLE(es_am_ok, ES_MAP(es_am_start, ES_TUPLE(ES_ANY, es_am_start_link, ES_LIST(ES_ANY)),
                                       modules, ES_LIST(ES_ANY)))));
    EXPECT(es_add_child(sup, &quick, NULL, NULL) == ES_OK);
    all = es_call(sup, ES_TUPLE(get_childspec, d), 5000);
    EXPECT(es_match(
        all, ES_TUPLE(es_am_ok, ES_MAP(es_am_restart, es_am_transient, es_am_shutdown, es_am_brutal_kill))));
    EXPECT(es_match(es_call(sup, ES_TUPLE(get_childspec, w), 5000), ES_TUPLE(es_am_error, es_am_not_found)));
}

static _Atomic(bool) is_second_version;

static es_answer of_its_version(es_supervisor_spec *spec, es_term args)
{
    static const es_child_spec first[] = {CHILD(a), CHILD(b)},
                               second[] = {CHILD(b, .restart = ES_TEMPORARY), CHILD(c)};
    (void)args;
    spec->children = atomic_load(&is_second_version) ? second : first;
    spec->child_count = 2;
    spec->intensity = atomic_load(&is_second_version) ? 10 : 1;
    return es_ok();
}
ES_SUPERVISOR(versions_sup, .init = of_its_version);

STORY(another_version_holds_from_the_next_restart_on, "SUP-65")
{
    begin();
    atomic_store(&is_second_version, false);
    es_pid sup = up_with(&versions_sup);
    EXPECT(ALL_COME_UP(a, b));
    es_pid pid_a = pid_of(sup, a), pid_b = pid_of(sup, b);
    atomic_store(&is_second_version, true);
    EXPECT(es_sys_suspend(sup) == ES_OK && es_sys_change_code(sup, none, none) == ES_OK &&
           es_sys_resume(sup) == ES_OK);
    EXPECT(es_pid_equal(pid_of(sup, a), pid_a) && es_pid_equal(pid_of(sup, b), pid_b) &&
           shows(sup, c, es_am_undefined));
    for (int i = 0; i < 3; i++) {
        es_cast(pid_of(sup, a), crash);
        EXPECT(next_is(down, a) && next_is(up, a));
    }
    es_cast(pid_b, crash);
    EXPECT(next_is(down, b));
    while (knows(sup, b))
        es_yield();
    EXPECT(is_quiet());
}

typedef struct {
    int64_t nothing;
} sleepy;

static es_answer sleepy_init(sleepy *self, es_term args)
{
    (void)self, (void)args;
    tell(up, a);
    return es_ok();
}

static es_answer sleepy_cast(sleepy *self, es_term message)
{
    (void)self, (void)message;
    es_sleep(ES_INFINITY);
    return es_noreply();
}
ES_SERVER(sleepy_server, sleepy, .init = sleepy_init, .cast = sleepy_cast);
ES_SUPERVISOR(heart_sup, .intensity = 3,
              ES_CHILDREN({.id = "a", ES_START(sleepy_server), .heartbeat_ms = 100}));

SIMULATED_STORY(who_hangs_is_killed_and_restarted, "")
{
    begin();
    es_pid sup = up_with(&heart_sup), first = pid_of(sup, a);
    EXPECT(next_is(up, a));
    es_sleep(1000);
    EXPECT(es_pid_equal(pid_of(sup, a), first)); /* it answers */
    es_ref ref = es_monitor(first);
    int64_t before_ns = es_now_ns();
    es_cast(first, more);
    EXPECT(got_down(ref, first, es_am_killed));
    EXPECT((es_now_ns() - before_ns) / 1000000 <= 201);
    EXPECT(next_is(up, a));
}

/* What one child costs the supervisor does not grow with their number. */
static int64_t reductions_for(es_pid sup, long count, es_pid *pids)
{
    es_info before, after;
    EXPECT(es_process_info(sup, &before));
    for (long i = 0; i < count; i++)
        EXPECT(es_start_child(sup, none, &pids[i], NULL) == ES_OK);
    for (long i = 0; i < count; i++)
        EXPECT(es_terminate_child(sup, pids[i]) == ES_OK);
    EXPECT(es_process_info(sup, &after));
    return (after.reductions - before.reductions) / count;
}

static void answers_at_once(es_term args)
{
    (void)args;
    es_init_ack(es_self());
    waits();
}

static es_err start_simply(es_term args, es_started *out)
{
    return start_linked(answers_at_once, args, out);
}
ES_SUPERVISOR(simple_sup, .strategy = ES_SIMPLE_ONE_FOR_ONE,
              ES_CHILDREN({.id = "w", .start = start_simply, .restart = ES_TEMPORARY}));

REAL_STORY(a_child_costs_the_same_however_many_there_are, 100000, "SUP-59")
{
    enum { FEW = 100 };
    long many = rounds(100000) > FEW ? rounds(100000) : FEW;
    es_pid *pids = es_alloc((size_t)many * sizeof *pids);
    begin();
    es_pid sup = up_with(&simple_sup);
    int64_t few_cost = reductions_for(sup, FEW, pids), many_cost = reductions_for(sup, many, pids);
    EXPECT(many_cost <= 3 * few_cost);
    es_free(pids);
}

/* ------------------------------------------------------------ what stays behind */

/* When it has handled all that it was sent. */
static int64_t memory_of(es_pid pid)
{
    es_info info = {0};
    es_sleep(1);
    EXPECT(es_process_info(pid, &info));
    return info.memory_bytes;
}

static es_err fails_for_a_reason(es_term args, es_started *out)
{
    (void)args;
    out->info = es_keep(ES_TUPLE(fails, r));
    return ES_ECLOSED;
}

/* Each request, in vain too. */
static void asks_for_everything(es_pid sup)
{
    static const es_child_spec spec = {.id = "d", .start = starts_with_info, .args = "d"},
                               bad = {.id = "bad", .start = fails_for_a_reason};
    es_pid pid;
    es_term why = es_none();
    EXPECT(es_add_child(sup, &spec, &pid, &why) == ES_OK && next_is(up, d));
    es_drop(why);
    EXPECT(es_add_child(sup, &spec, &pid, &why) == ES_EEXIST);
    es_drop(why);
    EXPECT(es_add_child(sup, &spec, NULL, NULL) == ES_EEXIST && es_delete_child(sup, d) != ES_OK);
    EXPECT(es_terminate_child(sup, d) == ES_OK && next_is(down, d));
    EXPECT(es_restart_child(sup, d) == ES_OK && next_is(up, d) && es_restart_child(sup, d) != ES_OK);
    EXPECT(es_terminate_child(sup, d) == ES_OK && next_is(down, d) && es_delete_child(sup, d) == ES_OK);
    EXPECT(es_add_child(sup, &bad, &pid, &why) == ES_ECLOSED && es_match(why, ES_TUPLE(fails, r)));
    es_drop(why);
    es_drop(es_call(sup, ES_TUPLE(get_childspec, a), 5000));
    EXPECT(knows(sup, a) && !knows(sup, d));
}

SIMULATED_STORY(what_is_asked_of_a_supervisor_leaves_nothing_behind, "")
{
    begin();
    es_pid sup = up_with(&plain_sup);
    EXPECT(ALL_COME_UP(a, b, c));
    asks_for_everything(sup);
    int64_t of_sup = memory_of(sup), mine = memory_of(es_self());
    for (int i = 0; i < 20; i++)
        asks_for_everything(sup);
    EXPECT(memory_of(sup) == of_sup && memory_of(es_self()) == mine);
}

/* How often the start function below still fails. */
static _Atomic(int) failures_to_come;

static es_err fails_or_starts(es_term args, es_started *out)
{
    if (atomic_load(&failures_to_come) <= 0)
        return es_try_start(ES_WITH(.link = true), &worker_server, args, &out->pid, NULL);
    atomic_fetch_sub(&failures_to_come, 1);
    return fails_for_a_reason(args, out);
}
ES_SUPERVISOR(slowly_failing_sup, .intensity = 100, .period_s = 1,
              ES_CHILDREN({.id = "d",
                           .start = fails_or_starts,
                           .args = "d",
                           .backoff = {.first_ms = 100, .max_ms = 100}}));

static void comes_back_after(es_pid sup, int failures)
{
    atomic_store(&failures_to_come, failures);
    es_cast(pid_of(sup, d), crash);
    EXPECT(next_is(down, d) && next_is(up, d) && atomic_load(&failures_to_come) == 0);
}

SIMULATED_STORY(restarts_that_fail_leave_nothing_behind, "")
{
    begin();
    atomic_store(&failures_to_come, 0);
    es_pid sup = up_with(&slowly_failing_sup);
    EXPECT(next_is(up, d));
    comes_back_after(sup, 20);
    int64_t before = memory_of(sup);
    comes_back_after(sup, 100);
    EXPECT(memory_of(sup) == before);
}

ES_SUPERVISOR(informed_sup, .intensity = 1000,
              ES_CHILDREN({.id = "a", .start = starts_with_info, .args = "a"}));

SIMULATED_STORY(what_comes_beside_a_pid_is_not_kept_at_each_restart, "SUP-15")
{
    int64_t before = 0;
    begin();
    es_pid sup = up_with(&informed_sup);
    EXPECT(next_is(up, a));
    for (int i = 0; i < 80; i++) {
        es_cast(pid_of(sup, a), crash);
        EXPECT(next_is(down, a) && next_is(up, a));
        if (i == 20) /* the times of the restarts have their room by then */
            before = memory_of(sup);
        if (i == 30)
            EXPECT(memory_of(sup) == before);
    }
}

/* ------------------------------------------------------------ a spec that is described at run time */

/* What is said of a child is said on a stack that is gone when the child comes back. */
static __attribute__((noinline)) void adds_on_its_stack(es_pid sup)
{
    char name[32], id[16], args[16];
    snprintf(id, sizeof id, "a");
    snprintf(name, sizeof name, "%s_worker", id);
    snprintf(args, sizeof args, "a");
    es_child_spec spec = {.id = id, ES_START(worker_server, .name = name, .args = args)};
    EXPECT(es_add_child(sup, &spec, NULL, NULL) == ES_OK && next_is(up, a));
    memset(name, 'x', sizeof name - 1);
    memset(id, 'x', sizeof id - 1);
    memset(args, 'x', sizeof args - 1);
}

STORY(a_child_that_is_added_needs_its_description_no_longer, "")
{
    begin();
    es_pid sup = up_with(&empty_sup);
    adds_on_its_stack(sup);
    es_pid first = es_whereis(a_worker);
    EXPECT(es_pid_equal(first, pid_of(sup, a)));
    es_cast(first, crash);
    EXPECT(next_is(down, a) && next_is(up, a));
    EXPECT(!es_pid_is_none(es_whereis(a_worker)) && es_pid_equal(es_whereis(a_worker), pid_of(sup, a)));
}

static void adds_and_waits(es_term args)
{
    es_pid sup = ES_NO_PID;
    (void)es_get_pid(args, &sup);
    adds_on_its_stack(sup);
}

/* Its request waits when it is killed: its stack is gone, and its child comes all the same. */
STORY(who_adds_a_child_and_is_killed_before_the_answer_harms_nobody, "")
{
    begin();
    es_pid sup = up_with(&empty_sup);
    es_suspend(sup);
    es_pid asker = es_spawn(adds_and_waits, sup);
    es_info info;
    while (es_process_info(asker, &info) && info.state != ES_STATE_WAITING)
        es_sleep(1);
    es_send_exit(asker, es_am_kill);
    wait_for_end(asker);
    es_resume(sup);
    EXPECT(next_is(up, a) && !es_pid_is_none(pid_of(sup, a)));
}

STORY(bytes_are_no_description_of_a_child, "")
{
    char bytes[sizeof(es_child_spec)];
    es_pid pid = ES_NO_PID;
    memset(bytes, 'A', sizeof bytes);
    begin();
    es_pid sup = up_with(&empty_sup), many = up_with(&many_sup);
    EXPECT(es_start_child(sup, es_bytes(bytes, sizeof bytes), &pid, NULL) != ES_OK);
    EXPECT(es_add_child(many, (&(const es_child_spec){.id = "a", ES_START(worker_server, .args = "a")}), &pid,
                        NULL) == ES_EINVAL);
    es_term why = es_none();
    EXPECT(es_add_child(sup, (&(const es_child_spec)CHILD(a, .shutdown_ms = -7)), &pid, &why) == ES_EINVAL &&
           es_match(why, ES_TUPLE(invalid_shutdown, -7)));
    EXPECT(is_quiet() && es_is_alive(sup) && es_is_alive(many));
}

/* ------------------------------------------------------------ partitions */

ES_SUPERVISOR(parts_sup, .strategy = ES_SIMPLE_ONE_FOR_ONE, .partitions = 4, .intensity = 5,
              ES_CHILDREN({ES_START(worker_server), .restart = ES_TEMPORARY}));

static int64_t children_of(es_pid sup)
{
    es_child_counts n = {0};
    EXPECT(es_count_children(sup, &n) == ES_OK);
    return n.active;
}

STORY(many_children_are_shared_among_supervisors_by_their_keys, "SUP-10")
{
    enum { CHILDREN = 40 };
    es_pid pids[CHILDREN], before[4];
    begin();
    EXPECT(es_pid_is_none(es_partition(&parts_sup, 1)) && es_last_error() == ES_ECLOSED);
    es_pid top = up_with(&parts_sup);
    for (int i = 0; i < CHILDREN; i++) {
        EXPECT(es_start_child(es_partition(&parts_sup, i), ES_TUPLE(w, i), &pids[i], NULL) == ES_OK);
        EXPECT(next_is(up, w));
    }
    EXPECT(children_of(top) == 4);
    es_term list = es_none();
    EXPECT(es_which_children(top, &list) == ES_OK && es_list_length(list) == 4);
    es_pid last = es_partition(&parts_sup, 3); /* under its name */
    EXPECT(es_match(list, ES_CONS(ES_TUPLE(last_part, last, es_am_supervisor, ES_ANY), ES_ANY)));
    es_drop(list);
    for (int i = 0; i < 4; i++) {
        before[i] = es_partition(&parts_sup, i);
        EXPECT(children_of(before[i]) == CHILDREN / 4);
        EXPECT(es_pid_equal(before[i], es_partition(&parts_sup, i + 4)));
    }
    EXPECT(es_pid_equal(es_partition(&parts_sup, "a text"), es_partition(&parts_sup, "a text")));
    EXPECT(!es_pid_is_none(es_partition(&parts_sup, w)) && !es_pid_is_none(es_partition(&parts_sup, top)));
    EXPECT(es_pid_is_none(es_partition(&parts_sup, ES_NIL)) && es_last_error() == ES_EINVAL);
    EXPECT(es_pid_is_none(es_partition(&empty_sup, 1)) && es_last_error() == ES_EINVAL);

    es_ref watch = es_monitor(before[1]);
    es_send_exit(before[1], es_am_kill); /* it, and its children; nobody else */
    es_receive {
        es_case(ES_TUPLE(es_am_DOWN, watch, ES_ANY, ES_ANY, ES_ANY)) {
        }
    }
    for (int i = 0; i < CHILDREN / 4; i++)
        EXPECT(next_is(down, w));
    while (es_pid_is_none(es_partition(&parts_sup, 1)) ||
           es_pid_equal(es_partition(&parts_sup, 1), before[1]))
        es_yield();
    EXPECT(children_of(top) == 4 && children_of(es_partition(&parts_sup, 1)) == 0);
    for (int i = 0; i < 4; i++)
        EXPECT(i == 1 || es_pid_equal(es_partition(&parts_sup, i), before[i]));

    EXPECT(refused_with(&parts_sup, ES_ANY)); /* one in a node */
    es_send_exit(top, es_am_shutdown);
    EXPECT(got_exit(top, es_am_shutdown) && es_pid_is_none(es_partition(&parts_sup, 0)));
}

/* ------------------------------------------------------------ the node's stop */

static es_answer plain_init(worker *self, es_term args)
{
    (void)self, (void)args; /* it does not trap exits: the stop ends it before its supervisor does */
    return es_ok();
}
ES_SERVER(plain_server, worker, .init = plain_init);
ES_SUPERVISOR(plain_tree_sup,
              ES_CHILDREN({.id = "a", ES_START(plain_server)}, {.id = "b", ES_START(plain_server)}));
ES_SUPERVISOR(two_level_sup,
              ES_CHILDREN({.id = "inner", ES_START(plain_tree_sup), .type = ES_CHILD_SUPERVISOR},
                          {.id = "c", ES_START(plain_server)}));

static _Atomic(int) lines;

static void count_line(int level, const char *line, size_t length)
{
    (void)level, (void)line, (void)length;
    atomic_fetch_add(&lines, 1);
}

static void starts_a_tree_and_ends(void *unused)
{
    (void)unused;
    if (es_pid_is_none(es_start_link(&two_level_sup, none)))
        es_exit(es_am_error);
}

CASE(when_the_node_stops_nobody_is_restarted_and_nothing_is_said, 20, "SUP-10")
{
    atomic_store(&lines, 0);
    esi_log_set_sink(count_line);
    for (uint64_t seed = 1; seed <= 20; seed++)
        assert_int_equal(es_run_simulated(seed, starts_a_tree_and_ends, NULL, NULL, NULL), 0);
    assert_int_equal(es_run(starts_a_tree_and_ends, NULL, NULL), 0);
    be_quiet();
    assert_int_equal(atomic_load(&lines), 0);
}

int main(void)
{
    be_quiet();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_may_ignore_or_give_nonsense),
        cmocka_unit_test(flags_that_make_no_sense_start_nobody),
        cmocka_unit_test(without_flags_one_restart_in_five_seconds_is_admitted),
        cmocka_unit_test(children_that_make_no_sense_start_nobody),
        cmocka_unit_test(children_start_in_order_and_stop_in_the_opposite_one),
        cmocka_unit_test(a_child_that_does_not_start_takes_those_before_it_down),
        cmocka_unit_test(what_a_start_function_gives_is_passed_on),
        cmocka_unit_test(a_start_function_that_crashes_when_the_supervisor_comes_up_fails_to_start),
        cmocka_unit_test(a_start_function_that_crashes_later_is_a_failed_start),
        cmocka_unit_test(a_start_function_that_gives_a_child_that_is_there_already_is_refused),
        cmocka_unit_test(a_child_that_ignores_is_kept_and_a_temporary_one_is_not),
        cmocka_unit_test(an_id_is_had_by_one_child),
        cmocka_unit_test(a_child_can_be_ended_restarted_and_deleted_by_hand),
        cmocka_unit_test(children_are_listed_the_latest_first),
        cmocka_unit_test(a_permanent_child_is_always_restarted),
        cmocka_unit_test(a_transient_child_is_restarted_when_it_fails),
        cmocka_unit_test(a_temporary_child_is_never_restarted),
        cmocka_unit_test(no_restart_is_admitted_with_intensity_0),
        cmocka_unit_test(the_third_crash_in_the_period_ends_a_supervisor_of_intensity_2),
        cmocka_unit_test(old_restarts_leave_the_window),
        cmocka_unit_test(one_for_one_restarts_only_the_child_that_ended),
        cmocka_unit_test(one_for_all_stops_the_others_and_starts_all_in_order),
        cmocka_unit_test(rest_for_one_takes_along_those_that_came_later),
        cmocka_unit_test(a_temporary_child_is_stopped_with_the_others_and_not_started_again),
        cmocka_unit_test(a_restart_that_fails_is_tried_again_and_each_try_counts),
        cmocka_unit_test(another_child_that_does_not_come_back_takes_the_round_back),
        cmocka_unit_test(a_supervisor_answers_while_a_child_does_not_come_back),
        cmocka_unit_test(a_supervisor_stops_while_a_child_does_not_come_back),
        cmocka_unit_test(who_does_not_stop_in_time_is_killed),
        cmocka_unit_test(a_brutal_kill_asks_nobody),
        cmocka_unit_test(who_may_take_for_ever_is_waited_for),
        cmocka_unit_test(a_child_that_unlinked_itself_is_stopped_all_the_same),
        cmocka_unit_test(a_child_that_ends_for_its_own_reason_while_it_is_stopped_stops_nothing),
        cmocka_unit_test(a_supervisor_ends_with_its_parents_reason),
        cmocka_unit_test(an_inner_supervisor_that_gives_up_is_restarted_by_the_outer_one),
        cmocka_unit_test(each_of_many_is_restarted_with_its_own_arguments),
        cmocka_unit_test(a_crowd_that_is_killed_is_forgotten),
        cmocka_unit_test(one_of_many_that_waits_to_come_back_is_ended_by_its_last_pid),
        cmocka_unit_test(one_of_many_that_does_not_want_to_come_back_is_forgotten),
        cmocka_unit_test(a_crowd_that_may_take_as_long_as_can_be_said_is_waited_for),
        cmocka_unit_test(a_crowd_is_stopped_within_one_time),
        cmocka_unit_test(the_end_of_a_significant_child_is_the_supervisors),
        cmocka_unit_test(the_end_of_all_significant_children_is_the_supervisors),
        cmocka_unit_test(of_two_who_add_the_same_child_one_does),
        cmocka_unit_test(a_child_that_asks_its_supervisor_in_init_is_told_of_the_circle),
        cmocka_unit_test(who_spins_is_ended_when_the_time_is_over),
        cmocka_unit_test(a_restart_may_wait_longer_each_time),
        cmocka_unit_test(a_transient_supervisor_that_gives_up_may_count_as_a_failure),
        cmocka_unit_test(children_can_be_checked_without_starting_any),
        cmocka_unit_test(what_is_said_of_a_child_can_be_asked),
        cmocka_unit_test(another_version_holds_from_the_next_restart_on),
        cmocka_unit_test(who_hangs_is_killed_and_restarted),
        cmocka_unit_test(a_child_costs_the_same_however_many_there_are),
        cmocka_unit_test(when_the_node_stops_nobody_is_restarted_and_nothing_is_said),
        cmocka_unit_test(what_is_asked_of_a_supervisor_leaves_nothing_behind),
        cmocka_unit_test(restarts_that_fail_leave_nothing_behind),
        cmocka_unit_test(what_comes_beside_a_pid_is_not_kept_at_each_restart),
        cmocka_unit_test(a_child_that_is_added_needs_its_description_no_longer),
        cmocka_unit_test(who_adds_a_child_and_is_killed_before_the_answer_harms_nobody),
        cmocka_unit_test(bytes_are_no_description_of_a_child),
        cmocka_unit_test(many_children_are_shared_among_supervisors_by_their_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
