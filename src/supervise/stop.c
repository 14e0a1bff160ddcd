/* stop.c - stopping: asked, waited for as long as the spec says, killed. Source: OTP supervisor, shutdown/1. */
#include "supervise/supervisor.h"

#include <engset/link.h>
#include <engset/receive.h>
#include <string.h>
#include "behaviour/surely.h"
#include "link/monitor.h"
#include "proc/memory.h"
#include "proc/node.h"
#include "supervise/spec.h"

/* Waits for the end; false: the time is over. */
static bool wait_for_down(es_ref monitor, int64_t timeout_ms, es_term *reason)
{
    es_term why;
    bool is_down = false;
    es_receive {
        es_case(ES_TUPLE(es_am_DOWN, monitor, ES_ANY, ES_ANY, &why)) {
            *reason = esi_keep_reason(why);
            is_down = true;
        }
        es_after(timeout_ms) {
        }
    }
    return is_down;
}

/* Its EXIT may be here already; then it ended by itself, or at once, for that reason. */
static bool has_ended(es_pid pid, es_term *reason)
{
    es_term why;
    bool is_here = false;
    es_receive {
        es_case(ES_TUPLE(es_am_EXIT, pid, &why)) {
            *reason = esi_keep_reason(why);
            is_here = true;
        }
        es_after(0) {
        }
    }
    return is_here;
}

/* Is that how a child ends that was asked to? */
static bool is_as_asked(const es_child_spec *spec, es_term reason)
{
    if (spec->shutdown_ms == ES_BRUTAL_KILL)
        return es_is(reason, es_am_killed);
    return es_is(reason, es_am_shutdown) || es_match(reason, ES_TUPLE(es_am_shutdown, ES_ANY)) ||
           (es_is(reason, es_am_normal) && spec->restart != ES_PERMANENT);
}

/* It is asked to end and watched, and no link tells of that any more: who is watched cannot take that back, a link it can. Only when it has been asked is
 * the link taken away: else who kills the supervisor in between would leave a child, and its name, behind for ever. */
static es_ref ask_to_end(es_pid pid, es_atom how)
{
    es_ref monitor;
    ESI_SURELY(esi_monitor_try(pid, &monitor));
    ESI_SURELY(es_send_exit(pid, how));
    ESI_SURELY(es_unlink(pid));
    return monitor;
}

void esi_sup_stop(struct esi_supervisor *s, struct esi_child *child)
{
    esi_child_forget_timer(child);
    if (child->state != ESI_CHILD_UP) {
        esi_child_go(&s->family, child, ESI_CHILD_DOWN, ES_NO_PID);
        return;
    }
    es_pid pid = child->pid;
    es_term reason = es_none(), ignored = es_none();
    int64_t time_ms = esi_shutdown_ms_of(child->spec);
    bool is_brutal = time_ms == ES_BRUTAL_KILL;
    es_ref monitor = ask_to_end(pid, is_brutal ? es_am_kill : es_am_shutdown);
    if (has_ended(pid, &reason)) {
        wait_for_down(monitor, ES_INFINITY, &ignored);
        es_drop(ignored);
    } else if (!wait_for_down(monitor, is_brutal ? ES_INFINITY : time_ms, &reason)) {
        ESI_SURELY(es_send_exit(pid, es_am_kill));
        wait_for_down(monitor, ES_INFINITY, &reason);
    }
    if (!esi_node_is_over() && !is_as_asked(child->spec, reason) && esi_sup_tells()) {
        struct esi_ended ended = {.pid = pid, .reason = reason};
        esi_sup_decided(s, child, &ended, "it did not end as it was asked to");
    }
    es_drop(reason);
    esi_child_go(&s->family, child, ESI_CHILD_DOWN, ES_NO_PID);
}

/* Stopped, and what is never started again is forgotten. */
static void stop_and_settle(struct esi_supervisor *s, struct esi_child *child)
{
    esi_sup_stop(s, child);
    if (child->spec->restart == ES_TEMPORARY)
        esi_family_remove(&s->family, child);
}

void esi_sup_stop_range(struct esi_supervisor *s, struct esi_range range)
{
    struct esi_list *all = &s->family.order;
    for (struct esi_list *node = all->prev, *before; node != all; node = before) {
        struct esi_child *child = ESI_CHILD_OF(node);
        before = node->prev;
        if (range.first <= child->number && child->number <= range.last)
            stop_and_settle(s, child);
    }
}

/* ---- all at once, for children that are many: one time for all ---- */

static int64_t ask_all(struct esi_supervisor *s, es_atom how)
{
    int64_t count = 0;
    ESI_LIST_EACH(node, &s->family.order)
    {
        struct esi_child *child = ESI_CHILD_OF(node);
        esi_child_forget_timer(child);
        if (child->state != ESI_CHILD_UP)
            continue;
        ask_to_end(child->pid, how);
        count++;
    }
    return count;
}

/* Who of the `count` is not down when the time is over is killed. */
static void await_all(struct esi_supervisor *s, int64_t count, int64_t time_ms)
{
    int64_t begun_ns = es_now_ns();
    bool is_bounded = time_ms != ES_INFINITY;
    es_pid pid;
    while (count > 0) {
        int64_t left_ms = is_bounded ? time_ms - (es_now_ns() - begun_ns) / 1000000 : ES_INFINITY;
        es_receive {
            es_case(ES_TUPLE(es_am_DOWN, ES_ANY, es_am_process, &pid, ES_ANY)) {
                struct esi_child *child = esi_family_by_pid(&s->family, pid);
                if (child)
                    esi_child_go(&s->family, child, ESI_CHILD_DOWN, ES_NO_PID);
                count -= child != NULL;
            }
            es_after(is_bounded &&left_ms < 0 ? 0 : left_ms) {
                is_bounded = false;
                ESI_LIST_EACH(node, &s->family.order)
                {
                    if (ESI_CHILD_OF(node)->state == ESI_CHILD_UP)
                        ESI_SURELY(es_send_exit(ESI_CHILD_OF(node)->pid, es_am_kill));
                }
            }
        }
    }
}

static void stop_crowd(struct esi_supervisor *s)
{
    const es_child_spec *spec = s->spec.children;
    int64_t time_ms = esi_shutdown_ms_of(spec);
    bool is_brutal = time_ms == ES_BRUTAL_KILL;
    int64_t count = ask_all(s, is_brutal ? es_am_kill : es_am_shutdown);
    await_all(s, count, is_brutal ? ES_INFINITY : time_ms);
}

void esi_sup_stop_all(struct esi_supervisor *s)
{
    if (esi_sup_is_simple(s))
        stop_crowd(s);
    else
        esi_sup_stop_range(s, (struct esi_range){INT64_MIN, INT64_MAX});
}
