/* end.c - the end of a process, in the order that others may rely on.
 *
 *   1  es_own()'s destructors, newest first, in user mode: a fault in one does not keep the others from running
 *   2  its memory
 *   3  the inbox closes: from here on every push answers for itself; the report of a crash is written
 *   4  names and groups are free
 *   5  links and monitors are told: who hears of the end finds all of the above done
 *   6  messages that waited are freed, signals among them answered, in steps so that nobody else waits */
#include "proc/end.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/assert.h"
#include "base/log.h"
#include "base/probe.h"
#include "proc/mailbox/block.h"
#include "proc/call.h"
#include "proc/enter.h"
#include "proc/schedule/habits.h"
#include "proc/hibernate.h"
#include "proc/node.h"
#include "proc/contain/report.h"
#include "proc/contain/trail.h"
#include "proc/schedule/worker.h"
#include "term/copy.h"

static void end(struct esi_process *self);

/* Out of line: nearly all reasons are words. */
static __attribute__((noinline)) es_term keep_reason(es_term reason)
{
    struct esi_message *block;
    if (esi_message_copy_behind_here(ESI_REASON_ROOM * sizeof(uint64_t), reason, &block) == ES_OK)
        return block->term;
    return es_from_atom(es_am_system_limit);
}

static inline bool is_word(es_term reason)
{
    return esi_tag(reason.w) != ESI_TAG_BOX && esi_tag(reason.w) != ESI_TAG_CONS;
}

void esi_process_doom(struct esi_process *self, es_term reason)
{
    if (self->is_doomed || self->is_ending)
        return;
    self->is_doomed = true;
    if (self->call)
        esi_call_abandon(self);
    self->reason = is_word(reason) ? reason : keep_reason(reason);
}

ES_NORETURN void esi_end_now(struct esi_process *self)
{
    esi_defers_run(self);
    if (self->is_ending) { /* in a destructor: the end goes on behind it */
        end(self);
        esi_leave_for_good(self, ESI_REQUEST_ENDED);
    }
    esi_fiber_again(&self->fiber, esi_end_main, self);
    for (;;) /* the worker starts the end on the stack's top instead of coming back here */
        esi_switch_out(self, ESI_REQUEST_YIELD);
}

/* Its last words were none: nothing of its error is left, and it waits for its handler's turn. */
static void go_on(struct esi_process *self)
{
    self->has_last_words = true;
    self->is_faulted = false;
    esi_trail_free(self);
    esi_hand_back(self);
}

/* True: they were none. They are spoken outside of the runtime; what comes after them is in it again. */
static bool last_words(struct esi_process *self, es_term reason)
{
    bool goes_on = esi_plug.last_words(self, reason);
    /* relaxed: this thread's own. */
    esi_assert(atomic_load_explicit(&esi_worker_now()->in_runtime, memory_order_relaxed));
    return goes_on;
}

/* `reason` lives on the stack below us, or in the process. */
static __attribute__((noinline)) void speak(struct esi_process *self, es_term reason)
{
    self->has_last_words = false;
    esi_defers_run(self);
    if (!last_words(self, reason))
        return;
    go_on(self);
    esi_react_from_here(self);
}

/* The reason of a fault, which it survived. */
static void forget_reason(struct esi_process *self)
{
    es_term reason = self->reason;
    self->reason = es_none();
    esi_leave();
    es_drop(reason);
    esi_enter();
}

/* The same at the top of the stack, after a fault. */
void **esi_last_words_at_top(struct esi_process *self)
{
    es_term reason = self->reason;
    if (last_words(self, reason)) {
        forget_reason(self);
        go_on(self);
        return esi_leave_at_top(self, ESI_REQUEST_REACT);
    }
    esi_process_doom(self, reason);
    return esi_end_at_top(self);
}

void **esi_last_words_main(void *argument)
{
    esi_arrived(esi_worker_self());
    return esi_last_words_at_top(argument);
}

ES_NORETURN void esi_end_with(struct esi_process *self, es_term reason)
{
    if (!self->is_doomed && !self->is_faulted && esi_report_wants_exit(reason))
        esi_trail_note(self);
    if (self->has_last_words && !self->is_doomed && !self->is_ending)
        speak(self, reason);
    self->ends_itself = !self->is_doomed;
    esi_process_doom(self, reason);
    esi_end_now(self);
}

ES_NORETURN void esi_badarg(struct esi_process *self, const char *function)
{
    self->is_faulted = true;
    esi_trail_note(self);
    es_atom name = es_am_undefined;
    if (es_atom_make(function, strlen(function), &name) != ES_OK)
        name = es_am_undefined;
    esi_end_with(self, es_lend(ES_TUPLE(es_am_badarg, name)));
}

ES_NORETURN void esi_exit(es_term reason)
{
    struct esi_process *self = esi_enter();
    if (!self) {
        fprintf(stderr, "engset: es_exit() was called in a thread that is no process\n");
        abort();
    }
    size_t words;
    if (!esi_term_is_word(reason) && !esi_term_flat_words(reason) &&
        esi_term_measure(reason, &words) == ES_EINVAL)
        esi_badarg(self, "exit");
    esi_end_with(self, reason);
}

/* All but the message in its hand, which the report of a crash shows. */
static void free_memory(struct esi_process *self, bool may_yield)
{
    if (self->hand)
        esi_list_remove(&self->hand->in_list);
    for (struct esi_list *node; (node = esi_list_pop_front(&self->memory));) {
        esi_message_free(ESI_CONTAINER_OF(node, struct esi_message, in_list));
        if (may_yield)
            esi_charge(self, 1);
    }
}

/* What was taken from the inbox and not looked at. Nobody has seen it but us. */
static void answer_rest(struct esi_process *self, bool may_yield)
{
    struct esi_message **chains[] = {&self->taken, &self->turning};
    for (int i = 0; i < 2; i++)
        while (*chains[i]) {
            struct esi_message *block = *chains[i];
            *chains[i] = block->next;
            esi_signal_answer_for_nobody(block);
            if (may_yield)
                esi_charge(self, 1);
        }
}

/* What waited. */
static void free_messages(struct esi_process *self, bool may_yield)
{
    for (struct esi_list *node; (node = esi_list_pop_front(&self->mailbox.messages));) {
        esi_message_free(ESI_CONTAINER_OF(node, struct esi_message, in_list));
        if (may_yield)
            esi_charge(self, 1);
    }
    esi_mailbox_fini(&self->mailbox);
    answer_rest(self, may_yield);
}

static void tell_bonds(struct esi_process *self, bool may_yield)
{
    while (self->bonds.root) {
        struct esi_map_node *node = esi_map_first(&self->bonds);
        struct esi_bond *bond = ESI_CONTAINER_OF(node, struct esi_bond, node);
        esi_map_remove(&self->bonds, node);
        bond->kind->ended(self, bond, self->reason);
        if (may_yield)
            esi_charge(self, 1);
    }
}

/* The newest first are put behind what was being turned; the order among signals that nobody handles does not matter. */
static void close_inbox(struct esi_process *self)
{
    struct esi_message *rest = esi_inbox_close(&self->inbox);
    if (!self->turning) {
        self->turning = rest;
        return;
    }
    struct esi_message *last = self->turning;
    while (last->next)
        last = last->next;
    last->next = rest;
}

static void free_hand(struct esi_process *self)
{
    struct esi_message *message = self->hand;
    self->hand = NULL;
    esi_message_free(message);
}

/* `keeps_memory`: its code may still run. */
static void end_for_others(struct esi_process *self, bool may_yield, bool keeps_memory)
{
    close_inbox(self);
    esi_probe(EXIT, self->id, self->reason.w, 0);
    if (self->is_faulted || (self->extra && self->extra->trail) ||
        (self->ends_itself && esi_report_is_awaited(self)))
        esi_report_crash(self, self->reason);
    if (self->hand && !keeps_memory)
        free_hand(self);
    /* seq_cst: after the close; pairs with who sets KNOWN and then looks whether the inbox is closed. */
    uint32_t flags = atomic_load_explicit(&self->flags, memory_order_seq_cst);
    if (flags & ESI_FLAG_KNOWN)
        esi_plug.ending(self);
    if (flags & ESI_FLAG_DECIDES)
        esi_report_undecided(self->id);
    if (self->serving.reference)
        esi_call_ended(self);
    tell_bonds(self, may_yield);
}

/* What is no word was copied into a block of its own, and is the first thing behind the room. */
static struct esi_message *reason_block(const struct esi_process *self)
{
    uint64_t word = self->reason.w;
    if (!word || is_word(self->reason))
        return NULL;
    return esi_message_of((const uint64_t *)(uintptr_t)(word & ~(uint64_t)7) - ESI_REASON_ROOM);
}

void esi_reason_free(struct esi_process *self)
{
    struct esi_message *block = reason_block(self);
    if (block)
        esi_message_free(block);
    self->reason = es_none();
}

/* Of the first process the node wants to know it. */
static bool is_first(struct esi_process *self)
{
    return self->parent == 0 && esi_node_is_first(self);
}

struct esi_message *esi_reason_take(struct esi_process *self)
{
    struct esi_message *block = reason_block(self);
    if (!block || esi_map_first(&self->bonds) || is_first(self))
        return NULL;
    self->reason = es_none();
    return block;
}

static void release_rest(struct esi_process *self)
{
    if (self->pin_count && self->is_pinned)
        esi_pin_end(self);
    if (atomic_load_explicit(&self->alarm_is_set, memory_order_relaxed))
        esi_timer_cancel(&self->timeout);
    esi_reason_free(self);
    if (self->has_behaviour)
        esi_plug.behaviour_ended(self);
    if (atomic_load_explicit(&self->is_hibernated, memory_order_relaxed))
        esi_hibernate_forget(self);
    if (self->extra) {
        if (self->has_habits)
            esi_habits_end(self);
        esi_trail_free(self);
        if (self->extra->detail)
            esi_block_free(self->extra->detail, ESI_DETAIL_BYTES);
        if (self->extra->metadata)
            esi_block_free(self->extra->metadata, ESI_METADATA_BYTES);
        esi_block_free(self->extra, sizeof *self->extra);
        self->extra = NULL; /* who speaks after that has nothing to say of itself */
    }
}

void esi_end_for_others(struct esi_process *p)
{
    p->is_ending = true;
    end_for_others(p, false, true);
    answer_rest(p, false);
}

static void end(struct esi_process *self)
{
    self->is_ending = true;
    self->call =
        NULL; /* it lay on the stack that was left: an answer that a destructor's receive finds is late */
    atomic_store_explicit(&self->state, ES_STATE_EXITING, memory_order_relaxed);
    if (self->extra)
        esi_owned_run(self);
    free_memory(self, true);
    end_for_others(self, true, false);
    if (self->mailbox.count || self->mailbox.index || self->taken || self->turning)
        free_messages(self, true);
}

void **esi_end_at_top(struct esi_process *self)
{
    end(self);
    return esi_leave_at_top(self, ESI_REQUEST_ENDED);
}

void **esi_end_main(void *argument)
{
    esi_arrived(esi_worker_self());
    return esi_end_at_top(argument);
}

void esi_end_without_stack(struct esi_process *p)
{
    p->is_ending = true;
    free_memory(p, false);
    end_for_others(p, false, false);
    free_messages(p, false);
}

/* Nobody watches the first process: without this a program could end without a word. */
static void say_first_ended(es_term reason)
{
    char text[200];
    es_print(text, sizeof text, reason);
    esi_log(ESI_LOG_ERROR, "the first process ended, and the node with it: %s", text);
}

void esi_process_gone(struct esi_process *p)
{
    bool was_first = is_first(p);
    int status = es_is(p->reason, es_am_normal) || es_is(p->reason, es_am_shutdown) ? 0 : 1;
    if (was_first && status != 0)
        say_first_ended(p->reason);
    release_rest(p);
    esi_table_give(p);
    esi_node_process_gone(was_first, status);
}
