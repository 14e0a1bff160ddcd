/* exchange/routes.h - which process has which Call-ID. A table in the caller's memory; no messages, no clock.
 *
 * Several processes may have the same Call-ID (a call and its incoming leg; a leg and the one that says goodbye in its
 * place): of the legs the one that came last is found, and the call only when there is no leg yet. */
#ifndef EXCHANGE_ROUTES_H
#define EXCHANGE_ROUTES_H

#include <engset.h>
#include "dialog.h"

enum { ROUTES_MAX = 1 << 16, ROUTES_BUCKETS = 1 << 15 };

struct route {
    char call_id[SIP_CALL_ID_MAX];
    es_pid pid;
    bool is_call;            /* the call itself, not a leg */
    struct deposit *deposit; /* of a leg: where it stands. The caller's */
    struct parcel *invite;   /* of an incoming one: what it has not answered yet. The caller's */
    uint32_t next_of_id;     /* in its bucket; index + 1, 0: the last one */
    uint32_t next_of_pid;
};

struct routes {
    uint32_t count, free; /* free: the first free one, chained by next_of_id */
    uint32_t by_id[ROUTES_BUCKETS], by_pid[ROUTES_BUCKETS];
    struct route all[ROUTES_MAX];
    uint32_t used; /* all[used] and above were never used */
};

/* Adds one to zeroed or used `routes`. False: the table is full, or the Call-ID is too long. */
bool routes_add(struct routes *r, es_bin call_id, es_pid pid, bool is_call);

/* The leg that came last under `call_id`, else the call, or NULL. Lent until the next change. */
const struct route *routes_find(const struct routes *r, const char *call_id);

/* The route of `pid`, or NULL. Lent until the next change; `deposit` and `invite` are for the caller to write. */
struct route *routes_of(struct routes *r, es_pid pid);

/* Forgets the route of `pid`, if there is one. */
void routes_remove(struct routes *r, es_pid pid);

#endif
