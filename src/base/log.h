/* base/log.h - the front of the log: what the runtime has to say to whoever runs it.
 *
 * One call is one line and one write(2). Text, on a terminal in colour:
 *     12:41:07.213 WRN kv <0.101.0> mailbox over its limit
 * or, with ES_LOG=json, a JSON object a line. ES_LOG_LEVEL=error|warning|notice|info|debug sets the level
 * (default notice). What others said is escaped, so a message cannot forge a line. errno is left as it was.
 * Who asks (its name and pid) and the time come in through hooks; where lines go can be changed. Any thread,
 * but not a signal handler: that builds its line with base/text.h. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/text.h"

enum esi_log_level { ESI_LOG_ERROR, ESI_LOG_WARNING, ESI_LOG_NOTICE, ESI_LOG_INFO, ESI_LOG_DEBUG };

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

/* Who speaks. The hook fills in what it knows. */
struct esi_log_who {
    struct esi_text node, name, pid;
};

/* Where a finished line goes; it has no line end, but a 0 after it. Called in the thread that speaks. */
typedef void esi_log_sink(int level, const char *line, size_t length);
typedef void esi_log_who_hook(struct esi_log_who *who);
typedef uint64_t esi_log_clock(void);

/* These put a hook in place; NULL brings the default back: stderr, nobody, CLOCK_REALTIME in ns since 1970.
 */
void esi_log_set_sink(esi_log_sink *sink);
void esi_log_set_who(esi_log_who_hook *who);
void esi_log_set_clock(esi_log_clock *clock);

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
__attribute__((format(printf, 4, 5))) void esi_log_at(const char *file, int line, int level,
                                                      const char *format, ...);

#endif
