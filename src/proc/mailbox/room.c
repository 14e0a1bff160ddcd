/* room.c - es_send_wait(): a sender that is slowed down by its receiver.
 *
 * The sender takes a place by counting its message, as long as there is room; else it asks the receiver, and waits. The receiver keeps a bond
 * for each that asks, in the order in which they came. Each message that leaves its mailbox lets one of them go on, who then tries again and,
 * if somebody who did not wait was faster, asks again. That nobody waits for ever:
 *
 * I1  Who asks is answered at once if there is room when its question arrives.
 * I2  Whoever was let go and does not come to use it (its time is over, or it ended) tells the receiver to forget it; the receiver then
 *     lets the next one go. A sender that ends does this by a bond of its own.
 * I3  When the receiver ends, all who ask are told.
 * I4  Before it waits, a sender publishes for whom (waits_for) and then follows these words from mailbox to full mailbox; if they lead back
 *     to itself, nobody of the circle would take a message out. seq_cst: of those who close a circle at once, one sees it.
 * I5  The last place of a mailbox of the circle may be taken by somebody who is not in it, while all wait already. His message wakes
 *     who waits there, and who is woken follows the words again. seq_cst: he counts before he sends. */
#include "proc/mailbox/room.h"

#include "platform/clock.h"
#include "proc/call.h"
#include "proc/mailbox/send.h"
#include "proc/process.h"

struct waiter_bond {
    struct esi_bond bond;         /* at the receiver: the key is the question's reference */
    struct esi_message *question; /* to be answered */
};

struct asking_bond {
    struct esi_bond bond; /* at the sender: the key is the receiver */
    uint64_t reference;
};

/* ---- the receiver ---- */

static inline bool is_below_limit(struct esi_process *p, uint64_t word)
{
    return esi_room_count(word) < (uint32_t)atomic_load_explicit(&p->message_limit, memory_order_relaxed);
}

static bool has_room(struct esi_process *p)
{
    return is_below_limit(p, atomic_load_explicit(&p->queued, memory_order_seq_cst));
}

static void let_go(struct waiter_bond *waiter, es_atom answer)
{
    esi_answer(waiter->question, es_from_atom(answer));
    esi_bond_free(waiter, sizeof *waiter);
}

static void waiter_ended(struct esi_process *self, struct esi_bond *bond, es_term reason)
{
    (void)self, (void)reason;
    let_go((struct waiter_bond *)bond, es_am_noproc);
}

static const struct esi_bond_kind waiter_kind = {"room_waiter", ESI_BOND_ROOM_WAITER, waiter_ended};

void esi_room_made(struct esi_process *self)
{
    if (!has_room(self))
        return;
    struct esi_map_node *node = esi_map_next_after(&self->bonds, (struct esi_key){ESI_BOND_ROOM_WAITER, 0});
    if (!node || node->key.a != ESI_BOND_ROOM_WAITER) {
        self->has_room_waiters = false;
        return;
    }
    struct waiter_bond *waiter = ESI_CONTAINER_OF(node, struct waiter_bond, bond.node);
    esi_bond_remove(self, &waiter->bond);
    let_go(waiter, es_am_ok);
}

/* words: sender, reference (call.h). */
static void ask_arrive(struct esi_process *self, struct esi_message *signal)
{
    bool may_go = has_room(self);
    struct waiter_bond *waiter = may_go ? NULL : esi_bond_new(sizeof *waiter);
    if (waiter) {
        waiter->question = signal;
        esi_bond_insert(self, &waiter->bond, &waiter_kind, signal->words[1]);
        self->has_room_waiters = true;
    } else {
        esi_answer(signal, es_from_atom(may_go ? es_am_ok : es_am_system_limit));
    }
}

static void ask_nobody(struct esi_message *signal)
{
    esi_answer(signal, es_from_atom(es_am_noproc));
}

static const struct esi_signal_kind ask_kind = {"ask_for_room", ask_arrive, ask_nobody, NULL};

/* words: reference. */
static void forget_arrive(struct esi_process *self, struct esi_message *signal)
{
    struct esi_bond *bond = esi_bond_find(self, ESI_BOND_ROOM_WAITER, signal->words[0]);
    if (bond) {
        esi_bond_remove(self, bond);
        esi_message_free(((struct waiter_bond *)bond)->question);
        esi_bond_free(bond, sizeof(struct waiter_bond));
    } else if (self->has_room_waiters) {
        esi_room_made(self); /* it was let go already: its turn goes to the next */
    }
    esi_message_free(signal);
}

static const struct esi_signal_kind forget_kind = {"forget_room", forget_arrive, NULL, NULL};

/* ---- the sender ---- */

/* Without memory for it somebody's turn may be lost, until the next message leaves the mailbox. */
static void tell_to_forget(uint64_t receiver, uint64_t reference)
{
    struct esi_message *signal = esi_message_new(sizeof(uint64_t));
    if (!signal)
        return;
    signal->kind = &forget_kind;
    signal->words[0] = reference;
    esi_signal_send(receiver, signal);
}

static void asking_ended(struct esi_process *self, struct esi_bond *bond, es_term reason)
{
    (void)self, (void)reason;
    tell_to_forget(bond->node.key.b, ((struct asking_bond *)bond)->reference);
    esi_bond_free(bond, sizeof(struct asking_bond));
}

static const struct esi_bond_kind asking_kind = {"asks_for_room", ESI_BOND_ASKS_FOR_ROOM, asking_ended};

/* I4. A chain that changes while it is followed may be long; a circle has as many members as there are processes in it. */
static bool closes_a_circle(struct esi_process *self, uint64_t to)
{
    for (int64_t steps = esi_table_count(); steps >= 0; steps--) {
        struct esi_process *p = esi_process_slot(to);
        if (!p || !esi_process_is(p, to) || has_room(p))
            return false;
        if (p == self)
            return true;
        to = atomic_load_explicit(&p->waits_for, memory_order_seq_cst);
        if (!to)
            return false;
    }
    return false;
}

/* Waits until the receiver says that there was room. ES_OK, ES_ETIMEOUT, ES_ECLOSED, ES_EDEADLK, ES_ENOMEM. */
static es_err wait_for_room(struct esi_process *self, uint64_t to, uint64_t deadline_ns)
{
    struct asking_bond *asking = esi_bond_new(sizeof *asking);
    struct esi_message *question = asking ? esi_request_new(&ask_kind) : NULL;
    if (!question) {
        if (asking)
            esi_bond_free(asking, sizeof *asking);
        return ES_ENOMEM;
    }
    uint64_t reference = asking->reference = esi_reference_next();
    esi_bond_insert(self, &asking->bond, &asking_kind, to);
    es_term answer = es_none();
    es_err error = esi_ask_until(self, to, question, reference, deadline_ns, closes_a_circle, &answer);
    esi_bond_remove(self, &asking->bond);
    esi_bond_free(asking, sizeof *asking);
    if (error != ES_OK) {
        tell_to_forget(to, reference);
        return error;
    }
    return es_is(answer, es_am_ok) ? ES_OK : es_is(answer, es_am_noproc) ? ES_ECLOSED : ES_ENOMEM;
}

static inline bool is_of(uint64_t word, uint64_t id)
{
    return word - esi_room_count(word) == esi_room_empty(id);
}

/* Never counts what does not come: a waiter that saw such a count would not be told when it is taken back. */
static enum esi_room take(struct esi_process *p, uint64_t to, bool may_overdraw)
{
    uint64_t word = atomic_load_explicit(&p->queued, memory_order_relaxed);
    do {
        if (!is_of(word, to))
            return ESI_ROOM_GONE;
        if (!may_overdraw && !is_below_limit(p, word))
            return ESI_ROOM_NONE;
    } while (!atomic_compare_exchange_weak_explicit(&p->queued, &word, word + 1, memory_order_seq_cst,
                                                    memory_order_relaxed));
    return ESI_ROOM_TAKEN;
}

enum esi_room esi_room_take(struct esi_process *p, uint64_t to)
{
    return take(p, to, false);
}

enum esi_room esi_room_overdraw(struct esi_process *p, uint64_t to)
{
    return take(p, to, true);
}

bool esi_room_give_back(struct esi_process *p, uint64_t to)
{
    uint64_t word = atomic_load_explicit(&p->queued, memory_order_relaxed);
    do {
        if (!is_of(word, to))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&p->queued, &word, word - 1, memory_order_seq_cst,
                                                    memory_order_relaxed));
    return true;
}

static es_err take_place_in_time(struct esi_process *self, struct esi_process *p, uint64_t to,
                                 int64_t timeout_ms)
{
    uint64_t deadline_ns = esi_deadline_in_ms(timeout_ms);
    es_err error = ES_OK;
    while (error == ES_OK) {
        enum esi_room room = esi_room_take(p, to);
        if (room != ESI_ROOM_NONE)
            return room == ESI_ROOM_TAKEN ? ES_OK : ES_ECLOSED;
        if (timeout_ms == 0)
            return ES_ETIMEOUT;
        atomic_store_explicit(&self->waits_for, to, memory_order_seq_cst);
        error = closes_a_circle(self, to) ? ES_EDEADLK : wait_for_room(self, to, deadline_ns);
        atomic_store_explicit(&self->waits_for, 0, memory_order_seq_cst);
    }
    return error;
}

/* The place is taken, or none is needed. */
static es_err send_counted(struct esi_process *p, uint64_t to, es_term term, bool is_counted)
{
    struct esi_message *message;
    es_err error = esi_message_copy(term, &message);
    if (error == ES_OK) {
        message->is_counted = is_counted;
        if (esi_signal_push(to, message))
            return ES_OK;
        esi_message_free(message);
        error = ES_ECLOSED;
    }
    if (is_counted && esi_room_give_back(p, to))
        tell_to_forget(to, 0); /* somebody may have asked while the place was ours */
    return error;
}

static es_err send_wait(struct esi_process *self, uint64_t to, es_term term, int64_t timeout_ms)
{
    struct esi_process *p = esi_process_slot(to);
    if (!p || !esi_process_is(p, to))
        return ES_ECLOSED;
    bool is_limited = p != self && atomic_load_explicit(&p->flags, memory_order_relaxed) & ESI_FLAG_LIMITED;
    es_err error = is_limited ? take_place_in_time(self, p, to, timeout_ms) : ES_OK;
    return error == ES_OK ? send_counted(p, to, term, is_limited) : error;
}

/* `to` is a pid or a name. */
static es_err send_wait_to(struct esi_process *self, es_term to, es_term term, int64_t timeout_ms)
{
    es_pid pid;
    es_atom name;
    if (es_get_pid(to, &pid))
        return pid.node ? ES_OK : send_wait(self, pid.id, term, timeout_ms);
    if (!es_get_atom(to, &name))
        return ES_EINVAL;
    uint64_t id = esi_plug.whereis ? esi_plug.whereis(name) : 0;
    return id ? send_wait(self, id, term, timeout_ms) : ES_ENAME;
}

static const char *why(es_err error)
{
    switch (error) {
    case ES_ECLOSED:
        return "no such process, or it has ended";
    case ES_ENAME:
        return "no process has that name";
    case ES_ETIMEOUT:
        return "it had no room in time (message_limit)";
    case ES_EDEADLK:
        return "it waits for room itself, and in the end for the caller's";
    default:
        return es_strerror(error);
    }
}

es_err esi_send_wait(es_term to, es_term message, int64_t timeout_ms)
{
    char whom[64];
    struct esi_process *self = esi_enter();
    if (!self)
        return esi_fail(NULL, ES_ENOPROC,
                        "send_wait: called in a thread that is no process: es_try_call() waits there until "
                        "the receiver has come to it");
    if (timeout_ms < 0 && timeout_ms != ES_INFINITY)
        esi_badarg(self, "send_wait");
    es_err error = send_wait_to(self, to, message, timeout_ms);
    if (error == ES_EINVAL)
        esi_badarg(self, "send_wait");
    if (error != ES_OK) {
        es_print(whom, sizeof whom, to);
        esi_fail(self, error, "send_wait: %s: %s", whom, why(error));
    }
    esi_charge(self, 2);
    esi_leave();
    return error;
}
