/* engset_bench.c - how fast is Engset? The benchmarks that README.md defines; scripts/bench.sh puts them beside the peers.
 *
 *     engset-bench --list
 *     engset-bench [--json] [--cores N] [--quick] [--style direct|react] [NAME...]
 *     engset-bench --only NAME ...                                      that one, in this OS process
 *
 * Without NAME: all of them. Each runs in an OS process of its own, so that none finds the memory of another warm. */
#include "bench.h"
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static const struct {
    const char *name;
    int64_t count, quick_count;
    benchmark *direct, *react; /* NULL: there is none */
    bool is_bytes;
} benchmarks[] = {
    {"pingpong", 2000000, 100000, pingpong, pingpong_react, false},
    {"ring503", 5000000, 250000, ring, ring_react, false},
    {"count1", 10000000, 500000, count_one, count_one_react, false},
    {"spawn_seq", 1000000, 50000, spawn_seq, NULL, false},
    {"call", 500000, 25000, call, call_react, false},
    {"memory", 1000000, 50000, memory, memory_react, true},
    {"memory_hibernated", 1000000, 50000, memory_hibernated, NULL, true},
    {"parallel", 1000, 200, parallel, NULL, false},
    {"crash_restart", 200000, 10000, crash_restart, NULL, false},
    {"fault_restart", 200000, 10000, fault_restart, NULL, false},
    {"exit_restart", 200000, 10000, exit_restart, NULL, false},
};
enum { BENCHMARK_COUNT = sizeof benchmarks / sizeof benchmarks[0] };

static struct {
    int which, cores;
    bool is_quick, is_react, has_style, is_json;
    bool is_named[BENCHMARK_COUNT];
    int named;
} asked = {.which = -1, .cores = 1};

static void list(void)
{
    for (int i = 0; i < BENCHMARK_COUNT; i++)
        puts(benchmarks[i].name);
}

static void report(int64_t count, double figure)
{
    const char *unit = benchmarks[asked.which].is_bytes ? "bytes" : "ns_per_op";
    const char *style = asked.is_react ? "react" : "direct";
    if (!asked.is_json) {
        printf("%-18s %-7s %12.2f %s\n", benchmarks[asked.which].name, style, figure, unit);
        return;
    }
    printf("{\"bench\":\"%s\",\"impl\":\"engset\",\"version\":\"%d.%d.%d\",\"cores\":%d,\"style\":\"%s\","
           "\"ops\":%lld,",
           benchmarks[asked.which].name, ES_VERSION_MAJOR, ES_VERSION_MINOR, ES_VERSION_PATCH, asked.cores,
           style, (long long)count);
    if (parallel_iterations)
        printf("\"iterations\":%lld,", (long long)parallel_iterations);
    printf("\"%s\":%.2f}\n", unit, figure);
}

static void first(void *unused)
{
    (void)unused;
    benchmark *run = asked.is_react ? benchmarks[asked.which].react : benchmarks[asked.which].direct;
    int64_t count = asked.is_quick ? benchmarks[asked.which].quick_count : benchmarks[asked.which].count;
    report(count, run(count));
    fflush(stdout);
    /* A million processes need not be ended one by one. */
    es_halt(0);
}

static int usage(const char *wrong)
{
    fprintf(stderr,
            "engset-bench: %s; known: --list, --json, --cores N, --quick, --style direct|react, --only NAME, "
            "and NAMEs (see --list)\n",
            wrong);
    return 2;
}

static int find(const char *name)
{
    for (int i = 0; i < BENCHMARK_COUNT; i++)
        if (strcmp(benchmarks[i].name, name) == 0)
            return i;
    return -1;
}

/* Options that are followed by a value. False: not understood. */
static bool take_value(const char *option, const char *value)
{
    if (strcmp(option, "--only") == 0) {
        asked.which = find(value);
        return asked.which >= 0;
    }
    if (strcmp(option, "--cores") == 0) {
        asked.cores = atoi(value);
        return asked.cores > 0;
    }
    asked.is_react = strcmp(value, "react") == 0;
    asked.has_style = true;
    return strcmp(option, "--style") == 0 && (asked.is_react || strcmp(value, "direct") == 0);
}

/* A benchmark without options in front. */
static bool take_name(const char *name)
{
    int which = find(name);
    if (which < 0)
        return false;
    asked.is_named[which] = true;
    asked.named++;
    return true;
}

/* Runs one in an OS process of its own. */
static int run_apart(const char *name, const char *style)
{
    char cores[16];
    snprintf(cores, sizeof cores, "%d", asked.cores);
    const char *words[10] = {"engset-bench", "--only", name, "--cores", cores, "--style", style};
    int count = 7;
    if (asked.is_json)
        words[count++] = "--json";
    if (asked.is_quick)
        words[count++] = "--quick";
    extern char **environ;
    pid_t child;
    int status = 1;
    if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, (char **)(uintptr_t)words, environ) != 0 ||
        waitpid(child, &status, 0) < 0 || status != 0) {
        fprintf(stderr, "engset-bench: %s (%s) failed\n", name, style);
        return 1;
    }
    return 0;
}

static int run_named(void)
{
    int failed = 0;
    for (int i = 0; i < BENCHMARK_COUNT; i++) {
        if (asked.named && !asked.is_named[i])
            continue;
        if (!asked.has_style || !asked.is_react)
            failed |= run_apart(benchmarks[i].name, "direct");
        if (benchmarks[i].react && (!asked.has_style || asked.is_react))
            failed |= run_apart(benchmarks[i].name, "react");
    }
    return failed;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            list();
            return 0;
        }
        if (strcmp(argv[i], "--json") == 0)
            asked.is_json = true;
        else if (strcmp(argv[i], "--quick") == 0)
            asked.is_quick = true;
        else if (argv[i][0] != '-' && take_name(argv[i]))
            continue;
        else if (argv[i][0] != '-' || i + 1 == argc || !take_value(argv[i], argv[i + 1]))
            return usage(argv[i]);
        else
            i++;
    }
    if (asked.which < 0)
        return run_named();
    if (asked.is_react && !benchmarks[asked.which].react)
        return 0;
    /* The first reports of crashes would be most of what a short run measures. */
    setenv("ES_REPORTS", "0", 0);
    es_run(first, NULL, &(es_options){.schedulers = asked.cores});
    return 1; /* first() does not come back, unless it failed */
}
