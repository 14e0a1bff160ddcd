/* parallel.c - are all cores used when processes compute? */
#include "bench.h"

ES_ATOMS(done);

int64_t parallel_iterations;

static es_pid starter;
static volatile uint32_t result;

static void work(int64_t iterations)
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

/* How many iterations take 1 ms: the best of nine trials of about 10 ms, for the fastest was disturbed least. */
static int64_t calibrate(void)
{
    int64_t trial = 10000, best = INT64_MAX;
    while (timed_work(trial) < 10000000)
        trial *= 2;
    for (int i = 0; i < 9; i++) {
        int64_t time_ns = timed_work(trial);
        best = time_ns < best ? time_ns : best;
    }
    return (int64_t)((double)trial * 1e6 / (double)best);
}

static void worker(void)
{
    work(parallel_iterations);
    es_send(starter, done);
}

double parallel(int64_t count)
{
    starter = es_self();
    parallel_iterations = calibrate();
    int64_t start_ns = es_now_ns();
    for (int64_t i = 0; i < count; i++)
        es_spawn(worker);
    for (int64_t i = 0; i < count; i++)
        es_receive
            es_case(done) {
            }
    return since(start_ns, count);
}
