/* signal.c - pushing, and what a process does with what it took. */
#include "proc/mailbox/signal.h"

#include <limits.h>
#include "base/probe.h"
#include "proc/call.h"
#include "proc/memory.h"
#include "proc/process.h"
#include "proc/schedule/worker.h"

static void arrive(struct esi_process *self, struct esi_message *block);

/* The receiver sleeps, so its inbox is empty and all that came before is in its mailbox. Who wakes it holds it until it runs, and does
 * what it would do first: the block need not go through the inbox, nor the receiver take it from there. */
static inline bool arrive_at_sleeper(struct esi_process *p, struct esi_message *block)
{
    if (!esi_inbox_is_waiting(&p->inbox) || !esi_inbox_wake(&p->inbox))
        return false;
    esi_process_prefetch_stack(p);
    arrive(p, block);
    esi_make_runnable(p, true);
    return true;
}

bool esi_signal_push_at(struct esi_process *p, uint64_t to, struct esi_message *block)
{
    /* The id is a hint that spares a stranger most of what is not meant for it; `to` in the block decides. */
    if (!p || !esi_process_is(p, to))
        return false;
    block->to = to;
    if (arrive_at_sleeper(p, block))
        return true;
    switch (esi_inbox_push(&p->inbox, block)) {
    case ESI_PUSH_CLOSED:
        return false;
    case ESI_PUSH_WAKE:
        esi_make_runnable(p, true);
        return true;
    default:
        return true;
    }
}

bool esi_signal_push(uint64_t to, struct esi_message *block)
{
    return esi_signal_push_at(esi_process_slot(to), to, block);
}

/* The push that is followed by the flag. Between the two the process may have run, handled the signal and ended, and somebody
 * else may live there: a flag too many makes it look once for nothing. */
static bool push_signal(struct esi_process *p, uint64_t to, struct esi_message *signal)
{
    const struct esi_signal_kind *kind = signal->kind;
    signal->to = to;
    enum esi_push pushed = ESI_PUSH_CLOSED;
    if (p && esi_process_is(p, to))
        pushed = esi_inbox_push(&p->inbox, signal);
    if (pushed == ESI_PUSH_CLOSED) {
        esi_signal_answer_for_nobody(signal);
        return false;
    }
    uint32_t flags = ESI_FLAG_SIGNALS | (kind->must_end ? ESI_FLAG_EXIT_SENT : 0);
    /* seq_cst: after the push in the one order of all seq_cst operations; pairs with the parker, which parks and then reads
     * the flags, and with esi_signals_take(), which clears them and then looks at the inbox. */
    atomic_fetch_or_explicit(&p->flags, flags, memory_order_seq_cst);
    if (pushed == ESI_PUSH_WAKE)
        esi_make_runnable(p, true);
    return true;
}

bool esi_signal_send(uint64_t to, struct esi_message *signal)
{
    return push_signal(esi_process_slot(to), to, signal);
}

bool esi_signal_send_direct(uint64_t to, struct esi_message *signal)
{
    struct esi_process *p = esi_process_slot(to);
    signal->to = to;
    if (p && esi_process_is(p, to) && arrive_at_sleeper(p, signal))
        return true;
    return push_signal(p, to, signal);
}

void esi_signal_answer_for_nobody(struct esi_message *block)
{
    if (block->kind && block->kind->nobody)
        block->kind->nobody(block);
    else
        esi_message_free(block);
}

/* Turns round what was taken, at most `steps` blocks; nothing turned was left from before. Gives the steps left. */
static int turn(struct esi_process *self, int steps)
{
    while (self->turning && steps > 0) {
        struct esi_message *block = self->turning;
        self->turning = block->next;
        block->next = self->taken;
        self->taken = block;
        steps--;
    }
    return steps;
}

/* Takes all that came, behind what was taken before. */
static void take_behind(struct esi_process *self)
{
    turn(self, INT_MAX);
    struct esi_message *before = self->taken, **end = &before;
    self->taken = NULL;
    self->turning = esi_inbox_take(&self->inbox);
    turn(self, INT_MAX);
    while (*end)
        end = &(*end)->next;
    *end = self->taken;
    self->taken = before;
}

bool esi_signals_must_end(struct esi_process *self)
{
    take_behind(self);
    for (struct esi_message *block = self->taken; block; block = block->next)
        if (block->kind && block->kind->must_end && block->to == self->id &&
            block->kind->must_end(self, block))
            return true;
    return false;
}

static inline void deliver(struct esi_process *self, struct esi_message *message)
{
    esi_probe(DELIVER, self->id, message->tag, (uintptr_t)message);
    self->memory_bytes += (int64_t)message->size_bytes;
    esi_mailbox_append(&self->mailbox, message);
    if (__builtin_expect(self->extra && self->extra->memory_limit_bytes &&
                             self->memory_bytes > (int64_t)self->extra->memory_limit_bytes,
                         0))
        esi_memory_check(self);
}

void esi_deliver(struct esi_process *self, struct esi_message *message)
{
    deliver(self, message);
}

/* The oldest of those that count: signals that became messages, and messages to oneself, are not dropped, nor is what a guard looks at.
 * NULL: none. */
static struct esi_message *oldest_counted(struct esi_process *self)
{
    ESI_LIST_EACH(it, &self->mailbox.messages)
    {
        struct esi_message *message = ESI_CONTAINER_OF(it, struct esi_message, in_list);
        if (message->is_counted && message->state != ESI_BLOCK_SHOWN)
            return message;
    }
    return NULL;
}

static void drop(struct esi_process *self, struct esi_message *oldest)
{
    esi_mailbox_remove(&self->mailbox, oldest, 0);
    self->mailbox.epoch++;
    esi_message_uncount(self, oldest);
    self->memory_bytes -= (int64_t)oldest->size_bytes;
    esi_message_free(oldest);
    esi_count_dropped(self);
}

/* A message for user code. */
static inline void arrive_message(struct esi_process *self, struct esi_message *message)
{
    deliver(self, message);
    if (!message->is_counted)
        return;
    if (!self->extra || self->extra->limit_policy != ES_LIMIT_DROP_OLDEST)
        return;
    /* `queued` has those in the inbox too: they are all newer. */
    while (esi_room_count(atomic_load_explicit(&self->queued, memory_order_relaxed)) >
           (uint32_t)atomic_load_explicit(&self->message_limit, memory_order_relaxed)) {
        struct esi_message *oldest = oldest_counted(self);
        if (!oldest)
            return;
        drop(self, oldest);
    }
}

static void arrive(struct esi_process *self, struct esi_message *block)
{
    if (block->to != atomic_load_explicit(&self->id, memory_order_relaxed))
        esi_signal_answer_for_nobody(block); /* meant for who lived here before */
    else if (block->kind)
        block->kind->arrive(self, block);
    else
        arrive_message(self, block);
}

/* A block turned is a pointer moved; a block handled is a reduction. */
enum { TURNS_A_REDUCTION = 16 };

/* Not all that was taken has been handled: the flags go on to speak of the rest, to the process and to the watchdog. What is set too much
 * makes somebody look once for nothing. relaxed: the process itself reads them; the watchdog looks again. */
static bool not_yet_all(struct esi_process *self, uint32_t held)
{
    if (held)
        atomic_fetch_or_explicit(&self->flags, held, memory_order_relaxed);
    return false;
}

/* So many messages at once are more than a turn receives. */
enum { BEHIND_FROM = 4096 };

/* relaxed, both: senders take it as a hint. It has caught up when it looks for more, or sleeps. */
static void note_behind(struct esi_process *self)
{
    if (!(atomic_load_explicit(&self->flags, memory_order_relaxed) & ESI_FLAG_BEHIND))
        atomic_fetch_or_explicit(&self->flags, ESI_FLAG_BEHIND, memory_order_relaxed);
}

static __attribute__((noinline)) void note_caught_up(struct esi_process *self)
{
    atomic_fetch_and_explicit(&self->flags, ~(uint32_t)ESI_FLAG_BEHIND, memory_order_relaxed);
}

/* ESI_FLAG_UNTOLD was among what was `held`: a signal without a block. Whoever has ended sent all that it did before: so first the look
 * whether it has, then all is taken. */
static __attribute__((noinline)) bool take_untold(struct esi_process *self, int budget, uint32_t held)
{
    bool is_orphaned = esi_call_is_orphaned(self);
    if (!esi_signals_take(self, budget))
        return not_yet_all(self, held);
    if (is_orphaned)
        esi_call_untold(self);
    return true;
}

bool esi_signals_take(struct esi_process *self, int budget)
{
    uint32_t held = 0;
    if (!self->taken && !self->turning) {
        if (__builtin_expect(atomic_load_explicit(&self->flags, memory_order_relaxed) & ESI_FLAG_BEHIND, 0))
            note_caught_up(self);
        held = atomic_load_explicit(&self->flags, memory_order_relaxed) &
               (ESI_FLAG_SIGNALS | ESI_FLAG_EXIT_SENT | ESI_FLAG_UNTOLD);
        if (held)
            /* seq_cst: before the look at the inbox below. A signal pushed after that look sets the flag again. */
            atomic_fetch_and_explicit(&self->flags, ~(held | ESI_FLAG_SIGNALS | ESI_FLAG_EXIT_SENT),
                                      memory_order_seq_cst);
        if (__builtin_expect(held & ESI_FLAG_UNTOLD, 0))
            return take_untold(self, budget, held);
        struct esi_message *newest = esi_inbox_take(&self->inbox);
        if (!newest)
            return true;
        if (!newest->next) { /* the usual case: one, and nothing to turn round */
            self->budget--;
            arrive(self, newest);
            return true;
        }
        self->turning = newest;
    }
    if (self->turning) {
        int allowed = budget * TURNS_A_REDUCTION, steps = turn(self, allowed);
        if (allowed - steps >= BEHIND_FROM)
            note_behind(self);
        if (self->turning) {
            self->budget -= budget;
            return not_yet_all(self, held);
        }
        budget = steps / TURNS_A_REDUCTION + 1;
    }
    while (self->taken && !self->is_doomed && budget > 0) {
        struct esi_message *block = self->taken;
        self->taken = block->next;
        arrive(self, block);
        budget--;
        self->budget--;
    }
    return !self->taken || not_yet_all(self, held);
}
