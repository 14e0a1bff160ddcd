/* timer.c - timers that send a message that was built when they were started.
 *
 * A timer's reference holds the *receiver's* id where other references hold their maker's (0: the receiver is a name, looked up when it fires).
 * So one map serves both questions, which timer a reference means and which timers go with a process that ends. It is
 * parted into shards by that id, each with its lock.
 *
 * Start arms the timer first, then lists it; so it may fire unlisted. Who frees it:
 *
 *   T1  `is_listed` and `has_fired` are guarded by the shard's lock; a timer is in the map exactly while it is listed.
 *   T2  Whoever takes a timer out of the map owns it: the firing itself, es_cancel_timer(), the receiver's end. A firing that does
 *       not find it listed leaves it to the one who took it out, or to start(), which finds `has_fired`.
 *   T3  An owner other than the firing calls esi_timer_cancel() before it frees: true says that it will not fire and the message is still the
 *       owner's, false that the firing has come back. That call decides who wins, under the wheel's lock.
 *
 * Locks: a wheel's, then a shard's (in fire); never a wheel's under a shard's. */
#include <engset/link.h>

#include <pthread.h>
#include "base/alloc.h"
#include "link/known.h"
#include "link/name.h"
#include "link/timer.h"
#include "proc/outside.h"

#define NS_PER_MS 1000000

enum { SHARDS = 64 };

struct timer {
    struct esi_timer timer;
    struct esi_map_node in_shard; /* under {receiver, reference} while listed; guarded by the shard's lock */
    es_atom name;                 /* the receiver's, if its id is 0 */
    uint64_t deadline_ns;
    struct esi_message *message; /* until it fires */
    bool is_listed, has_fired;   /* T1 */
};

struct shard {
    _Alignas(64) pthread_mutex_t lock;
    struct esi_map timers;
};

static struct shard shards[SHARDS] = {[0 ... SHARDS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

/* Timers to names have no receiver: they are spread by their own number. */
static struct shard *shard_of(struct esi_key key)
{
    uint64_t h = (key.a ? key.a : key.b) * UINT64_C(0x9e3779b97f4a7c15);
    return &shards[h >> 58];
}
_Static_assert(SHARDS == 1 << 6, "the highest 6 bits choose the shard");

static struct timer *timer_at(struct esi_map_node *node)
{
    return node ? ESI_CONTAINER_OF(node, struct timer, in_shard) : NULL;
}

/* Under the shard's lock. */
static void unlist(struct shard *shard, struct timer *t)
{
    esi_map_remove(&shard->timers, &t->in_shard);
    t->is_listed = false;
}

static void timer_free(struct timer *t)
{
    if (t->message)
        esi_message_free(t->message);
    esi_free(t);
}

/* The firing: under a wheel's lock. */
static void fire(struct esi_timer *timer)
{
    struct timer *t = ESI_CONTAINER_OF(timer, struct timer, timer);
    struct esi_message *message = t->message;
    uint64_t to = t->in_shard.key.a ? t->in_shard.key.a : esi_name_find(t->name);
    t->message = NULL;
    /* Sent before it is taken off the list: who does not find it there any more finds the message sent. */
    if (!to || !esi_signal_push(to, message))
        esi_message_free(message);
    struct shard *shard = shard_of(t->in_shard.key);
    pthread_mutex_lock(&shard->lock);
    bool is_ours = t->is_listed;
    if (is_ours)
        unlist(shard, t);
    t->has_fired = true;
    pthread_mutex_unlock(&shard->lock);
    if (is_ours)
        timer_free(t);
}

/* Ends `t`, which the caller took out of the map or never put in (T3). True: it will not fire. */
static bool stop(struct timer *t)
{
    bool was_armed = esi_timer_cancel(&t->timer);
    timer_free(t);
    return was_armed;
}

/* Arms and lists. `self` is who starts it. */
static void start(struct esi_process *self, struct timer *t)
{
    struct esi_key key = t->in_shard.key;
    struct shard *shard = shard_of(key);
    esi_timer_start(&t->timer, t->deadline_ns);
    pthread_mutex_lock(&shard->lock);
    bool has_fired = t->has_fired;
    bool is_wanted = !has_fired;
    if (is_wanted && key.a == self->id)
        /* relaxed: our own end looks at it, later in this very process. */
        atomic_fetch_or_explicit(&self->flags, ESI_FLAG_KNOWN, memory_order_relaxed);
    else if (is_wanted && key.a)
        is_wanted = esi_known_alive(key.a) != NULL;
    if (is_wanted) {
        esi_map_insert(&shard->timers, &t->in_shard, key);
        t->is_listed = true;
    }
    pthread_mutex_unlock(&shard->lock);
    if (has_fired)
        timer_free(t);
    else if (!is_wanted)
        stop(t);
}

/* The absolute time; what does not fit is as good as never. */
static uint64_t deadline(int64_t time_ms, bool absolute)
{
    uint64_t base = absolute ? 0 : (uint64_t)es_now_ns();
    if ((uint64_t)time_ms > (UINT64_MAX - 1 - base) / NS_PER_MS)
        return UINT64_MAX - 1;
    return base + (uint64_t)time_ms * NS_PER_MS;
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

static es_err build(es_ref ref, es_term message, bool wrapped, struct esi_message **out)
{
    if (wrapped)
        return esi_message_copy(es_lend(ES_TUPLE(es_am_timeout, ref, message)), out);
    return esi_message_copy(message, out);
}

es_ref esi_send_later(es_term to, es_term message, int64_t time_ms, bool wrapped, bool absolute)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return (es_ref){0};
    uint64_t id = 0;
    es_atom name = {0};
    if (time_ms < 0 || !get_receiver(to, &id, &name))
        esi_badarg(self, "start_timer");
    es_ref ref = esi_ref_new(self);
    ref.pid = id;
    struct timer *t = esi_alloc_zeroed(1, sizeof *t);
    es_err error = t ? build(ref, message, wrapped, &t->message) : ES_ENOMEM;
    if (error != ES_OK) {
        esi_free(t);
        if (error == ES_EINVAL)
            esi_badarg(self, "start_timer");
        esi_end_with(self, es_from_atom(es_am_system_limit));
    }
    esi_timer_init(&t->timer, fire);
    t->name = name;
    t->deadline_ns = deadline(time_ms, absolute);
    t->in_shard.key = (struct esi_key){id, ref.id};
    start(self, t);
    esi_charge(self, 4);
    esi_leave();
    return ref;
}

/* ------------------------------------------------------------ cancelling and reading */

/* Begun milliseconds count. */
static int64_t left_ms(uint64_t deadline_ns)
{
    uint64_t now = (uint64_t)es_now_ns();
    return deadline_ns <= now ? 0 : (int64_t)((deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS);
}

static struct timer *take(es_ref ref)
{
    struct esi_key key = {ref.pid, ref.id};
    struct shard *shard = shard_of(key);
    pthread_mutex_lock(&shard->lock);
    struct timer *t = timer_at(esi_map_find(&shard->timers, key));
    if (t)
        unlist(shard, t);
    pthread_mutex_unlock(&shard->lock);
    return t;
}

static int64_t cancel(es_ref ref)
{
    struct timer *t = ref.node ? NULL : take(ref);
    if (!t)
        return ES_ENOTFOUND;
    int64_t left = left_ms(t->deadline_ns);
    return stop(t) ? left : ES_ENOTFOUND;
}

int64_t es_cancel_timer(es_ref timer)
{
    struct esi_process *self = esi_enter();
    if (!self && !esi_outside_enter())
        return ES_ENOTFOUND;
    int64_t left = cancel(timer);
    if (!self) {
        esi_outside_leave();
        return left;
    }
    esi_charge(self, 4);
    esi_leave();
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
    int64_t left = ES_ENOTFOUND;
    bool is_inside =
        self || esi_outside_enter(); /* the node's end takes the tables down without their locks */
    if (is_inside && !timer.node) {
        struct esi_key key = {timer.pid, timer.id};
        struct shard *shard = shard_of(key);
        pthread_mutex_lock(&shard->lock);
        struct timer *t = timer_at(esi_map_find(&shard->timers, key));
        if (t)
            left = left_ms(t->deadline_ns);
        pthread_mutex_unlock(&shard->lock);
    }
    if (self)
        esi_leave();
    else if (is_inside)
        esi_outside_leave();
    return left;
}

/* ------------------------------------------------------------ ends */

void esi_timers_forget(struct esi_process *self)
{
    struct esi_key key = {atomic_load_explicit(&self->id, memory_order_relaxed), 0};
    struct shard *shard = shard_of(key);
    for (;;) {
        pthread_mutex_lock(&shard->lock);
        struct timer *t = timer_at(esi_map_next_after(&shard->timers, key));
        if (t && t->in_shard.key.a != key.a)
            t = NULL;
        if (t)
            unlist(shard, t);
        pthread_mutex_unlock(&shard->lock);
        if (!t)
            return;
        stop(t);
    }
}

void esi_timers_forget_all(void)
{
    for (int i = 0; i < SHARDS; i++)
        for (struct timer *t; (t = timer_at(esi_map_first(&shards[i].timers)));) {
            unlist(&shards[i], t);
            stop(t);
        }
}
