/* alarm_event.c - many who listen to what happens, and none who can break the others: an event manager.
 *
 * Who raises an alarm knows nobody who wants to know of it. Handlers are added to the manager while it runs: one counts, one prints and
 * breaks on an alarm that it does not understand. It alone is removed, and who cares for it adds it again. */
#include <engset.h>
#include <stdio.h>

ES_ATOMS(alarm_raised, disk_full, too_hot, count, gen_event_EXIT);

/* ---- one that counts ---- */

typedef struct {
    int64_t total;
} counter;

static es_answer counter_event(counter *self, es_term event)
{
    if (es_match(event, ES_TUPLE(alarm_raised, ES_ANY)))
        self->total++;
    return es_ok();
}

static es_answer counter_call(counter *self, es_term request, es_from from)
{
    (void)from;
    if (es_is(request, count))
        return es_reply(self->total);
    return es_unknown(request);
}
ES_EVENT_HANDLER(alarm_counter, counter, .event = counter_event, .call = counter_call);

/* ---- one that prints ---- */

typedef struct {
    int64_t lines;
} printer;

static es_answer printer_event(printer *self, es_term event)
{
    es_atom what;
    if (!es_match(event, ES_TUPLE(alarm_raised, &what)))
        es_exit(ES_TUPLE(es_am_badarg, event));
    printf("alarm %d: %s\n", (int)++self->lines, es_atom_text(what));
    return es_ok();
}

static es_term printer_terminate(printer *self, es_term why)
{
    (void)why;
    printf("the printer goes after %d lines\n", (int)self->lines);
    return es_from_atom(es_am_ok);
}
ES_EVENT_HANDLER(alarm_printer, printer, .event = printer_event, .terminate = printer_terminate);

static void add_printer(es_pid manager)
{
    if (es_event_add_supervised(manager, ES_HANDLER(alarm_printer), es_nil(), NULL) == ES_OK)
        printf("the printer listens\n");
}

ES_MAIN(args)
{
    es_pid manager = es_event_start(ES_WITH(.name = "alarms", .link = true));
    es_event_add(manager, ES_HANDLER(alarm_counter), es_nil(), NULL);
    add_printer(manager);

    es_event_notify(manager, ES_TUPLE(alarm_raised, disk_full));
    es_event_notify(manager, ES_TUPLE(alarm_raised, 77)); /* no atom: the printer breaks */
    es_term why;
    es_receive
        es_case(ES_TUPLE(gen_event_EXIT, ES_ANY, &why)) {
            char text[100];
            es_print(text, sizeof text, why);
            printf("the printer broke: %s\n", text);
        }
    add_printer(manager);
    es_event_sync_notify(manager, ES_TUPLE(alarm_raised, too_hot));

    es_term answer;
    int64_t total;
    if (es_event_call(manager, ES_HANDLER(alarm_counter), count, 5000, &answer) == ES_OK &&
        es_match(answer, &total))
        printf("%d alarms were counted\n", (int)total);
    es_stop_process(manager, es_am_normal, 5000);
}

/* Prints:
 *   the printer listens
 *   alarm 1: disk_full
 *   the printer goes after 1 lines
 *   the printer broke: {'EXIT',{badarg,{alarm_raised,77}}}
 *   the printer listens
 *   alarm 1: too_hot
 *   3 alarms were counted
 *   the printer goes after 1 lines
 */
