/* engset/resolve.h - from names to addresses, without blocking anybody but the process that asks. */
#ifndef ENGSET_RESOLVE_H
#define ENGSET_RESOLVE_H

#include <engset/port.h>

ES_BEGIN_DECLS

/* Finds the addresses of `name` ("example.org", "127.0.0.1", "::1") with the port of `service` ("http", "80"; NULL: 0), as getaddrinfo(3) orders
 * them, writes up to `max` of them and gives how many there are. Numbers are parsed at once; names are looked up in another thread while
 * this process waits, as the system is set up (/etc/hosts, DNS ...; a simulated world knows `localhost` and no other name). A question that is
 * late goes on alone, and its answer is dropped.
 *   ES_ENOTFOUND  no such name or service, or it has no address
 *   ES_ETIMEOUT   not before `deadline_ns`
 *   ES_EINVAL     a name that is too long
 *   ES_ENOMEM
 *   ES_EOS        the names' server does not answer, or refuses
 * es_last_detail() names the name and the cause. Process only. Source: OTP inet:getaddrs/2. */
ES_API int64_t es_resolve(const char *name, const char *service, es_address *out, int64_t max,
                          int64_t deadline_ns);

ES_END_DECLS
#endif
