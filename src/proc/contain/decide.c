/* proc/contain/decide.c - reports that are held until it is decided what becomes of who crashed. */
#include "proc/contain/decide.h"

#include <pthread.h>
#include <stdatomic.h>
#include "platform/clock.h"
#include "proc/bond.h"
#include "proc/contain/draft.h"
#include "proc/process.h"

enum { HELD_MAX = 16 };
#define HELD_NS UINT64_C(1000000000)

/* A process whose supervisor hears of its end: the report waits for what that decides, for a while. */
static struct {
    pthread_mutex_t lock; /* guards all below; held for a look at a few words, and taken under no other */
    struct held {
        struct esi_draft *report; /* NULL: free */
        uint64_t id, decider, until_ns;
    } slots[HELD_MAX];
    _Atomic(int) count;
} held = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Atomic(esi_report_waker *) the_waker;

void esi_report_set_waker(esi_report_waker *waker)
{
    atomic_store_explicit(&the_waker, waker, memory_order_release);
}

uint64_t esi_report_decider(struct esi_process *p)
{
    struct esi_process *parent = p->parent ? esi_process_slot(p->parent) : NULL;
    if (!parent || !esi_process_is(parent, p->parent) ||
        !(atomic_load_explicit(&parent->flags, memory_order_relaxed) & ESI_FLAG_DECIDES))
        return 0;
    struct esi_map_node *node = esi_map_find(&p->bonds, (struct esi_key){ESI_BOND_LINK, p->parent});
    return node ? p->parent : 0;
}

static bool put_aside(struct esi_draft *r, uint64_t decider)
{
    bool is_held = false;
    pthread_mutex_lock(&held.lock);
    for (int i = 0; i < HELD_MAX && !is_held; i++) {
        if (held.slots[i].report)
            continue;
        held.slots[i] = (struct held){r, r->id, decider, esi_clock_now_ns() + HELD_NS};
        /* relaxed: who is told of the end sees it by the way he hears of it; all others may be late. */
        atomic_fetch_add_explicit(&held.count, 1, memory_order_relaxed);
        is_held = true;
    }
    pthread_mutex_unlock(&held.lock);
    return is_held;
}

void esi_report_publish_decided(struct esi_draft *r, struct esi_process *p)
{
    uint64_t decider = esi_draft_may_wait(r) ? esi_report_decider(p) : 0;
    if (!decider || !put_aside(r, decider)) {
        esi_draft_publish(r);
        return;
    }
    esi_report_waker *waker = atomic_load_explicit(&the_waker, memory_order_acquire);
    if (waker)
        waker();
}

static int held_count(void)
{
    return atomic_load_explicit(&held.count, memory_order_relaxed);
}

/* The lock is held. */
static struct esi_draft *take(struct held *slot)
{
    struct esi_draft *r = slot->report;
    slot->report = NULL;
    atomic_fetch_sub_explicit(&held.count, 1, memory_order_relaxed);
    return r;
}

/* Whose time is over, and whose decider is `decider` (0: nobody's); UINT64_MAX as time: all. */
static struct esi_draft *take_one(uint64_t now_ns, uint64_t decider)
{
    struct esi_draft *r = NULL;
    pthread_mutex_lock(&held.lock);
    for (int i = 0; i < HELD_MAX && !r; i++) {
        struct held *slot = &held.slots[i];
        if (slot->report && (slot->until_ns <= now_ns || (decider && slot->decider == decider)))
            r = take(slot);
    }
    pthread_mutex_unlock(&held.lock);
    return r;
}

bool esi_report_is_held(void)
{
    return held_count() != 0;
}

uint64_t esi_report_overdue(uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;
    if (held_count() == 0)
        return next_ns;
    for (struct esi_draft *r; (r = take_one(now_ns, 0));)
        esi_draft_publish(r);
    pthread_mutex_lock(&held.lock);
    for (int i = 0; i < HELD_MAX; i++) {
        if (held.slots[i].report && held.slots[i].until_ns < next_ns)
            next_ns = held.slots[i].until_ns;
    }
    pthread_mutex_unlock(&held.lock);
    return next_ns;
}

void esi_report_undecided(uint64_t decider)
{
    if (held_count() == 0)
        return;
    for (struct esi_draft *r; (r = take_one(0, decider));)
        esi_draft_publish(r);
}

bool esi_report_decide(uint64_t id, const char *decision, bool is_done)
{
    struct esi_draft *r = NULL;
    bool found = false;
    if (held_count() == 0)
        return false;
    pthread_mutex_lock(&held.lock);
    for (int i = 0; i < HELD_MAX && !found; i++) {
        struct held *slot = &held.slots[i];
        if (!slot->report || slot->id != id)
            continue;
        found = true;
        esi_draft_set_decision(slot->report, decision);
        if (is_done)
            r = take(slot);
    }
    pthread_mutex_unlock(&held.lock);
    if (r)
        esi_draft_publish(r);
    return found;
}
