/* report.c - a program's options, what it says of each script, and how a violation is shown. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/assert.h"
#include "internal.h"
#include "rounds.h"

enum { SHORT_SECONDS = 3, LONG_SECONDS = 200, PREEMPTIONS_MAX = 6 };

static struct {
    const char *program;
    const struct explore_script *script;
    int number; /* of the script */
    bool is_weak, is_quiet, must_find;
} now;

/* ------------------------------------------------------------ a violation */

static const char *const op_names[] = {
    "",
    "begins",
    "loads",
    "stores",
    "changes",
    "fence",
    "barrier",
    "locks",
    "tries to lock",
    "unlocks",
    "looks and lies down",
    "gets up",
    "wakes",
};

extern char __executable_start[]; /* the linker's */

static size_t begin_command(char *command, size_t room)
{
    char program[256] = "";
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0)
        return 0;
    return (size_t)snprintf(command, room, "addr2line -s -p -f -e %s", program);
}

/* Of the call before it. */
static unsigned long address(uintptr_t pc)
{
    return pc ? (unsigned long)(pc - 1 - (uintptr_t)__executable_start) : 0;
}

static void read_place(FILE *places, char *place, size_t room)
{
    place[0] = '\0';
    if (places && fgets(place, (int)room, places))
        place[strcspn(place, "\n")] = '\0';
}

const char *place_of(uintptr_t pc)
{
    static char texts[2][200];
    static int turn;
    char command[400], *text = texts[turn++ % 2];
    size_t end = begin_command(command, sizeof command);
    snprintf(command + end, sizeof command - end, " %#lx", address(pc));
    FILE *places = popen(command, "r");
    read_place(places, text, sizeof *texts);
    return text;
}

/* The places of all steps at once; without addr2line there are none. */
static FILE *open_places(void)
{
    static char command[400 + STEPS_MAX * 20];
    size_t end = begin_command(command, 400);
    struct op op;
    for (int i = 0, thread, value; step_of_run(i, &thread, &value, &op); i++)
        if (sizeof command - end > 20)
            end += (size_t)snprintf(command + end, sizeof command - end, " %#lx", address(op.pc));
    return popen(command, "r");
}

static void print_steps(void)
{
    FILE *places = open_places();
    struct op op;
    for (int i = 0, thread, value; step_of_run(i, &thread, &value, &op); i++) {
        char place[200];
        read_place(places, place, sizeof place);
        if (op.kind == OP_BEGIN)
            continue;
        fprintf(stderr, "%5d  %*s%c %s %#lx%s   %s\n", i, thread * 3, "", 'a' + thread, op_names[op.kind],
                (unsigned long)op.at, value ? " (an older value)" : "", place);
    }
}

static void print_schedule(void)
{
    struct op op;
    for (int i = 0, thread, value; step_of_run(i, &thread, &value, &op); i++) {
        fputc('a' + thread, stderr);
        if (value)
            fprintf(stderr, "%d", value);
    }
}

void report_violation(const char *format, va_list arguments)
{
    fprintf(stderr, "%s: ", now.script ? now.script->sentence : now.program);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    if (!now.script || now.is_quiet)
        return;
    print_steps();
    fprintf(stderr, "again: %s%s --script %d --replay ", now.program, now.is_weak ? " --weak" : "",
            now.number);
    print_schedule();
    fputc('\n', stderr);
}

static void panicked(const char *file, int line, const char *text)
{
    violation("%s:%d: broken invariant: %s", file, line, text);
}

static void faulted(int signo)
{
    violation("%s", strsignal(signo));
}

static void catch_faults(void)
{
    static char stack[64 << 10];
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    struct sigaction action = {.sa_handler = faulted, .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
    esi_panic_hook = panicked;
}

/* ------------------------------------------------------------ one script */

static void say(const struct result *result, const char *which)
{
    printf("%s: %s%'llu interleavings%s, up to %d steps, %.1f s\n", now.script->sentence, which,
           (unsigned long long)result->runs, result->is_cut_off ? " and no time for more" : "",
           result->longest, result->seconds);
    fflush(stdout);
}

/* Too many for the time: all with no preemption, with one, ... */
static void explore_bounded(struct plan plan)
{
    for (int preemptions = 0; preemptions <= PREEMPTIONS_MAX; preemptions++) {
        plan.preemptions = preemptions;
        struct result result = explore(now.script, &plan);
        char which[64];
        snprintf(which, sizeof which, "  %d preemptions, %s", preemptions, result.is_cut_off ? "" : "all ");
        say(&result, which);
        if (result.is_cut_off)
            return;
        plan.seconds -= result.seconds;
    }
}

static void explore_script(struct plan plan)
{
    now.script->set_up();
    world_remember();
    struct result result = explore(now.script, &plan);
    say(&result, plan.schedule       ? "replayed, "
                 : plan.is_weak      ? "weak memory, "
                 : result.is_cut_off ? ""
                                     : "all ");
    if (result.is_cut_off && plan.preemptions == FOR_EVER && !now.must_find)
        explore_bounded(plan);
}

/* In a process of its own: it begins with what the program began with. Gives whether something was found. */
static bool try_script(const struct plan *plan)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        catch_faults();
        explore_script(*plan);
        exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == EXPLORE_FOUND))
        return WEXITSTATUS(status) == EXPLORE_FOUND;
    fprintf(stderr, "%s: the explorer itself ended with status %#x\n", now.script->sentence, status);
    exit(2);
}

/* ------------------------------------------------------------ options */

static const char usage[] =
    "usage: %s [--weak] [--preemptions N] [--seconds N] [--script N [--replay SCHEDULE]] [--must-find] "
    "[--quiet]\n"
    "\n"
    "Runs each script through all its interleavings. 0: nothing is wrong; 1: something is, and is shown with "
    "its schedule.\n"
    "  --weak           a load may give an older value than the newest, as C11 allows it\n"
    "  --preemptions N  only those with at most N switches away from a thread that could go on\n"
    "  --seconds N      for each script; what is not done then is tried with few preemptions, as long again. "
    "ES_ROUNDS_DIVISOR=1: 200\n"
    "  --script N       only that one, counted from 0; --replay runs it once, by the schedule that was "
    "printed\n"
    "  --must-find      a fault was put in: 0 if it is found\n"
    "  --quiet          what is found is one line\n";

static int number(const char *text)
{
    return text ? atoi(text) : 0;
}

int explore_main(int argc, char **argv, const struct explore_script *scripts, int count)
{
    struct plan plan = {.preemptions = FOR_EVER, .seconds = rounds(100) > 1 ? LONG_SECONDS : SHORT_SECONDS};
    int only = -1, found = 0;
    now.program = argv[0];
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(option, "--weak"))
            plan.is_weak = true;
        else if (!strcmp(option, "--must-find"))
            now.must_find = true;
        else if (!strcmp(option, "--quiet"))
            now.is_quiet = true;
        else if (!strcmp(option, "--preemptions") && ++i)
            plan.preemptions = number(value);
        else if (!strcmp(option, "--seconds") && ++i)
            plan.seconds = number(value);
        else if (!strcmp(option, "--script") && ++i)
            only = number(value);
        else if (!strcmp(option, "--replay") && ++i)
            plan.schedule = value;
        else
            return printf(usage, argv[0]), strcmp(option, "--help") != 0;
    }
    now.is_weak = plan.is_weak;
    for (int i = 0; i < count; i++) {
        now.script = &scripts[i];
        now.number = i;
        if (only < 0 || only == i)
            found += try_script(&plan);
        if (found && now.must_find)
            return 0;
    }
    return now.must_find || found > 0;
}
