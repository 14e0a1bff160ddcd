/* parallel.c - are all cores used when processes compute, alone or while they talk? */
#include "bench.h"

ES_ATOMS(ping, pong, done);

int64_t work_per_ms;

static es_pid starter;
static volatile uint32_t result;

void work(int64_t iterations)
{
    uint32_t x = (uint32_t)iterations;
    for (; iterations > 0; iterations--)
        x = x * 69069 + 1;
    result = x; /* so that it must be computed */
}

static int64_t timed_work(int64_t iterations)
{
    int64_t start_ns = es_now_ns();
    work(iterations);
    return es_now_ns() - start_ns;
}

/* The best of nine trials of about 10 ms, for the fastest was disturbed least. */
void work_calibrate(void)
{
    int64_t trial = 10000, best = INT64_MAX;
    while (timed_work(trial) < 10000000)
        trial *= 2;
    for (int i = 0; i < 9; i++) {
        int64_t time_ns = timed_work(trial);
        best = time_ns < best ? time_ns : best;
    }
    work_per_ms = (int64_t)((double)trial * 1e6 / (double)best);
}

static void worker(void)
{
    work(work_per_ms);
    es_send(starter, done);
}

double parallel(int64_t count)
{
    starter = es_self();
    work_calibrate();
    int64_t start_ns = es_now_ns();
    for (int64_t i = 0; i < count; i++)
        es_spawn(worker);
    for (int64_t i = 0; i < count; i++)
        es_receive
            es_case(done) {
            }
    return since(start_ns, count);
}

/* --------------------------------------------------------- parallel_chatty */

enum { PAIRS = 200 };

static void chatty_ponger(void)
{
    es_pid from;
    int64_t i;
    for (;;)
        es_receive
            es_case(ES_TUPLE(ping, &from, &i)) {
                work(work_per_ms / 1000);
                es_send(from, ES_TUPLE(pong, i + 1));
            }
}

static void chatty_pinger(es_term argument)
{
    es_pid other = es_spawn_link(chatty_ponger);
    int64_t rounds, i = 0;
    expect(es_match(argument, &rounds));
    while (i < rounds) {
        es_send(other, ES_TUPLE(ping, es_self(), i));
        es_receive
            es_case(ES_TUPLE(pong, &i))
                work(work_per_ms / 1000);
    }
    es_send(starter, ES_TUPLE(done, i));
}

double parallel_chatty(int64_t count)
{
    int64_t rounds = count / 2 / PAIRS, total = 0, made = 0;
    starter = es_self();
    work_calibrate();
    int64_t start_ns = es_now_ns();
    for (int i = 0; i < PAIRS; i++)
        es_spawn(chatty_pinger, rounds);
    for (int i = 0; i < PAIRS; i++) {
        es_receive
            es_case(ES_TUPLE(done, &made)) {
            }
        total += made;
    }
    expect(total == PAIRS * rounds);
    return since(start_ns, 2 * PAIRS * rounds);
}
