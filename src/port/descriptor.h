/* port/descriptor.h - what this room knows of each descriptor number: who waits for it and, of one that it made itself, what it is.
 *
 * A number's record is made when it is first needed and stays for ever, so that an event which the poller is just handing out finds it
 * whatever happened to the descriptor. Descriptors that others made are watched for one event at a time (fd.h): close(2) behind our
 * back takes them out of the poller, and we would not know. Those made here are watched once, until es_close() (edge.h).
 *
 * Locks: a record's lock guards what is marked so. Under it the poller is told, the descriptor is read in active mode, and messages are
 * sent and processes woken (which takes a run queue's lock). */
#ifndef PORT_DESCRIPTOR_H
#define PORT_DESCRIPTOR_H

#include <pthread.h>
#include <stdatomic.h>
#include "base/list.h"
#include "port/fd.h"

struct esi_stream;

enum esi_descriptor_kind {
    ESI_FD_FOREIGN,  /* made by others: nothing is known of it */
    ESI_FD_TCP,      /* a connection */
    ESI_FD_UNIX,     /* a connection, or a pair's end */
    ESI_FD_PIPE,     /* one end of a pipe */
    ESI_FD_LISTENER, /* accepts */
};

enum esi_direction { ESI_IN, ESI_OUT };

struct esi_descriptor {
    pthread_mutex_t lock;
    struct esi_list waiters; /* of fd.c, in the order of coming; guarded */
    int fd;
    _Atomic(int32_t) waiter_count; /* written under the lock; a hint without */
    _Atomic(uint8_t) kind;         /* enum esi_descriptor_kind */
    /* of those made here */
    _Atomic(bool) is_watched; /* the poller knows it, for edges; written under the lock */
    _Atomic(bool)
        is_ended; /* the poller told of something that it does not tell again: a read may be short although there is more */
    _Atomic(uint32_t) generation; /* grows when the number gets another meaning */
    _Atomic(uint32_t) edges[2];   /* grows with each event for ESI_IN, ESI_OUT */
    _Atomic(uint64_t) drained; /* DRAINED_AT(edges[ESI_IN]) of a read that took all there was; 0: not known */
    _Atomic(struct esi_process *)
        waiter[2];           /* who waits, or did when it was killed; woken in vain that does no harm */
    _Atomic(uint64_t) owner; /* id of the process that owns it */
    _Atomic(struct esi_stream *)
        stream; /* what few have, NULL: nothing; changed and looked into under the lock */
};

/* What the poller hands back for `d`: the number, by which the record is found as by anybody else. */
static inline void *esi_descriptor_tag(const struct esi_descriptor *d)
{
    return (void *)(intptr_t)d->fd;
}

/* The record of `fd`, NULL if it was never made. Any thread. */
struct esi_descriptor *esi_descriptor_find(int fd);

/* The same, made if it is missing. ES_EINVAL: no number of a descriptor; ES_ELIMIT: too large; ES_ENOMEM. Any thread. */
ES_CHECKED es_err esi_descriptor_make(int fd, struct esi_descriptor **out);

/* `fd`, fresh from the system, becomes a descriptor of this room, owned by `self`. If that fails it is closed and `call` is noted as
 * what failed. ES_ENOMEM, ES_ELIMIT. On behalf of `self`, in the runtime. */
ES_CHECKED es_err esi_descriptor_open(struct esi_process *self, int fd, enum esi_descriptor_kind kind,
                                      const char *call);

/* Is `self` its owner? Others' numbers, and numbers out of range, are nobody's. */
bool esi_descriptor_is_of(struct esi_descriptor *d, struct esi_process *self);

#endif
