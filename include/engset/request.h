/* engset/request.h - asking without waiting: a call that is sent now, and whose answer is taken later, alone or among many.
 *
 *     es_request id = es_send_request(server, ES_TUPLE(add, 3));
 *     ... something else meanwhile ...
 *     if (es_receive_response(id, 5000, &answer) == ES_OK)
 *         use(answer);
 *
 * A server sees no difference to es_call(). The answer is a message until it is taken: {[alias | Ref], Reply}, or the DOWN of who was asked. It is
 * taken once; who waits again for the same waits in vain. The answer of es_call() does not go through the mailbox: it is the quicker one.
 * Process only (elsewhere ES_ENOPROC). Source: gen_server:send_request/2, receive_response/2, wait_response/2, check_response/2, reqids_new/0.
 * C only. */
#ifndef ENGSET_REQUEST_H
#define ENGSET_REQUEST_H

#include <engset/behaviour.h>

ES_BEGIN_DECLS

/* A request that was sent. A value: copy it as you like. */
typedef struct es_request {
    es_ref ref;
} es_request;

/* Requests that are waited for together, each with a label. Its fields are the library's. */
typedef struct es_requests es_requests;

/* What came for one of many. The terms are the caller's, until es_drop(). */
typedef struct es_response {
    es_request request;
    es_term label;
    es_term answer; /* the answer, or why there is none */
} es_response;

ES_API es_request esi_send_request(es_term to, es_term request);
ES_API es_err esi_check_response(es_term message, es_request request, es_term *out);
ES_API es_err esi_requests_add(es_requests *set, es_request request, es_term label);
ES_API es_err esi_requests_check(es_requests *set, es_term message, bool is_delete, es_response *out);
ES_API es_term esi_multi_call(es_term nodes, es_atom name, es_term request, int64_t timeout_ms);

#ifndef __cplusplus
/* Sends the request `x` to `to`: a pid, a local name, ES_AT(name, node) as ES_TUPLE(name, node), or a term that is one. Whether it is there the answer says.
 * No memory: ends the caller with system_limit; something else than a receiver: with {badarg, send_request}. */
#define es_send_request(to, x) esi_send_request(es_lend(ES_T(to)), es_lend(ES_T(x)))
#endif

/* Waits for the answer to `request`, at most `timeout_ms` (ES_INFINITY: for ever).
 *   ES_OK       `*out` is the answer, the caller's until es_drop()
 *   ES_ECLOSED  who was asked is not there, or ended: `*out` is the reason, likewise
 *   ES_ETIMEOUT receive: the request is given up, an answer never shows up. wait: it may be asked for again */
ES_API es_err es_receive_response(es_request request, int64_t timeout_ms, es_term *out);
ES_API es_err es_wait_response(es_request request, int64_t timeout_ms, es_term *out);

/* A set of the calling process's own, until es_requests_free(). Never NULL. */
ES_API es_requests *es_requests_new(void);

/* Frees the set and its labels. The requests in it are not given up. NULL: nothing. */
ES_API void es_requests_free(es_requests *set);

/* How many are in it. */
ES_API int64_t es_requests_size(const es_requests *set);

/* Writes up to `max` of its requests and labels (lent, as long as they are in it; each array may be NULL), in the order in which they were sent, and
 * gives how many there are. */
ES_API int64_t es_requests_list(const es_requests *set, es_request *requests, es_term *labels, int64_t max);

/* As the two above, for whichever of the set is answered first; `is_delete`: it is taken out of the set. After the time-out of receive all are given up, and
 * the set is empty. ES_ENOTFOUND: the set is empty, there is nothing to wait for. */
ES_API es_err es_requests_receive(es_requests *set, int64_t timeout_ms, bool is_delete, es_response *out);
ES_API es_err es_requests_wait(es_requests *set, int64_t timeout_ms, bool is_delete, es_response *out);

#ifndef __cplusplus
/* Puts `request` into `set`, with a copy of the label `x`. ES_EEXIST: it is in it already. */
#define es_requests_add(set, request, x) esi_requests_add((set), (request), es_lend(ES_T(x)))

/* Is `message`, which a server's info got or a receive took, the answer to `request`? ES_OK and ES_ECLOSED as above; ES_ENOTFOUND: no. */
#define es_check_response(message, request, out) esi_check_response((message), (request), (out))
#define es_requests_check(set, message, is_delete, out) \
    esi_requests_check((set), (message), (is_delete), (out))

/* Asks the process called `name` on each of `nodes`, a list of node names (es_am_nonode_nohost: this one), at once, and waits for all, at
 * most `timeout_ms`: {Replies, BadNodes}, with {Node, Reply} for each that answered, and the names of those where it was not there, ended or was late. The
 * caller's, until es_drop(). Names of nodes that are no atoms: {badarg, multi_call}. Elsewhere than in a process: none. Source: gen_server:multi_call/4. */
#define es_multi_call(nodes, name, request, timeout_ms) \
    esi_multi_call(es_lend(ES_T(nodes)), (name), es_lend(ES_T(request)), (timeout_ms))
#endif

ES_END_DECLS
#endif
