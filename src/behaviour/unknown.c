/* unknown.c - see unknown.h. Differs from OTP on purpose: there the server ends with function_clause. */
#include "behaviour/unknown.h"

#include <stdio.h>
#include "base/log.h"
#include "proc/call.h"
#include "term/tag.h"

enum { KINDS = sizeof((struct esi_gen_more *)0)->unknown_kinds / sizeof(uint64_t), TEXT_BYTES = 128 };

/* Was one like it logged already? It is from here on, if there is room to remember it. */
static bool is_known(struct esi_gen_more *more, uint64_t kind)
{
    for (int i = 0; i < KINDS; i++) {
        if (more->unknown_kinds[i] == kind)
            return true;
        if (!more->unknown_kinds[i]) {
            more->unknown_kinds[i] = kind;
            return false;
        }
    }
    return true;
}

static void note(struct esi_gen *gen, const char *what, es_term message)
{
    char text[TEXT_BYTES];
    struct esi_gen_more *more = esi_gen_try_more(gen);
    if (!more)
        return; /* nothing to remember it by: it is not said either */
    more->unknown_count++;
    if (is_known(more, (uint64_t)gen->at << 32 | esi_term_tag(message)))
        return;
    es_print(text, sizeof text, message);
    esi_enter(); /* no fault and no kill meets a log that is half written */
    esi_log(ESI_LOG_WARNING, "%s %s has no clause for the %s %s; others like it are counted", gen->kind->name,
            gen->behaviour->name, what, text);
    esi_leave();
}

void esi_gen_unknown(struct esi_gen *gen, es_term message)
{
    if (gen->at != ESI_AT_CALL) {
        note(gen, gen->at == ESI_AT_CAST ? "cast" : "message", message);
        return;
    }
    note(gen, "call", message);
    if (es_is_none(gen->from))
        return;
    if (esi_refuse_call(gen->from, es_lend(ES_TUPLE(es_am_undef, message))) != ES_OK)
        es_exit(es_am_system_limit);
    gen->from = es_none();
}
