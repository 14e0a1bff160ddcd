/* exit_signal.c - es_send_exit(), es_trap_exit(), and how an exit reason gets into a mailbox. */
#include "link/exit_signal.h"

#include "proc/outside.h"

#include "link/reason.h"
#include "proc/mailbox/block.h"
#include "term/build.h"

enum { SETTLE_AT_ONCE = 256 };

static es_term sender_term(uint64_t from)
{
    return from ? esi_from_local_pid(from) : es_from_atom(es_am_undefined);
}

void esi_exit_put(struct esi_message *block, uint64_t from, es_term reason)
{
    uint64_t *at = block->words, *elements;
    *at++ = from;
    block->term = esi_put_tuple(&at, 3, &elements);
    elements[0] = es_am_EXIT.w;
    elements[1] = sender_term(from).w;
    elements[2] = reason.w;
    block->tag = esi_tuple_tag(3, es_am_EXIT);
}

es_err esi_exit_new(uint64_t from, es_term reason, struct esi_message **out)
{
    es_err error = esi_message_copy_behind_here(ESI_EXIT_WORDS * sizeof(uint64_t), reason, out);
    if (error == ES_OK)
        esi_exit_put(*out, from, (*out)->term);
    return error;
}

void esi_exit_to_mailbox(struct esi_process *self, struct esi_message *signal)
{
    signal->kind = NULL;
    esi_deliver(self, signal);
}

void esi_settle(struct esi_process *self)
{
    while (!self->is_doomed && !esi_signals_take(self, SETTLE_AT_ONCE)) {
    }
    if (self->is_doomed)
        esi_end_now(self);
}

/* ------------------------------------------------------------ the signal EXIT */

static enum esi_exit_effect effect_of(struct esi_process *self, const struct esi_message *signal)
{
    bool is_from_self = esi_exit_from(signal) == atomic_load_explicit(&self->id, memory_order_relaxed);
    return esi_exit_effect_sent(esi_exit_reason(signal), is_from_self, esi_traps(self));
}

static void exit_arrives(struct esi_process *self, struct esi_message *signal)
{
    es_term reason = esi_exit_reason(signal);
    switch (effect_of(self, signal)) {
    case ESI_EXIT_IS_MESSAGE:
        esi_exit_to_mailbox(self, signal);
        return;
    case ESI_EXIT_ENDS:
        esi_process_doom(self, es_is(reason, es_am_kill) ? es_from_atom(es_am_killed) : reason);
        break;
    case ESI_EXIT_IGNORED:
        break;
    }
    esi_message_free(signal);
}

static bool exit_must_end(struct esi_process *self, const struct esi_message *signal)
{
    return effect_of(self, signal) == ESI_EXIT_ENDS;
}

static const struct esi_signal_kind exit_kind = {
    .name = "exit", .arrive = exit_arrives, .must_end = exit_must_end};

static es_err send_exit(struct esi_process *self, es_pid to, es_term reason)
{
    struct esi_message *signal;
    es_err error = esi_exit_new(self ? self->id : 0, reason, &signal);
    if (error != ES_OK)
        return error;
    signal->kind = &exit_kind;
    esi_signal_send_direct(to.id, signal);
    return ES_OK;
}

static es_err send_exit_from_outside(es_pid to, es_term reason)
{
    if (es_pid_is_none(to))
        return esi_fail(NULL, ES_EINVAL, "send_exit: the pid is none");
    if (!esi_outside_enter())
        return esi_fail(NULL, ES_ECLOSED, "send_exit: " ESI_NO_NODE);
    es_err error = to.node ? ES_OK : send_exit(NULL, to, reason);
    esi_outside_leave();
    return error;
}

es_err esi_send_exit(es_pid to, es_term reason)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return send_exit_from_outside(to, reason);
    es_err error = ES_EINVAL;
    if (!es_pid_is_none(to))
        error = to.node ? ES_OK : send_exit(self, to, reason);
    if (error == ES_EINVAL)
        esi_badarg(self, "send_exit");
    if (!to.node && to.id == self->id)
        esi_settle(self);
    esi_charge(self, 1);
    esi_leave();
    return error;
}

bool es_trap_exit(bool on)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return false;
    /* relaxed: only the process itself, and who acts on its behalf, decides by it. */
    uint32_t before =
        on ? atomic_fetch_or_explicit(&self->flags, ESI_FLAG_TRAPS, memory_order_relaxed)
           : atomic_fetch_and_explicit(&self->flags, ~(uint32_t)ESI_FLAG_TRAPS, memory_order_relaxed);
    esi_leave();
    return before & ESI_FLAG_TRAPS;
}
