/* exchange/main.c - starts the exchange, waits until it shall end, and ends it in order. */
#include "exchange.h"
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

ES_ATOMS(stop);

static struct exchange office = {.address = {0x7f000001, 5060}};
static int64_t seconds; /* to run; 0: until a signal */

/* Waits for the signals that ask a program to end, as a descriptor that becomes readable. */
static void signals(es_pid *first)
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    int fd = signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0 || es_own_fd(fd) != ES_OK || es_wait_fd(fd, POLLIN, ES_INFINITY) < 0)
        es_exit(es_am_error);
    es_send(*first, stop);
    es_receive {
        es_after(ES_INFINITY) {
        }
    }
}

/* Who is linked to the first process ends the exchange by ending. */
static void start(void)
{
    static es_pid me;
    me = es_self();
    es_spawn_opt(ES_WITH(.link = true, .name = "signals"), signals, &me);
    office_open(&office);
    if (!office.is_quiet)
        printf("listening on 127.0.0.1:%u\n", office.address.port);
    fflush(stdout);
}

static void first(void *unused)
{
    (void)unused;
    start();
    es_receive {
        es_case(stop) {
        }
        es_after(seconds > 0 ? seconds * 1000 : ES_INFINITY) {
        }
    }
    office_close(&office);
}

static int usage(FILE *to)
{
    fputs("exchange [OPTION]... - a telephone exchange for SIP over UDP on 127.0.0.1\n"
          "  --port N         where it listens (5060; 0: any)\n"
          "  --uas-port N     who is not registered is at this port (0: nowhere)\n"
          "  --crash-rate N   processes a second that are made to crash, at most 1000 (0)\n"
          "  --seconds N      ends after that (0: until SIGINT or SIGTERM)\n"
          "  --log FILE       what happened, a line each (stderr)\n"
          "  --quiet          no screen, only the summary\n",
          to);
    return to == stderr ? 2 : 0;
}

/* A number from 0 to `max`; -1: it is none. */
static long number(const char *text, long max)
{
    char *end;
    long value = strtol(text, &end, 10);
    return *text == '\0' || *end != '\0' || value < 0 || value > max ? -1 : value;
}

/* True, or the status to end with is in `*status`. */
static bool read_options(int argc, char **argv, int *status)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"uas-port", required_argument, NULL, 'u'},
        {"crash-rate", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'},
        {"log", required_argument, NULL, 'l'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    long port = office.address.port, uas_port = 0, rate = 0, time_s = 0;
    for (int letter; (letter = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (letter) {
        case 'p':
            port = number(optarg, 65535);
            break;
        case 'u':
            uas_port = number(optarg, 65535);
            break;
        case 'c':
            rate = number(optarg, 1000);
            break;
        case 's':
            time_s = number(optarg, 1000000000);
            break;
        case 'l':
            office.log = optarg;
            break;
        case 'q':
            office.is_quiet = true;
            break;
        default:
            *status = usage(letter == 'h' ? stdout : stderr);
            return false;
        }
    }
    if (optind < argc || port < 0 || uas_port < 0 || rate < 0 || time_s < 0) {
        *status = usage(stderr);
        return false;
    }
    office.address.port = (uint16_t)port;
    office.uas_port = (uint16_t)uas_port;
    office.crash_rate = (int)rate;
    seconds = time_s;
    return true;
}

/* ES_MAIN would do, were it not for the signals: every thread of the node must block them, so it is done before. */
int main(int argc, char **argv)
{
    int status;
    sigset_t blocked;
    if (!read_options(argc, argv, &status))
        return status;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    if (pthread_sigmask(SIG_BLOCK, &blocked, NULL) != 0 || sip_prepare() != SIP_GOOD)
        return 1;
    return es_run(first, NULL, &(es_options){.name = "exchange"});
}
