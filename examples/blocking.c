/* blocking.c - a process may call what blocks, or compute for ever: the others do not wait for it.
 *
 *     blocking [seconds]     how long one process sleeps; 5 if it is not given
 *
 * C code cannot be interrupted at any place, so nobody takes its thread away from a process. Instead, when one does not come back within
 * ten milliseconds, the others go on in another thread. */
#include <engset.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

ES_ATOMS(awake, done);

enum { BUSY = 10000 };

static es_pid first;
static int seconds = 5;

static void sleeper(void)
{
    sleep((unsigned)seconds); /* libc's own, which blocks the thread */
    es_send(first, awake);
}

static void spinner(void)
{
    for (;;)
        ;
}

static void busy(void)
{
    volatile unsigned x = 1;
    for (int i = 0; i < 1000; i++)
        x = x * 69069 + 1;
    es_send(first, done);
}

ES_MAIN(args)
{
    es_ref spins;
    es_term reason;
    first = es_self();
    if (args.count > 1)
        seconds = atoi(args.values[1]);

    es_spawn(sleeper);
    es_pid spinning = es_spawn_monitor(&spins, spinner);
    for (int i = 0; i < BUSY; i++)
        es_spawn(busy);
    for (int i = 0; i < BUSY; i++)
        es_receive
            es_case(done) {
            }
    es_receive {
        es_case(awake)
            printf("the sleeper was faster\n");
        es_case(ES_TUPLE(es_am_DOWN, spins, ES_ANY, ES_ANY, ES_ANY))
            printf("the spinner ended\n");
        es_after(0)
            printf("all %d finished while one slept and one span\n", BUSY);
    }

    es_send_exit(spinning, es_am_kill); /* reaches it in the middle of its loop */
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, spins, ES_ANY, ES_ANY, &reason)) {
            char text[32];
            es_print(text, sizeof text, reason);
            printf("the spinner ended: %s\n", text);
        }
}

/* Prints:
 *   all 10000 finished while one slept and one span
 *   the spinner ended: killed
 */
