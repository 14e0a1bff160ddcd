/* fault_place.c - whose code an address is in, how to get from a place to its caller, and what both are called. */
#include <dlfcn.h>
#include <math.h>
#include <ucontext.h>
#include "as_written.h"
#include "case.h"
#include <engset/mark.h>
#include "platform/sanitize.h"
#include "proc/contain/leaf.h"
#include "proc/contain/line.h"
#include "proc/contain/module.h"
#include "proc/contain/symbol.h"
#include "proc/contain/unwind.h"

static int start(void **state)
{
    (void)state;
    es_err err = esi_modules_start();
    esi_leaves_start();
    return err;
}

static int stop(void **state)
{
    (void)state;
    esi_symbols_stop();
    esi_modules_stop();
    return 0;
}

static uintptr_t libc_function(const char *name)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    uintptr_t address = (uintptr_t)dlsym(libc, name);
    dlclose(libc);
    return address;
}

static void test_code_that_includes_engset_is_marked_and_other_code_is_not(void **state)
{
    (void)state;
    static int data;
    assert_int_equal(esi_module_kind_of((uintptr_t)&start), ESI_MODULE_MARKED);
    assert_int_equal(esi_module_kind_of(libc_function("printf")), ESI_MODULE_LIBC);
    assert_int_equal(esi_module_kind_of((uintptr_t)&_cmocka_run_group_tests), ESI_MODULE_FOREIGN);
    assert_int_equal(esi_module_kind_of((uintptr_t)&data), ESI_MODULE_NONE);
    assert_int_equal(esi_module_kind_of(0), ESI_MODULE_NONE);
    assert_int_equal(esi_module_kind_of(UINTPTR_MAX), ESI_MODULE_NONE);
}

static void test_without_a_table_nobody_has_code(void **state)
{
    stop(state);
    assert_int_equal(esi_module_kind_of((uintptr_t)&start), ESI_MODULE_NONE);
    assert_int_equal(start(state), ES_OK);
}

static void test_a_mark_that_goes_takes_the_trust_with_it(void **state)
{
    (void)state;
    unsigned generation = esi_modules_generation();
    esi_module_unmark((void *)(uintptr_t)&start);
    assert_int_not_equal(esi_modules_generation(), generation);
    assert_int_equal(esi_module_kind_of((uintptr_t)&start), ESI_MODULE_RUNTIME); /* it is linked in here */
    esi_module_mark((void *)(uintptr_t)&start, ESI_MARK_FLAGS);
    assert_int_equal(esi_module_kind_of((uintptr_t)&start), ESI_MODULE_MARKED);
}

static void test_strict_refuses_modules_without_the_flags(void **state)
{
    stop(state);
    esi_module_mark((void *)(uintptr_t)&start, 0);
    setenv("ES_STRICT", "1", 1);
    assert_int_equal(esi_modules_start(), ES_EINVAL);
    unsetenv("ES_STRICT");
    esi_modules_stop();
    assert_int_equal(esi_modules_start(), ES_OK);
    esi_module_unmark((void *)(uintptr_t)&start);
    esi_module_mark((void *)(uintptr_t)&start, ESI_MARK_FLAGS);
    esi_leaves_start();
}

static void test_a_promise_is_kept_for_a_library_that_is_there(void **state)
{
    (void)state;
    assert_int_equal(es_contain("libnobody.so.7"), ES_ENOTFOUND);
    assert_int_equal(es_contain(NULL), ES_EINVAL);
    assert_int_equal(es_contain("libcmocka.so.0"), ES_OK);
    assert_int_equal(es_contain("libcmocka.so.0"), ES_OK);
    assert_int_equal(esi_module_kind_of((uintptr_t)&_cmocka_run_group_tests), ESI_MODULE_CONTAINED);
}

static void test_a_library_that_comes_later_is_seen_after_a_refresh(void **state)
{
    (void)state;
    void *library = dlopen("libm.so.6", RTLD_NOW);
    assert_non_null(library);
    esi_modules_refresh();
    assert_int_equal(esi_module_kind_of((uintptr_t)dlsym(library, "cbrt")), ESI_MODULE_FOREIGN);
    dlclose(library);
}

static void test_leaf_functions_are_those_the_loader_chose(void **state)
{
    (void)state;
    static const char *const names[] = {"strlen", "memcpy", "memset", "strcmp", "memchr", "strncat"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_true(esi_leaf_holds(libc_function(names[i])));
    assert_false(esi_leaf_holds(libc_function("malloc")));
    assert_false(esi_leaf_holds(libc_function("strdup")));
    assert_false(esi_leaf_holds(libc_function("fputs")));
    assert_false(esi_leaf_holds((uintptr_t)&start));
}

/* ---- the way up ---- */

static uintptr_t pcs[16];
static int pc_count;

static __attribute__((AS_WRITTEN)) int innermost(int x)
{
    ucontext_t here;
    getcontext(&here);
    uintptr_t at = (uintptr_t)__builtin_frame_address(0);
    pc_count =
        esi_unwind(esi_frame_of_context(&here), (struct esi_stack_span){at - 4096, at + 4096}, pcs, 16);
    return x + 1;
}

/* With a frame that grows while it runs, and one that is aligned: other rules than the plain ones. */
static __attribute__((AS_WRITTEN)) int middle(int x)
{
    volatile char *grown = __builtin_alloca((size_t)x + 64);
    grown[x] = 1;
    return innermost(x) + grown[x];
}

static __attribute__((AS_WRITTEN)) int outermost(int x)
{
    return middle(x) + 1;
}

static void assert_named(uintptr_t pc, const char *function)
{
    struct esi_symbol symbol;
    esi_symbol_find(pc, true, &symbol);
    assert_string_equal(symbol.function, function);
    assert_true(symbol.line > 0);
    assert_non_null(strstr(symbol.file, "fault_place.c"));
}

static void test_the_way_up_leads_through_every_caller(void **state)
{
    (void)state;
    assert_int_equal(outermost(8), 11);
    assert_true(pc_count >= 4);
    assert_named(pcs[0], "innermost");
    assert_named(pcs[1] - 1, "middle");
    assert_named(pcs[2] - 1, "outermost");
    assert_named(pcs[3] - 1, "test_the_way_up_leads_through_every_caller");
}

static void test_the_way_up_stays_within_the_stack(void **state)
{
    (void)state;
    ucontext_t here;
    getcontext(&here);
    struct esi_frame frame = esi_frame_of_context(&here);
    assert_false(esi_unwind_step(&frame, (struct esi_stack_span){0, 0}));
    frame.pc = 0x1234;
    assert_false(esi_unwind_step(&frame, (struct esi_stack_span){0, UINTPTR_MAX}));
}

static void test_a_leaf_functions_caller_is_found_from_its_first_instruction(void **state)
{
    (void)state;
#if defined(__x86_64__)
    uintptr_t stack[4] = {0, (uintptr_t)&outermost + 1, 0, 0};
    struct esi_stack_span span = {(uintptr_t)stack, (uintptr_t)(stack + 4)};
    struct esi_frame at = {.pc = libc_function("strlen"), .sp = (uintptr_t)&stack[1]}, caller;
    assert_true(esi_leaf_caller(at, span, &caller));
    assert_int_equal(caller.pc, (uintptr_t)&outermost + 1);
    at.sp = (uintptr_t)(stack + 4); /* beyond the stack */
    assert_false(esi_leaf_caller(at, span, &caller));
#endif
}

static void test_a_place_has_a_name(void **state)
{
    (void)state;
    char bytes[200];
    struct esi_text text;
    struct esi_symbol symbol;
    uintptr_t pc = (uintptr_t)&outermost + 2;
    esi_symbol_find(pc, false, &symbol);
    esi_text_init(&text, bytes, sizeof bytes);
    esi_symbol_text(&symbol, pc, &text);
    assert_memory_equal(bytes, "outermost+0x2 in ", 17);
    assert_string_equal(bytes + 17, program_invocation_short_name);
    esi_symbol_find(0x10, true, &symbol);
    esi_text_init(&text, bytes, sizeof bytes);
    esi_symbol_text(&symbol, 0x10, &text);
    assert_string_equal(bytes, "0x10");
}

extern void _init(void); /* the C library's: the linker puts it before all others */

static void test_the_first_function_of_a_file_has_a_name_too(void **state)
{
    (void)state;
    struct esi_symbol symbol;
    esi_symbol_find((uintptr_t)&_init, false, &symbol);
    assert_string_equal(symbol.function, "_init");
}

static void test_a_line_table_of_rubbish_is_no_line(void **state)
{
    (void)state;
    uint8_t bytes[512];
    char file[64];
    int line;
    uint64_t random = 88172645463325252u;
    for (int round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            bytes[i] = (uint8_t)random;
        }
        uint32_t length = (uint32_t)(random % 500);
        memcpy(bytes, &length, 4);
        bytes[4] = (uint8_t)(2 + random % 4), bytes[5] = 0;
        bytes[8] = (uint8_t)(random % 60), bytes[9] = bytes[10] = bytes[11] = 0;
        struct esi_line_tables tables = {
            .lines = {bytes, sizeof bytes}, .line_strings = {bytes, 64}, .strings = {bytes, 64}};
        esi_line_find(&tables, random % 4096, file, sizeof file, &line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code_that_includes_engset_is_marked_and_other_code_is_not),
        cmocka_unit_test(test_without_a_table_nobody_has_code),
        cmocka_unit_test(test_a_mark_that_goes_takes_the_trust_with_it),
        cmocka_unit_test(test_strict_refuses_modules_without_the_flags),
        cmocka_unit_test(test_a_promise_is_kept_for_a_library_that_is_there),
        cmocka_unit_test(test_a_library_that_comes_later_is_seen_after_a_refresh),
        cmocka_unit_test(test_leaf_functions_are_those_the_loader_chose),
        cmocka_unit_test(test_the_way_up_leads_through_every_caller),
        cmocka_unit_test(test_the_way_up_stays_within_the_stack),
        cmocka_unit_test(test_a_leaf_functions_caller_is_found_from_its_first_instruction),
        cmocka_unit_test(test_a_place_has_a_name),
        cmocka_unit_test(test_the_first_function_of_a_file_has_a_name_too),
        cmocka_unit_test(test_a_line_table_of_rubbish_is_no_line),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
