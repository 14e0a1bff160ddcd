/* telephones.c - the telephone exchange in a simulated world, for `engset test`: telephones that are processes call through it over a simulated
 * network. With the argument `faults` its calls and legs are killed and crash meanwhile, run out of memory, are frozen, and change turns at
 * any moment; with `calm` nothing goes wrong.
 *
 * Each telephone must come to the end of its call by SIP's own rules, whatever happened to the processes that carried it; in a calm world it is answered,
 * hears what the other side said, and hangs up itself. When all have hung up, the exchange has no call, leg, process or descriptor more than
 * when it began, and it closes in order. */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdlib.h>
#include "exchange.h"

ES_ATOMS(callee_is_idle, port, uas_port, quiet);
ES_ATOM(log_, "log");
ES_ATOM(named_exchange, "exchange");

enum {
    CALLS = 8,
    CALM_CALLS = 30,
    PEACE_MS = 10, /* no faults before */
    T1_MS = 500,
    LAST_RETRANSMISSION_MS = 32000,
    HOLD_MS = 3000,
    RING_MS = 180000,
    TOO_LONG_MS = 60000
};

#define SDP \
    "v=0\r\no=t 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n"

static bool is_calm;
static int begun, ended; /* telephones: who is killed before it is spared has not begun */

/* ------------------------------------------------------------ a telephone's line */

struct phone {
    int number, fd;
    uint16_t port;
    char received[2000];
    char to_tag[100]; /* what the exchange put behind To, with ";tag=" */
};

static int64_t in_ms(int64_t ms)
{
    return es_now_ns() + ms * 1000000;
}

static es_address exchange_address(void)
{
    es_address address = {.length = sizeof(struct sockaddr_in)};
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(exchange->address.port),
                             .sin_addr.s_addr = htonl(0x7f000001)};
    memcpy(&address.storage, &in, sizeof in);
    return address;
}

static void open_line(struct phone *me)
{
    es_address local;
    struct sockaddr_in in = {0};
    while ((me->fd = es_address_parse("127.0.0.1:0", &local) == ES_OK ? (int)es_udp_open(&local) : -1) < 0)
        es_sleep(100); /* no descriptor just now */
    if (es_udp_local(me->fd, &local) == ES_OK)
        memcpy(&in, &local.storage, sizeof in);
    me->port = ntohs(in.sin_port);
}

static void say(struct phone *me, const char *text)
{
    es_address to = exchange_address();
    (void)es_sendto(me->fd, text, strlen(text), &to, in_ms(1000));
}

/* The next message until then; false: none. */
static bool hear(struct phone *me, int64_t deadline_ns)
{
    es_address from;
    int64_t length;
    do
        length = es_recvfrom(me->fd, me->received, sizeof me->received - 1, &from, deadline_ns);
    while (length < 0 && es_now_ns() < deadline_ns);
    me->received[length > 0 ? length : 0] = 0;
    return length > 0;
}

static int status_of(const char *message)
{
    return strncmp(message, "SIP/2.0 ", 8) == 0 ? atoi(message + 8) : 0;
}

static bool is_about(const char *message, const char *method)
{
    const char *cseq = strstr(message, "CSeq:");
    return cseq && strncmp(cseq + strcspn(cseq, "0123456789") + 2, method, strlen(method)) == 0;
}

/* A header's line, with its name; "" if it is not there. */
static const char *line_of(const char *message, const char *name, char *line, size_t size)
{
    const char *at = strstr(message, name);
    snprintf(line, size, "%.*s", at ? (int)strcspn(at, "\r\n") : 0, at ? at : "");
    return line;
}

/* A body's headers and the body itself; "" gives no body. */
static const char *end_of_message(const char *body, char *text, size_t size)
{
    snprintf(text, size, "%sContent-Length: %zu\r\n\r\n%s", *body ? "Content-Type: application/sdp\r\n" : "",
             strlen(body), body);
    return text;
}

static void answer(struct phone *me, const char *status, const char *body)
{
    char text[2000], via[300], from[300], to[300], id[200], cseq[100], end[400];
    snprintf(text, sizeof text,
             "SIP/2.0 %s\r\n%s\r\n%s\r\n%s%s\r\n%s\r\n%s\r\nContact: <sip:b@127.0.0.1:%u>\r\n%s", status,
             line_of(me->received, "Via:", via, sizeof via),
             line_of(me->received, "From:", from, sizeof from), line_of(me->received, "To:", to, sizeof to),
             strstr(to, ";tag=") ? "" : ";tag=callee", line_of(me->received, "Call-ID:", id, sizeof id),
             line_of(me->received, "CSeq:", cseq, sizeof cseq), me->port,
             end_of_message(body, end, sizeof end));
    say(me, text);
}

/* ------------------------------------------------------------ who calls */

static void ask(struct phone *me, const char *method, int cseq, const char *branch)
{
    char text[2000], end[400];
    bool is_invite = strcmp(method, "INVITE") == 0;
    snprintf(text, sizeof text,
             "%s sip:bob@127.0.0.1:%u SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bK-%d-%s\r\n"
             "From: <sip:a%d@127.0.0.1:%u>;tag=a%d\r\nTo: <sip:bob@127.0.0.1:%u>%s\r\n"
             "Call-ID: call-%d@simulated\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\n"
             "Contact: <sip:a%d@127.0.0.1:%u>\r\n%s",
             method, exchange->address.port, me->port, me->number, branch, me->number, me->port, me->number,
             exchange->address.port, is_invite ? "" : me->to_tag, me->number, cseq, method, me->number,
             me->port, end_of_message(is_invite ? SDP : "", end, sizeof end));
    say(me, text);
}

/* A request that comes while we wait for something else; true: the other side has hung up. */
static bool heed_request(struct phone *me)
{
    if (strncmp(me->received, "BYE ", 4) != 0)
        return false;
    answer(me, "200 OK", "");
    return true;
}

/* Sends `method` again and again until a response of at least `least`; gives its status, or 0: none came in the time that SIP gives it. */
static int transact(struct phone *me, const char *method, int cseq, int least)
{
    int64_t interval_ms = T1_MS, give_up_ns = in_ms(LAST_RETRANSMISSION_MS);
    int status = 0;
    while (es_now_ns() < give_up_ns && status < least) {
        if (status == 0)
            ask(me, method, cseq, method);
        else
            give_up_ns = in_ms(RING_MS);
        int64_t again_ns = status ? give_up_ns : in_ms(interval_ms);
        interval_ms *= 2;
        while (status < least && hear(me, again_ns)) {
            if (heed_request(me))
                continue;
            if (is_about(me->received, method) && status_of(me->received) > status)
                status = status_of(me->received);
        }
    }
    char to[300];
    const char *tag = strstr(line_of(me->received, "To:", to, sizeof to), ";tag=");
    snprintf(me->to_tag, sizeof me->to_tag, "%s", tag ? tag : "");
    return status;
}

/* Holds the line; true: the other side has hung up meanwhile. Each repetition of the answer wants its ACK. */
static bool talk(struct phone *me)
{
    for (int64_t until = in_ms(HOLD_MS); hear(me, until);) {
        if (heed_request(me))
            return true;
        if (status_of(me->received) / 100 == 2)
            ask(me, "ACK", 1, "ack");
    }
    return false;
}

static void complain(struct phone *me, const char *what)
{
    fprintf(stderr, "call %d: %s\n", me->number, what);
    es_exit(es_am_error);
}

static void caller(es_term argument)
{
    struct phone me = {.fd = -1};
    es_simulate_spare(es_self());
    begun++;
    es_match(argument, &me.number);
    open_line(&me);
    int status = transact(&me, "INVITE", 1, 200);
    if (status == 0)
        complain(&me, "nobody has answered its INVITE");
    if (is_calm && (status != 200 || !strstr(me.received, "m=audio 6000")))
        complain(&me, "it was not put through");
    ask(&me, "ACK", 1, status < 300 ? "ack" : "INVITE");
    bool was_hung_up = status < 300 && talk(&me);
    if (is_calm && was_hung_up)
        complain(&me, "somebody else has ended it");
    if (status < 300 && !was_hung_up && transact(&me, "BYE", 2, 200) == 0)
        complain(&me, "nobody has answered its BYE");
    es_close(me.fd);
    ended++;
}

/* ------------------------------------------------------------ who is called */

/* Answers all that comes; what it was told twice it says twice. A call that nobody ends is forgotten, as a real telephone does in the end. */
static void callee(es_term argument)
{
    struct phone me = {.fd = -1};
    es_pid starter;
    open_line(&me);
    if (es_get_pid(argument, &starter))
        es_send(starter, ES_TUPLE(callee_is_idle, (int)me.port));
    for (;;) {
        if (!hear(&me, in_ms(TOO_LONG_MS)))
            continue;
        if (strncmp(me.received, "INVITE ", 7) == 0) {
            answer(&me, "180 Ringing", "");
            answer(&me, "200 OK", SDP);
        } else if (strncmp(me.received, "ACK ", 4) != 0 && status_of(me.received) == 0) {
            answer(&me, "200 OK", "");
        }
    }
}

/* ------------------------------------------------------------ the office */

/* Everything in the tree may be struck, but what stands above it, whose end is the program's: the root, and who started that. */
static void spare_the_top(void)
{
    es_info info = {.pid = es_whereis(named_exchange)};
    while (!es_pid_is_none(info.pid)) {
        es_simulate_spare(info.pid);
        if (!es_process_info(info.pid, &info))
            break;
        info.pid = info.parent;
    }
}

static void open_office(void)
{
    int callee_port = 0;
    es_simulate_spare(es_spawn_opt(ES_WITH(.link = true), callee, es_lend(es_self())));
    es_receive
        es_case(ES_TUPLE(callee_is_idle, &callee_port)) {
        }
    if (es_application_set_env("exchange", port, 0) != ES_OK ||
        es_application_set_env("exchange", uas_port, callee_port) != ES_OK ||
        es_application_set_env("exchange", log_, "/dev/null") != ES_OK ||
        es_application_set_env("exchange", quiet, true) != ES_OK ||
        es_application_start("exchange", ES_START_TRANSIENT, ES_INFINITY, NULL) != ES_OK) {
        fprintf(stderr, "%s\n", es_last_detail());
        es_exit(es_am_error);
    }
    spare_the_top();
}

static int64_t processes(void)
{
    es_node_info node;
    es_node_info_get(&node);
    return node.processes;
}

static int descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

static bool is_idle(int64_t processes_before)
{
    return processes() <= processes_before && !es_members(exchange_calls, NULL, 0) &&
           !es_members(exchange_legs, NULL, 0) && !es_members(exchange_in_service, NULL, 0);
}

/* Legs linger some seconds after the last word. */
static void expect_nothing_left(int64_t processes_before, int descriptors_before)
{
    int64_t give_up_ns = in_ms(100000);
    while (es_now_ns() < give_up_ns && !is_idle(processes_before))
        es_sleep(1000);
    if (!is_idle(processes_before) || descriptors() > descriptors_before) {
        fprintf(stderr, "%lld processes are left, and %d descriptors\n",
                (long long)(processes() - processes_before), descriptors() - descriptors_before);
        es_exit(es_am_error);
    }
}

static void call_all(int calls)
{
    es_ref watch[CALM_CALLS];
    for (int i = 0; i < calls; i++) {
        es_spawn_monitor(&watch[i], caller, ES_T(i));
        es_sleep(50);
    }
    for (int i = 0; i < calls; i++)
        es_receive
            es_case(ES_TUPLE(es_am_DOWN, watch[i], ES_ANY, ES_ANY, ES_ANY)) {
            }
    if (ended != begun) {
        fprintf(stderr, "%d of %d calls came to their end\n", ended, begun);
        es_exit(es_am_error);
    }
}

static void first(void *unused)
{
    (void)unused;
    open_office();
    es_sleep(PEACE_MS / 2); /* while all are there */
    int64_t processes_before = processes();
    int descriptors_before = descriptors();
    es_sleep(PEACE_MS - PEACE_MS / 2);
    call_all(is_calm ? CALM_CALLS : CALLS);
    expect_nothing_left(processes_before, descriptors_before);
    if (es_application_stop("exchange", ES_INFINITY) != ES_OK) {
        fprintf(stderr, "%s\n", es_last_detail());
        es_exit(es_am_error);
    }
}

int main(int argc, char **argv)
{
    is_calm = argc > 1 && strcmp(argv[1], "calm") == 0;
    if (sip_prepare() != SIP_GOOD)
        return 1;
    return es_simulate(first, NULL,
                       &(es_simulation){.faults = is_calm ? ES_FAULTS_NONE : ES_FAULTS_ALL,
                                        .faults_from_ms = PEACE_MS,
                                        .faults_ms = 20000});
}
