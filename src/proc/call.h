/* proc/call.h - questions that wait for their one answer without looking at the mailbox.
 *
 * The asker's call slot lies on its stack and is found through self->call, by reference; an answer for another reference is late
 * and is thrown away. Used by es_call(), and by the rooms for what they ask another process (is it alive, is it suspended). */
#ifndef PROC_CALL_H
#define PROC_CALL_H

#include "proc/process.h"

struct esi_call {
    uint64_t reference;
    uint64_t server;           /* whom it asked: pid id */
    bool is_answered, is_down; /* down: `answer` holds the reason */
    bool is_vain;              /* it was found that no answer can come */
    bool is_from_server;       /* the answer came from the server itself: it has forgotten the call */
    es_term answer;
    struct esi_message *block; /* where the answer lies, or NULL */
};

/* A signal of that kind that is answered. Its words[0] and words[1] will be the asker's pid id and the reference's id. NULL: no memory. */
struct esi_message *esi_request_new(const struct esi_signal_kind *kind);

/* Sends `request` to the process `to`, owns it from here on, and waits for esi_answer(). For answers that are immediates. Does not return if
 * the asker is ended meanwhile. The process itself, in the runtime. */
es_err esi_ask(struct esi_process *self, uint64_t to, struct esi_message *request, es_term *answer);

/* The same with a reference of the caller's choice (esi_reference_next()), until `deadline_ns` at most: ES_ETIMEOUT. `is_vain(self, to)` is asked
 * before each wait, and after whatever ended one that was not the answer: true gives ES_EDEADLK. */
typedef bool esi_is_vain(struct esi_process *self, uint64_t to);
es_err esi_ask_until(struct esi_process *self, uint64_t to, struct esi_message *request, uint64_t reference,
                     uint64_t deadline_ns, esi_is_vain *is_vain, es_term *answer);

/* What a call is on its way. words: the caller's pid id, the reference's id; behind them the message that the server will see. */
extern const struct esi_signal_kind esi_call_kind;

/* Waits for the answer to `call`, which is self->call and has been sent. ES_OK with the answer, ES_ECLOSED with the reason, both a term of the
 * process's own (es_drop()); or ES_ETIMEOUT. The process itself, in the runtime. */
es_err esi_call_await(struct esi_process *self, struct esi_call *call, uint64_t deadline_ns);

/* As es_try_call(), with another first element of the tuple than '$gen_call': an immediate. Process only. */
es_err esi_try_call_as(es_term label, es_term to, es_term request, int64_t timeout_ms, es_term *out);

/* The caller `from` hears what it would hear if the calling process had ended with `reason`; that one goes on. ES_ENOMEM. Process only. */
es_err esi_refuse_call(es_term from, es_term reason);

/* Answers the call that the process was born serving, once; nothing if there is none. ES_ENOMEM. The process itself, in the runtime. */
es_err esi_answer_birth(struct esi_process *self, es_term answer);

/* Nobody waits any more for the answer to the call of `self` that is under way: whom it asked forgets it. On behalf of `self`, whose
 * stack is as it was. */
void esi_call_abandon(struct esi_process *self);

/* The same for the call `reference` to the process `server`. Any thread. */
void esi_call_forget(uint64_t server, uint64_t reference);

/* `self` ends: whose call it did not answer learns the reason. On behalf of `self`. */
void esi_call_ended(struct esi_process *self);

/* Has whom `self` asks just now ended, or at least begun to? On behalf of `self`. */
bool esi_call_is_orphaned(const struct esi_process *self);

/* Whom `self` asked has ended, what it said before was taken, and nothing more will come: if that was no answer, the call is over with
 * `system_limit`. On behalf of `self`. */
void esi_call_untold(struct esi_process *self);

/* Answers `request`, from kind->arrive or kind->nobody or later, and owns it: its block carries the answer, which so never fails for lack of memory.
 * `answer` is an immediate. Any thread. */
void esi_answer(struct esi_message *request, es_term answer);

#endif
