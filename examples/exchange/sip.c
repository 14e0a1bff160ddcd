/* sip.c - SIP messages, read with libosip2's parser and written by hand.
 *
 * Only the head goes through libosip2. Content-Length and Content-Type are taken out of it first and read
 * here: the parser would otherwise take the body apart by its type (multipart, too), while
 * all we want is to hand it on. */
#include "sip.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>
#include <arpa/inet.h>
#include <osipparser2/osip_parser.h>

static const char *const method_names[] = {
    [SIP_OTHER] = "",        [SIP_INVITE] = "INVITE",     [SIP_ACK] = "ACK",         [SIP_BYE] = "BYE",
    [SIP_CANCEL] = "CANCEL", [SIP_REGISTER] = "REGISTER", [SIP_OPTIONS] = "OPTIONS",
};

enum { METHODS = sizeof method_names / sizeof method_names[0] };

enum sip_method sip_method_of(const char *name)
{
    for (int m = SIP_INVITE; m < METHODS; m++)
        if (strcmp(name, method_names[m]) == 0)
            return (enum sip_method)m;
    return SIP_OTHER;
}

const char *sip_method_name(enum sip_method method)
{
    return method_names[method];
}

const char *sip_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } known[] = {
        {100, "Trying"},
        {180, "Ringing"},
        {183, "Session Progress"},
        {200, "OK"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {408, "Request Timeout"},
        {480, "Temporarily Unavailable"},
        {481, "Call/Transaction Does Not Exist"},
        {486, "Busy Here"},
        {487, "Request Terminated"},
        {488, "Not Acceptable Here"},
        {500, "Server Internal Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {513, "Message Too Large"},
        {603, "Decline"},
    };
    static const char *const classes[] = {"Progress", "OK", "Moved", "Refused", "Server Failure", "Declined"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].status == status)
            return known[i].reason;
    return status >= 100 && status < 700 ? classes[status / 100 - 1] : "Unknown";
}

bool sip_ip_parse(const char *text, uint32_t *ip)
{
    struct in_addr address;
    if (inet_pton(AF_INET, text, &address) != 1)
        return false;
    *ip = ntohl(address.s_addr);
    return true;
}

char *sip_address_text(struct sip_address a, char out[static 22])
{
    snprintf(out, 22, "%u.%u.%u.%u:%u", a.ip >> 24, a.ip >> 16 & 255, a.ip >> 8 & 255, a.ip & 255, a.port);
    return out;
}

char *sip_escape(const char *user, char out[static SIP_ESCAPED_MAX])
{
    char *to = out;
    for (; *user && to < out + SIP_ESCAPED_MAX - 4; user++) {
        unsigned char c = (unsigned char)*user;
        if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
            strchr("-_.!~*'()&=+$,;?/", c))
            *to++ = (char)c;
        else
            to += sprintf(to, "%%%02X", c);
    }
    *to = '\0';
    return out;
}

struct sip_body sip_body_of(const struct sip_message *message)
{
    if (message->body_length == 0)
        return (struct sip_body){0};
    return (struct sip_body){message->content_type, message->body, message->body_length};
}

static void say_nothing(const char *file, int line, osip_trace_level_t level, const char *format,
                        va_list values)
{
    (void)file, (void)line, (void)level, (void)format, (void)values;
}

enum sip_err sip_prepare(void)
{
    if (parser_init() != 0)
        return SIP_ENOMEM;
    osip_trace_initialize_func(OSIP_FATAL, say_nothing);
    return SIP_GOOD;
}

/* ---- reading ---------------------------------------------------------------------------------- */

/* Copies `text` (NULL: empty). Control characters are refused, for we write these texts out again and
 * a line end inside one would be a line of its own. */
static enum sip_err keep(char *out, size_t room, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    if (length >= room)
        return SIP_ETOOBIG;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' && text[i] != '\t')
            return SIP_EGARBAGE;
    memcpy(out, text ? text : "", length + 1);
    return SIP_GOOD;
}

/* Like keep(), for text that libosip2 allocated for us: frees it. */
static enum sip_err keep_and_free(char *out, size_t room, char *text)
{
    enum sip_err err = text ? keep(out, room, text) : SIP_EGARBAGE;
    osip_free(text);
    return err;
}

/* Reads a decimal number up to `most` that is the whole of `text`, blanks around it aside. */
static bool read_number(const char *text, uint32_t most, uint32_t *out)
{
    uint64_t value = 0;
    text += strspn(text, " \t\r\n");
    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > most)
            return false;
    }
    if (text[strspn(text, " \t\r\n")] != '\0')
        return false;
    *out = (uint32_t)value;
    return true;
}

/* Where the head ends (behind the empty line), or 0. */
static size_t head_end(const char *bytes, size_t length)
{
    const char *end = length < 4 ? NULL : memmem(bytes, length, "\r\n\r\n", 4);
    return end ? (size_t)(end - bytes) + 4 : 0;
}

/* If `line` is the header `name` (or `compact`), gives where its value starts. */
static char *value_of(char *line, const char *name, char compact)
{
    size_t length = strlen(name);
    if (strncasecmp(line, name, length) == 0)
        line += length;
    else if ((line[0] | 0x20) == compact)
        line += 1;
    else
        return NULL;
    line += strspn(line, " \t");
    return *line == ':' ? line + 1 : NULL;
}

/* The two headers that describe the body. */
struct body_headers {
    bool has_length;
    uint32_t length;
    char type[SIP_NAME_MAX];
};

static enum sip_err read_type(char *value, char *end, struct body_headers *out)
{
    value += strspn(value, " \t");
    while (end > value && strchr(" \t\r\n", end[-1]))
        end--;
    char saved = *end;
    *end = '\0';
    for (char *c = value; *c; c++)
        if (*c == '\r' || *c == '\n') /* a folded line */
            *c = ' ';
    enum sip_err err = keep(out->type, sizeof out->type, value);
    *end = saved;
    return err;
}

/* Takes the body's headers out of `head`, a text of whole lines, and reads them. A line that starts with
 * a blank belongs to the one before it. */
static enum sip_err take_body_headers(char *head, struct body_headers *out)
{
    char *to = head;
    *out = (struct body_headers){0};
    for (char *line = head, *next; *line; line = next) {
        next = line;
        do {
            next = strchr(next, '\n');
            if (!next)
                return SIP_EGARBAGE;
            next++;
        } while (*next == ' ' || *next == '\t');
        char *value = value_of(line, "Content-Length", 'l');
        if (value) {
            char after = *next;
            *next = '\0';
            bool good = read_number(value, 65535, &out->length) && !out->has_length;
            *next = after;
            if (!good)
                return SIP_EGARBAGE;
            out->has_length = true;
            continue;
        }
        value = value_of(line, "Content-Type", 'c');
        if (value) {
            enum sip_err err = read_type(value, next, out);
            if (err != SIP_GOOD)
                return err;
            continue;
        }
        memmove(to, line, (size_t)(next - line));
        to += next - line;
    }
    *to = '\0';
    return SIP_GOOD;
}

static enum sip_err read_port(const char *text, uint16_t *out)
{
    uint32_t port = 0;
    if (text && (!read_number(text, 65535, &port) || port == 0))
        return SIP_EGARBAGE;
    *out = (uint16_t)port;
    return SIP_GOOD;
}

static enum sip_err read_uri(const osip_uri_t *uri, struct sip_uri *out)
{
    enum sip_err err;
    memset(out, 0, sizeof *out);
    if (!uri || !uri->scheme || strcasecmp(uri->scheme, "sip") != 0 || !uri->host)
        return SIP_EGARBAGE;
    if ((err = keep(out->user, sizeof out->user, uri->username)) != SIP_GOOD)
        return err;
    if ((err = keep(out->host, sizeof out->host, uri->host)) != SIP_GOOD)
        return err;
    return read_port(uri->port, &out->port);
}

static enum sip_err read_tag(osip_from_t *party, char *out, size_t room)
{
    osip_generic_param_t *tag = NULL;
    osip_from_get_tag(party, &tag);
    return keep(out, room, tag ? tag->gvalue : NULL);
}

/* Adds `name: value` as a line to `out`, of which `*used` bytes are taken. Frees `value`. */
static enum sip_err add_line(char *out, size_t room, size_t *used, const char *name, char *value)
{
    int wrote = value && *used < room ? snprintf(out + *used, room - *used, "%s: ", name) : -1;
    if (wrote < 0 || *used + (size_t)wrote >= room) {
        osip_free(value);
        return value ? SIP_ETOOBIG : SIP_EGARBAGE;
    }
    *used += (size_t)wrote;
    enum sip_err err = keep_and_free(out + *used, room - *used, value);
    if (err != SIP_GOOD)
        return err;
    *used += strlen(out + *used);
    if (room - *used < 3)
        return SIP_ETOOBIG;
    memcpy(out + *used, "\r\n", 3);
    *used += 2;
    return SIP_GOOD;
}

/* Notes in a request's first Via where it really came from, and finds out where the response must go. */
static enum sip_err stamp_via(osip_via_t *via, struct sip_address source, struct sip_address *reply_to)
{
    char ip[22];
    uint16_t port;
    uint32_t host;
    enum sip_err err = read_port(via->port, &port);
    if (err != SIP_GOOD)
        return err;
    *reply_to = (struct sip_address){source.ip, port ? port : 5060};

    *strchr(sip_address_text(source, ip), ':') = '\0';
    osip_generic_param_t *rport = NULL, *received = NULL;
    osip_via_param_get_byname(via, "rport", &rport);
    osip_via_param_get_byname(via, "received", &received);
    bool elsewhere = !sip_ip_parse(via->host, &host) || host != source.ip;
    if (rport && !rport->gvalue) {
        char text[8];
        snprintf(text, sizeof text, "%u", source.port);
        rport->gvalue = osip_strdup(text);
        reply_to->port = source.port;
    }
    if (!received && (elsewhere || rport))
        osip_via_set_received(via, osip_strdup(ip));
    return SIP_GOOD;
}

static enum sip_err read_vias(osip_message_t *sip, struct sip_message *out)
{
    osip_via_t *first = osip_list_get(&sip->vias, 0);
    if (!first || !first->host)
        return SIP_EGARBAGE;
    enum sip_err err = SIP_GOOD;
    if (out->status == 0)
        err = stamp_via(first, out->source, &out->head.reply_to);
    if (err != SIP_GOOD)
        return err;
    osip_generic_param_t *branch = NULL;
    osip_via_param_get_byname(first, "branch", &branch);
    err = keep(out->branch, sizeof out->branch, branch ? branch->gvalue : NULL);

    size_t used = 0;
    for (int i = 0; err == SIP_GOOD && i < osip_list_size(&sip->vias); i++) {
        char *text = NULL;
        osip_via_to_str(osip_list_get(&sip->vias, i), &text);
        err = add_line(out->head.vias, sizeof out->head.vias, &used, "Via", text);
    }
    used = 0;
    for (int i = 0; err == SIP_GOOD && i < osip_list_size(&sip->record_routes); i++) {
        char *text = NULL;
        osip_record_route_to_str(osip_list_get(&sip->record_routes, i), &text);
        err = add_line(out->head.record_routes, sizeof out->head.record_routes, &used, "Record-Route", text);
    }
    return err;
}

static enum sip_err read_parties(osip_message_t *sip, struct sip_message *out)
{
    char *text = NULL;
    enum sip_err err;
    if (!sip->from || !sip->to || !sip->call_id || !sip->call_id->number)
        return SIP_EGARBAGE;
    if ((err = read_uri(sip->from->url, &out->from)) != SIP_GOOD)
        return err;
    if ((err = read_uri(sip->to->url, &out->to)) != SIP_GOOD)
        return err;
    if ((err = read_tag(sip->from, out->from_tag, sizeof out->from_tag)) != SIP_GOOD)
        return err;
    if ((err = read_tag(sip->to, out->to_tag, sizeof out->to_tag)) != SIP_GOOD)
        return err;
    osip_from_to_str(sip->from, &text);
    if ((err = keep_and_free(out->head.from, sizeof out->head.from, text)) != SIP_GOOD)
        return err;
    text = NULL;
    osip_to_to_str(sip->to, &text);
    if ((err = keep_and_free(out->head.to, sizeof out->head.to, text)) != SIP_GOOD)
        return err;
    text = NULL;
    osip_call_id_to_str(sip->call_id, &text);
    return keep_and_free(out->head.call_id, sizeof out->head.call_id, text);
}

static enum sip_err read_cseq(const osip_message_t *sip, struct sip_message *out)
{
    if (!sip->cseq || !sip->cseq->method || !sip->cseq->number)
        return SIP_EGARBAGE;
    if (!read_number(sip->cseq->number, INT32_MAX, &out->head.cseq))
        return SIP_EGARBAGE;
    out->method = sip_method_of(sip->cseq->method);
    return keep(out->head.method_name, sizeof out->head.method_name, sip->cseq->method);
}

/* The request or status line. */
static enum sip_err read_start(const osip_message_t *sip, struct sip_message *out)
{
    if (sip->sip_method == NULL) {
        if (sip->status_code < 100 || sip->status_code > 699)
            return SIP_EGARBAGE;
        out->status = (uint16_t)sip->status_code;
        return SIP_GOOD;
    }
    if (strcmp(sip->sip_method, out->head.method_name) != 0)
        return SIP_EGARBAGE;
    return read_uri(sip->req_uri, &out->target);
}

static enum sip_err read_expires(osip_message_t *sip, const char *of_contact, struct sip_message *out)
{
    osip_header_t *header = NULL;
    uint32_t seconds;
    osip_message_header_get_byname(sip, "expires", 0, &header);
    const char *text = of_contact ? of_contact : header ? header->hvalue : NULL;
    out->expires_s = -1;
    if (text) {
        if (!read_number(text, INT32_MAX, &seconds))
            return SIP_EGARBAGE;
        out->expires_s = (int32_t)seconds;
    }
    return SIP_GOOD;
}

static enum sip_err read_contact(osip_message_t *sip, struct sip_message *out)
{
    osip_contact_t *contact = osip_list_get(&sip->contacts, 0);
    osip_generic_param_t *expires = NULL;
    if (!contact)
        return read_expires(sip, NULL, out);
    if (!contact->url) {
        if (!contact->displayname || strcmp(contact->displayname, "*") != 0)
            return SIP_EGARBAGE;
        memcpy(out->contact, "*", 2);
        return read_expires(sip, NULL, out);
    }
    enum sip_err err = read_uri(contact->url, &out->contact_at);
    if (err != SIP_GOOD)
        return err;
    char *text = NULL;
    osip_uri_to_str(contact->url, &text);
    if ((err = keep_and_free(out->contact, sizeof out->contact, text)) != SIP_GOOD)
        return err;
    osip_contact_param_get_byname(contact, "expires", &expires);
    return read_expires(sip, expires ? expires->gvalue : NULL, out);
}

static enum sip_err read_message(osip_message_t *sip, struct sip_message *out)
{
    enum sip_err err;
    if ((err = read_cseq(sip, out)) != SIP_GOOD)
        return err;
    if ((err = read_start(sip, out)) != SIP_GOOD)
        return err;
    if ((err = read_vias(sip, out)) != SIP_GOOD)
        return err;
    if ((err = read_parties(sip, out)) != SIP_GOOD)
        return err;
    return read_contact(sip, out);
}

static enum sip_err read_body(const char *bytes, size_t length, const struct body_headers *headers,
                              struct sip_message *out)
{
    if (headers->has_length) {
        if (headers->length > length)
            return SIP_EGARBAGE;
        length = headers->length;
    }
    if (length > sizeof out->body)
        return SIP_ETOOBIG;
    if (length > 0 && headers->type[0] == '\0')
        return SIP_EGARBAGE;
    memcpy(out->content_type, headers->type, sizeof out->content_type);
    memcpy(out->body, bytes, length);
    out->body_length = (uint16_t)length;
    return SIP_GOOD;
}

enum sip_err sip_parse(const char *bytes, size_t length, struct sip_address source, struct sip_message *out)
{
    char head[SIP_DATAGRAM_MAX + 1];
    struct body_headers body;
    if (length > SIP_DATAGRAM_MAX)
        return SIP_ETOOBIG;
    size_t end = head_end(bytes, length);
    if (end == 0 || memchr(bytes, '\0', end))
        return SIP_EGARBAGE;
    memcpy(head, bytes, end);
    head[end] = '\0';

    *out = (struct sip_message){.source = source};
    enum sip_err err = take_body_headers(head, &body);
    if (err != SIP_GOOD)
        return err;
    if ((err = read_body(bytes + end, length - end, &body, out)) != SIP_GOOD)
        return err;

    osip_message_t *sip = NULL;
    if (osip_message_init(&sip) != 0)
        return SIP_ENOMEM;
    int parsed = osip_message_parse(sip, head, strlen(head));
    if (parsed == 0)
        err = read_message(sip, out);
    else
        err = parsed == OSIP_NOMEM ? SIP_ENOMEM : SIP_EGARBAGE;
    osip_message_free(sip);
    return err;
}

/* ---- writing ---------------------------------------------------------------------------------- */

/* Text that grows in somebody's buffer. When it no longer fits, `full` is set and stays so. */
struct writer {
    char *out;
    size_t room, used;
    bool full;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *format, ...)
{
    if (w->full)
        return;
    va_list values;
    va_start(values, format);
    int wrote = vsnprintf(w->out + w->used, w->room - w->used, format, values);
    va_end(values);
    if (wrote < 0 || (size_t)wrote >= w->room - w->used)
        w->full = true;
    else
        w->used += (size_t)wrote;
}

static size_t put_body(struct writer *w, const struct sip_body *body)
{
    if (body->length > 0)
        put(w, "Content-Type: %s\r\n", body->type);
    put(w, "Content-Length: %zu\r\n\r\n", body->length);
    if (w->full || body->length > w->room - w->used)
        return 0;
    if (body->length > 0)
        memcpy(w->out + w->used, body->bytes, body->length);
    return w->used + body->length;
}

size_t sip_write_request(const struct sip_request *r, char *out, size_t room)
{
    struct writer w = {.out = out, .room = room, .full = room == 0};
    const char *method = sip_method_name(r->method);
    char local[22];
    sip_address_text(r->local, local);
    put(&w, "%s %s SIP/2.0\r\n", method, r->target);
    put(&w, "Via: SIP/2.0/UDP %s;branch=%s\r\n", local, r->branch);
    put(&w, "Max-Forwards: 70\r\n");
    put(&w, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\n", r->from, r->to, r->call_id);
    put(&w, "CSeq: %u %s\r\n", r->cseq, method);
    if (r->contact_user)
        put(&w, "Contact: <sip:%s@%s>\r\n", r->contact_user, local);
    if (r->expires_s >= 0)
        put(&w, "Expires: %d\r\n", r->expires_s);
    return put_body(&w, &r->body);
}

/* Whether the To or From value `party` has a tag. Only what stands behind the URI counts. */
static bool has_tag(const char *party)
{
    const char *end = strrchr(party, '>');
    return strcasestr(end ? end : party, ";tag=") != NULL;
}

size_t sip_write_response(const struct sip_response *r, char *out, size_t room)
{
    struct writer w = {.out = out, .room = room, .full = room == 0};
    const struct sip_head *head = r->head;
    put(&w, "SIP/2.0 %u %s\r\n%s%s", r->status, sip_reason(r->status), head->vias, head->record_routes);
    put(&w, "From: %s\r\nTo: %s", head->from, head->to);
    if (r->to_tag && !has_tag(head->to))
        put(&w, ";tag=%s", r->to_tag);
    put(&w, "\r\nCall-ID: %s\r\nCSeq: %u %s\r\n", head->call_id, head->cseq, head->method_name);
    if (r->contact) {
        put(&w, "Contact: <%s>", r->contact);
        if (r->expires_s >= 0)
            put(&w, ";expires=%d", r->expires_s);
        put(&w, "\r\n");
    }
    return put_body(&w, &r->body);
}
