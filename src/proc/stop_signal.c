/* stop_signal.c - see stop_signal.h. Handlers, and not SIG_IGN, which programs that are started would inherit. */
#include "proc/stop_signal.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#undef errno /* the handler's own thread's, which does not change in it */
#define errno (*__errno_location())

static const int numbers[] = {SIGTERM, SIGINT, SIGPIPE, SIGHUP, SIGUSR1};
enum { NUMBERS = sizeof numbers / sizeof *numbers, STOPS = 2 /* the first of them */ };

static bool is_ours[NUMBERS];
static void (*on_stop)(void);

static void stops(int number)
{
    (void)number;
    int before = errno;
    on_stop();
    errno = before;
}

static void does_nothing(int number)
{
    (void)number;
}

void esi_stop_signal_start(void (*stop)(void))
{
    on_stop = stop;
    for (int i = 0; i < NUMBERS; i++) {
        struct sigaction now, ours = {.sa_handler = i < STOPS ? stops : does_nothing,
                                      .sa_flags = SA_RESTART | (i < STOPS ? (int)SA_RESETHAND : 0)};
        is_ours[i] = sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL &&
                     sigaction(numbers[i], &ours, NULL) == 0;
    }
}

void esi_stop_signal_end(void)
{
    for (int i = 0; i < NUMBERS; i++) {
        struct sigaction now, usual = {.sa_handler = SIG_DFL};
        if (is_ours[i] && sigaction(numbers[i], NULL, &now) == 0 &&
            (now.sa_handler == stops || now.sa_handler == does_nothing))
            sigaction(numbers[i], &usual, NULL);
        is_ours[i] = false;
    }
}
