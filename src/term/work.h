/* term/work.h - what is still to be done while a term is walked, instead of recursion.
 *
 * Processes have small stacks and terms may be deep. The first frames lie in the walker's own frame, more on the
 * heap. A frame is taken off before its last word is looked at, so a long list never needs more than one. */
#ifndef TERM_WORK_H
#define TERM_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ESI_WORK_INLINE = 16 };

struct esi_work_frame {
    const uint64_t *a, *b; /* where to go on, in one term or in two */
    uint64_t left;         /* how many words still */
    uint64_t state;        /* the walker's */
};

struct esi_work {
    struct esi_work_frame *frames; /* NULL: still `inlined` */
    size_t count, size;
    bool may_grow; /* false: in a signal handler */
    struct esi_work_frame inlined[ESI_WORK_INLINE];
};

static inline void esi_work_init(struct esi_work *work, bool may_grow)
{
    work->frames = NULL;
    work->count = 0;
    work->size = ESI_WORK_INLINE;
    work->may_grow = may_grow;
}

/* Gives back what was grown. */
void esi_work_fini(struct esi_work *work);

/* Doubles the room; false if it may not, or there is no memory. */
bool esi_work_grow(struct esi_work *work);

/* The frame that was pushed last; there is one. */
static inline struct esi_work_frame *esi_work_top(struct esi_work *work)
{
    return (work->frames != NULL ? work->frames : work->inlined) + work->count - 1;
}

/* False if there is no room and no memory: nothing was pushed. */
static inline bool esi_work_push(struct esi_work *work, const uint64_t *a, const uint64_t *b, uint64_t left,
                                 uint64_t state)
{
    struct esi_work_frame *frame;
    if (work->count == work->size && !esi_work_grow(work))
        return false;
    work->count++;
    frame = esi_work_top(work);
    frame->a = a;
    frame->b = b;
    frame->left = left;
    frame->state = state;
    return true;
}

/* Called when a comparison finds no memory for its frames: the process room ends the calling process here. When it comes back, or
 * is NULL, the program ends. Set once, before there are threads. */
extern void (*esi_work_no_memory)(void);

#endif
