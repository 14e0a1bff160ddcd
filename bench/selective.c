/* selective.c - what does a receive cost that must pass by messages which nobody wants yet? */
#include "bench.h"

ES_ATOMS(junk, ask, answer);

enum { JUNK = 10000 };

static void answers(void)
{
    es_pid from;
    es_ref reference;
    int64_t i;
    for (;;)
        es_receive {
            es_case(ES_TUPLE(ask, &from, &i))
                es_send(from, ES_TUPLE(answer, i));
            es_case(ES_TUPLE(ask, &from, &reference, &i))
                es_send(from, ES_TUPLE(reference, i));
        }
}

static void fill(int count)
{
    for (int i = 0; i < count; i++)
        es_send(es_self(), ES_TUPLE(junk, i));
}

/* What was passed by is all still there, in its order. */
static void expect_junk(int count)
{
    int64_t number = -1;
    for (int i = 0; i < count; i++) {
        es_receive
            es_case(ES_TUPLE(junk, &number)) {
            }
        expect(number == i);
    }
}

double selective10k(int64_t count)
{
    es_pid other = es_spawn_link(answers);
    fill(JUNK);
    int64_t start_ns = es_now_ns(), got = -1;
    for (int64_t i = 0; i < count; i++) {
        es_send(other, ES_TUPLE(ask, es_self(), i));
        es_receive
            es_case(ES_TUPLE(answer, &got)) {
            }
        expect(got == i);
    }
    double figure = since(start_ns, count);
    expect_junk(JUNK);
    return figure;
}

static double by_reference(int64_t count, int filled)
{
    es_pid other = es_spawn_link(answers);
    fill(filled);
    int64_t start_ns = es_now_ns(), got = -1;
    for (int64_t i = 0; i < count; i++) {
        es_ref reference = es_make_ref();
        es_send(other, ES_TUPLE(ask, es_self(), reference, i));
        es_receive
            es_case(ES_TUPLE(reference, &got)) {
            }
        expect(got == i);
    }
    double figure = since(start_ns, count);
    expect_junk(filled);
    return figure;
}

double selective10k_ref(int64_t count)
{
    return by_reference(count, JUNK);
}

double selective0_ref(int64_t count)
{
    return by_reference(count, 0);
}
