/* explorer.h - runs a few threads through all their interleavings: what the programs beside it say to the explorer.
 *
 * The rooms' own files are compiled with -fsanitize=thread, but linked with hooks.c in place of that sanitizer's library: so the compiler itself
 * calls us at each access. Two to three *logical threads* are stacks in one OS thread. At each atomic access, lock, futex call and barrier
 * another of them may go on; the explorer (search.c) runs the script again and again until every order that can make a difference was
 * tried. Everything between two such points is plain memory: two plain accesses that nothing orders are reported as a race, whatever
 * came of them, so their interleavings need no trying.
 *
 * What a script touches is put back before each run (world.c): data, thread-locals, malloc's and mmap's memory. */
#ifndef TESTS_EXPLORE_EXPLORER_H
#define TESTS_EXPLORE_EXPLORER_H

#include <stdbool.h>
#include <stdint.h>
#include <engset/base.h>

enum { EXPLORE_THREADS = 3 };

struct explore_script {
    const char *sentence;                   /* what it proves */
    void (*set_up)(void);                   /* once: every run begins with what it leaves */
    void (*threads[EXPLORE_THREADS])(void); /* NULL: there are fewer */
    void (*check)(void);                    /* behind all threads, at the end of each run; may be NULL */
    unsigned may_sleep; /* a bit each: threads that serve the others, and may be left asleep */
};

/* The end of a program's main(): explores the scripts, says how many interleavings there were. 0: nothing was found. Options: --help. */
int explore_main(int argc, char **argv, const struct explore_script *scripts, int count);

/* A condition that must hold; else the run ends and its schedule is printed. Scripts only. */
#define explore_expect(condition) explore_judge((condition), #condition, __FILE__, __LINE__)
void explore_judge(bool holds, const char *what, const char *file, int line);

/* The calling logical thread goes no further; that is its end. */
ES_NORETURN void explore_stop(void);

/* What the clock says from now on, for all threads. Starts at 1 s. */
void explore_clock(uint64_t now_ns);

#endif
