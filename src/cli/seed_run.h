/* cli/seed_run.h - one run of a program under a seed: what it was, and how it ended. */
#ifndef CLI_SEED_RUN_H
#define CLI_SEED_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct esi_text_list {
    char **items;
    size_t count, room;
};

/* What to run. */
struct esi_seed_job {
    char *const *command; /* as for execvp() */
    uint64_t seed;
    const char *faults;  /* ES_SIM_FAULTS; NULL: as the program says */
    const char *strikes; /* ES_SIM_STRIKES; NULL: as the plan says */
    int trace_level;     /* ES_SIM_TRACE */
    bool is_shown; /* its output goes to ours; else nowhere, and the end of what it says on stderr is kept */
    int64_t timeout_ms;
};

enum esi_seed_end {
    ESI_SEED_PASSED,
    ESI_SEED_FAILED,   /* with an exit status */
    ESI_SEED_SIGNALED, /* by a signal */
    ESI_SEED_HANGS,    /* it was not over in time */
    ESI_SEED_TWO_WAYS, /* it passed twice, with different traces */
    ESI_SEED_OUTSIDE,  /* status 0 but nothing was simulated: is it a program of Engset? */
    ESI_SEED_NOT_RUN   /* it could not be started: errno in `code` */
};

struct esi_seed_run {
    struct esi_seed_job job;
    enum esi_seed_end end;
    int code; /* exit status, or signal */
    char trace[32];
    struct esi_text_list strikes; /* "kill@3" ... */
    char said[2048];              /* the end of its stderr */
    /* while it runs */
    pid_t pid;
    int report_fd, said_fd;
    int64_t started_ms;
    char line[256];
    size_t line_length, said_length;
};

/* Starts `job`. On true it runs, and esi_seed_run_wait() is to be told of it; false: it could not be started, and has ended so. */
bool esi_seed_run_start(struct esi_seed_run *run, const struct esi_seed_job *job);

/* Waits until one of the `count` runs that are started (pid not 0) has ended, and gives its index. */
int esi_seed_run_wait(struct esi_seed_run *runs, int count);

/* Gives back what it holds. */
void esi_seed_run_free(struct esi_seed_run *run);

/* "exit status 1", "signal 11 (Segmentation fault)" ... into `text`. */
void esi_seed_run_describe(const struct esi_seed_run *run, char *text, size_t size);

#endif
