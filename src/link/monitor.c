/* monitor.c - monitors: a bond in the watcher, one in the watched, both under the reference's id.
 *
 *   MONITOR    watch for me. The block becomes the bond of the watched: arriving needs no memory.
 *   DEMONITOR  do not any more. The watcher's own bond is the block: taking a monitor down needs no memory.
 *   DOWN       the watched ended, or was not there. Made of the watched one's bond, or of the MONITOR that met nobody.
 *
 * The watcher's bond decides: a DOWN that finds it becomes a message and takes it away; one that does not is dropped. So after
 * es_demonitor() has found the bond no message comes, and if it has not the message is in the mailbox already. A reason that needs memory travels as
 * the finished message; a reason of one word in the block that is there, so that telling of an end needs no memory.
 * Source: erlang:monitor/2, demonitor/2. */
#include <engset/link.h>

#include "link/alias.h"
#include "link/exit_signal.h"
#include "link/link.h"
#include "link/monitor.h"

/* What a DOWN says of the watched. */
struct object {
    es_pid pid;
    es_atom name, node; /* name.w not 0: {Name, Node} is said instead */
};

/* The payload of MONITOR and DEMONITOR, and both bonds. */
struct monitor {
    struct esi_bond bond;
    es_ref ref;      /* ref.pid is the watcher's id */
    uint64_t target; /* the watched one's id; 0: nobody */
    struct object object;
    es_atom tag;
};

/* The payload of DOWN. `reason` counts if the block has no term. */
struct down {
    es_ref ref;
    struct object object;
    es_atom tag;
    es_term reason;
};
_Static_assert(sizeof(struct monitor) >= sizeof(struct down), "a monitor's block can become a DOWN");

static const struct esi_signal_kind demonitor_kind;

static struct monitor *monitor_in(struct esi_message *block)
{
    return (struct monitor *)(void *)block->words;
}

static struct down *down_in(struct esi_message *block)
{
    return (struct down *)(void *)block->words;
}

static struct esi_message *monitor_new(struct monitor monitor)
{
    struct esi_message *block = esi_message_new(sizeof monitor);
    if (block)
        *monitor_in(block) = monitor;
    return block;
}

/* ------------------------------------------------------------ DOWN */

/* Builds {Tag, Ref, process, Object, Reason} behind a payload. */
static es_err down_build(const struct down *down, es_literal object, es_term reason, struct esi_message **out)
{
    es_term message = es_lend(ES_TUPLE(down->tag, down->ref, es_am_process, object, reason));
    es_err error = esi_message_copy_behind(sizeof *down, message, out);
    if (error == ES_OK)
        *down_in(*out) = *down;
    return error;
}

static es_err down_new(const struct down *down, es_term reason, struct esi_message **out)
{
    if (down->object.name.w)
        return down_build(down, ES_TUPLE(down->object.name, down->object.node), reason, out);
    return down_build(down, ES_T(down->object.pid), reason, out);
}

static void down_arrives(struct esi_process *self, struct esi_message *signal)
{
    struct down down = *down_in(signal);
    struct esi_bond *bond = esi_bond_find(self, ESI_BOND_MONITORS, down.ref.id);
    if (!bond) {
        esi_message_free(signal);
        return;
    }
    esi_bond_remove(self, bond);
    esi_message_free(esi_message_of(bond));
    esi_alias_demonitored(self, down.ref.id);
    if (es_is_none(signal->term)) {
        esi_message_free(signal);
        if (down_new(&down, down.reason, &signal) != ES_OK) {
            /* A DOWN that is not told would be worse than an end that is. */
            esi_process_doom(self, es_from_atom(es_am_system_limit));
            return;
        }
        signal->to = self->id;
    }
    signal->kind = NULL;
    esi_deliver(self, signal);
}

static const struct esi_signal_kind down_kind = {.name = "down", .arrive = down_arrives};

/* `block`, which holds a struct monitor, tells its watcher of the end. */
static void down_send(struct esi_message *block, es_term reason)
{
    struct monitor monitor = *monitor_in(block);
    struct down down = {.ref = monitor.ref, .object = monitor.object, .tag = monitor.tag, .reason = reason};
    struct esi_message *signal = block;
    if (!esi_is_one_word(reason)) {
        down.reason =
            es_from_atom(es_am_system_limit); /* without memory for its reason an end is told all the same */
        if (down_new(&down, reason, &signal) == ES_OK)
            esi_message_free(block);
        else
            signal = block;
    }
    if (signal == block)
        *down_in(block) = down;
    signal->kind = &down_kind;
    esi_signal_send(monitor.ref.pid, signal);
}

/* ------------------------------------------------------------ the watched one's bond */

static void watched_ended(struct esi_process *self, struct esi_bond *bond, es_term reason)
{
    (void)self;
    down_send(esi_message_of(bond), reason);
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
    down_send(signal, es_from_atom(es_am_noproc));
}

static const struct esi_signal_kind monitor_kind = {
    .name = "monitor", .arrive = monitor_arrives, .nobody = monitor_meets_nobody};

static void demonitor_arrives(struct esi_process *self, struct esi_message *signal)
{
    struct esi_bond *bond = esi_bond_find(self, ESI_BOND_MONITORED_BY, monitor_in(signal)->ref.id);
    if (bond) {
        esi_bond_remove(self, bond);
        esi_message_free(esi_message_of(bond));
    }
    esi_message_free(signal);
}

static const struct esi_signal_kind demonitor_kind = {.name = "demonitor", .arrive = demonitor_arrives};

/* ------------------------------------------------------------ the watcher's bond */

/* `block` holds the watcher's bond, which is out of the map. */
static void demonitor_send(struct esi_message *block)
{
    block->kind = &demonitor_kind;
    esi_signal_send(monitor_in(block)->target, block);
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
    struct esi_bond *bond = esi_bond_find(self, ESI_BOND_MONITORS, ref_id);
    if (!bond)
        return false;
    esi_bond_remove(self, bond);
    demonitor_send(esi_message_of(bond));
    return true;
}

/* ------------------------------------------------------------ making one */

/* Two blocks for one monitor: `*ours` for the watcher, `*theirs` for the watched. */
static es_err make_both(const struct monitor *monitor, struct esi_message **ours, struct esi_message **theirs)
{
    *ours = monitor_new(*monitor);
    *theirs = monitor_new(*monitor);
    if (*ours && *theirs)
        return ES_OK;
    if (*ours)
        esi_message_free(*ours);
    if (*theirs)
        esi_message_free(*theirs);
    return ES_ENOMEM;
}

/* Bond first, then the signal; where nobody is, the answer is the DOWN. */
static es_err monitor_make(struct esi_process *self, const struct monitor *monitor, es_alias_mode alias,
                           es_atom unreachable)
{
    struct esi_message *ours, *theirs;
    es_err error = make_both(monitor, &ours, &theirs);
    if (error != ES_OK)
        return error;
    if (alias != ES_ALIAS_NONE)
        error = esi_alias_make(self, monitor->ref.id, alias);
    if (error != ES_OK) {
        esi_message_free(ours);
        esi_message_free(theirs);
        return error;
    }
    if (monitor->target == self->id) { /* nobody hears of the own end */
        esi_message_free(ours);
        esi_message_free(theirs);
        return ES_OK;
    }
    esi_bond_insert(self, &monitor_in(ours)->bond, &watcher_bond, monitor->ref.id);
    theirs->kind = &monitor_kind;
    if (monitor->target)
        esi_signal_send(monitor->target, theirs);
    else
        down_send(theirs, es_from_atom(unreachable));
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
    struct monitor monitor = {
        .ref = esi_ref_new(self), .target = target, .object = object, .tag = o->tag.w ? o->tag : es_am_DOWN};
    if (monitor_make(self, &monitor, o->alias, unreachable) != ES_OK)
        esi_end_with(self, es_from_atom(es_am_system_limit));
    esi_charge(self, 1);
    esi_leave();
    return monitor.ref;
}

es_ref esi_monitor_pid(es_pid pid, const es_monitor_options *options)
{
    return monitor_object(pid.node ? 0 : pid.id, (struct object){.pid = pid}, es_am_noconnection, options);
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
    struct monitor monitor = {.ref = esi_ref_new(self),
                              .target = child->id,
                              .object.pid = esi_process_pid(child),
                              .tag = es_am_DOWN};
    struct esi_message *ours, *theirs;
    if (make_both(&monitor, &ours, &theirs) != ES_OK) {
        esi_link_spawn_undo(self, child);
        return ES_ENOMEM;
    }
    esi_bond_insert(self, &monitor_in(ours)->bond, &watcher_bond, monitor.ref.id);
    esi_bond_insert(child, &monitor_in(theirs)->bond, &watched_bond, monitor.ref.id);
    *out = monitor.ref;
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
