/* platform/barrier.c - see barrier.h. */
#include "platform/barrier.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/assert.h"
#include "platform/internal.h"

bool esi_asymmetric_registered;

#if ESI_TSAN
_Atomic unsigned esi_asymmetric_word;
#endif

static int membarrier(int command)
{
    return (int)syscall(SYS_membarrier, command, 0, 0);
}

void esi_asymmetric_register(void)
{
    if (ESI_TSAN || esi_asymmetric_registered)
        return;
    int known = membarrier(MEMBARRIER_CMD_QUERY);
    if (known >= 0 && (known & MEMBARRIER_CMD_PRIVATE_EXPEDITED))
        esi_asymmetric_registered = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

void esi_asymmetric_heavy(void)
{
#if ESI_TSAN
    atomic_fetch_add_explicit(&esi_asymmetric_word, 1, memory_order_seq_cst); /* as in light() */
#else
    if (!esi_asymmetric_registered) {
        atomic_thread_fence(memory_order_seq_cst); /* pairs with the fence in light() */
        return;
    }
    int failed =
        membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED); /* pairs with the compiler's barrier in light() */
    esi_assert(!failed);
#endif
}
