/* linked.c - who shall know that a process ended: links, trapped exits, monitors.
 *
 * A link ties two processes together: when one ends for another reason than `normal`, so does the other, with the same reason. A
 * process that traps exits gets a message instead; that is how a supervisor hears of its children. A monitor looks on from one side. */
#include <engset.h>
#include <stdio.h>

ES_ATOMS(ready, out_of_paper, printer);

static void say(const char *what, es_term reason)
{
    char text[100];
    es_print(text, sizeof text, reason);
    printf("%s: %s\n", what, text);
}

static void worker(void)
{
    es_receive
        es_after(20)
            es_exit(ES_TUPLE(printer, out_of_paper));
}

/* Starts a worker that is tied to it, and waits for ever: what ends the worker ends it as well. */
static void manager(es_pid *boss)
{
    es_spawn_link(worker);
    es_send(*boss, ready);
    es_receive
        es_after(ES_INFINITY) {
        }
}

/* As the manager, but it wants to hear what happens to its worker. */
static void supervisor(es_pid *boss)
{
    es_pid who;
    es_term reason;
    es_trap_exit(true);
    for (int tries = 1; tries <= 3; tries++) {
        es_pid child = es_spawn_link(worker);
        es_receive {
            es_case_when(ES_TUPLE(es_am_EXIT, &who, &reason), es_pid_equal(who, child))
                say("the supervisor hears", reason);
        }
    }
    es_send(*boss, ready);
}

ES_MAIN(args)
{
    static es_pid me; /* both get its address: static data may be shared as long as nobody writes it */
    es_ref monitor;
    es_term reason;
    me = es_self();

    es_spawn_monitor(&monitor, manager, &me);
    es_receive
        es_case(ready)
            printf("the manager is ready\n");
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, monitor, ES_ANY, ES_ANY, &reason))
            say("the manager ended too", reason);

    es_spawn_monitor(&monitor, supervisor, &me);
    es_receive
        es_case(ready)
            printf("three workers were enough\n");
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, monitor, ES_ANY, ES_ANY, &reason))
            say("the supervisor ended", reason);
}

/* Prints:
 *   the manager is ready
 *   the manager ended too: {printer,out_of_paper}
 *   the supervisor hears: {printer,out_of_paper}
 *   the supervisor hears: {printer,out_of_paper}
 *   the supervisor hears: {printer,out_of_paper}
 *   three workers were enough
 *   the supervisor ended: normal
 */
