/* seed_run.c - a child with a seed in its environment and a pipe on which it reports. Without address randomisation: a program whose
 * order of things depends on addresses would else go two ways with one seed. */
#include "cli/seed_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MOST = 256 };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ------------------------------------------------------------ starting */

static void set_number(const char *name, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    setenv(name, text, 1);
}

/* In the child. */
static _Noreturn void become(const struct esi_seed_job *job, int report_fd, int said_fd)
{
    personality(ADDR_NO_RANDOMIZE);
    set_number("ES_SIM", job->seed);
    set_number("ES_SIM_REPORT", (uint64_t)report_fd);
    set_number("ES_SIM_TRACE", (uint64_t)job->trace_level);
    if (job->faults)
        setenv("ES_SIM_FAULTS", job->faults, 1);
    if (job->strikes)
        setenv("ES_SIM_STRIKES", job->strikes, 1);
    if (!job->is_shown) {
        int nowhere = open("/dev/null", O_RDWR);
        dup2(nowhere, STDIN_FILENO);
        dup2(nowhere, STDOUT_FILENO);
        dup2(said_fd, STDERR_FILENO);
    }
    fcntl(report_fd, F_SETFD, 0);
    execvp(job->command[0], job->command);
    dprintf(report_fd, "exec %d\n", errno);
    _exit(127);
}

bool esi_seed_run_start(struct esi_seed_run *run, const struct esi_seed_job *job)
{
    int report[2], said[2];
    *run = (struct esi_seed_run){.job = *job, .end = ESI_SEED_OUTSIDE, .report_fd = -1, .said_fd = -1};
    if (pipe2(report, O_CLOEXEC) != 0)
        goto failed;
    if (pipe2(said, O_CLOEXEC) != 0)
        goto close_report;
    run->started_ms = now_ms();
    run->pid = fork();
    if (run->pid == 0)
        become(job, report[1], said[1]);
    if (run->pid < 0)
        goto close_said;
    close(report[1]);
    close(said[1]);
    run->report_fd = report[0];
    run->said_fd = said[0];
    return true;
close_said:
    close(said[0]);
    close(said[1]);
close_report:
    close(report[0]);
    close(report[1]);
failed:
    run->pid = 0;
    run->end = ESI_SEED_NOT_RUN;
    run->code = errno;
    return false;
}

/* ------------------------------------------------------------ what it reports */

static void add(struct esi_text_list *list, const char *text)
{
    if (list->count == list->room) {
        list->room = list->room ? 2 * list->room : 64;
        list->items = realloc(list->items, list->room * sizeof *list->items);
    }
    char *copy = list->items ? strdup(text) : NULL;
    if (!copy) {
        fputs("engset: no memory\n", stderr);
        exit(70);
    }
    list->items[list->count++] = copy;
}

static void take_line(struct esi_seed_run *run, const char *line)
{
    int code;
    if (strncmp(line, "strike ", 7) == 0)
        add(&run->strikes, line + 7);
    else if (sscanf(line, "end %d trace %31s", &code, run->trace) == 2)
        run->end = ESI_SEED_PASSED; /* as far as it knows: the exit status decides */
    else if (sscanf(line, "exec %d", &code) == 1) {
        run->end = ESI_SEED_NOT_RUN;
        run->code = code;
    }
}

static void take_report(struct esi_seed_run *run, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n') {
            run->line[run->line_length] = 0;
            take_line(run, run->line);
            run->line_length = 0;
        } else if (run->line_length < sizeof run->line - 1) {
            run->line[run->line_length++] = bytes[i];
        }
    }
}

/* Keeps the last bytes. */
static void take_said(struct esi_seed_run *run, const char *bytes, size_t count)
{
    size_t room = sizeof run->said - 1;
    if (count > room) {
        bytes += count - room;
        count = room;
    }
    if (run->said_length + count > room) {
        size_t too_many = run->said_length + count - room;
        memmove(run->said, run->said + too_many, run->said_length - too_many);
        run->said_length -= too_many;
    }
    memcpy(run->said + run->said_length, bytes, count);
    run->said_length += count;
    run->said[run->said_length] = 0;
}

/* One read of one of the two pipes; at its end it is closed. */
static void take(struct esi_seed_run *run, int *fd)
{
    char bytes[4096];
    ssize_t count = read(*fd, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR)
        return;
    if (count <= 0) {
        close(*fd);
        *fd = -1;
    } else if (fd == &run->report_fd) {
        take_report(run, bytes, (size_t)count);
    } else {
        take_said(run, bytes, (size_t)count);
    }
}

/* ------------------------------------------------------------ its end */

static void judge(struct esi_seed_run *run, int status, bool was_killed)
{
    run->pid = 0;
    if (was_killed) {
        run->end = ESI_SEED_HANGS;
    } else if (WIFSIGNALED(status)) {
        run->end = ESI_SEED_SIGNALED;
        run->code = WTERMSIG(status);
    } else if (run->end != ESI_SEED_NOT_RUN && WEXITSTATUS(status) != 0) {
        run->end = ESI_SEED_FAILED;
        run->code = WEXITSTATUS(status);
    }
}

/* True: it has ended and all that it said is read. Children of its own may hold the pipes: they are not waited for. */
static bool has_ended(struct esi_seed_run *run)
{
    bool is_late = now_ms() - run->started_ms > run->job.timeout_ms;
    int status;
    if (is_late)
        kill(run->pid, SIGKILL);
    if (waitpid(run->pid, &status, is_late ? 0 : WNOHANG) != run->pid)
        return false;
    int *fds[2] = {&run->report_fd, &run->said_fd};
    for (int i = 0; i < 2; i++) {
        while (*fds[i] >= 0 && poll(&(struct pollfd){.fd = *fds[i], .events = POLLIN}, 1, 0) > 0)
            take(run, fds[i]);
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
    judge(run, status, is_late);
    return true;
}

/* Reads what there is to read, for a while or until a pipe ends, as it does with its child. */
static void listen_to_all(struct esi_seed_run *runs, int count)
{
    struct pollfd polled[2 * JOBS_MOST];
    for (int i = 0; i < count; i++) {
        polled[2 * i] = (struct pollfd){.fd = runs[i].pid ? runs[i].report_fd : -1, .events = POLLIN};
        polled[2 * i + 1] = (struct pollfd){.fd = runs[i].pid ? runs[i].said_fd : -1, .events = POLLIN};
    }
    if (poll(polled, 2 * (nfds_t)count, 1) <= 0)
        return;
    for (int i = 0; i < count; i++) {
        if (polled[2 * i].revents)
            take(&runs[i], &runs[i].report_fd);
        if (polled[2 * i + 1].revents)
            take(&runs[i], &runs[i].said_fd);
    }
}

int esi_seed_run_wait(struct esi_seed_run *runs, int count)
{
    for (;;) {
        listen_to_all(runs, count < JOBS_MOST ? count : JOBS_MOST);
        for (int i = 0; i < count; i++)
            if (runs[i].pid && has_ended(&runs[i]))
                return i;
    }
}

void esi_seed_run_free(struct esi_seed_run *run)
{
    for (size_t i = 0; i < run->strikes.count; i++)
        free(run->strikes.items[i]);
    free(run->strikes.items);
    run->strikes = (struct esi_text_list){NULL, 0, 0};
}

void esi_seed_run_describe(const struct esi_seed_run *run, char *text, size_t size)
{
    switch (run->end) {
    case ESI_SEED_PASSED:
        snprintf(text, size, "passed");
        break;
    case ESI_SEED_FAILED:
        snprintf(text, size, "exit status %d", run->code);
        break;
    case ESI_SEED_SIGNALED:
        snprintf(text, size, "signal %d (%s)", run->code, strsignal(run->code));
        break;
    case ESI_SEED_HANGS:
        snprintf(text, size, "not over after %lld ms", (long long)run->job.timeout_ms);
        break;
    case ESI_SEED_TWO_WAYS:
        snprintf(text, size, "it went two ways");
        break;
    case ESI_SEED_OUTSIDE:
        snprintf(text, size, "it simulated nothing: does it call es_run() or es_simulate()?");
        break;
    case ESI_SEED_NOT_RUN:
        snprintf(text, size, "%s cannot be run: %s", run->job.command[0], strerror(run->code));
        break;
    }
}
