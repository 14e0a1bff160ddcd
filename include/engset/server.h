/* engset/server.h - a process that holds state and is asked: OTP's gen_server.
 *
 *     typedef struct { int64_t total; } counter;
 *
 *     static es_answer counter_call(counter *self, es_term request, es_from from)
 *     {
 *         int64_t n;
 *         (void)from;
 *         if (es_match(request, ES_TUPLE(add, &n)))
 *             return es_reply(ES_TUPLE(ok, self->total += n));
 *         return es_unknown(request);
 *     }
 *     ES_SERVER(counter_server, counter, .call = counter_call);
 *
 * Callbacks run in the server's process, one after the other. Each may be left out:
 *
 *   init(self, args)                   es_ok(), es_ignore(), es_stop(); left out: es_ok(). `self` is zeroed before
 *   call(self, request, from)          es_reply(), es_noreply(), es_stop(), es_stop_reply(), es_unknown(); left out: es_unknown()
 *   cast(self, message)                es_noreply(), es_stop(), es_unknown(); left out: es_unknown()
 *   info(self, message)                any other message; as cast
 *   continued(self, what)              what es_with_continue() asked for; as cast
 *   timeout(self)                      what es_with_timeout() asked for; left out: info gets the atom timeout
 *   terminate(self, reason)            it ends by its own wish, by an error of its own, or since its parent ended while it traps exits
 *   code_change(self, old, extra)      ES_OK: its state is the new version's
 *   format_status(self, why)           its state as a term (es_keep() it) for reports and sys; `why` is normal or terminate. Left out: as
 *                                      .state says, else undefined
 *
 * An error in a callback ends the server, after terminate, with the reason of the error. A state that is a message too is shown to sys and in
 * reports as such: ES_SERVER(…, .state = ES_STATE(counter)).
 * Calls, casts and stopping: es_call(), es_cast(), es_stop_process(). Source: OTP gen_server. C only. */
#ifndef ENGSET_SERVER_H
#define ENGSET_SERVER_H

#include <engset/behaviour.h>
#include <engset/struct.h>

ES_BEGIN_DECLS

/* The callbacks as the library calls them: through functions that ES_SERVER() makes, which know the type. */
struct esi_server_calls {
    es_answer (*init)(void *self, es_term args);
    es_answer (*call)(void *self, es_term request, es_from from);
    es_answer (*cast)(void *self, es_term message);
    es_answer (*info)(void *self, es_term message);
    es_answer (*continued)(void *self, es_term what);
    es_answer (*timeout)(void *self);
    void (*terminate)(void *self, es_term reason);
    es_err (*code_change)(void *self, es_term old, es_term extra);
    es_term (*format_status)(void *self, es_atom why); /* es_none(): it has no form as a term */
    es_err (*replace_state)(void *self, es_term state);
};

/* What a server's process runs. Process only. */
ES_API ES_NORETURN void esi_server_main(const es_behaviour *server, es_term args);

ES_END_DECLS

#ifndef __cplusplus
#include <engset/strict.h>

/* How the state is shown as a term, see ES_STRUCT(). */
#define ES_STATE(S) (&S##_has_no_ES_STRUCT)

/* Defines `const es_behaviour server` whose state is an S. The others are the fields above; each is checked against S. */
#define ES_SERVER(server, S, ...)                                                                      \
    static const struct server##_callbacks {                                                           \
        es_answer (*init)(S *, es_term);                                                               \
        es_answer (*call)(S *, es_term, es_from);                                                      \
        es_answer (*cast)(S *, es_term);                                                               \
        es_answer (*info)(S *, es_term);                                                               \
        es_answer (*continued)(S *, es_term);                                                          \
        es_answer (*timeout)(S *);                                                                     \
        void (*terminate)(S *, es_term);                                                               \
        es_err (*code_change)(S *, es_term, es_term);                                                  \
        es_term (*format_status)(S *, es_atom);                                                        \
        const struct es_struct_descriptor *state;                                                      \
    } server##_has = {__VA_ARGS__};                                                                    \
    static es_answer server##_init_(void *self, es_term args)                                          \
    {                                                                                                  \
        return server##_has.init ? server##_has.init((S *)self, args) : es_ok();                       \
    }                                                                                                  \
    static es_answer server##_call_(void *self, es_term request, es_from from)                         \
    {                                                                                                  \
        return server##_has.call ? server##_has.call((S *)self, request, from) : esi_unknown(request); \
    }                                                                                                  \
    static es_answer server##_cast_(void *self, es_term message)                                       \
    {                                                                                                  \
        return server##_has.cast ? server##_has.cast((S *)self, message) : esi_unknown(message);       \
    }                                                                                                  \
    static es_answer server##_info_(void *self, es_term message)                                       \
    {                                                                                                  \
        return server##_has.info ? server##_has.info((S *)self, message) : esi_unknown(message);       \
    }                                                                                                  \
    static es_answer server##_continued_(void *self, es_term what)                                     \
    {                                                                                                  \
        return server##_has.continued ? server##_has.continued((S *)self, what) : esi_unknown(what);   \
    }                                                                                                  \
    static es_answer server##_timeout_(void *self)                                                     \
    {                                                                                                  \
        return server##_has.timeout ? server##_has.timeout((S *)self)                                  \
                                    : server##_info_(self, es_from_atom(es_am_timeout));               \
    }                                                                                                  \
    static void server##_terminate_(void *self, es_term reason)                                        \
    {                                                                                                  \
        if (server##_has.terminate)                                                                    \
            server##_has.terminate((S *)self, reason);                                                 \
    }                                                                                                  \
    static es_err server##_code_change_(void *self, es_term old, es_term extra)                        \
    {                                                                                                  \
        return server##_has.code_change ? server##_has.code_change((S *)self, old, extra) : ES_OK;     \
    }                                                                                                  \
    static es_term server##_format_status_(void *self, es_atom why)                                    \
    {                                                                                                  \
        return server##_has.format_status ? server##_has.format_status((S *)self, why)                 \
                                          : esi_state_term(server##_has.state, self);                  \
    }                                                                                                  \
    static es_err server##_replace_state_(void *self, es_term state)                                   \
    {                                                                                                  \
        return esi_state_from_term(server##_has.state, state, self);                                   \
    }                                                                                                  \
    static void server##_main(es_term args);                                                           \
    static const struct esi_server_calls server##_calls = {                                            \
        server##_init_,          server##_call_,         server##_cast_,      server##_info_,          \
        server##_continued_,     server##_timeout_,      server##_terminate_, server##_code_change_,   \
        server##_format_status_, server##_replace_state_};                                             \
    const es_behaviour server = {#server, server##_main, sizeof(S), &server##_calls};                  \
    static void server##_main(es_term args)                                                            \
    {                                                                                                  \
        esi_server_main(&server, args);                                                                \
    }                                                                                                  \
    _Static_assert(1, "")
#endif
#endif
