/* platform/sim/stream.h - an end of a pipe, or of a connection: two channels and what they do to each other. */
#ifndef PLATFORM_SIM_STREAM_H
#define PLATFORM_SIM_STREAM_H

#include "platform/sim/channel.h"

enum esi_sim_family { ESI_SIM_PIPE, ESI_SIM_LOCAL, ESI_SIM_TCP };

struct esi_sim_stream {
    struct esi_sim_file *file; /* whose it is; told when something changes */
    enum esi_sim_family family;
    struct esi_sim_channel *in, *out; /* NULL: it has none */
    bool reads_no_more, writes_no_more;
    bool resets_at_end; /* SO_LINGER with 0 */
    int error;          /* told once */
};

/* Joins two ends, of which each reads what the other writes; a pipe's first one only reads. False: no memory. */
bool esi_sim_stream_join(struct esi_sim_stream *a, struct esi_sim_stream *b, enum esi_sim_family family,
                         size_t limit, bool is_in_records);

/* As the calls of the system, for a stream that is joined. */
ssize_t esi_sim_stream_read(struct esi_sim_stream *s, void *buffer, size_t size, int flags);
ssize_t esi_sim_stream_write(struct esi_sim_stream *s, const struct iovec *pieces, int count);
uint32_t esi_sim_stream_ready(const struct esi_sim_stream *s);
void esi_sim_stream_shutdown(struct esi_sim_stream *s, int how);

/* Nobody has it any more: the other side is told. */
void esi_sim_stream_close(struct esi_sim_stream *s);

/* ---- for channel.c: what came out at the reading end of `c`, which may be gone ---- */

void esi_sim_stream_got(struct esi_sim_channel *c, size_t size);
void esi_sim_stream_got_end(struct esi_sim_channel *c);
void esi_sim_stream_got_reset(struct esi_sim_channel *c);

#endif
