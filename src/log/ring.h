/* log/ring.h - events that wait for who handles them: a queue of bounded size.
 *
 * When it is full events are refused until half of it has been taken; errors and worse have the last eighth to themselves and are refused
 * only where there is no room at all. Who counts, wakes and writes is outlet.c; the lock is there too. */
#ifndef LOG_RING_H
#define LOG_RING_H

#include "base/log.h"

enum { ESI_LOG_RING_BYTES = 1 << 20, ESI_LOG_RECORD_BYTES = 8192 };

struct esi_log_ring {
    char *bytes;         /* ESI_LOG_RING_BYTES, or NULL: none yet */
    uint64_t first, end; /* positions that grow until it is empty: records lie between them */
    bool is_refusing;
};

/* An event with room for what it lends. */
struct esi_log_record {
    struct esi_log_event event;
    struct esi_log_field fields[ESI_LOG_FIELDS];
    char bytes[ESI_LOG_RECORD_BYTES];
};

/* Puts a copy of `event` at the end. What makes it longer than a record is left out. False: there is no room, or no memory for the ring. */
bool esi_log_ring_push(struct esi_log_ring *ring, const struct esi_log_event *event);

/* Takes the oldest one out. False: there is none. */
bool esi_log_ring_take(struct esi_log_ring *ring, struct esi_log_record *out);

static inline bool esi_log_ring_is_empty(const struct esi_log_ring *ring)
{
    return ring->first == ring->end;
}

/* Gives the memory back; what waited is gone. */
void esi_log_ring_free(struct esi_log_ring *ring);

#endif
