/* proc/contain/draft.c - the making of a report, whether it may be made, and where it goes. */
#include "proc/contain/draft.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "proc/contain/report.h"
#include "term/print.h"

enum { DECISION_BYTES = 320, PER_SECOND = 20 };

/* For when there is no other memory. */
static struct esi_draft emergency;
static atomic_flag emergency_is_taken = ATOMIC_FLAG_INIT;

/* Settings: single words, relaxed; a report under way follows the old or the new. */
static _Atomic bool is_configured, is_off, is_json, tells_exits;
static _Atomic(esi_report_sink *) the_sink;
static struct esi_log_limit limit;
static const char decision_key[] = "decision";

void esi_report_set_sink(esi_report_sink *sink)
{
    /* release: pairs with the acquire of who calls it: what it needs is there. */
    atomic_store_explicit(&the_sink, sink, memory_order_release);
}

void esi_report_configure(void)
{
    const char *reports = getenv("ES_REPORTS"), *format = getenv("ES_LOG");
    atomic_store_explicit(&is_off, reports && strcmp(reports, "0") == 0, memory_order_relaxed);
    atomic_store_explicit(&tells_exits, reports && strcmp(reports, "all") == 0, memory_order_relaxed);
    atomic_store_explicit(&is_json, format && strcmp(format, "json") == 0, memory_order_relaxed);
    atomic_store_explicit(&limit.window, 0, memory_order_relaxed);
    atomic_store_explicit(&is_configured, true, memory_order_release);
}

/* ---- may it be made ---- */

static void look_at_settings(void)
{
    if (!atomic_load_explicit(&is_configured, memory_order_acquire))
        esi_report_configure();
}

bool esi_draft_is_off(void)
{
    return atomic_load_explicit(&is_off, memory_order_relaxed);
}

bool esi_draft_tells_exits(void)
{
    look_at_settings();
    return atomic_load_explicit(&tells_exits, memory_order_relaxed);
}

bool esi_report_admits(uint64_t *suppressed)
{
    *suppressed = 0;
    look_at_settings();
    return !esi_draft_is_off() && esi_log_limit_admits(&limit, PER_SECOND, suppressed);
}

bool esi_draft_is_admitted(void)
{
    uint64_t suppressed;
    if (!esi_report_admits(&suppressed))
        return false;
    if (suppressed)
        esi_draft_tell_suppressed(suppressed);
    return true;
}

/* ---- building ---- */

/* Of its own, not on the stack: that may be a process's of 16 KiB, or a thread's that never used so much before. Not from malloc, which would
 * give each thread that reports an arena. */
struct esi_draft *esi_draft_begin(int level, const char *code, uint64_t id)
{
    struct esi_draft *d = mmap(NULL, sizeof *d, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (d == MAP_FAILED) {
        if (atomic_flag_test_and_set_explicit(&emergency_is_taken, memory_order_acquire))
            return NULL;
        d = &emergency;
    }
    d->level = level;
    d->code = code;
    d->id = id;
    d->ns = esi_log_now_ns();
    d->field_count = 0;
    d->arena_used = 0;
    esi_text_init(&d->heading, d->heading_bytes, sizeof d->heading_bytes);
    return d;
}

struct esi_text *esi_draft_field(struct esi_draft *d)
{
    size_t left = sizeof d->arena_bytes - d->arena_used; /* at least DECISION_BYTES */
    esi_text_init(&d->value, d->arena_bytes + d->arena_used, left > 400 ? 400 : left);
    return &d->value;
}

/* The last one is kept for what a supervisor decides. */
void esi_draft_finish(struct esi_draft *d, const char *key)
{
    if (d->field_count == ESI_LOG_FIELDS - 1 ||
        d->arena_used + d->value.length + 1 + DECISION_BYTES >= sizeof d->arena_bytes)
        return;
    d->fields[d->field_count++] = (struct esi_log_field){key, d->value.bytes, d->value.length};
    d->arena_used += d->value.length + 1;
}

void esi_draft_say(struct esi_draft *d, const char *key, const char *value)
{
    esi_text_str(esi_draft_field(d), value);
    esi_draft_finish(d, key);
}

/* One that is there already is the last field: it is written over. */
void esi_draft_set_decision(struct esi_draft *d, const char *decision)
{
    if (d->field_count > 0 && d->fields[d->field_count - 1].key == decision_key)
        d->arena_used = (size_t)(d->fields[--d->field_count].value - d->arena_bytes);
    size_t length = strlen(decision), left = sizeof d->arena_bytes - d->arena_used;
    if (length >= left)
        length = left - 1;
    memcpy(d->arena_bytes + d->arena_used, decision, length);
    d->fields[d->field_count++] =
        (struct esi_log_field){decision_key, d->arena_bytes + d->arena_used, length};
    d->arena_used += length;
}

bool esi_draft_may_wait(const struct esi_draft *d)
{
    return d != &emergency;
}

/* ---- writing ---- */

/* In the thread that has it. */
static void put_out(esi_report_sink *sink, struct esi_draft *d, const struct esi_log_event *event)
{
    struct esi_text out;
    esi_text_init(&out, d->out_bytes, sizeof d->out_bytes);
    if (atomic_load_explicit(&is_json, memory_order_relaxed))
        esi_log_json(&out, event);
    else
        esi_log_text(&out, event, false);
    if (sink)
        sink(out.bytes, out.length);
    else
        esi_log_write(&out);
}

static void give_back(struct esi_draft *d)
{
    if (d == &emergency)
        atomic_flag_clear_explicit(&emergency_is_taken, memory_order_release);
    else
        munmap(d, sizeof *d);
}

void esi_draft_publish(struct esi_draft *d)
{
    int saved_errno = errno;
    char pid[ESI_LOG_WHO_BYTES];
    struct esi_log_event event = {.ns = d->ns,
                                  .level = d->level,
                                  .code = d->code,
                                  .message = d->heading.bytes,
                                  .message_length = d->heading.length,
                                  .fields = d->fields,
                                  .field_count = d->field_count};
    esi_text_init(&event.who.pid, pid, sizeof pid);
    esi_print_short(&event.who.pid, esi_from_local_pid(d->id));
    esi_report_sink *sink = atomic_load_explicit(&the_sink, memory_order_acquire);
    if (sink || !esi_log_offer(&event))
        put_out(sink, d, &event);
    give_back(d);
    errno = saved_errno;
}

void esi_draft_tell_suppressed(uint64_t count)
{
    struct esi_draft *d = esi_draft_begin(ESI_LOG_WARNING, "E0199", 0);
    if (!d)
        return;
    esi_text_str(&d->heading, "suppressed ");
    esi_text_u64(&d->heading, count);
    esi_text_str(&d->heading, count == 1 ? " report" : " reports");
    esi_draft_publish(d);
}
