/* ring.c - processes in a ring hand a token on: the oldest benchmark of its kind.
 *
 *     ring [processes [rounds]]
 *
 * Each process knows only the next one. A process costs so little that there is one for each member of the ring, or for each
 * call, customer or device in a real program. */
#include <engset.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

ES_ATOMS(token, stop);

static void member(es_term argument)
{
    es_pid next;
    int64_t hops;
    if (!es_match(argument, ES_TUPLE(&next)))
        return;
    for (;;) {
        es_receive {
            es_case(ES_TUPLE(token, &hops))
                es_send(next, ES_TUPLE(token, hops + 1));
            es_case(stop) {
                es_send(next, stop);
                return;
            }
        }
    }
}

ES_MAIN(args)
{
    int processes = args.count > 1 ? atoi(args.values[1]) : 503;
    int rounds = args.count > 2 ? atoi(args.values[2]) : 100;
    int64_t hops = 0;

    /* The ring is closed here: the last one made hands on to the one made before, and the first to this process. */
    es_pid last = es_self();
    for (int i = 1; i < processes; i++)
        last = es_spawn(member, ES_TUPLE(last));

    for (int round = 0; round < rounds; round++) {
        es_send(last, ES_TUPLE(token, hops + 1));
        es_receive
            es_case(ES_TUPLE(token, &hops)) {
            }
    }
    printf("%d processes passed it on %" PRId64 " times\n", processes, hops);

    es_send(last, stop);
    es_receive
        es_case(stop)
            printf("all have ended, one after the other\n");
}

/* Prints:
 *   503 processes passed it on 50300 times
 *   all have ended, one after the other
 */
