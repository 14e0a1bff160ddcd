/* tests/exchange/lost.c - calls that are lost, as the router and the call count them. The legs are extras that only wait. */
#include "exchange.h"
#include "bugs.h"
#include "story.h"

ES_ATOMS(begun, over, lost, own, crash);

static struct exchange office;
static _Atomic(uint64_t) incoming; /* the pid's id of the newest; 0: none yet */

es_pid leg_spawn_incoming(es_ref *monitor)
{
    es_pid pid = es_spawn_monitor(monitor, waits);
    atomic_store(&incoming, pid.id);
    return pid;
}

es_pid leg_spawn_outgoing(es_ref *monitor, es_term callee)
{
    (void)callee;
    return es_spawn_monitor(monitor, waits);
}

es_pid leg_spawn_refusal(uint16_t status)
{
    (void)status;
    return es_spawn(waits);
}

void leg_spawn_farewell(const struct leg_card *card)
{
    (void)card;
}

static parcel *invite(void)
{
    struct sip_message m = {.method = SIP_INVITE, .target.user = "somebody", .head.call_id = "1@here"};
    parcel *p = es_new(parcel);
    memcpy(p->message, &m, sizeof m);
    return p;
}

/* A call that has its incoming leg. */
static es_pid begin_call(void)
{
    es_pid pid = ES_NO_PID;
    atomic_store(&incoming, 0);
    es_give(office.router, invite());
    EXPECT(got(begun));
    while (es_members(exchange_in_service, &pid, 1) < 1 || !atomic_load(&incoming))
        es_yield();
    return pid;
}

/* This process is the board. */
static void open_office(void)
{
    office = (struct exchange){.board = es_self(), .journal = es_spawn(waits), .uas_port = 5060};
    office.address = (struct sip_address){0x7f000001, 5060};
    exchange = &office;
    office.router = es_spawn(router);
}

/* How often a call was lost, until it is over. */
static int lost_until_over(void)
{
    for (int count = 0;;)
        es_receive {
            es_case(ES_TUPLE(lost, own))
                count++;
            es_case(over)
                return count;
            es_after(STORY_PATIENCE_MS)
                return -1;
        }
}

REAL_STORY(a_call_that_crashes_is_lost, 1, "")
{
    open_office();
    es_send(begin_call(), ES_TUPLE(crash, (int)BUG_ABORT));
    EXPECT(lost_until_over() == 1);
}

REAL_STORY(a_call_that_crashes_behind_its_leg_is_lost_once, 1, "")
{
    open_office();
    es_pid call = begin_call();
    es_pid leg = {.id = atomic_load(&incoming)};
    es_send_exit(leg, es_am_kill);
    wait_for_end(leg);
    es_send(call, ES_TUPLE(crash, (int)BUG_ABORT));
    EXPECT(lost_until_over() == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_crashes_is_lost),
        cmocka_unit_test(a_call_that_crashes_behind_its_leg_is_lost_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
