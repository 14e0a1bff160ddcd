/* call.c - one signal out: message, monitor and reply alias at once; one signal back: the reply, which disarms all three.
 *
 * The server's half of the monitor is its note of whom it serves, or for more than one a bond under the call's reference. Who answers takes its own bond away itself, so that the usual
 * call is two blocks and no more. If somebody else answered, or the time is over, the caller tells the server to forget the call. */
#include "proc/call.h"

#include <stdlib.h>
#include <string.h>
#include "base/assert.h"
#include "base/alloc.h"
#include "platform/clock.h"
#include "platform/park.h"
#include "proc/mailbox/block.h"
#include "proc/memory.h"
#include "proc/node.h"
#include "proc/outside.h"
#include "proc/schedule/wait.h"
#include "proc/waiter.h"
#include "proc/schedule/worker.h"
#include "term/copy.h"
#include "term/tag.h"

/* ---- the answer ---- */

enum { ANSWER_REPLY, ANSWER_DOWN };
struct answer {
    uint64_t reference, from;
    uint64_t kind; /* ANSWER_* */
};

static void answer_arrive(struct esi_process *self, struct esi_message *block);
static const struct esi_signal_kind answer_kind = {"answer", answer_arrive, NULL, NULL};

/* Not for the call under way: late, or for a reference that the process made an alias by itself. */
static void answer_elsewhere(struct esi_process *self, struct esi_message *block)
{
    const struct answer *answer = (const struct answer *)block->words;
    struct esi_message *message;
    if (answer->kind == ANSWER_REPLY && esi_plug.alias_admits &&
        esi_plug.alias_admits(self, answer->reference)) {
        es_ref ref = {.id = answer->reference, .pid = self->id};
        if (esi_message_copy(es_lend(ES_TUPLE(ES_CONS(es_am_alias, ref), block->term)), &message) == ES_OK) {
            message->to = self->id;
            esi_deliver(self, message);
        }
    }
    esi_message_free(block);
}

static void answer_arrive(struct esi_process *self, struct esi_message *block)
{
    const struct answer *answer = (const struct answer *)block->words;
    struct esi_call *call = self->call;
    if (!call || call->is_answered || call->reference != answer->reference) {
        answer_elsewhere(self, block);
        return;
    }
    call->is_answered = true;
    call->is_down = answer->kind == ANSWER_DOWN;
    call->is_from_server = call->server == answer->from;
    call->answer = block->term;
    call->block = block;
    /* Until the call has it in hand it hangs on the process, as everything does that a kill would lose. */
    block->state = ESI_BLOCK_OWNED;
    self->memory_bytes += (int64_t)block->size_bytes;
    esi_list_push_back(&self->memory, &block->in_list);
}

static es_err send_answer(uint64_t asker, uint64_t reference, uint64_t from, int kind, es_term term)
{
    struct esi_message *block;
    es_err error = esi_message_copy_behind_here(sizeof(struct answer), term, &block);
    if (error != ES_OK)
        return error;
    *(struct answer *)block->words = (struct answer){reference, from, (uint64_t)kind};
    block->kind = &answer_kind;
    if (!esi_signal_push(asker, block))
        esi_message_free(block);
    return ES_OK;
}

/* Whose reason finds no memory is still known to have ended. */
static void tell_end(uint64_t asker, uint64_t reference, uint64_t from, es_term reason)
{
    if (send_answer(asker, reference, from, ANSWER_DOWN, reason) != ES_OK)
        send_answer(asker, reference, from, ANSWER_DOWN, es_from_atom(es_am_system_limit));
}

struct esi_message *esi_request_new(const struct esi_signal_kind *kind)
{
    struct esi_message *request = esi_message_new(sizeof(struct answer)); /* it becomes one */
    if (request)
        request->kind = kind;
    return request;
}

void esi_answer(struct esi_message *request, es_term answer)
{
    uint64_t asker = request->words[0], reference = request->words[1];
    *(struct answer *)request->words = (struct answer){reference, 0, ANSWER_REPLY};
    request->kind = &answer_kind;
    request->term = answer;
    if (!esi_signal_push(asker, request))
        esi_message_free(request);
}

/* ---- the server's half ---- */

struct caller_bond {
    struct esi_bond bond;
    uint64_t caller;
};

static void caller_ended(struct esi_process *self, struct esi_bond *bond, es_term reason)
{
    struct caller_bond *caller = (struct caller_bond *)bond;
    tell_end(caller->caller, bond->node.key.b, self->id, reason);
    esi_bond_free(caller, sizeof *caller);
}

static const struct esi_bond_kind caller_kind = {"caller", ESI_BOND_CALLER, caller_ended};

void esi_call_ended(struct esi_process *self)
{
    if (self->serving.reference)
        tell_end(self->serving.caller, self->serving.reference, self->id, self->reason);
    self->serving.reference = 0;
}

/* words: caller, reference; the message behind. */
static void call_arrive(struct esi_process *self, struct esi_message *block)
{
    if (!self->serving.reference) {
        self->serving.caller = block->words[0];
        self->serving.reference = block->words[1];
        block->kind = NULL;
        esi_deliver(self, block);
        return;
    }
    struct caller_bond *bond = esi_bond_new(sizeof *bond);
    if (!bond) {
        send_answer(block->words[0], block->words[1], self->id, ANSWER_DOWN,
                    es_from_atom(es_am_system_limit));
        esi_message_free(block);
        return;
    }
    bond->caller = block->words[0];
    esi_bond_insert(self, &bond->bond, &caller_kind, block->words[1]);
    block->kind = NULL;
    esi_deliver(self, block);
}

static void call_nobody(struct esi_message *block)
{
    send_answer(block->words[0], block->words[1], block->to, ANSWER_DOWN, es_from_atom(es_am_noproc));
    esi_message_free(block);
}

static const struct esi_signal_kind call_kind = {"call", call_arrive, call_nobody, NULL};

static bool forget(struct esi_process *self, uint64_t reference)
{
    if (self->serving.reference == reference) {
        self->serving.reference = 0;
        return true;
    }
    struct esi_bond *bond = esi_bond_find(self, ESI_BOND_CALLER, reference);
    if (!bond)
        return false;
    esi_bond_remove(self, bond);
    esi_bond_free(bond, sizeof(struct caller_bond));
    return true;
}

/* words: reference. */
static void forget_arrive(struct esi_process *self, struct esi_message *block)
{
    forget(self, block->words[0]);
    esi_message_free(block);
}

static const struct esi_signal_kind forget_kind = {"forget_call", forget_arrive, NULL, NULL};

static void tell_to_forget(uint64_t server, uint64_t reference)
{
    struct esi_message *block = esi_message_new(sizeof(uint64_t));
    if (!block)
        return; /* the bond stays until the server ends; a late answer is thrown away all the same */
    block->kind = &forget_kind;
    block->words[0] = reference;
    if (!esi_signal_push(server, block))
        esi_message_free(block);
}

/* ---- the caller's half ---- */

/* The id of the process that `to` names, or 0. */
static uint64_t resolve(es_term to)
{
    es_pid pid;
    es_atom name;
    if (es_get_pid(to, &pid))
        return pid.node ? 0 : pid.id;
    if (es_get_atom(to, &name))
        return esi_plug.whereis ? esi_plug.whereis(name) : 0;
    return 0;
}

static inline __attribute__((always_inline)) void wait_for_answer(struct esi_process *self,
                                                                  struct esi_call *call, uint64_t deadline_ns)
{
    bool has_waited = false;
    while (!call->is_answered) {
        /* The answer may lie among what was taken already, or in the inbox. */
        while (!esi_signals_take(self, self->budget > 0 ? self->budget : 1) && !self->is_doomed &&
               !call->is_answered)
            esi_charge(self, 0);
        if (self->is_doomed)
            break;
        if (call->is_answered ||
            (has_waited && deadline_ns != ESI_NO_DEADLINE && esi_clock_now_ns() >= deadline_ns))
            break;
        has_waited = true;
        esi_wait_here(self, deadline_ns);
    }
    self->call = NULL;
    if (self->is_doomed)
        esi_end_now(self);
    while (self->suspend_count)
        esi_yield(self);
}

static void release_answer(struct esi_process *self, struct esi_call *call)
{
    if (!call->block)
        return;
    esi_assert(call->block->state == ESI_BLOCK_OWNED);
    esi_list_remove(&call->block->in_list);
    self->memory_bytes -= (int64_t)call->block->size_bytes;
    esi_message_free(call->block);
}

es_err esi_ask_until(struct esi_process *self, uint64_t to, struct esi_message *request, uint64_t reference,
                     uint64_t deadline_ns, es_term *answer)
{
    struct esi_call call = {.reference = reference, .server = to};
    request->words[0] = self->id;
    request->words[1] = reference;
    self->call = &call;
    esi_signal_send(to, request);
    wait_for_answer(self, &call, deadline_ns);
    *answer = call.answer;
    release_answer(self, &call);
    return call.is_answered ? ES_OK : ES_ETIMEOUT;
}

es_err esi_ask(struct esi_process *self, uint64_t to, struct esi_message *request, es_term *answer)
{
    return esi_ask_until(self, to, request, esi_reference_next(), ESI_NO_DEADLINE, answer);
}

/* {'$gen_call', {Pid, [alias | Ref]}, Request} as it lies in a block: what es_case_call() takes apart. The request lies behind it. */
struct envelope {
    uint64_t caller, reference; /* the signal's own, see call_arrive() */
    uint64_t outer[4], from[3], tag[2], ref[4];
    uint64_t request[];
};

static void write_envelope(struct envelope *e, struct esi_process *self, struct esi_call *call,
                           es_term request)
{
    e->caller = self->id;
    e->reference = call->reference;
    e->outer[0] = ESI_HEADER(ESI_TUPLE, 3);
    e->outer[1] = es_am_gen_call.w;
    e->outer[2] = esi_word_of_box(e->from);
    e->outer[3] = request.w;
    e->from[0] = ESI_HEADER(ESI_TUPLE, 2);
    e->from[1] = esi_from_local_pid(self->id).w;
    e->from[2] = esi_word_of_cons(e->tag);
    e->tag[0] = es_am_alias.w;
    e->tag[1] = esi_word_of_box(e->ref);
    e->ref[0] = ESI_HEADER(ESI_REF, 0);
    e->ref[1] = call->reference;
    e->ref[2] = self->id;
    e->ref[3] = 0;
}

static es_err send_call(struct esi_process *self, struct esi_call *call, es_term request)
{
    struct esi_message *block;
    es_err error = esi_message_copy_behind_here(sizeof(struct envelope), request, &block);
    if (error != ES_OK)
        return error;
    struct envelope *envelope = (struct envelope *)block->words;
    es_term copy = block->term;
    write_envelope(envelope, self, call, copy);
    block->term = (es_term){esi_word_of_box(envelope->outer)};
    block->tag = esi_tuple_tag(3, es_am_gen_call);
    block->kind = &call_kind;
    block->to = call->server;
    if (!esi_signal_push(call->server, block))
        call_nobody(block);
    return ES_OK;
}

/* ES_OK with the answer, ES_ECLOSED with the reason, both in call->block; or ES_ETIMEOUT, ES_ENOMEM, ES_EINVAL. */
static es_err call_and_wait(struct esi_process *self, struct esi_call *call, es_term to, es_term request,
                            int64_t timeout_ms)
{
    call->server = resolve(to);
    call->reference = esi_reference_any();
    if (!call->server) {
        call->answer = es_from_atom(es_am_noproc);
        return ES_ECLOSED;
    }
    if (call->server == self->id) {
        call->answer = es_from_atom(es_am_calling_self);
        return ES_ECLOSED;
    }
    uint64_t deadline_ns = timeout_ms == ES_INFINITY ? ESI_NO_DEADLINE : esi_deadline_in_ms(timeout_ms);
    self->call = call;
    es_err error = send_call(self, call, request);
    if (error != ES_OK) {
        self->call = NULL;
        return error;
    }
    wait_for_answer(self, call, deadline_ns);
    if (esi_tag(call->answer.w) != ESI_TAG_BOX && esi_tag(call->answer.w) != ESI_TAG_CONS) {
        release_answer(self, call); /* the answer is in its word: nothing for es_drop() to find */
        call->block = NULL;
    }
    if (!call->is_answered || (!call->is_down && !call->is_from_server))
        tell_to_forget(call->server, call->reference);
    if (!call->is_answered)
        return ES_ETIMEOUT;
    return call->is_down ? ES_ECLOSED : ES_OK;
}

static void check_timeout(struct esi_process *self, int64_t timeout_ms)
{
    if (timeout_ms < 0 && timeout_ms != ES_INFINITY)
        esi_badarg(self, "call");
}

es_term esi_call(es_term to, es_term request, int64_t timeout_ms)
{
    struct esi_process *self = esi_enter_here();
    if (!self)
        return es_none();
    check_timeout(self, timeout_ms);
    struct esi_call call = {0};
    es_err error = call_and_wait(self, &call, to, request, timeout_ms);
    switch (error) {
    case ES_OK:
        break;
    case ES_ECLOSED:
        esi_end_with(self, call.answer);
    case ES_ETIMEOUT:
        esi_end_with(self, es_from_atom(es_am_timeout));
    case ES_EINVAL:
        esi_badarg(self, "call");
    default:
        esi_end_with(self, es_from_atom(es_am_system_limit));
    }
    esi_charge(self, 4);
    esi_leave_here();
    return call.answer;
}

/* A thread that is no process asks through a process of its own. */
struct foreign_call {
    es_term to, request;
    int64_t timeout_ms;
    es_err error;
    es_term answer;
};

static void foreign_call_main(void *argument)
{
    struct foreign_call *foreign = argument;
    es_term answer = es_none();
    foreign->error = esi_try_call(foreign->to, foreign->request, foreign->timeout_ms, &answer);
    if ((foreign->error == ES_OK || foreign->error == ES_ECLOSED) &&
        esi_keep_outside(answer, &foreign->answer) != ES_OK)
        foreign->error = ES_ENOMEM;
}

/* Our frame is the process's until it has ended, however that was: the thread waits for nothing else. What the process did not come
 * to say stays as it is here: the node went down. */
static es_err try_call_foreign(es_term to, es_term request, int64_t timeout_ms, es_term *out)
{
    if (timeout_ms < 0 && timeout_ms != ES_INFINITY)
        return esi_fail(NULL, ES_EINVAL, "call: the time-out is negative");
    struct foreign_call foreign = {.to = to,
                                   .request = request,
                                   .timeout_ms = timeout_ms,
                                   .error = ES_ECLOSED,
                                   .answer = es_from_atom(es_am_noproc)};
    es_err error = esi_waiter_run(foreign_call_main, &foreign);
    if (error == ES_ECLOSED)
        *out = foreign.answer;
    if (error != ES_OK)
        return error;
    if (foreign.error == ES_OK || foreign.error == ES_ECLOSED)
        *out = foreign.answer;
    else
        esi_fail(NULL, foreign.error, "call: %s", es_strerror(foreign.error));
    return foreign.error;
}

es_err esi_try_call(es_term to, es_term request, int64_t timeout_ms, es_term *out)
{
    struct esi_process *self = esi_enter_here();
    if (!self)
        return try_call_foreign(to, request, timeout_ms, out);
    check_timeout(self, timeout_ms);
    struct esi_call call = {0};
    es_err error = call_and_wait(self, &call, to, request, timeout_ms);
    if (error == ES_OK || error == ES_ECLOSED)
        *out = call.answer;
    else
        esi_fail(self, error, "call: %s", es_strerror(error));
    esi_charge(self, 4);
    esi_leave();
    return error;
}

/* Is it {Pid, [alias | Ref]}? Taken apart by hand: every answer comes by here. */
static bool is_from_call(es_term from, es_pid *pid, es_ref *ref)
{
    es_term head, tail;
    return es_tuple_size(from) == 2 && es_get_pid(es_tuple_get(from, 0), pid) &&
           es_get_cons(es_tuple_get(from, 1), &head, &tail) && es_is(head, es_am_alias) &&
           es_get_ref(tail, ref);
}

static es_err reply(struct esi_process *self, es_term from, es_term term)
{
    es_pid pid;
    es_ref ref;
    es_term tag;
    if (is_from_call(from, &pid, &ref)) {
        uint64_t replier = self && forget(self, ref.id) ? self->id : 0;
        return pid.node ? ES_OK : send_answer(pid.id, ref.id, replier, ANSWER_REPLY, term);
    }
    if (es_match(from, ES_TUPLE(&pid, &tag)))
        return esi_send_pid(pid, es_lend(ES_TUPLE(tag, term)));
    return ES_EINVAL;
}

es_err esi_reply_to(es_term from, es_term term)
{
    struct esi_process *self = esi_enter_here();
    if (!self && !esi_outside_enter())
        return esi_fail(NULL, ES_ECLOSED, "reply_to: " ESI_NO_NODE);
    es_err error = reply(self, from, term);
    if (!self) {
        esi_outside_leave();
        return error;
    }
    esi_enter_here(); /* es_send() on the way out of the old form left the runtime */
    if (error == ES_EINVAL)
        esi_badarg(self, "reply_to");
    esi_charge(self, 1);
    esi_leave_here();
    return error;
}

/* ---- is it alive? ---- */

/* words: asker, reference. */
static void alive_arrive(struct esi_process *self, struct esi_message *block)
{
    esi_answer(block, es_from_atom(self->is_doomed ? es_am_false : es_am_true));
}

static void alive_nobody(struct esi_message *block)
{
    esi_answer(block, es_from_atom(es_am_false));
}

static const struct esi_signal_kind alive_kind = {"is_alive", alive_arrive, alive_nobody, NULL};

/* Open, and no signal waits: then it is alive now, and what the asker sent before has been handled. seq_cst: the flag that the asker
 * set after a push of its own is seen. */
static bool is_plainly_alive(struct esi_process *p, uint64_t id)
{
    return !(atomic_load_explicit(&p->flags, memory_order_seq_cst) & ESI_FLAG_SIGNALS) &&
           atomic_load_explicit(&p->inbox, memory_order_seq_cst) == ESI_INBOX_WAITING &&
           esi_process_is(p, id);
}

static bool is_there(struct esi_process *p, es_pid pid)
{
    return p && esi_process_is(p, pid.id) &&
           atomic_load_explicit(&p->inbox, memory_order_relaxed) != ESI_INBOX_CLOSED;
}

static bool is_there_from_outside(es_pid pid)
{
    if (pid.node || !esi_outside_enter())
        return false;
    bool is_here = is_there(esi_process_slot(pid.id), pid);
    esi_outside_leave();
    return is_here;
}

bool es_is_alive(es_pid pid)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return is_there_from_outside(pid);
    struct esi_process *p = pid.node ? NULL : esi_process_slot(pid.id);
    es_term answer = es_from_atom(es_am_false);
    bool is_here = is_there(p, pid);
    if (pid.id == self->id || (is_here && is_plainly_alive(p, pid.id))) {
        answer = es_from_atom(es_am_true);
    } else if (is_here) {
        struct esi_message *request = esi_request_new(&alive_kind);
        if (!request)
            esi_end_with(self, es_from_atom(es_am_system_limit));
        esi_ask(self, pid.id, request, &answer);
    }
    esi_leave();
    return es_is(answer, es_am_true);
}
