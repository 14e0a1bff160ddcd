/* base/log.c - makes a line of what was said, and hands it to the sink.
 *
 * Settings are single words, read with relaxed loads: a line in flight during a change follows the old or the
 * new. Hooks are stored with release and loaded with acquire, so that what they need is there. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/log.h"

enum { NS_PER_S = 1000000000 };

_Atomic int esi_log_threshold = ESI_LOG_DEBUG;

static _Atomic bool is_configured;
static _Atomic int log_format;
static _Atomic bool is_coloured;
static _Atomic(esi_log_sink *) the_sink;
static _Atomic(esi_log_who_hook *) the_who;
static _Atomic(esi_log_clock *) the_clock;
static _Atomic(const struct esi_log_back *) the_back;

static const struct {
    const char *name, *mark, *colour;
} levels[] = {
    [ESI_LOG_EMERGENCY] = {"emergency", "EMG", "\033[1;31m"},
    [ESI_LOG_ALERT] = {"alert", "ALR", "\033[1;31m"},
    [ESI_LOG_CRITICAL] = {"critical", "CRT", "\033[1;31m"},
    [ESI_LOG_ERROR] = {"error", "ERR", "\033[31m"},
    [ESI_LOG_WARNING] = {"warning", "WRN", "\033[33m"},
    [ESI_LOG_NOTICE] = {"notice", "NTC", "\033[36m"},
    [ESI_LOG_INFO] = {"info", "INF", "\033[32m"},
    [ESI_LOG_DEBUG] = {"debug", "DBG", "\033[90m"},
};

void esi_log_set_sink(esi_log_sink *sink)
{
    atomic_store_explicit(&the_sink, sink, memory_order_release);
}

void esi_log_set_who(esi_log_who_hook *who)
{
    atomic_store_explicit(&the_who, who, memory_order_release);
}

void esi_log_set_clock(esi_log_clock *clock)
{
    atomic_store_explicit(&the_clock, clock, memory_order_release);
}

void esi_log_set_back(const struct esi_log_back *back)
{
    atomic_store_explicit(&the_back, back, memory_order_release);
}

static const struct esi_log_back *back_now(void)
{
    return atomic_load_explicit(&the_back, memory_order_acquire);
}

void esi_log_settle(int ms)
{
    const struct esi_log_back *back = back_now();
    if (back)
        back->settle(ms);
}

const char *esi_log_level_name(int level)
{
    return levels[level].name;
}

int esi_log_level_named(const char *name, int otherwise)
{
    if (!name)
        return otherwise;
    for (int level = ESI_LOG_EMERGENCY; level <= ESI_LOG_DEBUG; level++) {
        if (strcmp(name, levels[level].name) == 0)
            return level;
    }
    if (strcmp(name, "none") == 0)
        return ESI_LOG_NOTHING;
    return strcmp(name, "all") == 0 ? ESI_LOG_DEBUG : otherwise;
}

void esi_log_configure(void)
{
    const char *format = getenv("ES_LOG"), *no_colour = getenv("NO_COLOR");
    bool wants_colour = !(no_colour && *no_colour) && isatty(STDERR_FILENO);
    atomic_store_explicit(&log_format, format && strcmp(format, "json") == 0 ? ESI_LOG_JSON : ESI_LOG_TEXT,
                          memory_order_relaxed);
    atomic_store_explicit(&is_coloured, wants_colour, memory_order_relaxed);
    atomic_store_explicit(&esi_log_threshold, esi_log_level_named(getenv("ES_LOG_LEVEL"), ESI_LOG_NOTICE),
                          memory_order_relaxed);
    atomic_store_explicit(&is_configured, true, memory_order_release);
}

/* Two threads may both do it at first; they find the same. acquire: the settings that belong to the mark are
 * there. */
static void configure_once(void)
{
    if (!atomic_load_explicit(&is_configured, memory_order_acquire))
        esi_log_configure();
}

enum esi_log_format esi_log_format_now(void)
{
    configure_once();
    return (enum esi_log_format)atomic_load_explicit(&log_format, memory_order_relaxed);
}

/* A sink gets no colours: they are for the terminal that stderr is. */
bool esi_log_is_coloured(void)
{
    return atomic_load_explicit(&is_coloured, memory_order_relaxed) &&
           !atomic_load_explicit(&the_sink, memory_order_acquire);
}

void esi_log_set_level(enum esi_log_level level)
{
    configure_once();
    atomic_store_explicit(&esi_log_threshold, (int)level, memory_order_relaxed);
}

void esi_log_set_format(enum esi_log_format format)
{
    configure_once();
    atomic_store_explicit(&log_format, (int)format, memory_order_relaxed);
}

uint64_t esi_log_now_ns(void)
{
    esi_log_clock *clock = atomic_load_explicit(&the_clock, memory_order_acquire);
    if (clock)
        return clock();
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

bool esi_log_limit_admits(struct esi_log_limit *limit, uint32_t per_second, uint64_t *suppressed)
{
    uint64_t second = esi_log_now_ns() / NS_PER_S & UINT32_MAX;
    uint64_t old = atomic_load_explicit(&limit->window, memory_order_relaxed), new;
    bool is_admitted;
    do {
        uint64_t count = old & UINT32_MAX;
        *suppressed = 0;
        if (old >> 32 == second) {
            new = count == UINT32_MAX ? old : old + 1;
            is_admitted = count < per_second;
        } else {
            new = second << 32 | 1;
            is_admitted = per_second > 0;
            *suppressed = count > per_second ? count - per_second : 0;
        }
        /* relaxed: the word is all there is; nothing is published by it. */
    } while (!atomic_compare_exchange_weak_explicit(&limit->window, &old, new, memory_order_relaxed,
                                                    memory_order_relaxed));
    return is_admitted;
}

/* hours:minutes:seconds and a fraction of so many digits */
static void append_time(struct esi_text *text, const struct tm *tm, uint64_t fraction, unsigned digits)
{
    esi_text_padded(text, (uint64_t)tm->tm_hour, 2);
    esi_text_char(text, ':');
    esi_text_padded(text, (uint64_t)tm->tm_min, 2);
    esi_text_char(text, ':');
    esi_text_padded(text, (uint64_t)tm->tm_sec, 2);
    esi_text_char(text, '.');
    esi_text_padded(text, fraction, digits);
}

static void append_word(struct esi_text *text, const struct esi_text *word)
{
    if (word->length == 0)
        return;
    esi_text_printable(text, word->bytes, word->length);
    esi_text_char(text, ' ');
}

/* A value of one word as it is, else in quotes. */
static void append_value(struct esi_text *text, const char *value, size_t length)
{
    bool is_word = length > 0;
    for (size_t i = 0; i < length; i++)
        is_word = is_word && value[i] != ' ' && value[i] != '"' && value[i] != '=' && value[i] != '\\';
    if (is_word) {
        esi_text_printable(text, value, length);
        return;
    }
    esi_text_char(text, '"');
    esi_text_escaped(text, value, length);
    esi_text_char(text, '"');
}

static void text_of_line(struct esi_text *text, const struct esi_log_event *event, bool is_coloured)
{
    time_t seconds = (time_t)(event->ns / NS_PER_S);
    struct tm tm;
    localtime_r(&seconds, &tm);
    append_time(text, &tm, event->ns % NS_PER_S / 1000000, 3);
    esi_text_char(text, ' ');
    esi_text_str(text, is_coloured ? levels[event->level].colour : "");
    esi_text_str(text, levels[event->level].mark);
    esi_text_str(text, is_coloured ? "\033[0m" : "");
    esi_text_char(text, ' ');
    append_word(text, &event->who.name);
    append_word(text, &event->who.pid);
    esi_text_printable(text, event->message, event->message_length);
    for (int i = 0; i < event->field_count; i++) {
        const struct esi_log_field *f = &event->fields[i];
        esi_text_char(text, ' ');
        esi_text_printable(text, f->key, strlen(f->key));
        esi_text_char(text, '=');
        append_value(text, f->value, f->length);
    }
}

enum { KEY_WIDTH = 16 };

/* error[E0101]: heading, and a line a field. */
static void text_of_report(struct esi_text *text, const struct esi_log_event *event)
{
    esi_text_str(text, levels[event->level].name);
    esi_text_char(text, '[');
    esi_text_str(text, event->code);
    esi_text_str(text, "]: ");
    esi_text_strn(text, event->message, event->message_length);
    for (int i = 0; i < event->field_count; i++) {
        const struct esi_log_field *f = &event->fields[i];
        size_t width = strlen(f->key);
        esi_text_str(text, "\n  ");
        esi_text_str(text, f->key);
        do {
            esi_text_char(text, ' ');
        } while (++width < KEY_WIDTH);
        esi_text_strn(text, f->value, f->length);
    }
}

void esi_log_text(struct esi_text *text, const struct esi_log_event *event, bool is_coloured)
{
    if (event->code)
        text_of_report(text, event);
    else
        text_of_line(text, event, is_coloured);
}

static void append_date(struct esi_text *text, const struct tm *tm)
{
    esi_text_padded(text, (uint64_t)(tm->tm_year + 1900), 4);
    esi_text_char(text, '-');
    esi_text_padded(text, (uint64_t)(tm->tm_mon + 1), 2);
    esi_text_char(text, '-');
    esi_text_padded(text, (uint64_t)tm->tm_mday, 2);
    esi_text_char(text, 'T');
}

enum { END_BYTES = 2 }; /* of an object: "} */

/* A pair of strings, cut so that the object can still end; `key` is ours. */
static void append_field(struct esi_text *text, const char *key, const char *value, size_t length)
{
    esi_text_str(text, ",\"");
    esi_text_str(text, key);
    esi_text_str(text, "\":\"");
    text->size -= END_BYTES;
    esi_text_escaped(text, value, length);
    text->size += END_BYTES;
    text->cut = false;
    esi_text_char(text, '"');
}

static void append_known(struct esi_text *text, const char *key, const char *value, size_t length)
{
    if (length > 0)
        append_field(text, key, value, length);
}

static void append_text(struct esi_text *text, const char *key, const struct esi_text *value)
{
    append_known(text, key, value->bytes, value->length);
}

/* A key that comes again gets a number: called_by, called_by_2. */
static void append_key(struct esi_text *text, const struct esi_log_event *event, int index)
{
    int times = 1;
    const char *key = event->fields[index].key;
    for (int i = 0; i < index; i++)
        times += strcmp(event->fields[i].key, key) == 0;
    for (const char *c = key; *c; c++) {
        char one = *c == ' ' ? '_' : *c;
        esi_text_escaped(text, &one, 1);
    }
    if (times > 1) {
        esi_text_char(text, '_');
        esi_text_i64(text, times);
    }
}

/* What the caller added: where there is no room for a pair any more it is left out, and so are those behind it. */
static bool append_pair(struct esi_text *text, const struct esi_log_event *event, int index)
{
    size_t before = text->length;
    text->size -= END_BYTES;
    esi_text_str(text, ",\"");
    append_key(text, event, index);
    esi_text_str(text, "\":\"");
    esi_text_escaped(text, event->fields[index].value, event->fields[index].length);
    esi_text_char(text, '"');
    text->size += END_BYTES;
    if (!text->cut)
        return true;
    text->cut = false;
    text->length = before;
    text->bytes[before] = '\0';
    return false;
}

static void append_place(struct esi_text *text, const struct esi_log_event *event)
{
    if (!event->file)
        return;
    append_field(text, "file", event->file, strnlen(event->file, 64));
    esi_text_str(text, ",\"line\":");
    esi_text_i64(text, event->line);
}

/* What is known to fit comes first. */
void esi_log_json(struct esi_text *text, const struct esi_log_event *event)
{
    time_t seconds = (time_t)(event->ns / NS_PER_S);
    const char *level = levels[event->level].name;
    struct tm tm;
    gmtime_r(&seconds, &tm);
    esi_text_str(text, "{\"ts\":\"");
    append_date(text, &tm);
    append_time(text, &tm, event->ns % NS_PER_S / 1000, 6);
    esi_text_str(text, "Z\"");
    append_field(text, "level", level, strlen(level));
    if (event->code)
        append_field(text, "code", event->code, strlen(event->code));
    append_text(text, "node", &event->who.node);
    append_text(text, "pid", &event->who.pid);
    append_text(text, "name", &event->who.name);
    append_text(text, "label", &event->who.label);
    append_text(text, "application", &event->who.application);
    append_place(text, event);
    append_field(text, "msg", event->message, event->message_length);
    for (int i = 0; i < event->field_count && append_pair(text, event, i); i++)
        ;
    esi_text_char(text, '}');
}

/* The path within the project: builds name files from wherever they were started. */
static const char *short_file(const char *file)
{
    const char *source = strstr(file, "src/");
    return source ? source + 4 : file;
}

/* The line end takes the place of its 0. */
void esi_log_write(struct esi_text *line)
{
    line->bytes[line->length] = '\n';
    ssize_t written;
    do {
        written = write(STDERR_FILENO, line->bytes, line->length + 1);
    } while (written < 0 && errno == EINTR);
}

/* In the thread that speaks. */
static __attribute__((noinline)) void put_out(esi_log_sink *sink, const struct esi_log_event *event)
{
    char bytes[ESI_LOG_LINE_BYTES / 2];
    struct esi_text line;
    esi_text_init(&line, bytes, sizeof bytes);
    if (esi_log_format_now() == ESI_LOG_JSON)
        esi_log_json(&line, event);
    else
        esi_log_text(&line, event, esi_log_is_coloured());
    if (sink)
        sink(event->level, line.bytes, line.length);
    else
        esi_log_write(&line);
}

bool esi_log_offer(const struct esi_log_event *event)
{
    const struct esi_log_back *back = back_now();
    return back && back->take(event);
}

void esi_log_pass(const struct esi_log_event *event)
{
    esi_log_sink *sink = atomic_load_explicit(&the_sink, memory_order_acquire);
    if (sink || !esi_log_offer(event))
        put_out(sink, event);
}

bool esi_log_has_reader(int level)
{
    configure_once();
    if (!esi_log_is_on(level))
        return false;
    const struct esi_log_back *back = back_now();
    return !back || atomic_load_explicit(&the_sink, memory_order_acquire) || back->wants(level);
}

int esi_log_unpack(const char *metadata, size_t size, struct esi_log_field *fields, int count)
{
    const char *end = metadata + size;
    while (metadata < end && count < ESI_LOG_FIELDS) {
        const char *value = metadata + strlen(metadata) + 1;
        fields[count++] = (struct esi_log_field){metadata, value, strlen(value)};
        metadata = value + strlen(value) + 1;
    }
    return count;
}

void esi_log_ask_who(struct esi_log_who *who, struct esi_log_who_room *room)
{
    *who = (struct esi_log_who){.metadata = NULL};
    esi_text_init(&who->node, room->node, sizeof room->node);
    esi_text_init(&who->name, room->name, sizeof room->name);
    esi_text_init(&who->pid, room->pid, sizeof room->pid);
    esi_text_init(&who->label, room->label, sizeof room->label);
    esi_text_init(&who->application, room->application, sizeof room->application);
    esi_log_who_hook *hook = atomic_load_explicit(&the_who, memory_order_acquire);
    if (hook)
        hook(who);
}

void esi_log_at(const char *file, int line, int level, const char *format, ...)
{
    int saved_errno = errno;
    if (level < ESI_LOG_EMERGENCY || level > ESI_LOG_DEBUG)
        level = ESI_LOG_ERROR;
    if (!esi_log_has_reader(level)) {
        errno = saved_errno;
        return;
    }
    char message[ESI_LOG_MESSAGE_BYTES];
    struct esi_log_who_room room;
    struct esi_log_field fields[ESI_LOG_FIELDS];
    va_list arguments;
    va_start(arguments, format);
    errno = saved_errno; /* for %m */
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (length < 0)
        length = 0;
    struct esi_log_event event = {
        .ns = esi_log_now_ns(), .level = level, .file = short_file(file), .line = line, .fields = fields};
    event.message = message;
    event.message_length = (size_t)length < sizeof message ? (size_t)length : sizeof message - 1;
    esi_log_ask_who(&event.who, &room);
    event.field_count = esi_log_unpack(event.who.metadata, event.who.metadata_size, fields, 0);
    esi_log_pass(&event);
    errno = saved_errno;
}
