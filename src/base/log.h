/* base/log.h - the front of the log: what the runtime has to say to whoever runs it.
 *
 * One call is one event, and an event is one line. Text, on a terminal in colour:
 *     12:41:07.213 WRN kv <0.101.0> mailbox over its limit call=17
 * or, with ES_LOG=json, a JSON object a line. ES_LOG_LEVEL=error|warning|notice|info|debug (or one of the others of engset/logger.h) sets
 * the level (default notice). What others said is escaped, so a message cannot forge a line. errno is left as it was.
 * Who asks (its name and pid) and the time come in through hooks. Where lines go can be changed; where events go, too: log/ takes them, and
 * writes them elsewhere than in the thread that speaks. Without it, it is one write(2) here. Any thread,
 * but not a signal handler: that builds its line with base/text.h. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/text.h"

/* As es_log_level of engset/logger.h, and syslog(3). */
enum esi_log_level {
    ESI_LOG_NOTHING = -1, /* a level that lets nothing through */
    ESI_LOG_EMERGENCY,
    ESI_LOG_ALERT,
    ESI_LOG_CRITICAL,
    ESI_LOG_ERROR,
    ESI_LOG_WARNING,
    ESI_LOG_NOTICE,
    ESI_LOG_INFO,
    ESI_LOG_DEBUG
};

enum esi_log_format { ESI_LOG_TEXT, ESI_LOG_JSON };

/* Says a printf message at `level` (enum esi_log_level). What is below the level costs a load and a branch;
 * its arguments are not evaluated. */
#define esi_log(level, ...)                                       \
    do {                                                          \
        if (esi_log_is_on(level))                                 \
            esi_log_at(__FILE__, __LINE__, (level), __VA_ARGS__); \
    } while (0)

/* The same, at most `per_second` times a second from this place. The first line after that says how many
 * similar ones were suppressed. */
#define esi_log_limited(per_second, level, ...)                                                  \
    do {                                                                                         \
        static struct esi_log_limit limit_;                                                      \
        uint64_t suppressed_ = 0;                                                                \
        if (!esi_log_is_on(level) || !esi_log_limit_admits(&limit_, (per_second), &suppressed_)) \
            break;                                                                               \
        if (suppressed_)                                                                         \
            esi_log_at(__FILE__, __LINE__, (level), "suppressed %llu similar",                   \
                       (unsigned long long)suppressed_);                                         \
        esi_log_at(__FILE__, __LINE__, (level), __VA_ARGS__);                                    \
    } while (0)

/* One place's count. All zero at first. */
struct esi_log_limit {
    _Atomic uint64_t window; /* high 32 bits: the second; low 32: lines asked for in it */
};

/* Who speaks. The hook fills in what it knows. `metadata`: keys and values, each a string with its 0, in memory that stays while the event is
 * looked at. */
struct esi_log_who {
    struct esi_text node, name, pid, label, application;
    const char *metadata;
    size_t metadata_size;
};

enum { ESI_LOG_WHO_BYTES = 96, ESI_LOG_LABEL_BYTES = 32 };

/* Room for the texts of one. */
struct esi_log_who_room {
    char node[ESI_LOG_WHO_BYTES], name[ESI_LOG_WHO_BYTES], pid[ESI_LOG_WHO_BYTES], label[ESI_LOG_LABEL_BYTES],
        application[ESI_LOG_LABEL_BYTES];
};

struct esi_log_field {
    const char *key, *value; /* the key is a string, the value `length` bytes */
    size_t length;
};

enum { ESI_LOG_FIELDS = 16, ESI_LOG_LINE_BYTES = 8192, ESI_LOG_MESSAGE_BYTES = 2048 };

/* What was said, before it is a line. All of it is lent. */
struct esi_log_event {
    uint64_t ns; /* since 1970 */
    int level;
    const char *code; /* of a report ("E0101"), which is many lines of text; or NULL */
    const char *file; /* NULL in a report */
    int line;
    const char *message;
    size_t message_length;
    struct esi_log_who who;
    const struct esi_log_field *fields;
    int field_count;
};

/* Makes a line of it, without the line end: text (in colour, as for a terminal) or one JSON object, which is whole also when it was cut. */
void esi_log_text(struct esi_text *text, const struct esi_log_event *event, bool is_coloured);
void esi_log_json(struct esi_text *text, const struct esi_log_event *event);

/* "error", "ERR"; `level` is one of the eight. */
const char *esi_log_level_name(int level);

/* The level of that name ("none": ESI_LOG_NOTHING, "all": ESI_LOG_DEBUG), else `otherwise`. `name` may be NULL. */
int esi_log_level_named(const char *name, int otherwise);

/* What the environment or esi_log_set_format() said, and whether stderr gets colours. */
enum esi_log_format esi_log_format_now(void);
bool esi_log_is_coloured(void);

/* The time, by the hook. */
uint64_t esi_log_now_ns(void);

/* An empty one with room for its texts, then asks the hook. */
void esi_log_ask_who(struct esi_log_who *who, struct esi_log_who_room *room);

/* The same for the key-value pairs of `metadata`: appended to `fields`, at most ESI_LOG_FIELDS in all. Gives how many there are now. */
int esi_log_unpack(const char *metadata, size_t size, struct esi_log_field *fields, int count);

/* Gives it to the back. False: there is none, or it takes nothing just now. */
bool esi_log_offer(const struct esi_log_event *event);

/* Where it goes: the sink, the back, or stderr. Whether the level lets it through was asked before. */
void esi_log_pass(const struct esi_log_event *event);

/* Waits, at most `ms`, until what was taken is written. Any thread, also in a signal handler. */
void esi_log_settle(int ms);

/* One write(2) to stderr, with a line end; the text has room for that. */
void esi_log_write(struct esi_text *line);

/* Where a finished line goes; it has no line end, but a 0 after it. Called in the thread that speaks. */
typedef void esi_log_sink(int level, const char *line, size_t length);
typedef void esi_log_who_hook(struct esi_log_who *who);

/* Where events go, if no sink is in place. All in the thread that speaks. */
struct esi_log_back {
    bool (*take)(const struct esi_log_event *event); /* does not wait. False: it takes none just now */
    bool (*wants)(int level); /* would it do anything with such an event? Counts those that it refuses */
    void (*settle)(
        int ms); /* waits until all that it took is written, so long at most. Also in a signal handler */
};
typedef uint64_t esi_log_clock(void);

/* These put a hook in place; NULL brings the default back: stderr, nobody, CLOCK_REALTIME in ns since 1970.
 */
void esi_log_set_sink(esi_log_sink *sink);
void esi_log_set_who(esi_log_who_hook *who);
void esi_log_set_clock(esi_log_clock *clock);
void esi_log_set_back(const struct esi_log_back *back);

/* Change what the environment said. */
void esi_log_set_level(enum esi_log_level level);
void esi_log_set_format(enum esi_log_format format);

/* Reads ES_LOG, ES_LOG_LEVEL and NO_COLOR again, and whether stderr is a terminal. Done by itself at the
 * first line. */
void esi_log_configure(void);

/* What the macros above call. */
extern _Atomic int
    esi_log_threshold; /* the level; before the first line: everything is let through to be asked again */
static inline bool esi_log_is_on(int level)
{
    /* relaxed: a change of the level takes effect a moment later elsewhere, nothing more. */
    return level <= atomic_load_explicit(&esi_log_threshold, memory_order_relaxed);
}
bool esi_log_limit_admits(struct esi_log_limit *limit, uint32_t per_second, uint64_t *suppressed);
/* Is somebody there for an event of that level? A flood is counted here, before anything is made of it. */
bool esi_log_has_reader(int level);
__attribute__((format(printf, 4, 5))) void esi_log_at(const char *file, int line, int level,
                                                      const char *format, ...);

#endif
