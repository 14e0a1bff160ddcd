/* counter.c - a server: state that only one process can touch, and that others ask about.
 *
 * es_call() sends a request and waits for the answer to exactly that request; whatever else is in the mailbox stays there. If the
 * server ended meanwhile the caller would end too, with the server's reason: an error is not passed over by accident. */
#include <engset.h>
#include <inttypes.h>
#include <stdio.h>

ES_ATOMS(counter, add, get, reset, ok, nobody);

static void counter_main(void)
{
    int64_t total = 0, n;
    es_term from;
    for (;;) {
        es_receive {
            es_case_call(from, ES_TUPLE(add, &n))
                es_reply_to(from, ES_TUPLE(ok, total += n));
            es_case_call(from, get)
                es_reply_to(from, total);
            es_case(reset)
                total = 0; /* a plain message: nobody waits for an answer */
        }
    }
}

static int64_t ask_total(void)
{
    int64_t total = -1;
    es_term answer = es_call(counter, get, 5000);
    es_match(answer, &total);
    es_drop(answer); /* it is ours; it would be freed at our end anyway */
    return total;
}

/* Many may ask at the same time: the server takes one request after the other, so nothing needs a lock. */
static void adder(void)
{
    for (int i = 1; i <= 1000; i++)
        es_drop(es_call(counter, ES_TUPLE(add, i), 5000));
}

ES_MAIN(args)
{
    es_ref monitor;
    es_term answer;
    char text[32];
    es_spawn_opt(ES_WITH(.name = "counter", .link = true), counter_main);
    for (int i = 0; i < 10; i++)
        es_spawn_monitor(&monitor, adder);
    for (int i = 0; i < 10; i++)
        es_receive
            es_case(ES_TUPLE(es_am_DOWN, ES_ANY, ES_ANY, ES_ANY, es_am_normal)) {
            }
    printf("ten adders added 1 to 1000: %" PRId64 "\n", ask_total());
    es_send(counter, reset);
    printf("after the reset: %" PRId64 "\n", ask_total());

    /* es_try_call() gives failure back instead of ending the caller. */
    if (es_try_call(nobody, get, 5000, &answer) == ES_ECLOSED) {
        es_print(text, sizeof text, answer);
        printf("nobody answered: %s\n", text);
    }
}

/* Prints:
 *   ten adders added 1 to 1000: 5005000
 *   after the reset: 0
 *   nobody answered: noproc
 */
