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

enum {
    MESSAGE_BYTES = 2048,
    LINE_BYTES = 4096,
    WHO_BYTES = 96, /* for each of node, name, pid */
    NS_PER_S = 1000000000,
};

_Atomic int esi_log_threshold = ESI_LOG_DEBUG;

static _Atomic bool is_configured;
static _Atomic int log_format;
static _Atomic bool is_coloured;
static _Atomic(esi_log_sink *) the_sink;
static _Atomic(esi_log_who_hook *) the_who;
static _Atomic(esi_log_clock *) the_clock;

static const struct {
    const char *name, *mark, *colour;
} levels[] = {
    [ESI_LOG_ERROR] = {"error", "ERR", "\033[31m"},   [ESI_LOG_WARNING] = {"warning", "WRN", "\033[33m"},
    [ESI_LOG_NOTICE] = {"notice", "NTC", "\033[36m"}, [ESI_LOG_INFO] = {"info", "INF", "\033[32m"},
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

static int level_named(const char *name)
{
    for (int level = ESI_LOG_ERROR; level <= ESI_LOG_DEBUG; level++) {
        if (name && strcmp(name, levels[level].name) == 0)
            return level;
    }
    return ESI_LOG_NOTICE;
}

void esi_log_configure(void)
{
    const char *format = getenv("ES_LOG"), *no_colour = getenv("NO_COLOR");
    bool wants_colour = !(no_colour && *no_colour) && isatty(STDERR_FILENO);
    atomic_store_explicit(&log_format, format && strcmp(format, "json") == 0 ? ESI_LOG_JSON : ESI_LOG_TEXT,
                          memory_order_relaxed);
    atomic_store_explicit(&is_coloured, wants_colour, memory_order_relaxed);
    atomic_store_explicit(&esi_log_threshold, level_named(getenv("ES_LOG_LEVEL")), memory_order_relaxed);
    atomic_store_explicit(&is_configured, true, memory_order_release);
}

/* Two threads may both do it at first; they find the same. acquire: the settings that belong to the mark are
 * there. */
static void configure_once(void)
{
    if (!atomic_load_explicit(&is_configured, memory_order_acquire))
        esi_log_configure();
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

static uint64_t now_ns(void)
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
    uint64_t second = now_ns() / NS_PER_S & UINT32_MAX;
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

/* One line in the making. The buffers are there for the whole call. */
struct entry {
    uint64_t ns;
    int level;
    const char *file;
    int line;
    const char *message;
    size_t message_length;
    struct esi_log_who who;
};

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

static void build_text(struct esi_text *text, const struct entry *entry)
{
    /* A sink gets no colours: they are for the terminal that stderr is. */
    bool coloured = atomic_load_explicit(&is_coloured, memory_order_relaxed) &&
                    !atomic_load_explicit(&the_sink, memory_order_acquire);
    time_t seconds = (time_t)(entry->ns / NS_PER_S);
    struct tm tm;
    localtime_r(&seconds, &tm);
    append_time(text, &tm, entry->ns % NS_PER_S / 1000000, 3);
    esi_text_char(text, ' ');
    esi_text_str(text, coloured ? levels[entry->level].colour : "");
    esi_text_str(text, levels[entry->level].mark);
    esi_text_str(text, coloured ? "\033[0m" : "");
    esi_text_char(text, ' ');
    append_word(text, &entry->who.name);
    append_word(text, &entry->who.pid);
    esi_text_printable(text, entry->message, entry->message_length);
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

static void append_field(struct esi_text *text, const char *key, const char *value, size_t length)
{
    if (length == 0)
        return;
    esi_text_str(text, ",\"");
    esi_text_str(text, key);
    esi_text_str(text, "\":\"");
    esi_text_escaped(text, value, length);
    esi_text_char(text, '"');
}

/* What is known to fit comes first; the message comes last and is cut so that the object still ends. */
static void build_json(struct esi_text *text, const struct entry *entry)
{
    time_t seconds = (time_t)(entry->ns / NS_PER_S);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    esi_text_str(text, "{\"ts\":\"");
    append_date(text, &tm);
    append_time(text, &tm, entry->ns % NS_PER_S / 1000, 6);
    esi_text_str(text, "Z\"");
    append_field(text, "level", levels[entry->level].name, strlen(levels[entry->level].name));
    append_field(text, "node", entry->who.node.bytes, entry->who.node.length);
    append_field(text, "pid", entry->who.pid.bytes, entry->who.pid.length);
    append_field(text, "name", entry->who.name.bytes, entry->who.name.length);
    append_field(text, "file", entry->file, strnlen(entry->file, 64));
    esi_text_str(text, ",\"line\":");
    esi_text_i64(text, entry->line);
    esi_text_str(text, ",\"msg\":\"");
    text->size -= 2;
    esi_text_escaped(text, entry->message, entry->message_length);
    text->size += 2;
    text->cut = false;
    esi_text_str(text, "\"}");
}

/* The path within the project: builds name files from wherever they were started. */
static const char *short_file(const char *file)
{
    const char *source = strstr(file, "src/");
    return source ? source + 4 : file;
}

/* `line` has room for a line end in place of its 0. */
static void put_out(int level, struct esi_text *line)
{
    esi_log_sink *sink = atomic_load_explicit(&the_sink, memory_order_acquire);
    if (sink) {
        sink(level, line->bytes, line->length);
        return;
    }
    line->bytes[line->length] = '\n';
    ssize_t written;
    do {
        written = write(STDERR_FILENO, line->bytes, line->length + 1);
    } while (written < 0 && errno == EINTR);
}

void esi_log_at(const char *file, int line, int level, const char *format, ...)
{
    int saved_errno = errno;
    configure_once();
    if (level < ESI_LOG_ERROR || level > ESI_LOG_DEBUG)
        level = ESI_LOG_ERROR;
    if (!esi_log_is_on(level))
        return;
    char message[MESSAGE_BYTES], node[WHO_BYTES], name[WHO_BYTES], pid[WHO_BYTES], bytes[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    errno = saved_errno; /* for %m */
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (length < 0)
        length = 0;
    struct entry entry = {.ns = now_ns(), .level = level, .file = short_file(file), .line = line};
    entry.message = message;
    entry.message_length = (size_t)length < sizeof message ? (size_t)length : sizeof message - 1;
    esi_text_init(&entry.who.node, node, sizeof node);
    esi_text_init(&entry.who.name, name, sizeof name);
    esi_text_init(&entry.who.pid, pid, sizeof pid);
    esi_log_who_hook *who = atomic_load_explicit(&the_who, memory_order_acquire);
    if (who)
        who(&entry.who);
    struct esi_text text;
    esi_text_init(&text, bytes, sizeof bytes);
    if (atomic_load_explicit(&log_format, memory_order_relaxed) == ESI_LOG_JSON)
        build_json(&text, &entry);
    else
        build_text(&text, &entry);
    put_out(level, &text);
    errno = saved_errno;
}
