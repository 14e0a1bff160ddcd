/* send.c - a message on its way: copied into one block, pushed into the receiver's inbox. */
#include "base/probe.h"
#include "proc/mailbox/block.h"
#include "proc/node.h"
#include "proc/outside.h"
#include "proc/process.h"
#include "proc/mailbox/send.h"
#include "proc/schedule/worker.h"
#include "proc/contain/trail.h"
#include "term/copy.h"

/* Ended by its own mailbox: the policy `kill`. */
static void limit_arrive(struct esi_process *self, struct esi_message *signal)
{
    esi_message_free(signal);
    self->is_faulted = true;
    esi_trail_note(self);
    esi_process_doom(self, es_from_atom(es_am_message_limit));
}

static bool limit_must_end(struct esi_process *self, const struct esi_message *signal)
{
    (void)self, (void)signal;
    return true;
}

static const struct esi_signal_kind limit_kind = {"message_limit", limit_arrive, NULL, limit_must_end};

/* One too many. True: it goes in all the same. */
static bool admit_over_limit(struct esi_process *p, uint64_t to)
{
    switch (atomic_load_explicit(&p->limit_policy, memory_order_relaxed)) {
    case ES_LIMIT_DROP_OLDEST:
        return true;
    case ES_LIMIT_KILL: {
        struct esi_message *signal = esi_message_new(0);
        if (signal) {
            signal->kind = &limit_kind;
            esi_signal_send(to, signal);
        }
        return false;
    }
    default:
        return false;
    }
}

/* May a message from somebody else go into the mailbox of `p`? Counts it. */
static bool admit(struct esi_process *p, uint64_t to, struct esi_message *message)
{
    enum esi_room room = esi_room_take(p, to);
    if (room == ESI_ROOM_NONE && admit_over_limit(p, to))
        room = esi_room_overdraw(p, to);
    message->is_counted = room == ESI_ROOM_TAKEN;
    /* A figure to be shown: if `to` ends just now it may be the next one's. */
    if (room == ESI_ROOM_NONE && esi_process_is(p, to))
        esi_count_dropped(p);
    return message->is_counted;
}

/* What a message more costs who sends to one that is far behind and awake: two of them are a turn. So it can catch up, and what waits for it
 * stays in the cache, where it is received in half the time. */
enum { REDUCTIONS_TO_ONE_BEHIND = ESI_BUDGET / 2 };

/* `p`, which is in `flags`, wants to be asked or spared. False: the message does not go in. */
static __attribute__((noinline)) bool heed_receiver(struct esi_process *self, struct esi_process *p,
                                                    uint32_t flags, uint64_t to, struct esi_message *message)
{
    if (p == self || !esi_process_is(p, to))
        return true;
    if (self && (flags & ESI_FLAG_BEHIND) && !esi_inbox_is_waiting(&p->inbox))
        self->budget -= REDUCTIONS_TO_ONE_BEHIND;
    return !(flags & ESI_FLAG_LIMITED) || admit(p, to, message);
}

void esi_send_block(struct esi_process *self, uint64_t to, struct esi_message *message)
{
    struct esi_process *p = esi_process_slot(to);
    esi_probe(SEND, self ? self->id : 0, to, (uintptr_t)message);
    uint32_t flags = p ? atomic_load_explicit(&p->flags, memory_order_relaxed) : 0;
    if (__builtin_expect(flags & (ESI_FLAG_LIMITED | ESI_FLAG_BEHIND), 0) &&
        !heed_receiver(self, p, flags, to, message)) {
        esi_message_free(message);
        return;
    }
    if (!esi_signal_push_at(p, to, message))
        esi_message_free(message);
}

void esi_send_uncounted(uint64_t to, struct esi_message *message)
{
    esi_probe(SEND, 0, to, (uintptr_t)message);
    if (!esi_signal_push(to, message))
        esi_message_free(message);
}

static es_err send_local(struct esi_process *self, uint64_t to, es_term term)
{
    struct esi_process *p = esi_process_slot(to);
    if (p)
        esi_process_prefetch(p);
    struct esi_message *message;
    es_err error = esi_message_copy_here(term, &message);
    if (error == ES_EINVAL && self)
        esi_badarg(self, "send");
    if (error != ES_OK)
        return esi_fail(self, error, "send: %s",
                        error == ES_EINVAL ? "a pattern cannot be sent" : es_strerror(error));
    esi_send_block(self, to, message);
    return ES_OK;
}

/* A message costs its sender more than its receiver: one reduction to take it from the inbox, one to receive it. So who only sends runs
 * for a shorter time than who receives needs to keep up, and a mailbox between the two stays as short as a slice. */
enum { REDUCTIONS_A_SEND = 4 };

static inline es_err done(struct esi_process *self, es_err error)
{
    esi_charge(self, REDUCTIONS_A_SEND);
    esi_leave_here();
    return error;
}

static es_err no_node(void)
{
    return esi_fail(NULL, ES_ECLOSED, "send: " ESI_NO_NODE);
}

static __attribute__((noinline)) es_err send_pid_from_outside(es_pid to, es_term message)
{
    if (!esi_outside_enter())
        return no_node();
    es_err error = to.node ? ES_OK : send_local(NULL, to.id, message);
    esi_outside_leave();
    return error;
}

es_err esi_send_pid(es_pid to, es_term message)
{
    struct esi_process *self = esi_enter_here();
    if (__builtin_expect(!self, 0))
        return send_pid_from_outside(to, message);
    if (to.node)
        return done(self,
                    ES_OK); /* nodes elsewhere: nobody carries there yet, as if the connection were down */
    return done(self, send_local(self, to.id, message));
}

es_err esi_send_tagged(es_pid to, es_atom tag, es_term message)
{
    enum { PAIR = 2, WORDS = 1 + PAIR };
    struct esi_process *self = esi_enter_here();
    if (__builtin_expect(!self || to.node, 0)) {
        if (self)
            esi_leave_here();
        return esi_send_pid(to, es_lend(ES_TUPLE(tag, message)));
    }
    struct esi_message *block;
    es_err error = esi_message_copy_behind_here(WORDS * sizeof(uint64_t), message, &block);
    if (error == ES_EINVAL)
        esi_badarg(self, "send");
    if (error != ES_OK)
        return done(self, esi_fail(self, error, "send: %s", es_strerror(error)));
    block->words[0] = ESI_HEADER(ESI_TUPLE, PAIR);
    block->words[1] = tag.w;
    block->words[2] = block->term.w;
    block->term = (es_term){esi_word_of_box(block->words)};
    block->tag = esi_tuple_tag(PAIR, tag);
    esi_send_block(self, to.id, block);
    return done(self, ES_OK);
}

static es_err send_name(struct esi_process *self, es_atom to, es_term message)
{
    uint64_t id = esi_plug.whereis ? esi_plug.whereis(to) : 0;
    if (!id)
        return esi_fail(self, ES_ENAME, "send: no process is registered as '%s'", es_atom_text(to));
    return send_local(self, id, message);
}

static __attribute__((noinline)) es_err send_name_from_outside(es_atom to, es_term message)
{
    if (!esi_outside_enter())
        return no_node();
    es_err error = send_name(NULL, to, message);
    esi_outside_leave();
    return error;
}

es_err esi_send_name(es_atom to, es_term message)
{
    struct esi_process *self = esi_enter_here();
    if (__builtin_expect(!self, 0))
        return send_name_from_outside(to, message);
    return done(self, send_name(self, to, message));
}

es_err esi_send_at(es_name to, es_term message)
{
    if (!es_atom_equal(to.node, es_am_nonode_nohost))
        return ES_OK;
    es_err error = esi_send_name(to.name, message);
    return error == ES_ENAME ? ES_OK : error;
}

/* Through an alias: the receiver decides when it arrives. */
static void alias_arrive(struct esi_process *self, struct esi_message *block)
{
    if (!esi_plug.alias_admits || !esi_plug.alias_admits(self, block->words[0])) {
        esi_message_free(block);
        return;
    }
    block->kind = NULL;
    esi_deliver(self, block);
}

static const struct esi_signal_kind alias_kind = {"alias_message", alias_arrive, NULL, NULL};

static es_err send_ref(struct esi_process *self, es_ref to, es_term message)
{
    if (to.node || !to.pid)
        return ES_OK;
    struct esi_message *block;
    es_err error = esi_message_copy_behind(sizeof(uint64_t), message, &block);
    if (error == ES_EINVAL && self)
        esi_badarg(self, "send");
    if (error != ES_OK)
        return esi_fail(self, error, "send: %s", es_strerror(error));
    block->kind = &alias_kind;
    block->words[0] = to.id;
    if (!esi_signal_push(to.pid, block))
        esi_message_free(block);
    return ES_OK;
}

static __attribute__((noinline)) es_err send_ref_from_outside(es_ref to, es_term message)
{
    if (!esi_outside_enter())
        return no_node();
    es_err error = send_ref(NULL, to, message);
    esi_outside_leave();
    return error;
}

es_err esi_send_ref(es_ref to, es_term message)
{
    struct esi_process *self = esi_enter_here();
    if (__builtin_expect(!self, 0))
        return send_ref_from_outside(to, message);
    return done(self, send_ref(self, to, message));
}

es_err esi_send_term(es_term to, es_term message)
{
    es_pid pid;
    es_ref ref;
    es_atom name;
    if (es_get_pid(to, &pid))
        return esi_send_pid(pid, message);
    if (es_get_atom(to, &name))
        return esi_send_name(name, message);
    if (es_get_ref(to, &ref))
        return esi_send_ref(ref, message);
    es_name at;
    if (es_match(to, ES_TUPLE(&at.name, &at.node)))
        return esi_send_at(at, message);
    struct esi_process *self = esi_enter_here();
    if (self)
        esi_badarg(self, "send");
    return esi_fail(NULL, ES_EINVAL, "send: neither a pid, a name, a reference nor {Name, Node}");
}
