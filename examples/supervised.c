/* supervised.c - let it crash, and let another process put it right.
 *
 * A tree: the supervisor starts a store and a worker that uses it. Each half second the worker meets its bug, a read of where nothing is. Its
 * supervisor hears of the end and starts it again; the store, which did nothing wrong, keeps what it has. */
#include <engset.h>
#include <inttypes.h>
#include <stdio.h>

ES_ATOMS(store, count, get, work, finished);

static _Atomic(int) lives;

/* ---- holds what must not be lost ---- */

typedef struct {
    int64_t done;
} ledger;

static es_answer ledger_call(ledger *self, es_term request, es_from from)
{
    (void)from;
    return es_reply(es_is(request, count) ? ++self->done : self->done);
}
ES_SERVER(ledger_server, ledger, .call = ledger_call);

/* ---- does the work, and has a bug ---- */

typedef struct {
    int life, piece;
} worker;

static es_answer worker_init(worker *self, es_term args)
{
    (void)args;
    self->life = ++lives;
    return es_with_timeout(es_ok(), 10);
}

static es_answer worker_timeout(worker *self)
{
    int64_t done = 0;
    es_term answer = es_call(store, count, 5000);
    es_match(answer, &done);
    es_drop(answer);
    if (++self->piece == 3) {
        printf("life %d: three pieces done, %" PRId64 " in all; now the bug\n", self->life, done);
        *(volatile int *)NULL = 1;
    }
    return es_with_timeout(es_noreply(), 10);
}
ES_SERVER(worker_server, worker, .init = worker_init, .timeout = worker_timeout);

/* ---- who puts it right ---- */

ES_SUPERVISOR(root, .strategy = ES_ONE_FOR_ONE, .intensity = 3, .period_s = 60,
              ES_CHILDREN({.id = "store", ES_START(ledger_server, .name = "store")},
                          {.id = "worker", ES_START(worker_server)}));

ES_MAIN(args)
{
    es_term reason;
    char text[64];
    es_trap_exit(true);
    es_pid supervisor = es_start_link(&root, 0);
    es_receive
        es_case(ES_TUPLE(es_am_EXIT, supervisor, &reason)) {
            es_print(text, sizeof text, reason);
            printf("the fourth crash was one too many: %s\n", text);
        }
}

/* Prints:
 *   life 1: three pieces done, 3 in all; now the bug
 *   life 2: three pieces done, 6 in all; now the bug
 *   life 3: three pieces done, 9 in all; now the bug
 *   life 4: three pieces done, 12 in all; now the bug
 *   the fourth crash was one too many: shutdown
 */
