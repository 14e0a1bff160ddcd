/* selective.c - a process takes the message that it wants next, not the one that came first.
 *
 * Each es_receive goes through the mailbox from its oldest message on and takes the first that one of its clauses matches. What no
 * clause matches stays where it is, in its order, for a later es_receive. */
#include <engset.h>
#include <inttypes.h>
#include <stdio.h>

ES_ATOMS(letter, telegram, answer);

/* Urgent ones first: an es_after(0) is taken when nothing in the whole mailbox matches. */
static void read_mail(void)
{
    es_bin text;
    for (;;) {
        es_receive {
            es_case(ES_TUPLE(telegram, &text)) {
                printf("telegram: %.*s\n", (int)text.size, (const char *)text.data);
                continue; /* leaves the es_receive, and begins again with the telegrams */
            }
            es_after(0) {
                es_receive {
                    es_case(ES_TUPLE(letter, &text))
                        printf("letter: %.*s\n", (int)text.size, (const char *)text.data);
                    es_after(0)
                        return;
                }
            }
        }
    }
}

/* A fresh reference names one question. Messages that were there before cannot hold it, so they are not even looked at. */
static void asked(es_term question)
{
    es_pid from;
    es_ref reference;
    int64_t number;
    if (es_match(question, ES_TUPLE(&from, &reference, &number)))
        es_send(from, ES_TUPLE(answer, reference, number * number));
}

ES_MAIN(args)
{
    int64_t square, found = 0;
    es_send(es_self(), ES_TUPLE(letter, "how are you?"));
    es_send(es_self(), ES_TUPLE(telegram, "arriving today"));
    es_send(es_self(), ES_TUPLE(letter, "kind regards"));
    es_send(es_self(), ES_TUPLE(telegram, "train is late"));
    read_mail();

    for (int i = 0; i < 10000; i++)
        es_send(es_self(), ES_TUPLE(answer, i));
    for (int64_t n = 1; n <= 3; n++) {
        es_ref reference = es_make_ref();
        es_spawn(asked, ES_TUPLE(es_self(), reference, n));
        es_receive
            es_case(ES_TUPLE(answer, reference, &square))
                printf("%" PRId64 " squared is %" PRId64 "\n", n, square);
    }

    for (bool is_empty = false; !is_empty;)
        es_receive {
            es_case(ES_TUPLE(answer, ES_ANY))
                found++;
            es_after(0)
                is_empty = true;
        }
    printf("%" PRId64 " messages had waited meanwhile\n", found);
}

/* Prints:
 *   telegram: arriving today
 *   telegram: train is late
 *   letter: how are you?
 *   letter: kind regards
 *   1 squared is 1
 *   2 squared is 4
 *   3 squared is 9
 *   10000 messages had waited meanwhile
 */
