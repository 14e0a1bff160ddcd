/* tests/exchange/loop.c - the deciding half of the exchange carries real calls of SIPp.
 *
 * One thread, one socket, one loop around sip.c, dialog.c and registrar.c, and no Engset: what the example does
 * with processes is done here with an array. SIPp (-s user -r rate -m calls) is the judge; its exit status
 * says whether all its calls went well. Everything is on 127.0.0.1, ports are picked free.
 *
 * Usage: loop SIPP SCENARIO_FOLDER. With `serve PORT` behind these it serves until killed, for measurements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "dialog.h"
#include "registrar.h"

enum {
    LOOPBACK = 0x7f000001,
    SLOTS = 1 << 16,
    USERS = 64,
    PATIENCE_MS = 40000,
};

static const char *sipp_path, *scenarios;

/* ---- the exchange ----------------------------------------------------------------------------- */

struct call {
    struct leg in, out;
    bool has_out;
    int64_t answered_ms; /* 0: not yet */
};

/* Finds legs by Call-ID. Calls are never forgotten: the runs are short. */
struct slot {
    struct call *call;
    bool is_out;
};

struct exchange {
    int fd;
    struct sip_address address;
    struct registrar registrar;
    struct registrar_binding bindings[USERS];
    struct slot slots[SLOTS];
    struct call **calls;
    size_t call_count, first_living;
    uint64_t chance;
    unsigned lost_in_1000; /* of the datagrams, in each direction */
    uint32_t cut_after_ms; /* the exchange hangs up so long after the answer; 0: never */
    size_t dropped, garbage, confirmed, released[LEG_REASONS];
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t draw(struct exchange *x)
{
    x->chance ^= x->chance << 13;
    x->chance ^= x->chance >> 7;
    x->chance ^= x->chance << 17;
    return x->chance;
}

static bool is_lost(struct exchange *x)
{
    bool lost = draw(x) % 1000 < x->lost_in_1000;
    x->dropped += lost;
    return lost;
}

static void send_to(struct exchange *x, struct sip_address to, const char *bytes, size_t length)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(to.port), .sin_addr.s_addr = htonl(to.ip)};
    if (!is_lost(x))
        (void)!sendto(x->fd, bytes, length, 0, (struct sockaddr *)&a, sizeof a);
}

static struct slot *slot_of(struct exchange *x, const char *call_id)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *c = call_id; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    for (size_t i = hash % SLOTS;; i = (i + 1) % SLOTS) {
        struct slot *s = &x->slots[i];
        if (!s->call || strcmp((s->is_out ? &s->call->out : &s->call->in)->card.call_id, call_id) == 0)
            return s;
    }
}

static void carry_out(struct exchange *x, struct call *call, bool is_out, const struct leg_plan *plan);

/* What one leg learned, the other is told. This is all that a call does. */
static void on_event(struct exchange *x, struct call *call, bool is_out, const struct leg_plan *told)
{
    struct leg_plan plan = {0};
    switch (told->event) {
    case LEG_NOTHING:
        return;
    case LEG_RINGING:
        leg_ring(&call->in, told->status, told->body, &plan);
        break;
    case LEG_ACCEPTED:
        leg_answer(&call->in, told->body, now_ms(), &plan);
        break;
    case LEG_CONFIRMED:
        x->confirmed++;
        call->answered_ms = now_ms();
        leg_confirm(&call->out, told->body, now_ms(), &plan);
        break;
    case LEG_RELEASED:
        x->released[told->reason]++;
        if (!is_out && !call->has_out)
            return;
        if (is_out && call->in.card.state == LEG_TRYING)
            leg_refuse(&call->in, leg_reason_status(told->reason, told->status), now_ms(), &plan);
        else
            leg_hangup(is_out ? &call->in : &call->out, now_ms(), &plan);
        break;
    }
    bool other_is_out = told->event == LEG_CONFIRMED || (told->event == LEG_RELEASED && !is_out);
    carry_out(x, call, other_is_out, &plan);
}

static void carry_out(struct exchange *x, struct call *call, bool is_out, const struct leg_plan *plan)
{
    for (int i = 0; i < plan->send_count; i++)
        send_to(x, plan->send[i].to, plan->send[i].bytes, plan->send[i].length);
    on_event(x, call, is_out, plan);
}

static void answer(struct exchange *x, const struct sip_message *m, uint16_t status, const char *contact,
                   int32_t expires_s)
{
    char bytes[SIP_DATAGRAM_MAX];
    struct sip_response r = {
        .status = status, .head = &m->head, .to_tag = "x", .contact = contact, .expires_s = expires_s};
    send_to(x, m->head.reply_to, bytes, sip_write_response(&r, bytes, sizeof bytes));
}

static void on_new_call(struct exchange *x, const struct sip_message *m, struct slot *slot)
{
    struct leg_plan plan = {0};
    char call_id[SIP_CALL_ID_MAX];
    struct leg_setup setup = {.times = leg_times_standard, .local = x->address, .seed = draw(x)};
    const struct registrar_binding *callee = registrar_find(&x->registrar, m->target.user, now_ms());
    struct call *call = calloc(1, sizeof *call);
    x->calls[x->call_count++] = call;
    leg_open_incoming(&call->in, &setup, m, now_ms(), &plan);
    *slot = (struct slot){call, false};
    carry_out(x, call, false, &plan);
    if (call->in.card.state != LEG_TRYING)
        return;
    if (!callee || !leg_call_id(m->head.call_id, call_id)) {
        leg_refuse(&call->in, callee ? 400 : 404, now_ms(), &plan);
        carry_out(x, call, false, &plan);
        return;
    }
    struct leg_callee to = {call_id, m->from.user, callee->contact, callee->address, sip_body_of(m)};
    setup.seed = draw(x);
    call->has_out = true;
    leg_open_outgoing(&call->out, &setup, &to, now_ms(), &plan);
    *slot_of(x, call_id) = (struct slot){call, true};
    carry_out(x, call, true, &plan);
}

static void on_stray(struct exchange *x, const struct sip_message *m, struct slot *slot)
{
    switch (m->method) {
    case SIP_INVITE:
        if (m->to_tag[0] == '\0')
            on_new_call(x, m, slot);
        else
            answer(x, m, 481, NULL, -1);
        break;
    case SIP_REGISTER: {
        struct registrar_answer a = registrar_register(&x->registrar, m, now_ms());
        answer(x, m, a.status, a.contact, a.expires_s);
        break;
    }
    case SIP_OPTIONS:
        answer(x, m, 200, NULL, -1);
        break;
    case SIP_ACK:
        break;
    case SIP_BYE:
    case SIP_CANCEL:
        answer(x, m, 481, NULL, -1);
        break;
    case SIP_OTHER:
        answer(x, m, 501, NULL, -1);
        break;
    }
}

static void on_datagram(struct exchange *x, const char *bytes, size_t length, struct sip_address source)
{
    static struct sip_message m;
    struct leg_plan plan = {0};
    if (sip_parse(bytes, length, source, &m) != SIP_GOOD) {
        x->garbage++;
        return;
    }
    struct slot *slot = slot_of(x, m.head.call_id);
    if (slot->call) {
        struct call *call = slot->call;
        bool is_out = slot->is_out;
        leg_message(is_out ? &call->out : &call->in, &m, now_ms(), &plan);
        carry_out(x, call, is_out, &plan);
    } else if (m.status == 0) {
        on_stray(x, &m, slot);
    }
}

static void tick_leg(struct exchange *x, struct call *call, bool is_out, int64_t now)
{
    struct leg *leg = is_out ? &call->out : &call->in;
    struct leg_plan plan;
    while (leg_deadline_ms(leg) <= now) {
        leg_tick(leg, now, &plan);
        carry_out(x, call, is_out, &plan);
    }
}

/* The exchange ends a call by itself. */
static void cut(struct exchange *x, struct call *call)
{
    struct leg_plan plan;
    call->answered_ms = 0;
    leg_hangup(&call->in, now_ms(), &plan);
    carry_out(x, call, false, &plan);
    leg_hangup(&call->out, now_ms(), &plan);
    carry_out(x, call, true, &plan);
}

static void tick(struct exchange *x)
{
    int64_t now = now_ms();
    bool all_over = true;
    for (size_t i = x->first_living; i < x->call_count; i++) {
        struct call *call = x->calls[i];
        tick_leg(x, call, false, now);
        if (call->has_out)
            tick_leg(x, call, true, now);
        if (x->cut_after_ms && call->answered_ms && now >= call->answered_ms + x->cut_after_ms)
            cut(x, call);
        all_over = all_over && leg_is_over(&call->in) && (!call->has_out || leg_is_over(&call->out));
        if (all_over)
            x->first_living = i + 1;
    }
}

/* Serves for about 5 ms. */
static void serve_a_little(struct exchange *x)
{
    char bytes[SIP_DATAGRAM_MAX + 1];
    struct sockaddr_in a;
    struct pollfd p = {.fd = x->fd, .events = POLLIN};
    poll(&p, 1, 5);
    for (int i = 0; i < 200; i++) {
        socklen_t size = sizeof a;
        ssize_t length = recvfrom(x->fd, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&a, &size);
        if (length < 0)
            break;
        struct sip_address source = {ntohl(a.sin_addr.s_addr), ntohs(a.sin_port)};
        if (!is_lost(x))
            on_datagram(x, bytes, (size_t)length, source);
    }
    tick(x);
}

/* A socket on 127.0.0.1; `*port` 0: any, and then says which. */
static int open_socket(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(LOOPBACK)};
    socklen_t size = sizeof a;
    int room = 4 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || getsockname(fd, (struct sockaddr *)&a, &size) != 0)
        return -1;
    *port = ntohs(a.sin_port);
    return fd;
}

static struct exchange *open_exchange(uint16_t port, size_t call_max)
{
    struct exchange *x = calloc(1, sizeof *x);
    x->calls = calloc(call_max, sizeof *x->calls);
    x->chance = 20261122;
    x->fd = open_socket(&port);
    x->address = (struct sip_address){LOOPBACK, port};
    registrar_init(&x->registrar, x->bindings, USERS);
    return x;
}

static void close_exchange(struct exchange *x)
{
    for (size_t i = 0; i < x->call_count; i++)
        free(x->calls[i]);
    free(x->calls);
    close(x->fd);
    free(x);
}

/* ---- SIPp ------------------------------------------------------------------------------------- */

static uint16_t free_port(void)
{
    uint16_t port = 0;
    close(open_socket(&port));
    return port;
}

/* One run: the exchange, a folder for SIPp's logs, and where the callee listens. */
struct scene {
    struct exchange *x;
    char folder[32];
    uint16_t callee_port;
};

static char *path_in(const struct scene *s, const char *name, const char *suffix, char out[static 128])
{
    snprintf(out, 128, "%s/%s.%s", s->folder, name, suffix);
    return out;
}

/* Until some socket has the UDP port: a callee that does not listen yet misses the first INVITE. By the kernel's list, for a socket of
 * another OS process tells nobody. */
static void wait_until_bound(int port)
{
    char wanted[16], line[256];
    snprintf(wanted, sizeof wanted, ":%04X ", port);
    for (int64_t until = now_ms() + PATIENCE_MS; now_ms() < until; poll(NULL, 0, 5)) {
        bool is_bound = false;
        FILE *list = fopen("/proc/net/udp", "r");
        while (list && fgets(line, sizeof line, list))
            is_bound = is_bound || strstr(line, wanted) != NULL;
        if (list)
            fclose(list);
        if (is_bound || !list)
            return;
    }
    fail_msg("nobody bound UDP port %d", port);
}

/* Starts SIPp with the scenario `name`, `calls` calls, `rate` a second, `hold_ms` long. */
static pid_t start_sipp(const struct scene *s, const char *name, uint16_t port, int calls, int rate,
                        int hold_ms)
{
    char remote[32], file[512], own[8], count[12], speed[12], hold[12], key[8], errors[128], log[128];
    snprintf(remote, sizeof remote, "127.0.0.1:%u", s->x->address.port);
    snprintf(file, sizeof file, "%s/%s.xml", scenarios, name);
    snprintf(own, sizeof own, "%u", port);
    snprintf(count, sizeof count, "%d", calls);
    snprintf(speed, sizeof speed, "%d", rate);
    snprintf(hold, sizeof hold, "%d", hold_ms);
    snprintf(key, sizeof key, "%u", s->callee_port);
    char *const words[] = {(char *)sipp_path,
                           remote,
                           "-sf",
                           file,
                           "-i",
                           "127.0.0.1",
                           "-bind_local",
                           "-p",
                           own,
                           "-ci",
                           "127.0.0.1",
                           "-s",
                           "bob",
                           "-key",
                           "port",
                           key,
                           "-m",
                           count,
                           "-r",
                           speed,
                           "-d",
                           hold,
                           "-nostdin",
                           "-timeout",
                           "35s",
                           "-timeout_error",
                           "-trace_err",
                           "-error_file",
                           path_in(s, name, "err", errors),
                           "-trace_logs",
                           "-log_file",
                           path_in(s, name, "log", log),
                           NULL};
    pid_t pid = fork();
    if (pid != 0) {
        if (!strcmp(name, "uas"))
            wait_until_bound(port);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, 0);
    dup2(nowhere, 1);
    dup2(nowhere, 2);
    setenv("TERM", "dumb", 1);
    if (chdir(s->folder) == 0)
        execv(sipp_path, words);
    _exit(127);
}

/* Serves until the `count` children have ended; each must have been content. */
static void serve_until_gone(const struct scene *s, const pid_t *children, int count)
{
    int64_t until = now_ms() + PATIENCE_MS;
    for (int i = 0; i < count; i++) {
        int status = -1;
        while (waitpid(children[i], &status, WNOHANG) == 0) {
            serve_a_little(s->x);
            if (now_ms() > until) {
                for (int k = i; k < count; k++)
                    kill(children[k], SIGKILL);
                fail_msg("SIPp number %d did not come to an end", i);
            }
        }
        if (status != 0)
            fail_msg("SIPp number %d ended with status %d; see %s", i, WEXITSTATUS(status), s->folder);
    }
}

static long lines_in(const struct scene *s, const char *name, const char *suffix)
{
    char path[128];
    FILE *file = fopen(path_in(s, name, suffix, path), "r");
    long lines = 0;
    for (int c; file && (c = getc(file)) != EOF;)
        lines += c == '\n';
    if (file)
        fclose(file);
    return lines;
}

static struct scene open_scene(void)
{
    struct scene s = {
        .x = open_exchange(0, 4096), .folder = "/tmp/exchange.XXXXXX", .callee_port = free_port()};
    assert_true(s.x->fd >= 0);
    assert_non_null(mkdtemp(s.folder));
    pid_t telephone = start_sipp(&s, "register", free_port(), 1, 1, 0);
    serve_until_gone(&s, &telephone, 1);
    return s;
}

static void close_scene(struct scene *s)
{
    static const char *const names[] = {"register", "uac", "uas", "cancel", "ringing"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unlink(path_in(s, names[i], "err", path));
        unlink(path_in(s, names[i], "log", path));
    }
    rmdir(s->folder);
    close_exchange(s->x);
}

/* Sends things that are not SIP, from a socket of its own. */
static void send_garbage(struct exchange *x, int count)
{
    uint16_t port = 0;
    int fd = open_socket(&port);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(x->address.port), .sin_addr.s_addr = htonl(LOOPBACK)};
    for (int i = 0; i < count; i++) {
        char noise[600];
        size_t length = draw(x) % sizeof noise;
        for (size_t k = 0; k < length; k++)
            noise[k] = (char)draw(x);
        if (i % 3 == 1)
            length =
                (size_t)snprintf(noise, sizeof noise, "INVITE sip:bob@127.0.0.1 SIP/2.0\r\nVia: \r\n\r\n");
        (void)!sendto(fd, noise, length, 0, (struct sockaddr *)&to, sizeof to);
    }
    close(fd);
}

/* ---- the tests -------------------------------------------------------------------------------- */

static void two_hundred_calls_go_well_while_garbage_arrives(void **state)
{
    (void)state;
    struct scene s = open_scene();
    pid_t sipp[2];
    sipp[0] = start_sipp(&s, "uas", s.callee_port, 200, 1, 0);
    sipp[1] = start_sipp(&s, "uac", free_port(), 200, 100, 500);
    send_garbage(s.x, 90);
    serve_until_gone(&s, sipp, 2);
    assert_int_equal(s.x->confirmed, 200);
    assert_int_equal(s.x->released[LEG_HUNG_UP], 200);
    assert_int_equal(s.x->garbage, 90);
    close_scene(&s);
}

static void calls_go_well_though_one_datagram_in_twenty_is_lost(void **state)
{
    (void)state;
    struct scene s = open_scene();
    s.x->lost_in_1000 = 50;
    pid_t sipp[2];
    sipp[0] = start_sipp(&s, "uas", s.callee_port, 50, 1, 0);
    sipp[1] = start_sipp(&s, "uac", free_port(), 50, 50, 200);
    serve_until_gone(&s, sipp, 2);
    assert_true(s.x->dropped > 5);
    assert_int_equal(s.x->released[LEG_HUNG_UP],
                     50); /* not all were confirmed: a BYE may overtake a lost ACK */
    close_scene(&s);
}

static void cancelled_calls_are_cancelled_at_the_callee_too(void **state)
{
    (void)state;
    struct scene s = open_scene();
    pid_t sipp[2];
    sipp[0] = start_sipp(&s, "ringing", s.callee_port, 50, 1, 0);
    sipp[1] = start_sipp(&s, "cancel", free_port(), 50, 100, 100);
    serve_until_gone(&s, sipp, 2);
    assert_int_equal(s.x->released[LEG_CANCELLED], 50);
    close_scene(&s);
}

static void a_call_that_the_exchange_ends_gets_a_bye_and_is_told_apart(void **state)
{
    (void)state;
    struct scene s = open_scene();
    s.x->cut_after_ms = 100;
    pid_t sipp[2];
    sipp[0] = start_sipp(&s, "uas", s.callee_port, 50, 1, 0);
    sipp[1] = start_sipp(&s, "uac", free_port(), 50, 100, 20000);
    serve_until_gone(&s, sipp, 2);
    assert_int_equal(s.x->confirmed, 50);
    assert_int_equal(lines_in(&s, "uac", "log"), 50);
    close_scene(&s);
}

__attribute__((noreturn)) static void serve(uint16_t port, uint16_t callee_port)
{
    struct exchange *x = open_exchange(port, 1 << 15);
    struct registrar_binding *bob = &x->bindings[0];
    *bob = (struct registrar_binding){INT64_MAX, {LOOPBACK, callee_port}, "bob", ""};
    snprintf(bob->contact, sizeof bob->contact, "sip:bob@127.0.0.1:%u", callee_port);
    for (size_t i = 1; i < USERS; i++)
        x->bindings[i] = *bob; /* whatever place is looked at first */
    for (;;)
        serve_a_little(x);
}

int main(int argc, char **argv)
{
    if (argc < 3 || sip_prepare() != SIP_GOOD)
        return 2;
    sipp_path = argv[1];
    scenarios = argv[2];
    if (argc == 6 && strcmp(argv[3], "serve") == 0)
        serve((uint16_t)atoi(argv[4]), (uint16_t)atoi(argv[5]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_hundred_calls_go_well_while_garbage_arrives),
        cmocka_unit_test(calls_go_well_though_one_datagram_in_twenty_is_lost),
        cmocka_unit_test(cancelled_calls_are_cancelled_at_the_callee_too),
        cmocka_unit_test(a_call_that_the_exchange_ends_gets_a_bye_and_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
