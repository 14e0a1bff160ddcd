/* event_ask.c - who tells an event manager, or asks it: Erlang's messages, {notify, Event} and {Pid, From, Request}. */
#include <engset/event.h>

#include <stdatomic.h>
#include <string.h>
#include "behaviour/answer.h"
#include "behaviour/event.h"
#include "proc/call.h"

/* ------------------------------------------------------------ which handlers there are */

/* Newest first; grows only. */
static _Atomic(es_event_handler *) known;

static bool is_announced(const es_event_handler *handler)
{
    for (es_event_handler *h = atomic_load_explicit(&known, memory_order_acquire); h; h = h->next)
        if (h == handler)
            return true;
    return false;
}

void esi_event_announce(es_event_handler *handler)
{
    if (is_announced(handler))
        return;
    handler->next = atomic_load_explicit(&known, memory_order_relaxed);
    /* release: pairs with the acquire in esi_event_known(). relaxed on failure: `next` is compared, never followed. */
    while (!atomic_compare_exchange_weak_explicit(&known, &handler->next, handler, memory_order_release,
                                                  memory_order_relaxed)) {
    }
}

const es_event_handler *esi_event_known(const char *name)
{
    const es_event_handler *found = NULL;
    /* The oldest counts: that is what it says to who comes with another. */
    for (es_event_handler *h = atomic_load_explicit(&known, memory_order_acquire); h; h = h->next)
        if (strcmp(h->name, name) == 0)
            found = h;
    return found;
}

/* How a handler is known: Name, or {Name, Id}; the caller's own. */
static es_err which_term(es_event_which which, es_term *out)
{
    es_atom name;
    es_err error = es_atom_make(which.handler->name, strlen(which.handler->name), &name);
    if (error != ES_OK)
        return es_fail(error, "event: no atom for the handler's name");
    if (esi_event_known(which.handler->name) != which.handler)
        return es_fail(ES_ETAKEN, "event: the program has another handler %s", which.handler->name);
    *out = es_is_none(which.id) ? es_from_atom(name) : es_keep(ES_TUPLE(name, which.id));
    return ES_OK;
}

/* ------------------------------------------------------------ asking */

ES_ATOMS(sync_notify, which_handlers, add_handler, add_sup_handler, delete_handler, swap_handler,
         swap_sup_handler, module_not_found, bad_module, bad_return_value);

static es_err ask(es_term to, es_term request, int64_t timeout_ms, es_term *answer)
{
    *answer = es_none();
    return esi_try_call_as(esi_from_local_pid(es_self().id), to, request, timeout_ms, answer);
}

/* The answer is the caller's, if it wants it. */
static es_err give(es_err error, es_term answer, es_term *out)
{
    if (out)
        *out = answer;
    else
        es_drop(answer);
    return error;
}

/* ok, or why not. */
static es_err give_ok(es_err error, es_term answer, es_term *out)
{
    if (error == ES_OK && !es_is(answer, es_am_ok))
        error = es_fail(ES_EINVAL, "event: the handler did not want to come in");
    return give(error, answer, out);
}

es_err esi_event_add(es_term to, es_event_which which, es_term args, bool is_supervised, es_term *out)
{
    es_term name, answer;
    es_err error = which_term(which, &name);
    if (error != ES_OK)
        return error;
    if (is_supervised)
        error = ask(to, es_lend(ES_TUPLE(add_sup_handler, name, args, es_self())), ES_INFINITY, &answer);
    else
        error = ask(to, es_lend(ES_TUPLE(add_handler, name, args)), ES_INFINITY, &answer);
    es_drop(name);
    return give_ok(error, answer, out);
}

es_err esi_event_delete(es_term to, es_event_which which, es_term args, es_term *out)
{
    es_term name, answer;
    es_err error = which_term(which, &name);
    if (error != ES_OK)
        return error;
    error = ask(to, es_lend(ES_TUPLE(delete_handler, name, args)), ES_INFINITY, &answer);
    es_drop(name);
    if (error == ES_OK && es_match(answer, ES_TUPLE(es_am_error, module_not_found)))
        error = es_fail(ES_ENOTFOUND, "event: the manager has no such handler");
    return give(error, answer, out);
}

es_err esi_event_swap(es_term to, es_event_which old, es_term old_args, es_event_which by, es_term args,
                      bool is_supervised, es_term *out)
{
    es_term old_name, name = es_none(), answer = es_none();
    es_err error = which_term(old, &old_name);
    if (error != ES_OK)
        return error;
    error = which_term(by, &name);
    if (error == ES_OK && is_supervised)
        error = ask(to, es_lend(ES_TUPLE(swap_sup_handler, old_name, old_args, name, args, es_self())),
                    ES_INFINITY, &answer);
    else if (error == ES_OK)
        error =
            ask(to, es_lend(ES_TUPLE(swap_handler, old_name, old_args, name, args)), ES_INFINITY, &answer);
    es_drop(name);
    es_drop(old_name);
    return give_ok(error, answer, out);
}

/* The part of `answer` that says why, as a term of the caller's own. */
static es_err give_fault(es_term answer, es_term fault, es_term *out)
{
    if (out)
        *out = es_keep(fault);
    es_drop(answer);
    return es_fail(ES_ECLOSED, "event: the handler made an error and was removed");
}

es_err esi_event_call(es_term to, es_event_which which, es_term request, int64_t timeout_ms, es_term *out)
{
    es_term name, answer, fault;
    es_err error = which_term(which, &name);
    if (error != ES_OK)
        return error;
    error = ask(to, es_lend(ES_TUPLE(es_am_call, name, request)), timeout_ms, &answer);
    es_drop(name);
    if (error == ES_OK && es_match(answer, ES_TUPLE(es_am_error, &fault)) &&
        (es_match(fault, ES_TUPLE(es_am_EXIT, ES_ANY)) ||
         es_match(fault, ES_TUPLE(bad_return_value, ES_ANY))))
        return give_fault(answer, fault, out);
    if (error == ES_OK && es_match(answer, ES_TUPLE(es_am_error, bad_module)))
        error = es_fail(ES_ENOTFOUND, "event: the manager has no such handler");
    return give(error, answer, out);
}

es_err esi_event_sync_notify(es_term to, es_term event)
{
    es_term answer;
    es_err error = ask(to, es_lend(ES_TUPLE(sync_notify, event)), ES_INFINITY, &answer);
    return give(error, answer, NULL);
}

es_err esi_event_handlers(es_term to, es_term *out)
{
    es_term answer;
    es_err error = ask(to, es_from_atom(which_handlers), ES_INFINITY, &answer);
    return give(error, answer, out);
}

es_err esi_event_notify(es_term to, es_term event)
{
    es_err error = esi_send_term(to, es_lend(ES_TUPLE(es_am_notify, event)));
    return error == ES_ENAME ? ES_OK : error; /* whoever is there or not, as OTP's */
}

/* ------------------------------------------------------------ what a handler wants */

es_answer es_with_remove(es_answer answer)
{
    answer.then = ESI_THEN_REMOVE;
    return answer;
}

es_answer esi_with_swap(es_answer answer, es_term old_args, es_event_which by, es_term args)
{
    es_term name;
    if (which_term(by, &name) != ES_OK)
        es_exit(ES_TUPLE(es_am_badarg, swap_handler));
    answer.then = ESI_THEN_SWAP;
    answer.reply = es_keep(ES_TUPLE(old_args, name, args));
    es_drop(name);
    return answer;
}
