/* proc/contain/draft.h - a report that is being written: a heading and fields, and then it goes out as text or as JSON.
 *
 * Text:  error[E0101]: process kv <0.101.0> crashed: {signal,sigsegv,<<"handle+0x1c in kv">>}
 *          at              handle+0x1c in kv (src/kv.c:41)
 * JSON:  {"ts":"...","level":"error","code":"E0101","pid":"<0.101.0>","msg":"process kv ...","at":"..."}
 *
 * Of one writer at a time. What reports say stands in report.c. */
#ifndef PROC_CONTAIN_DRAFT_H
#define PROC_CONTAIN_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/log.h"
#include "base/text.h"

enum { ESI_DRAFT_HEADING_BYTES = 640, ESI_DRAFT_ARENA_BYTES = 4096 };

struct esi_draft {
    int level;
    const char *code;
    uint64_t id; /* of the process that it is about, or 0 */
    uint64_t ns; /* since 1970 */
    char heading_bytes[ESI_DRAFT_HEADING_BYTES];
    struct esi_text heading;
    int field_count;
    struct esi_log_field fields[ESI_LOG_FIELDS]; /* values in the arena */
    char arena_bytes[ESI_DRAFT_ARENA_BYTES];
    size_t arena_used;
    struct esi_text value; /* of the field that is being written */
    char out_bytes[ESI_LOG_LINE_BYTES];
};

/* May one be begun now? Counts as one, and tells of those that were not. Any thread. */
bool esi_draft_is_admitted(void);

/* A report that says how many were left out. Any thread. */
void esi_draft_tell_suppressed(uint64_t count);

/* ES_REPORTS=0, ES_REPORTS=all. Any thread. */
bool esi_draft_is_off(void);
bool esi_draft_tells_exits(void);

/* Begins one; publish it. NULL: no memory, and somebody else has what is kept for that; the report is lost. Any thread. */
struct esi_draft *esi_draft_begin(int level, const char *code, uint64_t id);

/* Begins a field; append to what it gives, then finish it. */
struct esi_text *esi_draft_field(struct esi_draft *d);

/* `key` is static. A field that there is no room for is left out; a place is kept for the decision. */
void esi_draft_finish(struct esi_draft *d, const char *key);

/* A whole field. */
void esi_draft_say(struct esi_draft *d, const char *key, const char *value);

/* What was decided, as the last field; it takes the place of an earlier decision. */
void esi_draft_set_decision(struct esi_draft *d, const char *decision);

/* Can it wait for a decision? Not the one whose memory is kept for all. */
bool esi_draft_may_wait(const struct esi_draft *d);

/* Writes it, or hands it to the logger, and gives its memory back. Leaves errno. */
void esi_draft_publish(struct esi_draft *d);

#endif
