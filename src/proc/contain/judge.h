/* proc/contain/judge.h - may a fault end its process alone, or must the node end?
 *
 * The deciding half of containment: no signals, no threads, no memory. fault.c gathers the facts and does what is decided. The rules
 * are those of docs/explanation/containment.md, in their order; the first that applies decides. */
#ifndef PROC_CONTAIN_JUDGE_H
#define PROC_CONTAIN_JUDGE_H

#include <stdbool.h>
#include "proc/contain/module.h"

/* What is known of a signal in the moment it is handled. */
struct esi_fault_facts {
    int signo, code;  /* si_signo, si_code */
    bool is_ours;     /* sent by this OS process itself */
    bool has_process; /* the thread is a worker that runs a process, and can be left by its jump buffer */
    bool in_runtime;  /* the runtime runs, not the process's code */
    bool is_nested;   /* a fault of this thread was being handled */
    bool address_in_guard; /* what was touched lies in the guard of the process's stack */
    bool is_jump; /* what was touched is the place itself: a call or jump to where there is no code */
    enum esi_module_kind at;     /* whose code was interrupted */
    bool at_leaf;                /* ... in one of libc's leaf functions */
    enum esi_module_kind caller; /* who called it (leaf functions and jumps only) */
};

/* The rules, by their numbers. */
enum esi_fault_rule {
    ESI_RULE_NONE,
    ESI_RULE_SENT,     /* 1: not raised by the kernel for an instruction */
    ESI_RULE_RUNTIME,  /* 2: no process's code was running, or a fault was being handled */
    ESI_RULE_ABORT,    /* 3: SIGABRT: es_abort() does not come this way */
    ESI_RULE_OWN_CODE, /* 4: marked code, or a jump from there to where there is no code */
    ESI_RULE_LEAF,     /* 5: a leaf function of libc, called by marked code */
    ESI_RULE_PROMISED, /* 6: a library named by es_contain() */
    ESI_RULE_OTHER,    /* 7: everything else */
};

enum esi_fault_kind {
    ESI_FAULT_OTHER,
    ESI_FAULT_SEGV,
    ESI_FAULT_BUS,
    ESI_FAULT_FPE,
    ESI_FAULT_ILL,
    ESI_FAULT_ABORT,
    ESI_FAULT_TRAP,
    ESI_FAULT_STACK_OVERFLOW,
};

struct esi_verdict {
    bool contains; /* the process ends; otherwise the node does */
    enum esi_fault_rule rule;
    enum esi_fault_kind kind; /* what it was, for the reason */
};

/* Decides. Pure. */
struct esi_verdict esi_fault_judge(const struct esi_fault_facts *facts);

/* May a process that does not come back be left where it is, at a place of that kind? Pure. */
bool esi_kill_judge(enum esi_module_kind at, bool at_leaf, enum esi_module_kind caller);

/* The rule in words, "a leaf function of libc called by marked code". Static text. Async-signal-safe. */
const char *esi_fault_rule_text(enum esi_fault_rule rule);

#endif
