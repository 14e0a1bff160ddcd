/* engset/event.h - a process that is told events, and handlers that listen in it: OTP's gen_event.
 *
 *     typedef struct { int64_t count; } alarms;
 *
 *     static es_answer alarms_event(alarms *self, es_term event)
 *     {
 *         es_term what;
 *         if (es_match(event, ES_TUPLE(alarm, &what)))
 *             self->count++;
 *         return es_ok();
 *     }
 *     ES_EVENT_HANDLER(alarm_handler, alarms, .event = alarms_event);
 *
 *     es_pid manager = es_event_start(ES_WITH(.name = "alarms"));
 *     es_event_add(manager, ES_HANDLER(alarm_handler), es_nil(), NULL);
 *     es_event_notify(manager, ES_TUPLE(alarm, disk_full));
 *
 * All handlers of a manager run in its process, one after the other, the one added last first: who is slow keeps all waiting. Each may be left out:
 *
 *   init(self, args)            es_ok(), or es_stop(): it is not added; left out: es_ok(). `self` is zeroed before. In the place of another, see
 *                               es_event_swap(): args is {Args, what the other's terminate gave}
 *   event(self, event)          es_ok(), es_remove_handler(), es_swap_handler(), es_unknown(); left out: es_unknown()
 *   info(self, message)         any other message, also {'EXIT', Pid, Reason}; as event
 *   call(self, request, from)   es_reply(), es_noreply(), es_unknown(), also in es_with_remove() and es_with_swap()
 *   terminate(self, why)        it goes; gives a term (an atom, or by es_keep()). Left out: ok. `why` is
 *                                 the args of es_event_delete() or es_event_swap()
 *                                 remove_handler         it wanted to
 *                                 stop                   the manager ends
 *                                 {stop, Reason}         who supervises it ended
 *                                 {error, {'EXIT', R}}   an error in a callback; {error, {bad_return_value, What}}: it gave what it may not give
 *   code_change(self, old, extra)   ES_OK: its state is the new version's
 *   format_status(self, why)        its state as a term (es_keep() it), see engset/server.h; or .state = ES_STATE(S)
 *
 * An error in a callback, a fault too, removes that handler and no other, and is logged; the manager lives. What the handler took by es_alloc(), es_keep(),
 * es_own() stays the manager's, and is gone when that ends.
 *
 * Messages are Erlang's own, so that an Erlang node may notify, call, and add by name handlers that this program has: a handler is known as the
 * atom Name, or as {Name, Id}. Source: OTP gen_event. C only. */
#ifndef ENGSET_EVENT_H
#define ENGSET_EVENT_H

#include <engset/behaviour.h>
#include <engset/server.h>
#include <engset/struct.h>

ES_BEGIN_DECLS

/* A kind of handler. Made by ES_EVENT_HANDLER(); its fields are the library's. */
typedef struct es_event_handler {
    const char *name;
    size_t state_bytes;
    es_answer (*init)(void *self, es_term args);
    es_answer (*event)(void *self, es_term event);
    es_answer (*call)(void *self, es_term request, es_from from);
    es_answer (*info)(void *self, es_term message);
    es_term (*terminate)(void *self, es_term why);
    es_err (*code_change)(void *self, es_term old, es_term extra);
    es_term (*format_status)(void *self, es_atom why);
    es_err (*replace_state)(void *self, es_term state);
    struct es_event_handler *next; /* of all that the program has */
} es_event_handler;

/* Which handler is meant: ES_HANDLER(). */
typedef struct es_event_which {
    const es_event_handler *handler;
    es_term id; /* none: it has no id */
} es_event_which;

/* What a manager is started as: es_start*(&es_event_manager, es_nil()), or a supervisor's child. It traps exits. */
ES_API extern const es_behaviour es_event_manager;

/* The program has it, from its beginning. ES_EVENT_HANDLER() calls this, before main() or as its shared object is loaded. */
ES_API void esi_event_announce(es_event_handler *handler);

ES_API es_err esi_event_add(es_term to, es_event_which which, es_term args, bool is_supervised, es_term *out);
ES_API es_err esi_event_delete(es_term to, es_event_which which, es_term args, es_term *out);
ES_API es_err esi_event_swap(es_term to, es_event_which old, es_term old_args, es_event_which by,
                             es_term args, bool is_supervised, es_term *out);
ES_API es_err esi_event_call(es_term to, es_event_which which, es_term request, int64_t timeout_ms,
                             es_term *out);
ES_API es_err esi_event_notify(es_term to, es_term event);
ES_API es_err esi_event_sync_notify(es_term to, es_term event);
ES_API es_err esi_event_handlers(es_term to, es_term *out);
ES_API es_answer esi_with_swap(es_answer answer, es_term old_args, es_event_which by, es_term args);

/* As `answer`, of event, info or call; and the handler is removed: terminate gets remove_handler. */
ES_API es_answer es_with_remove(es_answer answer);
#define es_remove_handler() es_with_remove(es_ok())

ES_END_DECLS

#ifndef __cplusplus
/* ES_HANDLER(alarm_handler), or ES_HANDLER(alarm_handler, id): several of one kind are told apart by an id, any term. */
#define ES_HANDLER(...)                ESI_HANDLER_PICK(__VA_ARGS__, ESI_HANDLER2, ESI_HANDLER1, ~)(__VA_ARGS__)
#define ESI_HANDLER_PICK(a, b, c, ...) c
#define ESI_HANDLER1(handler_)         ((es_event_which){.handler = &(handler_)})
#define ESI_HANDLER2(handler_, id_)    ((es_event_which){.handler = &(handler_), .id = es_lend(ES_T(id_))})

/* As `answer`, of event, info or call; and its terminate is called with `old_args`, and `by` is in its place: its init gets {args, what terminate gave}. The
 * event under way is not shown to it. If its init does not want there is no handler in that place. */
#define es_with_swap(answer, old_args, by, args) \
    esi_with_swap((answer), es_lend(ES_T(old_args)), (by), es_lend(ES_T(args)))
#define es_swap_handler(old_args, by, args) es_with_swap(es_ok(), (old_args), (by), (args))

/* Starts a manager: `options` as ES_WITH() makes them, or NULL. The pid, or ES_NO_PID, see es_start(). Process only. Source: gen_event:start/2. */
#define es_event_start(options) esi_started((options), &es_event_manager, es_nil())

/* All that follows: `to` is a manager's pid or name. Errors: ES_ECLOSED (it is not there, or ended meanwhile), ES_ENOPROC, ES_ENOMEM, ES_ELIMIT, and
 * ES_ETAKEN: the program has another handler of that name. They wait as long as the manager takes. Process only.
 *
 * Adds a handler. ES_EINVAL: its init did not want, or made an error: `*why` (may be NULL) is {error, Reason} or {'EXIT', Reason}, the caller's until
 * es_drop(). The same may be added again, without an id too. Source: gen_event:add_handler/3. */
#define es_event_add(to, which, args, why) \
    esi_event_add(es_lend(ES_T(to)), (which), es_lend(ES_T(args)), false, (why))

/* The same, and the caller supervises it: they are linked, the handler goes when the caller ends, and if it goes first the caller
 * gets {gen_event_EXIT, Handler, Reason}: normal (it was deleted or wanted to), shutdown (the manager stops), {swapped, New, Pid}, {'EXIT', R} or
 * {bad_return_value, What}. Source: gen_event:add_sup_handler/3. */
#define es_event_add_supervised(to, which, args, why) \
    esi_event_add(es_lend(ES_T(to)), (which), es_lend(ES_T(args)), true, (why))

/* Removes it: terminate gets `args`, and what it gives is in `*out` (may be NULL), the caller's until es_drop(). ES_ENOTFOUND: there is none.
 * Source: gen_event:delete_handler/3. */
#define es_event_delete(to, which, args, out) \
    esi_event_delete(es_lend(ES_T(to)), (which), es_lend(ES_T(args)), (out))

/* Puts `by` in the place of `old`, with no event between: terminate of the one gets `old_args`, init of the other {args, what that gave}, or
 * {args, error} when there is no `old`. ES_EINVAL as es_event_add(), `*why` is {error, that}; the old one is gone then. Who supervised the old one
 * supervises the new one, with _supervised the caller does. Source: gen_event:swap_handler/3, swap_sup_handler/3. */
#define es_event_swap(to, old, old_args, by, args, why) \
    esi_event_swap(es_lend(ES_T(to)), (old), es_lend(ES_T(old_args)), (by), es_lend(ES_T(args)), false, (why))
#define es_event_swap_supervised(to, old, old_args, by, args, why) \
    esi_event_swap(es_lend(ES_T(to)), (old), es_lend(ES_T(old_args)), (by), es_lend(ES_T(args)), true, (why))

/* Asks one handler and waits for its answer, in `*out`, the caller's until es_drop().
 *   ES_ENOTFOUND  there is no such handler ({error, bad_module})
 *   ES_ECLOSED    it was removed by an error instead of an answer: `*out` is {'EXIT', R} or {bad_return_value, What}; or the manager ended, or is not
 *                 there: the reason
 *   ES_ETIMEOUT   there was no answer within `timeout_ms`; a late one is never seen
 * Source: gen_event:call/4. */
#define es_event_call(to, which, request, timeout_ms, out) \
    esi_event_call(es_lend(ES_T(to)), (which), es_lend(ES_T(request)), (timeout_ms), (out))

/* Tells all handlers, and waits for nothing: ES_OK, whoever is there or not. Any thread. Source: gen_event:notify/2. */
#define es_event_notify(to, event) esi_event_notify(es_lend(ES_T(to)), es_lend(ES_T(event)))

/* Comes back when all handlers are done with it. Source: gen_event:sync_notify/2. */
#define es_event_sync_notify(to, event) esi_event_sync_notify(es_lend(ES_T(to)), es_lend(ES_T(event)))

/* The list of its handlers, the newest first, Name or {Name, Id} each, in `*out`: the caller's until es_drop(). Source: gen_event:which_handlers/1. */
#define es_event_handlers(to, out) esi_event_handlers(es_lend(ES_T(to)), (out))

/* Defines `es_event_handler handler` whose state is an S. The others are the fields above; each is checked against S. */
#define ES_EVENT_HANDLER(handler, S, ...)                                                                  \
    static const struct handler##_callbacks {                                                              \
        es_answer (*init)(S *, es_term);                                                                   \
        es_answer (*event)(S *, es_term);                                                                  \
        es_answer (*call)(S *, es_term, es_from);                                                          \
        es_answer (*info)(S *, es_term);                                                                   \
        es_term (*terminate)(S *, es_term);                                                                \
        es_err (*code_change)(S *, es_term, es_term);                                                      \
        es_term (*format_status)(S *, es_atom);                                                            \
        const struct es_struct_descriptor *state;                                                          \
    } handler##_has = {__VA_ARGS__};                                                                       \
    static es_answer handler##_init_(void *self, es_term args)                                             \
    {                                                                                                      \
        return handler##_has.init ? handler##_has.init((S *)self, args) : es_ok();                         \
    }                                                                                                      \
    static es_answer handler##_event_(void *self, es_term event)                                           \
    {                                                                                                      \
        return handler##_has.event ? handler##_has.event((S *)self, event) : esi_unknown(event);           \
    }                                                                                                      \
    static es_answer handler##_call_(void *self, es_term request, es_from from)                            \
    {                                                                                                      \
        return handler##_has.call ? handler##_has.call((S *)self, request, from) : esi_unknown(request);   \
    }                                                                                                      \
    static es_answer handler##_info_(void *self, es_term message)                                          \
    {                                                                                                      \
        return handler##_has.info ? handler##_has.info((S *)self, message) : esi_unknown(message);         \
    }                                                                                                      \
    static es_term handler##_terminate_(void *self, es_term why)                                           \
    {                                                                                                      \
        return handler##_has.terminate ? handler##_has.terminate((S *)self, why) : es_from_atom(es_am_ok); \
    }                                                                                                      \
    static es_err handler##_code_change_(void *self, es_term old, es_term extra)                           \
    {                                                                                                      \
        return handler##_has.code_change ? handler##_has.code_change((S *)self, old, extra) : ES_OK;       \
    }                                                                                                      \
    static es_term handler##_format_status_(void *self, es_atom why)                                       \
    {                                                                                                      \
        return handler##_has.format_status ? handler##_has.format_status((S *)self, why)                   \
                                           : esi_state_term(handler##_has.state, self);                    \
    }                                                                                                      \
    static es_err handler##_replace_state_(void *self, es_term state)                                      \
    {                                                                                                      \
        return esi_state_from_term(handler##_has.state, state, self);                                      \
    }                                                                                                      \
    es_event_handler handler = {#handler,                                                                  \
                                sizeof(S),                                                                 \
                                handler##_init_,                                                           \
                                handler##_event_,                                                          \
                                handler##_call_,                                                           \
                                handler##_info_,                                                           \
                                handler##_terminate_,                                                      \
                                handler##_code_change_,                                                    \
                                handler##_format_status_,                                                  \
                                handler##_replace_state_,                                                  \
                                NULL};                                                                     \
    __attribute__((constructor(200))) static void handler##_announce_(void)                                \
    {                                                                                                      \
        esi_event_announce(&handler);                                                                      \
    }                                                                                                      \
    _Static_assert(1, "")
#endif
#endif
