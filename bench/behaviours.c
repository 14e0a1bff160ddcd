/* behaviours.c - what do OTP's shapes of a process cost beside OTP: a server asked and told, a machine that changes its state, a child that ends and
 * is replaced, a family of a million? */
#include "bench.h"

ES_ATOMS(add, ok, total, crash, up, flip, count);

/* -------------------------------------------------- server_call, server_cast */

/* 16 bytes of state, for server_memory. */
typedef struct {
    int64_t total, limit;
} counter;

static es_answer counter_call(counter *self, es_term request, es_from from)
{
    int64_t n;
    (void)from;
    if (es_match(request, ES_TUPLE(add, &n)))
        return es_reply(ES_TUPLE(ok, self->total += n));
    if (es_is(request, total))
        return es_reply(self->total);
    return es_unknown(request);
}

static es_answer counter_cast(counter *self, es_term message)
{
    int64_t n;
    if (!es_match(message, ES_TUPLE(add, &n)))
        return es_unknown(message);
    self->total += n;
    return es_noreply();
}

ES_SERVER(counter_server, counter, .call = counter_call, .cast = counter_cast);

static es_pid started(const es_behaviour *behaviour)
{
    es_pid pid = es_start_link(behaviour, es_nil());
    expect(!es_pid_is_none(pid));
    return pid;
}

/* The number that `server` answers. */
static int64_t asked(es_pid server, es_atom what)
{
    int64_t answer = -1;
    es_term term = es_call(server, what, ES_INFINITY);
    expect(es_match(term, &answer));
    es_drop(term);
    return answer;
}

double server_call(int64_t calls)
{
    es_pid server = started(&counter_server);
    int64_t sum = 0, start_ns = es_now_ns();
    for (int64_t i = 0; i < calls; i++) {
        es_term answer = es_call(server, ES_TUPLE(add, 1), 5000);
        expect(es_match(answer, ES_TUPLE(ok, &sum)));
        es_drop(answer);
    }
    expect(sum == calls);
    return since(start_ns, calls);
}

/* So many are under way at most: a call behind them says that they came. */
enum { UNDER_WAY = 1000 };

double server_cast(int64_t casts)
{
    es_pid server = started(&counter_server);
    int64_t start_ns = es_now_ns();
    for (int64_t i = 1; i <= casts; i++) {
        expect(es_cast(server, ES_TUPLE(add, 1)) == ES_OK);
        if (i % UNDER_WAY == 0)
            expect(asked(server, total) == i);
    }
    return since(start_ns, casts);
}

double server_memory(int64_t servers)
{
    int64_t before = resident_bytes();
    for (int64_t i = 0; i < servers; i++)
        expect(!es_pid_is_none(es_start(&counter_server, es_nil())));
    return (double)(resident_bytes() - before) / (double)servers;
}

/* ---------------------------------------- statem_functions, statem_handler */

typedef struct {
    int64_t changes;
} lamp;

static es_step on_(lamp *self, const es_event *event);

static es_step answers(const lamp *self, const es_event *event)
{
    if (event->type != ES_EVENT_CALL || !es_is(event->content, count))
        return es_unknown_event(event);
    es_reply_to(event->from, self->changes);
    return es_keep_state();
}

static es_step off_(lamp *self, const es_event *event)
{
    if (event->type != ES_EVENT_CAST || !es_is(event->content, flip))
        return answers(self, event);
    self->changes++;
    return es_next_state(on_);
}

static es_step on_(lamp *self, const es_event *event)
{
    if (event->type != ES_EVENT_CAST || !es_is(event->content, flip))
        return answers(self, event);
    self->changes++;
    return es_next_state(off_);
}

ES_STATEM(lamp_functions, lamp, .states = ES_STATES(off_, on_));

ES_ATOMS(on, off);

static es_step lamp_init(lamp *self, es_term args)
{
    (void)self, (void)args;
    return es_next_state(off);
}

static es_step lamp_event(lamp *self, const es_event *event, es_term state)
{
    if (event->type != ES_EVENT_CAST || !es_is(event->content, flip))
        return answers(self, event);
    self->changes++;
    return es_next_state(es_is(state, off) ? on : off);
}

ES_STATEM(lamp_handler, lamp, .init = lamp_init, .handle_event = lamp_event);

static double flips(const es_behaviour *machine, int64_t events)
{
    es_pid pid = started(machine);
    int64_t start_ns = es_now_ns();
    for (int64_t i = 1; i <= events; i++) {
        expect(es_cast(pid, flip) == ES_OK);
        if (i % UNDER_WAY == 0)
            expect(asked(pid, count) == i);
    }
    return since(start_ns, events);
}

double statem_functions(int64_t events)
{
    return flips(&lamp_functions, events);
}

double statem_handler(int64_t events)
{
    return flips(&lamp_handler, events);
}

/* ------------------------------------- family_restart500, family_restart30k */

typedef struct {
    int64_t unused;
} mortal;

static es_pid starter;

/* Up again: whoever waits for that hears it. */
static es_answer mortal_init(mortal *self, es_term args)
{
    (void)self, (void)args;
    es_send(starter, ES_TUPLE(up, es_self()));
    return es_ok();
}

static es_answer mortal_cast(mortal *self, es_term message)
{
    (void)self, (void)message;
    es_exit(crash);
}

ES_SERVER(mortal_server, mortal, .init = mortal_init, .cast = mortal_cast);

ES_SUPERVISOR(patient_sup, .strategy = ES_ONE_FOR_ONE, .intensity = 1000000, .period_s = 3600,
              ES_CHILDREN({.id = "mortal", ES_START(mortal_server)}));

static es_pid who_is_up(void)
{
    es_pid pid = ES_NO_PID;
    es_receive
        es_case(ES_TUPLE(up, &pid)) {
        }
    return pid;
}

/* One supervisor after the other, `each` restarts of the one child of each. Starting and stopping the supervisor is not counted. */
static double restarts(int64_t restarts_all, int64_t each)
{
    int64_t took_ns = 0;
    starter = es_self();
    for (int64_t done = 0; done < restarts_all; done += each) {
        es_pid supervisor = started(&patient_sup), child = who_is_up();
        int64_t start_ns = es_now_ns();
        for (int64_t i = 0; i < each; i++) {
            expect(es_cast(child, crash) == ES_OK);
            child = who_is_up();
        }
        took_ns += es_now_ns() - start_ns;
        expect(es_stop_process(supervisor, es_am_normal, ES_INFINITY) == ES_OK);
    }
    return (double)took_ns / (double)restarts_all;
}

double family_restart500(int64_t count_all)
{
    return restarts(count_all, 500);
}

double family_restart30k(int64_t count_all)
{
    return restarts(count_all, count_all);
}

/* ------------------------------------------------- family_100k, family_1m */

ES_SUPERVISOR(crowd_sup, .strategy = ES_SIMPLE_ONE_FOR_ONE,
              ES_CHILDREN({ES_START(counter_server), .restart = ES_TEMPORARY}));

/* Starts them, the figure; and three more, per child: counting all, stopping all, and their memory with what the supervisor keeps of them. */
static double family(int64_t children, const char *counting, const char *stopping, const char *memory_of)
{
    es_child_counts counts;
    int64_t before = resident_bytes();
    es_pid supervisor = started(&crowd_sup);
    int64_t start_ns = es_now_ns();
    for (int64_t i = 0; i < children; i++)
        expect(es_start_child(supervisor, es_nil(), NULL, NULL) == ES_OK);
    double figure = since(start_ns, children);
    also(memory_of, "bytes", (double)(resident_bytes() - before) / (double)children);
    start_ns = es_now_ns();
    expect(es_count_children(supervisor, &counts) == ES_OK && counts.active == children);
    also(counting, "ns_per_op", since(start_ns, children));
    start_ns = es_now_ns();
    expect(es_stop_process(supervisor, es_am_normal, ES_INFINITY) == ES_OK);
    also(stopping, "ns_per_op", since(start_ns, children));
    return figure;
}

double family_100k(int64_t children)
{
    return family(children, "family_100k_count", "family_100k_stop", "family_100k_memory");
}

double family_1m(int64_t children)
{
    return family(children, "family_1m_count", "family_1m_stop", "family_1m_memory");
}
