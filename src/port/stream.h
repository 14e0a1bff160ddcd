/* port/stream.h - what the files about stream sockets share, and what only few descriptors have: framing, active mode, a path.
 *
 * Bytes that were read ahead of the packet that they belong to lie in a buffer, from which es_read() takes first. */
#ifndef PORT_STREAM_H
#define PORT_STREAM_H

#include <sys/stat.h>
#include "port/descriptor.h"
#include "port/edge.h"

enum { ESI_PACKET_MAX_DEFAULT = 1 << 20 };

/* All of it under its descriptor's lock. */
struct esi_stream {
    int64_t credit; /* messages that may still be sent in active mode; ES_INFINITY: no end; 0: passive */
    es_packet_type packet;
    size_t packet_max;
    char *bytes; /* read ahead: [start, end) of `room`; NULL: nothing */
    size_t start, end, room;
    uint64_t holder; /* id of who is giving it to another: nothing is read in active mode; 0: nobody is */
    bool is_told;    /* that it is at its end, in active mode */
    char *path;      /* of a listener: taken away when it is closed, if it still is the file that we made */
    dev_t device;
    ino_t inode;
};

/* Its stream, made if it has none; NULL: no memory. Under the lock. */
struct esi_stream *esi_stream_of(struct esi_descriptor *d);

/* It has none any more: the buffer is freed, the path taken away. Under the lock. */
void esi_stream_free(struct esi_descriptor *d);

/* Closes `fd` of `self`, with which something went wrong. On behalf of `self`, in the runtime. */
void esi_stream_give_up(struct esi_process *self, int fd);

/* There may be something to read: reads it, if it is active. Any worker. active.c */
void esi_stream_ready(struct esi_descriptor *d);

/* ---- the system calls, without waiting: what they give, or -1 with errno; EINTR is handled ---- */

ssize_t esi_stream_read_now(struct esi_descriptor *d, void *buffer, size_t size);

/* ---- what the calls share (stream.c) ---- */

/* The calling process, in the runtime, and the descriptor `fd`, which is a stream made here. As esi_fd_enter(); and ES_EINVAL, ES_ECLOSED:
 * not such a one. */
ES_CHECKED es_err esi_stream_enter(const char *call, int fd, struct esi_process **self,
                                   struct esi_descriptor **out);

/* Notes that the system refused `call` for `d` with `code`, and gives ES_ECLOSED when the other side is gone, else ES_EOS. `said` (may be
 * "") stands before the reason. */
es_err esi_stream_refused(struct esi_process *self, const char *call, struct esi_descriptor *d,
                          const char *said, int code);

/* Writes `header_size` bytes, and all of `data` behind them, in as few system calls as the system allows. Gives `size`. */
int64_t esi_stream_write(struct esi_process *self, struct esi_descriptor *d, const void *header,
                         size_t header_size, const void *data, size_t size, int64_t deadline_ns);

/* Faults if the caller of a public function may not write to all of `buffer`. In user mode. */
void esi_stream_touch(void *buffer, size_t size);

/* ---- packets in the buffer (packet.c); all under the lock ---- */

/* The packet that is complete in the buffer: where it starts, how long it is, and how many bytes it takes up with its header.
 *   ES_ENOTFOUND  it is not complete; `*missing` bytes or more are to be read
 *   ES_ERANGE     it is longer than the limit */
struct esi_packet {
    const char *data;
    size_t size, whole;
};
ES_CHECKED es_err esi_packet_find(const struct esi_stream *s, struct esi_packet *out, size_t *missing);

/* Reads more into the buffer, `missing` bytes at least if they are there: as esi_stream_read_now(); ENOMEM. */
ssize_t esi_packet_read(struct esi_descriptor *d, struct esi_stream *s, size_t missing);

/* The first `size` bytes of the buffer are done with. */
void esi_packet_drop(struct esi_stream *s, size_t size);

#endif
