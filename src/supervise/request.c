/* request.c - what a supervisor is asked, in Erlang's own messages. */
#include "supervise/supervisor.h"

#include <engset/link.h>
#include <string.h>
#include "base/alloc.h"
#include "behaviour/surely.h"
#include "proc/call.h"
#include "proc/memory.h"
#include "supervise/spec.h"
#include "term/build.h"

ES_ATOMS(specs, active, supervisors, workers, get_childspec, significant, modules);

/* What was asked is done: without memory who asked hears of it a little later. */
static void answer(struct esi_gen *gen, es_literal x)
{
    ESI_SURELY(es_reply_to(gen->from, x));
    gen->from = es_none();
}
#define ANSWER(x)       answer(gen, ES_T(x))
#define ANSWER_ERROR(x) answer(gen, ES_TUPLE(es_am_error, x))

/* `info` is what its start function gave beside it, or none. */
static void answer_started(struct esi_gen *gen, const struct esi_child *child, es_term info)
{
    if (es_is_none(info))
        ANSWER(ES_TUPLE(es_am_ok, child->pid));
    else
        ANSWER(ES_TUPLE(es_am_ok, child->pid, info));
    es_drop(info);
}

static void not_added(struct esi_gen *gen, struct esi_supervisor *s, struct esi_child *child, es_term why)
{
    esi_family_remove(&s->family, child);
    ANSWER_ERROR(why);
    es_drop(why);
}

static void not_restarted(struct esi_gen *gen, struct esi_supervisor *s, struct esi_child *child, es_term why)
{
    (void)s, (void)child;
    ANSWER_ERROR(why);
    es_drop(why);
}

/* A child without an id, of which there are many. */
static void start_one_more(struct esi_gen *gen, struct esi_supervisor *s, es_term extra)
{
    es_term why = es_none(), args = es_none();
    struct esi_child *child = NULL;
    if (esi_keep_try(extra, &args) == ES_OK)
        child = esi_family_add(&s->family, s->spec.children, es_none(), args);
    if (!child) {
        es_drop(args);
        ANSWER_ERROR(es_am_system_limit);
        return;
    }
    es_err error = esi_sup_start(s, child, not_added, &why);
    if (error == ES_OK) {
        answer_started(gen, child, why);
    } else if (error == ES_EIGNORE) {
        esi_family_remove(&s->family, child);
        ANSWER(ES_TUPLE(es_am_ok, es_am_undefined));
    } else {
        not_added(gen, s, child, why);
    }
}

static void already(struct esi_gen *gen, const struct esi_child *child)
{
    if (child->state == ESI_CHILD_UP)
        ANSWER_ERROR(ES_TUPLE(es_am_already_started, child->pid));
    else
        ANSWER_ERROR(es_am_already_present);
}

/* `spec` is the family's from here on, or freed. */
static void start_new_child(struct esi_gen *gen, struct esi_supervisor *s, es_child_spec *spec)
{
    es_term why = es_none();
    es_atom id;
    struct esi_child *same = spec->id && es_atom_make(spec->id, strlen(spec->id), &id) == ES_OK
                                 ? esi_family_by_id(&s->family, es_from_atom(id))
                                 : NULL;
    if (same) {
        already(gen, same);
        es_free(spec);
        return;
    }
    struct esi_child *child = esi_sup_admit(s, spec, &why);
    if (!child) {
        ANSWER_ERROR(why);
        es_drop(why);
        es_free(spec);
        return;
    }
    child->has_own_spec = true;
    es_err error = esi_sup_start(s, child, not_added, &why);
    if (error == ES_OK) {
        answer_started(gen, child, why);
    } else if (error == ES_EIGNORE) {
        ANSWER(ES_TUPLE(es_am_ok, es_am_undefined));
        if (spec->restart == ES_TEMPORARY)
            esi_family_remove(&s->family, child);
    } else {
        not_added(gen, s, child, why);
    }
}

/* Of many: by its pid, or, if it is to be restarted, the last that it had. Source: OTP supervisor, find_child/2. */
static struct esi_child *child_named(const struct esi_supervisor *s, es_term id)
{
    es_pid pid;
    if (!esi_sup_is_simple(s))
        return esi_family_by_id(&s->family, id);
    if (!es_get_pid(id, &pid) || pid.node)
        return NULL;
    struct esi_child *child = esi_family_by_pid(&s->family, pid);
    return child ? child : esi_family_restarting(&s->family, pid.id);
}

static void terminate_child(struct esi_gen *gen, struct esi_supervisor *s, es_term id)
{
    struct esi_child *child = child_named(s, id);
    es_pid pid;
    if (esi_sup_is_simple(s) && !es_get_pid(id, &pid)) {
        ANSWER_ERROR(es_am_simple_one_for_one);
    } else if (!child) {
        if (esi_sup_is_simple(s) && !es_is_alive(pid))
            ANSWER(es_am_ok);
        else
            ANSWER_ERROR(es_am_not_found);
    } else {
        esi_sup_stop(s, child);
        if (child->spec->restart == ES_TEMPORARY || esi_sup_is_simple(s))
            esi_family_remove(&s->family, child);
        ANSWER(es_am_ok);
    }
}

static void restart_child(struct esi_gen *gen, struct esi_supervisor *s, struct esi_child *child)
{
    es_term why = es_none();
    if (child->state == ESI_CHILD_UP) {
        ANSWER_ERROR(es_am_running);
    } else if (child->state == ESI_CHILD_RESTARTING) {
        ANSWER_ERROR(es_am_restarting);
    } else {
        es_err error = esi_sup_start(s, child, not_restarted, &why);
        if (error == ES_OK)
            answer_started(gen, child, why);
        else if (error == ES_EIGNORE)
            ANSWER(ES_TUPLE(es_am_ok, es_am_undefined));
        else
            not_restarted(gen, s, child, why);
    }
}

static void delete_child(struct esi_gen *gen, struct esi_supervisor *s, struct esi_child *child)
{
    if (child->state == ESI_CHILD_UP) {
        ANSWER_ERROR(es_am_running);
    } else if (child->state == ESI_CHILD_RESTARTING) {
        ANSWER_ERROR(es_am_restarting);
    } else {
        esi_family_remove(&s->family, child);
        ANSWER(es_am_ok);
    }
}

static es_atom module_of(const es_child_spec *spec)
{
    es_atom module = es_am_undefined;
    const char *name = spec->behaviour ? spec->behaviour->name : "undefined";
    (void)!es_atom_make(name, strlen(name), &module);
    return module;
}

static es_atom restart_word(es_restart restart)
{
    return restart == ES_PERMANENT   ? es_am_permanent
           : restart == ES_TRANSIENT ? es_am_transient
                                     : es_am_temporary;
}

static es_term shown_id(const struct esi_child *child)
{
    return child->is_named ? esi_child_id(child) : es_from_atom(es_am_undefined);
}

/* What is said of a child, with the defaults; as its start stands what it is and what its init gets. */
static void tell_child_spec(struct esi_gen *gen, const struct esi_child *child)
{
    const es_child_spec *spec = child->spec;
    int64_t ms = esi_shutdown_ms_of(spec);
    es_term shutdown = ms == ES_BRUTAL_KILL ? es_from_atom(es_am_brutal_kill)
                       : ms == ES_INFINITY  ? es_from_atom(es_am_infinity)
                                            : es_lend(ES_T(ms));
    es_atom module = module_of(spec),
            type = spec->type == ES_CHILD_SUPERVISOR ? es_am_supervisor : es_am_worker;
    ANSWER(ES_TUPLE(es_am_ok, ES_MAP(es_am_id, shown_id(child), es_am_start,
                                     ES_TUPLE(module, es_am_start_link, ES_LIST(child->args)), es_am_restart,
                                     restart_word(spec->restart), significant, spec->significant,
                                     es_am_shutdown, shutdown, es_am_type, type, modules, ES_LIST(module))));
}

/* A child as which_children shows it. */
static es_term shown(uint64_t **at, const struct esi_child *child, es_atom module)
{
    uint64_t *elements;
    es_term state =
        child->state == ESI_CHILD_RESTARTING ? es_from_atom(es_am_restarting) : es_from_atom(es_am_undefined);
    es_term tuple = esi_put_tuple(at, 4, &elements);
    elements[0] = shown_id(child).w;
    elements[1] = child->state == ESI_CHILD_UP ? esi_from_local_pid(child->pid.id).w : state.w;
    elements[2] = child->spec->type == ES_CHILD_SUPERVISOR ? es_am_supervisor.w : es_am_worker.w;
    es_term cell = esi_put_cons(at, es_from_atom(module), es_nil());
    elements[3] = cell.w;
    return tuple;
}

enum { SHOWN_WORDS = 1 + 4 + 2 + 2 };

static es_term all_shown(const struct esi_supervisor *s, uint64_t *at)
{
    es_term list = es_nil();
    ESI_LIST_EACH(node, &s->family.order)
    {
        struct esi_child *child = ESI_CHILD_OF(node);
        es_term tuple = shown(&at, child, module_of(child->spec));
        list = esi_put_cons(&at, tuple, list);
    }
    return list;
}

/* The one answer that may be long: too long for the memory that there is, it is refused. */
static void which_children(struct esi_gen *gen, struct esi_supervisor *s)
{
    uint64_t *words = esi_alloc_try((size_t)(s->family.count + 1) * SHOWN_WORDS * sizeof(uint64_t));
    if (!words || es_reply_to(gen->from, all_shown(s, words)) == ES_ENOMEM)
        ANSWER_ERROR(es_am_system_limit);
    gen->from = es_none();
    es_free(words);
}

static void count_children(struct esi_gen *gen, struct esi_supervisor *s)
{
    const struct esi_family *f = &s->family;
    int64_t specs = esi_sup_is_simple(s) ? 1 : f->count;
    ANSWER(ES_LIST(ES_TUPLE(specs, specs), ES_TUPLE(active, f->up), ES_TUPLE(supervisors, f->supervisors),
                   ES_TUPLE(workers, f->count - f->supervisors)));
}

/* Of a child by its id: found, or the caller is told. */
static struct esi_child *needed(struct esi_gen *gen, struct esi_supervisor *s, es_term id)
{
    struct esi_child *child = esi_sup_is_simple(s) ? NULL : esi_family_by_id(&s->family, id);
    if (esi_sup_is_simple(s))
        ANSWER_ERROR(es_am_simple_one_for_one);
    else if (!child)
        ANSWER_ERROR(es_am_not_found);
    return child;
}

/* A spec goes by its bytes, which have meaning in this program alone. */
static bool is_ours(es_from from, es_bin spec)
{
    es_pid caller;
    return esi_is_packed_spec(spec) && es_match(from, ES_TUPLE(&caller, ES_ANY)) && !caller.node;
}

static void add_child(struct esi_gen *gen, struct esi_supervisor *s, es_bin packed)
{
    es_child_spec *spec = esi_sup_is_simple(s) ? NULL : esi_spec_unpack(packed);
    if (esi_sup_is_simple(s))
        ANSWER_ERROR(es_am_simple_one_for_one);
    else if (!spec)
        ANSWER_ERROR(es_am_system_limit);
    else
        start_new_child(gen, s, spec);
}

void esi_sup_call(struct esi_gen *gen, es_term request, es_from from)
{
    struct esi_supervisor *s = esi_sup_of(gen);
    struct esi_child *child;
    es_term x;
    es_bin spec;
    gen->at = ESI_AT_CALL;
    gen->from = from;
    if (es_match(request, ES_TUPLE(es_am_start_child, &spec)) && is_ours(from, spec)) {
        add_child(gen, s, spec);
    } else if (esi_sup_is_simple(s) && es_match(request, ES_TUPLE(es_am_start_child, &x))) {
        start_one_more(gen, s, x);
    } else if (es_match(request, ES_TUPLE(es_am_terminate_child, &x))) {
        terminate_child(gen, s, x);
    } else if (es_match(request, ES_TUPLE(es_am_restart_child, &x))) {
        if ((child = needed(gen, s, x)))
            restart_child(gen, s, child);
    } else if (es_match(request, ES_TUPLE(es_am_delete_child, &x))) {
        if ((child = needed(gen, s, x)))
            delete_child(gen, s, child);
    } else if (es_match(request, ES_TUPLE(get_childspec, &x))) {
        child = child_named(s, x);
        if (child)
            tell_child_spec(gen, child);
        else
            ANSWER_ERROR(es_am_not_found);
    } else if (es_is(request, es_am_which_children)) {
        which_children(gen, s);
    } else if (es_is(request, es_am_count_children)) {
        count_children(gen, s);
    } else {
        esi_refuse_call(from, es_lend(ES_TUPLE(es_am_undef, request)));
    }
    gen->at = ESI_AT_NOTHING;
}
