/* address.c - addresses as text: "127.0.0.1:5060", "[::1]:5060", "[fe80::1%2]:5060" (2 is an interface's number), "unix:/run/x",
 * "unix:@name". */
#include "port/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

/* Longer than any address in digits. */
enum { HOST_MAX = 64 };

/* All of `text` is a decimal number up to `max`, without sign, blanks or superfluous digits. */
static bool parse_number(const char *text, uint32_t max, uint32_t *out)
{
    uint64_t value = 0;
    size_t length = strlen(text);
    if (length == 0 || length > 10)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *out = (uint32_t)value;
    return value <= max;
}

/* Why `text` is none. */
static es_err no_address(const char *text, const char *why)
{
    return es_fail(ES_EINVAL, "address_parse: '%.120s': %s", text, why);
}

static es_err parse_4(const char *host, uint32_t port, es_address *out)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
        return ES_EINVAL;
    *out = (es_address){.length = sizeof in};
    memcpy(&out->storage, &in, sizeof in);
    return ES_OK;
}

static es_err parse_6(char *host, uint32_t port, es_address *out)
{
    struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    char *scope = strchr(host, '%');
    if (scope) {
        *scope++ = 0;
        if (!parse_number(scope, UINT32_MAX, &in.sin6_scope_id))
            return ES_EINVAL;
    }
    if (inet_pton(AF_INET6, host, &in.sin6_addr) != 1)
        return ES_EINVAL;
    *out = (es_address){.length = sizeof in};
    memcpy(&out->storage, &in, sizeof in);
    return ES_OK;
}

/* A path with its 0, or @ and a name without one, which is then in no directory and goes with its listener. */
static es_err parse_unix(const char *text, es_address *out)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    const char *path = text + sizeof "unix:" - 1;
    size_t length = strlen(path);
    bool is_abstract = path[0] == '@';
    if (length < (is_abstract ? 2 : 1))
        return no_address(text, "it names no path: \"unix:/run/x.sock\" or \"unix:@name\"");
    if (length >= sizeof un.sun_path)
        return no_address(text, "a path is at most 107 bytes long");
    memcpy(un.sun_path, path, length);
    if (is_abstract)
        un.sun_path[0] = 0;
    *out =
        (es_address){.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + !is_abstract)};
    memcpy(&out->storage, &un, sizeof un);
    return ES_OK;
}

static es_err parse_host_4(const char *text, const char *host, uint32_t port, es_address *out)
{
    if (parse_4(host, port, out) == ES_OK)
        return ES_OK;
    if (strcmp(host, "*") == 0 || !*host)
        return no_address(text, "no host: \"0.0.0.0\" is every address of this machine, \"[::]\" with IPv6");
    return no_address(text, "the host is no IPv4 address in digits; for names: es_resolve()");
}

static es_err parse_host_6(const char *text, char *host, uint32_t port, es_address *out)
{
    if (parse_6(host, port, out) == ES_OK)
        return ES_OK;
    return no_address(text, "in the brackets is no IPv6 address in digits; for names: es_resolve()");
}

es_err es_address_parse(const char *text, es_address *out)
{
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text, out);
    char host[HOST_MAX];
    bool is_6 = text[0] == '[';
    const char *start = is_6 ? text + 1 : text;
    const char *end = strchr(start, is_6 ? ']' : ':');
    const char *colon = end && is_6 ? end + 1 : end;
    uint32_t port;
    if (!end && is_6)
        return no_address(text, "no ']' ends the IPv6 address");
    if (!colon || *colon != ':')
        return no_address(text, "no port: it is \"127.0.0.1:80\" or \"[::1]:80\"");
    if (!is_6 && strchr(colon + 1, ':'))
        return no_address(text, "more than one ':'; an IPv6 address stands in brackets: \"[::1]:80\"");
    if (!parse_number(colon + 1, UINT16_MAX, &port))
        return no_address(text, "the port is no number from 0 to 65535");
    if ((size_t)(end - start) >= sizeof host)
        return no_address(text, "the host is no address in digits; for names: es_resolve()");
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = 0;
    return is_6 ? parse_host_6(text, host, port, out) : parse_host_4(text, host, port, out);
}

static int64_t print_4(const es_address *address, char *buffer, size_t size)
{
    struct sockaddr_in in;
    char host[HOST_MAX];
    memcpy(&in, &address->storage, sizeof in);
    inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
    return snprintf(buffer, size, "%s:%u", host, ntohs(in.sin_port));
}

static int64_t print_6(const es_address *address, char *buffer, size_t size)
{
    struct sockaddr_in6 in;
    char host[HOST_MAX];
    memcpy(&in, &address->storage, sizeof in);
    inet_ntop(AF_INET6, &in.sin6_addr, host, sizeof host);
    if (in.sin6_scope_id)
        return snprintf(buffer, size, "[%s%%%u]:%u", host, in.sin6_scope_id, ntohs(in.sin6_port));
    return snprintf(buffer, size, "[%s]:%u", host, ntohs(in.sin6_port));
}

/* A socket without a name, as who connects usually has, is "unix:". */
static int64_t print_unix(const es_address *address, char *buffer, size_t size)
{
    struct sockaddr_un un;
    size_t length = address->length - offsetof(struct sockaddr_un, sun_path);
    memcpy(&un, &address->storage, sizeof un);
    if (length > sizeof un.sun_path)
        length = sizeof un.sun_path;
    if (length == 0 || un.sun_path[0])
        return snprintf(buffer, size, "unix:%.*s", (int)strnlen(un.sun_path, length), un.sun_path);
    return snprintf(buffer, size, "unix:@%.*s", (int)(length - 1), un.sun_path + 1);
}

int64_t es_address_print(const es_address *address, char *buffer, size_t size)
{
    sa_family_t family = address->storage.ss_family;
    if (family == AF_INET && address->length >= sizeof(struct sockaddr_in))
        return print_4(address, buffer, size);
    if (family == AF_INET6 && address->length >= sizeof(struct sockaddr_in6))
        return print_6(address, buffer, size);
    if (family == AF_UNIX && address->length >= sizeof(sa_family_t))
        return print_unix(address, buffer, size);
    return ES_EINVAL;
}

void esi_address_text(const es_address *address, char text[ESI_ADDRESS_TEXT])
{
    if (es_address_print(address, text, ESI_ADDRESS_TEXT) < 0)
        snprintf(text, ESI_ADDRESS_TEXT, "an address that is neither IPv4, IPv6 nor unix");
}
