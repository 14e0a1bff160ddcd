/* clock.c - timers: what many cost, how late they are in a busy node, and what an idle node does. */
#include "bench.h"
#include <dirent.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

ES_ATOMS(late, stop);

/* ------------------------------------------------------------------ timers */

double timers(int64_t count)
{
    es_ref *timer = malloc((size_t)count * sizeof *timer);
    expect(timer);
    int64_t start_ns = es_now_ns();
    for (int64_t i = 0; i < count; i++)
        timer[i] = es_send_after(600000 + i % 600000, es_self(), late);
    for (int64_t i = 0; i < count; i++)
        expect(es_cancel_timer(timer[i]) > 0);
    double figure = since(start_ns, count);
    expect(es_cancel_timer(timer[0]) == ES_ENOTFOUND);
    free(timer);
    return figure;
}

/* -------------------------------------------------------------- wakeup_p99 */

enum { COMPUTING = 4 /* a scheduler */, SLEEPERS = 10 };

static es_pid starter;
static _Atomic(bool) is_over;
static int64_t *lateness_ns;

static void computes(void)
{
    while (!atomic_load_explicit(&is_over, memory_order_relaxed))
        work(1000);
}

typedef struct {
    int64_t first, count;
} share;

static void sleeps(share *mine)
{
    for (int64_t i = 0; i < mine->count; i++) {
        int64_t start_ns = es_now_ns();
        es_sleep(1);
        lateness_ns[mine->first + i] = es_now_ns() - start_ns - 1000000;
    }
    es_send(starter, stop);
}

static int by_size(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

double wakeup_p99(int64_t count)
{
    static share shares[SLEEPERS];
    es_node_info node;
    es_node_info_get(&node);
    starter = es_self();
    lateness_ns = malloc((size_t)count * sizeof *lateness_ns);
    expect(lateness_ns);
    for (int i = 0; i < COMPUTING * node.schedulers; i++)
        es_spawn(computes);
    es_sleep(100);
    for (int i = 0; i < SLEEPERS; i++) {
        shares[i] = (share){i * (count / SLEEPERS), count / SLEEPERS};
        es_spawn(sleeps, &shares[i]);
    }
    for (int i = 0; i < SLEEPERS; i++)
        es_receive
            es_case(stop) {
            }
    atomic_store(&is_over, true);
    qsort(lateness_ns, (size_t)count, sizeof *lateness_ns, by_size);
    expect(lateness_ns[0] >= 0);
    return (double)lateness_ns[count * 99 / 100];
}

/* -------------------------------------------------------------------- idle */

typedef struct {
    int64_t cpu_ns, wakeups;
} usage;

static void waits(void)
{
    es_receive
        es_case(stop) {
        }
}

static int64_t number_after(const char *file_name, const char *word)
{
    char line[256];
    int64_t value = 0;
    FILE *file = fopen(file_name, "r");
    if (!file)
        return 0; /* a thread that has ended meanwhile */
    while (fgets(line, sizeof line, file))
        if (strncmp(line, word, strlen(word)) == 0)
            value = atoll(line + strlen(word));
    fclose(file);
    return value;
}

/* Of all threads of this OS process. */
static usage usage_now(void)
{
    usage sum = {0, 0};
    char name[300];
    struct dirent *entry;
    DIR *threads = opendir("/proc/self/task");
    expect(threads);
    while ((entry = readdir(threads))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "/proc/self/task/%s/schedstat", entry->d_name);
        sum.cpu_ns += number_after(name, "");
        snprintf(name, sizeof name, "/proc/self/task/%s/status", entry->d_name);
        sum.wakeups += number_after(name, "voluntary_ctxt_switches:");
    }
    closedir(threads);
    return sum;
}

double idle(int64_t time_ms)
{
    for (int i = 0; i < 1000; i++)
        es_spawn(waits);
    es_sleep(500);
    int64_t start_ns = es_now_ns();
    usage before = usage_now();
    es_sleep(time_ms);
    usage after = usage_now();
    double time_ns = (double)(es_now_ns() - start_ns);
    also("idle_wakeups", "per_second", (double)(after.wakeups - before.wakeups) * 1e9 / time_ns);
    return (double)(after.cpu_ns - before.cpu_ns) / time_ns;
}
