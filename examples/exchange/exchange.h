/* exchange/exchange.h - the processes of the exchange, and what they say to each other.
 *
 *   telephones <==UDP==> listener --parcel--> router --parcel--> leg <--wish-- call --wish--> leg
 *                                                                |  --news->      <-news--   |
 *                                                                +-------- UDP --------------+
 *
 * The listener alone reads the socket and parses. The router knows which process has which Call-ID, and who is
 * registered. A leg is the dialog with one telephone, a call is what connects two of them; each is a process of its own,
 * so that a bug in one costs that call and no other. Beside them: a board that counts and shows, a journal that
 * writes, and an injector that makes processes crash.
 *
 * What a SIP message means is in dialog.h; nothing here looks into one. */
#ifndef EXCHANGE_EXCHANGE_H
#define EXCHANGE_EXCHANGE_H

#include <engset.h>
#include <string.h>
#include "dialog.h"

/* What every process may look at. Filled by main before they start, never written after: so it may be shared. */
struct exchange {
    int fd;                     /* the listener's socket; legs and router send through it */
    struct sip_address address; /* where it is bound */
    struct leg_times times;
    es_pid router, board, journal;
    uint16_t uas_port; /* where those are who are not registered; 0: nowhere */
    int crash_rate;    /* processes a second that the injector makes crash */
    const char *log;   /* the journal's file, NULL: stderr */
    bool is_quiet;     /* no screen */
    int64_t started_ns;
};
extern const struct exchange *exchange;

/* A SIP message on its way from the listener to whom it concerns. */
typedef struct parcel {
    _Alignas(8) uint8_t message[sizeof(struct sip_message)];
    int64_t arrived_ns;
} parcel;
ES_STRUCT(parcel, message, arrived_ns);

/* What a call wants of a leg; what that means is in dialog.h. */
enum wish_kind { WISH_RING, WISH_ANSWER, WISH_CONFIRM, WISH_REFUSE, WISH_HANGUP };
typedef struct wish {
    int32_t kind;
    uint16_t status;      /* ring, refuse */
    uint16_t body_length; /* ring, answer, confirm */
    bool is_for_crash;    /* hangup: because another process of the call crashed */
    char body_type[SIP_NAME_MAX];
    uint8_t body[SIP_BODY_MAX];
} wish;
ES_STRUCT(wish, kind, status, body_length, is_for_crash, body_type, body);

/* What a leg learned, and where it stands: with the card the call can say goodbye in its place. */
typedef struct news {
    _Alignas(8) uint8_t card[sizeof(struct leg_card)];
    int32_t event; /* enum leg_event */
    int32_t reason;
    uint16_t status;
    uint16_t body_length;
    char body_type[SIP_NAME_MAX];
    uint8_t body[SIP_BODY_MAX];
} news;
ES_STRUCT(news, card, event, reason, status, body_length, body_type, body);

/* ---- the processes ---- */

/* {Port, Starter}: opens the socket on 127.0.0.1, tells the starter {listening, Fd, Port}, and begins on `serve`. Ends the
 * node with 1 when the port is taken. */
void listener(es_term argument);

/* Takes parcels; answers {announce, CallId, Pid} by letting Pid have that Call-ID's messages from now on, and
 * `stop` by refusing new calls. {lost, Call, Why} counts that call as lost, once. Its own end is the end of the exchange. */
void router(void);

/* {Target, Ip, Port} of the callee, Ip 0 when nobody knows him; the INVITE follows as a parcel. Understands `hangup`. */
void call(es_term argument);

/* A leg that `call` begins; the caller monitors it and sends the INVITE after it. `*monitor` is written. */
es_pid leg_spawn_incoming(es_ref *monitor);
es_pid leg_spawn_outgoing(es_ref *monitor, es_term callee);
/* A leg that has nobody to tell: refuses the INVITE that follows. */
es_pid leg_spawn_refusal(uint16_t status);
/* A leg that has nobody to tell: says goodbye in place of the one with `card`. */
void leg_spawn_farewell(const struct leg_card *card);

/* Counts what it is told and shows it each second; answers `summary` with printing one. */
void board(void);

/* Writes a line for each {Ns, What, Details...} that it is sent. */
void journal(void);

/* Draws a process in service and a bug, exchange->crash_rate times a second, and makes them meet. */
void injector(void);

/* ---- the whole (office.c) ---- */

/* Starts all of them, linked to the caller, as `office` says, and completes it. Who is linked to the first process ends the exchange by
 * ending. */
void office_open(struct exchange *office);

/* No new calls; the others are hung up, and their telephones get some time to acknowledge. The board prints its summary. */
void office_close(struct exchange *office);

/* ---- what they have in common ---- */

/* The groups: calls, and those processes of calls under way that the injector may choose. */
extern es_atom exchange_calls, exchange_in_service;

/* The members of `group`, in memory of the caller's (es_free()); how many goes to `*count`. Process only. */
es_pid *exchange_members(es_atom group, int64_t *count);

/* es_now_ns() in milliseconds. */
int64_t exchange_now_ms(void);

/* Sends a datagram; what cannot be sent at once is lost, as datagrams are. Process only. */
void exchange_send(struct sip_address to, const char *bytes, size_t length);

/* Tells the journal {Now, x...}. */
#define exchange_note(...) es_send(exchange->journal, ES_TUPLE(es_now_ns(), __VA_ARGS__))

/* The message in a parcel, lent. */
static inline const struct sip_message *parcel_message(const parcel *p)
{
    return (const struct sip_message *)(const void *)p->message;
}

/* A copy of a parcel, this process's own. */
parcel *parcel_copy(const parcel *p);

#endif
