/* supervisor.c - the process that supervises. See engset/supervisor.h.
 *
 * While a child starts or stops it waits for nothing else, as OTP's: requests wait in its mailbox. */
#include "supervise/supervisor.h"

#include <engset/link.h>
#include <string.h>
#include "behaviour/say.h"
#include "behaviour/answer.h"
#include "proc/enter.h"
#include "proc/mailbox/message.h"
#include "proc/memory.h"
#include "supervise/spec.h"

ES_ATOMS(start_spec, failed_to_start_child, try_again_restart, ignore, bad_return, heartbeat);

void esi_sup_say(struct esi_supervisor *s, const struct esi_child *child, const char *what, es_term reason)
{
    char id[48], why[160];
    if (!esi_log_is_on(ESI_LOG_WARNING))
        return;
    es_print(id, sizeof id, esi_child_id(child));
    es_print(why, sizeof why, reason);
    ESI_SAY(ESI_LOG_WARNING, "supervisor %s: child %s %s: %s", s->name, id, what, why);
}

static void cast(struct esi_gen *gen, es_term message)
{
    struct esi_supervisor *s = esi_sup_of(gen);
    struct esi_child *child;
    int64_t ticket;
    es_pid pid;
    if (es_match(message, ES_TUPLE(heartbeat, &pid)) && (child = esi_family_by_pid(&s->family, pid)))
        esi_sup_heartbeat(s, child);
    else if (es_match(message, ES_TUPLE(try_again_restart, &ticket)) &&
             (child = esi_family_restarting(&s->family, (uint64_t)ticket)))
        esi_sup_restart(gen, s, child, NULL);
}

static void info(struct esi_gen *gen, es_term message)
{
    struct esi_supervisor *s = esi_sup_of(gen);
    es_pid pid;
    es_term reason;
    if (es_match(message, ES_TUPLE(ES_TUPLE(heartbeat, &pid), ES_ANY))) {
        struct esi_child *child = esi_family_by_pid(&s->family, pid);
        if (child)
            child->has_answered = true;
        return;
    }
    if (!es_match(message, ES_TUPLE(es_am_EXIT, &pid, &reason))) {
        char text[128];
        es_print(text, sizeof text, message);
        ESI_SAY(ESI_LOG_WARNING, "supervisor %s got a message that is no request: %s", s->name, text);
        return;
    }
    struct esi_child *child = esi_family_by_pid(&s->family, pid);
    if (child)
        esi_sup_child_ended(gen, s, child, reason);
}

static void terminate(struct esi_gen *gen, es_term reason)
{
    (void)reason;
    esi_sup_stop_all(esi_sup_of(gen));
}

static void nothing(struct esi_gen *gen)
{
    (void)gen;
}

/* es_answer_now() in a start function: there is no callback to be left. */
static void no_answer(struct esi_gen *gen, es_answer a)
{
    (void)gen, (void)a;
    es_exit(ES_TUPLE(es_am_badarg, es_am_answer));
}

static es_term state(struct esi_gen *gen, es_atom why)
{
    (void)gen, (void)why;
    return es_none();
}

static es_err replace_state(struct esi_gen *gen, es_term new)
{
    (void)gen, (void)new;
    return ES_EINVAL;
}

ES_NORETURN void esi_sup_not_up(es_term why)
{
    esi_gen_has_last_words(false);
    es_init_ack(ES_TUPLE(es_am_error, why));
    esi_exit(why);
}

/* A destructor would not run where there is no memory for a stack. */
static void forget(struct esi_gen *gen)
{
    struct esi_supervisor *s = esi_sup_of(gen);
    if (!s)
        return;
    esi_family_fini(&s->family);
    esi_block_free(s, sizeof *s);
}

static struct esi_supervisor *open_supervisor(struct esi_gen *gen, int64_t partition, es_term args)
{
    struct esi_process *self = esi_enter();
    struct esi_supervisor *s = esi_block_alloc(sizeof *s);
    /* relaxed: who is its child is started by it, later. */
    atomic_fetch_or_explicit(&self->flags, ESI_FLAG_DECIDES, memory_order_relaxed);
    if (s) {
        *s =
            (struct esi_supervisor){.name = gen->behaviour->name, .partition = partition, .crash = es_none()};
        esi_family_init(&s->family);
        *(struct esi_supervisor **)esi_gen_state(gen) = s;
    }
    esi_leave();
    if (!s)
        es_exit(es_am_system_limit);
    s->args = es_keep(args);
    return s;
}

/* The flags and children of `behaviour`, as its init wants them. */
static es_answer wanted_spec(const es_behaviour *behaviour, const struct esi_supervisor *s,
                             es_supervisor_spec *spec)
{
    const es_supervisor_spec *written = behaviour->calls;
    *spec = *written;
    es_answer a = spec->init ? spec->init(spec, s->args) : es_ok();
    spec->partitions = written->partitions; /* es_partition() reads it there */
    return a;
}

static void ask_init(struct esi_supervisor *s, const es_behaviour *behaviour)
{
    es_answer a = wanted_spec(behaviour, s, &s->spec);
    if (a.what == ESI_ANSWER_IGNORE) {
        es_init_ack(ignore);
        es_exit(es_am_normal);
    }
    if (a.what == ESI_ANSWER_STOP)
        esi_sup_not_up(a.term);
    if (a.what != ESI_ANSWER_OK)
        esi_sup_not_up(es_lend(ES_TUPLE(bad_return, ES_TUPLE(es_am_init, (int)a.what))));
}

static void take_flags(struct esi_supervisor *s)
{
    s->intensity.limit = esi_intensity_of(&s->spec);
    s->intensity.period_ns = esi_period_ns_of(&s->spec);
}

static void admit_all(struct esi_supervisor *s, const es_behaviour *behaviour)
{
    es_term fault = es_none();
    if (esi_sup_is_on_top(&s->spec, s->partition)) {
        s->spec.strategy = ES_ONE_FOR_ONE;
        esi_partitions_admit(s, behaviour);
        return;
    }
    for (int64_t i = 0; i < s->spec.child_count && !esi_sup_is_simple(s); i++)
        if (!esi_sup_admit(s, &s->spec.children[i], &fault))
            esi_sup_not_up(es_lend(ES_TUPLE(start_spec, fault)));
}

/* The first start of one: those before it are stopped, and the supervisor is not up either. */
static ES_NORETURN void could_not_start(struct esi_gen *gen, struct esi_supervisor *s,
                                        struct esi_child *child, es_term why)
{
    (void)gen;
    esi_sup_say(s, child, "could not be started", why);
    es_term all = esi_keep_reason(
        es_lend(ES_TUPLE(es_am_shutdown, ES_TUPLE(failed_to_start_child, esi_child_id(child), why))));
    esi_sup_stop_all(s);
    esi_sup_not_up(all);
}

static void start_all(struct esi_gen *gen, struct esi_supervisor *s)
{
    ESI_LIST_EACH_SAFE(node, &s->family.order)
    {
        struct esi_child *child = ESI_CHILD_OF(node);
        es_term why = es_none();
        es_err error = esi_sup_start(s, child, could_not_start, &why);
        if (error == ES_EIGNORE && child->spec->restart == ES_TEMPORARY)
            esi_family_remove(&s->family, child);
        if (error != ES_OK && error != ES_EIGNORE)
            could_not_start(gen, s, child, why);
        es_drop(why);
    }
}

/* ------------------------------------------------------------ another version of it */

/* Those that run stay; what is said of them now holds from the next restart on. Who is new is down, who is not named any more stays. */
static void take_children(struct esi_supervisor *s)
{
    es_term fault = es_none();
    if (esi_sup_is_simple(s)) {
        ESI_LIST_EACH(node, &s->family.order)
        {
            ESI_CHILD_OF(node)->spec = s->spec.children;
        }
        return;
    }
    for (int64_t i = 0; i < s->spec.child_count; i++) {
        const es_child_spec *spec = &s->spec.children[i];
        es_atom id = es_am_undefined;
        (void)!es_atom_make(spec->id, strlen(spec->id), &id);
        struct esi_child *child = esi_family_by_id(&s->family, es_from_atom(id));
        if (child)
            esi_family_describe(&s->family, child, spec);
        else
            (void)!esi_sup_admit(s, spec, &fault);
    }
}

/* Source: OTP supervisor:code_change/3: init is asked again. */
static es_err code_change(struct esi_gen *gen, es_term old, es_term extra)
{
    struct esi_supervisor *s = esi_sup_of(gen);
    es_supervisor_spec spec;
    (void)old, (void)extra;
    es_answer a = wanted_spec(gen->behaviour, s, &spec);
    if (a.what != ESI_ANSWER_OK)
        return a.what == ESI_ANSWER_IGNORE ? ES_OK : ES_EINVAL;
    bool is_on_top = esi_sup_is_on_top(&spec, s->partition);
    bool is_simple = spec.strategy == ES_SIMPLE_ONE_FOR_ONE && !is_on_top;
    es_term fault = esi_spec_fault(&spec);
    if (!es_is_none(fault) || is_simple != esi_sup_is_simple(s)) {
        es_drop(fault);
        return ES_EINVAL;
    }
    s->spec = spec;
    take_flags(s);
    if (is_on_top)
        s->spec.strategy = ES_ONE_FOR_ONE; /* its partitions are told by themselves */
    else
        take_children(s);
    return ES_OK;
}

static const struct esi_gen_kind supervisor_kind = {
    .name = "supervisor",
    .call = esi_sup_call,
    .cast = cast,
    .info = info,
    .timeout = nothing,
    .after = no_answer,
    .terminate = terminate,
    .state = state,
    .replace_state = replace_state,
    .code_change = code_change,
    .crashed = esi_sup_start_crashed,
    .go_on = esi_sup_start_failed,
    .forget = forget,
};

ES_NORETURN void esi_supervisor_main(const es_behaviour *behaviour, es_term args)
{
    esi_supervise(behaviour, ESI_NO_PARTITION, args);
}

ES_NORETURN void esi_supervise(const es_behaviour *behaviour, int64_t partition, es_term args)
{
    struct esi_gen *gen = esi_gen_open(behaviour, &supervisor_kind);
    es_trap_exit(true);
    struct esi_supervisor *s = open_supervisor(gen, partition, args);
    ask_init(s, behaviour);
    es_term fault = esi_spec_fault(&s->spec);
    if (!es_is_none(fault))
        esi_sup_not_up(fault);
    take_flags(s);
    admit_all(s, behaviour);
    esi_gen_has_last_words(true);
    if (!esi_sup_is_simple(s))
        start_all(gen, s);
    esi_gen_up(gen);
}
