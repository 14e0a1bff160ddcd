/* tests/platform/fiber.c - stacks that take turns. Fibers report; the test's own stack asserts. */
#include "case.h"

#include <execinfo.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "platform/fiber.h"
#include "platform/stack_announce.h"
#include "platform/thread.h"

#if !ESI_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

static struct esi_fiber self, other;
static struct esi_stack *stack;

static void open_fiber(esi_fiber_entry *entry, void *argument)
{
    assert_int_equal(esi_stack_open(NULL, ESI_STACK_DEFAULT, &stack), ES_OK);
    esi_fiber_init_thread(&self);
    esi_fiber_make(&other, stack, entry, argument);
}

/* ---- turns ---- */

static void **count_turns(void *argument)
{
    long *count = argument;
    for (;;) {
        ++*count;
        esi_fiber_switch(&other, &self);
    }
    return NULL; /* it never does */
}

static void test_two_fibers_take_a_million_turns(void **state)
{
    (void)state;
    long count = 0, turns = ESI_TSAN || ESI_ASAN ? 100000 : 1000000;
    open_fiber(count_turns, &count);
    for (long i = 0; i < turns; i++) {
        esi_fiber_switch(&self, &other);
        assert_int_equal(count, i + 1);
    }
    esi_fiber_abandon(&other);
    esi_stack_close(NULL, &stack);
}

/* A fiber that finished leaves a stack that serves the next. */
static void **say_once(void *argument)
{
    char words[256];
    snprintf(words, sizeof words, "%Lf", (long double)*(int *)argument); /* uses the stack well */
    *(int *)argument += words[0] == '4' ? 1 : 0;
    return esi_fiber_end(&other, &self);
}

static void **say_once_and_finish_deep_down(void *argument)
{
    say_once(argument);
    esi_fiber_finish(&other, &self);
}

static void test_a_stack_serves_one_fiber_after_another(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        int value = 41;
        open_fiber(say_once, &value);
        esi_fiber_switch(&self, &other);
        assert_int_equal(value, 42);
        value = 41;
        esi_fiber_restart(&other, say_once_and_finish_deep_down, &value);
        esi_fiber_switch(&self, &other);
        assert_int_equal(value, 42);
        value = 41;
        esi_fiber_restart(&other, say_once, &value);
        esi_fiber_switch(&self, &other);
        assert_int_equal(value, 42);
        esi_stack_close(NULL, &stack);
    }
}

/* ---- what travels ---- */

/* Writes its own pattern into every register that a function must preserve, switches there and back, and tells
 * which of them came back changed. */
#if defined(__x86_64__)
static unsigned long changed_registers(struct esi_fiber *from, struct esi_fiber *to, unsigned long pattern)
{
    unsigned long changed;
    void **save = &from->sp, *sp = to->sp;
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t" /* leaves the red zone alone */
                     "pushq %%rbp\n\t"
                     "pushq %%rdx\n\t"
                     "movq %%rdx, %%rbx\n\t"
                     "leaq 1(%%rbx), %%rbp\n\t"
                     "leaq 2(%%rbx), %%r12\n\t"
                     "leaq 3(%%rbx), %%r13\n\t"
                     "leaq 4(%%rbx), %%r14\n\t"
                     "leaq 5(%%rbx), %%r15\n\t"
                     "movq %%rsp, %%rax\n\t"
                     "andq $-16, %%rsp\n\t"
                     "subq $16, %%rsp\n\t"
                     "movq %%rax, (%%rsp)\n\t"
                     "call esi_context_switch\n\t"
                     "movq (%%rsp), %%rsp\n\t"
                     "movq (%%rsp), %%rax\n\t"
                     "xorq %%rax, %%rbx\n\t"
                     "leaq 1(%%rax), %%rcx\n\txorq %%rcx, %%rbp\n\torq %%rbp, %%rbx\n\t"
                     "leaq 2(%%rax), %%rcx\n\txorq %%rcx, %%r12\n\torq %%r12, %%rbx\n\t"
                     "leaq 3(%%rax), %%rcx\n\txorq %%rcx, %%r13\n\torq %%r13, %%rbx\n\t"
                     "leaq 4(%%rax), %%rcx\n\txorq %%rcx, %%r14\n\torq %%r14, %%rbx\n\t"
                     "leaq 5(%%rax), %%rcx\n\txorq %%rcx, %%r15\n\torq %%r15, %%rbx\n\t"
                     "movq %%rbx, %%rax\n\t"
                     "addq $8, %%rsp\n\t"
                     "popq %%rbp\n\t"
                     "leaq 128(%%rsp), %%rsp\n\t"
                     : "=a"(changed), "+d"(pattern), "+D"(save), "+S"(sp)
                     :
                     : "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
    return changed;
}

static void **mix_registers(void *argument)
{
    unsigned long *changed = argument;
    for (unsigned long i = 0;; i++)
        *changed |= changed_registers(&other, &self, 0x5555000000000000ul + i);
    return NULL; /* it never does */
}

static void test_the_registers_of_a_function_travel_with_its_fiber(void **state)
{
    (void)state;
    if (ESI_ASAN || ESI_TSAN)
        skip_since("the sanitizers are not told of the switches");
    unsigned long changed_there = 0, changed_here = 0;
    open_fiber(mix_registers, &changed_there);
    for (unsigned long i = 0; i < 1000; i++)
        changed_here |= changed_registers(&self, &other, 0xaaaa000000000000ul + i);
    assert_int_equal(changed_here, 0);
    assert_int_equal(changed_there, 0);
    esi_fiber_abandon(&other);
    esi_stack_close(NULL, &stack);
}
#endif

static volatile double one = 1.0, three = 3.0;

static void **round_upward(void *argument)
{
    double *third = argument;
    fesetround(FE_UPWARD);
    for (;;) {
        *third = one / three;
        esi_fiber_switch(&other, &self);
    }
    return NULL; /* it never does */
}

static void test_the_rounding_mode_travels_with_its_fiber(void **state)
{
    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip_since("Valgrind's processor divides to nearest only");
    double third_there = 0;
    fesetround(FE_DOWNWARD);
    open_fiber(round_upward, &third_there);
    for (int i = 0; i < 3; i++) {
        esi_fiber_switch(&self, &other);
        double third_here = one / three;
        assert_int_equal(fegetround(), FE_DOWNWARD);
        assert_true(third_there > third_here);
    }
    fesetround(FE_TONEAREST);
    esi_fiber_abandon(&other);
    esi_stack_close(NULL, &stack);
}

static void **round_upward_and_return(void *argument)
{
    fesetround(FE_UPWARD);
    *(double *)argument = one / three;
    return esi_fiber_end(&other, &self);
}

static void test_the_rounding_mode_of_a_fiber_ends_with_it(void **state)
{
    (void)state;
    double to_nearest = one / three;
    for (int i = 0; i < 3; i++) {
        volatile double upward = 0;
        open_fiber(round_upward_and_return, (void *)&upward);
        esi_fiber_switch(&self, &other);
        assert_true(upward > to_nearest);
        assert_int_equal(fegetround(), FE_TONEAREST);
        assert_true(one / three == to_nearest);
        assert_true((double)((long double)one / (long double)three) == to_nearest);
        esi_stack_close(NULL, &stack);
    }
}

static void **note_rounding(void *argument)
{
    *(int *)argument = fegetround();
    esi_fiber_finish(&other, &self);
}

static void test_a_new_fiber_has_the_rounding_mode_of_its_maker(void **state)
{
    (void)state;
    int rounding = -1;
    fesetround(FE_TOWARDZERO);
    open_fiber(note_rounding, &rounding);
    fesetround(FE_TONEAREST);
    esi_fiber_switch(&self, &other);
    assert_int_equal(rounding, FE_TOWARDZERO);
    assert_int_equal(fegetround(), FE_TONEAREST);
    esi_stack_close(NULL, &stack);
}

/* ---- other threads ---- */

static struct esi_fiber thread_fiber;

static void **two_steps(void *argument)
{
    int *steps = argument;
    ++*steps;
    esi_fiber_switch(&other, &self);
    ++*steps;
    esi_fiber_finish(&other, &thread_fiber);
}

static void go_on_here(void *argument)
{
    (void)argument;
    esi_fiber_init_thread(&thread_fiber);
    esi_fiber_switch(&thread_fiber, &other);
}

static void test_a_fiber_goes_on_in_another_thread(void **state)
{
    (void)state;
    int steps = 0;
    struct esi_thread thread;
    open_fiber(two_steps, &steps);
    esi_fiber_switch(&self, &other);
    assert_int_equal(steps, 1);
    assert_int_equal(esi_thread_open(go_on_here, NULL, "other", NULL, &thread), ES_OK);
    esi_thread_join(&thread);
    assert_int_equal(steps, 2);
    esi_stack_close(NULL, &stack);
}

/* ---- unwinding ---- */

struct trace {
    void *address[64];
    int count;
};

static __attribute__((noinline)) void note_trace(struct trace *trace)
{
    trace->count = backtrace(trace->address, 64);
}

static void **trace_and_finish(void *argument)
{
    note_trace(argument);
    esi_fiber_finish(&other, &self);
}

static void test_a_backtrace_ends_at_the_entry(void **state)
{
    (void)state;
    struct trace trace = {.count = -1};
    open_fiber(trace_and_finish, &trace);
    esi_fiber_switch(&self, &other);
    /* backtrace() is above us; then note_trace, trace_and_finish, the entry, and in a checked build one more. */
    assert_in_range(trace.count, 2, 6);
    esi_stack_close(NULL, &stack);
}

/* ---- faults ---- */

static sigjmp_buf out_of_fault;
static volatile sig_atomic_t was_guard;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    was_guard = esi_stack_guard_holds(stack, (uintptr_t)info->si_addr);
    esi_fiber_before_longjmp(&self);
    siglongjmp(out_of_fault, 1);
}

static __attribute__((noinline)) int dig(volatile int *depth)
{
    char hole[512];
    hole[0] = (char)++*depth;
    __asm__ volatile("" : : "r"(hole) : "memory"); /* all of it is needed */
    return *depth < 1000000 ? dig(depth) + hole[0] : 0;
}

static volatile int depth;

static void **overflow(void *argument)
{
    (void)argument;
    dig(&depth);
    return NULL; /* it never does */
}

static __attribute__((noinline)) void run_into_fault(void)
{
    if (sigsetjmp(out_of_fault, 1) == 0) {
        esi_fiber_switch(&self, &other);
        esi_assert(!"the overflow came back");
    }
    esi_fiber_after_longjmp(&self);
}

static void *volatile nowhere = (void *)8;

static void **fault_elsewhere(void *argument)
{
    (void)argument;
    *(volatile int *)nowhere = 1;
    return NULL; /* it never does */
}

static void with_fault_handler(void (*body)(void))
{
    struct esi_altstack altstack;
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_ONSTACK | SA_SIGINFO}, before;
    assert_int_equal(esi_thread_altstack_install(&altstack), ES_OK);
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &before);
    body();
    sigaction(SIGSEGV, &before, NULL);
    esi_thread_altstack_remove(&altstack);
}

static bool is_resident(const void *page)
{
    unsigned char residence = 0;
    assert_int_equal(mincore((void *)(uintptr_t)page, 1, &residence), 0);
    return residence & 1;
}

static void overflow_ten_times(void)
{
    open_fiber(overflow, NULL);
    for (int i = 0; i < 10; i++) {
        was_guard = -1;
        depth = 0;
        run_into_fault();
        assert_int_equal(was_guard, 1);
        assert_in_range(depth, 10, ESI_STACK_DEFAULT / 512);
        assert_true(is_resident(stack->low));
        esi_fiber_restart(&other, overflow, NULL);
        assert_false(is_resident(stack->low)); /* or memory would grow with each such crash */
    }
    int value = 41;
    esi_fiber_restart(&other, say_once, &value);
    esi_fiber_switch(&self, &other);
    assert_int_equal(value, 42);
    esi_stack_close(NULL, &stack);
}

static void test_an_overflow_faults_in_the_guard_and_the_fiber_starts_afresh(void **state)
{
    (void)state;
    with_fault_handler(overflow_ten_times);
}

static void fault_and_close(void)
{
    open_fiber(fault_elsewhere, NULL);
    was_guard = -1;
    run_into_fault();
    assert_int_equal(was_guard, 0);
    esi_fiber_abandon(&other);
    esi_stack_close(NULL, &stack);
}

static void test_another_fault_is_not_in_the_guard(void **state)
{
    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip_since("Valgrind would report the fault");
    with_fault_handler(fault_and_close);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_fibers_take_a_million_turns),
        cmocka_unit_test(test_a_stack_serves_one_fiber_after_another),
#if defined(__x86_64__)
        cmocka_unit_test(test_the_registers_of_a_function_travel_with_its_fiber),
#endif
        cmocka_unit_test(test_the_rounding_mode_travels_with_its_fiber),
        cmocka_unit_test(test_the_rounding_mode_of_a_fiber_ends_with_it),
        cmocka_unit_test(test_a_new_fiber_has_the_rounding_mode_of_its_maker),
        cmocka_unit_test(test_a_fiber_goes_on_in_another_thread),
        cmocka_unit_test(test_a_backtrace_ends_at_the_entry),
        cmocka_unit_test(test_an_overflow_faults_in_the_guard_and_the_fiber_starts_afresh),
        cmocka_unit_test(test_another_fault_is_not_in_the_guard),
    };
    return cmocka_run_group_tests_name("platform/fiber", tests, NULL, NULL);
}
