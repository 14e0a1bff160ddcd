/* ping_pong.c - two processes that play 100,000 rounds, as in the tutorial of Scala's actors.
 *
 * `&from` in a pattern is filled in from the message; everything else in it must be equal. A process ends when its
 * function returns. */
#include <engset.h>
#include <stdio.h>

ES_ATOMS(ping, pong, stop);

enum { ROUNDS = 100000, A_LINE_EVERY = 1000 };

static void ponger(void)
{
    es_pid from;
    for (int count = 0;;) {
        es_receive {
            es_case(ES_TUPLE(ping, &from)) {
                if (count++ % A_LINE_EVERY == 0)
                    printf("Pong: ping %d\n", count - 1);
                es_send(from, pong);
            }
            es_case(stop) {
                printf("Pong: stop\n");
                return;
            }
        }
    }
}

/* What es_spawn() got as its second argument was copied into this process. */
static void pinger(es_term argument)
{
    es_pid other;
    if (!es_match(argument, ES_TUPLE(&other)))
        es_exit(es_am_badarg);
    for (int left = ROUNDS; left > 0; left--) {
        es_send(other, ES_TUPLE(ping, es_self()));
        es_receive {
            es_case(pong) {
                if ((left - 1) % A_LINE_EVERY == 0)
                    printf("Ping: pong\n");
            }
        }
    }
    printf("Ping: stop\n");
    es_send(other, stop);
}

/* The program ends when its first process does, so that one waits for both: a monitor tells that a process ended. */
ES_MAIN(args)
{
    es_ref first, second;
    es_pid other = es_spawn_monitor(&first, ponger);
    es_spawn_monitor(&second, pinger, ES_TUPLE(other));
    for (int ended = 0; ended < 2; ended++)
        es_receive
            es_case(ES_TUPLE(es_am_DOWN, ES_ANY, ES_ANY, ES_ANY, ES_ANY)) {
            }
}

/* Prints 202 lines:
 *   Pong: ping 0
 *   Ping: pong
 *   Pong: ping 1000
 *   Ping: pong
 *   ...
 *   Pong: ping 99000
 *   Ping: pong
 *   Ping: stop
 *   Pong: stop
 */
