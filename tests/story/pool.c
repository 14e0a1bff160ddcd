/* pool.c - workers behind one name. */
#include <engset/pool.h>
#include <engset/server.h>
#include <engset/sys.h>
#include "story.h"
#include "quiet.h"

ES_ATOMS(square, hold, crash, none, decoders, done, let_go, r, third_stops);

typedef struct {
    int64_t nothing;
} worker;

/* Of three, one after the other. */
static _Atomic(int) inits;
static es_pid begun[3];

static es_answer third_of_three_stops(void)
{
    int number = atomic_fetch_add(&inits, 1);
    EXPECT(number < 3);
    begun[number % 3] = es_self();
    return number == 2 ? es_stop(es_am_normal) : es_ok();
}

static es_answer worker_init(worker *self, es_term args)
{
    (void)self;
    if (es_is(args, third_stops))
        return third_of_three_stops();
    return es_is(args, crash) ? es_stop(r) : es_ok();
}

static es_answer worker_call(worker *self, es_term request, es_from from)
{
    int64_t n;
    (void)self, (void)from;
    if (es_match(request, ES_TUPLE(square, &n)))
        return es_reply(n * n);
    if (es_match(request, ES_TUPLE(hold, &n))) {
        es_sleep(n);
        return es_reply(hold);
    }
    if (es_is(request, crash))
        es_exit(crash);
    return es_unknown(request);
}
ES_SERVER(worker_server, worker, .init = worker_init, .call = worker_call);
ES_POOL(fixed_pool, .worker = &worker_server, .size = 2, .queue_limit = 100);
ES_POOL(narrow_pool, .worker = &worker_server, .size = 1, .queue_limit = 1);
ES_POOL(growing_pool, .worker = &worker_server, .size = 1, .most = 3);
ES_POOL(third_fails_pool, .worker = &worker_server, .args = "third_stops", .size = 3);
ES_POOL(failing_pool, .worker = &worker_server, .args = "crash", .size = 2);

static bool has(es_pid pool, int64_t workers, int64_t waiting)
{
    es_term state = es_none();
    bool does = es_sys_get_state(pool, &state) == ES_OK && es_match(state, ES_TUPLE(workers, waiting));
    es_drop(state);
    return does;
}

static es_pid up(const es_behaviour *pool)
{
    es_pid pid = es_start_link(pool, none);
    EXPECT(!es_pid_is_none(pid));
    return pid;
}

STORY(a_pool_answers_by_one_of_its_workers, "")
{
    es_term answer = es_none();
    es_pid pool = es_start_opt(ES_WITH(.name = "decoders", .link = true), &fixed_pool, none);
    EXPECT(es_pool_call(decoders, ES_TUPLE(square, 7), 5000, &answer) == ES_OK && es_match(answer, 49));
    EXPECT(has(pool, 2, 0));
    EXPECT(es_pool_call(dead_pid(), 1, 5000, &answer) == ES_ECLOSED && es_is(answer, es_am_noproc));
    EXPECT(es_pool_call(r, 1, 5000, &answer) == ES_ECLOSED && es_is(answer, es_am_noproc));
}

SIMULATED_STORY(a_pool_may_be_given_all_the_time_there_is, "")
{
    const int64_t times_ms[] = {INT64_MAX, INT64_MAX / 3, INT64_MAX / 1000000, ES_INFINITY};
    es_pid pool = up(&fixed_pool);
    for (int i = 0; i < 4; i++) {
        es_term answer = es_none();
        EXPECT(es_pool_call(pool, ES_TUPLE(hold, 10), times_ms[i], &answer) == ES_OK && es_is(answer, hold));
    }
}

static void asks(es_term args)
{
    es_pid pool, boss;
    int64_t n, time_ms;
    es_term answer = es_none();
    EXPECT(es_match(args, ES_TUPLE(&boss, &pool, &n, &time_ms)));
    es_err error = es_pool_call(pool, ES_TUPLE(hold, n), time_ms, &answer);
    es_send(boss, ES_TUPLE(done, (int)error));
}

SIMULATED_STORY(who_finds_all_busy_waits_in_turn, "")
{
    enum { ASKERS = 10 };
    es_pid pool = up(&fixed_pool);
    int64_t before_ns = es_now_ns();
    for (int i = 0; i < ASKERS; i++)
        es_spawn(asks, ES_TUPLE(es_self(), pool, 10, 5000));
    for (int i = 0; i < ASKERS; i++)
        EXPECT(got(ES_TUPLE(done, ES_OK)));
    int64_t time_ms = (es_now_ns() - before_ns) / 1000000;
    EXPECT(time_ms >= 50 && time_ms < 60); /* two at a time */
    EXPECT(has(pool, 2, 0));
}

SIMULATED_STORY(a_pool_grows_while_all_are_busy_and_refuses_more, "")
{
    es_pid pool = up(&growing_pool), extra;
    for (int i = 0; i < 3; i++)
        es_spawn(asks, ES_TUPLE(es_self(), pool, 100, 5000));
    es_sleep(10);
    EXPECT(has(pool, 3, 0));
    EXPECT(es_pool_take(pool, 5000, &extra) == ES_EFULL && strstr(es_last_detail(), "busy"));
    for (int i = 0; i < 3; i++)
        EXPECT(got(ES_TUPLE(done, ES_OK)));
    while (!has(pool, 1, 0))
        es_yield();
}

SIMULATED_STORY(who_gives_up_waiting_leaves_no_worker_behind, "")
{
    es_pid pool = up(&fixed_pool), one, two, three;
    EXPECT(es_pool_take(pool, 5000, &one) == ES_OK && es_pool_take(pool, 5000, &two) == ES_OK);
    EXPECT(es_pool_take(pool, 10, &three) == ES_ETIMEOUT);
    EXPECT(has(pool, 2, 0));
    EXPECT(es_pool_give(pool, one) == ES_OK && es_pool_take(pool, 5000, &three) == ES_OK &&
           es_pid_equal(one, three));
}

static int64_t memory_of(es_pid pool)
{
    es_info info = {0};
    EXPECT(has(pool, 2, 0));
    EXPECT(es_process_info(pool, &info));
    return info.memory_bytes;
}

/* `count` that wait until a worker is free, and as many that give it up. */
static int64_t memory_after(es_pid pool, int count)
{
    es_pid one, two, none_left;
    for (int i = 0; i < count; i++) {
        EXPECT(es_pool_take(pool, 5000, &one) == ES_OK && es_pool_take(pool, 5000, &two) == ES_OK);
        EXPECT(es_pool_take(pool, 10, &none_left) == ES_ETIMEOUT);
        es_spawn(asks, ES_TUPLE(es_self(), pool, 1, 5000));
        es_sleep(10);
        EXPECT(has(pool, 2, 1));
        EXPECT(es_pool_give(pool, one) == ES_OK && es_pool_give(pool, two) == ES_OK);
        EXPECT(got(ES_TUPLE(done, ES_OK)));
        es_sleep(10);
    }
    return memory_of(pool);
}

SIMULATED_STORY(of_who_waited_nothing_is_kept, "")
{
    es_pid pool = up(&fixed_pool);
    int64_t before = memory_after(pool, 2);
    EXPECT(memory_after(pool, 20) == before);
}

static void takes_one(es_term args)
{
    es_pid pool, boss, worker_pid;
    EXPECT(es_match(args, ES_TUPLE(&boss, &pool)));
    EXPECT(es_pool_take(pool, 5000, &worker_pid) == ES_OK);
    es_send(boss, done);
    es_receive
        es_case(let_go) {
        }
}

STORY(a_worker_comes_back_however_its_user_ends, "")
{
    es_pid pool = up(&fixed_pool), one, two, user;
    user = es_spawn(takes_one, ES_TUPLE(es_self(), pool));
    EXPECT(got(done) && es_pool_take(pool, 5000, &one) == ES_OK);
    es_send_exit(user, es_am_kill);
    EXPECT(es_pool_take(pool, 5000, &two) == ES_OK && !es_pid_equal(one, two));
}

STORY(who_ends_while_it_waits_leaves_its_place_to_others, "")
{
    es_pid pool = up(&narrow_pool), one, two, waiting;
    EXPECT(es_pool_take(pool, 5000, &one) == ES_OK);
    waiting = es_spawn(takes_one, ES_TUPLE(es_self(), pool));
    while (!has(pool, 1, 1))
        es_yield();
    EXPECT(es_pool_take(pool, 5000, &two) == ES_EFULL);
    es_send_exit(waiting, es_am_kill);
    while (!has(pool, 1, 0))
        es_yield();
    es_spawn(takes_one, ES_TUPLE(es_self(), pool));
    while (!has(pool, 1, 1))
        es_yield();
    EXPECT(es_pool_give(pool, one) == ES_OK && got(done));
}

STORY(a_worker_is_given_back_by_who_has_it_alone, "")
{
    es_pid pool = up(&fixed_pool), one, two, three, user;
    EXPECT(es_pool_take(pool, 5000, &one) == ES_OK && es_pool_give(pool, one) == ES_OK);
    user = es_spawn(takes_one, ES_TUPLE(es_self(), pool)); /* has `one` now */
    EXPECT(got(done) && es_pool_give(pool, one) == ES_OK);
    EXPECT(es_pool_take(pool, 5000, &two) == ES_OK && !es_pid_equal(one, two));
    EXPECT(es_pool_take(pool, 0, &three) == ES_ETIMEOUT);
    es_send(user, let_go);
    EXPECT(es_pool_take(pool, 5000, &three) == ES_OK && es_pid_equal(one, three));
}

STORY(a_worker_that_crashes_is_replaced, "")
{
    es_term answer = es_none();
    es_pid pool = up(&fixed_pool);
    for (int i = 0; i < 5; i++)
        EXPECT(es_pool_call(pool, crash, 5000, &answer) == ES_ECLOSED && es_is(answer, crash));
    EXPECT(es_pool_call(pool, ES_TUPLE(square, 3), 5000, &answer) == ES_OK && es_match(answer, 9));
    while (!has(pool, 2, 0))
        es_yield();
}

STORY(a_pool_whose_workers_do_not_start_does_not_either, "")
{
    es_term why = es_none();
    es_pid pid;
    es_trap_exit(true);
    EXPECT(es_try_start(ES_WITH(.link = true), &failing_pool, none, &pid, &why) == ES_ECLOSED &&
           es_is(why, r));
}

/* A link alone would leave those that were started already: `normal` ends nobody else. */
STORY(a_pool_that_does_not_start_leaves_no_worker, "")
{
    es_term why = es_none();
    es_pid pid;
    atomic_store(&inits, 0);
    EXPECT(es_try_start(NULL, &third_fails_pool, none, &pid, &why) == ES_ECLOSED && es_is(why, es_am_normal));
    EXPECT(atomic_load(&inits) == 3);
    for (int i = 0; i < 3; i++)
        EXPECT(!es_pid_is_none(begun[i]) && !es_is_alive(begun[i]));
}

STORY(the_workers_end_with_the_pool, "")
{
    es_trap_exit(true);
    for (int i = 0; i < 2; i++) { /* a link alone would say nothing of the second one */
        es_pid pool = up(&fixed_pool), one;
        EXPECT(es_pool_take(pool, 5000, &one) == ES_OK);
        es_ref ref = es_monitor(one);
        EXPECT(es_stop_process(pool, es_from_atom(i ? es_am_normal : es_am_shutdown), 5000) == ES_OK);
        EXPECT(there_is(ES_TUPLE(es_am_DOWN, ref, ES_ANY, one, es_am_shutdown))); /* before the pool */
    }
}

int main(void)
{
    be_quiet();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_answers_by_one_of_its_workers),
        cmocka_unit_test(a_pool_may_be_given_all_the_time_there_is),
        cmocka_unit_test(who_finds_all_busy_waits_in_turn),
        cmocka_unit_test(a_pool_grows_while_all_are_busy_and_refuses_more),
        cmocka_unit_test(who_gives_up_waiting_leaves_no_worker_behind),
        cmocka_unit_test(of_who_waited_nothing_is_kept),
        cmocka_unit_test(a_worker_comes_back_however_its_user_ends),
        cmocka_unit_test(who_ends_while_it_waits_leaves_its_place_to_others),
        cmocka_unit_test(a_worker_is_given_back_by_who_has_it_alone),
        cmocka_unit_test(a_worker_that_crashes_is_replaced),
        cmocka_unit_test(a_pool_whose_workers_do_not_start_does_not_either),
        cmocka_unit_test(a_pool_that_does_not_start_leaves_no_worker),
        cmocka_unit_test(the_workers_end_with_the_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
