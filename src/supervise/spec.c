/* spec.c - see spec.h. */
#include "supervise/spec.h"

#include <engset/match.h>
#include <string.h>
#include "proc/memory.h"

ES_ATOMS(supervisor_data, start_spec, duplicate_child_name, bad_start_spec);
ES_ATOMS(invalid_intensity, invalid_period, invalid_partitions, invalid_strategy, invalid_auto_shutdown,
         missing_id, missing_start, invalid_restart_type, invalid_shutdown, invalid_child_type,
         bad_combination, not_yet, never, significant, auto_shutdown, invalid_backoff, invalid_heartbeat);

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

/* Written so that what is no number makes no sense either. */
static bool makes_sense(const es_backoff *b)
{
    return b->first_ms >= 0 && b->max_ms >= 0 && b->reset_ms >= ES_INFINITY && b->jitter >= 0 &&
           b->jitter <= 1;
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
    if (!makes_sense(&child->backoff))
        return kept(ES_TUPLE(invalid_backoff, "times from 0 on, and a jitter from 0 to 1"));
    if (child->heartbeat_ms < ES_INFINITY)
        return kept(ES_TUPLE(invalid_heartbeat, child->heartbeat_ms));
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

bool esi_is_child_fault(es_term reason)
{
    const es_atom tags[] = {invalid_restart_type, invalid_shutdown,  invalid_child_type,
                            invalid_backoff,      invalid_heartbeat, bad_combination,
                            bad_start_spec,       not_yet,           duplicate_child_name};
    es_atom tag;
    if (es_is(reason, missing_id) || es_is(reason, missing_start))
        return true;
    if (!es_match(reason, ES_TUPLE(&tag, ES_ANY)))
        return false;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
        if (es_atom_equal(tag, tags[i]))
            return true;
    return false;
}

/* ------------------------------------------------------------ on its way
 *
 * The strings follow each other at the end, each with its 0; where the spec has none its pointer is NULL. Only what this program packed itself has its
 * mark: pointers are not believed from anybody else. */

struct packed {
    es_child_spec spec; /* first: it is freed by its address */
    const void *mark;
    char strings[];
};

static const char mark;

static const char **strings_of(es_child_spec *spec, size_t number)
{
    const char **all[] = {&spec->id, &spec->name, &spec->args};
    return number < sizeof all / sizeof all[0] ? all[number] : NULL;
}

static size_t packed_size(const es_child_spec *spec)
{
    size_t size = sizeof(struct packed);
    es_child_spec copy = *spec;
    for (size_t i = 0; strings_of(&copy, i); i++)
        size += *strings_of(&copy, i) ? strlen(*strings_of(&copy, i)) + 1 : 0;
    return size;
}

void *esi_spec_pack(const es_child_spec *spec, size_t *out_size)
{
    *out_size = packed_size(spec);
    struct packed *packed = esi_alloc_try(*out_size);
    if (!packed)
        return NULL;
    packed->spec = *spec;
    packed->mark = &mark;
    char *to = packed->strings;
    for (size_t i = 0; strings_of(&packed->spec, i); i++) {
        const char *string = *strings_of(&packed->spec, i);
        if (string)
            to = stpcpy(to, string) + 1;
    }
    return packed;
}

bool esi_is_packed_spec(es_bin bytes)
{
    const void *found;
    if (bytes.size < sizeof(struct packed))
        return false;
    memcpy(&found, (const char *)bytes.data + offsetof(struct packed, mark), sizeof found);
    return found == &mark;
}

es_child_spec *esi_spec_unpack(es_bin bytes)
{
    struct packed *packed = esi_alloc_try(bytes.size);
    if (!packed)
        return NULL;
    memcpy(packed, bytes.data, bytes.size);
    const char *at = packed->strings;
    for (size_t i = 0; strings_of(&packed->spec, i); i++) {
        const char **string = strings_of(&packed->spec, i);
        if (!*string)
            continue;
        *string = at;
        at += strlen(at) + 1;
    }
    return &packed->spec;
}

/* ------------------------------------------------------------ all of it */

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
