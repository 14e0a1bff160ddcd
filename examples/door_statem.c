/* door_statem.c - a door with a code lock: the same button means something else when it is open.
 *
 * Each state is a function, and the state of the machine is which of them gets the next event. Time-outs belong to what they are about: the
 * door stays open for so long, the code is entered in one go. Who knocks at a locked door is let in later: a call is postponed until the state changes. */
#include <engset.h>
#include <inttypes.h>
#include <stdio.h>

ES_ATOMS(button, shut, forget, lock, knock, come_in);

enum { CODE = 1234, OPEN_MS = 100, PAUSE_MS = 1000 };

typedef struct {
    es_pid keeper; /* is told what the door does by itself */
    int64_t entered;
} door;

static es_step open_(door *self, const es_event *event);

static es_step pressed(door *self, int64_t digit)
{
    self->entered = self->entered * 10 + digit;
    if (self->entered == CODE)
        return es_next_state(open_);
    es_event_timeout(PAUSE_MS, forget); /* any event ends it: the next button, too */
    return es_keep_state();
}

static es_step locked(door *self, const es_event *event)
{
    int64_t digit;
    switch (event->type) {
    case ES_EVENT_ENTER:
        printf("locked\n");
        self->entered = 0;
        es_send(self->keeper, lock);
        return es_keep_state();
    case ES_EVENT_TIMEOUT:
        printf("%" PRId64 " is forgotten\n", self->entered);
        self->entered = 0;
        es_send(self->keeper, forget);
        return es_keep_state();
    case ES_EVENT_CALL:
        es_postpone(); /* it comes again in the next state */
        es_send(self->keeper, knock);
        return es_keep_state();
    default:
        if (es_match(event->content, ES_TUPLE(button, &digit)))
            return pressed(self, digit);
        return es_keep_state();
    }
}

static es_step open_(door *self, const es_event *event)
{
    (void)self;
    switch (event->type) {
    case ES_EVENT_ENTER:
        printf("open\n");
        es_state_timeout(OPEN_MS, lock); /* a change of state ends it */
        return es_keep_state();
    case ES_EVENT_STATE_TIMEOUT:
        return es_next_state(locked);
    case ES_EVENT_CALL:
        es_reply_to(event->from, come_in);
        return es_keep_state();
    default:
        return es_is(event->content, shut) ? es_next_state(locked) : es_keep_state();
    }
}

static es_step door_init(door *self, es_term args)
{
    es_match(args, &self->keeper);
    return es_next_state(locked);
}

static void door_terminate(door *self, es_term reason, es_term state)
{
    char why[32], where[32];
    (void)self;
    es_print(why, sizeof why, reason);
    es_print(where, sizeof where, state);
    printf("the end: %s, while it was %s\n", why, where);
}

ES_STATEM(door_machine, door, .init = door_init, .states = ES_STATES(locked, open_), .enter = true,
          .terminate = door_terminate);

static void visitor(es_term the_door)
{
    if (es_is(es_call(the_door, knock, ES_INFINITY), come_in))
        printf("a visitor comes in\n");
}

static void wait_for(es_atom what)
{
    es_receive
        es_case(what) {
        }
}

static void open_it(es_pid pid)
{
    for (int power = 1000; power > 0; power /= 10)
        es_cast(pid, ES_TUPLE(button, CODE / power % 10));
}

ES_MAIN(args)
{
    es_ref gone;
    es_pid pid = es_start(&door_machine, es_self());
    wait_for(lock);
    es_cast(pid, ES_TUPLE(button, 9));
    wait_for(forget); /* nobody went on */
    es_spawn_monitor(&gone, visitor, pid);
    wait_for(knock);
    open_it(pid);
    es_receive
        es_case(ES_TUPLE(es_am_DOWN, gone, ES_ANY, ES_ANY, ES_ANY)) {
        }
    es_cast(pid, shut);
    wait_for(lock);
    open_it(pid);
    wait_for(lock); /* by itself, after a while */
    es_stop_process(pid, es_am_normal, 5000);
}

/* Prints:
 *   locked
 *   9 is forgotten
 *   open
 *   a visitor comes in
 *   locked
 *   open
 *   locked
 *   the end: normal, while it was locked
 */
