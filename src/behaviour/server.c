/* server.c - OTP's gen_server: see engset/server.h. Which answers a callback may give, and what becomes of them. */
#include <engset/server.h>

#include "behaviour/answer.h"
#include "behaviour/gen.h"
#include "behaviour/unknown.h"

static const struct esi_server_calls *calls_of(struct esi_gen *gen)
{
    return gen->behaviour->calls;
}

/* ------------------------------------------------------------ what becomes of an answer */

/* By callback: which answers it may give. */
static const uint8_t may_answer[][ESI_ANSWERS] = {
    [ESI_AT_INIT] = {[ESI_ANSWER_OK] = 1, [ESI_ANSWER_IGNORE] = 1, [ESI_ANSWER_STOP] = 1},
    [ESI_AT_CALL] = {[ESI_ANSWER_OK] = 1,
                     [ESI_ANSWER_REPLIED] = 1,
                     [ESI_ANSWER_STOP] = 1,
                     [ESI_ANSWER_STOP_REPLY] = 1,
                     [ESI_ANSWER_UNKNOWN] = 1},
    [ESI_AT_CAST] = {[ESI_ANSWER_OK] = 1, [ESI_ANSWER_STOP] = 1, [ESI_ANSWER_UNKNOWN] = 1},
    [ESI_AT_INFO] = {[ESI_ANSWER_OK] = 1, [ESI_ANSWER_STOP] = 1, [ESI_ANSWER_UNKNOWN] = 1},
    [ESI_AT_CONTINUE] = {[ESI_ANSWER_OK] = 1, [ESI_ANSWER_STOP] = 1, [ESI_ANSWER_UNKNOWN] = 1},
    [ESI_AT_TIMEOUT] = {[ESI_ANSWER_OK] = 1, [ESI_ANSWER_STOP] = 1, [ESI_ANSWER_UNKNOWN] = 1},
};

ES_ATOMS(bad_return_value, ignore);

/* Who starts it is told before it ends; `reason` is what init answered. */
static ES_NORETURN void not_up(struct esi_gen *gen, es_answer answer)
{
    switch (answer.what) {
    case ESI_ANSWER_IGNORE:
        es_init_ack(ignore);
        es_exit(es_am_normal);
    case ESI_ANSWER_STOP:
        es_init_ack(ES_TUPLE(es_am_error, answer.term));
        esi_exit(answer.term);
    default:
        (void)gen;
        es_init_ack(ES_TUPLE(es_am_error, ES_TUPLE(bad_return_value, es_am_undefined)));
        es_exit(ES_TUPLE(bad_return_value, es_am_undefined));
    }
}

static void continues(struct esi_gen *gen)
{
    struct esi_gen_more *more = gen->more;
    more->running = more->continues;
    more->continues = es_none();
    gen->at = ESI_AT_CONTINUE;
    gen->kind->after(gen, calls_of(gen)->continued(esi_gen_state(gen), more->running));
    es_drop(more->running);
    more->running = es_none();
}

static void timeout(struct esi_gen *gen);

/* `is_again`: right after another, so that others, and the messages that wait, have their turn. */
static void see_to_one(struct esi_gen *gen, bool is_again)
{
    uint8_t due = gen->due;
    gen->due = ESI_DUE_LATER;
    if (is_again)
        es_yield();
    if (due == ESI_AT_CONTINUE)
        continues(gen);
    else if (!is_again || esi_gen_idle_after(gen, 0))
        timeout(gen);
    gen->due &= (uint8_t)~ESI_DUE_LATER;
}

/* What is due at once is done one after the other, not one inside the other: its callback may ask for it again, and again. */
static void see_to_what_is_due(struct esi_gen *gen)
{
    if (gen->due & ESI_DUE_LATER)
        return;
    for (bool is_again = false; gen->due; is_again = true)
        see_to_one(gen, is_again);
}

/* es_answer_now() was in a callback, and asked for it. */
static void see_to_due(struct esi_gen *gen)
{
    while (gen->due)
        see_to_one(gen, true);
}

static void then(struct esi_gen *gen, es_answer answer)
{
    switch (answer.then) {
    case ESI_THEN_CONTINUE:
        gen->due |= ESI_AT_CONTINUE;
        break;
    case ESI_THEN_TIMEOUT:
        gen->due |= esi_gen_idle_after(gen, answer.timeout_ms) ? ESI_AT_TIMEOUT : 0;
        break;
    default: /* hibernate: without a stack it is as small as it gets */
        break;
    }
    see_to_what_is_due(gen);
}

static __attribute__((noinline)) void after_rare(struct esi_gen *gen, es_answer answer)
{
    if (answer.what >= ESI_ANSWERS || !may_answer[gen->at][answer.what]) {
        if (gen->at == ESI_AT_INIT)
            not_up(gen, (es_answer){0});
        esi_gen_bad_return(gen, answer);
    }
    if (gen->at == ESI_AT_INIT && answer.what != ESI_ANSWER_OK)
        not_up(gen, answer);
    switch (answer.what) {
    case ESI_ANSWER_STOP:
        esi_gen_stop(gen, answer.term);
    case ESI_ANSWER_STOP_REPLY:
        esi_gen_stop_reply(gen, answer.term, answer.reply);
    case ESI_ANSWER_UNKNOWN:
        esi_gen_unknown(gen, answer.term);
        break;
    default:
        break;
    }
    if (gen->at == ESI_AT_INIT && answer.then == ESI_THEN_NOTHING)
        return;
    if (gen->at == ESI_AT_INIT)
        esi_gen_ready(gen); /* who started it need not wait for what comes after */
    gen->from = es_none();
    gen->at = ESI_AT_NOTHING;
    then(gen, answer);
}

/* Answered now, or a cast or a message without more ado: `from` is none. */
static inline bool is_all(const struct esi_gen *gen, const es_answer *answer)
{
    if (answer->then != ESI_THEN_NOTHING)
        return false;
    return gen->at == ESI_AT_CALL
               ? answer->what == ESI_ANSWER_REPLIED
               : answer->what == ESI_ANSWER_OK && (gen->at == ESI_AT_CAST || gen->at == ESI_AT_INFO);
}

static inline void after(struct esi_gen *gen, es_answer answer)
{
    if (is_all(gen, &answer))
        gen->at = ESI_AT_NOTHING;
    else
        after_rare(gen, answer);
}

static void after_out_of_line(struct esi_gen *gen, es_answer answer)
{
    after(gen, answer);
}

/* ------------------------------------------------------------ events */

static void call(struct esi_gen *gen, es_term request, es_from from)
{
    gen->at = ESI_AT_CALL;
    gen->from = from;
    after(gen, calls_of(gen)->call(esi_gen_state(gen), request, from));
}

static void cast(struct esi_gen *gen, es_term message)
{
    gen->at = ESI_AT_CAST;
    after(gen, calls_of(gen)->cast(esi_gen_state(gen), message));
}

static void info(struct esi_gen *gen, es_term message)
{
    gen->at = ESI_AT_INFO;
    after(gen, calls_of(gen)->info(esi_gen_state(gen), message));
}

static void timeout(struct esi_gen *gen)
{
    gen->at = ESI_AT_TIMEOUT;
    after(gen, calls_of(gen)->timeout(esi_gen_state(gen)));
}

static void terminate(struct esi_gen *gen, es_term reason)
{
    calls_of(gen)->terminate(esi_gen_state(gen), reason);
}

/* ------------------------------------------------------------ for sys */

static es_term state(struct esi_gen *gen, es_atom why)
{
    return calls_of(gen)->format_status(esi_gen_state(gen), why);
}

static es_err replace_state(struct esi_gen *gen, es_term new)
{
    return calls_of(gen)->replace_state(esi_gen_state(gen), new);
}

static es_err code_change(struct esi_gen *gen, es_term old, es_term extra)
{
    return calls_of(gen)->code_change(esi_gen_state(gen), old, extra);
}

static const struct esi_gen_kind server_kind = {
    .name = "gen_server",
    .call = call,
    .cast = cast,
    .info = info,
    .timeout = timeout,
    .see_to_due = see_to_due,
    .after = after_out_of_line,
    .terminate = terminate,
    .state = state,
    .replace_state = replace_state,
    .code_change = code_change,
};

ES_NORETURN void esi_server_main(const es_behaviour *server, es_term args)
{
    struct esi_gen *gen = esi_gen_open(server, &server_kind);
    after(gen, calls_of(gen)->init(esi_gen_state(gen), args));
    esi_gen_up(gen);
}
