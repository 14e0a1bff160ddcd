/* skynet.c - a million processes: each of the upper ones starts ten and adds up what they report.
 *
 *     skynet [leaves]        a power of ten; 1,000,000 if it is not given
 *
 * The leaves count from 0, so the sum is leaves * (leaves - 1) / 2. */
#include <engset.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

ES_ATOMS(sum);

enum { CHILDREN = 10 };

/* Stands for `size` leaves, the first of which has the number `first`. */
static void node(es_term argument)
{
    es_pid parent;
    int64_t first, size, total = 0, part;
    if (!es_match(argument, ES_TUPLE(&parent, &first, &size)))
        return;
    if (size == 1) {
        es_send(parent, ES_TUPLE(sum, first));
        return;
    }
    for (int i = 0; i < CHILDREN; i++)
        es_spawn(node, ES_TUPLE(es_self(), first + i * (size / CHILDREN), size / CHILDREN));
    for (int i = 0; i < CHILDREN; i++)
        es_receive
            es_case(ES_TUPLE(sum, &part))
                total += part;
    es_send(parent, ES_TUPLE(sum, total));
}

ES_MAIN(args)
{
    int64_t leaves = args.count > 1 ? atoll(args.values[1]) : 1000000, total;
    int64_t start = es_now_ns();
    es_spawn(node, ES_TUPLE(es_self(), 0, leaves));
    es_receive
        es_case(ES_TUPLE(sum, &total))
            printf("%" PRId64 "\n", total);
    fprintf(stderr, "%" PRId64 " ms\n", (es_now_ns() - start) / 1000000);
}

/* Prints:
 *   499999500000
 */
