/* exchange/registrar.h - who is reached where, and until when. One contact a user; the last one wins.
 *
 * A table in the caller's memory. No clock, no messages: REGISTER goes in, the status to answer comes out.
 * Source: RFC 3261, section 10. */
#ifndef EXCHANGE_REGISTRAR_H
#define EXCHANGE_REGISTRAR_H

#include "sip.h"

enum {
    REGISTRAR_EXPIRES_DEFAULT_S = 3600,
    REGISTRAR_EXPIRES_MAX_S = 7200,
    REGISTRAR_PROBES = 16,  /* places looked at for a user */
    REGISTRAR_USERS = 2048, /* places of the exchange's own table */
};

/* Where a user is. Free when `until_ms` is not in the future. */
struct registrar_binding {
    int64_t until_ms;
    struct sip_address address;
    char user[SIP_USER_MAX];
    char contact[SIP_URI_MAX];
};

struct registrar {
    struct registrar_binding *bindings; /* `capacity` of them, lent by the caller */
    size_t capacity;
};

/* Makes an empty registrar in `bindings`. With `capacity` at twice the users or more none is turned away in
 * practice. */
void registrar_init(struct registrar *r, struct registrar_binding *bindings, size_t capacity);

/* What to answer to a REGISTER. */
struct registrar_answer {
    uint16_t status;     /* 200; 400: no usable Contact; 503: no room */
    int32_t expires_s;   /* granted; -1: nothing is registered now */
    const char *contact; /* what is registered now, or NULL; lent until the next call */
};

/* Registers, renews, removes (expires 0, or Contact "*") or asks (no Contact). */
struct registrar_answer registrar_register(struct registrar *r, const struct sip_message *message,
                                           int64_t now_ms);

/* Where `user` is now, or NULL. Lent until the next registrar_register(). */
const struct registrar_binding *registrar_find(const struct registrar *r, const char *user, int64_t now_ms);

/* Writes the bindings that hold at `now_ms` to `out`, which has room for `capacity`, and gives how many there are. */
size_t registrar_list(const struct registrar *r, struct registrar_binding *out, int64_t now_ms);

/* Takes over a binding of another registrar, also one that is over, in place of what is known of that user. No room: nothing. */
void registrar_restore(struct registrar *r, const struct registrar_binding *binding, int64_t now_ms);

#endif
