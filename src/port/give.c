/* give.c - a descriptor gets another owner.
 *
 * Owning is the owner's own record, so a signal brings it. What came as messages in active mode and was not received goes after the signal;
 * meanwhile the descriptor is held: nothing is read, so that nothing new overtakes it. */
#include <engset/port.h>

#include "port/descriptor.h"
#include "port/stream.h"
#include "proc/mailbox/message.h"
#include "proc/mailbox/send.h"
#include "proc/own.h"

/* Passed on already, or never to be, since the giver ends. */
static void release(struct esi_process *self, struct esi_descriptor *d)
{
    bool was_held = false;
    pthread_mutex_lock(&d->lock);
    struct esi_stream *s = atomic_load_explicit(&d->stream, memory_order_relaxed);
    if (s && s->holder == self->id) {
        s->holder = 0;
        was_held = true;
    }
    pthread_mutex_unlock(&d->lock);
    if (was_held)
        esi_stream_ready(d);
}

/* The giver is ended while it passes on. */
static void let_go(void *descriptor)
{
    struct esi_process *self = esi_enter();
    release(self, descriptor);
    esi_leave();
}

/* It may have messages to pass on, and is held meanwhile. */
static bool must_be_held(struct esi_process *self, struct esi_descriptor *d)
{
    return esi_descriptor_is_of(d, self) && atomic_load_explicit(&d->stream, memory_order_relaxed);
}

/* It belongs to `owner` from here on, and is held by `holder`, if not 0. */
static void change_owner(struct esi_descriptor *d, uint64_t owner, uint64_t holder)
{
    pthread_mutex_lock(&d->lock);
    struct esi_stream *s = atomic_load_explicit(&d->stream, memory_order_relaxed);
    if (s && holder)
        s->holder = holder;
    atomic_store_explicit(&d->owner, owner, memory_order_relaxed);
    pthread_mutex_unlock(&d->lock);
}

/* The signal that brings a descriptor to its new owner. */
static void given_arrives(struct esi_process *self, struct esi_message *signal)
{
    int fd = (int)signal->words[0];
    esi_message_free(signal);
    if (esi_own_fd(self, fd) == ES_OK)
        return;
    esi_close_fd(fd);
    esi_process_doom(self, es_from_atom(es_am_system_limit));
}

static void given_to_nobody(struct esi_message *signal)
{
    int fd = (int)signal->words[0];
    esi_message_free(signal);
    esi_close_fd(fd);
}

static const struct esi_signal_kind given_kind = {
    .name = "descriptor_given", .arrive = given_arrives, .nobody = given_to_nobody};

ES_ATOMS(tcp, tcp_closed, tcp_error, tcp_passive);

/* It was bounded when it came: no message limit drops it on the way. Without memory the giver ends: bytes are missing, and somebody has to
 * hear of it. */
static void pass(es_pid to, es_term message)
{
    struct esi_message *block;
    struct esi_process *self = esi_enter();
    if (esi_message_copy(message, &block) != ES_OK)
        esi_end_with(self, es_from_atom(es_am_system_limit));
    esi_send_uncounted(to.id, block);
    esi_charge(self, 4);
    esi_leave();
}

/* Passes on what came as messages and was not received. In user mode, as any receive. */
static void pass_on(int fd, es_pid to)
{
    es_term data;
    for (bool more = true; more;) {
        es_receive {
            es_case(ES_TUPLE(tcp, fd, &data))
                pass(to, es_lend(ES_TUPLE(tcp, fd, data)));
            es_case(ES_TUPLE(tcp_passive, fd))
                pass(to, es_lend(ES_TUPLE(tcp_passive, fd)));
            es_case(ES_TUPLE(tcp_error, fd, &data))
                pass(to, es_lend(ES_TUPLE(tcp_error, fd, data)));
            es_case(ES_TUPLE(tcp_closed, fd))
                pass(to, es_lend(ES_TUPLE(tcp_closed, fd)));
            es_after(0)
                more = false;
        }
    }
}

static bool is_alive(es_pid pid)
{
    struct esi_process *p = pid.node ? NULL : esi_process_slot(pid.id);
    return p && pid.id && esi_process_is(p, pid.id);
}

/* The signal, once nothing can go wrong any more: what lets go of `d` when we are ended meanwhile is owned, too. ES_OK also for oneself,
 * without one. */
static es_err begin_to_give(struct esi_process *self, int fd, struct esi_descriptor *d, es_pid pid,
                            struct esi_message **out)
{
    *out = NULL;
    if (pid.id == self->id && !pid.node)
        return ES_OK;
    if (!is_alive(pid))
        return esi_fail(self, ES_ENOPROC, "fd_give: no such process on this node");
    struct esi_message *signal = esi_message_new(sizeof(uint64_t));
    if (!signal || (must_be_held(self, d) && esi_own(self, d, let_go) != ES_OK)) {
        if (signal)
            esi_message_free(signal);
        return esi_fail(self, ES_ENOMEM, "fd_give: %s", es_strerror(ES_ENOMEM));
    }
    if (!esi_disown_fd(self, fd)) {
        esi_disown(self, d, let_go);
        esi_message_free(signal);
        return esi_fail(self, ES_ENOTFOUND, "fd_give: descriptor %d is not this process's", fd);
    }
    signal->kind = &given_kind;
    signal->words[0] = (uint64_t)fd;
    *out = signal;
    return ES_OK;
}

/* The order: it is held; the new owner owns it, so that it may do something about the messages; they come; it is let go. */
static void give(struct esi_process *self, struct esi_descriptor *d, es_pid pid, struct esi_message *signal)
{
    bool is_held = must_be_held(self, d);
    int fd = (int)signal->words[0];
    if (esi_descriptor_is_of(d, self))
        change_owner(d, pid.id, is_held ? self->id : 0);
    esi_signal_send(pid.id, signal);
    if (!is_held)
        return;
    esi_leave();
    pass_on(fd, pid);
    esi_enter();
    esi_disown(self, d, let_go);
    release(self, d);
}

es_err es_fd_give(int fd, es_pid pid)
{
    struct esi_process *self;
    struct esi_message *signal;
    es_err error = esi_fd_enter("fd_give", &self);
    if (error != ES_OK)
        return error;
    struct esi_descriptor *d = esi_descriptor_find(fd);
    error = begin_to_give(self, fd, d, pid, &signal);
    if (signal)
        give(self, d, pid, signal);
    esi_charge(self, 4);
    esi_leave();
    return error;
}
