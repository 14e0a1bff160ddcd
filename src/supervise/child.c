/* child.c - one child: admitted, started, and asked whether it is there. */
#include "supervise/supervisor.h"

#include <engset/link.h>
#include <engset/receive.h>
#include <string.h>
#include "behaviour/surely.h"
#include "proc/memory.h"
#include "supervise/spec.h"

ES_ATOMS(duplicate_child_name, bad_start_spec, bad_return, heartbeat);

/* Asked each .heartbeat_ms; who has not answered by the next time hangs, and counts as one that failed. */
static void watch_heart(struct esi_child *child)
{
    int64_t time_ms = child->spec->heartbeat_ms;
    if (time_ms <= 0)
        return;
    es_err error = es_send(
        child->pid, ES_TUPLE(es_am_system, ES_TUPLE(es_self(), ES_TUPLE(heartbeat, child->pid)), heartbeat));
    child->has_answered = error != ES_OK; /* who was not asked does not hang */
    esi_child_note_timer(
        child, es_send_after(time_ms, es_self(), ES_TUPLE(es_am_gen_cast, ES_TUPLE(heartbeat, child->pid))));
}

void esi_sup_heartbeat(struct esi_supervisor *s, struct esi_child *child)
{
    if (child->has_answered) {
        watch_heart(child);
        return;
    }
    esi_sup_say(s, child, "hangs and is killed: it did not answer in time", es_from_atom(heartbeat));
    esi_child_note_timer(child, (es_ref){0});
    ESI_SURELY(es_send_exit(child->pid, es_am_kill));
}

void esi_child_note_timer(struct esi_child *child, es_ref timer)
{
    child->timer.id = timer.id;
    child->timer.pid = timer.pid;
}

void esi_child_forget_timer(struct esi_child *child)
{
    if (!child->timer.id)
        return;
    es_cancel_timer((es_ref){.id = child->timer.id, .pid = child->timer.pid});
    esi_child_note_timer(child, (es_ref){0});
}

static es_err start_behaviour(const es_child_spec *spec, es_term args, es_pid *out, es_term *why)
{
    es_spawn_options options = {.name = spec->name, .link = true, .start_timeout_ms = spec->start_timeout_ms};
    return esi_start(&options, spec->behaviour, args, out, why);
}

/* Somebody of this node who is not a child already: each pid leads to one child. */
static bool is_a_new_one(const struct esi_supervisor *s, es_pid pid)
{
    return !es_pid_is_none(pid) && !pid.node && !esi_family_by_pid(&s->family, pid);
}

static es_err start_by_function(struct esi_supervisor *s, struct esi_child *child, es_pid *out, es_term *info)
{
    es_started started = {.pid = ES_NO_PID, .info = es_none()};
    s->starting = child;
    es_err error = child->spec->start(child->args, &started);
    s->starting = NULL;
    *out = started.pid;
    *info = started.info;
    if (error == ES_EIGNORE) {
        es_drop(started.info);
        *info = es_none();
    }
    if (error == ES_OK && !is_a_new_one(s, started.pid)) {
        es_drop(started.info);
        *info = es_from_atom(bad_return);
        return ES_ECLOSED;
    }
    return error;
}

bool esi_sup_start_crashed(struct esi_gen *gen, es_term reason)
{
    struct esi_supervisor *s = esi_sup_of(gen);
    if (!s || !s->starting)
        return false;
    s->crash = esi_keep_reason(reason);
    return true;
}

void esi_sup_start_failed(struct esi_gen *gen)
{
    struct esi_supervisor *s = esi_sup_of(gen);
    struct esi_child *child = s->starting;
    es_term why = s->crash;
    s->starting = NULL;
    s->crash = es_none();
    esi_sup_undecided();
    s->if_it_fails(gen, s, child, why);
}

es_err esi_sup_start(struct esi_supervisor *s, struct esi_child *child, esi_sup_failure *if_it_fails,
                     es_term *why)
{
    es_pid pid = ES_NO_PID;
    s->if_it_fails = if_it_fails;
    es_err error = child->spec->start ? start_by_function(s, child, &pid, why)
                                      : start_behaviour(child->spec, child->args, &pid, why);
    if (error == ES_OK) {
        esi_child_go(&s->family, child, ESI_CHILD_UP, pid);
        child->since_ns = child->spec->backoff.first_ms > 0 ? es_now_ns() : 0;
        watch_heart(child);
        esi_sup_is_up(s, child);
        return error;
    }
    esi_sup_undecided();
    if (error == ES_EIGNORE) {
        esi_child_go(&s->family, child, ESI_CHILD_DOWN, ES_NO_PID);
    } else if (error == ES_ENOMEM) {
        *why = es_from_atom(es_am_system_limit);
    } else if (es_is_none(*why)) {
        es_atom name = es_am_undefined;
        (void)!es_atom_make(es_strerror(error), strlen(es_strerror(error)), &name);
        *why = es_from_atom(name);
    }
    return error;
}

/* The arguments as a term; none, and `*fault`. */
static es_term parsed(const char *text, es_term *fault)
{
    es_term args = es_nil();
    es_err error = text ? es_parse_term(text, &args) : ES_OK;
    if (error == ES_OK)
        return args;
    *fault = error == ES_ENOMEM ? es_from_atom(es_am_system_limit)
                                : esi_keep_reason(es_lend(ES_TUPLE(bad_start_spec, es_last_detail())));
    return es_none();
}

/* `child`, if there is one. */
static struct esi_child *admitted(struct esi_child *child, es_term *fault)
{
    if (!child)
        *fault = es_from_atom(es_am_system_limit);
    return child;
}

struct esi_child *esi_sup_admit(struct esi_supervisor *s, const es_child_spec *spec, es_term *fault)
{
    *fault = esi_child_fault(&s->spec, spec);
    if (!es_is_none(*fault))
        return NULL;
    es_atom id = es_am_undefined;
    if (spec->id && es_atom_make(spec->id, strlen(spec->id), &id) != ES_OK)
        return admitted(NULL, fault);
    if (esi_family_by_id(&s->family, es_from_atom(id))) {
        *fault = esi_keep_reason(es_lend(ES_TUPLE(duplicate_child_name, id)));
        return NULL;
    }
    es_term args = parsed(spec->args, fault);
    if (es_is_none(args))
        return NULL;
    struct esi_child *child = esi_family_add(&s->family, spec, es_from_atom(id), args);
    if (!child)
        es_drop(args);
    return admitted(child, fault);
}
