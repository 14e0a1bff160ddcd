/* info.c - looking at processes and at the node, without anybody's help. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "platform/clock.h"
#include "proc/label.h"
#include "proc/node.h"
#include "proc/outside.h"
#include "proc/process.h"
#include "proc/schedule/worker.h"

/* Fields that the owner writes plainly are read as they are: whole words, figures to be shown, no pointers that are followed. */
#if defined(__clang__)
#define AS_THEY_ARE __attribute__((noinline, no_sanitize("thread")))
#else
#define AS_THEY_ARE __attribute__((noinline, no_sanitize_thread))
#endif

static bool is_open(struct esi_process *p, uint64_t id)
{
    /* acquire: pairs with esi_inbox_open(): what was filled in before is seen. The id is then the owner's or a later one's. */
    return atomic_load_explicit(&p->inbox, memory_order_acquire) != ESI_INBOX_CLOSED && esi_process_is(p, id);
}

static AS_THEY_ARE void read_plain(const struct esi_process *p, es_info *out)
{
    const volatile struct esi_process *v = p;
    out->parent = (es_pid){.id = v->parent};
    out->group_leader = (es_pid){.id = v->group_leader};
    out->function = (const void *)v->function;
    out->priority = (es_priority)v->priority;
    out->has_stack = v->fiber.stack != NULL;
    out->pinned = v->pin_count != 0;
    out->memory_bytes = v->memory_bytes;
    out->messages = v->mailbox.count;
}

#define SHOWN(field) atomic_load_explicit(&p->field, memory_order_relaxed)

/* What `since` stands for: the last time that the coarse clock had these 32 bits. */
static int64_t since_ns(uint32_t since)
{
    uint64_t now = atomic_load_explicit(&esi_node.coarse_ns, memory_order_relaxed);
    return (int64_t)(((now >> 20) - (uint32_t)((uint32_t)(now >> 20) - since)) << 20);
}

static void read_published(struct esi_process *p, es_info *out)
{
    bool is_hibernated = SHOWN(is_hibernated) == ESI_HIBERNATED;
    out->name = (es_atom){SHOWN(name)};
    out->state = (es_state)SHOWN(state);
    if (is_hibernated && out->state == ES_STATE_WAITING)
        out->state = ES_STATE_HIBERNATED;
    out->traps_exit = (SHOWN(flags) & ESI_FLAG_TRAPS) != 0;
    out->messages_dropped = SHOWN(dropped);
    out->reductions = SHOWN(reductions);
    out->links = SHOWN(links);
    out->monitors = SHOWN(monitors);
    out->monitored_by = SHOWN(monitored_by);
    out->since_ns = since_ns(SHOWN(since));
}

/* The slot may go to somebody else while it is read: then the id behind it differs, and the process is gone. */
static bool process_info(es_pid pid, es_info *out)
{
    struct esi_process *p = pid.node || !pid.id ? NULL : esi_process_slot(pid.id);
    es_info info = {.pid = pid};
    if (!p || !is_open(p, pid.id))
        return false;
    read_published(p, &info);
    read_plain(p, &info);
    esi_label_get(pid.id, info.label);
    /* The loads above before the one below: it says whose they were. */
    atomic_thread_fence(memory_order_acquire);
    if (!is_open(p, pid.id))
        return false;
    *out = info;
    return true;
}

static int64_t processes(es_pid *pids, int64_t max)
{
    int64_t count = 0;
    uint64_t index = 0;
    for (struct esi_process *p; (p = esi_table_next(&index));) {
        es_pid pid = esi_process_pid(p);
        if (!pid.id || !is_open(p, pid.id))
            continue;
        if (count < max)
            pids[count] = pid;
        count++;
    }
    return count;
}

/* The table stays for ever once it is there; but the first node may be starting just now. */
static bool comes_in(bool *is_outside)
{
    *is_outside = !esi_worker_here();
    return !*is_outside || esi_outside_enter();
}

bool es_process_info(es_pid pid, es_info *out)
{
    bool is_outside, found = false;
    if (!comes_in(&is_outside))
        return false;
    found = process_info(pid, out);
    if (is_outside)
        esi_outside_leave();
    return found;
}

int64_t es_processes(es_pid *pids, int64_t max)
{
    bool is_outside;
    if (!comes_in(&is_outside))
        return 0;
    int64_t count = processes(pids, max);
    if (is_outside)
        esi_outside_leave();
    return count;
}

/* What stands in the schedulers. */
static void read_schedulers(es_node_info *out)
{
    out->schedulers = esi_node.scheduler_count;
    out->processes = esi_table_count();
    out->process_limit = esi_table_limit();
    out->spawned = esi_node_spawned();
}

void es_node_info_get(es_node_info *out)
{
    /* relaxed, all of them: figures to be shown. */
    *out = (es_node_info){
        .threads = atomic_load_explicit(&esi_node.worker_count, memory_order_relaxed),
        .spare_threads = atomic_load_explicit(&esi_node.spare_count, memory_order_relaxed),
        .stranded = atomic_load_explicit(&esi_node.stranded_count, memory_order_relaxed),
        .crashes = atomic_load_explicit(&esi_node.crashes, memory_order_relaxed),
        .crashes_contained = atomic_load_explicit(&esi_node.contained, memory_order_relaxed),
        .handovers = atomic_load_explicit(&esi_node.handovers, memory_order_relaxed),
        .forced_kills = atomic_load_explicit(&esi_node.forced_kills, memory_order_relaxed),
    };
    if (esi_worker_here()) {
        read_schedulers(out);
    } else if (esi_outside_enter()) {
        read_schedulers(out);
        esi_outside_leave();
    }
}

void es_label(const char *format, ...)
{
    char text[ESI_LABEL_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format,
              arguments); /* the caller's format: before the runtime, as what it names may be nowhere */
    va_end(arguments);
    struct esi_process *self = esi_enter();
    if (!self)
        return;
    esi_label_set(self->id, text);
    esi_leave();
}
