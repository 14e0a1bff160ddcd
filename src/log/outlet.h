/* log/outlet.h - who gets events: each has a queue, and somebody who empties it at its own pace.
 *
 * That is a thread for what is written (it may block: a pipe that is full, a disk), a process for a function of the program's own (it may crash), and
 * in a simulated world whoever speaks. Threads begin with the first event. */
#ifndef LOG_OUTLET_H
#define LOG_OUTLET_H

#include <engset/logger.h>
#include <pthread.h>
#include "log/ring.h"
#include "platform/thread.h"

enum { ESI_LOG_OUTLETS = 8, ESI_LOG_ID_BYTES = 32, ESI_LOG_OUT_BYTES = 2 * ESI_LOG_RECORD_BYTES };

enum esi_outlet_state {
    ESI_OUTLET_FREE,
    ESI_OUTLET_OPEN,
    ESI_OUTLET_CLOSING, /* gets nothing any more; what it has is still handled */
};

struct esi_log_outlet;

/* Writes one event. False: it could not, errno says why. In its thread. */
typedef bool esi_log_writer(struct esi_log_outlet *outlet, const struct esi_log_event *event);

/* What is done with an event. */
struct esi_outlet_about {
    esi_log_writer *write; /* NULL: it is a process that calls the following */
    es_err (*handle)(const es_log_event *event, void *state);
    void *handle_state;
    int descriptor;
    bool owns_descriptor, is_default;
    es_log_format format;
};

struct esi_log_outlet {
    _Atomic(int) level;        /* read without the lock: a hint */
    _Atomic(bool) is_refusing; /* the same */
    /* Figures: written under the lock, read as they are. `done` follows `pushed`, event by event. */
    _Atomic(uint64_t) pushed, done, handled, dropped, lost;

    /* Written under the lock, and read without by who wants a hint. */
    _Atomic(enum esi_outlet_state) state;
    _Atomic(bool) is_process; /* a function's; else a thread's, or a speaker's */
    _Atomic(uint64_t) pid;    /* that process, when it is known */

    pthread_mutex_t
        lock; /* guards all that follows; held for a copy, never over a write. No other lock is taken under it */
    pthread_cond_t wake; /* of its thread: an event, a report that waits, or the end */
    char id[ESI_LOG_ID_BYTES];
    struct esi_log_ring ring;
    uint64_t untold; /* dropped, and no line has said so */
    bool is_awake;   /* somebody empties the ring, or is told to */
    bool is_read;    /* somebody empties it just now */
    bool is_poked, is_stopping;
    bool has_thread, is_over, is_abandoned; /* nobody joins it: it tidies up itself */
    struct esi_thread thread;
    uint64_t claim; /* how often the slot was claimed */

    /* Who empties it, alone */
    struct esi_outlet_about about;
    struct esi_log_record record;
    char out[ESI_LOG_OUT_BYTES];
    uint64_t untold_lost;
    bool is_torn; /* the last line was written in part */
};

/* Takes a free one for `id`; open() lets events in. ES_EEXIST, ES_ELIMIT. In the runtime, as all that follows. */
es_err esi_outlet_claim(const char *id, const struct esi_outlet_about *about, struct esi_log_outlet **out);
void esi_outlet_open(struct esi_log_outlet *outlet, int level);

/* The same for the process `pid`; nothing if it has given its outlet back meanwhile. */
void esi_outlet_open_for(struct esi_log_outlet *outlet, uint64_t claim, int level, uint64_t pid);

/* It was claimed, or its reader has ended: its descriptor is closed if that is its own, what waits is gone. */
void esi_outlet_give(struct esi_log_outlet *outlet);

/* No more events. True: it has somebody who empties it, and gives it back. */
bool esi_outlet_shut(struct esi_log_outlet *outlet);

/* Has it been given back? Joins its thread. `is_enough`: it is left to itself from here on. */
bool esi_outlet_is_gone(struct esi_log_outlet *outlet, bool is_enough);

/* The open one of that name, or NULL. */
struct esi_log_outlet *esi_outlet_find(const char *id);

/* The next event into `record`. False: there is none, and who empties it sleeps from here on; `*is_over`: for ever. */
bool esi_outlet_next(struct esi_log_outlet *outlet, bool *is_over);
/* That one was handled, or lost. */
void esi_outlet_done(struct esi_log_outlet *outlet, bool is_handled);

/* How many events are in, or were, of all outlets; and are all these done? `with_processes`: also by functions of the program's own. */
void esi_outlets_mark(uint64_t marks[ESI_LOG_OUTLETS], bool with_processes);
bool esi_outlets_reached(const uint64_t marks[ESI_LOG_OUTLETS]);

/* An event to all whose level admits it, but `except` (may be NULL). */
void esi_outlets_put(const struct esi_log_event *event, const struct esi_log_outlet *except);

/* Somebody looks after reports that wait for a decision. */
void esi_outlets_poke(void);

/* Would one take it? If none: it is counted. */
bool esi_outlets_want(int level);

/* The threads that have nothing to do end, when the node has. */
void esi_outlets_rest(void);

/* The writers: lines to the descriptor; the journal's own protocol to the socket. write.c */
esi_log_writer esi_write_lines, esi_write_journal;

/* A socket to the journal at `path` (NULL: where it is as a rule). -1: nobody is there. */
int esi_journal_open(const char *path);

/* Is the descriptor the journal's own end, as it says in JOURNAL_STREAM ("DEVICE:INODE")? */
bool esi_journal_is_behind(int descriptor, const char *stream);

#endif
