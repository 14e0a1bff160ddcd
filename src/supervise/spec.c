/* spec.c - see spec.h. */
#include "supervise/spec.h"

#include <engset/match.h>
#include <string.h>
#include "proc/memory.h"

ES_ATOMS(supervisor_data, start_spec, duplicate_child_name, bad_start_spec);
ES_ATOMS(invalid_intensity, invalid_period, invalid_partitions, invalid_strategy, invalid_auto_shutdown,
         missing_id, missing_start, invalid_restart_type, invalid_shutdown, invalid_child_type,
         bad_combination, not_yet, never, significant, auto_shutdown);

enum { DEFAULT_INTENSITY = 1, DEFAULT_PERIOD_S = 5, DEFAULT_SHUTDOWN_MS = 5000 };

int esi_intensity_of(const es_supervisor_spec *spec)
{
    return spec->intensity == ES_NO_RESTARTS ? 0 : spec->intensity == 0 ? DEFAULT_INTENSITY : spec->intensity;
}

int64_t esi_period_ns_of(const es_supervisor_spec *spec)
{
    return (int64_t)(spec->period_s ? spec->period_s : DEFAULT_PERIOD_S) * 1000000000;
}

int64_t esi_shutdown_ms_of(const es_child_spec *child)
{
    if (child->shutdown_ms)
        return child->shutdown_ms;
    return child->type == ES_CHILD_SUPERVISOR ? ES_INFINITY : DEFAULT_SHUTDOWN_MS;
}

/* What is wrong, or that there is no memory to say it. */
static es_term kept(es_literal fault)
{
    return esi_keep_reason(es_lend(fault));
}

es_term esi_flags_fault(const es_supervisor_spec *spec)
{
    if ((unsigned)spec->strategy > ES_SIMPLE_ONE_FOR_ONE)
        return kept(ES_TUPLE(invalid_strategy, (int)spec->strategy));
    if (spec->intensity < ES_NO_RESTARTS)
        return kept(ES_TUPLE(invalid_intensity, spec->intensity));
    if (spec->period_s < 0)
        return kept(ES_TUPLE(invalid_period, spec->period_s));
    if (spec->partitions < 0 || (spec->partitions && spec->strategy != ES_SIMPLE_ONE_FOR_ONE))
        return kept(ES_TUPLE(invalid_partitions, spec->partitions));
    if ((unsigned)spec->auto_shutdown > ES_SHUTDOWN_ON_ALL)
        return kept(ES_TUPLE(invalid_auto_shutdown, (int)spec->auto_shutdown));
    return es_none();
}

es_term esi_child_fault(const es_supervisor_spec *spec, const es_child_spec *child)
{
    if (!child->id && spec->strategy != ES_SIMPLE_ONE_FOR_ONE)
        return es_from_atom(missing_id);
    if (!child->behaviour && !child->start)
        return es_from_atom(missing_start);
    if ((unsigned)child->restart > ES_TEMPORARY)
        return kept(ES_TUPLE(invalid_restart_type, (int)child->restart));
    if (child->shutdown_ms < ES_BRUTAL_KILL)
        return kept(ES_TUPLE(invalid_shutdown, child->shutdown_ms));
    if ((unsigned)child->type > ES_CHILD_SUPERVISOR)
        return kept(ES_TUPLE(invalid_child_type, (int)child->type));
    if (child->significant && spec->auto_shutdown == ES_SHUTDOWN_NEVER)
        return kept(
            ES_TUPLE(bad_combination, ES_LIST(ES_TUPLE(auto_shutdown, never), ES_TUPLE(significant, true))));
    if (child->significant && child->restart == ES_PERMANENT)
        return kept(ES_TUPLE(bad_combination,
                             ES_LIST(ES_TUPLE(es_am_restart, es_am_permanent), ES_TUPLE(significant, true))));
    if (child->isolated)
        return kept(ES_TUPLE(not_yet, "isolated comes with the cluster"));
    return es_none();
}

static es_term wrapped(es_atom what, es_term fault)
{
    if (es_is(fault, es_am_system_limit))
        return fault;
    es_term both = kept(ES_TUPLE(what, fault));
    es_drop(fault);
    return both;
}

static bool has_twin(const es_supervisor_spec *spec, int64_t at)
{
    for (int64_t i = 0; i < at; i++)
        if (strcmp(spec->children[i].id, spec->children[at].id) == 0)
            return true;
    return false;
}

static es_term twin(const char *id)
{
    es_atom name = es_am_undefined;
    (void)!es_atom_make(id, strlen(id), &name);
    return kept(ES_TUPLE(duplicate_child_name, name));
}

es_term esi_spec_fault(const es_supervisor_spec *spec)
{
    es_term fault = esi_flags_fault(spec);
    if (!es_is_none(fault))
        return wrapped(supervisor_data, fault);
    bool is_simple = spec->strategy == ES_SIMPLE_ONE_FOR_ONE;
    if (is_simple && spec->child_count != 1)
        return wrapped(start_spec, kept(ES_TUPLE(bad_start_spec, "simple_one_for_one takes one child")));
    for (int64_t i = 0; i < spec->child_count && es_is_none(fault); i++) {
        fault = esi_child_fault(spec, &spec->children[i]);
        if (es_is_none(fault) && !is_simple && has_twin(spec, i))
            fault = twin(spec->children[i].id);
    }
    return es_is_none(fault) ? fault : wrapped(start_spec, fault);
}

es_err es_check_children(const es_supervisor_spec *spec)
{
    es_term fault = esi_spec_fault(spec);
    if (es_is_none(fault))
        return ES_OK;
    if (es_is(fault, es_am_system_limit))
        return es_fail(ES_ENOMEM, "supervisor: no memory to say what is wrong with the children");
    char text[160];
    es_print(text, sizeof text, fault);
    es_drop(fault);
    return es_fail(ES_EINVAL, "supervisor: %s", text);
}
