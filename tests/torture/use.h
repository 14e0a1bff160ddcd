/* tests/torture/use.h - what an OS process has in use, compared after a tenth of the rounds and after all of them.
 *
 * Times are not judged here: times_count() says whether a test may. */
#ifndef TESTS_TORTURE_USE_H
#define TESTS_TORTURE_USE_H

#include <dirent.h>
#include <unistd.h>
#include "story.h"
#include "platform/sanitize.h"
#include "proc/contain/report.h"
#include "proc/node.h"

static inline void no_report(const char *text, size_t length)
{
    (void)text, (void)length;
}

/* Rounds before the first look: a short run's tenth alone is over before each stack and each spare thread has served once. */
enum { WARM_UP = 1000 };

/* Pages that are touched for the first time here or there, in a node of 3 MB; less than a byte a fault would be more in the long run. */
enum { NOISE_KB = 64 };

/* What a spare brings that was needed later: its stack and its stack for signals, each with a guard. The memory stays when it goes: libc keeps it
 * for the next. */
enum { THREAD_KB = 40, THREAD_MAPPINGS = 4, MORE_THREADS = 8 };

struct use {
    long memory_kb, descriptors, threads, mappings;
    long workers; /* as many threads as there were at once at most */
};

static inline long status_field(const char *name)
{
    char line[256];
    long value = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtol(line + strlen(name), NULL, 10);
    if (file)
        fclose(file);
    return value;
}

static inline long count_entries(const char *folder)
{
    long count = 0;
    DIR *list = opendir(folder);
    while (list && readdir(list))
        count++;
    if (list)
        closedir(list);
    return count;
}

static inline long count_mappings(void)
{
    long count = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    for (int c; file && (c = fgetc(file)) != EOF;)
        count += c == '\n';
    if (file)
        fclose(file);
    return count;
}

static inline long count_workers(void)
{
    long count = 0;
    for (int i = 0; i < ESI_WORKERS_MAX; i++)
        count += atomic_load(&esi_node.workers[i]) != NULL;
    return count;
}

static inline void look_at_use(void *out)
{
    *(struct use *)out =
        (struct use){status_field("VmRSS:") + status_field("VmPTE:"), count_entries("/proc/self/fd"),
                     count_entries("/proc/self/task"), count_mappings(), count_workers()};
}

static inline struct use use_now(void)
{
    struct use use = {0};
    EXPECT(es_on_big_stack(256 << 10, look_at_use, &use) == ES_OK);
    return use;
}

static inline void compare(const char *what, long rounds_done, struct use tenth, struct use last)
{
    printf("%ld %s: after a tenth %ld KB, %ld descriptors, %ld threads, %ld mappings; after all %ld KB, %ld, "
           "%ld, %ld; at most %ld workers at once, then %ld\n",
           rounds_done, what, tenth.memory_kb, tenth.descriptors, tenth.threads, tenth.mappings,
           last.memory_kb, last.descriptors, last.threads, last.mappings, tenth.workers, last.workers);
    long more = last.workers - tenth.workers, more_now = last.threads - tenth.threads;
    EXPECT(last.descriptors == tenth.descriptors);
    EXPECT(more_now <= MORE_THREADS); /* as many spares as were needed at once by then */
    /* ThreadSanitizer maps half a MiB for each stack that begins; the kernel merges these or not. */
    if (!ESI_TSAN)
        EXPECT(last.mappings <= tenth.mappings + tenth.mappings / 50 + MORE_THREADS * 2 +
                                    (more_now > 0 ? more_now * THREAD_MAPPINGS : 0));
    if (!ESI_ASAN && !ESI_TSAN)
        EXPECT(last.memory_kb <= tenth.memory_kb + tenth.memory_kb / 50 + NOISE_KB + more * THREAD_KB);
}

#endif
