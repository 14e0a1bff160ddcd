/* platform/sim/channel.h - one direction of a stream: bytes on their way, and bytes that have come.
 *
 * It has a reading and a writing end. What is written arrives at once, or after a time on the virtual clock, always in its order; whoever holds
 * an end is told of what happens by esi_sim_changed(). What the two directions of a connection do to each other is stream.h's. */
#ifndef PLATFORM_SIM_CHANNEL_H
#define PLATFORM_SIM_CHANNEL_H

#include "platform/sim/file.h"

struct esi_sim_stream;

struct esi_sim_channel {
    int refs;                               /* the ends, and what is on its way */
    struct esi_sim_stream *reader, *writer; /* NULL: gone; not counted */
    char *bytes;                            /* [start, arrived) can be read, [arrived, end) is on its way */
    size_t start, arrived, end, room;
    size_t limit;        /* of bytes that are not read yet */
    bool is_network;     /* it takes time, and may be cut */
    uint64_t latency_ns; /* about */
    uint64_t last_ns;    /* nothing arrives before that */
    int under_way;       /* how much is on its way: data in pieces, the end */
    bool has_ended;      /* the reader has been told that no more comes */
    bool is_broken;      /* what was or will be written is lost */
    bool is_in_records;  /* a read takes what one write gave; each stands behind its length */
    uint64_t id;
};

/* With one reference. NULL: no memory. */
struct esi_sim_channel *esi_sim_channel_new(size_t limit);
void esi_sim_channel_unref(struct esi_sim_channel *c);

static inline size_t esi_sim_channel_room(const struct esi_sim_channel *c)
{
    size_t there = c->end - c->start;
    return there < c->limit ? c->limit - there : 0;
}

/* Takes `size` bytes from the program's `pieces`, for which there is room, and sends them off. False and errno: EFAULT, ENOBUFS. */
bool esi_sim_channel_put(struct esi_sim_channel *c, const struct iovec *pieces, int count, size_t size);

/* Gives up to `size` bytes that have come, or looks at them (`peeks`). How many; -1: EFAULT. */
ssize_t esi_sim_channel_get(struct esi_sim_channel *c, void *buffer, size_t size, bool peeks);

/* Behind all that was sent: the end, or a reset. */
void esi_sim_channel_end(struct esi_sim_channel *c);
void esi_sim_channel_reset(struct esi_sim_channel *c);

/* What is on its way is lost, and what is sent will be. What has come can still be read. */
void esi_sim_channel_break(struct esi_sim_channel *c);

#endif
