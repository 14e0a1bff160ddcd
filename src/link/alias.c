/* alias.c - aliases: a bond in the process that made one, nothing anywhere else. Who sends finds the process by the reference's pid;
 * when the message arrives the bond says whether it may in. */
#include "link/alias.h"

#include "link/monitor.h"

struct alias {
    struct esi_bond bond;
    es_alias_mode mode;
};

static void alias_ended(struct esi_process *self, struct esi_bond *bond, es_term reason)
{
    (void)self;
    (void)reason;
    esi_bond_free(bond, sizeof(struct alias));
}

static const struct esi_bond_kind alias_bond = {
    .name = "alias", .order = ESI_BOND_ALIAS, .ended = alias_ended};

static struct alias *alias_find(struct esi_process *self, uint64_t ref_id)
{
    return (struct alias *)(void *)esi_bond_find(self, ESI_BOND_ALIAS, ref_id);
}

static void alias_remove(struct esi_process *self, struct alias *alias)
{
    esi_bond_remove(self, &alias->bond);
    esi_bond_free(alias, sizeof *alias);
}

es_err esi_alias_make(struct esi_process *self, uint64_t ref_id, es_alias_mode mode)
{
    struct alias *alias = esi_bond_new(sizeof *alias);
    if (!alias)
        return ES_ENOMEM;
    alias->mode = mode;
    esi_bond_insert(self, &alias->bond, &alias_bond, ref_id);
    return ES_OK;
}

void esi_alias_demonitored(struct esi_process *self, uint64_t ref_id)
{
    struct alias *alias = alias_find(self, ref_id);
    if (alias && (alias->mode == ES_ALIAS_DEMONITOR || alias->mode == ES_ALIAS_REPLY_DEMONITOR))
        alias_remove(self, alias);
}

bool esi_alias_admits(struct esi_process *self, uint64_t ref_id)
{
    struct alias *alias = alias_find(self, ref_id);
    if (!alias)
        return false;
    es_alias_mode mode = alias->mode;
    if (mode == ES_ALIAS_REPLY || mode == ES_ALIAS_REPLY_DEMONITOR)
        alias_remove(self, alias);
    if (mode == ES_ALIAS_REPLY_DEMONITOR)
        esi_monitor_remove(self, ref_id);
    return true;
}

es_ref es_alias(es_alias_mode mode)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return (es_ref){0};
    if (mode != ES_ALIAS_EXPLICIT_UNALIAS && mode != ES_ALIAS_REPLY)
        esi_badarg(self, "alias");
    es_ref ref = esi_ref_new(self);
    if (esi_alias_make(self, ref.id, mode) != ES_OK)
        esi_end_with(self, es_from_atom(es_am_system_limit));
    esi_leave();
    return ref;
}

bool es_unalias(es_ref ref)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return false;
    struct alias *alias = ref.node == 0 && ref.pid == self->id ? alias_find(self, ref.id) : NULL;
    if (alias)
        alias_remove(self, alias);
    esi_leave();
    return alias != NULL;
}

es_ref es_make_ref(void)
{
    struct esi_process *self = esi_enter();
    es_ref ref = esi_ref_new(self);
    if (self)
        esi_leave();
    return ref;
}
