/* gen.c - see gen.h. */
#include "behaviour/gen.h"

#include <engset/link.h>
#include <engset/receive.h>
#include <string.h>
#include "behaviour/answer.h"
#include "behaviour/debug.h"
#include "proc/call.h"
#include "proc/end.h"
#include "proc/enter.h"
#include "term/tag.h"

ES_ATOM(bad_return_value, "bad_return_value");
ES_ATOM(idle_atom, "$gen_idle");

static es_next handle(void *block, es_term message);

/* ---------------------------------------------------------------- the block */

struct esi_gen *esi_gen_self(void)
{
    struct esi_process *self = esi_enter_here();
    if (!self)
        return NULL;
    struct esi_gen *gen = self->has_behaviour ? self->react_state : NULL;
    esi_leave_here();
    return gen;
}

struct esi_gen *esi_gen_open(const es_behaviour *behaviour, const struct esi_gen_kind *kind)
{
    struct esi_process *self = esi_enter();
    size_t bytes = sizeof(struct esi_gen) + behaviour->state_bytes;
    struct esi_gen *gen = esi_block_alloc(bytes);
    if (!gen)
        esi_end_with(self, es_from_atom(es_am_system_limit));
    memset(gen, 0, bytes);
    gen->behaviour = behaviour;
    gen->kind = kind;
    gen->bytes = (uint32_t)bytes;
    gen->at = ESI_AT_INIT;
    /* relaxed: its own; nobody but its parent knows it yet, so that is whom it is linked to. */
    gen->has_parent = atomic_load_explicit(&self->links, memory_order_relaxed) > 0;
    self->react_state = gen;
    self->has_behaviour = true;
    self->memory_bytes += (int64_t)bytes;
    esi_leave();
    return gen;
}

/* The process has ended. On its behalf. */
static void forget(struct esi_process *self)
{
    struct esi_gen *gen = self->react_state;
    self->has_behaviour = false;
    if (gen->kind->forget)
        gen->kind->forget(gen);
    if (gen->more)
        esi_block_free(gen->more, sizeof *gen->more);
    esi_block_free(gen, gen->bytes);
}

struct esi_gen_more *esi_gen_try_more(struct esi_gen *gen)
{
    if (gen->more)
        return gen->more;
    struct esi_process *self = esi_enter();
    struct esi_gen_more *more = esi_block_alloc(sizeof *more);
    if (more) {
        *more = (struct esi_gen_more){.continues = es_none(), .running = es_none(), .last_reply = es_none()};
        self->memory_bytes += (int64_t)sizeof *more;
        gen->more = more;
    }
    esi_leave();
    return more;
}

void esi_gen_less(struct esi_gen *gen)
{
    struct esi_gen_more *more = gen->more;
    if (!more || gen->kind->go_on || more->idle.id || more->is_suspended || more->again || more->debug ||
        more->machine || !es_is_none(more->continues) || !es_is_none(more->running) || more->unknown_count)
        return;
    struct esi_process *self = esi_enter();
    gen->more = NULL;
    self->memory_bytes -= (int64_t)sizeof *more;
    esi_block_free(more, sizeof *more);
    esi_leave();
}

struct esi_gen_more *esi_gen_more(struct esi_gen *gen)
{
    struct esi_gen_more *more = esi_gen_try_more(gen);
    if (!more)
        es_exit(es_am_system_limit);
    return more;
}

/* ---------------------------------------------------------------- birth */

void esi_gen_ready(struct esi_gen *gen)
{
    if (gen->phase != ESI_GEN_NEW)
        return;
    struct esi_process *self = esi_enter();
    gen->phase = ESI_GEN_UP;
    self->has_last_words = true;
    if (esi_answer_birth(self, es_from_atom(es_am_ok)) != ES_OK)
        esi_end_with(self, es_from_atom(es_am_system_limit));
    esi_leave();
}

ES_NORETURN void esi_gen_up(struct esi_gen *gen)
{
    esi_gen_ready(gen);
    es_react(handle, gen);
}

ES_NORETURN void esi_gen_not_up(struct esi_gen *gen, es_literal answer, es_term reason)
{
    (void)gen;
    es_init_ack(answer);
    esi_exit(reason);
}

/* ---------------------------------------------------------------- the end */

static void terminate(struct esi_gen *gen, es_term reason)
{
    gen->phase = ESI_GEN_ENDING;
    gen->at = ESI_AT_NOTHING;
    gen->kind->terminate(gen, reason);
}

void esi_gen_has_last_words(bool has)
{
    struct esi_process *self = esi_enter();
    self->has_last_words = has;
    esi_leave();
}

ES_NORETURN void esi_gen_stop(struct esi_gen *gen, es_term reason)
{
    esi_gen_has_last_words(false);
    terminate(gen, reason);
    esi_exit(reason);
}

static void reply_last(struct esi_gen *gen)
{
    es_term reply = gen->more->last_reply;
    if (es_is_none(gen->from))
        return;
    esi_reply_to(gen->from, reply);
    if (gen->more->debug)
        esi_debug_out(gen, reply, gen->from);
}

ES_NORETURN void esi_gen_stop_reply(struct esi_gen *gen, es_term reason, es_term reply)
{
    esi_gen_more(gen)->last_reply = reply;
    terminate(gen, reason); /* an error in it: last_words() */
    esi_gen_has_last_words(false);
    reply_last(gen);
    esi_exit(reason);
}

ES_NORETURN void esi_gen_bad_return(struct esi_gen *gen, es_answer answer)
{
    static const char *const names[ESI_ANSWERS] = {"undefined", "ok",   "reply",  "ignore",
                                                   "stop",      "stop", "unknown"};
    es_atom name = es_am_undefined;
    const char *text = answer.what < ESI_ANSWERS ? names[answer.what] : names[0];
    if (es_atom_make(text, strlen(text), &name) != ES_OK)
        name = es_am_undefined;
    esi_gen_stop(gen, es_lend(ES_TUPLE(bad_return_value, name)));
}

/* It will be called again: with the message in hand or, where it gave that away, with the next one, which comes back
 * behind it. Where none waits it sends itself one for nobody. */
static void come_again(struct esi_gen *gen)
{
    struct esi_gen_more *more = esi_gen_more(gen);
    struct esi_process *self = esi_enter();
    more->again = self->hand ? ESI_GEN_AGAIN : ESI_GEN_AGAIN_FIRST;
    bool none_waits = !self->hand && !self->mailbox.count;
    self->react = handle; /* it may not have come so far */
    esi_leave();
    if (none_waits && es_send(es_self(), ES_TUPLE(es_am_timeout, 0, idle_atom)) != ES_OK)
        es_exit(es_am_system_limit);
}

/* An error in a callback: es_exit(), a failed call, a fault. */
static bool last_words(struct esi_process *self, es_term reason)
{
    struct esi_gen *gen = self->react_state;
    esi_leave();
    bool goes_on = gen->kind->crashed && gen->kind->crashed(gen, reason);
    if (goes_on)
        come_again(gen);
    else if (gen->more && !es_is_none(gen->more->last_reply))
        reply_last(gen);
    else
        terminate(gen, reason);
    esi_enter();
    return goes_on;
}

/* ---------------------------------------------------------------- the loop */

bool esi_gen_is_idle(void)
{
    struct esi_process *self = esi_enter();
    esi_signals_take(self, ESI_BUDGET);
    bool is_idle = !self->mailbox.count && !self->taken && !self->turning;
    esi_leave();
    return is_idle;
}

static void start_idle_time(struct esi_gen *gen, int64_t timeout_ms)
{
    struct esi_gen_more *more = esi_gen_more(gen);
    more->idle_ms = timeout_ms;
    more->idle = es_start_timer(timeout_ms, es_self(), idle_atom);
}

bool esi_gen_idle_after(struct esi_gen *gen, int64_t timeout_ms)
{
    if (timeout_ms == 0 && esi_gen_is_idle())
        return true; /* else its note comes behind what waits: a message ends it, what is none does not */
    start_idle_time(gen, timeout_ms);
    return false;
}

/* This process's note to itself: an idle time is over, or come_again(). */
static bool is_note(es_term message)
{
    return es_match(message, ES_TUPLE(es_am_timeout, ES_ANY, idle_atom));
}

/* The idle time that runs is over; not an earlier one, whose note was on its way when a message ended it. */
static bool is_idle_timeout(const struct esi_gen *gen, es_term note)
{
    es_ref ref, idle = gen->more->idle;
    return idle.id && es_match(note, ES_TUPLE(es_am_timeout, &ref, idle_atom)) && es_ref_equal(ref, idle);
}

static void end_idle_time(struct esi_gen *gen)
{
    es_ref idle = gen->more->idle;
    gen->more->idle = (es_ref){0};
    if (idle.id)
        es_cancel_timer(idle);
}

/* Whoever has a parent is stopped by that one, in its turn; who has none hears it from the node. */
static void node_stops(struct esi_gen *gen)
{
    if (!gen->has_parent)
        esi_gen_stop(gen, es_from_atom(es_am_shutdown));
}

static bool is_parent(const struct esi_gen *gen, es_pid pid)
{
    struct esi_process *self = esi_enter();
    bool is_it = gen->has_parent && !pid.node && pid.id == self->parent;
    esi_leave();
    return is_it;
}

/* What sys asks is no event: an idle time begins anew after it, as OTP's do. A heartbeat, which comes by itself, leaves it alone. */
static void see_to_system(struct esi_gen *gen, es_from from, es_term request)
{
    int64_t idle_ms =
        gen->more && gen->more->idle.id && !esi_gen_is_heartbeat(request) ? gen->more->idle_ms : -1;
    if (idle_ms >= 0)
        end_idle_time(gen);
    esi_gen_system(gen, from, request);
    if (idle_ms >= 0)
        start_idle_time(gen, idle_ms);
}

/* Anything but a call or a cast. */
static __attribute__((noinline)) void sort_out(struct esi_gen *gen, es_term message)
{
    es_term from, request, reason;
    es_pid pid;
    if (es_match(message, ES_TUPLE(es_am_system, &from, &request)))
        see_to_system(gen, from, request);
    else if (es_match(message, ES_TUPLE(es_am_EXIT, &pid, &reason)) && is_parent(gen, pid))
        esi_gen_stop(gen, reason);
    else if (es_match(message, ES_TUPLE(es_am_EXIT, es_am_undefined, es_am_shutdown)))
        node_stops(gen);
    else if (!is_note(message))
        gen->kind->info(gen, message);
}

/* Elements of a tuple, or NULL. */
static const uint64_t *tuple_of(es_term message, uint64_t *count)
{
    if (!esi_is_box(message.w, ESI_TUPLE))
        return NULL;
    *count = esi_header_count(*esi_box(message.w));
    return esi_box(message.w) + 1;
}

/* The message comes again: what goes on first may leave its callback, too. */
static void hand_back(void)
{
    struct esi_process *self = esi_enter();
    esi_hand_back(self);
    esi_leave();
}

/* As after a callback, but that one was left, and the stack is clear. */
static void go_on(struct esi_gen *gen)
{
    if (gen->due)
        gen->kind->see_to_due(gen);
    else
        gen->kind->go_on(gen);
}

/* What few processes have to do with a message first. True: that was all. */
static __attribute__((noinline)) bool is_seen_to(struct esi_gen *gen, es_term message)
{
    struct esi_gen_more *more = gen->more;
    if (more->again) {
        if (more->again == ESI_GEN_AGAIN_FIRST && !is_note(message))
            hand_back();
        more->again = ESI_GEN_NOT_AGAIN;
        go_on(gen);
        return true;
    }
    bool is_idle = is_idle_timeout(gen, message);
    if (!is_idle && is_note(message))
        return true;
    if (es_match(message, ES_TUPLE(es_am_system, ES_ANY, ES_ANY)))
        return false;
    end_idle_time(gen);
    if (more->debug)
        esi_debug_in(gen, is_idle ? es_from_atom(es_am_timeout) : message);
    if (is_idle)
        gen->kind->timeout(gen);
    return is_idle;
}

static es_next handle(void *block, es_term message)
{
    struct esi_gen *gen = block;
    uint64_t count;
    const uint64_t *element = tuple_of(message, &count);
    if (__builtin_expect(gen->more != NULL, 0) && is_seen_to(gen, message))
        return ES_CONTINUE;
    if (element && count == 3 && element[0] == es_am_gen_call.w)
        gen->kind->call(gen, (es_term){element[2]}, (es_from){element[1]});
    else if (element && count == 2 && element[0] == es_am_gen_cast.w)
        gen->kind->cast(gen, (es_term){element[1]});
    else
        sort_out(gen, message);
    return ES_CONTINUE;
}

ES_NORETURN void es_answer_now(es_answer answer)
{
    struct esi_gen *gen = esi_gen_self();
    if (!gen || gen->at == ESI_AT_NOTHING)
        es_exit(ES_TUPLE(es_am_badarg, es_am_answer));
    struct esi_process *self = esi_enter();
    esi_defers_run(self);
    esi_leave();
    gen->due = gen->kind->see_to_due ? ESI_DUE_LATER
                                     : 0; /* what is asked for at once waits until the stack is clear */
    gen->kind->after(gen, answer);
    gen->due &= (uint8_t)~ESI_DUE_LATER;
    if (gen->more) {
        es_drop(gen->more->running);
        gen->more->running = es_none();
    }
    if (gen->phase == ESI_GEN_NEW)
        esi_gen_up(gen);
    bool comes_again = gen->due || gen->kind->go_on;
    if (comes_again)
        come_again(gen);
    self = esi_enter();
    if (comes_again)
        esi_hand_back(self);
    self->react = handle; /* init may have been left */
    esi_hand_done(self);
    esi_react_from_here(self);
}

__attribute__((constructor(150))) static void plug_in(void)
{
    esi_plug.last_words = last_words;
    esi_plug.behaviour_ended = forget;
}
