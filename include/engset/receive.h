/* engset/receive.h - selective receive.
 *
 *     es_receive {
 *         es_case(ES_TUPLE(ping, &from))          es_send(from, pong);
 *         es_case_when(ES_TUPLE(add, &n), n > 0)  total += n;
 *         es_case_struct(frame, in)               { use(in->length); es_give(next, in); }
 *         es_after(5000)                          es_exit(es_am_timeout);
 *     }
 *
 * Takes the first message in the mailbox that some clause matches and leaves the rest where they are. What a clause binds
 * lives until the block ends, however it ends. `break` and `continue` leave the block; `return` and `goto` out are fine.
 * Patterns have no side effects; nothing stands between clauses. A pattern that failed may have written some of its variables.
 * A guard may receive: the message that it is asked about is out of sight meanwhile. es_after() is evaluated once, and may receive too; ES_INFINITY never comes, 0 at once after one look at the mailbox.
 * Process only. Source: Erlang's receive expression. */
#ifndef ENGSET_RECEIVE_H
#define ENGSET_RECEIVE_H
#ifndef __cplusplus

#include <engset/proc.h>

enum { ESI_RX_START, ESI_RX_SHOW, ESI_RX_ARM, ESI_RX_NOTE, ESI_RX_TIMEOUT, ESI_RX_DONE };
enum { ESI_RX_TAGS = 8 };

/* One receive under way. Lies in the caller's frame; its fields are the library's. */
struct esi_rx {
    es_term cur; /* the message that is shown; ES_NONE when none is */
    int pass;
    int tag_count;               /* clauses noted; < 0: all messages are shown */
    struct esi_message *message; /* the one shown, then the one taken */
    bool armed, is_noted, has_no_reference;
    bool is_out; /* the message shown is out of the mailbox: nothing is left to do when a clause takes it */
    uint64_t deadline_ns; /* UINT64_MAX: none */
    uint64_t reference;   /* the id of the reference that all clauses noted ask for; 0: none */
    void *at;             /* where in the mailbox */
    uint64_t slot;
    void *process;          /* whose receive it is */
    uint32_t epoch, looked; /* looked: messages shown in vain */
    uint32_t number;        /* of the receives that the process has begun */
    uint32_t tags[ESI_RX_TAGS];
};

/* What `cur` is while a typed message is shown that no clause has asked the tuple of. */
#define ESI_RX_TYPED ((uint64_t)(3 << 3 | ESI_TAG_CONST))

ES_API bool esi_rx_next(struct esi_rx *rx);
ES_API void esi_rx_end(struct esi_rx *rx);
ES_API void esi_rx_take_shown(struct esi_rx *rx);
ES_API void esi_rx_note(struct esi_rx *rx, es_literal pattern);
ES_API bool esi_rx_arm(struct esi_rx *rx, int64_t timeout_ms);
ES_API void esi_rx_as_tuple(struct esi_rx *rx);
ES_API void *esi_rx_struct(struct esi_rx *rx, const struct es_struct_descriptor *type);

/* Not an initialiser: that would clear all of the struct, by a `rep stos` which alone takes 10 ns a receive. The rest is written by
 * the first esi_rx_next(). */
static inline __attribute__((always_inline)) struct esi_rx *esi_rx_begin(struct esi_rx *rx)
{
    rx->cur = es_none();
    rx->pass = ESI_RX_START;
    rx->message = NULL;
    rx->armed = rx->is_noted = rx->has_no_reference = rx->is_out = false;
    rx->looked = 0;
    rx->reference = 0;
    return rx;
}

/* A clause: matches the shown message, or is noted on the pass that notes. */
static inline __attribute__((always_inline)) bool esi_rx_case(struct esi_rx *rx, es_literal pattern)
{
    if (__builtin_expect(rx->cur.w == ESI_RX_TYPED, 0))
        esi_rx_as_tuple(rx);
    if (rx->cur.w)
        return es_match_literal(rx->cur, pattern);
    if (rx->pass == ESI_RX_NOTE)
        esi_rx_note(rx, pattern);
    return false;
}

/* The shown message is the clause's; those behind it do not see it any more. */
static inline __attribute__((always_inline)) bool esi_rx_take(struct esi_rx *rx)
{
    if (__builtin_expect(!rx->is_out, 0))
        esi_rx_take_shown(rx);
    rx->is_out = false;
    rx->cur = es_none();
    rx->pass = ESI_RX_DONE;
    return true;
}

#define ESI_RX es_case_outside_es_receive
#define es_receive                                                      \
    for (struct esi_rx ESI_RX __attribute__((cleanup(esi_rx_end))),     \
         *esi_rx_begun __attribute__((unused)) = esi_rx_begin(&ESI_RX); \
         ESI_RX.pass != ESI_RX_DONE && esi_rx_next(&ESI_RX);)
#define es_case(pattern)                                                  \
    if (!(esi_rx_case(&ESI_RX, ES_T(pattern)) && esi_rx_take(&ESI_RX))) { \
    } else
#define es_case_when(pattern, guard)                                                 \
    if (!(esi_rx_case(&ESI_RX, ES_T(pattern)) && (guard) && esi_rx_take(&ESI_RX))) { \
    } else
/* A call, see es_call(): binds `from` (es_term) for es_reply_to(), and the request by its pattern. */
#define es_case_call(from, request) es_case(ES_TUPLE(es_am_gen_call, &(from), request))
/* A typed message: declares `T *variable`, which this process owns from here on. (One that comes as a tuple, or is asked for as one, needs
 * memory to become the other: without it the process ends with system_limit.) */
#define es_case_struct(T, variable) \
    for (T *variable = (T *)esi_rx_struct(&ESI_RX, &T##_has_no_ES_STRUCT); variable; variable = NULL)
#define es_after(time_ms)                                                                                    \
    if (!(ESI_RX.pass == ESI_RX_TIMEOUT || (ESI_RX.pass == ESI_RX_ARM && esi_rx_arm(&ESI_RX, (time_ms))))) { \
    } else

#endif
#endif
