/* handler.c - handlers come and go. One that is a function runs in a process: what it does wrong ends that alone. */
#include <engset/logger.h>

#include <engset/link.h>
#include <engset/proc.h>
#include <engset/receive.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "log/outlet.h"
#include "platform/clock.h"
#include "proc/enter.h"
#include "proc/node.h"
#include "proc/process.h"

ES_ATOMS(log_event);

/* ---------------------------------------------------------------- those that write */

/* A descriptor of ours that nobody wants is closed. */
static es_err add_writer(const char *id, es_log_level level, const struct esi_outlet_about *about)
{
    struct esi_log_outlet *outlet;
    struct esi_process *self = esi_enter();
    es_err error = esi_outlet_claim(id, about, &outlet);
    if (error == ES_OK)
        esi_outlet_open(outlet, (int)level);
    else if (about->owns_descriptor)
        close(about->descriptor);
    if (self)
        esi_leave();
    return error;
}

es_err es_log_add_descriptor(const char *id, es_log_level level, es_log_format format, int descriptor)
{
    return add_writer(
        id, level,
        &(struct esi_outlet_about){.write = esi_write_lines, .format = format, .descriptor = descriptor});
}

es_err es_log_add_file(const char *id, es_log_level level, es_log_format format, const char *path)
{
    int descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (descriptor < 0)
        return ES_EOS;
    return add_writer(
        id, level,
        &(struct esi_outlet_about){
            .write = esi_write_lines, .format = format, .descriptor = descriptor, .owns_descriptor = true});
}

es_err es_log_add_journal(const char *id, es_log_level level, const char *path)
{
    int descriptor = esi_journal_open(path);
    if (descriptor < 0)
        return ES_EOS;
    return add_writer(id, level,
                      &(struct esi_outlet_about){
                          .write = esi_write_journal, .descriptor = descriptor, .owns_descriptor = true});
}

/* ---------------------------------------------------------------- those that are functions */

static const char *text_of(const struct esi_text *text)
{
    return text->bytes ? text->bytes : "";
}

/* As the program sees it; `fields` has the room. */
static es_log_event public_event(const struct esi_log_event *e, es_log_field fields[ESI_LOG_FIELDS])
{
    for (int i = 0; i < e->field_count; i++)
        fields[i] = (es_log_field){e->fields[i].key, e->fields[i].value};
    return (es_log_event){
        .level = (es_log_level)e->level,
        .time_ns = (int64_t)e->ns,
        .message = e->message,
        .code = e->code ? e->code : "",
        .file = e->file ? e->file : "",
        .line = e->line,
        .pid = text_of(&e->who.pid),
        .name = text_of(&e->who.name),
        .label = text_of(&e->who.label),
        .application = text_of(&e->who.application),
        .fields = fields,
        .field_count = e->field_count,
    };
}

static bool next_event(struct esi_log_outlet *outlet, bool *is_over)
{
    struct esi_process *self = esi_enter();
    bool is_there = esi_outlet_next(outlet, is_over);
    esi_charge(self, 1);
    esi_leave();
    return is_there;
}

static es_err handle(struct esi_log_outlet *outlet)
{
    es_log_field fields[ESI_LOG_FIELDS];
    es_log_event event = public_event(&outlet->record.event, fields);
    es_err error = outlet->about.handle(&event, outlet->about.handle_state);
    esi_enter();
    esi_outlet_done(outlet, error == ES_OK);
    esi_leave();
    return error;
}

/* However it ended: nobody else gets events for it. */
static void leave_log(void *outlet)
{
    struct esi_log_outlet *o = outlet;
    bool was_asked = o->state == ESI_OUTLET_CLOSING;
    char id[ESI_LOG_ID_BYTES];
    memcpy(id, o->id, sizeof id);
    esi_enter();
    esi_outlet_give(o);
    esi_leave();
    if (!was_asked && !esi_node_is_over())
        es_log(ES_LOG_ERROR, "the log's handler %s ended and is removed", id);
}

/* It is told that there is something: all that there is it takes, one by one. */
static void handler_main(struct esi_log_outlet *outlet)
{
    bool is_over = false;
    es_err error = es_own(outlet, leave_log);
    if (error != ES_OK) {
        leave_log(outlet);
        return;
    }
    es_label("log %.24s", outlet->id);
    while (!is_over && error == ES_OK) {
        es_receive {
            es_case(log_event) {
            }
        }
        while (error == ES_OK && next_event(outlet, &is_over))
            error = handle(outlet);
    }
    if (error != ES_OK)
        es_log(ES_LOG_ERROR, "the log's handler %s gave %s", outlet->id, es_strerror(error));
}

es_err es_log_add_handler(const char *id, es_log_level level,
                          es_err (*handle_event)(const es_log_event *event, void *state), void *state)
{
    struct esi_log_outlet *outlet;
    struct esi_process *self = esi_enter();
    es_err error = esi_outlet_claim(
        id, &(struct esi_outlet_about){.handle = handle_event, .handle_state = state, .descriptor = -1},
        &outlet);
    if (self)
        esi_leave();
    if (error != ES_OK)
        return error;
    uint64_t claim = outlet->claim;
    es_pid pid = es_spawn(handler_main, outlet);
    self = esi_enter();
    if (es_pid_is_none(pid))
        esi_outlet_give(outlet);
    else
        esi_outlet_open_for(outlet, claim, (int)level, pid.id);
    if (self)
        esi_leave();
    return es_pid_is_none(pid) ? es_last_error() : ES_OK;
}

/* ---------------------------------------------------------------- all */

enum { GONE_MS = 1000 };

static void wait_1_ms(struct esi_process *self)
{
    if (self)
        es_sleep(1);
    else
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* Its pid, if it is a function's. */
static uint64_t shut(struct esi_log_outlet *outlet, bool *is_read)
{
    uint64_t pid = outlet->pid;
    *is_read = esi_outlet_shut(outlet);
    return pid;
}

static bool is_gone(struct esi_log_outlet *outlet, bool is_enough)
{
    struct esi_process *self = esi_enter();
    bool gone = esi_outlet_is_gone(outlet, is_enough);
    if (self)
        esi_leave();
    return gone;
}

es_err es_log_remove_handler(const char *id)
{
    bool is_read = false;
    uint64_t pid = 0;
    struct esi_process *self = esi_enter();
    struct esi_log_outlet *outlet = id ? esi_outlet_find(id) : NULL;
    es_err error = !outlet ? ES_ENOTFOUND : self && outlet->pid == self->id ? ES_EBUSY : ES_OK;
    if (error == ES_OK)
        pid = shut(outlet, &is_read);
    if (self)
        esi_leave();
    for (int i = 0; is_read && i <= GONE_MS && !is_gone(outlet, i == GONE_MS); i++)
        wait_1_ms(self);
    if (pid) /* if it hangs */
        es_send_exit((es_pid){.id = pid}, es_am_kill);
    return error;
}

es_err es_log_handler_counts(const char *id, es_log_counts *out)
{
    struct esi_process *self = esi_enter();
    struct esi_log_outlet *o = id ? esi_outlet_find(id) : NULL;
    if (o) {
        /* relaxed: figures to be shown */
        uint64_t done = atomic_load_explicit(&o->done, memory_order_relaxed);
        *out = (es_log_counts){.handled = (int64_t)atomic_load_explicit(&o->handled, memory_order_relaxed),
                               .dropped = (int64_t)atomic_load_explicit(&o->dropped, memory_order_relaxed),
                               .lost = (int64_t)atomic_load_explicit(&o->lost, memory_order_relaxed),
                               .waiting =
                                   (int64_t)(atomic_load_explicit(&o->pushed, memory_order_relaxed) - done)};
    }
    if (self)
        esi_leave();
    return o ? ES_OK : ES_ENOTFOUND;
}

es_err es_log_flush(int64_t timeout_ms)
{
    uint64_t marks[ESI_LOG_OUTLETS];
    if (timeout_ms < 0)
        return ES_EINVAL;
    struct esi_process *self = esi_enter();
    esi_outlets_mark(marks, true);
    if (self)
        esi_leave();
    for (int64_t i = 0; i <= timeout_ms; i++) {
        if (esi_outlets_reached(marks))
            return ES_OK;
        wait_1_ms(self);
    }
    return ES_ETIMEOUT;
}
