/* platform/sim/copy.c - see copy.h. The kernel does it, since it alone can look at memory that may not be there. */
#include "platform/sim/copy.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* 0: done; -1: EFAULT; 1: it may not (an old
 * sandbox): then it is copied here, and a fault is one. */
static int by_kernel(ssize_t (*copy)(pid_t, const struct iovec *, unsigned long, const struct iovec *,
                                     unsigned long, unsigned long),
                     const void *here, const void *there, size_t size)
{
    struct iovec ours = {(void *)(size_t)here, size}, its = {(void *)(size_t)there, size};
    int before = errno;
    ssize_t count = copy(getpid(), &ours, 1, &its, 1, 0);
    if (count == (ssize_t)size) {
        errno = before;
        return 0;
    }
    if (count < 0 && (errno == ENOSYS || errno == EPERM))
        return 1;
    errno = EFAULT;
    return -1;
}

bool esi_sim_to_user(void *user, const void *from, size_t size)
{
    int said = size ? by_kernel(process_vm_writev, from, user, size) : 0;
    if (said > 0)
        memcpy(user, from, size);
    return said >= 0;
}

bool esi_sim_from_user(void *to, const void *user, size_t size)
{
    int said = size ? by_kernel(process_vm_readv, to, user, size) : 0;
    if (said > 0)
        memcpy(to, user, size);
    return said >= 0;
}
