/* sigpipe.c - see sigpipe.h.
 *
 * Our own calls on sockets say MSG_NOSIGNAL; a pipe has no such flag, and a library that writes to a socket (OpenSSL) does not use it. The
 * signal gets a handler that does nothing rather than SIG_IGN: exec(2) makes the default of a handler by itself, and children would
 * inherit to ignore it. */
#include "port/sigpipe.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

static void nothing(int number)
{
    (void)number;
}

static void tame(void)
{
    struct sigaction now, ours = {.sa_handler = nothing, .sa_flags = SA_RESTART | SA_ONSTACK};
    if (sigaction(SIGPIPE, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL)
        sigaction(SIGPIPE, &ours, NULL);
}

void esi_sigpipe_tame(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, tame);
}
