/* timer.c - timers that send a message that was built when they were started.
 *
 * Each wheel has a book of the timers on it (link/timer_book.h), guarded by the wheel's lock. A timer's reference says where it stands:
 * in place of its maker's id it holds the wheel's number and the slot in the book. Whom it is for it does not tell; a process notes in its flags on
 * which wheels there are timers for it. Mostly a process starts a timer for itself and cancels it, on one scheduler: one lock each, that
 * nobody else wants.
 *
 *   T1  Whoever holds a wheel's lock finds each timer of this room on the wheel and in the book, or in neither.
 *   T2  Whoever takes it out of both owns it: the firing, es_cancel_timer(), the receiver's end, the node's. So it is fired or
 *       cancelled, never both. A firing pushes the message before it gives the lock back: who does not find the timer any more finds
 *       the message sent.
 *   T3  A timer is entered only for a receiver that is alive and has noted the wheel, looked at with the lock held; the receiver's end closes the
 *       inbox, then looks at its notes, then comes for each lock (link/known.h). So no timer outlives its receiver.
 *
 * Locks: a wheel's, then those of a push. */
#include <engset/link.h>

#include "link/known.h"
#include "link/name.h"
#include "link/timer.h"
#include "link/timer_book.h"
#include "platform/clock.h"
#include "proc/mailbox/block.h"
#include "proc/outside.h"
#include "proc/schedule/wheel.h"

#define NS_PER_MS 1000000

static struct {
    _Alignas(64) struct esi_timer_book book;
} wheels[ESI_SCHEDULERS_MAX];

/* Where a reference says that its timer stands. No pid's id has the highest bit: to others it is the reference of nobody. */
#define PLACE_MARK (UINT64_C(1) << 63)

static uint64_t place_of(unsigned wheel, uint32_t slot)
{
    return PLACE_MARK | (uint64_t)wheel << 32 | slot;
}

/* False: it is no reference of a timer of this node. Inside the runtime, or inside by the door. */
static bool get_wheel(es_ref ref, unsigned *wheel)
{
    uint64_t number = (ref.pid ^ PLACE_MARK) >> 32;
    *wheel = (unsigned)number;
    return !ref.node && number < (uint64_t)esi_node.scheduler_count;
}

/* Takes it out. With the wheel's lock held. */
static void take_out(unsigned wheel, struct esi_message *message)
{
    esi_timer_disarm(esi_timer_of(message));
    esi_book_remove(&wheels[wheel].book, message);
}

/* ------------------------------------------------------------ firing */

void esi_timer_send(struct esi_timer *timer)
{
    struct esi_message *message = esi_message_of(timer);
    uint64_t to = message->to ? message->to : esi_name_find(message->in_book.name);
    esi_book_remove(&wheels[atomic_load_explicit(&timer->wheel, memory_order_relaxed) - 1].book, message);
    message->kind = NULL; /* no timer any more */
    if (!to || !esi_signal_push(to, message))
        esi_message_free(message);
}

/* ------------------------------------------------------------ starting */

/* Is the receiver alive? It then has noted that it has timers on that wheel (T3). With the wheel's lock held. */
static bool has_noted(struct esi_process *self, uint64_t id, unsigned wheel)
{
    uint32_t notes = ESI_FLAG_KNOWN | (uint32_t)ESI_FLAG_TIMERS << wheel % 16;
    struct esi_process *p = id == self->id ? self : esi_process_slot(id);
    if (!p || !esi_process_is(p, id))
        return false;
    /* relaxed: our own end looks later, in this very process; for others esi_known_alive() follows. Nobody takes these flags back. */
    if ((atomic_load_explicit(&p->flags, memory_order_relaxed) & notes) != notes)
        atomic_fetch_or_explicit(&p->flags, notes, memory_order_relaxed);
    return p == self || esi_known_alive(id);
}

/* {timeout, Ref, Message} was built before it was known where the timer stands. The block is ours alone. */
static void write_place(struct esi_message *message, uint64_t place)
{
    uint64_t *ref = (uint64_t *)(uintptr_t)esi_box(message->term.w)[2];
    ref[2] = place;
}

/* Enters and arms what is built, or ends it when nobody is there. ES_ENOMEM: it is still the caller's. */
static es_err start(struct esi_process *self, struct esi_message *message, uint64_t deadline_ns, bool wrapped,
                    uint64_t *place)
{
    struct esi_timer *timer = esi_timer_of(message);
    unsigned wheel = esi_wheel_here();
    bool must_rouse = false;
    esi_wheel_lock(wheel);
    bool is_wanted = !message->to || has_noted(self, message->to, wheel);
    bool is_in = is_wanted && esi_book_add(&wheels[wheel].book, message);
    if (is_in) {
        *place = place_of(wheel, timer->slot);
        if (wrapped)
            write_place(message, *place);
        must_rouse = esi_timer_arm(timer, wheel, deadline_ns);
    }
    esi_wheel_unlock(wheel);
    if (must_rouse)
        esi_wheel_rouse(wheel);
    if (!is_wanted)
        esi_message_free_here(message);
    return is_in || !is_wanted ? ES_OK : ES_ENOMEM;
}

/* The absolute time; what does not fit is as good as never. */
static uint64_t deadline(int64_t time_ms, bool absolute)
{
    if (time_ms > INT64_MAX / NS_PER_MS)
        return ESI_NO_DEADLINE - 1;
    /* No overflow: the clock, too, stays below 2^63 for 292 years. */
    return (absolute ? 0 : esi_clock_now_ns()) + (uint64_t)time_ms * NS_PER_MS;
}

/* Who is meant: a local process, a name, or nobody who can be reached from here (`*id` and `*name` stay 0). */
static bool get_receiver(es_term to, uint64_t *id, es_atom *name)
{
    es_pid pid;
    if (es_get_atom(to, name))
        return true;
    if (!es_get_pid(to, &pid))
        return false;
    if (!pid.node)
        *id = pid.id;
    return true;
}

/* A block with the message, and room for the timer before it. */
static es_err build(uint64_t number, es_term message, bool wrapped, struct esi_message **out)
{
    if (!wrapped)
        return esi_message_copy_behind_here(sizeof(struct esi_timer), message, out);
    es_ref ref = {.id = number, .pid = PLACE_MARK};
    return esi_message_copy_behind(sizeof(struct esi_timer), es_lend(ES_TUPLE(es_am_timeout, ref, message)),
                                   out);
}

es_ref esi_send_later(es_term to, es_term message, int64_t time_ms, bool wrapped, bool absolute)
{
    struct esi_process *self = esi_enter_here();
    if (!self)
        return (es_ref){0};
    uint64_t id = 0;
    es_atom name = {0};
    if (time_ms < 0 || !get_receiver(to, &id, &name))
        esi_badarg(self, "start_timer");
    uint64_t number = esi_reference_any();
    uint64_t place = PLACE_MARK; /* until it is entered: no such number is found there */
    if (wrapped)
        esi_mailbox_mark(&self->mailbox, number); /* receiving by it starts behind what is there */
    struct esi_message *block = NULL;
    es_err error = build(number, message, wrapped, &block);
    if (error == ES_OK) {
        esi_timer_init(esi_timer_of(block), ESI_RINGS_MESSAGE);
        block->timer = number;
        block->in_book.name = name;
        block->to = id;
        error = start(self, block, deadline(time_ms, absolute), wrapped, &place);
        if (error != ES_OK)
            esi_message_free_here(block);
    }
    if (error == ES_EINVAL)
        esi_badarg(self, "start_timer");
    if (error != ES_OK)
        esi_end_with(self, es_from_atom(es_am_system_limit));
    esi_charge(self, 4);
    esi_leave_here();
    return (es_ref){.id = number, .pid = place};
}

/* ------------------------------------------------------------ cancelling and reading */

/* Begun milliseconds count. */
static int64_t left_ms(uint64_t deadline_ns)
{
    uint64_t now = esi_clock_now_ns();
    return deadline_ns <= now ? 0 : (int64_t)((deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS);
}

/* The timer with that reference, if it is there; `do_take`: out of wheel and book, and so the caller's. `*deadline_ns` is written if found. */
static struct esi_message *look_up(es_ref ref, bool do_take, uint64_t *deadline_ns)
{
    unsigned wheel;
    if (!get_wheel(ref, &wheel))
        return NULL;
    esi_wheel_lock(wheel);
    struct esi_message *message = esi_book_find(&wheels[wheel].book, (uint32_t)ref.pid, ref.id);
    if (message)
        *deadline_ns = esi_timer_of(message)->node.deadline_ns;
    if (message && do_take)
        take_out(wheel, message);
    esi_wheel_unlock(wheel);
    return message;
}

static int64_t cancel(es_ref ref)
{
    uint64_t deadline_ns;
    struct esi_message *message = look_up(ref, true, &deadline_ns);
    if (!message)
        return ES_ENOTFOUND;
    esi_message_free_here(message);
    return left_ms(deadline_ns);
}

int64_t es_cancel_timer(es_ref timer)
{
    struct esi_process *self = esi_enter_here();
    if (!self && !esi_outside_enter())
        return ES_ENOTFOUND;
    int64_t left = cancel(timer);
    if (!self) {
        esi_outside_leave();
        return left;
    }
    esi_charge(self, 4);
    esi_leave_here();
    return left;
}

/* {cancel_timer, Ref, false}, to be sent with the element `false` replaced by what was left. */
static es_err answer_new(es_ref timer, struct esi_message **out)
{
    return esi_message_copy(es_lend(ES_TUPLE(es_am_cancel_timer, timer, es_am_false)), out);
}

static void answer_send(struct esi_process *self, struct esi_message *answer, int64_t left)
{
    /* The block is ours alone until it is pushed, and both answers are one word. */
    uint64_t *tuple = (uint64_t *)(uintptr_t)answer->term.w;
    if (left >= 0)
        tuple[3] = esi_word_of_small(left);
    if (!esi_signal_push(self->id, answer))
        esi_message_free(answer);
}

es_err es_cancel_timer_async(es_ref timer, bool info)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return ES_ENOPROC;
    struct esi_message *answer = NULL;
    es_err error = info ? answer_new(timer, &answer) : ES_OK;
    if (error == ES_OK) {
        int64_t left = cancel(timer);
        if (answer)
            answer_send(self, answer, left);
    }
    esi_charge(self, 4);
    esi_leave();
    return error;
}

int64_t es_read_timer(es_ref timer)
{
    struct esi_process *self = esi_enter();
    if (!self && !esi_outside_enter())
        return ES_ENOTFOUND;
    uint64_t deadline_ns;
    int64_t left = look_up(timer, false, &deadline_ns) ? left_ms(deadline_ns) : ES_ENOTFOUND;
    if (self)
        esi_leave();
    else
        esi_outside_leave();
    return left;
}

/* ------------------------------------------------------------ ends */

/* Ends one timer for `receiver` on that wheel. One at a time, so that nobody waits long for the lock. False: there is none. */
static bool forget_one(unsigned wheel, uint64_t receiver)
{
    esi_wheel_lock(wheel);
    struct esi_message *message = esi_book_find_for(&wheels[wheel].book, receiver);
    if (message)
        take_out(wheel, message);
    esi_wheel_unlock(wheel);
    if (message)
        esi_message_free_here(message);
    return message;
}

void esi_timers_forget(struct esi_process *self)
{
    /* relaxed, both: our own id; and the end has looked at the flags since the inbox was closed, what it saw we see too. */
    uint64_t id = atomic_load_explicit(&self->id, memory_order_relaxed);
    uint32_t flags = atomic_load_explicit(&self->flags, memory_order_relaxed);
    for (unsigned wheel = 0; wheel < (unsigned)esi_node.scheduler_count; wheel++)
        if (flags & (uint32_t)ESI_FLAG_TIMERS << wheel % 16)
            while (forget_one(wheel, id)) {
            }
}

/* No locks: nobody runs, and the door is closed. */
void esi_timers_forget_all(void)
{
    for (unsigned wheel = 0; wheel < (unsigned)esi_node.scheduler_count; wheel++) {
        struct esi_timer_book *book = &wheels[wheel].book;
        uint32_t slot = 0;
        for (struct esi_message *message; (message = esi_book_next(book, &slot));) {
            take_out(wheel, message);
            esi_message_free_here(message);
        }
        esi_book_clear(book);
    }
}
