/* mutex.c - es_mutex: a lock that survives its holder.
 *
 * `guard` spins and guards the other words. Who holds the lock or waits for it has a `struct claim`: of a process on the pools' memory,
 * owned by it as by es_own(), so that its end, however it comes, gives the lock on or leaves the queue; of a thread that is no
 * process on that thread's stack. An unlock hands the lock to the first in the queue, who need not compete again.
 *
 * I1  `owner` is 0 exactly when nobody holds it; then the queue is empty.
 * I2  A claim is in the queue, or its `is_granted` is set, or it belongs to who holds the lock undisputed.
 * I3  Only its owner frees a claim, and only when it is not in the queue.
 *
 * The words are touched once before the runtime is entered: a pointer to nowhere is the caller's fault, not the node's. */
#include <sched.h>
#include <stdatomic.h>
#include "platform/clock.h"
#include "platform/park.h"
#include "platform/thread.h"
#include "proc/outside.h"
#include "proc/own.h"
#include "proc/process.h"

enum { SPINS = 100 };

/* es_mutex.state */
enum { WHOLE, ABANDONED };

/* Pids have 61 bits. */
#define THREAD_BIT (UINT64_C(1) << 63)

struct claim {
    struct claim *next; /* in the queue, a circle; guarded by `guard` */
    es_mutex *mutex;
    uint64_t owner;           /* pid id, or a thread's with THREAD_BIT */
    struct esi_park *park;    /* of a thread; NULL: a process */
    bool is_told;             /* gets ES_ECLOSED; written before is_granted */
    _Atomic(bool) is_granted; /* it holds the lock: set by who gave it, release; read by its owner, acquire */
    bool is_entered;          /* lock() came back to its owner's code */
};

/* Reads and writes, and changes nothing. */
static void touch(es_mutex *mutex)
{
    uint32_t expected = 0;
    __atomic_compare_exchange_n(&mutex->guard, &expected, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static void guard(es_mutex *mutex)
{
    for (int spins = 0; __atomic_exchange_n(&mutex->guard, 1, __ATOMIC_ACQUIRE); spins++)
        if (spins > SPINS)
            sched_yield();
}

static void unguard(es_mutex *mutex)
{
    __atomic_store_n(&mutex->guard, 0, __ATOMIC_RELEASE);
}

/* ---- the queue: `waiters` is the last of the circle ---- */

static void queue_push(es_mutex *mutex, struct claim *claim)
{
    struct claim *last = mutex->waiters;
    claim->next = last ? last->next : claim;
    if (last)
        last->next = claim;
    mutex->waiters = claim;
}

static struct claim *queue_pop(es_mutex *mutex)
{
    struct claim *last = mutex->waiters;
    if (!last)
        return NULL;
    struct claim *first = last->next;
    mutex->waiters = first == last ? NULL : last;
    last->next = first->next;
    return first;
}

static void queue_remove(es_mutex *mutex, struct claim *claim)
{
    struct claim *before = mutex->waiters;
    while (before->next != claim)
        before = before->next;
    before->next = claim->next;
    if (mutex->waiters == claim)
        mutex->waiters = before == claim ? NULL : before;
}

/* ---- taking and passing on ---- */

/* Takes the lock, or joins the queue. */
static bool take_or_queue(es_mutex *mutex, struct claim *claim)
{
    guard(mutex);
    bool is_free = mutex->owner == 0;
    if (is_free) {
        mutex->owner = claim->owner;
        claim->is_told = mutex->state == ABANDONED;
        mutex->state = WHOLE;
        atomic_store_explicit(&claim->is_granted, true, memory_order_relaxed);
    } else {
        queue_push(mutex, claim);
    }
    unguard(mutex);
    return is_free;
}

/* Gives the lock, which the caller holds, to the next, and lets go of the guard. */
static void pass_on(es_mutex *mutex, bool is_abandoned)
{
    struct claim *next = queue_pop(mutex);
    uint64_t owner = next ? next->owner : 0;
    struct esi_park *park = next ? next->park : NULL;
    mutex->owner = owner;
    mutex->state = is_abandoned && !next ? ABANDONED : WHOLE;
    if (next) {
        next->is_told = is_abandoned;
        /* release: with it goes all that was done under the lock. A thread's claim is gone after this: its `park` was read before, but
         * lies there too, so it is woken under the guard, which the thread takes once more before it leaves. */
        atomic_store_explicit(&next->is_granted, true, memory_order_release);
        if (park)
            esi_park_wake(park);
    }
    unguard(mutex);
    if (next && !park)
        esi_wake(esi_process_slot(owner));
}

/* Destructor: the process ends while it holds the lock or waits for it. In user mode, so that a mutex that is gone harms nobody else. */
static void claim_abandoned(void *resource)
{
    struct claim *claim = resource;
    es_mutex *mutex = claim->mutex;
    touch(mutex);
    struct esi_process *self = esi_enter();
    guard(mutex);
    if (!atomic_load_explicit(&claim->is_granted, memory_order_relaxed)) {
        queue_remove(mutex, claim);
        unguard(mutex);
    } else if (mutex->owner == claim->owner) {
        pass_on(mutex, claim->is_entered || claim->is_told);
    } else {
        unguard(mutex);
    }
    esi_block_free(claim, sizeof *claim);
    if (self)
        esi_leave();
}

/* ---- threads that are no process ---- */

static uint64_t thread_owner(void)
{
    return THREAD_BIT | (uint64_t)esi_thread_id();
}

static es_err lock_in_thread(es_mutex *mutex)
{
    struct esi_park park;
    struct claim claim = {.mutex = mutex, .owner = thread_owner(), .park = &park};
    esi_park_init(&park);
    guard(mutex);
    bool is_mine = mutex->owner == claim.owner;
    unguard(mutex);
    if (is_mine)
        return esi_fail(NULL, ES_EDEADLK, "mutex_lock: this thread holds it already");
    if (!take_or_queue(mutex, &claim)) {
        while (!atomic_load_explicit(&claim.is_granted, memory_order_acquire))
            esi_park_wait(&park, ESI_NO_DEADLINE);
        guard(mutex); /* who woke us is done with the claim */
        unguard(mutex);
    }
    return claim.is_told ? esi_fail(NULL, ES_ECLOSED, "mutex_lock: its holder ended; the lock is held")
                         : ES_OK;
}

static es_err unlock_in_thread(es_mutex *mutex)
{
    guard(mutex);
    if (mutex->owner != thread_owner()) {
        unguard(mutex);
        return esi_fail(NULL, ES_EINVAL, "mutex_unlock: this thread does not hold it");
    }
    bool is_inside = esi_outside_enter(); /* it may wake a process; without a node none waits */
    pass_on(mutex, false);
    if (is_inside)
        esi_outside_leave();
    return ES_OK;
}

/* ---- processes ---- */

static es_err claim_new(struct esi_process *self, es_mutex *mutex, struct claim **out)
{
    struct claim *claim = esi_block_alloc(sizeof *claim);
    if (!claim)
        return ES_ENOMEM;
    *claim = (struct claim){.mutex = mutex, .owner = self->id};
    es_err error = esi_own(self, claim, claim_abandoned);
    if (error != ES_OK)
        esi_block_free(claim, sizeof *claim);
    *out = claim;
    return error;
}

/* The claim of `self` on `mutex`; mostly the newest thing that it owns. */
static struct claim *claim_find(struct esi_process *self, const es_mutex *mutex)
{
    if (!self->extra)
        return NULL;
    ESI_LIST_EACH(it, &self->extra->owned)
    {
        struct esi_owned *owned = ESI_CONTAINER_OF(it, struct esi_owned, in_owned);
        struct claim *claim = owned->resource;
        if (owned->destructor == claim_abandoned && claim->mutex == mutex)
            return claim;
    }
    return NULL;
}

static es_err lock(struct esi_process *self, es_mutex *mutex)
{
    struct claim *claim;
    if (claim_find(self, mutex))
        return esi_fail(self, ES_EDEADLK, "mutex_lock: this process holds it already");
    es_err error = claim_new(self, mutex, &claim);
    if (error != ES_OK)
        return esi_fail(self, error, "mutex_lock: %s", es_strerror(error));
    /* The claim is queued before it is nobody's: if the wait below does not return, the destructor finds it there. */
    if (!take_or_queue(mutex, claim))
        while (!atomic_load_explicit(&claim->is_granted, memory_order_acquire))
            esi_wait(self, ESI_NO_DEADLINE);
    claim->is_entered = true;
    return claim->is_told ? esi_fail(self, ES_ECLOSED, "mutex_lock: its holder ended; the lock is held")
                          : ES_OK;
}

es_err es_mutex_lock(es_mutex *mutex)
{
    touch(mutex);
    struct esi_process *self = esi_enter();
    if (!self)
        return lock_in_thread(mutex);
    es_err error = lock(self, mutex);
    esi_charge(self, 1);
    esi_leave();
    return error;
}

static es_err unlock(struct esi_process *self, es_mutex *mutex)
{
    struct claim *claim = claim_find(self, mutex);
    if (!claim)
        return esi_fail(self, ES_EINVAL, "mutex_unlock: this process does not hold it");
    esi_disown(self, claim, claim_abandoned);
    esi_block_free(claim, sizeof *claim);
    guard(mutex);
    pass_on(mutex, false);
    return ES_OK;
}

es_err es_mutex_unlock(es_mutex *mutex)
{
    touch(mutex);
    struct esi_process *self = esi_enter();
    if (!self)
        return unlock_in_thread(mutex);
    es_err error = unlock(self, mutex);
    esi_charge(self, 1);
    esi_leave();
    return error;
}
