/* verb_test.c - `engset test`: many seeds, the first that fails, and which of its faults are enough for that. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "cli/seed_run.h"
#include "cli/shrink.h"
#include "cli/verb.h"

enum {
    TWICE_EVERY = 50,
    SHRINK_RUNS = 400,
    SHRINK_MS = 60000, /* many a program that hangs would else be waited for 400 times */
    JOBS_MOST = 64,
    SHOWN_STRIKES = 12,
    TIMEOUT_MS = 10000
};

static const char help[] =
    "Use:  engset test --seeds 1000 ./program [ARGUMENTS]\n"
    "      engset test --replay 417 ./program [ARGUMENTS]\n\n"
    "Runs a program of Engset in simulated worlds, one for each seed, until one fails: by its exit status, a "
    "signal, or\n"
    "because it is not over in time. Then it finds out which few of the faults that struck there are enough, "
    "and tells how to\n"
    "see it again. Each 50th seed runs twice: both must go the same way.\n\n"
    "  --seeds N         so many seeds (100)\n"
    "  --first SEED      from that one on (1)\n"
    "  --replay SEED     that one only, with its output, and with each fault that strikes\n"
    "  --faults KINDS    instead of what the program says: all, none, or "
    "kill,crash,freeze,wake,hand_over,no_memory,\n"
    "                    no_descriptor,refuse,cut,half_close,delay,short_io,disk\n"
    "  --strikes LIST    with --replay: these faults and no others, as `engset test` printed them\n"
    "  --turns           with --replay: tells each turn, message, birth and end of a process, too\n"
    "  --timeout MS      a run is over after so long (10000)\n"
    "  --jobs N          so many at a time (as many as there are cores)\n"
    "  --no-shrink       does not look for the few faults\n\n"
    "Exit status: 0 all passed, 1 a seed failed, 2 misuse.\n";

struct wishes {
    char **command;
    uint64_t first, seeds;
    bool is_replay, has_turns, no_shrink;
    const char *faults, *strikes;
    int64_t timeout_ms;
    int jobs;
};

/* ------------------------------------------------------------ the command line */

static bool get_number(const char *option, const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 0);
    if (!errno && !*end && *text && *text != '-')
        return true;
    fprintf(stderr, "error: --%s wants a number, not '%s'\n", option, text);
    return false;
}

enum { FIRST = 256, SEEDS, REPLAY, FAULTS, STRIKES, TURNS, TIMEOUT, JOBS, NO_SHRINK, HELP };

static const struct option options[] = {
    {"first", required_argument, NULL, FIRST},
    {"seeds", required_argument, NULL, SEEDS},
    {"replay", required_argument, NULL, REPLAY},
    {"faults", required_argument, NULL, FAULTS},
    {"strikes", required_argument, NULL, STRIKES},
    {"turns", no_argument, NULL, TURNS},
    {"timeout", required_argument, NULL, TIMEOUT},
    {"jobs", required_argument, NULL, JOBS},
    {"no-shrink", no_argument, NULL, NO_SHRINK},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

/* One option; false: it makes no sense, and that was said. */
static bool take_option(struct wishes *w, int option)
{
    uint64_t number = 0;
    const char *name = option >= FIRST ? options[option - FIRST].name : "";
    bool wants_number =
        option == FIRST || option == SEEDS || option == REPLAY || option == TIMEOUT || option == JOBS;
    if (wants_number && !get_number(name, optarg, &number))
        return false;
    switch (option) {
    case REPLAY:
        w->is_replay = true;
        w->seeds = 1;
        w->first = number;
        return true;
    case FIRST:
        w->first = number;
        return true;
    case SEEDS:
        w->seeds = number;
        return true;
    case FAULTS:
        w->faults = optarg;
        return true;
    case STRIKES:
        w->strikes = optarg;
        return true;
    case TURNS:
        return w->has_turns = true;
    case TIMEOUT:
        w->timeout_ms = (int64_t)number;
        return true;
    case JOBS:
        w->jobs = number < 1 ? 1 : number > JOBS_MOST ? JOBS_MOST : (int)number;
        return true;
    case NO_SHRINK:
        return w->no_shrink = true;
    default: /* getopt has said it */
        return false;
    }
}

static bool read_wishes(struct wishes *w, int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    *w = (struct wishes){.first = 1,
                         .seeds = 100,
                         .timeout_ms = TIMEOUT_MS,
                         .jobs = cores < 1           ? 1
                                 : cores > JOBS_MOST ? JOBS_MOST
                                                     : (int)cores};
    for (int option; (option = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (option == HELP) {
            fputs(help, stdout);
            exit(ESI_DONE);
        }
        if (!take_option(w, option))
            return false;
    }
    w->command = argv + optind;
    if (!*w->command)
        fputs("error: which program? For example: engset test --seeds 1000 ./program\n", stderr);
    else if ((w->strikes || w->has_turns) && !w->is_replay)
        fputs("error: --strikes and --turns go with --replay SEED\n", stderr);
    else
        return true;
    return false;
}

static struct esi_seed_job job_for(const struct wishes *w, uint64_t seed)
{
    return (struct esi_seed_job){.command = w->command,
                                 .seed = seed,
                                 .faults = w->faults,
                                 .strikes = w->strikes,
                                 .timeout_ms = w->timeout_ms};
}

/* ------------------------------------------------------------ a seed that failed */

/* "kill@3,cut@17" of those that are kept; the caller frees it. */
static char *list_of(const struct esi_text_list *strikes, const bool *keep)
{
    size_t size = 1;
    for (size_t i = 0; i < strikes->count; i++)
        size += strlen(strikes->items[i]) + 1;
    char *text = malloc(size), *end = text;
    if (!text) {
        fputs("engset: no memory\n", stderr);
        exit(70);
    }
    *end = 0;
    for (size_t i = 0; i < strikes->count; i++)
        if (keep[i])
            end += sprintf(end, "%s%s", end == text ? "" : ",", strikes->items[i]);
    return text;
}

struct failure {
    const struct wishes *wishes;
    const struct esi_seed_run *run;
    int64_t until_ms;
    bool is_cut_short; /* the time was over before all was tried */
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool run_once(struct esi_seed_run *run, const struct esi_seed_job *job)
{
    if (esi_seed_run_start(run, job))
        esi_seed_run_wait(run, 1);
    return run->end == ESI_SEED_PASSED;
}

/* Does it fail with these faults alone? When the time is over nothing is tried any more. */
static bool fails_with(void *context, const bool *keep, size_t count)
{
    (void)count;
    struct failure *failure = context;
    if (now_ms() >= failure->until_ms) {
        failure->is_cut_short = true;
        return false;
    }
    struct esi_seed_job job = job_for(failure->wishes, failure->run->job.seed);
    char *strikes = list_of(&failure->run->strikes, keep);
    job.strikes = strikes;
    struct esi_seed_run again;
    bool passes = run_once(&again, &job);
    esi_seed_run_free(&again);
    free(strikes);
    return !passes;
}

static void print_indented(const char *text)
{
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        printf("  | %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

/* As a shell takes it for one word. */
static void print_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:=@%+";
    if (*word && !word[strspn(word, plain)]) {
        printf(" %s", word);
        return;
    }
    fputs(" '", stdout);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*word);
    putchar('\'');
}

static void print_option(const char *name, const char *value)
{
    printf(" %s", name);
    print_word(value);
}

/* A line to be pasted. `strikes`: NULL, all that the seed has. */
static void print_replay(const struct wishes *w, const char *what, uint64_t seed, const char *strikes)
{
    printf("  %s:  engset test --replay %llu", what, (unsigned long long)seed);
    if (w->faults)
        print_option("--faults", w->faults);
    if (w->timeout_ms != TIMEOUT_MS)
        printf(" --timeout %lld", (long long)w->timeout_ms);
    if (strikes)
        print_option("--strikes", strikes);
    for (char *const *word = w->command; *word; word++)
        print_word(*word);
    putchar('\n');
}

static void print_enough(const struct wishes *w, size_t left, size_t count, const char *strikes,
                         bool is_cut_short)
{
    if (count && w->no_shrink)
        printf("  %zu faults struck\n", count);
    else if (!count)
        puts("  no fault struck: it fails by its order alone");
    else if (!left)
        printf("  %zu faults struck, but it fails by its order alone\n", count);
    else if (left > SHOWN_STRIKES)
        printf("  %zu of %zu faults are enough\n", left, count);
    else
        printf("  %zu of %zu faults are enough: %s\n", left, count, strikes);
    if (is_cut_short)
        printf("  (and perhaps fewer: after %d s no more were left out)\n", SHRINK_MS / 1000);
}

/* Runs it once more, with `strikes`, and prints what it says; false: this time it passes. */
static bool show_again(const struct wishes *w, uint64_t seed, const char *strikes)
{
    struct esi_seed_job job = job_for(w, seed);
    struct esi_seed_run run;
    if (strikes)
        job.strikes = strikes;
    bool passes = run_once(&run, &job);
    if (!passes)
        print_indented(run.said);
    esi_seed_run_free(&run);
    return !passes;
}

/* A few faults are what is to be looked at. Of so many nobody reads the list: the seed alone, which has them all, is a line that can be pasted. */
static void print_how_again(const struct wishes *w, uint64_t seed, size_t left, size_t count,
                            const char *strikes)
{
    bool is_all = left && left == count;
    if ((left > SHOWN_STRIKES || is_all) && show_again(w, seed, NULL)) {
        print_replay(w, "again", seed, NULL);
        if (!is_all)
            print_replay(w, "these alone", seed, strikes);
        return;
    }
    show_again(w, seed, strikes);
    print_replay(w, "again", seed, strikes);
}

/* Which of the faults are enough, what the program says then, and how to see it. */
static void print_failure(const struct wishes *w, const struct esi_seed_run *run)
{
    char how[160];
    esi_seed_run_describe(run, how, sizeof how);
    printf("seed %llu failed: %s\n", (unsigned long long)run->job.seed, how);
    size_t count = run->strikes.count, left = count;
    bool keep[count + 1];
    struct failure failure = {w, run, now_ms() + SHRINK_MS, false};
    if (w->no_shrink)
        memset(keep, true, count);
    else
        left = esi_shrink(keep, count, SHRINK_RUNS, fails_with, &failure);
    char *strikes = list_of(&run->strikes, keep);
    print_enough(w, left, count, strikes, failure.is_cut_short);
    print_how_again(w, run->job.seed, left, count, strikes);
    free(strikes);
}

/* ------------------------------------------------------------ many seeds */

struct tally {
    uint64_t passed, twice, next;
    struct esi_seed_run failed; /* the lowest seed that has, of those that ran */
    bool has_failed;
};

/* Once more: it must go the same way. */
static void run_again(const struct wishes *w, struct esi_seed_run *run)
{
    struct esi_seed_job job = job_for(w, run->job.seed);
    struct esi_seed_run again;
    run_once(&again, &job);
    if (again.end != ESI_SEED_PASSED || strcmp(again.trace, run->trace) != 0)
        run->end = ESI_SEED_TWO_WAYS;
    esi_seed_run_free(&again);
}

/* Takes a run that has ended. Of those that failed the one with the lowest seed is kept: so it is the same one however many run at a time. */
static void take(const struct wishes *w, struct tally *tally, struct esi_seed_run *run)
{
    bool is_twice = run->end == ESI_SEED_PASSED && run->job.seed % TWICE_EVERY == 0;
    if (is_twice)
        run_again(w, run);
    if (run->end == ESI_SEED_PASSED) {
        tally->passed++;
        tally->twice += is_twice;
    } else if (!tally->has_failed || run->job.seed < tally->failed.job.seed) {
        struct esi_seed_run other = tally->failed;
        tally->failed = *run;
        *run = other;
        tally->has_failed = true;
    }
    esi_seed_run_free(run);
}

static void print_two_ways(const struct wishes *w, const struct esi_seed_run *run)
{
    printf("seed %llu went two ways: something from outside the simulated world decides (time(), rand(), an "
           "address, a thread, a file)\n",
           (unsigned long long)run->job.seed);
    print_replay(w, "again", run->job.seed, NULL);
}

static void print_misuse(const struct esi_seed_run *run)
{
    char how[300];
    esi_seed_run_describe(run, how, sizeof how);
    fprintf(stderr, "error: %s\n", how);
}

static void print_why(const struct wishes *w, const struct esi_seed_run *run)
{
    if (run->end == ESI_SEED_NOT_RUN || run->end == ESI_SEED_OUTSIDE)
        print_misuse(run);
    else if (run->end == ESI_SEED_TWO_WAYS)
        print_two_ways(w, run);
    else
        print_failure(w, run);
}

static double processor_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void show_progress(const struct wishes *w, const struct tally *tally)
{
    if (isatty(STDERR_FILENO) && tally->passed % 50 == 0)
        fprintf(stderr, "\r%llu of %llu seeds", (unsigned long long)tally->passed,
                (unsigned long long)w->seeds);
}

/* All seeds, or until one has failed; those that run then are waited for. */
static void run_seeds(const struct wishes *w, struct tally *tally)
{
    struct esi_seed_run runs[JOBS_MOST] = {0};
    int running = 0;
    for (;;) {
        for (int i = 0; i < w->jobs && !tally->has_failed && tally->next < w->seeds; i++) {
            if (runs[i].pid)
                continue;
            struct esi_seed_job job = job_for(w, w->first + tally->next++);
            if (esi_seed_run_start(&runs[i], &job))
                running++;
            else
                take(w, tally, &runs[i]);
        }
        if (!running)
            return;
        int index = esi_seed_run_wait(runs, w->jobs);
        running--;
        take(w, tally, &runs[index]);
        show_progress(w, tally);
    }
}

static int try_seeds(const struct wishes *w)
{
    struct tally tally = {0};
    run_seeds(w, &tally);
    double seconds = processor_seconds();
    if (isatty(STDERR_FILENO))
        fputs("\r                                        \r", stderr);
    if (tally.has_failed)
        print_why(w, &tally.failed);
    printf("%llu seed%s passed, %.1f s of processor time", (unsigned long long)tally.passed,
           tally.passed == 1 ? "" : "s", seconds);
    if (tally.twice)
        printf("; %llu ran twice and went the same way", (unsigned long long)tally.twice);
    putchar('\n');
    esi_seed_run_free(&tally.failed);
    return tally.has_failed ? ESI_FAILED : ESI_DONE;
}

static int replay(const struct wishes *w)
{
    struct esi_seed_job job = job_for(w, w->first);
    job.is_shown = true;
    job.trace_level = w->has_turns ? 2 : 1;
    struct esi_seed_run run;
    char how[300];
    bool passes = run_once(&run, &job);
    esi_seed_run_describe(&run, how, sizeof how);
    fflush(stdout);
    fprintf(stderr, "seed %llu: %s, %zu faults struck%s%s\n", (unsigned long long)w->first, how,
            run.strikes.count, run.trace[0] ? ", trace " : "", run.trace);
    esi_seed_run_free(&run);
    return passes ? ESI_DONE : ESI_FAILED;
}

int esi_verb_test(int argc, char **argv)
{
    struct wishes wishes;
    if (!read_wishes(&wishes, argc, argv))
        return ESI_MISUSED;
    setvbuf(stdout, NULL, _IOLBF, 0);
    return wishes.is_replay ? replay(&wishes) : try_seeds(&wishes);
}
