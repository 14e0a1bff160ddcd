/* exchange/dialog.h - one call leg: the dialog with one telephone, as a pure state machine.
 *
 * The exchange is in the middle of a call and so has two legs: one that was called by the caller
 * (incoming) and one that calls the callee (outgoing). Each is a dialog of its own, with its own Call-ID,
 * tags and CSeq, and its own repeating of what got lost. What connects the two is not here.
 *
 * A leg takes what happens (a message came, time went by, the call wants something) together with the time,
 * and fills a plan: datagrams to send, and at most one event for the call. No clock, no socket, no memory.
 * Times are milliseconds of any clock that does not go back. A leg is a plain value, owned by one process.
 *
 * Not here: routes (we speak to telephones directly), forking (the first 2xx counts), re-INVITE
 * (refused with 488), provisional responses that are acknowledged (RFC 3262).
 *
 * Source: RFC 3261, sections 9, 12 to 15, 17. */
#ifndef EXCHANGE_DIALOG_H
#define EXCHANGE_DIALOG_H

#include "sip.h"

/*   incoming                               outgoing
 *
 *   TRYING ----answer----> ANSWERED        CALLING --1xx--> PROCEEDING --2xx--> UP (or UNCONFIRMED until
 *     |                       | ACK           |                | hangup            | leg_confirm())
 *     | refuse, CANCEL        v               | 3xx-6xx        v                   | hangup
 *     v                       UP              |             CANCELLING             v
 *   REFUSED --ACK--+          | hangup        |                | 487             ENDING (BYE is out)
 *                  |          v               v                v                   | 200
 *                  |        ENDING --200--> LINGERING <--------+-------------------+
 *                  +----------------------> LINGERING --time--> OVER
 *
 * A lingering leg is over for the call, and answers only what the network repeats. */
enum leg_state {
    LEG_NEW,
    LEG_TRYING,
    LEG_ANSWERED,
    LEG_REFUSED,
    LEG_CALLING,
    LEG_PROCEEDING,
    LEG_CANCELLING,
    LEG_UNCONFIRMED,
    LEG_UP,
    LEG_ENDING,
    LEG_LINGERING,
    LEG_OVER,
    LEG_STATES
};

/* What the call learns. */
enum leg_event {
    LEG_NOTHING,
    LEG_RINGING,   /* outgoing: a 101 to 199 came; `status`, `body` */
    LEG_ACCEPTED,  /* outgoing: a 2xx came; `body` */
    LEG_CONFIRMED, /* incoming: our 2xx is acknowledged; `body` (of the ACK, seldom there) */
    LEG_RELEASED,  /* the telephone or the time ended it; `reason`. Told once, never after leg_hangup() */
};

enum leg_reason {
    LEG_HUNG_UP,     /* BYE came */
    LEG_CANCELLED,   /* CANCEL came */
    LEG_REJECTED,    /* a final response of 300 to 699 came; `status` */
    LEG_UNREACHABLE, /* no response at all (timer B) */
    LEG_NO_ANSWER,   /* it rang for too long */
    LEG_NO_ACK,      /* our 2xx was never acknowledged (timer H) */
    LEG_TOO_LONG,    /* the call's longest time is over */
    LEG_TOO_LARGE,   /* what it had to say does not fit in a datagram */
    LEG_REASONS
};

/* One datagram to send. */
struct leg_send {
    struct sip_address to;
    uint16_t length;
    char bytes[SIP_DATAGRAM_MAX];
};

/* What to do now, in this order: send `send[0]` .. `send[send_count - 1]`, then tell the call. Every function
 * below begins by emptying it. `body` is lent: by the message that was given in. */
struct leg_plan {
    int send_count;
    enum leg_event event;
    enum leg_reason reason;
    uint16_t status;
    struct sip_body body;
    struct leg_send send[2];
};

/* Durations, all in milliseconds. */
struct leg_times {
    uint32_t t1_ms;       /* round trip, first repeat: 500 in RFC 3261 */
    uint32_t t2_ms;       /* longest pause between repeats: 4000 */
    uint32_t t4_ms;       /* how long the network keeps a message: 5000 */
    uint32_t ring_max_ms; /* outgoing: from INVITE to final response */
    uint32_t call_max_ms; /* from ACK to BYE */
};

/* RFC 3261's values, 3 minutes of ringing, 12 hours of call. */
extern const struct leg_times leg_times_standard;

/* What every leg needs at its start. */
struct leg_setup {
    struct leg_times times;
    struct sip_address local; /* where the exchange is reached */
    uint64_t seed;            /* random; makes tags and branches. No two legs have the same */
};

/* Whom an outgoing leg calls. The texts are copied. */
struct leg_callee {
    const char *call_id;       /* see leg_call_id() */
    const char *from_user;     /* the caller's number, %-escapes undone */
    const char *target;        /* the URI to call */
    struct sip_address remote; /* where that is */
    struct sip_body body;      /* the caller's offer. Without one the ACK waits for leg_confirm() */
};

/* What makes a dialog: enough to end it in place of a leg that died. Plain data: copy it as you like. */
struct leg_card {
    enum leg_state state;
    bool outgoing;
    struct sip_address local;
    struct sip_address remote;
    uint32_t cseq;        /* the last that we used */
    uint32_t invite_cseq; /* of the INVITE that began it, whoever sent it */
    char local_tag[20];
    char remote_tag[SIP_TAG_MAX];
    char branch[40]; /* of our INVITE or BYE */
    char call_id[SIP_CALL_ID_MAX];
    char self[SIP_PARTY_MAX + 24]; /* From and To of our requests */
    char peer[SIP_PARTY_MAX];
    char target[SIP_URI_MAX];
};

/* Which alarms a leg sets for itself; see leg_deadline_ms(). */
enum leg_timer {
    LEG_T_REPEAT,  /* A, E, G and the repeats of a 2xx */
    LEG_T_GIVE_UP, /* B, F, H */
    LEG_T_RING,    /* ring_max_ms */
    LEG_T_LIMIT,   /* call_max_ms */
    LEG_T_LINGER,  /* D, I, J, K */
    LEG_TIMERS
};

/* One leg. Read `card.state` as you like; write nothing. */
struct leg {
    struct leg_card card;
    struct leg_times times;
    uint64_t seed;
    uint32_t branch_count;
    bool has_offer; /* outgoing: our INVITE had a body */
    bool leaving;   /* the call is done with it; BYE or CANCEL must wait for the other side */
    bool is_told;   /* the call knows that it is over */
    bool sent_is_ack;
    uint32_t repeat_ms;
    int64_t alarm_ms[LEG_TIMERS]; /* absolute; INT64_MAX: not set */
    struct sip_head invite;       /* incoming: what responses need */
    uint16_t sent_length;         /* 0: nothing to repeat */
    char sent[SIP_DATAGRAM_MAX];  /* what is repeated until answered, or again when asked again */
};

/* Makes the Call-ID of the outgoing leg that belongs to the incoming one with `call_id`: "b." and the same,
 * so that the two are found together in any log. False if it is too long to be one. */
bool leg_call_id(const char *call_id, char out[static SIP_CALL_ID_MAX]);

/* Begins an incoming leg with its INVITE, and answers 100. An INVITE without Contact is refused (400). */
void leg_open_incoming(struct leg *leg, const struct leg_setup *setup, const struct sip_message *invite,
                       int64_t now_ms, struct leg_plan *plan);

/* Begins an outgoing leg: sends INVITE. */
void leg_open_outgoing(struct leg *leg, const struct leg_setup *setup, const struct leg_callee *callee,
                       int64_t now_ms, struct leg_plan *plan);

/* Begins a leg whose only work is to say goodbye (BYE, or CANCEL while it rings) in place of the one that
 * `card` was copied from. False, and nothing is begun, if there is nothing to say: an incoming leg that was
 * not answered (open it again with its INVITE and refuse it), or one that had ended. */
bool leg_farewell(struct leg *leg, const struct leg_setup *setup, const struct leg_card *card, int64_t now_ms,
                  struct leg_plan *plan);

/* Is there something to say in place of the leg with that card? */
bool leg_may_say_goodbye(const struct leg_card *card);

/* A message with this leg's Call-ID came. */
void leg_message(struct leg *leg, const struct sip_message *message, int64_t now_ms, struct leg_plan *plan);

/* When leg_tick() is due, INT64_MAX: never. Ask again after every call. */
int64_t leg_deadline_ms(const struct leg *leg);

/* The time is `now_ms`. Too early does no harm. Handles one alarm: ask leg_deadline_ms() again. */
void leg_tick(struct leg *leg, int64_t now_ms, struct leg_plan *plan);

/* The call's wishes. Each does nothing in a state where it makes no sense, so that wishes and messages that
 * cross need no care. */

/* Incoming, before the answer: passes on that it rings (`status` 101 to 199). */
void leg_ring(struct leg *leg, uint16_t status, struct sip_body body, struct leg_plan *plan);

/* Incoming: 200. LEG_CONFIRMED follows, or LEG_RELEASED. */
void leg_answer(struct leg *leg, struct sip_body body, int64_t now_ms, struct leg_plan *plan);

/* Incoming, before the answer: refuses with `status`, 300 to 699. */
void leg_refuse(struct leg *leg, uint16_t status, int64_t now_ms, struct leg_plan *plan);

/* Outgoing: the caller acknowledged. Sends the ACK if it waits for this. */
void leg_confirm(struct leg *leg, struct sip_body body, int64_t now_ms, struct leg_plan *plan);

/* Ends the leg, whatever it is at: 480, CANCEL or BYE. The leg is over when it has been acknowledged or
 * given up. */
void leg_hangup(struct leg *leg, int64_t now_ms, struct leg_plan *plan);

/* Whether the leg has nothing left to do: forget it. */
bool leg_is_over(const struct leg *leg);

/* For logs: "no answer". */
const char *leg_reason_text(enum leg_reason reason);

/* The status with which the incoming leg is refused when the outgoing one ended before it was answered. */
uint16_t leg_reason_status(enum leg_reason reason, uint16_t status);

#endif
