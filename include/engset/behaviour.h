/* engset/behaviour.h - what all behaviours have in common: how such a process is described, started and stopped, and what its callbacks answer.
 *
 * A behaviour is the part of a process that is the same everywhere (OTP: gen_server, gen_statem, gen_event); what is particular are callbacks.
 * ES_SERVER() and its like (engset/server.h, engset/statem.h, engset/event.h) make an es_behaviour of them, and what is said here
 * holds for each. While it waits such a process has no stack. Its messages are Erlang's own, so an Erlang node may ask it.
 * Source: OTP gen, proc_lib. */
#ifndef ENGSET_BEHAVIOUR_H
#define ENGSET_BEHAVIOUR_H

#include <engset/proc.h>

ES_BEGIN_DECLS

/* A kind of process that can be started. Made by ES_SERVER() and its like; static data, its fields are the library's. */
typedef struct es_behaviour {
    const char *name;
    void (*main)(es_term args); /* what such a process is spawned with */
    size_t state_bytes;         /* its state, zeroed before init */
    const void *calls;          /* the behaviour's own table of callbacks */
} es_behaviour;

/* Who waits for the answer to a call. Valid during the callback that got it; es_keep() keeps it longer. */
typedef es_term es_from;

/* ------------------------------------------------------------------ starting */

ES_API es_err esi_start(const es_spawn_options *options, const es_behaviour *behaviour, es_term args,
                        es_pid *out, es_term *why);

#ifndef __cplusplus
/* Starts a process of that behaviour and waits until its init callback has answered, which gets `args`; with es_start_link() it is linked to
 * the caller. es_start_opt() takes ES_WITH(.name = …, .link = true, .start_timeout_ms = …).
 *
 * Gives the pid, or ES_NO_PID with es_last_error(); es_try_start() gives the error, the pid in `*out` and in `*why` (may be NULL)
 * a term of the caller's own, until es_drop():
 *   ES_ECLOSED   init stopped, crashed or was killed: `*why` is the reason
 *   ES_EIGNORE   init answered es_ignore(): the process has ended `normal`
 *   ES_ETAKEN    the name is taken: `*why` is {already_started, Pid}
 *   ES_ETIMEOUT  init took longer than .start_timeout_ms (0: no limit): the process is gone
 *   ES_ELIMIT, ES_ENOMEM  as es_spawn(); when it is the new process that finds no memory: ES_ECLOSED, and `*why` is system_limit, as it is when there
 *                         is no memory for the reason
 * But for ES_OK nobody is left, and the name is free, when this returns.
 * A linked caller that traps exits gets the EXIT of a process whose init failed; none when the name was taken, or it was killed before
 * init answered. Process only (elsewhere ES_ENOPROC). Source: gen_server:start/4, start_link/4. */
#define es_start(behaviour, args) esi_started(NULL, (behaviour), es_lend(ES_T(args)))
#define es_start_link(behaviour, args) \
    esi_started((&(const es_spawn_options){.link = true}), (behaviour), es_lend(ES_T(args)))
#define es_start_monitor(ref, behaviour, args) \
    esi_started((&(const es_spawn_options){.monitor = (ref)}), (behaviour), es_lend(ES_T(args)))
#define es_start_opt(options, behaviour, args) esi_started((options), (behaviour), es_lend(ES_T(args)))
#define es_try_start(options, behaviour, args, out, why) \
    esi_start((options), (behaviour), es_lend(ES_T(args)), (out), (why))
#endif

static inline es_pid esi_started(const es_spawn_options *options, const es_behaviour *behaviour, es_term args)
{
    es_pid pid = ES_NO_PID;
    return esi_start(options, behaviour, args, &pid, NULL) == ES_OK ? pid : ES_NO_PID;
}

ES_API es_err esi_stop_process(es_term to, es_term reason, int64_t timeout_ms);
#ifndef __cplusplus
/* Asks the behaviour `to` (a pid or a local name) to end with `reason`, and waits until it has: its terminate callback runs. ES_OK: it ended with
 * that reason. ES_ECLOSED: with another one, or it was not there; es_last_detail() says which. ES_ETIMEOUT: it is still there, and lives on. ES_ENOMEM: it was not asked.
 * Process only. Source: gen_server:stop/3, proc_lib:stop/3. */
#define es_stop_process(to, reason, timeout_ms) \
    esi_stop_process(es_lend(ES_T(to)), es_lend(ES_T(reason)), (timeout_ms))
#endif

/* ---- a start protocol for processes that are no behaviour ---- */

ES_API es_err esi_start_function(const es_spawn_options *options, void (*function)(es_term), es_term args,
                                 es_term *answer);
ES_API void esi_init_ack(es_term answer);
#ifndef __cplusplus
/* Spawns `function`, void (es_term), and waits for its es_init_ack(): the answer is in `*answer`, the caller's until es_drop(). ES_ECLOSED: it
 * ended before that, and `*answer` is its reason; ES_ETIMEOUT: it took longer than .start_timeout_ms, and is gone. No EXIT of it is left with a caller
 * that was linked and traps exits. ES_ENOMEM, ES_ELIMIT: as es_start(). Process only. Source: proc_lib:start_link/5. */
#define es_start_function(options, function, args, answer) \
    esi_start_function((options), (function), es_lend(ES_T(args)), (answer))

/* Tells who started the calling process that it is ready, once; nothing if nobody waits. Without memory the process ends with
 * system_limit, which is what its starter hears. Process only. Source: proc_lib:init_ack/1. */
#define es_init_ack(answer) esi_init_ack(es_lend(ES_T(answer)))
#endif

/* ------------------------------------------------------- what callbacks answer */

/* What a callback wants. Made by the functions below and given back at once; its fields are the library's. Those that copy a term (a reply, a
 * reason) end the process with system_limit, after terminate, when there is no memory for it. */
typedef struct es_answer {
    uint32_t what, then;
    int64_t timeout_ms;
    es_term term, reply;
} es_answer;

ES_API es_answer esi_reply(es_term reply);
ES_API es_answer esi_stop(es_term reason);
ES_API es_answer esi_stop_reply(es_term reason, es_term reply);
ES_API es_answer esi_unknown(es_term what);
ES_API es_answer esi_with_continue(es_answer answer, es_term what);

/* Go on: from init, it is ready; from the others, nothing is to be said (from a call: somebody will answer it by es_reply_to()). */
ES_API es_answer es_ok(void);
#define es_noreply() es_ok()

/* From init: the process is not wanted, and ends `normal`; who started it gets ES_EIGNORE. */
ES_API es_answer es_ignore(void);

#ifndef __cplusplus
/* Answers the call whose callback runs, with a copy made at once. */
#define es_reply(x) esi_reply(es_lend(ES_T(x)))

/* Ends the process with `reason`, after terminate. A caller who waits hears of the end, with es_stop_reply() gets `x` before. */
#define es_stop(reason)          esi_stop(es_lend(ES_T(reason)))
#define es_stop_reply(reason, x) esi_stop_reply(es_lend(ES_T(reason)), es_lend(ES_T(x)))

/* Something that the callback does not know. A call: its caller exits with {undef, Request}, the process goes on. A cast or another message: it is
 * logged once for each kind, and counted. */
#define es_unknown(what) esi_unknown(es_lend(ES_T(what)))

/* After `answer` the continue callback is called with a copy of `x`, before any message. */
#define es_with_continue(answer, x) esi_with_continue((answer), es_lend(ES_T(x)))
#endif

/* As `answer`; and when no message comes for `timeout_ms` the timeout callback is called. With 0 at once if none waits. The next message
 * ends it; what sys asks begins it anew. Source: gen_server's timeouts. */
ES_API es_answer es_with_timeout(es_answer answer, int64_t timeout_ms);

/* As `answer`, and memory that the process does not need while it waits is given back. (It has no stack then, anyway.) */
ES_API es_answer es_with_hibernate(es_answer answer);

/* Leaves the callback from any depth as if it had returned `answer`: es_defer()s of its blocks run. What the answer asks for at once comes when the stack
 * is clear again. In a callback only, not terminate. What a block of es_receive has in hand is kept until the process ends: leave the block first. Source:
 * throw/1 in a gen_server's callback. */
ES_API ES_NORETURN void es_answer_now(es_answer answer);

/* ------------------------------------------------------ answers without waiting */

/* A state that is a struct message as a term of the process's own, and back: what .state makes of it. `type` NULL: es_none(), ES_EINVAL.
 * Without memory the first ends the process with system_limit; the second gives ES_ENOMEM, and `state` is as it was. */
struct es_struct_descriptor;
ES_API es_term esi_state_term(const struct es_struct_descriptor *type, const void *state);
ES_API es_err esi_state_from_term(const struct es_struct_descriptor *type, es_term term, void *state);

ES_API es_err esi_cast(es_term to, es_term message);
#ifndef __cplusplus
/* Sends {'$gen_cast', x} to `to` (a pid, a local name, ES_AT(), or a term that is one). ES_OK, whoever is there or not; ES_ENOMEM. Any thread.
 * Source: gen_server:cast/2. */
#define es_cast(to, x) esi_cast(es_lend(ES_T(to)), es_lend(ES_T(x)))
#endif

ES_END_DECLS
#endif
