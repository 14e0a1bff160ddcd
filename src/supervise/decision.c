/* decision.c - what a supervisor decides about a child that ended, and why, in words. With reports and warnings off nothing is made here. */
#include "supervise/supervisor.h"

#include <stdarg.h>
#include <stdio.h>
#include "behaviour/say.h"
#include "proc/contain/decide.h"
#include "proc/enter.h"

enum { TEXT_BYTES = 300, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

static bool decide(const struct esi_supervisor *s, es_pid pid, const char *text, bool is_done)
{
    char whole[TEXT_BYTES + 64];
    if (!esi_report_is_held())
        return false;
    snprintf(whole, sizeof whole, "%s: %s", s->name, text);
    esi_enter();
    bool is_held = esi_report_decide(pid.id, whole, is_done);
    esi_leave();
    return is_held;
}

/* No report says it: a line. */
static void say(struct esi_supervisor *s, const struct esi_child *child, const struct esi_ended *ended,
                const char *decision)
{
    char id[48], why[160];
    if (!esi_log_is_on(ESI_LOG_WARNING))
        return;
    es_print(id, sizeof id, esi_child_id(child));
    es_print(why, sizeof why, ended->reason);
    ESI_SAY(ESI_LOG_WARNING, "supervisor %s: child %s ended: %s; %s", s->name, id, why, decision);
}

void esi_sup_decided(struct esi_supervisor *s, const struct esi_child *child, const struct esi_ended *ended,
                     const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!decide(s, ended->pid, text, true))
        say(s, child, ended, text);
}

/* "2 of 3 restarts within 5 s" */
static void how_often(const struct esi_supervisor *s, char *text, size_t size)
{
    snprintf(text, size, "%lld of %lld restart%s within %lld s", (long long)s->intensity.count,
             (long long)s->intensity.limit, s->intensity.limit == 1 ? "" : "s",
             (long long)(s->intensity.period_ns / NS_PER_S));
}

static const char *with_whom(const struct esi_supervisor *s)
{
    return s->spec.strategy == ES_ONE_FOR_ALL    ? " with all others"
           : s->spec.strategy == ES_REST_FOR_ONE ? " with those started after it"
                                                 : "";
}

void esi_sup_restarts(struct esi_supervisor *s, const struct esi_child *child, struct esi_ended *ended)
{
    char text[TEXT_BYTES], often[64];
    how_often(s, often, sizeof often);
    snprintf(text, sizeof text, "is being restarted%s (%s)", with_whom(s), often);
    ended->is_held = decide(s, ended->pid, text, false);
    if (!ended->is_held)
        say(s, child, ended, text);
}

void esi_sup_restarted(struct esi_supervisor *s, const struct esi_ended *ended, bool is_up)
{
    char text[TEXT_BYTES], often[64];
    if (!ended->is_held)
        return;
    how_often(s, often, sizeof often);
    if (is_up)
        snprintf(text, sizeof text, "restarted%s after %lld ms (%s)", with_whom(s),
                 (long long)((es_now_ns() - ended->at_ns) / NS_PER_MS), often);
    else
        snprintf(text, sizeof text, "could not be restarted and is tried again (%s)", often);
    decide(s, ended->pid, text, true);
}

void esi_sup_undecided(void)
{
    if (!esi_report_is_held())
        return;
    es_pid self = es_self();
    esi_enter();
    esi_report_undecided(self.id);
    esi_leave();
}

void esi_sup_is_up(struct esi_supervisor *s, const struct esi_child *child)
{
    char id[48], pid[48];
    if (!esi_log_is_on(ESI_LOG_INFO))
        return;
    es_print(id, sizeof id, esi_child_id(child));
    es_print(pid, sizeof pid, es_lend(child->pid));
    ESI_SAY(ESI_LOG_INFO, "supervisor %s: child %s started as %s", s->name, id, pid);
}
