/* tests/exchange/pressure.c - linked to the exchange, makes memory and descriptors scarce for it while it carries calls.
 *
 *   ES_PRESSURE_S=N   for N seconds from the start; then there is enough of everything again
 *
 * Memory: one allocation of 500 of the runtime fails, wherever it is made, but for the root of the tree and those above it, whose end is the
 * program's, and those who work for all calls together: they allocate as much as all of them, and would end ten times a second. (In simulated worlds,
 * telephones.c, they are struck as all others.)
 * Descriptors: each five seconds all that are left are taken for a second (run it with a small `ulimit -n`). So that somebody
 * notices, processes of this file meet at a TCP port meanwhile: fifty times a second one connects to another, which accepts and echoes.
 * At the end a line on stderr tells what failed, under pressure and in the five seconds after it and later. */
#include <engset.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <engset/resolve.h>
#include "base/fail.h"

enum { ONE_OF = 500, TAKEN_MAX = 1024, MEETINGS_A_SECOND = 50, CALM_AFTER_S = 5 };

/* ---- what fails ---- */

static _Atomic bool is_pressed;
static _Atomic uint64_t asked, failed;
static const char *const names[] = {"listener", "router",  "registrar", "directory",
                                    "keeper",   "journal", "board",     "farewells"};
enum { NAMES = sizeof names / sizeof *names, SPARED = 8 };
static _Atomic uint64_t spared[SPARED], named[NAMES]; /* ids of processes */

static bool is_among(_Atomic uint64_t *ids, int count, uint64_t id)
{
    for (int i = 0; i < count; i++)
        if (atomic_load_explicit(&ids[i], memory_order_relaxed) == id)
            return true;
    return false;
}

/* Asked at every allocation of the runtime. */
static bool fails(void)
{
    static _Thread_local uint64_t state;
    if (!atomic_load_explicit(&is_pressed, memory_order_relaxed))
        return false;
    uint64_t id = es_self().id;
    if (id && (is_among(spared, SPARED, id) || is_among(named, NAMES, id)))
        return false;
    atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed);
    if (!state)
        state = (uint64_t)(uintptr_t)&state ^ 0x9e3779b97f4a7c15u;
    state = state * 6364136223846793005u + 1442695040888963407u;
    if (state >> 33 >= (UINT64_C(1) << 31) / ONE_OF)
        return false;
    atomic_fetch_add_explicit(&failed, 1, memory_order_relaxed);
    return true;
}

/* ---- those who meet ---- */

enum { PRESSED, RECOVERING, CALM, PHASES };
static _Atomic int phase;

/* Each meeting has a record: one that the end of the exchange cut short must not count, one that never came to an end must. */
enum { MEETINGS_MAX = 65536, LONGEST_S = 7 };

struct meeting {
    int64_t begun_ns;
    int phase;
    _Atomic bool has_met;
};
static struct meeting meetings[MEETINGS_MAX];
static _Atomic int meeting_count;

static es_address door;
static _Atomic bool is_open;

static int64_t in_ms(int64_t time_ms)
{
    return es_now_ns() + time_ms * 1000000;
}

static void opens_the_door(void)
{
    es_address any;
    if (es_address_parse("127.0.0.1:0", &any) != ES_OK)
        return;
    int64_t listener = es_listen(&any, NULL);
    if (listener < 0 || es_local_address((int)listener, &door) != ES_OK)
        return;
    atomic_store(&is_open, true);
    for (;;) {
        char buffer[4];
        int64_t fd = es_accept((int)listener, NULL, ES_INFINITY);
        if (fd < 0)
            continue;
        if (es_read_exactly((int)fd, buffer, 4, in_ms(2000)) == 4)
            (void)es_write((int)fd, buffer, 4, in_ms(2000));
        es_close((int)fd);
    }
}

static void meets_once(struct meeting *meeting)
{
    char buffer[4];
    int64_t fd = es_connect(&door, in_ms(2000));
    if (fd >= 0 && es_write((int)fd, "ping", 4, in_ms(2000)) == 4 &&
        es_read_exactly((int)fd, buffer, 4, in_ms(2000)) == 4)
        atomic_store(&meeting->has_met, true);
}

static void begin_meeting(void)
{
    int number = atomic_load(&meeting_count);
    if (number == MEETINGS_MAX)
        return;
    struct meeting *meeting = &meetings[number];
    *meeting = (struct meeting){.begun_ns = es_now_ns(), .phase = atomic_load(&phase)};
    atomic_store(&meeting_count, number + 1);
    es_spawn(meets_once, meeting);
}

/* ---- who takes, and gives back ---- */

static int taken[TAKEN_MAX];
static int taken_count;
static long times_scarce;

static void take_descriptors(void)
{
    for (int fd; taken_count < TAKEN_MAX && (fd = dup(STDERR_FILENO)) >= 0;)
        taken[taken_count++] = fd;
    times_scarce += errno == EMFILE;
}

static void give_descriptors_back(void)
{
    while (taken_count > 0)
        close(taken[--taken_count]);
}

static es_pid called(const char *name)
{
    es_atom atom;
    return es_atom_make(name, strlen(name), &atom) == ES_OK ? es_whereis(atom) : ES_NO_PID;
}

/* Waits for the exchange; and spares its root and those above. */
static void spare_the_top(void)
{
    const struct timespec moment = {0, 10000000};
    while (
        es_pid_is_none(called("listener"))) /* the last to come up; a foreign thread has nobody to tell it */
        nanosleep(&moment, NULL);
    es_info info = {.pid = called("exchange")};
    for (int i = 0; i < SPARED && !es_pid_is_none(info.pid); i++) {
        atomic_store(&spared[i], info.pid.id);
        if (!es_process_info(info.pid, &info))
            break;
        info.pid = info.parent;
    }
}

static void *press(void *unused)
{
    const char *text = getenv("ES_PRESSURE_S");
    long seconds = text ? strtol(text, NULL, 10) : 0;
    const struct timespec pause = {0, 1000000000 / MEETINGS_A_SECOND};
    es_pid keeper = ES_NO_PID;
    (void)unused;
    spare_the_top();
    const int64_t begun_ns = es_now_ns();
    for (long before = -1;;) {
        long second = (long)((es_now_ns() - begun_ns) / 1000000000);
        bool is_over = second >= seconds, is_new = second != before;
        before = second;
        atomic_store(&phase, !is_over ? PRESSED : second < seconds + CALM_AFTER_S ? RECOVERING : CALM);
        atomic_store(&is_pressed, !is_over);
        if (is_new && !is_over && second % 5 == 3)
            take_descriptors();
        else if (is_new)
            give_descriptors_back();
        for (int i = 0; i < NAMES; i++)
            atomic_store(&named[i], called(names[i]).id);
        if (!es_is_alive(keeper)) {
            atomic_store(&is_open, false);
            keeper = es_spawn(opens_the_door);
        }
        if (atomic_load(&is_open))
            begin_meeting();
        nanosleep(&pause, NULL);
    }
    return NULL;
}

__attribute__((constructor(300))) static void begin(void)
{
    esi_fail_by(fails);
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, press, NULL) == 0)
        pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

__attribute__((destructor)) static void tell(void)
{
    long all[PHASES] = {0}, met[PHASES] = {0};
    int64_t now_ns = es_now_ns();
    for (int i = 0; i < atomic_load(&meeting_count); i++) {
        bool has_met = atomic_load(&meetings[i].has_met);
        bool is_due = now_ns - meetings[i].begun_ns > LONGEST_S * INT64_C(1000000000);
        all[meetings[i].phase] += has_met || is_due;
        met[meetings[i].phase] += has_met;
    }
    fprintf(stderr,
            "pressure: %llu of %llu allocations failed, descriptors ran out %ld times; met %ld of %ld under "
            "pressure, %ld of %ld "
            "just after, %ld of %ld later\n",
            (unsigned long long)failed, (unsigned long long)asked, times_scarce, met[PRESSED], all[PRESSED],
            met[RECOVERING], all[RECOVERING], met[CALM], all[CALM]);
}
