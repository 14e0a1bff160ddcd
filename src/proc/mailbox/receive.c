/* receive.c - which message a receive is shown next, and what becomes of the one that it takes.
 *
 * The block of es_receive is a loop around its clauses; esi_rx_next() decides what a round of it sees:
 *
 *   START   a short mailbox is shown at once; a long one first gets a round NOTE
 *   NOTE    no message: each clause notes its tag, so that the index is searched for these only
 *   SHOW    a message; the clause that matches takes it, and the loop ends
 *   ARM     all were shown: es_after() is evaluated
 *   TIMEOUT its time is over: es_after()'s body runs, and the loop ends */
#include <engset/receive.h>

#include <stdlib.h>
#include "base/assert.h"
#include "platform/clock.h"
#include "proc/end.h"
#include "proc/mailbox/block.h"
#include "proc/process.h"
#include "proc/mailbox/typed.h"
#include "proc/schedule/wait.h"
#include "term/struct.h"
#include "term/tag.h"

/* ---- messages in hand ---- */

static void hold(struct esi_process *self, struct esi_message *message)
{
    message->state = ESI_BLOCK_HELD;
    esi_list_push_back(&self->memory, &message->in_list);
}

static void release(struct esi_process *self, struct esi_message *message)
{
    esi_list_remove(&message->in_list);
    self->memory_bytes -= (int64_t)message->size_bytes;
    esi_message_free_here(message);
}

/* The tuple form of a typed message, as one more block in hand; NULL: no memory. */
static struct esi_message *tuple_of(struct esi_process *self, const struct esi_message *message)
{
    struct esi_message *tuple = esi_struct_to_message(message->type, message->words);
    if (!tuple)
        return NULL;
    tuple->to = self->id;
    self->memory_bytes += (int64_t)tuple->size_bytes;
    hold(self, tuple);
    return tuple;
}

/* What hangs on a message in hand, which is left with nothing of a handler's. */
static struct esi_message *take_tuple(struct esi_message *message)
{
    struct esi_message *tuple = message->is_typed ? message->tuple : NULL;
    message->kind = NULL;
    return tuple;
}

es_term esi_hand_over(struct esi_process *self, struct esi_message *message)
{
    esi_mailbox_remove(&self->mailbox, message, 0);
    esi_message_uncount(self, message);
    hold(self, message);
    self->hand = message;
    if (!message->is_typed)
        return message->term;
    message->tuple = tuple_of(self, message);
    return message->tuple ? message->tuple->term : es_none();
}

/* Out of the hand, without its tuple. */
static struct esi_message *leave_hand(struct esi_process *self)
{
    struct esi_message *message = self->hand, *tuple = message ? take_tuple(message) : NULL;
    self->hand = NULL;
    if (tuple)
        release(self, tuple);
    return message;
}

void esi_hand_done(struct esi_process *self)
{
    struct esi_message *message = leave_hand(self);
    if (message)
        release(self, message);
}

void esi_hand_back(struct esi_process *self)
{
    struct esi_message *message = leave_hand(self);
    if (!message)
        return;
    esi_list_remove(&message->in_list);
    message->state = ESI_BLOCK_SENT;
    esi_mailbox_put_back(&self->mailbox, message);
}

void *esi_struct_of(es_term message, const struct es_struct_descriptor *type)
{
    struct esi_process *self = esi_enter();
    void *payload = NULL;
    if (self && self->hand && self->hand->is_typed && esi_struct_is_same(self->hand->type, type)) {
        struct esi_message *taken = self->hand;
        self->hand = take_tuple(taken); /* the handler sees it until it comes back */
        taken->state = ESI_BLOCK_OWNED;
        payload = taken->words;
    } else if (self && !es_is_none(message)) {
        payload = esi_struct_from_message(self, type, message);
    }
    if (self)
        esi_leave();
    return payload;
}

/* ---- the loop ---- */

static inline __attribute__((always_inline)) struct esi_process *enter_receive(void)
{
    struct esi_process *self = esi_enter_here();
    if (!self) {
        fprintf(stderr,
                "engset: es_receive in a thread that is no process; start one with es_run() or es_spawn()\n");
        abort();
    }
    return self;
}

/* The first of a short mailbox is taken out before it is shown: the usual clause takes it, and need not come into the runtime for that. */
static inline bool may_be_out(struct esi_process *self, struct esi_message *message)
{
    return self->mailbox.messages.next == &message->in_list && !self->mailbox.index &&
           message != self->mailbox.marker_message && !message->is_counted;
}

static inline void take_out(struct esi_process *self, struct esi_rx *rx, struct esi_message *message)
{
    esi_list_remove(&message->in_list);
    self->mailbox.count--;
    hold(self, message);
    rx->is_out = true;
}

/* It is the first again, and was looked at. */
static void put_back(struct esi_process *self, struct esi_rx *rx)
{
    struct esi_message *message = rx->message;
    esi_list_remove(&message->in_list);
    message->state = ESI_BLOCK_SENT;
    esi_mailbox_put_back(&self->mailbox, message);
    rx->at = &message->in_list;
    rx->epoch = self->mailbox.epoch;
    rx->is_out = false;
}

/* No clause took what was shown. */
static inline void show_no_more(struct esi_process *self, struct esi_rx *rx)
{
    if (rx->is_out)
        put_back(self, rx);
    else
        rx->message->state = ESI_BLOCK_SENT;
}

static bool show(struct esi_process *self, struct esi_rx *rx, struct esi_message *message)
{
    if (__builtin_expect(may_be_out(self, message), 1))
        take_out(self, rx, message);
    else
        message->state =
            ESI_BLOCK_SHOWN; /* stays, but receives in a guard do not see it, and it is not dropped */
    rx->message = message;
    rx->cur = message->is_typed ? (es_term){ESI_RX_TYPED} : message->term;
    rx->pass = ESI_RX_SHOW;
    return true;
}

static bool show_nothing(struct esi_rx *rx, int pass)
{
    rx->message = NULL;
    rx->cur = es_none();
    rx->pass = pass;
    return true;
}

/* By the index, or from the start when the mailbox was turned over. */
static __attribute__((noinline)) struct esi_message *next_indexed(struct esi_process *self, struct esi_rx *rx)
{
    struct esi_mailbox_cursor cursor = {rx->at, rx->slot, rx->epoch};
    struct esi_message *message = esi_mailbox_next(&self->mailbox, &cursor, rx->tags, rx->tag_count);
    rx->at = cursor.at;
    rx->slot = cursor.slot;
    rx->epoch = cursor.epoch;
    return message;
}

/* Without regard to whether it is shown already. */
static inline struct esi_message *next_of_all(struct esi_process *self, struct esi_rx *rx)
{
    if (__builtin_expect(!self->mailbox.index && rx->epoch == self->mailbox.epoch, 1)) {
        struct esi_list *at = ((struct esi_list *)rx->at)->next;
        if (at == &self->mailbox.messages)
            return NULL;
        rx->at = at;
        return ESI_CONTAINER_OF(at, struct esi_message, in_list);
    }
    return next_indexed(self, rx);
}

static inline struct esi_message *next_message(struct esi_process *self, struct esi_rx *rx)
{
    struct esi_message *message;
    do
        message = next_of_all(self, rx);
    while (message && __builtin_expect(message->state == ESI_BLOCK_SHOWN, 0));
    return message;
}

static void start(struct esi_process *self, struct esi_rx *rx)
{
    if (!self->mailbox.index) {
        rx->at = &self->mailbox.messages;
        rx->slot = 0;
        rx->epoch = self->mailbox.epoch;
        return;
    }
    struct esi_mailbox_cursor cursor;
    esi_mailbox_start(&self->mailbox, &cursor, rx->has_no_reference ? 0 : rx->reference);
    rx->at = cursor.at;
    rx->slot = cursor.slot;
    rx->epoch = cursor.epoch;
}

/* Waits for more. False: the time is over. */
static inline __attribute__((always_inline)) bool wait_for_more(struct esi_process *self, struct esi_rx *rx)
{
    if (rx->deadline_ns != ESI_NO_DEADLINE && esi_clock_now_ns() >= rx->deadline_ns)
        return false;
    esi_wait_here(self, rx->deadline_ns);
    return true;
}

/* Signals that wait come before any more messages; they may end the process, or stop it. */
static void heed_signals(struct esi_process *self)
{
    while (!esi_signals_take(self, self->budget > 0 ? self->budget : 1) && !self->is_doomed)
        esi_charge(self, 0);
    if (self->is_doomed)
        esi_end_now(self);
    while (self->suspend_count)
        esi_yield(self);
}

static inline bool must_heed(struct esi_process *self)
{
    return (atomic_load_explicit(&self->flags, memory_order_relaxed) & ESI_FLAG_SIGNALS) || self->is_doomed ||
           self->suspend_count;
}

/* Is there nothing but what is in the mailbox? */
static inline bool all_is_taken(struct esi_process *self)
{
    return !self->taken && !self->turning && !esi_inbox_has_any(&self->inbox);
}

/* The next message to show, of those that are here. */
static struct esi_message *look(struct esi_process *self, struct esi_rx *rx)
{
    for (;;) {
        if (__builtin_expect(must_heed(self), 0))
            heed_signals(self);
        struct esi_message *message = next_message(self, rx);
        if (message)
            return message;
        if (all_is_taken(self))
            return NULL;
        esi_signals_take(self, self->budget > 0 ? self->budget : 1);
        if (self->is_doomed)
            esi_end_now(self);
        if (self->budget <= 0)
            esi_yield(self);
    }
}

enum { LOOKED_LONG = 64 };

/* Many were shown in vain: from here on only those whose tag a clause has noted. */
static bool goes_by_tags(struct esi_process *self, struct esi_rx *rx)
{
    if (rx->tag_count >= 0 || rx->is_noted || self->mailbox.count <= LOOKED_LONG)
        return false;
    esi_mailbox_build_index(&self->mailbox);
    return self->mailbox.index != NULL;
}

static bool begin(struct esi_process *self, struct esi_rx *rx)
{
    rx->process = self;
    rx->tag_count = -1;
    rx->deadline_ns = ESI_NO_DEADLINE;
    rx->number = ++self->mailbox.receives;
    esi_spent_release(self);
    start(self, rx);
    return self->mailbox.index != NULL;
}

/* All was shown, and then es_after()'s expression was worked out: is the mailbox as it was? If it is not, what was shown last may be
 * gone, and with it the place in the mailbox: the look begins anew. */
static inline bool is_as_it_was(struct esi_process *self, struct esi_rx *rx)
{
    if (__builtin_expect(rx->number != self->mailbox.receives, 0)) {
        start(self, rx);
        return false;
    }
    return !self->mailbox.index && rx->epoch == self->mailbox.epoch &&
           ((struct esi_list *)rx->at)->next == &self->mailbox.messages;
}

static inline __attribute__((always_inline)) bool next(struct esi_process *self, struct esi_rx *rx)
{
    if (rx->pass == ESI_RX_START && begin(self, rx))
        goto note;
    if (rx->pass == ESI_RX_NOTE)
        start(self, rx);
    if (rx->pass == ESI_RX_ARM) {
        rx->armed = true;
        if (__builtin_expect(is_as_it_was(self, rx), 1) && !wait_for_more(self, rx))
            return show_nothing(rx, ESI_RX_TIMEOUT);
    }
    struct esi_message *message;
    while (!(message = look(self, rx))) {
        if (!rx->armed)
            return show_nothing(rx, ESI_RX_ARM);
        if (!wait_for_more(self, rx))
            return show_nothing(rx, ESI_RX_TIMEOUT);
    }
    if (__builtin_expect(++rx->looked > LOOKED_LONG, 0) && goes_by_tags(self, rx))
        goto note;
    return show(self, rx, message);
note:
    rx->tag_count = 0;
    rx->is_noted = true;
    return show_nothing(rx, ESI_RX_NOTE);
}

bool esi_rx_next(struct esi_rx *rx)
{
    if (rx->pass == ESI_RX_DONE || rx->pass == ESI_RX_TIMEOUT)
        return false;
    struct esi_process *self = enter_receive();
    if (rx->pass == ESI_RX_SHOW)
        show_no_more(self, rx);
    if (rx->pass != ESI_RX_ARM)
        esi_charge(self, 1);
    bool more = next(self, rx);
    esi_leave_here();
    return more;
}

bool esi_rx_arm(struct esi_rx *rx, int64_t timeout_ms)
{
    if (timeout_ms == 0) {
        rx->pass = ESI_RX_DONE;
        return true;
    }
    if (timeout_ms < 0 && timeout_ms != ES_INFINITY)
        esi_badarg(enter_receive(), "receive");
    if (timeout_ms != ES_INFINITY)
        rx->deadline_ns = esi_deadline_in_ms(timeout_ms);
    return false;
}

/* The reference that a message must hold to match `pattern`, as far as it shows at once; 0: none. */
static uint64_t reference_of(es_literal pattern)
{
    if (esi_is_box(pattern.w, ESI_REF))
        return esi_box(pattern.w)[1];
    if (!esi_is_box(pattern.w, ESI_TUPLE))
        return 0;
    const uint64_t *box = esi_box(pattern.w);
    for (uint64_t i = 1; i <= esi_header_count(box[0]); i++)
        if (esi_is_box(box[i], ESI_REF))
            return esi_box(box[i])[1];
    return 0;
}

void esi_rx_note(struct esi_rx *rx, es_literal pattern)
{
    uint32_t tag = esi_pattern_tag(pattern);
    if (tag == ESI_TAG_ANY || rx->tag_count == ESI_RX_TAGS)
        rx->tag_count = -1;
    else if (rx->tag_count >= 0)
        rx->tags[rx->tag_count++] = tag;
    uint64_t reference = reference_of(pattern);
    if (!reference || (rx->reference && rx->reference != reference))
        rx->has_no_reference = true;
    rx->reference = reference;
}

void esi_rx_take_shown(struct esi_rx *rx)
{
    struct esi_process *self = esi_enter();
    esi_mailbox_remove(&self->mailbox, rx->message, rx->slot - 1);
    esi_message_uncount(self, rx->message);
    hold(self, rx->message);
    esi_leave();
}

void esi_spent_release(struct esi_process *self)
{
    struct esi_message *message = self->spent;
    if (!message)
        return;
    self->spent = NULL;
    release(self, message);
}

enum { SPENT_LARGEST = 1024 };

/* A small message that a block is done with is freed when the process receives again: one store instead of a way into the runtime and
 * back. Until then it hangs on the process like all else. */
void esi_rx_end(struct esi_rx *rx)
{
    if (!rx->message)
        return;
    if (rx->pass !=
        ESI_RX_DONE) { /* left in the midst of a guard, or of a typed clause that found no memory */
        show_no_more(esi_enter(), rx);
        esi_leave();
        return;
    }
    struct esi_process *self = rx->process;
    struct esi_message *message = rx->message;
    rx->message = NULL;
    if (!self->spent && message->size_bytes <= SPENT_LARGEST) {
        self->spent = message;
        return;
    }
    esi_enter();
    release(self, message);
    esi_leave();
}

void esi_rx_as_tuple(struct esi_rx *rx)
{
    struct esi_process *self = esi_enter();
    /* Converted once; the typed block itself is replaced in the mailbox's place by what it says. */
    struct esi_message *tuple = esi_struct_to_message(rx->message->type, rx->message->words);
    if (!tuple)
        esi_end_with(self, es_from_atom(es_am_system_limit));
    tuple->to = self->id;
    if (rx->is_out) {
        esi_list_remove(&rx->message->in_list);
        hold(self, tuple);
    } else {
        esi_mailbox_replace(&self->mailbox, rx->message, tuple, rx->slot - 1);
    }
    self->memory_bytes += (int64_t)tuple->size_bytes - (int64_t)rx->message->size_bytes;
    tuple->is_counted = rx->message->is_counted;
    tuple->state = rx->message->state;
    if (rx->at == (void *)&rx->message->in_list)
        rx->at = &tuple->in_list;
    esi_message_free(rx->message);
    rx->message = tuple;
    rx->cur = tuple->term;
    esi_leave();
}

void *esi_rx_struct(struct esi_rx *rx, const struct es_struct_descriptor *type)
{
    if (rx->pass == ESI_RX_NOTE) {
        rx->tag_count = -1;
        rx->has_no_reference = true;
    }
    if (!rx->message || es_is_none(rx->cur))
        return NULL;
    struct esi_process *self;
    void *payload;
    if (rx->cur.w == ESI_RX_TYPED) {
        if (!esi_struct_is_same(rx->message->type, type))
            return NULL;
        esi_rx_take(rx);
        rx->message->state = ESI_BLOCK_OWNED;
        payload = rx->message->words;
        rx->message = NULL; /* the clause's own from here on, like es_new() */
        return payload;
    }
    if (!esi_struct_matches(type, rx->cur))
        return NULL;
    self = esi_enter();
    payload = esi_struct_from_message(self, type, rx->cur);
    esi_leave();
    if (payload)
        esi_rx_take(rx); /* the tuple is freed at the block's end */
    return payload;
}
