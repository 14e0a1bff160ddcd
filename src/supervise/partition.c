/* partition.c - a supervisor of many as several under one, so that they start and stop side by side: .partitions.
 *
 *   calls (one_for_one) --- calls/0 (simple_one_for_one) --- a part of the children
 *                       +-- calls/1 ...
 *
 * The one on top has the partitions as its children; each is told which behaviour describes it, and reads the rest there. Source:
 * Elixir's PartitionSupervisor. */
#include "supervise/supervisor.h"

#include <engset/link.h>
#include <stdio.h>
#include <string.h>
#include "base/fail.h"
#include "supervise/spec.h"

static es_err name_of(const es_behaviour *supervisor, int64_t number, es_atom *out)
{
    char text[256];
    int length = snprintf(text, sizeof text, "%s/%lld", supervisor->name, (long long)number);
    return es_atom_make(text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1, out);
}

/* ------------------------------------------------------------ the one on top */

/* Told {Behaviour, Number, Args}: what it is made of is static data, and goes by its address. */
static ES_NORETURN void partition_main(es_term told)
{
    int64_t address, number;
    es_term args;
    es_atom name;
    if (!es_match(told, ES_TUPLE(&address, &number, &args)))
        es_exit(es_am_badarg);
    const es_behaviour *behaviour = (const es_behaviour *)(uintptr_t)address;
    if (name_of(behaviour, number, &name) != ES_OK)
        es_exit(es_am_system_limit);
    es_err error = es_register(name, es_self());
    if (error == ES_ETAKEN)
        esi_sup_not_up(es_lend(ES_TUPLE(es_am_already_started, es_whereis(name))));
    if (error != ES_OK)
        es_exit(es_am_system_limit);
    esi_supervise(behaviour, number, args);
}

static const es_behaviour partition = {"partition", partition_main, sizeof(void *), NULL};
static const es_child_spec partition_spec = {
    .id = "partition", .behaviour = &partition, .type = ES_CHILD_SUPERVISOR};

bool esi_sup_is_on_top(const es_supervisor_spec *spec, int64_t number)
{
    return spec->partitions > 0 && number == ESI_NO_PARTITION;
}

void esi_partitions_admit(struct esi_supervisor *s, const es_behaviour *behaviour)
{
    for (int64_t i = 0; i < s->spec.partitions; i++) {
        es_term args = es_keep(ES_TUPLE((int64_t)(uintptr_t)behaviour, i, s->args));
        es_atom id;
        if (name_of(behaviour, i, &id) != ES_OK ||
            !esi_family_add(&s->family, &partition_spec, es_from_atom(id), args)) {
            es_drop(args);
            esi_sup_not_up(es_from_atom(es_am_system_limit));
        }
    }
}

/* ------------------------------------------------------------ which one */

static uint64_t hash_bytes(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash ^ hash >> 32;
}

static bool hash(es_term key, uint64_t *out)
{
    int64_t number;
    es_bin bytes;
    es_atom atom;
    es_pid pid;
    if (es_get_int64(key, &number))
        *out = (uint64_t)number;
    else if (es_get_bin(key, &bytes))
        *out = hash_bytes(bytes.data, (size_t)bytes.size);
    else if (es_get_atom(key, &atom))
        *out = hash_bytes(es_atom_text(atom), strlen(es_atom_text(atom)));
    else if (es_get_pid(key, &pid))
        *out = hash_bytes(&pid.id, sizeof pid.id);
    else
        return false;
    return true;
}

es_pid esi_partition(const es_behaviour *supervisor, es_term key)
{
    const es_supervisor_spec *spec = supervisor->calls;
    uint64_t number;
    es_atom name;
    if (spec->partitions <= 0) {
        (void)!es_fail(ES_EINVAL, "es_partition: supervisor %s has no .partitions", supervisor->name);
        return ES_NO_PID;
    }
    if (!hash(key, &number)) {
        (void)!es_fail(ES_EINVAL, "es_partition: a key is an integer of 64 bits, an atom, a binary or a pid");
        return ES_NO_PID;
    }
    if (name_of(supervisor, (int64_t)(number % (uint64_t)spec->partitions), &name) != ES_OK)
        return ES_NO_PID;
    es_pid pid = es_whereis(name);
    if (es_pid_is_none(pid))
        (void)!es_fail(ES_ECLOSED, "es_partition: %s is not there", es_atom_text(name));
    return pid;
}
