/* fd.c - see fd.h.
 *
 * A waiter is a bond of its process: when the process is ended in its wait, the bond takes the waiter off the record. Only the waiting
 * process, or who ends it, takes it off; events and closing just mark it. So a waiter that is woken and does not run yet still hears
 * that the descriptor was closed. */
#include "port/fd.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include "platform/clock.h"
#include "platform/os.h"
#include "platform/poller.h"
#include "port/descriptor.h"
#include "proc/schedule/worker.h"

struct waiter {
    struct esi_bond bond; /* its id is the descriptor's number; not used by a watch */
    struct esi_list in_waiters;
    struct esi_descriptor *descriptor;
    struct esi_process *process; /* NULL: a watch */
    bool (*ready)(void *tag);    /* of a watch, with its tag */
    void *tag;
    uint32_t wanted;
    bool is_ready; /* an event came: not watched for any more */
    bool is_closed;
};

/* ---------------------------------------------------------------- the poller */

/* Shows interest for those who still wait. The poller forgets a descriptor by itself when it is closed behind our back, and a new node
 * has a new poller: so it is asked, not remembered, whether it knows `d`. One that is watched for edges is looked at anew. Under the lock. */
static es_err watch(struct esi_descriptor *d)
{
    uint32_t interest = 0;
    if (atomic_load_explicit(&d->is_watched, memory_order_relaxed))
        return esi_poller_modify(esi_node.poller, d->fd, ESI_POLL_EDGE, esi_descriptor_tag(d));
    ESI_LIST_EACH(it, &d->waiters)
    {
        struct waiter *w = ESI_CONTAINER_OF(it, struct waiter, in_waiters);
        if (!w->is_ready && !w->is_closed)
            interest |= w->wanted;
    }
    if (!interest)
        return ES_OK;
    es_err error = esi_poller_modify(esi_node.poller, d->fd, interest, esi_descriptor_tag(d));
    return error == ES_ENOTFOUND ? esi_poller_add(esi_node.poller, d->fd, interest, esi_descriptor_tag(d))
                                 : error;
}

static void mark_ready(struct esi_descriptor *d, uint32_t ready)
{
    ESI_LIST_EACH(it, &d->waiters)
    {
        struct waiter *w = ESI_CONTAINER_OF(it, struct waiter, in_waiters);
        if (!w->is_ready && (w->wanted & ready)) {
            w->is_ready = w->process ? true : w->ready(w->tag);
            if (w->process)
                esi_wake(w->process);
        }
    }
}

void esi_fd_ready(struct esi_descriptor *d, uint32_t ready)
{
    pthread_mutex_lock(&d->lock);
    mark_ready(d, ready);
    /* If it cannot be watched for the others, they find out by trying. */
    if (!atomic_load_explicit(&d->is_watched, memory_order_relaxed) && watch(d) != ES_OK)
        mark_ready(d, ESI_POLL_IN | ESI_POLL_OUT);
    pthread_mutex_unlock(&d->lock);
}

void esi_fd_forget(struct esi_descriptor *d)
{
    ESI_LIST_EACH(it, &d->waiters)
    {
        struct waiter *w = ESI_CONTAINER_OF(it, struct waiter, in_waiters);
        w->is_closed = true;
        if (w->process)
            esi_wake(w->process);
    }
}

/* ---------------------------------------------------------------- waiting */

static void leave_record(struct waiter *w)
{
    pthread_mutex_lock(&w->descriptor->lock);
    esi_list_remove(&w->in_waiters);
    atomic_fetch_sub_explicit(&w->descriptor->waiter_count, 1, memory_order_relaxed);
    pthread_mutex_unlock(&w->descriptor->lock);
    /* relaxed: a hint for workers whether looking at the poller is worth while. */
    atomic_fetch_sub_explicit(&esi_node.polled, 1, memory_order_relaxed);
}

/* The process was ended while it waited. */
static void waiter_ended(struct esi_process *self, struct esi_bond *bond, es_term reason)
{
    (void)self;
    (void)reason;
    struct waiter *w = ESI_CONTAINER_OF(bond, struct waiter, bond);
    leave_record(w);
    esi_bond_free(w, sizeof *w);
}

static const struct esi_bond_kind waiter_kind = {"descriptor", ESI_BOND_DESCRIPTOR, waiter_ended};

static es_err enter_record(struct waiter *w)
{
    struct esi_descriptor *d = w->descriptor;
    atomic_fetch_add_explicit(&esi_node.polled, 1, memory_order_relaxed);
    pthread_mutex_lock(&d->lock);
    esi_list_push_back(&d->waiters, &w->in_waiters);
    /* relaxed: the watch that follows brings an event, if there is one to bring, to who then sees it. */
    atomic_fetch_add_explicit(&d->waiter_count, 1, memory_order_relaxed);
    es_err error = watch(d);
    pthread_mutex_unlock(&d->lock);
    return error;
}

/* ES_EEXIST: not yet. */
static es_err look(struct waiter *w)
{
    pthread_mutex_lock(&w->descriptor->lock);
    es_err state = w->is_closed ? ES_ECLOSED : w->is_ready ? ES_OK : ES_EEXIST;
    pthread_mutex_unlock(&w->descriptor->lock);
    return state;
}

static es_err wait_marked(struct waiter *w, uint64_t deadline_ns)
{
    for (;;) {
        es_err state = look(w);
        if (state != ES_EEXIST)
            return state;
        if (deadline_ns != ESI_NO_DEADLINE && esi_clock_now_ns() >= deadline_ns)
            return ES_ETIMEOUT;
        esi_wait(w->process, deadline_ns);
    }
}

uint64_t esi_fd_until(int64_t deadline_ns)
{
    return deadline_ns == ES_INFINITY ? ESI_NO_DEADLINE : deadline_ns < 0 ? 0 : (uint64_t)deadline_ns;
}

es_err esi_fd_wait(struct esi_process *self, int fd, uint32_t wanted, int64_t deadline_ns)
{
    struct esi_descriptor *d;
    uint64_t until = esi_fd_until(deadline_ns);
    if (self->is_ending || until <= esi_clock_now_ns())
        return ES_ETIMEOUT;
    es_err error = esi_descriptor_make(fd, &d);
    if (error != ES_OK)
        return error;
    struct waiter *w = esi_bond_new(sizeof *w);
    if (!w)
        return ES_ENOMEM;
    w->descriptor = d;
    w->process = self;
    w->wanted = wanted;
    /* A process waits for one thing at a time: the key is free. */
    esi_bond_insert(self, &w->bond, &waiter_kind, (uint64_t)fd);
    error = enter_record(w);
    if (error == ES_OK)
        error = wait_marked(w, until);
    leave_record(w);
    esi_bond_remove(self, &w->bond);
    esi_bond_free(w, sizeof *w);
    return error;
}

/* ---------------------------------------------------------------- watching without waiting */

struct esi_fd_watch {
    struct waiter waiter;
};

es_err esi_fd_watch_begin(int fd, bool (*ready)(void *tag), void *tag, struct esi_fd_watch **out)
{
    struct esi_descriptor *d;
    es_err error = esi_descriptor_make(fd, &d);
    if (error != ES_OK)
        return error;
    struct esi_fd_watch *watch = esi_bond_new(sizeof *watch);
    if (!watch)
        return ES_ENOMEM;
    watch->waiter.descriptor = d;
    watch->waiter.wanted = ESI_POLL_IN;
    watch->waiter.ready = ready;
    watch->waiter.tag = tag;
    *out = watch; /* before it can be ready */
    error = enter_record(&watch->waiter);
    if (error != ES_OK)
        esi_fd_watch_end(watch);
    return error;
}

void esi_fd_watch_end(struct esi_fd_watch *watch)
{
    leave_record(&watch->waiter);
    esi_bond_free(watch, sizeof *watch);
}

/* ---------------------------------------------------------------- what the calls share */

es_err esi_fd_enter(const char *call, struct esi_process **out)
{
    struct esi_process *self = esi_enter();
    if (!self) {
        esi_fail(NULL, ES_ENOPROC, "%s: called in a thread that is no process", call);
        return ES_ENOPROC;
    }
    *out = self;
    return ES_OK;
}

es_err esi_fd_refused(struct esi_process *self, const char *call, int code)
{
    char text[128];
    es_err error = code == EBADF ? ES_ECLOSED : ES_EOS;
    esi_fail(self, error, "%s: %s", call, strerror_r(code, text, sizeof text));
    *es_errno() = code;
    return error;
}

es_err esi_fd_wait_failed(struct esi_process *self, const char *call, int fd, es_err error)
{
    return esi_fail(self, error, "%s: waiting for descriptor %d: %s", call, fd,
                    error == ES_ETIMEOUT ? "not before the deadline, a time of es_now_ns()"
                                         : es_strerror(error));
}

/* ---------------------------------------------------------------- any descriptor */

/* The events of `fd` now; 0: none; or an error. */
static int64_t poll_now(struct esi_process *self, int fd, int events)
{
    struct pollfd one = {.fd = fd, .events = (short)events};
    int count;
    do
        count = esi_os_poll(&one, 1, 0);
    while (count < 0 && *es_errno() == EINTR);
    if (count < 0)
        return esi_fd_refused(self, "wait_fd", *es_errno());
    if (count > 0 && (one.revents & POLLNVAL))
        return esi_fd_refused(self, "wait_fd", EBADF);
    return count > 0 ? one.revents : 0;
}

static int64_t wait_for_events(struct esi_process *self, int fd, int events, int64_t deadline_ns)
{
    uint32_t wanted = (events & POLLIN ? ESI_POLL_IN : 0u) | (events & POLLOUT ? ESI_POLL_OUT : 0u);
    if (!wanted || (events & ~(POLLIN | POLLOUT)))
        return esi_fail(self, ES_EINVAL, "wait_fd: events are POLLIN, POLLOUT or both");
    for (;;) {
        int64_t now = poll_now(self, fd, events);
        if (now != 0)
            return now;
        es_err error = esi_fd_wait(self, fd, wanted, deadline_ns);
        if (error != ES_OK)
            return esi_fd_wait_failed(self, "wait_fd", fd, error);
    }
}

int64_t es_wait_fd(int fd, int events, int64_t deadline_ns)
{
    struct esi_process *self;
    es_err error = esi_fd_enter("wait_fd", &self);
    if (error != ES_OK)
        return error;
    int64_t result = wait_for_events(self, fd, events, deadline_ns);
    esi_leave();
    return result;
}
