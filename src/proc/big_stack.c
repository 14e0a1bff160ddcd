/* big_stack.c - running one function on a stack of another size, as the process's code or so that nothing comes between.
 *
 * While it runs the process's fiber *is* the big one: its guard is found, and the process may be preempted there like anywhere. The
 * stack that it came from stands still and is owned, as by es_own(), so that it goes back also when the process ends on the big one. */
#include "platform/clock.h"
#include "proc/own.h"
#include "proc/process.h"
#include "proc/schedule/worker.h"

enum { NS_A_REDUCTION = 256 };

/* Lies on the pools, not on a stack. */
struct visit {
    struct esi_fiber home; /* where the process came from */
    void (*function)(void *);
    void *argument;
    bool is_interrupted; /* the function runs as the process's code, not as the runtime */
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
    if (visit->is_interrupted)
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

static es_err visit_stack(const char *call, size_t size_bytes, struct visit what)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return ES_ENOPROC;
    struct visit *visit;
    struct esi_stack *stack;
    es_err error = open(self, size_bytes, &visit, &stack);
    if (error == ES_OK) {
        *visit = what;
        go_and_return(self, visit, stack);
        esi_disown(self, visit, home_lost);
        esi_block_free(visit, sizeof *visit);
    } else {
        esi_fail(self, error, "%s: %zu bytes: %s", call, size_bytes,
                 error == ES_EINVAL ? "more than a stack may have (64 MiB)" : es_strerror(error));
    }
    esi_leave();
    return error;
}

es_err es_on_big_stack(size_t size_bytes, void (*function)(void *), void *argument)
{
    return visit_stack("on_big_stack", size_bytes,
                       (struct visit){.function = function, .argument = argument, .is_interrupted = true});
}

/* Who could not be taken off meanwhile pays for the time: a turn is about as long for everybody. */
static void charge_time(uint64_t since_ns)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return;
    uint64_t cost = 1 + (esi_clock_now_ns() - since_ns) / NS_A_REDUCTION;
    esi_charge(self, cost < ESI_BUDGET ? (int)cost : ESI_BUDGET);
    esi_leave();
}

es_err es_uninterrupted(size_t size_bytes, void (*function)(void *), void *argument)
{
    uint64_t start_ns = esi_clock_now_ns();
    es_err error =
        visit_stack("uninterrupted", size_bytes, (struct visit){.function = function, .argument = argument});
    charge_time(start_ns);
    return error;
}
