/* event.c - OTP's gen_event, the manager's side: see engset/event.h; who asks it is in event_ask.c.
 *
 * A callback may be left by an error, and the manager goes on, from a clear stack. So no function waits for what a callback gave: what is done is a
 * chain of steps, each calls one callback at most, and what is to come after it is noted before. run() goes from step to step; after an error
 * go_on() runs it again, with the same message in hand.
 *
 *   a handler:  init --ok--> listed --removed, swapped, error, deleted--> terminate --> gone
 *                 +-- error, stop: gone */
#include <engset/event.h>
#include <engset/link.h>
#include <string.h>
#include "behaviour/answer.h"
#include "behaviour/event.h"
#include "behaviour/gen.h"
#include "behaviour/say.h"
#include "behaviour/surely.h"
#include "behaviour/unknown.h"
#include "proc/memory.h"
#include "proc/call.h"

ES_ATOMS(sync_notify, which_handlers, add_handler, add_sup_handler, delete_handler, swap_handler,
         swap_sup_handler, get_modules, gen_event_EXIT, module_not_found, bad_module, remove_handler, swapped,
         parent_terminated, bad_return_value, ignore);

typedef void step(struct esi_gen *gen);

struct handler {
    struct esi_list in_handlers; /* newest first */
    const es_event_handler *kind;
    struct esi_message *block; /* in which it lies */
    es_term which;             /* as it is known; its own, if no atom */
    es_pid owner;              /* who supervises it, or none */
    bool is_due;               /* it has not seen the event in hand yet */
    _Alignas(8) char state[];
};

/* What is to be installed, for whom. Terms lie in the message in hand, or in `wish`. */
struct newcomer {
    es_term which, args;
    es_pid owner;            /* none: nobody supervises it */
    struct esi_list *behind; /* its place in the list */
    bool is_swap;            /* its refusal is {error, it} */
    step *then;              /* what comes when it is in, or not: `result` is what its init gave */
};

struct manager {
    struct esi_list handlers;
    step *step; /* what comes next; while a callback runs: after it, however it is left. NULL: none runs */
    struct handler *at; /* whose callback runs */
    es_answer answer;   /* what it gave, or ... */
    es_term crash;      /* ... the error by which it was left; none: it was not */
    es_term result;     /* what terminate or init gave; its own */
    step *gone;         /* what comes when `at` is gone */
    es_term how, told;  /* what its terminate gets, and its owner; its own */
    struct newcomer newcomer;
    es_term wish; /* {OldArgs, Which, Args} of es_with_swap(); its own */
    step *
        resume; /* what comes when a handler that is not to stay is gone, and whoever takes its place has come */
    es_from from;    /* who waits for the message in hand to be done; none: nobody */
    es_term message; /* in hand: the event, or what was asked */
    es_term cast;    /* the same as a whole, if it was a cast; its own */
    bool is_info;    /* it is no event */
    es_term reason;  /* why the manager ends; its own */
};

static struct manager *manager_of(struct esi_gen *gen)
{
    return esi_gen_state(gen);
}

static struct handler *handler_at(struct esi_list *node)
{
    return ESI_CONTAINER_OF(node, struct handler, in_handlers);
}

static void run(struct esi_gen *gen)
{
    struct manager *m = manager_of(gen);
    for (step *next; (next = m->step);) {
        m->step = NULL;
        next(gen);
    }
}

/* From here until `after` runs a callback of `h` may be left at any place. */
static void begin(struct esi_gen *gen, struct handler *h, enum esi_gen_at at, step *after)
{
    struct manager *m = manager_of(gen);
    m->at = h;
    m->answer = (es_answer){0};
    m->crash = es_none();
    gen->at = (uint8_t)at;
    m->step = after;
}

/* Puts `term`, a copy, in the place of `*slot`. */
static void set(es_term *slot, es_term term)
{
    es_term old = *slot;
    *slot = es_is_none(term) ? term : es_keep(term);
    es_drop(old);
}

/* Nothing of the callback that was left or came back is of use any more. */
static void forget_answer(struct manager *m)
{
    es_answer answer = m->answer;
    m->answer = (es_answer){0};
    if (answer.what == ESI_ANSWER_STOP)
        es_drop(answer.term);
    if (answer.then == ESI_THEN_SWAP)
        es_drop(answer.reply);
    set(&m->crash, es_none());
}

/* ------------------------------------------------------------ the list */

/* Is `term` how handlers without an id are known? */
static bool is_handler_name(es_term which, es_atom *name)
{
    return es_get_atom(which, name) || es_match(which, ES_TUPLE(name, ES_ANY));
}

static struct handler *find(struct manager *m, es_term which)
{
    ESI_LIST_EACH(it, &m->handlers)
    {
        if (es_equal(handler_at(it)->which, which))
            return handler_at(it);
    }
    return NULL;
}

/* A handler that is in no list yet; NULL: no memory. */
static struct handler *open_handler(const es_event_handler *kind, es_term which, es_pid owner)
{
    struct esi_process *self = esi_enter();
    struct esi_message *block = esi_message_new(sizeof(struct handler) + kind->state_bytes);
    if (block) {
        memset(block->words, 0, sizeof(struct handler) + kind->state_bytes);
        esi_memory_hang(self, block);
    }
    esi_leave();
    if (!block)
        return NULL;
    struct handler *h = (struct handler *)block->words;
    h->kind = kind;
    h->block = block;
    h->owner = owner;
    h->which = es_keep(which);
    return h;
}

static void close_handler(struct handler *h)
{
    struct esi_message *block = h->block;
    es_drop(h->which);
    struct esi_process *self = esi_enter();
    esi_memory_unhang(self, block);
    esi_message_free(block);
    esi_leave();
}

/* ------------------------------------------------------------ one goes */

static void say_crashed(const struct handler *h, es_term why)
{
    char which[64], text[160];
    es_print(which, sizeof which, h->which);
    es_print(text, sizeof text, why);
    ESI_SAY(ESI_LOG_ERROR, "event handler %s made an error and is removed: %s", which, text);
}

static void tell_owner(const struct handler *h, es_term why)
{
    if (!es_pid_is_none(h->owner))
        es_send(h->owner, ES_TUPLE(gen_event_EXIT, h->which, why));
}

static step stop_next;

/* The manager ends, and who supervised a handler of it has been told: no EXIT follows. Its parent stays linked. */
static void let_go_of_owner(struct esi_gen *gen, const struct handler *h)
{
    if (!es_pid_is_none(h->owner) && !es_pid_equal(h->owner, esi_gen_parent(gen)))
        ESI_SURELY(es_unlink(h->owner));
}

static void after_terminate(struct esi_gen *gen)
{
    struct manager *m = manager_of(gen);
    struct handler *h = m->at;
    if (!es_is_none(m->crash))
        set(&m->result, es_lend(ES_TUPLE(es_am_EXIT, m->crash)));
    else if (es_is_none(m->result))
        m->result = es_from_atom(es_am_ok);
    forget_answer(m);
    if (es_match(m->told, ES_TUPLE(es_am_EXIT, ES_ANY)) ||
        es_match(m->told, ES_TUPLE(bad_return_value, ES_ANY)))
        say_crashed(h, m->told);
    tell_owner(h, m->told);
    if (m->gone == stop_next)
        let_go_of_owner(gen, h);
    m->newcomer.behind = h->in_handlers.prev;
    esi_list_remove(&h->in_handlers);
    close_handler(h);
    m->step = m->gone;
}

/* Its terminate gets `how`, its owner `told`; then its place is free, and `gone` comes. */
static void leave(struct esi_gen *gen, struct handler *h, es_term how, es_term told, step *gone)
{
    struct manager *m = manager_of(gen);
    set(&m->how, how);
    set(&m->told, told);
    set(&m->result, es_none());
    forget_answer(m);
    m->gone = gone;
    begin(gen, h, ESI_AT_NOTHING, after_terminate);
    m->result = h->kind->terminate(h->state, m->how);
}

/* ------------------------------------------------------------ one comes */

static es_atom name_of(es_answer answer)
{
    return answer.what == ESI_ANSWER_OK       ? es_am_ok
           : answer.what == ESI_ANSWER_IGNORE ? ignore
                                              : es_am_undefined;
}

static void refuse_newcomer(struct manager *m, es_term why)
{
    if (m->newcomer.is_swap)
        set(&m->result, es_lend(ES_TUPLE(es_am_error, why)));
    else
        set(&m->result, why);
    m->step = m->newcomer.then;
}

static void after_init(struct esi_gen *gen)
{
    struct manager *m = manager_of(gen);
    struct handler *h = m->at;
    es_answer answer = m->answer;
    es_term crash = m->crash;
    if (es_is_none(crash) && answer.what == ESI_ANSWER_OK &&
        (answer.then == ESI_THEN_NOTHING || answer.then == ESI_THEN_HIBERNATE)) {
        esi_list_push_front(m->newcomer.behind, &h->in_handlers);
        set(&m->result, es_from_atom(es_am_ok));
        m->step = m->newcomer.then;
        return;
    }
    if (!es_is_none(crash))
        refuse_newcomer(m, es_lend(ES_TUPLE(es_am_EXIT, crash)));
    else if (answer.what == ESI_ANSWER_STOP)
        refuse_newcomer(m, es_lend(ES_TUPLE(es_am_error, answer.term)));
    else
        refuse_newcomer(m, es_lend(ES_TUPLE(es_am_error, ES_TUPLE(bad_return_value, name_of(answer)))));
    close_handler(h);
    forget_answer(m);
}

/* The newcomer of `m`. */
static void install(struct esi_gen *gen)
{
    struct manager *m = manager_of(gen);
    es_atom name;
    const es_event_handler *kind =
        is_handler_name(m->newcomer.which, &name) ? esi_event_known(es_atom_text(name)) : NULL;
    if (!kind) {
        refuse_newcomer(m, es_lend(ES_TUPLE(es_am_EXIT, ES_TUPLE(es_am_undef, m->newcomer.which))));
        return;
    }
    struct handler *h = open_handler(kind, m->newcomer.which, m->newcomer.owner);
    if (!h || (!es_pid_is_none(h->owner) && es_link(h->owner) != ES_OK)) {
        if (h)
            close_handler(h);
        refuse_newcomer(m, es_lend(ES_TUPLE(es_am_error, es_am_system_limit)));
        return;
    }
    begin(gen, h, ESI_AT_INIT, after_init);
    m->answer = kind->init(h->state, m->newcomer.args);
}

/* ------------------------------------------------------------ an answer for who asked */

static void reply(struct manager *m, es_term answer)
{
    es_from from = m->from;
    m->from = es_none();
    if (!es_is_none(from) && esi_reply_to(from, answer) != ES_OK)
        es_exit(es_am_system_limit);
}

static void reply_result(struct esi_gen *gen)
{
    struct manager *m = manager_of(gen);
    reply(m, m->result);
    set(&m->result, es_none());
}

/* ------------------------------------------------------------ swapping */

/* In the place of who left: its init gets {Args, what that gave}, which is kept where that one's args were. */
static void install_in_place(struct esi_gen *gen)
{
    struct manager *m = manager_of(gen);
    set(&m->how, es_lend(ES_TUPLE(m->newcomer.args, m->result)));
    m->newcomer.args = m->how;
    install(gen);
}

/* The same, first in the list. */
static void install_in_front(struct esi_gen *gen)
{
    manager_of(gen)->newcomer.behind = &manager_of(gen)->handlers;
    install_in_place(gen);
}

/* What the owner of `h` is told when `by` takes its place, under `owner`. */
static void leave_for(struct esi_gen *gen, struct handler *h, es_term how, const struct newcomer *by,
                      step *gone)
{
    es_term owner = es_pid_is_none(by->owner) ? es_from_atom(es_am_false) : esi_from_local_pid(by->owner.id);
    leave(gen, h, how, es_lend(ES_TUPLE(swapped, by->which, owner)), gone);
}

/* The wish of a handler is fulfilled. Who should have come and did not is told of to the owner. */
static void after_swap(struct esi_gen *gen)
{
    struct manager *m = manager_of(gen);
    es_pid owner = m->newcomer.owner;
    if (!es_is(m->result, es_am_ok) && !es_pid_is_none(owner))
        es_send(owner, ES_TUPLE(gen_event_EXIT, m->newcomer.which, m->result));
    set(&m->result, es_none());
    set(&m->wish, es_none());
    m->step = m->resume;
}

static void swap(struct esi_gen *gen, struct handler *h)
{
    struct manager *m = manager_of(gen);
    es_term old_args = es_none();
    m->wish = m->answer.reply;
    m->answer.then = ESI_THEN_NOTHING;
    m->newcomer = (struct newcomer){.owner = h->owner, .then = after_swap};
    es_match(m->wish, ES_TUPLE(&old_args, &m->newcomer.which, &m->newcomer.args));
    leave_for(gen, h, old_args, &m->newcomer, install_in_place);
}

/* ------------------------------------------------------------ what a handler wants */

/* {'EXIT', Reason} or {bad_return_value, What}, if the callback that is over was the handler's last; else none. */
static es_term fault_of(const struct manager *m, const bool may_answer[ESI_ANSWERS])
{
    es_answer answer = m->answer;
    if (!es_is_none(m->crash))
        return es_keep(ES_TUPLE(es_am_EXIT, m->crash));
    if (answer.what < ESI_ANSWERS && may_answer[answer.what] && answer.then != ESI_THEN_TIMEOUT &&
        answer.then != ESI_THEN_CONTINUE)
        return es_none();
    return es_keep(ES_TUPLE(bad_return_value, name_of(answer)));
}

/* After event, info or call without a fault: it stays, goes or is replaced; then m->resume comes. */
static void fulfil(struct esi_gen *gen, struct handler *h)
{
    struct manager *m = manager_of(gen);
    switch (m->answer.then) {
    case ESI_THEN_REMOVE:
        leave(gen, h, es_from_atom(remove_handler), es_from_atom(es_am_normal), m->resume);
        break;
    case ESI_THEN_SWAP:
        swap(gen, h);
        break;
    default:
        forget_answer(m);
        m->step = m->resume;
    }
}

/* ------------------------------------------------------------ events */

static step next_due;

static const bool may_answer_event[ESI_ANSWERS] = {[ESI_ANSWER_OK] = true, [ESI_ANSWER_UNKNOWN] = true};

static void after_event(struct esi_gen *gen)
{
    struct manager *m = manager_of(gen);
    es_term fault = fault_of(m, may_answer_event);
    if (!es_is_none(fault)) {
        leave(gen, m->at, es_lend(ES_TUPLE(es_am_error, fault)), fault, next_due);
        es_drop(fault);
        return;
    }
    if (m->answer.what == ESI_ANSWER_UNKNOWN)
        esi_gen_unknown(gen, m->answer.term);
    m->resume = next_due;
    fulfil(gen, m->at);
}

static void event_is_done(struct esi_gen *gen)
{
    gen->at = ESI_AT_NOTHING;
    reply(manager_of(gen), es_from_atom(es_am_ok));
}

/* The next handler that has not seen what is in hand. Newcomers do not see it. */
static void next_due(struct esi_gen *gen)
{
    struct manager *m = manager_of(gen);
    ESI_LIST_EACH(it, &m->handlers)
    {
        struct handler *h = handler_at(it);
        if (!h->is_due)
            continue;
        h->is_due = false;
        begin(gen, h, ESI_AT_INFO, after_event);
        m->answer = (m->is_info ? h->kind->info : h->kind->event)(h->state, m->message);
        return;
    }
    event_is_done(gen);
}

static void notify(struct esi_gen *gen, es_term message, bool is_info)
{
    struct manager *m = manager_of(gen);
    m->message = message;
    m->is_info = is_info;
    ESI_LIST_EACH(it, &m->handlers)
    handler_at(it)->is_due = true;
    m->step = next_due;
}

/* ---- {'EXIT', Pid, Reason}: handlers that it supervised go, the others hear of it ---- */

static void leave_with_owner(struct esi_gen *gen)
{
    struct manager *m = manager_of(gen);
    es_pid pid;
    es_term reason;
    if (!es_match(m->message, ES_TUPLE(es_am_EXIT, &pid, &reason))) {
        notify(gen, m->message, true); /* 'EXIT' of something else than a process */
        return;
    }
    ESI_LIST_EACH(it, &m->handlers)
    {
        struct handler *h = handler_at(it);
        if (es_pid_is_none(h->owner) || !es_pid_equal(h->owner, pid))
            continue;
        leave(gen, h, es_lend(ES_TUPLE(es_am_stop, reason)),
              es_lend(ES_TUPLE(parent_terminated, ES_TUPLE(pid, reason))), leave_with_owner);
        return;
    }
    notify(gen, m->message, true);
}

/* ------------------------------------------------------------ requests */

static const bool may_answer_call[ESI_ANSWERS] = {
    [ESI_ANSWER_OK] = true, [ESI_ANSWER_REPLIED] = true, [ESI_ANSWER_UNKNOWN] = true};

/* Who asked hears of the fault by which the handler went. */
static void reply_fault(struct esi_gen *gen)
{
    struct manager *m = manager_of(gen);
    set(&m->result, es_none());
    reply(m, m->how); /* {error, Fault} */
}

static void call_is_done(struct esi_gen *gen)
{
    gen->at = ESI_AT_NOTHING;
    manager_of(gen)->from = es_none(); /* it was answered, or somebody will */
}

static void after_call(struct esi_gen *gen)
{
    struct manager *m = manager_of(gen);
    es_term fault = fault_of(m, may_answer_call);
    if (es_is_none(gen->from))
        m->from = es_none(); /* es_reply() */
    if (!es_is_none(fault)) {
        gen->from = es_none();
        leave(gen, m->at, es_lend(ES_TUPLE(es_am_error, fault)), fault, reply_fault);
        es_drop(fault);
        return;
    }
    if (m->answer.what == ESI_ANSWER_UNKNOWN)
        esi_gen_unknown(gen, m->answer.term);
    gen->from = es_none();
    m->resume = call_is_done;
    fulfil(gen, m->at);
}

static void call_handler(struct esi_gen *gen, es_term which, es_term request)
{
    struct manager *m = manager_of(gen);
    struct handler *h = find(m, which);
    if (!h) {
        reply(m, es_lend(ES_TUPLE(es_am_error, bad_module)));
        return;
    }
    gen->from = m->from;
    begin(gen, h, ESI_AT_CALL, after_call);
    m->answer = h->kind->call(h->state, request, m->from);
}

static void add(struct esi_gen *gen, es_term which, es_term args, es_pid owner)
{
    struct manager *m = manager_of(gen);
    m->newcomer = (struct newcomer){which, args, owner, &m->handlers, false, reply_result};
    install(gen);
}

static void delete (struct esi_gen *gen, es_term which, es_term args)
{
    struct manager *m = manager_of(gen);
    struct handler *h = find(m, which);
    if (h)
        leave(gen, h, args, es_from_atom(es_am_normal), reply_result);
    else
        reply(m, es_lend(ES_TUPLE(es_am_error, module_not_found)));
}

/* `owner` none: who supervised the old one. */
static void replace(struct esi_gen *gen, es_term old, es_term old_args, es_term by, es_term args,
                    es_pid owner)
{
    struct manager *m = manager_of(gen);
    struct handler *h = find(m, old);
    m->newcomer = (struct newcomer){by, args, owner, &m->handlers, true, reply_result};
    if (h && es_pid_is_none(owner))
        m->newcomer.owner = h->owner;
    if (h) {
        leave_for(gen, h, old_args, &m->newcomer, install_in_front);
        return;
    }
    set(&m->result, es_from_atom(es_am_error));
    install_in_front(gen);
}

/* The list of what `part` gives of each handler, in their order; the caller's own. */
static es_term list_of(struct manager *m, es_term (*part)(const struct handler *))
{
    es_term list = es_nil();
    for (struct esi_list *it = m->handlers.prev; it != &m->handlers; it = it->prev) {
        es_term rest = list;
        list = es_keep(ES_CONS(part(handler_at(it)), rest));
        es_drop(rest);
    }
    return list;
}

static es_term which_of(const struct handler *h)
{
    return h->which;
}

static es_term module_of(const struct handler *h)
{
    return es_is_atom(h->which) ? h->which : es_tuple_get(h->which, 0);
}

static void reply_list(struct manager *m, es_term (*part)(const struct handler *))
{
    es_term list = list_of(m, part);
    reply(m, list);
    es_drop(list);
}

/* A request as OTP's gen_event knows them. False: it is none of them. */
static bool serve(struct esi_gen *gen, es_term request)
{
    struct manager *m = manager_of(gen);
    es_term a, b, c, d;
    es_pid pid = ES_NO_PID;
    if (es_match(request, ES_TUPLE(sync_notify, &a)))
        notify(gen, a, false);
    else if (es_match(request, ES_TUPLE(es_am_call, &a, &b)))
        call_handler(gen, a, b);
    else if (es_match(request, ES_TUPLE(add_handler, &a, &b)) ||
             es_match(request, ES_TUPLE(add_sup_handler, &a, &b, &pid)))
        add(gen, a, b, pid);
    else if (es_match(request, ES_TUPLE(delete_handler, &a, &b)))
        delete (gen, a, b);
    else if (es_match(request, ES_TUPLE(swap_handler, &a, &b, &c, &d)) ||
             es_match(request, ES_TUPLE(swap_sup_handler, &a, &b, &c, &d, &pid)))
        replace(gen, a, b, c, d, pid);
    else if (es_is(request, which_handlers))
        reply_list(m, which_of);
    else if (es_is(request, get_modules))
        reply_list(m, module_of);
    else if (es_is(request, es_am_stop))
        esi_gen_stop(gen, es_from_atom(es_am_normal));
    else
        return false;
    return true;
}

/* ------------------------------------------------------------ messages */

/* '$gen_call', as es_call() asks. */
static void call(struct esi_gen *gen, es_term request, es_from from)
{
    manager_of(gen)->from = from;
    if (!serve(gen, request))
        manager_of(gen)->from = es_none(); /* nobody answers it there either */
    run(gen);
}

static void cast(struct esi_gen *gen, es_term message)
{
    set(&manager_of(gen)->cast, es_lend(ES_TUPLE(es_am_gen_cast, message)));
    notify(gen, manager_of(gen)->cast, true);
    run(gen);
}

/* {Pid, From, Request}: as OTP's gen_event asks. */
static bool is_request(es_term message, es_from *from, es_term *request)
{
    es_pid caller;
    return es_match(message, ES_TUPLE(&caller, from, request));
}

static void tell_all(struct esi_gen *gen, es_term message)
{
    manager_of(gen)->from = es_none();
    notify(gen, message, true);
}

static void info(struct esi_gen *gen, es_term message)
{
    struct manager *m = manager_of(gen);
    es_term event, request;
    m->message = message;
    m->from = es_none();
    if (es_match(message, ES_TUPLE(es_am_notify, &event)))
        notify(gen, event, false);
    else if (es_match(message, ES_TUPLE(es_am_EXIT, ES_ANY, ES_ANY)))
        m->step = leave_with_owner;
    else if (!is_request(message, &m->from, &request) || !serve(gen, request))
        tell_all(gen, message);
    run(gen);
}

static void timeout(struct esi_gen *gen)
{
    (void)gen; /* nobody asks for it */
}

/* es_answer_now(): the step after the callback takes it from here. */
static void after(struct esi_gen *gen, es_answer answer)
{
    manager_of(gen)->answer = answer;
}

static bool crashed(struct esi_gen *gen, es_term reason)
{
    struct manager *m = manager_of(gen);
    if (!m->step)
        return false;
    m->crash = es_keep(reason);
    return true;
}

/* ------------------------------------------------------------ the end */

static void stop_next(struct esi_gen *gen)
{
    struct manager *m = manager_of(gen);
    if (!esi_list_is_empty(&m->handlers)) {
        leave(gen, handler_at(esi_list_first(&m->handlers)), es_from_atom(es_am_stop),
              es_from_atom(es_am_shutdown), stop_next);
        return;
    }
    reply(m, es_from_atom(es_am_ok));
    esi_gen_has_last_words(false);
    esi_exit(m->reason);
}

/* Does not come back: errors in a callback may lie between. */
static void terminate(struct esi_gen *gen, es_term reason)
{
    struct manager *m = manager_of(gen);
    set(&m->reason, reason);
    gen->from = es_none();
    esi_gen_has_last_words(true);
    m->step = stop_next;
    run(gen);
}

/* ------------------------------------------------------------ for sys */

/* [{Name, Id | false, State}] */
static es_term state_of(struct esi_gen *gen, es_atom why)
{
    struct manager *m = manager_of(gen);
    es_term list = es_nil();
    for (struct esi_list *it = m->handlers.prev; it != &m->handlers; it = it->prev) {
        struct handler *h = handler_at(it);
        es_term state = h->kind->format_status(h->state, why), rest = list;
        es_term id = es_is_atom(h->which) ? es_from_atom(es_am_false) : es_tuple_get(h->which, 1);
        list = es_keep(ES_CONS(
            ES_TUPLE(module_of(h), id, es_is_none(state) ? es_from_atom(es_am_undefined) : state), rest));
        es_drop(state);
        es_drop(rest);
    }
    return list;
}

/* The same list: each handler that is in it takes its new state, if it is one. */
static es_err replace_state(struct esi_gen *gen, es_term states)
{
    struct manager *m = manager_of(gen);
    es_term head, name, id, state;
    es_err worst = ES_OK;
    for (; es_get_cons(states, &head, &states);) {
        if (!es_match(head, ES_TUPLE(&name, &id, &state)))
            return ES_EINVAL;
        struct handler *h = find(m, es_is(id, es_am_false) ? name : es_lend(ES_TUPLE(name, id)));
        es_err error = h ? h->kind->replace_state(h->state, state) : ES_EINVAL;
        worst = worst == ES_OK ? error : worst;
    }
    return es_is_nil(states) ? worst : ES_EINVAL;
}

static es_err code_change(struct esi_gen *gen, es_term old, es_term extra)
{
    es_err worst = ES_OK;
    ESI_LIST_EACH(it, &manager_of(gen)->handlers)
    {
        es_err error = handler_at(it)->kind->code_change(handler_at(it)->state, old, extra);
        worst = worst == ES_OK ? error : worst;
    }
    return worst;
}

static const struct esi_gen_kind event_kind = {
    .name = "gen_event",
    .call = call,
    .cast = cast,
    .info = info,
    .timeout = timeout,
    .after = after,
    .terminate = terminate,
    .state = state_of,
    .replace_state = replace_state,
    .code_change = code_change,
    .crashed = crashed,
    .go_on = run,
};

static void event_main(es_term args)
{
    (void)args;
    struct esi_gen *gen = esi_gen_open(&es_event_manager, &event_kind);
    esi_gen_more(gen); /* so that an error in a callback needs no memory */
    esi_list_init(&manager_of(gen)->handlers);
    es_trap_exit(true);
    gen->at = ESI_AT_NOTHING;
    esi_gen_up(gen);
}

const es_behaviour es_event_manager = {"event_manager", event_main, sizeof(struct manager), NULL};
