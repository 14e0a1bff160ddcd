/* engset/link.h - who cares about whom: links, monitors, aliases, names, groups, timers.
 *
 * The meanings are OTP's, to the letter; each comment names the function it follows. */
#ifndef ENGSET_LINK_H
#define ENGSET_LINK_H

#include <engset/proc.h>

ES_BEGIN_DECLS

/* ------------------------------------------------------------------ links */

/* Links the caller and `pid`: when one ends with another reason than `normal` the other ends too, or, if it
 * traps, gets {'EXIT', Pid, Reason}. A pair has at most one link; oneself: nothing. A dead pid: an EXIT `noproc`
 * when trapping, else the caller ends with `noproc`. ES_ENOMEM: nothing was done. Process only. Source: erlang:link/1. */
ES_API es_err es_link(es_pid pid);

/* Removes the link. After it no EXIT comes from it that is not in the mailbox already. ES_OK also when there is no link;
 * ES_ENOMEM: nothing was done. Process only. Source: erlang:unlink/1. */
ES_API es_err es_unlink(es_pid pid);

/* --------------------------------------------------------------- monitors */

/* What the reference of a monitor is also good for: sending to the process that made it. */
typedef enum es_alias_mode {
    ES_ALIAS_NONE = 0,
    ES_ALIAS_EXPLICIT_UNALIAS, /* until es_unalias() */
    ES_ALIAS_DEMONITOR,        /* until es_demonitor() or the DOWN */
    ES_ALIAS_REPLY_DEMONITOR,  /* until the first message through it, which also demonitors */
    ES_ALIAS_REPLY,            /* for es_alias(): until the first message through it */
} es_alias_mode;

typedef struct es_monitor_options {
    es_atom tag; /* first element of the DOWN tuple; w 0: 'DOWN' */
    es_alias_mode alias;
} es_monitor_options;

ES_API es_ref esi_monitor_pid(es_pid pid, const es_monitor_options *options);
ES_API es_ref esi_monitor_name(es_atom name, const es_monitor_options *options);
ES_API es_ref esi_monitor_at(es_name name, const es_monitor_options *options);

#ifndef __cplusplus
/* Watches a pid, a local name or ES_AT(name, node): when it ends the caller gets {'DOWN', Ref, process, Object, Reason}
 * (Object: the pid, or {Name, Node}), at once with `noproc` when it is not there. Monitors never end the watcher, and each
 * call makes one more. No memory: ends the caller with system_limit. Process only (elsewhere a none reference).
 * Source: erlang:monitor/2,3. */
#define es_monitor(object) es_monitor_opt((object), NULL)
#define es_monitor_opt(object, options)  \
    _Generic((object), es_pid            \
             : esi_monitor_pid, es_atom  \
             : esi_monitor_name, es_name \
             : esi_monitor_at)((object), (options))
#endif

typedef enum es_demonitor_flags { ES_DEMONITOR_FLUSH = 1, ES_DEMONITOR_INFO = 2 } es_demonitor_flags;

/* Takes a monitor down: no DOWN from it afterwards (one already in the mailbox stays, unless ES_DEMONITOR_FLUSH). Gives
 * true; with ES_DEMONITOR_INFO: whether it was there, so that false means that its DOWN is in the mailbox (or was). A reference made
 * by another process, or a fresh one: true. A none reference or an unknown flag ends the caller with {badarg, demonitor}.
 * Process only. Source: erlang:demonitor/2. */
ES_API bool es_demonitor(es_ref monitor, int flags);

/* ---------------------------------------------------------------- aliases */

/* A reference that others may send to until es_unalias() (ES_ALIAS_EXPLICIT_UNALIAS), or with ES_ALIAS_REPLY until the first message.
 * Another mode ends the caller with {badarg, alias}, no memory with system_limit. Process only (elsewhere a none reference). Source: erlang:alias/1. */
ES_API es_ref es_alias(es_alias_mode mode);

/* Ends an alias of the caller's: true if it was active. Another's: false, nothing happens. Process only. Source: erlang:unalias/1. */
ES_API bool es_unalias(es_ref alias);

/* A reference that the node never made before. Messages that hold it are found without looking at what was in the mailbox before.
 * Any thread. Source: erlang:make_ref/0. */
ES_API es_ref es_make_ref(void);

/* ------------------------------------------------------------------ names */

/* Gives `pid` (a local process) the name. ES_ETAKEN: the name or the process has one already; ES_ENOPROC: not alive; ES_EINVAL: `undefined`.
 * Any thread. Source: erlang:register/2. */
ES_API ES_CHECKED es_err es_register(es_atom name, es_pid pid);

/* Frees a name, whoever has it. ES_ENAME: nobody. Any thread. Source: erlang:unregister/1. */
ES_API es_err es_unregister(es_atom name);

/* Who has the name, or ES_NO_PID. Any thread. Source: erlang:whereis/1. */
ES_API es_pid es_whereis(es_atom name);

/* Writes up to `max` names in use and gives how many there are. Any thread. Source: erlang:registered/0. */
ES_API int64_t es_registered(es_atom *names, int64_t max);

/* ----------------------------------------------------------------- groups */

/* Local process groups. A process may join a group several times; it leaves when it ends. Any thread.
 * Source: OTP pg, local half. ES_ENOTFOUND of es_leave: not_joined; ES_ENOPROC: not alive. */
ES_API ES_CHECKED es_err es_join(es_atom group, es_pid pid);
ES_API es_err es_leave(es_atom group, es_pid pid);
/* Writes up to `max` members (a process as often as it joined) and gives how many there are. Any thread. */
ES_API int64_t es_members(es_atom group, es_pid *pids, int64_t max);

/* ----------------------------------------------------------------- timers */

ES_API es_ref esi_send_later(es_term to, es_term message, int64_t time_ms, bool wrapped, bool absolute);

#ifndef __cplusplus
/* es_start_timer: after `time_ms` sends {timeout, Ref, x} to `to` (a pid or a local name, looked up when it fires);
 * es_send_after: sends x itself. Never early. The _at forms take es_now_ns() / 1,000,000 as an absolute time. A negative
 * time ends the caller with {badarg, start_timer}, no memory with system_limit. Gone when the receiver ends, not when the starter does. Process only.
 * Source: erlang:start_timer/4, send_after/4. */
#define es_start_timer(time_ms, to, x) \
    esi_send_later(es_lend(ES_T(to)), es_lend(ES_T(x)), (time_ms), true, false)
#define es_send_after(time_ms, to, x) \
    esi_send_later(es_lend(ES_T(to)), es_lend(ES_T(x)), (time_ms), false, false)
#define es_start_timer_at(time_ms, to, x) \
    esi_send_later(es_lend(ES_T(to)), es_lend(ES_T(x)), (time_ms), true, true)
#define es_send_at(time_ms, to, x) esi_send_later(es_lend(ES_T(to)), es_lend(ES_T(x)), (time_ms), false, true)
#endif

/* Cancels a timer, whoever started it: the milliseconds that were left (a begun one counts), and no message ever; or ES_ENOTFOUND: fired, cancelled or unknown
 * (Erlang: false). Any thread. Source: erlang:cancel_timer/1. */
ES_API int64_t es_cancel_timer(es_ref timer);

/* The same, answered by a message {cancel_timer, Ref, TimeLeftOrFalse} when `info`, else by nothing. ES_OK. Process only.
 * Source: erlang:cancel_timer/2 with {async, true}. */
ES_API es_err es_cancel_timer_async(es_ref timer, bool info);

/* The milliseconds left, or ES_ENOTFOUND. Any thread. Source: erlang:read_timer/1. */
ES_API int64_t es_read_timer(es_ref timer);

/* Does nothing. That each object names it brings links, monitors, names and timers into a static link, where the linker takes from libengset.a
 * only what somebody names: spawning with a link, a name or a monitor finds them through a table (proc/process.h). */
ES_API void esi_link_is_wanted(void);
static void (*const esi_link_wanted)(void) __attribute__((used)) = esi_link_is_wanted;

ES_END_DECLS
#endif
