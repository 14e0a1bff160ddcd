/* proc/contain/judge.c - the ordered rules of containment. */
#include <signal.h>
#include "proc/contain/judge.h"

static enum esi_fault_kind kind_of(const struct esi_fault_facts *f)
{
    switch (f->signo) {
    case SIGSEGV:
    case SIGBUS: /* some machines say so of a guard */
        if (f->address_in_guard)
            return ESI_FAULT_STACK_OVERFLOW;
        return f->signo == SIGBUS ? ESI_FAULT_BUS : ESI_FAULT_SEGV;
    case SIGFPE:
        return ESI_FAULT_FPE;
    case SIGILL:
        return ESI_FAULT_ILL;
    case SIGTRAP:
        return ESI_FAULT_TRAP;
    case SIGABRT:
        return ESI_FAULT_ABORT;
    default:
        return ESI_FAULT_OTHER;
    }
}

/* Rules 4 to 7, by the place. */
static enum esi_fault_rule rule_of_place(const struct esi_fault_facts *f)
{
    if (esi_module_is_ours(f->at))
        return ESI_RULE_OWN_CODE;
    if (f->at == ESI_MODULE_NONE && f->is_jump && esi_module_is_ours(f->caller))
        return ESI_RULE_OWN_CODE;
    if (f->at_leaf && esi_module_is_ours(f->caller))
        return ESI_RULE_LEAF;
    if (f->at == ESI_MODULE_CONTAINED)
        return ESI_RULE_PROMISED;
    if (f->caller == ESI_MODULE_CONTAINED && (f->at_leaf || (f->at == ESI_MODULE_NONE && f->is_jump)))
        return ESI_RULE_PROMISED;
    return ESI_RULE_OTHER;
}

static enum esi_fault_rule rule_of(const struct esi_fault_facts *f)
{
    /* abort() and raise() give SI_TKILL and come from this OS process: for SIGABRT that is rule 3's affair. */
    if (f->code <= 0 && !(f->signo == SIGABRT && f->is_ours))
        return ESI_RULE_SENT;
    if (!f->has_process || f->in_runtime || f->is_nested)
        return ESI_RULE_RUNTIME;
    if (f->signo == SIGABRT)
        return ESI_RULE_ABORT;
    return rule_of_place(f);
}

struct esi_verdict esi_fault_judge(const struct esi_fault_facts *facts)
{
    struct esi_verdict verdict = {.rule = rule_of(facts), .kind = kind_of(facts)};
    verdict.contains = verdict.kind != ESI_FAULT_OTHER &&
                       (verdict.rule == ESI_RULE_OWN_CODE || verdict.rule == ESI_RULE_LEAF ||
                        verdict.rule == ESI_RULE_PROMISED);
    return verdict;
}

bool esi_kill_judge(enum esi_module_kind at, bool at_leaf, enum esi_module_kind caller)
{
    struct esi_fault_facts facts = {.at = at, .at_leaf = at_leaf, .caller = caller};
    return rule_of_place(&facts) != ESI_RULE_OTHER;
}

const char *esi_fault_rule_text(enum esi_fault_rule rule)
{
    switch (rule) {
    case ESI_RULE_SENT:
        return "rule 1: the signal was sent, not raised by an instruction";
    case ESI_RULE_RUNTIME:
        return "rule 2: no process's code was running";
    case ESI_RULE_ABORT:
        return "rule 3: SIGABRT that is not from es_abort()";
    case ESI_RULE_OWN_CODE:
        return "rule 4: in code that bears the mark";
    case ESI_RULE_LEAF:
        return "rule 5: in a leaf function of libc called by marked code";
    case ESI_RULE_PROMISED:
        return "rule 6: in a library named by es_contain()";
    case ESI_RULE_OTHER:
        return "rule 7: in code that may hold locks";
    default:
        return "no rule";
    }
}
