/* fault_judge.c - containment's deciding half: each rule, and that their order counts. */
#include <signal.h>
#include "case.h"
#include "proc/contain/judge.h"

#define FROM_KERNEL 1

struct row {
    const char *what;
    struct esi_fault_facts facts;
    bool contains;
    enum esi_fault_rule rule;
    enum esi_fault_kind kind;
};

#define USER .has_process = true, .code = FROM_KERNEL

static const struct row rows[] = {
    {"a read through NULL in marked code",
     {USER, .signo = SIGSEGV, .at = ESI_MODULE_MARKED},
     true,
     ESI_RULE_OWN_CODE,
     ESI_FAULT_SEGV},
    {"the same in an inline function's home, the runtime, while user code runs",
     {USER, .signo = SIGSEGV, .at = ESI_MODULE_RUNTIME},
     true,
     ESI_RULE_OWN_CODE,
     ESI_FAULT_SEGV},
    {"the same while the runtime runs",
     {USER, .signo = SIGSEGV, .at = ESI_MODULE_RUNTIME, .in_runtime = true},
     false,
     ESI_RULE_RUNTIME,
     ESI_FAULT_SEGV},
    {"marked code on behalf of the runtime",
     {USER, .signo = SIGSEGV, .at = ESI_MODULE_MARKED, .in_runtime = true},
     false,
     ESI_RULE_RUNTIME,
     ESI_FAULT_SEGV},
    {"a thread that is no process",
     {.signo = SIGSEGV, .code = FROM_KERNEL, .at = ESI_MODULE_MARKED},
     false,
     ESI_RULE_RUNTIME,
     ESI_FAULT_SEGV},
    {"a fault while a fault is handled",
     {USER, .signo = SIGSEGV, .at = ESI_MODULE_MARKED, .is_nested = true},
     false,
     ESI_RULE_RUNTIME,
     ESI_FAULT_SEGV},
    {"kill -SEGV from outside",
     {.has_process = true, .signo = SIGSEGV, .code = SI_USER, .at = ESI_MODULE_MARKED},
     false,
     ESI_RULE_SENT,
     ESI_FAULT_SEGV},
    {"raise(SIGSEGV)",
     {.has_process = true, .signo = SIGSEGV, .code = SI_TKILL, .is_ours = true, .at = ESI_MODULE_LIBC},
     false,
     ESI_RULE_SENT,
     ESI_FAULT_SEGV},
    {"sent comes before the runtime",
     {.signo = SIGSEGV, .code = SI_USER, .in_runtime = true},
     false,
     ESI_RULE_SENT,
     ESI_FAULT_SEGV},
    {"libc's heap check aborts",
     {.has_process = true, .signo = SIGABRT, .code = SI_TKILL, .is_ours = true, .at = ESI_MODULE_LIBC},
     false,
     ESI_RULE_ABORT,
     ESI_FAULT_ABORT},
    {"an abort that seems to come from marked code",
     {.has_process = true, .signo = SIGABRT, .code = SI_TKILL, .is_ours = true, .at = ESI_MODULE_MARKED},
     false,
     ESI_RULE_ABORT,
     ESI_FAULT_ABORT},
    {"an abort in the runtime",
     {.has_process = true, .signo = SIGABRT, .code = SI_TKILL, .is_ours = true, .in_runtime = true},
     false,
     ESI_RULE_RUNTIME,
     ESI_FAULT_ABORT},
    {"kill -ABRT from outside",
     {.has_process = true, .signo = SIGABRT, .code = SI_USER},
     false,
     ESI_RULE_SENT,
     ESI_FAULT_ABORT},
    {"strlen(NULL)",
     {USER, .signo = SIGSEGV, .at = ESI_MODULE_LIBC, .at_leaf = true, .caller = ESI_MODULE_MARKED},
     true,
     ESI_RULE_LEAF,
     ESI_FAULT_SEGV},
    {"strlen called by printf",
     {USER, .signo = SIGSEGV, .at = ESI_MODULE_LIBC, .at_leaf = true, .caller = ESI_MODULE_LIBC},
     false,
     ESI_RULE_OTHER,
     ESI_FAULT_SEGV},
    {"strlen called by nobody knows whom",
     {USER, .signo = SIGSEGV, .at = ESI_MODULE_LIBC, .at_leaf = true},
     false,
     ESI_RULE_OTHER,
     ESI_FAULT_SEGV},
    {"malloc",
     {USER, .signo = SIGSEGV, .at = ESI_MODULE_LIBC, .caller = ESI_MODULE_MARKED},
     false,
     ESI_RULE_OTHER,
     ESI_FAULT_SEGV},
    {"another library",
     {USER, .signo = SIGSEGV, .at = ESI_MODULE_FOREIGN},
     false,
     ESI_RULE_OTHER,
     ESI_FAULT_SEGV},
    {"another library, of which the program promises",
     {USER, .signo = SIGSEGV, .at = ESI_MODULE_CONTAINED},
     true,
     ESI_RULE_PROMISED,
     ESI_FAULT_SEGV},
    {"strlen called by such a library",
     {USER, .signo = SIGSEGV, .at = ESI_MODULE_LIBC, .at_leaf = true, .caller = ESI_MODULE_CONTAINED},
     true,
     ESI_RULE_PROMISED,
     ESI_FAULT_SEGV},
    {"malloc called by such a library",
     {USER, .signo = SIGSEGV, .at = ESI_MODULE_LIBC, .caller = ESI_MODULE_CONTAINED},
     false,
     ESI_RULE_OTHER,
     ESI_FAULT_SEGV},
    {"a call through a wild pointer",
     {USER, .signo = SIGSEGV, .is_jump = true, .caller = ESI_MODULE_MARKED},
     true,
     ESI_RULE_OWN_CODE,
     ESI_FAULT_SEGV},
    {"a library calls through a wild pointer",
     {USER, .signo = SIGSEGV, .is_jump = true, .caller = ESI_MODULE_FOREIGN},
     false,
     ESI_RULE_OTHER,
     ESI_FAULT_SEGV},
    {"code made at run time",
     {USER, .signo = SIGSEGV, .caller = ESI_MODULE_MARKED},
     false,
     ESI_RULE_OTHER,
     ESI_FAULT_SEGV},
    {"a stack that is too small",
     {USER, .signo = SIGSEGV, .at = ESI_MODULE_MARKED, .address_in_guard = true},
     true,
     ESI_RULE_OWN_CODE,
     ESI_FAULT_STACK_OVERFLOW},
    {"a stack that is too small for memset",
     {USER, .signo = SIGSEGV, .at = ESI_MODULE_LIBC, .at_leaf = true, .caller = ESI_MODULE_MARKED,
      .address_in_guard = true},
     true,
     ESI_RULE_LEAF,
     ESI_FAULT_STACK_OVERFLOW},
    {"a stack that is too small for printf",
     {USER, .signo = SIGSEGV, .at = ESI_MODULE_LIBC, .address_in_guard = true},
     false,
     ESI_RULE_OTHER,
     ESI_FAULT_STACK_OVERFLOW},
    {"a file that became shorter",
     {USER, .signo = SIGBUS, .at = ESI_MODULE_MARKED},
     true,
     ESI_RULE_OWN_CODE,
     ESI_FAULT_BUS},
    {"a division by zero",
     {USER, .signo = SIGFPE, .at = ESI_MODULE_MARKED},
     true,
     ESI_RULE_OWN_CODE,
     ESI_FAULT_FPE},
    {"an illegal instruction",
     {USER, .signo = SIGILL, .at = ESI_MODULE_MARKED},
     true,
     ESI_RULE_OWN_CODE,
     ESI_FAULT_ILL},
    {"a signal of which we know nothing",
     {USER, .signo = SIGSYS, .at = ESI_MODULE_MARKED},
     false,
     ESI_RULE_OWN_CODE,
     ESI_FAULT_OTHER},
};

CASE(the_first_rule_that_applies_decides, 1, "CRH-01 CRH-04 CRH-05 CRH-06 CRH-07")
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct esi_verdict verdict = esi_fault_judge(&rows[i].facts);
        if (verdict.contains != rows[i].contains || verdict.rule != rows[i].rule ||
            verdict.kind != rows[i].kind)
            fail_msg("%s: contains %d rule %d kind %d", rows[i].what, verdict.contains, verdict.rule,
                     verdict.kind);
    }
}

static void test_a_process_is_killed_where_it_holds_nothing(void **state)
{
    (void)state;
    assert_true(esi_kill_judge(ESI_MODULE_MARKED, false, ESI_MODULE_NONE));
    assert_true(esi_kill_judge(ESI_MODULE_RUNTIME, false, ESI_MODULE_NONE));
    assert_true(esi_kill_judge(ESI_MODULE_LIBC, true, ESI_MODULE_MARKED));
    assert_true(esi_kill_judge(ESI_MODULE_CONTAINED, false, ESI_MODULE_NONE));
    assert_false(esi_kill_judge(ESI_MODULE_LIBC, true, ESI_MODULE_FOREIGN));
    assert_false(esi_kill_judge(ESI_MODULE_LIBC, false, ESI_MODULE_MARKED));
    assert_false(esi_kill_judge(ESI_MODULE_FOREIGN, false, ESI_MODULE_NONE));
    assert_false(esi_kill_judge(ESI_MODULE_NONE, false, ESI_MODULE_MARKED));
}

static void test_every_rule_has_words(void **state)
{
    (void)state;
    for (int rule = ESI_RULE_SENT; rule <= ESI_RULE_OTHER; rule++)
        assert_memory_equal(esi_fault_rule_text((enum esi_fault_rule)rule), "rule ", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_rule_that_applies_decides),
        cmocka_unit_test(test_a_process_is_killed_where_it_holds_nothing),
        cmocka_unit_test(test_every_rule_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
