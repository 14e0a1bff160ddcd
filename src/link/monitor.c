/* monitor.c - monitors: a bond in the watcher, one in the watched, both under the reference's id.
 *
 *   MONITOR    watch for me. The block becomes the bond of the watched: arriving needs no memory.
 *   DEMONITOR  do not any more. The watcher's own bond is the block: taking a monitor down needs no memory.
 *   DOWN       the watched ended, or was not there. The finished message, built in the block that was the watched one's bond, or the
 *              MONITOR that met nobody. With a reason that needs memory it is built in front of that: of a copy, and for the last who is
 *              told in the very block that the process kept it in.
 *
 * The watcher's bond decides: a DOWN that finds it becomes a message and takes it away; one that does not is dropped. So after
 * es_demonitor() has found the bond no message comes, and if it has not the message is in the mailbox already.
 * Source: erlang:monitor/2, demonitor/2. */
#include <engset/link.h>

#include "link/alias.h"
#include "link/exit_signal.h"
#include "link/link.h"
#include "link/monitor.h"
#include "proc/mailbox/block.h"
#include "term/build.h"

/* What a DOWN says of the watched. */
struct object {
    es_pid pid;
    es_atom name, node; /* name.w not 0: {Name, Node} is said instead */
};

/* The payload of MONITOR, and the watched one's bond. */
struct monitor {
    struct esi_bond bond;
    es_ref ref; /* ref.pid is the watcher's id */
    struct object object;
    es_atom tag;
};

/* The watcher's bond, and the payload of DEMONITOR. The key's id is the reference's. */
struct watch {
    struct esi_bond bond;
    uint64_t target; /* the watched one's id; 0: nobody */
    bool has_alias;  /* one that goes with the monitor */
};

/* The words of a DOWN: a tuple of five, behind it the reference, behind that {Name, Node} or a pid from elsewhere. */
enum {
    DOWN_SIZE = 5,
    REF_AT = 1 + DOWN_SIZE,
    OBJECT_AT = REF_AT + ESI_REF_WORDS,
    DOWN_WORDS = OBJECT_AT + 3
};
_Static_assert(sizeof(struct monitor) >= DOWN_WORDS * sizeof(uint64_t),
               "a monitor's block can become a DOWN");
_Static_assert(ESI_REASON_ROOM >= (int)DOWN_WORDS, "a reason's block can become a DOWN");

static const struct esi_signal_kind demonitor_kind;

static struct monitor *monitor_in(struct esi_message *block)
{
    return (struct monitor *)(void *)block->words;
}

static struct watch *watch_in(struct esi_message *block)
{
    return (struct watch *)(void *)block->words;
}

/* ------------------------------------------------------------ DOWN */

static es_term put_object(uint64_t *at, const struct object *object)
{
    if (!object->name.w)
        return esi_put_pid(&at, object->pid);
    uint64_t *elements;
    es_term pair = esi_put_tuple(&at, 2, &elements);
    elements[0] = object->name.w;
    elements[1] = object->node.w;
    return pair;
}

/* Makes `block`, which has room for it, the message {Tag, Ref, process, Object, Reason}. `reason` is one word, or lies in the block. */
static void put_down(struct esi_message *block, const struct monitor *monitor, es_term reason)
{
    uint64_t *tuple = block->words, *ref = tuple + REF_AT, *elements;
    block->term = esi_put_tuple(&tuple, DOWN_SIZE, &elements);
    elements[0] = monitor->tag.w;
    elements[1] = esi_put_ref(&ref, monitor->ref).w;
    elements[2] = es_am_process.w;
    elements[3] = put_object(block->words + OBJECT_AT, &monitor->object).w;
    elements[4] = reason.w;
    block->tag = esi_tuple_tag(DOWN_SIZE, monitor->tag);
}

static uint64_t down_reference(const struct esi_message *signal)
{
    return signal->words[REF_AT + 1];
}

static void down_arrives(struct esi_process *self, struct esi_message *signal)
{
    uint64_t reference = down_reference(signal);
    struct esi_bond *bond = esi_bond_take(self, ESI_BOND_MONITORS, reference);
    if (!bond) {
        esi_message_free(signal);
        return;
    }
    if (((struct watch *)(void *)bond)->has_alias)
        esi_alias_demonitored(self, reference);
    esi_message_free_here(esi_message_of(bond));
    signal->kind = NULL;
    esi_deliver(self, signal);
}

static const struct esi_signal_kind down_kind = {.name = "down", .arrive = down_arrives};

/* `block`, which holds a struct monitor, tells its watcher of the end. `larger`: NULL, or a block that holds the reason behind such room; it is
 * ours then. */
static void down_send(struct esi_message *block, es_term reason, struct esi_message *larger)
{
    struct monitor monitor = *monitor_in(block);
    if (!esi_is_one_word(reason)) {
        if (larger || esi_message_copy_behind_here(DOWN_WORDS * sizeof(uint64_t), reason, &larger) == ES_OK) {
            esi_message_free_here(block);
            block = larger;
            reason = larger->term;
        } else { /* without memory for its reason an end is told all the same */
            reason = es_from_atom(es_am_system_limit);
        }
    }
    put_down(block, &monitor, reason);
    block->kind = &down_kind;
    esi_signal_send_direct(monitor.ref.pid, block);
}

/* ------------------------------------------------------------ the watched one's bond */

static void watched_ended(struct esi_process *self, struct esi_bond *bond, es_term reason)
{
    down_send(esi_message_of(bond), reason, esi_reason_take(self));
}

static const struct esi_bond_kind watched_bond = {
    .name = "monitored_by", .order = ESI_BOND_MONITORED_BY, .ended = watched_ended};

uint64_t esi_monitor_watcher(const struct esi_bond *bond)
{
    return ((const struct monitor *)(const void *)bond)->ref.pid;
}

static void monitor_arrives(struct esi_process *self, struct esi_message *signal)
{
    struct monitor *monitor = monitor_in(signal);
    if (!esi_bond_insert(self, &monitor->bond, &watched_bond, monitor->ref.id))
        esi_message_free(signal);
}

static void monitor_meets_nobody(struct esi_message *signal)
{
    down_send(signal, es_from_atom(es_am_noproc), NULL);
}

static const struct esi_signal_kind monitor_kind = {
    .name = "monitor", .arrive = monitor_arrives, .nobody = monitor_meets_nobody};

static void demonitor_arrives(struct esi_process *self, struct esi_message *signal)
{
    struct esi_bond *bond = esi_bond_take(self, ESI_BOND_MONITORED_BY, watch_in(signal)->bond.node.key.b);
    if (bond)
        esi_message_free(esi_message_of(bond));
    esi_message_free(signal);
}

static const struct esi_signal_kind demonitor_kind = {.name = "demonitor", .arrive = demonitor_arrives};

/* ------------------------------------------------------------ the watcher's bond */

/* `block` holds the watcher's bond, which is out of the map. */
static void demonitor_send(struct esi_message *block)
{
    block->kind = &demonitor_kind;
    esi_signal_send(watch_in(block)->target, block);
}

static void watcher_ended(struct esi_process *self, struct esi_bond *bond, es_term reason)
{
    (void)self;
    (void)reason;
    demonitor_send(esi_message_of(bond));
}

static const struct esi_bond_kind watcher_bond = {
    .name = "monitors", .order = ESI_BOND_MONITORS, .ended = watcher_ended};

bool esi_monitor_remove(struct esi_process *self, uint64_t ref_id)
{
    struct esi_bond *bond = esi_bond_take(self, ESI_BOND_MONITORS, ref_id);
    if (!bond)
        return false;
    demonitor_send(esi_message_of(bond));
    return true;
}

/* ------------------------------------------------------------ making one */

/* A monitor that is to be made. */
struct wanted {
    es_ref ref;
    uint64_t target;
    struct object object;
    es_atom tag;
    bool has_alias;
};

/* Its two blocks, all but the bonds: `*ours` for the watcher, `*theirs` for the watched. */
static inline es_err make_both(const struct wanted *wanted, struct esi_message **ours,
                               struct esi_message **theirs)
{
    *ours = esi_message_new_here(sizeof(struct watch));
    *theirs = esi_message_new_here(sizeof(struct monitor));
    if (*ours && *theirs) {
        watch_in(*ours)->target = wanted->target;
        watch_in(*ours)->has_alias = wanted->has_alias;
        monitor_in(*theirs)->ref = wanted->ref;
        monitor_in(*theirs)->object = wanted->object;
        monitor_in(*theirs)->tag = wanted->tag;
        return ES_OK;
    }
    if (*ours)
        esi_message_free(*ours);
    if (*theirs)
        esi_message_free(*theirs);
    return ES_ENOMEM;
}

/* Bond first, then the signal; where nobody is, the answer is the DOWN. */
static es_err monitor_make(struct esi_process *self, const struct wanted *wanted, es_alias_mode alias,
                           es_atom unreachable)
{
    struct esi_message *ours, *theirs;
    es_err error = make_both(wanted, &ours, &theirs);
    if (error != ES_OK)
        return error;
    if (alias != ES_ALIAS_NONE)
        error = esi_alias_make(self, wanted->ref.id, alias);
    if (error != ES_OK || wanted->target == self->id) { /* nobody hears of the own end */
        esi_message_free(ours);
        esi_message_free(theirs);
        return error;
    }
    esi_bond_insert(self, &watch_in(ours)->bond, &watcher_bond, wanted->ref.id);
    theirs->kind = &monitor_kind;
    if (wanted->target)
        esi_signal_send_direct(wanted->target, theirs);
    else
        down_send(theirs, es_from_atom(unreachable), NULL);
    return ES_OK;
}

static es_ref monitor_object(uint64_t target, struct object object, es_atom unreachable,
                             const es_monitor_options *options)
{
    static const es_monitor_options defaults;
    const es_monitor_options *o = options ? options : &defaults;
    struct esi_process *self = esi_enter();
    if (!self)
        return (es_ref){0};
    if (o->alias < ES_ALIAS_NONE || o->alias > ES_ALIAS_REPLY_DEMONITOR ||
        (!object.name.w && es_pid_is_none(object.pid)))
        esi_badarg(self, "monitor");
    struct wanted wanted = {.ref = esi_ref_new(self),
                            .target = target,
                            .object = object,
                            .tag = o->tag.w ? o->tag : es_am_DOWN,
                            .has_alias = o->alias != ES_ALIAS_NONE};
    if (monitor_make(self, &wanted, o->alias, unreachable) != ES_OK)
        esi_end_with(self, es_from_atom(es_am_system_limit));
    esi_charge(self, 1);
    esi_leave();
    return wanted.ref;
}

es_ref esi_monitor_pid(es_pid pid, const es_monitor_options *options)
{
    return monitor_object(pid.node ? 0 : pid.id, (struct object){.pid = pid}, es_am_noconnection, options);
}

es_err esi_monitor_try(es_pid pid, es_ref *out)
{
    struct esi_process *self = esi_enter();
    struct wanted wanted = {
        .ref = esi_ref_new(self), .target = pid.node ? 0 : pid.id, .object.pid = pid, .tag = es_am_DOWN};
    es_err error = monitor_make(self, &wanted, ES_ALIAS_NONE, es_am_noconnection);
    if (error == ES_OK)
        *out = wanted.ref;
    esi_charge(self, 1);
    esi_leave();
    return error;
}

es_ref esi_monitor_name(es_atom name, const es_monitor_options *options)
{
    return esi_monitor_at(ES_AT(name, es_am_nonode_nohost), options);
}

es_ref esi_monitor_at(es_name name, const es_monitor_options *options)
{
    struct object object = {.name = name.name, .node = name.node};
    if (!es_atom_equal(name.node, es_am_nonode_nohost))
        return monitor_object(0, object, es_am_noconnection, options);
    return monitor_object(es_whereis(name.name).id, object, es_am_noproc, options);
}

es_err esi_monitor_spawn(struct esi_process *self, struct esi_process *child, es_ref *out)
{
    struct wanted wanted = {.ref = esi_ref_new(self),
                            .target = child->id,
                            .object.pid = esi_process_pid(child),
                            .tag = es_am_DOWN};
    struct esi_message *ours, *theirs;
    if (make_both(&wanted, &ours, &theirs) != ES_OK) {
        esi_link_spawn_undo(self, child);
        return ES_ENOMEM;
    }
    esi_bond_insert(self, &watch_in(ours)->bond, &watcher_bond, wanted.ref.id);
    esi_bond_insert(child, &monitor_in(theirs)->bond, &watched_bond, wanted.ref.id);
    *out = wanted.ref;
    return ES_OK;
}

/* ------------------------------------------------------------ es_demonitor() */

/* {_, Ref, process, _, _}, whatever its tag. */
static bool is_down_of(es_term message, es_ref monitor)
{
    es_ref ref;
    return es_tuple_size(message) == 5 && es_get_ref(es_tuple_get(message, 1), &ref) &&
           es_ref_equal(ref, monitor);
}

/* Removes the first DOWN of `monitor` from the mailbox. */
static void flush_down(struct esi_process *self, es_ref monitor)
{
    struct esi_mailbox_cursor cursor;
    esi_mailbox_start(&self->mailbox, &cursor, monitor.id);
    for (struct esi_message *message; (message = esi_mailbox_next(&self->mailbox, &cursor, NULL, -1));) {
        esi_charge(self, 1);
        if (message->state == ESI_BLOCK_SHOWN || !is_down_of(message->term, monitor))
            continue;
        esi_mailbox_remove(&self->mailbox, message, cursor.slot - 1);
        self->mailbox.epoch++;
        esi_message_uncount(self, message);
        self->memory_bytes -= (int64_t)message->size_bytes;
        esi_message_free(message);
        return;
    }
}

bool es_demonitor(es_ref monitor, int flags)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return false;
    if (monitor.id == 0 || (flags & ~(ES_DEMONITOR_FLUSH | ES_DEMONITOR_INFO)))
        esi_badarg(self, "demonitor");
    bool is_own = monitor.node == 0 && monitor.pid == self->id;
    bool was_there = is_own && esi_monitor_remove(self, monitor.id);
    if (was_there)
        esi_alias_demonitored(self, monitor.id);
    else if (is_own && (flags & ES_DEMONITOR_FLUSH))
        flush_down(self, monitor);
    esi_charge(self, 1);
    esi_leave();
    return (flags & ES_DEMONITOR_INFO) ? was_there : true;
}
