/* enter.c - which worker a thread is, and the way into the runtime and out of it. */
#include <errno.h>
#include "proc/enter.h"
#include "proc/fork.h"
#include "proc/node.h"
#include "proc/schedule/rules.h"

#undef errno /* the real one: these functions never keep its address over a switch */
#define errno (*__errno_location())

__thread struct esi_worker *esi_this_worker __attribute__((tls_model("initial-exec")));

__attribute__((noinline)) struct esi_worker *esi_worker_self(void)
{
    struct esi_worker *worker = esi_this_worker;
    __asm__ volatile("" : "+r"(worker)); /* nobody may believe that two calls give the same */
    return worker;
}

/* errno's address through a call that no compiler can see through. */
__attribute__((noinline)) int *es_errno(void)
{
    int *address = &errno;
    __asm__ volatile("" : "+r"(address));
    return address;
}

/* As errno's: glibc declares pthread_self() const. */
__attribute__((noinline)) pthread_t es_pthread_self(void)
{
    pthread_t thread = pthread_self();
    __asm__ volatile("" : "+r"(thread));
    return thread;
}

/* ------------------------------------------------------- into the runtime and out of it */

struct esi_process *esi_enter_lost(struct esi_worker *w, struct esi_process *self)
{
    esi_fork_check();
    enum esi_lost lost = esi_lost_settle(w);
    if (lost == ESI_LOST_SIMULATED && !self->is_ending && !self->is_deferring && !self->is_doomed)
        esi_rules->at_call(self);
    if (lost == ESI_LOST_STRANDED)
        esi_worker_stay_stranded(w);
    if (lost == ESI_LOST_SCHEDULER)
        esi_switch_out(self, ESI_REQUEST_YIELD); /* goes on in a thread that holds a scheduler */
    return self;
}

struct esi_process *esi_enter(void)
{
    return esi_enter_here();
}

void esi_leave(void)
{
    if (esi_worker_now())
        esi_leave_here();
}

void esi_worker_become(struct esi_worker *worker)
{
    esi_this_worker = worker;
}
