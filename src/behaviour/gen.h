/* behaviour/gen.h - a behaviour's process: its block, its birth, its loop and its end. What it does with an event is its kind's affair
 * (server.c, statem.c, event.c, and the supervisor of the room above).
 *
 * It waits without a stack: es_react() calls handle() in gen.c for each message, which sorts: calls, casts, what sys asks, the parent's end, all
 * other. The block of a server with little state has the 64 bytes that the smallest of all blocks has, so that a million idle ones cost little.
 *
 *   NEW --ready--> UP --stop, error of its own, parent's EXIT--> ENDING (terminate) --> gone
 *    |                                                             ^
 *    +-- ignore, stop, error: gone without terminate               an exit signal that is not trapped, and kill, go past it */
#ifndef BEHAVIOUR_GEN_H
#define BEHAVIOUR_GEN_H

#include <engset/behaviour.h>
#include "proc/process.h"

struct esi_gen;

/* What a kind of behaviour does. Called in the process, outside the runtime. */
struct esi_gen_kind {
    const char *name; /* OTP's, for reports and sys: "gen_server" */
    void (*call)(struct esi_gen *gen, es_term request, es_from from);
    void (*cast)(struct esi_gen *gen, es_term message);
    void (*info)(struct esi_gen *gen, es_term message);
    void (*timeout)(struct esi_gen *gen); /* the idle time is over */
    /* The answer of the callback that ran last; es_answer_now() calls it, too. Does not return if it ends the process. */
    void (*after)(struct esi_gen *gen, es_answer answer);
    void (*terminate)(struct esi_gen *gen, es_term reason);
    es_term (*state)(struct esi_gen *gen, es_atom why);          /* es_keep() memory, or an immediate */
    es_err (*replace_state)(struct esi_gen *gen, es_term state); /* ES_EINVAL: not such a state */
    es_err (*code_change)(struct esi_gen *gen, es_term old, es_term extra);
    /* An error was made in a callback: true: it is not the process's end, and go_on() is called as soon as the stack is clear again. NULL: it is. */
    bool (*crashed)(struct esi_gen *gen, es_term reason);
    void (*go_on)(struct esi_gen *gen);
    /* es_answer_now() asked for something at once, which gen->due tells: called when the stack is clear again. NULL: asks for nothing. */
    void (*see_to_due)(struct esi_gen *gen);
    /* The process has ended, and its memory is gone: what the state has beside it goes. On behalf of the process, in the runtime. NULL: nothing. */
    void (*forget)(struct esi_gen *gen);
};

enum esi_gen_phase { ESI_GEN_NEW, ESI_GEN_UP, ESI_GEN_ENDING };

/* Which callback runs. */
enum esi_gen_at {
    ESI_AT_NOTHING,
    ESI_AT_INIT,
    ESI_AT_CALL,
    ESI_AT_CAST,
    ESI_AT_INFO,
    ESI_AT_CONTINUE,
    ESI_AT_TIMEOUT,
    ESI_AT_EVENT, /* a state machine's */
    ESI_AT_ENTER
};

enum { ESI_DUE_LATER = 0x80 }; /* what is due is seen to further out on the stack */

struct esi_gen {
    const es_behaviour *behaviour;
    const struct esi_gen_kind *kind;
    struct esi_gen_more *more; /* what few have; NULL: nothing of it */
    es_from from;              /* of the call whose callback runs; none: answered, or no call */
    uint32_t bytes;            /* of this block */
    uint8_t phase, at;
    uint8_t
        due; /* ESI_AT_CONTINUE or ESI_AT_TIMEOUT: what the last answer asked for at once; ESI_DUE_LATER */
    bool has_parent; /* it was linked to who started it */
    _Alignas(8) char state[];
};
_Static_assert(sizeof(struct esi_gen) <= 40, "with 24 bytes of state it is the smallest block that there is");

/* It was left by an error that it survived, or by es_answer_now(), and goes on first of all. */
enum esi_gen_again {
    ESI_GEN_NOT_AGAIN,
    ESI_GEN_AGAIN,      /* the next message is the one that was in hand: it is seen to already */
    ESI_GEN_AGAIN_FIRST /* none was: the next message is a new one, and comes again, or the note to itself */
};

struct esi_gen_more {
    es_ref idle;                 /* the timer of es_with_timeout(); id 0: none */
    int64_t idle_ms;             /* how long it was set for */
    bool is_suspended;           /* by sys */
    uint8_t again;               /* enum esi_gen_again */
    es_term continues;           /* what es_with_continue() asked for */
    es_term running;             /* what the continue callback was called with */
    es_term last_reply;          /* whose caller waits gets it when terminate is over; none: nothing */
    struct esi_debug *debug;     /* sys:trace() and its like; NULL: none */
    struct esi_machine *machine; /* what waits in a state machine, es_alloc() memory; NULL: nothing */
    uint64_t unknown_kinds[8];   /* what was logged already, by tag */
    int64_t unknown_count;
};

/* The state, aligned for what a C struct may need but for vectors. */
static inline void *esi_gen_state(struct esi_gen *gen)
{
    return gen->state;
}

/* The calling process becomes one of that behaviour. Does not fail: without memory the process ends with system_limit. */
struct esi_gen *esi_gen_open(const es_behaviour *behaviour, const struct esi_gen_kind *kind);

/* From here on an error in a callback is told to the kind, see `crashed` and `terminate`. */
void esi_gen_has_last_words(bool has);

/* Init is done: who started it is told, once. From here on terminate runs when it ends. */
void esi_gen_ready(struct esi_gen *gen);

/* It is ready, and waits for messages from here on. */
ES_NORETURN void esi_gen_up(struct esi_gen *gen);

/* Init did not want: who started it is told `answer`, and the process ends with `reason`, without terminate. */
ES_NORETURN void esi_gen_not_up(struct esi_gen *gen, es_literal answer, es_term reason);

/* Runs terminate and ends the process with `reason`. The caller that waits gets `reply` between the two, also when terminate makes an error. */
ES_NORETURN void esi_gen_stop(struct esi_gen *gen, es_term reason);
ES_NORETURN void esi_gen_stop_reply(struct esi_gen *gen, es_term reason, es_term reply);

/* A callback gave what it may not give: ends the process with {bad_return_value, What}. */
ES_NORETURN void esi_gen_bad_return(struct esi_gen *gen, es_answer answer);

/* The block of the calling process; NULL: it is none of a behaviour. */
struct esi_gen *esi_gen_self(void);

/* The extra part, made when it is missing. Without memory the process ends with system_limit; esi_gen_try_more() gives NULL. */
struct esi_gen_more *esi_gen_more(struct esi_gen *gen);
struct esi_gen_more *esi_gen_try_more(struct esi_gen *gen);

/* Gives it back when nothing of it is used any more: from there on it costs a message nothing. */
void esi_gen_less(struct esi_gen *gen);

/* The timeout callback is due when no message has come for `timeout_ms`. True: it is due now. */
bool esi_gen_idle_after(struct esi_gen *gen, int64_t timeout_ms);

/* No message waits. */
bool esi_gen_is_idle(void);

/* Who started it and is linked to it, or ES_NO_PID. sys.c. */
es_pid esi_gen_parent(const struct esi_gen *gen);

/* A supervisor asks whether it hangs. */
bool esi_gen_is_heartbeat(es_term request);

/* {system, From, Request}; of a suspend it comes back when it was resumed. sys.c. */
void esi_gen_system(struct esi_gen *gen, es_from from, es_term request);

#endif
