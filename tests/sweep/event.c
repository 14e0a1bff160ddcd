/* event.c - the sweep over engset/event.h. The allocation that fails may be the manager's: then that one may have ended. */
#include "sweep.h"

ES_ATOMS(tick, get, listens, r);

typedef struct {
    int64_t count;
} ears;

static es_answer ears_event(ears *self, es_term event)
{
    self->count += es_is(event, tick);
    return es_ok();
}

static es_answer ears_call(ears *self, es_term request, es_from from)
{
    (void)request, (void)from;
    return es_reply(self->count);
}
ES_EVENT_HANDLER(ears_handler, ears, .event = ears_event, .call = ears_call);
ES_EVENT_HANDLER(other_handler, ears, .event = ears_event, .call = ears_call);

/* With one handler; ends with the row. */
static es_pid listening(void)
{
    es_pid manager = es_event_start(ES_WITH(.link = true));
    EXPECT(es_event_add(manager, ES_HANDLER(ears_handler), es_nil(), NULL) == ES_OK);
    return manager;
}

/* An error needs a failed allocation. After it the manager is there and answers, or has ended for lack of memory. */
static void came_through(es_pid manager, es_err error)
{
    EXPECT(error == ES_OK || !had_memory());
    es_term out = es_none();
    es_err after = es_event_handlers(manager, &out);
    EXPECT(after == ES_OK || (!had_memory() && after == ES_ECLOSED));
    es_drop(out);
}

/* Who is linked to a manager that ends would end too. */
#define ROW(name)                           \
    static void ask_##name(es_pid manager); \
    SWEEP(name, MAY_END)                    \
    {                                       \
        es_trap_exit(true);                 \
        ask_##name(listening());            \
    }                                       \
    static void ask_##name(es_pid manager)

ROW(esi_event_add)
{
    came_through(manager,
                 TRY(es_event_add(manager, ES_HANDLER(ears_handler, ES_TUPLE(r, 1)), ES_TUPLE(r, 2), NULL)));
}

ROW(esi_event_delete)
{
    came_through(manager, TRY(es_event_delete(manager, ES_HANDLER(ears_handler), ES_TUPLE(r, 2), NULL)));
}

ROW(esi_event_swap)
{
    came_through(manager, TRY(es_event_swap(manager, ES_HANDLER(ears_handler), r, ES_HANDLER(other_handler),
                                            ES_TUPLE(r, 2), NULL)));
}

ROW(esi_event_call)
{
    es_term out = es_none();
    es_err error = TRY(es_event_call(manager, ES_HANDLER(ears_handler), ES_TUPLE(get, 1), 5000, &out));
    EXPECT(error != ES_OK || es_match(out, 0));
    came_through(manager, error);
}

ROW(esi_event_notify)
{
    EXPECT(went_well(TRY(es_event_notify(manager, tick))) || !had_memory());
    came_through(manager, ES_OK);
}

ROW(esi_event_sync_notify)
{
    came_through(manager, TRY(es_event_sync_notify(manager, ES_TUPLE(tick, 1))));
}

ROW(esi_event_handlers)
{
    es_term out = es_none();
    came_through(manager, TRY(es_event_handlers(manager, &out)));
    es_drop(out);
}

SWEEP(es_event_manager, MAY_END)
{
    es_trap_exit(true);
    es_pid manager = TRY(es_event_start(ES_WITH(.link = true)));
    EXPECT(!es_pid_is_none(manager) || !had_memory());
}

SWEEP(esi_event_announce, TAKES_NOTHING)
{
    static es_event_handler late = {.name = "late_handler"};
    TRY_VOID(esi_event_announce(&late)); /* again is nothing */
}

SWEEP(es_with_remove, TAKES_NOTHING)
{
    EXPECT(TRY(es_with_remove(es_ok())).what == es_ok().what);
}

SWEEP(esi_with_swap, MAY_END)
{
    es_answer answer = TRY(es_swap_handler(r, ES_HANDLER(ears_handler), ES_TUPLE(r, 2)));
    es_drop(answer.reply);
}

int main(int argc, char **argv)
{
    return sweep_all(argc, argv);
}
