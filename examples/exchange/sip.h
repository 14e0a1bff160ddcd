/* exchange/sip.h - SIP messages: from a datagram into a plain struct, and back into bytes.
 *
 * A parsed message holds no pointers, so it can be copied, kept, and given to another process as it
 * is. What is written goes into the caller's buffer. There is no memory, no clock and no socket here, and
 * no opinion on what a message means in a dialog: that is dialog.h.
 *
 * The reading is done by libosip2's parser. It keeps no state between messages, so any number of threads
 * may parse at the same time once sip_prepare() has run; but it works in memory from malloc, which it
 * gives back before sip_parse() returns. So a process that is killed in the middle of sip_parse() leaks:
 * parse in the process that listens, and send the parsed message on.
 *
 * Source: RFC 3261, and RFC 3581 for rport. */
#ifndef EXCHANGE_SIP_H
#define EXCHANGE_SIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bounds, the closing zero included. What does not fit is refused with SIP_ETOOBIG, never cut. */
enum {
    SIP_DATAGRAM_MAX = 2048, /* a whole message, received or sent */
    SIP_BODY_MAX = 1024,
    SIP_VIAS_MAX = 640,
    SIP_ROUTES_MAX = 320,
    SIP_PARTY_MAX = 256, /* a From or To value, tag included */
    SIP_URI_MAX = 192,
    SIP_CALL_ID_MAX = 160,
    SIP_BRANCH_MAX = 128,
    SIP_TAG_MAX = 80,
    SIP_NAME_MAX = 64,
    SIP_USER_MAX = 64,
    SIP_HOST_MAX = 96,
};

/* How reading fails. */
enum sip_err {
    SIP_GOOD = 0,
    SIP_EGARBAGE =
        -1, /* not SIP, or cut short, or a needed header is missing or malformed, or a URI is not sip: */
    SIP_ETOOBIG = -2, /* SIP, but a part is longer than its bound above */
    SIP_ENOMEM = -3,  /* libosip2 got no memory */
};

enum sip_method {
    SIP_OTHER, /* a method that the exchange does not speak; see sip_message.method_name */
    SIP_INVITE,
    SIP_ACK,
    SIP_BYE,
    SIP_CANCEL,
    SIP_REGISTER,
    SIP_OPTIONS,
};

/* An IPv4 address and UDP port, both in host byte order. */
struct sip_address {
    uint32_t ip;
    uint16_t port;
};

/* The parts of a sip: URI, `user` with its %-escapes undone. `port` is 0 when the URI names none. */
struct sip_uri {
    char user[SIP_USER_MAX];
    char host[SIP_HOST_MAX];
    uint16_t port;
};

/* What a response takes over from its request: enough to answer, now or later. */
struct sip_head {
    struct sip_address reply_to; /* where responses go (RFC 3261 18.2.2, RFC 3581) */
    uint32_t cseq;
    char method_name[SIP_NAME_MAX];     /* CSeq's method, as written */
    char vias[SIP_VIAS_MAX];            /* whole lines, received and rport filled in on the first */
    char record_routes[SIP_ROUTES_MAX]; /* whole lines */
    char from[SIP_PARTY_MAX];           /* the values, as written */
    char to[SIP_PARTY_MAX];
    char call_id[SIP_CALL_ID_MAX];
};

/* One message. Texts that the message does not have are empty. */
struct sip_message {
    struct sip_address source; /* who sent the datagram */
    enum sip_method method;    /* of a request; of a response, what it answers */
    uint16_t status;           /* 100 to 699; 0: this is a request */
    uint16_t body_length;
    int32_t expires_s; /* Contact's parameter if there is one, else the Expires header; -1: neither */
    struct sip_head head;
    char from_tag[SIP_TAG_MAX];
    char to_tag[SIP_TAG_MAX];
    char branch[SIP_BRANCH_MAX]; /* of the first Via */
    char contact[SIP_URI_MAX];   /* the first Contact's URI, or "*" */
    char content_type[SIP_NAME_MAX];
    struct sip_uri target; /* the request URI */
    struct sip_uri from;
    struct sip_uri to;
    struct sip_uri contact_at; /* `contact` taken apart */
    char body[SIP_BODY_MAX];   /* `body_length` bytes, as they came */
};

/* A body to pass on. `bytes` is lent; {0} is no body. */
struct sip_body {
    const char *type;
    const char *bytes;
    size_t length;
};

/* Makes libosip2 ready and silent (it would print its complaints on stdout). Call it once, before the
 * first sip_parse(), while no other thread parses. SIP_GOOD or SIP_ENOMEM. */
enum sip_err sip_prepare(void);

/* Reads the datagram `bytes` that came from `source`. On SIP_GOOD `*out` is filled; otherwise its content
 * is undefined. `bytes` may hold anything. Any thread. */
enum sip_err sip_parse(const char *bytes, size_t length, struct sip_address source, struct sip_message *out);

/* The body of `message`, lent as long as the message stays where it is. */
struct sip_body sip_body_of(const struct sip_message *message);

/* The method that `name` spells (SIP is case-sensitive here), and back ("" for SIP_OTHER). */
enum sip_method sip_method_of(const char *name);
const char *sip_method_name(enum sip_method method);

/* The reason phrase of `status`, or that of its class. */
const char *sip_reason(unsigned status);

/* Reads a dotted IPv4 address. False if `text` is none; `*ip` is then untouched. */
bool sip_ip_parse(const char *text, uint32_t *ip);

/* Writes `address` as "127.0.0.1:5060" into `out`, 22 bytes at least, and gives `out`. */
char *sip_address_text(struct sip_address address, char out[static 22]);

/* Writes `user` as it may stand in a URI, odd characters as %-escapes, into `out`, and gives `out`. */
enum { SIP_ESCAPED_MAX = 3 * SIP_USER_MAX };
char *sip_escape(const char *user, char out[static SIP_ESCAPED_MAX]);

/* A request to write. The texts are lent for the call; those that are NULL leave their line out. */
struct sip_request {
    enum sip_method method;
    uint32_t cseq;
    const char *target; /* the request URI */
    const char *branch; /* "z9hG4bK..." */
    const char *from;   /* values with their tags */
    const char *to;
    const char *call_id;
    struct sip_address local; /* for Via and, unless 0, Contact */
    const char *contact_user; /* NULL: no Contact */
    int32_t expires_s;        /* < 0: no Expires */
    struct sip_body body;
};

/* Writes `request` into `out`. Gives its length, or 0 when it does not fit. */
size_t sip_write_request(const struct sip_request *request, char *out, size_t room);

/* A response to write. */
struct sip_response {
    uint16_t status;
    const struct sip_head *head; /* of the request that it answers */
    const char *to_tag;          /* added to To if that has no tag yet; NULL: none */
    const char *contact;         /* a URI; NULL: no Contact */
    int32_t expires_s;           /* Contact's expires; < 0: none */
    struct sip_body body;
};

/* Writes `response` into `out`. Gives its length, or 0 when it does not fit. */
size_t sip_write_response(const struct sip_response *response, char *out, size_t room);

#endif
