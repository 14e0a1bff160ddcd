/* sweep.c - who waits long in a function is hibernated by the node, answers all the same, and costs little meanwhile. */
#include <string.h>
#include <engset.h>
#include "platform/sanitize.h"
#include "proc/process.h"
#include "story.h"

ES_ATOMS(ask, answer, count);

enum { AFTER_MS = 20, MANY = 10000, PATIENCE = 4000 };

static void play_sweeping(void (*body)(void))
{
    story_begin(body);
    story_check(es_run(story_first, NULL, &(es_options){.schedulers = 2, .hibernate_after_ms = AFTER_MS}),
                "real node", 0);
}
#define SWEEP_STORY(name, times) STORY_WITH(name, times, "", play_sweeping)

static int64_t kilobytes(const char *field)
{
    char line[200];
    int64_t found = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0)
            found = strtoll(line + strlen(field), NULL, 10);
    if (file)
        fclose(file);
    return found;
}

static int64_t memory_bytes(void)
{
    return (kilobytes("VmRSS:") + kilobytes("VmPTE:")) * 1024;
}

/* Answers with what lies on its stack from before it waited. */
static void answers(es_term number)
{
    int64_t n = 0;
    es_match(number, &n);
    volatile int64_t square = n * n;
    es_pid from;
    for (;;)
        es_receive {
            es_case(ES_TUPLE(ask, &from))
                es_send(from, ES_TUPLE(answer, n, (int64_t)square));
            es_case(go)
                return;
        }
}

static es_state state_of(es_pid pid)
{
    es_info info = {.state = ES_STATE_EXITING};
    es_process_info(pid, &info);
    return info.state;
}

/* The sweep is for idle times: so we sleep between looks. */
static bool hibernates_in_time(es_pid pid)
{
    for (int i = 0; i < PATIENCE; i++) {
        if (state_of(pid) == ES_STATE_HIBERNATED)
            return true;
        es_sleep(5);
    }
    return false;
}

static bool can_be_seen(void)
{
    return !ESI_ASAN &&
           !ESI_TSAN; /* gcc's are foreign code on each stack, and all need memory of their own */
}

static es_pid pids[MANY];

SWEEP_STORY(ten_thousand_that_wait_take_little_and_answer, 1)
{
    int64_t n, square, before = memory_bytes();
    for (int i = 0; i < MANY; i++)
        pids[i] = es_spawn(answers, i);
    for (int i = 0; i < MANY; i++)
        while (state_of(pids[i]) != ES_STATE_WAITING && state_of(pids[i]) != ES_STATE_HIBERNATED)
            es_yield();
    int64_t awake = (memory_bytes() - before) / MANY;
    for (int i = 0; i < MANY && can_be_seen(); i++)
        if (!EXPECT(hibernates_in_time(pids[i])))
            break;
    int64_t asleep = (memory_bytes() - before) / MANY;
    print_message("bytes a process: %lld awake, %lld hibernated\n", (long long)awake, (long long)asleep);
    if (can_be_seen())
        EXPECT(asleep <= 1200);
    for (int i = 0; i < MANY; i++) {
        es_send(pids[i], ES_TUPLE(ask, es_self()));
        es_receive
            es_case(ES_TUPLE(answer, &n, &square))
                EXPECT(n == i && square == (int64_t)i * i);
    }
    for (int i = 0; i < MANY; i++)
        es_send(pids[i], go);
}

static void calls_for_ever(es_term to)
{
    es_pid pid;
    if (es_match(to, &pid))
        es_call(pid, ask, ES_INFINITY);
}

static void is_pinned(void)
{
    es_pin();
    waits();
}

static _Atomic(struct esi_process *) lender;

/* Others hold pointers into its stack: who lends raises the count. */
static void lends_its_stack(void)
{
    struct esi_process *self = esi_enter();
    self->frame_refs++;
    atomic_store(&lender, self);
    esi_leave();
    waits();
}

SWEEP_STORY(who_lends_its_stack_calls_or_is_pinned_is_left_alone, 1)
{
    es_pid plain = es_spawn(waits), called = es_spawn(waits);
    es_pid others[] = {es_spawn(calls_for_ever, called), es_spawn(is_pinned), es_spawn(lends_its_stack)};
    if (!can_be_seen())
        return;
    EXPECT(hibernates_in_time(plain));
    EXPECT(hibernates_in_time(called));
    es_sleep(3L * AFTER_MS); /* nothing tells of what does not come */
    for (int i = 0; i < 3; i++)
        EXPECT(state_of(others[i]) == ES_STATE_WAITING);
}

static void races(es_term peer)
{
    es_pid from;
    (void)peer;
    for (;;)
        es_receive {
            es_case(ES_TUPLE(ask, &from))
                es_send(from, answer);
            es_case(go)
                return;
        }
}

/* Messages, links' exits and time-outs meet the sweep at every moment. */
SWEEP_STORY(nobody_is_missed_who_is_woken_while_it_is_hibernated, 10000)
{
    es_pid peer = es_spawn(races, 0);
    for (long i = 0; i < rounds(10000); i++) {
        es_sleep(i % 8 ? AFTER_MS / 2 + i % 3 : AFTER_MS * 2);
        es_send(peer, ES_TUPLE(ask, es_self()));
        if (!EXPECT(got(answer)))
            break;
    }
    es_pid killed = es_spawn(waits);
    EXPECT(!can_be_seen() || hibernates_in_time(killed));
    es_ref ref = es_monitor(killed);
    es_send_exit(killed, es_am_kill);
    EXPECT(got_down(ref, killed, es_am_killed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_that_wait_take_little_and_answer),
        cmocka_unit_test(who_lends_its_stack_calls_or_is_pinned_is_left_alone),
        cmocka_unit_test(nobody_is_missed_who_is_woken_while_it_is_hibernated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
