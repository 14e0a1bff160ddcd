/* proc/mailbox/message.h - the one block in which everything travels from process to process.
 *
 * A block is a header and, right behind it, the words of its term, or the payload of a signal, or a typed
 * message's struct. It has one owner at a time: who builds it, the inbox it was pushed to, the process that took it.
 * A process's own memory (es_new, es_keep) lies in such blocks too, so that giving is moving a pointer.
 * Who gets it and when is not decided here. */
#ifndef PROC_MAILBOX_MESSAGE_H
#define PROC_MAILBOX_MESSAGE_H

#include <stdint.h>
#include <engset/term.h>
#include <engset/struct.h>
#include "base/list.h"

struct esi_process;
struct esi_signal_kind;
struct esi_offheap;

/* What a block is just now; checked wherever one comes back from user code. */
enum esi_block_state {
    ESI_BLOCK_SENT = 0x5e17,  /* on its way, or in a mailbox */
    ESI_BLOCK_SHOWN = 0x5e37, /* in a mailbox, and a receive's clauses look at it: nobody else takes it out */
    ESI_BLOCK_OWNED = 0x0e4d, /* a process's own: on its `memory` list */
    ESI_BLOCK_HELD = 0x4e1d,  /* on that list, too, but a receive's or a call's: the user cannot free it */
    ESI_BLOCK_FREED = 0xdead,
};

/* What a timer's message has in its header until it fires (link/timer_book.h). */
struct esi_in_book {
    uint32_t next, previous; /* the slots of the neighbours in the ring of one receiver's timers */
    union {
        struct esi_message
            *chain;   /* of the first of a ring: the first of another receiver, in the same bucket */
        es_atom name; /* if `to` is 0 */
    };
};

struct esi_message {
    union {
        struct esi_message *next;   /* in an inbox's chain, or taken and not yet in the mailbox */
        struct esi_list in_list;    /* in a mailbox, or on a process's memory list */
        struct esi_in_book in_book; /* a timer's */
    };
    uint64_t to; /* the pid's id that it is meant for; of an owned block: its owner's */
    union {
        const struct esi_signal_kind *kind; /* NULL: a message for user code */
        uint64_t timer;                     /* a timer's, until it fires: its reference's id */
        struct esi_message
            *tuple; /* of a typed message that a react handler has in hand: its tuple form, or NULL */
    };
    es_term term; /* its root; ES_NONE in a signal, a typed message, or raw memory */
    union {
        struct esi_offheap *offheap;             /* shared binaries that the words refer to */
        const struct es_struct_descriptor *type; /* of a typed message (term is none) */
    };
    uint32_t tag;       /* esi_term_tag() of the term */
    uint16_t state;     /* enum esi_block_state */
    uint8_t is_typed;   /* `type` counts, not `offheap` */
    uint8_t is_counted; /* against the receiver's message limit */
    size_t size_bytes;  /* of the whole block, as allocated */
    uint64_t words[];
};
_Static_assert(sizeof(struct esi_message) == 64, "a header is one cache line");

/* `bytes` from the node's pools, for blocks and for small things of the runtime; NULL: no memory. free: with the same `bytes`. Any thread. */
void *esi_block_alloc(size_t bytes);
void esi_block_free(void *block, size_t bytes);

/* A block with room for `payload_bytes`, header filled in, payload not. NULL: no memory. Any thread. */
struct esi_message *esi_message_new(size_t payload_bytes);

/* A block that holds a copy of `term`. ES_ENOMEM; ES_EINVAL: a pattern stands in it. Any thread. */
ES_CHECKED es_err esi_message_copy(es_term term, struct esi_message **out);

/* A block with room for `payload_bytes` of payload and, behind it, a copy of `term` (a signal that carries a reason). */
ES_CHECKED es_err esi_message_copy_behind(size_t payload_bytes, es_term term, struct esi_message **out);

/* Ends a block, whose owner calls this. Any thread. */
void esi_message_free(struct esi_message *message);

/* The block whose payload starts at `payload`. */
static inline struct esi_message *esi_message_of(const void *payload)
{
    return (struct esi_message *)((char *)(uintptr_t)payload - sizeof(struct esi_message));
}

#endif
