/* instructions.c - the paths whose instructions are counted by scripts/accept-instructions, under callgrind.
 *
 *     engset-instructions PATH N      runs PATH N times on one scheduler, and whatever stands around it
 *
 *     engset-instructions --compiler  says who compiled it, for which machine: other figures are not comparable
 *
 * Two runs with different N differ by N times the path, so what stands around it does not matter. Paths:
 *
 *   send      es_send of {item, I} to a process that is suspended: copied, and pushed into its inbox
 *   receive   the same, and then N receives of it: the figure is this one less that of `send`
 *   spawn     es_spawn of a function that returns, and es_yield until it has run and ended
 *   call      es_call to a server in another process, there and back
 *   server    es_call to an ES_SERVER, there and back
 *   cast      es_cast to the same, and its callback
 *   statem    es_cast to an ES_STATEM, and its callback, which goes to another state
 *   restart   a server is told by a cast to es_exit, and its supervisor starts it again
 *   child     es_start_child of a server under a simple_one_for_one, and es_terminate_child
 *   switch    two processes that es_yield to each other N times, so 2 N switches */
#include <engset.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ES_ATOMS(item, add, ok, done, begin);

static int64_t count;
static es_pid starter;

static void wait_for(es_atom word)
{
    es_receive
        es_case(word) {
        }
}

/* ----------------------------------------------------------- send, receive */

static void consumer(void)
{
    int64_t got, total = 0;
    es_send(starter, begin);
    for (int64_t i = 0; i < count; i++)
        es_receive
            es_case(ES_TUPLE(item, &got))
                total += got;
    es_send(starter, total == count * (count - 1) / 2 ? done : item);
}

static es_pid fill(void)
{
    es_pid to = es_spawn(consumer);
    wait_for(begin);
    es_suspend(to);
    for (int64_t i = 0; i < count; i++)
        es_send(to, ES_TUPLE(item, i));
    return to;
}

static void send_path(void)
{
    fill();
}

static void receive_path(void)
{
    es_resume(fill());
    wait_for(done);
}

/* -------------------------------------------------------------------- spawn */

static int64_t run;

static void returns(void)
{
    run++;
}

static void spawn_path(void)
{
    for (int64_t i = 0; i < count; i++) {
        es_spawn(returns);
        while (run <= i)
            es_yield();
    }
}

/* --------------------------------------------------------------------- call */

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

static void call_path(void)
{
    es_pid to = es_spawn(server);
    int64_t total = 0;
    for (int64_t i = 0; i < count; i++) {
        es_term answer = es_call(to, ES_TUPLE(add, 1), 5000);
        es_match(answer, ES_TUPLE(ok, &total));
        es_drop(answer);
    }
    if (total != count)
        es_halt(1);
}

/* ------------------------------------------------- server, cast, statem, restart, child */

static int64_t heard;

static es_answer on_call(int64_t *sum, es_term request, es_from from)
{
    int64_t n = 0;
    (void)from;
    (void)!es_match(request, ES_TUPLE(add, &n));
    return es_reply(ES_TUPLE(ok, *sum += n));
}

static es_answer on_cast(int64_t *sum, es_term message)
{
    int64_t n;
    if (!es_match(message, ES_TUPLE(add, &n)))
        es_exit(done);
    heard = *sum += n;
    return es_noreply();
}

static es_answer on_birth(int64_t *sum, es_term args)
{
    (void)sum;
    if (es_is(args, begin))
        es_send(starter, ES_TUPLE(begin, es_self()));
    return es_ok();
}
ES_SERVER(adder, int64_t, .init = on_birth, .call = on_call, .cast = on_cast);

static void server_path(void)
{
    es_pid to = es_start(&adder, es_nil());
    int64_t total = 0;
    for (int64_t i = 0; i < count; i++) {
        es_term answer = es_call(to, ES_TUPLE(add, 1), 5000);
        (void)!es_match(answer, ES_TUPLE(ok, &total));
        es_drop(answer);
    }
    if (total != count)
        es_halt(1);
}

/* `count` casts, the same message each; then what they left behind is there. */
static void cast_all(es_pid to, es_literal message)
{
    for (int64_t i = 0; i < count; i++)
        (void)!es_cast(to, message);
    while (heard < count)
        es_yield();
}

static void cast_path(void)
{
    cast_all(es_start(&adder, es_nil()), ES_TUPLE(add, 1));
}

static es_step is_off(int64_t *changes, const es_event *event);

static es_step is_on(int64_t *changes, const es_event *event)
{
    (void)event;
    heard = ++*changes;
    return es_next_state(is_off);
}

static es_step is_off(int64_t *changes, const es_event *event)
{
    (void)event;
    heard = ++*changes;
    return es_next_state(is_on);
}
ES_STATEM(lamp, int64_t, .states = ES_STATES(is_off, is_on));

static void statem_path(void)
{
    cast_all(es_start(&lamp, es_nil()), ES_T(item));
}

ES_SUPERVISOR(patient, .intensity = 1000000, ES_CHILDREN({.id = "adder", ES_START(adder, .args = "begin")}));

static es_pid who_begins(void)
{
    es_pid pid = ES_NO_PID;
    es_receive
        es_case(ES_TUPLE(begin, &pid)) {
        }
    return pid;
}

static void restart_path(void)
{
    es_start(&patient, es_nil());
    es_pid child = who_begins();
    for (int64_t i = 0; i < count; i++) {
        (void)!es_cast(child, done);
        child = who_begins();
    }
}

ES_SUPERVISOR(crowd, .strategy = ES_SIMPLE_ONE_FOR_ONE,
              ES_CHILDREN({ES_START(adder), .restart = ES_TEMPORARY}));

static void child_path(void)
{
    es_pid to = es_start(&crowd, es_nil()), child;
    for (int64_t i = 0; i < count; i++)
        if (es_start_child(to, es_nil(), &child, NULL) != ES_OK || es_terminate_child(to, child) != ES_OK)
            es_halt(1);
}

/* ------------------------------------------------------------------- switch */

static void yields(void)
{
    for (int64_t i = 0; i < count; i++)
        es_yield();
    es_send(starter, done);
}

static void switch_path(void)
{
    es_spawn(yields);
    es_spawn(yields);
    wait_for(done);
    wait_for(done);
}

/* ----------------------------------------------------------------- the door */

static const struct {
    const char *name;
    void (*run)(void);
} paths[] = {
    {"send", send_path},     {"receive", receive_path}, {"spawn", spawn_path},   {"call", call_path},
    {"server", server_path}, {"cast", cast_path},       {"statem", statem_path}, {"restart", restart_path},
    {"child", child_path},   {"switch", switch_path},
};

static void first(void *path)
{
    starter = es_self();
    (*(void (**)(void))path)();
    es_halt(0);
}

#if defined(__x86_64__)
#define MACHINE "x86_64"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#else
#define MACHINE "unknown"
#endif

#ifdef __clang__
#define COMPILER "clang", __clang_major__
#else
#define COMPILER "gcc", __GNUC__
#endif

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--compiler") == 0) {
        printf("%s-%d %s\n", COMPILER, MACHINE);
        return 0;
    }
    if (argc == 3)
        count = atoll(argv[2]);
    /* Reports would be most of what is counted. */
    setenv("ES_REPORTS", "0", 0);
    setenv("ES_LOG_LEVEL", "error", 0);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0] && count > 0; i++) {
        void (*path)(void) = paths[i].run;
        if (strcmp(argv[1], paths[i].name) == 0)
            return es_run(first, &path, &(es_options){.schedulers = 1});
    }
    fprintf(stderr, "usage: engset-instructions PATH N, PATH is one of:");
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        fprintf(stderr, " %s", paths[i].name);
    fputc('\n', stderr);
    return 2;
}
