/* exchange/common.c - what the processes of the exchange have in common. */
#include "exchange.h"
#include <arpa/inet.h>
#include <netinet/in.h>

ES_ATOMS(calls, in_service);

const struct exchange *exchange;
es_atom exchange_calls, exchange_in_service;

/* Atoms are made before main(), in constructors of priority 200; these copies come after them. */
__attribute__((constructor(300))) static void name_groups(void)
{
    exchange_calls = calls;
    exchange_in_service = in_service;
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

parcel *parcel_copy(const parcel *p)
{
    parcel *copy = es_new(parcel);
    *copy = *p;
    return copy;
}
