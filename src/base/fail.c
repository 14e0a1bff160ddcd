/* base/fail.c - counts allocations down while a test wants one to fail. */
#include "base/fail.h"

_Atomic uint64_t esi_fail_armed;

void esi_fail_after(uint64_t n)
{
    atomic_store(&esi_fail_armed, n);
}

bool esi_fail_stop(void)
{
    return atomic_exchange(&esi_fail_armed, 0) == UINT64_MAX;
}

static bool (*fail_plan)(void);

void esi_fail_by(bool (*plan)(void))
{
    fail_plan = plan;
    atomic_store(&esi_fail_armed, plan ? UINT64_MAX : 0);
}

bool esi_fail_strike(void)
{
    if (fail_plan)
        return fail_plan();
    /* n: n more to go; UINT64_MAX: it has failed, the rest goes well; 0: not armed. */
    uint64_t left = atomic_load(&esi_fail_armed);
    do {
        if (left == 0 || left == UINT64_MAX)
            return false;
    } while (!atomic_compare_exchange_weak(&esi_fail_armed, &left, left == 1 ? UINT64_MAX : left - 1));
    return left == 1;
}
