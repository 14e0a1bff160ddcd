/* answer.c - makes what callbacks answer. Terms in it are copies of the process's own, until the loop has used them; a reply is sent at once. */
#include "behaviour/answer.h"

#include "behaviour/debug.h"
#include "behaviour/gen.h"

es_answer es_ok(void)
{
    return (es_answer){.what = ESI_ANSWER_OK};
}

es_answer es_ignore(void)
{
    return (es_answer){.what = ESI_ANSWER_IGNORE};
}

es_answer esi_reply(es_term reply)
{
    struct esi_gen *gen = esi_gen_self();
    if (gen && !es_is_none(gen->from)) {
        es_from from = gen->from;
        gen->from = es_none();
        if (esi_reply_to(from, reply) != ES_OK)
            es_exit(es_am_system_limit);
        if (__builtin_expect(gen->more != NULL, 0) && gen->more->debug)
            esi_debug_out(gen, reply, from);
        return (es_answer){.what = ESI_ANSWER_REPLIED};
    }
    es_exit(ES_TUPLE(es_am_badarg, es_am_reply)); /* no call's callback runs, or it was answered already */
}

es_answer esi_stop(es_term reason)
{
    return (es_answer){.what = ESI_ANSWER_STOP, .term = es_keep(reason)};
}

es_answer esi_stop_reply(es_term reason, es_term reply)
{
    return (es_answer){.what = ESI_ANSWER_STOP_REPLY, .term = es_keep(reason), .reply = es_keep(reply)};
}

es_answer esi_unknown(es_term what)
{
    return (es_answer){.what = ESI_ANSWER_UNKNOWN, .term = what};
}

es_answer esi_with_continue(es_answer answer, es_term what)
{
    answer.then = ESI_THEN_CONTINUE;
    struct esi_gen *gen = esi_gen_self();
    if (!gen)
        return answer;
    struct esi_gen_more *more = esi_gen_more(gen);
    es_drop(more->continues); /* of an answer that was not given */
    more->continues = es_keep(what);
    return answer;
}

es_answer es_with_timeout(es_answer answer, int64_t timeout_ms)
{
    answer.then = timeout_ms == ES_INFINITY ? ESI_THEN_NOTHING : ESI_THEN_TIMEOUT;
    answer.timeout_ms = timeout_ms;
    return answer;
}

es_answer es_with_hibernate(es_answer answer)
{
    answer.then = ESI_THEN_HIBERNATE;
    return answer;
}
