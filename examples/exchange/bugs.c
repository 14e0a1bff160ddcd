/* exchange/bugs.c - five ways to be wrong. */
#include "bugs.h"

static volatile int zero;
static volatile int *volatile nowhere;

static int deeper(volatile int *above)
{
    volatile int here[64] = {*above};
    return zero ? 0 : deeper(here) + here[0];
}

static void divide(void)
{
#if defined(__aarch64__) /* divides by zero without a word: the result is 0 */
    es_exit(ES_TUPLE(es_am_signal, es_am_sigfpe, "here"));
#else
    zero = 7 / zero;
#endif
}

void bug_commit(int bug)
{
    int first = 0;
    switch (bug) {
    case BUG_NULL_READ:
        zero = *nowhere;
        break;
    case BUG_RECURSION:
        zero = deeper(&first);
        break;
    case BUG_DIVISION:
        divide();
        break;
    case BUG_ABORT:
        abort();
    case BUG_LOOP:
        while (zero == 0)
            ;
        break;
    default:
        break;
    }
}

enum bug bug_of_reason(es_term reason)
{
    es_atom name;
    if (es_is(reason, es_am_killed))
        return BUG_LOOP;
    if (!es_match(reason, ES_TUPLE(es_am_signal, &name, ES_ANY)))
        return BUG_OTHER;
    if (es_atom_equal(name, es_am_sigsegv))
        return BUG_NULL_READ;
    if (es_atom_equal(name, es_am_stack_overflow))
        return BUG_RECURSION;
    if (es_atom_equal(name, es_am_sigfpe))
        return BUG_DIVISION;
    return es_atom_equal(name, es_am_sigabrt) ? BUG_ABORT : BUG_OTHER;
}

static const struct {
    const char *name, *text;
} bugs[BUGS] = {
    [BUG_NULL_READ] = {"null_read", "NULL read"},
    [BUG_RECURSION] = {"recursion", "endless recursion"},
    [BUG_DIVISION] = {"division", "division by zero"},
    [BUG_ABORT] = {"abort", "abort()"},
    [BUG_LOOP] = {"loop", "killed, as an endless loop is,"},
    [BUG_OTHER] = {"other", "stopped with others"},
};

const char *bug_text(enum bug bug)
{
    return bugs[bug].text;
}

const char *bug_name(enum bug bug)
{
    return bugs[bug].name;
}
