/* supervise/restart.h - decides what a supervisor does when a child ends. No clock, no messages, no memory but the ring that it is given.
 *
 * The rules are OTP's; `enum es_restart` and its like stand in engset/supervisor.h. supervisor.c is the process that does it. */
#ifndef SUPERVISE_RESTART_H
#define SUPERVISE_RESTART_H

#include <engset/supervisor.h>

/* How a child ended. */
enum esi_ending {
    ESI_ENDED_NORMAL,   /* normal, shutdown, {shutdown, _} */
    ESI_ENDED_SHUTDOWN, /* the same, of a child whose own giving up counts as a failure (.escalate) */
    ESI_ENDED_BADLY,    /* anything else */
};

enum esi_deed {
    ESI_FORGET,  /* its record goes */
    ESI_KEEP,    /* it is kept, as one that does not run */
    ESI_RESTART, /* it, and whom the strategy names, is started again */
};

struct esi_verdict {
    enum esi_deed deed;
    bool is_error; /* to be reported */
    bool may_end;  /* an end that auto_shutdown counts, of a significant child */
};

/* What becomes of a child that ended. */
struct esi_verdict esi_judge(es_restart restart, enum esi_ending ending);

/* The reason as the rules see it. */
enum esi_ending esi_ending_of(es_term reason, bool escalates);

/* Does the supervisor shut down when a child that counts ends, and `significant_left` others that are significant are left? */
bool esi_shuts_down(es_auto_shutdown mode, bool is_significant, int64_t significant_left);

/* Which numbers a restart of the child `number` takes along: from `first` to `last`, in the order of the start. */
struct esi_range {
    int64_t first, last;
};
struct esi_range esi_taken_along(es_strategy strategy, int64_t number);

/* ------------------------------------------------------------------ intensity */

/* The times of the restarts within the last period, oldest first, in a ring. What a restart costs does not depend on how many there were. */
struct esi_intensity {
    int64_t *times_ns;
    int64_t room, first, count; /* of the ring; room 0: none yet */
    int64_t limit, period_ns;
};

/* One more restart at `now_ns`: may it be? Those that are older than the period are forgotten. */
bool esi_intensity_admits(struct esi_intensity *intensity, int64_t now_ns);

/* Is there room to note one more? If not, esi_intensity_move() goes on in `times_ns`, which has room for `room`. */
bool esi_intensity_is_full(const struct esi_intensity *intensity);
void esi_intensity_move(struct esi_intensity *intensity, int64_t *times_ns, int64_t room);

/* It was at `now_ns`. There is room. */
void esi_intensity_note(struct esi_intensity *intensity, int64_t now_ns);

/* ------------------------------------------------------------------ back-off */

/* How long to wait before try number `tries` (from 1), in milliseconds: .first_ms, then twice as long each time up to .max_ms, of which a part chosen
 * by `chance` (0 to 1) is taken off by .jitter. 0: at once. */
int64_t esi_backoff_ms(const es_backoff *backoff, int64_t tries, double chance);

#endif
