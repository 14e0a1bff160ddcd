/* again.c - a child ended: what restart.c decides is done. What is to be tried again is a cast to oneself, so that others get their turn. */
#include "supervise/supervisor.h"

#include <engset/link.h>
#include <engset/receive.h>
#include <string.h>
#include "behaviour/surely.h"
#include "proc/node.h"

ES_ATOMS(try_again_restart);

enum { NS_PER_MS = 1000000 };

static void try_again(struct esi_child *child)
{
    ESI_SURELY(es_cast(es_self(), ES_TUPLE(try_again_restart, (int64_t)esi_child_ticket(child))));
}

/* Waits before the next try, if its spec says so: how long, in milliseconds. -1: it does not. */
static int64_t backs_off(struct esi_child *child)
{
    const es_backoff *backoff = &child->spec->backoff;
    if (backoff->first_ms <= 0)
        return -1;
    if (backoff->reset_ms > 0 && child->since_ns &&
        (es_now_ns() - child->since_ns) / NS_PER_MS >= backoff->reset_ms)
        child->tries = 0;
    child->since_ns = 0; /* it counts once: tries that fail are no run */
    if (child->tries < INT32_MAX)
        child->tries++;
    double chance = (double)(es_random() >> 11) / 9007199254740992.0;
    int64_t wait_ms = esi_backoff_ms(backoff, child->tries, chance);
    int64_t ticket = (int64_t)esi_child_ticket(child);
    esi_child_note_timer(child, es_send_after(wait_ms, es_self(),
                                              ES_TUPLE(es_am_gen_cast, ES_TUPLE(try_again_restart, ticket))));
    return wait_ms;
}

static void could_not(struct esi_gen *gen, struct esi_supervisor *s, struct esi_child *child, es_term why)
{
    (void)gen;
    esi_sup_say(s, child, "could not be started again", why);
    es_drop(why);
    esi_child_go(&s->family, child, ESI_CHILD_RESTARTING, ES_NO_PID);
    if (backs_off(child) < 0)
        try_again(child);
}

/* It is down; false: it could not be started. Who does not want to run is kept if it can be named. */
static bool is_started_again(struct esi_gen *gen, struct esi_supervisor *s, struct esi_child *child)
{
    es_term why = es_none();
    es_err error = esi_sup_start(s, child, could_not, &why);
    if (error == ES_EIGNORE && (child->spec->restart == ES_TEMPORARY || esi_sup_is_simple(s)))
        esi_family_remove(&s->family, child);
    if (error == ES_OK || error == ES_EIGNORE) {
        es_drop(why); /* what it gave beside its pid: nobody asked */
        return true;
    }
    could_not(gen, s, child, why);
    return false;
}

static ES_NORETURN void give_up(struct esi_gen *gen)
{
    esi_gen_stop(gen, es_from_atom(es_am_shutdown));
}

/* `child` and whom the strategy takes along are stopped and started again; after one that could not, those behind it wait for the next try. False: that is so. */
static bool restart_by_strategy(struct esi_gen *gen, struct esi_supervisor *s, struct esi_child *child)
{
    struct esi_range range = esi_taken_along(s->spec.strategy, child->number);
    if (range.first == range.last)
        return is_started_again(gen, s, child);
    esi_sup_stop_range(s, range);
    ESI_LIST_EACH_SAFE(node, &s->family.order)
    {
        if (ESI_CHILD_OF(node)->number >= range.first && !is_started_again(gen, s, ESI_CHILD_OF(node)))
            return false;
    }
    return true;
}

enum { FIRST_ROOM = 8 };

static void note_restart(struct esi_supervisor *s, int64_t now_ns)
{
    if (esi_intensity_is_full(&s->intensity)) {
        int64_t *before = s->intensity.times_ns,
                room = s->intensity.room ? 2 * s->intensity.room : FIRST_ROOM;
        esi_intensity_move(&s->intensity, es_alloc((size_t)room * sizeof(int64_t)), room);
        es_free(before);
    }
    esi_intensity_note(&s->intensity, now_ns);
}

static ES_NORETURN void too_often(struct esi_gen *gen, struct esi_supervisor *s, struct esi_child *child,
                                  const struct esi_ended *ended)
{
    if (ended)
        esi_sup_decided(s, child, ended,
                        "given up: it would be more than %lld restarts within %lld s; the supervisor ends",
                        (long long)s->intensity.limit, (long long)(s->intensity.period_ns / 1000000000));
    else
        esi_sup_say(s, child, "has been restarted too often; the supervisor gives up",
                    es_from_atom(es_am_reached_max_restart_intensity));
    esi_child_go(&s->family, child, ESI_CHILD_DOWN, ES_NO_PID);
    give_up(gen);
}

void esi_sup_restart(struct esi_gen *gen, struct esi_supervisor *s, struct esi_child *child,
                     struct esi_ended *ended)
{
    esi_child_forget_timer(child);
    int64_t now_ns = es_now_ns();
    if (!esi_intensity_admits(&s->intensity, now_ns))
        too_often(gen, s, child, ended);
    note_restart(s, now_ns);
    if (ended)
        esi_sup_restarts(s, child, ended);
    bool is_up = restart_by_strategy(gen, s, child);
    if (ended)
        esi_sup_restarted(s, ended, is_up);
}

/* Nobody is counted where it does not matter: each end would cost as much as there are children. */
static int64_t significant_left(const struct esi_supervisor *s)
{
    int64_t count = 0;
    if (s->spec.auto_shutdown != ES_SHUTDOWN_ON_ALL)
        return count;
    ESI_LIST_EACH(node, &s->family.order)
    {
        struct esi_child *child = ESI_CHILD_OF(node);
        count += child->spec->significant && child->state != ESI_CHILD_DOWN;
    }
    return count;
}

void esi_sup_child_ended(struct esi_gen *gen, struct esi_supervisor *s, struct esi_child *child,
                         es_term reason)
{
    esi_child_forget_timer(child);
    if (esi_node_is_over()) { /* all of them end now */
        esi_child_go(&s->family, child, ESI_CHILD_DOWN, ES_NO_PID);
        return;
    }
    struct esi_verdict verdict =
        esi_judge(child->spec->restart, esi_ending_of(reason, child->spec->escalate));
    bool is_significant = child->spec->significant;
    struct esi_ended told, *ended = NULL;
    if (verdict.is_error && esi_sup_tells()) {
        told = (struct esi_ended){.pid = child->pid, .reason = reason, .at_ns = es_now_ns()};
        ended = &told;
    }
    if (verdict.deed == ESI_RESTART) {
        esi_child_go(&s->family, child, ESI_CHILD_DOWN, ES_NO_PID);
        int64_t wait_ms = backs_off(child);
        if (wait_ms < 0) {
            esi_sup_restart(gen, s, child, ended);
            return;
        }
        esi_child_go(&s->family, child, ESI_CHILD_RESTARTING, ES_NO_PID);
        if (ended)
            esi_sup_decided(s, child, ended, "is restarted in %lld ms (try %lld in a row)",
                            (long long)wait_ms, (long long)child->tries);
        return;
    }
    if (ended)
        esi_sup_decided(s, child, ended, "is not restarted, as it is %s",
                        child->spec->restart == ES_TEMPORARY ? "temporary" : "transient");
    if (verdict.deed == ESI_FORGET || esi_sup_is_simple(s))
        esi_family_remove(&s->family, child);
    else
        esi_child_go(&s->family, child, ESI_CHILD_DOWN, ES_NO_PID);
    if (verdict.may_end && is_significant &&
        esi_shuts_down(s->spec.auto_shutdown, is_significant, significant_left(s)))
        give_up(gen);
}
