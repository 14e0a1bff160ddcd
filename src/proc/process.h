/* proc/process.h - the control block of a process, and what may be done with it.
 *
 * Who touches what: `inbox`, `id`, `flags` and the fields marked "published" are for everybody, by atomics; all else belongs to the
 * process itself, or to the worker that holds it while it does not run ("on behalf of"). Control blocks live in memory that is never
 * unmapped, so a late push finds a closed inbox, or somebody else who will say so. */
#ifndef PROC_PROCESS_H
#define PROC_PROCESS_H

#include <engset/proc.h>
#include <engset/receive.h>
#include "base/list.h"
#include "base/map.h"
#include "platform/fiber.h"
#include "proc/bond.h"
#include "proc/mailbox/inbox.h"
#include "proc/mailbox/mailbox.h"
#include "proc/mailbox/message.h"
#include "proc/mailbox/room.h"
#include "proc/mailbox/signal.h"
#include "proc/schedule/timer.h"

struct esi_worker;

enum esi_flag {
    ESI_FLAG_SIGNALS = 1,   /* a block that is no message was pushed; set after the push */
    ESI_FLAG_WOKEN = 2,     /* somebody wants it awake; set before esi_inbox_wake() */
    ESI_FLAG_EXIT_SENT = 4, /* among the signals is one that may end it: the watchdog looks */
    ESI_FLAG_TRAPS = 8,     /* published */
    ESI_FLAG_LIMITED = 16,  /* has a message limit: senders count */
    ESI_FLAG_KNOWN =
        32, /* rooms above keep something about it in tables of theirs: esi_plug.ending is called */
    ESI_FLAG_BEHIND = 64, /* took so many messages at once that it is far behind its senders: they pay more */
    ESI_FLAG_UNTOLD =
        128, /* somebody whom it called ended, and had no memory to tell it; with SIGNALS, before esi_wake() */
    ESI_FLAG_DECIDES = 256,   /* a supervisor: reports of its children wait for its decision; published */
    ESI_FLAG_SENSITIVE = 512, /* its messages are shown to nobody; published */
    ESI_FLAG_TIMERS =
        1 << 16, /* this and the 15 bits above: link/timer.c notes which wheels have timers for it */
};

/* What a process asks of its worker when it leaves its stack for a while. */
enum esi_request {
    ESI_REQUEST_NONE,
    ESI_REQUEST_PARK,
    ESI_REQUEST_YIELD,
    ESI_REQUEST_REACT,
    ESI_REQUEST_ENDED,
    ESI_REQUEST_HIBERNATE
};

/* A resource with its destructor: es_own(). */
struct esi_owned {
    struct esi_list in_owned;
    void *resource;
    void (*destructor)(void *);
};

/* The first four lines of the cache are what a message touches on its way: when there are too many processes for the cache, each line more is
 * a hundred nanoseconds. And who writes it decides in which of them a field stands: what senders on other cores write at each message would
 * be fetched anew by its owner at each, if it stood beside what that reads, and so the other way round. Published: written by the owner or on
 * its behalf, relaxed; a figure to be shown. */
struct esi_process {
    /* written by senders, and by whoever makes it run */
    esi_inbox inbox;
    _Atomic(int64_t) reductions; /* published, as the following */
    _Atomic(uint32_t)
        since; /* when `state` changed: the coarse clock in steps of 2^20 ns; wraps in 52 days */
    _Atomic(uint32_t) dropped; /* stays at the greatest number */
    _Atomic(uint8_t) state;    /* es_state */
    uint8_t request;           /* enum esi_request. From here on its own, cleared for a new one */
    bool has_habits;           /* its locale and signal mask go where it goes: habits.h */
    int errno_value;           /* while it does not run */
    struct esi_list
        in_queue; /* while runnable: guarded by the queue's lock. While waiting for a mutex: by the mutex's */
    struct esi_worker *last_worker; /* who ran it last; NULL: nobody, or it does not matter */
    struct esi_message *hand;       /* what its react handler looks at just now */

    /* written by itself at each message */
    _Alignas(64) struct esi_mailbox mailbox;
    struct esi_message *taken;   /* from `turning`, oldest first; looked at when all is turned */
    struct esi_message *turning; /* taken from the inbox, newest first, being turned round in steps */
    struct esi_message *spent;   /* on the memory list, and of no use any more: freed at the next receive */
    struct esi_fiber fiber;      /* valid while fiber.stack */
    struct esi_list memory;      /* blocks it owns: es_new, es_keep, and what a receive has in hand */
    int64_t memory_bytes;        /* blocks it owns and messages it holds; others read it as it is */
    int32_t budget;              /* reductions left in this slice */
    uint16_t frame_refs;         /* others hold pointers into its stack: not hibernated */
    uint16_t pin_count;

    /* read by all, written seldom */
    _Alignas(64) struct esi_process_extra
        *extra;                        /* what few have: limits, label, destructors, defers; NULL: none */
    es_next (*react)(void *, es_term); /* not NULL: it waits without a stack */
    union {
        uint64_t argument; /* the word that `function` gets, until it has it */
        void *react_state;
    };
    uint16_t suspend_count;
    uint8_t priority;      /* es_priority */
    bool is_ending;        /* runs its end: no signal is handled any more */
    bool is_doomed;        /* will end as soon as it runs: `reason` is set */
    bool is_deferring;     /* its es_defer()s run: they go on although it is doomed */
    bool has_room_waiters; /* its bonds hold some who wait for room in its mailbox */
    bool ends_itself : 1;  /* by es_exit(): nobody else made it */
    bool is_faulted : 1;   /* ends by a fault or an error of its own: worth a report */
    bool forgot_error : 1; /* there was no memory to remember its first one */
    bool
        is_pinned; /* last_worker alone may run it: while pin_count, or once, when foreign code sends it back */
    _Atomic(uint8_t) limit_policy;  /* published, as all that follows in this line. While LIMITED */
    _Atomic(uint8_t) is_hibernated; /* enum esi_hibernated */
    _Atomic(uint8_t)
        alarm_is_set; /* `timeout` will ring at its deadline. By the owner, and by who rings it */
    _Atomic(uint32_t) flags;
    _Atomic(int32_t) message_limit; /* while LIMITED, with its policy */
    _Atomic(int32_t) links;         /* by bond.c, as `monitors`: how many bonds of these kinds */
    _Atomic(uint64_t) name;         /* its atom, or 0. Written by link/ under the table's lock */
    _Atomic(uint64_t) id;           /* 0: nobody */

    /* used for other things than a message */
    struct esi_call *call; /* the call under way (on its stack), or NULL */
    struct {
        uint64_t reference, caller;
    } serving; /* a call to it that has no answer yet, the only one as a rule; more are bonds. reference 0: none */
    void (*function)(void); /* what it was spawned with */
    struct esi_map bonds;
    es_term
        reason; /* why it ends: set by esi_process_doom(); what is no word lies in a block of its own, behind some room */
    struct esi_timer timeout; /* of the receive or sleep under way, or of an earlier one: see alarm_is_set */
    uint64_t group_leader, parent;
    _Atomic(uint64_t) queued; /* messages counted against the limit, and whose: room.h. While LIMITED */
    _Atomic(int32_t) monitors, monitored_by; /* published */
    _Atomic(uint64_t) waits_for; /* published: whose mailbox it waits to have room (es_send_wait), or 0 */
    bool is_born_serving;        /* `serving` is the call of who started it, and not answered yet */
    bool has_behaviour;          /* react_state is its behaviour's, which esi_plug.behaviour_ended frees */
    bool has_last_words; /* before it ends by an error of its own esi_plug.last_words is called, once */
};

#if !ESI_ASAN && !ESI_TSAN
_Static_assert(sizeof(struct esi_process) <= 384, "ten million that wait without a stack take 4 GB");
_Static_assert(offsetof(struct esi_process, call) <= 256, "the path of a message touches four lines");
#endif

enum esi_hibernated {
    ESI_AWAKE,
    ESI_HIBERNATED,       /* its stack is copied out */
    ESI_HIBERNATED_BELOW, /* it uses too much of it: what lies below was given back */
};

enum { ESI_DETAIL_BYTES = 256 };

enum { ESI_METADATA_BYTES = 512 };

/* What few processes have. */
struct esi_process_extra {
    struct esi_list owned;    /* struct esi_owned, newest first */
    struct esi_defer *defers; /* on its stack, innermost first */
    es_limit_policy limit_policy;
    size_t memory_limit_bytes;
    size_t stack_size_bytes;
    struct esi_trail *trail;  /* where it made the error by which it ends, or NULL: it made none */
    int64_t over_limit_bytes; /* what it had when that was too much; 0: it never was */
    char *detail;             /* es_last_detail(): a block of ESI_DETAIL_BYTES, or NULL */
    es_err last_error;
    struct esi_habits *habits; /* NULL: none */
    char *
        metadata; /* what it says of itself in the log: a block of ESI_METADATA_BYTES, or NULL. Written by log/ */
    uint32_t metadata_size;
};

/* ------------------------------------------------------------ the table (table.c) */

enum { ESI_WAIT_FRAMES = 384 }; /* bytes */

/* Whole pages without a gap between two chunks: sizeof(struct esi_process) is a multiple of 64. */
enum {
    ESI_TABLE_CHUNK_BLOCKS = 256,
    ESI_TABLE_CHUNK_BYTES = ESI_TABLE_CHUNK_BLOCKS * sizeof(struct esi_process)
};

/* Where the control blocks are, one behind the other, and how many there is room for. Set when the first node starts, never changed after. */
struct esi_table {
    struct esi_process *base;
    uint64_t room;
};
extern struct esi_table esi_table;

/* The number of the slot that `id` lives or lived in. */
static inline uint64_t esi_process_place(uint64_t id)
{
    return id & 0xfffffff;
}

/* The control block in whose slot `id` lives or lived: always readable memory. NULL only if the index is beyond the table. */
static inline struct esi_process *esi_process_slot(uint64_t id)
{
    uint64_t index = esi_process_place(id);
    return __builtin_expect(index < esi_table.room, 1) ? &esi_table.base[index] : NULL;
}

/* Whoever lives in `p` is about to get a message: fetches what is asked first. For who has something else to do before. */
static inline void esi_process_prefetch(const struct esi_process *p)
{
    __builtin_prefetch(p, 1);
    __builtin_prefetch(&p->id, 0);
}

/* `p` runs soon: fetches what it stands on, the frames from where it waits up to the function that receives. */
static inline void esi_process_prefetch_stack(const struct esi_process *p)
{
    if (!p->fiber.stack)
        return;
#pragma GCC unroll 6
    for (size_t at = 0; at < ESI_WAIT_FRAMES; at += 64)
        __builtin_prefetch((const char *)p->fiber.sp + at, 1);
}

/* Is `id` the one who lives in `p`? The signal's `to` decides in the end. acquire: who is told that somebody has ended sees what that one wrote
 * before; pairs with esi_table_give() and esi_table_take(). */
static inline bool esi_process_is(struct esi_process *p, uint64_t id)
{
    return atomic_load_explicit(&p->id, memory_order_acquire) == id;
}

/* The pid of `p`. */
static inline es_pid esi_process_pid(struct esi_process *p)
{
    return (es_pid){.id = atomic_load_explicit(&p->id, memory_order_relaxed)};
}

/* A free control block with a fresh id, nothing else set; NULL: the limit is reached or no memory. Any thread. */
struct esi_process *esi_table_take(void);
/* Gives it back; its inbox is closed. Any thread. */
void esi_table_give(struct esi_process *p);
int64_t esi_table_count(void);
int64_t esi_table_limit(void);
/* The next existing process with an index >= *index; moves it on. NULL: no more. */
struct esi_process *esi_table_next(uint64_t *index);

/* ------------------------------------------------------------ running */

/* Spawns, in a thread that is no process and is inside (proc/outside.h), a process on which `bond` hangs from its beginning, and
 * which traps exits: the node's stop ends it when its work is done, or by `kill`. ES_NO_PID with es_last_error(): none ran, and `bond` is
 * still the caller's. */
es_pid esi_spawn_bonded(void (*function)(void *), void *argument, struct esi_bond *bond,
                        const struct esi_bond_kind *kind, uint64_t id);

/* Spawns a process that is born serving a call of `self` (proc/call.h) under `reference`: its es_init_ack() is the answer, and if it ends without
 * one its reason is. ES_NO_PID with es_last_error(). The process itself, in the runtime; options that make no sense: {badarg, start}. */
es_pid esi_spawn_serving(struct esi_process *self, const es_spawn_options *options, void (*function)(es_term),
                         es_term args, uint64_t reference);

/* The calling process, in the runtime; NULL in a thread that is no process. Every public function calls enter() once at its start and
 * leave() before it returns. enter() may come back on another thread (the scheduler was handed over meanwhile). Between them a fault ends
 * the node, and no kill interrupts. */
struct esi_process *esi_enter(void);
void esi_leave(void);

/* The extra part, made when missing; NULL: no memory. On behalf of `self`. */
struct esi_process_extra *esi_process_extra(struct esi_process *self);

/* Waits until woken: by a message, a signal, esi_wake(), or the clock at `deadline_ns` (UINT64_MAX: never). May come back for
 * nothing: the caller checks. Takes the inbox before it comes back. The caller is the process itself, in the runtime; if it is
 * doomed meanwhile this does not return. */
void esi_wait(struct esi_process *self, uint64_t deadline_ns);

/* What a process's `timeout` does. */
void esi_alarm_rings(struct esi_timer *timer);

/* Goes to the end of the queue. As esi_wait() otherwise. */
void esi_yield(struct esi_process *self);

/* Charges work; yields when the budget is used up. The process itself, in the runtime. */
static inline void esi_charge(struct esi_process *self, int reductions)
{
    self->budget -= reductions;
    if (__builtin_expect(self->budget <= 0, 0))
        esi_yield(self);
}

/* Wakes `p` if it sleeps, whoever lives there now: it must look again at what it waits for. Any thread, also with a wheel's lock held. */
void esi_wake(struct esi_process *p);

/* Makes the process, which just was woken or spawned, runnable. `is_next`: on this worker's next slot. */
void esi_make_runnable(struct esi_process *p, bool is_next);
/* A new process: takes the next slot if that is free, else it queues. */
void esi_make_runnable_new(struct esi_process *p);
void esi_make_runnable_pinned(struct esi_process *p);

/* Leaves the stack and asks the worker for `request`; comes back when the process runs again. errno is kept. */
void esi_switch_out(struct esi_process *self, enum esi_request request);

/* A message for `p` was dropped. Any thread. relaxed: a figure to be shown. */
static inline void esi_count_dropped(struct esi_process *p)
{
    if (atomic_load_explicit(&p->dropped, memory_order_relaxed) != UINT32_MAX)
        atomic_fetch_add_explicit(&p->dropped, 1, memory_order_relaxed);
}

/* A received message of a limited mailbox counts no longer. */
static inline void esi_message_uncount(struct esi_process *self, struct esi_message *message)
{
    if (message->is_counted) {
        message->is_counted = 0;
        /* It was counted here, and for us: the count is not 0, and nothing is borrowed from above it. */
        atomic_fetch_sub_explicit(&self->queued, 1, memory_order_seq_cst);
        if (self->has_room_waiters)
            esi_room_made(self);
    }
}

/* ------------------------------------------------------------ ending */

/* `self` will end with `reason` (copied; without memory: system_limit) the next time it runs, instead of going on. The first doom counts. On
 * behalf of `self`. From the process itself follow it by esi_end_now(). */
void esi_process_doom(struct esi_process *self, es_term reason);

/* Words in front of a reason that is no word, in its block: the block can become the message that tells of the end. */
enum { ESI_REASON_ROOM = 13 };

/* The block with the reason of `self` and the room in front, for the last who is told of its end: the caller's. NULL: the reason is a word, or
 * somebody else needs it. On behalf of `self`, in a bond's `ended`. */
struct esi_message *esi_reason_take(struct esi_process *self);

/* Why `self` ends; valid until its last bond is told. */
static inline es_term esi_process_reason(struct esi_process *self)
{
    return self->reason;
}

/* Ends the calling process, in the runtime, which is doomed. Does not return. */
ES_NORETURN void esi_end_now(struct esi_process *self);

/* Ends the calling process, in the runtime, with {badarg, Function}. */
ES_NORETURN void esi_badarg(struct esi_process *self, const char *function);

/* Ends the calling process, in the runtime, with `reason`. */
ES_NORETURN void esi_end_with(struct esi_process *self, es_term reason);

/* Notes why a call failed, for es_last_error() and es_last_detail(); gives `error`. `self` may be NULL: then it is the thread's. */
es_err esi_fail(struct esi_process *self, es_err error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Delivers a message to `self`'s own mailbox. On behalf of `self`. */
void esi_deliver(struct esi_process *self, struct esi_message *message);

/* A number that the node never gave before, greater than all that this function gave. Any thread. */
uint64_t esi_reference_next(void);

/* A number that the node never gave before, from the scheduler's own: no locked operation. Any thread. */
uint64_t esi_reference_any(void);

/* `time_ms` from now as an absolute time; saturates. ES_INFINITY: ESI_NO_DEADLINE. And how long it is until then, 0 when it is past. */
uint64_t esi_deadline_in_ms(int64_t time_ms);
int64_t esi_ms_until(uint64_t deadline_ns);

/* A fresh local reference, of `self` (may be NULL); marks its mailbox: what is there is older. */
es_ref esi_ref_new(struct esi_process *self);

/* ------------------------------------------------------------ plugs for the rooms above (plug.c) */

/* What goes with a node that is not simulated. Static; put before esi_plug.node_hooks once. Either may be NULL. */
struct esi_node_hook {
    void (*before_threads)(void); /* it starts, has no threads yet and no memory to speak of. Cannot fail */
    void (*after_threads)(void);  /* it has ended, and has no threads any more */
    struct esi_node_hook *next;
};

/* What link/ plugs in, so that proc/ can spawn with link and monitor, look names up and send to aliases. All set before the node starts. */
struct esi_plug {
    uint64_t (*whereis)(es_atom name);                            /* pid id, 0: nobody. Any thread */
    es_err (*register_name)(es_atom name, struct esi_process *p); /* of a process that was not started yet */
    /* Spawner `self` and `child` (not started yet) get a link / a monitor; ES_ENOMEM: nothing was done. */
    es_err (*spawn_link)(struct esi_process *self, struct esi_process *child);
    es_err (*spawn_monitor)(struct esi_process *self, struct esi_process *child, es_ref *out);
    /* A message that came through the alias `ref_id` reached `self`: may it in? Takes one-shot aliases down. On behalf of `self`. */
    bool (*alias_admits)(struct esi_process *self, uint64_t ref_id);
    /* What a descriptor's waiter was registered with is ready (ESI_POLL_*). Any worker, must be short. */
    void (*descriptor_ready)(void *tag, uint32_t ready);
    /* `fd` is about to be closed: who waits for it is told, and it is not watched any more. In the runtime; any process. */
    void (*descriptor_closing)(int fd);
    /* A descriptor was closed: there is one more to be had. In the runtime; any process. */
    void (*descriptor_closed)(void);
    /* Whose monitor a bond of the order MONITORED_BY is; 0: nobody's of this node. On behalf of who has the bond. */
    uint64_t (*watcher)(const struct esi_bond *bond);
    /* A timer ESI_RINGS_MESSAGE is due: its message is sent. With its wheel's lock held; any worker, must be short. */
    void (*timer_rings)(struct esi_timer *timer);
    /* es_run() with ES_SIM in the environment: in that world, by its rules. */
    int (*simulate)(void (*first)(void *), void *argument, const es_options *options);
    /* esi_send_exit(), for the node's stop. */
    es_err (*send_exit)(es_pid to, es_term reason);
    /* `self` ends and has ESI_FLAG_KNOWN; its inbox is closed, its bonds are not told yet. */
    void (*ending)(struct esi_process *self);
    /* `self`, which has a behaviour, has ended: react_state is given back. On its behalf. */
    void (*behaviour_ended)(struct esi_process *self);
    /* `self`, which has last words, is about to end with `reason` by es_exit() or a fault. On its own stack, in the runtime; may run user
     * code and wait; comes back in the runtime, or not if the process is ended meanwhile. True: it does not end, and its react handler is
     * called again with the message in hand. */
    bool (*last_words)(struct esi_process *self, es_term reason);
    struct esi_node_hook *node_hooks; /* newest first */
    /* The node goes down: no process exists any more, the schedulers' wheels still stand. What is left in tables goes. */
    void (*node_down)(void);
};
extern struct esi_plug esi_plug;

#endif
