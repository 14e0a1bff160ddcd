/* trace.c - the runtime's probes, put into words. */
#include "simulate/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include "base/probe.h"
#include "platform/clock.h"
#include "proc/contain/symbol.h"
#include "proc/mailbox/message.h"
#include "proc/mailbox/signal.h"
#include "proc/node.h"
#include "proc/table.h"

enum { TERM_BYTES = 120 };

static uint64_t running; /* who was told to run last */

/* Milliseconds since the simulated clock began. */
static double now_ms(void)
{
    return (double)(esi_clock_now_ns() - ESI_NS_PER_S) / (double)ESI_NS_PER_MS;
}

void esi_trace_tell(const char *format, ...)
{
    char line[400];
    int length = snprintf(line, sizeof line, "%14.6f ms  ", now_ms());
    va_list arguments;
    va_start(arguments, format);
    length += vsnprintf(line + length, sizeof line - (size_t)length - 1, format, arguments);
    va_end(arguments);
    if (length > (int)sizeof line - 2)
        length = (int)sizeof line - 2;
    line[length++] = '\n';
    fflush(stdout);
    if (write(STDERR_FILENO, line, (size_t)length) < 0)
        return; /* whoever listened is gone */
}

const char *esi_trace_name(const struct esi_process *p)
{
    static char name[128];
    struct esi_symbol symbol = {.function = "first"};
    if (!esi_node_is_first((struct esi_process *)(uintptr_t)p))
        esi_symbol_find((uintptr_t)p->function, false, &symbol);
    snprintf(name, sizeof name, "%llu (%s)", (unsigned long long)esi_process_place(p->id),
             symbol.function[0] ? symbol.function : "?");
    return name;
}

static const char *name_of(uint64_t id)
{
    struct esi_process *p = id ? esi_process_slot(id) : NULL;
    return p && esi_process_is(p, id) ? esi_trace_name(p) : "nobody";
}

static void tell_message(const char *what, uint64_t id, const struct esi_message *message)
{
    char term[TERM_BYTES];
    if (message->is_typed)
        snprintf(term, sizeof term, "a struct %s", message->type ? message->type->name : "?");
    else if (message->kind)
        snprintf(term, sizeof term, "(%s)", message->kind->name);
    else
        es_print(term, sizeof term, message->term);
    esi_trace_tell("%s %s  %s", what, name_of(id), term);
}

static void tap(enum esi_probe_kind kind, uint64_t a, uint64_t b, uint64_t c)
{
    switch (kind) {
    case ESI_PROBE_SCHEDULE:
        if (a != running)
            esi_trace_tell("%s runs", name_of(a));
        running = a;
        break;
    case ESI_PROBE_SPAWN:
        esi_trace_tell("  spawns %s", name_of(a));
        break;
    case ESI_PROBE_SEND:
        tell_message("  sends to", b, (const struct esi_message *)(uintptr_t)c);
        break;
    case ESI_PROBE_DELIVER:
        tell_message("    in the mailbox of", a, (const struct esi_message *)(uintptr_t)c);
        break;
    case ESI_PROBE_EXIT: {
        char reason[TERM_BYTES];
        es_print(reason, sizeof reason, (es_term){b});
        esi_trace_tell("%s ends: %s", name_of(a), reason);
        break;
    }
    default:
        break;
    }
}

void esi_trace_start(void)
{
    running = 0;
    atomic_store_explicit(&esi_tap, tap, memory_order_release);
}

void esi_trace_stop(void)
{
    atomic_store_explicit(&esi_tap, NULL, memory_order_release);
}
