/* engset/sys.h - looking into a behaviour's process and taking it by the hand: OTP's sys.
 *
 * Requests are Erlang's messages, {system, From, Request}; each waits 5 s at most. `to` is a pid or a local name. Errors of all of them:
 * ES_ETIMEOUT, ES_ECLOSED (it is not there, or ended meanwhile), ES_EINVAL (it refused; es_last_detail()), ES_ENOPROC, ES_ENOMEM (the caller or it
 * found no memory: it is as it was).
 * Process only. Source: OTP sys. */
#ifndef ENGSET_SYS_H
#define ENGSET_SYS_H

#include <engset/behaviour.h>

ES_BEGIN_DECLS

ES_API es_err esi_sys_ask(es_term to, es_term request, es_term *out);
ES_API es_err esi_sys_replace_state(es_term to, es_term state);
ES_API es_err esi_sys_change_code(es_term to, es_term old, es_term extra);
ES_API es_err esi_sys_trace(es_term to, bool on);
ES_API es_err esi_sys_log(es_term to, int64_t size);
ES_API es_err esi_sys_get_log(es_term to, es_term *result);
ES_API es_err esi_sys_statistics(es_term to, bool on);
ES_API es_err esi_sys_get_statistics(es_term to, es_term *result);
ES_API es_err esi_sys_no_debug(es_term to);

#ifndef __cplusplus
/* It handles nothing but system requests until es_sys_resume(): calls and messages wait. */
#define es_sys_suspend(to) esi_sys_ask(es_lend(ES_T(to)), es_from_atom(es_am_suspend), NULL)
#define es_sys_resume(to)  esi_sys_ask(es_lend(ES_T(to)), es_from_atom(es_am_resume), NULL)

/* Its state, as format_status or .state show it, in `*out`: the caller's, until es_drop(). */
#define es_sys_get_state(to, out) esi_sys_ask(es_lend(ES_T(to)), es_from_atom(es_am_get_state), (out))

/* Its state is `x` from here on, if it is one that it can be (.state): ES_EINVAL, and it keeps the old one. */
#define es_sys_replace_state(to, x) esi_sys_replace_state(es_lend(ES_T(to)), es_lend(ES_T(x)))

/* {status, Pid, {module, Kind}, [Dictionary, running | suspended, Parent, Debug, Misc]} in `*out`. */
#define es_sys_get_status(to, out) esi_sys_ask(es_lend(ES_T(to)), es_from_atom(es_am_get_status), (out))

/* Calls its code_change callback with `old` and `extra`. Only while it is suspended. */
#define es_sys_change_code(to, old, extra) \
    esi_sys_change_code(es_lend(ES_T(to)), es_lend(ES_T(old)), es_lend(ES_T(extra)))

/* ---- what it does: events are {in, Message} and {out, Reply, To}. Off at first, and off they cost nothing. ---- */

/* Each event is a line of the log, while `on`. Source: sys:trace/2. */
#define es_sys_trace(to, on) esi_sys_trace(es_lend(ES_T(to)), (on))

/* It remembers its last `size` events; 0: none, and forgets those that it has. At most a million. Source: sys:log/2. */
#define es_sys_log(to, size) esi_sys_log(es_lend(ES_T(to)), (size))

/* The list of them in `*out`, the oldest first: the caller's, until es_drop(). */
#define es_sys_get_log(to, out) esi_sys_get_log(es_lend(ES_T(to)), (out))

/* It counts from here on, while `on`. Source: sys:statistics/2. */
#define es_sys_statistics(to, on) esi_sys_statistics(es_lend(ES_T(to)), (on))

/* [{start_time, {{Y, M, D}, {H, Min, S}}}, {current_time, …}, {reductions, N}, {messages_in, N}, {messages_out, N}], or no_statistics, in
 * `*out`: the caller's, until es_drop(). */
#define es_sys_get_statistics(to, out) esi_sys_get_statistics(es_lend(ES_T(to)), (out))

/* All of it off. Source: sys:no_debug/1. */
#define es_sys_no_debug(to) esi_sys_no_debug(es_lend(ES_T(to)))
#endif

ES_END_DECLS
#endif
