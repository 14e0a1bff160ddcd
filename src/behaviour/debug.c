/* debug.c - see debug.h. Events are {in, Message} and {out, Reply, To}, as sys:log() of a real node shows them. Source: OTP sys. */
#include "behaviour/debug.h"

#include <engset/receive.h>
#include <engset/sys.h>
#include <time.h>
#include "behaviour/say.h"
#include "platform/clock.h"

ES_ATOMS(in, out, print, statistics, no_debug, no_statistics, unknown_debug, start_time, current_time,
         messages_in, messages_out);

enum { LOG_DEFAULT = 10, LOG_MOST = 1000000 };

struct esi_debug {
    bool is_traced, is_counted;
    int64_t log_size;        /* 0: none */
    int64_t log_count, next; /* next: where in the ring the next event goes */
    es_term *events;         /* the ring; each its own */
    uint64_t start_wall_ns;
    int64_t start_reductions, messages_in, messages_out;
};

static struct esi_debug *debug_of(struct esi_gen *gen)
{
    return gen->more ? gen->more->debug : NULL;
}

static struct esi_debug *need_debug(struct esi_gen *gen)
{
    struct esi_gen_more *more = esi_gen_more(gen);
    if (!more->debug)
        more->debug = es_alloc(sizeof *more->debug);
    return more->debug;
}

/* ------------------------------------------------------------ the log */

/* The event `age` before the newest. */
static es_term *event_at(struct esi_debug *debug, int64_t age)
{
    return &debug->events[(debug->next + debug->log_size - 1 - age) % debug->log_size];
}

static void log_event(struct esi_debug *debug, es_term event)
{
    es_term copy = es_keep(event);
    if (debug->log_count == debug->log_size)
        es_drop(debug->events[debug->next]);
    else
        debug->log_count++;
    debug->events[debug->next] = copy;
    debug->next = (debug->next + 1) % debug->log_size;
}

/* The newest `size` events stay. */
static void resize_log(struct esi_debug *debug, int64_t size)
{
    struct esi_debug old = *debug;
    es_term *events = size ? es_alloc((size_t)size * sizeof *events) : NULL;
    debug->log_size = size;
    debug->log_count = debug->next = 0;
    debug->events = events;
    for (int64_t age = old.log_count - 1; age >= 0; age--) {
        if (age < size) {
            debug->events[debug->next] = *event_at(&old, age);
            debug->next = (debug->next + 1) % size;
            debug->log_count++;
        } else {
            es_drop(*event_at(&old, age));
        }
    }
    es_free(old.events);
}

/* Oldest first; the caller's own. */
static es_term list_events(struct esi_debug *debug)
{
    es_term list = es_nil();
    for (int64_t age = 0; debug && age < debug->log_count; age++) {
        es_term rest = list;
        list = es_keep(ES_CONS(*event_at(debug, age), rest));
        es_drop(rest);
    }
    return list;
}

/* ------------------------------------------------------------ on and off */

static void turn_off(struct esi_gen *gen)
{
    struct esi_debug *debug = debug_of(gen);
    if (!debug)
        return;
    resize_log(debug, 0);
    gen->more->debug = NULL;
    es_free(debug);
    esi_gen_less(gen);
}

static void turn_off_unused(struct esi_gen *gen)
{
    struct esi_debug *debug = debug_of(gen);
    if (debug && !debug->is_traced && !debug->is_counted && !debug->log_size)
        turn_off(gen);
}

static int64_t reductions_now(void)
{
    es_info info;
    return es_process_info(es_self(), &info) ? info.reductions : 0;
}

static void count(struct esi_gen *gen, bool on)
{
    struct esi_debug *debug = need_debug(gen);
    if (on && !debug->is_counted) {
        debug->start_wall_ns = esi_clock_wall_ns();
        debug->start_reductions = reductions_now();
        debug->messages_in = debug->messages_out = 0;
    }
    debug->is_counted = on;
}

/* ------------------------------------------------------------ events */

/* The caller in a `from`. */
static es_term pid_of(es_from from)
{
    return es_is_tuple(from) ? es_tuple_get(from, 0) : from;
}

static void trace_in(struct esi_gen *gen, es_term message)
{
    char what[200], who[64];
    es_term from, request;
    if (es_match(message, ES_TUPLE(es_am_gen_call, &from, &request))) {
        es_print(what, sizeof what, request);
        es_print(who, sizeof who, pid_of(from));
        ESI_SAY(ESI_LOG_NOTICE, "*DBG* %s got call %s from %s", gen->behaviour->name, what, who);
        return;
    }
    bool is_cast = es_match(message, ES_TUPLE(es_am_gen_cast, &request));
    es_print(what, sizeof what, is_cast ? request : message);
    ESI_SAY(ESI_LOG_NOTICE, "*DBG* %s got %s%s", gen->behaviour->name, is_cast ? "cast " : "", what);
}

void esi_debug_in(struct esi_gen *gen, es_term message)
{
    struct esi_debug *debug = gen->more->debug;
    debug->messages_in++;
    if (debug->is_traced)
        trace_in(gen, message);
    if (debug->log_size)
        log_event(debug, es_lend(ES_TUPLE(in, message)));
}

static void trace_out(struct esi_gen *gen, es_term reply, es_from to)
{
    char what[200], who[64];
    es_print(what, sizeof what, reply);
    es_print(who, sizeof who, pid_of(to));
    ESI_SAY(ESI_LOG_NOTICE, "*DBG* %s sent %s to %s", gen->behaviour->name, what, who);
}

void esi_debug_out(struct esi_gen *gen, es_term reply, es_from to)
{
    struct esi_debug *debug = gen->more->debug;
    debug->messages_out++;
    if (debug->is_traced)
        trace_out(gen, reply, to);
    if (debug->log_size)
        log_event(debug, es_lend(ES_TUPLE(out, reply, to)));
}

/* ------------------------------------------------------------ what is asked */

struct date {
    int year, month, day, hour, minute, second;
};

static struct date date_of(uint64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / 1000000000u);
    struct tm tm = {0};
    localtime_r(&seconds, &tm);
    return (struct date){tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec};
}

#define DATE(d) ES_TUPLE(ES_TUPLE((d).year, (d).month, (d).day), ES_TUPLE((d).hour, (d).minute, (d).second))

static void reply_statistics(struct esi_debug *debug, es_from from)
{
    if (!debug || !debug->is_counted) {
        es_reply_to(from, ES_TUPLE(es_am_ok, no_statistics));
        return;
    }
    struct date start = date_of(debug->start_wall_ns), now = date_of(esi_clock_wall_ns());
    es_reply_to(from, ES_TUPLE(es_am_ok,
                               ES_LIST(ES_TUPLE(start_time, DATE(start)), ES_TUPLE(current_time, DATE(now)),
                                       ES_TUPLE(es_am_reductions, reductions_now() - debug->start_reductions),
                                       ES_TUPLE(messages_in, debug->messages_in),
                                       ES_TUPLE(messages_out, debug->messages_out))));
}

static void print_log(struct esi_gen *gen)
{
    struct esi_debug *debug = debug_of(gen);
    char text[200];
    for (int64_t age = debug ? debug->log_count - 1 : -1; age >= 0; age--) {
        es_print(text, sizeof text, *event_at(debug, age));
        ESI_SAY(ESI_LOG_NOTICE, "*DBG* %s: %s", gen->behaviour->name, text);
    }
}

static void reply_log(struct esi_gen *gen, es_from from)
{
    es_term list = list_events(debug_of(gen));
    es_reply_to(from, ES_TUPLE(es_am_ok, list));
    es_drop(list);
}

static es_atom set_log(struct esi_gen *gen, int64_t size)
{
    if (size < 0 || size > LOG_MOST)
        return unknown_debug;
    if (size || debug_of(gen))
        resize_log(need_debug(gen), size);
    return es_am_ok;
}

/* What of {debug, What} turns something on or off. */
static es_atom set(struct esi_gen *gen, es_term what)
{
    int64_t size;
    bool on;
    if (es_match(what, ES_TUPLE(es_am_trace, &on)))
        need_debug(gen)->is_traced = on;
    else if (es_match(what, ES_TUPLE(statistics, &on)))
        count(gen, on);
    else if (es_match(what, ES_TUPLE(es_am_log, &on)))
        return on && debug_of(gen) && debug_of(gen)->log_size ? es_am_ok : set_log(gen, on ? LOG_DEFAULT : 0);
    else if (es_match(what, ES_TUPLE(es_am_log, ES_TUPLE(es_am_true, &size))) && size > 0)
        return set_log(gen, size);
    else if (es_match(what, ES_TUPLE(es_am_log, print)))
        print_log(gen);
    else if (es_is(what, no_debug))
        turn_off(gen);
    else
        return unknown_debug;
    return es_am_ok;
}

void esi_debug_ask(struct esi_gen *gen, es_from from, es_term what)
{
    if (es_match(what, ES_TUPLE(es_am_log, es_am_get))) {
        reply_log(gen, from);
    } else if (es_match(what, ES_TUPLE(statistics, es_am_get))) {
        reply_statistics(debug_of(gen), from);
    } else {
        es_atom done = set(gen, what);
        turn_off_unused(gen);
        es_reply_to(from, done);
    }
}

/* ------------------------------------------------------------ who asks */

/* {ok, What} of a request that gets something. */
static es_err get(es_term to, es_term request, es_term *result)
{
    es_term got = es_none(), value;
    es_err error = esi_sys_ask(to, request, &got);
    if (error == ES_OK && es_match(got, ES_TUPLE(es_am_ok, &value)))
        *result = es_keep(value);
    else if (error == ES_OK)
        error = es_fail(ES_EINVAL, "sys: the process refused");
    es_drop(got);
    return error;
}

/* ok of a request that sets something. */
static es_err change(es_term to, es_term request)
{
    es_term got = es_none();
    es_err error = esi_sys_ask(to, request, &got);
    if (error == ES_OK && !es_is(got, es_am_ok))
        error = es_fail(ES_EINVAL, "sys: the process refused");
    es_drop(got);
    return error;
}

es_err esi_sys_trace(es_term to, bool on)
{
    return change(to, es_lend(ES_TUPLE(es_am_debug, ES_TUPLE(es_am_trace, on))));
}

es_err esi_sys_log(es_term to, int64_t size)
{
    if (size > 0)
        return change(to, es_lend(ES_TUPLE(es_am_debug, ES_TUPLE(es_am_log, ES_TUPLE(es_am_true, size)))));
    return change(to, es_lend(ES_TUPLE(es_am_debug, ES_TUPLE(es_am_log, es_am_false))));
}

es_err esi_sys_get_log(es_term to, es_term *result)
{
    return get(to, es_lend(ES_TUPLE(es_am_debug, ES_TUPLE(es_am_log, es_am_get))), result);
}

es_err esi_sys_statistics(es_term to, bool on)
{
    return change(to, es_lend(ES_TUPLE(es_am_debug, ES_TUPLE(statistics, on))));
}

es_err esi_sys_get_statistics(es_term to, es_term *result)
{
    return get(to, es_lend(ES_TUPLE(es_am_debug, ES_TUPLE(statistics, es_am_get))), result);
}

es_err esi_sys_no_debug(es_term to)
{
    return change(to, es_lend(ES_TUPLE(es_am_debug, no_debug)));
}
