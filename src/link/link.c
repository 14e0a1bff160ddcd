/* link.c - links: a bond in each of two processes, and the signals that make and end them.
 *
 *   LINK            make the other half. The block becomes the bond of who gets it: arriving needs no memory.
 *   UNLINK{id}      take the other half away, and say so. The same block goes back as
 *   UNLINK_ACK{id}  now the half that asked may go, if it still waits for this very id.
 *   LINK_EXIT       the other half's process ended.
 *
 * A half is LINKED, or UNLINKING from es_unlink() until the answer comes:
 *
 *   none --es_link, LINK--> LINKED --es_unlink--> UNLINKING{id} --ACK{id}--> none
 *                             ^  |                     |
 *                             |  +--UNLINK, EXIT--> none
 *                             +------- es_link --------+
 *
 * While UNLINKING, a LINK_EXIT means nothing (that is what es_unlink() promises), and so does a LINK: the other sent it before it got
 * our UNLINK, which takes its half away; one sent later arrives behind the ACK. An UNLINK from the other side is answered and
 * changes nothing. An ACK always comes: where nobody is, whoever notices answers. The order of signals between
 * two processes does the rest. Source: OTP, "Link Protocol" in the ERTS distribution protocol. */
#include <engset/link.h>

#include "link/exit_signal.h"
#include "link/link.h"
#include "link/reason.h"

/* The payload of LINK, and the bond. */
struct link {
    struct esi_bond bond;
    uint64_t from;      /* of the signal: who wants the link */
    uint64_t unlink_id; /* of the bond: UNLINK with this id was sent, the answer is awaited; 0: linked */
};
_Static_assert(sizeof(struct link) >= ESI_EXIT_WORDS * sizeof(uint64_t),
               "a bond's block can become a LINK_EXIT");

/* The payload of UNLINK and UNLINK_ACK. */
struct unlink_note {
    uint64_t from, id;
};

static const struct esi_signal_kind link_kind, unlink_kind, unlink_ack_kind, link_exit_kind;
static const struct esi_bond_kind link_bond;

static struct esi_message *link_new(uint64_t from)
{
    struct esi_message *block = esi_message_new(sizeof(struct link));
    if (block)
        *(struct link *)(void *)block->words = (struct link){.from = from};
    return block;
}

static struct link *link_in(struct esi_message *block)
{
    return (struct link *)(void *)block->words;
}

static struct link *link_to(struct esi_process *self, uint64_t other)
{
    return (struct link *)(void *)esi_bond_find(self, ESI_BOND_LINK, other);
}

/* es_process_info() shows so many more links: one that is UNLINKING is none any more to who asks. */
static void show(struct esi_process *self, int32_t more)
{
    esi_bond_count(self, ESI_BOND_LINK, more);
}

static void link_forget(struct esi_process *self, struct link *link)
{
    if (link->unlink_id)
        show(self, 1); /* removing takes it off once more */
    esi_bond_remove(self, &link->bond);
    esi_message_free(esi_message_of(link));
}

/* `block`, which held a bond or a LINK, tells `to` that `from` ended. `larger`: NULL, or a block that holds the reason behind such room; it is
 * ours then. */
static void link_exit_send(struct esi_message *block, uint64_t from, uint64_t to, es_term reason,
                           struct esi_message *larger)
{
    if (!esi_is_one_word(reason)) {
        if (larger)
            esi_exit_put(larger, from, reason);
        else if (esi_exit_new(from, reason, &larger) != ES_OK)
            reason = es_from_atom(
                es_am_system_limit); /* without memory for its reason an end is told all the same */
    }
    if (larger) {
        esi_message_free(block);
        block = larger;
    } else {
        esi_exit_put(block, from, reason);
    }
    block->kind = &link_exit_kind;
    esi_signal_send_direct(to, block);
}

static void link_ended(struct esi_process *self, struct esi_bond *bond, es_term reason)
{
    struct link *link = (struct link *)(void *)bond;
    uint64_t other = bond->node.key.b;
    if (link->unlink_id)
        esi_message_free(esi_message_of(link));
    else
        link_exit_send(esi_message_of(link), self->id, other, reason, esi_reason_take(self));
}

static const struct esi_bond_kind link_bond = {.name = "link", .order = ESI_BOND_LINK, .ended = link_ended};

/* ------------------------------------------------------------ LINK */

static void link_arrives(struct esi_process *self, struct esi_message *signal)
{
    struct link *link = link_in(signal);
    if (!esi_bond_insert(self, &link->bond, &link_bond, link->from))
        esi_message_free(signal);
}

static void link_meets_nobody(struct esi_message *signal)
{
    link_exit_send(signal, signal->to, link_in(signal)->from, es_from_atom(es_am_noproc), NULL);
}

static const struct esi_signal_kind link_kind = {
    .name = "link", .arrive = link_arrives, .nobody = link_meets_nobody};

/* ------------------------------------------------------------ UNLINK, UNLINK_ACK */

static struct unlink_note *unlink_note(struct esi_message *block)
{
    return (struct unlink_note *)(void *)block->words;
}

static void unlink_answer(struct esi_message *signal)
{
    struct unlink_note *note = unlink_note(signal);
    uint64_t asker = note->from;
    note->from = signal->to;
    signal->kind = &unlink_ack_kind;
    esi_signal_send(asker, signal);
}

static void unlink_arrives(struct esi_process *self, struct esi_message *signal)
{
    struct link *link = link_to(self, unlink_note(signal)->from);
    if (link && !link->unlink_id)
        link_forget(self, link);
    unlink_answer(signal);
}

static const struct esi_signal_kind unlink_kind = {
    .name = "unlink", .arrive = unlink_arrives, .nobody = unlink_answer};

static void unlink_ack_arrives(struct esi_process *self, struct esi_message *signal)
{
    const struct unlink_note *note = unlink_note(signal);
    struct link *link = link_to(self, note->from);
    if (link && link->unlink_id == note->id)
        link_forget(self, link);
    esi_message_free(signal);
}

static const struct esi_signal_kind unlink_ack_kind = {.name = "unlink_ack", .arrive = unlink_ack_arrives};

/* ------------------------------------------------------------ LINK_EXIT */

static void link_exit_arrives(struct esi_process *self, struct esi_message *signal)
{
    struct link *link = link_to(self, esi_exit_from(signal));
    if (!link || link->unlink_id) {
        esi_message_free(signal);
        return;
    }
    link_forget(self, link);
    es_term reason = esi_exit_reason(signal);
    switch (esi_exit_effect_linked(reason, esi_traps(self))) {
    case ESI_EXIT_IS_MESSAGE:
        esi_exit_to_mailbox(self, signal);
        return;
    case ESI_EXIT_ENDS:
        esi_process_doom(self, reason);
        break;
    case ESI_EXIT_IGNORED:
        break;
    }
    esi_message_free(signal);
}

static bool link_exit_must_end(struct esi_process *self, const struct esi_message *signal)
{
    struct link *link = link_to(self, esi_exit_from(signal));
    return link && !link->unlink_id &&
           esi_exit_effect_linked(esi_exit_reason(signal), esi_traps(self)) == ESI_EXIT_ENDS;
}

static const struct esi_signal_kind link_exit_kind = {
    .name = "link_exit", .arrive = link_exit_arrives, .must_end = link_exit_must_end};

/* ------------------------------------------------------------ the calls */

static es_err link_make(struct esi_process *self, uint64_t other)
{
    struct link *link = link_to(self, other);
    if (link && !link->unlink_id)
        return ES_OK;
    struct esi_message *signal = link_new(self->id);
    if (!signal)
        return ES_ENOMEM;
    signal->kind = &link_kind;
    if (link) {
        link->unlink_id = 0;
        show(self, 1);
    } else {
        struct esi_message *own = link_new(0);
        if (!own) {
            esi_message_free(signal);
            return ES_ENOMEM;
        }
        esi_bond_insert(self, &link_in(own)->bond, &link_bond, other);
    }
    if (!esi_signal_send_direct(other, signal))
        esi_settle(
            self); /* the answer `noproc` is in the inbox: here, as in Erlang, a link to nobody fails at once */
    return ES_OK;
}

/* There is no way to another node: as if the connection had just been lost. */
static es_err link_to_node(struct esi_process *self, es_pid pid)
{
    if (!esi_traps(self))
        esi_end_with(self, es_from_atom(es_am_noconnection));
    struct esi_message *message;
    es_err error = esi_message_copy(es_lend(ES_TUPLE(es_am_EXIT, pid, es_am_noconnection)), &message);
    if (error == ES_OK)
        esi_signal_push(self->id, message);
    return error;
}

es_err es_link(es_pid pid)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return ES_ENOPROC;
    if (es_pid_is_none(pid))
        esi_badarg(self, "link");
    es_err error = ES_OK;
    if (pid.node)
        error = link_to_node(self, pid);
    else if (pid.id != self->id)
        error = link_make(self, pid.id);
    esi_charge(self, 1);
    esi_leave();
    return error;
}

/* Never 0. relaxed: only that it is unique counts. */
static uint64_t fresh_unlink_id(void)
{
    static _Atomic(uint64_t) last;
    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

static es_err link_unmake(struct esi_process *self, uint64_t other)
{
    struct link *link = link_to(self, other);
    if (!link || link->unlink_id)
        return ES_OK;
    struct esi_message *signal = esi_message_new(sizeof(struct unlink_note));
    if (!signal)
        return ES_ENOMEM;
    link->unlink_id = fresh_unlink_id();
    show(self, -1);
    *unlink_note(signal) = (struct unlink_note){self->id, link->unlink_id};
    signal->kind = &unlink_kind;
    esi_signal_send(other, signal);
    return ES_OK;
}

es_err es_unlink(es_pid pid)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return ES_ENOPROC;
    if (es_pid_is_none(pid))
        esi_badarg(self, "unlink");
    es_err error = pid.node ? ES_OK : link_unmake(self, pid.id);
    esi_charge(self, 1);
    esi_leave();
    return error;
}

es_err esi_link_spawn(struct esi_process *self, struct esi_process *child)
{
    struct esi_message *ours = link_new(0), *theirs = link_new(0);
    if (!ours || !theirs) {
        if (ours)
            esi_message_free(ours);
        if (theirs)
            esi_message_free(theirs);
        return ES_ENOMEM;
    }
    esi_bond_insert(self, &link_in(ours)->bond, &link_bond, child->id);
    esi_bond_insert(child, &link_in(theirs)->bond, &link_bond, self->id);
    return ES_OK;
}

void esi_link_spawn_undo(struct esi_process *self, struct esi_process *child)
{
    struct link *ours = link_to(self, child->id), *theirs = link_to(child, self->id);
    if (ours)
        link_forget(self, ours);
    if (theirs)
        link_forget(child, theirs);
}
