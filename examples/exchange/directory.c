/* exchange/directory.c - which process has which Call-ID, and what is to be said in its place when it crashes.
 *
 * Each leg hands in its card whenever it stands elsewhere. When a leg ends otherwise than `normal`, for whatever reason, another one is started from
 * its card, which says goodbye to its telephone: so no process has to be right about the end of another, and a call's processes can all die
 * together. All that is known here can be asked again: who starts anew does so, and the groups tell whom. */
#include "exchange.h"
#include "bugs.h"
#include "routes.h"

ES_ATOMS(find, begun, declare, farewell, refusal, farewells, board, crash, crashed, lost, own, undefined,
         ask_all);
ES_ATOM(of_call, "call");

enum { ALL_ANSWER_MS = 10000, AGAIN_MS = 100 };

typedef struct {
    struct routes *routes;
} directory;

/* ---- who has what ---- */

static void enter(directory *self, es_bin call_id, es_pid pid, bool is_call)
{
    if (!routes_of(self->routes, pid) && routes_add(self->routes, call_id, pid, is_call))
        es_monitor(pid);
}

/* Another leg works for this Call-ID already: the caller repeated himself when nobody knew of his call, since the directory had crashed before the call had
 * made itself known. The later one goes, with all its family, before its telephone has heard of it. */
static bool is_second(const directory *self, const deposit *d)
{
    const struct route *other = routes_find(self->routes, deposit_card(d)->call_id);
    return deposit_card(d)->state == LEG_TRYING && other && !other->is_call &&
           !es_pid_equal(other->pid, d->leg) && other->deposit &&
           deposit_card(other->deposit)->state != LEG_LINGERING;
}

/* `d` is kept. */
static void on_deposit(directory *self, deposit *d)
{
    const struct leg_card *card = deposit_card(d);
    if (is_second(self, d)) {
        es_send_exit(d->leg, es_am_shutdown);
        es_free(d);
        return;
    }
    enter(self, es_bytes(card->call_id, strlen(card->call_id)), d->leg, false);
    struct route *route = routes_of(self->routes, d->leg);
    if (!route) {
        es_free(d);
        return;
    }
    es_free(route->deposit);
    route->deposit = d;
    if (route->invite && card->state != LEG_TRYING) {
        es_free(route->invite);
        route->invite = NULL;
    }
}

/* The INVITE that a leg has not answered yet; `p` is kept. */
static void on_invite(directory *self, parcel *p)
{
    const struct route *found = routes_find(self->routes, parcel_message(p)->head.call_id);
    struct route *route = found ? routes_of(self->routes, found->pid) : NULL;
    if (route && route->deposit && deposit_card(route->deposit)->state == LEG_TRYING && !route->invite)
        route->invite = p;
    else
        es_free(p);
}

static void forget(directory *self, es_pid pid)
{
    struct route *route = routes_of(self->routes, pid);
    es_free(route->deposit);
    es_free(route->invite);
    routes_remove(self->routes, pid);
}

/* ---- in place of who crashed ---- */

static void say_goodbye(const struct route *route)
{
    es_pid pid;
    es_err error = ES_OK;
    const parcel *p = route->invite;
    const struct leg_card *card = route->deposit ? deposit_card(route->deposit) : NULL;
    if (p)
        error = exchange_start(farewells, ES_TUPLE(refusal, es_bytes(p->message, sizeof p->message)), &pid);
    else if (card && leg_may_say_goodbye(card))
        error = exchange_start(farewells, ES_TUPLE(farewell, es_bytes(card, sizeof *card)), &pid);
    if (error != ES_OK)
        exchange_note(lost, route->call_id, es_strerror(error));
}

/* Once for a call, whichever of its processes it was: they are linked, and end for the same reason. */
static void on_crash(const struct route *call, es_term reason)
{
    const enum bug bug = bug_of_reason(reason);
    exchange_note(crashed, of_call, call->call_id, bug_name(bug));
    es_send(board, ES_TUPLE(crash, (int)bug));
    es_send(board, ES_TUPLE(lost, own));
}

static void on_down(directory *self, es_pid pid, es_term reason)
{
    const struct route *route = routes_of(self->routes, pid);
    if (!route)
        return;
    if (!es_is(reason, es_am_normal) && route->is_call)
        on_crash(route, reason);
    else if (!es_is(reason, es_am_normal))
        say_goodbye(route);
    forget(self, pid);
}

/* ---- after a restart ---- */

static bool is_known_or_gone(directory *self, es_pid pid)
{
    es_info info;
    return routes_of(self->routes, pid) || !es_process_info(pid, &info);
}

/* False: none came for a while. */
static bool takes_card(directory *self)
{
    bool is_there = false;
    es_receive {
        es_case_struct(deposit, d) {
            on_deposit(self, d);
            is_there = true;
        }
        es_after(AGAIN_MS) {
        }
    }
    return is_there;
}

/* All of them have handed in their cards, or are gone, when this returns; but who does not answer at all is not waited for for ever. Who did not hear it is
 * asked again. Until then nobody is told of a Call-ID that it is not there: he would believe it. */
static void await_cards(directory *self, const es_pid *legs, int64_t count)
{
    const int64_t give_up_ns = es_now_ns() + ALL_ANSWER_MS * INT64_C(1000000);
    for (int64_t i = 0; es_now_ns() < give_up_ns;) {
        while (i < count && is_known_or_gone(self, legs[i]))
            i++;
        if (i == count)
            return;
        if (!takes_card(self))
            es_send(legs[i], declare);
    }
}

static void ask_all_of(const es_pid *pids, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        es_send(pids[i], declare);
}

static es_answer directory_continued(directory *self, es_term what)
{
    int64_t call_count, leg_count;
    es_pid *calls = exchange_members(exchange_calls, &call_count);
    es_pid *legs = exchange_members(exchange_legs, &leg_count);
    (void)what;
    ask_all_of(calls, call_count); /* they can wait: who has a Call-ID is the leg, if there is one */
    ask_all_of(legs, leg_count);
    await_cards(self, legs, leg_count);
    es_free(calls);
    es_free(legs);
    return es_noreply();
}

static es_answer directory_init(directory *self, es_term args)
{
    (void)args;
    self->routes = es_alloc(sizeof *self->routes);
    return es_with_continue(es_ok(), ask_all);
}

/* ---- what it is asked ---- */

static es_answer directory_call(directory *self, es_term request, es_from from)
{
    es_bin call_id;
    char text[SIP_CALL_ID_MAX] = "";
    (void)from;
    if (!es_match(request, ES_TUPLE(find, &call_id)))
        return es_unknown(request);
    if (call_id.size < sizeof text)
        memcpy(text, call_id.data, call_id.size);
    const struct route *route = routes_find(self->routes, text);
    return route ? es_reply(route->pid) : es_reply(undefined);
}

static es_answer directory_cast(directory *self, es_term message)
{
    es_bin call_id;
    es_pid pid;
    if (!es_match(message, ES_TUPLE(begun, &call_id, &pid)))
        return es_unknown(message);
    enter(self, call_id, pid, true);
    return es_noreply();
}

static es_answer directory_info(directory *self, es_term message)
{
    deposit *d;
    parcel *p;
    es_pid pid;
    es_term reason;
    if ((d = es_struct_of(deposit, message))) {
        on_deposit(self, d);
    } else if ((p = es_struct_of(parcel, message))) {
        on_invite(self, p);
    } else if (es_match(message, ES_TUPLE(es_am_DOWN, ES_ANY, ES_ANY, &pid, &reason))) {
        on_down(self, pid, reason);
    } else {
        return es_unknown(message);
    }
    return es_noreply();
}

ES_SERVER(directory_server, directory, .init = directory_init, .continued = directory_continued,
          .call = directory_call, .cast = directory_cast, .info = directory_info);
