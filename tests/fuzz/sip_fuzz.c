/* tests/fuzz/sip_fuzz.c - whatever arrives on the exchange's socket: it is read, answered, and given to legs in every
 * state. Nothing may crash.
 *
 * Build: clang -fsanitize=fuzzer,address,undefined; seeds are in seeds/sip/. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dialog.h"
#include "registrar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static const struct sip_address source = {0x7f000001, 5070};
static const struct leg_setup setup = {
    .times = {500, 4000, 5000, 180000, 3600000}, .local = {0x7f000001, 5060}, .seed = 1};

/* What we send has one head of whole lines, so that nothing in a peer's text became a line of ours. It need not
 * be readable: libosip2 takes some odd URIs that it does not take again in the form in which it writes them. */
static void check_head(const char *bytes, size_t length)
{
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);
    CHECK(end != NULL);
    for (const char *c = bytes; c < end; c++)
        CHECK((unsigned char)*c >= ' ' || *c == '\t' || (*c == '\r' && c[1] == '\n') ||
              (*c == '\n' && c[-1] == '\r'));
}

static void check_plan(const struct leg_plan *plan)
{
    static struct sip_message again;
    for (int i = 0; i < plan->send_count; i++) {
        check_head(plan->send[i].bytes, plan->send[i].length);
        (void)sip_parse(plan->send[i].bytes, plan->send[i].length, source, &again);
    }
}

static void answer(const struct sip_message *m)
{
    char out[SIP_DATAGRAM_MAX];
    const struct sip_response r = {.status = 200,
                                   .head = &m->head,
                                   .to_tag = "t",
                                   .contact = "sip:x@h",
                                   .expires_s = 1,
                                   .body = sip_body_of(m)};
    size_t length = sip_write_response(&r, out, sizeof out);
    CHECK(length <= sizeof out);
    CHECK(sip_write_response(&r, out, length / 2) == 0);
}

/* A leg's whole life from `m` on: the message comes again and again, and so does time. */
static void live(struct leg *leg, const struct sip_message *m, uint8_t choice)
{
    static struct leg_plan plan;
    int64_t now = 0;
    for (int step = 0; step < 8 && !leg_is_over(leg); step++) {
        leg_message(leg, m, now, &plan);
        check_plan(&plan);
        switch ((choice >> step) % 4) {
        case 0:
            leg_ring(leg, 183, sip_body_of(m), &plan);
            break;
        case 1:
            leg_answer(leg, sip_body_of(m), now, &plan);
            break;
        case 2:
            leg_hangup(leg, now, &plan);
            break;
        case 3:
            leg_confirm(leg, sip_body_of(m), now, &plan);
            break;
        }
        check_plan(&plan);
        if (leg_deadline_ms(leg) != INT64_MAX)
            now = leg_deadline_ms(leg);
        leg_tick(leg, now, &plan);
        check_plan(&plan);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_ready;
    static struct sip_message m;
    static struct leg leg;
    static struct leg_plan plan;
    static struct registrar_binding bindings[4];
    struct registrar registrar;
    if (!is_ready)
        CHECK(sip_prepare() == SIP_GOOD);
    is_ready = true;
    if (sip_parse((const char *)data, size, source, &m) != SIP_GOOD)
        return 0;
    uint8_t choice = data[size - 1];
    if (m.status == 0) {
        answer(&m);
        registrar_init(&registrar, bindings, 4);
        registrar_register(&registrar, &m, 0);
        leg_open_incoming(&leg, &setup, &m, 0, &plan);
        check_plan(&plan);
        memcpy(m.to_tag, leg.card.local_tag, sizeof leg.card.local_tag);
        live(&leg, &m, choice);
    }
    struct leg_callee callee = {"b.1", m.from.user, m.contact[0] ? m.contact : "sip:a@h", source,
                                sip_body_of(&m)};
    leg_open_outgoing(&leg, &setup, &callee, 0, &plan);
    check_plan(&plan);
    memcpy(m.from_tag, leg.card.local_tag, sizeof leg.card.local_tag);
    live(&leg, &m, choice);
    return 0;
}
