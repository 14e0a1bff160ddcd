/* platform/sim/address.c - see address.h. */
#include "platform/sim/address.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, zeros[16];
static const uint8_t one_6[16] = {[15] = 1}, one_4[4] = {127, 0, 0, 1};

bool esi_sim_address_is_4(const struct esi_sim_address *a)
{
    return memcmp(a->ip, mapped, sizeof mapped) == 0;
}

bool esi_sim_address_is_any(const struct esi_sim_address *a)
{
    return memcmp(a->ip, zeros, sizeof zeros) == 0 ||
           (esi_sim_address_is_4(a) && memcmp(a->ip + sizeof mapped, zeros, 4) == 0);
}

bool esi_sim_address_is_of_host(const struct esi_sim_address *a)
{
    if (esi_sim_address_is_any(a))
        return true;
    return esi_sim_address_is_4(a) ? a->ip[sizeof mapped] == 127 : memcmp(a->ip, one_6, sizeof one_6) == 0;
}

bool esi_sim_address_same_ip(const struct esi_sim_address *a, const struct esi_sim_address *b)
{
    return memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

struct esi_sim_address esi_sim_address_loopback(const struct esi_sim_address *a)
{
    struct esi_sim_address loopback = {.port = a->port};
    if (esi_sim_address_is_4(a)) {
        memcpy(loopback.ip, mapped, sizeof mapped);
        memcpy(loopback.ip + sizeof mapped, one_4, sizeof one_4);
    } else {
        memcpy(loopback.ip, one_6, sizeof one_6);
    }
    return loopback;
}

int esi_sim_address_read(const struct sockaddr *address, socklen_t length, int family,
                         struct esi_sim_address *out)
{
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
    if (length < sizeof(sa_family_t))
        return EINVAL;
    if (address->sa_family != family)
        return EAFNOSUPPORT;
    if (family == AF_INET && length >= sizeof in4) {
        memcpy(&in4, address, sizeof in4);
        memcpy(out->ip, mapped, sizeof mapped);
        memcpy(out->ip + sizeof mapped, &in4.sin_addr, 4);
        out->port = ntohs(in4.sin_port);
        return 0;
    }
    if (family == AF_INET6 && length >= sizeof in6) {
        memcpy(&in6, address, sizeof in6);
        memcpy(out->ip, &in6.sin6_addr, 16);
        out->port = ntohs(in6.sin6_port);
        return 0;
    }
    return EINVAL;
}

void esi_sim_address_write(const struct esi_sim_address *a, int family, struct sockaddr *out,
                           socklen_t *length)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(a->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
    memcpy(&in4.sin_addr, a->ip + sizeof mapped, 4);
    memcpy(&in6.sin6_addr, a->ip, 16);
    socklen_t size = family == AF_INET ? sizeof in4 : sizeof in6;
    if (out && length)
        memcpy(out, family == AF_INET ? (const void *)&in4 : (const void *)&in6,
               *length < size ? *length : size);
    if (length)
        *length = size;
}
