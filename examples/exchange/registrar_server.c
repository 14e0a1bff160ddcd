/* exchange/registrar_server.c - who is registered where, as a process: registrar.h decides, this answers.
 *
 * What changed is with the keeper before the telephone hears that it is registered, and what the keeper has this process begins with. */
#include "exchange.h"
#include "registrar.h"

ES_ATOMS(keeper, keep, fetch, registrar, hand_over, find, undefined);

typedef struct {
    struct registrar table;
} clerk;

static void hand_to_keeper(const struct registrar_binding *b)
{
    es_cast(keeper, ES_TUPLE(keep, registrar, es_bytes(b, sizeof *b)));
}

/* Takes what the keeper kept for who was here before. */
static void take_from_keeper(clerk *self)
{
    es_term kept = exchange_ask(keeper, ES_TUPLE(fetch, registrar));
    struct registrar_binding b;
    es_bin bytes;
    if (es_get_bin(kept, &bytes))
        for (size_t at = 0; at + sizeof b <= bytes.size; at += sizeof b) {
            memcpy(&b, bytes.data + at, sizeof b);
            registrar_restore(&self->table, &b, exchange_now_ms());
        }
    es_drop(kept);
}

static es_answer registrar_start(clerk *self, es_term args)
{
    (void)args;
    registrar_init(&self->table, es_alloc(REGISTRAR_USERS * sizeof(struct registrar_binding)),
                   REGISTRAR_USERS);
    take_from_keeper(self);
    return es_ok();
}

static void on_register(clerk *self, const struct sip_message *m)
{
    struct registrar_answer a = registrar_register(&self->table, m, exchange_now_ms());
    const struct registrar_binding *b = registrar_find(&self->table, m->to.user, exchange_now_ms());
    struct registrar_binding gone = {.until_ms = INT64_MIN};
    memcpy(gone.user, m->to.user, sizeof gone.user);
    if (m->contact[0] && a.status == 200)
        hand_to_keeper(b ? b : &gone);
    exchange_answer(m, a.status, a.contact, a.expires_s);
}

static es_answer registrar_info(clerk *self, es_term message)
{
    parcel *p = es_struct_of(parcel, message);
    if (!p)
        return es_unknown(message);
    on_register(self, parcel_message(p));
    es_free(p);
    return es_noreply();
}

/* The keeper has nothing: it crashed. */
static es_answer registrar_cast(clerk *self, es_term message)
{
    if (!es_is(message, hand_over))
        return es_unknown(message);
    struct registrar_binding *all = es_alloc(REGISTRAR_USERS * sizeof *all);
    size_t count = registrar_list(&self->table, all, exchange_now_ms());
    for (size_t i = 0; i < count; i++)
        hand_to_keeper(&all[i]);
    es_free(all);
    return es_noreply();
}

/* {Uri, Ip, Port}, or undefined. Who is not registered may be at a port that is set. */
static es_answer where_is(const clerk *self, es_bin name)
{
    char user[SIP_USER_MAX] = "", escaped[SIP_ESCAPED_MAX], uri[SIP_ESCAPED_MAX + 40];
    if (name.size < sizeof user)
        memcpy(user, name.data, name.size);
    const struct registrar_binding *b = registrar_find(&self->table, user, exchange_now_ms());
    if (b)
        return es_reply(ES_TUPLE(b->contact, b->address.ip, b->address.port));
    if (!exchange->uas_port)
        return es_reply(undefined);
    snprintf(uri, sizeof uri, "sip:%s@127.0.0.1:%u", sip_escape(user, escaped), exchange->uas_port);
    return es_reply(ES_TUPLE(uri, exchange->address.ip, exchange->uas_port));
}

static es_answer registrar_call(clerk *self, es_term request, es_from from)
{
    es_bin user;
    (void)from;
    return es_match(request, ES_TUPLE(find, &user)) ? where_is(self, user) : es_unknown(request);
}

ES_SERVER(registrar_server, clerk, .init = registrar_start, .info = registrar_info, .cast = registrar_cast,
          .call = registrar_call);
