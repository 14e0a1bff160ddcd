/* messages.c - what does it cost to say something to another process? */
#include "bench.h"

ES_ATOMS(ping, pong, stop, done, item, add, ok);

static es_pid starter;

static void wait_until_done(void)
{
    es_receive
        es_case(done) {
        }
}

/* ---------------------------------------------------------------- pingpong */

static void ponger(void)
{
    es_pid from;
    for (;;) {
        es_receive {
            es_case(ES_TUPLE(ping, &from))
                es_send(from, pong);
            es_case(stop)
                return;
        }
    }
}

static void pinger(es_term argument)
{
    es_pid other;
    int64_t left;
    expect(es_match(argument, ES_TUPLE(&other, &left)));
    for (; left > 0; left--) {
        es_send(other, ES_TUPLE(ping, es_self()));
        es_receive
            es_case(pong) {
            }
    }
    es_send(starter, done);
}

double pingpong(int64_t count)
{
    starter = es_self();
    es_pid other = es_spawn_link(ponger);
    int64_t start_ns = es_now_ns();
    es_spawn_link(pinger, ES_TUPLE(other, count));
    wait_until_done();
    double figure = since(start_ns, count);
    es_send(other, stop);
    return figure;
}

typedef struct {
    es_pid other;
    int64_t left;
} player;
ES_STRUCT(player, other, left);

static es_next on_ping(void *state, es_term message)
{
    (void)state;
    es_pid from;
    if (!es_match(message, ES_TUPLE(ping, &from)))
        return ES_STOP;
    es_send(from, pong);
    return ES_CONTINUE;
}

static void react_ponger(void)
{
    es_react(on_ping, NULL);
}

static es_next on_pong(void *state, es_term message)
{
    player *self = state;
    expect(es_is(message, pong));
    if (--self->left > 0) {
        es_send(self->other, ES_TUPLE(ping, es_self()));
        return ES_CONTINUE;
    }
    es_send(starter, done);
    return ES_STOP;
}

static void react_pinger(es_term argument)
{
    player *self = es_new(player);
    expect(es_match(argument, ES_TUPLE(&self->other, &self->left)));
    es_send(self->other, ES_TUPLE(ping, es_self()));
    es_react(on_pong, self);
}

double pingpong_react(int64_t count)
{
    starter = es_self();
    es_pid other = es_spawn_link(react_ponger);
    int64_t start_ns = es_now_ns();
    es_spawn_link(react_pinger, ES_TUPLE(other, count));
    wait_until_done();
    return since(start_ns, count);
}

/* ------------------------------------------------------- ring503, ring100k */

/* The first member learns of the last by a message: the ring is closed there. */
static void member(es_term argument)
{
    es_pid next;
    int64_t left;
    expect(es_match(argument, ES_TUPLE(&next)));
    if (es_pid_equal(next, starter)) {
        es_receive
            es_case(ES_TUPLE(item, &next)) {
            }
    }
    for (;;) {
        es_receive {
            es_case(0)
                es_send(starter, done);
            es_case(&left)
                es_send(next, left - 1);
        }
    }
}

static double run_ring(int size, int64_t count, void (*one)(es_term))
{
    starter = es_self();
    es_pid first = es_spawn(one, ES_TUPLE(starter)), last = first;
    for (int i = 1; i < size; i++)
        last = es_spawn(one, ES_TUPLE(last));
    es_send(first, ES_TUPLE(item, last));
    es_send(first, size); /* the first lap is not counted: some have yet to start */
    wait_until_done();
    int64_t start_ns = es_now_ns();
    es_send(first, count);
    wait_until_done();
    return since(start_ns, count);
}

double ring503(int64_t count)
{
    return run_ring(503, count, member);
}

double ring100k(int64_t count)
{
    return run_ring(100000, count, member);
}

static es_next on_hop(void *state, es_term message)
{
    player *self = state;
    int64_t left;
    if (!es_match(message, &left))
        expect(es_match(message, ES_TUPLE(item, &self->other)));
    else if (left == 0)
        es_send(starter, done);
    else
        es_send(self->other, left - 1);
    return ES_CONTINUE;
}

static void react_member(es_term argument)
{
    player *self = es_new(player);
    expect(es_match(argument, ES_TUPLE(&self->other)));
    es_react(on_hop, self);
}

double ring503_react(int64_t count)
{
    return run_ring(503, count, react_member);
}

double ring100k_react(int64_t count)
{
    return run_ring(100000, count, react_member);
}

/* --------------------------------------------------------- count1, count8 */

static void producer(es_term argument)
{
    es_pid consumer;
    int64_t count;
    expect(es_match(argument, ES_TUPLE(&consumer, &count)));
    for (int64_t i = count; i > 0; i--)
        es_send(consumer, ES_TUPLE(item, i));
}

static void consumer(es_term argument)
{
    int64_t left, total = 0, value;
    expect(es_match(argument, &left));
    for (; left > 0; left--)
        es_receive
            es_case(ES_TUPLE(item, &value))
                total += value;
    es_send(starter, ES_TUPLE(done, total));
}

static double run_count(int64_t count, int producers, void (*consume)(es_term))
{
    int64_t total = 0, each = count / producers;
    starter = es_self();
    es_pid counting = es_spawn_link(consume, es_lend(ES_T(count)));
    int64_t start_ns = es_now_ns();
    for (int i = 0; i < producers; i++)
        es_spawn_link(producer, ES_TUPLE(counting, each));
    es_receive
        es_case(ES_TUPLE(done, &total)) {
        }
    expect(total == producers * (each * (each + 1) / 2));
    return since(start_ns, count);
}

double count1(int64_t count)
{
    return run_count(count, 1, consumer);
}

double count8(int64_t count)
{
    return run_count(count, 8, consumer);
}

typedef struct {
    int64_t left, total;
} sum;
ES_STRUCT(sum, left, total);

static es_next on_item(void *state, es_term message)
{
    sum *self = state;
    int64_t value;
    expect(es_match(message, ES_TUPLE(item, &value)));
    self->total += value;
    if (--self->left > 0)
        return ES_CONTINUE;
    es_send(starter, ES_TUPLE(done, self->total));
    return ES_STOP;
}

static void react_consumer(es_term argument)
{
    sum *self = es_new(sum);
    expect(es_match(argument, &self->left));
    es_react(on_item, self);
}

double count1_react(int64_t count)
{
    return run_count(count, 1, react_consumer);
}

/* ---------------------------------------------------------------- call */

static void server(void)
{
    int64_t total = 0, n;
    es_term from;
    for (;;) {
        es_receive
            es_case_call(from, ES_TUPLE(add, &n))
                es_reply_to(from, ES_TUPLE(ok, total += n));
    }
}

static double run_calls(int64_t count, es_pid to)
{
    int64_t total = 0;
    int64_t start_ns = es_now_ns();
    for (int64_t i = 0; i < count; i++) {
        es_term answer = es_call(to, ES_TUPLE(add, 1), 5000);
        expect(es_match(answer, ES_TUPLE(ok, &total)));
        es_drop(answer);
    }
    expect(total == count);
    return since(start_ns, count);
}

double call(int64_t count)
{
    return run_calls(count, es_spawn_link(server));
}

static es_next on_call(void *state, es_term message)
{
    sum *self = state;
    int64_t n;
    es_term from;
    expect(es_match(message, ES_TUPLE(es_am_gen_call, &from, ES_TUPLE(add, &n))));
    es_reply_to(from, ES_TUPLE(ok, self->total += n));
    return ES_CONTINUE;
}

static void react_server(void)
{
    es_react(on_call, es_new(sum));
}

double call_react(int64_t count)
{
    return run_calls(count, es_spawn_link(react_server));
}
