/* base/uninterrupted.h - stretches of code that nobody may cut short, for what holds a lock of its own.
 *
 * Code that a process calls may be left in the middle when the process is killed, or faults. Who takes a lock says so with these two, unless
 * the runtime was entered (proc/enter.h), which says the same. The rooms below proc have nothing else to say it with. */
#ifndef BASE_UNINTERRUPTED_H
#define BASE_UNINTERRUPTED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* Between the two the calling process counts as in the runtime: a kill does not leave it and a fault ends the node. Unlike esi_enter()
 * it always stays on its thread, so it may be used inside a constructor or with the loader's lock held. They nest: end() gets what
 * begin() gave. Any thread. */
uint32_t esi_uninterrupted_begin(void);
void esi_uninterrupted_end(uint32_t before);

/* The usual reason: `lock` is held in between. unlock() gets what lock() gave. Any thread. */
static inline uint32_t esi_uninterrupted_lock(pthread_mutex_t *lock)
{
    uint32_t before = esi_uninterrupted_begin();
    pthread_mutex_lock(lock);
    return before;
}

static inline void esi_uninterrupted_unlock(pthread_mutex_t *lock, uint32_t before)
{
    pthread_mutex_unlock(lock);
    esi_uninterrupted_end(before);
}

/* Notes for the calling thread whether the runtime runs and gives what was noted before; 1 in a thread that runs no processes. Plugged in by
 * proc with the first node; NULL: nobody can cut anything short yet. */
typedef uint32_t esi_in_runtime_hook(uint32_t now);
extern _Atomic(esi_in_runtime_hook *) esi_in_runtime;

#endif
