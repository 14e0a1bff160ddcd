/* crash.c - a bug ends the process that has it, and nobody else.
 *
 * Each of these would end a C program. Here whoever watches gets the reason as a message, {signal, Name, Where}, and goes on; a report of
 * each crash goes to stderr. What was in the process's own hands (es_new(), es_own(), descriptors) is released. */
#include <engset.h>
#include <stdio.h>

ES_ATOMS(sigfpe);

static volatile int zero;
static volatile int *volatile nowhere;

static void reads_null(void)
{
    printf("%d\n", *nowhere);
}

static int deeper(volatile int *above)
{
    volatile int here[64] = {*above};
    return zero ? 0 : deeper(here) + here[0];
}

static void recurses(void)
{
    int first = 0;
    printf("%d\n", deeper(&first));
}

static void divides(void)
{
#if defined(__aarch64__) /* divides by zero without a word: the result is 0 */
    es_exit(ES_TUPLE(es_am_signal, sigfpe, "here"));
#endif
    printf("%d\n", 7 / zero);
}

static void aborts(void)
{
    abort();
}

static void watch(const char *what, void (*function)(void))
{
    es_ref monitor;
    es_atom name;
    es_term where;
    es_spawn_monitor(&monitor, function);
    es_receive {
        es_case(ES_TUPLE(es_am_DOWN, monitor, ES_ANY, ES_ANY, ES_TUPLE(es_am_signal, &name, &where)))
            printf("%s: %s\n", what, es_atom_text(name));
        es_case(ES_TUPLE(es_am_DOWN, monitor, ES_ANY, ES_ANY, &where))
            printf("%s: something else\n", what);
    }
}

ES_MAIN(args)
{
    watch("reads NULL", reads_null);
    watch("recurses for ever", recurses);
    watch("divides by zero", divides);
    watch("calls abort()", aborts);
    printf("and this process goes on\n");
}

/* Prints:
 *   reads NULL: sigsegv
 *   recurses for ever: stack_overflow
 *   divides by zero: sigfpe
 *   calls abort(): sigabrt
 *   and this process goes on
 */
