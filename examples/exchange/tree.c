/* exchange/tree.c - the supervisors: who starts whom, and who goes with whom. README.md has the picture.
 *
 * What is below the root does not depend on its neighbours' lives: each is found by name, asks anew who it needs, and asks for what it forgot. So every strategy
 * is one_for_one but that of a call, whose processes share one fate. */
#include "exchange.h"
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

ES_ATOMS(port, uas_port, log, quiet, shut, router, hangup, summary, board);
ES_ATOM(named_exchange, "exchange");

enum { LAST_WORDS_MS = 4000, SOCKET_ROOM = 8 << 20, OFTEN = 100, WITHIN_S = 10, PARTITIONS = 8 };

/* ---- a call: three processes that live and die together ----
 *
 * One crash is one too many, and all are stopped; who ends in order is not started again, and with the last of them the family
 * ends. The call adds its legs (call.c). */

static es_answer name_family(es_supervisor_spec *spec, es_term call_id)
{
    es_bin text;
    (void)spec;
    if (es_get_bin(call_id, &text))
        es_label("family %.*s", (int)text.size, text.data);
    return es_ok();
}

ES_SUPERVISOR(
    call_family, .strategy = ES_ONE_FOR_ALL, .intensity = ES_NO_RESTARTS, .auto_shutdown = ES_SHUTDOWN_ON_ALL,
    .init = name_family,
    ES_CHILDREN({.id = "call", ES_START(call_machine), .restart = ES_TRANSIENT, .significant = true}));

ES_SUPERVISOR(calls_supervisor, .strategy = ES_SIMPLE_ONE_FOR_ONE, .partitions = PARTITIONS,
              .intensity = OFTEN, .period_s = WITHIN_S,
              ES_CHILDREN({.id = "family",
                           ES_START(call_family),
                           .restart = ES_TEMPORARY,
                           .type = ES_CHILD_SUPERVISOR}));

/* Legs that say goodbye in place of others. */
ES_SUPERVISOR(farewells_supervisor, .strategy = ES_SIMPLE_ONE_FOR_ONE, .intensity = OFTEN,
              .period_s = WITHIN_S,
              ES_CHILDREN({.id = "farewell", ES_START(leg_machine), .restart = ES_TEMPORARY}));

/* ---- those who take messages to where they belong ---- */

ES_SUPERVISOR(front_supervisor, .intensity = OFTEN, .period_s = WITHIN_S,
              ES_CHILDREN({.id = "registrar", ES_START(registrar_server, .name = "registrar")},
                          {.id = "directory", ES_START(directory_server, .name = "directory")},
                          {.id = "router", ES_START(router_server, .name = "router")},
                          {.id = "listener", ES_START(listener_server, .name = "listener")}));

/* ---- the root ----
 *
 * The socket is its own, as an ets table is that a supervisor makes for its workers: it does nothing that could fail, and who reads and
 * writes there may come and go. */

static struct exchange office;

static int64_t setting(es_atom key, int64_t otherwise)
{
    es_term value = es_none();
    int64_t number = otherwise;
    if (es_application_env("exchange", key, &value) == ES_OK) {
        if (es_is(value, es_am_true))
            number = 1;
        else
            (void)!es_get_int64(value, &number);
        es_drop(value);
    }
    return number;
}

static void read_log_name(char *name, size_t size)
{
    es_term value = es_none();
    es_bin text;
    if (es_application_env("exchange", log, &value) != ES_OK)
        return;
    if (es_get_bin(value, &text) && text.size < size)
        memcpy(name, text.data, text.size);
    es_drop(value);
}

void exchange_read_settings(struct exchange *to)
{
    *to = (struct exchange){.address = {0x7f000001, (uint16_t)setting(port, 5060)},
                            .uas_port = (uint16_t)setting(uas_port, 0),
                            .is_quiet = setting(quiet, 0) != 0,
                            .times = leg_times_standard,
                            .started_ns = es_now_ns()};
    read_log_name(to->log, sizeof to->log);
}

static int64_t open_socket(uint16_t at)
{
    char text[32];
    es_address local;
    int room = SOCKET_ROOM;
    snprintf(text, sizeof text, "127.0.0.1:%u", at);
    int64_t fd = es_address_parse(text, &local) == ES_OK ? es_udp_open(&local) : ES_EINVAL;
    /* The first needs a right that few have, the second is cut to what everybody may. */
    if (fd >= 0 && setsockopt((int)fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
        setsockopt((int)fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    return fd;
}

static uint16_t port_of(int fd)
{
    es_address local;
    struct sockaddr_in in = {0};
    if (es_udp_local(fd, &local) == ES_OK)
        memcpy(&in, &local.storage, sizeof in);
    return ntohs(in.sin_port);
}

static es_answer open_office(es_supervisor_spec *spec, es_term args)
{
    (void)spec;
    (void)args;
    exchange_read_settings(&office);
    if (es_register(named_exchange, es_self()) != ES_OK)
        return es_stop(ES_TUPLE(es_am_error, "another exchange runs"));
    if (sip_prepare() != SIP_GOOD)
        return es_stop(es_am_system_limit);
    int64_t fd = open_socket(office.address.port);
    if (fd < 0)
        return es_stop(ES_TUPLE(es_am_error, es_last_detail()));
    office.fd = (int)fd;
    office.address.port = port_of(office.fd);
    exchange = &office;
    return es_ok();
}

/* When one of these is killed, those below it end a moment later than it, and have their names until then: its successor would find them
 * taken, again and again. So it waits that moment. */
#define A_SUPERVISOR(supervisor)                       \
    ES_START(supervisor), .type = ES_CHILD_SUPERVISOR, \
                          .backoff = {.first_ms = 5, .max_ms = 500, .reset_ms = 1000}

ES_SUPERVISOR(exchange_root, .intensity = OFTEN, .period_s = WITHIN_S, .init = open_office,
              ES_CHILDREN({.id = "keeper", ES_START(keeper_server, .name = "keeper")},
                          {.id = "journal", ES_START(journal_server, .name = "journal")},
                          {.id = "board", ES_START(board_server, .name = "board")},
                          {.id = "farewells", A_SUPERVISOR(farewells_supervisor), .name = "farewells"},
                          {.id = "calls", A_SUPERVISOR(calls_supervisor)},
                          {.id = "front", A_SUPERVISOR(front_supervisor)}));

/* ---- its end ---- */

static void hang_up_all(void)
{
    int64_t count;
    es_pid *calls = exchange_members(exchange_calls, &count);
    for (int64_t i = 0; i < count; i++)
        es_send(calls[i], hangup);
    es_free(calls);
}

void exchange_close(void)
{
    const int64_t deadline_ns = es_now_ns() + LAST_WORDS_MS * (int64_t)1000000;
    es_drop(exchange_ask(router, shut));
    hang_up_all();
    while (es_members(exchange_calls, NULL, 0) > 0 && es_now_ns() < deadline_ns)
        es_sleep(50);
    es_drop(exchange_ask(board, summary));
}
