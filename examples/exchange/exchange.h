/* exchange/exchange.h - the processes of the exchange, and what they say to each other.
 *
 *   telephones <==UDP==> listener --parcel--> router --parcel--> leg <--wish-- call --wish--> leg
 *                                                |               |  --news->      <-news--   |
 *                                           directory            +-------- UDP --------------+
 *
 * Who starts whom, and what goes with whom, is in tree.c. Everybody is found by name, and may be gone just now: what is sent to him
 * meanwhile is lost, as a datagram may be, and SIP repeats it; who must have an answer asks again (exchange_ask()).
 *
 * What a SIP message means is in dialog.h; nothing here looks into one. */
#ifndef EXCHANGE_EXCHANGE_H
#define EXCHANGE_EXCHANGE_H

#include <engset.h>
#include <string.h>
#include "dialog.h"

/* What every process may look at. Filled by the root before it starts the others, never written after: so it may be shared. */
struct exchange {
    int fd;                     /* the socket; legs, router and registrar send through it */
    struct sip_address address; /* where it is bound */
    struct leg_times times;
    uint16_t uas_port; /* where those are who are not registered; 0: nowhere */
    bool is_quiet;     /* no screen */
    char log[256];     /* the journal's file, "": stderr */
    int64_t started_ns;
};
extern const struct exchange *exchange;

/* ---- what they say ---- */

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
    char body_type[SIP_NAME_MAX];
    uint8_t body[SIP_BODY_MAX];
} wish;
ES_STRUCT(wish, kind, status, body_length, body_type, body);

/* What a leg learned, for its call. */
typedef struct news {
    int32_t event; /* enum leg_event */
    int32_t reason;
    uint16_t status;
    uint16_t body_length;
    bool is_outgoing;
    bool is_done; /* nothing more comes: the telephone is released */
    char body_type[SIP_NAME_MAX];
    uint8_t body[SIP_BODY_MAX];
} news;
ES_STRUCT(news, event, reason, status, body_length, is_outgoing, is_done, body_type, body);

/* Where a leg stands, for the directory: with the card somebody else can say goodbye in its place. */
typedef struct deposit {
    es_pid leg;
    _Alignas(8) uint8_t card[sizeof(struct leg_card)];
} deposit;
ES_STRUCT(deposit, leg, card);

/* ---- who they are ---- */

extern const es_behaviour exchange_root, calls_supervisor; /* tree.c, and all the other supervisors */
extern const es_behaviour keeper_server; /* keeps what must outlive those who work with it */
extern const es_behaviour
    journal_server;                     /* writes {Ns, What, Details...}, a line each; see exchange_note() */
extern const es_behaviour board_server; /* counts what it is told, and shows it each second */
extern const es_behaviour registrar_server, directory_server, router_server, listener_server;
extern const es_behaviour call_machine, leg_machine;

/* Their settings as the environment of the application has them. Process only. */
void exchange_read_settings(struct exchange *to);

/* No new calls; the others are hung up, and their telephones get some time to acknowledge. The board prints its summary. */
void exchange_close(void);

/* ---- what they have in common (common.c) ---- */

/* The groups: calls, legs, and those of both that the injector may choose. Groups are the node's, and outlive every process: who must know
 * after a restart who is there asks the members. */
extern es_atom exchange_calls, exchange_legs, exchange_in_service;

/* Joins the caller; who cannot be found after a restart is of no use, and ends. Process only. */
void exchange_join(es_atom group);

/* The members of `group`, in memory of the caller's (es_free()); how many goes to `*count`. Process only. */
es_pid *exchange_members(es_atom group, int64_t *count);

/* es_now_ns() in milliseconds. */
int64_t exchange_now_ms(void);

/* Sends a datagram; what cannot be sent at once is lost, as datagrams are. Process only. */
void exchange_send(struct sip_address to, const char *bytes, size_t length);

/* Answers a request that belongs to no leg. `contact` may be NULL, `expires_s` < 0. Process only. */
void exchange_answer(const struct sip_message *request, uint16_t status, const char *contact,
                     int32_t expires_s);

/* As es_give() to who has that name; nobody: it is lost. */
void exchange_give(es_atom to, void *memory);

/* As es_call() to who has that name; when he is not there, or ends meanwhile, his successor is asked. When there is none for some seconds the
 * caller ends. */
es_term exchange_ask_term(es_atom server, es_term request);
#define exchange_ask(server, ...) exchange_ask_term((server), es_lend(ES_T(__VA_ARGS__)))

/* Starts one more child of the supervisor that has that name; when it is just being restarted, or has no memory, again, for a second. */
es_err exchange_start_term(es_atom supervisor, es_term args, es_pid *out);
#define exchange_start(supervisor, args, out) exchange_start_term((supervisor), es_lend(ES_T(args)), (out))

/* Has the journal write {Now, x...}. When this returns it is written, whatever becomes of the journal. */
#define exchange_note(...) es_drop(exchange_ask(exchange_journal, ES_TUPLE(es_now_ns(), __VA_ARGS__)))
extern es_atom exchange_journal;

/* Notes that this process begins to work for the call with that Call-ID, and under whom: {begun, What, CallId, Self, Ancestors}. */
void exchange_note_begun(es_atom what, const char *call_id);

/* The message in a parcel, lent. */
static inline const struct sip_message *parcel_message(const parcel *p)
{
    return (const struct sip_message *)(const void *)p->message;
}

/* The card in a deposit, lent. */
static inline const struct leg_card *deposit_card(const deposit *d)
{
    return (const struct leg_card *)(const void *)d->card;
}

/* A copy of a parcel, this process's own. */
parcel *parcel_copy(const parcel *p);

#endif
