/* exchange/common.c - what the processes of the exchange have in common. */
#include "exchange.h"
#include <arpa/inet.h>
#include <netinet/in.h>

ES_ATOMS(calls, legs, in_service, journal, begun);

enum { PATIENCE_MS = 20000, START_MS = 1000, AGAIN_MS = 1, DEEPEST = 8 };

const struct exchange *exchange;
es_atom exchange_calls, exchange_legs, exchange_in_service, exchange_journal;

/* Atoms are made before main(), in constructors of priority 200; these copies come after them. */
__attribute__((constructor(300))) static void name_groups(void)
{
    exchange_calls = calls;
    exchange_legs = legs;
    exchange_in_service = in_service;
    exchange_journal = journal;
}

void exchange_join(es_atom group)
{
    if (es_join(group, es_self()) != ES_OK)
        es_exit(es_am_system_limit);
}

es_pid *exchange_members(es_atom group, int64_t *count)
{
    enum { SLACK = 64 }; /* more may join before we look again */
    for (;;) {
        int64_t room = es_members(group, NULL, 0) + SLACK;
        es_pid *pids = es_alloc((size_t)room * sizeof *pids);
        *count = es_members(group, pids, room);
        if (*count <= room)
            return pids;
        es_free(pids);
    }
}

int64_t exchange_now_ms(void)
{
    return es_now_ns() / 1000000;
}

void exchange_send(struct sip_address to, const char *bytes, size_t length)
{
    es_address address = {.length = sizeof(struct sockaddr_in)};
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(to.port), .sin_addr.s_addr = htonl(to.ip)};
    memcpy(&address.storage, &in, sizeof in);
    if (length > 0)
        (void)es_sendto(exchange->fd, bytes, length, &address, es_now_ns() + 100000000);
}

void exchange_answer(const struct sip_message *request, uint16_t status, const char *contact,
                     int32_t expires_s)
{
    char bytes[SIP_DATAGRAM_MAX];
    struct sip_response r = {.status = status,
                             .head = &request->head,
                             .to_tag = "exchange",
                             .contact = contact,
                             .expires_s = expires_s};
    exchange_send(request->head.reply_to, bytes, sip_write_response(&r, bytes, sizeof bytes));
}

void exchange_give(es_atom to, void *memory)
{
    es_pid pid = es_whereis(to);
    if (es_pid_is_none(pid))
        es_free(memory);
    else
        (void)es_give(pid, memory);
}

es_term exchange_ask_term(es_atom server, es_term request)
{
    const int64_t give_up_ns = es_now_ns() + PATIENCE_MS * INT64_C(1000000);
    for (;;) {
        es_term answer = es_none();
        es_err error = es_try_call(server, request, PATIENCE_MS, &answer);
        if (error == ES_OK)
            return answer;
        es_drop(answer);
        if (error == ES_ETIMEOUT || es_now_ns() > give_up_ns)
            es_exit(ES_TUPLE(es_am_timeout, server));
        es_sleep(AGAIN_MS);
    }
}

es_err exchange_start_term(es_atom supervisor, es_term args, es_pid *out)
{
    const int64_t give_up_ns = es_now_ns() + START_MS * INT64_C(1000000);
    for (;;) {
        es_err error = es_start_child(supervisor, args, out, NULL);
        if (error == ES_OK || error == ES_EIGNORE || es_now_ns() > give_up_ns)
            return error;
        es_sleep(AGAIN_MS);
    }
}

/* From the parent up, as far as they live. */
static es_term ancestors(es_pid pid, int depth)
{
    es_info info;
    if (depth == DEEPEST || !es_process_info(pid, &info) || es_pid_is_none(info.parent))
        return es_nil();
    es_term above = ancestors(info.parent, depth + 1), all = es_keep(ES_CONS(info.parent, above));
    es_drop(above);
    return all;
}

void exchange_note_begun(es_atom what, const char *call_id)
{
    es_term above = ancestors(es_self(), 0);
    exchange_note(begun, what, call_id, es_self(), above);
    es_drop(above);
}

parcel *parcel_copy(const parcel *p)
{
    parcel *copy = es_new(parcel);
    *copy = *p;
    return copy;
}
