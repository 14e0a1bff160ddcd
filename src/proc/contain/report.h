/* proc/contain/report.h - what a crash looks like to who reads the log.
 *
 * One report a crash, at most 16 lines, in one piece. If its supervisor (ESI_FLAG_DECIDES) hears of the end, it waits for what that decides, at
 * most for a second, and says it, too. With ES_LOG=json one object on one line with the same fields. At most
 * 20 a second, then a line that says how many were left out. ES_REPORTS=0 switches them off; ES_REPORTS=all also tells of processes
 * that end by themselves with a reason that is no error of theirs. */
#ifndef PROC_CONTAIN_REPORT_H
#define PROC_CONTAIN_REPORT_H

#include "proc/contain/decide.h"
#include "proc/contain/fault.h"

/* May a report be made now? Counts as one. `*suppressed`: how many were not, before this one. Any thread. */
bool esi_report_admits(uint64_t *suppressed);

/* E0101, or E0203 for a stack that was too small: `p` was left because of `*fault`, which was admitted, and will end with `reason`. In the
 * runtime, on behalf of `p`. */
void esi_report_fault(struct esi_process *p, const struct esi_fault *fault, es_term reason);

/* E0101: `p` ends with `reason`: "crashed" by an error that the runtime found ({badarg, F}, {double_free, …}), or "exited" by es_exit(), a
 * failed call. Where it was is what `p` noted (trail.h). Reasons that are no errors (normal, shutdown, {shutdown, _}, killed but
 * for too much memory) are passed over, as are faults, which have been reported. Not for a reason that came by a signal from
 * somebody else. Called by `p` itself, or on its behalf, before its links and monitors are told. */
void esi_report_crash(struct esi_process *p, es_term reason);

/* `p` ended by itself, and its supervisor, which hears of it, has something to add: then that is told although exits are not, as a rule. Where it was is
 * not told. Cheap where reports are off. On behalf of `p`, before its links are told. */
bool esi_report_is_awaited(struct esi_process *p);

/* Is it to be told that a process exits by itself with `reason`: ES_REPORTS=all, and a reason that is not passed over? */
bool esi_report_wants_exit(es_term reason);

/* What the watchdog knows of a process that ran long without a call of the runtime. */
struct esi_long_run {
    uint64_t id;
    uint64_t name;     /* atom, or 0 */
    const char *label; /* or "" */
    int64_t ran_ms;
    uintptr_t pc;      /* where it was found, or 0 */
    const char *place; /* from esi_place_of() when it is blocked, or NULL */
    int moved_count;   /* processes that went to a spare thread with its scheduler */
    int spare_count;   /* spare threads in use */
};

/* E0120, a warning. The watchdog's thread. */
void esi_report_long_run(const struct esi_long_run *run);

/* E0121: the process could not be ended and counts as ended; its thread stays apart. The watchdog's thread. */
void esi_report_stranded(const struct esi_long_run *run);

/* Where finished reports go, without the line end; NULL: stderr. For tests and the dashboard. */
typedef void esi_report_sink(const char *text, size_t length);
void esi_report_set_sink(esi_report_sink *sink);

/* Reads ES_REPORTS and ES_LOG again, and begins to count anew. Done by itself at the first report. */
void esi_report_configure(void);

#endif
