/* answer.c - who is asked: a call arrives, and its one answer goes back.
 *
 * The server's half of the caller's monitor is its note of whom it serves, or for more than one a bond under the call's reference. Who answers
 * takes its own bond away itself, so that the usual call is two blocks and no more. */
#include "proc/call.h"

#include "proc/mailbox/block.h"
#include "proc/node.h"
#include "proc/outside.h"

/* ---- the answer ---- */

enum { ANSWER_REPLY, ANSWER_DOWN };
struct answer {
    uint64_t reference, from;
    uint64_t kind; /* ANSWER_* */
};

static void answer_arrive(struct esi_process *self, struct esi_message *block);
static const struct esi_signal_kind answer_kind = {"answer", answer_arrive, NULL, NULL};

/* Without memory it never came. */
static void deliver_copy(struct esi_process *self, es_term term)
{
    struct esi_message *message;
    if (esi_message_copy(term, &message) != ES_OK)
        return;
    message->to = self->id;
    esi_deliver(self, message);
}

/* Not for the call under way: late, or for a reference that the process made an alias by itself. */
static void answer_elsewhere(struct esi_process *self, struct esi_message *block)
{
    const struct answer *answer = (const struct answer *)block->words;
    es_ref ref = {.id = answer->reference, .pid = self->id};
    if (esi_plug.alias_admits && esi_plug.alias_admits(self, answer->reference)) {
        es_pid from = {.id = answer->from};
        if (answer->kind == ANSWER_REPLY)
            deliver_copy(self, es_lend(ES_TUPLE(ES_CONS(es_am_alias, ref), block->term)));
        else
            deliver_copy(self, es_lend(ES_TUPLE(es_am_DOWN, ref, es_am_process, from, block->term)));
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

/* A call that is not taken: its own block becomes the answer, so that this needs no memory. `reason` is an atom. */
static void refuse_call(struct esi_message *block, uint64_t from, es_atom reason)
{
    uint64_t asker = block->words[0], reference = block->words[1];
    *(struct answer *)block->words = (struct answer){reference, from, ANSWER_DOWN};
    block->kind = &answer_kind;
    block->term = es_from_atom(reason);
    if (!esi_signal_push(asker, block))
        esi_message_free(block);
}

/* Whose reason finds no memory is still known to have ended: the asker is told to look for itself, which needs no block. */
static void tell_end(uint64_t asker, uint64_t reference, uint64_t from, es_term reason)
{
    if (send_answer(asker, reference, from, ANSWER_DOWN, reason) == ES_OK)
        return;
    struct esi_process *p = esi_process_slot(asker);
    if (!p || !esi_process_is(p, asker))
        return;
    /* seq_cst: after our inbox was closed; pairs with esi_signals_take(), which clears it and then looks at our inbox. Does somebody else live
     * there by now, he looks once for nothing. */
    atomic_fetch_or_explicit(&p->flags, ESI_FLAG_UNTOLD | ESI_FLAG_SIGNALS, memory_order_seq_cst);
    esi_wake(p);
}

bool esi_call_is_orphaned(const struct esi_process *self)
{
    if (!self->call)
        return false;
    struct esi_process *server = esi_process_slot(self->call->server);
    /* acquire: with the closed inbox we see what was sent before. The inbox first: who is still there then had it open. */
    return !server || atomic_load_explicit(&server->inbox, memory_order_acquire) == ESI_INBOX_CLOSED ||
           !esi_process_is(server, self->call->server);
}

void esi_call_untold(struct esi_process *self)
{
    struct esi_call *call = self->call;
    if (!call || call->is_answered)
        return;
    call->is_answered = true;
    call->is_down = true;
    call->answer = es_from_atom(es_am_system_limit);
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
        refuse_call(block, self->id, es_am_system_limit);
        return;
    }
    bond->caller = block->words[0];
    esi_bond_insert(self, &bond->bond, &caller_kind, block->words[1]);
    block->kind = NULL;
    esi_deliver(self, block);
}

static void call_nobody(struct esi_message *block)
{
    refuse_call(block, block->to, es_am_noproc);
}

const struct esi_signal_kind esi_call_kind = {"call", call_arrive, call_nobody, NULL};

/* Does it serve that call? */
static bool serves(struct esi_process *self, uint64_t reference)
{
    return self->serving.reference == reference || esi_bond_find(self, ESI_BOND_CALLER, reference);
}

static void forget(struct esi_process *self, uint64_t reference)
{
    if (self->serving.reference == reference) {
        self->serving.reference = 0;
        return;
    }
    struct esi_bond *bond = esi_bond_find(self, ESI_BOND_CALLER, reference);
    if (!bond)
        return;
    esi_bond_remove(self, bond);
    esi_bond_free(bond, sizeof(struct caller_bond));
}

/* words: reference. */
static void forget_arrive(struct esi_process *self, struct esi_message *block)
{
    forget(self, block->words[0]);
    esi_message_free(block);
}

static const struct esi_signal_kind forget_kind = {"forget_call", forget_arrive, NULL, NULL};

void esi_call_forget(uint64_t server, uint64_t reference)
{
    struct esi_message *block = esi_message_new(sizeof(uint64_t));
    if (!block)
        return; /* the bond stays until the server ends; a late answer is thrown away all the same */
    block->kind = &forget_kind;
    block->words[0] = reference;
    if (!esi_signal_push(server, block))
        esi_message_free(block);
}

/* ---- what a process is born with ---- */

es_err esi_answer_birth(struct esi_process *self, es_term answer)
{
    uint64_t reference = self->serving.reference;
    if (!self->is_born_serving || !reference)
        return ES_OK;
    es_err error = send_answer(self->serving.caller, reference, self->id, ANSWER_REPLY, answer);
    if (error == ES_OK) {
        self->is_born_serving = false;
        forget(self, reference);
    }
    return error;
}

/* ---- es_reply_to() ---- */

/* Is it {Pid, [alias | Ref]}? Taken apart by hand: every answer comes by here. */
static bool is_from_call(es_term from, es_pid *pid, es_ref *ref)
{
    es_term head, tail;
    return es_tuple_size(from) == 2 && es_get_pid(es_tuple_get(from, 0), pid) &&
           es_get_cons(es_tuple_get(from, 1), &head, &tail) && es_is(head, es_am_alias) &&
           es_get_ref(tail, ref);
}

/* What found no memory is no answer: the call is still served, and its caller is told when the server ends. */
static es_err reply_local(struct esi_process *self, uint64_t caller, uint64_t reference, es_term term)
{
    bool is_ours = self && serves(self, reference);
    es_err error = send_answer(caller, reference, is_ours ? self->id : 0, ANSWER_REPLY, term);
    if (is_ours && error == ES_OK)
        forget(self, reference);
    return error;
}

es_err esi_refuse_call(es_term from, es_term reason)
{
    es_pid pid;
    es_ref ref;
    if (!is_from_call(from, &pid, &ref) || pid.node)
        return ES_OK; /* it will hear of our end */
    struct esi_process *self = esi_enter_here();
    bool is_ours = serves(self, ref.id);
    es_err error = send_answer(pid.id, ref.id, self->id, ANSWER_DOWN, reason);
    if (is_ours && error == ES_OK)
        forget(self, ref.id);
    esi_leave_here();
    return error;
}

static es_err reply(struct esi_process *self, es_term from, es_term term)
{
    es_pid pid;
    es_ref ref;
    es_term tag;
    if (is_from_call(from, &pid, &ref))
        return pid.node ? ES_OK : reply_local(self, pid.id, ref.id, term);
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
