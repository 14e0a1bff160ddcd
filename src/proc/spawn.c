/* spawn.c - a new process: its control block is filled in, tied to its spawner, and made runnable. It gets a stack when it runs. */
#include <stdlib.h>
#include <string.h>
#include "base/probe.h"
#include "platform/barrier.h"
#include "platform/clock.h"
#include "proc/end.h"
#include "proc/enter.h"
#include "proc/label.h"
#include "proc/node.h"
#include "proc/outside.h"
#include "proc/process.h"
#include "proc/schedule/scheduler.h"
#include "proc/schedule/slice.h"
#include "proc/schedule/worker.h"
#include "term/copy.h"

/* What others may read at any time, also in the name of who lived here before. relaxed: esi_inbox_open() publishes. */
static void init_published(struct esi_process *p)
{
    atomic_store_explicit(&p->flags, 0, memory_order_relaxed);
    atomic_store_explicit(&p->queued, esi_room_empty(p->id), memory_order_relaxed);
    atomic_store_explicit(&p->name, 0, memory_order_relaxed);
    atomic_store_explicit(&p->reductions, 0, memory_order_relaxed);
    atomic_store_explicit(&p->dropped, 0, memory_order_relaxed);
    atomic_store_explicit(&p->waits_for, 0, memory_order_relaxed);
    atomic_store_explicit(&p->links, 0, memory_order_relaxed);
    atomic_store_explicit(&p->monitors, 0, memory_order_relaxed);
    atomic_store_explicit(&p->monitored_by, 0, memory_order_relaxed);
    atomic_store_explicit(&p->alarm_is_set, 0, memory_order_relaxed);
    atomic_store_explicit(&p->is_hibernated, 0, memory_order_relaxed);
}

/* A size that the compiler does not know: libc's memset with vectors, where gcc's own, a `rep stos`, takes 30 cycles to begin. */
static inline void clear(void *fields, size_t bytes)
{
    __asm__("" : "+r"(bytes));
    memset(fields, 0, bytes);
}

/* Everything but the inbox and the id. */
static void init(struct esi_process *p, void (*function)(void), uint64_t argument)
{
    init_published(p);
    clear(&p->request, offsetof(struct esi_process, limit_policy) - offsetof(struct esi_process, request));
    p->call = NULL;
    p->serving.reference = 0;
    p->bonds.root = NULL;
    p->reason = es_none();
    p->is_born_serving = p->has_behaviour = p->has_last_words = false;
    esi_list_init(&p->in_queue);
    esi_mailbox_init(&p->mailbox);
    esi_list_init(&p->memory);
    p->function = function;
    p->argument = argument;
    p->memory_bytes = sizeof *p;
    esi_show(p, ES_STATE_RUNNABLE);
}

static bool needs_extra(const es_spawn_options *o)
{
    return o->stack_size_bytes || o->message_limit || o->memory_limit_bytes;
}

static es_err apply_options(struct esi_process *p, const es_spawn_options *o)
{
    p->priority = (uint8_t)o->priority;
    if (needs_extra(o)) {
        struct esi_process_extra *extra = esi_process_extra(p);
        if (!extra)
            return ES_ENOMEM;
        extra->stack_size_bytes = o->stack_size_bytes;
        extra->memory_limit_bytes = o->memory_limit_bytes;
        extra->limit_policy = o->message_limit_policy;
    }
    if (o->label)
        esi_label_set(p->id, o->label);
    if (o->message_limit) {
        atomic_store_explicit(&p->message_limit, (int32_t)o->message_limit, memory_order_relaxed);
        atomic_store_explicit(&p->limit_policy, (uint8_t)o->message_limit_policy, memory_order_relaxed);
        atomic_store_explicit(&p->flags, ESI_FLAG_LIMITED, memory_order_relaxed);
    }
    return ES_OK;
}

static bool are_valid(const es_spawn_options *o, bool is_process)
{
    return (unsigned)o->priority <= ES_PRIORITY_MAX && o->message_limit >= 0 &&
           o->message_limit <= INT32_MAX && (unsigned)o->message_limit_policy <= ES_LIMIT_DROP_OLDEST &&
           o->stack_size_bytes <= ESI_STACK_MAX && (is_process || (!o->link && !o->monitor));
}

/* Undoes a half-made process that nobody has seen. */
static void discard(struct esi_process *p)
{
    p->serving.reference = 0;
    esi_process_doom(p, es_from_atom(es_am_killed));
    esi_end_without_stack(p);
    esi_reason_free(p);
    if (p->extra)
        esi_block_free(p->extra, sizeof *p->extra);
    esi_table_give(p);
    esi_node_process_gone(false, 0); /* the node's stop may have counted it */
}

/* Ties the new process to its spawner: name, link, monitor. The inbox is open, since a name can be found at once. */
static es_err tie(struct esi_process *self, struct esi_process *p, const es_spawn_options *o)
{
    es_err error = ES_OK;
    if (o->name) {
        es_atom name;
        error = es_atom_make(o->name, strlen(o->name), &name);
        if (error == ES_OK)
            error = esi_plug.register_name(name, p);
    }
    if (error == ES_OK && o->link)
        error = esi_plug.spawn_link(self, p);
    if (error == ES_OK && o->monitor)
        error = esi_plug.spawn_monitor(self, p, o->monitor);
    return error;
}

static es_err copy_argument(struct esi_process *p, esi_argument argument)
{
    p->argument = argument.word;
    es_term term = {argument.word};
    if (argument.kind != 2 || esi_term_is_word(term))
        return ES_OK;
    struct esi_message *block;
    es_err error = esi_message_copy(term, &block);
    if (error != ES_OK)
        return error;
    block->state = ESI_BLOCK_OWNED;
    block->to = p->id;
    p->memory_bytes += (int64_t)block->size_bytes;
    esi_list_push_back(&p->memory, &block->in_list);
    p->argument = block->term.w;
    return ES_OK;
}

/* The node began to stop while the process was made, whose inbox is open by now. Either we see that here, or who ends everybody finds the
 * process: we open and then look, the stopper says so and then goes over the table (node.c), and of two such sides at least one sees the other. */
static inline bool is_too_late(void)
{
    esi_asymmetric_light();
    return __builtin_expect(atomic_load_explicit(&esi_node.state, memory_order_relaxed) != ESI_NODE_UP, 0);
}

static es_pid refuse(struct esi_process *self, es_err error, const char *why)
{
    esi_fail(self, error, "spawn: %s", why);
    return ES_NO_PID;
}

/* relaxed: a figure; a scheduler's is written by its holder alone. */
static void count_spawned(void)
{
    struct esi_worker *worker = esi_worker_here();
    struct esi_scheduler *scheduler = worker ? worker->scheduler : NULL;
    if (scheduler)
        atomic_store_explicit(&scheduler->spawned, scheduler->spawned + 1, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&esi_node.spawned, 1, memory_order_relaxed);
}

/* What a process has from its beginning, or nothing of it. */
struct born_with {
    struct esi_bond *bond; /* it hangs on the process, which then traps exits */
    const struct esi_bond_kind *kind;
    uint64_t id;
    uint64_t serving; /* the reference of a call of its parent that it is to answer */
};

static const char no_node[] = ESI_NO_NODE;

/* `with` (or NULL): before it runs. */
static es_pid spawn(struct esi_process *self, const es_spawn_options *o, void (*function)(void),
                    esi_argument argument, const struct born_with *with)
{
    if (atomic_load_explicit(&esi_node.state, memory_order_acquire) != ESI_NODE_UP)
        return refuse(self, ES_ECLOSED, no_node);
    struct esi_process *p = esi_table_take();
    if (!p)
        return refuse(self, ES_ELIMIT,
                      "as many processes exist as may (es_options.process_limit, ES_PROCESS_LIMIT)");
    init(p, function, 0);
    es_pid pid = esi_process_pid(p);
    p->parent = self ? self->id : 0;
    p->group_leader = self ? self->group_leader : 0;
    if (!p->group_leader)
        p->group_leader = p->id;
    if (with && with->serving) {
        p->serving.caller = self->id;
        p->serving.reference = with->serving;
        p->is_born_serving = true;
    }
    es_err error = copy_argument(p, argument);
    if (error == ES_OK && o)
        error = apply_options(p, o);
    if (error == ES_OK) {
        esi_inbox_open(&p->inbox);
        if (is_too_late())
            error = ES_ECLOSED;
        else if (o)
            error = tie(self, p, o);
    }
    if (error != ES_OK) {
        discard(p);
        if (self && error == ES_EINVAL)
            esi_badarg(self, "spawn");
        return refuse(self, error,
                      error == ES_ETAKEN    ? "the name is taken"
                      : error == ES_ECLOSED ? no_node
                                            : es_strerror(error));
    }
    esi_probe(SPAWN, pid.id, p->parent, 0);
    count_spawned();
    if (with && with->bond) {
        /* relaxed: it does not run yet, and only then decides by it. */
        atomic_fetch_or_explicit(&p->flags, ESI_FLAG_TRAPS, memory_order_relaxed);
        esi_bond_insert(p, with->bond, with->kind, with->id);
    }
    esi_make_runnable_new(p);
    return pid;
}

static __attribute__((noinline)) es_pid spawn_from_outside(const es_spawn_options *options,
                                                           void (*function)(void), esi_argument argument)
{
    if (options && !are_valid(options, false))
        return refuse(NULL, ES_EINVAL, "an option makes no sense, or only in a process (link, monitor)");
    if (!esi_outside_enter())
        return refuse(NULL, ES_ECLOSED, no_node);
    es_pid pid = spawn(NULL, options, function, argument, NULL);
    esi_outside_leave();
    return pid;
}

es_pid esi_spawn_bonded(void (*function)(void *), void *argument, struct esi_bond *bond,
                        const struct esi_bond_kind *kind, uint64_t id)
{
    struct born_with with = {.bond = bond, .kind = kind, .id = id};
    return spawn(NULL, NULL, (void (*)(void))function, (esi_argument){1, (uint64_t)(uintptr_t)argument},
                 &with);
}

es_pid esi_spawn_serving(struct esi_process *self, const es_spawn_options *options, void (*function)(es_term),
                         es_term args, uint64_t reference)
{
    if (options && !are_valid(options, true))
        esi_badarg(self, "start");
    struct born_with with = {.serving = reference};
    return spawn(self, options, (void (*)(void))function, (esi_argument){2, args.w}, &with);
}

es_pid esi_spawn(const es_spawn_options *options, void (*function)(void), esi_argument argument)
{
    struct esi_process *self = esi_enter_here();
    if (__builtin_expect(!self, 0))
        return spawn_from_outside(options, function, argument);
    if (options && !are_valid(options, true))
        esi_badarg(self, "spawn");
    es_pid pid = spawn(self, options, function, argument, NULL);
    esi_charge(self, 20);
    esi_leave_here();
    return pid;
}

es_pid es_self(void)
{
    struct esi_worker *worker = esi_worker_here();
    struct esi_process *self = worker ? atomic_load_explicit(&worker->current, memory_order_relaxed) : NULL;
    return self ? esi_process_pid(self) : ES_NO_PID;
}
