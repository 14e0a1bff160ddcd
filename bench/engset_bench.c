/* engset_bench.c - how fast is Engset? The benchmarks that README.md defines; scripts/bench.sh puts them beside the peers.
 *
 *     engset-bench --list                                               the names, or with --list-more those on demand
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

static const char NS[] = "ns_per_op", BYTES[] = "bytes";

static const struct {
    const char *name;
    int64_t count, quick_count;
    benchmark *direct, *react; /* NULL: there is none */
    const char *unit;
    bool is_on_demand; /* takes too much to be run with the others */
} benchmarks[] = {
    {"pingpong", 2000000, 100000, pingpong, pingpong_react, NS, false},
    {"ring503", 5000000, 250000, ring503, ring503_react, NS, false},
    {"ring100k", 5000000, 250000, ring100k, ring100k_react, NS, false},
    {"count1", 10000000, 500000, count1, count1_react, NS, false},
    {"count8", 10000000, 500000, count8, NULL, NS, false},
    {"spawn_seq", 1000000, 50000, spawn_seq, NULL, NS, false},
    {"spawn", 1000000, 50000, spawn, NULL, NS, false},
    {"skynet", 1000000, 100000, skynet, NULL, NS, false},
    {"big", 2000000, 100000, big, NULL, NS, false},
    {"chameneos", 1000000, 50000, chameneos, NULL, NS, false},
    {"call", 500000, 25000, call, call_react, NS, false},
    {"selective10k", 20000, 1000, selective10k, NULL, NS, false},
    {"selective10k_ref", 500000, 25000, selective10k_ref, NULL, NS, false},
    {"selective0_ref", 500000, 25000, selective0_ref, NULL, NS, false},
    {"timers", 1000000, 50000, timers, NULL, NS, false},
    {"memory", 1000000, 50000, memory, memory_react, BYTES, false},
    {"memory_hibernated", 1000000, 50000, memory_hibernated, NULL, BYTES, false},
    {"memory10m", 10000000, 500000, NULL, memory10m_react, BYTES, true},
    {"first_message", 1000000, 50000, first_message, first_message_react, NS, false},
    {"parallel", 1000, 200, parallel, NULL, NS, false},
    {"parallel_chatty", 1000000, 50000, parallel_chatty, NULL, NS, false},
    {"crash_restart", 200000, 10000, crash_restart, NULL, NS, false},
    {"fault_restart", 200000, 10000, fault_restart, NULL, NS, false},
    {"exit_restart", 200000, 10000, exit_restart, NULL, NS, false},
    {"monitor_restart", 200000, 10000, monitor_restart, NULL, NS, false},
    {"echo", 200000, 10000, echo, NULL, NS, false},
    {"wakeup_p99", 2000, 500, wakeup_p99, NULL, NS, false},
    {"idle", 5000, 250, idle, NULL, "cores_used", false},
    {"server_call", 500000, 25000, server_call, NULL, NS, false},
    {"server_cast", 5000000, 250000, server_cast, NULL, NS, false},
    {"server_memory", 1000000, 50000, server_memory, NULL, BYTES, false},
    {"statem_functions", 2000000, 100000, statem_functions, NULL, NS, false},
    {"statem_handler", 2000000, 100000, statem_handler, NULL, NS, false},
    {"family_restart500", 150000, 7500, family_restart500, NULL, NS, false},
    {"family_restart30k", 30000, 1500, family_restart30k, NULL, NS, false},
    {"family_100k", 100000, 5000, family_100k, NULL, NS, false},
    {"family_1m", 1000000, 50000, family_1m, NULL, NS, false},
};
enum { BENCHMARK_COUNT = sizeof benchmarks / sizeof benchmarks[0] };

static struct {
    int which, cores;
    bool is_quick, is_react, has_style, is_json;
    bool is_named[BENCHMARK_COUNT];
    int named;
} asked = {.which = -1, .cores = 1};

static void list(bool is_on_demand)
{
    for (int i = 0; i < BENCHMARK_COUNT; i++)
        if (benchmarks[i].is_on_demand == is_on_demand)
            puts(benchmarks[i].name);
}

static int64_t operations(void)
{
    return asked.is_quick ? benchmarks[asked.which].quick_count : benchmarks[asked.which].count;
}

void also(const char *name, const char *unit, double figure)
{
    const char *style = asked.is_react ? "react" : "direct";
    if (!asked.is_json) {
        printf("%-18s %-7s %12.*f %s\n", name, style, figure < 1 ? 6 : 2, figure, unit);
        return;
    }
    printf("{\"bench\":\"%s\",\"impl\":\"engset\",\"version\":\"%d.%d.%d\",\"cores\":%d,\"style\":\"%s\","
           "\"ops\":%lld,",
           name, ES_VERSION_MAJOR, ES_VERSION_MINOR, ES_VERSION_PATCH, asked.cores, style,
           (long long)operations());
    if (work_per_ms)
        printf("\"iterations\":%lld,", (long long)work_per_ms);
    printf("\"%s\":%.*f}\n", unit, figure < 1 ? 6 : 2, figure);
}

static void first(void *unused)
{
    (void)unused;
    benchmark *run = asked.is_react ? benchmarks[asked.which].react : benchmarks[asked.which].direct;
    double figure = run(operations());
    also(benchmarks[asked.which].name, benchmarks[asked.which].unit, figure);
    fflush(stdout);
    /* A million processes need not be ended one by one. */
    es_halt(0);
}

static int usage(const char *wrong)
{
    fprintf(stderr,
            "engset-bench: %s; known: --list, --list-more, --json, --cores N, --quick, --style direct|react, "
            "--only NAME, "
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
        if (asked.named ? !asked.is_named[i] : benchmarks[i].is_on_demand)
            continue;
        if (benchmarks[i].direct && (!asked.has_style || !asked.is_react))
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
            list(false);
            return 0;
        }
        if (strcmp(argv[i], "--list-more") == 0) {
            list(true);
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
    if (!asked.has_style && !benchmarks[asked.which].direct)
        asked.is_react = true;
    if (!(asked.is_react ? benchmarks[asked.which].react : benchmarks[asked.which].direct))
        return 0;
    /* The first reports of crashes would be most of what a short run measures. */
    setenv("ES_REPORTS", "0", 0);
    setenv("ES_LOG_LEVEL", "error", 0);
    es_run(first, NULL, &(es_options){.schedulers = asked.cores});
    return 1; /* first() does not come back, unless it failed */
}
