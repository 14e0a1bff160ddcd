/* big_stack.c - running one function on a stack of another size.
 *
 * While it runs the process's fiber *is* the big one: its guard is found, and the process may be preempted there like anywhere. The
 * stack that it came from stands still and is owned, as by es_own(), so that it goes back also when the process ends on the big one. */
#include "proc/own.h"
#include "proc/process.h"
#include "proc/worker.h"

/* Lies on the pools, not on a stack. */
struct visit {
    struct esi_fiber home; /* where the process came from */
    void (*function)(void *);
    void *argument;
};

/* The calling thread's cache of stacks; NULL if it has none. Not kept over a wait. */
static struct esi_stack_cache *own_cache(void)
{
    struct esi_worker *worker = esi_worker_self();
    return worker && worker->scheduler ? &worker->scheduler->stacks : NULL;
}

/* Destructor: the process ends on the big stack, which the worker takes back; the home is nobody's any more. */
static void home_lost(void *resource)
{
    struct visit *visit = resource;
    esi_enter();
    struct esi_stack *stack = visit->home.stack;
    esi_fiber_abandon(&visit->home);
    esi_stack_close(own_cache(), &stack);
    esi_block_free(visit, sizeof *visit);
    esi_leave();
}

/* Runs on the big stack. */
static void **visit_main(void *argument)
{
    struct visit *visit = argument;
    esi_leave();
    visit->function(visit->argument);
    return esi_fiber_end(&esi_enter()->fiber, &visit->home);
}

static es_err open(struct esi_process *self, size_t size_bytes, struct visit **visit,
                   struct esi_stack **stack)
{
    es_err error = ES_ENOMEM;
    *visit = esi_block_alloc(sizeof **visit);
    if (!*visit)
        return error;
    error = esi_stack_open(own_cache(), size_bytes, stack);
    if (error != ES_OK)
        goto free_visit;
    error = esi_own(self, *visit, home_lost);
    if (error == ES_OK)
        return ES_OK;
    esi_stack_close(own_cache(), stack);
free_visit:
    esi_block_free(*visit, sizeof **visit);
    return error == ES_ELIMIT ? ES_ENOMEM : error;
}

static void go_and_return(struct esi_process *self, struct visit *visit, struct esi_stack *stack)
{
    visit->home = self->fiber;
    stack->owner = self;
    esi_fiber_make(&self->fiber, stack, visit_main, visit);
    esi_fiber_switch(&visit->home, &self->fiber);
    /* Home again, maybe in another thread. */
    stack = self->fiber.stack;
    self->fiber = visit->home;
    esi_stack_close(own_cache(), &stack);
}

es_err es_on_big_stack(size_t size_bytes, void (*function)(void *), void *argument)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return ES_ENOPROC;
    struct visit *visit;
    struct esi_stack *stack;
    es_err error = open(self, size_bytes, &visit, &stack);
    if (error == ES_OK) {
        visit->function = function;
        visit->argument = argument;
        go_and_return(self, visit, stack);
        esi_disown(self, visit, home_lost);
        esi_block_free(visit, sizeof *visit);
    } else {
        esi_fail(self, error, "on_big_stack: %zu bytes: %s", size_bytes,
                 error == ES_EINVAL ? "more than a stack may have (64 MiB)" : es_strerror(error));
    }
    esi_leave();
    return error;
}
