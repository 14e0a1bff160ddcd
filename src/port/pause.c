/* pause.c - see pause.h.
 *
 * Whoever pauses leaves itself in one of some places; who closes a descriptor wakes them all. A place that is taken over by another costs the
 * first its early waking only: it looks again after 100 ms. */
#include "port/pause.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/log.h"
#include "platform/clock.h"
#include "platform/os.h"
#include "proc/schedule/worker.h"

enum { PLACES = 16, PAUSE_MS = 100, TURNED_AWAY_AT_ONCE = 256 };

static _Atomic(struct esi_process *) places[PLACES];
static _Atomic(uint64_t) closed_count;
static _Atomic(int32_t) is_anybody_there; /* somebody paused, ever: until then who closes need not look */

/* esi_plug.descriptor_closed */
static void closed(void)
{
    if (!atomic_load_explicit(&is_anybody_there, memory_order_seq_cst))
        return;
    /* seq_cst: before the places; pairs with esi_pause(), which goes to its place and then looks at the count. */
    atomic_fetch_add_explicit(&closed_count, 1, memory_order_seq_cst);
    for (int i = 0; i < PLACES; i++) {
        struct esi_process *p = atomic_load_explicit(&places[i], memory_order_seq_cst);
        if (p && (p = atomic_exchange_explicit(&places[i], NULL, memory_order_seq_cst)))
            esi_wake(p);
    }
}

uint64_t esi_pause_look(void)
{
    return atomic_load_explicit(&closed_count, memory_order_seq_cst);
}

bool esi_pause(struct esi_process *self, uint64_t seen, uint64_t until)
{
    uint64_t over = esi_clock_now_ns() + PAUSE_MS * ESI_NS_PER_MS;
    /* seq_cst: before the count. What was closed before the first pause of all is not counted; that pause is then a whole one. */
    atomic_store_explicit(&is_anybody_there, 1, memory_order_seq_cst);
    for (;;) {
        atomic_store_explicit(&places[self->id % PLACES], self, memory_order_seq_cst);
        uint64_t now = esi_clock_now_ns();
        if (now >= over)
            return true;
        if (now >= until || atomic_load_explicit(&closed_count, memory_order_seq_cst) != seen)
            return false;
        esi_wait(self, until < over ? until : over);
    }
}

void esi_pause_log(int listener)
{
    struct rlimit limit = {0, 0};
    getrlimit(RLIMIT_NOFILE, &limit);
    esi_log_limited(1, ESI_LOG_WARNING,
                    "no descriptors left (RLIMIT_NOFILE is %llu, see ulimit -n): listener %d pauses",
                    (unsigned long long)limit.rlim_cur, listener);
}

/* ---------------------------------------------------------------- the spare */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards both */
static int spare = -1, keepers;

static void reopen(void)
{
    if (spare < 0)
        spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void esi_spare_keep(void)
{
    pthread_mutex_lock(&lock);
    keepers++;
    reopen();
    pthread_mutex_unlock(&lock);
}

void esi_spare_release(void)
{
    pthread_mutex_lock(&lock);
    if (--keepers == 0 && spare >= 0) {
        close(spare);
        spare = -1;
    }
    pthread_mutex_unlock(&lock);
}

void esi_spare_turn_away(int listener)
{
    pthread_mutex_lock(&lock);
    if (spare >= 0) {
        close(spare);
        spare = -1;
        for (int i = 0; i < TURNED_AWAY_AT_ONCE; i++) {
            int fd = esi_os_accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (fd < 0)
                break;
            esi_os_close(fd);
        }
    }
    reopen();
    pthread_mutex_unlock(&lock);
}

__attribute__((constructor(150))) static void plug_in(void)
{
    esi_plug.descriptor_closed = closed;
}
