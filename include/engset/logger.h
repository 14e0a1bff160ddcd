/* engset/logger.h - the log: what a program has to say to whoever runs it.
 *
 *     es_log(ES_LOG_WARNING, "trunk %s is full: %d calls refused", name, refused);
 *     es_log_with(ES_LOG_NOTICE, ES_LOG_FIELDS({"call", id}, {"peer", host}), "answered after %d ms", ms);
 *
 * What is said becomes an event: level, time, text, who said it (pid, name, label, application) and keys with values. Handlers make something of
 * events, each at its own pace and from a level of its own: one is there from the beginning, "default", which writes lines to stderr (with ES_LOG=json
 * in the environment a JSON object a line). The program's own level lets notices and worse through, or what ES_LOG_LEVEL=debug, info... says.
 *
 * Who speaks never waits for who writes: each handler has a queue of 1 MiB and a thread of its own. When one does not keep up, what does not
 * fit is dropped and counted, errors and worse last, and a line says how many. In a simulated world there are no threads: a line is written when
 * it is said, with the virtual time.
 *
 * The reports of the runtime (crashes, supervisors) go the same way. Source: OTP logger, logger_olp. */
#ifndef ENGSET_LOGGER_H
#define ENGSET_LOGGER_H

#include <engset/base.h>

ES_BEGIN_DECLS

/* As syslog(3) numbers them. ES_LOG_NONE lets nothing through. */
typedef enum es_log_level {
    ES_LOG_NONE = -1,
    ES_LOG_EMERGENCY,
    ES_LOG_ALERT,
    ES_LOG_CRITICAL,
    ES_LOG_ERROR,
    ES_LOG_WARNING,
    ES_LOG_NOTICE,
    ES_LOG_INFO,
    ES_LOG_DEBUG,
} es_log_level;

/* A key and its value, both strings. */
typedef struct es_log_field {
    const char *key, *value;
} es_log_field;

/* Would anybody see an event of this level? Any thread. */
ES_API bool es_log_is_on(es_log_level level);

/* What the macros below call. */
ES_API void esi_log_say(es_log_level level, const char *file, int line, const es_log_field *fields,
                        int64_t field_count, const char *format, ...) __attribute__((format(printf, 6, 7)));

#ifndef __cplusplus
/* Says a printf message, cut at 2,047 bytes. Where nobody would see it, its arguments are not evaluated. Never waits, needs no memory, leaves errno as it is.
 * Any thread. Source: logger:log/2. */
#define es_log(level, ...)                                                  \
    do {                                                                    \
        if (es_log_is_on(level))                                            \
            esi_log_say((level), __FILE__, __LINE__, NULL, 0, __VA_ARGS__); \
    } while (0)

/* The same with keys and values: es_log_with(ES_LOG_INFO, ES_LOG_FIELDS({"peer", host}), "..."). At most 16 with those of the process; what makes an
 * event longer than 8 KiB is left out. */
#define es_log_with(level, fields, ...)                                                 \
    do {                                                                                \
        if (es_log_is_on(level))                                                        \
            esi_log_say((level), __FILE__, __LINE__, (fields),                          \
                        (int64_t)(sizeof(fields) / sizeof(es_log_field)), __VA_ARGS__); \
    } while (0)
#define ES_LOG_FIELDS(...) ((const es_log_field[]){__VA_ARGS__})
#endif

/* From here on `key` has `value` in all that the calling process says, and in the report of its crash; NULL: not any more.
 *   ES_ELIMIT  more than 512 bytes in all; nothing has changed
 *   ES_EINVAL  the key is empty
 *   ES_ENOMEM
 * Process only. Source: logger:update_process_metadata/1. */
ES_API es_err es_log_metadata(const char *key, const char *value);

/* What others sent to the calling process is shown in no report and no crash dump (true), or is, as at first. Gives the previous value. Process only.
 * Source: process_flag(sensitive, …). */
ES_API bool es_sensitive(bool on);

/* Events below `level` are not made at all. Gives the previous level. Any thread. Source: logger:set_primary_config/2. */
ES_API es_log_level es_log_set_level(es_log_level level);

/* ------------------------------------------------------------------ handlers */

/* What a handler gets; all of it is lent for the call. What is not known is "". */
typedef struct es_log_event {
    es_log_level level;
    int64_t time_ns; /* since 1970 */
    const char *message;
    const char *code; /* of a report: "E0101" */
    const char *file; /* "" in a report */
    int line;
    const char *pid, *name, *label, *application;
    const es_log_field *fields; /* in a report: what it is made of ("at", "told", "decision") */
    int64_t field_count;
} es_log_event;

typedef enum es_log_format { ES_LOG_TEXT = 0, ES_LOG_JSON } es_log_format;

/* Handlers have names of up to 31 bytes. At most eight are there at once, "default" among them. Each of these adds one that gets events of `level` and worse:
 *   ES_EEXIST  one of that name is there
 *   ES_ELIMIT  there are eight, or the name is empty or too long
 *   ES_ENOMEM
 * Any thread. Source: logger:add_handler/3. */

/* Lines to a descriptor, which stays the caller's and open as long as the handler is there. */
ES_API es_err es_log_add_descriptor(const char *id, es_log_level level, es_log_format format, int descriptor);

/* Lines to the end of a file, made if it is not there (mode 0640). ES_EOS: it cannot be opened, errno says why. What cannot be written (the disk is full) is
 * lost and counted; a line says so as soon as there is room again, and the other handlers are told at once. The same goes for descriptors and the journal. */
ES_API es_err es_log_add_file(const char *id, es_log_level level, es_log_format format, const char *path);

/* Events with all their fields to journald, by its own protocol. `path` is that of its socket, NULL: /run/systemd/journal/socket. ES_EOS: nobody is there. */
ES_API es_err es_log_add_journal(const char *id, es_log_level level, const char *path);

/* A function of the program's own. It is called with `state` in a process of its own: it may wait, send and call; if it crashes or gives an error the handler is removed,
 * a line says so, and nothing else stops. What it says itself it does not get. Ends with the node.
 *   ES_ECLOSED  no node runs */
ES_API es_err es_log_add_handler(const char *id, es_log_level level,
                                 es_err (*handle)(const es_log_event *event, void *state), void *state);

/* What it has got is still written, as far as that takes no longer than a second. ES_ENOTFOUND: there is none of that name. Any thread; a handler cannot
 * remove itself (ES_EBUSY): it gives an error. */
ES_API es_err es_log_remove_handler(const char *id);

/* Figures of a handler. */
typedef struct es_log_counts {
    int64_t handled; /* written, or given to the function */
    int64_t dropped; /* came faster than they could be handled */
    int64_t lost;    /* could not be written */
    int64_t waiting;
} es_log_counts;

/* ES_ENOTFOUND. Any thread. */
ES_API es_err es_log_handler_counts(const char *id, es_log_counts *out);

/* Waits until all that was said before is handled, at most `timeout_ms`: ES_ETIMEOUT. ES_EINVAL: the time-out is negative. At the end of the program that is
 * done by itself, for at most a second. Any thread but a handler. */
ES_API es_err es_log_flush(int64_t timeout_ms);

ES_END_DECLS
#endif
