/* internal.h - what the explorer's own files say to each other.
 *
 *   hooks.c   what the compiler calls at each access, and what stands in for pthread and system calls
 *   search.c  who goes on at each point, and which run is next
 *   memory.c  what an atomic load may read, and which plain accesses race
 *   world.c   data, memory and stacks that begin each run anew
 *   report.c  options, schedules, and what is printed */
#ifndef TESTS_EXPLORE_INTERNAL_H
#define TESTS_EXPLORE_INTERNAL_H

#include <stdarg.h>
#include <stddef.h>
#include "explorer.h"

enum { STEPS_MAX = 4000, NOBODY = -1, FOR_EVER = -1, EXPLORE_FOUND = 3 /* exit status */ };

/* ------------------------------------------------------------ points (search.c) */

enum op_kind {
    OP_NONE, /* it has come to its end */
    OP_BEGIN,
    OP_LOAD,
    OP_STORE,
    OP_CHANGE,  /* exchange, compare-and-exchange, fetch_... */
    OP_FENCE,   /* seq_cst */
    OP_BARRIER, /* membarrier: a fence in every thread */
    OP_LOCK,
    OP_TRYLOCK,
    OP_UNLOCK,
    OP_SLEEP,  /* futex: looks at the word and lies down */
    OP_GET_UP, /* ... when it is woken, or any time if it has a deadline */
    OP_WAKE,
};

struct op {
    uint8_t kind;
    bool has_deadline; /* OP_GET_UP */
    uintptr_t at;      /* the object */
    uintptr_t pc;      /* for the report */
};

/* What the run was told. */
struct plan {
    int preemptions; /* FOR_EVER: no bound, and orders that make no difference are left out */
    bool is_weak; /* a load may give an older value than the newest; else memory is sequentially consistent */
    double seconds;       /* then it is cut off */
    const char *schedule; /* NULL: explore; else this one run */
};

struct result {
    uint64_t runs;      /* that came to their end: each another interleaving */
    uint64_t redundant; /* begun, and left as one like it had been run */
    int longest;        /* points in the longest */
    double seconds;
    bool is_cut_off;
};

/* The script through all its interleavings. A violation does not come back: it is printed, and the program ends. */
struct result explore(const struct explore_script *script, const struct plan *plan);

/* The calling logical thread is about to do `op`: comes back when it is its turn. In no logical thread: at once. */
void point(struct op op);

/* In a load: one of 0 to count - 1, all of which are tried; 0 is the newest. */
int choose_value(int count);

/* A logical thread, or NOBODY: set-up and check. */
int current_thread(void);

/* What went wrong in this run. Does not come back. */
ES_NORETURN void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Which step number `i` of this run was; false: there were fewer. */
bool step_of_run(int i, int *thread, int *value, struct op *op);

/* Is nobody in the way of `op`? Asked by search.c, answered by memory.c. */
bool lock_is_free(uintptr_t at);
bool is_woken(int thread);
bool may_be_late(int thread); /* once a run: else who sleeps with a deadline would do so for ever */

/* ------------------------------------------------------------ memory.c */

void memory_reset(bool is_weak);
bool memory_is_weak(void);
uint64_t memory_load(uintptr_t at, int size, int order);
void memory_store(uintptr_t at, int size, uint64_t value, int order);
/* The value before; `change` gives the new one. */
uint64_t memory_change(uintptr_t at, int size, int order, uint64_t (*change)(uint64_t, uint64_t),
                       uint64_t operand);
/* `*expected` is what was found when it gives false. */
bool memory_compare(uintptr_t at, int size, uint64_t *expected, uint64_t value, int order, int order_failed);
void memory_fence(int order);
void memory_barrier(void);
bool memory_lock(uintptr_t at); /* false: it was taken */
void memory_unlock(uintptr_t at);
/* A plain access: is it ordered with all others that matter? */
void memory_plain(uintptr_t at, size_t size, bool is_write, uintptr_t pc);
/* The futexes: lies down, true if the word is as expected; who waits longest at `at` is woken. */
bool memory_sleep(uintptr_t at, uint32_t expected);
bool memory_get_up(void); /* false: nobody woke it */
int memory_wake(uintptr_t at, int count);

/* ------------------------------------------------------------ world.c */

void world_remember(void); /* the script is set up */
void world_restore(void);
void world_compare(void);           /* at the end: was all put back? */
void world_load_locals(int thread); /* its thread-locals are in place from here on */
void world_save_locals(int thread);
bool world_is_freed(uintptr_t at);
bool world_is_shared(uintptr_t at); /* may others see it? errno and thread-locals are a thread's own */
void *world_stack_top(int thread);
void *world_stack_low(int thread);
uint64_t world_now_ns(void);

/* ------------------------------------------------------------ report.c */

/* The function and line of an address in the program; two texts at a time. */
const char *place_of(uintptr_t pc);

/* Says what is wrong, in which script, the schedule, and each step with its line. */
void report_violation(const char *format, va_list arguments);

#endif
