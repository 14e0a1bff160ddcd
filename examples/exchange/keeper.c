/* exchange/keeper.c - keeps what must outlive those who work with it, and does nothing else, so that it has little to fail by.
 *
 * What ets' heir is to a table, this process is to the registrar's bindings and the board's figures: {keep, Whose, Bytes} hands over what
 * changed, {fetch, Whose} is what who starts again begins with. When the keeper itself has crashed it asks both for all that they have. Both would have
 * to crash in the same moment for a telephone to be forgotten until it registers again. */
#include "exchange.h"
#include "registrar.h"

ES_ATOMS(keep, fetch, registrar, board, hand_over);

typedef struct {
    struct registrar bindings;
    es_term figures;
} keeper;

static es_answer keeper_init(keeper *self, es_term args)
{
    (void)args;
    registrar_init(&self->bindings, es_alloc(REGISTRAR_USERS * sizeof(struct registrar_binding)),
                   REGISTRAR_USERS);
    self->figures = es_keep(es_bytes("", 0));
    es_cast(registrar, hand_over);
    es_cast(board, hand_over);
    return es_ok();
}

static es_answer keeper_cast(keeper *self, es_term message)
{
    struct registrar_binding b;
    es_bin bytes;
    if (es_match(message, ES_TUPLE(keep, registrar, &bytes)) && bytes.size == sizeof b) {
        memcpy(&b, bytes.data, sizeof b);
        registrar_restore(&self->bindings, &b, exchange_now_ms());
    } else if (es_match(message, ES_TUPLE(keep, board, &bytes))) {
        es_drop(self->figures);
        self->figures = es_keep(bytes);
    } else {
        return es_unknown(message);
    }
    return es_noreply();
}

static es_answer reply_bindings(const struct registrar *r)
{
    struct registrar_binding *all = es_alloc(r->capacity * sizeof *all);
    size_t count = registrar_list(r, all, exchange_now_ms());
    es_answer answer = es_reply(es_bytes(all, count * sizeof *all));
    es_free(all);
    return answer;
}

static es_answer keeper_call(keeper *self, es_term request, es_from from)
{
    (void)from;
    if (es_match(request, ES_TUPLE(fetch, registrar)))
        return reply_bindings(&self->bindings);
    if (es_match(request, ES_TUPLE(fetch, board)))
        return es_reply(self->figures);
    return es_unknown(request);
}

ES_SERVER(keeper_server, keeper, .init = keeper_init, .cast = keeper_cast, .call = keeper_call);
