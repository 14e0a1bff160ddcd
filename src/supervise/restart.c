/* restart.c - see restart.h. */
#include "supervise/restart.h"

#include <engset/match.h>

struct esi_verdict esi_judge(es_restart restart, enum esi_ending ending)
{
    bool is_bad = ending != ESI_ENDED_NORMAL;
    switch (restart) {
    case ES_PERMANENT:
        return (struct esi_verdict){.deed = ESI_RESTART, .is_error = true};
    case ES_TRANSIENT:
        if (is_bad)
            return (struct esi_verdict){.deed = ESI_RESTART, .is_error = true};
        return (struct esi_verdict){.deed = ESI_KEEP, .may_end = true};
    default:
        return (struct esi_verdict){
            .deed = ESI_FORGET, .is_error = ending == ESI_ENDED_BADLY, .may_end = true};
    }
}

enum esi_ending esi_ending_of(es_term reason, bool escalates)
{
    bool is_shutdown = es_is(reason, es_am_shutdown) || es_match(reason, ES_TUPLE(es_am_shutdown, ES_ANY));
    if (is_shutdown)
        return escalates ? ESI_ENDED_SHUTDOWN : ESI_ENDED_NORMAL;
    return es_is(reason, es_am_normal) ? ESI_ENDED_NORMAL : ESI_ENDED_BADLY;
}

bool esi_shuts_down(es_auto_shutdown mode, bool is_significant, int64_t significant_left)
{
    return is_significant &&
           (mode == ES_SHUTDOWN_ON_ANY || (mode == ES_SHUTDOWN_ON_ALL && significant_left == 0));
}

struct esi_range esi_taken_along(es_strategy strategy, int64_t number)
{
    bool all = strategy == ES_ONE_FOR_ALL, rest = strategy == ES_REST_FOR_ONE;
    return (struct esi_range){.first = all ? INT64_MIN : number, .last = all || rest ? INT64_MAX : number};
}

static int64_t place(const struct esi_intensity *i, int64_t number)
{
    int64_t at = i->first + number;
    return at >= i->room ? at - i->room : at;
}

bool esi_intensity_admits(struct esi_intensity *i, int64_t now_ns)
{
    while (i->count > 0 && now_ns - i->times_ns[i->first] > i->period_ns) {
        i->first = place(i, 1);
        i->count--;
    }
    return i->count < i->limit;
}

bool esi_intensity_is_full(const struct esi_intensity *i)
{
    return i->count == i->room;
}

void esi_intensity_move(struct esi_intensity *i, int64_t *times_ns, int64_t room)
{
    for (int64_t n = 0; n < i->count; n++)
        times_ns[n] = i->times_ns[place(i, n)];
    i->times_ns = times_ns;
    i->room = room;
    i->first = 0;
}

void esi_intensity_note(struct esi_intensity *i, int64_t now_ns)
{
    i->times_ns[place(i, i->count)] = now_ns;
    i->count++;
}

int64_t esi_backoff_ms(const es_backoff *b, int64_t tries, double chance)
{
    if (b->first_ms <= 0)
        return 0;
    int64_t longest = b->max_ms > b->first_ms ? b->max_ms : b->first_ms, time = b->first_ms;
    for (int64_t i = 1; i < tries && time < longest; i++)
        time = time > longest / 2 ? longest : time * 2;
    return time - (int64_t)((double)time * b->jitter * chance);
}
