/* platform/poller.c - see poller.h.
 *
 * The eventfd that interrupts is watched edge-triggered and never read: each write is an edge. `interrupted` keeps
 * a crowd of interrupts from making a crowd of writes.
 *
 *   at the same time       interrupt   wait
 *   interrupt (anyone)     yes         yes
 *   wait (one thread)      yes         no
 *
 * A timerfd stands in for the deadline of a wait that somebody else does, on the epoll descriptor; it is made when it is first needed. It is
 * edge-triggered too and never read: setting it again begins anew.
 *
 * I1  From when `interrupted` becomes true until a wait makes it false there is a write that this wait has been given
 *     or will be given. */
#include "platform/poller.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/assert.h"
#include "platform/clock.h"
#include "platform/platform.h"
#include "platform/sim.h"

#define EVENTS_AT_ONCE 128

struct esi_poller {
    int epoll_fd;
    int interrupt_fd;
    int alarm_fd;      /* only the waiter; -1: none yet */
    uint64_t alarm_ns; /* only the waiter: what alarm_fd is set to; 0: it was never set */
    bool has_pwait2;   /* only the waiter; false once the kernel said no */
    _Atomic bool interrupted;
    bool has_real; /* simulated: real descriptors are watched all the same, and are looked at */
};

static es_err error_from(int code)
{
    switch (code) {
    case ENOMEM:
        return ES_ENOMEM;
    case EMFILE:
    case ENFILE:
    case ENOSPC:
        return ES_ELIMIT;
    case EEXIST:
        return ES_EEXIST;
    case ENOENT:
        return ES_ENOTFOUND;
    case EPERM:
    case EBADF:
    case EINVAL:
    case ELOOP:
        return ES_EINVAL;
    default:
        return ES_EOS;
    }
}

static es_err control(struct esi_poller *poller, int operation, int fd, uint32_t interest, void *tag)
{
    struct epoll_event event = {.events = EPOLLONESHOT, .data.ptr = tag};
    if (interest & ESI_POLL_EDGE)
        event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    if (interest & ESI_POLL_IN)
        event.events |= EPOLLIN | EPOLLRDHUP;
    if (interest & ESI_POLL_OUT)
        event.events |= EPOLLOUT;
    if (epoll_ctl(poller->epoll_fd, operation, fd, &event) == 0)
        return ES_OK;
    return error_from(errno);
}

/* ---- open and close ---- */

es_err esi_poller_open(struct esi_poller **out)
{
    es_err err;
    struct esi_poller *poller = esi_alloc_zeroed(1, sizeof *poller);
    if (!poller)
        return ES_ENOMEM;
    poller->has_pwait2 = true;
    poller->alarm_fd = -1;
    atomic_init(&poller->interrupted, false);
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll_fd < 0) {
        err = error_from(errno);
        goto free_poller;
    }
    poller->interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (poller->interrupt_fd < 0) {
        err = error_from(errno);
        goto close_epoll;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = poller};
    if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, poller->interrupt_fd, &event) != 0) {
        err = error_from(errno);
        goto close_eventfd;
    }
    *out = poller;
    return ES_OK;
close_eventfd:
    close(poller->interrupt_fd);
close_epoll:
    close(poller->epoll_fd);
free_poller:
    esi_free(poller);
    return err;
}

void esi_poller_close(struct esi_poller **given)
{
    struct esi_poller *poller = *given;
    *given = NULL;
    if (!poller)
        return;
    if (poller->alarm_fd >= 0)
        close(poller->alarm_fd);
    close(poller->interrupt_fd);
    close(poller->epoll_fd);
    esi_free(poller);
}

/* ---- for a wait that somebody else does ---- */

int esi_poller_descriptor(const struct esi_poller *poller)
{
    return poller->epoll_fd;
}

static es_err open_alarm(struct esi_poller *poller)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0)
        return error_from(errno);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = &poller->alarm_fd};
    if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        es_err error = error_from(errno);
        close(fd);
        return error;
    }
    poller->alarm_fd = fd;
    return ES_OK;
}

es_err esi_poller_set_alarm(struct esi_poller *poller, uint64_t deadline_ns)
{
    if (deadline_ns == ESI_NO_DEADLINE ||
        (poller->alarm_ns <= deadline_ns && poller->alarm_ns > esi_clock_now_ns()))
        return ES_OK;
    int before = errno;
    es_err error = poller->alarm_fd < 0 ? open_alarm(poller) : ES_OK;
    struct itimerspec at = {.it_value = {.tv_sec = (time_t)(deadline_ns / ESI_NS_PER_S),
                                         .tv_nsec = (long)(deadline_ns % ESI_NS_PER_S)}};
    if (deadline_ns == 0)
        at.it_value.tv_nsec = 1; /* 0 would mean: never */
    if (error == ES_OK && timerfd_settime(poller->alarm_fd, TFD_TIMER_ABSTIME, &at, NULL) != 0)
        error = error_from(errno);
    if (error == ES_OK)
        poller->alarm_ns = deadline_ns;
    errno = before;
    return error;
}

/* ---- who is watched ---- */

static bool is_simulated(int fd)
{
    return esi_platform_is_sim() && esi_sim_owns(fd);
}

es_err esi_poller_add(struct esi_poller *poller, int fd, uint32_t interest, void *tag)
{
    if (is_simulated(fd))
        return esi_sim_watch(poller, fd, interest, tag, true);
    if (esi_platform_is_sim())
        poller->has_real = true;
    return control(poller, EPOLL_CTL_ADD, fd, interest, tag);
}

es_err esi_poller_modify(struct esi_poller *poller, int fd, uint32_t interest, void *tag)
{
    if (is_simulated(fd))
        return esi_sim_watch(poller, fd, interest, tag, false);
    return control(poller, EPOLL_CTL_MOD, fd, interest, tag);
}

void esi_poller_remove(struct esi_poller *poller, int fd)
{
    if (is_simulated(fd))
        esi_sim_unwatch(poller, fd);
    else
        epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* ---- waiting ---- */

static uint64_t left_until(uint64_t deadline_ns)
{
    if (deadline_ns == 0 || esi_platform_is_sim())
        return 0;
    uint64_t now = esi_clock_now_ns();
    return deadline_ns > now ? deadline_ns - now : 0;
}

static int wait_ns(struct esi_poller *poller, uint64_t left_ns, struct epoll_event *events, int max)
{
    struct timespec left = {.tv_sec = (time_t)(left_ns / ESI_NS_PER_S),
                            .tv_nsec = (long)(left_ns % ESI_NS_PER_S)};
    return epoll_pwait2(poller->epoll_fd, events, max, &left, NULL);
}

/* Rounded up: a wait that ends early would make its caller come back again and again. */
static int wait_ms(struct esi_poller *poller, uint64_t left_ns, struct epoll_event *events, int max)
{
    uint64_t left_ms = left_ns / ESI_NS_PER_MS + (left_ns % ESI_NS_PER_MS != 0);
    return epoll_wait(poller->epoll_fd, events, max, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
}

static int wait_until(struct esi_poller *poller, uint64_t deadline_ns, struct epoll_event *events, int max)
{
    if (deadline_ns == ESI_NO_DEADLINE && !esi_platform_is_sim())
        return epoll_wait(poller->epoll_fd, events, max, -1);
    uint64_t left_ns = left_until(deadline_ns);
    if (left_ns == 0 || !poller->has_pwait2)
        return wait_ms(poller, left_ns, events, max);
    int count = wait_ns(poller, left_ns, events, max);
    if (count >= 0 || (errno != ENOSYS && errno != EPERM))
        return count;
    poller->has_pwait2 = false; /* before Linux 5.11, or a sandbox that does not know it */
    return wait_ms(poller, left_ns, events, max);
}

static uint32_t ready_from(uint32_t events)
{
    uint32_t ready = 0;
    if (events & (EPOLLIN | EPOLLRDHUP))
        ready |= ESI_POLL_IN;
    if (events & EPOLLOUT)
        ready |= ESI_POLL_OUT;
    if (events & EPOLLERR)
        ready |= ESI_POLL_ERROR;
    if (events & EPOLLHUP)
        ready |= ESI_POLL_HANGUP;
    if (events & (EPOLLRDHUP | EPOLLPRI))
        ready |= ESI_POLL_STAYS;
    return ready;
}

static int wait_in_epoll(struct esi_poller *poller, uint64_t deadline_ns, struct esi_poll_event *events,
                         int max)
{
    struct epoll_event raw[EVENTS_AT_ONCE];
    int before = errno;
    esi_assert(max > 0);
    int count = wait_until(poller, deadline_ns, raw, max < EVENTS_AT_ONCE ? max : EVENTS_AT_ONCE);
    if (count < 0)
        esi_assert(errno == EINTR);
    int written = 0;
    for (int i = 0; i < count; i++) {
        if (raw[i].data.ptr == &poller->alarm_fd)
            continue; /* who waits looks at the clock anyway */
        if (raw[i].data.ptr != poller) {
            events[written++] = (struct esi_poll_event){raw[i].data.ptr, ready_from(raw[i].events)};
            continue;
        }
        /* Takes effect here: interrupts before it belong to this wait. acquire: pairs with the release in
         * esi_poller_interrupt(); an exchange, so that it reads the latest of them. */
        (void)atomic_exchange_explicit(&poller->interrupted, false, memory_order_acquire);
    }
    errno = before;
    return written;
}

int esi_poller_wait(struct esi_poller *poller, uint64_t deadline_ns, struct esi_poll_event *events, int max)
{
    if (__builtin_expect(!esi_platform_is_sim(), 1))
        return wait_in_epoll(poller, deadline_ns, events, max);
    int count = esi_sim_events(poller, events, max);
    if (count < max && poller->has_real)
        count += wait_in_epoll(poller, 0, events + count, max - count);
    return count;
}

void esi_poller_interrupt(struct esi_poller *poller)
{
    /* release: pairs with the acquire in esi_poller_wait(). If it was true already, the write of whoever
     * made it true is still to be given to a wait (I1), which then sees our release too. */
    if (atomic_exchange_explicit(&poller->interrupted, true, memory_order_release))
        return;
    int before = errno;
    uint64_t one = 1;
    /* Cannot fail but when the counter is full, and each write counts one. */
    ssize_t wrote = write(poller->interrupt_fd, &one, sizeof one);
    (void)wrote;
    errno = before;
}
