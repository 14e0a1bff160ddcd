/* oracle/steps.c - what the steps of a script do, each by the function of Engset that stands for the one of Erlang that it is named after.
 *
 * The answer is what Engset gave, as it is: what it is in Erlang says answers.tsv. A word that C's types refuse (a name where a
 * pid is wanted) becomes the none value of the type wanted, which is what a C program can still give wrongly. */
#include "oracle.h"
#include "words.h"

ES_ATOMS(oracle_noted, oracle_ended, oracle_never_sent, the_message, timeout, none, info, flush, tag, alias,
         explicit_unalias, demonitor, reply_demonitor, reply, absolute, now, async, link_count,
         monitor_count);

/* ---- messages ---- */

static int64_t coarse(int64_t left_ms)
{
    return left_ms > 0 ? (left_ms + COARSE_MS - 1) / COARSE_MS * COARSE_MS : left_ms;
}

/* A message whose time left, if it holds one, is rounded up. */
static es_term without_time(es_term message)
{
    es_term timer;
    int64_t left;
    if (es_match(message, ES_TUPLE(es_am_cancel_timer, &timer, &left)))
        return es_keep(ES_TUPLE(es_am_cancel_timer, timer, coarse(left)));
    return message;
}

static struct answer take(struct script *s, es_term pattern, int64_t time_ms)
{
    es_literal want = pattern_of(s, pattern);
    es_term message;
    es_receive {
        es_case(want)
            message = what_matched(want);
        es_after(time_ms)
            return is(timeout);
    }
    bind_variables(s, pattern, message);
    return answer(without_time(message));
}

static struct answer do_receive(struct script *s, const struct words *w)
{
    return take(s, w->at[0], w->count == 2 ? integer(w->at[1]) : PATIENCE_MS);
}

static struct answer do_quiet(struct script *s, const struct words *w)
{
    (void)w;
    return take(s, atom_named("_"), QUIET_MS);
}

static bool copy_matched(es_literal want, es_term *out)
{
    *out = what_matched(want);
    return true;
}

/* Waits for a message and leaves it where it is. */
static struct answer do_peek(struct script *s, const struct words *w)
{
    es_literal want = pattern_of(s, w->at[0]);
    es_term seen = es_none();
    for (int left = PATIENCE_MS; left > 0 && es_is_none(seen); left--)
        es_receive {
            es_case_when(want, es_is_none(seen) && copy_matched(want, &seen) && false) {
            }
            es_after(es_is_none(seen) ? 1 : 0) {
            }
        }
    return es_is_none(seen) ? is(timeout) : answer(without_time(seen));
}

static struct answer do_drain(struct script *s, const struct words *w)
{
    es_term any = atom_named("_");
    struct answer first = take(s, any, 0);
    if (es_is(first.value, timeout))
        return answer(es_nil());
    return answer(cons(first.value, do_drain(s, w).value));
}

static struct answer do_wait(struct script *s, const struct words *w)
{
    (void)s, (void)w;
    es_receive {
        es_case(oracle_never_sent)
            return said(ES_OK);
    }
    return said(ES_OK);
}

static struct answer do_until(struct script *s, const struct words *w)
{
    for (int left = PATIENCE_MS; left > 0; left--) {
        struct answer now_is = do_call(s, w->at[0]);
        es_term wanted = value_of(s, w->at[1]), one;
        while (es_get_cons(wanted, &one, &wanted))
            if (es_equal(one, now_is.value))
                return is(es_am_ok);
        es_sleep(1);
    }
    return is(timeout);
}

static struct answer do_ended(struct script *s, const struct words *w)
{
    es_send(s->recorder, ES_TUPLE(oracle_ended, es_self(), value_of(s, w->at[0])));
    es_receive {
        es_case(ES_TUPLE(oracle_noted, s->recorder)) {
        }
    }
    return is(es_am_ok);
}

static es_term deferred_pid, deferred_reason; /* of the lie late_exit */

static struct answer do_send(struct script *s, const struct words *w)
{
    (void)s;
    es_err err = es_send(w->at[0], w->at[1]);
    if (!es_is_none(deferred_pid)) {
        es_sleep(5);
        es_send_exit(pid(deferred_pid), deferred_reason);
        deferred_pid = es_none();
    }
    return err == ES_OK ? is(the_message) : said_or_failed(err);
}

/* ---- processes ---- */

/* Tells the recorder before the new process begins, so that it sees how that one ends. */
static struct answer spawned(struct script *s, es_term role, es_term options)
{
    es_term what = spawn_role(s, role, options);
    announce(s->recorder, role, pid_of(what), !has_option(options, "unwatched"));
    return answer(what);
}

static struct answer do_spawn(struct script *s, const struct words *w)
{
    return spawned(s, w->at[0], es_nil());
}

static struct answer do_spawn_link(struct script *s, const struct words *w)
{
    return spawned(s, w->at[0], cons(atom_named("link"), es_nil()));
}

static struct answer do_spawn_monitor(struct script *s, const struct words *w)
{
    return spawned(s, w->at[0], cons(atom_named("monitor"), es_nil()));
}

static struct answer do_spawn_opt(struct script *s, const struct words *w)
{
    return spawned(s, w->at[0], value_of(s, w->at[1]));
}

static struct answer do_exit(struct script *s, const struct words *w)
{
    (void)s;
    if (w->count == 1)
        es_exit(w->at[0]);
    if (is_lie("kill") && es_is(w->at[1], es_am_kill))
        return said(es_send_exit(pid(w->at[0]), es_am_killed));
    if (is_lie("late_exit")) {
        deferred_pid = w->at[0];
        deferred_reason = w->at[1];
        return said(ES_OK);
    }
    return said(es_send_exit(pid(w->at[0]), w->at[1]));
}

static struct answer do_crash(struct script *s, const struct words *w)
{
    (void)s, (void)w;
    es_abort();
}

static struct answer do_trap_exit(struct script *s, const struct words *w)
{
    (void)s;
    bool before = es_trap_exit(es_is(w->at[0], es_am_true));
    return yes_or_no(is_lie("trap") ? !before : before);
}

static struct answer do_priority(struct script *s, const struct words *w)
{
    (void)s;
    static const es_priority levels[] = {ES_PRIORITY_NORMAL, ES_PRIORITY_LOW, ES_PRIORITY_HIGH,
                                         ES_PRIORITY_MAX};
    static const char *const names[] = {"normal", "low", "high", "max"};
    es_priority level = (es_priority)17;
    for (int i = 0; i < 4; i++)
        if (strcmp(es_atom_text(atom(w->at[0])), names[i]) == 0)
            level = levels[i];
    return answer(atom_named(names[es_set_priority(level)]));
}

static struct answer do_group_leader(struct script *s, const struct words *w)
{
    (void)s;
    if (w->count == 0)
        return answer(es_keep(es_group_leader()));
    return said(es_set_group_leader(pid(w->at[1]), pid(w->at[0])));
}

static struct answer do_suspend(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_suspend(pid(w->at[0])));
}

static struct answer do_resume(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_resume(pid(w->at[0])));
}

static struct answer do_hibernate(struct script *s, const struct words *w)
{
    (void)s, (void)w;
    es_hibernate();
    return is(es_am_ok);
}

static struct answer do_is_process_alive(struct script *s, const struct words *w)
{
    (void)s;
    return yes_or_no(es_is_alive(pid(w->at[0])));
}

static struct answer item_of(es_term item, const es_info *of)
{
    static const char *const states[] = {
        [ES_STATE_RUNNING] = "running",       [ES_STATE_RUNNABLE] = "runnable",
        [ES_STATE_WAITING] = "waiting",       [ES_STATE_SUSPENDED] = "suspended",
        [ES_STATE_HIBERNATED] = "hibernated", [ES_STATE_EXITING] = "exiting",
        [ES_STATE_STRANDED] = "stranded"};
    if (es_is(item, link_count))
        return number(of->links);
    if (es_is(item, monitor_count))
        return number(of->monitors);
    if (es_is(item, es_am_message_queue_len))
        return answer(pair(item, es_keep(of->messages)));
    if (es_is(item, es_am_trap_exit))
        return answer(pair(item, yes_or_no(of->traps_exit).value));
    if (es_is(item, es_am_status))
        return answer(pair(item, atom_named(states[of->state])));
    if (es_is(item, es_am_group_leader))
        return answer(pair(item, es_keep(of->group_leader)));
    if (!es_is(item, es_am_registered_name))
        es_exit(es_am_undef);
    return of->name.w ? answer(pair(item, es_from_atom(of->name))) : is(none);
}

static struct answer do_process_info(struct script *s, const struct words *w)
{
    (void)s;
    es_info of;
    return es_process_info(pid(w->at[0]), &of) ? item_of(w->at[1], &of) : is(es_am_false);
}

/* Takes memory and keeps it. */
static struct answer do_eat(struct script *s, const struct words *w)
{
    (void)s;
    for (int64_t left = integer(w->at[0]); left > 0; left -= 1000) {
        char *bytes = es_alloc(1000);
        bytes[0] = 1;
    }
    return is(es_am_ok);
}

static struct answer do_sleep(struct script *s, const struct words *w)
{
    (void)s;
    es_sleep(integer(w->at[0]));
    return is(es_am_ok);
}

static struct answer do_say(struct script *s, const struct words *w)
{
    (void)s;
    printf("%s", es_atom_text(atom(w->at[0])));
    return is(es_am_ok);
}

static struct answer do_halt(struct script *s, const struct words *w)
{
    (void)s;
    es_halt((int)integer(w->at[0]));
}

/* ---- links, monitors, aliases, names ---- */

static struct answer do_link(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_link(pid(w->at[0])));
}

static struct answer do_unlink(struct script *s, const struct words *w)
{
    (void)s;
    return said(es_unlink(pid(w->at[0])));
}

static es_alias_mode mode_named(es_term name)
{
    if (es_is(name, explicit_unalias))
        return ES_ALIAS_EXPLICIT_UNALIAS;
    if (es_is(name, demonitor))
        return ES_ALIAS_DEMONITOR;
    if (es_is(name, reply_demonitor))
        return ES_ALIAS_REPLY_DEMONITOR;
    return es_is(name, reply) ? ES_ALIAS_REPLY : ES_ALIAS_NONE;
}

static struct answer do_monitor(struct script *s, const struct words *w)
{
    (void)s;
    es_monitor_options options = {0};
    es_term list = w->count == 2 ? w->at[1] : es_nil(), option, value;
    while (es_get_cons(list, &option, &list)) {
        if (es_match(option, ES_TUPLE(tag, &value)))
            options.tag = atom(value);
        if (es_match(option, ES_TUPLE(alias, &value)))
            options.alias = mode_named(value);
    }
    es_name name;
    if (es_match(w->at[0], ES_TUPLE(&name.name, &name.node)))
        return answer(es_keep(es_monitor_opt(name, &options)));
    if (es_is_atom(w->at[0]))
        return answer(es_keep(es_monitor_opt(atom(w->at[0]), &options)));
    return answer(es_keep(es_monitor_opt(pid(w->at[0]), &options)));
}

static struct answer do_demonitor(struct script *s, const struct words *w)
{
    (void)s;
    int flags = 0;
    es_term list = w->count == 2 ? w->at[1] : es_nil(), option;
    while (es_get_cons(list, &option, &list)) {
        if (es_is(option, flush))
            flags |= is_lie("flush") ? 0 : ES_DEMONITOR_FLUSH;
        else
            flags |= es_is(option, info) ? ES_DEMONITOR_INFO : 1 << 10;
    }
    return yes_or_no(es_demonitor(ref(w->at[0]), flags));
}

static struct answer do_alias(struct script *s, const struct words *w)
{
    (void)s;
    return answer(es_keep(es_alias(mode_named(w->at[0]))));
}

static struct answer do_unalias(struct script *s, const struct words *w)
{
    (void)s;
    return yes_or_no(es_unalias(ref(w->at[0])));
}

static struct answer do_make_ref(struct script *s, const struct words *w)
{
    (void)s, (void)w;
    return answer(es_keep(es_make_ref()));
}

static struct answer do_register(struct script *s, const struct words *w)
{
    (void)s;
    return said_or_failed(es_register(atom(w->at[0]), pid(w->at[1])));
}

static struct answer do_unregister(struct script *s, const struct words *w)
{
    (void)s;
    return said_or_failed(es_unregister(atom(w->at[0])));
}

static struct answer do_whereis(struct script *s, const struct words *w)
{
    (void)s;
    es_pid who = es_whereis(atom(w->at[0]));
    return es_pid_is_none(who) ? is(none) : answer(es_keep(who));
}

/* ---- timers ---- */

static int64_t absolute_ms(es_term when)
{
    int64_t offset;
    if (es_match(when, ES_TUPLE(now, &offset)))
        return es_now_ns() / 1000000 + offset;
    return -1000; /* before_start: the clock begins at 0 */
}

static struct answer do_start_timer(struct script *s, const struct words *w)
{
    (void)s;
    if (w->count == 4 && es_is(w->at[3], absolute))
        return answer(es_keep(es_start_timer_at(absolute_ms(w->at[0]), w->at[1], w->at[2])));
    return answer(es_keep(es_start_timer(integer(w->at[0]), w->at[1], w->at[2])));
}

static struct answer do_send_after(struct script *s, const struct words *w)
{
    (void)s;
    return answer(es_keep(es_send_after(integer(w->at[0]), w->at[1], w->at[2])));
}

static struct answer time_left(int64_t left_ms)
{
    return left_ms < 0 ? said((es_err)left_ms) : number(coarse(left_ms));
}

/* With options: `async` always, and perhaps {info, false}. */
static struct answer do_cancel_timer(struct script *s, const struct words *w)
{
    (void)s;
    if (w->count == 1)
        return time_left(is_lie("cancel") ? es_read_timer(ref(w->at[0])) : es_cancel_timer(ref(w->at[0])));
    bool wants_info = true;
    es_term list = w->at[1], option;
    while (es_get_cons(list, &option, &list))
        if (es_match(option, ES_TUPLE(info, es_am_false)))
            wants_info = false;
    return said(es_cancel_timer_async(ref(w->at[0]), wants_info));
}

static struct answer do_read_timer(struct script *s, const struct words *w)
{
    (void)s;
    return time_left(es_read_timer(ref(w->at[0])));
}

/* ---- which is which ---- */

/* The words of those that are raw are patterns, steps, roles, or values that the step takes by itself. */
static const struct step steps[] = {
    {"receive", do_receive, true},
    {"quiet", do_quiet, true},
    {"peek", do_peek, true},
    {"drain", do_drain, true},
    {"wait", do_wait, true},
    {"until", do_until, true},
    {"ended", do_ended, true},
    {"spawn", do_spawn, true},
    {"spawn_link", do_spawn_link, true},
    {"spawn_monitor", do_spawn_monitor, true},
    {"spawn_opt", do_spawn_opt, true},
    {"send", do_send, false},
    {"exit", do_exit, false},
    {"crash", do_crash, false},
    {"trap_exit", do_trap_exit, false},
    {"priority", do_priority, false},
    {"group_leader", do_group_leader, false},
    {"suspend", do_suspend, false},
    {"resume", do_resume, false},
    {"hibernate", do_hibernate, false},
    {"is_process_alive", do_is_process_alive, false},
    {"process_info", do_process_info, false},
    {"eat", do_eat, false},
    {"sleep", do_sleep, false},
    {"say", do_say, false},
    {"halt", do_halt, false},
    {"link", do_link, false},
    {"unlink", do_unlink, false},
    {"monitor", do_monitor, false},
    {"demonitor", do_demonitor, false},
    {"alias", do_alias, false},
    {"unalias", do_unalias, false},
    {"make_ref", do_make_ref, false},
    {"register", do_register, false},
    {"unregister", do_unregister, false},
    {"whereis", do_whereis, false},
    {"start_timer", do_start_timer, false},
    {"send_after", do_send_after, false},
    {"cancel_timer", do_cancel_timer, false},
    {"read_timer", do_read_timer, false},
};

static const struct step *step_called(const char *name)
{
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (strcmp(steps[i].name, name) == 0)
            return &steps[i];
    return behaviour_step_called(name);
}

struct answer do_call(struct script *s, es_term call)
{
    struct words w = {.count = es_is_tuple(call) ? (int)es_tuple_size(call) - 1 : 0};
    const struct step *step =
        step_called(es_atom_text(atom(es_is_tuple(call) ? es_tuple_get(call, 0) : call)));
    if (w.count > WORDS_MAX)
        es_exit(es_am_badarg);
    if (!step)
        es_exit(ES_TUPLE(es_am_undef, call));
    for (int i = 0; i < w.count; i++) {
        es_term word = es_tuple_get(call, (size_t)i + 1);
        w.at[i] = step->is_raw ? word : value_of(s, word);
    }
    return step->function(s, &w);
}
