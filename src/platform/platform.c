/* platform/platform.c - the start of the room, and the door between its two worlds. */
#include "platform/platform.h"
#include "platform/strike.h"

#include <errno.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/assert.h"
#include "platform/internal.h"
#include "platform/stack.h"

_Atomic bool esi_platform_sim_on;

#if defined(__x86_64__)
#define ARCH_SHSTK_STATUS 0x5005
#define ARCH_SHSTK_SHSTK  1u
#elif defined(__aarch64__)
#ifndef PR_GET_SHADOW_STACK_STATUS
#define PR_GET_SHADOW_STACK_STATUS 74
#endif
#define PR_SHADOW_STACK_ON 1u
#endif

/* A kernel that does not know the question has no shadow stacks. */
static bool has_shadow_stack(void)
{
#if defined(__x86_64__)
    unsigned long features = 0;
    return syscall(SYS_arch_prctl, ARCH_SHSTK_STATUS, &features) == 0 && (features & ARCH_SHSTK_SHSTK);
#elif defined(__aarch64__)
    unsigned long status = 0;
    return prctl(PR_GET_SHADOW_STACK_STATUS, &status, 0, 0, 0) == 0 && (status & PR_SHADOW_STACK_ON);
#else
    return false;
#endif
}

int esi_platform_cores(void)
{
    cpu_set_t set;
    long cores =
        sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : (int)cores;
}

void esi_platform_start(void)
{
    esi_asymmetric_register();
    (void)esi_stack_guard_kind();
}

es_err esi_platform_check(const char **why)
{
    int before = errno;
    bool refused = has_shadow_stack();
    errno = before;
    if (!refused)
        return ES_OK;
    *why = "user shadow stacks are on for this OS process, and Engset switches stacks by itself: start it "
           "without them (GLIBC_TUNABLES=glibc.cpu.x86_shstk=off, or on arm64 glibc.cpu.aarch64_gcs=0)";
    return ES_EINVAL;
}

void esi_platform_sim_start(uint64_t seed)
{
    esi_assert(!esi_platform_is_sim());
    esi_sim_clock_reset();
    esi_sim_random_seed(seed);
    esi_sim_machine_open(seed);
    atomic_store_explicit(&esi_platform_sim_on, true, memory_order_relaxed); /* one thread */
}

void esi_platform_sim_stop(void)
{
    esi_assert(esi_platform_is_sim());
    esi_sim_machine_close();
    atomic_store_explicit(&esi_platform_sim_on, false, memory_order_relaxed); /* one thread */
}

bool (*esi_strike_plan)(enum esi_strike kind);
