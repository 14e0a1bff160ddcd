/* child_sim.c - see child_sim.h.
 *
 *   owner ---- the line ---- keeper ==== link ==== the program
 *
 * The keeper is the server for one child. What either is to have from its beginning hangs on it as a bond: so it is let go of even if it is
 * killed before it runs. */
#include "port/child_sim.h"

#include <engset/link.h>
#include <engset/port.h>
#include <engset/receive.h>
#include <engset/child.h>
#include <signal.h>
#include <string.h>
#include "base/alloc.h"
#include "platform/os.h"
#include "port/child_server.h"
#include "port/child_text.h"
#include "port/descriptor.h"
#include "proc/own.h"

ES_ATOMS(tcp, tcp_closed, tcp_error, begins, status_is);

/* ---------------------------------------------------------------- what programs there are */

struct program {
    struct program *next;
    int (*function)(const es_simulated_child *child);
    char path[];
};

static struct program *programs;

static struct program *find(const char *path)
{
    for (struct program *p = programs; p; p = p->next)
        if (strcmp(p->path, path) == 0)
            return p;
    return NULL;
}

static es_err name_program(struct esi_process *self, const char *path, size_t size,
                           int (*function)(const es_simulated_child *child))
{
    if (size == 1 || size > PATH_MAX)
        return esi_fail(self, ES_EINVAL, "simulate_program: a path that is empty, or too long");
    struct program *p = find(path);
    if (!p) {
        p = esi_alloc(sizeof *p + size);
        if (!p)
            return esi_fail(self, ES_ENOMEM, "simulate_program: %s", es_strerror(ES_ENOMEM));
        memcpy(p->path, path, size);
        p->next = programs;
        programs = p;
    }
    p->function = function;
    return ES_OK;
}

es_err es_simulate_program(const char *path, int (*function)(const es_simulated_child *child))
{
    size_t size = strlen(path) + 1;
    struct esi_process *self = esi_enter();
    es_err error = name_program(self, path, size, function);
    if (self)
        esi_leave();
    return error;
}

static struct program *find_named(const char *name)
{
    struct program *p = find(name);
    if (strchr(name, '/') || (p && p->function))
        return p;
    for (p = programs; p; p = p->next) {
        const char *slash = strrchr(p->path, '/');
        if (slash && p->function && strcmp(slash + 1, name) == 0)
            break;
    }
    return p;
}

es_err esi_child_sim_find(const char *program, char path[PATH_MAX])
{
    struct program *p = find_named(program);
    if (!p || !p->function)
        return ES_ENOTFOUND;
    strcpy(path, p->path);
    return ES_OK;
}

/* ---------------------------------------------------------------- what hangs on the two */

enum { STREAMS = 3, LINE = 3, FDS = 4 };

/* Of the keeper, and then, without the line, of the program. */
struct child {
    struct esi_bond bond;
    int fds[FDS]; /* what it does not own yet; -1 */
    int (*function)(const es_simulated_child *child);
    struct esi_child_request *request; /* and its strings */
};

static void child_ended(struct esi_process *self, struct esi_bond *bond, es_term reason)
{
    struct child *c = ESI_CONTAINER_OF(bond, struct child, bond);
    (void)self;
    (void)reason;
    for (int i = 0; i < FDS; i++)
        if (c->fds[i] >= 0)
            esi_os_close(c->fds[i]);
    esi_free(c->request);
    esi_bond_free(c, sizeof *c);
}

static const struct esi_bond_kind child_kind = {"simulated child", ESI_BOND_SIMULATED_CHILD, child_ended};

static void keeper(void *given);
static void program_main(void *given);

/* ES_OK: `c` is the new process's. */
static es_err spawn_with(void (*function)(void *), struct child *c, es_pid *out)
{
    *out = esi_spawn_bonded(function, c, &c->bond, &child_kind, 0);
    return es_pid_is_none(*out) ? ES_ELIMIT : ES_OK;
}

es_err esi_child_sim_start(struct esi_process *self, const es_child_options *options, const char *path,
                           int line, const int streams[3])
{
    struct child *c = esi_bond_new(sizeof *c);
    es_pid pid;
    if (!c)
        return ES_ENOMEM;
    es_err error = esi_child_make_request(options, path, &c->request);
    c->function = find(path)->function;
    memcpy(c->fds, streams, STREAMS * sizeof *streams);
    c->fds[LINE] = line;
    if (error == ES_OK)
        error = spawn_with(keeper, c, &pid);
    if (error != ES_OK) {
        esi_free(c->request);
        esi_bond_free(c, sizeof *c);
        return esi_fail(self, error, "child_start: %.150s: %s", path, es_strerror(error));
    }
    return ES_OK;
}

/* The process `self` owns it from here on. False: it is closed. In the runtime. */
static bool take(struct esi_process *self, struct child *c, int number, enum esi_descriptor_kind kind)
{
    int fd = c->fds[number];
    c->fds[number] = -1;
    return esi_descriptor_open(self, fd, kind, "child_start") == ES_OK;
}

/* ---------------------------------------------------------------- the program */

/* The strings behind the path: two lists with NULL behind each. */
static void find_strings(const struct esi_child_request *request, const char **list)
{
    const char *at = (const char *)(request + 1);
    for (uint32_t i = 0; i < request->argument_count + request->environment_count; i++) {
        at += strlen(at) + 1;
        list[i < request->argument_count ? i : i + 1] = at;
    }
}

/* The keeper waits for the word that it begins. Who made it traps exits: a kill that came before that is a message. */
static void begin(es_pid parent)
{
    es_term reason;
    es_trap_exit(false);
    es_receive {
        es_case(ES_TUPLE(es_am_EXIT, ES_ANY, &reason))
            es_exit(reason);
        es_after(0) {
        }
    }
    es_send(parent, begins);
}

static void program_main(void *given)
{
    struct child *c = given;
    struct esi_process *self = esi_enter();
    es_simulated_child child = {(int)c->request->argument_count, NULL, NULL, c->fds[0], c->fds[1], c->fds[2]};
    bool has_all = true;
    for (int i = 0; i < STREAMS; i++)
        has_all &= take(self, c, i, ESI_FD_PIPE);
    esi_leave();
    es_pid parent;
    es_receive
        es_case(ES_TUPLE(begins, &parent)) {
        }
    const char **list =
        es_alloc((c->request->argument_count + c->request->environment_count + 2) * sizeof *list);
    find_strings(c->request, list);
    child.arguments = list;
    child.environment = list + c->request->argument_count + 1;
    begin(parent);
    es_label("%.31s", (const char *)(c->request + 1));
    int status = has_all ? c->function(&child) : 1;
    es_send(parent, ES_TUPLE(status_is, status & 0xff));
}

/* ---------------------------------------------------------------- the keeper */

struct life {
    es_pid program;
    int line, status; /* status: -1: it has not said any */
    int last_signal;  /* 0: none was sent */
    int64_t kill_at_ns;
    bool is_kept; /* the owner is there */
};

static void tell(const struct life *life, enum esi_child_answer_kind kind, int value)
{
    struct esi_child_answer answer = {.kind = kind, .value = value};
    if (kind == ESI_CHILD_STARTED)
        answer.pid = (int32_t)(life->program.id & 0xffffff) + 1000;
    if (life->is_kept)
        es_write(life->line, &answer, sizeof answer, ES_INFINITY);
}

static bool is_ignored(int number)
{
    return number == SIGCHLD || number == SIGCONT || number == SIGURG || number == SIGWINCH ||
           number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

static void deliver(struct life *life, int number)
{
    if (is_ignored(number))
        return;
    life->last_signal = number;
    if (number == SIGKILL)
        es_send_exit(life->program, es_am_kill);
    else if (number == SIGTERM)
        es_send_exit(life->program, ES_TUPLE(es_am_signal, es_am_sigterm));
    else
        es_send_exit(life->program, ES_TUPLE(es_am_signal, number));
}

static void stop(struct life *life, const struct esi_child_request *request)
{
    if (life->kill_at_ns != ES_INFINITY)
        return; /* it is at it */
    if (request->grace_ns == 0) {
        deliver(life, SIGKILL);
        return;
    }
    deliver(life, request->stop_signal);
    life->kill_at_ns = es_now_ns() + request->grace_ns;
}

static void command(struct life *life, const struct esi_child_request *request, es_bin bytes)
{
    struct esi_child_command order;
    if (bytes.size != sizeof order)
        return;
    memcpy(&order, bytes.data, sizeof order);
    if (order.signal)
        deliver(life, order.signal);
    else
        stop(life, request);
}

/* How a real program would have ended. */
static int status_of(const struct life *life, es_term reason)
{
    static const struct {
        es_atom name;
        int number;
    } faults[] = {{es_am_sigsegv, SIGSEGV}, {es_am_sigbus, SIGBUS},   {es_am_sigfpe, SIGFPE},
                  {es_am_sigill, SIGILL},   {es_am_sigabrt, SIGABRT}, {es_am_sigtrap, SIGTRAP}};
    es_atom name;
    if (life->status >= 0)
        return life->status;
    if (es_match(reason, es_am_normal))
        return 0;
    if (es_match(reason, es_am_killed))
        return ES_CHILD_SIGNALED(SIGKILL);
    if (es_match(reason, ES_TUPLE(es_am_signal, &name, ES_ANY)))
        for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
            if (es_atom_equal(faults[i].name, name))
                return ES_CHILD_SIGNALED(faults[i].number);
    if (life->last_signal && es_match(reason, ES_TUPLE(es_am_signal, ES_ANY)))
        return ES_CHILD_SIGNALED(life->last_signal);
    return 1;
}

static int64_t ms_left(const struct life *life)
{
    if (life->kill_at_ns == ES_INFINITY)
        return ES_INFINITY;
    int64_t left_ns = life->kill_at_ns - es_now_ns();
    return left_ns > 0 ? (left_ns + 999999) / 1000000 : 0;
}

/* One thing that happens. False: the program has ended. */
static bool live(struct life *life, const struct esi_child_request *request)
{
    es_bin bytes;
    es_term reason;
    es_receive {
        es_case(begins)
            tell(life, ESI_CHILD_STARTED, 0);
        es_case(ES_TUPLE(status_is, &life->status)) {
        }
        es_case(ES_TUPLE(tcp, ES_ANY, &bytes))
            command(life, request, bytes);
        es_case(ES_TUPLE(tcp_error, ES_ANY, ES_ANY)) {
        }
        es_case(ES_TUPLE(tcp_closed, ES_ANY)) {
            life->is_kept = false;
            stop(life, request);
        }
        es_case(ES_TUPLE(es_am_EXIT, life->program, &reason)) {
            tell(life, ESI_CHILD_ENDED, status_of(life, reason));
            return false;
        }
        es_case(ES_TUPLE(es_am_EXIT, ES_ANY, &reason))
            es_exit(reason); /* the node stops: the program ends by the link */
        es_after(ms_left(life)) {
            life->kill_at_ns = ES_INFINITY - 1;
            deliver(life, SIGKILL);
        }
    }
    return true;
}

static es_err start_program(struct child *given, es_pid *out)
{
    struct child *c = esi_bond_new(sizeof *c);
    if (!c)
        return ES_ENOMEM;
    memcpy(c->fds, given->fds, sizeof c->fds);
    c->function = given->function;
    c->request = esi_alloc(given->request->bytes);
    es_err error = c->request ? ES_OK : ES_ENOMEM;
    if (error == ES_OK) {
        memcpy(c->request, given->request, given->request->bytes);
        error = spawn_with(program_main, c, out);
    }
    if (error != ES_OK) {
        esi_free(c->request);
        esi_bond_free(c, sizeof *c);
        return error;
    }
    for (int i = 0; i < STREAMS; i++)
        given->fds[i] = -1;
    return ES_OK;
}

static void keeper(void *given)
{
    struct child *c = given;
    struct life life = {.line = c->fds[LINE], .status = -1, .kill_at_ns = ES_INFINITY, .is_kept = true};
    struct esi_process *self = esi_enter();
    es_err error = take(self, c, LINE, ESI_FD_UNIX) ? start_program(c, &life.program) : ES_ENOMEM;
    esi_leave();
    if (error != ES_OK)
        return; /* the line is closed behind it: the owner sees that */
    es_link(life.program);
    es_send(life.program, ES_TUPLE(begins, es_self()));
    if (es_active(life.line, ES_INFINITY) != ES_OK)
        es_exit(es_am_system_limit);
    while (live(&life, c->request))
        ;
}
