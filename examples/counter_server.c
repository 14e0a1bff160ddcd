/* counter_server.c - counter.c again, as a behaviour: what every server does is the library's, what this one does is three callbacks.
 *
 * Calls, casts, stopping, time-outs and what happens when something goes wrong are as in OTP's gen_server; while it waits the server has no stack. */
#include <engset.h>
#include <inttypes.h>
#include <stdio.h>

ES_ATOMS(add, get, reset, ok, divide);

typedef struct {
    int64_t total;
} counter;
ES_STRUCT(counter, total); /* so that its state can be shown */

static es_answer counter_init(counter *self, es_term args)
{
    if (!es_get_int64(args, &self->total))
        return es_stop(es_am_badarg);
    return es_ok();
}

static es_answer counter_call(counter *self, es_term request, es_from from)
{
    int64_t n;
    (void)from;
    if (es_match(request, ES_TUPLE(add, &n)))
        return es_reply(ES_TUPLE(ok, self->total += n));
    if (es_match(request, ES_TUPLE(divide, &n)))
        return es_reply(self->total / n);
    if (es_is(request, get))
        return es_reply(self->total);
    return es_unknown(request); /* the caller exits with {undef, Request}, the server lives on */
}

static es_answer counter_cast(counter *self, es_term message)
{
    if (es_is(message, reset))
        self->total = 0;
    return es_noreply();
}

static void counter_terminate(counter *self, es_term reason)
{
    char text[64];
    es_print(text, sizeof text, reason);
    printf("ends at %" PRId64 ": %.*s\n", self->total, 15, text);
}
ES_SERVER(counter_server, counter, .init = counter_init, .call = counter_call, .cast = counter_cast,
          .terminate = counter_terminate, .state = ES_STATE(counter));

static void show(const char *what, es_term term)
{
    char text[64];
    es_print(text, sizeof text, term);
    printf("%s: %s\n", what, text);
    es_drop(term);
}

ES_MAIN(args)
{
    es_term state = es_none(), why = es_none();
    es_pid counter_pid = es_start(&counter_server, 40);
    show("add 2", es_call(counter_pid, ES_TUPLE(add, 2), 5000));
    if (es_sys_get_state(counter_pid, &state) == ES_OK)
        show("its state", state);
    if (es_try_call(counter_pid, ES_TUPLE(divide, "by what"), 5000, &why) == ES_ECLOSED)
        show("what it does not know", why);
    es_cast(counter_pid, reset);
    show("after the reset", es_call(counter_pid, get, 5000));
    es_stop_process(counter_pid, es_am_normal, 5000);

    if (es_try_start(NULL, &counter_server, "forty", &counter_pid, &why) == ES_ECLOSED)
        show("a start that fails", why);
}

/* Prints:
 *   add 2: {ok,42}
 *   its state: {counter,42}
 *   what it does not know: {undef,{divide,<<"by what">>}}
 *   after the reset: 0
 *   ends at 0: normal
 *   a start that fails: badarg
 */
