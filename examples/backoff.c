/* backoff.c - a child whose world is not ready yet: it is tried again, later each time, and nobody gives up over it.
 *
 * The connection fails four times. Without .backoff the supervisor would start it again at once, and give up after some milliseconds. */
#include <engset.h>
#include <stdio.h>

ES_ATOMS(refused, line, connected, done);

static _Atomic(int) tries;
static int64_t last_ns;

typedef struct {
    int number;
} line_state;

static es_answer line_init(line_state *self, es_term args)
{
    (void)args;
    self->number = ++tries;
    int64_t now_ns = es_now_ns();
    printf("try %d%s\n", self->number, last_ns && now_ns - last_ns < 10000000 ? ", at once" : "");
    last_ns = now_ns;
    return es_with_timeout(es_ok(), 0);
}

static es_answer line_timeout(line_state *self)
{
    if (self->number < 5)
        return es_stop(refused);
    printf("connected\n");
    es_send(done, connected);
    return es_noreply();
}
ES_SERVER(line_server, line_state, .init = line_init, .timeout = line_timeout);

ES_SUPERVISOR(root, .intensity = 10, .period_s = 60,
              ES_CHILDREN({.id = "line",
                           ES_START(line_server),
                           .backoff = {.first_ms = 20, .max_ms = 100, .jitter = 0.1}}));

ES_MAIN(args)
{
    if (es_register(done, es_self()) != ES_OK)
        es_exit(es_am_error);
    es_start_link(&root, 0);
    es_receive
        es_case(connected) {
        }
}

/* Prints:
 *   try 1
 *   try 2
 *   try 3
 *   try 4
 *   try 5
 *   connected
 */
