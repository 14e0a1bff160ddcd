/* proc/contain/decide.h - what a supervisor decides over a child that crashed, for the one report of that (report.h).
 *
 * The report is held until the supervisor has said its last word, has ended, or a second is over. */
#ifndef PROC_CONTAIN_DECIDE_H
#define PROC_CONTAIN_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

struct esi_draft;
struct esi_process;

/* The supervisor of `p`, if it will hear of its end; or 0. On behalf of `p`, before its links are told. */
uint64_t esi_report_decider(struct esi_process *p);

/* Publishes the report of the end of `p`: now, or when it is decided what becomes of `p`. As above. */
void esi_report_publish_decided(struct esi_draft *report, struct esi_process *p);

/* The supervisor of the process `id`, which ended, decided `decision`; a later one takes the place of an earlier one. `is_done`: there is no other, the report is written.
 * False: no report of it is held: nothing of it was told, or all. In the runtime. */
bool esi_report_decide(uint64_t id, const char *decision, bool is_done);

/* Is any held? If not, nobody needs to make a decision's text. Any thread. */
bool esi_report_is_held(void);

/* `decider` decides nothing more over those that it was to: their reports are written. Any thread. */
void esi_report_undecided(uint64_t decider);

/* Writes those that have waited too long at `now_ns` (by esi_clock_now_ns(); UINT64_MAX: all). When that is so next; UINT64_MAX: none waits. Any thread. */
uint64_t esi_report_overdue(uint64_t now_ns);

/* Called when a report begins to wait: somebody should ask for those that are overdue in a second. Any thread, in the runtime; must be short. */
typedef void esi_report_waker(void);
void esi_report_set_waker(esi_report_waker *waker);

#endif
