/* call.c - who asks: one signal out, which is message, monitor and reply alias at once; one signal back, which disarms all three (answer.c).
 *
 * If somebody else answered than who was asked, or the time is over, the caller tells the server to forget the call. */
#include "proc/call.h"

#include <stdio.h>
#include "base/assert.h"
#include "platform/clock.h"
#include "proc/mailbox/block.h"
#include "proc/memory.h"
#include "proc/node.h"
#include "proc/schedule/wait.h"
#include "proc/waiter.h"
#include "term/tag.h"

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

/* `is_vain`: NULL, or asked before each wait, so also when something came that was not the answer: true ends it all. */
static inline __attribute__((always_inline)) void
wait_for_answer(struct esi_process *self, struct esi_call *call, uint64_t deadline_ns, esi_is_vain *is_vain)
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
        if (is_vain && is_vain(self, call->server)) {
            call->is_vain = true;
            break;
        }
        has_waited = true;
        esi_wait_here(self, deadline_ns);
    }
    self->call = NULL;
    if (self->is_doomed)
        esi_end_now(self);
    while (self->suspend_count)
        esi_yield(self);
}

/* Does whom it asked still believe that it is to answer? */
static bool is_remembered(const struct esi_call *call)
{
    return !call->is_answered || (!call->is_down && !call->is_from_server);
}

void esi_call_abandon(struct esi_process *self)
{
    const struct esi_call *call = self->call;
    self->call = NULL;
    if (is_remembered(call))
        esi_call_forget(call->server, call->reference);
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
                     uint64_t deadline_ns, esi_is_vain *is_vain, es_term *answer)
{
    struct esi_call call = {.reference = reference, .server = to};
    request->words[0] = self->id;
    request->words[1] = reference;
    self->call = &call;
    esi_signal_send(to, request);
    wait_for_answer(self, &call, deadline_ns, is_vain);
    *answer = call.answer;
    release_answer(self, &call);
    return call.is_answered ? ES_OK : call.is_vain ? ES_EDEADLK : ES_ETIMEOUT;
}

es_err esi_ask(struct esi_process *self, uint64_t to, struct esi_message *request, es_term *answer)
{
    return esi_ask_until(self, to, request, esi_reference_next(), ESI_NO_DEADLINE, NULL, answer);
}

/* {Label, {Pid, [alias | Ref]}, Request} as it lies in a block: what es_case_call() takes apart. The request lies behind it. */
struct envelope {
    uint64_t caller, reference; /* the signal's own, see call_arrive() */
    uint64_t outer[4], from[3], tag[2], ref[4];
    uint64_t request[];
};

static void write_envelope(struct envelope *e, struct esi_process *self, struct esi_call *call, es_term label,
                           es_term request)
{
    e->caller = self->id;
    e->reference = call->reference;
    e->outer[0] = ESI_HEADER(ESI_TUPLE, 3);
    e->outer[1] = label.w;
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

static es_err send_call(struct esi_process *self, struct esi_call *call, es_term label, uint32_t tag,
                        es_term request)
{
    struct esi_message *block;
    es_err error = esi_message_copy_behind_here(sizeof(struct envelope), request, &block);
    if (error != ES_OK)
        return error;
    struct envelope *envelope = (struct envelope *)block->words;
    es_term copy = block->term;
    write_envelope(envelope, self, call, label, copy);
    block->term = (es_term){esi_word_of_box(envelope->outer)};
    block->tag = tag;
    block->kind = &esi_call_kind;
    block->to = call->server;
    if (!esi_signal_push(call->server, block))
        esi_call_kind.nobody(block);
    return ES_OK;
}

es_err esi_call_await(struct esi_process *self, struct esi_call *call, uint64_t deadline_ns)
{
    wait_for_answer(self, call, deadline_ns, NULL);
    if (esi_tag(call->answer.w) != ESI_TAG_BOX && esi_tag(call->answer.w) != ESI_TAG_CONS) {
        release_answer(self, call); /* the answer is in its word: nothing for es_drop() to find */
        call->block = NULL;
    }
    if (is_remembered(call))
        esi_call_forget(call->server, call->reference);
    if (!call->is_answered)
        return ES_ETIMEOUT;
    return call->is_down ? ES_ECLOSED : ES_OK;
}

/* As esi_call_await(), or ES_ENOMEM, ES_EINVAL. */
static inline __attribute__((always_inline)) es_err call_and_wait(struct esi_process *self,
                                                                  struct esi_call *call, es_term to,
                                                                  es_term label, uint32_t tag,
                                                                  es_term request, int64_t timeout_ms)
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
    uint64_t deadline_ns = esi_deadline_in_ms(timeout_ms);
    self->call = call;
    es_err error = send_call(self, call, label, tag, request);
    if (error != ES_OK) {
        self->call = NULL;
        return error;
    }
    return esi_call_await(self, call, deadline_ns);
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
    es_err error = call_and_wait(self, &call, to, es_from_atom(es_am_gen_call),
                                 esi_tuple_tag(3, es_am_gen_call), request, timeout_ms);
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

/* ---- failure that comes back ---- */

/* Whom `to` names, for es_last_detail(). */
static void say_ended(struct esi_process *self, es_term to, const struct esi_call *call)
{
    char whom[64], why[128];
    es_print(whom, sizeof whom, to);
    es_print(why, sizeof why, call->answer);
    if (call->server == self->id)
        esi_fail(self, ES_ECLOSED, "call: %s is the caller itself", whom);
    else if (call->server && !es_is(call->answer, es_am_noproc))
        esi_fail(self, ES_ECLOSED, "call: %s ended and had not answered: %s", whom, why);
    else
        esi_fail(self, ES_ECLOSED, "call: %s: no such process, or it has ended", whom);
}

static void say_failure(struct esi_process *self, es_err error, es_term to, const struct esi_call *call)
{
    if (error == ES_ECLOSED)
        say_ended(self, to, call);
    else if (error != ES_OK)
        esi_fail(self, error, "call: %s", error == ES_ETIMEOUT ? "no answer in time" : es_strerror(error));
}

/* A thread that is no process asks through a process of its own, which traps exits: when the node stops it stays to hear of the server. */
struct foreign_call {
    es_term to, request;
    int64_t timeout_ms;
    es_err error;
    es_term answer;
    char detail[ESI_DETAIL_BYTES];
};

static void foreign_call_main(void *argument)
{
    struct foreign_call *foreign = argument;
    es_term answer = es_none();
    foreign->error = esi_try_call(foreign->to, foreign->request, foreign->timeout_ms, &answer);
    if ((foreign->error == ES_OK || foreign->error == ES_ECLOSED) &&
        esi_keep_outside(answer, &foreign->answer) != ES_OK)
        foreign->error = ES_ENOMEM;
    snprintf(foreign->detail, sizeof foreign->detail, "%s",
             foreign->error == ES_ENOMEM ? "call: no memory" : es_last_detail());
}

/* Our frame is the process's until it has ended, however that was: the thread waits for nothing else. What the process did not come
 * to say stays as it is here: when the node stopped they were all killed. */
static es_err try_call_foreign(es_term to, es_term request, int64_t timeout_ms, es_term *out)
{
    if (timeout_ms < 0 && timeout_ms != ES_INFINITY)
        return esi_fail(NULL, ES_EINVAL, "call: the time-out is negative");
    struct foreign_call foreign = {.to = to,
                                   .request = request,
                                   .timeout_ms = timeout_ms,
                                   .error = ES_ECLOSED,
                                   .answer = es_from_atom(es_am_killed),
                                   .detail = "call: the node went down, and killed those who were left"};
    es_err error = esi_waiter_run(foreign_call_main, &foreign);
    if (error == ES_ECLOSED)
        *out = es_from_atom(es_am_noproc);
    if (error != ES_OK)
        return error;
    if (foreign.error == ES_OK || foreign.error == ES_ECLOSED)
        *out = foreign.answer;
    return foreign.error == ES_OK ? ES_OK : esi_fail(NULL, foreign.error, "%s", foreign.detail);
}

es_err esi_try_call_as(es_term label, es_term to, es_term request, int64_t timeout_ms, es_term *out)
{
    struct esi_process *self = esi_enter_here();
    if (!self)
        return esi_fail(NULL, ES_ENOPROC, "call: only a process may ask this");
    uint32_t tag = es_is_atom(label) ? esi_tuple_tag(3, (es_atom){label.w}) : ESI_TAG_OTHER;
    check_timeout(self, timeout_ms);
    struct esi_call call = {0};
    es_err error = call_and_wait(self, &call, to, label, tag, request, timeout_ms);
    if (error == ES_OK || error == ES_ECLOSED)
        *out = call.answer;
    say_failure(self, error, to, &call);
    esi_charge(self, 4);
    esi_leave();
    return error;
}

es_err esi_try_call(es_term to, es_term request, int64_t timeout_ms, es_term *out)
{
    struct esi_process *self = esi_enter_here();
    if (!self)
        return try_call_foreign(to, request, timeout_ms, out);
    check_timeout(self, timeout_ms);
    struct esi_call call = {0};
    es_err error = call_and_wait(self, &call, to, es_from_atom(es_am_gen_call),
                                 esi_tuple_tag(3, es_am_gen_call), request, timeout_ms);
    if (error == ES_OK || error == ES_ECLOSED)
        *out = call.answer;
    say_failure(self, error, to, &call);
    esi_charge(self, 4);
    esi_leave();
    return error;
}
