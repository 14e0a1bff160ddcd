/* proc/mailbox/room.h - waiting until a mailbox with a limit has room. What happens to those who do not wait is in send.c. */
#ifndef PROC_MAILBOX_ROOM_H
#define PROC_MAILBOX_ROOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct esi_process;

/* The word esi_process.queued: how many messages count against the limit (low half), and the generation of the pid that they were sent to
 * (high half). A sender that was interrupted between its look at the id and its counting may find somebody else in the slot:
 *
 *   sender                               the slot
 *   id == to                             A lives here
 *                                        A ends; B is made: word = B's generation, 0
 *   word + 1                             <- would count on B a message that B never gets
 *
 * So who counts, or takes back, changes the word by compare-and-swap and only from a value with the generation of `to`. The new owner
 * stores its own word before anybody knows its id; what is counted between A's end and that store is overwritten. And a block that
 * reaches B's mailbox is B's by its `to`, so its count was B's, too: B itself may subtract without a look.
 * The half holds 32 of the id's 36 bits: only who was interrupted for exactly n * 2^32 lives of one slot would be mistaken. */
static inline uint64_t esi_room_empty(uint64_t id)
{
    return id >> 28 << 32;
}

/* The count in such a word. */
static inline uint32_t esi_room_count(uint64_t word)
{
    return (uint32_t)word;
}

enum esi_room {
    ESI_ROOM_TAKEN, /* the message counts */
    ESI_ROOM_NONE,  /* the mailbox is full */
    ESI_ROOM_GONE   /* whom it was meant for lives here no longer */
};

/* A counted message left the mailbox of `self`, which has room waiters: the one that has waited longest may send. On behalf of `self`. */
void esi_room_made(struct esi_process *self);

/* Counts one message more against the limit of `to`, who lives or lived in `p`. Any thread. */
enum esi_room esi_room_take(struct esi_process *p, uint64_t to);

/* As esi_room_take(), whether there is room or not: TAKEN or GONE. Any thread. */
enum esi_room esi_room_overdraw(struct esi_process *p, uint64_t to);

/* Takes back what one of these counted, for a message that does not come. False: `to` lives there no longer. Any thread. */
bool esi_room_give_back(struct esi_process *p, uint64_t to);

#endif
