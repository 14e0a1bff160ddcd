/* wall_clock.c - proves that nobody who waits notices when the wall clock jumps: the case TMR-15.
 *
 * The wall clock of the machine stays as it is: this program has a clock_gettime() of its own, which everything in it that
 * asks for the time gets. */
#include <sys/syscall.h>
#include <time.h>
#include "story.h"
#include "platform/clock.h"

ES_ATOMS(tick);

enum { DAY_S = 86400 };
#define DAY_NS (INT64_C(86400) * 1000000000)

static _Atomic(long) jump_s;

int clock_gettime(clockid_t clock, struct timespec *out)
{
    long result = syscall(SYS_clock_gettime, clock, out);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
        out->tv_sec += jump_s;
    return (int)result;
}

/* The wall clock as the runtime sees it has gone by about `expected_ns`. */
static bool wall_went(int64_t from_ns, int64_t expected_ns)
{
    int64_t off = (int64_t)esi_clock_wall_ns() - from_ns - expected_ns;
    return off >= 0 && off < INT64_C(60) * 1000000000;
}

static void waits_through_a_jump(long by_s)
{
    int64_t wall = (int64_t)esi_clock_wall_ns(), before = es_now_ns();
    es_send_after(30, es_self(), tick);
    jump_s += by_s;
    EXPECT(wall_went(wall, by_s * INT64_C(1000000000))); /* or the jump was none */
    es_receive {
        es_case(tick)
            EXPECT(es_now_ns() - before >= 30 * 1000000);
    }
    EXPECT(es_now_ns() - before < DAY_NS / 100);
    before = es_now_ns();
    es_receive {
        es_case(never_sent)
            EXPECT(!"nobody sends it");
        es_after(30)
            EXPECT(es_now_ns() - before >= 30 * 1000000);
    }
    EXPECT(es_now_ns() - before < DAY_NS / 100);
    before = es_now_ns();
    es_sleep(30);
    EXPECT(es_now_ns() - before >= 30 * 1000000 && es_now_ns() - before < DAY_NS / 100);
}

REAL_STORY(timers_and_timeouts_do_not_notice_a_jump_of_the_wall_clock, 1, "TMR-15")
{
    waits_through_a_jump(DAY_S);
    waits_through_a_jump(-2L * DAY_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_and_timeouts_do_not_notice_a_jump_of_the_wall_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
