/* faults.c - a million faults of every kind that is contained, on two schedulers; and the node has no more in use than after a tenth of them. */
#include <engset.h>
#include <malloc.h>
#include <sys/mman.h>
#include "misdeeds.h"
#include "use.h"
#undef NDEBUG
#include <assert.h>

static const char *beyond_the_end; /* a page of a file that has none */

static UNCHECKED void writes_code(void)
{
    *(volatile char *)(uintptr_t)reads_null = 0;
}

static UNCHECKED void reads_beyond_the_end(void)
{
    (void)*(volatile const char *)beyond_the_end;
}

static UNCHECKED void divides_by_zero(void)
{
    volatile int zero = 0, one = 1;
    one = one / zero;
}

static UNCHECKED void meets_no_instruction(void)
{
    __builtin_trap();
}

static void aborts(void)
{
    uint8_t *memory = es_alloc(100);
    memory[0] = 1;
    abort();
}

static void asserts(void)
{
    volatile int one = 1;
    assert(one == 2);
}

/* What each says at its end: {signal, Kind, Where}. */
ES_ATOMS(signal_, sigsegv, sigbus, sigfpe, sigill, sigabrt, stack_overflow);

static const struct {
    void (*function)(void);
    const es_atom *signal;
    const char *name;
} kinds[] = {
    {reads_null, &sigsegv, "SIGSEGV, reading"},  {aborts, &sigabrt, "abort()"},
    {writes_code, &sigsegv, "SIGSEGV, writing"}, {divides_by_zero, &sigfpe, "SIGFPE"},
    {meets_no_instruction, &sigill, "SIGILL"},   {asserts, &sigabrt, "a failed assertion"},
    {reads_beyond_the_end, &sigbus, "SIGBUS"},   {recurses, &stack_overflow, "stack overflow"},
};

enum { KINDS = sizeof kinds / sizeof kinds[0], AT_ONCE = 4 * KINDS };

/* ThreadSanitizer's own code cannot be left: there only those are played that come by a call. AddressSanitizer has its own idea of a stack's end. */
static int kind_of(long number)
{
    int kind = (int)(number % KINDS);
    if (ESI_TSAN)
        return kinds[kind].signal == &sigabrt ? kind : 1;
    return ESI_ASAN && kinds[kind].function == recurses ? 0 : kind;
}

static long seen[KINDS];

static void fault(long count)
{
    es_ref ref[AT_ONCE];
    for (long i = 0; i < count; i += AT_ONCE) {
        for (int k = 0; k < AT_ONCE; k++)
            es_spawn_monitor(&ref[k], kinds[kind_of(k)].function);
        for (int k = 0; k < AT_ONCE; k++) {
            int kind = kind_of(k);
            EXPECT(got(ES_TUPLE(es_am_DOWN, ref[k], ES_ANY, ES_ANY,
                                ES_TUPLE(signal_, *kinds[kind].signal, ES_ANY))));
            seen[kind]++;
        }
    }
}

static void play_faults(void (*body)(void))
{
    esi_report_configure();
    esi_report_set_sink(no_report);
    play_real(body);
    esi_report_set_sink(NULL);
}

STORY_WITH(a_million_faults_leave_nothing_behind, rounds(1000000), "", play_faults)
{
    long all = rounds(1000000) / AT_ONCE * AT_ONCE;
    es_node_info before, after;
    int64_t start_ns = es_now_ns();
    es_node_info_get(&before);
    fault(WARM_UP);
    struct use tenth = {0};
    for (int part = 1; part <= 10; part++) {
        fault(all / 10);
        if (part == 1)
            tenth = use_now();
    }
    compare("faults", all, tenth, use_now());
    for (int kind = 0; kind < KINDS; kind++)
        printf("%9ld %s\n", seen[kind], kinds[kind].name);
    printf("in %.1f s\n", (double)(es_now_ns() - start_ns) / 1e9);
    es_node_info_get(&after);
    EXPECT(after.crashes_contained - before.crashes_contained >= all);
    EXPECT(after.stranded == before.stranded);
}

int main(void)
{
    mallopt(M_ARENA_MAX, 1); /* as in storm.c */
    int fd = memfd_create("empty", MFD_CLOEXEC);
    beyond_the_end = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (fd < 0 || beyond_the_end == MAP_FAILED)
        return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_million_faults_leave_nothing_behind)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
