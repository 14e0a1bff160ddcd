/* exchange/office.c - starts the processes of the exchange, and ends it in order. */
#include "exchange.h"

ES_ATOMS(listening, serve, stop, hangup, summary, flush);

enum { LAST_WORDS_MS = 4000 };

void office_open(struct exchange *office)
{
    int fd = -1;
    unsigned port = 0;
    es_pid listens = es_spawn_opt(ES_WITH(.link = true, .name = "listener"), listener,
                                  ES_TUPLE(office->address.port, es_self()));
    es_receive {
        es_case(ES_TUPLE(listening, &fd, &port)) {
        }
    }
    office->fd = fd;
    office->address.port = (uint16_t)port;
    office->started_ns = es_now_ns();
    office->times = leg_times_standard;
    exchange = office;
    office->journal = es_spawn_opt(ES_WITH(.link = true, .name = "journal"), journal);
    office->board = es_spawn_opt(ES_WITH(.link = true, .name = "board"), board);
    office->router = es_spawn_opt(ES_WITH(.link = true, .name = "router"), router);
    if (office->crash_rate > 0)
        es_spawn_opt(ES_WITH(.link = true, .name = "injector"), injector);
    es_send(listens, serve);
}

static int64_t hang_up_all(void)
{
    int64_t count;
    es_pid *calls = exchange_members(exchange_calls, &count);
    for (int64_t i = 0; i < count; i++)
        es_send(calls[i], hangup);
    es_free(calls);
    return count;
}

void office_close(struct exchange *office)
{
    es_drop(es_call(office->router, stop, 5000));
    const int64_t deadline_ns = es_now_ns() + LAST_WORDS_MS * (int64_t)1000000;
    for (int64_t left = hang_up_all(); left > 0 && es_now_ns() < deadline_ns;) {
        es_sleep(50);
        left = es_members(exchange_calls, NULL, 0);
    }
    es_drop(es_call(office->journal, flush, 5000));
    es_drop(es_call(office->board, summary, 5000));
}
