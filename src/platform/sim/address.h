/* platform/sim/address.h - addresses on the simulated machine.
 *
 * It is one host: 127.0.0.0/8 and ::1 are its own, and there is no other. IPv4 is kept as IPv6 has it, ::ffff:127.0.0.1, so that a socket
 * of both kinds compares like with like. */
#ifndef PLATFORM_SIM_ADDRESS_H
#define PLATFORM_SIM_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct esi_sim_address {
    uint8_t ip[16];
    uint16_t port;
};

/* What `address` says, for a socket of `family`. 0, or EINVAL, EAFNOSUPPORT. */
int esi_sim_address_read(const struct sockaddr *address, socklen_t length, int family,
                         struct esi_sim_address *out);

/* Writes it as a socket of `family` has it, cut to `*length`, which becomes what it needs. */
void esi_sim_address_write(const struct esi_sim_address *a, int family, struct sockaddr *out,
                           socklen_t *length);

bool esi_sim_address_is_4(const struct esi_sim_address *a);
bool esi_sim_address_is_any(const struct esi_sim_address *a);     /* 0.0.0.0 or :: */
bool esi_sim_address_is_of_host(const struct esi_sim_address *a); /* of its own, any included */
bool esi_sim_address_same_ip(const struct esi_sim_address *a, const struct esi_sim_address *b);

/* The loopback address of the kind of `a`, with its port. */
struct esi_sim_address esi_sim_address_loopback(const struct esi_sim_address *a);

#endif
