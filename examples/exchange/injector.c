/* exchange/injector.c - every now and then tells a process in service to be wrong.
 *
 * The victim gets {crash, Bug} and executes the bug itself, in the middle of its work. An endless loop is then killed,
 * as somebody who watches the exchange would do. */
#include "exchange.h"
#include "attack.h"
#include "bugs.h"

ES_ATOMS(crash, killed);

enum { LOOP_MS = 20, KINDS = BUG_LOOP + 1 };

typedef struct {
    int64_t next_ns, pause_ns;
    int bag[KINDS], left; /* all five in random order, then again: after 5 N crashes there were N of each */
} injector;

static int draw_bug(injector *self)
{
    if (self->left == 0)
        for (self->left = 0; self->left < KINDS; self->left++)
            self->bag[self->left] = self->left;
    int drawn = (int)(es_random() % (uint64_t)self->left);
    int bug = self->bag[drawn];
    self->bag[drawn] = self->bag[--self->left];
    return bug;
}

static es_pid draw_victim(void)
{
    int64_t count;
    es_pid *pids = exchange_members(exchange_in_service, &count);
    es_pid victim = count > 0 ? pids[es_random() % (uint64_t)count] : ES_NO_PID;
    es_free(pids);
    return victim;
}

static void inject(injector *self)
{
    es_pid victim = draw_victim();
    if (es_pid_is_none(victim))
        return;
    int bug = draw_bug(self);
    exchange_note(killed, victim, bug_name((enum bug)bug));
    es_send(victim, ES_TUPLE(crash, bug));
    if (bug == BUG_LOOP) {
        es_sleep(LOOP_MS);
        es_send_exit(victim, es_am_kill);
    }
}

static es_answer wait_for_next(injector *self)
{
    int64_t left_ms = (self->next_ns - es_now_ns()) / 1000000;
    return es_with_timeout(es_noreply(), left_ms > 0 ? left_ms : 0);
}

static es_answer injector_timeout(injector *self)
{
    self->next_ns += self->pause_ns;
    inject(self);
    return wait_for_next(self);
}

static es_answer injector_info(injector *self, es_term message)
{
    (void)message;
    return wait_for_next(self);
}

static es_answer injector_init(injector *self, es_term args)
{
    int64_t rate = attack_setting("crashes");
    (void)args;
    if (rate <= 0)
        return es_ignore();
    *self = (injector){.next_ns = es_now_ns(), .pause_ns = 1000000000 / rate};
    return wait_for_next(self);
}

ES_SERVER(injector_server, injector, .init = injector_init, .timeout = injector_timeout,
          .info = injector_info);
