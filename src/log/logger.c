/* logger.c - what a program says, and who it is that says it; plugs the room into the log's front. */
#include <engset/logger.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "log/outlet.h"
#include "platform/clock.h"
#include "proc/contain/report.h"
#include "proc/node.h"
#include "proc/enter.h"
#include "proc/label.h"
#include "proc/mailbox/message.h"
#include "term/print.h"

/* ---------------------------------------------------------------- saying */

bool es_log_is_on(es_log_level level)
{
    return esi_log_is_on((int)level);
}

static bool has_reader(int level)
{
    struct esi_process *self = esi_enter();
    bool has = esi_log_has_reader(level);
    if (self)
        esi_leave();
    return has;
}

/* In the runtime: no kill meets an event that is half put in. */
static void pass(struct esi_log_event *event, struct esi_log_field *fields)
{
    struct esi_log_who_room room;
    struct esi_process *self = esi_enter();
    event->ns = esi_log_now_ns();
    esi_log_ask_who(&event->who, &room);
    event->field_count =
        esi_log_unpack(event->who.metadata, event->who.metadata_size, fields, event->field_count);
    esi_log_pass(event);
    if (self) {
        esi_charge(self, 1);
        esi_leave();
    }
}

/* Outside the runtime: bad arguments are the caller's fault alone. The real errno, which es_errno() would ask the runtime for. */
void esi_log_say(es_log_level level, const char *file, int line, const es_log_field *given,
                 int64_t given_count, const char *format, ...)
{
    char message[ESI_LOG_MESSAGE_BYTES];
    struct esi_log_field fields[ESI_LOG_FIELDS];
    va_list arguments;
    int saved_errno = *es_errno();
    if (level < ES_LOG_EMERGENCY || level > ES_LOG_DEBUG || !has_reader((int)level))
        return;
    *es_errno() = saved_errno; /* for %m */
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    struct esi_log_event event = {
        .level = (int)level, .file = file, .line = line, .message = message, .fields = fields};
    if (length > 0)
        event.message_length = (size_t)length < sizeof message ? (size_t)length : sizeof message - 1;
    for (int64_t i = 0; i < given_count && event.field_count < ESI_LOG_FIELDS; i++) {
        if (given[i].key && given[i].value)
            fields[event.field_count++] =
                (struct esi_log_field){given[i].key, given[i].value, strlen(given[i].value)};
    }
    pass(&event, fields);
    *es_errno() = saved_errno;
}

es_log_level es_log_set_level(es_log_level level)
{
    struct esi_process *self = esi_enter();
    es_log_level before = (es_log_level)atomic_load_explicit(&esi_log_threshold, memory_order_relaxed);
    esi_log_set_level((enum esi_log_level)level);
    if (self)
        esi_leave();
    return before;
}

/* ---------------------------------------------------------------- who says it */

static void fill_label(struct esi_text *to, uint64_t id, const char *prefix)
{
    char label[ESI_LABEL_BYTES];
    esi_label_get(id, label);
    size_t length = strlen(prefix);
    if (strncmp(label, prefix, length) == 0)
        esi_text_str(to, label + length);
}

/* An application's leader says by its label which one it is (supervise/application_master.c). */
static void fill_who(struct esi_log_who *who)
{
    struct esi_worker *worker = esi_worker_self();
    struct esi_process *p = worker ? atomic_load_explicit(&worker->current, memory_order_relaxed) : NULL;
    if (!p)
        return;
    uint64_t name = atomic_load_explicit(&p->name, memory_order_relaxed);
    if (name)
        esi_text_strn(&who->name, es_atom_text((es_atom){name}), es_atom_length((es_atom){name}));
    esi_print_short(&who->pid, esi_from_local_pid(atomic_load_explicit(&p->id, memory_order_relaxed)));
    fill_label(&who->label, p->id, "");
    fill_label(&who->application, p->group_leader, "application ");
    if (p->extra && p->extra->metadata) {
        who->metadata = p->extra->metadata;
        who->metadata_size = p->extra->metadata_size;
    }
}

/* ---- what it says of itself: keys and values behind each other, each with its 0 ---- */

static size_t pair_bytes(const char *at)
{
    size_t key = strlen(at) + 1;
    return key + strlen(at + key) + 1;
}

static void remove_pair(struct esi_process_extra *extra, const char *key)
{
    char *end = extra->metadata + extra->metadata_size;
    for (char *at = extra->metadata; at < end; at += pair_bytes(at)) {
        if (strcmp(at, key) != 0)
            continue;
        size_t bytes = pair_bytes(at);
        memmove(at, at + bytes, (size_t)(end - at) - bytes);
        extra->metadata_size -= (uint32_t)bytes;
        return;
    }
}

/* The size that the pair `key` takes now. */
static size_t taken_by(const struct esi_process_extra *extra, const char *key)
{
    const char *end = extra->metadata + extra->metadata_size;
    for (const char *at = extra->metadata; at < end; at += pair_bytes(at)) {
        if (strcmp(at, key) == 0)
            return pair_bytes(at);
    }
    return 0;
}

static es_err set_pair(struct esi_process *self, const char *key, size_t key_length, const char *value,
                       size_t value_length)
{
    struct esi_process_extra *extra = esi_process_extra(self);
    if (!extra)
        return ES_ENOMEM;
    if (!extra->metadata && !value)
        return ES_OK;
    if (!extra->metadata)
        extra->metadata = esi_block_alloc(ESI_METADATA_BYTES);
    if (!extra->metadata)
        return ES_ENOMEM;
    size_t bytes = value ? key_length + value_length + 2 : 0;
    if (extra->metadata_size - taken_by(extra, key) + bytes > ESI_METADATA_BYTES)
        return ES_ELIMIT;
    remove_pair(extra, key);
    if (!value)
        return ES_OK;
    char *at = extra->metadata + extra->metadata_size;
    memcpy(at, key, key_length + 1);
    memcpy(at + key_length + 1, value, value_length + 1);
    extra->metadata_size += (uint32_t)bytes;
    return ES_OK;
}

/* Copied before entering: a bad pointer is the caller's fault alone. */
es_err es_log_metadata(const char *key, const char *value)
{
    char own[2 * ESI_METADATA_BYTES];
    size_t key_length = key ? strnlen(key, ESI_METADATA_BYTES) : 0;
    size_t value_length = value ? strnlen(value, ESI_METADATA_BYTES) : 0;
    if (key_length == 0)
        return ES_EINVAL;
    bool fits = key_length + value_length + 2 <= ESI_METADATA_BYTES;
    if (fits)
        snprintf(own, sizeof own, "%s%c%s", key, '\0', value ? value : "");
    struct esi_process *self = esi_enter();
    if (!self)
        return ES_ENOPROC;
    es_err error = fits ? set_pair(self, own, key_length, value ? own + key_length + 1 : NULL, value_length)
                        : esi_fail(self, ES_ELIMIT, "log_metadata: more than %d bytes", ESI_METADATA_BYTES);
    esi_leave();
    return error;
}

bool es_sensitive(bool on)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return false;
    /* relaxed: read by who reports on behalf of it, and by a dump. */
    uint32_t before =
        on ? atomic_fetch_or_explicit(&self->flags, ESI_FLAG_SENSITIVE, memory_order_relaxed)
           : atomic_fetch_and_explicit(&self->flags, ~(uint32_t)ESI_FLAG_SENSITIVE, memory_order_relaxed);
    esi_leave();
    return (before & ESI_FLAG_SENSITIVE) != 0;
}

/* ---------------------------------------------------------------- the back of the log */

/* Where there are no threads, reports that waited too long are looked after by who comes by. */
static bool take(const struct esi_log_event *event)
{
    if (esi_node.is_sim)
        esi_report_overdue(esi_clock_now_ns());
    esi_outlets_put(event, NULL);
    return true;
}

static void settle(int ms)
{
    uint64_t marks[ESI_LOG_OUTLETS];
    esi_outlets_mark(marks, false);
    for (int i = 0; i < ms && !esi_outlets_reached(marks); i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

enum { SETTLE_MS = 1000 };

/* The node has stopped. */
static void rest(void)
{
    settle(SETTLE_MS);
    esi_outlets_rest();
}

static struct esi_node_hook hook = {NULL, rest, NULL};

__attribute__((constructor(150))) static void plug_in(void)
{
    static const struct esi_log_back back = {take, esi_outlets_want, settle};
    esi_log_set_clock(esi_clock_wall_ns);
    esi_log_set_who(fill_who);
    esi_log_set_back(&back);
    esi_report_set_waker(esi_outlets_poke);
    hook.next = esi_plug.node_hooks;
    esi_plug.node_hooks = &hook;
}

/* The program ends by exit(): what was said is not lost. */
__attribute__((destructor(150))) static void write_out(void)
{
    esi_report_overdue(UINT64_MAX);
    settle(SETTLE_MS);
}
