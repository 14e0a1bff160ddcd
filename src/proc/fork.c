/* fork.c - see fork.h. The copy's only thread is a worker that believes it runs a process. The flag that tells a worker that its scheduler is
 * lost is looked at in every call anyway: it is set, and who looks closer finds that this is a copy. */
#include "proc/fork.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include "proc/schedule/worker.h"

enum { MISUSED = 70 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static sigset_t mask;
static bool is_copy;

static void in_the_copy(void)
{
    struct esi_worker *w = esi_worker_self();
    if (!w)
        return;
    is_copy = true;
    /* relaxed: there is no other thread. */
    atomic_store_explicit(&w->lost, ESI_LOST_STRANDED, memory_order_relaxed);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static void install(void)
{
    pthread_atfork(NULL, NULL, in_the_copy);
}

void esi_fork_start(void)
{
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    pthread_once(&once, install);
}

void esi_fork_check(void)
{
    static const char message[] = "engset: a process's code called fork() and then the runtime, in the copy, "
                                  "which has no schedulers. Between fork() and "
                                  "exec only system calls may be made; es_child_start() starts a program.\n";
    if (!is_copy)
        return;
    if (write(STDERR_FILENO, message, sizeof message - 1) < 0)
        _exit(MISUSED);
    _exit(MISUSED);
}
